"""Compiled networks in the cache: opened in milliseconds, dropped where they are damaged, the oldest removed."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from actrec.core.files import cache_folder, read_small, write_bytes

MOST = 2 << 30  # bytes of one file
ALL = 768 << 20  # bytes of all that are kept
DIGEST = hashlib.sha256().digest_size


def place_of(topic: str) -> Path:
    """The folder for what was compiled for a topic."""
    return cache_folder() / "engines" / hashlib.sha256(topic.encode()).hexdigest()[:24]


def _file(place: Path, size: int) -> Path:
    return place / f"{size}.blob"


def is_stored(place: Path) -> bool:
    return _file(place, 1).is_file()


def write(place: Path, compiled: Mapping[int, bytes]) -> None:
    """Keep networks by their batch size, each behind its checksum. A cache that cannot be written is no error."""
    with contextlib.suppress(OSError):
        for size, data in compiled.items():
            write_bytes(_file(place, size), hashlib.sha256(data).digest() + data)
        _remove_oldest(place.parent, place)


def read(place: Path) -> dict[int, bytes]:
    """What was written there; a ValueError or OSError where it is damaged or gone."""
    compiled = {}
    for file in sorted(place.glob("*.blob")):
        data = read_small(file, MOST)
        if hashlib.sha256(data[DIGEST:]).digest() != data[:DIGEST]:
            raise ValueError(f"'{file}' is damaged")
        compiled[int(file.stem)] = data[DIGEST:]
    if 1 not in compiled:
        raise FileNotFoundError(f"'{place}' holds no compiled network for one view")
    with contextlib.suppress(OSError):
        os.utime(place)  # used today: not the oldest
    return compiled


def _remove_oldest(folder: Path, newest: Path) -> None:
    """Remove whole folders until the rest is small enough."""
    folders = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    bytes_of = {folder: sum(file.stat().st_size for file in folder.iterdir()) for folder in folders}
    for oldest in folders:
        if sum(bytes_of.values()) <= ALL:
            return
        if oldest != newest:
            for file in oldest.iterdir():
                file.unlink()
            oldest.rmdir()
            del bytes_of[oldest]
