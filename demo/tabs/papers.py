"""The Papers tab: a guided tour of each paper, every step a live figure on the visitor's own clip."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import gradio as gr
import numpy as np

from actrec.core.errors import Refusal
from actrec.tours import titles, tour_of
from actrec.tours.step import Again, Choice, Slider, Step, Tour, Words
from demo.server.services import Services
from demo.shared.event_options import COMPUTE, QUICK, QUIET
from demo.shared.examples import buttons
from demo.shared.html import panels, reason
from demo.shared.player import player
from demo.shared.toasts import errors_as_toasts, refusal

if TYPE_CHECKING:
    from actrec.explain.subject import Subject
    from actrec.video import Clip

SIDE, SECONDS = 160, 8.0
SLIDERS, CHOICES, WORDS = 4, 2, 2  # the most that one step offers
KINDS = (Slider, Choice, Words, Again)
OPENED = 2 + 5 + SLIDERS + CHOICES + WORDS + 2  # what `arrive` fills: paper, its words; step, text and controls; figure
WELCOME = '<p class="quiet">Choose a clip above: every figure is computed on it.</p>'


@dataclass
class Visit:
    """One visitor's clip, and every system's results on it so far."""

    clip: Clip
    subjects: dict[str, Subject] = field(default_factory=dict)


def take(services: Services, path: str | None) -> Visit | None:
    """A clip for the tours; None where the player was emptied."""
    if not path:
        return None
    with errors_as_toasts():
        return Visit(services.read(path, short_side=SIDE, stop=SECONDS))


def weights_of(services: Services, system: str) -> str | None:
    """The weights that a tour looks through: the drawn ones where they are there."""
    named = f"{system}-synthetic"
    cards = services.cards
    return named if named in cards else next((name for name, card in cards.items() if card.system == system), None)


def subject_of(services: Services, visit: Visit, system: str) -> Subject | str:
    """The visitor's clip before this system; a sentence where there are no weights for it."""
    from actrec.explain.subject import Subject

    if system not in visit.subjects:
        name = weights_of(services, system)
        if name is None:
            return (
                f"There are no weights for {titles()[system]} here, so there is no network to look into. Train some "
                "in the Train tab, or with: python -m actrec train --system " + system
            )
        visit.subjects[system] = Subject(visit.clip, services.recognizer(name))
    return visit.subjects[system]


def drawn(services: Services, visit: Visit | None, key: str, number: int, values: dict) -> str:
    """A step's figure as HTML, or the reason why there is none."""
    step, subject = tour_of(key).steps[number], None
    try:
        if step.needs_clip:
            if visit is None:
                return WELCOME
            subject = subject_of(services, visit, key)
            if isinstance(subject, str):
                return reason(subject)
        figure = step.figure(subject, **values)
    except Refusal as refused:
        return reason(refused)
    return f'<div data-step="{key}/{number + 1}">{panels(figure)}</div>'


def starts(services: Services, visit: Visit | None, key: str, number: int) -> dict:
    """The values that a step's controls start with, on this clip."""
    step = tour_of(key).steps[number]
    values = {control.name: 0 if isinstance(control, Again) else control.start for control in step.controls}
    if step.start and visit is not None:
        subject = subject_of(services, visit, key)
        if not isinstance(subject, str):
            values |= step.start(subject)
    return values


def text(key: str, number: int) -> str:
    steps = tour_of(key).steps
    step, count = steps[number], len(steps)
    return (
        f'<h3>{escape(step.title)}</h3><p class="quiet">Step {number + 1} of {count} · {escape(step.equation)}</p>'
        f"<p>{escape(step.text)}</p>"
    )


def about(key: str) -> str:
    from actrec.systems import named

    return f'<p>{escape(tour_of(key).about)}</p><p class="quiet">{escape(named(key).paper)}</p>'


def step_names(tour: Tour) -> list[tuple[str, int]]:
    return [(f"{number} · {step.title}", number - 1) for number, step in enumerate(tour.steps, 1)]


def arrive(services: Services, visit: Visit | None, key: str | None) -> list:
    """The first visit of the tab opens the first tour; later ones leave everything as it is."""
    if key:
        return [gr.skip()] * OPENED
    papers = titles()
    key = next(iter(papers))
    choices = [(title, system) for system, title in papers.items()]
    return [gr.Radio(choices=choices, value=key), about(key), *go(services, visit, key, 0)]


def go(services: Services, visit: Visit | None, key: str | None, number: int | None, by: int = 0) -> list:
    """Open a step: its name in the list, its text, its controls with their first values, and its figure."""
    key = key or next(iter(titles()))
    tour = tour_of(key)
    number = min(max(int(number or 0) + by, 0), len(tour.steps) - 1)
    try:
        values = starts(services, visit, key, number)
    except Refusal:
        values = starts(services, None, key, number)
    return [
        gr.Dropdown(choices=step_names(tour), value=number),
        gr.Button(interactive=number > 0),
        gr.Button(interactive=number < len(tour.steps) - 1),
        text(key, number),
        0,
        *_controls(tour.steps[number], values),
        drawn(services, visit, key, number, values),
    ]


