// Two frames over each other: the slider draws the upper one aside. No server is asked.
document.addEventListener("input", (event) => {
  const curtain = event.target.closest(".curtain");
  if (curtain) curtain.style.setProperty("--cut", event.target.value + "%");
});
