"""How movements run in time: eased strokes, repetitions with pauses, and the sway of a body that stands."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def ease(u: np.ndarray) -> np.ndarray:
    """Minimum jerk from 0 to 1, the speed profile of human reaching (Flash and Hogan, 1985)."""
    u = np.clip(u, 0.0, 1.0)
    return u * u * u * (10 + u * (6 * u - 15))


def keys(times: np.ndarray, at: ArrayLike, values: ArrayLike) -> np.ndarray:
    """Values [K, ...] held at the seconds `at`, eased from each to the next, constant outside."""
    at, values = np.asarray(at, dtype=np.float64), np.asarray(values, dtype=np.float64)
    i = np.clip(np.searchsorted(at, times, side="right") - 1, 0, len(at) - 2)
    u = ease((times - at[i]) / np.maximum(at[i + 1] - at[i], 1e-6))
    u = u.reshape(u.shape + (1,) * (values.ndim - 1))
    return values[i] * (1 - u) + values[i + 1] * u


def wander(rng: np.random.Generator, times: np.ndarray, amplitude: float, low: float, high: float) -> np.ndarray:
    """A smooth aimless signal [T]: five waves between `low` and `high` Hz with random phases."""
    f = np.exp(rng.uniform(np.log(low), np.log(high), 5))
    phase = rng.uniform(0, 2 * np.pi, 5)
    weight = rng.uniform(0.3, 1.0, 5) / np.sqrt(f / low)
    wave = np.sin(2 * np.pi * f[:, None] * times + phase[:, None])
    return amplitude * (weight[:, None] * wave).sum(0) / np.sqrt((weight**2).sum() / 2)


def strokes(
    rng: np.random.Generator, duration: float, period: float, *, jitter: float = 0.12, pause: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and heights (0, 1, 0, 1, …) of a repeated movement that covers the whole clip.

    A period is one way and back. Every stroke has its own length and height, now and then a pause at rest.
    """
    at, height = [-rng.uniform(0, period) - 0.01], [0.0]
    share = rng.uniform(0.42, 0.58)  # of a period spent on the way out
    while at[-1] < duration:
        for value, part in ((1.0, share), (0.0, 1 - share)):
            at.append(at[-1] + period * part * np.exp(rng.normal(0, jitter)))
            height.append(value * np.clip(rng.normal(1.0, 0.6 * jitter), 0.6, 1.15))
        if rng.random() < pause:
            at.append(at[-1] + rng.uniform(0.1, 0.6))
            height.append(0.0)
    return np.array(at), np.array(height)


def active(rng: np.random.Generator, times: np.ndarray, rise: float) -> np.ndarray:
    """How far a sustained action is on, [T] from 0 to 1: mostly throughout, or begun or ended in the clip."""
    duration = times[-1] - times[0]
    kind = rng.random()
    if kind < 0.5:
        return np.ones_like(times)
    edge = rng.uniform(0.05, 0.45) * duration
    if kind < 0.75:
        return ease((times - edge) / rise)
    if kind < 0.9:
        return 1 - ease((times - (duration - edge)) / rise)
    first, last = np.sort(rng.uniform([0.05, 0.6], [0.3, 0.95])) * duration
    return ease((times - first) / rise) * (1 - ease((times - last) / rise))


def bouts(
    rng: np.random.Generator, duration: float, rise: float, hold: float, fall: float, rest: float
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and heights of a movement out, held, back and at rest, again and again through the clip.

    The first way out begins somewhere before the clip or early in it, so that every clip shows one.
    """
    early = rng.uniform(-0.8 * (rise + hold), max(0.1, min(0.45 * duration, duration - 1.3 * rise)))
    at, height = [early - 0.01, early], [0.0, 0.0]
    while at[-1] < duration:
        for value, length in ((1.0, rise), (1.0, hold), (0.0, fall), (0.0, rest)):
            at.append(at[-1] + length * np.exp(rng.normal(0, 0.12)))
            height.append(value)
    return np.array(at), np.array(height)
