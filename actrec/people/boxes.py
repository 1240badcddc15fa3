"""Boxes around people: unions, smoothing over time, margins, cut to the frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def whole_pixels(boxes: np.ndarray) -> np.ndarray:
    """Boxes `[..., 4]` as (left, top, right, bottom) in whole pixels, right and bottom exclusive."""
    boxes = np.asarray(boxes, dtype=np.float64)
    return np.concatenate([np.floor(boxes[..., :2]), np.ceil(boxes[..., 2:])], axis=-1).astype(np.int64)


def union(boxes: np.ndarray) -> np.ndarray:
    """The smallest box `[4]` that holds all of `[..., 4]`; boxes with a NaN do not count."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    boxes = boxes[~np.isnan(boxes).any(axis=1)]
    if len(boxes) == 0:
        return np.full(4, np.nan)
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def unions(boxes: Sequence[np.ndarray]) -> np.ndarray:
    """Per frame the union of its boxes, `[T, 4]`; NaN where a frame has none."""
    return np.stack([union(np.asarray(b, dtype=np.float64).reshape(-1, 4)) for b in boxes])


def smooth(boxes: np.ndarray, median: int = 5, mean: int = 5) -> np.ndarray:
    """Boxes `[T, 4]` smoothed over the clip; frames without one (NaN) are filled in between their neighbours.

    A running median removes single outliers, a running mean the jitter.
    """
    boxes = np.asarray(boxes, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(boxes).any(axis=1))
    if len(known) == 0:
        return boxes.copy()
    at = np.arange(len(boxes))
    filled = np.stack([np.interp(at, known, boxes[known, side]) for side in range(4)], axis=1)
    return running(running(filled, median, np.median), mean, np.mean)


def running(values: np.ndarray, size: int, of: Callable[..., np.ndarray]) -> np.ndarray:
    """A running median or mean along the first axis, the ends repeated."""
    size = min(size, 2 * len(values) - 1) | 1
    padded = np.pad(values, [(size // 2, size // 2), (0, 0)], mode="edge")
    return of(np.lib.stride_tricks.sliding_window_view(padded, size, axis=0), axis=-1)


def widen(box: np.ndarray, margin: float) -> np.ndarray:
    """A box with `margin` of its own width and height added on every side."""
    box = np.asarray(box, dtype=np.float64)
    extra = margin * np.concatenate([box[..., 2:] - box[..., :2]] * 2, axis=-1)
    return box + extra * np.array([-1.0, -1.0, 1.0, 1.0])


def squared(box: np.ndarray, height: int, width: int) -> np.ndarray:
    """A box `[4]` inside a frame with its shorter side made as long as the other, as far as the frame goes: about its
    own middle, or moved along where it would reach past the border."""
    low, high, limit = box[:2], box[2:], np.array([width, height], dtype=np.float64)
    side = np.minimum(np.max(high - low), limit)
    low = np.clip((low + high - side) / 2, 0, limit - side)
    return np.concatenate([low, low + side])


def within(box: np.ndarray, height: int, width: int) -> np.ndarray:
    """A box cut to the frame, at least one pixel large."""
    box = np.asarray(box, dtype=np.float64)
    low = np.clip(box[..., :2], 0, [width - 1, height - 1])
    high = np.clip(box[..., 2:], low + 1, [width, height])
    return np.concatenate([low, high], axis=-1)