def _controls(step: Step, values: dict) -> list:
    """The pool of controls as this step wants them; those it has no use for are hidden."""
    controls = {kind: [control for control in step.controls if isinstance(control, kind)] for kind in KINDS}
    shown = []
    for place in range(SLIDERS):
        if place < len(controls[Slider]):
            slider = controls[Slider][place]
            # NumPy's numbers would reach the browser, and come back, as strings
            value = np.asarray(values[slider.name]).item()
            shown.append(gr.Slider(minimum=slider.low, maximum=slider.high, step=slider.step, value=value,
                                   label=slider.label, info=slider.info or None, visible=True))  # fmt: skip
        else:
            shown.append(gr.Slider(visible=False))
    for place in range(CHOICES):
        if place < len(controls[Choice]):
            choice = controls[Choice][place]
            shown.append(gr.Radio(choices=list(choice.options), value=values[choice.name], label=choice.label,
                                  info=choice.info or None, visible=True))  # fmt: skip
        else:
            shown.append(gr.Radio(visible=False))
    for place in range(WORDS):
        if place < len(controls[Words]):
            words = controls[Words][place]
            shown.append(gr.Textbox(value=values[words.name], label=words.label, info=words.info or None, visible=True))
        else:
            shown.append(gr.Textbox(visible=False))
    again = controls[Again]
    shown.append(gr.Button(again[0].label if again else "Again", visible=bool(again)))
    return shown


def redraw(services: Services, visit: Visit | None, key: str, number: int, clicks: int, *pool: object) -> str:
    """The figure with the controls as they are now."""
    values_of = {
        Slider: list(pool[:SLIDERS]),
        Choice: list(pool[SLIDERS : SLIDERS + CHOICES]),
        Words: list(pool[SLIDERS + CHOICES :]),
        Again: [clicks],
    }
    values = {control.name: values_of[type(control)].pop(0) for control in tour_of(key).steps[int(number)].controls}
    if any(value is None for value in values.values()):
        raise refusal("Fill in the control that is empty first.")
    return drawn(services, visit, key, int(number), values)


def build(services: Services, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    with gr.Row():
        with gr.Column():
            video = player(services, "papers", height=220)
            examples = buttons("papers")
        with gr.Column():
            which = gr.Radio(
                [], label="Paper", info="A guided tour in our own words; every figure is live.",
                elem_id="papers-which",
            )  # fmt: skip
            intro = gr.HTML(elem_id="papers-about")
    with gr.Row(elem_id="papers-way"):
        back = gr.Button("Back", size="sm", min_width=70, scale=0, interactive=False, elem_id="papers-back")
        number = gr.Dropdown(
            [], show_label=False, label="Step", container=False, elem_id="papers-step", filterable=False,
        )  # fmt: skip
        onward = gr.Button("Next", size="sm", min_width=70, scale=0, variant="primary", elem_id="papers-next")
    words = gr.HTML(elem_id="papers-text")
    pool, again = _pool()
    shown = gr.HTML(WELCOME, elem_id="papers-figure")
    visit, clicks = gr.State(None, time_to_live=1800), gr.State(0)
    opened = [number, back, onward, words, clicks, *pool, again, shown]
    place = [visit, which, number]
    tab.select(partial(arrive, services), [visit, which], [which, intro, *opened], **COMPUTE)
    video.change(partial(take, services), video, visit, **COMPUTE).then(partial(go, services), place, opened, **COMPUTE)
    for path, example in examples:
        example.click(partial(str, path), None, video, api_visibility="private")
    which.input(lambda key: (about(key), 0), which, [intro, number], api_visibility="private").then(
        partial(go, services), place, opened, **COMPUTE
    )
    number.input(partial(go, services), place, opened, **COMPUTE)
    back.click(partial(go, services, by=-1), place, opened, **COMPUTE)
    onward.click(partial(go, services, by=1), place, opened, **COMPUTE)
    now = [*place, clicks, *pool]  # the controls by their places: their names change from step to step
    for control in pool:
        event = control.submit if isinstance(control, gr.Textbox) else control.input
        event(partial(redraw, services), now, shown, **QUICK)
    again.click(lambda count: count + 1, clicks, clicks, trigger_mode="always_last", **QUIET).then(
        partial(redraw, services), now, shown, **QUICK
    )


def _pool() -> tuple[list, gr.Button]:
    """The controls that the steps share."""
    with gr.Row(elem_id="papers-choices", elem_classes="controls"):
        radios = [gr.Radio([], visible=False, elem_id=f"papers-choice-{place + 1}") for place in range(CHOICES)]
        words = [gr.Textbox(visible=False, elem_id=f"papers-words-{place + 1}") for place in range(WORDS)]
        again = gr.Button("Again", size="sm", min_width=120, scale=0, visible=False, elem_id="papers-again")
    with gr.Row(elem_id="papers-sliders", elem_classes="controls"):
        sliders = [
            gr.Slider(0, 1, visible=False, min_width=180, elem_id=f"papers-slider-{place + 1}")
            for place in range(SLIDERS)
        ]
    return [*sliders, *radios, *words], again
