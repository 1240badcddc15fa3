"""Which frames and which pixels: written out by hand where the numbers are small, in bounds where they are drawn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from actrec import sampling
from actrec.sampling import Crop

MAKERS = {
    "pathways": lambda rng: np.concatenate(sampling.pathways(np.arange(60.0), rng)),
    "segments": lambda rng: sampling.segments(100, 8, rng),
    "adjacent": lambda rng: sampling.segments(100, 8, rng, adjacent=True),
    "strided_pairs": lambda rng: sampling.strided_pairs(100, 5, rng),
    "dense_windows": lambda rng: sampling.dense_windows(200, 16, 4, rng),
    "crops": lambda rng: np.array(
        [
            [c.top, c.left, c.height, c.width, c.flip]
            for _ in range(8)
            for c in (
                sampling.random_crop(128, 171, 112, rng),
                sampling.corner_crop(128, 171, 112, rng),
                sampling.jittered_crop(256, 340, rng),
            )
        ]
    ),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_the_same_seed_draws_the_same_and_another_seed_something_else(make):
    first, again, other = (make(np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_sampling_needs_numpy_alone():
    root = Path(__file__).resolve().parents[1]
    code = "import actrec.sampling, sys; print([m for m in ('torch', 'av', 'cv2', 'gradio') if m in sys.modules])"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert child.stdout.strip() == "[]", child.stderr


# MS3D, eq. 1 ---------------------------------------------------------------------------------------------------


def test_three_pathways_of_7_17_and_25_frames_in_time_order(rng):
    drawn = sampling.pathways(np.full(99, 1 / 99), rng)
    assert [len(p) for p in drawn] == [7, 17, 25]
    for frames in drawn:
        assert np.all(np.diff(frames) > 0) and frames.min() >= 1 and frames.max() <= 99


def test_drawing_a_pair_takes_its_later_frame(rng):
    p = np.zeros(10)
    p[[2, 5, 6]] = 0.2, 0.3, 0.5
    assert sampling.pathways(p, rng, (3,))[0].tolist() == [3, 6, 7]
    assert sampling.pathways(p, rng, (3,), later=False)[0].tolist() == [2, 5, 6]


def test_every_pair_that_moves_is_drawn_before_one_is_drawn_twice(rng):
    p = np.zeros(40)
    p[10:14] = 0.7, 0.1, 0.1, 0.1
    for _ in range(20):
        (frames,) = sampling.pathways(p, rng, (7,))
        assert len(frames) == 7 and set(frames) == {11, 12, 13, 14}


def test_pairs_are_drawn_as_often_as_the_variance_rate_says(rng):
    p = np.array([0.5, 0.3, 0.15, 0.05])
    drawn = [sampling.pathways(p, rng, (1,), later=False)[0][0] for _ in range(4000)]
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 4000, p, atol=0.03)


def test_pathways_are_drawn_independently(rng):
    slow, mid, fast = sampling.pathways(np.full(199, 1 / 199), rng)
    assert not set(slow) <= set(mid) or not set(mid) <= set(fast)


def test_where_nothing_moves_all_pairs_are_alike(rng):
    counts = np.zeros(9)
    for _ in range(600):
        counts[sampling.pathways(np.zeros(8), rng, (3,))[0]] += 1
    assert counts[0] == 0
    np.testing.assert_allclose(counts[1:] / 600, 3 / 8, atol=0.07)


def test_a_single_frame_fills_every_pathway_and_nonsense_is_refused(rng):
    assert [p.tolist() for p in sampling.pathways(np.zeros(0), rng, (2, 3))] == [[0, 0], [0, 0, 0]]
    for bad in ([0.5, np.nan], [0.5, -0.1], [[0.5, 0.5]]):
        with pytest.raises(ValueError, match="variance rate"):
            sampling.pathways(np.array(bad), rng)


# MDT-Net, training phase -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [80, 81, 100, 133, 400])
@pytest.mark.parametrize("adjacent", [False, True])
def test_five_frames_lie_in_each_of_t_equal_segments(rng, count, adjacent):
    for _ in range(10):
        drawn = sampling.segments(count, 8, rng, adjacent=adjacent)
        assert drawn.shape == (8, 5) and np.all(np.diff(drawn, axis=1) > 0)
        edges = np.arange(9) * count // 8
        assert np.all(drawn >= edges[:-1, None]) and np.all(drawn < edges[1:, None])
        if adjacent:
            assert np.all(np.diff(drawn, axis=1) == 1)


def test_without_a_generator_segments_are_spread_evenly():
    assert sampling.segments(20, 2).tolist() == [[1, 3, 5, 7, 9], [11, 13, 15, 17, 19]]
    assert sampling.segments(20, 2, adjacent=True).tolist() == [[2, 3, 4, 5, 6], [12, 13, 14, 15, 16]]
    assert sampling.segments(20, 2)[:, sampling.KEY_FRAME].tolist() == [7, 17]  # the 4th


def test_short_segments_repeat_frames_and_few_frames_repeat_segments(rng):
    for count in (1, 3, 8, 20):
        drawn = sampling.segments(count, 8, rng)
        assert drawn.shape == (8, 5) and drawn.min() >= 0 and drawn.max() < count
        assert np.all(np.diff(drawn, axis=1) >= 0) and np.all(np.diff(drawn[:, 0]) >= 0)
        assert set(drawn.ravel()) == set(range(count))  # with so few, every frame is seen


def test_every_frame_of_a_segment_can_be_drawn(rng):
    seen = np.unique(np.concatenate([sampling.segments(50, 5, rng).ravel() for _ in range(60)]))
    assert seen.tolist() == list(range(50))


# FstCN, sec. 2.2 -------------------------------------------------------------------------------------------------


def test_a_pair_spans_30_frames_with_the_papers_numbers():
    assert sampling.pair_span() == 30
    (pair,) = sampling.strided_pairs(30, pairs=1)
    assert pair.tolist() == [[0, 5, 10, 15, 20], [9, 14, 19, 24, 29]]


def test_both_clips_of_a_pair_share_one_index_set(rng):
    drawn = sampling.strided_pairs(100, 5, rng)
    assert drawn.shape == (5, 2, 5) and drawn.min() >= 0 and drawn.max() <= 99
    assert np.all(drawn[:, 1] - drawn[:, 0] == 9) and np.all(np.diff(drawn, axis=2) == 5)


def test_test_pairs_reach_from_the_first_frame_to_the_last():
    drawn = sampling.strided_pairs(90, 5)
    assert drawn[:, 0, 0].tolist() == [0, 15, 30, 45, 60] and drawn.max() == 89


# dense windows ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [16, 64])
def test_dense_windows_are_neighbouring_frames_inside_the_video(rng, length):
    drawn = sampling.dense_windows(300, length, 50, rng)
    assert drawn.shape == (50, length) and np.all(np.diff(drawn, axis=1) == 1)
    assert drawn.min() >= 0 and drawn.max() <= 299 and len(np.unique(drawn[:, 0])) > 30


def test_25_test_clips_start_at_equal_intervals():
    starts = sampling.dense_windows(16 + 240, 16, 25)[:, 0]
    assert starts.tolist() == list(range(0, 241, 10))
    assert sampling.dense_windows(20, 16)[0].tolist() == list(range(2, 18))  # one: the middle


def test_a_video_shorter_than_the_window_starts_again(rng):
    assert sampling.dense_windows(3, 8, rng=rng).tolist() == [[0, 1, 2, 0, 1, 2, 0, 1]]
    assert sampling.dense_windows(1, 4).tolist() == [[0, 0, 0, 0]]
    short = sampling.strided_pairs(12, 2, rng)
    assert short.min() >= 0 and short.max() <= 11


def test_an_empty_video_is_refused():
    with pytest.raises(ValueError, match="at least"):
        sampling.dense_windows(0, 16)


# crops -----------------------------------------------------------------------------------------------------------

# A frame whose pixel says where it was: channel 0 the row, channel 1 the column.
PLACES = np.stack([*np.mgrid[:6, :8], np.zeros((6, 8), int)], axis=-1).astype(np.uint8)
CLIP = np.stack([PLACES, PLACES + 100])


def test_a_crop_treats_all_frames_alike():
    out = Crop(1, 2, 3, 4).of(CLIP)
    assert out.shape == (2, 3, 4, 3)
    assert out[0, 0, 0].tolist() == [1, 2, 0] and out[0, -1, -1].tolist() == [3, 5, 0]
    np.testing.assert_array_equal(out[1] - out[0], 100)


def test_a_flip_mirrors_left_and_right_and_turns_flow_round():
    out = Crop(0, 0, 6, 8, flip=True).of(CLIP)
    assert out[0, 2, :, 1].tolist() == [7, 6, 5, 4, 3, 2, 1, 0] and out[0, :, 3, 0].tolist() == [0, 1, 2, 3, 4, 5]
    flow = np.zeros((1, 6, 8, 2), np.float32)
    flow[0, 2, 0] = 3, -1
    assert Crop(0, 0, 6, 8, flip=True).of_flow(flow)[0, 2, 7].tolist() == [-3, -1]
    assert Crop(0, 0, 6, 8).of_flow(flow)[0, 2, 0].tolist() == [3, -1]


def test_a_crop_outside_of_the_frame_is_refused():
    with pytest.raises(ValueError, match="reaches out"):
        Crop(4, 0, 3, 3).of(CLIP)
    with pytest.raises(ValueError, match="resize first"):
        sampling.test_crops(100, 300, 112, 10)


def test_ten_crops_are_corners_and_centre_then_the_same_mirrored():
    crops = sampling.test_crops(128, 171, 112, 10)
    places = [(c.top, c.left) for c in crops]
    assert places[:5] == [(0, 0), (0, 59), (16, 0), (16, 59), (8, 29)]
    assert places[5:] == places[:5] and [c.flip for c in crops] == [False] * 5 + [True] * 5
    assert {(c.height, c.width) for c in crops} == {(112, 112)}


def test_eighteen_crops_are_nine_places_from_top_left_to_bottom_right():
    crops = sampling.test_crops(240, 320, 204, 18)
    assert [(c.top, c.left) for c in crops[:9]] == [(y, x) for y in (0, 18, 36) for x in (0, 58, 116)]
    assert [c.flip for c in crops] == [False] * 9 + [True] * 9


def test_three_crops_run_along_the_longer_side():
    assert [(c.top, c.left) for c in sampling.test_crops(256, 340, 256, 3)] == [(0, 0), (0, 42), (0, 84)]
    assert [(c.top, c.left) for c in sampling.test_crops(340, 256, 224, 3)] == [(0, 16), (58, 16), (116, 16)]
    assert sampling.test_crops(256, 340, 224, 1) == [Crop(16, 58, 224, 224)]
    with pytest.raises(ValueError, match="1, 3, 10 or 18"):
        sampling.test_crops(256, 340, 224, 5)


def test_random_crops_reach_every_place_and_both_sides(rng):
    crops = [sampling.random_crop(10, 12, 8, rng) for _ in range(300)]
    assert {(c.top, c.left) for c in crops} == {(y, x) for y in range(3) for x in range(5)}
    assert {c.flip for c in crops} == {False, True}
    assert not any(sampling.random_crop(10, 12, 8, rng, flip=False).flip for _ in range(20))
    corners = {(c.top, c.left) for c in (sampling.corner_crop(10, 12, 8, rng) for _ in range(100))}
    assert corners == {(0, 0), (0, 4), (2, 0), (2, 4), (1, 2)}


def test_scale_jitter_draws_shares_of_the_short_side_at_most_one_step_apart(rng):
    crops = [sampling.jittered_crop(256, 340, rng) for _ in range(400)]
    sides = [256, 224, 192, 169]
    for crop in crops:
        assert abs(sides.index(crop.height) - sides.index(crop.width)) <= 1
        assert crop.top + crop.height <= 256 and crop.left + crop.width <= 340
    assert {c.height for c in crops} == set(sides) and len({(c.height, c.width) for c in crops}) == 10


def test_resizing_keeps_a_flat_picture_flat_and_averages_areas():
    flat = np.full((2, 9, 7, 3), 77, np.uint8)
    assert np.all(sampling.resize(flat, 4, 13) == 77)
    checks = np.zeros((4, 4, 3), np.uint8)
    checks[::2, ::2] = 200
    assert np.all(sampling.resize(checks, 2, 2) == 50)
    assert sampling.resize(flat[..., :1], 3, 3).shape == (2, 3, 3, 1)


def test_short_side_keeps_proportions():
    assert sampling.short_side(np.zeros((2, 240, 320, 3), np.uint8), 128).shape == (2, 128, 171, 3)
    assert sampling.short_side(np.zeros((320, 240, 3), np.uint8), 128).shape == (171, 128, 3)


def test_a_letterboxed_frame_is_whole_and_its_boxes_find_their_way_back():
    frames = np.full((2, 30, 60, 3), 9, np.uint8)
    square, place = sampling.letterbox(frames, 40, fill=1)
    assert square.shape == (2, 40, 40, 3)
    assert np.all(square[:, 10:30] == 9) and np.all(square[:, :10] == 1) and np.all(square[:, 30:] == 1)
    assert place.back(np.array([0, 10, 40, 30])).tolist() == [0, 0, 60, 30]
