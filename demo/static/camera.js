// Where the browser gives no camera, its reason becomes a sentence.
const REASONS = {
  NotAllowedError: "The browser does not give this page the camera. Allow it beside the address, then reload.",
  NotFoundError: "No camera was found. Plug one in and reload, or play the demo loop below.",
  NotReadableError: "The camera is there, but something else is using it. Close that, then click the button again.",
  Unplugged: "The camera is gone. Plug it in again and click Record, or play the demo loop below.",
  OverconstrainedError: "The camera cannot give 320 × 240 frames. Try another one, or play the demo loop below.",
};
const explain = (name) => {
  document.querySelectorAll(".camera-note .quiet").forEach((note) => {
    note.textContent = REASONS[name] ?? `The browser gives no camera (${name}). Play the demo loop below.`;
  });
};
// A camera that is unplugged leaves its last frame standing, which would be answered for ever.
const watched = (stream) => {
  stream.getVideoTracks().forEach((track) => track.addEventListener("ended", () => {
    explain("Unplugged");
    const buttons = [...document.querySelectorAll("[id$=-camera] button")];
    buttons.filter((button) => button.innerText.trim() === "Stop").forEach((button) => button.click());
  }));
  return stream;
};
const media = navigator.mediaDevices;
if (media?.getUserMedia) {
  const ask = media.getUserMedia.bind(media);
  media.getUserMedia = (...wishes) => ask(...wishes).then(watched).catch((error) => { explain(error.name); throw error; });
}
