"""Trainings of this machine: their folders, the commands that start them, and the one child that may be at work."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import gradio as gr

from actrec.core.processes import environment, stay_behind
from actrec.data.archive import unpack
from actrec.data.drawn import drawn, recorded
from actrec.recognition.taught import Taught
from actrec.recognition.taught_file import write_videos
from actrec.training import settings
from actrec.training.run import LASTING, Run, RunError, runs
from actrec.training.settings import AT_RANDOM, Settings
from actrec.weights.folders import WEIGHTS
from demo.server.services import ROOT, Services
from demo.server.visitor_files import SPARE, bytes_in, current_visitor, folder_for
from demo.shared.files import discard
from demo.shared.toasts import errors_as_toasts, refusal

SECONDS = 20.0  # that one clip may take in the check
MOST_BYTES = 20 << 30  # of visitors' clips beside the runs; above it no more are accepted
STALE = 3600.0  # seconds after which something unfinished counts as abandoned
NAME = re.compile(r"\w[\w.-]{0,59}")  # what a training started here is called
DRAWN = re.compile(r"synthetic(:[\w-]+)?")  # what the project draws, and nothing joined to it


class Trainings:
    """The run folders of this machine. However many visitors click Start, one training runs at a time."""

    kind: type[Settings] = Settings  # what a training may be asked for

    def __init__(self, folder: Path, data: list[Path] | None = None, weights: Path = WEIGHTS) -> None:
        self.folder, self.data, self.weights = Path(folder).resolve(), data, Path(weights).resolve()
        self.child: subprocess.Popen | None = None
        self.name = ""
        self._starting = threading.Lock()
        self._sweep()

    def names(self) -> list[str]:
        return [run.name for run in runs(self.folder)]

    def path(self, name: str) -> str:
        """A run's folder as the command line names it."""
        return _from_root(self.folder / name)

    def origin(self, name: str) -> str:
        """Weights as the command line names them: by their folder, for a name may mean others elsewhere."""
        return "" if not name or name == AT_RANDOM else _from_root(self.weights / name)

    def run(self, name: str | None) -> Run | None:
        return Run(self.folder / name) if name in self.names() else None

    def busy(self) -> str:
        """The name of the run that is being trained, by this page or by anyone else; empty when there is none."""
        if self.child is not None and self.child.poll() is None:
            return self.name
        active = (run.name for run in runs(self.folder) if run.status()["state"] in LASTING)
        return next(active, "")

    def begin(self, name: str, words: list[str]) -> None:
        """Start the command as a process of its own with one computing thread; one at a time."""
        with self._starting:
            if busy := self.busy():
                raise RunError(f"One training at a time, for all who open this page: stop '{busy}' first.")
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self._output(name), "w") as output:
                self.child = subprocess.Popen(
                    [sys.executable, "-m", "actrec", *words],
                    cwd=ROOT, env=environment(1), stdout=output, stderr=output, start_new_session=True,
                )  # fmt: skip
            stay_behind(self.child.pid)
            self.name = name

    def last_line(self, name: str) -> str:
        """The last line of the child's output: the reason for its end where it left no run folder."""
        if not NAME.fullmatch(name):  # a path would lead to another file
            return ""
        try:
            lines = self._output(name).read_text().strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""

    def starting(self, name: str) -> bool:
        return self.name == name and self.child is not None and self.child.poll() is None

    def fresh_data(self) -> Path:
        """Where a visitor's clips go to be trained on. Whose they are stands in the name; nobody else may ask for them,
        and nobody can guess it."""
        return self.folder / "data" / folder_for(current_visitor())

    def confined(self, data: str | None) -> str | None:
        """What to learn from, if visitors may: where others open the page, not every folder of this computer.

        The result is what was checked; use it in the place of what was asked for.
        """
        if self.data is None or not data:
            return data
        from actrec.training.load_data import parts

        return "+".join(map(self._allowed, parts(data)))

    def require_disk_space(self) -> None:
        """Refuse more clips where those of visitors, which stay, have filled their share of the disk."""
        if self.data is None:
            return
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        if bytes_in(data) > MOST_BYTES or shutil.disk_usage(data).free < SPARE:
            raise refusal(
                "There is no disk space for more clips to learn from. The owner of this page has to remove old ones "
                f"from '{self.folder.name}/data' first."
            )

    def _sweep(self) -> None:
        """Remove what a program that was killed left half unpacked or half written."""
        for path in (*self.folder.glob("data/.un*-*"), *self.folder.glob("taught/.un*-*")):
            with contextlib.suppress(OSError):
                if time.time() - path.lstat().st_mtime > STALE:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _allowed(self, part: str) -> str:
        if DRAWN.fullmatch(part):
            return part
        path = Path(part).resolve()
        if self._own(path) or any(path.is_relative_to(Path(folder).resolve()) for folder in self.data):
            return str(path)
        raise refusal(
            "Others use this page too. So it learns only from a zip, from what you taught, and from the folders "
            "given with --data."
        )

    def _own(self, path: Path) -> bool:
        """Whether a path leads into what this visitor brought here, not into what all did."""
        data = self.folder / "data"
        inside = path.relative_to(data).parts if path.is_relative_to(data) else ()
        return bool(inside) and inside[0].startswith(f"{current_visitor()}-")

    def _output(self, name: str) -> Path:
        return self.folder / f".{name}.txt"


