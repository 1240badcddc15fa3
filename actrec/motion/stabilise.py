"""The camera's motion between two frames: a homography from background matches, and the flow without it.

Wang & Schmid, "Action Recognition with Improved Trajectories", ICCV 2013, sec. 2.
Ours, not the paper's: SIFT in place of SURF (which OpenCV no longer ships); the flow is warped by the
homography in closed form, where the paper estimates it a second time on the warped frame; MAGSAC in place
of plain RANSAC, with a fixed seed, so that the same clip gives the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

CORNERS = 600  # flow matches per pair of frames
FEATURES = 300  # SIFT points per frame
HALVED = 120  # pixels on the short side; from there on SIFT gets the image at half size
LEAST_MATCHES = 20
LEAST_AGREEING = 0.25  # fraction of the matches; below it there is no camera motion to be believed
CLEARLY = 0.03  # so many more of the matches a full homography has to explain to be taken
TOLERANCE = 1.0  # pixels


def background(height: int, width: int, boxes: np.ndarray | None) -> np.ndarray:
    """255 where the background is, 0 in the people's boxes `[n, 4]`, `uint8 [H, W]`."""
    mask = np.full((height, width), 255, np.uint8)
    for left, top, right, bottom in () if boxes is None else np.reshape(boxes, (-1, 4)):
        if np.isfinite([left, top, right, bottom]).all():
            rows = slice(max(0, int(np.floor(top))), max(0, int(np.ceil(bottom))))
            mask[rows, max(0, int(np.floor(left))) : max(0, int(np.ceil(right)))] = 0
    return mask


def sample(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A field `[H, W, C]` at points `[n, 2]` (x, y), bilinear: `float32 [n, C]`."""
    at = points.astype(np.float32)
    channels = field.shape[2]
    if len(at) == 0:
        return np.zeros((0, channels), np.float32)
    rows = [  # remap takes images of less than 32768 columns
        cv2.remap(  # type: ignore[call-overload]  # without a second map, which OpenCV's types do not know
            field, at[None, i : i + 30000], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        for i in range(0, len(at), 30000)
    ]
    return np.concatenate(rows, axis=1).reshape(-1, channels)


def flow_matches(grey: np.ndarray, flow: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the background and where the flow takes them, two `float32 [n, 2]`."""
    corners = cv2.goodFeaturesToTrack(grey, CORNERS, 0.001, 5, mask=mask)
    corners = np.zeros((0, 2), np.float32) if corners is None else corners.reshape(-1, 2)
    return corners, corners + sample(flow, corners)


class FeatureMatches:
    """SIFT matches between neighbouring frames; every frame is described once."""

    def __init__(self) -> None:
        self.sift = cv2.SIFT.create(FEATURES)
        self.matcher = cv2.BFMatcher(cv2.NORM_L2, crossCheck=True)
        self.before: tuple | None = None

    def to(self, grey: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Matches from the frame given last time to this one, two `float32 [n, 2]`."""
        # SIFT doubles the image first: half of it holds as much and costs a quarter
        half = 2 if min(grey.shape) >= HALVED else 1
        if half == 2:
            size = (grey.shape[1] // 2, grey.shape[0] // 2)
            grey, mask = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (grey, mask))
        keys, described = self.sift.detectAndCompute(grey, (mask == 255).view(np.uint8))
        points = np.array([key.pt for key in keys], np.float32).reshape(-1, 2)
        points = (points + 0.5) * half - 0.5
        before, self.before = self.before, (points, described)
        nothing = np.zeros((0, 2), np.float32)
        if before is None or before[1] is None or described is None:
            return nothing, nothing
        pairs = self.matcher.match(before[1], described)
        if not pairs:
            return nothing, nothing
        return before[0][[m.queryIdx for m in pairs]], points[[m.trainIdx for m in pairs]]


def homography(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """The homography `[3, 3]` that takes most of `here` to `there`; the identity where there is none.

    With four numbers less to go astray a similarity is preferred while it explains nearly as many matches.
    """
    if len(here) < LEAST_MATCHES:
        return np.eye(3)
    full, _ = cv2.findHomography(here, there, cv2.RANSAC, TOLERANCE, maxIters=1000, confidence=0.999)
    plain, _ = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=TOLERANCE, maxIters=1000)
    best: np.ndarray = np.eye(3)
    most = LEAST_AGREEING
    for estimate, gain in ((plain, 1.0), (full, 1 + CLEARLY)):
        if estimate is None or not np.isfinite(estimate).all():
            continue
        matrix = np.vstack([estimate, [0, 0, 1]]) if len(estimate) == 2 else estimate
        zoom = np.linalg.det(matrix[:2, :2])
        agreeing = np.mean(np.linalg.norm(warp(here, matrix) - there, axis=1) < TOLERANCE)
        if 0.5 < zoom < 2 and agreeing >= most * gain:  # no camera zooms by more between two frames
            best, most = matrix, float(agreeing)
    return best


def warp(points: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Points `[..., 2]` through a homography `[3, 3]`."""
    moved = points @ by[:, :2].T + by[:, 2]
    return moved[..., :2] / moved[..., 2:]


def without_camera(flow: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Flow `[H, W, 2]` as it were had the camera stood still: where x + ω was in the first frame's view, minus x."""
    height, width = flow.shape[:2]
    here = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    return (warp(here + flow, np.linalg.inv(by).astype(np.float32)) - here).astype(np.float32)


def camera_motion(
    greys: Sequence[np.ndarray], flows: np.ndarray, boxes: Sequence[np.ndarray] | None = None
) -> np.ndarray:
    """A homography per pair of frames, `[T-1, 3, 3]`: where the background of frame t is in frame t+1."""
    features = FeatureMatches()
    homographies = np.tile(np.eye(3), (len(flows), 1, 1))
    by_flow: tuple[np.ndarray, ...] = ()
    for t, grey in enumerate(greys):
        height, width = grey.shape
        mask = background(height, width, None if boxes is None else boxes[t])
        by_feature = features.to(grey, mask)
        if t > 0:
            here = np.concatenate([by_flow[0], by_feature[0]])
            there = np.concatenate([by_flow[1], by_feature[1]])
            homographies[t - 1] = homography(here, there)
        if t < len(flows):
            by_flow = flow_matches(grey, flows[t], mask)
    return homographies
