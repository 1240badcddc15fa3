"""Improved dense trajectories: points tracked by flow through 15 frames, without what only the camera moved.

Wang & Schmid, "Action Recognition with Improved Trajectories", ICCV 2013; thresholds that it does not
print are those of Wang et al., "Dense trajectories and motion boundary descriptors", IJCV 2013.
Ours, not the papers': coarser scales resize the flow of the finest; frames are worked on with at most 320
pixels on the long side; "static" and "erratic" are judged after the camera's motion is taken away, so that
a person whom the camera follows is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from actrec.core.errors import BadValue
from actrec.motion.stabilise import camera_motion, sample, warp
from actrec.video import Clip

LENGTH = 15  # frames, L
STEP = 5  # pixels between samples, W
PATCH = 32  # pixels, N; no scale is smaller
SCALES = 8
QUALITY = 0.001  # of the frame's largest smaller-eigenvalue
LONG_SIDE = 320
STILL = 3**0.5  # pixels of standard deviation; less in both directions is static
WILD = 50.0  # pixels of standard deviation
JUMP, JUMP_FRACTION = 20.0, 0.7  # one step longer than both (pixels, fraction of the path) is erratic
CAMERA = 1.0  # pixels; a track whose every step is shorter once the camera is taken away is the camera's


@dataclass(frozen=True)
class Tracks:
    """Tracks of one clip. Points are (x, y) in the clip's pixels, steps have the camera's motion taken away.

    `points [N, L+1, 2]`, `steps [N, L, 2]`, `start [N]` the first frame, `scale [N]` the index of the
    spatial scale; `camera_points`, `camera_start`: the tracks that were removed because only the camera
    moved them; `dropped`: how many were static, erratic, the camera's; `homographies [T-1, 3, 3]` and
    `flow [T-1, h, w, 2]` of the frames that were worked on, `ratio` times the size of the clip's.
    """

    points: np.ndarray
    steps: np.ndarray
    start: np.ndarray
    scale: np.ndarray
    camera_points: np.ndarray
    camera_start: np.ndarray
    homographies: np.ndarray
    flow: np.ndarray
    ratio: float = 1.0
    dropped: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def length(self) -> int:
        """Frames that a track steps through, L."""
        return self.points.shape[1] - 1


def scale_ratios(height: int, width: int, scales: int = SCALES) -> list[float]:
    """1, 1/√2, 1/2 … as long as a patch fits in."""
    return [r for r in (2.0 ** (-0.5 * k) for k in range(scales)) if min(round(height * r), round(width * r)) >= PATCH]


def resized(image: np.ndarray, ratio: float) -> np.ndarray:
    if ratio == 1:
        return image
    size = (round(image.shape[1] * ratio), round(image.shape[0] * ratio))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def working_frames(clip: Clip, long_side: int) -> tuple[list[np.ndarray], float]:
    """Grey frames, shrunk until their long side fits, and by how much."""
    ratio = min(1.0, long_side / max(clip.size))
    return [resized(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), ratio) for f in clip.frames], ratio


def dis(greys: Sequence[np.ndarray]) -> np.ndarray:
    """Flow of neighbouring frames by OpenCV's DIS, `float32 [T-1, H, W, 2]`.

    Its presets stop at half or a quarter of the resolution; along 15 frames that adds up to 2 and 15 pixels on a
    34 pixels wide mover, against 0.2 when it goes on to the full one.
    """
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    engine.setFinestScale(0)
    flow = np.zeros((max(0, len(greys) - 1), *greys[0].shape, 2), np.float32)
    if min(greys[0].shape) < PATCH:  # too small for DIS' own patches, and for any track
        return flow
    for t in range(len(flow)):
        flow[t] = engine.calc(greys[t], greys[t + 1], None)  # type: ignore[call-overload]  # without a first guess
    return flow


def track(
    clip: Clip,
    *,
    boxes: Sequence[np.ndarray] | None = None,
    flow: np.ndarray | None = None,
    length: int = LENGTH,
    step: int = STEP,
    scales: int = SCALES,
    stabilise: bool = True,
    long_side: int = LONG_SIDE,
) -> Tracks:
    """The dense trajectories of a clip.

    `boxes`: per frame the people's boxes `[n, 4]` (or one `[4]`) in the clip's pixels, which take no part
    in finding the camera's motion. `flow`: `[T-1, H, W, 2]` of the clip if it is known already; DIS
    otherwise.
    """
    if boxes is not None and len(boxes) != len(clip):
        raise BadValue(f"there are boxes for {len(boxes)} frames and {len(clip)} frames in the clip")
    greys, ratio = working_frames(clip, long_side)
    flows = dis(greys) if flow is None else np.stack([resized(f, ratio) * ratio for f in flow])
    if len(flows) != len(clip) - 1:
        raise BadValue(f"flow of {len(flows)} pairs does not fit a clip of {len(clip)} frames")
    by = np.tile(np.eye(3), (len(flows), 1, 1))
    if stabilise and len(flows):
        scaled = None if boxes is None else [np.asarray(b, np.float64) * ratio for b in boxes]
        by = camera_motion(greys, flows, scaled)
    tracks = []
    height, width = greys[0].shape
    for index, smaller in enumerate(scale_ratios(height, width, scales)):
        points, steps, start = follow(greys, flows, by, smaller, length, step)
        tracks.append((points, steps, start, np.full(len(start), index, np.int8)))
    if not tracks:
        tracks.append(no_tracks(length))
    points, steps, start, scale = (np.concatenate(parts) for parts in zip(*tracks, strict=True))
    still, wild, camera = useless_tracks(points, steps)
    keep = ~(still | wild | camera)
    dropped = {"static": int(still.sum()), "erratic": int(wild.sum()), "camera": int(camera.sum())}
    points = ((points + 0.5) / ratio - 0.5).astype(np.float32)
    return Tracks(
        points[keep],
        (steps[keep] / ratio).astype(np.float32),
        start[keep],
        scale[keep],
        points[camera],
        start[camera],
        by,
        flows,
        ratio,
        dropped,
    )


def no_tracks(length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The empty result of `follow`, with its scales."""
    return (
        np.zeros((0, length + 1, 2), np.float32),
        np.zeros((0, length, 2), np.float32),
        np.zeros(0, np.int32),
        np.zeros(0, np.int8),
    )


