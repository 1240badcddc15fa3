() => {
  // Light or dark as the visitor chose last; without a choice as the system says.
  const wanted = localStorage.getItem("actrec-theme");
  if (wanted && !new URLSearchParams(location.search).has("__theme"))
    document.body.classList.toggle("dark", wanted === "dark");

  // A table's heads sort it: first upwards, then downwards. Empty cells stay at the end.
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".table th button");
    if (!button) return;
    const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
    const column = [...head.parentNode.children].indexOf(head);
    const down = head.getAttribute("aria-sort") === "ascending";
    const said = (row) => row.cells[column].dataset.value ?? row.cells[column].innerText.trim();
    const rows = [...body.rows].sort((one, other) => {
      const [a, b] = [said(one), said(other)];
      if (a === "" || b === "") return (a === "") - (b === "");
      const numbers = !isNaN(a) && !isNaN(b);
      const order = numbers ? a - b : a.localeCompare(b);
      return down ? -order : order;
    });
    table.querySelectorAll("th").forEach((each) => each.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
  });

  // The menu of tabs that do not fit closes at Escape, as menus do.
  document.addEventListener("keydown", (event) => {
    const menu = document.querySelector(".overflow-dropdown:not(.hide)");
    if (event.key !== "Escape" || !menu) return;
    document.body.click();
    menu.parentNode.querySelector("button").focus();
  });

  // What Gradio tells screen readers wrongly or not at all: a label on what has no role, a button without a name, a
  // name that hides the text inside. And a file that the browser cannot play may be one that can be read here.
  const UNPLAYABLE = "This browser cannot play the file. It may be read all the same: press the button.";
  let waiting = 0;
  const mend = () => {
    waiting = 0;
    document.querySelectorAll("div.empty[aria-label]:not([role])").forEach((each) => each.setAttribute("role", "img"));
    document.querySelectorAll(".overflow-menu > button").forEach((each) => each.setAttribute("aria-label", "More tabs"));
    document.querySelectorAll("[data-testid=toast-text]").forEach((each) => {
      if (each.textContent.trim() === "Video not playable") each.textContent = UNPLAYABLE;
    });
    document.querySelectorAll("button.upload-container[aria-label]").forEach((each) => each.removeAttribute("aria-label"));
  };
  new MutationObserver(() => { waiting ||= setTimeout(mend, 300); }).observe(document.body, { childList: true, subtree: true });
  mend();

  // Where the browser gives no camera, its reason becomes a sentence.
  const REASONS = {
    NotAllowedError: "The browser was told not to give this page the camera. Allow it beside the address, then reload.",
    NotFoundError: "No camera was found. Plug one in and reload, or play the demo loop below.",
    NotReadableError: "The camera is there, but something else is using it. Close that, then press the button again.",
    Unplugged: "The camera is gone. Plug it in again and press Record, or play the demo loop below.",
    OverconstrainedError: "The camera cannot give 320 × 240 pictures. Try another one, or play the demo loop below.",
  };
  const say = (name) => {
    const place = document.querySelector("#live-note .quiet");
    if (place) place.textContent = REASONS[name] ?? `The browser gives no camera (${name}). Play the demo loop below.`;
  };
  // A camera that is unplugged leaves its last picture standing, which would be judged for ever.
  const watched = (stream) => {
    stream.getVideoTracks().forEach((track) => track.addEventListener("ended", () => {
      say("Unplugged");
      const buttons = [...document.querySelectorAll("[id$=-camera] button")];
      buttons.filter((each) => each.innerText.trim() === "Stop").forEach((each) => each.click());
    }));
    return stream;
  };
  const media = navigator.mediaDevices;
  if (media?.getUserMedia) {
    const ask = media.getUserMedia.bind(media);
    media.getUserMedia = (...wishes) => ask(...wishes).then(watched).catch((error) => { say(error.name); throw error; });
  }
}
