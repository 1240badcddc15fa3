"""What programs may ask of the page: four endpoints, and nothing else. `docs/api.md` shows how."""

from __future__ import annotations

import time
from functools import partial

import gradio as gr

from actrec.recognition.results import as_dict
from actrec.recognition.taught import Taught
from demo.server.services import SHOWN_FPS, Services
from demo.shared.event_options import COMPUTE
from demo.shared.files import discard, fresh_file
from demo.shared.toasts import errors_as_toasts, refusal
from demo.tabs import teach


def classify(services: Services, video: str, weights: str, taught: bool, known: Taught | None) -> dict:
    """Name the action that a video shows.

    Args: video, a file; weights, the name of a folder of weights, or "" for the default; taught, true to ask also
    what this session taught with /enrol. Returns the label, whether it is unknown, the decision (a class, or why none
    is named), the five best scores, the label and weight of each view, and the milliseconds of each step.
    """
    if taught and (known is None or not known.labels):
        raise refusal("This session has taught nothing yet: call /enrol first.")
    try:
        with errors_as_toasts():
            name = chosen(services, known.weights if taught else weights)
            recognizer = services.recognizer(name)
            start = time.perf_counter()
            clip = services.read(video, short_side=teach.SHORT_SIDE)
            decode = (time.perf_counter() - start) * 1000
            prediction = recognizer.predict(clip).seen(services.presence(clip))
            judged = known.judge(prediction.code) if taught else None
            return as_dict(name, prediction, clip, {"decode": decode} | prediction.milliseconds, taught=judged)
    finally:
        discard(video)


def motion(services: Services, video: str) -> str:
    """Show where a video moves: the same video with its motion salience over it.

    Args: video, a file. Returns an mp4 file.
    """
    from actrec.explain.overlays import salience_video  # torch

    try:
        with errors_as_toasts():
            clip = services.read(video, short_side=teach.SHORT_SIDE)
            return salience_video(clip, fresh_file("salience.mp4"), SHOWN_FPS)
    finally:
        discard(video)


def embed(services: Services, video: str, weights: str) -> dict:
    """Compute the embedding ("code") of a video: the vector of length one by which weights compare clips.

    Args: video, a file; weights, the name of a folder of weights, or "" for the default. Returns the weights' name
    and the code.
    """
    try:
        with errors_as_toasts():
            name = chosen(services, weights)
            code = services.recognizer(name).embed(services.read(video, short_side=teach.SHORT_SIDE))
            return {"weights": name, "code": [float(number) for number in code]}
    finally:
        discard(video)


def enrol(
    services: Services, videos: list[str], action: str, weights: str, known: Taught | None
) -> tuple[dict, Taught]:
    """Teach an action to this session by a few videos of it; three are enough to start.

    Args: videos, files; action, its name; weights, the name of a folder of weights, or "" for the default (the first
    call decides). Returns what is taught so far: the clips of each action, the weights and the threshold.
    """
    with errors_as_toasts():
        name = known.weights if known else chosen(services, weights)
    known = teach.learn(services, known, name, action, False, None, videos)
    clips = {label: len(known.of(label)) for label in known.labels}
    return {"weights": known.weights, "actions": clips, "threshold": known.threshold}, known


def chosen(services: Services, weights: str) -> str:
    """The weights asked for; only those in the folder, by their name."""
    name = weights or services.default
    if name not in services.cards:
        raise refusal(
            services.lacks(name)
            or f"There are no weights '{weights}'. There are: {', '.join(services.cards) or 'none yet'}."
        )
    return name


def build(services: Services, taught: gr.State) -> None:
    """Give the endpoints their inputs and outputs; nothing of them is seen on the page."""
    with gr.Row(visible=False):
        video, videos = gr.File(label="video"), gr.File(label="videos", file_count="multiple")
        action, weights = gr.Textbox(label="action"), gr.Textbox("", label="weights")
        also = gr.Checkbox(False, label="taught")
        answer, shown = gr.JSON(label="answer"), gr.File(label="film")
        ask = gr.Button()
    heavy = {**COMPUTE, "api_visibility": "public"}
    for endpoint, inputs, outputs in (
        (classify, [video, weights, also, taught], answer),
        (motion, [video], shown),
        (embed, [video, weights], answer),
        (enrol, [videos, action, weights, taught], [answer, taught]),
    ):
        ask.click(
            partial(endpoint, services),
            inputs,
            outputs,
            api_name=endpoint.__name__,
            api_description=endpoint.__doc__,
            **heavy,
        )
