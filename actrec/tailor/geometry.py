"""MS3D's tailor: cut close to the person, brighten the inside of the box, let the outside decay.

Tailor strategy of "Multi-clue sparse 3-D convolutional networks" (MS3D), sec. IV-B, eq. 7 and 8.
Ours, not the paper's: rings are counted in the larger of the horizontal and vertical distance, so that
they are rectangles like the box; with several boxes the nearest one counts; one union box over the clip is
the default (the option is a box per frame); the values of η and ξ; products are rounded and clipped at 255.
"""

from __future__ import annotations

import cv2
import numpy as np

from actrec.core.errors import BadValue
from actrec.people.boxes import whole_pixels

RING = 5  # pixels, "intervals ... with 5 pixels units"
ETA = 1.2  # not given in the paper
XI = 0.9  # not given in the paper


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
