"""The Live tab: the camera's last seconds become a label, again and again; only the newest frames count."""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import gradio as gr
import numpy as np

from actrec.video.camera import CameraBuffer, CameraMeter
from demo.server.services import Lab
from demo.shared import demo_loop, weights_picker
from demo.shared.event_options import QUIET
from demo.shared.html import bars, gaps, lately, picture, verdict
from demo.shared.weights_picker import OWN, TAUGHT
from demo.tabs.clip import distance_sentence

if TYPE_CHECKING:
    from actrec.explain.overlays import Overlays
    from actrec.recognition.recognizer import Prediction, Recognizer

OVERLAYS = ("nothing", "motion salience", "RGBF", "optical flow", "tailor", "class saliency")
START = "Press 'Access Webcam' on the camera, then 'Record'; or play the demo loop."
NOTHING_TAUGHT = "Nothing has been taught in Teach yet: this is the weights' own answer."
KEPT_SECONDS, SHOWN_SECONDS = 6.0, 30.0
STEADY = 0.4  # seconds whose predictions are averaged
EVERY = 0.1  # seconds between two frames
SENT = 0.1  # seconds after which the browser sends one, where the last was answered
TALLEST = 240  # pixels of the shorter side; more than that no network here looks at
NO_CAMERA = """async () => {
  const said = (sentence) => `<p class="quiet">${sentence}</p>`;
  if (!navigator.mediaDevices) return said("Browsers give a camera only to pages from this computer or over https. " +
    `Open this page as http://127.0.0.1:${location.port}, or play the demo loop below.`);
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  if (!devices.some((each) => each.kind === "videoinput"))
    return said("No camera was found. Plug one in and reload, or play the demo loop below.");
  const allowed = await navigator.permissions?.query({ name: "camera" }).catch(() => null);
  if (allowed?.state === "denied") return said("The browser was told not to give this page the camera. " +
    "Allow it beside the address and reload, or play the demo loop below.");
  return said("");
}"""


class Visitor:
    """One visitor's camera: its last seconds, the pace at which it is answered, and what was said lately."""

    def __init__(self) -> None:
        self.buffer = CameraBuffer(KEPT_SECONDS)
        self.meter = CameraMeter(1 / EVERY)
        self.said: deque[tuple[float, str]] = deque()
        self.lately: deque[tuple[float, Recognizer, Prediction]] = deque()
        self.overlays: Overlays | None = None
        self.arrived = 0.0  # when the newest frame did

    def steadied(self, recognizer: Recognizer, prediction: Prediction, arrived: float) -> Prediction:
        """The newest prediction, steadied by those just before it from the same weights."""
        from actrec.recognition.recognizer import steadied  # torch

        self.lately.append((arrived, recognizer, prediction))
        while self.lately[0][0] < arrived - STEADY or self.lately[0][1] is not recognizer:
            self.lately.popleft()
        return steadied([each for _, _, each in self.lately])

    def say(self, label: str) -> None:
        """Keep a label for the strip."""
        now = time.monotonic()
        self.said.append((now, label))
        while self.said[0][0] < now - SHOWN_SECONDS:
            self.said.popleft()

    def pace(self) -> str:
        """Medians over the last answers: they do not jump."""
        if len(self.meter) < 3:
            return ""
        return (
            f"{self.meter.per_second:.1f} predictions per second · lag {self.meter.lag * 1000:.0f} ms from a frame's "
            f"arrival to its answer · {self.meter.dropped:.0%} of the camera's frames dropped"
        )


def on_frame(
    lab: Lab, frame: np.ndarray | None, visitor: Visitor | None, overlay: str, every: float, weights: str | None,
    judged_by: str, taught: object,
) -> tuple[str, str, str, Visitor]:  # fmt: skip
    """One camera frame in; picture, answer, the last seconds' labels and the visitor's state out."""
    arrived = time.monotonic()
    visitor = visitor or Visitor()
    if frame is None:
        return "", "", "", visitor
    asks = taught if judged_by == TAUGHT and getattr(taught, "labels", ()) else None
    recognizer = lab.at_once(asks.weights if asks is not None else weights)
    if isinstance(recognizer, str):
        return picture(frame, "Your camera."), verdict("one moment", True, recognizer), "", visitor
    if longest := lab.seats.wait(visitor, arrived):
        return picture(frame, "Your camera."), verdict("please wait", True, _turn(lab, longest)), "", visitor
    visitor.buffer.add(_small(frame), arrived)
    visitor.arrived = arrived
    clip = visitor.buffer.clip(recognizer.system.seconds + 0.5)
    label = prediction = None
    if clip is None or clip.duration < 0.5 * recognizer.system.seconds:
        answer = verdict("watching", True, f"The answer needs {recognizer.system.seconds:.1f} seconds of video.")
    else:
        prediction = visitor.steadied(recognizer, recognizer.predict(clip, views="one"), arrived)
        label, answer = told(prediction) if asks is None else told_by(asks, prediction)
        visitor.say(label)
    shown = _under(lab, frame, overlay, int(every or 1), clip, recognizer, prediction, visitor)
    if judged_by == TAUGHT and asks is None:
        answer += f'<p class="quiet">{NOTHING_TAUGHT}</p>'
    visitor.meter.note(arrived, time.monotonic())
    strip = lately(
        list(visitor.said), time.monotonic(), SHOWN_SECONDS, list(asks.labels if asks else recognizer.labels)
    )
    return shown, f'{answer}<p class="quiet figures pace">{visitor.pace()}</p>', strip, visitor


def _turn(lab: Lab, seconds: float) -> str:
    return (
        f"{lab.seats.places} others are being watched, as many as this computer can follow. Your turn comes in "
        f"{seconds:.0f} seconds at the latest; keep this tab open."
    )


