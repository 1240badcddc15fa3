"""The Train tab: choose what to learn from, start a training, watch it, stop, pause and resume it, use its weights.

Everything shown is read from the run folders, so a reloaded page, a second visitor and a restarted server all find
the run.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from html import escape
from itertools import groupby

import gradio as gr
import numpy as np

from actrec.figures import charts
from actrec.recognition.taught import Taught
from actrec.training import run_log
from actrec.training.run import LASTING
from actrec.training.settings import AT_RANDOM, Control, Settings, controls
from demo.server.services import Services
from demo.shared import weights_picker
from demo.shared.event_options import QUIET
from demo.shared.outputs import as_inputs, as_outputs
from demo.shared.trainings import (
    Trainings,
    adopt,
    ask,
    examined,
    from_taught,
    from_zip,
    light_systems,
    line,
    resume,
    slower,
    start,
)


def summary(trainings: Trainings, name: str | None) -> str:
    """State, progress, speed and time left in words."""
    run = trainings.run(name)
    if _starting(trainings, name):
        return f'<p class="quiet" data-state="starting">Starting {escape(name)}.</p>'
    if run is None:
        if not name:
            return '<p class="quiet" data-state="none">No training has been started yet.</p>'
        why = trainings.last_line(name)
        if not why and name != trainings.name:
            return '<p class="quiet" data-state="none">There is no run of this name.</p>'
        why = why or "The training ended before it started."
        return f'<div class="verdict unsure" data-state="failed">failed</div><p>{escape(why)}</p>'
    status, events = run.status(), run.events()
    facts, changed = run_log.facts(status, events), run_log.changed_format(events)
    broken = " broken" if status["state"] == "failed" else ""
    return (
        f'<div class="verdict{broken}" data-state="{escape(status["state"])}">{escape(status["state"])}</div>'
        f'<p>{escape(status["sentence"])}</p><p class="quiet figures">{escape(" · ".join(facts))}</p>'
        + (f'<p class="quiet" data-format-changed>{escape(changed)}</p>' if changed else "")
    )


def _starting(trainings: Trainings, name: str | None) -> bool:
    """Whether a training of this name has been started and has not reported anything yet."""
    run = trainings.run(name)
    return trainings.starting(name or "") and (run is None or run.status()["state"] == "failed")


def charts_of(events: list[dict]) -> dict[str, str]:
    """Loss, accuracy, learning rate and the newest confusion, as SVG."""
    if not events:
        return {"loss": "", "accuracy": "", "rate": "", "confusion": ""}
    curves = run_log.curves(events)
    newest = run_log.confusion(events)
    matrix = ""
    if newest:
        counts, labels, epoch = newest
        title = f"Validation clips after epoch {epoch}: rows are the true labels"
        matrix = charts.matrix(np.array(counts), labels, title)
    return {
        "loss": charts.lines(curves["loss"], "Loss", "epoch"),
        "accuracy": charts.lines(curves["accuracy"], "Accuracy", "epoch", high=1, percent=True),
        "rate": charts.lines(curves["rate"], "Learning rate", "epoch"),
        "confusion": matrix,
    }


@dataclass(frozen=True)
class Shown:
    """All that is shown of a run, and what may be clicked now; `last` is what a tick compares with."""

    run: gr.Dropdown
    status: str
    loss: str
    accuracy: str
    rate: str
    confusion: str
    log: str
    start: gr.Button
    pause: gr.Button
    stop: gr.Button
    resume: gr.Button
    use: gr.Button
    slower: gr.Button
    last: tuple


def show(trainings: Trainings, name: str | None, last: tuple | None, *, again: bool = False) -> Shown | None:
    """All that is shown of a run; None between two ticks without news."""
    busy = trainings.busy()
    name = name or busy or next(iter(trainings.names()), None)
    run = trainings.run(name)
    state = "starting" if _starting(trainings, name) else run.status()["state"] if run else "none"
    now = (name, state, busy, run.news() if run else None)
    if now == last and not again:
        return None
    events = run.events() if run else []
    choices = trainings.names()
    if name and name not in choices:
        choices = [name, *choices]
    return Shown(
        run=gr.Dropdown(choices=choices, value=name),
        status=summary(trainings, name),
        **charts_of(events),
        log=run_log.log(events),
        start=gr.Button(interactive=not busy),
        pause=gr.Button(interactive=state == "running"),
        stop=gr.Button(interactive=state in LASTING),
        resume=gr.Button(interactive=state == "paused" or (not busy and state in ("stopped", "cut off", "failed"))),
        use=gr.Button(interactive=state == "finished"),
        slower=gr.Button(visible=state == "failed" and run.status().get("rate") is not None, interactive=not busy),
        last=now,
    )


def check(data: str | None) -> str:
    """The findings of the data check, before any time is spent on training."""
    return as_html(examined(data))


def as_html(findings: list[str]) -> str:
    return "".join(f'<p class="quiet">{escape(sentence)}</p>' for sentence in findings)


@dataclass(frozen=True)
class Prepared:
    """The folder of a visitor's clips, and the findings about it."""

    data: str
    findings: str


