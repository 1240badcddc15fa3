"""Folders whose files belong together: a reader finds the old ones or the new ones, never some of both."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from actrec.core.places import INSTALLED, PROJECT, SHIPPED
from actrec.core.processes import alive

WEIGHTS = SHIPPED if INSTALLED else PROJECT / "weights"  # where weights are looked for by name
DEFAULT_SYSTEM = "asym3d"  # of a training where nothing else is named
FILES = ("model.safetensors", "card.json")  # of a folder of weights
MOST_BYTES = 2 << 30  # of one file of weights; the largest network here takes a tenth
OLD = ".old"


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put a folder with these files in the place of what is there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    fresh = folder.with_name(f".{folder.name}.new{os.getpid()}")
    fresh.mkdir()
    try:
        for name, data in files.items():
            _write(fresh / name, data)
        _replace(folder, fresh)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def names(folder: Path, file: str) -> list[str]:
    """The folders in a folder that hold this file, by name; what is still being written is none of them."""
    names = {path.parent.name for path in Path(folder).glob(f"*/{file}")}
    waiting = {name[1 : -len(OLD)] for name in names if name.startswith(".") and name.endswith(OLD)}
    return sorted(name for name in names | waiting if is_name(name) and settled(Path(folder) / name).exists())


def is_name(name: str) -> bool:
    """Whether people can read a folder's name, and it is not hidden."""
    return name.isprintable() and not name.startswith(".") and name != ""


def settled(folder: Path) -> Path:
    """The folder, or the old one that a replacement cut off in the middle has left."""
    return _old(folder) if not folder.exists() and _old(folder).exists() else folder


def _old(folder: Path) -> Path:
    """Where a folder waits while another takes its place."""
    return folder.with_name(f".{folder.name}{OLD}")


def _write(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sweep(folder: Path) -> None:
    """Remove what writers of this folder that were killed have left."""
    start = f".{folder.name}.new"
    for left in folder.parent.iterdir():
        writer = left.name.removeprefix(start)
        if not left.name.startswith(start) or not writer.isdigit():
            continue
        if int(writer) == os.getpid() or not alive(int(writer)):
            shutil.rmtree(left, ignore_errors=True)


def _replace(folder: Path, fresh: Path) -> None:
    """Put `fresh` in the place of `folder`; a reader in between finds the old one under its other name."""
    aside = _old(folder)
    if folder.exists():
        shutil.rmtree(aside, ignore_errors=True)
        os.rename(folder, aside)
    os.rename(fresh, folder)
    shutil.rmtree(aside, ignore_errors=True)
