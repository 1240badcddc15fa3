"""The Live tab: the camera's last seconds become a label, again and again; only the newest frames count."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import gradio as gr
import numpy as np

from actrec.people.lookout import Lookout
from actrec.recognition.hold import Hold
from actrec.recognition.results import NO_ACTION
from demo.server.live_queue import PLACES
from demo.server.services import Services
from demo.shared import weights_picker
from demo.shared.answer import Answer, answer_of, with_newest
from demo.shared.camera import Camera, LastSeconds, camera_controls, stream, watch
from demo.shared.html import frame_with_caption, recent_labels, verdict
from demo.shared.weights_picker import MOST_NAMED, OWN, TAUGHT

if TYPE_CHECKING:
    from actrec.explain.overlays import Overlays
    from actrec.recognition.prediction import Prediction
    from actrec.recognition.recognizer import Recognizer
    from actrec.recognition.taught import Taught

OVERLAYS = ("nothing", "motion salience", "RGBF", "optical flow", "tailor", "class saliency")
START = "Click 'Access Webcam' on the camera, then 'Record'; or play the demo loop."
NOTHING_TAUGHT = "Nothing has been taught in Teach yet: this is the weights' own answer."
SHOWN_SECONDS = 30.0
STEADY = 0.4  # seconds whose predictions are averaged
HOLD = 0.5  # seconds for which another label has to be better


class Visitor(Camera):
    """One visitor's camera, and the latest answers to it."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: deque[tuple[float, str]] = deque()
        self.predictions: deque[tuple[float, Recognizer, Prediction]] = deque()
        self.overlays: Overlays | None = None
        self.lookout = Lookout()
        self.hold: Hold[Answer] = Hold(NO_ACTION)
        self.asked: object = None
        self.named: dict[str, None] = {}  # every label so far, in the order of its first answer

    def held(self, answered: Answer, prediction: Prediction, asked: object, seconds: float) -> Answer:
        """The answer to show: the newest one, or the one before while no other is better for long enough."""
        if asked != self.asked:  # other weights, or what was taught
            self.hold.clear()
            self.asked = asked
        scores = dict(zip(prediction.labels, map(float, prediction.scores), strict=True))
        return with_newest(self.hold.take(answered.label, answered, scores, self.arrived, seconds), answered)

    def steadied(self, recognizer: Recognizer, prediction: Prediction) -> Prediction:
        """The newest prediction, steadied by those just before it from the same weights."""
        from actrec.recognition.prediction import steadied  # the weights room, slow to import

        self.predictions.append((self.arrived, recognizer, prediction))
        while self.predictions[0][0] < self.arrived - STEADY or self.predictions[0][1] is not recognizer:
            self.predictions.popleft()
        return steadied([before for _, _, before in self.predictions])

    def note(self, label: str) -> None:
        """Keep a label for the strip."""
        now = time.monotonic()
        self.answers.append((now, label))
        self.named.setdefault(label)
        while self.answers[0][0] < now - SHOWN_SECONDS:
            self.answers.popleft()


@dataclass(frozen=True)
class Shown:
    """The frame under its overlay, the answer, the last seconds' labels, and the visitor's state."""

    view: str
    answer: str
    strip: str
    visitor: Visitor


