"""What every programmed movement starts from: a body that stands or sits, sways, breathes and looks around."""

from __future__ import annotations

import numpy as np

from actrec.synthetic.skeleton import INDEX, SHOULDER, SIGN, Body, Motion, arm_angles, pose, unit
from actrec.synthetic.timing import ease, wander

# Wrists at rest: outward from the middle line, above the shoulders, forward; in statures.
RESTS = {
    "hips": (0.125, -0.245, 0.02),
    "clasped": (0.012, -0.27, 0.12),
    "behind": (0.03, -0.26, -0.09),
    "pockets": (0.105, -0.27, 0.05),
    "crossed": (-0.075, -0.115, 0.105),
    "lap": (0.06, -0.24, 0.17),
    "desk": (0.10, -0.20, 0.21),
    "knees": (0.085, -0.26, 0.235),
}


def place(body: Body, target: np.ndarray | tuple, swing: float = 0.0) -> np.ndarray:
    """Arms [..., 4] whose wrists lie at `target` [..., 3], in statures; a positive swing lowers the elbow."""
    angles = arm_angles(body, np.asarray(target) * body.stature)
    return np.concatenate([angles, np.full((*angles.shape[:-1], 1), swing)], axis=-1)


def reaching(body: Body, motion: Motion, side: int, point: np.ndarray, swing: float = 0.0) -> np.ndarray:
    """The arm [T, 4] whose wrist lies at `point` [T, 3] of the world, whatever trunk and feet do."""
    j = pose(body, motion).joints
    up = unit(j[:, INDEX["Neck"]] - j[:, INDEX["Chest"]])
    across = j[:, SHOULDER[0]] - j[:, SHOULDER[1]]
    across = unit(across - (across * up).sum(-1, keepdims=True) * up)
    frame = np.stack([across, up, np.cross(across, up)], axis=1)  # rows
    local = np.einsum("tij,tj->ti", frame, point - j[:, INDEX["Chest"]])
    local[:, 0] *= SIGN[side]
    return place(body, (local - np.array([0.0, body.shoulder_height, -0.01 * body.stature])) / body.stature, swing)


def rest_arms(rng: np.random.Generator, body: Body, seated: bool, *, plain: float = 0.7) -> np.ndarray:
    """Both arms [2, 4] at rest: hanging with probability `plain`, else one of the usual ways."""
    arms = np.empty((2, 4))
    if not seated and rng.random() < plain:
        for s in (0, 1):
            lift, side = rng.uniform(0.06, 0.22), rng.uniform(0.6, 1.6)
            arms[s] = lift, side, rng.uniform(0.93, 0.99), rng.normal(0, 0.15)
        return arms
    ways = ("lap", "desk", "knees", "lap", "crossed") if seated else ("hips", "clasped", "behind", "pockets", "crossed")
    way = ways[rng.integers(len(ways))]
    for s in (0, 1):
        spot = np.array(RESTS[way]) + rng.normal(0, 0.012, 3)
        if way == "crossed":
            spot[1:] += (0.02, 0.012) if s else (-0.02, -0.012)
        arms[s] = place(body, spot, rng.normal(0, 0.15))
    if way in ("pockets", "hips") and rng.random() < 0.3:  # one hand only
        arms[rng.integers(2)] = 0.12, 1.2, 0.97, 0.0
    return arms


def sway(rng: np.random.Generator, motion: Motion, amount: float = 1.0) -> None:
    """Postural sway, breathing and small head movements, added to whatever is there."""
    t = motion.times
    motion.pelvis[:, 0] += wander(rng, t, 0.015 * amount, 0.08, 0.6)
    motion.pelvis[:, 2] += wander(rng, t, 0.012 * amount, 0.08, 0.6)
    motion.hips[:, 2] += wander(rng, t, 0.02 * amount, 0.1, 0.5)
    for axis, size in enumerate((0.012, 0.012, 0.02)):
        motion.spine[:, axis] += wander(rng, t, size * amount, 0.1, 0.7)
    for axis, size in enumerate((0.03, 0.02, 0.05)):
        motion.head[:, axis] += wander(rng, t, size * amount, 0.1, 0.9)
    breath = np.sin(2 * np.pi * rng.uniform(0.2, 0.4) * t + rng.uniform(0, 6.3))
    motion.spine[:, 0] -= 0.008 * breath
    for side in (0, 1):
        motion.arms[:, side, 0] += 0.008 * breath + wander(rng, t, 0.018 * amount, 0.15, 1.0)
        motion.arms[:, side, 1] += wander(rng, t, 0.03 * amount, 0.15, 1.0)


def glance(rng: np.random.Generator, motion: Motion) -> None:
    """The head turns away and mostly comes back."""
    t = motion.times
    start = rng.uniform(-0.3, t[-1])
    hold, rise = rng.uniform(0.3, 1.8), rng.uniform(0.25, 0.6)
    on = ease((t - start) / rise) * (1 - ease((t - start - rise - hold) / rise))
    motion.head += on[:, None] * rng.normal(0, (0.16, 0.06, 0.45))
    motion.spine[:, 2] += on * rng.normal(0, 0.06)


def base(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool, *, plain: float = 0.7) -> Motion:
    """A body at rest; programs change what their action moves."""
    alert = rng.uniform(0.5, 1.4)
    motion = Motion(times, seated=seated)
    motion.arms[:] = rest_arms(rng, body, seated, plain=plain)
    if seated:
        motion.sunk = rng.uniform(0.46, 0.54)
        motion.pelvis[:, 1] = -motion.sunk
        motion.feet[:, :, 2] = rng.uniform(0.34, 0.5)
        motion.feet[:, :, 0] = rng.uniform(0.0, 0.1)
        motion.spine[:, 0] = rng.uniform(-0.12, 0.2)
    else:
        motion.feet[:, :, 0] = rng.uniform(-0.02, 0.12, 2)
        motion.feet[:, :, 2] = rng.normal(0, 0.035, 2)
        motion.pelvis[:, 1] = -rng.uniform(0.0, 0.012)
        motion.spine[:, 0] = rng.normal(0.05, 0.06)
        motion.spine[:, 1] = rng.normal(0, 0.03)
    motion.spread[:] = rng.uniform(0.1, 0.6)
    motion.head[:, 0] = rng.normal(0.05, 0.07)
    motion.hips[:, 2] = rng.normal(0, 0.05)
    sway(rng, motion, alert)
    if rng.random() < 0.25:
        glance(rng, motion)
    return motion


def lay(motion: Motion, side: int, arm: np.ndarray, on: np.ndarray | float = 1.0) -> None:
    """Move one arm towards `arm` ([4] or [T, 4]) by `on` (0 leaves it, 1 is there)."""
    on = np.broadcast_to(on, motion.times.shape)[:, None]
    motion.arms[:, side] = motion.arms[:, side] * (1 - on) + np.broadcast_to(arm, motion.arms[:, side].shape) * on
