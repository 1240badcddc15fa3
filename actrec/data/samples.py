"""A labelled clip on disk, and the contents of a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actrec.core.errors import Refusal

# fmt: off
VIDEO = {".mp4", ".m4v", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg",
         ".wmv", ".flv", ".3gp", ".ogv", ".gif"}
# fmt: on
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
CAMERA = re.compile(r"(?P<take>.+)[._ -]cam(era)?[._ -]?\d+", re.IGNORECASE)
PART_NAMES = {"train": "train", "training": "train", "val": "validation", "valid": "validation"}
PART_NAMES |= {"validate": "validation", "validation": "validation", "test": "test", "testing": "test"}


class DataError(Refusal):
    """Data that cannot be used. `code` is for programs, `str(error)` is a sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code

    def __reduce__(self) -> tuple[type[DataError], tuple[str, str]]:
        return DataError, (self.code, str(self))


@dataclass(frozen=True)
class Broken:
    """A clip that is left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Sample:
    """One labelled clip: a video file, a stretch of one (`start` to `stop`, seconds), or a folder of frames.

    `group` is what must not stand on both sides of a split: a sequence, a person, a source video.
    `parts` names the clip's part in each official protocol: {"split 1": "train", …}; `origin` is the set it
    came from when sets were merged. `beside` are the files of other cameras that recorded the same take.
    """

    path: Path
    label: int
    group: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    start: float | None = None
    stop: float | None = None
    fps: float | None = None
    origin: str = ""
    beside: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """Folder and file name, with the stretch when it is one."""
        stretch = "" if self.start is None else f" {self.start:.2f}–{self.stop or 0:.2f} s"
        return f"{self.path.parent.name}/{self.path.name}{stretch}"


def must_be_folder(root: Path) -> None:
    """Refuse a path that is missing, a plain file, or not readable."""
    try:
        if not root.exists():
            raise DataError("missing", f"{root} does not exist. Check the path.")
        if not root.is_dir():
            raise DataError("not_a_folder", f"{root} is a file, not a folder of clips or a pack.")
    except PermissionError:
        raise DataError("unreadable", f"You may not read {root}. Give yourself the permission to open it.") from None
    listing(root)


def must_be_writable(folder: Path) -> None:
    """Create the folder if it is missing and test that it can be written, before any work is done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".write-trial-{os.getpid()}"
        trial.write_bytes(b"")
        trial.unlink()
    except OSError as error:
        sentence = f"Nothing can be written into {folder} ({error.strerror}). Choose another folder."
        raise DataError("unwritable", sentence) from None


def listing(folder: Path) -> list[Path]:
    """Entries in natural order (clip2 before clip10), without hidden ones."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith((".", "__MACOSX"))]
    except PermissionError:
        raise DataError("unreadable", f"You may not read {folder}. Give yourself the permission to open it.") from None
    return [folder / name for name in sorted(names, key=natural)]


def folders(root: Path) -> list[Path]:
    return [entry for entry in listing(root) if entry.is_dir()]


def is_frames(folder: Path) -> bool:
    """Whether a folder holds frames: mostly images."""
    entries = listing(folder)
    return bool(entries) and sum(entry.suffix.lower() in IMAGE_SUFFIXES for entry in entries) > len(entries) / 2


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key that reads numbers as numbers."""
    return [(0, int(bit), "") if bit.isdecimal() else (1, 0, bit.lower()) for bit in re.split(r"(\d+)", name) if bit]


def some(names: Sequence[str], most: int = 8) -> str:
    """The first names of a list, and how many more there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
