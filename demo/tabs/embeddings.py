"""The Embeddings tab: every clip of a gallery as a dot, near those with a similar embedding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
import numpy as np

from actrec.figures.data_uri import jpeg_uri
from demo.server.services import Services
from demo.shared import weights_picker
from demo.shared.answer import judgement_sentence
from demo.shared.camera import Camera, CameraControls, camera_controls, stream, watch
from demo.shared.event_options import COMPUTE, QUIET
from demo.shared.examples import buttons
from demo.shared.explaining import explainer, gallery, gallery_activations, network_errors_as_toasts, read_clip
from demo.shared.files import fresh_file
from demo.shared.outputs import as_outputs
from demo.shared.player import player
from demo.shared.scripts import script
from demo.shared.toasts import errors_as_toasts, refusal

if TYPE_CHECKING:
    from actrec.explain.embedding import Separability
    from actrec.explain.embedding_map import Atlas
    from actrec.explain.gallery import Gallery
    from actrec.video import Clip

METHODS = ("t-SNE", "PCA")
WHERE = '<p class="quiet">Where is your own clip? Choose one below, or let the camera move the point.</p>'
SHORT_SIDE, COLUMNS = 180, 12
EVERY = 0.5  # seconds between two places of the camera's point


@dataclass(frozen=True)
class Map:
    """The maps that are shown now: the weights, and every space's map with its separability."""

    weights: str
    atlases: dict[str, tuple[Atlas, Separability]]
    gallery: Gallery


@dataclass(frozen=True)
class Drawn:
    """Fresh maps, with no point of the visitor's own on them yet."""

    maps: str
    now: Map
    here: str
    near: str


@dataclass(frozen=True)
class Placed:
    """Where a visitor's own clip lies on the maps, and what it is near to."""

    here: str
    near: str


@dataclass(frozen=True)
class CameraPlaced:
    """The same of a camera's last seconds; the visitor's camera with it."""

    here: object
    near: object
    camera: Camera


def draw(
    services: Services, weights: str | None, method: str, seed: float, progress: gr.Progress | None = None
) -> Drawn:
    """The maps of some weights over the gallery."""
    from actrec.explain.embedding_map import atlases

    weights = weights or services.default
    with network_errors_as_toasts(services, weights):
        activations = gallery_activations(services, weights, progress)
        clips = gallery(services, weights)
        card = services.cards[weights]
        key = ("atlas", weights, card.sha256, method, int(seed or 0))
        maps = services.shared(key, lambda: atlases(activations, clips.labels, card, method, int(seed or 0)))
    now = Map(weights, maps, clips)
    return Drawn(page_of(services, now), now, _spots([]), WHERE)


def page_of(services: Services, now: Map) -> str:
    """The maps side by side, their numbers, their legend."""
    cells = ""
    for name, (atlas, apart) in now.atlases.items():
        title = f"{name[0].upper()}{name[1:]} features" if len(now.atlases) > 1 else "Embeddings"
        cells += (
            f'<figure class="view atlas" data-space="{name}">{atlas.svg(f"{title} of {now.weights}")}<figcaption>'
            f"<b>{title}.</b> How well they separate the actions: {escape(str(apart))}.</figcaption></figure>"
        )
    first = list(now.atlases.values())[-1][0]
    return (
        f'<div class="atlases" data-weights="{escape(now.weights)}">{cells}</div>{first.legend()}'
        f'<p class="quiet">{legend(services, now)}</p>{_tip(services, now)}'
    )


def features_of(services: Services, weights: str) -> str:
    """The features behind the maps of these weights, and the paper's figure of them."""
    system = services.recognizer(weights).system
    return f"{system.title}, {system.features.figure}: {system.features.about}."


def several_maps() -> str:
    """A sentence on the weights that show more than one map."""
    from actrec.systems import SYSTEMS

    mapped = {
        system.title: system.features for system in SYSTEMS.values() if system.size == "light" and system.features
    }
    return " ".join(
        f"{title}'s weights show several maps here, one for each kind of feature (its {features.figure})."
        for title, features in mapped.items()
    )


