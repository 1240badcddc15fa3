"""Finding the people of a clip: by a YOLO detector, or, without one, by what moves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from actrec.core.errors import Refusal
from actrec.people.boxes import smooth, unions, within
from actrec.video import Clip
from actrec.weights.folders import WEIGHTS

if TYPE_CHECKING:
    from actrec.people.detector import PersonDetector

SHIPPED = WEIGHTS / "person-detector"
EVERY = 3  # frames; a person hardly leaves a smoothed box in a tenth of a second


@dataclass(frozen=True)
class People:
    """The people of a clip.

    `boxes`: per frame `float32 [n, 4]` (left, top, right, bottom) in pixels; `region`: `[T, 4]`, the
    smoothed union of each frame's boxes; `detected`: whether a detector found them; `source`: their origin in
    words.
    """

    boxes: tuple[np.ndarray, ...]
    region: np.ndarray
    detected: bool
    source: str
    frames_searched: int = 0
    milliseconds: float = 0.0


def open_detector(
    path: str | Path | None = None, *, download: bool = False, folder: Path | None = None, device: str = "cpu"
) -> PersonDetector | None:
    """The person detector to use, or None where there are no weights to load.

    They are searched for in this order: `path`; `weights/person-detector/` of the project; a public YOLO that was
    fetched before, or is fetched now when `download` asks for it (into `folder`, by default the user's
    cache).
    """
    from actrec.people.detector import WEIGHTS as TENSORS
    from actrec.people.detector import PersonDetector

    if path is not None:
        return PersonDetector.load(Path(path), device)
    if (SHIPPED / TENSORS).is_file():
        return PersonDetector.load(SHIPPED, device)
    from actrec.people.public import fetched, public_detector

    weights = fetched(folder)
    if weights is None and download:
        weights = public_detector(folder=folder)
    return None if weights is None else PersonDetector.load(weights, device)


def usable_detector() -> PersonDetector | None:
    """The person detector, or None where it is missing, damaged or cannot be opened: an answer does not wait for it."""
    try:
        return open_detector()
    except (Refusal, OSError):
        return None


def find_people(clip: Clip, detector: PersonDetector | None = None, *, every: int = EVERY) -> People:
    """The people of a clip by a detector, which searches every `every`-th frame and the last one.

    Without a detector, or where it finds nobody, the moving region of the salience map takes their place, and `source`
    says so.
    """
    start = time.perf_counter()
    if detector is None:
        return moving_region(clip, "there is no person detector", start)
    searched = np.unique([*range(0, len(clip), max(1, every)), len(clip) - 1])
    people = people_by(detector, clip, searched)
    if people is None:
        return moving_region(clip, f"{detector.card.architecture} finds nobody in {len(searched)} frames", start)
    return people


def people_by(detector: PersonDetector, clip: Clip, searched: np.ndarray, **options: Any) -> People | None:
    """The people that a detector finds in some frames of a clip; None where it finds nobody.

    Frames in between get the boxes of the nearest searched frame. `options` are those of `PersonDetector.detect`.
    """
    start = time.perf_counter()
    boxes_of = [rows[:, :4] for rows in detector.detect(clip.frames[searched], **options)]
    if not any(len(boxes) for boxes in boxes_of):
        return None
    nearest = np.abs(searched[None] - np.arange(len(clip))[:, None]).argmin(axis=1)
    region = np.full((len(clip), 4), np.nan)
    region[searched] = unions(boxes_of)
    name = detector.card.architecture.removesuffix(".yaml")
    hits = sum(len(boxes) > 0 for boxes in boxes_of)
    return People(
        tuple(boxes_of[i] for i in nearest),
        within(smooth(region), *clip.size),
        True,
        f"people found by {name} in {hits} of the {len(searched)} searched frames",
        len(searched),
        (time.perf_counter() - start) * 1e3,
    )


def moving_region(clip: Clip, why: str, start: float | None = None, fraction: float = 0.98) -> People:
    """The box that holds `fraction` of the salience of each frame and its neighbours, where there is no detector."""
    from actrec.motion.salience import salience  # torch

    start = time.perf_counter() if start is None else start
    height, width = clip.size
    maps = salience(clip.frames) if len(clip) > 1 else np.zeros((1, height, width), np.float32)
    maps = np.where(maps > 0.2, maps, 0)  # faint change is noise, and there is much of it
    columns, rows = maps.sum(axis=1), maps.sum(axis=2)  # [T, W], [T, H]
    if not columns.any():
        region = np.tile([0.0, 0.0, width, height], (len(clip), 1))
        source = f"the whole frame, since {why} and nothing moves"
    else:
        left, right = spread(columns, fraction)
        top, bottom = spread(rows, fraction)
        region = within(smooth(np.stack([left, top, right, bottom], axis=1)), height, width)
        source = f"the moving region of the salience map, since {why}"
    return People(
        tuple(box[None].astype(np.float32) for box in region),
        region,
        False,
        source,
        0,
        (time.perf_counter() - start) * 1e3,
    )


def spread(mass: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """First and past-the-last index between which `fraction` of each row of `mass [T, N]` lies; NaN for empty
    rows.

    A row is added up over a few neighbouring rows first, so that one quiet frame keeps the box of its moment.
    """
    reach = min(4, len(mass) - 1)
    padded = np.pad(mass, [(reach, reach), (0, 0)])
    total = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0).sum(axis=-1).cumsum(axis=1)
    whole = total[:, -1:]
    first = (total > whole * (1 - fraction) / 2).argmax(axis=1).astype(np.float64)
    last = (total >= whole * (1 + fraction) / 2).argmax(axis=1) + 1.0
    empty = whole[:, 0] <= 0
    first[empty] = last[empty] = np.nan
    return first, last
