"""The Train tab: start a training as a child process, watch its run folder, stop, pause and resume it.

Everything shown is read from the folder, so a reloaded page, a second visitor and a restarted server all find the run.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from functools import partial
from html import escape
from pathlib import Path

import gradio as gr
import pandas as pd

from actrec.machine import environment
from actrec.training.run import Run, runs
from demo.lab import ROOT, Lab

RUNS = ROOT / "runs"
DATA = ["synthetic:six", "synthetic:webcam", "synthetic:interactions"]
LASTING = ("running", "paused")
POINTS = 300  # of a curve
LINES = 14  # of the log
AT_RANDOM = "at random"


class Trainings:
    """The run folders of this machine, and the one child that may be at work on them."""

    def __init__(self, folder: Path = RUNS) -> None:
        self.folder = Path(folder).resolve()
        self.child: subprocess.Popen | None = None
        self.name = ""

    def names(self) -> list[str]:
        return [run.name for run in runs(self.folder)]

    def path(self, name: str) -> str:
        """A run's folder as the command line names it, from the project's root where it lies there."""
        folder = self.folder / name
        return str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)

    def run(self, name: str | None) -> Run | None:
        return Run(self.folder / name) if name in self.names() else None

    def busy(self) -> str:
        """The name of the run that is being trained, by this page or by anyone else; empty when there is none."""
        if self.child is not None and self.child.poll() is None:
            return self.name
        found = (run.name for run in runs(self.folder) if run.status()["state"] in LASTING)
        return next(found, "")

    def begin(self, name: str, words: list[str]) -> None:
        """Start the command as a process of its own with one computing thread; one at a time."""
        if busy := self.busy():
            raise gr.Error(f"One training at a time: stop '{busy}' first.", print_exception=False)
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self._said(name), "w") as said:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "actrec", *words],
                cwd=ROOT, env=environment(1), stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip
        self.name = name

    def last_words(self, name: str) -> str:
        """What the child said last: why it ended, where it made no run folder."""
        try:
            lines = self._said(name).read_text().strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""

    def starting(self, name: str) -> bool:
        return self.name == name and self.child is not None and self.child.poll() is None

    def _said(self, name: str) -> Path:
        return self.folder / f".{name}.txt"


def words(
    name: str, data: str, system: str, preset: str, start: str, epochs: float | None, clips: float | None
) -> list[str]:
    """The command line of a new training, after `python -m actrec`."""
    told = ["train", f"--data={data}", "--system", system, "--preset", preset, "--threads", "1", "--name", name]
    if data.startswith("synthetic") and clips:
        told += ["--clips-per-class", str(int(clips))]
    if epochs:
        told += ["--epochs", str(int(epochs))]
    if start and start != AT_RANDOM:
        told += ["--start-from", start]
    return told


def line(trainings: Trainings, *choices: object) -> str:
    """The same as a line to type."""
    name = str(choices[0] or "NAME")
    out = trainings.path(name)
    return shlex.join(["python", "-m", "actrec", *words(name, *choices[1:]), "--out", out])


def start(trainings: Trainings, name: str, data: str, *choices: object) -> str:
    """Start a new run; the name under which it is found."""
    name = re.sub(r"[^\w.-]+", "-", name or "").strip("-.")
    if not name:
        raise gr.Error("Give the training a name first.", print_exception=False)
    if not data:
        raise gr.Error("Choose what to learn from first.", print_exception=False)
    if trainings.run(name):
        raise gr.Error(f"There is a run '{name}' already: resume it, or choose another name.", print_exception=False)
    trainings.begin(name, [*words(name, str(data), *choices), "--out", trainings.path(name)])
    return name


def resume(trainings: Trainings, name: str | None) -> None:
    """Let a paused run go on; start a process for one that was stopped or cut off."""
    run = _chosen(trainings, name)
    if run.status()["state"] == "paused":
        run.forget("pause")
    else:
        trainings.begin(run.name, ["train", "--resume", trainings.path(run.name)])


def ask(trainings: Trainings, what: str, name: str | None) -> None:
    _chosen(trainings, name).ask_to(what)


def _chosen(trainings: Trainings, name: str | None) -> Run:
    run = trainings.run(name)
    if run is None:
        raise gr.Error("Choose a run first.", print_exception=False)
    return run


def curves(events: list[dict]) -> tuple[pd.DataFrame | None, pd.DataFrame | None, pd.DataFrame | None]:
    """Loss, accuracy and learning rate over epochs; None until there are two points to join."""
    loss, accuracy, rates, steps = [], [], [], 1
    for event in events:
        if event["event"] == "started":
            steps = event["steps"]
        elif event["event"] == "step":
            epoch = round(event["total"] / steps, 3)
            loss.append((epoch, event["loss"], "training"))
            accuracy.append((epoch, event["accuracy"], "training"))
            rates.append((epoch, event["rate"]))
        elif event["event"] == "epoch":
            loss.append((event["epoch"], event["loss"], "validation"))
            accuracy.append((event["epoch"], event["accuracy"], "validation"))
    tables = []
    for rows, names in (
        (loss, ("epoch", "loss", "of")),
        (accuracy, ("epoch", "accuracy", "of")),
        (rates, ("epoch", "rate")),
    ):
        kept = [
            row for place, row in enumerate(rows) if place % (len(rows) // POINTS + 1) == 0 or row[-1] == "validation"
        ]
        tables.append(pd.DataFrame(kept, columns=names) if len(kept) > 1 else None)
    return tuple(tables)


def summary(trainings: Trainings, name: str | None) -> str:
    """State, progress, speed and time left in words."""
    run = trainings.run(name)
    if run is None:
        if not name:
            return '<p class="quiet" data-state="none">No training has been started yet.</p>'
        if trainings.starting(name):
            return f'<p class="quiet" data-state="starting">Starting {escape(name)}.</p>'
        why = trainings.last_words(name) or "It ended before it began."
        return f'<div class="verdict unsure" data-state="failed">failed</div><p>{escape(why)}</p>'
    status, events = run.status(), run.events()
    done = status.get("done")
    facts = [f"{done:.0%} done"] if done is not None else []
    steps = [event for event in events if event["event"] == "step"]
    if steps:
        newest = steps[-1]
        facts.append(f"{newest['clips_per_second']:.1f} clips per second, {newest['waiting']:.0%} of the time waiting")
    if status["state"] == "running" and status.get("left"):
        facts.append(f"about {_duration(status['left'])} left")
    epochs = [event for event in events if event["event"] == "epoch"]
    if epochs:
        best = max(epochs, key=lambda event: (event["accuracy"], -event["loss"]))
        facts.append(f"best validation accuracy {best['accuracy']:.0%} in epoch {best['epoch']}")
    return (
        f'<div class="verdict" data-state="{escape(status["state"])}">{escape(status["state"])}</div>'
        f'<p>{escape(status["sentence"])}</p><p class="quiet figures">{escape(" · ".join(facts))}</p>'
    )


def log(events: list[dict]) -> str:
    """The last events, newest last, one a line."""
    lines = []
    for event in events[-LINES:]:
        told = {key: value for key, value in event.items() if key not in ("time", "event", "labels", "numbers")}
        facts = told.get("sentence") or "  ".join(f"{key} {value}" for key, value in told.items())
        lines.append(f"{time.strftime('%H:%M:%S', time.localtime(event['time']))}  {event['event']:<9} {facts}")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes:.0f} min" if minutes < 90 else f"{hours:.1f} h"


def look(trainings: Trainings, name: str | None, seen: tuple | None, *, again: bool = False) -> list:
    """All that is shown of a run. Between two ticks without news nothing is sent."""
    busy = trainings.busy()
    name = name or busy or next(iter(trainings.names()), None)
    run = trainings.run(name)
    state = run.status()["state"] if run else "starting" if trainings.starting(name or "") else "none"
    now = (name, state, busy, run.news() if run else None)
    if now == seen and not again:
        return [gr.skip()] * 11
    events = run.events() if run else []
    choices = trainings.names()
    if name and name not in choices:
        choices = [name, *choices]
    lasting = state in LASTING
    return [
        gr.Dropdown(choices=choices, value=name),
        summary(trainings, name),
        *curves(events),
        log(events),
        gr.Button(interactive=not busy),
        gr.Button(interactive=state == "running"),
        gr.Button(interactive=lasting),
        gr.Button(interactive=state == "paused" or (not busy and state in ("stopped", "cut off", "failed"))),
        now,
    ]


def light_systems() -> list[str]:
    from actrec.systems import SYSTEMS  # torch: only when someone looks at this tab

    return [name for name, system in SYSTEMS.items() if system.size == "light"]


def build(lab: Lab, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    trainings = Trainings(lab.runs)
    gr.Markdown(
        "Teach a network on this computer. It learns in a process of its own, with one computing thread, and goes on "
        "when this page is closed."
    )
    with gr.Row():
        with gr.Column(scale=2):
            choices = _choices(lab)
            with gr.Row():
                begin = gr.Button("Start", variant="primary", elem_id="train-start", min_width=90)
                pause = gr.Button("Pause", elem_id="train-pause", interactive=False, min_width=90)
                stop = gr.Button("Stop", elem_id="train-stop", interactive=False, min_width=90)
                go_on = gr.Button("Resume", elem_id="train-resume", interactive=False, min_width=90)
            command = gr.Code(
                line(trainings, *(each.value for each in choices)), language="shell", label="The same in a terminal",
                interactive=False, elem_id="train-command", wrap_lines=True, lines=3, max_lines=5,
            )  # fmt: skip
        with gr.Column(scale=3):
            chosen = gr.Dropdown([], label="Run", info="Newest first.", elem_id="train-run", allow_custom_value=True)
            told = gr.HTML(elem_id="train-status")
            with gr.Row():
                plots = [
                    gr.LinePlot(
                        x="epoch",
                        y="loss",
                        color="of",
                        label="Loss",
                        elem_id="train-loss",
                        height=280,
                        color_title="clips",
                    ),
                    gr.LinePlot(
                        x="epoch",
                        y="accuracy",
                        color="of",
                        label="Accuracy",
                        elem_id="train-accuracy",
                        height=280,
                        color_title="clips",
                    ),
                ]
            with gr.Accordion("Learning rate and log", open=False):
                plots.append(gr.LinePlot(x="epoch", y="rate", label="Learning rate", elem_id="train-rate", height=180))
                lines = gr.Textbox(label="Log", lines=LINES, max_lines=LINES, interactive=False, elem_id="train-log")
    seen, ticks = gr.State(None), gr.Timer(1.0)
    outputs = [chosen, told, *plots, lines, begin, pause, stop, go_on, seen]
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    show, now = partial(look, trainings), partial(look, trainings, again=True)
    for each in choices:
        each.change(partial(line, trainings), choices, command, **quiet)
    begin.click(partial(start, trainings), choices, chosen, **quiet).then(now, [chosen, seen], outputs, **quiet)
    for button, act in ((pause, partial(ask, trainings, "pause")), (stop, partial(ask, trainings, "stop"))):
        button.click(act, chosen, None, **quiet).then(now, [chosen, seen], outputs, **quiet)
    go_on.click(partial(resume, trainings), chosen, None, **quiet).then(now, [chosen, seen], outputs, **quiet)
    chosen.input(now, [chosen, seen], outputs, **quiet)
    ticks.tick(show, [chosen, seen], outputs, **quiet)  # also what a reloaded page finds the run with
    tab.select(light_systems_shown, None, choices[2], **quiet)


def light_systems_shown() -> gr.Dropdown:
    return gr.Dropdown(choices=light_systems())


def _choices(lab: Lab) -> list[gr.components.Component]:
    """What a new training is made of, in the order of `words`."""
    name = gr.Textbox("my-first", label="Name", info="Of the run and of the weights it makes.", elem_id="train-name")
    data = gr.Dropdown(
        DATA, value=DATA[0], allow_custom_value=True, label="Learn from", elem_id="train-data",
        info="Figures the project draws, or the path of a folder on this computer: one folder per class, clips inside.",
    )  # fmt: skip
    system = gr.Dropdown(
        ["asym3d"], value="asym3d", label="System", info="The light networks; Compare says what each costs.",
        elem_id="train-system",
    )  # fmt: skip
    with gr.Row():
        preset = gr.Dropdown(
            ["scratch", "fine-tune"], value="scratch", label="Preset", info="fine-tune is for small sets.",
            elem_id="train-preset", min_width=120,
        )  # fmt: skip
        begin = gr.Dropdown(
            [AT_RANDOM, *lab.cards], value=AT_RANDOM, label="Begin", info="Or from weights of the same system.",
            elem_id="train-begin", min_width=120,
        )  # fmt: skip
    with gr.Row():
        epochs = gr.Number(
            12,
            label="Epochs",
            info="Passes over all clips.",
            precision=0,
            minimum=1,
            elem_id="train-epochs",
            min_width=120,
        )
        clips = gr.Number(
            60, label="Clips per class", info="Of drawn figures.", precision=0, minimum=2, elem_id="train-clips",
            min_width=120,
        )  # fmt: skip
    return [name, data, system, preset, begin, epochs, clips]
