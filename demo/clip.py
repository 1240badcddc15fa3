"""The Clip tab: a file or a bundled example in; the five likeliest actions, the cost, and the motion in it out."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import gradio as gr

from actrec.video import VideoError
from demo.files import fresh_file
from demo.lab import EXAMPLES, Lab, name_of
from demo.look import about, bars, verdict


def classify(lab: Lab, path: str | None) -> tuple[str, str, str | None]:
    """A video file in; answer, cost and a video of its motion salience out."""
    if not path:
        raise gr.Error("Choose a video first: upload one, record one, or take an example below.", print_exception=False)
    if lab.failed:
        raise gr.Error(lab.say(), print_exception=False)
    recognizer = lab.recognizer()
    began = time.perf_counter()
    try:
        clip = lab.read(path, short_side=240)
    except VideoError as error:
        raise gr.Error(str(error), print_exception=False) from None
    decode = (time.perf_counter() - began) * 1000
    prediction = recognizer.predict(clip)
    began = time.perf_counter()
    shown = lab.salience_video(clip, fresh_file("salience.mp4"))
    cost = {"decode": decode} | prediction.milliseconds | {"salience video": (time.perf_counter() - began) * 1000}
    return _answer(prediction), _facts(clip, prediction, cost), shown


def _answer(prediction) -> str:
    label = "unknown" if prediction.unknown else prediction.label
    return verdict(label, bool(prediction.unknown), distance_sentence(prediction)) + bars(prediction.top(5))


def distance_sentence(prediction) -> str:
    """How far the clip is from what the weights know, in words."""
    if prediction.threshold is None:
        return "These weights cannot tell what they do not know."
    relation = "more than" if prediction.unknown else "within"
    return (
        f"Nearest to '{prediction.nearest}' at distance {prediction.distance:.2f}, "
        f"{relation} the {prediction.threshold:.2f} at which a clip counts as unknown."
    )


def _facts(clip, prediction, cost: dict[str, float]) -> str:
    height, width = clip.size
    steps = " · ".join(f"{step} {value:.0f} ms" for step, value in cost.items())
    views = len(prediction.view_scores)
    notes = "".join(f"\n\n{note}" for note in clip.notes)
    return (
        f"{len(clip)} frames of {width}×{height} over {clip.duration:.1f} s, seen in {views} "
        f"{'view' if views == 1 else 'views'}. **Cost:** {steps}.{notes}"
    )


def build(lab: Lab, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    with gr.Row():
        with gr.Column():
            video = gr.Video(
                label="Your clip",
                sources=["upload", "webcam"],
                elem_id="clip-video",
                height=320,
            )
            button = gr.Button("What is happening here?", variant="primary", elem_id="clip-classify")
            gr.Markdown("Examples drawn by the project, none of them seen in training:")
            with gr.Row(elem_id="clip-examples", elem_classes="examples"):
                examples = [
                    (path, gr.Button(name_of(path), size="sm", min_width=60, elem_id=f"clip-{path.stem}"))
                    for path in sorted(EXAMPLES.glob("*.mp4"))
                ]
        with gr.Column():
            answer = gr.HTML(elem_id="clip-answer")
            salience = gr.Video(
                label="Motion salience: bright where the picture changes over time",
                elem_id="clip-salience",
                interactive=False,
                autoplay=True,
                loop=True,
                height=320,
            )
            facts = gr.Markdown(elem_id="clip-facts")
    if lab.default:
        gr.Markdown(about(lab.cards[lab.default]))
    outputs = [answer, facts, salience]
    button.click(
        partial(classify, lab), video, outputs, api_name="classify", concurrency_id="compute", concurrency_limit=2
    )
    for path, each in examples:
        each.click(partial(_take, path), None, video, api_visibility="private").then(
            partial(classify, lab), video, outputs, api_visibility="private", concurrency_id="compute"
        )


def _take(path: Path) -> str:
    return str(path)
