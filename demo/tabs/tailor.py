"""The Tailor tab: who is in the frame, what is brightened, what fades, and what becomes of the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import gradio as gr

from actrec.core.errors import Refusal
from actrec.figures.data_uri import jpeg_uri
from demo.server.services import SHOWN_FPS, Services
from demo.shared import weights_picker
from demo.shared.answer import answered_by
from demo.shared.event_options import COMPUTE, QUICK
from demo.shared.examples import buttons
from demo.shared.files import fresh_file
from demo.shared.html import QUALITY, panels, reason
from demo.shared.player import player
from demo.shared.toasts import errors_as_toasts, refusal

if TYPE_CHECKING:
    import numpy as np

    from actrec.explain.tailoring import Fitting
    from actrec.recognition.prediction import Prediction

SIDE, SECONDS = 200, 6.0
ETA, XI = 1.2, 0.9
WHOLE, EACH = "one for the whole clip", "one for each frame"
WELCOME = '<p class="quiet">Choose a clip above. People are detected once; after that the sliders answer at once.</p>'


@dataclass
class Visit:
    """One visitor's clip with its people, and every network's prediction for it untailored."""

    fitting: Fitting
    before: dict[str, Prediction] = field(default_factory=dict)


def take(services: Services, path: str | None) -> Visit | None:
    """A clip in; the clip with the people detected in it out."""
    if not path:
        return None
    from actrec.explain.tailoring import fit

    with errors_as_toasts():
        return Visit(fit(services.read(path, short_side=SIDE, stop=SECONDS), services.detector()))


def draw(visit: Visit | None, boxed: str, eta: float, xi: float, moment: float) -> tuple[str, str]:
    """Boxes, rings and factors; and the curtain."""
    if visit is None:
        return WELCOME, ""
    from actrec.explain import tailoring

    settings = {"eta": eta, "xi": xi, "moment": moment, "per_frame": boxed == EACH}
    try:
        figure = tailoring.boxes(visit.fitting, **settings)
        before, after = tailoring.before_and_after(visit.fitting, **settings)
    except Refusal as refused:
        return reason(refused), ""
    return panels(figure), curtain(before, after)


def curtain(before: np.ndarray, after: np.ndarray) -> str:
    """Two frames over each other, and a slider that draws the second aside."""
    return (
        '<figure class="view curtain" style="--cut:50%"><div>'
        f'<img src="{jpeg_uri(before, QUALITY)}" alt="The window as it was">'
        f'<img src="{jpeg_uri(after, QUALITY)}" alt="The window tailored">'
        '</div><input type="range" min="0" max="100" value="50" aria-label="Drag the border">'
        "<figcaption>Left of the border the window as it was, right of it tailored. Drag the border.</figcaption>"
        "</figure>"
    )


def answer(services: Services, visit: Visit | None, weights: str | None, boxed: str, eta: float, xi: float) -> str:
    """The network's answer with and without the tailor."""
    if visit is None:
        return ""
    from actrec.explain import tailoring

    with errors_as_toasts():
        name = weights or services.default
        recognizer = services.recognizer(name)
        figure, before = tailoring.labels(
            recognizer, visit.fitting, visit.before.get(name), eta=eta, xi=xi, per_frame=boxed == EACH
        )
    visit.before = {**visit.before, name: before}
    return panels(figure) + answered_by(name)


def tailored(visit: Visit | None, boxed: str, eta: float, xi: float) -> str:
    """The tailored clip as a video."""
    if visit is None:
        raise refusal("Choose a clip first.")
    from actrec.video.write import write_mp4

    with errors_as_toasts():
        result = visit.fitting.tailored(eta, xi, boxed == EACH)
        return str(write_mp4(fresh_file("tailored.mp4"), result.clip.frames, SHOWN_FPS))


def build(services: Services, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    gr.Markdown(
        "MS3D crops a clip to the people in it and brightens the inside of their box (eq. 7). The rest fades ring "
        "by ring (eq. 8), so that the network attends to the person and not to the room."
    )
    with gr.Row():
        with gr.Column():
            video = player(services, "tailor", height=260)
            examples = buttons("tailor")
        with gr.Column():
            eta = gr.Slider(0.5, 3, ETA, step=0.05, label="η", info="Factor inside the box.", elem_id="tailor-eta")
            xi = gr.Slider(0.5, 1, XI, step=0.01, label="ξ", info="Factor from ring to ring.", elem_id="tailor-xi")
            moment = gr.Slider(0, 1, 0.5, step=0.01, label="Moment", info="From the first frame to the last.",
                               elem_id="tailor-moment")  # fmt: skip
            boxed = gr.Radio([WHOLE, EACH], value=WHOLE, label="Box", elem_id="tailor-boxed")
            weights = weights_picker.build(services, tab, "tailor")
    shown = gr.HTML(WELCOME, elem_id="tailor-figure")
    drawn = gr.HTML(elem_id="tailor-curtain")
    gr.Markdown("### The answer before and after")
    answers = gr.HTML(elem_id="tailor-answer")
    button = gr.Button("The tailored clip as a video", size="sm", elem_id="tailor-film-button")
    file = gr.File(visible=False, label="The tailored clip", interactive=False, elem_id="tailor-film")
    visit = gr.State(None, time_to_live=1800)
    drawing, asks = [visit, boxed, eta, xi, moment], [visit, weights, boxed, eta, xi]
    video.change(partial(take, services), video, visit, **COMPUTE).then(draw, drawing, [shown, drawn], **COMPUTE).then(
        partial(answer, services), asks, answers, **COMPUTE
    )
    for path, example in examples:
        example.click(partial(str, path), None, video, api_visibility="private")
    moment.input(draw, drawing, [shown, drawn], **QUICK)
    for control in (eta, xi, boxed):
        control.input(draw, drawing, [shown, drawn], **QUICK).then(partial(answer, services), asks, answers, **QUICK)
    weights.input(partial(answer, services), asks, answers, **COMPUTE)
    button.click(lambda *now: gr.File(tailored(*now), visible=True), [visit, boxed, eta, xi], file, **COMPUTE)
