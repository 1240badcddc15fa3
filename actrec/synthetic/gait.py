"""Walking, jogging and running: across the view, to and from the camera, and on the spot.

Feet that stand stay where they are: in the root's frame they move back at the speed at which the root moves on.
"""

from __future__ import annotations

import numpy as np

from actrec.synthetic.posture import base, lay, place
from actrec.synthetic.skeleton import Body, Motion
from actrec.synthetic.timing import ease, wander


def step(motion: Motion, phase: np.ndarray, half: np.ndarray, *, stance: float, lift: float, flick: float) -> None:
    """Feet [T, 2] from the phase of the gait in cycles; `half` is half the step in leg lengths, [T]."""
    for side in (0, 1):
        u = (phase + 0.5 * side) % 1.0
        standing = u < stance
        swing = np.clip((u - stance) / (1 - stance), 0, 1)
        ahead = np.where(standing, half * (1 - 2 * u / stance), half * (2 * ease(swing) - 1))
        rise = np.where(standing, 0.0, np.sin(np.pi * swing) ** 1.2)
        early = np.where(standing, 0.0, np.sin(np.pi * np.clip(1.6 * swing, 0, 1)))
        strength = np.clip(np.abs(half) / 0.12 + 0.15, 0, 1)
        motion.feet[:, side, 2] += ahead - flick * early * strength
        motion.feet[:, side, 1] += (lift * rise + 0.7 * flick * early) * strength
        toe_off = np.where(standing, ease((u / stance - 0.75) / 0.25), 1 - ease(swing / 0.6))
        motion.feet[:, side, 3] += (0.7 * toe_off - 0.25 * np.where(standing, 0, ease((swing - 0.6) / 0.4))) * strength
        motion.feet[:, side, 1] += 0.05 * toe_off * strength


def carry(motion: Motion, phase: np.ndarray, body: Body, amount: np.ndarray, bent: float) -> None:
    """Arms that swing against the legs; `bent` 0 hangs, 1 is a runner's right angle."""
    for side in (0, 1):
        swing = -np.cos(2 * np.pi * (phase + 0.5 * side)) * amount
        down = -0.305 + 0.16 * bent + 0.05 * bent * swing
        ahead = 0.02 + 0.09 * bent + (0.15 - 0.02 * bent) * swing
        out = np.full_like(swing, 0.135 - 0.015 * bent)
        lay(motion, side, place(body, np.stack([out, down, ahead], -1), 0.3 * bent))


def gait(
    rng: np.random.Generator, motion: Motion, body: Body, speed: np.ndarray, rate: float, *, kind: str, marching: bool
) -> None:
    """Set feet, hips, trunk and arms for a speed [T] in m/s and a rate in cycles per second."""
    t = motion.times
    stance, lift, flick, bent = {
        "walk": (0.6, 0.05, 0.05, rng.uniform(0.0, 0.5)),
        "jog": (0.42, 0.08, 0.17, 0.85),
        "run": (0.34, 0.13, 0.3, 1.0),
    }[kind]
    dt = np.gradient(t)
    wobble = rate * (1 + wander(rng, t, 0.03, 0.2, 0.8))
    pace = np.clip(np.abs(speed) / max(np.abs(speed).max(), 0.3), 0.0, 1) if not marching else np.ones_like(t)
    phase = np.cumsum(wobble * np.sqrt(pace) * dt) + rng.uniform(0, 1)
    half = 0.5 * speed * stance / rate / body.leg * np.sqrt(pace)
    if marching:
        half = np.full_like(t, rng.uniform(0.02, 0.12))
        lift += rng.uniform(0.04, 0.25)
    motion.feet[:, :, 2] *= 0.3
    motion.feet[:, :, 0] = rng.uniform(-0.05, 0.02)
    step(motion, phase, half, stance=stance, lift=lift, flick=flick * rng.uniform(0.6, 1.2))
    lean = {"walk": 0.05, "jog": 0.14, "run": 0.24}[kind] * rng.uniform(0.3, 1.7)
    wave = np.cos(4 * np.pi * (phase - 0.5 * stance))
    flight = 0.0 if kind == "walk" else 0.05
    on = np.clip(np.abs(half) / 0.1, 0, 1)
    motion.pelvis[:, 1] += on * (
        -0.015 - 0.12 * np.abs(half) ** 2 * (kind == "walk") - (0.012 + flight) * wave - 0.3 * flight
    )
    motion.pelvis[:, 0] += on * 0.03 * np.cos(2 * np.pi * (phase - 0.3))
    twist = on * np.cos(2 * np.pi * phase)
    motion.hips[:, 2] += 0.1 * twist
    motion.spine[:, 2] -= 0.2 * twist
    motion.spine[:, 0] += lean * (0.3 if marching else 1.0)
    motion.hips[:, 0] += 0.5 * lean * (not marching)
    if motion.held == "":
        strength = rng.uniform(0.5, 1.6) if kind == "walk" else rng.uniform(0.8, 1.2)
        carry(motion, phase, body, on * strength, bent * rng.uniform(0.85, 1.05))


