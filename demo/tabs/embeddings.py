"""The Embeddings tab: every clip of a gallery as a dot, near those that the network takes for the same."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import gradio as gr
import numpy as np

from actrec.video.camera import CameraBuffer
from demo.server.services import Lab
from demo.shared import demo_loop, weights_picker
from demo.shared.event_options import COMPUTE, QUIET
from demo.shared.examples import buttons
from demo.shared.explaining import explainer, gallery, looking, reading, survey
from demo.shared.files import fresh_file
from demo.shared.html import encoded
from demo.shared.player import player
from demo.shared.toasts import refusal, told

if TYPE_CHECKING:
    from actrec.explain.embedding import Separability
    from actrec.explain.embedding_map import Atlas
    from actrec.explain.gallery import Gallery
    from actrec.video import Clip

METHODS = ("t-SNE", "PCA")
WHERE = '<p class="quiet">Where is your own clip? Choose one below, or let the camera move the point.</p>'
SHORT_SIDE, COLUMNS, EVERY, KEPT_SECONDS = 180, 12, 0.5, 6.0
# Dots are chosen by mouse or keyboard; a small picture is shown beside the one that is pointed at.
CHOOSE = """
const dot = (event) => event.target.closest('[data-index]');
const choose = (event) => {
  const found = dot(event);
  if (!found) return;
  element.querySelectorAll('.chosen').forEach((each) => each.classList.remove('chosen'));
  element.querySelectorAll(`[data-index="${found.dataset.index}"]`).forEach((each) => each.classList.add('chosen'));
  trigger('select', { index: Number(found.dataset.index), value: found.dataset.label });
};
element.addEventListener('click', choose);
element.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); choose(event); }
});
// A dot that has the keyboard's focus keeps its picture when the page scrolls under the mouse.
const focused = () => element.contains(document.activeElement) && document.activeElement.closest('[data-index]');
const point = (event) => {
  const found = event.type === 'focusout' ? null : dot(event) ?? focused();
  const tip = element.querySelector('.atlas-tip');
  if (!tip) return;
  tip.hidden = !found;
  if (!found) return;
  const columns = Number(tip.dataset.columns), index = Number(found.dataset.index), side = 64;
  const across = (index % columns) * side, down = Math.floor(index / columns) * side;
  tip.firstElementChild.style.backgroundPosition = `-${across}px -${down}px`;
  tip.lastElementChild.textContent = found.getAttribute('aria-label');
  const box = element.getBoundingClientRect(), at = found.getBoundingClientRect();
  tip.style.left = Math.max(0, Math.min(at.right - box.left + 8, box.width - 160)) + 'px';
  tip.style.top = (at.bottom - box.top + 6) + 'px';
};
element.addEventListener('mouseover', point);
element.addEventListener('focusin', point);
element.addEventListener('focusout', point);
"""
# The moving point: its spots arrive in a small element of their own, so that the maps are not drawn again.
MOVE = """
const place = () => {
  const spots = JSON.parse(element.querySelector('[data-spots]')?.dataset.spots ?? '[]');
  document.querySelectorAll('#embeddings-map .here').forEach((each, number) => {
    each.toggleAttribute('hidden', !spots[number]);
    if (spots[number]) each.setAttribute('transform', `translate(${spots[number][0]} ${spots[number][1]})`);
  });
};
new MutationObserver(place).observe(element, { childList: true, subtree: true, attributes: true });
place();
"""


@dataclass(frozen=True)
class Map:
    """What is shown now: which weights, and every space's map with its number."""

    weights: str
    atlases: dict[str, tuple[Atlas, Separability]]
    gallery: Gallery


@dataclass
class Camera:
    """A visitor's camera on the map."""

    buffer: CameraBuffer = field(default_factory=lambda: CameraBuffer(KEPT_SECONDS))


