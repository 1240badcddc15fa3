"""Action recognition by five papers: the core, free of any page."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actrec.recognition.recognizer import Recognizer
    from actrec.video.read import read_clip

__version__ = "0.1.0"
__all__ = ["Recognizer", "read_clip"]

_FROM = {"Recognizer": "actrec.recognition.recognizer", "read_clip": "actrec.video.read"}


def __getattr__(name: str) -> object:
    """What the package offers is imported when it is first asked for: PyTorch alone takes seconds."""
    if name in _FROM:
        return getattr(importlib.import_module(_FROM[name]), name)
    raise AttributeError(f"module 'actrec' has no attribute '{name}'")
