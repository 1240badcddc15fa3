"""Eq. 7 on four pixels, and what the paper leaves open."""

from __future__ import annotations

import numpy as np
import pytest

from actrec.motion.rgbf import movement_confidence, rgbf

# Lengths 0, 5, 10, 5 by Pythagoras' 3-4-5 triangle.
FLOW = np.array([[[[0, 0], [3, -4]], [[-6, 8], [5, 0]]]], np.float32)
GREY = np.full((1, 2, 2, 3), 200, np.uint8)


def test_rgb_is_multiplied_by_the_magnitude_scaled_within_the_frame():
    assert rgbf(GREY, FLOW)[0, ..., 0].tolist() == [[0, 100], [200, 100]]


def test_the_least_magnitude_becomes_zero_even_where_all_moves():
    # lengths 5, 6, 7, 10 → (|F| − 5) / 5
    flow = np.zeros((2, 2, 2), np.float32)
    flow[..., 0] = [[5, 6], [7, 10]]
    np.testing.assert_allclose(movement_confidence(flow), [[0, 0.2], [0.4, 1]], atol=1e-6)


def test_each_frame_is_scaled_by_itself():
    flow = np.concatenate([FLOW, FLOW / 10])
    first, second = rgbf(GREY.repeat(2, 0), flow)
    assert first.tolist() == second.tolist()


def test_channels_keep_their_colour():
    frame = np.array([[[[10, 20, 30]] * 2] * 2], np.uint8)
    assert rgbf(frame, FLOW)[0, 1, 1].tolist() == [5, 10, 15]


@pytest.mark.parametrize("flow", [np.zeros_like(FLOW), np.full_like(FLOW, 3)])
def test_a_frame_in_which_all_moves_alike_is_black(flow):
    assert rgbf(GREY, flow).max() == 0


def test_noise_in_the_flow_of_a_still_frame_is_not_stretched(rng):
    noise = rng.normal(0, 0.001, (1, 2, 2, 2)).astype(np.float32)
    assert rgbf(GREY, noise).max() <= 20


def test_the_last_frame_takes_the_flow_before_it():
    found = rgbf(GREY.repeat(2, 0), FLOW)
    assert len(found) == 2 and found[0].tolist() == found[1].tolist()


def test_flow_of_another_size_is_refused():
    with pytest.raises(ValueError, match="does not belong"):
        rgbf(GREY, np.zeros((1, 2, 3, 2), np.float32))
