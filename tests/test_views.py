"""From frames to a view: which frames by the clock, where they lie in the square, and in which order axes stand."""

from __future__ import annotations

import numpy as np
import pytest

from actrec.systems.views import PLAIN, Centre, Light, Paper, Placing, channels_first, newest, place, starts
from actrec.video import Clip


def numbered(frames: int, fps: float, size: tuple[int, int] = (6, 8)) -> Clip:
    """Frame t is of grey value t."""
    values = np.arange(frames, dtype=np.uint8)[:, None, None, None]
    return Clip(np.broadcast_to(values, (frames, *size, 3)).copy(), np.arange(frames) / fps)


def light(frames: int = 5, fps: float = 10.0, **options: object) -> Light:
    return Light(frames, fps, 8, lambda placed: {"clip": channels_first(placed)}, **options)


def numbers(view: dict[str, np.ndarray]) -> list[int]:
    """The frame that each frame of a view is, by the middle pixel."""
    return view["clip"][0, :, 4, 4].tolist()


def test_axes_are_channels_time_height_width():
    frames = np.zeros((2, 3, 4, 3), np.uint8)
    frames[1, 2, 3] = (10, 20, 30)  # the second frame's lower right pixel
    view = channels_first(frames)
    assert view.shape == (3, 2, 3, 4) and view[:, 1, 2, 3].tolist() == [10, 20, 30] and view.sum() == 60


def test_a_shift_moves_to_the_right_by_its_first_number_and_down_by_its_second():
    frame = np.zeros((1, 16, 16, 3), np.uint8)
    frame[0, 8, 8] = 200
    for shift, there in (((0.25, 0.0), (8, 12)), ((0.0, 0.25), (12, 8)), ((-0.25, 0.125), (10, 4))):
        moved = place(frame, 16, Placing(shift=shift))[0, ..., 0]
        assert tuple(np.unravel_index(moved.argmax(), moved.shape)) == there


def test_a_wide_frame_is_letterboxed_above_and_below():
    placed = place(np.full((1, 4, 8, 3), 90, np.uint8), 8)[0, ..., 0]
    assert placed[2:6].min() == 90 and placed[:2].max() == 0 and placed[6:].max() == 0


def test_the_newest_window_ends_with_the_newest_frame():
    assert newest(numbered(30, 10), 4, 5.0)[:, 0, 0, 0].tolist() == [23, 25, 27, 29]


def test_a_view_and_its_moments_name_the_same_frames_in_the_same_order():
    clip, order = numbered(30, 10), np.array([3, 0, 4])
    recipe = light(choose=lambda frames, rng: order)
    assert numbers(recipe.one(clip)[0]) == [28, 25, 29]
    assert recipe.moments(clip).tolist() == pytest.approx([2.8, 2.5, 2.9])


def test_windows_over_a_clip_overlap_by_half_and_reach_from_its_first_to_its_last_second():
    clip = numbered(31, 10)  # three seconds
    assert starts(clip, 1.0, 10) == pytest.approx([0, 0.5, 1, 1.5, 2])
    assert starts(clip, 1.0, 3) == pytest.approx([0, 1, 2])
    assert starts(clip, 1.0, 1) == pytest.approx([1])
    assert starts(clip, 4.0, 5) == pytest.approx([-0.5])  # a longer window has the clip in its middle


def test_training_windows_lie_anywhere_in_the_clip(monkeypatch):
    monkeypatch.setattr(Placing, "draw", classmethod(lambda cls, rng, flip=True: PLAIN))
    clip, recipe = numbered(60, 10), light()
    firsts = [numbers(recipe.training_view(clip, np.random.default_rng(seed)))[0] for seed in range(80)]
    counts = np.histogram(firsts, bins=4, range=(0, 56))[0]
    assert min(counts) >= 10  # 20 each are expected


def test_in_a_papers_test_the_crops_of_one_draw_stand_together():
    clip = numbered(20, 25, (10, 10))
    recipe = Paper(
        8, 10, lambda frames: {"clip": channels_first(frames)},
        lambda clip, count, rng: [np.array([7 * number, 7 * number + 1]) for number in range(count)],
    )  # fmt: skip
    views = recipe.tested(clip, windows=2, crops=10)
    assert [numbers(view) for view in views] == [[0, 1]] * 10 + [[7, 8]] * 10


def test_the_centre_crop_lies_in_the_middle_both_ways():
    frames = np.zeros((4, 10, 20, 3), np.uint8)
    frames[:, 4:6, 9:11] = 255
    (view,) = Centre(2, 10.0, 10, (4, 4), 1).over(Clip(frames, np.arange(4) / 10))
    assert view["clip"].shape == (3, 2, 4, 4)
    assert view["clip"][0, 0].tolist() == [[0, 0, 0, 0], [0, 255, 255, 0], [0, 255, 255, 0], [0, 0, 0, 0]]


def test_a_moment_shows_the_last_frame_that_was_there():
    assert numbered(5, 10).at(np.array([-1, 0.05, 0.1, 0.19, 0.41, 9])).frames[:, 0, 0, 0].tolist() == [
        0,
        0,
        1,
        1,
        4,
        4,
    ]
