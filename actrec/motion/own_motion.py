"""Whether something in a clip moves by itself: not the light, not the camera, not the noise of its sensor.

Two frames a fifth of a second apart are compared as small pictures in grey, block by block. What a change of
brightness of the whole frame explains is taken away, then what a motion of the camera explains (a similarity, from
corners that are followed). What is left is smoothed over 3 × 3 pixels: the energy of white noise falls to a ninth,
that of an edge that moved hardly. A block moves where this energy is larger than noise and a wrong match make it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from actrec.motion.difference import check_frames

SIDE = 96  # pixels of the shorter side of the small pictures
BLOCK = 8  # pixels of a block's side
APART = 0.2  # seconds between the two frames that are compared
MOST_PAIRS = 40  # of a clip
LEAST = 2.0  # grey levels that a block changes at least where it moves, smoothed
NOISY = 5.0  # times the energy that smoothed noise has
SLIP = 1.0  # pixels by which a picture that was matched to another may be off
STILL = 0.3  # pixels; a camera that moves less stands still
BRIGHT = 245  # the level beyond which a camera shows no more light
CORNERS, FEW = 120, 10  # corners that are followed, and below which they cannot say how the camera moved
AGREEING = 0.5  # the fraction of them that a camera's motion has to explain
WINDOW = (15, 15)  # pixels by which a corner is recognised
FURTHEST = 12  # pixels by which a frame without corners may have been shifted
LEVELS = 8  # grey levels that are taken together where the light is measured


@dataclass(frozen=True)
class OwnMotion:
    """For each compared pair of frames the second of the later one, the fraction of the picture that moves by itself,
    and that which changes at all; `noise` is the median of what a pixel changes, in grey levels."""

    seconds: np.ndarray
    moving: np.ndarray
    changing: np.ndarray
    noise: np.ndarray


def own_motion(frames: np.ndarray, times: np.ndarray) -> OwnMotion:
    """What moves in frames `uint8 [T, H, W, 3]` that are shown at `times [T]` seconds."""
    check_frames(frames)
    pairs = compared_pairs(times)
    small = {place: _small(frames[place]) for place in sorted({place for pair in pairs for place in pair})}
    found = np.array([_changes(small[one], small[other]) for one, other in pairs], np.float64).reshape(-1, 3)
    return OwnMotion(np.array([float(times[other]) for _, other in pairs]), *found.T)


def compared_pairs(times: np.ndarray) -> list[tuple[int, int]]:
    """Places of frames that are compared: the later one a fifth of a second, or one frame, after the other."""
    if len(times) < 2:
        return []
    length = float(times[-1] - times[0])
    count = int(np.clip(round(length / APART), 1, MOST_PAIRS))
    starts = times[0] + np.linspace(0, max(0.0, length - APART), count)
    first = np.minimum(np.searchsorted(times, starts + 1e-6, side="right") - 1, len(times) - 2)
    second = np.maximum(np.searchsorted(times, starts + APART + 1e-6, side="right") - 1, first + 1)
    return [(int(one), int(other)) for one, other in zip(first, second, strict=True)]


def _small(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The frame in grey, a few blocks wide and high, `float32`; and where all of its colours were measured."""
    scale = SIDE / min(frame.shape[:2])
    height, width = (max(2 * BLOCK, round(side * scale / BLOCK) * BLOCK) for side in frame.shape[:2])
    colours = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    measured = cv2.erode((colours.max(axis=2) < BRIGHT).view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY).astype(np.float32), measured


