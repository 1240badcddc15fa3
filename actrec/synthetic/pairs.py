"""Two people: handshake, hug, kick, point, punch, push — approach, act, part, as in UT-Interaction.

The first actor stands on the left and faces right; scenes are mirrored at random by swapping the two.
Times and distances are those one sees in surveillance views: a pair a metre or two apart, steps of half a second.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from actrec.synthetic.exercises import kicking
from actrec.synthetic.gait import carry, step
from actrec.synthetic.posture import base, lay, place, reaching
from actrec.synthetic.skeleton import Body, Motion
from actrec.synthetic.timing import ease, keys

Bodies = tuple[Body, Body]
Motions = tuple[Motion, Motion]
PairProgram = Callable[[np.random.Generator, Bodies, np.ndarray], Motions]


def meet(rng: np.random.Generator, bodies: Bodies, times: np.ndarray, apart: float, stray: float = 0.08) -> Motions:
    """Two bodies that face each other, their roots `apart` metres from each other, `stray` radians off."""
    one, other = (base(rng, body, times, False, plain=0.92) for body in bodies)
    motions = one, other
    for k, motion in enumerate(motions):
        sign = 1 - 2 * k
        motion.heading[:] = sign * (np.pi / 2 + rng.normal(0, stray))
        motion.root[:, 0] -= sign * 0.5 * apart
        motion.root[:, 2] += rng.normal(0, 0.4 * stray)
        motion.reach = 0.5 * apart + 0.25
    return motions


def tread(motion: Motion, body: Body, ahead: np.ndarray) -> None:
    """Move the root by `ahead` [T] metres along the way it faces, in steps of natural length."""
    v = np.gradient(ahead, motion.times)
    motion.root[:, 0] += np.sin(motion.heading[0]) * ahead
    motion.root[:, 2] += np.cos(motion.heading[0]) * ahead
    rate = 0.55 + 0.5 * np.clip(np.abs(v), 0, 1.6)
    pace = np.clip(np.abs(v) / 0.25, 0, 1)
    phase = np.cumsum(rate * pace * np.gradient(motion.times))
    half = 0.5 * np.clip(v, -1.8, 1.8) * 0.6 / np.maximum(rate, 0.3) / body.leg
    motion.feet[:, :, 2] *= (1 - pace)[:, None]
    step(motion, phase + 0.2, half, stance=0.6, lift=0.06, flick=0.04)
    motion.pelvis[:, 1] -= 0.25 * half**2
    before = motion.arms.copy()
    carry(motion, phase + 0.2, body, 0.8 * pace, 0.0)
    motion.arms[:] = before + pace[:, None, None] * (motion.arms - before)


def go(motion: Motion, body: Body, start: float, length: float, metres: float) -> None:
    """Walk `metres` (backwards when negative) from second `start` on, for `length` seconds."""
    tread(motion, body, metres * ease((motion.times - start) / length))


def clock(rng: np.random.Generator, times: np.ndarray, length: float) -> float:
    """The second at which an act of `length` seconds begins: it lies about the middle of the clip."""
    return float(max(rng.uniform(0.36, 0.62) * times[-1] - 0.5 * length, 0.15))


def shoulder_gap(one: Body, other: Body) -> float:
    """How much higher the other's shoulders are, in metres."""
    return 0.818 * (other.stature - one.stature)