def _from_root(folder: Path) -> str:
    """A path from the project's root where it lies there."""
    return str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)


def words(trainings: Trainings, values: Mapping[str, object]) -> list[str]:
    """The command line of a new training, after `python -m actrec`, from the values of the page's controls."""
    asked = {**values, "start_from": trainings.origin(str(values.get("start_from") or "")), "threads": 1}
    return ["train", *settings.words(asked, trainings.kind), "--out", trainings.path(str(values["name"]))]


def line(trainings: Trainings, values: Mapping[str, object]) -> str:
    """The same as a line to type."""
    return shlex.join(["python", "-m", "actrec", *words(trainings, {**values, "name": values["name"] or "NAME"})])


def start(trainings: Trainings, values: Mapping[str, object]) -> str:
    """Start a new run; the name under which it is found."""
    name = re.sub(r"[^\w.-]+", "-", str(values["name"] or "")).strip("-.")[:60]
    if not name or name == "data" or name == "taught":
        raise refusal("Give the training a name first, other than 'data' and 'taught'.")
    if not values["data"]:
        raise refusal("Choose what to learn from first.")
    data = trainings.confined(str(values["data"]))
    there = trainings.run(name)
    if there and there.status()["state"] != "failed":
        raise refusal(f"There is a run '{name}' already: resume it, or choose another name.")
    with errors_as_toasts():
        trainings.begin(name, words(trainings, {**values, "name": name, "data": data}))
    return name


def resume(trainings: Trainings, name: str | None) -> None:
    """Let a paused run go on; start a process for one that was stopped or cut off."""
    run = chosen(trainings, name)
    with errors_as_toasts():
        if run.status()["state"] == "paused":
            run.forget("pause")
            return
        trainings.begin(run.name, ["train", "--resume", trainings.path(run.name)])


def slower(trainings: Trainings, name: str | None) -> None:
    """Go on with a run whose loss was not finite any more, with the learning rate that its status names."""
    run = chosen(trainings, name)
    with errors_as_toasts():
        rate = run.status().get("rate")
        if rate is None:
            raise RunError(f"The run '{run.name}' did not end because of its learning rate.")
        trainings.begin(run.name, ["train", "--resume", trainings.path(run.name), "--rate", f"{rate:g}"])


def ask(trainings: Trainings, what: str, name: str | None) -> None:
    with errors_as_toasts():
        chosen(trainings, name).ask_to(what)


def chosen(trainings: Trainings, name: str | None) -> Run:
    run = trainings.run(name)
    if run is None:
        raise refusal("Choose a run first.")
    return run


def from_zip(trainings: Trainings, path: str | None) -> tuple[str, list[str]]:
    """A visitor's zip as a folder to learn from, and the findings about it; the zip itself does not stay."""
    if not path:
        raise refusal("Choose a zip first.")
    folder = trainings.fresh_data()
    try:
        with errors_as_toasts():
            trainings.require_disk_space()
            sentence = unpack(Path(path), folder)
    finally:
        discard(path)
    try:
        return str(folder), [sentence, *examined(str(folder))]
    except gr.Error:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def from_taught(trainings: Trainings, taught: Taught | None) -> str:
    """The visitor's taught clips as a folder to learn from."""
    if taught is None:
        raise refusal("Nothing has been taught yet: open Teach and show a few actions first.")
    with errors_as_toasts():
        trainings.require_disk_space()
        return str(write_videos(taught, trainings.fresh_data()))


def examined(data: str | None) -> list[str]:
    """The findings of the check of a data set, a sentence for each; its clips are decoded in a child process."""
    from actrec.data.check import examine
    from actrec.data.open import open_set
    from actrec.data.reading import Guarded
    from actrec.video.sandbox.decoder import Decoder

    if not data:
        raise refusal("Choose what to learn from first.")
    which = drawn(str(data))
    if isinstance(which, Path):
        with errors_as_toasts():
            return recorded(which)
    if which:
        return ["Figures that the project draws: as many clips of each action as asked for, none broken."]
    with errors_as_toasts(), Decoder(seconds=SECONDS) as decoder:
        dataset = open_set(data)
        dataset = dataset if dataset.reader else replace(dataset, reader=Guarded(decoder))
        return examine(dataset)[1].sentences()


def light_systems() -> list[str]:
    from actrec.systems import SYSTEMS  # torch: only when someone looks at this tab

    return [name for name, system in SYSTEMS.items() if system.size == "light"]


def adopt(services: Services, trainings: Trainings, name: str | None) -> str:
    """Put a finished run's weights beside the others, where every tab finds them."""
    from actrec.training import run_log

    with errors_as_toasts():
        return run_log.adopt(chosen(trainings, name), services.folder)
