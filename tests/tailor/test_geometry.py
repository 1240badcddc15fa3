"""Eq. 7 and 8 of MS3D, written out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from actrec.people import People
from actrec.people.boxes import smooth, union, unions, widen, within
from actrec.tailor import tailor
from actrec.tailor.geometry import enhance, rings
from actrec.video import Clip

# A box of 2×1 pixels in a frame of 4×15: two rings to the left, two to the right, one above and below.
BOX = np.array([6, 1, 8, 2])
RINGS = [
    [2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2],
    [2, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 2, 2],
    [2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2],
    [2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2],
]


def test_rings_of_five_pixels_are_counted_outward_from_one():
    assert rings(4, 15, BOX).tolist() == RINGS


def test_inside_times_eta_and_outside_times_xi_to_the_ring():
    frames = np.full((1, 4, 15, 3), 80, np.uint8)
    value = {0: 120, 1: 40, 2: 20}  # 80 × 1.5, 80 × 0.5, 80 × 0.25
    expected = [[value[d] for d in row] for row in RINGS]
    for channel in range(3):
        assert enhance(frames, BOX, eta=1.5, xi=0.5)[0, :, :, channel].tolist() == expected


def test_bright_pixels_stop_at_255():
    frames = np.full((1, 4, 15, 3), 200, np.uint8)
    out = enhance(frames, BOX, eta=1.5, xi=0.5)
    assert out[0, 1, 6].tolist() == [255, 255, 255] and out[0, 0, 0].tolist() == [50, 50, 50]


def test_neutral_factors_leave_the_frames_alone(rng):
    frames = rng.integers(0, 256, (3, 9, 7, 3), dtype=np.uint8)
    assert np.array_equal(enhance(frames, BOX, eta=1, xi=1), frames)


def test_the_nearest_of_several_boxes_counts():
    both = rings(1, 20, np.array([[0, 0, 1, 1], [19, 0, 20, 1]]))
    assert both.tolist() == [[0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 0]]


def test_a_box_per_frame_moves_the_inside():
    frames = np.full((2, 1, 3, 3), 100, np.uint8)
    out = enhance(frames, np.array([[0, 0, 1, 1], [2, 0, 3, 1]]), eta=2, xi=0.5)[..., 0]
    assert out[:, 0].tolist() == [[200, 50, 50], [50, 50, 200]]


@pytest.mark.parametrize(("eta", "xi"), [(0, 0.9), (1.2, 0), (1.2, 1.1)])
def test_factors_without_meaning_are_refused(eta, xi):
    with pytest.raises(ValueError, match="η must be positive"):
        enhance(np.zeros((1, 4, 15, 3), np.uint8), BOX, eta=eta, xi=xi)


def test_union_and_margin_by_hand():
    boxes = np.array([[2, 3, 5, 9], [np.nan] * 4, [4, 1, 8, 6]])
    assert union(boxes).tolist() == [2, 1, 8, 9]
    assert np.isnan(union(np.full((2, 4), np.nan))).all()
    assert widen(np.array([10, 20, 30, 60]), 0.1).tolist() == [8, 16, 32, 64]
    assert within(np.array([-3, 4, 40, 70]), 50, 30).tolist() == [0, 4, 30, 50]
    assert np.isnan(unions([np.zeros((0, 4))])).all()


def test_smoothing_fills_gaps_and_ignores_one_wild_frame():
    boxes = np.tile([10.0, 20, 30, 40], (9, 1))
    boxes[2] = np.nan  # not seen
    boxes[6] = [0, 0, 300, 200]  # seen wrongly
    assert np.allclose(smooth(boxes), [10, 20, 30, 40])
    moving = np.arange(15.0)[:, None] + np.array([0, 0, 10, 10])
    assert np.allclose(smooth(moving)[4:-4], moving[4:-4])  # an even movement is kept
    assert np.isnan(smooth(np.full((3, 4), np.nan))).all()


def walking(count: int = 6) -> tuple[Clip, People]:
    """A clip whose columns count up, and a person of 4×6 pixels that takes two pixels per frame to the right."""
    frames = np.broadcast_to(np.arange(40, dtype=np.uint8)[None, None, :, None], (count, 20, 40, 3)).copy()
    region = np.array([[10.0 + 2 * t, 5, 14 + 2 * t, 11] for t in range(count)])
    return Clip(frames, np.arange(count) / 10), People(tuple(r[None] for r in region), region, True, "by hand")


def test_the_union_crop_is_the_same_for_all_frames():
    clip, people = walking()
    cut = tailor(clip, people=people, margin=0.5, eta=1, xi=1)
    # union 10…24 × 5…11, half of 14 and of 6 on each side: 3…31 × 2…14
    assert cut.window.tolist() == [3, 2, 31, 14]
    assert cut.boxes.tolist() == [7, 3, 21, 9]
    assert np.array_equal(cut.clip.frames, clip.frames[:, 2:14, 3:31])
    assert cut.clip.notes == ("tailored to by hand",)


def test_a_crop_per_frame_follows_the_person_at_constant_size():
    clip, people = walking()
    cut = tailor(clip, people=people, per_frame=True, margin=0.5, eta=1, xi=1)
    assert cut.clip.frames.shape[1:3] == (12, 8)
    assert cut.window[:, 0].tolist() == [8, 10, 12, 14, 16, 18]
    assert cut.clip.frames[:, 0, 0, 0].tolist() == [8, 10, 12, 14, 16, 18]
    assert cut.boxes.tolist() == [[2, 3, 6, 9]] * 6


def test_a_window_past_the_border_repeats_the_edge():
    clip, people = walking(1)
    at_edge = People(people.boxes, np.array([[0.0, 0, 4, 6]]), True, "by hand")
    cut = tailor(clip, people=at_edge, per_frame=True, margin=0.5, eta=1, xi=1)
    assert cut.clip.frames[0, 0, :, 0].tolist() == [0, 0, 0, 1, 2, 3, 4, 5]


def test_eq_7_and_8_are_applied_around_the_person():
    clip, people = walking()
    bright = Clip(np.full_like(clip.frames, 100), clip.times)
    cut = tailor(bright, people=people, margin=0.5, eta=1.5, xi=0.5)
    assert cut.clip.frames[0, 4, 8, 0] == 150 and cut.clip.frames[0, 0, 0, 0] == 25  # second ring
