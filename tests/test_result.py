"""Timelines, JSON and labelled frames, with a recognizer whose answers are known."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from actrec.recognition.repository import Judgement
from actrec.recognition.results import Moment, captioned, stretches, timeline, verdict_taught, views
from actrec.video import Clip


class Brightness:
    """Says "dark" or "bright" by the newest frame of a window of two seconds."""

    system = SimpleNamespace(seconds=2.0)

    def predict(self, clip: Clip, views: str) -> SimpleNamespace:
        assert views == "one" and clip.duration <= 2.3
        bright = clip.frames.mean() > 127
        return SimpleNamespace(unknown=False, label="bright" if bright else "dark", scores=np.array([0.25, 0.75]))


def film(seconds: float, turn: float) -> Clip:
    times = np.arange(int(seconds * 10)) / 10 + 5.0  # a clock that does not begin at zero
    frames = np.zeros((len(times), 40, 64, 3), np.uint8)
    frames[times - 5.0 >= turn] = 255
    return Clip(frames, times)


def test_a_timeline_turns_where_the_clip_does_and_covers_it():
    moments = timeline(Brightness(), film(12, 6))
    assert [each.label for each in moments] == ["dark", "bright"]
    assert moments[0].start == 0 and moments[-1].stop == pytest.approx(12)
    assert moments[0].stop == moments[1].start == pytest.approx(6, abs=0.51)
    assert moments[0].sure == 0.75


def test_a_clip_shorter_than_the_window_has_one_moment():
    moments = timeline(Brightness(), film(0.8, 9))
    assert [(each.label, round(each.stop, 2)) for each in moments] == [("dark", 0.8)]


def test_a_label_holds_until_the_next_one_or_for_a_second_after_it_was_last_said():
    said = [(0.0, "wave"), (0.5, "wave"), (2.0, "wave"), (2.2, "clap"), (5.0, "sit")]
    assert stretches(said) == [("wave", 0.0, 1.5), ("wave", 2.0, 2.2), ("clap", 2.2, 3.2), ("sit", 5.0, 5.0)]
    assert stretches([]) == []


def test_what_each_view_said_with_its_weight():
    prediction = SimpleNamespace(
        labels=("a", "b"), view_scores=np.array([[[0.9, 0.1], [0.4, 0.6]]]), view_weights=np.array([[0.8, 0.2]])
    )
    assert views(prediction) == [("a", 0.9, 0.8), ("b", 0.6, 0.2)]


def test_frames_carry_the_label_of_their_moment():
    clip = film(2, 1)
    moments = [Moment(0, 1, "dark", 1.0), Moment(1, 2, "ночь", 0.5)]
    frames = list(captioned(clip, moments))
    assert len(frames) == len(clip) and frames[0].shape == (64, 64, 3)
    assert np.array_equal(frames[0][:40], clip.frames[0])
    bands = [frame[40:] for frame in frames]
    assert bands[0].max() > 200  # white letters
    assert np.array_equal(bands[0], bands[9]) and np.array_equal(bands[10], bands[19])
    assert not np.array_equal(bands[9], bands[10])


def test_how_sure_a_taught_answer_is():
    assert verdict_taught(Judgement("wave", 0.25, 1.0, (("wave", 0.25),))) == ("wave", 0.75)
    assert verdict_taught(Judgement(None, 1.5, 1.0, (("wave", 1.5),))) == ("unknown", 0.0)
    assert json.dumps(verdict_taught(Judgement("wave", 0.25, None, (("wave", 0.25),)))) == '["wave", 0.0]'
