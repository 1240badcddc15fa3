"""The Saliency tab: what in a clip an answer depends on, for any class, and whether that is true."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import gradio as gr

from demo import choice
from demo.files import fresh_file
from demo.lab import EXAMPLES, Lab, name_of
from demo.look import table
from demo.scrub import SCRUB, Panel, legend, scrubber
from demo.toast import refusal, told

if TYPE_CHECKING:
    from actrec.explain.over_time import Film, Windows
    from actrec.explain.saliency import ClassSaliency

SHORT_SIDE, SECONDS = 180, 20.0
# What a viewer sees, in words.
CAPTIONS = {
    "class saliency": "How steeply the score changes with each pixel (FstCN, sec. 4: the class's neuron, propagated "
    "back to the picture).",
    "SmoothGrad": "The same, averaged over noisy copies of the clip: what only single pixels say goes away.",
    "Grad-CAM": "The last maps of the network, each as strong as it speaks for the class: coarse, but it shows areas.",
}


@dataclass(frozen=True)
class Asked:
    """A visitor's clip as some weights see it, and the class that is asked about."""

    weights: str
    windows: Windows
    label: str


def explainer(lab: Lab, weights: str) -> ClassSaliency:
    """The copy of a network that is asked for derivatives; one for all visitors."""
    from actrec.explain.saliency import ClassSaliency  # torch

    recognizer = lab.recognizer(weights)
    return lab.shared(("saliency", weights, recognizer.card.sha256), lambda: ClassSaliency(recognizer))


def ask(lab: Lab, path: str | None, weights: str | None) -> tuple[dict, gr.Dropdown, Asked]:
    """A clip in; what the weights say of it, and the class that is looked at first."""
    from actrec.explain.over_time import Windows

    if not path:
        raise refusal("Choose a video first: upload one or take an example.")
    weights = weights or lab.default
    with told(ValueError):
        recognizer = lab.recognizer(weights)
        clip = lab.read(path, short_side=SHORT_SIDE, stop=SECONDS)
        prediction = recognizer.predict(clip)
        windows = Windows.of(recognizer.system, clip)
    scores = dict(prediction.top(len(prediction.labels)))
    classes = gr.Dropdown(choices=list(scores), value=prediction.label, interactive=True)
    return scores, classes, Asked(weights, windows, prediction.label)


def show(lab: Lab, asked: Asked | None, label: str | None, copies: float) -> tuple[str, Asked | None]:
    """The clip beside three ways to ask what a class's score depends on."""
    from actrec.explain import scales
    from actrec.explain.over_time import films_of

    if asked is None or not label:
        return "", asked
    with told(ValueError):
        films = films_of(explainer(lab, asked.weights), asked.windows, label, int(copies))
    first = films["class saliency"]
    panels = [Panel("The clip", _clip_says(asked), first.pictures.frames)]
    panels += [Panel(name, CAPTIONS[name], film.laid_over(scales.INFLUENCE)) for name, film in films.items()]
    seconds = first.pictures.times - first.pictures.times[0]
    says = f"How much each moment counts for '{label}'"
    html = f'<h3 data-label="{label}">What the score of “{label}” depends on</h3>'
    html += "".join(f'<p class="notice">{note}</p>' for note in asked.windows.notes())
    html += scrubber(panels, seconds, first.share, says, start=int(first.share.argmax()))
    html += legend(scales.stops(scales.INFLUENCE), "no influence on the score", "most of this clip")
    return html + _inputs(first), replace(asked, label=label)


def _clip_says(asked: Asked) -> str:
    return f"As {asked.weights} sees it: {len(asked.windows.views)} windows, one after the other."


def _inputs(film: Film) -> str:
    """Which input of the network counts how much, where there are several."""
    if len(film.inputs) < 2:
        return ""
    return table(
        ("input of the network", "share of the class saliency"),
        [(name, f"{share:.0%}") for name, share in film.inputs.items()],
    )


def video(lab: Lab, asked: Asked | None, method: str) -> str:
    """One method as a video to take along."""
    from actrec.explain import scales
    from actrec.explain.over_time import film_of

    if asked is None:
        raise refusal("Ask about a clip first.")
    with told(ValueError):
        film = film_of(explainer(lab, asked.weights), asked.windows, asked.label, method)
        name = f"{method} of {asked.label}.mp4".replace(" ", "-")
        return str(lab.write(fresh_file(name), film.laid_over(scales.INFLUENCE), film.rate))


def build(lab: Lab, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    gr.Markdown(
        "Why does a network say what it says? Choose a clip, then **click any class** in the answer: the pictures show "
        "where and when the score of that class depends on what is seen."
    )
    with gr.Row():
        with gr.Column():
            clip = gr.Video(label="Your clip", sources=["upload"], elem_id="saliency-video", height=260)
            with gr.Row(elem_classes="examples"):
                examples = [
                    (path, gr.Button(name_of(path), size="sm", min_width=60, elem_id=f"saliency-{path.stem}"))
                    for path in sorted(EXAMPLES.glob("*.mp4"))
                ]
            weights = choice.build(lab, tab, "saliency")
            button = gr.Button("What does the answer depend on?", variant="primary", elem_id="saliency-ask")
        with gr.Column():
            scores = gr.Label(
                label="The answer: click a class to explain it", num_top_classes=6, elem_id="saliency-scores"
            )
            label = gr.Dropdown([], label="Class", info="Any class the weights know.", elem_id="saliency-class")
            copies = gr.Slider(
                1, 16, value=4, step=1, label="Noisy copies for SmoothGrad", elem_id="saliency-copies",
                info="More copies, less speckle; each costs one more pass back through the network.",
            )  # fmt: skip
    shown = gr.HTML(elem_id="saliency-films", js_on_load=SCRUB)
    with gr.Row():
        method = gr.Radio(list(CAPTIONS), value="class saliency", label="As a video", elem_id="saliency-method")
        take = gr.Button("Make the video", size="sm", elem_id="saliency-take")
    film = gr.Video(label="Overlay", interactive=False, visible=False, loop=True, elem_id="saliency-film", height=300)
    asked = gr.State(None, time_to_live=900)
    compute = {"api_visibility": "private", "concurrency_id": "compute", "concurrency_limit": 2}
    look, looked = partial(show, lab), {"inputs": [asked, label, copies], "outputs": [shown, asked]}

    def then_look(event) -> None:
        event.then(partial(ask, lab), [clip, weights], [scores, label, asked], **compute).success(
            look, **looked, **compute
        )

    then_look(button.click(lambda: gr.Video(visible=False), None, film, api_visibility="private"))
    for path, each in examples:
        then_look(each.click(partial(str, path), None, clip, api_visibility="private"))
    scores.select(clicked, None, label, api_visibility="private", show_progress="hidden").then(
        look, **looked, **compute
    )
    label.input(look, **looked, **compute)
    copies.release(look, **looked, **compute)
    take.click(lambda now, how: gr.Video(video(lab, now, how), visible=True), [asked, method], film, **compute)


def clicked(event: gr.SelectData) -> str:
    """The class that was clicked in the answer."""
    return event.value
