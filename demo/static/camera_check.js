async () => {
  // Why the browser gives no camera, in a sentence for the note beside it.
  const note = (sentence) => `<p class="quiet">${sentence}</p>`;
  if (!navigator.mediaDevices) return note("Browsers give a camera only to pages from this computer or over https. " +
    `Open this page as http://127.0.0.1:${location.port}, or play the demo loop below.`);
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  if (!devices.some((device) => device.kind === "videoinput"))
    return note("No camera was found. Plug one in and reload, or play the demo loop below.");
  const allowed = await navigator.permissions?.query({ name: "camera" }).catch(() => null);
  if (allowed?.state === "denied") return note("The browser does not give this page the camera. " +
    "Allow it beside the address and reload, or play the demo loop below.");
  return note("Click 'Access Webcam', then 'Record'; or play the demo loop.");
}
