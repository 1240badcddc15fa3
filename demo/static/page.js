// Light or dark as the visitor chose last; without a choice as the system does.
const chosen = localStorage.getItem("actrec-theme");
if (chosen && !new URLSearchParams(location.search).has("__theme"))
  document.body.classList.toggle("dark", chosen === "dark");
document.addEventListener("click", (event) => {
  if (!event.target.closest("#theme")) return;
  const dark = document.body.classList.toggle("dark");
  localStorage.setItem("actrec-theme", dark ? "dark" : "light");
});

// A table's column headers sort it: first upwards, then downwards. Empty cells stay at the end.
document.addEventListener("click", (event) => {
  const button = event.target.closest(".table th button");
  if (!button) return;
  const header = button.closest("th"), table = header.closest("table"), body = table.tBodies[0];
  const column = [...header.parentNode.children].indexOf(header);
  const down = header.getAttribute("aria-sort") === "ascending";
  const cell = (row) => row.cells[column].dataset.value ?? row.cells[column].innerText.trim();
  const rows = [...body.rows].sort((one, other) => {
    const [a, b] = [cell(one), cell(other)];
    if (a === "" || b === "") return (a === "") - (b === "");
    const numbers = !isNaN(a) && !isNaN(b);
    const order = numbers ? a - b : a.localeCompare(b);
    return down ? -order : order;
  });
  table.querySelectorAll("th").forEach((other) => other.setAttribute("aria-sort", "none"));
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
  body.append(...rows);
});

// The menu of tabs that do not fit closes at Escape, as menus do.
document.addEventListener("keydown", (event) => {
  const menu = document.querySelector(".overflow-dropdown:not(.hide)");
  if (event.key !== "Escape" || !menu) return;
  document.body.click();
  menu.parentNode.querySelector("button").focus();
});

// What Gradio reports to screen readers wrongly or not at all: a label on what has no role, a button without a name, a
// name that hides the text inside. And a file that the browser cannot play may be one that can be read here.
const UNPLAYABLE = "This browser cannot play the file. It may still be readable here: click the button.";
let waiting = 0;
const mend = () => {
  waiting = 0;
  document.querySelectorAll("div.empty[aria-label]:not([role])").forEach((box) => box.setAttribute("role", "img"));
  document.querySelectorAll(".overflow-menu > button").forEach((button) => button.setAttribute("aria-label", "More tabs"));
  document.querySelectorAll("[data-testid=toast-text]").forEach((toast) => {
    if (toast.textContent.trim() === "Video not playable") toast.textContent = UNPLAYABLE;
  });
  document.querySelectorAll("button.upload-container[aria-label]").forEach((button) => button.removeAttribute("aria-label"));
};
new MutationObserver(() => { waiting ||= setTimeout(mend, 300); }).observe(document.body, { childList: true, subtree: true });
mend();
