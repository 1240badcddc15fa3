"""Where a video is uploaded. A file that browsers do not play is shown as a copy; the answer is about the file."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from actrec.core.errors import Refusal
from demo.server.services import Services
from demo.shared.event_options import QUIET
from demo.shared.files import fresh_file

if TYPE_CHECKING:
    from actrec.video.request import Header

SIDE, FPS = 320, 25.0
COPYING = {**QUIET, "concurrency_id": "copy", "concurrency_limit": 1}  # nobody's answer waits for a copy's turn
PLAYED = {"mov": ("h264", "vp9", "av1", "libdav1d"), "matroska": ("vp8", "vp9", "av1", "libdav1d")}
COPY = "Your browser does not play this kind of file: you see a copy. The answer is about the file itself."


def player(services: Services, place: str, label: str = "Your clip", **options: object) -> gr.Video:
    """A video of the visitor's, PLACE-video, with a note below where a copy of it is shown."""
    video = gr.Video(label=label, elem_id=f"{place}-video", **{"sources": ["upload"], **options})
    note = gr.HTML(elem_id=f"{place}-player", padding=False)
    video.change(partial(_copy, services), video, note, **COPYING).failure(_note, video, note, **QUIET)
    return video


def _copy(services: Services, path: str | None) -> str:
    return _note(path, copied(services, path) if path else None)


def _note(path: str | None, copy: Path | None = None) -> str:
    """A note for `player.js`, which shows it together with the copy."""
    if not path:
        return ""
    of, where = escape(Path(path).parent.name), f' data-copy="{escape(copy.as_posix())}"' if copy else ""
    return f'<p class="quiet" role="status" hidden data-of="{of}"{where}>{COPY}</p>'


def copied(services: Services, path: str | Path) -> Path | None:
    """A copy of a video that browsers play; None where they play the file itself, or where it cannot be read."""
    try:
        header = services.probe(path)
        if header.codec in next((codecs for kind, codecs in PLAYED.items() if header.kind.startswith(kind)), ()):
            return None
        return as_mp4(services, path, header, "copy.mp4", SIDE)
    except (Refusal, OSError):
        return None


def as_mp4(services: Services, path: str | Path, header: Header, name: str, short_side: int) -> Path:
    """A video's frames as a file that browsers play."""
    from actrec.video.write import write_mp4

    fps = min(header.fps or FPS, FPS)
    return write_mp4(fresh_file(name), services.read(path, short_side=short_side, fps=fps).frames, fps)
