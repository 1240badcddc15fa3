"""A video read at several moments: by hand, on a clip whose frames carry their number."""

from __future__ import annotations

import numpy as np

from actrec.data.sources import MOMENTS, SMALL, Split
from actrec.video import Clip


def numbered(frames: int, fps: float = 10.0) -> Clip:
    pixels = np.arange(frames, dtype=np.uint8)[:, None, None, None]
    return Clip(np.broadcast_to(pixels, (frames, 2, 2, 3)).copy(), np.arange(frames) / fps)


def last_frames(split: Split) -> list[int]:
    return [int(split.clip(place).frames[-1, 0, 0, 0]) for place in range(len(split))]


def test_a_long_film_is_seen_at_moments_that_overlap_by_half_and_a_short_one_at_its_end():
    videos = [numbered(41), numbered(15), numbered(31)]  # 4 s, 1.4 s and 3 s of windows of 2 s
    split = Split(np.array([0, 1, 2]), videos.__getitem__).moments(2.0)
    assert split.targets.tolist() == [0, 0, 0, 1, 2, 2]
    assert last_frames(split) == [20, 30, 40, 14, 20, 30]
    assert all(split.clip(place).times[0] == 0 for place in range(len(split)))


def test_a_very_long_film_is_seen_a_few_times_only():
    split = Split(np.array([3]), lambda _: numbered(200)).moments(2.0)
    assert split.targets.tolist() == [3] * MOMENTS
    assert last_frames(split) == [20, 79, 139, 199]


def test_a_large_set_is_judged_by_the_ends_of_its_clips():
    split = Split(np.zeros(SMALL + 1, int), lambda _: numbered(100))
    assert split.moments(2.0) is split


def test_some_of_a_split_keep_their_targets():
    some = Split(np.array([5, 6, 7]), lambda index: numbered(index + 2)).of([2, 0])
    assert some.targets.tolist() == [7, 5] and len(some.clip(0)) == 4 and len(some.clip(1)) == 2
