"""Where the people of a clip are: from a YOLO detector, or, without one, from what moves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actrec.motion.salience import salience
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
    smoothed union of each frame's boxes; `detected`: whether a detector saw them; `source`: in words where
    they come from.
    """

    boxes: tuple[np.ndarray, ...]
    region: np.ndarray
    detected: bool
    source: str
    frames_looked_at: int = 0
    milliseconds: float = 0.0


def open_detector(
    path: str | Path | None = None, *, download: bool = False, folder: Path | None = None, device: str = "cpu"
) -> PersonDetector | None:
    """The person detector to use, or None where there is no weight to load.

    Looked for in this order: `path`; `weights/person-detector/` of the project; a public YOLO that was
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

    found = fetched(folder)
    if found is None and download:
        found = public_detector(folder=folder)
    return None if found is None else PersonDetector.load(found, device)


def find_people(clip: Clip, detector: PersonDetector | None = None, *, every: int = EVERY) -> People:
    """The people of a clip by a detector, which looks at every `every`-th frame and at the last one.

    Frames in between take the boxes of the nearest frame looked at. Without a detector, or where it sees
    nobody, the moving region of the salience map stands in, and `source` says so.
    """
    start = time.perf_counter()
    if detector is None:
        return moving_region(clip, "there is no person detector", start)
    looked = np.unique([*range(0, len(clip), max(1, every)), len(clip) - 1])
    found = [rows[:, :4] for rows in detector.detect(clip.frames[looked])]
    if not any(len(boxes) for boxes in found):
        return moving_region(clip, f"{detector.card.architecture} sees nobody in {len(looked)} frames", start)
    nearest = np.abs(looked[None] - np.arange(len(clip))[:, None]).argmin(axis=1)
    seen = np.full((len(clip), 4), np.nan)
    seen[looked] = unions(found)
    name = detector.card.architecture.removesuffix(".yaml")
    hits = sum(len(boxes) > 0 for boxes in found)
    return People(
        tuple(found[i] for i in nearest),
        within(smooth(seen), *clip.size),
        True,
        f"people found by {name} in {hits} of the {len(looked)} frames it looked at",
        len(looked),
        (time.perf_counter() - start) * 1e3,
    )


def moving_region(clip: Clip, why: str, start: float | None = None, share: float = 0.98) -> People:
    """The box that holds `share` of the salience of each frame and its neighbours, for want of a detector."""
    start = time.perf_counter() if start is None else start
    height, width = clip.size
    maps = salience(clip.frames) if len(clip) > 1 else np.zeros((1, height, width), np.float32)
    maps = np.where(maps > 0.2, maps, 0)  # faint change is noise, and there is much of it
    columns, rows = maps.sum(axis=1), maps.sum(axis=2)  # [T, W], [T, H]
    if not columns.any():
        region = np.tile([0.0, 0.0, width, height], (len(clip), 1))
        source = f"the whole frame, since {why} and nothing moves"
    else:
        left, right = spread(columns, share)
        top, bottom = spread(rows, share)
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


def spread(mass: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """First and past-the-last index between which `share` of each row of `mass [T, N]` lies; NaN for empty
    rows.

    A row is added up over a few neighbouring rows first, so that one quiet frame keeps the box of its moment.
    """
    reach = min(4, len(mass) - 1)
    padded = np.pad(mass, [(reach, reach), (0, 0)])
    total = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0).sum(axis=-1).cumsum(axis=1)
    whole = total[:, -1:]
    first = (total > whole * (1 - share) / 2).argmax(axis=1).astype(np.float64)
    last = (total >= whole * (1 + share) / 2).argmax(axis=1) + 1.0
    empty = whole[:, 0] <= 0
    first[empty] = last[empty] = np.nan
    return first, last