def handshake(rng: np.random.Generator, bodies: Bodies, times: np.ndarray) -> Motions:
    """Right hands meet, go up and down, and part."""
    close = rng.uniform(0.8, 1.1)
    apart = close + rng.uniform(0.3, 1.3)
    motions = meet(rng, bodies, times, apart, stray=0.03)
    rise, hold = rng.uniform(0.5, 0.8), rng.uniform(0.7, 1.9)
    start = clock(rng, times, rise + hold + 0.5)
    share, lean = rng.uniform(0.2, 0.8), rng.uniform(0.05, 0.25)
    height = 0.6 * np.mean([b.stature for b in bodies]) + rng.normal(0, 0.03)
    shake = np.sin(2 * np.pi * rng.uniform(1.8, 3.2) * times) * rng.uniform(0.01, 0.04)
    leave = (apart - close) * rng.uniform(0.5, 1.1) * (rng.random() < 0.85)
    on = keys(times, [start, start + rise, start + rise + hold, start + 2 * rise + hold], [0.0, 1.0, 1.0, 0.0])
    lunge = rng.uniform(0, 0.2)
    for k, (motion, body) in enumerate(zip(motions, bodies, strict=True)):
        part = share if k == 0 else 1 - share
        walk = (apart - close) * part * ease((times - start + 0.5) / 1.0)
        tread(motion, body, walk - leave * part * ease((times - start - rise - hold - 0.2) / 0.9))
        motion.feet[:, 0, 2] += lunge * on
        motion.feet[:, 1, 2] -= 0.4 * lunge * on
        motion.spine[:, 0] += lean * on
        motion.spine[:, 2] += 0.12 * on
    middle = 0.5 * (motions[0].root + motions[1].root)
    middle[:, 1] = height + shake
    for k, (motion, body) in enumerate(zip(motions, bodies, strict=True)):
        grip = middle - np.array([(1 - 2 * k) * 0.09, 0.0, 0.0])  # a palm's length from wrist to wrist's middle
        lay(motion, 1, reaching(body, motion, 1, grip, 0.4), on)
    return motions


def hug(rng: np.random.Generator, bodies: Bodies, times: np.ndarray) -> Motions:
    """Both walk up to each other, arms out, embrace, and part."""
    close = rng.uniform(0.24, 0.34)
    apart = close + rng.uniform(0.7, 1.7)
    motions = meet(rng, bodies, times, apart)
    hold, walk = rng.uniform(0.7, 1.8), rng.uniform(0.8, 1.3)
    start = clock(rng, times, walk + hold + 0.6)
    share = rng.uniform(0.3, 0.7)
    leave = rng.uniform(0.4, 1.2) * (rng.random() < 0.75)
    for k, (motion, body) in enumerate(zip(motions, bodies, strict=True)):
        way = (apart - close) * (share if k == 0 else 1 - share)
        ahead = way * ease((times - start) / walk)
        ahead -= leave * 0.5 * ease((times - start - walk - hold) / 0.9)
        motion.root[:, 2] += (0.06 if k else -0.06) * ease((times - start) / walk)
        tread(motion, body, ahead)
        gap = shoulder_gap(body, bodies[1 - k]) / body.stature
        high = 0.02 if (k == 0) == (rng.random() < 0.5) else -0.13
        on = ease((times - start - 0.3 * walk) / (0.7 * walk)) * (1 - ease((times - start - walk - hold) / 0.7))
        reach = close / body.stature + 0.08
        wide = np.interp(on, [0, 0.6, 1], [0.2, 0.17, 0.01])
        for side in (0, 1):
            level = np.full_like(times, gap + high + (0.05 if side else -0.05))
            around = np.stack([wide, np.clip(level, -0.22, 0.1), np.full_like(times, reach)], -1)
            lay(motion, side, place(body, around, -0.7), np.clip(1.6 * on, 0, 1))
        motion.spine[:, 0] += 0.12 * on
        motion.head[:, 2] += (0.35 if k else -0.35) * on
        motion.head[:, 0] += 0.15 * on
    return motions


def lunging(motion: Motion, ahead: int, on: np.ndarray, depth: float) -> None:
    """One foot far forward, the other back, the hips low between them."""
    motion.feet[:, ahead, 2] += 0.38 * depth * on
    motion.feet[:, 1 - ahead, 2] -= 0.2 * depth * on
    motion.feet[:, 1 - ahead, 3] += 0.4 * depth * on
    motion.pelvis[:, 2] += 0.14 * depth * on
    motion.pelvis[:, 1] -= 0.1 * depth * on


