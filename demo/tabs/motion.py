"""The Motion tab: every motion clue of the five papers on a clip, each as an image and as a video."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import gradio as gr
from PIL import Image

from actrec.core.errors import Refusal
from demo.server.services import SHOWN_FPS, Services
from demo.shared.event_options import COMPUTE, QUICK, QUIET
from demo.shared.examples import buttons
from demo.shared.files import discard, fresh_file
from demo.shared.html import figures, panels, reason
from demo.shared.outputs import as_outputs
from demo.shared.player import player
from demo.shared.toasts import errors_as_toasts, refusal, warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from actrec.explain.motion_clues import Clue
    from actrec.video import Clip

# What each clue shows, in words; the equations are those of the papers.
CAPTIONS = {
    "difference": "Frame difference: what changed from one frame to the next. FstCN's input is |V(t) − V(t + 9)|.",
    "variance_rate": "Variance rate, MS3D eq. 1: when something happens, and the 7, 17 and 25 frames drawn there.",
    "salience": "Motion salience, MDT-Net: Fourier transform over time, the constant part removed; bright is moving.",
    "flow": "Optical flow: the colour shows the direction of a pixel, its strength the distance.",
    "rgbf": "RGBF, Asymmetric 3D-CNN eq. 7: the frame times how much each pixel moves.",
    "trajectories": "Improved dense trajectories: points followed for 15 frames, the camera's own motion taken away.",
    "tailor": "Tailor, MS3D: the window (red) around the people (green); without a detector, around what moves.",
}
NAMES = {"dis": "DIS", "farneback": "Farnebäck", "tvl1": "TV-L1", "brox": "Brox"}
METHODS = tuple(NAMES)
SECONDS, FPS, SIDE = 5.0, 15.0, 160
WAITING = '<p class="quiet">Show the motion of a clip first.</p>'


@dataclass(frozen=True)
class Watched:
    """One visitor's clip and its motion clues."""

    clip: Clip
    clues: dict[str, Clue]


@dataclass(frozen=True)
class Shown:
    """A page of figures, the clues behind them, and those that may be watched as a video."""

    figures: str
    watched: Watched | None
    which: gr.Radio


@dataclass(frozen=True)
class DrawnAgain:
    """The same with other frames for the pathways, and the draw's number."""

    figures: str
    watched: Watched
    seed: int


def find(
    services: Services, path: str | None, method: str, seed: float, progress: gr.Progress | None = None
) -> Shown | None:
    """A clip in; a page of figures, the clues behind them and what may be watched out."""
    if not path:
        warn("Choose a video first: upload one or take an example.")
        return None
    try:
        with errors_as_toasts():
            clip = services.read(path, short_side=SIDE, stop=SECONDS)
    except gr.Error:
        discard(path)
        raise
    try:
        clip = clip.at_rate(min(clip.fps or FPS, FPS)) if len(clip) > 1 else clip
        on_progress = None if progress is None else partial(progress, desc=f"Optical flow by {NAMES[method]}.")
        clues = clues_of(services, clip, method, int(seed or 0), on_progress)
    except Refusal as refused:  # a clip that can be read, but in which nothing can be shown
        return Shown(reason(refused), None, gr.Radio([], value=None))
    which = gr.Radio(list(clues), value="salience", interactive=True)
    return Shown(page_of(clues), Watched(clip, clues), which)


def clues_of(
    services: Services, clip: Clip, method: str, seed: int, on_progress: Callable[[float], None] | None = None
) -> dict[str, Clue]:
    """Every motion clue of a clip; `on_progress` gets the part of a slow flow that is done."""
    from actrec.explain.motion_clues import all_clues

    return all_clues(clip, method=method, seed=seed, detector=services.detector, on_progress=on_progress)


def _rate(clip: Clip, seed: int) -> Clue:
    """The variance rate of a clip with the frames of another draw."""
    from actrec.explain.motion_clues import SharedClip, variance_rate

    return variance_rate(SharedClip(clip, seed, "dis", "cpu"))


def page_of(clues: dict[str, Clue]) -> str:
    """Every clue's image with its caption and its result on this clip."""
    return figures(
        (clue.image, f"{CAPTIONS[name]} Here: {clue.sentence}. ({clue.milliseconds:.0f} ms)")
        for name, clue in clues.items()
    )


