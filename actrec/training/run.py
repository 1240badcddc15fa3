"""A training run is a folder: its settings, an append-only event log, a checkpoint, a status.

Whoever watches reads only the folder, so a run survives a reload, a restart and a crash.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from actrec.machine import write_json

FORMAT = 1


class RunError(Exception):
    """A run that cannot be started or gone on with; the sentence says why."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides what a training computes; fixed for the life of the run."""

    system: str
    data: str
    name: str
    preset: str = "scratch"
    clips_per_class: int = 300
    epochs: int | None = None
    batch: int | None = None
    rate: float | None = None
    seed: int = 0
    threads: int = 2
    device: str = "auto"
    numbers: str = "auto"
    start_from: str = ""
    format: int = FORMAT


class Run:
    """A run folder, for the process that trains and for those who watch."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    @property
    def weights(self) -> Path:
        """The finished checkpoint folder."""
        return self.folder / "weights"

    @classmethod
    def create(cls, folder: Path, settings: Settings) -> Run:
        run = cls(folder)
        try:
            run.folder.mkdir(parents=True)
        except FileExistsError:
            raise RunError(
                f"There is a run in '{folder}' already. Resume it with --resume or choose another --out."
            ) from None
        except OSError as error:
            raise RunError(
                f"The run folder '{folder}' cannot be made: {error.strerror}. Choose another --out."
            ) from None
        write_json(run.folder / "settings.json", asdict(settings))
        return run

    def settings(self) -> Settings:
        path = self.folder / "settings.json"
        try:
            values = json.loads(path.read_text())
        except (OSError, ValueError):
            raise RunError(f"'{self.folder}' is not a run folder: settings.json is missing or broken.") from None
        if values.get("format") != FORMAT:
            raise RunError(
                f"The run '{self.name}' has format {values.get('format')}; this version goes on with {FORMAT}."
            )
        known = {each.name for each in fields(Settings)}
        if unknown := set(values) - known:
            raise RunError(f"The run '{self.name}' comes from another version: it sets {', '.join(sorted(unknown))}.")
        return Settings(**values)

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
            lines = (self.folder / "events.jsonl").read_text().splitlines()
        except OSError:
            return []
        events = []
        for line in lines:
            try:
                events.append(json.loads(line))
            except ValueError:
                continue
        return events

    def set_status(self, state: str, sentence: str = "", **facts: object) -> None:
        write_json(
            self.folder / "status.json",
            {"state": state, "sentence": sentence, "pid": os.getpid(), "time": time.time(), **facts},
        )

    def status(self) -> dict:
        """What the run is doing; one that says 'running' without a living process was cut off."""
        try:
            status = json.loads((self.folder / "status.json").read_text())
        except (OSError, ValueError):
            return {"state": "new", "sentence": "Not started yet."}
        if status["state"] == "running" and not _alive(status["pid"]):
            status |= {
                "state": "cut off",
                "sentence": "The training process is gone. Resume goes on from the last checkpoint.",
            }
        return status

    def ask_to_stop(self) -> None:
        (self.folder / "stop").touch()

    def asked_to_stop(self) -> bool:
        return (self.folder / "stop").exists()

    def forget_stop(self) -> None:
        (self.folder / "stop").unlink(missing_ok=True)


def runs(folder: Path) -> list[Run]:
    """The runs in a folder, the newest first."""
    found = [Run(each.parent) for each in Path(folder).glob("*/settings.json")]
    return sorted(found, key=lambda run: run.folder.stat().st_mtime, reverse=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return True
    return state != "Z"
