"""The Train tab: choose what to learn from, start a training, watch it, stop, pause and resume it, use its weights.

Everything shown is read from the run folders, so a reloaded page, a second visitor and a restarted server all find
the run.
"""

from __future__ import annotations

from functools import partial
from html import escape

import gradio as gr
import numpy as np

from actrec.figures import charts
from actrec.recognition.taught import Taught
from actrec.training import run_log
from actrec.training.run import LASTING
from actrec.weights.folders import DEFAULT_SYSTEM
from demo.server.services import Lab
from demo.shared import weights_picker
from demo.shared.event_options import QUIET
from demo.shared.trainings import (
    AT_RANDOM,
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

DATA = ["synthetic:six", "synthetic:webcam", "synthetic:interactions"]


def summary(trainings: Trainings, name: str | None) -> str:
    """State, progress, speed and time left in words."""
    run = trainings.run(name)
    if _starting(trainings, name):
        return f'<p class="quiet" data-state="starting">Starting {escape(name)}.</p>'
    if run is None:
        if not name:
            return '<p class="quiet" data-state="none">No training has been started yet.</p>'
        why = trainings.last_words(name)
        if not why and name != trainings.name:
            return '<p class="quiet" data-state="none">There is no run of this name.</p>'
        why = why or "It ended before it began."
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
    """Whether a training of this name has been started and has not said anything yet."""
    run = trainings.run(name)
    return trainings.starting(name or "") and (run is None or run.status()["state"] == "failed")


def pictures(events: list[dict]) -> list[str]:
    """Loss, accuracy, learning rate and the newest confusion, as SVG."""
    if not events:
        return [""] * 4
    curves = run_log.curves(events)
    found = run_log.confusion(events)
    matrix = ""
    if found:
        counts, labels, epoch = found
        matrix = charts.matrix(np.array(counts), labels, f"Validation clips after epoch {epoch}: rows are the truth")
    return [
        charts.lines(curves["loss"], "Loss", "epoch"),
        charts.lines(curves["accuracy"], "Accuracy", "epoch", high=1, percent=True),
        charts.lines(curves["rate"], "Learning rate", "epoch"),
        matrix,
    ]


def look(trainings: Trainings, name: str | None, seen: tuple | None, *, again: bool = False) -> list:
    """All that is shown of a run. Between two ticks without news nothing is sent."""
    busy = trainings.busy()
    name = name or busy or next(iter(trainings.names()), None)
    run = trainings.run(name)
    state = "starting" if _starting(trainings, name) else run.status()["state"] if run else "none"
    now = (name, state, busy, run.news() if run else None)
    if now == seen and not again:
        return [gr.skip()] * 14
    events = run.events() if run else []
    choices = trainings.names()
    if name and name not in choices:
        choices = [name, *choices]
    return [
        gr.Dropdown(choices=choices, value=name),
        summary(trainings, name),
        *pictures(events),
        run_log.log(events),
        gr.Button(interactive=not busy),
        gr.Button(interactive=state == "running"),
        gr.Button(interactive=state in LASTING),
        gr.Button(interactive=state == "paused" or (not busy and state in ("stopped", "cut off", "failed"))),
        gr.Button(interactive=state == "finished"),
        gr.Button(visible=state == "failed" and run.status().get("rate") is not None, interactive=not busy),
        now,
    ]


def check(data: str | None) -> str:
    """What the data check found, before any time is spent on it."""
    return sentences(examined(data))


def sentences(found: list[str]) -> str:
    return "".join(f'<p class="quiet">{escape(each)}</p>' for each in found)


def take_zip(trainings: Trainings, path: str | None) -> tuple[str, str]:
    """An uploaded zip becomes the folder to learn from; its path and what was found in it."""
    folder, found = from_zip(trainings, path)
    return folder, sentences(found)


def take_taught(trainings: Trainings, taught: Taught | None) -> tuple[str, str]:
    """The Teach tab's clips become the folder to learn from."""
    folder = from_taught(trainings, taught)
    return folder, check(folder)


def about_origin(lab: Lab, name: str | None) -> str:
    """What the weights are that a training begins from; nothing where it begins at random."""
    return "" if not name or name == AT_RANDOM else weights_picker.about(lab, name)


def use(lab: Lab, trainings: Trainings, name: str | None) -> str:
    """One click puts finished weights where every tab finds them."""
    taken = escape(adopt(lab, trainings, name))
    return f'<p class="quiet" data-adopted="{taken}">The weights {taken} can be chosen in every tab now.</p>'


def build(lab: Lab, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    trainings = Trainings(lab.runs, lab.data, lab.folder)
    gr.Markdown(
        "Teach a network on this computer. It learns in a process of its own, with one computing thread, and goes on "
        "when this page is closed."
    )
    with gr.Row():
        with gr.Column(scale=2):
            choices, sources = _choices(lab)
            at = _buttons()
            command = gr.Textbox(
                line(trainings, *(each.value for each in choices)), label="The same in a terminal",
                info="What Start does.", lines=3, max_lines=6, interactive=False, elem_id="train-command",
                buttons=["copy"],
            )  # fmt: skip
        with gr.Column(scale=3):
            chosen, shown, adopted = _watching(at)
    seen, ticks = gr.State(None), gr.Timer(1.0)
    outputs = [chosen, *shown, at["start"], at["pause"], at["stop"], at["resume"], at["use"], at["slower"], seen]
    show, now = partial(look, trainings), partial(look, trainings, again=True)
    for each in choices:
        each.change(partial(line, trainings), choices, command, **QUIET)
    at["start"].click(partial(start, trainings), choices, chosen, **QUIET).then(now, [chosen, seen], outputs, **QUIET)
    acts = {"pause": partial(ask, trainings, "pause"), "stop": partial(ask, trainings, "stop")}
    for name, act in {**acts, "resume": partial(resume, trainings), "slower": partial(slower, trainings)}.items():
        at[name].click(act, chosen, None, **QUIET).then(now, [chosen, seen], outputs, **QUIET)
    at["use"].click(partial(use, lab, trainings), chosen, adopted, **QUIET)
    chosen.input(now, [chosen, seen], outputs, **QUIET)
    ticks.tick(show, [chosen, seen], outputs, **QUIET)  # also what a reloaded page finds the run with
    found, data = sources["found"], choices[1]
    sources["check"].click(lambda chosen: check(trainings.confined(chosen)), data, found, api_visibility="private")
    sources["zip"].upload(partial(take_zip, trainings), sources["zip"], [data, found], api_visibility="private")
    sources["taught"].click(partial(take_taught, trainings), taught, [data, found], api_visibility="private")
    tab.select(lambda: gr.Dropdown(choices=light_systems()), None, choices[2], **QUIET)
    tab.select(lambda: gr.Dropdown(choices=[AT_RANDOM, *lab.cards]), None, choices[4], **QUIET)
    choices[4].change(partial(about_origin, lab), choices[4], sources["origin"], **QUIET)


def _buttons() -> dict[str, gr.Button]:
    with gr.Row():
        return {
            "start": gr.Button("Start", variant="primary", elem_id="train-start", min_width=90),
            "pause": gr.Button("Pause", elem_id="train-pause", interactive=False, min_width=90),
            "stop": gr.Button("Stop", elem_id="train-stop", interactive=False, min_width=90),
            "resume": gr.Button("Resume", elem_id="train-resume", interactive=False, min_width=90),
        }


def _watching(at: dict[str, gr.Button]) -> tuple[gr.Dropdown, list[gr.components.Component], gr.HTML]:
    """What is seen of a run: its state, its curves, the confusion, the log; and the buttons that use it."""
    chosen = gr.Dropdown([], label="Run", info="Newest first.", elem_id="train-run", allow_custom_value=True)
    shown = [gr.HTML(elem_id="train-status")]
    at["slower"] = gr.Button(
        "Go on with a third of the learning rate", variant="primary", visible=False, elem_id="train-slower"
    )
    at["use"] = gr.Button("Use these weights in every tab", size="sm", interactive=False, elem_id="train-use")
    adopted = gr.HTML(elem_id="train-adopted")
    with gr.Row():
        shown += [gr.HTML(elem_id="train-loss", min_width=260), gr.HTML(elem_id="train-accuracy", min_width=260)]
    with gr.Accordion("Learning rate, confusion and log", open=False):
        with gr.Row():
            shown += [gr.HTML(elem_id="train-rate", min_width=260), gr.HTML(elem_id="train-confusion", min_width=260)]
        shown.append(
            gr.Textbox(
                label="Log", lines=run_log.LINES, max_lines=run_log.LINES, interactive=False, elem_id="train-log"
            )
        )
    return chosen, shown, adopted


def _choices(lab: Lab) -> tuple[list[gr.components.Component], dict[str, gr.components.Component]]:
    """What a new training is made of, in the order of `words`, and where clips may come from."""
    name = gr.Textbox("my-first", label="Name", info="Of the run and of the weights it makes.", elem_id="train-name")
    data = gr.Dropdown(
        DATA, value=DATA[0], allow_custom_value=True, label="Learn from", elem_id="train-data",
        info="Figures the project draws, or the path of a folder on this computer: one folder per class, clips inside. "
        "recorded:PATH has figures repeat recorded movements, one .npz for each kind.",
    )  # fmt: skip
    with gr.Row():
        sources = {
            "zip": gr.UploadButton("A zip of such folders", size="sm", min_width=110, elem_id="train-zip"),
            "taught": gr.Button("What I taught", size="sm", min_width=110, elem_id="train-taught"),
            "check": gr.Button("Check the data", size="sm", min_width=110, elem_id="train-check"),
        }
    sources["found"] = gr.HTML(elem_id="train-found")
    system = gr.Dropdown(
        [DEFAULT_SYSTEM], value=DEFAULT_SYSTEM, label="System", elem_id="train-system",
        info="The light networks; Compare says what each costs.",
    )  # fmt: skip
    with gr.Row():
        preset = gr.Dropdown(
            ["scratch", "fine-tune"], value="scratch", label="Preset", info="fine-tune is for small sets.",
            elem_id="train-preset", min_width=120,
        )  # fmt: skip
        begin = gr.Dropdown(
            [AT_RANDOM, *lab.cards], value=AT_RANDOM, label="Start from", elem_id="train-begin", min_width=120,
            info="At random, or weights of the same system.",
        )  # fmt: skip
    sources["origin"] = gr.HTML(elem_id="train-begin-about")
    with gr.Row():
        epochs = gr.Number(
            12, label="Epochs", info="Passes over all clips.", precision=0, minimum=1, elem_id="train-epochs",
            min_width=120,
        )  # fmt: skip
        clips = gr.Number(
            60, label="Clips per class", info="Of drawn figures.", precision=0, minimum=2, elem_id="train-clips",
            min_width=120,
        )  # fmt: skip
    return [name, data, system, preset, begin, epochs, clips], sources