def again(watched: Watched | None, seed: float) -> DrawnAgain:
    """Other frames for the three pathways; everything else stays."""
    if watched is None:
        raise refusal("Show the motion of a clip first.")
    seed = int(seed or 0) + 1
    watched = replace(watched, clues={**watched.clues, "variance_rate": _rate(watched.clip, seed)})
    return DrawnAgain(page_of(watched.clues), watched, seed)


def watch(name: str | None, watched: Watched | None) -> str | None:
    """One clue as a video."""
    if watched is None or name not in watched.clues:
        return None
    from actrec.video.write import write_mp4

    with errors_as_toasts():
        return str(write_mp4(fresh_file(f"{name}.mp4"), watched.clues[name].frames(), SHOWN_FPS))


def _shown(watched: Watched | None, figure: str, *args: object, **settings: object) -> str:
    """A figure of `actrec.explain` on the visitor's clip, or a sentence on why there is none."""
    if watched is None:
        return WAITING
    from actrec.explain import moments

    try:
        return panels(getattr(moments, figure)(watched.clip, *args, **settings))
    except Refusal as refused:
        return reason(refused)


def scrub(watched: Watched | None, moment: float) -> str:
    """All clues at one moment."""
    return _shown(watched, "rows", watched.clues if watched else None, moment)


def tune(watched: Watched | None, moment: float, cutoff: float, smoothing: float, phase: bool, strength: float) -> str:
    """Motion salience with the settings of the sliders."""
    variant = "phase" if phase else "amplitude"
    settings = {"cutoff": cutoff, "smoothing": smoothing, "variant": variant, "strength": strength}
    return _shown(watched, "tuned", moment=moment, **settings)


def pixel(watched: Watched | None, at: tuple[int, int] | None, cutoff: float, phase: bool) -> str:
    """One pixel over time, its spectrum, and what was removed."""
    if watched is None or at is None:
        return '<p class="quiet">Click a pixel in the frame: its brightness over time appears here.</p>'
    from actrec.explain.pixel import shown

    clip, (column, row) = watched.clip, at
    try:
        return panels(shown(clip.frames, clip.times, row, column, int(cutoff), "phase" if phase else "amplitude"))
    except Refusal as refused:
        return reason(refused)


def clicked(event: gr.SelectData) -> tuple[int, int]:
    """Column and row of the pixel that was clicked."""
    column, row = event.index
    return int(column), int(row)