def follow(
    greys: Sequence[np.ndarray], flows: np.ndarray, by: np.ndarray, ratio: float, length: int, step: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All tracks of one scale: points `[N, L+1, 2]`, steps `[N, L, 2]` and start `[N]`, in working pixels."""
    height, width = greys[0].shape
    done = [no_tracks(length)[:3]]
    path, steps, start = no_tracks(length)[:3]
    for t, flow in enumerate(flows):
        age = t - start
        new = seeds(resized(greys[t], ratio), path[np.arange(len(path)), age], ratio, step)
        if t + length <= len(flows):  # the others could not be finished
            path = np.concatenate([path, np.zeros((len(new), length + 1, 2), np.float32)])
            path[len(start) :, 0] = new
            steps = np.concatenate([steps, np.zeros((len(new), length, 2), np.float32)])
            start = np.concatenate([start, np.full(len(new), t, np.int32)])
            age = t - start
        rows = np.arange(len(path))
        here = path[rows, age]
        there = here + sample(smoothed(flow, ratio), (here + 0.5) * ratio - 0.5)
        path[rows, age + 1] = there
        steps[rows, age] = warp(there, np.linalg.inv(by[t])) - here
        inside = ((there >= 0) & (there <= [width - 1, height - 1])).all(axis=1)
        ready = inside & (age + 1 == length)
        done.append((path[ready], steps[ready], start[ready]))
        going = inside & ~ready
        path, steps, start = path[going], steps[going], start[going]
    paths, all_steps, starts = (np.concatenate(parts) for parts in zip(*done, strict=True))
    return paths, all_steps, starts


def smoothed(flow: np.ndarray, ratio: float) -> np.ndarray:
    """Flow at a scale, median-filtered, still in working pixels."""
    return np.dstack([cv2.medianBlur(np.ascontiguousarray(c), 3) for c in cv2.split(resized(flow, ratio))])


def seeds(grey: np.ndarray, taken: np.ndarray, ratio: float, step: int) -> np.ndarray:
    """New points on the `step` grid of a scale, where there is structure and no track yet, in working pixels."""
    height, width = grey.shape
    rows, columns = height // step, width // step
    free = np.ones((rows, columns), bool)
    cell = ((taken + 0.5) * ratio / step).astype(np.int64)
    cell = cell[(cell[:, 0] < columns) & (cell[:, 1] < rows)]
    free[cell[:, 1], cell[:, 0]] = False
    smaller = cv2.cornerMinEigenVal(grey, 3, ksize=3)
    y, x = (np.arange(n) * step + step // 2 for n in (rows, columns))
    enough = smaller[np.ix_(y, x)] > max(QUALITY * float(smaller.max()), 1e-12)
    row, column = np.nonzero(free & enough)
    return ((np.stack([x[column], y[row]], axis=1) + 0.5) / ratio - 0.5).astype(np.float32)


def useless_tracks(points: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which tracks are static, which erratic, which the camera's; three `bool [N]` that exclude each other."""
    own = np.concatenate([np.zeros_like(steps[:, :1]), np.cumsum(steps, axis=1)], axis=1)
    spread, seen = own.std(axis=1), points.std(axis=1)  # [N, 2]
    long = np.linalg.norm(steps, axis=2)
    largest, total = long.max(axis=1, initial=0), long.sum(axis=1)
    resting = (spread < STILL).all(axis=1)
    still = resting & (seen < STILL).all(axis=1)
    camera = ~still & (resting | (largest < CAMERA))
    jumps = (largest > JUMP) & (largest > JUMP_FRACTION * total)
    wild = ~still & ~camera & ((spread > WILD).any(axis=1) | jumps)
    return still, wild, camera


def draw(tracks: Tracks, frame: np.ndarray, at: int, *, removed: bool = True, kept: bool = True) -> np.ndarray:
    """A frame `uint8 [H, W, 3]` with the tracks that run through it: a green tail, a red head at its point.

    Tracks that were removed with the camera's motion are drawn in grey below them.
    """
    image = np.ascontiguousarray(frame).copy()
    fine = 4  # binary digits after the point of a coordinate
    if removed:
        lines = alive(tracks.camera_points, tracks.camera_start, at)
        cv2.polylines(image, [on_grid(p, fine) for p in lines], False, (150, 150, 150), 1, cv2.LINE_AA, fine)
    if kept:
        lines = alive(tracks.points, tracks.start, at)
        cv2.polylines(image, [on_grid(p, fine) for p in lines], False, (40, 200, 90), 1, cv2.LINE_AA, fine)
        for path in lines:
            head = on_grid(path[-1:], fine)[0]
            cv2.circle(image, tuple(map(int, head)), 1 << fine, (235, 60, 40), -1, cv2.LINE_AA, fine)
    return image


def alive(points: np.ndarray, start: np.ndarray, at: int) -> list[np.ndarray]:
    """Of every track that runs through frame `at` the points up to then."""
    age = at - start
    running = np.flatnonzero((age >= 0) & (age < points.shape[1]))
    return [points[i, : age[i] + 1] for i in running]


def on_grid(path: np.ndarray, fine: int) -> np.ndarray:
    return np.rint(path * (1 << fine)).astype(np.int32)
