"""A training run is a folder: its settings, an append-only event log, a checkpoint, a status.

Whoever watches reads only the folder, so a run survives a reload, a restart and a crash.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import MISSING, Field, asdict, fields, replace
from pathlib import Path
from typing import Any

from actrec.core.errors import Refusal
from actrec.core.files import parsed, read_small, write_json
from actrec.core.processes import alive, has_open, mark
from actrec.training.event_log import event_of, status_of
from actrec.training.settings import FORMAT, Settings, upgraded
from actrec.weights.folders import is_name

try:
    import fcntl
except ImportError:  # Windows: two trainings in one folder are not noticed there
    fcntl = None  # type: ignore[assignment]  # a module that is not there

LASTING = ("running", "paused")  # states in which a process is at work
NUMBER_FORMAT = "number_format.json"  # of the run; earlier versions wrote numbers.json
MOST_EVENTS = 256 << 20  # bytes of a log: a million steps


class RunError(Refusal):
    """A run that cannot be started or continued; the message says why."""


class TakenError(RunError):
    """Another process trains in this folder: nothing in it may be changed."""


class NotFiniteError(RunError):
    """A loss or a gradient in float32 that is not finite; `rate` is a learning rate to go on with."""

    def __init__(self, sentence: str, rate: float) -> None:
        super().__init__(sentence)
        self.rate = rate


class Run:
    """A run folder, for the process that trains and for those who watch."""

    kind: type[Settings] = Settings  # what its settings are read as

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    @property
    def best(self) -> Path:
        """The network of the best epoch so far."""
        return self.folder / "best.safetensors"

    @property
    def weights(self) -> Path:
        """The finished checkpoint folder."""
        return self.folder / "weights"

    @classmethod
    def create(cls, folder: Path, settings: Settings) -> Run:
        """A new run folder. One in which a training failed gives its place; what it had finished moves aside."""
        run = cls(folder)
        if run.status()["state"] == "failed":
            run.give_way()
        elif (run.folder / "settings.json").exists():
            raise RunError(f"There is a run in '{folder}' already. Resume it with --resume or choose another --out.")
        try:
            run.folder.mkdir(parents=True, exist_ok=True)
            write_json(run.folder / "settings.json", asdict(settings))
        except OSError as error:
            raise RunError(
                f"The run folder '{folder}' cannot be created: {error.strerror}. Choose another --out."
            ) from None
        return run

    def give_way(self) -> None:
        """Make room for a new run of this name: a checkpoint or weights move to NAME-failed, anything else goes."""
        if not self.checkpoint.exists() and not self.weights.exists():
            names = (
                "events.jsonl", "status.json", NUMBER_FORMAT, "numbers.json", "micro_batch.json", "bridges.json",
                "start.safetensors", "best_student.safetensors", self.best.name,
            )  # fmt: skip
            for name in names:
                (self.folder / name).unlink(missing_ok=True)
            return
        numbers = ("", *(f"-{number}" for number in range(2, 1000)))
        places = (self.folder.with_name(f"{self.name}-failed{number}") for number in numbers)
        try:
            self.folder.rename(next(place for place in places if not place.exists()))
        except (OSError, StopIteration) as error:
            raise RunError(
                f"The failed run '{self.folder}' cannot be moved aside: {error}. Choose another --out."
            ) from None

    def change(self, **changes: Any) -> None:  # of the settings' own types
        """Other settings from here on; how that breaks exactness is logged when the training goes on."""
        write_json(self.folder / "settings.json", asdict(replace(self.settings(), **changes)))
        if "numbers" in changes:
            for name in (NUMBER_FORMAT, "numbers.json"):
                (self.folder / name).unlink(missing_ok=True)
        if "micro_batch" in changes or "batch" in changes:
            (self.folder / "micro_batch.json").unlink(missing_ok=True)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else may train in this folder meanwhile; the hold ends with the process, however it ends."""
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _locked(handle):
                raise TakenError(f"The run '{self.name}' is being trained by another process already.")
            yield
        finally:
            os.close(handle)

    def settings(self) -> Settings:
        path = self.folder / "settings.json"
        try:
            values = parsed(read_small(path))
        except (OSError, ValueError, RecursionError):
            raise RunError(f"'{self.folder}' is not a run folder: settings.json is missing or broken.") from None
        if not isinstance(values, dict):
            raise RunError(f"'{self.folder}' is not a run folder: settings.json is missing or broken.")
        if values.get("format") == 2:
            values = upgraded(values)
        if values.get("format") != FORMAT:
            raise RunError(
                f"The run '{self.name}' is from another version (format {values.get('format')}, here {FORMAT}). "
                "Start it anew."
            )
        known = {setting.name: setting for setting in fields(self.kind)}
        if unknown := set(values) - set(known):
            raise RunError(f"The run '{self.name}' comes from another version: it sets {', '.join(sorted(unknown))}.")
        if odd := [name for name, setting in known.items() if not _fits(values, setting)]:
            raise RunError(f"The settings of the run '{self.name}' are broken ({', '.join(odd)}). Start it anew.")
        return self.kind(**values)

    def log(self, event: str, **facts: object) -> None:
        """Append one event; a line is written whole."""
        line = json.dumps({"time": round(time.time(), 3), "event": event, **facts}) + "\n"
        handle = os.open(self.folder / "events.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)

    def events(self) -> list[dict]:
        """All events so far; a line that a crash cut off is left out."""
        try:
            lines = read_small(self.folder / "events.jsonl", MOST_EVENTS).decode(errors="replace").splitlines()
        except OSError:
            return []
        return [event for line in lines if (event := event_of(line)) is not None]

    def news(self) -> tuple[int, ...]:
        """Changes whenever there is something new to read in the folder."""
        sizes = []
        for name in ("events.jsonl", "status.json"):
            with contextlib.suppress(OSError):
                facts = (self.folder / name).stat()
                sizes += [facts.st_size, facts.st_mtime_ns]
        return tuple(sizes)

    def set_status(self, state: str, sentence: str = "", **facts: object) -> None:
        pid = os.getpid()
        write_json(
            self.folder / "status.json",
            {"state": state, "sentence": sentence, "pid": pid, "mark": mark(pid), "time": time.time(), **facts},
        )

    def status(self) -> dict:
        """What the run is doing; one that is 'running' without a living process was cut off."""
        try:
            status = status_of(read_small(self.folder / "status.json").decode(errors="replace"))
        except OSError:
            status = None
        if status is None:
            return {"state": "new", "sentence": "Not started yet."}
        if status["state"] in LASTING and not self._trained_by(status):
            status |= {
                "state": "cut off",
                "sentence": "The training process is gone. Resume goes on from the last checkpoint.",
            }
        return status

    def _trained_by(self, status: dict) -> bool:
        """Whether the process that wrote the status still trains. Its number alone may be another process's by now."""
        now = mark(status["pid"])
        if not alive(status["pid"]) or not now:
            return alive(status["pid"])
        if status["mark"]:
            return status["mark"] == now
        return has_open(status["pid"], self.folder / "lock")  # written before statuses had a mark

    def ask_to(self, what: str) -> None:
        """Leave a request for the training process: `stop` or `pause`."""
        (self.folder / what).touch()

    def asked_to(self, what: str) -> bool:
        return (self.folder / what).exists()

    def forget(self, *requests: str) -> None:
        """Withdraw requests: forgetting `pause` lets a paused training go on."""
        for what in requests:
            (self.folder / what).unlink(missing_ok=True)


class Silent(Run):
    """The run in a process that is not the first: it writes nothing, and the first one decides."""

    def log(self, event: str, **facts: object) -> None:
        return

    def set_status(self, state: str, sentence: str = "", **facts: object) -> None:
        return

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        yield

    def forget(self, *requests: str) -> None:
        return

    def asked_to(self, what: str) -> bool:
        return False


def runs(folder: Path) -> list[Run]:
    """The runs in a folder, the newest first."""
    folders = [Run(path.parent) for path in Path(folder).glob("*/settings.json") if is_name(path.parent.name)]
    return sorted(folders, key=_changed, reverse=True)


def _changed(run: Run) -> float:
    try:
        return run.folder.stat().st_mtime
    except OSError:  # removed just now
        return 0.0


def _fits(values: dict, setting: Field) -> bool:
    """Whether a setting is there, unless it may be missing, and has the type of its annotation."""
    if setting.name not in values:
        return setting.default is not MISSING or setting.default_factory is not MISSING
    kinds: dict[str, type | tuple[type, ...]] = {
        "str": str,
        "int": int,
        "float": (int, float),
        "dict": dict,
        "list": list,
        "None": type(None),
    }
    value = values[setting.name]
    return not isinstance(value, bool) and any(
        isinstance(value, kinds[kind]) for kind in str(setting.type).split(" | ")
    )


def _locked(handle: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
