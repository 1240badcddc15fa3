"""The Saliency tab: what in a clip an answer depends on, for any class, and whether that is true."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import gradio as gr

from demo.server.services import Services
from demo.shared import weights_picker
from demo.shared.answer import answer_of
from demo.shared.event_options import COMPUTE, QUIET
from demo.shared.examples import buttons
from demo.shared.explaining import explainer, gallery, gallery_activations, network_errors_as_toasts, read_clip
from demo.shared.files import fresh_file
from demo.shared.frame_scrubber import Panel, legend, scrubber
from demo.shared.html import table
from demo.shared.outputs import as_outputs
from demo.shared.player import player
from demo.shared.toasts import errors_as_toasts, refusal

if TYPE_CHECKING:
    from actrec.explain.over_time import ClipMaps, Windows

SHORT_SIDE, SECONDS = 180, 20.0
# What each map shows, in words.
CAPTIONS = {
    "class saliency": "How steeply the score changes with each pixel (FstCN, sec. 4: the class's neuron, propagated "
    "back to the frames). Compared with random weights at the same place, so that borders and strides do not show.",
    "SmoothGrad": "The same, averaged over noisy copies of the clip: what depends on single pixels only disappears.",
    "Grad-CAM": "The network's last feature maps, weighted by how much each supports the class. Coarse, but it shows "
    "areas.",
}
PROOF = (
    "Cells of 8 × 8 pixels are removed from the clip, the most important first (deletion). Or they are added to an "
    "empty clip (insertion). After every step the score of the class is read. A removed cell shows the blurred mean of "
    "its frames. With a faithful map the score falls, or rises, earlier than with cells in random order. The number is "
    "the area between the two curves. Below zero the map is worse than chance. (RISE, 2018; random: 3 draws.)"
)
LAYERS = (
    "From the lowest layer to the highest (Asymmetric 3D-CNN, fig. 8a). The first layers react to appearance; the maps "
    "become coarser, and the last ones show where something happens."
)
TOP_TEN = (
    "The ten gallery clips that fire the neuron most at their strongest place (Asymmetric 3D-CNN, sec. 4.8 and "
    "fig. 8b). Often they show one action; where they do not, look for what they have in common."
)
TOP_FPS = 5.0


@dataclass(frozen=True)
class Asked:
    """A visitor's clip as some weights see it, and the class that is asked about."""

    weights: str
    windows: Windows
    label: str


@dataclass(frozen=True)
class Answered:
    """The answer, every class with its score, the list to choose a class from, and what is asked about."""

    answer: str
    scores: dict[str, float]
    label: gr.Dropdown
    asked: Asked


@dataclass(frozen=True)
class Shown:
    """What a class's score depends on, and what is asked about now."""

    maps: str
    asked: Asked | None


@dataclass(frozen=True)
class Inside:
    """The strongest neuron of every layer, and the layers to choose from."""

    maps: str
    layer: gr.Dropdown


def ask(services: Services, path: str | None, weights: str | None) -> Answered:
    """A clip in; the answer of the weights, and the class that is examined first."""
    from actrec.explain.over_time import Windows

    if not path:
        raise refusal("Choose a video first: upload one or take an example.")
    weights = weights or services.default
    with errors_as_toasts():
        recognizer = services.recognizer(weights)
        clip = read_clip(services, path, short_side=SHORT_SIDE, stop=SECONDS)
        prediction = recognizer.predict(clip).seen(services.presence(clip))
        windows = Windows.of(recognizer.system, clip)
    scores = dict(prediction.top(len(prediction.labels)))
    classes = gr.Dropdown(choices=list(scores), value=prediction.label, interactive=True)
    answer = answer_of(prediction).headline()
    return Answered(answer, scores, classes, Asked(weights, windows, prediction.label))


