"""Movements of the whole body on the spot: squat, jumping jack, kick, bend, jump, sit down, stand up, turn around."""

from __future__ import annotations

import numpy as np

from actrec.synthetic.posture import base, lay, place, rest_arms
from actrec.synthetic.skeleton import Body, Motion
from actrec.synthetic.timing import active, bouts, ease, keys, strokes


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
            lay(motion, side, place(body, spot, -0.3), on)
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


def kick(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """One leg swings forward (or to the side) and comes back."""
    motion = base(rng, body, times, False, plain=0.9)
    side = int(rng.integers(2))
    period = rng.uniform(0.7, 1.4)
    at, height = strokes(rng, times[-1], period, jitter=0.12, pause=0.5)
    kicking(motion, side, keys(times, at, height), rng.uniform(0.15, 0.75), rng.random() < 0.2)
    for s in (0, 1):
        out = np.array([rng.uniform(0.4, 1.5), rng.uniform(0.3, 1.5), rng.uniform(0.6, 0.95), 0.0])
        lay(motion, s, out, 0.8 * keys(times + 0.05, at, height))
    return motion


def kicking(motion: Motion, side: int, stroke: np.ndarray, height: float, sideways: bool = False) -> None:
    """Raise one foot along an arc by `stroke`: the knee first, the shank after it; lean to keep balance."""
    sign = 1 - 2 * side
    late = stroke**1.6
    reach = np.sqrt(np.maximum(0.0, 0.95 - (0.9 - height) ** 2))
    along = 0 if sideways else 2
    motion.feet[:, side, 1] += height * stroke + 0.12 * stroke * (1 - stroke)
    motion.feet[:, side, along] += reach * late - (0.0 if sideways else 0.6) * stroke * (1 - stroke)
    motion.feet[:, side, 3] += 0.3 * stroke
    motion.pelvis[:, 0] -= 0.06 * sign * np.clip(3 * stroke, 0, 1)
    motion.hips[:, 0] -= 0.35 * stroke * (not sideways)
    motion.pelvis[:, 2] += 0.08 * stroke
    motion.hips[:, 1] += (-0.35 if sideways else 0.0) * sign * stroke
    motion.spine[:, 0] += 0.1 * stroke * (not sideways)


def bend(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """The trunk bends forward, hands towards the floor, and comes up again."""
    motion = base(rng, body, times, False, plain=0.9)
    rise = rng.uniform(0.7, 1.5)
    at, height = bouts(rng, times[-1], rise, rng.uniform(0.1, 1.2), rise, rng.uniform(0.2, 1.2))
    on = keys(times, at, height)
    depth, knees = rng.uniform(0.8, 1.45), rng.uniform(0.0, 0.22)
    motion.hips[:, 0] += 0.75 * depth * on
    motion.spine[:, 0] += 0.6 * depth * on
    motion.pelvis[:, 1] -= (knees + 0.03) * on
    motion.pelvis[:, 2] -= 0.16 * on
    motion.head[:, 0] -= rng.uniform(-0.2, 0.5) * on
    reach = np.array([min(1.35 * depth, 1.9), 0.1, rng.uniform(0.85, 0.98), 0.0])
    both = rng.random() < 0.75
    for side in (0, 1) if both else (int(rng.integers(2)),):
        lay(motion, side, reach, on)
    return motion


def jump(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """Crouch, leap, land; arms swing up."""
    motion = base(rng, body, times, False, plain=1.0)
    high = rng.uniform(0.1, 0.42)  # leg lengths
    flight = 2 * np.sqrt(2 * high * body.leg / 9.81)
    crouched, low, rest = rng.uniform(0.25, 0.5), rng.uniform(0.1, 0.28), rng.uniform(0.0, 0.7)
    swing = rng.uniform(0.3, 2.6)
    at = -rng.uniform(0, 1.0)
    down, up, arms = np.zeros_like(times), np.zeros_like(times), np.zeros_like(times)
    while at < times[-1]:
        u = times - at - crouched
        inside = (u >= 0) & (u <= flight)
        up = np.where(inside, high * 4 * (u / flight) * (1 - u / flight), up)
        before = ease((times - at) / (0.6 * crouched)) * (1 - ease((u + 0.35 * crouched) / (0.35 * crouched)))
        after = ease((u - flight) / 0.12) * (1 - ease((u - flight - 0.15) / 0.35))
        down += before + 0.8 * after
        arms += ease((u + 0.3 * crouched) / 0.3) * (1 - ease((u - 0.6 * flight) / 0.35))
        at += crouched + flight + 0.45 + rest * rng.uniform(0.5, 1.5)
    crouch(motion, low * np.clip(down, 0, 1), 1.2)
    motion.pelvis[:, 1] += up
    motion.feet[:, :, 1] += (up + rng.uniform(0, 0.12) * (up / high))[:, None]
    motion.feet[:, :, 3] += (1.2 * np.clip(up / high, 0, 1))[:, None]
    for side in (0, 1):
        lay(motion, side, np.array([swing, 0.2, 0.9, 0.0]), np.clip(arms, 0, 1))
    return motion


def _sitting(rng: np.random.Generator, body: Body, times: np.ndarray, down: bool) -> Motion:
    motion = base(rng, body, times, False, plain=0.8)
    seat, length = rng.uniform(0.45, 0.54), rng.uniform(0.8, 1.7)
    start = rng.uniform(0.05, 0.75) * max(times[-1] - length, 0.1)
    on = ease((times - start) / length)
    on = on if down else 1 - on
    motion.seated, motion.sunk = True, float(rng.uniform(0, seat))
    motion.feet[:, :, 2] += 0.3
    motion.feet[:, :, 0] = np.maximum(motion.feet[:, :, 0], 0.02)
    motion.pelvis[:, 1] -= seat * on
    motion.pelvis[:, 2] += 0.3 - 0.42 * on
    lean = rng.uniform(0.5, 1.0) * 4 * on * (1 - on)
    motion.hips[:, 0] += 0.7 * lean
    motion.spine[:, 0] += 0.4 * lean
    motion.head[:, 0] -= 0.5 * lean
    ends = rest_arms(rng, body, True)
    for side in (0, 1):
        lay(motion, side, ends[side], ease(1.3 * on - 0.15))
    return motion


def sit_down(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """From standing onto a chair."""
    return _sitting(rng, body, times, True)


def stand_up(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """From a chair to standing."""
    return _sitting(rng, body, times, False)


def turn_around(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """Half a turn or a whole one, in small steps."""
    motion = base(rng, body, times, False, plain=0.85)
    sign = rng.choice((-1.0, 1.0))
    angle = sign * rng.choice((np.pi, 2 * np.pi), p=(0.65, 0.35)) * rng.uniform(0.9, 1.1)
    length = rng.uniform(0.9, 2.4) * (1.4 if abs(angle) > 4 else 1.0)
    at, heading = [rng.uniform(-0.5, max(0.1, 0.5 * (times[-1] - length)))], [rng.normal(0, 0.2)]
    while at[-1] < times[-1]:
        at += [at[-1] + length, at[-1] + length + rng.uniform(0.3, 1.5)]
        heading += [heading[-1] + angle] * 2
        angle = rng.choice((-1, 1)) * angle
    motion.heading = keys(times, np.array(at), np.array(heading))
    busy = np.abs(np.gradient(motion.heading, times)) / 2.0
    cycle = 2 * np.pi * rng.uniform(1.2, 1.9) * times
    for side in (0, 1):
        motion.feet[:, side, 1] += 0.06 * np.clip(busy, 0, 1) * np.maximum(0, np.sin(cycle + np.pi * side))
    motion.head[:, 2] += np.clip(0.25 * np.gradient(motion.heading, times), -0.6, 0.6)
    motion.arms[:, :, 0] += (0.12 * np.clip(busy, 0, 1))[:, None]
    return motion