def told(prediction: Prediction) -> tuple[str, str]:
    """The weights' own answer: a label, and the answer as it is shown."""
    label = "unknown" if prediction.unknown else prediction.label
    return label, verdict(label, bool(prediction.unknown), distance_sentence(prediction)) + bars(prediction.top(5))


def told_by(taught: object, prediction: Prediction) -> tuple[str, str]:
    """The same by the centres of what this visitor taught."""
    judged = taught.judge(prediction.code)
    label = judged.label or "unknown"
    limit = f", unknown from {judged.threshold:.2f} on" if judged.threshold is not None else ""
    sentence = f"Nearest to '{judged.nearest[0][0]}' at distance {judged.distance:.2f}{limit}."
    return label, verdict(label, judged.unknown, sentence) + gaps(judged.nearest, judged.threshold)


def _under(
    lab: Lab, frame: np.ndarray, overlay: str, every: int, clip, recognizer: Recognizer, prediction, visitor: Visitor
) -> str:
    """The newest frame under the chosen overlay; a first frame has nothing to be compared with."""
    if clip is None:
        return picture(frame, "Your camera.")
    if visitor.overlays is None:
        from actrec.explain.overlays import Overlays  # torch

        visitor.overlays = Overlays(lab.detector)
    return picture(*visitor.overlays.draw(overlay, clip, recognizer, prediction and prediction.label, every))


def _small(frame: np.ndarray) -> np.ndarray:
    from actrec.sampling import short_side

    return frame if min(frame.shape[:2]) <= TALLEST else short_side(frame[None], TALLEST)[0]


def on_tick(lab: Lab, since: float, film: str, *rest: object) -> tuple[str, str, str, Visitor]:
    """The demo loop's frame of this moment, taken as if a camera had sent it; nothing once the loop was stopped."""
    if not since:
        return gr.skip(), gr.skip(), gr.skip(), gr.skip()
    now, visitor = time.monotonic(), rest[0]
    if visitor is not None and len(visitor.buffer):  # a loop can be caught up with: no frame of it is ever missed
        for missed in np.arange(max(visitor.arrived + EVERY, now - KEPT_SECONDS), now - EVERY / 2, EVERY):
            visitor.buffer.add(demo_loop.frame(lab, film, missed - since), missed)
    return on_frame(lab, demo_loop.frame(lab, film, now - since), *rest)


def play(since: float) -> tuple[float, gr.Timer, gr.Button, object]:
    """Start the demo loop with nothing seen yet, or stop it and leave its last picture."""
    if since:
        return 0.0, gr.Timer(active=False), gr.Button(demo_loop.PLAY), gr.skip()
    return time.monotonic(), gr.Timer(active=True), gr.Button(demo_loop.STOP), None


def _cameras() -> tuple[gr.Image, gr.Dropdown, gr.Button, gr.HTML]:
    with gr.Row():
        camera = gr.Image(
            sources=["webcam"], streaming=True, label="Camera", elem_id="live-camera", height=230, min_width=260,
            webcam_options=gr.WebcamOptions(mirror=False, constraints={"video": {"width": 320, "height": 240}}),
        )  # fmt: skip
        with gr.Column(min_width=200):
            film = gr.Dropdown(
                demo_loop.names(), value=demo_loop.ALL, label="Demo loop", elem_id="live-film",
                info="Plays bundled clips as if they were the camera.",
            )  # fmt: skip
            button = gr.Button(demo_loop.PLAY, elem_id="live-play")
            note = gr.HTML('<p class="quiet"></p>', elem_id="live-note")
    return camera, film, button, note


def _controls(lab: Lab, tab: gr.Tab) -> list[gr.components.Component]:
    """What may be changed while the camera runs, in the order of `on_frame`."""
    overlay = gr.Radio(
        OVERLAYS, value="motion salience", label="Over the picture", elem_id="live-overlay",
        info="Salience: what changes. RGBF and flow: how it moves. Tailor: where the person is. Class saliency: what "
        "the answer depends on.",
    )  # fmt: skip
    every = gr.Slider(
        1, 20, value=5, step=1, label="Refresh the slow ones at every n-th frame", elem_id="live-every",
        info="For the tailor's box and for class saliency; the last one stays in between.",
    )  # fmt: skip
    weights = weights_picker.build(lab, tab, "live")
    judged_by = gr.Radio(
        (OWN, TAUGHT), value=OWN, label="Judge by", elem_id="live-judge",
        info="Your own actions count once the Teach tab has some.",
    )  # fmt: skip
    return [overlay, every, weights, judged_by]


def build(lab: Lab, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    gr.Markdown(
        "Let the page see your camera, step back until it sees what you do, and act. Nothing leaves this computer.",
    )
    with gr.Row(elem_classes="stage"):  # on a phone: camera, answer, picture, controls (page.css)
        with gr.Column():
            camera, film, button, note = _cameras()
            view = gr.HTML(elem_id="live-view")
        with gr.Column():
            answer = gr.HTML(verdict("no camera yet", True, START), elem_id="live-answer")
            strip = gr.HTML(elem_id="live-strip")
            controls = _controls(lab, tab)
    visitor, since = gr.State(None, time_to_live=600), gr.State(0.0)
    ticks = gr.Timer(EVERY, active=False)
    outputs = [view, answer, strip, visitor]
    asked = [visitor, *controls, taught]
    camera.stream(partial(on_frame, lab), [camera, *asked], outputs, stream_every=SENT, concurrency_limit=8, **QUIET)
    ticks.tick(partial(on_tick, lab), [since, film, *asked], outputs, trigger_mode="once", concurrency_limit=8, **QUIET)
    button.click(play, since, [since, ticks, button, visitor], **QUIET)
    tab.select(None, None, note, js=NO_CAMERA, api_visibility="private")
