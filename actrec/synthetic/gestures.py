"""Movements of the arms: idle, wave, clap, raise arms, point, box, drink, phone."""

from __future__ import annotations

import numpy as np

from actrec.synthetic.posture import base, glance, lay, place
from actrec.synthetic.skeleton import Body, Motion
from actrec.synthetic.timing import active, bouts, ease, keys, strokes, wander

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
        lay(motion, side, place(body, spot, 0.9), on)
    return motion


def _waving(
    rng: np.random.Generator, body: Body, motion: Motion, side: int, at: np.ndarray, height: np.ndarray, on: np.ndarray
) -> None:
    """One arm up, the forearm (or the whole arm, or only the hand) going from side to side."""
    x, y, z = rng.uniform(0.15, 0.24), rng.uniform(-0.04, 0.11), rng.uniform(0.04, 0.14)
    way = rng.random()
    swing = rng.uniform(0.3, 1.2)
    if way < 0.52:  # forearm about the elbow
        width, drop = rng.uniform(0.045, 0.10), rng.uniform(0.0, 0.03)
        inner, outer = place(body, (x - width, y, z), swing), place(body, (x + width, y - drop, z), swing)
        tilt = rng.uniform(0.2, 0.7)
    elif way < 0.87:  # the whole arm, high
        lift, reach, turn = rng.uniform(2.4, 2.9), rng.uniform(0.85, 0.99), rng.uniform(0.7, 1.5)
        width = rng.uniform(0.15, 0.35)
        inner, outer = np.array([lift + width, turn, reach, swing]), np.array([lift - width, turn, reach, swing])
        tilt = rng.uniform(0.1, 0.5)
    else:  # mostly the hand
        inner, outer = place(body, (x - 0.012, y, z), swing), place(body, (x + 0.012, y, z), swing)
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
    elbows = rng.uniform(-0.5, 0.35)
    lead = rng.uniform(0.25, 0.75)  # how much of the opening one hand does
    shift, slant, raised = rng.normal(0, 0.015), rng.normal(0, 0.015), rng.uniform(0.2, 0.9)
    on = active(rng, times, rng.uniform(0.4, 0.7))
    stroke = keys(times, at, height)[:, None]
    for side, part in ((0, lead), (1, 1 - lead)):
        sign = 1 - 2 * side
        meet = place(body, (0.011 + sign * shift, level + slant, forward), elbows)
        apart = (0.011 + sign * shift + 2 * part * gap, level + slant - 0.2 * part * gap, forward - 0.02)
        lay(motion, side, meet + stroke * (place(body, apart, meet[3]) - meet), on)
        motion.wrist[:, side, 1] += on * (raised + rng.normal(0, 0.06))
        motion.wrist[:, side, 0] += on * 0.05
        motion.spread[:, side] *= 1 - 0.8 * on
    motion.head[:, 0] += on * 0.04 * (stroke[:, 0] - 0.5)
    return motion


