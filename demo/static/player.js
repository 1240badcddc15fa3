// A video that the browser does not play is replaced by a copy. The note PLACE-player names the folder of the video in
// PLACE-video, and the copy where there is one. A video that fails waits for its note: then it is the copy, or the player
// gets the failure after all, as it does where the copy fails.
const players = new Map(); // by place: the address that failed, and the one whose failure the player may get
const settle = (place) => {
  const player = players.get(place);
  const video = document.querySelector(`#${place}-video video`);
  const note = document.querySelector(`#${place}-player [data-of]`);
  if (!video || !note || video.src !== player.failed || !player.failed.includes(note.dataset.of)) return;
  player.failed = null;
  const copy = note.dataset.copy?.split("/").map(encodeURIComponent).join("/");
  player.reported = copy ? video.src.replace(/file=.*/, "file=" + copy) : video.src;
  if (!copy) return video.dispatchEvent(new Event("error"));
  video.src = player.reported;
  video.load();
  note.hidden = false;
};
const written = { childList: true, subtree: true, attributes: true, attributeFilter: ["data-of", "data-copy"] };
const fails = (event) => {
  const video = event.target;
  if (video.tagName !== "VIDEO") return;
  const place = video.closest("[id$=-video]")?.id.replace(/-video$/, "");
  const box = place && document.getElementById(`${place}-player`);
  if (!box) return;
  if (!players.has(place)) {
    players.set(place, { failed: null, reported: null });
    new MutationObserver(() => settle(place)).observe(box, written);
  }
  const player = players.get(place);
  if (video.src === player.reported) return;
  event.stopPropagation();
  player.failed = video.src;
  settle(place);
};
document.addEventListener("error", fails, true);
document.addEventListener("loadedmetadata", (event) => event.target.videoWidth === 0 && fails(event), true);
