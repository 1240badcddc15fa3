"""Clips cropped to their people, where they are small: a square window in proportion, the same rule for every class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from actrec.core.files import cache_folder
from actrec.people import find_people
from actrec.people.detector import PersonDetector
from actrec.recognition.recognizer import Recognizer
from actrec.training.everyday.register import Entry
from actrec.training.everyday.views import Viewed, kept
from actrec.video import Clip
from actrec.video.read import read_clip

MARGIN, SMALL = 1.25, 0.8  # side of the window per side of the box; a window is cut below this part of the short side
READ_SIDE, EVERY = 480, 10  # pixels of the shorter side that is read; frames between two that are searched


def window(boxes: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """The square (left, top, right, bottom) around boxes [n, 4] of all frames, moved inside a picture of `size`
    (height, width); None where the people are not small."""
    height, width = size
    left, top = boxes[:, :2].min(0)
    right, bottom = boxes[:, 2:].max(0)
    side = int(np.ceil(MARGIN * max(right - left, bottom - top)))
    if side >= SMALL * min(height, width):
        return None
    x = int(np.clip(round((left + right - side) / 2), 0, width - side))
    y = int(np.clip(round((top + bottom - side) / 2), 0, height - side))
    return x, y, x + side, y + side


def to_people(clip: Clip, detector: PersonDetector) -> Clip | None:
    """The clip cropped to its people; None where nobody is found or they are not small."""
    people = find_people(clip, detector, every=EVERY)
    boxes = np.concatenate([*people.boxes])
    place = window(boxes, clip.size) if people.detected and len(boxes) else None
    if place is None:
        return None
    left, top, right, bottom = place
    return Clip(np.ascontiguousarray(clip.frames[:, top:bottom, left:right]), clip.times)


def cropped(recognizer: Recognizer, entry: Entry, file: Path, whole: Viewed, detector: PersonDetector) -> Viewed:
    """A clip's views of its people; those of the whole picture where it is not cropped."""

    def read() -> Clip:
        clip = to_people(read_clip(file, short_side=READ_SIDE), detector)
        if clip is None:
            raise LookupError
        return clip

    whole_ones = cache_folder() / "everyday" / "whole.txt"  # clips in which nobody is small, or nobody is
    if whole_ones.is_file() and entry.sha256 in whole_ones.read_text().split():
        return whole
    try:
        codes, kinetics = kept(recognizer, f"{entry.sha256}-people", read)
    except LookupError:
        with open(whole_ones, "a") as file_of_sums:
            file_of_sums.write(entry.sha256 + "\n")
        return whole
    return Viewed(entry.file, entry.source, entry.group, entry.target, codes, kinetics)


def counted(seen: Sequence[Viewed], whole: Sequence[Viewed]) -> dict[str, int]:
    """How many clips of each source were cropped."""
    before = {item.file: item.codes for item in whole}
    return dict(Counter(item.source for item in seen if not np.array_equal(item.codes, before[item.file])))
