"""Choosing frames: every function returns frame numbers, for `clip.frames[...]`.

With a generator the draw is the training's; without one (None) it is the test's: the same for every call, spread
evenly. A video shorter than a window is extended by `extend`: it starts again from its first frame, as Carreira
and Zisserman do for I3D.
"""

from __future__ import annotations

import numpy as np

from actrec.core.errors import BadValue

PATHWAYS = (7, 17, 25)  # slow, mid, fast (MS3D, sec. IV-B)
KEY_FRAME = 3  # the 4th of the 5 frames of a segment (MDT-Net, training phase)


def extend(index: np.ndarray, count: int) -> np.ndarray:
    """Frame numbers beyond the end of a video of `count` frames, brought back inside it."""
    return np.asarray(index, dtype=np.int64) % count


def pathways(
    variance_rate: np.ndarray,
    rng: np.random.Generator,
    counts: tuple[int, ...] = PATHWAYS,
    *,
    later: bool = True,
) -> tuple[np.ndarray, ...]:
    """Frames drawn by p(z) for each pathway on its own, in time order (MS3D, eq. 1 and sec. III-A).

    `variance_rate` is p(z) over the n−1 neighbouring pairs; drawing pair z takes frame z+1 (z with
    `later=False`). No pair is drawn twice before every pair that moves has been drawn; where nothing moves all
    pairs are alike.
    """
    p = np.asarray(variance_rate, dtype=np.float64)
    if p.ndim != 1 or not np.all(np.isfinite(p)) or np.any(p < 0):
        raise BadValue("the variance rate is one finite number of at least 0 per neighbouring pair of frames")
    if len(p) == 0:
        return tuple(np.zeros(count, dtype=np.int64) for count in counts)
    p = p / p.sum() if p.sum() > 0 else np.full(len(p), 1.0 / len(p))
    return tuple(np.sort(_draw(p, count, rng)) + later for count in counts)


def _draw(p: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    moving = np.flatnonzero(p)
    if count <= len(moving):
        return rng.choice(len(p), size=count, replace=False, p=p)
    return np.concatenate([moving, rng.choice(len(p), size=count - len(moving), p=p)])


def segments(
    count: int, t: int, rng: np.random.Generator | None = None, *, frames: int = 5, adjacent: bool = False
) -> np.ndarray:
    """`[t, frames]`: frames drawn in time order in each of t segments of equal length (MDT-Net, training phase).

    They are drawn at random within their segment (evenly without a generator); with `adjacent` they are
    neighbours and only the first is drawn. Frame `KEY_FRAME` of each row is its key frame. A segment of fewer
    frames repeats some; a video of fewer frames than segments repeats segments.
    """
    _positive(count=count, t=t, frames=frames)
    first = np.arange(t) * count // t
    last = np.maximum(np.append(first[1:], count), first + 1)
    return np.stack([_within(int(a), int(b), frames, rng, adjacent) for a, b in zip(first, last, strict=True)])


def _within(first: int, last: int, frames: int, rng: np.random.Generator | None, adjacent: bool) -> np.ndarray:
    length = last - first
    if adjacent and length >= frames:
        spare = length - frames
        start = spare // 2 if rng is None else rng.integers(spare + 1)
        return first + start + np.arange(frames)
    if rng is None:
        return first + ((np.arange(frames) + 0.5) * length / frames).astype(np.int64)
    if length >= frames:
        return first + np.sort(rng.choice(length, size=frames, replace=False))
    repeated = np.concatenate([np.arange(length), rng.integers(length, size=frames - length)])
    return first + np.sort(repeated)


def pair_span(length: int = 5, stride: int = 5, distance: int = 9) -> int:
    """Frames of the video that one pair of clips reaches over: 30 with the paper's numbers (FstCN, sec. 3)."""
    return (length - 1) * stride + distance + 1


def strided_pairs(
    count: int,
    pairs: int = 5,
    rng: np.random.Generator | None = None,
    *,
    length: int = 5,
    stride: int = 5,
    distance: int = 9,
) -> np.ndarray:
    """`[pairs, 2, length]`: frames i of V, and the frames i + d_t that V_diff(i) = |V(i) − V(i+d_t)| also needs.

    One index set serves both clips of a pair (FstCN, sec. 2.2). Starts are random, or evenly spaced from the
    first frame to the last possible one.
    """
    _positive(count=count, pairs=pairs, length=length, stride=stride, distance=distance)
    starts = _starts(count, pair_span(length, stride, distance), pairs, rng)
    own = starts[:, None] + stride * np.arange(length)
    return extend(np.stack([own, own + distance], axis=1), count)


def dense_windows(
    count: int,
    length: int,
    windows: int = 1,
    rng: np.random.Generator | None = None,
    *,
    stride: int = 1,
) -> np.ndarray:
    """`[windows, length]`: neighbouring frames, 16 (Asymmetric 3D-CNN) or 64 (Cross-enhancement) at a time.

    Without a generator the windows start at equal intervals over the whole video; a single one is the middle.
    """
    _positive(count=count, length=length, windows=windows, stride=stride)
    starts = _starts(count, (length - 1) * stride + 1, windows, rng)
    return extend(starts[:, None] + stride * np.arange(length), count)


def _starts(count: int, span: int, number: int, rng: np.random.Generator | None) -> np.ndarray:
    last = max(0, count - span)
    if rng is not None:
        return np.sort(rng.integers(last + 1, size=number))
    if number == 1:
        return np.array([last // 2], dtype=np.int64)
    return np.round(np.linspace(0, last, number)).astype(np.int64)


def _positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise BadValue(f"{name} is at least 1, not {number}")