def show(services: Services, asked: Asked | None, label: str | None, copies: float) -> Shown:
    """The clip beside three ways to ask what a class's score depends on."""
    from actrec.explain.over_time import all_clip_maps
    from actrec.figures import scales

    if asked is None or not label:
        return Shown("", asked)
    with network_errors_as_toasts(services, asked.weights):
        maps = all_clip_maps(explainer(services, asked.weights), asked.windows, label, int(copies))
    first = maps["class saliency"]
    panels = [Panel("The clip", _about_clip(asked), first.clip.frames)]
    panels += [Panel(name, CAPTIONS[name], of_method.laid_over(scales.INFLUENCE)) for name, of_method in maps.items()]
    seconds = first.clip.times - first.clip.times[0]
    title = f"How much each moment counts for '{label}'"
    html = f'<h3 data-label="{escape(label)}">What the score of “{escape(label)}” depends on</h3>'
    html += "".join(f'<p class="notice">{escape(note)}</p>' for note in asked.windows.notes())
    html += scrubber(panels, seconds, first.influence, title, start=int(first.influence.argmax()))
    html += legend(scales.stops(scales.INFLUENCE), "no influence on the score", "most of this clip")
    return Shown(html + _inputs(first), replace(asked, label=label))


def _about_clip(asked: Asked) -> str:
    return f"As {asked.weights} sees it: {len(asked.windows.views)} windows, one after the other."


def _inputs(maps: ClipMaps) -> str:
    """How much each input of the network counts, where there are several."""
    if len(maps.inputs) < 2:
        return ""
    return table(
        ("input of the network", "part of the class saliency"),
        [(name, f"{part:.0%}") for name, part in maps.inputs.items()],
    )


def video(services: Services, asked: Asked | None, method: str) -> str:
    """One method's maps as a video file."""
    from actrec.explain.over_time import clip_maps
    from actrec.figures import scales
    from actrec.video.write import write_mp4

    if asked is None:
        raise refusal("Ask about a clip first.")
    with network_errors_as_toasts(services, asked.weights):
        maps = clip_maps(explainer(services, asked.weights), asked.windows, asked.label, method)
        name = f"{method} of {asked.label}.mp4".replace(" ", "-")
        return str(write_mp4(fresh_file(name), maps.laid_over(scales.INFLUENCE), maps.rate))


def prove(services: Services, asked: Asked | None) -> str:
    """Whether the maps are faithful: what they call important is removed, or is all that is added."""
    from actrec.explain.faithfulness import prove as test

    if asked is None:
        raise refusal("Ask about a clip first.")
    with network_errors_as_toasts(services, asked.weights):
        saliency = explainer(services, asked.weights)
        key = ("shuffled", asked.weights, services.cards[asked.weights].sha256)
        proof = test(saliency, services.shared(key, saliency.shuffled), asked.windows, asked.label)
    charts = "".join(proof.chart("class saliency", kind) for kind in ("deletion", "insertion"))
    rows = [
        (name, f"{curve.deletion_gain:+.3f}", f"{curve.insertion_gain:+.3f}", f"{curve.gain:+.3f}")
        for name, curve in proof.curves.items()
    ]
    headers = ("method", "deletion: area under random", "insertion: area over random", "both together")
    return (
        f'<div class="figures-grid">{charts}</div><p class="quiet">{escape(PROOF)}</p>{table(headers, rows)}'
        f'<p data-shuffled="{proof.shuffled:.3f}">Where the clip moves, the map is compared with that of the same '
        f"network with shuffled weights, frame by frame. Their rank correlation is <b>{proof.shuffled:.2f}</b>. "
        "At 1 the map would show the frames and nothing that was learned.</p>"
    )