def _struck(rng: np.random.Generator, motion: Motion, body: Body, when: float, force: float, low: bool) -> None:
    """The other is hit at second `when`: bends, steps back, straightens."""
    t = motion.times
    on = ease((t - when) / 0.22) * (1 - ease((t - when - 0.35) / rng.uniform(0.5, 1.1)))
    sign = 1.0 if low else -1.0  # a low hit folds the trunk forward, a high one throws it back
    motion.spine[:, 0] += sign * force * rng.uniform(0.3, 0.7) * on
    motion.hips[:, 0] += sign * force * rng.uniform(0.0, 0.25) * on
    motion.spine[:, 2] += rng.normal(0, 0.25) * on
    motion.head[:, 0] += sign * 0.3 * on
    go(motion, body, when, rng.uniform(0.5, 0.9), -force * rng.uniform(0.1, 0.5))
    guard = place(body, (0.03, -0.22 if low else -0.02, 0.13), 0.2)
    raised = rng.uniform(0.3, 1.0)
    for side in (0, 1):
        lay(motion, side, guard + rng.normal(0, 0.15, 4) * np.array([1, 1, 0, 1]), raised * on)


def kick(rng: np.random.Generator, bodies: Bodies, times: np.ndarray) -> Motions:
    """One steps up and kicks the other at the height of hip or belly."""
    distance = rng.uniform(0.9, 1.15)
    apart = distance + rng.uniform(0.2, 1.0)
    motions = meet(rng, bodies, times, apart)
    k = int(rng.integers(2))
    length = rng.uniform(0.7, 1.1)
    start = clock(rng, times, length + 0.9)
    kicker, body = motions[k], bodies[k]
    go(kicker, body, start - 0.8, 0.9, apart - distance)
    go(kicker, body, start + length + 0.1, 0.9, -rng.uniform(0.1, 0.8))
    at = [start, start + 0.5 * length, start + 0.62 * length, start + 1.25 * length]
    stroke = keys(times, at, [0.0, 1.0, 1.0, 0.0])
    side = int(rng.integers(2))
    kicking(kicker, side, stroke, rng.uniform(0.55, 1.05))
    kicker.spine[:, 0] -= rng.uniform(0.1, 0.5) * stroke
    for s in (0, 1):
        out = np.array([rng.uniform(0.5, 1.5), rng.uniform(0.5, 1.6), 0.85, 0.0])
        lay(kicker, s, out, 0.8 * stroke)
    _struck(rng, motions[1 - k], bodies[1 - k], start + 0.45 * length, rng.uniform(0.6, 1.1), low=True)
    return motions


def punch(rng: np.random.Generator, bodies: Bodies, times: np.ndarray) -> Motions:
    """One lunges and hits the other's head or chest with a fist."""
    distance = rng.uniform(0.62, 0.78)
    apart = distance + rng.uniform(0.4, 1.2)
    motions = meet(rng, bodies, times, apart)
    k, side = int(rng.integers(2)), int(rng.integers(2))
    length = rng.uniform(0.45, 0.75)
    start = clock(rng, times, length + 0.9)
    motion, body = motions[k], bodies[k]
    go(motion, body, start - 0.6, 0.8, apart - distance)
    go(motion, body, start + length + 0.1, 0.9, -rng.uniform(0, 0.5))
    hit = start + 0.5 * length
    stay = rng.uniform(0.08, 0.5)
    draw = ease((times - start + 0.25) / 0.3) * (1 - ease((times - hit - stay - 0.1) / 0.5))
    out = keys(times, [start, hit, hit + stay, hit + stay + 0.5], [0.0, 1.0, 1.0, 0.0])
    level = np.clip(shoulder_gap(body, bodies[1 - k]) / body.stature + rng.uniform(-0.06, 0.1), -0.15, 0.2)
    back = place(body, (0.12, -0.05, 0.05), 0.0)
    far = place(body, (0.0, level, 0.31), 0.1)
    lay(motion, side, back + out[:, None] * (far - back), draw)
    lay(motion, 1 - side, place(body, (0.08, -0.06, 0.13), 0.4), rng.uniform(0.2, 0.9) * draw)
    motion.spread[:, side] *= 1 - draw
    motion.spine[:, 2] += (0.55 * out - 0.3 * draw) * (1 if side else -1)
    motion.spine[:, 0] += rng.uniform(0.1, 0.5) * out
    lunging(motion, 1 - side, out, rng.uniform(0.5, 1.3))
    _struck(rng, motions[1 - k], bodies[1 - k], hit - 0.03, 1.0, low=False)
    return motions


