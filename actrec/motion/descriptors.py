"""Descriptors along a trajectory: its shape, and HOG, HOF, MBHx, MBHy in a 2×2×3 grid of a 32×32×15 volume.

Wang & Schmid, "Action Recognition with Improved Trajectories", ICCV 2013: shape, HOF and MBH from the flow without
the camera's motion, HOG from the frame; each descriptor L1-normalised, then its square root ("RootSIFT").
Ours, not the paper's: a patch that would reach past the border is moved inside; a time slice is the sum over its
frames (the paper averages, which the normalisation undoes).
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from actrec.motion.stabilise import without_camera
from actrec.motion.trajectories import LONG_SIDE, PATCH, Tracks, resized, scale_ratios, working_frames
from actrec.video import Clip

CELLS, SLICES = 2, 3  # the grid in space and in time
BINS = 8
SLOW = 0.4  # pixels per frame; slower pixels go to HOF's ninth bin
SIZES = {"hog": 96, "hof": 108, "mbhx": 96, "mbhy": 96}


def by_direction(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Vectors (x, y) `[H, W]` as `float32 [H, W, 8]`: its length shared by the two nearest directions."""
    length, angle = cv2.cartToPolar(x, y)
    place = angle * (BINS / (2 * np.pi))
    lower = np.floor(place)
    upper = length * (place - lower)
    first = lower.astype(np.int64).ravel() % BINS
    bins = np.zeros((*x.shape, BINS), np.float32)
    flat, rows = bins.reshape(-1, BINS), np.arange(x.size)
    flat[rows, first] = (length - upper).ravel()
    flat[rows, (first + 1) % BINS] = upper.ravel()
    return bins


def gradient(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differences of the two neighbours, horizontally and vertically."""
    return cv2.Sobel(image, cv2.CV_32F, 1, 0, ksize=1), cv2.Sobel(image, cv2.CV_32F, 0, 1, ksize=1)


def hof_bins(flow: np.ndarray) -> np.ndarray:
    """Flow `[H, W, 2]` by direction, and one for every pixel that hardly moves: `float32 [H, W, 9]`."""
    x, y = (np.ascontiguousarray(c) for c in cv2.split(flow))
    bins = by_direction(x, y)
    slow = np.hypot(x, y) <= SLOW
    bins[slow] = 0
    return np.dstack([bins, slow.astype(np.float32)])


def cell_sums(bins: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Sums over the 2×2 cells of the patches around `centres [n, 2]`: `float32 [n, 4 · bins]`."""
    height, width, count = bins.shape
    size = PATCH // CELLS
    # sums[y, x] adds up the cell whose first pixel is (y, x)
    sums = cv2.boxFilter(bins, -1, (size, size), anchor=(0, 0), normalize=False, borderType=cv2.BORDER_CONSTANT)
    np.maximum(sums, 0, out=sums)  # running sums come out a rounding error below zero where nothing is
    corner = np.rint(centres - (PATCH - 1) / 2).astype(np.int64)
    x, y = np.clip(corner[:, 0], 0, width - PATCH), np.clip(corner[:, 1], 0, height - PATCH)
    flat = sums.reshape(-1, count)
    first = y * width + x
    return np.concatenate([flat[first + r * size * width + c * size] for r in (0, 1) for c in (0, 1)], axis=1)


def root(histograms: np.ndarray) -> np.ndarray:
    """L1-normalised, then the square root; nothing stays nothing."""
    total = histograms.sum(axis=1, keepdims=True)
    return np.sqrt(np.divide(histograms, total, out=np.zeros_like(histograms), where=total > 1e-6))


def shape(steps: np.ndarray) -> np.ndarray:
    """The steps `[N, L, 2]` over the length of the path, `float32 [N, 2L]`."""
    total = np.linalg.norm(steps, axis=2).sum(axis=1)[:, None, None]
    return np.divide(steps, total, out=np.zeros_like(steps), where=total > 0).reshape(len(steps), steps.shape[1] * 2)


def frame_bins(grey: np.ndarray, flow: np.ndarray, ratio: float) -> dict[str, np.ndarray]:
    """The pixels of one frame at one scale, by direction, for each of the four histograms."""
    small = resized(flow, ratio) * ratio  # in pixels of the scale
    x, y = (np.ascontiguousarray(c) for c in cv2.split(small))
    return {
        "hog": by_direction(*gradient(resized(grey, ratio).astype(np.float32))),
        "hof": hof_bins(small),
        "mbhx": by_direction(*gradient(x)),
        "mbhy": by_direction(*gradient(y)),
    }


def describe(tracks: Tracks, clip: Clip) -> dict[str, np.ndarray]:
    """The descriptors of every track, `float32 [N, D]`: shape 2L, HOG 96, HOF 108, MBHx 96, MBHy 96."""
    count, length = len(tracks), tracks.length
    described = {"trajectory": shape(tracks.steps)}
    volumes = {name: np.zeros((count, SLICES, size // SLICES), np.float32) for name, size in SIZES.items()}
    for rows, age, bins, ratio in frames_of(tracks, clip):
        at = (tracks.points[rows, age] + 0.5) * (tracks.ratio * ratio) - 0.5
        piece = age * SLICES // length
        for name, volume in volumes.items():
            volume[rows, piece] += cell_sums(bins[name], at)
    return described | {name: root(volume.reshape(count, SIZES[name])) for name, volume in volumes.items()}


def frames_of(tracks: Tracks, clip: Clip) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], float]]:
    """Frame by frame and scale by scale: the tracks that run there, their age, and the frame's pixels by direction."""
    long_side = max(tracks.flow.shape[1:3]) if len(tracks.flow) else LONG_SIDE
    greys, _ = working_frames(clip, long_side)
    ratios = scale_ratios(*greys[0].shape)
    for t, flow in enumerate(tracks.flow):
        age = t - tracks.start
        running = (age >= 0) & (age < tracks.length)
        if not running.any():
            continue
        own = without_camera(flow, tracks.homographies[t])
        for index in np.unique(tracks.scale[running]):
            rows = np.flatnonzero(running & (tracks.scale == index))
            yield rows, age[rows], frame_bins(greys[t], own, ratios[index]), ratios[index]
