"""The one entry for flow, and flow kept as bytes."""

from __future__ import annotations

import numpy as np
import pytest
from ground_truth import Texture

from actrec.motion.flow import METHODS, decode, encode, flow, flow_frames


def moving_texture(rng, steps: int, by: tuple[float, float], height: int = 80, width: int = 96) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(float)
    texture = Texture(rng)
    grey = [np.rint(texture(x - by[0] * t, y - by[1] * t)) for t in range(steps)]
    return np.array(grey).astype(np.uint8)[..., None].repeat(3, -1)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_says_where_pixels_go(rng, method):
    found = flow(moving_texture(rng, 3, (2.5, -1.5)), method)
    assert (found.dtype, found.shape) == (np.float32, (2, 80, 96, 2))
    for t in range(2):
        np.testing.assert_allclose(np.median(found[t, 10:-10, 10:-10], (0, 1)), [2.5, -1.5], atol=0.1)


@pytest.mark.parametrize("method", ["dis", "tvl1", "brox"])
def test_nothing_moves_in_a_still_clip(rng, method):
    assert np.abs(flow(moving_texture(rng, 2, (0, 0)), method)).max() < 0.01


@pytest.mark.parametrize("method", ["tvl1", "brox"])
def test_options_reach_the_method(rng, method):
    frames = moving_texture(rng, 2, (6, 0))
    full, one_scale = flow(frames, method), flow(frames, method, scales=1)
    assert np.median(full[..., 0]) > 5.5 > 5 > np.median(one_scale[..., 0])


@pytest.mark.parametrize("method", ["tvl1", "brox"])
def test_slow_methods_tell_how_far_they_are_and_find_the_same_in_pieces(rng, method, monkeypatch):
    frames, fractions = moving_texture(rng, 6, (1.5, 0.5), 40, 48), []
    whole = flow(frames, method)
    monkeypatch.setattr("actrec.motion.flow.PAIRS", 2)
    pieces = flow(frames, method, on_progress=fractions.append)
    assert fractions == [0.4, 0.8, 1.0]
    np.testing.assert_allclose(pieces, whole, atol=1e-3)


def test_odd_sizes_are_fine(rng):
    frames = moving_texture(rng, 2, (1, 1), 61, 47)
    for method in METHODS:
        assert np.isfinite(flow(frames, method)).all()


@pytest.mark.parametrize(
    ("frames", "method", "sentence"),
    [
        (np.zeros((1, 32, 32, 3), np.uint8), "dis", "at least 2 frames"),
        (np.zeros((2, 32, 15, 3), np.uint8), "dis", "16×16 pixels, not 15×32"),
        (np.zeros((2, 32, 32, 3), np.uint8), "raft", "dis, farneback, tvl1, brox"),
    ],
)
def test_bad_input_gets_a_sentence(frames, method, sentence):
    with pytest.raises(ValueError, match=sentence):
        flow(frames, method)


def test_bytes_of_flow_by_hand():
    # 128 + 127·f/20, cut at ±20
    given = np.array([0, 20, -20, 31, -31, 10], np.float32)
    assert encode(given).tolist() == [128, 255, 1, 255, 1, 192]  # 191.5 rounds to the even 192


def test_bytes_turn_back_into_flow_within_half_a_step():
    given = np.linspace(-20, 20, 4001, dtype=np.float32)
    assert np.abs(decode(encode(given)) - given).max() <= 20 / 254 + 1e-5
    assert decode(encode(np.zeros(1, np.float32))).tolist() == [0]
    codes = np.arange(1, 256, dtype=np.uint8)
    assert encode(decode(codes)).tolist() == codes.tolist()


def test_flow_frames_hold_horizontal_vertical_and_magnitude():
    # (3, 4) has length 5: 128 + 127·3/20 = 147.05, 128 + 127·4/20 = 153.4, 255·5/20 = 63.75
    assert flow_frames(np.array([[[[3, 4]]]], np.float32)).tolist() == [[[[147, 153, 64]]]]
    assert flow_frames(np.array([[[[-30, 0]]]], np.float32)).tolist() == [[[[1, 128, 255]]]]
