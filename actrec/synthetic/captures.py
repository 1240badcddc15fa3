"""Recorded movement for the figures: joint positions [T, 22, 3] in metres, one `.npz` per kind of movement.

Optional: nothing needs a recording. The layout is that of the selection of the Bandai-Namco-Research motion
data set (Kobayashi et al., 2023) with joints as in `skeleton.JOINTS`, 30 frames per second, y up. That data set
is CC BY-NC 4.0: whoever trains with it says so on the checkpoint's card.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actrec.core.errors import BadValue
from actrec.synthetic.skeleton import ELBOW, HIP, INDEX, SHOULDER, WRIST, Body, Motion, Pose, rotation, turn, unit
from actrec.synthetic.timing import wander

RATE = 30.0
HEAD_HEIGHT = 0.874  # of the head joint, in statures, as `skeleton.pose` has it
# What numpy says of a damaged archive, of other files in one, and of what is no archive at all.
UNREADABLE = (OSError, ValueError, EOFError, TypeError, AttributeError, KeyError, zipfile.BadZipFile, zlib.error)
# Kinds of recordings that show one of the actions; the others are for whoever wants more classes.
SHOWN = {
    "wave-left-hand": "wave",
    "wave-right-hand": "wave",
    "wave-both-hands": "wave both hands",
    "raise-up-both-hands": "raise arms",
    "bow": "bend",
    "kick": "kick",
    "punch": "box",
    "walk": "walk",
    "walk-left": "walk",
    "walk-right": "walk",
    "walk-back": "walk",
    "walk-turn-left": "walk",
    "walk-turn-right": "walk",
    "run": "run",
    "dash": "run",
}


@dataclass(frozen=True)
class Capture:
    """One recording: the file, its name in there, and the action it shows ("" when it is none of ours)."""

    path: Path
    name: str

    @property
    def kind(self) -> str:
        return self.path.stem

    @property
    def action(self) -> str:
        return SHOWN.get(self.kind, "")

    def joints(self) -> np.ndarray:
        """Positions float64 [T, 22, 3]; broken frames are left out."""
        try:
            with np.load(self.path) as file:
                joints = file[self.name].astype(np.float64)
        except UNREADABLE:
            raise BadValue(f"'{self.name}' of {self.path} cannot be read. Take it out, or copy it again.") from None
        if joints.ndim == 3 and joints.shape[1:] == (len(INDEX), 3):
            whole = joints[np.isfinite(joints).all((1, 2))]
            if len(whole) > 1 and stature(whole) > 0:
                return whole
        raise BadValue(
            f"'{self.name}' of {self.path} is no recording of somebody who stands: where {len(INDEX)} joints are in "
            f"two moments or more, [T, {len(INDEX)}, 3] with y up. This is {list(joints.shape)}. Take it out."
        )


def captures(folder: Path | str) -> list[Capture]:
    """All recordings of a folder, in the order of their files and names."""
    found = []
    for path in sorted(Path(folder).glob("*.npz")):
        try:
            with np.load(path) as file:
                found += [Capture(path, name) for name in sorted(file.files)]
        except UNREADABLE:
            raise BadValue(f"{path} cannot be read as recordings (.npz). Take it out, or copy it again.") from None
    return found


def stature(joints: np.ndarray) -> float:
    """The actor's height, from how high the head joint comes."""
    return float(np.quantile(joints[:, INDEX["Head"], 1], 0.9) / HEAD_HEIGHT)


def facing(joints: np.ndarray) -> np.ndarray:
    """Where the trunk faces on the ground: unit vectors [T, 3]."""
    across = joints[:, SHOULDER[0]] - joints[:, SHOULDER[1]] + joints[:, HIP[0]] - joints[:, HIP[1]]
    return unit(np.cross(across, np.array([0.0, 1.0, 0.0])) * np.array([1.0, 0.0, 1.0]))


def _window(rng: np.random.Generator, joints: np.ndarray, length: int) -> int:
    """Where to begin: at random among the stretches that hold most of the movement."""
    starts = np.arange(0, max(1, len(joints) - length), 5)
    speed = np.linalg.norm(np.diff(joints[:, [*WRIST, INDEX["Hips"]]], axis=0), axis=-1).sum(1)
    moved = np.array([speed[s : s + length].sum() for s in starts])
    return int(rng.choice(starts[moved >= 0.75 * moved.max()]))


def replay(rng: np.random.Generator, body: Body, capture: Capture, times: np.ndarray) -> tuple[Motion, Pose]:
    """A recording on a body of ours, seen mostly from the front, or from the side when it goes somewhere."""
    joints = capture.joints()
    joints = joints * (body.stature / stature(joints))
    speed = float(np.clip(rng.normal(1.0, 0.1), 0.75, 1.3))
    enough = (len(joints) - 1) / RATE / max(times[-1] - times[0], 1e-6)
    speed = min(speed, max(enough, 0.75))  # a short recording runs a little slower, then holds its last pose
    length = round((times[-1] - times[0]) * speed * RATE) + 1
    at = _window(rng, joints, length) + (times - times[0]) * speed * RATE
    low = np.clip(np.floor(at).astype(int), 0, len(joints) - 1)
    high, part = np.minimum(low + 1, len(joints) - 1), (at - np.floor(at))[:, None, None]
    joints = joints[low] * (1 - part) + joints[high] * part
    middle = joints[len(joints) // 2, INDEX["Hips"]] * np.array([1.0, 0.0, 1.0])
    joints = joints - middle
    hips = joints[:, INDEX["Hips"]]
    travel = float(np.linalg.norm(np.ptp(hips[:, [0, 2]], axis=0)))
    front = facing(joints).mean(0)
    wanted = rng.normal(0, 0.3)
    if travel > 1.0 and rng.random() < 0.7:
        wanted += rng.choice((-1, 1)) * np.pi / 2
    joints = joints @ turn(np.array(wanted - np.arctan2(front[0], front[2])), 1).T
    motion = Motion(times)
    motion.reach = float(min(0.5 * np.ptp(joints[:, INDEX["Hips"], 0]), 3.5))
    return motion, Pose(joints, _head(rng, joints, times), _hands(joints), _spread(rng, len(times)))


def _head(rng: np.random.Generator, joints: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Rotations of the head: recordings hold its place only, so it follows the trunk and strays a little."""
    up = unit(joints[:, INDEX["Head"]] - joints[:, INDEX["Neck"]] + 0.08 * np.array([0.0, 1.0, 0.0]))
    ahead = unit(facing(joints) - (facing(joints) * up).sum(-1, keepdims=True) * up)
    frame = np.stack([np.cross(up, ahead), up, ahead], axis=-1)
    stray = np.stack([wander(rng, times, s, 0.1, 0.8) for s in (0.06, 0.03, 0.12)], -1)
    return frame @ rotation(stray)


def _hands(joints: np.ndarray) -> np.ndarray:
    return unit(joints[:, WRIST] - joints[:, ELBOW])


def _spread(rng: np.random.Generator, count: int) -> np.ndarray:
    return np.full((count, 2), rng.uniform(0.1, 0.9))
