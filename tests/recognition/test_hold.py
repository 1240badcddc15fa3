"""A label is held until another is clearly better for half a second, by the clock; sequences written by hand."""

from __future__ import annotations

import pytest

from actrec.recognition.hold import Hold
from actrec.recognition.results import NO_ACTION

Step = tuple[str, float, float]  # the answer, the score of wave, the score of clap


def shown(steps: list[Step], seconds: float = 0.5, rate: float = 10.0) -> list[str]:
    """What is shown, for answers that come `rate` times a second."""
    hold: Hold[str] = Hold(NO_ACTION)
    return [
        hold.take(label, label, {"wave": wave, "clap": clap}, number / rate, seconds)
        for number, (label, wave, clap) in enumerate(steps)
    ]


WAVE, CLAP, UNSURE = ("wave", 0.7, 0.2), ("clap", 0.2, 0.7), ("not sure", 0.4, 0.3)


def test_a_flicker_of_another_label_is_not_shown():
    assert shown([WAVE] * 5 + [CLAP] * 4 + [WAVE] * 3) == ["wave"] * 12


def test_another_label_takes_over_after_half_a_second():
    assert shown([WAVE] * 5 + [CLAP] * 8) == ["wave"] * 10 + ["clap"] * 3  # it came at 0.5 s, and is shown at 1.0 s


@pytest.mark.parametrize("rate", [2.5, 4.0, 10.0, 30.0])
def test_the_clock_decides_and_not_the_number_of_answers(rate):
    steps = [WAVE] * round(2 * rate) + [CLAP] * round(2 * rate)
    first = shown(steps, rate=rate).index("clap") / rate
    assert 2.5 <= first <= 2.5 + 1 / rate + 1e-9


def test_alternating_labels_leave_the_held_one():
    steps = [WAVE] * 3 + [CLAP, CLAP, WAVE] * 10
    assert set(shown(steps)) == {"wave"}
    assert len(set(shown(steps, seconds=0))) == 2


def test_a_label_that_is_hardly_better_does_not_take_over_at_once():
    hardly = ("clap", 0.46, 0.5)
    assert shown([WAVE] * 3 + [hardly] * 12) == ["wave"] * 15
    later = shown([WAVE] * 3 + [hardly] * 20)
    assert later.index("clap") == 17, "a label that was not once the answer for three times as long goes"


def test_a_short_spell_of_no_sure_answer_is_bridged_and_a_long_one_shown():
    assert shown([WAVE] * 3 + [UNSURE] * 4 + [WAVE] * 3) == ["wave"] * 10
    assert shown([WAVE] * 3 + [UNSURE] * 8) == ["wave"] * 8 + ["not sure"] * 3


def test_a_spell_of_no_sure_answer_does_not_start_another_label_anew():
    steps = [WAVE] * 3 + [CLAP, CLAP, UNSURE, UNSURE, CLAP, CLAP, CLAP]
    assert shown(steps) == ["wave"] * 8 + ["clap"] * 2  # clap first came at 0.3 s: shown from 0.8 s on


def test_after_not_sure_a_class_has_to_last_too():
    assert shown([UNSURE] * 3 + [WAVE] * 2 + [UNSURE] * 3) == ["not sure"] * 8
    assert shown([UNSURE] * 3 + [WAVE] * 7) == ["not sure"] * 8 + ["wave"] * 2


def test_nobody_there_is_no_label_that_flickers_either():
    gone = ("nobody", 0.7, 0.2)
    assert shown([WAVE] * 3 + [gone] * 2 + [WAVE] * 2) == ["wave"] * 7
    assert shown([WAVE] * 3 + [gone] * 6)[-1] == "nobody"


def test_at_zero_every_answer_is_shown_as_it_comes():
    steps = [WAVE, CLAP, UNSURE, CLAP, WAVE]
    assert shown(steps, seconds=0) == [label for label, _, _ in steps]


def test_of_the_label_that_is_held_the_newest_answer_is_shown():
    hold: Hold[int] = Hold(NO_ACTION)
    scores = {"wave": 0.7, "clap": 0.2}
    assert [hold.take("wave", number, scores, number / 10, 0.5) for number in range(4)] == [0, 1, 2, 3]
    hold.clear()
    assert hold.take("clap", 9, scores, 0.5, 0.5) == 9, "other weights begin anew"
