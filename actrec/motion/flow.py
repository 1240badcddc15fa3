"""Optical flow between the frames of a clip, by one entry: OpenCV's DIS and Farnebäck, or TV-L1 and Brox
in torch.

Also the two ways of storing flow as images: flow frames with horizontal part, vertical part and magnitude
(Asymmetric 3D-CNN, sec. 3.4), and two bytes per pixel that can be turned back into flow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch

from actrec.core.errors import BadValue
from actrec.motion.brox import brox
from actrec.motion.clue_time import clue
from actrec.motion.difference import check_frames
from actrec.motion.salience import grey
from actrec.motion.tvl1 import tvl1

if TYPE_CHECKING:
    from actrec.video import Clip

METHODS = ("dis", "farneback", "tvl1", "brox")
DIS_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
PAIRS = 15  # that TV-L1 and Brox take at a time
SMALLEST = 16  # pixels on the shorter side; DIS has no patch to match below that
REACH = 20.0  # pixels; longer flow is cut when it becomes a byte


@clue
def flow(
    frames: np.ndarray,
    method: str = "dis",
    *,
    device: str = "cpu",
    on_progress: Callable[[float], None] | None = None,
    **options: Any,
) -> np.ndarray:
    """Where every pixel goes from each frame to the next: `float32 [T − 1, H, W, 2]`, x to the right, y down.

    `method` is one of METHODS. `device` matters to "tvl1" and "brox" only, and so does `on_progress`, which gets
    the fraction that is done. `options` go to the method: preset= for DIS, the named arguments of `tvl1` and `brox`.
    """
    check_frames(frames, 2)
    if min(frames.shape[1:3]) < SMALLEST:
        height, width = frames.shape[1:3]
        raise BadValue(f"flow needs frames of at least {SMALLEST}×{SMALLEST} pixels, not {width}×{height}")
    if method == "dis":
        return dis(frames, **options)
    if method == "farneback":
        return farneback(frames, **options)
    if method in ("tvl1", "brox"):
        greys = torch.from_numpy(grey(frames)).to(device)
        out = np.empty((len(greys) - 1, *greys.shape[1:], 2), np.float32)
        for start in range(0, len(out), PAIRS):
            some = greys[start : start + PAIRS + 1]
            moved = (tvl1 if method == "tvl1" else brox)(some[:-1], some[1:], **options)
            out[start : start + PAIRS] = moved.permute(0, 2, 3, 1).cpu().numpy()
            if on_progress is not None:
                on_progress(min(1.0, (start + PAIRS) / len(out)))
        return out
    raise BadValue(f"the flow methods are {', '.join(METHODS)}, not {method!r}")


def between(clip: Clip, index: np.ndarray, method: str) -> np.ndarray:
    """The flow from each of some frames of a clip to the next one of them: `float32 [N − 1, H, W, 2]`.

    Flow of this method that the clip carries is used, the rest is computed; both are rounded as in the cache, so
    that a clip from the cache and one from a file give the same. From a frame to itself nothing moves.
    """
    index = np.asarray(index)
    first, second = index[:-1], index[1:]
    moved = np.zeros((len(first), *clip.size, 2), np.float32)
    stored = (second == first + 1) & (clip.flow is not None and clip.flow_method == method)
    if clip.flow is not None and stored.any():
        moved[stored] = clip.flow[first[stored]]
    missing = np.flatnonzero(~stored & (first != second))
    for run in np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1) if len(missing) else []:
        frames = np.ascontiguousarray(clip.frames[index[run[0] : run[-1] + 2]])
        moved[run] = flow(frames, method).astype(np.float16)
    return moved


def grey_bytes(frames: np.ndarray) -> list[np.ndarray]:
    return [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]


def dis(frames: np.ndarray, preset: str = "fast") -> np.ndarray:
    """Dense Inverse Search (Kroeger et al., ECCV 2016), OpenCV's: fast enough for live use."""
    if preset not in DIS_PRESETS:
        raise BadValue(f"the presets of DIS are {', '.join(DIS_PRESETS)}, not {preset!r}")
    search, greys = cv2.DISOpticalFlow.create(DIS_PRESETS[preset]), grey_bytes(frames)
    out = np.empty((len(frames) - 1, *frames.shape[1:3], 2), np.float32)
    for t in range(len(out)):
        out[t] = search.calc(greys[t], greys[t + 1], None)  # type: ignore[call-overload]  # without a first guess
    return out


def farneback(
    frames: np.ndarray, levels: int = 3, window: int = 15, iterations: int = 3, neighbours: int = 5, sigma: float = 1.2
) -> np.ndarray:
    """Two-frame motion from polynomial expansion (Farnebäck, SCIA 2003), OpenCV's."""
    greys = grey_bytes(frames)
    out = np.empty((len(frames) - 1, *frames.shape[1:3], 2), np.float32)
    for t in range(len(out)):
        out[t] = cv2.calcOpticalFlowFarneback(  # type: ignore[call-overload]  # without a first guess
            greys[t], greys[t + 1], None, 0.5, levels, window, iterations, neighbours, sigma, 0
        )
    return out


# --- flow as bytes ---------------------------------------------------------------------------------


def encode(flow: np.ndarray, reach: float = REACH) -> np.ndarray:
    """Flow `[…, 2]` as bytes: 128 is no motion, 1 and 255 are −reach and +reach pixels; longer is cut."""
    return np.rint(np.clip(flow, -reach, reach) * (127 / reach) + 128).astype(np.uint8)


def decode(codes: np.ndarray, reach: float = REACH) -> np.ndarray:
    """The flow that `encode` was given, to within reach/254 pixels (0.08 for 20) where nothing was cut."""
    return (codes.astype(np.float32) - 128) * np.float32(reach / 127)


def flow_frames(flow: np.ndarray, reach: float = REACH) -> np.ndarray:
    """Flow `[…, 2]` as three-channel images `uint8 […, 3]`: horizontal, vertical, magnitude (0 to reach)."""
    length = np.minimum(np.hypot(flow[..., 0], flow[..., 1]), reach)
    magnitude = np.rint(length * (255 / reach)).astype(np.uint8)
    return np.concatenate([encode(flow, reach), magnitude[..., None]], -1)
