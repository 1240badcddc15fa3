"""Movements of the arms: idle, wave, clap, raise arms."""

from __future__ import annotations

import numpy as np

from actrec.data.synthetic.posture import base, glance, lay, place
from actrec.data.synthetic.skeleton import Body, Motion
from actrec.data.synthetic.timing import active, ease, keys, strokes, wander

# Where a fidgeting hand goes, in statures (outward, above the shoulders, forward).
FIDGETS = ((0.05, 0.09, 0.13), (0.06, 0.16, 0.06), (0.04, -0.05, 0.12), (0.01, -0.22, 0.14), (-0.06, -0.06, 0.13))


def idle(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """Standing or sitting: sway, glances, a shift of weight, now and then a hand that fidgets."""
    motion = base(rng, body, times, seated, plain=0.55)
    for _ in range(rng.integers(0, 3)):
        glance(rng, motion)
    if rng.random() < 0.4:  # shift of weight
        on = ease((times - rng.uniform(0, times[-1])) / rng.uniform(0.5, 1.2))
        shift = rng.choice((-1, 1)) * rng.uniform(0.03, 0.08)
        motion.pelvis[:, 0] += shift * on
        motion.hips[:, 1] += 0.8 * shift * on
        motion.spine[:, 1] -= 1.2 * shift * on
    if rng.random() < 0.3:
        side = int(rng.integers(2))
        start, rise, hold = rng.uniform(-0.5, times[-1] - 0.3), rng.uniform(0.4, 0.8), rng.uniform(0.2, 1.0)
        on = ease((times - start) / rise) * (1 - ease((times - start - rise - hold) / rise))
        spot = np.array(FIDGETS[rng.integers(len(FIDGETS))]) + rng.normal(0, 0.015, 3)
        lay(motion, side, place(body, side, tuple(spot)), on)
    return motion


def _waving(
    rng: np.random.Generator, body: Body, motion: Motion, side: int, at: np.ndarray, height: np.ndarray, on: np.ndarray
) -> None:
    """One arm up, the forearm (or the whole arm, or only the hand) going from side to side."""
    x, y, z = rng.uniform(0.15, 0.24), rng.uniform(-0.04, 0.11), rng.uniform(0.04, 0.14)
    way = rng.random()
    swing = rng.normal(-0.2, 0.25)
    if way < 0.6:  # forearm about the elbow
        width, drop = rng.uniform(0.045, 0.10), rng.uniform(0.0, 0.03)
        inner, outer = place(body, side, (x - width, y, z), swing), place(body, side, (x + width, y - drop, z), swing)
        tilt = rng.uniform(0.2, 0.7)
    elif way < 0.85:  # the whole arm, high
        lift, reach, turn = rng.uniform(2.4, 2.9), rng.uniform(0.85, 0.99), rng.uniform(0.7, 1.5)
        width = rng.uniform(0.15, 0.35)
        inner, outer = np.array([lift + width, turn, reach, swing]), np.array([lift - width, turn, reach, swing])
        tilt = rng.uniform(0.1, 0.5)
    else:  # mostly the hand
        inner, outer = place(body, side, (x - 0.012, y, z), swing), place(body, side, (x + 0.012, y, z), swing)
        tilt = rng.uniform(0.5, 1.0)
    stroke = keys(motion.times, at, height)
    lay(motion, side, inner + stroke[:, None] * (outer - inner), on)
    lag = keys(motion.times - 0.05, at, height)
    motion.wrist[:, side, 0] += on * tilt * (2 * lag - 1)
    motion.wrist[:, side, 1] += on * 0.4
    motion.spread[:, side] += on * (rng.uniform(0.5, 1.0) - motion.spread[:, side])
    motion.spine[:, 1] += on * (0.02 * (stroke - 0.5)) * (1 if side else -1)


def wave(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """One hand waves."""
    motion = base(rng, body, times, seated)
    at, height = strokes(rng, times[-1], rng.uniform(0.38, 0.95), pause=0.08)
    _waving(rng, body, motion, int(rng.integers(2)), at, height, active(rng, times, rng.uniform(0.35, 0.8)))
    return motion


def clap(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """Hands meet in front of the chest (the face, above the head) and part again."""
    motion = base(rng, body, times, seated)
    period = rng.uniform(0.28, 0.75)
    at, height = strokes(rng, times[-1], period, jitter=0.08, pause=0.06)
    height = np.where(height > 0, height, 0.0)
    level = rng.choice(
        [rng.uniform(-0.17, -0.03), rng.uniform(-0.03, 0.08), rng.uniform(0.16, 0.24)], p=[0.75, 0.15, 0.1]
    )
    forward = rng.uniform(0.15, 0.22) if level < 0.12 else rng.uniform(0.06, 0.12)
    gap = rng.uniform(0.05, 0.13) * min(1.3, 0.5 + period)
    lead = rng.uniform(0.25, 0.75)  # how much of the opening one hand does
    shift, slant, raised = rng.normal(0, 0.015), rng.normal(0, 0.015), rng.uniform(0.2, 0.9)
    on = active(rng, times, rng.uniform(0.4, 0.7))
    stroke = keys(times, at, height)[:, None]
    for side, part in ((0, lead), (1, 1 - lead)):
        sign = 1 - 2 * side
        meet = place(body, side, (0.011 + sign * shift, level + slant, forward), rng.normal(-0.25, 0.15))
        apart = (0.011 + sign * shift + 2 * part * gap, level + slant - 0.2 * part * gap, forward - 0.02)
        lay(motion, side, meet + stroke * (place(body, side, apart, meet[3]) - meet), on)
        motion.wrist[:, side, 1] += on * (raised + rng.normal(0, 0.06))
        motion.wrist[:, side, 0] += on * 0.05
        motion.spread[:, side] *= 1 - 0.8 * on
    motion.head[:, 0] += on * 0.04 * (stroke[:, 0] - 0.5)
    return motion


def raise_arms(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """Both arms go up, forward or sideways, stay a while and come down; perhaps again."""
    motion = base(rng, body, times, seated)
    rise, hold, low = rng.uniform(0.45, 1.3), rng.uniform(0.2, 1.8), rng.uniform(0.1, 1.2)
    at, height = [-rng.uniform(0.0, 1.6 * rise + hold)], [0.0]
    while at[-1] < times[-1]:
        for value, length in ((1, rise), (1, hold), (0, rise * rng.uniform(0.8, 1.2)), (0, low)):
            at.append(at[-1] + length * np.exp(rng.normal(0, 0.12)))
            height.append(float(value))
    side_up = rng.choice([rng.uniform(0.05, 0.5), rng.uniform(1.0, 1.57)], p=[0.5, 0.5])
    top, reach = rng.uniform(2.65, 3.08), rng.uniform(0.88, 0.995)
    shake = wander(rng, times, rng.uniform(0, 0.06) * (rng.random() < 0.4), 1.0, 2.5)
    for side in (0, 1):
        lag = rng.normal(0, 0.05)
        on = keys(times - lag, np.array(at), np.array(height))
        rest = motion.arms[0, side].copy()
        middle = np.array([0.5 * top, side_up, rng.uniform(0.8, 0.98), 0.0])
        end = np.array([top + rng.normal(0, 0.08), side_up + rng.normal(0, 0.1), reach, rng.normal(0, 0.2)])
        path = keys(on, np.array([0.0, 0.45, 1.0]), np.stack([rest, middle, end]))
        motion.arms[:, side] += path - rest
        motion.arms[:, side, 0] += on * shake
        motion.spread[:, side] = np.maximum(motion.spread[:, side], on * rng.uniform(0.2, 1.0))
        motion.wrist[:, side, 1] += 0.25 * on
    motion.spine[:, 0] -= 0.08 * on
    motion.head[:, 0] -= rng.uniform(0, 0.25) * on
    return motion
