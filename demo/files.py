"""Files the page makes for its visitors: in Gradio's own temporary folder, which Gradio empties."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def fresh_file(name: str) -> Path:
    """A path nobody else has, ending in `name`."""
    folder = os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="made-", dir=folder)) / name
