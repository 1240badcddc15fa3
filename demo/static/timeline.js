// A moment of the Clip tab's timeline was chosen: the player above goes there. No server is asked.
document.addEventListener("click", (event) => {
  const moment = event.target.closest("#clip-timeline [data-start]");
  const video = document.querySelector("#clip-video video");
  if (moment && video) { video.currentTime = Number(moment.dataset.start) + 0.01; video.play(); }
});
