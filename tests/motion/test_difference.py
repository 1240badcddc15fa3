"""Differences and the variance rate, with answers written out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from actrec.motion.difference import frame_difference, variance_rate


def clip_of(*levels: int) -> np.ndarray:
    """One 2×2 frame per grey level."""
    return np.array(levels, np.uint8)[:, None, None, None].repeat(2, 1).repeat(2, 2).repeat(3, 3)


def test_variance_rate_is_each_pairs_share_of_all_change():
    # Eq. 1: |20−10|, |20−20|, |50−20| = 10, 0, 30 of 40 in all.
    assert variance_rate(clip_of(10, 20, 20, 50)).tolist() == [0.25, 0.0, 0.75]


def test_darkening_counts_as_much_as_brightening():
    assert variance_rate(clip_of(0, 255, 0)).tolist() == [0.5, 0.5]


def test_variance_rate_sums_over_pixels_and_channels():
    frames = clip_of(0, 0, 0)
    frames[1:, 0, 0, 0] = 30  # pair 0: one channel of one pixel changes by 30
    frames[2:, 1, :, 2] = 45  # pair 1: one channel of two pixels changes by 45
    assert variance_rate(frames).tolist() == [30 / 120, 90 / 120]


def test_a_still_clip_has_a_uniform_variance_rate():
    assert variance_rate(clip_of(7, 7, 7, 7, 7)).tolist() == [0.25] * 4


def test_variance_rate_of_a_large_clip_loses_no_digit(rng):
    frames = rng.integers(0, 256, (4, 240, 320, 3), np.uint8)
    change = np.abs(frames[1:].astype(np.int64) - frames[:-1]).sum((1, 2, 3))
    np.testing.assert_allclose(variance_rate(frames), change / change.sum(), rtol=1e-12)


def test_frame_difference_is_absolute_and_does_not_wrap_around():
    assert frame_difference(clip_of(10, 200, 190))[:, 0, 0, 0].tolist() == [190, 10]


def test_frame_difference_over_a_distance_compares_the_frames_that_far_apart():
    # V_diff(t) = |V(t) − V(t + d)|, d = 2
    assert frame_difference(clip_of(0, 100, 5, 250, 9), distance=2)[:, 1, 1, 2].tolist() == [5, 150, 4]


@pytest.mark.parametrize("clue", [variance_rate, frame_difference])
def test_one_frame_is_refused_with_a_sentence(clue):
    with pytest.raises(ValueError, match="at least 2 frames, the clip has 1"):
        clue(clip_of(3))


def test_frames_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        variance_rate(np.zeros((3, 4, 4, 3), np.float32))
