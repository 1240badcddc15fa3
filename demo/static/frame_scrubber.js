// One slider for frames over time. It sets --at, from 0 to 1; panels and cursor take their place from it.
const move = (root, place) => {
  const slider = root.querySelector("input");
  const last = Number(slider.max);
  slider.value = place;
  root.style.setProperty("--at", last ? place / last : 0);
  root.querySelector("output").textContent = JSON.parse(root.dataset.seconds)[place].toFixed(1) + " s";
};
document.addEventListener("input", (event) => {
  const root = event.target.closest(".scrub");
  if (root && event.target.type === "range") { root.dataset.playing = ""; move(root, Number(event.target.value)); }
});
document.addEventListener("click", (event) => {
  const button = event.target.closest(".scrub-play");
  if (!button) return;
  const root = button.closest(".scrub");
  root.dataset.playing = root.dataset.playing ? "" : "yes";
  const step = () => {
    if (!root.isConnected || !root.dataset.playing) { button.textContent = "▶ Play"; return; }
    button.textContent = "❚❚ Stop";
    const slider = root.querySelector("input");
    move(root, (Number(slider.value) + 1) % (Number(slider.max) + 1));
    setTimeout(step, 1000 / Number(root.dataset.rate));
  };
  step();
});
