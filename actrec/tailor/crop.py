"""The tailored clip: people found, frames cropped to them, eq. 7 and 8 applied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from actrec.people.boxes import squared, union, whole_pixels, widen, within
from actrec.people.find import EVERY, People, find_people
from actrec.tailor.geometry import ETA, XI, enhance
from actrec.video import Clip

if TYPE_CHECKING:
    from actrec.people.detector import PersonDetector

MARGIN = 0.15  # of the box's own size, on every side; not given in the paper


@dataclass(frozen=True)
class Tailored:
    """A tailored clip.

    `window`: the crop in whole pixels of the original frames, `[4]`, or `[T, 4]` when it follows the
    person (it may then reach past the border, where the edge pixels are repeated); `boxes`: the box of eq.
    7 in pixels of the tailored frames, `[4]` or `[T, 4]`.
    """

    clip: Clip
    people: People
    window: np.ndarray
    boxes: np.ndarray


def tailor(
    clip: Clip,
    *,
    people: People | None = None,
    detector: PersonDetector | None = None,
    per_frame: bool = False,
    margin: float = MARGIN,
    eta: float = ETA,
    xi: float = XI,
    every: int = EVERY,
) -> Tailored:
    """Crop a clip close to its people, brighten the inside of the box (eq. 7), let the outside decay (eq. 8).

    By default the window is the union of the people's boxes over the clip plus `margin`, the same for all
    frames; with `per_frame` a window of constant size follows them ("to maintain coincident scale among
    frames").
    """
    people = find_people(clip, detector, every=every) if people is None else people
    if per_frame:
        window, boxes = following_windows(people.region, margin)
        frames = np.stack([cut(f, w) for f, w in zip(clip.frames, window, strict=True)])
        cut_clip = with_frames(clip, enhance(frames, boxes, eta, xi))
    else:
        cut_clip, window, boxes = tailor_to(clip, union(people.region), eta, xi, margin)
    note = f"tailored to {people.source}"
    return Tailored(replace(cut_clip, notes=(*clip.notes, note)), people, window, boxes)


def tailor_to(
    clip: Clip, box: np.ndarray, eta: float = ETA, xi: float = XI, margin: float = MARGIN, square: bool = False
) -> tuple[Clip, np.ndarray, np.ndarray]:
    """A clip cut close to one box `[4]` for all of its frames, inside and outside weighted; the window, and the box in
    pixels of the cut frames."""
    window = window_around(box, *clip.size, margin, square)
    left, top, right, bottom = window
    inside = box - np.array([left, top, left, top])
    frames = enhance(clip.frames[:, top:bottom, left:right], inside, eta, xi)
    return with_frames(clip, frames), window, inside


def window_around(box: np.ndarray, height: int, width: int, margin: float = MARGIN, square: bool = False) -> np.ndarray:
    """The box with its margin, cut to the frame, in whole pixels; square where a square is to be filled."""
    window = within(widen(box, margin), height, width)
    return whole_pixels(squared(window, height, width) if square else window)


def with_frames(clip: Clip, frames: np.ndarray) -> Clip:
    """Other pixels of the same moments: the flow between the old ones goes."""
    return replace(clip, frames=frames, flow=None, flow_method="")


def following_windows(region: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Windows `[T, 4]` of one size around the boxes `[T, 4]`, and the boxes in pixels of their windows."""
    sides = widen(region, margin)
    size = np.ceil((sides[:, 2:] - sides[:, :2]).max(axis=0)).astype(np.int64)
    corner = np.rint((region[:, :2] + region[:, 2:] - size) / 2).astype(np.int64)
    return np.concatenate([corner, corner + size], axis=1), region - np.tile(corner, 2)


def cut(frame: np.ndarray, window: np.ndarray) -> np.ndarray:
    """A window of a frame; where it reaches past the border the edge pixels are repeated."""
    left, top, right, bottom = window
    rows = np.clip(np.arange(top, bottom), 0, frame.shape[0] - 1)
    columns = np.clip(np.arange(left, right), 0, frame.shape[1] - 1)
    return frame[rows[:, None], columns]