def middle(watched: Watched | None) -> str | None:
    """The frame in which a pixel is chosen, as a file of its visitor: Gradio's own would be nobody's."""
    if watched is None:
        return None
    with errors_as_toasts():
        path = fresh_file("middle.png")
        Image.fromarray(watched.clip.frames[len(watched.clip) // 2]).save(path)
    return str(path)


def files(watched: Watched | None) -> list[str]:
    """Every clue as an image and as a video."""
    if watched is None:
        raise refusal("Show the motion of a clip first.")
    from actrec.explain.motion_clues import write

    with errors_as_toasts():
        folder = fresh_file("clues")
        folder.mkdir()
        return [file for name, clue in watched.clues.items() for file in write(clue, name, folder, SHOWN_FPS)]


def _clip(services: Services) -> tuple:
    """Lay out the clip, its settings, and a clue as a video."""
    with gr.Row():
        with gr.Column():
            video = player(services, "motion", height=260)
            examples = buttons("motion")
        with gr.Column():
            method = gr.Radio(
                METHODS, value="dis", label="Optical flow", elem_id="motion-flow",
                info="DIS runs live; TV-L1 and Brox are the papers' and take seconds. The page stays usable meanwhile.",
            )  # fmt: skip
            seed = gr.Number(
                0, precision=0, label="Draw", info="Another number draws other frames by p(z).", elem_id="motion-seed"
            )
            with gr.Row():
                button = gr.Button("Show the motion", variant="primary", elem_id="motion-show")
                redraw = gr.Button("Draw 7, 17 and 25 again", min_width=120, elem_id="motion-again")
            which = gr.Radio([], label="Watch as video", info="Choose a clue.", elem_id="motion-which")
            clue = gr.Video(
                interactive=False, autoplay=True, loop=True, label="The clue over time", elem_id="motion-film"
            )
    return video, examples, method, seed, button, redraw, which, clue


def _details() -> dict[str, gr.components.Component]:
    """Lay out the details: all rows at one moment, salience under its settings, a pixel, four flows, files."""
    at = {}
    with gr.Accordion("All rows at one moment", open=True):
        at["moment"] = gr.Slider(0, 1, 0.5, step=0.01, label="Moment", elem_id="motion-moment",
                                   info="From the first frame to the last; every row follows.")  # fmt: skip
        at["rows"] = gr.HTML(WAITING, elem_id="motion-rows")
    with gr.Accordion("Motion salience under its settings, and one pixel over time", open=True):
        with gr.Row():
            at["cutoff"] = gr.Slider(1, 12, 1, step=1, label="Cut-off", min_width=180, elem_id="motion-cutoff",
                                       info="How many of the lowest frequencies are removed.")  # fmt: skip
            at["smoothing"] = gr.Slider(0, 6, 2, step=0.5, label="Smoothing σ", info="Pixels.", min_width=180,
                                          elem_id="motion-smoothing")  # fmt: skip
            at["strength"] = gr.Slider(0, 1, 1, step=0.05, label="Strength", min_width=180, elem_id="motion-strength",
                                         info="How dark the rest becomes.")  # fmt: skip
            at["phase"] = gr.Checkbox(False, label="Phase only", min_width=180, elem_id="motion-phase",
                                        info="Every frequency counts equally.")  # fmt: skip
        at["tuned"] = gr.HTML(WAITING, elem_id="motion-tuned")
        with gr.Row():
            at["frame"] = gr.Image(label="Click a pixel", interactive=False, elem_id="motion-picture", scale=1)
            with gr.Column(scale=2):
                at["course"] = gr.HTML(pixel(None, None, 1, False), elem_id="motion-course")
    with gr.Accordion("Four methods of optical flow", open=True):
        at["compare"] = gr.Button("Compare them at this moment", size="sm", elem_id="motion-compare")
        at["flows"] = gr.HTML(elem_id="motion-flows")
    at["take"] = gr.Button("All images and videos as files", size="sm", elem_id="motion-files-button")
    at["files"] = gr.File(label="An image and a video of every clue", file_count="multiple", interactive=False,
                            visible=False, elem_id="motion-files")  # fmt: skip
    return at


def build(services: Services, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    gr.Markdown(f"What moves in a clip, and how each paper sees it: the first {SECONDS:.0f} seconds of yours.")
    video, examples, method, seed, button, redraw, which, clue = _clip(services)
    shown = gr.HTML(elem_id="motion-figures")
    at = _details()
    watched, spot = gr.State(None, time_to_live=600), gr.State(None)
    settings = [watched, at["moment"], at["cutoff"], at["smoothing"], at["phase"], at["strength"]]
    course = [watched, spot, at["cutoff"], at["phase"]]

    def then_details(event: gr.events.Dependency) -> None:
        """Fill the details once the clues of a clip are there."""
        event.then(scrub, [watched, at["moment"]], at["rows"], **QUICK).then(tune, settings, at["tuned"], **QUICK).then(
            lambda now: (middle(now), None), watched, [at["frame"], spot], **QUICK
        ).then(pixel, course, at["course"], **QUICK).then(watch, [which, watched], clue, **COMPUTE)

    def finding(
        path: str | None,
        method: str,
        seed: float,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Shown | None:
        return find(services, path, method, seed, progress)

    handler, outputs = as_outputs(finding, {"figures": shown, "watched": watched, "which": which})
    asked = button.click(handler, [video, method, seed], outputs, **COMPUTE)
    asked.failure(lambda: None, None, video, **QUIET)
    then_details(asked)
    for path, example in examples:
        chosen = example.click(partial(str, path), None, video, api_visibility="private")
        then_details(chosen.then(handler, [video, method, seed], outputs, **COMPUTE))
    handler, outputs = as_outputs(again, {"figures": shown, "watched": watched, "seed": seed})
    redraw.click(handler, [watched, seed], outputs, **COMPUTE)
    which.input(watch, [which, watched], clue, **COMPUTE)
    at["moment"].input(scrub, [watched, at["moment"]], at["rows"], **QUICK).then(tune, settings, at["tuned"], **QUICK)
    for name in ("cutoff", "smoothing", "phase", "strength"):
        at[name].input(tune, settings, at["tuned"], **QUICK)
    for name in ("cutoff", "phase"):
        at[name].input(pixel, course, at["course"], **QUICK)
    at["frame"].select(clicked, None, spot, **QUICK).then(pixel, course, at["course"], **QUICK)
    at["compare"].click(
        lambda now, moment: _shown(now, "flows", moment), [watched, at["moment"]], at["flows"], **COMPUTE
    )
    at["take"].click(lambda now: gr.File(files(now), visible=True), watched, at["files"], **COMPUTE)