def legend(services: Services, now: Map) -> str:
    """What the maps show, in words."""
    atlas = list(now.atlases.values())[-1][0]
    parts = [
        f"Each dot is one of the gallery's {len(now.gallery)} drawn clips, which no training has seen. Its colour and "
        "shape show the clip's true action. Click one to play it."
    ]
    drawn, known = len(set(now.gallery.labels)), len(services.cards[now.weights].labels)
    if drawn < known:
        parts.append(f"Of the {known} actions that these weights know, {drawn} can be drawn and stand here.")
    if len(now.atlases) > 1:
        parts.append(
            f"{features_of(services, now.weights)} The number under each map is measured in the full space. "
            "A silhouette of 1 is perfect; 0 is a mixture. Every person and room appears once in each action. "
            "Features of appearance alone therefore group people and rooms instead of actions."
        )
    else:
        parts.append(several_maps())
    if atlas.flat.shown is not None:
        parts.append(
            f"PCA keeps the two directions in which the embeddings vary most: {atlas.flat.shown:.0%} of their variance."
        )
    if atlas.threshold is not None:
        ring = "Circles: the threshold γ around each." if atlas.flat.axes is not None else "t-SNE keeps no distances, "
        ring += "" if atlas.flat.axes is not None else "so the threshold γ has no circle here: see PCA."
        parts.append(
            "Crosses are the weights' own class centres. Hollow dots are farther than γ from all of them: "
            f"the answer would be “unknown”. {ring}"
        )
    return " ".join(map(escape, parts))


def _tip(services: Services, now: Map) -> str:
    """All clips' thumbnails in one image, of which the page shows the one that is pointed at."""
    data = services.shared(("thumbs", now.gallery.labels), lambda: jpeg_uri(now.gallery.sheet(COLUMNS), 75))
    return (
        f'<div class="atlas-tip" data-columns="{COLUMNS}" hidden>'
        f'<div style="background-image:url({data})"></div><span></span></div>'
    )


@dataclass(frozen=True)
class Played:
    """The clip of a dot, and what it is."""

    clip: str
    about: str


def play(services: Services, now: Map | None, number: int) -> Played:
    """The clip of the dot that was chosen."""
    from actrec.video.write import write_mp4

    if now is None:
        raise refusal("Draw the map first.")
    clip = now.gallery.clip(number)
    with errors_as_toasts():
        path = write_mp4(fresh_file(f"gallery-{number + 1}.mp4"), clip.frames, clip.fps or 12.5)
    label = now.gallery.labels[number]
    about = f'<p data-clip="{number}"><b>{escape(label)}</b>, clip {number + 1} of the gallery.</p>'
    return Played(str(path), about)


def place(services: Services, path: str | None, now: Map | None) -> Placed:
    """A visitor's own clip as a point on the finished maps, and what it is near to."""
    if not path:
        raise refusal("Choose a video first: upload one or take an example.")
    if now is None:
        raise refusal("Draw the map first.")
    from actrec.explain.over_time import parts_of

    with network_errors_as_toasts(services, now.weights):
        clip = read_clip(services, path, short_side=SHORT_SIDE)
        return _placed(services, parts_of(clip, services.recognizer(now.weights).system.seconds), now)


def _placed(services: Services, parts: list[Clip], now: Map) -> Placed:
    """The mean of some windows on every map."""
    from actrec.explain.activations import of_clips

    mean = of_clips(explainer(services, now.weights), parts).mean()
    spots = [atlas.spot_of(mean.spaces[name][0]) for name, (atlas, _) in now.atlases.items()]
    flat = list(now.atlases.values())[-1][0].flat
    near = [now.gallery.labels[number] for number in flat.nearest(mean.codes[0])]
    judged = services.recognizer(now.weights).judge(mean.codes[0])
    words = "Its point is the mean of its windows. " if len(parts) > 1 else ""
    words += f"Its five nearest clips: {', '.join(near)}."
    if judged is not None:
        words += f" Of the class centres: {judgement_sentence(judged)}"
    text = f'<p data-near="{escape(near[0])}">{escape(words)}</p><p class="quiet">{escape(flat.how)}</p>'
    return Placed(_spots(spots), text)


def _spots(spots: list[tuple[float, float]]) -> str:
    written = [[round(x, 1), round(y, 1)] for x, y in spots]
    return f'<span data-spots="{written}"></span>'


def on_frame(services: Services, frame: np.ndarray | None, camera: Camera | None, now: Map | None) -> CameraPlaced:
    """One camera frame in; the point moves once there are enough of them."""
    camera = camera or Camera()
    if frame is None or now is None:
        return CameraPlaced(gr.skip(), gr.skip(), camera)
    last = watch(services, camera, frame, now.weights)
    if last.wait:
        word, sentence = last.wait
        return CameraPlaced(gr.skip(), f'<p class="quiet">{word.capitalize()}. {escape(sentence)}</p>', camera)
    with network_errors_as_toasts(services, now.weights):
        placed = _placed(services, [last.clip], now)
    return CameraPlaced(placed.here, placed.near, camera)


