"""Timelines, JSON and labelled frames, with a recognizer whose answers are known."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from actrec.recognition.recognizer import Recognizer
from actrec.recognition.repository import Judgement
from actrec.recognition.results import MOMENTS, Moment, captioned, stretches, timeline, verdict_taught, views
from actrec.systems import SYSTEMS
from actrec.video import Clip
from actrec.weights.cards import Card


class Brightness:
    """Says "dark" or "bright" by the newest frame of a window of two seconds."""

    def __init__(self, smaller: dict | None = None) -> None:
        protocols = {"clip": SimpleNamespace(windows=None)}
        self.system, self.asked = SimpleNamespace(seconds=2.0, protocols=protocols, smaller=smaller or {}), 0

    def predict_many(self, clips: list[Clip], views: str) -> list[SimpleNamespace]:
        self.asked += len(clips)
        assert views == "one" and all(clip.duration <= 2.3 for clip in clips)
        bright = ["bright" if clip.frames.mean() > 127 else "dark" for clip in clips]
        return [
            SimpleNamespace(decision=SimpleNamespace(label=label), scores=np.array([0.25, 0.75])) for label in bright
        ]


def film(seconds: float, turn: float) -> Clip:
    times = np.arange(int(seconds * 10)) / 10 + 5.0  # a clock that does not begin at zero
    frames = np.zeros((len(times), 40, 64, 3), np.uint8)
    frames[times - 5.0 >= turn] = 255
    return Clip(frames, times)


def test_a_timeline_turns_where_the_clip_does_and_covers_it():
    moments = timeline(Brightness(), film(12, 6))
    assert [moment.label for moment in moments] == ["dark", "bright"]
    assert moments[0].start == 0 and moments[-1].stop == pytest.approx(12)
    assert moments[0].stop == moments[1].start == pytest.approx(6, abs=0.51)
    assert moments[0].sure == 0.75


def test_a_network_with_costly_views_is_asked_once_a_window_and_never_more_often_than_the_cap():
    light, costly, long = Brightness(), Brightness({"view": "live"}), Brightness({"view": "live"})
    timeline(light, film(12, 6))
    moments = timeline(costly, film(12, 6))
    assert (light.asked, costly.asked) == (11, 6)  # (12 − 2) seconds between the first window and the last
    assert moments[-1].stop == pytest.approx(12) and moments[0].stop == pytest.approx(6, abs=1.01)
    timeline(long, film(240, 6))
    assert long.asked <= MOMENTS + 1


def test_a_clip_shorter_than_the_window_has_one_moment():
    moments = timeline(Brightness(), film(0.8, 9))
    assert [(moment.label, round(moment.stop, 2)) for moment in moments] == [("dark", 0.8)]


@pytest.fixture(scope="module", params=["asym3d", "fstcn"])
def recognizer(request: pytest.FixtureRequest) -> Recognizer:
    torch.manual_seed(0)
    labels = ["clap", "sit", "wave"]
    network = SYSTEMS[request.param].network(len(labels))
    return Recognizer(SYSTEMS[request.param], network, Card("test", request.param, labels, "nothing", "", 0), "cpu")


def noise(seconds: float, fps: float) -> Clip:
    count = round(seconds * fps) + 1
    frames = np.random.default_rng(0).integers(0, 256, (count, 60, 80, 3), np.uint8)
    return Clip(frames, np.arange(count) / fps)


@pytest.fixture
def asked(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many views each run of the network was asked for."""
    counts: list[int] = []
    run = recognizer.run
    monkeypatch.setattr(recognizer, "run", lambda views: (counts.append(len(views)), run(views))[1])
    return counts


def test_a_timeline_asks_the_network_nothing_where_the_answer_has_looked_at_every_half_window(recognizer, asked):
    clip = noise(1.9 * recognizer.system.seconds, 12.5)
    answer = recognizer.predict(clip)
    several = {"asym3d": 1, "fstcn": 4}[recognizer.system.name]
    assert asked == [3 * several]  # windows at its beginning, in its middle and at its end
    moments = timeline(recognizer, clip, lambda said: (str(said.scores), 1.0), answer)
    assert asked == [3 * several]
    assert [moment.label for moment in moments] == [str(scores) for scores in answer.view_scores[::several]]
    assert moments[0].start == 0 and moments[-1].stop == pytest.approx(clip.duration)


def test_what_the_answer_has_not_looked_at_is_asked_in_one_batch(recognizer, asked):
    clip = noise(12 * recognizer.system.seconds, 12.5)
    answer = recognizer.predict(clip)
    windows = recognizer.system.protocols["clip"].windows(clip)
    timeline(recognizer, clip)
    timeline(recognizer, clip, answer=answer)
    assert len(asked) == 3 and len(windows) > 3
    alone, beside = asked[1:]
    whole = beside + len(windows)
    assert alone == 23  # 12 windows that follow each other, and 11 between them
    assert whole == pytest.approx(alone, abs=4)
    gaps = np.diff(windows) / (recognizer.system.seconds / 2)
    assert whole == 1 + sum(max(1, round(gap)) for gap in gaps)


def test_of_each_window_of_the_answer_the_timeline_takes_the_view_that_stands_for_it_alone(recognizer):
    protocols, seconds = recognizer.system.protocols, recognizer.system.seconds
    clip = noise(2 * seconds, 16 / seconds)  # windows begin with a frame
    begins, views = protocols["clip"].windows(clip), protocols["clip"].views(clip)
    assert len(begins) == 3
    for begin, view in zip(begins, views[:: len(views) // len(begins)], strict=True):
        alone = protocols["one"].views(clip.between(begin - 1e-6, begin + seconds + 1e-6))[0]
        assert all(np.array_equal(view[name], alone[name]) for name in recognizer.system.inputs)


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