def take_zip(trainings: Trainings, path: str | None) -> Prepared:
    """An uploaded zip becomes the folder to learn from."""
    folder, findings = from_zip(trainings, path)
    return Prepared(folder, as_html(findings))


def take_taught(trainings: Trainings, taught: Taught | None) -> Prepared:
    """The Teach tab's clips become the folder to learn from."""
    folder = from_taught(trainings, taught)
    return Prepared(folder, check(folder))


def about_origin(services: Services, name: str | None) -> str:
    """The weights that a training starts from, in words; empty where it starts at random."""
    return "" if not name or name == AT_RANDOM else weights_picker.about(services, name)


def use(services: Services, trainings: Trainings, name: str | None) -> str:
    """Put finished weights where every tab finds them."""
    weights = escape(adopt(services, trainings, name))
    return f'<p class="quiet" data-adopted="{weights}">The weights {weights} can be chosen in every tab now.</p>'


def build(services: Services, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    trainings = Trainings(services.runs, services.data, services.folder)
    gr.Markdown(
        "Teach a network on this computer. It learns in a process of its own, with one computing thread, and goes on "
        "when this page is closed."
    )
    with gr.Row():
        with gr.Column(scale=2):
            choices, sources = _choices(services, trainings.kind)
            buttons = _buttons()
            command = gr.Textbox(
                line(trainings, {name: choice.value for name, choice in choices.items()}),
                label="The same in a terminal", info="What Start does.", lines=3, max_lines=6, interactive=False,
                elem_id="train-command", buttons=["copy"],
            )  # fmt: skip
        with gr.Column(scale=3):
            shown, adopted = _run_view()
    last, ticks = gr.State(None), gr.Timer(1.0)
    run = shown["run"]
    tick, outputs = as_outputs(partial(show, trainings), {**buttons, **shown, "last": last})
    now, _ = as_outputs(partial(show, trainings, again=True), {**buttons, **shown, "last": last})
    begin, asked = as_inputs(partial(start, trainings), choices)
    write_line, _ = as_inputs(partial(line, trainings), choices)
    for choice in choices.values():
        choice.change(write_line, asked, command, **QUIET)
    buttons["start"].click(begin, asked, run, **QUIET).then(now, [run, last], outputs, **QUIET)
    acts = {"pause": partial(ask, trainings, "pause"), "stop": partial(ask, trainings, "stop")}
    for name, act in {**acts, "resume": partial(resume, trainings)}.items():
        buttons[name].click(act, run, None, **QUIET).then(now, [run, last], outputs, **QUIET)
    shown["slower"].click(partial(slower, trainings), run, None, **QUIET).then(now, [run, last], outputs, **QUIET)
    shown["use"].click(partial(use, services, trainings), run, adopted, **QUIET)
    run.input(now, [run, last], outputs, **QUIET)
    ticks.tick(tick, [run, last], outputs, **QUIET)  # also what a reloaded page finds the run with
    _wire_sources(services, tab, trainings, choices, sources, taught)


def _wire_sources(
    services: Services,
    tab: gr.Tab,
    trainings: Trainings,
    choices: dict[str, gr.components.Component],
    sources: Sources,
    taught: gr.State,
) -> None:
    """Wire the sources of clips, and the lists of systems and weights that are there now."""
    data, begin, private = choices["data"], choices["start_from"], {"api_visibility": "private"}
    sources.check.click(lambda path: check(trainings.confined(path)), data, sources.findings, **private)
    shown = {"data": data, "findings": sources.findings}
    handler, outputs = as_outputs(partial(take_zip, trainings), shown)
    sources.archive.upload(handler, sources.archive, outputs, **private)
    handler, outputs = as_outputs(partial(take_taught, trainings), shown)
    sources.taught.click(handler, taught, outputs, **private)
    tab.select(lambda: gr.Dropdown(choices=light_systems()), None, choices["system"], **QUIET)
    tab.select(lambda: gr.Dropdown(choices=[AT_RANDOM, *services.cards]), None, begin, **QUIET)
    begin.change(partial(about_origin, services), begin, sources.origin, **QUIET)


def _buttons() -> dict[str, gr.Button]:
    with gr.Row():
        return {
            "start": gr.Button("Start", variant="primary", elem_id="train-start", min_width=90),
            "pause": gr.Button("Pause", elem_id="train-pause", interactive=False, min_width=90),
            "stop": gr.Button("Stop", elem_id="train-stop", interactive=False, min_width=90),
            "resume": gr.Button("Resume", elem_id="train-resume", interactive=False, min_width=90),
        }


def _run_view() -> tuple[dict[str, gr.components.Component], gr.HTML]:
    """Lay out a run: its state, its curves, the confusion matrix, the log, and the buttons that use it."""
    shown: dict[str, gr.components.Component] = {
        "run": gr.Dropdown([], label="Run", info="Newest first.", elem_id="train-run", allow_custom_value=True),
        "status": gr.HTML(elem_id="train-status"),
        "slower": gr.Button(
            "Go on with a third of the learning rate", variant="primary", visible=False, elem_id="train-slower"
        ),
        "use": gr.Button("Use these weights in every tab", size="sm", interactive=False, elem_id="train-use"),
    }
    adopted = gr.HTML(elem_id="train-adopted")
    with gr.Row():
        shown["loss"] = gr.HTML(elem_id="train-loss", min_width=260)
        shown["accuracy"] = gr.HTML(elem_id="train-accuracy", min_width=260)
    with gr.Accordion("Learning rate, confusion and log", open=False):
        with gr.Row():
            shown["rate"] = gr.HTML(elem_id="train-rate", min_width=260)
            shown["confusion"] = gr.HTML(elem_id="train-confusion", min_width=260)
        shown["log"] = gr.Textbox(
            label="Log", lines=run_log.LINES, max_lines=run_log.LINES, interactive=False, elem_id="train-log"
        )
    return shown, adopted


@dataclass(frozen=True)
class Sources:
    """Where clips to learn from come from, and what is written about them and about the weights to start from."""

    archive: gr.UploadButton
    taught: gr.Button
    check: gr.Button
    findings: gr.HTML
    origin: gr.HTML


def _choices(services: Services, kind: type[Settings]) -> tuple[dict[str, gr.components.Component], Sources]:
    """A control for every option that the page shows, row by row, and where clips may come from."""
    components: dict[str, gr.components.Component] = {}
    for _, row in groupby(controls(kind).items(), key=lambda item: item[1].row):
        shown = dict(row)
        with gr.Row() if len(shown) > 1 else contextlib.nullcontext():
            components |= {name: _control(name, control, services) for name, control in shown.items()}
        if "data" in shown:
            with gr.Row():
                archive = gr.UploadButton("A zip of such folders", size="sm", min_width=110, elem_id="train-zip")
                taught = gr.Button("What I taught", size="sm", min_width=110, elem_id="train-taught")
                button = gr.Button("Check the data", size="sm", min_width=110, elem_id="train-check")
            findings = gr.HTML(elem_id="train-found")
        if "start_from" in shown:
            origin = gr.HTML(elem_id="train-begin-about")
    return components, Sources(archive, taught, button, findings, origin)


def _control(name: str, control: Control, services: Services) -> gr.components.Component:
    """One option of a training."""
    shown = {
        "label": control.label, "info": control.info, "value": control.value, "min_width": 120,
        "elem_id": f"train-{control.place or name}",
    }  # fmt: skip
    if control.choices:
        choices = [*control.choices, *(services.cards if name == "start_from" else ())]
        return gr.Dropdown(choices, allow_custom_value=control.custom, **shown)
    if isinstance(control.value, str):
        return gr.Textbox(**shown)
    return gr.Number(precision=0 if isinstance(control.value, int) else None, minimum=control.least, **shown)