def inside(services: Services, asked: Asked | None) -> Inside:
    """The strongest neuron of every layer over the clip, and the layers to choose from."""
    from actrec.explain.activations import strongest
    from actrec.figures import scales

    if asked is None:
        raise refusal("Ask about a clip first.")
    with network_errors_as_toasts(services, asked.weights):
        neurons_of_layers = strongest(explainer(services, asked.weights), asked.windows)
    if not neurons_of_layers:
        raise refusal("The layers of this network have no names here, so that its feature maps cannot be shown.")
    panels = [
        Panel(layer, f"Neuron {neuron}, the strongest of this layer on your clip.", maps.laid_over(scales.ACTIVATION))
        for layer, (neuron, maps) in neurons_of_layers.items()
    ]
    first = next(iter(neurons_of_layers.values()))[1]
    seconds = first.clip.times - first.clip.times[0]
    html = scrubber(panels, seconds, start=int(first.influence.argmax()))
    html += legend(scales.stops(scales.ACTIVATION), "silent", "fires most on this clip")
    layers = list(neurons_of_layers)
    chosen = gr.Dropdown(choices=layers, value=layers[-1], interactive=True)
    return Inside(html + f'<p class="quiet">{LAYERS}</p>', chosen)


def neurons(
    services: Services, asked: Asked | None, layer: str | None, progress: gr.Progress | None = None
) -> gr.Dropdown:
    """The neurons of a layer; those whose strongest clips show one action come first."""
    if asked is None or not layer:
        raise refusal("Look inside the network first.")
    with network_errors_as_toasts(services, asked.weights):
        activations = gallery_activations(services, asked.weights, progress)
        ranked = activations.telling(layer, gallery(services, asked.weights).labels)
    choices = [(f"{neuron}: {often} of 10 show “{label}”", neuron) for neuron, label, often in ranked]
    first = next((neuron for neuron, action, _ in ranked if action == asked.label), ranked[0][0])
    return gr.Dropdown(choices=choices, value=first, interactive=True)


def fires(services: Services, asked: Asked | None, layer: str | None, neuron: int | None) -> str:
    """What fires a neuron: the visitor's clip under its map, and the ten strongest clips of the gallery."""
    from actrec.explain.activations import neuron_film, of_views
    from actrec.figures import scales

    if asked is None or not layer or neuron is None:
        return ""
    with network_errors_as_toasts(services, asked.weights):
        saliency, clips, activations = (
            explainer(services, asked.weights),
            gallery(services, asked.weights),
            gallery_activations(services, asked.weights),
        )
        own_maps = neuron_film(saliency, asked.windows, layer, int(neuron))
        peak = float(of_views(saliency, asked.windows.views).neurons(layer)[:, int(neuron)].max())
        top = activations.top(layer, int(neuron))
    place = activations.rank(layer, int(neuron), peak)
    own = Panel(
        "Your clip", f"fires it {peak:.2f}: place {place} of {len(clips) + 1}.", own_maps.laid_over(scales.ACTIVATION)
    )
    strongest_clips = [(clips.labels[number], fired, clips.clip(number).at_rate(TOP_FPS)) for number, fired in top]
    panels = [
        Panel(f"{rank}. {label}", f"fires it {fired:.2f}", clip.frames)
        for rank, (label, fired, clip) in enumerate(strongest_clips, 1)
    ]
    times = strongest_clips[0][2].times
    seconds, own_seconds = times - times[0], own_maps.clip.times - own_maps.clip.times[0]
    return (
        f'<h3 data-neuron="{neuron}">Neuron {neuron} of {escape(layer)}</h3><div class="two"><div>'
        f"{scrubber([own], own_seconds, start=int(own_maps.influence.argmax()))}</div><div class='many'>"
        f"{scrubber(panels, seconds, start=len(seconds) // 2)}</div></div><p class='quiet'>{TOP_TEN}</p>"
    )