def _route(rng: np.random.Generator, motion: Motion, speed: float) -> np.ndarray:
    """Root and heading of a way past, towards or away from the camera; the speed [T] along it."""
    t = motion.times
    way = rng.random()
    centre = rng.uniform(0.35, 0.65) * t[-1]
    v = speed * (1 + wander(rng, t, 0.04, 0.1, 0.5))
    if way < 0.7:  # across the view
        heading = rng.choice((-1, 1)) * (np.pi / 2 + rng.normal(0, 0.25))
    elif way < 0.88:  # towards the camera
        heading = rng.normal(0, 0.25)
        centre = rng.uniform(0.8, 1.1) * t[-1]
    else:
        heading = np.pi + rng.normal(0, 0.25)
        centre = rng.uniform(-0.1, 0.2) * t[-1]
    travelled = np.cumsum(v * np.gradient(t))
    travelled -= np.interp(centre, t, travelled) if 0 <= centre <= t[-1] else travelled[0] + speed * centre
    motion.heading[:] = heading + wander(rng, t, 0.05, 0.1, 0.4)
    path = np.stack([np.sin(heading) * travelled, 0 * travelled, np.cos(heading) * travelled], -1)
    if way < 0.25:  # the camera follows
        motion.glide[:] = path
    else:
        motion.root[:] = path
        motion.reach = float(min(0.4 * abs(np.ptp(path[:, 0])), rng.uniform(1.2, 4.0)))
    return v


def going(rng: np.random.Generator, body: Body, times: np.ndarray, kind: str) -> Motion:
    """One of the three gaits."""
    motion = base(rng, body, times, False, plain=1.0)
    size = np.sqrt(body.leg / 0.84)  # by Froude number, short legs go slower
    speed, rate = {
        "walk": (rng.uniform(0.8, 1.7), rng.uniform(0.8, 1.05)),
        "jog": (rng.uniform(1.9, 2.8), rng.uniform(1.25, 1.45)),
        "run": (rng.uniform(3.3, 5.2), rng.uniform(1.4, 1.7)),
    }[kind]
    speed *= size
    rate *= (speed / size / {"walk": 1.25, "jog": 2.3, "run": 4.2}[kind]) ** 0.4
    marching = rng.random() < 0.3
    v = np.zeros_like(times) if marching else _route(rng, motion, speed)
    if marching:
        motion.heading[:] = rng.choice((0.0, rng.uniform(-np.pi, np.pi))) + rng.normal(0, 0.2)
    gait(rng, motion, body, v if not marching else np.full_like(times, speed), rate, kind=kind, marching=marching)
    return motion


def walk(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """Walking at 0.8 to 1.7 m/s."""
    return going(rng, body, times, "walk")


def jog(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """Jogging at 1.9 to 2.8 m/s."""
    return going(rng, body, times, "jog")


def run(rng: np.random.Generator, body: Body, times: np.ndarray, seated: bool) -> Motion:
    """Running at 3.3 to 5.2 m/s."""
    return going(rng, body, times, "run")