def raise_arms(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """Both arms go up, forward or sideways, stay a while and come down; perhaps again."""
    motion = base(rng, body, times, seated)
    rise = rng.uniform(0.6, 1.9)
    at, height = bouts(rng, times[-1], rise, rng.uniform(0.2, 1.6), rise, rng.uniform(0.1, 1.2))
    side_up = rng.choice([rng.uniform(0.05, 0.5), rng.uniform(1.0, 1.57)], p=[0.5, 0.5])
    top, reach = rng.uniform(2.6, 3.08), rng.uniform(0.8, 0.995)
    shake = wander(rng, times, rng.uniform(0, 0.06) * (rng.random() < 0.4), 1.0, 2.5)
    for side in (0, 1):
        lag = rng.normal(0, 0.05)
        on = keys(times - lag, at, height)
        rest = motion.arms[0, side].copy()
        middle = np.array([0.5 * top, side_up, rng.uniform(0.8, 0.98), 0.0])
        end = np.array([top + rng.normal(0, 0.08), side_up + rng.normal(0, 0.1), reach, rng.normal(0, 0.2)])
        path = np.stack([np.interp(on, (0.0, 0.45, 1.0), points) for points in zip(rest, middle, end, strict=True)], -1)
        motion.arms[:, side] += path - rest
        motion.arms[:, side, 0] += on * shake
        motion.spread[:, side] = np.maximum(motion.spread[:, side], on * rng.uniform(0.2, 1.0))
        motion.wrist[:, side, 1] += 0.25 * on
    motion.spine[:, 0] -= 0.08 * on
    motion.head[:, 0] -= rng.uniform(0, 0.25) * on
    return motion


def wave_both(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """Both hands wave, together or each in its own time."""
    motion = base(rng, body, times, seated)
    period = rng.uniform(0.4, 1.0)
    at, height = strokes(rng, times[-1], period, pause=0.05)
    on = active(rng, times, rng.uniform(0.35, 0.8))
    if rng.random() < 0.75:  # alike on both sides
        state = rng.integers(1 << 32)
        for side in (0, 1):
            _waving(np.random.default_rng(state), body, motion, side, at + rng.normal(0, 0.03), height, on)
    else:
        for side in (0, 1):
            _waving(rng, body, motion, side, *strokes(rng, times[-1], period), on)
    return motion


def point(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """One arm stretches out to somewhere, stays, and comes back."""
    motion = base(rng, body, times, seated)
    side = int(rng.integers(2))
    rise = rng.uniform(0.4, 0.9)
    at, height = bouts(rng, times[-1], rise, rng.uniform(0.6, 2.2), rise * rng.uniform(0.8, 1.3), rng.uniform(0.3, 1.5))
    on = keys(times, at, height)
    where = rng.choice((rng.normal(0.1, 0.25), rng.uniform(0.5, 1.6), rng.uniform(-0.5, 0.0)), p=(0.5, 0.35, 0.15))
    lift, reach = np.clip(rng.normal(1.55, 0.2), 1.1, 2.3), rng.uniform(0.86, 0.995)
    lay(motion, side, np.array([lift, where, reach, rng.uniform(-0.2, 0.8)]), on)
    tremble = wander(rng, times, 0.015, 0.5, 2.0)
    motion.arms[:, side, 0] += on * tremble
    motion.spread[:, side] *= 1 - on
    motion.spine[:, 2] += on * (0.12 if side else -0.12) * rng.uniform(-0.5, 1.0)
    if rng.random() < 0.6:  # looks where it points
        motion.head[:, 2] += on * 0.5 * where * (1 - 2 * side)
    return motion


def box(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """Fists before the chin; straight punches, left and right."""
    motion = base(rng, body, times, seated, plain=1.0)
    on = active(rng, times, rng.uniform(0.3, 0.6))
    ahead = int(rng.integers(2))
    if not seated:
        spread = rng.uniform(0.05, 0.25)
        motion.feet[:, ahead, 2] += spread
        motion.feet[:, 1 - ahead, 2] -= spread
        motion.hips[:, 2] += rng.uniform(0, 0.5) * (-1 if ahead == 0 else 1)
        bounce = wander(rng, times, 0.02, 1.2, 2.6)
        motion.pelvis[:, 1] += on * (bounce - 0.04)
        motion.pelvis[:, 2] += on * wander(rng, times, 0.04, 0.5, 1.6)
        motion.spine[:, 0] += on * rng.uniform(0.0, 0.2)
    guard = (rng.uniform(0.04, 0.09), rng.uniform(-0.05, 0.05), rng.uniform(0.11, 0.17))
    level, period = rng.uniform(-0.06, 0.08), rng.uniform(0.5, 1.2)
    far = place(body, (rng.uniform(0.0, 0.06), level, rng.uniform(0.29, 0.33)), 0.3)
    either = rng.random() < 0.75
    at, height = strokes(rng, times[-1], period, jitter=0.2, pause=0.25)
    for side in (0, 1):
        lag = 0.5 * period * side
        stroke = keys(times - lag, at, height) * (1.0 if either or side == ahead else 0.1)
        rest = place(body, guard, rng.uniform(0.2, 0.8))
        lay(motion, side, rest + stroke[:, None] * (far - rest), on)
        motion.spread[:, side] *= 1 - on
        motion.spine[:, 2] += on * 0.35 * (stroke - 0.3) * (1 if side else -1)
    return motion


def drink(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """A cup goes to the mouth, the head tilts back, the cup goes down."""
    motion = base(rng, body, times, seated)
    side = int(rng.integers(2))
    motion.held, motion.holder = "cup", side
    rise = rng.uniform(0.7, 1.3)
    at, height = bouts(rng, times[-1], rise, rng.uniform(0.6, 2.0), rise, rng.uniform(0.3, 1.6))
    on = keys(times, at, height)
    low = place(body, (rng.uniform(0.06, 0.14), rng.uniform(-0.22, -0.12), rng.uniform(0.12, 0.2)), 0.3)
    mouth = (rng.uniform(0.03, 0.06), rng.uniform(0.03, 0.06), rng.uniform(0.055, 0.085))
    high = place(body, mouth, rng.uniform(0.5, 1.2))
    lay(motion, side, low + on[:, None] * (high - low))
    motion.wrist[:, side, 0] -= 0.5 * on
    motion.wrist[:, side, 1] += 0.3
    motion.spread[:, side] = 0.0
    tilt = keys(times - 0.25, at, height)
    motion.head[:, 1:] *= (1 - 0.8 * on)[:, None]  # no glances while drinking
    motion.head[:, 0] -= rng.uniform(0.1, 0.4) * tilt
    return motion


def phone(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """A telephone: held to the ear, or before the chest and looked at."""
    motion = base(rng, body, times, seated)
    side = int(rng.integers(2))
    motion.held, motion.holder = "phone", side
    on = np.maximum(active(rng, times, rng.uniform(0.5, 1.0)), 0.0)
    if rng.random() < 0.5:
        ear = place(
            body, (rng.uniform(0.065, 0.08), rng.uniform(0.06, 0.09), rng.uniform(0.04, 0.07)), rng.uniform(0.5, 1.2)
        )
        lay(motion, side, ear, on)
        motion.wrist[:, side, 1] += 0.8 * on
        motion.head[:, 1] += on * (0.12 if side == 0 else -0.12)
        glance(rng, motion)
        motion.head[:, 0] += wander(rng, times, 0.05, 0.4, 1.6)
        if rng.random() < 0.5:  # the free hand talks as well
            talk = [wander(rng, times, size, 0.3, 1.3) for size in (0.025, 0.03, 0.02)]
            free = np.stack([0.12 + talk[0], -0.2 + talk[1], 0.12 + talk[2]], -1)
            lay(motion, 1 - side, place(body, free, 0.4), on)
        return motion
    spot = (rng.uniform(0.0, 0.06), rng.uniform(-0.14, -0.03), rng.uniform(0.14, 0.2))
    lay(motion, side, place(body, spot, rng.uniform(-0.1, 0.5)), on)
    motion.wrist[:, side, 1] += 0.7 * on
    motion.head[:, 0] += rng.uniform(0.2, 0.5) * on
    if rng.random() < 0.5:  # the other hand types
        tap = wander(rng, times, 0.012, 1.5, 3.5)
        touch = place(body, np.stack([0.02 + tap - spot[0], spot[1] - 0.01 + 0.6 * tap, spot[2] + 0.0 * tap], -1), 0.2)
        lay(motion, 1 - side, touch, on)
        motion.wrist[:, 1 - side, 1] += 0.4 * on
    return motion
