"""Figures on motion and on the tailor: a pixel's course, salience under its settings, four flows, boxes and rings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actrec.explain import moments, pixel, tailoring
from actrec.explain.motion_clues import all_clues
from actrec.people.find import People
from actrec.video import Clip
from actrec.video.read import read_clip

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def clip() -> Clip:
    return read_clip(ROOT / "assets" / "examples" / "wave.mp4", short_side=96, stop=2.0)


def blinking(frames: int = 20, cycles: float = 5) -> np.ndarray:
    """Grey 100 plus 50 times a cosine, the same in every pixel."""
    values = 100 + 50 * np.cos(2 * np.pi * cycles * np.arange(frames) / frames)
    return np.rint(values).astype(np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2).repeat(3, 3)


def test_a_blinking_pixel_has_one_frequency_and_loses_its_constant_part():
    found = pixel.course(blinking(), 2, 3, cutoff=1)
    assert found.removed == pytest.approx(np.full(20, found.signal.mean()), abs=1e-3)
    assert found.left == pytest.approx(found.signal - found.signal.mean(), abs=1e-3)
    assert found.amplitude[5] == pytest.approx(50, abs=0.5) and int(found.left_amplitude.argmax()) == 5
    beyond = pixel.course(blinking(), 2, 3, cutoff=6)
    assert np.abs(beyond.left).max() < 1  # only rounding is left above the fifth frequency
    level = pixel.course(blinking(), 2, 3, cutoff=1, variant="phase")
    assert abs(level.left).max() < abs(found.left).max()


def test_a_pixel_or_a_cutoff_that_is_not_there_is_refused_in_words():
    for row, column, cutoff, said in ((9, 0, 1, "no pixel"), (0, 0, 15, "cut-off")):
        with pytest.raises(ValueError, match=said):
            pixel.shown(blinking(), np.arange(20.0), row, column, cutoff)
    still = np.full((20, 8, 8, 3), 90, np.uint8)
    assert "never changes" in pixel.shown(still, np.arange(20.0), 1, 1, 1).sentence


def test_salience_follows_its_settings(clip):
    full, half, none = (moments.tuned(clip, strength=share).numbers["kept"] for share in (1.0, 0.5, 0.0))
    assert none == pytest.approx(1) and full < half < none
    wide = moments.tuned(clip, smoothing=6.0).numbers["salient"]
    assert wide != moments.tuned(clip, smoothing=0.0).numbers["salient"]
    still = Clip(np.repeat(clip.frames[:1], 20, 0), np.arange(20) / 10)
    assert "Nothing changes" in moments.tuned(still).sentence


def test_flows_of_one_pair_agree_and_are_timed(clip):
    found = moments.flows(clip, 0.5).numbers
    assert (
        set(found["milliseconds"]) == {"dis", "farneback", "tvl1", "brox"} and min(found["milliseconds"].values()) > 0
    )
    lengths = list(found["lengths"].values())
    assert max(lengths) - min(lengths) < 1.0
    with pytest.raises(ValueError, match="one frame"):
        moments.flows(Clip(clip.frames[:1], clip.times[:1]))


def test_all_rows_show_the_same_moment(clip):
    short = Clip(clip.frames[:20], clip.times[:20])
    clues = all_clues(short, detector=lambda: None)
    assert all(len(list(clue.frames())) == clue.count for clue in clues.values())
    first, last = (moments.rows(short, clues, moment) for moment in (0.0, 1.0))
    assert (first.numbers["picture"], last.numbers["picture"]) == (0, 19)
    assert len(first.panels) == 8 and first.panels[1].body != last.panels[1].body


# --- the tailor -----------------------------------------------------------------------------------


def fitting(clip: Clip, box=(30, 20, 60, 80), detected: bool = True) -> tailoring.Fitting:
    region = np.tile(np.array(box, np.float64), (len(clip), 1))
    boxes = tuple(np.array([box], np.float32) for _ in range(len(clip)))
    return tailoring.Fitting(clip, People(boxes, region, detected, "people found by hand"))


def test_the_factors_are_eta_inside_and_powers_of_xi_outside(clip):
    course = tailoring.boxes(fitting(clip), eta=1.5, xi=0.8).numbers["course"]
    assert course[0] == (0, 1.5)
    for d, value in course[1:]:
        assert value == pytest.approx(0.8**d, rel=1e-5)


def test_the_curtain_shows_the_window_with_the_inside_brightened(clip):
    before, after = tailoring.before_and_after(fitting(clip), eta=1.5, xi=0.5)
    same, kept = tailoring.before_and_after(fitting(clip), eta=1.0, xi=1.0)
    assert before.shape == after.shape and np.array_equal(before, same) and np.array_equal(same, kept)
    middle = tuple(side // 2 for side in before.shape[:2])
    assert after[middle].astype(int).sum() > before[middle].astype(int).sum()
    assert after[0, 0].astype(int).sum() < before[0, 0].astype(int).sum()


def test_nobody_in_it_is_said(clip):
    empty = Clip(np.zeros_like(clip.frames[:20]), np.arange(20) / 10)
    sentence = tailoring.boxes(tailoring.fit(empty, None), eta=1.2, xi=0.9).sentence
    assert sentence.startswith("No person was found") and "nothing moves" in sentence
