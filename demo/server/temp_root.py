"""The folder for visitors' files: made at the start, gone at the end, whatever ends the program. Knows no Gradio."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: the files of a killed program stay until someone removes them
    fcntl = None

PREFIX, LOCK = "actrec-page-", "lock"


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """The folder for visitors' files while this program runs; those of programs that were killed are removed.

    All else that is temporary lies beside it, so that it goes the same way.
    """
    _sweep(Path(tempfile.gettempdir()))
    folder, outside = Path(tempfile.mkdtemp(prefix=PREFIX)), tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        with open(folder / f"{LOCK}-soon", "w") as lock:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)  # until the program ends, however it ends
            (folder / f"{LOCK}-soon").rename(folder / LOCK)  # held from its first moment on: no one sweeps it
            uploads = folder / "files"
            uploads.mkdir(mode=0o700)
            yield uploads
    finally:
        tempfile.tempdir = outside
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(place: Path) -> None:
    if fcntl is None:
        return
    for lock in place.glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError):  # another user's, or still held
            if lock.parent.lstat().st_uid != os.getuid():
                continue
            with open(os.open(lock, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)) as handle:  # no pipe is waited for
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
