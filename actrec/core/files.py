"""Files that are read with checks and written whole or not at all, and the cache folder."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: two processes that remember at the same moment may lose one entry
    fcntl = None  # type: ignore[assignment]  # the name of a module, or None


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Run a block while no other process of this machine runs one with the same lock file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
        yield


def remember(memory: Path, entry: str, value: object) -> None:
    """Add one entry to a JSON file to which other processes add as well, without losing theirs."""
    with alone(memory.with_suffix(".lock")):
        write_json(memory, _read_json(memory) | {entry: value})


def cache_folder() -> Path:
    """The folder for findings, clips and downloads: `$ACTREC_CACHE`, else `actrec` in the user's cache."""
    if chosen := os.environ.get("ACTREC_CACHE"):
        return Path(chosen).expanduser().absolute()  # children of another working folder find it too
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "actrec"


SMALL = 16 << 20  # bytes of a card, a status, the settings of a run


def read_small(path: Path, most: int = SMALL, *, links: bool = True) -> bytes:
    """Read a file that others may have placed there: no endless pipe, no device, nothing larger than `most`."""
    flags = ("O_NONBLOCK", "O_BINARY", *(() if links else ("O_NOFOLLOW",)))  # a pipe without a writer does not block
    handle = os.open(path, os.O_RDONLY | sum(getattr(os, flag, 0) for flag in flags))
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        if facts.st_size > most:
            raise OSError(errno.EFBIG, f"it has more than {most >> 20} MB")
        with open(handle, "rb", closefd=False) as file:
            return file.read(facts.st_size)
    finally:
        os.close(handle)


def parsed(text: str | bytes) -> object:
    """Parse JSON that others may have written. Half a character in it, which could not be sent on, is a ValueError."""
    text = text if isinstance(text, str) else text.decode()
    value = json.loads(text)
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _read_json(path: Path) -> dict:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def write_json(path: Path, value: object) -> None:
    """Write a JSON file, whole or not at all."""
    write_bytes(path, json.dumps(value, indent=1).encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
