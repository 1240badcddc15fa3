"""The clips that networks are examined with: drawn with seeds outside training, of the actions the weights know.

Those of the six actions ship as one video per action (`python -m actrec examples --gallery` draws them); others are
drawn when they are first asked for, which takes a minute. Both are kept as one memory-mapped file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from actrec import synthetic
from actrec.core.files import cache_folder
from actrec.core.places import PROJECT
from actrec.data.drawn import FPS, gallery_clips
from actrec.data.sources import Split
from actrec.video import Clip

CLIPS, FEWEST = 96, 4  # in all, and of each action
THUMB = 64  # pixels a side
VIDEOS = PROJECT / "assets" / "gallery"
LENGTH = 40  # frames of each clip in a video: as long as the longest light window


@dataclass(frozen=True)
class Gallery:
    """Clips with the names of their actions; `labels[i]` is that of clip i."""

    labels: tuple[str, ...]
    split: Split

    def __len__(self) -> int:
        return len(self.labels)

    def clip(self, place: int) -> Clip:
        return self.split.clip(place)

    def thumbs(self) -> np.ndarray:
        """The middle frame of every clip, small: `[n, THUMB, THUMB, 3]`."""
        return np.stack(
            [
                cv2.resize(clip.frames[len(clip) // 2], (THUMB, THUMB), interpolation=cv2.INTER_AREA)
                for clip in map(self.clip, range(len(self)))
            ]
        )

    def sheet(self, columns: int) -> np.ndarray:
        """All of them in one image, row by row."""
        thumbs = self.thumbs()
        blank = np.zeros((-len(thumbs) % columns, *thumbs.shape[1:]), np.uint8)
        rows = np.concatenate([thumbs, blank]).reshape(-1, columns, *thumbs.shape[1:])
        return np.concatenate([np.concatenate(list(row), axis=1) for row in rows])


def gallery_of(
    known: Sequence[str], on_progress: Callable[[str], None] = lambda sentence: None, clips: int = CLIPS
) -> Gallery:
    """A gallery of the actions among `known` that can be drawn; of the six where there are none."""
    if set(known) <= set(synthetic.INTERACTIONS):  # two people's actions, under the names of their data set
        drawn = {label: synthetic.INTERACTIONS[label] for label in known}
    else:
        drawn = {label: label for label in known if label in synthetic.ACTIONS or label in synthetic.PAIRS}
    drawn = drawn or {label: label for label in synthetic.SIX}
    actions, per_class = tuple(drawn.values()), max(FEWEST, clips // len(drawn))
    split = shipped(actions) or gallery_clips(actions, per_class, on_progress)
    names = tuple(drawn)
    return Gallery(tuple(names[target] for target in split.targets), split)


def video_of(action: str, folder: Path = VIDEOS) -> Path:
    """The video that holds an action's clips, one after the other."""
    return folder / f"{action.replace(' ', '-')}.mp4"


def shipped(actions: Sequence[str], folder: Path = VIDEOS) -> Split | None:
    """The clips of the videos that ship, clip by clip in turn; None unless there is one for every action."""
    paths = [video_of(action, folder) for action in actions]
    if not all(path.is_file() for path in paths):
        return None
    sums = hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]
    cached = cache_folder() / "gallery" / f"{sums}.npy"
    if not cached.exists():
        _decode(paths, cached)
    frames = np.load(cached, mmap_mode="r")
    count, per_class = len(actions), len(frames) // len(actions)
    times = np.arange(LENGTH) / FPS

    def clip(index: int) -> Clip:
        label = actions[index % count]
        return Clip(frames[index % count * per_class + index // count], times, f"gallery: {label}")

    return Split(np.arange(len(frames)) % count, clip)


def _decode(paths: list[Path], cached: Path) -> None:
    """All videos' clips as one file [actions × clips, LENGTH, S, S, 3], whole or not at all."""
    from actrec.video.read import read_clip  # av

    videos = [read_clip(path).frames for path in paths]
    clips = [frames[: len(frames) // LENGTH * LENGTH].reshape(-1, LENGTH, *frames.shape[1:]) for frames in videos]
    cached.parent.mkdir(parents=True, exist_ok=True)
    temporary = cached.with_name(f".{cached.stem}.{os.getpid()}.npy")
    try:
        np.save(temporary, np.concatenate(clips))
        os.replace(temporary, cached)
    finally:
        temporary.unlink(missing_ok=True)
