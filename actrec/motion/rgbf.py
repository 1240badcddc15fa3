"""RGBF frames: RGB times how much each pixel moves.

Yang et al., "Asymmetric 3D Convolutional Neural Networks for Action Recognition", sec. 3.4, eq. 7.
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
def rgbf(frames: np.ndarray, flow: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    """Eq. 7 for frames `uint8 [T, H, W, 3]` and flow `float32 [T or T − 1, H, W, 2]`: `uint8 [T, H, W, 3]`."""
    if frames.shape[1:3] != flow.shape[1:3] or len(frames) - len(flow) not in (0, 1) or len(flow) == 0:
        raise BadValue(f"flow {list(flow.shape)} does not belong to frames {list(frames.shape)}")
    out = np.empty_like(frames)
    for t, frame in enumerate(frames):
        if t < len(flow):
            weight = cv2.merge([movement_confidence(flow[t], floor)] * 3)
        cv2.multiply(frame, weight, dst=out[t], dtype=cv2.CV_8U)
    return out