def on_frame(
    services: Services, frame: np.ndarray | None, visitor: Visitor | None, overlay: str, every: float, hold: float,
    weights: str | None, judged_by: str, taught: Taught | None,
) -> Shown:  # fmt: skip
    """One camera frame in; everything that is shown of it out."""
    visitor = visitor or Visitor()
    if frame is None:
        return Shown("", "", "", visitor)
    asks = taught if judged_by == TAUGHT and getattr(taught, "labels", ()) else None
    last = watch(services, visitor, frame, asks.weights if asks is not None else weights)
    if last.recognizer is None:
        return Shown(frame_with_caption(frame, "Your camera."), _waiting(last), "", visitor)
    prediction = None
    if last.wait:
        answer = _waiting(last)
    else:
        seen = visitor.lookout.seen(services.presence_now, last.clip, visitor.arrived, services.background)
        newest = last.recognizer.predict(last.clip, views="one")
        prediction = visitor.steadied(last.recognizer, newest).seen(seen)
        key = (id(last.recognizer), asks is not None)
        answered = visitor.held(answer_of(prediction, asks), prediction, key, float(hold or 0))
        answer = answered.html()
        visitor.note(answered.label)
    view = _under(services, frame, overlay, int(every or 1), last, prediction, visitor)
    if judged_by == TAUGHT and asks is None:
        answer += f'<p class="quiet">{NOTHING_TAUGHT}</p>'
    now = time.monotonic()
    visitor.meter.note(visitor.arrived, now)
    labels = list(asks.labels if asks else last.recognizer.labels)
    if len(labels) > MOST_NAMED:  # of so many each would have no colour of its own
        labels = [label for label in visitor.named if label in labels]
    strip = recent_labels(list(visitor.answers), now, SHOWN_SECONDS, labels)
    return Shown(view, f'{answer}<p class="quiet figures pace">{visitor.pace()}</p>', strip, visitor)


def _waiting(last: LastSeconds) -> str:
    word, sentence = last.wait
    return verdict(word, True, sentence)


def _under(
    services: Services,
    frame: np.ndarray,
    overlay: str,
    every: int,
    last: LastSeconds,
    prediction: Prediction | None,
    visitor: Visitor,
) -> str:
    """The newest frame under the chosen overlay; a first frame has nothing to be compared with."""
    if last.clip is None:
        return frame_with_caption(frame, "Your camera.")
    if visitor.overlays is None:
        from actrec.explain.overlays import Overlays  # torch

        visitor.overlays = Overlays(services.detector)
    label = prediction and prediction.label
    return frame_with_caption(*visitor.overlays.draw(overlay, last.clip, last.recognizer, label, every))


def _controls(services: Services, tab: gr.Tab) -> list[gr.components.Component]:
    """What may be changed while the camera runs, in the order of `on_frame`."""
    overlay = gr.Radio(
        OVERLAYS, value="motion salience", label="Over the frame", elem_id="live-overlay",
        info="Salience: what changes. RGBF and flow: how it moves. Tailor: where the person is. Class saliency: what "
        "the answer depends on.",
    )  # fmt: skip
    every = gr.Slider(
        1, 20, value=5, step=1, label="Refresh slow overlays at every n-th frame", elem_id="live-every",
        info="For the tailor's box and for class saliency; the last one stays in between.",
    )  # fmt: skip
    hold = gr.Slider(
        0, 2, value=HOLD, step=0.1, label="Hold", elem_id="live-hold",
        info="Seconds for which another label has to be clearly better. 0 shows every answer as it comes.",
    )  # fmt: skip
    weights = weights_picker.build(services, tab, "live")
    judged_by = gr.Radio(
        (OWN, TAUGHT), value=OWN, label="Answer with", elem_id="live-judge",
        info="Your own actions count once the Teach tab has some.",
    )  # fmt: skip
    return [overlay, every, hold, weights, judged_by]


def build(services: Services, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    gr.Markdown(
        "Let the page see your camera, step back until it sees what you do, and act. Nothing leaves this computer.",
    )
    with gr.Row(elem_classes="stage"):  # on a phone: camera, answer, view, controls (page.css)
        with gr.Column():
            camera = camera_controls("live", height=230)
            view = gr.HTML(elem_id="live-view")
        with gr.Column():
            answer = gr.HTML(verdict("no camera yet", True, START), elem_id="live-answer")
            strip = gr.HTML(elem_id="live-strip")
            controls = _controls(services, tab)
    visitor = gr.State(None, time_to_live=600)
    shown = {"view": view, "answer": answer, "strip": strip, "visitor": visitor}
    stream(services, tab, camera, on_frame, visitor, [*controls, taught], shown, places=PLACES)