def draw(
    lab: Lab, weights: str | None, method: str, seed: float, progress: gr.Progress | None = None
) -> tuple[str, Map]:
    """The maps of some weights over the gallery."""
    from actrec.explain.embedding_map import atlases

    weights = weights or lab.default
    with looking(lab, weights):
        found = survey(lab, weights, progress)
        shown = gallery(lab, weights)
        card = lab.cards[weights]
        key = ("atlas", weights, card.sha256, method, int(seed or 0))
        made = lab.shared(key, lambda: atlases(found, shown.labels, card, method, int(seed or 0)))
    now = Map(weights, made, shown)
    return page_of(lab, now), now


def page_of(lab: Lab, now: Map) -> str:
    """The maps side by side, their numbers, their legend."""
    cells = ""
    for name, (atlas, apart) in now.atlases.items():
        title = f"{name[0].upper()}{name[1:]} features" if len(now.atlases) > 1 else "Codes"
        cells += (
            f'<figure class="view atlas" data-space="{name}">{atlas.svg(f"{title} of {now.weights}")}<figcaption>'
            f"<b>{title}.</b> How well they separate the actions: {escape(str(apart))}.</figcaption></figure>"
        )
    first = list(now.atlases.values())[-1][0]
    return (
        f'<div class="atlases" data-weights="{escape(now.weights)}">{cells}</div>{first.legend()}'
        f'<p class="quiet">{said(lab, now)}</p>{_tip(lab, now)}'
    )


def features_of(lab: Lab, weights: str) -> str:
    """What the maps of these weights are made of, and where the paper shows it."""
    system = lab.recognizer(weights).system
    return f"{system.title}, {system.features.figure}: {system.features.about}."


def several_maps() -> str:
    """Which weights show more than one map."""
    from actrec.systems import SYSTEMS

    mapped = {
        system.title: system.features for system in SYSTEMS.values() if system.size == "light" and system.features
    }
    return " ".join(
        f"{title}'s weights show several maps here, one for each kind of feature (its {features.figure})."
        for title, features in mapped.items()
    )


def said(lab: Lab, now: Map) -> str:
    """What the maps show, in words."""
    atlas = list(now.atlases.values())[-1][0]
    parts = [
        f"Each dot is a clip of the gallery ({len(now.gallery)} drawn clips that no training has seen); its colour and "
        "shape are what the clip really shows. Click one to play it."
    ]
    if len(now.atlases) > 1:
        parts.append(
            f"{features_of(lab, now.weights)} The number under each "
            "map is measured in the full space: a silhouette of 1 is perfect, 0 is a mixture. Every person and "
            "room appears once in each action, so what sees only the look of things groups those instead."
        )
    else:
        parts.append(several_maps())
    if atlas.flat.shown is not None:
        parts.append(f"PCA keeps the two directions in which the codes differ most: {atlas.flat.shown:.0%} of it all.")
    if atlas.threshold is not None:
        ring = "Circles: the threshold γ around each." if atlas.flat.axes is not None else "t-SNE keeps no distances, "
        ring += "" if atlas.flat.axes is not None else "so the threshold γ has no circle here: see PCA."
        parts.append(
            "Crosses are the weights' own class centres. Hollow dots are farther than γ from all of them: the weights "
            f"would say “unknown”. {ring}"
        )
    return " ".join(map(escape, parts))


def _tip(lab: Lab, now: Map) -> str:
    """All clips' small pictures in one, of which the page shows the one that is pointed at."""
    data = lab.shared(("thumbs", now.gallery.labels), lambda: encoded(now.gallery.sheet(COLUMNS), 75))
    return (
        f'<div class="atlas-tip" data-columns="{COLUMNS}" hidden>'
        f'<div style="background-image:url({data})"></div><span></span></div>'
    )


def play(lab: Lab, now: Map | None, number: int) -> tuple[str, str]:
    """The clip of the dot that was chosen."""
    from actrec.video.write import write_mp4

    if now is None:
        raise refusal("Draw the map first.")
    clip = now.gallery.clip(number)
    with told():
        path = write_mp4(fresh_file(f"gallery-{number + 1}.mp4"), clip.frames, clip.fps or 12.5)
    label = now.gallery.labels[number]
    return str(path), f'<p data-clip="{number}"><b>{escape(label)}</b>, clip {number + 1} of the gallery.</p>'


