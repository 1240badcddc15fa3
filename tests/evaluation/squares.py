"""Squares that go right or down over noise: two classes that a short training tells apart."""

from __future__ import annotations

import numpy as np

from actrec.data.sources import Source, Split
from actrec.video import Clip


def moving(seed: int) -> Source:
    """Squares that go right or down over noise; 24 clips to learn from, 8 to be judged by."""

    def clip(index: int) -> Clip:
        rng = np.random.default_rng([seed, index])
        frames = rng.integers(0, 60, (20, 40, 40, 3), dtype=np.uint8)
        for t, frame in enumerate(frames):
            y, x = (20, t + 5) if index % 2 else (t + 5, 20)
            frame[y - 4 : y + 4, x - 4 : x + 4] = 220
        return Clip(frames, np.arange(20) / 8.0)

    def split(count: int, first: int) -> Split:
        return Split(np.arange(first, first + count) % 2, lambda place: clip(first + place))

    return Source(["down", "right"], split(24, 0), split(8, 24), "squares")
