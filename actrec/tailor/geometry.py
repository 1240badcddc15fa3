"""MS3D's tailor: cut close to the person, brighten the inside of the box, let the outside decay.

Tailor strategy of "Multi-clue sparse 3-D convolutional networks" (MS3D), sec. 4-B, eq. 7 and 8.
Ours, not the paper's: rings are counted in the larger of the horizontal and vertical distance, so that
they are rectangles like the box; with several boxes the nearest one counts; one union box over the clip is
the default (the option is a box per frame); the values of η and ξ; products are rounded and clipped at 255.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from actrec.refusal import BadValue

RING = 5  # pixels, "intervals ... with 5 pixels units"
ETA = 1.2  # not given in the paper
XI = 0.9  # not given in the paper


def whole_pixels(boxes: np.ndarray) -> np.ndarray:
    """Boxes `[..., 4]` as (left, top, right, bottom) in whole pixels, right and bottom exclusive."""
    boxes = np.asarray(boxes, dtype=np.float64)
    return np.concatenate([np.floor(boxes[..., :2]), np.ceil(boxes[..., 2:])], axis=-1).astype(np.int64)


def rings(height: int, width: int, boxes: np.ndarray, ring: int = RING) -> np.ndarray:
    """`d` of eq. 8 for every pixel, `int64 [H, W]`: 0 inside a box, 1 in the first ring, and so on."""
    boxes = whole_pixels(boxes).reshape(-1, 4)
    if len(boxes) == 0:
        raise BadValue("eq. 8 counts rings around a box, and there is none")
    rows, columns = np.arange(height), np.arange(width)
    left, top, right, bottom = boxes.T[:, :, None]
    beside = np.maximum(np.maximum(left - columns, columns - (right - 1)), 0)  # [boxes, W]
    above = np.maximum(np.maximum(top - rows, rows - (bottom - 1)), 0)  # [boxes, H]
    away = np.maximum(above[:, :, None], beside[:, None, :]).min(axis=0)  # [H, W], nearest box
    return -(-away // ring)


def factors(height: int, width: int, boxes: np.ndarray, eta: float = ETA, xi: float = XI) -> np.ndarray:
    """What eq. 7 and 8 multiply each pixel by, `float32 [H, W]`."""
    if eta <= 0 or not 0 < xi <= 1:
        raise BadValue(f"η must be positive and ξ in (0, 1], not η = {eta:g} and ξ = {xi:g}")
    d = rings(height, width, boxes)
    by_ring = np.power(float(xi), np.arange(int(d.max()) + 1))
    by_ring[0] = eta
    return by_ring[d].astype(np.float32)


def enhance(frames: np.ndarray, boxes: np.ndarray, eta: float = ETA, xi: float = XI) -> np.ndarray:
    """Eq. 7 inside, eq. 8 outside, clipped at 255.

    `frames` are `uint8 [T, H, W, 3]`; `boxes` is one box `[4]` for all of them or a box per frame `[T, 4]`.
    """
    boxes = np.asarray(boxes, dtype=np.float64)
    height, width = frames.shape[1:3]
    if boxes.shape not in ((4,), (len(frames), 4)):
        raise BadValue(f"boxes are [4] or [{len(frames)}, 4], not {list(boxes.shape)}")
    out = np.empty_like(frames)
    factor = None
    for t, frame in enumerate(frames):
        if factor is None or boxes.ndim == 2:
            factor = cv2.merge([factors(height, width, boxes if boxes.ndim == 1 else boxes[t], eta, xi)] * 3)
        cv2.multiply(frame, factor, dst=out[t], dtype=cv2.CV_8U)  # rounds and clips at 255
    return out


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

    A running median throws out what a single frame claims, a running mean takes the jitter out.
    """
    boxes = np.asarray(boxes, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(boxes).any(axis=1))
    if len(known) == 0:
        return boxes.copy()
    at = np.arange(len(boxes))
    filled = np.stack([np.interp(at, known, boxes[known, side]) for side in range(4)], axis=1)
    return running(running(filled, median, np.median), mean, np.mean)


def running(values: np.ndarray, size: int, of: Callable) -> np.ndarray:
    """A running median or mean along the first axis, the ends repeated."""
    size = min(size, 2 * len(values) - 1) | 1
    padded = np.pad(values, [(size // 2, size // 2), (0, 0)], mode="edge")
    return of(np.lib.stride_tricks.sliding_window_view(padded, size, axis=0), axis=-1)


def widen(box: np.ndarray, margin: float) -> np.ndarray:
    """A box with `margin` of its own width and height added on every side."""
    box = np.asarray(box, dtype=np.float64)
    extra = margin * np.concatenate([box[..., 2:] - box[..., :2]] * 2, axis=-1)
    return box + extra * np.array([-1.0, -1.0, 1.0, 1.0])


def within(box: np.ndarray, height: int, width: int) -> np.ndarray:
    """A box cut to the frame, at least one pixel large."""
    box = np.asarray(box, dtype=np.float64)
    low = np.clip(box[..., :2], 0, [width - 1, height - 1])
    high = np.clip(box[..., 2:], low + 1, [width, height])
    return np.concatenate([low, high], axis=-1)
