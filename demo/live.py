"""The Live tab: the webcam's last seconds become a label, again and again; only the newest frames count."""

from __future__ import annotations

import statistics
import time
from collections import deque
from functools import partial

import gradio as gr
import numpy as np

from actrec.video.camera import CameraBuffer
from demo.clip import distance_sentence
from demo.lab import Lab
from demo.look import about, bars, picture, verdict

OVERLAYS = ("motion salience", "nothing")
KEPT_SECONDS = 4.0


class Visitor:
    """One visitor's camera and the pace at which it is answered."""

    def __init__(self) -> None:
        self.buffer = CameraBuffer(KEPT_SECONDS)
        self.answered: deque[float] = deque(maxlen=40)
        self.lags: deque[float] = deque(maxlen=40)

    def note(self, arrived: float) -> None:
        now = time.monotonic()
        self.answered.append(now)
        self.lags.append(now - arrived)

    def pace(self) -> str:
        """Medians over the last answers: they do not jump."""
        if len(self.answered) < 3:
            return ""
        gaps = [b - a for a, b in zip(self.answered, list(self.answered)[1:], strict=False)]
        return (
            f"{1 / max(statistics.median(gaps), 1e-3):.1f} frames answered per second, "
            f"{statistics.median(self.lags) * 1000:.0f} ms from a frame's arrival to its answer"
        )


def on_frame(lab: Lab, frame: np.ndarray | None, visitor: Visitor | None, overlay: str) -> tuple[str, str, Visitor]:
    """One webcam frame in; picture, answer and the visitor's state out."""
    arrived = time.monotonic()
    visitor = visitor or Visitor()
    if frame is None:
        return "", "", visitor
    if not lab.ready or lab.failed:
        word = "no weights" if lab.failed else "one moment"
        return picture(frame, "Your camera."), verdict(word, True, lab.say()), visitor
    visitor.buffer.add(frame, arrived)
    recognizer = lab.recognizer()
    clip = visitor.buffer.clip(recognizer.system.seconds + 0.5)
    if clip is None or clip.duration < 0.5 * recognizer.system.seconds:
        answer = verdict("watching", True, f"The answer needs {recognizer.system.seconds:.0f} seconds of video.")
    else:
        prediction = recognizer.predict(clip, views="one")
        label = "unknown" if prediction.unknown else prediction.label
        answer = verdict(label, bool(prediction.unknown), distance_sentence(prediction)) + bars(prediction.top(5))
    if overlay == OVERLAYS[0] and clip is not None:
        shown = picture(lab.salience_now(clip), "Bright where the picture changed in the last seconds.")
    else:
        shown = picture(frame, "What the camera sees.")
    visitor.note(arrived)
    return shown, f'{answer}<p class="quiet figures">{visitor.pace()}</p>', visitor


def build(lab: Lab, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    gr.Markdown(
        "Let the page see your camera, step back until it sees what you do, and act. Nothing leaves this computer.",
    )
    with gr.Row():
        with gr.Column():
            camera = gr.Image(
                sources=["webcam"],
                streaming=True,
                label="Camera",
                elem_id="live-camera",
                height=300,
                webcam_options=gr.WebcamOptions(mirror=False, constraints={"video": {"width": 320, "height": 240}}),
            )
            overlay = gr.Radio(
                OVERLAYS,
                value=OVERLAYS[0],
                label="Over the picture",
                info="Switch it while the camera runs.",
                elem_id="live-overlay",
            )
        with gr.Column():
            answer = gr.HTML(
                verdict("no camera yet", True, "Press 'Access Webcam', then 'Record'."), elem_id="live-answer"
            )
            view = gr.HTML(elem_id="live-view")
    if lab.default:
        gr.Markdown(about(lab.cards[lab.default]))
    visitor = gr.State(None, time_to_live=600)
    camera.stream(
        partial(on_frame, lab),
        [camera, visitor, overlay],
        [view, answer, visitor],
        stream_every=0.1,
        concurrency_limit=8,
        show_progress="hidden",
        api_visibility="private",
    )
