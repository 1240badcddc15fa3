// The moving point: its spots arrive in a small element of their own, so that the maps are not drawn again.
const place = () => {
  const spots = JSON.parse(element.querySelector('[data-spots]')?.dataset.spots ?? '[]');
  document.querySelectorAll('#embeddings-map .here').forEach((point, number) => {
    point.toggleAttribute('hidden', !spots[number]);
    if (spots[number]) point.setAttribute('transform', `translate(${spots[number][0]} ${spots[number][1]})`);
  });
};
new MutationObserver(place).observe(element, { childList: true, subtree: true, attributes: true });
place();
