"""Movements of the whole body on the spot: squat, jumping jack."""

from __future__ import annotations

import numpy as np

from actrec.data.synthetic.posture import base, lay, place
from actrec.data.synthetic.skeleton import Body, Motion
from actrec.data.synthetic.timing import active, keys, strokes


def crouch(motion: Motion, depth: np.ndarray, lean: float) -> None:
    """Lower the hips by `depth` leg lengths, feet where they are, back bent forward to keep balance."""
    motion.pelvis[:, 1] -= depth
    motion.pelvis[:, 2] -= 0.28 * depth
    motion.hips[:, 0] += 0.9 * lean * depth
    motion.spine[:, 0] += 1.1 * lean * depth
    motion.head[:, 0] -= 1.2 * lean * depth


def squat(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """Knee bends, again and again."""
    motion = base(rng, body, times, False, plain=0.6)
    depth, period = rng.uniform(0.33, 0.66), rng.uniform(1.2, 3.0)
    at, height = strokes(rng, times[-1], period, jitter=0.1, pause=0.3)
    stroke = keys(times, at, height)
    on = np.maximum(active(rng, times, 0.8), 0.0)
    motion.feet[:, :, 0] = rng.uniform(0.0, 0.22)
    crouch(motion, stroke * depth * on, rng.uniform(0.4, 1.1))
    way = rng.random()
    if way < 0.5:  # arms come forward on the way down
        out = np.array([rng.uniform(1.3, 1.75), rng.uniform(-0.15, 0.3), rng.uniform(0.85, 0.98), 0.0])
        swing = stroke * on if rng.random() < 0.7 else on
        for side in (0, 1):
            lay(motion, side, out, swing)
    elif way < 0.75:  # held in front of the chest, or behind the head
        spot = (0.02, -0.06, 0.13) if rng.random() < 0.6 else (0.07, 0.1, -0.02)
        for side in (0, 1):
            lay(motion, side, place(body, side, spot, -0.3), on)
    return motion


def jumping_jack(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """Feet apart and arms up in one hop, together and down in the next."""
    motion = base(rng, body, times, False, plain=1.0)
    at, height = strokes(rng, times[-1], rng.uniform(0.75, 1.5), jitter=0.06, pause=0.08)
    stroke = keys(times, at, height) * active(rng, times, 0.5)
    apart, hop = rng.uniform(0.22, 0.42), rng.uniform(0.02, 0.09)
    flight = 4 * np.clip(stroke, 0, 1) * (1 - np.clip(stroke, 0, 1)) * hop
    top, plane, reach = rng.uniform(2.7, 3.1), rng.uniform(1.25, 1.57), rng.uniform(0.88, 0.99)
    motion.feet[:, :, 0] += (apart * stroke)[:, None]
    motion.feet[:, :, 1] += flight[:, None]
    motion.feet[:, :, 3] += 6 * flight[:, None]
    motion.pelvis[:, 1] += flight - 0.5 * (apart * stroke) ** 2 - 0.03
    late = keys(times - rng.uniform(-0.04, 0.08), at, height)
    for side in (0, 1):
        arm = np.array([top + rng.normal(0, 0.06), plane, reach, 0.0])
        down = np.array([rng.uniform(0.1, 0.3), plane, 0.96, 0.0])
        on = np.where(stroke > 0, late, 0.0) * active_like(stroke, late)
        lay(motion, side, down + on[:, None] * (arm - down), np.minimum(1.0, 8 * stroke))
    motion.spine[:, 0] += 0.05 * stroke
    return motion


def active_like(stroke: np.ndarray, late: np.ndarray) -> np.ndarray:
    """Arms follow the legs when the exercise starts or ends inside the clip."""
    return np.clip((stroke + 0.05) / (late + 0.05), 0, 1)
