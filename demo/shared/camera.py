"""One loop for every tab that watches a camera: it buffers the frames, stamps them, paces the answers and asks to wait.

A tab gives what is to be done with the last seconds. The demo loop plays bundled clips as if they were the camera.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import gradio as gr
import numpy as np

from actrec.video.camera import CameraBuffer, CameraMeter
from demo.server.services import Services
from demo.shared import demo_loop
from demo.shared.event_options import QUIET
from demo.shared.outputs import as_outputs
from demo.shared.scripts import script

if TYPE_CHECKING:
    from gradio.components import Component

    from actrec.recognition.recognizer import Recognizer
    from actrec.video import Clip

BUFFER_SECONDS = 6.0
EVERY = 0.1  # seconds between two frames
TALLEST = 240  # pixels of the shorter side; no network here uses more


class Camera:
    """One visitor's camera: its last seconds, and the pace at which it is answered."""

    def __init__(self) -> None:
        self.buffer = CameraBuffer(BUFFER_SECONDS)
        self.meter = CameraMeter(1 / EVERY)
        self.arrived = 0.0  # when the newest frame did

    def pace(self) -> str:
        """Medians over the last answers: they do not jump."""
        if len(self.meter) < 3:
            return ""
        return (
            f"{self.meter.per_second:.1f} predictions per second · lag {self.meter.lag * 1000:.0f} ms from a frame's "
            f"arrival to its answer · {self.meter.dropped:.0%} of the camera's frames dropped"
        )


@dataclass(frozen=True)
class LastSeconds:
    """The last seconds before some weights. While there is nothing to answer, `wait` has a word and a sentence."""

    recognizer: Recognizer | None = None
    clip: Clip | None = None
    wait: tuple[str, str] | None = None


def watch(services: Services, camera: Camera, frame: np.ndarray, weights: str | None) -> LastSeconds:
    """One camera frame in, stamped with the second at which it arrived; the last seconds out."""
    camera.arrived = time.monotonic()
    recognizer = services.at_once(weights)
    if isinstance(recognizer, str):
        return LastSeconds(wait=("one moment", recognizer))
    if longest := services.live_queue.wait(camera, camera.arrived):
        return LastSeconds(wait=("please wait", _turn(services, longest)))
    camera.buffer.add(_small(frame), camera.arrived)
    seconds = recognizer.system.seconds
    clip = camera.buffer.clip(seconds + 0.5)
    if clip is None or clip.duration < 0.5 * seconds:
        message = f"The answer needs {seconds:.1f} seconds of video."
        return LastSeconds(recognizer, clip, ("watching", message))
    return LastSeconds(recognizer, clip)


def _turn(services: Services, seconds: float) -> str:
    return (
        f"{services.live_queue.places} other visitors are being answered, as many as this computer can serve. "
        f"Your turn comes in {seconds:.0f} seconds at the latest; keep this tab open."
    )


def _small(frame: np.ndarray) -> np.ndarray:
    from actrec.sampling import short_side

    return frame if min(frame.shape[:2]) <= TALLEST else short_side(frame[None], TALLEST)[0]


def on_tick(
    services: Services, answer: Callable[..., object], since: float, name: str, camera: Camera | None, *asked: object
) -> object:
    """The demo loop's frame of this moment, answered as if a camera had sent it; None once the loop was stopped.

    A loop can be caught up with: frames that were missed since the last answer join the buffer.
    """
    if not since:
        return None
    now = time.monotonic()
    if camera is not None and len(camera.buffer):
        for missed in np.arange(max(camera.arrived + EVERY, now - BUFFER_SECONDS), now - EVERY / 2, EVERY):
            camera.buffer.add(_small(demo_loop.frame(services, name, missed - since)), missed)
    return answer(services, demo_loop.frame(services, name, now - since), camera, *asked)


def play(since: float) -> tuple[float, gr.Timer, gr.Button, object]:
    """Start the demo loop from nothing, or stop it and leave what it showed last."""
    if since:
        return 0.0, gr.Timer(active=False), gr.Button(demo_loop.PLAY), gr.skip()
    return time.monotonic(), gr.Timer(active=True), gr.Button(demo_loop.STOP), None


@dataclass(frozen=True)
class CameraControls:
    """The camera, the demo loop's list and button, and the note on why there is no camera."""

    image: gr.Image
    loop: gr.Dropdown
    button: gr.Button
    note: gr.HTML


def camera_controls(place: str, *, height: int) -> CameraControls:
    """Lay out PLACE-camera, PLACE-loop, PLACE-play and PLACE-note."""
    with gr.Row():
        image = gr.Image(
            sources=["webcam"], streaming=True, label="Camera",
            elem_id=f"{place}-camera", height=height, min_width=260,
            webcam_options=gr.WebcamOptions(mirror=False, constraints={"video": {"width": 320, "height": 240}}),
        )  # fmt: skip
        with gr.Column(min_width=200):
            loop = gr.Dropdown(
                demo_loop.names(), value=demo_loop.ALL, label="Demo loop", elem_id=f"{place}-loop",
                info="Plays bundled clips as if they were the camera.",
            )  # fmt: skip
            button = gr.Button(demo_loop.PLAY, elem_id=f"{place}-play")
            note = gr.HTML('<p class="quiet"></p>', elem_id=f"{place}-note", elem_classes="camera-note")
    return CameraControls(image, loop, button, note)


def stream(
    services: Services,
    tab: gr.Tab,
    controls: CameraControls,
    answer: Callable[..., object],
    state: gr.State,
    asked: Sequence[Component],
    shown: Mapping[str, Component],
    *,
    sent: float = EVERY,
    every: float = EVERY,
    places: int,
) -> None:
    """Answer every frame of the camera or of the demo loop by `answer(services, frame, state, *asked)`.

    The camera sends one frame each `sent` seconds, the demo loop one each `every`; `places` are answered at once.
    """
    since, ticks = gr.State(0.0), gr.Timer(every, active=False)
    options = {"concurrency_limit": places, **QUIET}
    handler, outputs = as_outputs(partial(answer, services), shown)
    controls.image.stream(handler, [controls.image, state, *asked], outputs, stream_every=sent, **options)
    handler, outputs = as_outputs(partial(on_tick, services, answer), shown)
    ticks.tick(handler, [since, controls.loop, state, *asked], outputs, trigger_mode="once", **options)
    controls.button.click(play, since, [since, ticks, controls.button, state], **QUIET)
    tab.select(None, None, controls.note, js=script("camera_check"), api_visibility="private")