def _changes(before: tuple[np.ndarray, np.ndarray], after: tuple[np.ndarray, np.ndarray]) -> tuple[float, float, float]:
    """The fractions of the blocks that move by themselves and that change at all, and what a pixel changes."""
    (one, measured), (other, also) = before, after
    noise = float(np.median(np.abs(other - one)))
    usable = measured & also
    changed = _moved(one, other, usable, slip=0.0)
    by = _camera(one, other) if changed.any() else None
    if by is None:
        return float(changed.mean()), float(changed.mean()), noise
    height, width = one.shape
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float32)
    if np.abs(corners @ by.T - corners[:, :2]).max() < STILL:
        return float(changed.mean()), float(changed.mean()), noise
    matched = cv2.warpAffine(one, by, (width, height), flags=cv2.INTER_LINEAR)
    seen = cv2.warpAffine(usable.astype(np.float32), by, (width, height)) > 0.999
    seen = cv2.erode(seen.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    own = _moved(matched, other, seen & also, slip=SLIP)
    return float(own.mean()), float(changed.mean()), noise


def _moved(one: np.ndarray, other: np.ndarray, usable: np.ndarray, slip: float) -> np.ndarray:
    """Which blocks of two pictures differ by more than light, noise and a match that is off by `slip` pixels."""
    count = _blocks(usable)
    enough = count >= 0.5
    if usable.sum() < BLOCK * BLOCK or not enough.any():
        return np.zeros(count.shape, bool)
    gain, offset = _light(one[usable], other[usable])
    left = np.where(usable, other - gain * one - offset, 0).astype(np.float32)
    energy, smooth = _blocks(np.square(left)), _blocks(np.square(cv2.blur(left, (3, 3))))
    noise = float(np.quantile(energy[enough], 0.25)) / 9
    edges = np.square(cv2.Sobel(other, cv2.CV_32F, 1, 0) / 8) + np.square(cv2.Sobel(other, cv2.CV_32F, 0, 1) / 8)
    return enough & (smooth > max(LEAST**2, NOISY * noise) + slip**2 * _blocks(edges))


def _light(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Gain and offset of the whole frame's brightness: a line through the median of `y` at each level of `x`. However
    large a wall is, its one level does not decide alone; what fits badly counts less."""
    level = (x // LEVELS).astype(int)
    order = np.argsort(level, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(level[order])) + 1)
    groups = [group for group in groups if len(group) >= max(4, 0.005 * len(x))]
    a, b = (np.array([np.median(values[group]) for group in groups], np.float64) for values in (x, y))
    gain, offset = 1.0, float(np.median(y - x))
    if len(groups) < 2:
        return gain, offset
    size = np.sqrt([len(group) for group in groups])
    weight = size
    for _ in range(4):
        mean_a, mean_b = np.average(a, weights=weight), np.average(b, weights=weight)
        spread = np.average(np.square(a - mean_a), weights=weight)
        gain = float(np.clip(np.average((a - mean_a) * (b - mean_b), weights=weight) / spread, 0.2, 5.0))
        offset = float(mean_b - gain * mean_a)
        weight = size / np.maximum(1.0, np.abs(b - gain * a - offset))
    return gain, offset


def _blocks(picture: np.ndarray) -> np.ndarray:
    """The mean of each block of `[H, W]`, `[rows, columns]`."""
    rows, columns = picture.shape[0] // BLOCK, picture.shape[1] // BLOCK
    return picture.reshape(rows, BLOCK, columns, BLOCK).mean(axis=(1, 3))


def _camera(before: np.ndarray, after: np.ndarray) -> np.ndarray | None:
    """The similarity `[2, 3]` by which the camera moved; None where no motion explains most of the corners."""
    one, other = before.astype(np.uint8), after.astype(np.uint8)
    corners = cv2.goodFeaturesToTrack(one, CORNERS, 0.01, 4)
    if corners is None or len(corners) < FEW:
        return _shift(before, after)
    found, status, _ = cv2.calcOpticalFlowPyrLK(one, other, corners, np.zeros_like(corners), winSize=WINDOW, maxLevel=3)
    good = status.reshape(-1) == 1
    if good.sum() < FEW:
        return _shift(before, after)
    by, agreeing = cv2.estimateAffinePartial2D(
        corners[good], found[good], method=cv2.RANSAC, ransacReprojThreshold=1.0, maxIters=200
    )
    if by is None or agreeing.mean() < AGREEING or not 0.7 < np.linalg.det(by[:, :2]) ** 0.5 < 1.4:
        return None
    return by


def _shift(before: np.ndarray, after: np.ndarray) -> np.ndarray | None:
    """The camera's motion as a shift of the whole frame, for a picture with too few corners to follow."""
    height, width = before.shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    (right, down), agreeing = cv2.phaseCorrelate(before.copy(), after.copy(), window)  # it changes what it is given
    if agreeing < AGREEING or max(abs(right), abs(down)) > FURTHEST:
        return None
    return np.array([[1, 0, right], [0, 1, down]])