def push(rng: np.random.Generator, bodies: Bodies, times: np.ndarray) -> Motions:
    """One thrusts both hands against the other's chest; the other stumbles back."""
    distance = rng.uniform(0.55, 0.68)
    apart = distance + rng.uniform(0.5, 1.4)
    motions = meet(rng, bodies, times, apart)
    k = int(rng.integers(2))
    length = rng.uniform(0.5, 0.9)
    start = clock(rng, times, length + 0.9)
    motion, body = motions[k], bodies[k]
    hit = start + 0.6 * length
    go(motion, body, start - 0.7, 0.9, apart - distance)
    follow = rng.uniform(0.1, 0.4)
    go(motion, body, hit, 0.5, follow)
    go(motion, body, hit + 0.8, 0.9, -rng.uniform(0, 0.6))
    up = ease((times - start) / (0.5 * length)) * (1 - ease((times - hit - 0.4) / 0.6))
    out = keys(times, [start + 0.25 * length, hit + 0.15, hit + 0.4, hit + 0.9], [0.0, 1.0, 1.0, 0.0])
    level = np.clip(shoulder_gap(body, bodies[1 - k]) / body.stature + rng.uniform(-0.1, -0.02), -0.2, 0.12)
    for side in (0, 1):
        near, far = place(body, (0.08, level - 0.03, 0.13), 0.5), place(body, (0.07, level, 0.31), 0.4)
        lay(motion, side, near + out[:, None] * (far - near), up)
        motion.wrist[:, side, 1] += 1.0 * up
    motion.spine[:, 0] += rng.uniform(0.15, 0.5) * out
    lunging(motion, int(rng.integers(2)), out, rng.uniform(0.5, 1.3))
    other = motions[1 - k]
    _struck(rng, other, bodies[1 - k], hit - 0.03, 0.5, low=False)
    go(other, bodies[1 - k], hit, rng.uniform(0.7, 1.2), -rng.uniform(0.4, 1.4))
    return motions


def point(rng: np.random.Generator, bodies: Bodies, times: np.ndarray) -> Motions:
    """One points; the other stands there or, mostly, is not in the picture."""
    apart = rng.uniform(1.2, 2.2)
    motions = meet(rng, bodies, times, apart)
    k, side = int(rng.integers(2)), int(rng.integers(2))
    rise, hold = rng.uniform(0.4, 0.8), rng.uniform(0.6, 1.8)
    start = clock(rng, times, rise + hold + 0.4)
    on = keys(times, [start, start + rise, start + rise + hold, start + 1.9 * rise + hold], [0.0, 1.0, 1.0, 0.0])
    lift, where = np.clip(rng.normal(1.6, 0.18), 1.2, 2.2), rng.normal(0.1, 0.3)
    lay(motions[k], side, np.array([lift, where, rng.uniform(0.9, 0.995), rng.uniform(0, 0.8)]), on)
    motions[k].spread[:, side] *= 1 - on
    motions[k].spine[:, 2] += on * (0.1 if side else -0.1)
    if rng.random() < 0.75:
        motions[1 - k].absent = True
        motions[k].root[:, 0] += (1 - 2 * k) * (0.5 * apart - rng.uniform(0.1, 0.4))
    for motion in motions:
        motion.reach = 0.5 * apart if not motions[1 - k].absent else rng.uniform(0.35, 0.8)
    return motions