def build(services: Services, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    gr.Markdown(
        "A network turns a clip into an **embedding**, a list of numbers. Clips with similar embeddings lie near each "
        "other here. An island is one thing to the network."
    )
    with gr.Row():
        with gr.Column():
            weights = weights_picker.build(services, tab, "embeddings")
        with gr.Column():
            method = gr.Radio(
                METHODS, value="t-SNE", label="Map", elem_id="embeddings-method",
                info="t-SNE keeps neighbours together. PCA keeps directions and distances, as far as two axes can.",
            )  # fmt: skip
            seed = gr.Slider(
                0, 20, value=0, step=1, label="Draw", elem_id="embeddings-seed",
                info="t-SNE starts at random: the same number gives the same map.",
            )  # fmt: skip
            button = gr.Button("Draw the map", variant="primary", elem_id="embeddings-draw")
    maps = gr.HTML(
        '<p class="quiet">The first map takes a few seconds: the gallery is drawn and embedded once.</p>',
        elem_id="embeddings-map", js_on_load=script("embedding_map"),
    )  # fmt: skip
    here = gr.HTML(_spots([]), elem_id="embeddings-here", js_on_load=script("embedding_point"))
    with gr.Row():
        with gr.Column():
            clip = gr.Video(
                label="The clip you clicked", interactive=False, autoplay=True, loop=True, height=240,
                elem_id="embeddings-film",
            )  # fmt: skip
            about = gr.HTML(elem_id="embeddings-what")
        with gr.Column():
            near = gr.HTML(WHERE, elem_id="embeddings-near")
            own, examples, camera = _own(services)
    shown = {"maps": maps, "here": here, "clip": clip, "about": about, "near": near}
    _wire(services, tab, [weights, method, seed], button, shown, own, examples, camera)


def _own(services: Services) -> tuple[gr.Video, list[tuple[Path, gr.Button]], CameraControls]:
    """Where a visitor's own point comes from: a file, an example, the camera, or the demo loop."""
    with gr.Tabs():
        with gr.Tab("A clip"):
            own = player(services, "embeddings", height=200)
            examples = buttons("embeddings")
        with gr.Tab("The camera"):
            camera = camera_controls("embeddings", height=200)
    return own, examples, camera


def _wire(
    services: Services,
    tab: gr.Tab,
    asked: list[gr.components.Component],
    button: gr.Button,
    shown: dict[str, gr.components.Component],
    own: gr.Video,
    examples: list[tuple[Path, gr.Button]],
    camera: CameraControls,
) -> None:
    now, visitor = gr.State(None), gr.State(None, time_to_live=600)

    def drawing(weights: str | None, method: str, seed: float, progress: gr.Progress = gr.Progress()) -> Drawn:  # noqa: B008
        return draw(services, weights, method, seed, progress)

    def chosen(now: Map | None, event: gr.EventData) -> Played:
        return play(services, now, int(event.index))

    def drawing_first(weights: str | None, method: str, seed: float, now: Map | None) -> Drawn | None:
        return drawing(weights, method, seed) if now is None else None

    fresh = {"maps": shown["maps"], "now": now, "here": shown["here"], "near": shown["near"]}
    handler, outputs = as_outputs(drawing, fresh)
    gr.on([button.click, asked[1].input, asked[2].release], handler, asked, outputs, **COMPUTE)
    handler, outputs = as_outputs(drawing_first, fresh)
    tab.select(handler, [*asked, now], outputs, **COMPUTE)
    handler, outputs = as_outputs(chosen, {"clip": shown["clip"], "about": shown["about"]})
    shown["maps"].select(handler, now, outputs, **QUIET)
    point = {"here": shown["here"], "near": shown["near"]}
    placing, outputs = as_outputs(partial(place, services), point)
    own.upload(placing, [own, now], outputs, **COMPUTE)
    for path, example in examples:
        example.click(partial(str, path), None, own, api_visibility="private").then(
            placing, [own, now], outputs, **COMPUTE
        )
    stream(
        services,
        tab,
        camera,
        on_frame,
        visitor,
        [now],
        {**point, "camera": visitor},
        sent=EVERY / 2,
        every=EVERY,
        places=4,
    )
