"""Where a film is uploaded. Browsers play few kinds of files: of the others they get a copy to show, and nothing else
changes, what is asked about is the file itself."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path

import gradio as gr

from actrec.refusal import Refusal
from demo.files import fresh_file
from demo.lab import SHOWN_FPS, Lab
from demo.wiring import COMPUTE

SIDE = 320
MOST_FPS = 25.0
PLAYED = {"mov": ("h264", "vp9", "av1", "libdav1d"), "matroska": ("vp8", "vp9", "av1", "libdav1d")}
COPY = "Browsers do not play files of this kind: you see a copy. What is asked about is the file itself."
# The note names the folder of its film. Until it is there, nobody is told that a film cannot be played.
SWAP = """
const place = '#' + element.closest('[id$=-player]').id.replace('-player', '-video');
let failed = null;
const told = () => {
  const film = document.querySelector(place + ' video'), note = element.querySelector('[data-of]');
  return film && note && film.src.includes(note.dataset.of) ? { film, note } : {};
};
const settle = () => {
  const { film, note } = told();
  if (!note || (!note.dataset.copy && failed !== film.src)) return;
  failed = null;
  if (!note.dataset.copy) return film.dispatchEvent(new Event('error'));
  film.src = film.src.replace(/file=.*/, 'file=' + note.dataset.copy.split('/').map(encodeURIComponent).join('/'));
  film.load();
};
document.addEventListener('error', (event) => {
  const { note } = told();
  if (!element.isConnected || !event.target.closest?.(place) || (note && !note.dataset.copy)) return;
  event.stopPropagation();
  failed = event.target.src;
  settle();
}, true);
new MutationObserver(settle).observe(element, { childList: true, subtree: true });
"""


def player(lab: Lab, place: str, label: str = "Your clip", **look: object) -> gr.Video:
    """A film of the visitor's, PLACE-video, with a note below where a copy of it is shown."""
    video = gr.Video(label=label, elem_id=f"{place}-video", **{"sources": ["upload"], **look})
    note = gr.HTML(elem_id=f"{place}-player", js_on_load=SWAP, padding=False)
    video.change(partial(_note, lab), video, note, show_progress="hidden", **COMPUTE)
    return video


def _note(lab: Lab, path: str | None) -> str:
    """What is said of a film, and told to the script: the film's folder, and where its copy is."""
    if not path:
        return ""
    of, copy = escape(Path(path).parent.name), copied(lab, path)
    if copy is None:
        return f'<p hidden data-of="{of}"></p>'
    return f'<p class="quiet" data-of="{of}" data-copy="{escape(copy.as_posix())}">{COPY}</p>'


def copied(lab: Lab, path: str | Path) -> Path | None:
    """A copy of a film that browsers play; None where they play the film, or nobody can: who asks is told why."""
    try:
        header = lab.probe(path)
        if header.codec in next((codecs for kind, codecs in PLAYED.items() if header.kind.startswith(kind)), ()):
            return None
        return as_mp4(lab, path, "copy.mp4", SIDE)
    except (Refusal, OSError):
        return None


def as_mp4(lab: Lab, path: str | Path, name: str, short_side: int) -> Path:
    """A film's pictures as a file that browsers play."""
    clip = lab.read(path, short_side=short_side)
    clip = clip.at_rate(min(clip.fps or SHOWN_FPS, MOST_FPS))
    return lab.write(fresh_file(name), clip.frames, clip.fps or SHOWN_FPS)
