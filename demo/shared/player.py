"""Where a film is uploaded. What a browser does not play it shows as a copy; what is asked about is the film itself."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from actrec.core.errors import Refusal
from demo.server.services import Lab
from demo.shared.event_options import QUIET
from demo.shared.files import fresh_file

if TYPE_CHECKING:
    from actrec.video.request import Header

SIDE, FPS = 320, 25.0
COPYING = {**QUIET, "concurrency_id": "copy", "concurrency_limit": 1}  # nobody's answer waits for a copy's turn
PLAYED = {"mov": ("h264", "vp9", "av1", "libdav1d"), "matroska": ("vp8", "vp9", "av1", "libdav1d")}
COPY = "Your browser does not play this kind of file: you see a copy. What is asked about is the file itself."


def player(lab: Lab, place: str, label: str = "Your clip", **look: object) -> gr.Video:
    """A film of the visitor's, PLACE-video, with a note below where a copy of it is shown."""
    video = gr.Video(label=label, elem_id=f"{place}-video", **{"sources": ["upload"], **look})
    note = gr.HTML(elem_id=f"{place}-player", padding=False)
    video.change(partial(_copy, lab), video, note, **COPYING).failure(_note, video, note, **QUIET)
    return video


def _copy(lab: Lab, path: str | None) -> str:
    return _note(path, copied(lab, path) if path else None)


def _note(path: str | None, copy: Path | None = None) -> str:
    """For `player.js`, which shows it once the copy is seen."""
    if not path:
        return ""
    of, where = escape(Path(path).parent.name), f' data-copy="{escape(copy.as_posix())}"' if copy else ""
    return f'<p class="quiet" role="status" hidden data-of="{of}"{where}>{COPY}</p>'


def copied(lab: Lab, path: str | Path) -> Path | None:
    """A copy of a film that browsers play; None where they play the film, or nobody can: who asks is told why."""
    try:
        header = lab.probe(path)
        if header.codec in next((codecs for kind, codecs in PLAYED.items() if header.kind.startswith(kind)), ()):
            return None
        return as_mp4(lab, path, header, "copy.mp4", SIDE)
    except (Refusal, OSError):
        return None


def as_mp4(lab: Lab, path: str | Path, header: Header, name: str, short_side: int) -> Path:
    """A film's pictures as a file that browsers play."""
    from actrec.video.write import write_mp4

    fps = min(header.fps or FPS, FPS)
    return write_mp4(fresh_file(name), lab.read(path, short_side=short_side, fps=fps).frames, fps)
