"""RGBF frames: RGB times how much each pixel moves.

Yang et al., "Asymmetric 3D Convolutional Neural Networks for Action Recognition", sec. 3.4, eq. 7.
Minimum and maximum are those of the whole frame: who crops scales first (`movement_confidences`), then crops frames and
confidences alike, and multiplies (`weighted`). A pixel then has one value in all crops.
Ours, not the paper's: where the magnitudes of a frame differ by less than `floor` pixels, they are divided
by `floor` instead of by their span, so that a still frame is black and not noise (eq. 7 divides zero by
zero there); the last frame of a clip, which has no successor, takes the flow of the one before it.
"""

from __future__ import annotations

import cv2
import numpy as np

from actrec.core.errors import BadValue
from actrec.motion.clue_time import clue

FLOOR = 0.05  # pixels


def movement_confidence(flow: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    """The magnitude of one frame's flow `[H, W, 2]`, min-max scaled within the frame: `float32 [H, W]`, 0 to 1."""
    length: np.ndarray = cv2.magnitude(*cv2.split(flow))
    least, most, _, _ = cv2.minMaxLoc(length)
    length -= np.float32(least)
    length *= np.float32(1 / max(most - least, floor))
    return length


@clue
def movement_confidences(flow: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    """The same for each of several whole frames: flow `[T, H, W, 2]` → `float32 [T, H, W]`."""
    return np.stack([movement_confidence(field, floor) for field in flow])


@clue
def weighted(frames: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Each channel of frames `uint8 [T, H, W, 3]` times weights `float32 [T or T − 1, H, W]` from 0 to 1, rounded."""
    if frames.shape[1:3] != weights.shape[1:3] or len(frames) - len(weights) not in (0, 1) or len(weights) == 0:
        raise BadValue(f"weights {list(weights.shape)} do not belong to frames {list(frames.shape)}")
    out = np.empty(frames.shape, np.uint8)
    for t, frame in enumerate(frames):
        weight = weights[min(t, len(weights) - 1)]
        cv2.multiply(np.ascontiguousarray(frame), cv2.merge([weight] * 3), dst=out[t], dtype=cv2.CV_8U)
    return out


@clue
def rgbf(frames: np.ndarray, flow: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    """Eq. 7 for whole frames `uint8 [T, H, W, 3]` and flow `float32 [T or T − 1, H, W, 2]`: `uint8 [T, H, W, 3]`."""
    if frames.shape[1:3] != flow.shape[1:3] or len(frames) - len(flow) not in (0, 1) or len(flow) == 0:
        raise BadValue(f"flow {list(flow.shape)} does not belong to frames {list(frames.shape)}")
    return weighted(frames, movement_confidences(flow, floor))