def build(services: Services, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    gr.Markdown(
        "What does an answer depend on? Choose a clip, then **click any class** in the answer. "
        "The maps show where and when the score of that class depends on the clip."
    )
    with gr.Row():
        with gr.Column():
            clip = player(services, "saliency", height=260)
            examples = buttons("saliency")
            weights = weights_picker.build(services, tab, "saliency")
            button = gr.Button("What does the answer depend on?", variant="primary", elem_id="saliency-ask")
        with gr.Column():
            answer = gr.HTML(elem_id="saliency-answer")
            scores = gr.Label(label="The answer: click a class", num_top_classes=6, elem_id="saliency-scores")
            label = gr.Dropdown([], label="Class", info="Any label of the weights.", elem_id="saliency-class")
            copies = gr.Slider(
                1, 12, value=3, step=1, label="Copies for SmoothGrad", elem_id="saliency-copies",
                info="The clip itself and noisy copies of it. More copies, less speckle; each costs a backward pass.",
            )  # fmt: skip
    asked = gr.State(None, time_to_live=900)
    shown = gr.HTML(elem_id="saliency-films")
    _video_file(services, asked)
    cleared = [*_proof(services, asked), *_inside(services, asked)]
    handler, outputs = as_outputs(partial(show, services), {"maps": shown, "asked": asked})
    showing = {"fn": handler, "inputs": [asked, label, copies], "outputs": outputs, **COMPUTE}
    answered = {"answer": answer, "scores": scores, "label": label, "asked": asked}
    asking, outputs_of_asking = as_outputs(partial(ask, services), answered)

    def then_show(event: gr.events.Dependency) -> None:
        event.then(lambda: ("",) * len(cleared), None, cleared, **QUIET).then(
            asking, [clip, weights], outputs_of_asking, **COMPUTE
        ).success(**showing)

    then_show(button.click(lambda: None, None, None, **QUIET))
    for path, example in examples:
        then_show(example.click(partial(str, path), None, clip, api_visibility="private"))
    scores.select(clicked, None, label, **QUIET).then(**showing)
    label.input(**showing)
    copies.release(**showing)


def _video_file(services: Services, asked: gr.State) -> None:
    """One method as a video."""
    with gr.Accordion("As a video file", open=False):
        method = gr.Radio(list(CAPTIONS), value="class saliency", label="Method", elem_id="saliency-method")
        take = gr.Button("Make the video", size="sm", elem_id="saliency-take")
        overlay = gr.Video(label="Overlay", interactive=False, loop=True, elem_id="saliency-film", height=300)
    take.click(partial(video, services), [asked, method], overlay, **COMPUTE)


def _proof(services: Services, asked: gr.State) -> list[gr.components.Component]:
    """Lay out the test of whether the maps are faithful."""
    gr.Markdown(
        "### Is the map faithful?\nA map may look right and still be wrong. Test it on the network that answers."
    )
    button = gr.Button("Remove what the map calls important", elem_id="saliency-prove")
    shown = gr.HTML(elem_id="saliency-proof")
    button.click(partial(prove, services), asked, shown, **COMPUTE)
    return [shown]


def _inside(services: Services, asked: gr.State) -> list[gr.components.Component]:
    """Lay out the feature maps by layer, and what fires a neuron."""
    gr.Markdown("### Inside the network\nWhat its layers find in your clip, and which other clips fire a neuron.")
    button = gr.Button("Look inside", elem_id="saliency-inside")
    maps = gr.HTML(elem_id="saliency-layers")
    with gr.Row():
        layer = gr.Dropdown([], label="Layer", info="The last one tells classes apart best.", elem_id="saliency-layer")
        neuron = gr.Dropdown(
            [], label="Neuron", elem_id="saliency-neuron",
            info="First those whose ten strongest clips show one action.",
        )  # fmt: skip
    top = gr.HTML(elem_id="saliency-neurons")

    def choosing(
        now: Asked | None,
        name: str | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> gr.Dropdown:
        return neurons(services, now, name, progress)

    fired = {"inputs": [asked, layer, neuron], "outputs": top}
    handler, outputs = as_outputs(partial(inside, services), {"maps": maps, "layer": layer})
    for event in (
        button.click(handler, asked, outputs, **COMPUTE),
        layer.input(lambda: None, None, None, **QUIET),
    ):
        event.success(choosing, [asked, layer], neuron, **COMPUTE).success(partial(fires, services), **fired, **COMPUTE)
    neuron.input(partial(fires, services), **fired, **COMPUTE)
    return [maps, top]


def clicked(event: gr.SelectData) -> str:
    """The class that was clicked in the answer."""
    return event.value
