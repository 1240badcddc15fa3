"""Files the page makes for its visitors or gets from them: in Gradio's own temporary folder, which Gradio empties."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def fresh_file(name: str) -> Path:
    """A path nobody else has, ending in `name`."""
    folder = os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="made-", dir=folder)) / name


def discard(path: str | Path | None) -> None:
    """Remove a visitor's file at once, and the folder that Gradio made for it. Other files are left alone."""
    home = os.environ.get("GRADIO_TEMP_DIR")
    if not path or not home:
        return
    path, home = Path(path).resolve(), Path(home).resolve()
    if home not in path.parents:
        return
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        if path.parent != home:
            path.parent.rmdir()