def place(lab: Lab, path: str | None, now: Map | None) -> tuple[str, str]:
    """A visitor's own clip as a point on the finished maps, and what it is near to."""
    if not path:
        raise refusal("Choose a video first: upload one or take an example.")
    if now is None:
        raise refusal("Draw the map first.")
    from actrec.explain.over_time import parts_of

    with looking(lab, now.weights):
        clip = reading(lab, path, short_side=SHORT_SIDE)
        return _placed(lab, parts_of(clip, lab.recognizer(now.weights).system.seconds), now)


def _placed(lab: Lab, parts: list[Clip], now: Map) -> tuple[str, str]:
    """The mean of some windows on every map."""
    from actrec.explain.activations import found_in

    found = found_in(explainer(lab, now.weights), parts).mean()
    spots = [atlas.spot_of(found.spaces[name][0]) for name, (atlas, _) in now.atlases.items()]
    flat = list(now.atlases.values())[-1][0].flat
    near = [now.gallery.labels[number] for number in flat.nearest(found.codes[0])]
    judged = lab.recognizer(now.weights).judge(found.codes[0])
    words = "It stands where the mean of its windows is. " if len(parts) > 1 else ""
    words += f"Its five nearest clips: {', '.join(near)}."
    if judged is not None:
        limit = judged.threshold
        known = "" if limit is None else f" ({'beyond' if judged.unknown else 'within'} γ = {limit:.2f})"
        words += f" Nearest class centre: {judged.nearest[0][0]} at {judged.distance:.2f}{known}."
    return _spots(spots), f'<p data-near="{escape(near[0])}">{escape(words)}</p><p class="quiet">{escape(flat.how)}</p>'


def _spots(spots: list[tuple[float, float]]) -> str:
    written = [[round(x, 1), round(y, 1)] for x, y in spots]
    return f'<span data-spots="{written}"></span>'


def on_frame(
    lab: Lab, frame: np.ndarray | None, camera: Camera | None, now: Map | None
) -> tuple[object, object, Camera]:
    """One camera frame in; the point moves once there are enough of them."""
    camera = camera or Camera()
    if frame is None or now is None:
        return gr.skip(), gr.skip(), camera
    camera.buffer.add(frame, time.monotonic())
    seconds = lab.recognizer(now.weights).system.seconds
    clip = camera.buffer.clip(seconds + 0.5)
    if clip is None or clip.duration < 0.5 * seconds:
        return gr.skip(), f'<p class="quiet">Watching: the point needs {seconds:.1f} seconds of video.</p>', camera
    with looking(lab, now.weights):
        return *_placed(lab, [clip], now), camera


def on_tick(lab: Lab, since: float, film: str, *rest: object) -> tuple[object, object, Camera]:
    """The demo loop's frame of this moment, taken as if a camera had sent it."""
    return on_frame(lab, demo_loop.frame(lab, film, time.monotonic() - since), *rest)


def loop(since: float) -> tuple[float, gr.Timer, gr.Button, None]:
    """Start the demo loop, or stop it."""
    started = 0.0 if since else time.monotonic()
    return started, gr.Timer(active=bool(started)), gr.Button(demo_loop.STOP if started else demo_loop.PLAY), None


