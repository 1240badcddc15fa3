"""What a prediction amounts to, by hand: the order of the questions and the words of the answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from actrec.motion.own_motion import OwnMotion
from actrec.people.presence import Presence
from actrec.recognition.decision import LEAST_CONFIDENCE, least_confidence, people_needed
from actrec.recognition.prediction import Prediction
from actrec.recognition.results import as_dict, verdict_by, verdict_of
from actrec.video import Clip
from actrec.weights.cards import Card, WeightsError, _checked

LABELS = ("wave", "clap", "sit")
CARD = Card("w", "asym3d", list(LABELS), "nothing", "none", 0)


def predicted(scores: tuple[float, ...], **more: object) -> Prediction:
    ones = np.ones((1, 2))
    value = Prediction(LABELS, np.array(scores), np.array([scores]), np.ones(1), ones, ones[0], None, None, None, {})
    return replace(value, weights="w", **more)


def people(count: int | None, moving: float = 0.2) -> Presence:
    seen = None if count is None else np.array([count])
    return Presence(
        np.zeros(1),
        seen,
        np.full(1, 1.5 * (count or 0)),
        OwnMotion(np.zeros(1), *(np.full(1, value) for value in (moving, moving, 1.0))),
    )


def test_a_confident_answer_is_its_class():
    decision = predicted((0.6, 0.3, 0.1)).decision
    assert (decision.kind, decision.label, decision.text, decision.named) == ("class", "wave", "wave", True)


def test_below_the_confidence_the_two_likeliest_are_named_and_no_headline():
    decision = predicted((0.3, 0.25, 0.45)).decision
    assert (decision.kind, decision.label, decision.perhaps) == ("not sure", "not sure", ("sit", "wave"))
    assert decision.text == "Not sure: perhaps sit or wave" and not decision.named
    assert predicted((0.3, 0.25, 0.45), least_confidence=0.45).decision.label == "sit", "from the confidence on"


def test_too_far_from_every_centre_is_unknown_however_confident():
    far = predicted((0.9, 0.1, 0.0), nearest="wave", distance=0.8, threshold=0.7)
    assert far.decision.kind == "unknown" and verdict_of(far) == ("unknown", 0.9)
    assert replace(far, distance=0.6).decision.label == "wave"


def test_weights_for_two_people_answer_only_where_two_are_seen():
    pair = predicted((0.9, 0.1, 0.0), people=2)
    assert pair.seen(people(1)).decision.text == "These weights are for two people; I see one."
    assert pair.seen(people(0)).decision.text == "These weights are for two people; I see nobody."
    assert pair.seen(people(2)).decision.label == pair.seen(people(3)).decision.label == "wave"
    assert pair.decision.label == pair.seen(people(None)).decision.label == "wave", "nobody has looked"
    assert predicted((0.9, 0.1, 0.0)).seen(people(0)).decision.label == "wave", "one who was missed, but moves"


def test_nobody_there_comes_before_everything_else():
    sure = predicted((0.9, 0.1, 0.0), people=2, nearest="wave", distance=0.8, threshold=0.7)
    assert sure.seen(people(0, moving=0.0)).decision.text == "Nothing moves."
    shaken = replace(people(0, moving=0.0), motion=OwnMotion(np.zeros(1), np.zeros(1), np.ones(1), np.ones(1)))
    assert sure.seen(shaken).decision.text == "Nobody in the picture."
    assert sure.seen(people(1, moving=0.0)).decision.kind == "too few people", "one who keeps still is somebody"


def test_what_was_taught_is_not_asked_where_nobody_is():
    def judge(code: np.ndarray) -> None:
        raise AssertionError("asked")

    assert verdict_by(judge)(predicted((0.9, 0.1, 0.0)).seen(people(0, moving=0.0))) == ("nothing moves", 0.0)


def test_the_confidence_stands_on_the_card_and_old_cards_have_a_stated_one():
    assert least_confidence(CARD) == LEAST_CONFIDENCE == 0.5
    assert least_confidence(replace(CARD, least_confidence=0.7)) == 0.7
    values = vars(replace(CARD, least_confidence=0.7))
    assert _checked(values, "card.json").least_confidence == 0.7
    for odd in (1.2, -0.1, "high", True):
        with pytest.raises(WeightsError, match="least_confidence is odd"):
            _checked({**values, "least_confidence": odd}, "card.json")


@pytest.mark.parametrize(
    ("words", "count"),
    [("two people", 2), ("one person", 1), ("one person, or two who interact", 1), ("one or more people", 1)],
)
def test_how_many_people_a_card_asks_for(words, count):
    assert people_needed(words) == count


def test_json_keeps_its_fields_and_has_the_decision_beside_them():
    clip = Clip(np.zeros((2, 4, 4, 3), np.uint8), np.array([0.0, 0.1]))
    answer = as_dict("w", predicted((0.3, 0.25, 0.45)).seen(people(1)), clip, {})
    assert (answer["label"], answer["unknown"], answer["weights"]) == ("sit", None, "w")
    assert answer["decision"] == {
        "kind": "not sure", "label": "not sure", "text": "Not sure: perhaps sit or wave", "perhaps": ["sit", "wave"],
        "confidence": 0.45, "least_confidence": 0.5, "people": 1,
    }  # fmt: skip


def test_what_lies_exactly_at_the_threshold_is_unknown():
    """MS3D: a class is named where the distance is less than γ."""
    one = np.ones(1)
    for distance, unknown in ((0.999, False), (1.0, True), (1.001, True)):
        value = Prediction(("a",), one, one[None], one, one[None], one, "a", distance, 1.0, {})
        assert value.unknown is unknown
