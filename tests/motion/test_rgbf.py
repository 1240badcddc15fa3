"""Eq. 7 on four pixels, and what the paper leaves open."""

from __future__ import annotations

import numpy as np
import pytest

from actrec.motion.rgbf import movement_confidence, movement_confidences, rgbf, weighted

# Lengths 0, 5, 10, 5 by Pythagoras' 3-4-5 triangle.
FLOW = np.array([[[[0, 0], [3, -4]], [[-6, 8], [5, 0]]]], np.float32)
GREY = np.full((1, 2, 2, 3), 200, np.uint8)


def test_rgb_is_multiplied_by_the_magnitude_scaled_within_the_frame():
    assert rgbf(GREY, FLOW)[0, ..., 0].tolist() == [[0, 100], [200, 100]]


def test_a_last_frame_without_a_flow_of_its_own_takes_the_one_before_it():
    frames = np.full((3, 1, 1, 3), 200, np.uint8)
    weights = np.array([[[0.25]], [[0.5]]], np.float32)  # of the first frame and of the second
    assert weighted(frames, weights)[:, 0, 0, 0].tolist() == [50, 100, 100]


def test_the_least_magnitude_becomes_zero_even_where_all_moves():
    # lengths 5, 6, 7, 10 → (|F| − 5) / 5
    flow = np.zeros((2, 2, 2), np.float32)
    flow[..., 0] = [[5, 6], [7, 10]]
    np.testing.assert_allclose(movement_confidence(flow), [[0, 0.2], [0.4, 1]], atol=1e-6)


# Lengths 5 6 7 / 8 9 10 / 11 13 15: minus 5, divided by 10.
NINE = np.zeros((3, 3, 2), np.float32)
NINE[..., 0] = [[3, 0, 7], [0, 9, 6], [11, 5, 9]]
NINE[..., 1] = [[4, -6, 0], [8, 0, -8], [0, 12, 12]]


def test_nine_pixels_by_hand():
    np.testing.assert_allclose(movement_confidence(NINE), [[0, 0.1, 0.2], [0.3, 0.4, 0.5], [0.6, 0.8, 1]], atol=1e-6)
    frame = np.array([[[[200, 100, 50]] * 3] * 3], np.uint8)
    shown = rgbf(frame, NINE[None])
    assert shown[0, ..., 0].tolist() == [[0, 20, 40], [60, 80, 100], [120, 160, 200]]
    assert shown[0, ..., 1].tolist() == [[0, 10, 20], [30, 40, 50], [60, 80, 100]]
    assert shown[0, ..., 2].tolist() == [[0, 5, 10], [15, 20, 25], [30, 40, 50]]


def test_a_frame_takes_its_own_flow():
    frames = np.stack([np.full((3, 3, 3), value, np.uint8) for value in (100, 200)])
    shown = rgbf(frames, np.stack([NINE, NINE[::-1]]))
    assert shown[0, 0, :, 0].tolist() == [0, 10, 20] and shown[0, 2, :, 0].tolist() == [60, 80, 100]
    assert shown[1, 0, :, 0].tolist() == [120, 160, 200] and shown[1, 2, :, 0].tolist() == [0, 20, 40]


def test_a_frame_that_hardly_moves_is_not_made_brighter():
    # Lengths 0.5, 0.51, 0.52: less than 0.05 apart, so minus 0.5 and divided by 0.05; from 0.05 on by their span.
    little, just = np.zeros((2, 1, 3, 2), np.float32)
    little[..., 0], just[..., 0] = [0.5, 0.51, 0.52], [0.5, 0.56, 0.6]
    np.testing.assert_allclose(movement_confidence(little), [[0, 0.2, 0.4]], atol=1e-4)
    np.testing.assert_allclose(movement_confidence(just), [[0, 0.6, 1]], atol=1e-4)


def test_several_frames_are_scaled_each_by_itself_and_weights_only_multiply():
    both = movement_confidences(np.stack([NINE, NINE / 2]))
    np.testing.assert_allclose(both[0], both[1], atol=1e-6)
    weights = np.array([[[0.0, 0.25, 1.0]]], np.float32)
    assert weighted(np.full((2, 1, 3, 3), 80, np.uint8), weights)[..., 0].tolist() == [[[0, 20, 80]]] * 2
    with pytest.raises(ValueError, match="do not belong"):
        weighted(np.zeros((3, 1, 3, 3), np.uint8), weights)


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
