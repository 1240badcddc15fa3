"""Trainings of this machine: their folders, the commands that start them, and the one child that may be at work."""

from __future__ import annotations

import re
import secrets
import shlex
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import gradio as gr

from actrec.data.archive import unpack
from actrec.machine import environment
from actrec.taught import Taught
from actrec.taught_files import write_films
from actrec.training.run import LASTING, Run, RunError, runs
from demo.files import discard
from demo.lab import ROOT, Lab
from demo.toast import refusal, told

SECONDS = 20.0  # that one clip may take in the check
AT_RANDOM = "at random"


class Trainings:
    """The run folders of this machine. However many visitors press Start, one training runs at a time."""

    def __init__(self, folder: Path, data: list[Path] | None = None) -> None:
        self.folder, self.data = Path(folder).resolve(), data
        self.child: subprocess.Popen | None = None
        self.name = ""
        self._starting = threading.Lock()

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
        with self._starting:
            if busy := self.busy():
                raise RunError(f"One training at a time, for all who open this page: stop '{busy}' first.")
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

    def fresh_data(self) -> Path:
        """Where a visitor's clips go to be trained on; nobody can guess another one's."""
        return self.folder / "data" / secrets.token_hex(6)

    def confined(self, data: str | None) -> str | None:
        """What to learn from, if visitors may: where others open the page, not every folder of this computer."""
        if self.data is None or not data or str(data).startswith("synthetic"):
            return data
        path = Path(data).resolve()
        if any(path.is_relative_to(Path(each).resolve()) for each in (self.folder / "data", *self.data)):
            return data
        raise refusal(
            "Others use this page too, so it learns only from a zip, from what you taught, and from folders that it "
            "was started with (--data)."
        )

    def _said(self, name: str) -> Path:
        return self.folder / f".{name}.txt"


def words(
    name: str, data: str, system: str, preset: str, start: str, epochs: float | None, clips: float | None
) -> list[str]:
    """The command line of a new training, after `python -m actrec`, without the folder."""
    said = ["train", f"--data={data}", "--system", system, "--preset", preset, "--threads", "1", "--name", name]
    if data.startswith("synthetic") and clips:
        said += ["--clips-per-class", str(int(clips))]
    if epochs:
        said += ["--epochs", str(int(epochs))]
    if start and start != AT_RANDOM:
        said += ["--start-from", start]
    return said


def line(trainings: Trainings, *choices: object) -> str:
    """The same as a line to type."""
    name = str(choices[0] or "NAME")
    return shlex.join(["python", "-m", "actrec", *words(name, *choices[1:]), "--out", trainings.path(name)])


def start(trainings: Trainings, name: str, data: str, *choices: object) -> str:
    """Start a new run; the name under which it is found."""
    name = re.sub(r"[^\w.-]+", "-", name or "").strip("-.")[:60]
    if not name or name == "data" or name == "taught":
        raise refusal("Give the training a name first, other than 'data' and 'taught'.")
    if not data:
        raise refusal("Choose what to learn from first.")
    trainings.confined(data)
    if trainings.run(name):
        raise refusal(f"There is a run '{name}' already: resume it, or choose another name.")
    with told():
        trainings.begin(name, [*words(name, str(data), *choices), "--out", trainings.path(name)])
    return name


def resume(trainings: Trainings, name: str | None) -> None:
    """Let a paused run go on; start a process for one that was stopped or cut off."""
    run = chosen(trainings, name)
    if run.status()["state"] == "paused":
        run.forget("pause")
        return
    with told():
        trainings.begin(run.name, ["train", "--resume", trainings.path(run.name)])


def ask(trainings: Trainings, what: str, name: str | None) -> None:
    chosen(trainings, name).ask_to(what)


def chosen(trainings: Trainings, name: str | None) -> Run:
    run = trainings.run(name)
    if run is None:
        raise refusal("Choose a run first.")
    return run


def from_zip(trainings: Trainings, path: str | None) -> tuple[str, list[str]]:
    """A visitor's zip as a folder to learn from, and what was found in it; the zip itself does not stay."""
    if not path:
        raise refusal("Choose a zip first.")
    folder = trainings.fresh_data()
    try:
        with told():
            sentence = unpack(Path(path), folder)
    finally:
        discard(path)
    try:
        return str(folder), [sentence, *examined(str(folder))]
    except gr.Error:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def from_taught(trainings: Trainings, taught: Taught | None) -> str:
    """What the visitor taught as a folder to learn from."""
    if taught is None:
        raise refusal("Nothing has been taught yet: open Teach and show a few actions first.")
    with told():
        return str(write_films(taught, trainings.fresh_data()))


def examined(data: str | None) -> list[str]:
    """What the check of a data set found, one sentence each; the clips are decoded in a process of their own."""
    from actrec.data.check import examine
    from actrec.data.reading import Guarded
    from actrec.data.sets import open_set
    from actrec.video.child import Decoder

    if not data:
        raise refusal("Choose what to learn from first.")
    if str(data).startswith("synthetic"):
        return ["Figures that the project draws: as many clips of each action as asked for, none broken."]
    with told(), Decoder(seconds=SECONDS) as decoder:
        found = open_set(data)
        found = found if found.reader else replace(found, reader=Guarded(decoder))
        return examine(found)[1].sentences()


def light_systems() -> list[str]:
    from actrec.systems import SYSTEMS  # torch: only when someone looks at this tab

    return [name for name, system in SYSTEMS.items() if system.size == "light"]


def adopt(lab: Lab, trainings: Trainings, name: str | None) -> str:
    """Put a finished run's weights beside the others, where every tab finds them."""
    from actrec.training import story

    with told():
        return story.adopt(chosen(trainings, name), lab.folder)