def build(lab: Lab, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    gr.Markdown(
        "A network turns a clip into a **code**, a list of numbers. Clips with like codes lie near each other here; "
        "whatever forms an island is one thing to the network."
    )
    with gr.Row():
        with gr.Column():
            weights = weights_picker.build(lab, tab, "embeddings")
        with gr.Column():
            method = gr.Radio(
                METHODS, value="t-SNE", label="Map", elem_id="embeddings-method",
                info="t-SNE keeps neighbours together; PCA keeps directions and distances, as far as two can.",
            )  # fmt: skip
            seed = gr.Slider(
                0, 20, value=0, step=1, label="Draw", elem_id="embeddings-seed",
                info="t-SNE starts by chance: the same number gives the same map.",
            )  # fmt: skip
            button = gr.Button("Draw the map", variant="primary", elem_id="embeddings-draw")
    shown = gr.HTML(
        '<p class="quiet">The first map takes a few seconds: the gallery is drawn and looked at once.</p>',
        elem_id="embeddings-map", js_on_load=CHOOSE,
    )  # fmt: skip
    here = gr.HTML(_spots([]), elem_id="embeddings-here", js_on_load=MOVE)
    with gr.Row():
        with gr.Column():
            film = gr.Video(
                label="The clip you clicked", interactive=False, autoplay=True, loop=True, height=240,
                elem_id="embeddings-film",
            )  # fmt: skip
            what = gr.HTML(elem_id="embeddings-what")
        with gr.Column():
            near = gr.HTML(WHERE, elem_id="embeddings-near")
            own, camera, examples, loops = _own(lab)
    _wire(lab, tab, [weights, method, seed], button, (shown, here, film, what, near), own, camera, examples, loops)


def _own(lab: Lab) -> tuple:
    """Where a visitor's own point comes from: a file, an example, the camera, or the demo loop."""
    with gr.Tabs():
        with gr.Tab("A clip"):
            own = player(lab, "embeddings", height=200)
            examples = buttons("embeddings")
        with gr.Tab("The camera"):
            camera = gr.Image(
                sources=["webcam"], streaming=True, label="Camera: press 'Access Webcam', then 'Record'",
                elem_id="embeddings-camera", height=200,
                webcam_options=gr.WebcamOptions(mirror=False, constraints={"video": {"width": 320, "height": 240}}),
            )  # fmt: skip
            with gr.Row():
                film = gr.Dropdown(
                    demo_loop.names(), value=demo_loop.ALL, label="Demo loop", elem_id="embeddings-loop", scale=2
                )
                button = gr.Button(demo_loop.PLAY, elem_id="embeddings-play", min_width=120, scale=1)
    return own, camera, examples, (film, button)


def _wire(lab: Lab, tab: gr.Tab, asked: list, button: gr.Button, shown: tuple, own, camera, examples, loops) -> None:
    maps, here, film, what, near = shown
    now, seen, since = gr.State(None), gr.State(None, time_to_live=600), gr.State(0.0)

    def drawing(weights, method, seed, progress: gr.Progress = gr.Progress()):  # noqa: B008
        return *draw(lab, weights, method, seed, progress), _spots([]), WHERE

    def chosen(now: Map | None, event: gr.EventData) -> tuple[str, str]:
        return play(lab, now, int(event.index))

    gr.on([button.click, asked[1].input, asked[2].release], drawing, asked, [maps, now, here, near], **COMPUTE)
    tab.select(lambda w, m, s, had: drawing(w, m, s) if had is None else (gr.skip(),) * 4, [*asked, now],
               [maps, now, here, near], **COMPUTE)  # fmt: skip
    maps.select(chosen, now, [film, what], **QUIET)
    own.upload(partial(place, lab), [own, now], [here, near], **COMPUTE)
    for path, example in examples:
        example.click(partial(str, path), None, own, api_visibility="private").then(
            partial(place, lab), [own, now], [here, near], **COMPUTE
        )
    loop_film, loop_button = loops
    ticks = gr.Timer(EVERY, active=False)
    camera.stream(partial(on_frame, lab), [camera, seen, now], [here, near, seen], stream_every=EVERY / 2,
                  concurrency_limit=4, **QUIET)  # fmt: skip
    ticks.tick(partial(on_tick, lab), [since, loop_film, seen, now], [here, near, seen], trigger_mode="once",
               concurrency_limit=4, **QUIET)  # fmt: skip
    loop_button.click(loop, since, [since, ticks, loop_button, seen], **QUIET)
