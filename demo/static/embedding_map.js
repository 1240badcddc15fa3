// Dots are chosen by mouse or keyboard; a thumbnail is shown beside the one that is pointed at.
const dot = (event) => event.target.closest('[data-index]');
const choose = (event) => {
  const spot = dot(event);
  if (!spot) return;
  element.querySelectorAll('.chosen').forEach((mark) => mark.classList.remove('chosen'));
  element.querySelectorAll(`[data-index="${spot.dataset.index}"]`).forEach((mark) => mark.classList.add('chosen'));
  trigger('select', { index: Number(spot.dataset.index), value: spot.dataset.label });
};
element.addEventListener('click', choose);
element.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); choose(event); }
});
// A dot that has the keyboard's focus keeps its thumbnail when the page scrolls under the mouse.
const focused = () => element.contains(document.activeElement) && document.activeElement.closest('[data-index]');
const point = (event) => {
  const spot = event.type === 'focusout' ? null : dot(event) ?? focused();
  const tip = element.querySelector('.atlas-tip');
  if (!tip) return;
  tip.hidden = !spot;
  if (!spot) return;
  const columns = Number(tip.dataset.columns), index = Number(spot.dataset.index), side = 64;
  const across = (index % columns) * side, down = Math.floor(index / columns) * side;
  tip.firstElementChild.style.backgroundPosition = `-${across}px -${down}px`;
  tip.lastElementChild.textContent = spot.getAttribute('aria-label');
  const box = element.getBoundingClientRect(), at = spot.getBoundingClientRect();
  tip.style.left = Math.max(0, Math.min(at.right - box.left + 8, box.width - 160)) + 'px';
  tip.style.top = (at.bottom - box.top + 6) + 'px';
};
element.addEventListener('mouseover', point);
element.addEventListener('focusin', point);
element.addEventListener('focusout', point);
