"""Pictures of the clues: each colour must mean what its legend says."""

from __future__ import annotations

import numpy as np
import pytest

from actrec.figures import colour_maps


@pytest.fixture
def frame(rng) -> np.ndarray:
    return rng.integers(0, 256, (60, 80, 3), np.uint8)


def test_overlay_leaves_still_pixels_as_they_are(frame):
    assert (colour_maps.overlay(frame, np.zeros((60, 80), np.float32)) == frame).all()


def test_overlay_at_full_strength_is_the_maps_own_colour(frame):
    weight = np.zeros((60, 80), np.float32)
    weight[10:20] = 1
    found = colour_maps.overlay(frame, weight, strength=1.0)
    brightest = colour_maps.INFERNO[255, 0]
    assert np.abs(found[12:18].astype(int) - brightest).max() <= 1
    assert (found[30:] == frame[30:]).all()


def test_the_brightest_colour_is_pale_yellow_and_the_darkest_black():
    red, green, blue = colour_maps.INFERNO[255, 0].astype(int)
    assert red > 240 and green > 240 and blue < 200
    assert colour_maps.INFERNO[0, 0].max() < 10


def test_overlay_takes_a_map_of_another_size(frame):
    assert colour_maps.overlay(frame, np.ones((15, 20), np.float32)).shape == frame.shape


def test_still_pixels_are_white_in_a_flow_picture():
    assert (colour_maps.flow_picture(np.zeros((4, 5, 2), np.float32)) == 255).all()


@pytest.mark.parametrize(("to", "strong", "weak"), [((1, 0), 0, 1), ((-1, 0), 1, 0), ((0.5, 0.87), 1, 2)])
def test_the_hue_of_flow_is_its_direction(to, strong, weak):
    # right is red, left is cyan, down and a little right (60°) is yellow
    flow = np.tile(np.array(to, np.float32) * 5, (2, 2, 1))
    colour = colour_maps.flow_picture(flow, reach=5)[0, 0].astype(int)
    assert colour[strong] > 180 and colour[weak] < 90


def test_the_legend_is_the_scale_of_the_picture():
    size = 255
    legend = colour_maps.wheel_legend(5.0, size)[:size]
    for x, y in ((60, 0), (0, -80), (-40, 30)):
        flow = np.array([[[x, y]]], np.float32) * (5 / 127)
        assert np.abs(colour_maps.flow_picture(flow, 5.0)[0, 0].astype(int) - legend[127 + y, 127 + x]).max() <= 2


def test_flow_longer_than_the_rim_keeps_its_hue():
    near, far = (colour_maps.flow_picture(np.full((1, 1, 2), v, np.float32), reach=2.0) for v in (2.0, 50.0))
    assert near.tolist() == far.tolist()


def ink_columns(picture: np.ndarray, ink: tuple[int, int, int], rows: slice) -> np.ndarray:
    return np.flatnonzero((np.abs(picture[rows].astype(int) - ink).sum(2) < 12).any(0))


def test_the_curve_marks_the_frames_that_were_drawn():
    p = np.full(20, 0.05)
    height = 260
    curve = colour_maps.variance_rate_curve(p, {"slow": [5, 15]}, (400, height))
    ticks = ink_columns(curve, colour_maps.PATHWAY_INKS[0], slice(height - 60, height - 44))
    ticks = ticks[ticks > colour_maps.CURVE_LEFT]
    width = 400 - colour_maps.CURVE_LEFT - colour_maps.CURVE_RIGHT
    for frame in (5, 15):
        assert np.abs(ticks - (colour_maps.CURVE_LEFT + width * frame / 20)).min() <= 1.5
    assert len(ticks) <= 8  # two ticks of two or three columns, and nothing else in their colour


def test_the_curve_is_highest_where_most_happens():
    p = np.array([0.1, 0.1, 0.6, 0.1, 0.1])
    curve = colour_maps.variance_rate_curve(p, size=(400, 200))
    columns = np.flatnonzero(curve[33:40, colour_maps.CURVE_LEFT :].min((0, 2)) < 150)  # under the top grid line
    highest = columns.mean()
    assert highest == pytest.approx((400 - colour_maps.CURVE_LEFT - colour_maps.CURVE_RIGHT) * 3 / 5, abs=6)


@pytest.mark.parametrize("pairs", [1, 2, 3000])
def test_the_curve_of_short_and_long_clips_can_be_drawn(pairs):
    assert colour_maps.variance_rate_curve(np.full(pairs, 1 / pairs)).shape == (260, 640, 3)


def test_rgbf_rows_show_three_rows_of_as_many_moments(rng):
    frames = rng.integers(0, 256, (4, 30, 40, 3), np.uint8)
    flow = np.zeros((3, 30, 40, 2), np.float32)
    assert colour_maps.rgbf_rows(frames, flow, frames).shape == (90, 120, 3)
    assert colour_maps.rgbf_rows(frames, flow, frames, columns=2).shape == (90, 80, 3)


def test_a_legend_hides_nothing(frame):
    out = colour_maps.with_legend(frame, colour_maps.heat_legend())
    assert (out[:60, :80] == frame).all()


def test_faint_differences_are_shown_brighter_and_strong_ones_as_they_are():
    assert colour_maps.difference_gain(np.full((1, 10, 10, 3), 51, np.uint8)) == 5
    assert colour_maps.difference_gain(np.full((1, 10, 10, 3), 1, np.uint8)) == 8
    assert colour_maps.difference_gain(np.full((1, 10, 10, 3), 255, np.uint8)) == 1
