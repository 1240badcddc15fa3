"""Differences between frames and the variance rate, which shows where in a clip something happens.

`variance_rate`: eq. 1 of "Multi-clue sparse 3-D ConvNet". `frame_difference`: V_diff of "FstCN", eq. 4
(sec. 2.2). Ours, not the papers': all three colour channels are summed in eq. 1 (the paper writes F(x, y));
where nothing moves, eq. 1 divides zero by zero and the distribution is uniform.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from actrec.core.errors import BadValue
from actrec.motion.clue_time import clue


def check_frames(frames: np.ndarray, least: int = 1) -> None:
    """Refuse anything but a clip of at least `least` frames `uint8 [T, H, W, 3]`."""
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
        raise BadValue(f"frames are uint8 [T, H, W, 3], not {frames.dtype} {list(frames.shape)}")
    if len(frames) < least:
        raise BadValue(f"this motion clue needs at least {least} frames, the clip has {len(frames)}")


@clue
def frame_difference(frames: np.ndarray, distance: int = 1) -> np.ndarray:
    """|V(t) − V(t + distance)| as `uint8 [T − distance, H, W, 3]`."""
    if distance < 1:
        raise BadValue(f"frames are compared over a distance of at least 1, not {distance}")
    check_frames(frames, distance + 1)
    differences = np.empty_like(frames[distance:])
    for t, out in enumerate(differences):
        cv2.absdiff(frames[t], frames[t + distance], dst=out)
    return differences


@clue
def variance_rate(frames: np.ndarray) -> np.ndarray:
    """p(z) of eq. 1: a distribution `float64 [T − 1]` over the neighbouring pairs (z, z + 1)."""
    check_frames(frames, 2)
    change = np.array([cv2.norm(a, b, cv2.NORM_L1) for a, b in pairwise(frames)])
    total = change.sum()
    return change / total if total > 0 else np.full(len(change), 1 / len(change))
