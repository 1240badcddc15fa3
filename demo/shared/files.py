"""Files the page makes for its visitors or gets from them: in the folder that `demo.server.temp_root` gives."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path

from demo.server.visitor_files import current_visitor, folder_for

LONGEST = 60  # letters of a file's name, of four bytes each at most: systems allow 255


def fresh_file(name: str) -> Path:
    """A path nobody else has or can guess, ending in `name` as far as that can be a file's; it goes when the visitor
    does."""
    folder = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()) / folder_for(current_visitor())
    folder.mkdir(mode=0o700)
    return folder / re.sub(r"[^\w. -]+", "-", name)[-LONGEST:]


def discard(path: str | Path | None) -> None:
    """Remove a visitor's file at once, and the folder that Gradio made for it. Other files are left alone."""
    root = os.environ.get("GRADIO_TEMP_DIR")
    if not path or not root:
        return
    file, root = Path(path).resolve(), Path(root).resolve()
    if root not in file.parents:
        return
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)
        if file.parent != root:
            file.parent.rmdir()
