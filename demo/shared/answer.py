"""The answer to a clip, the same in every tab: a label or "unknown", how near that is, and what else it may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from actrec.recognition.results import UNKNOWN, verdict_of
from demo.shared.html import bars, gaps, verdict

if TYPE_CHECKING:
    from actrec.recognition.recognizer import Prediction
    from actrec.recognition.repository import Judgement
    from actrec.recognition.taught import Taught

NO_THRESHOLD = "These weights have no threshold, so they never answer unknown."
ONE_CLIP = "no threshold yet: it takes two clips of an action"


@dataclass(frozen=True)
class Answer:
    """What is answered ("unknown" included), and why in a sentence; `details` is HTML with the labels as bars."""

    label: str
    unknown: bool
    sentence: str
    details: str

    def headline(self) -> str:
        """The label in large letters with the sentence below it."""
        return verdict(self.label, self.unknown, self.sentence)

    def html(self) -> str:
        return self.headline() + self.details


def answer_of(prediction: Prediction, taught: Taught | None = None) -> Answer:
    """The answer of the weights, or of what a visitor taught on top of them."""
    if taught is not None:
        return taught_answer(taught, prediction.code)
    sentence = NO_THRESHOLD
    if prediction.threshold is not None:
        relation = _relation(prediction.threshold, bool(prediction.unknown))
        sentence = _nearness(prediction.nearest, prediction.distance, relation)
    return Answer(verdict_of(prediction)[0], bool(prediction.unknown), sentence, bars(prediction.top(5)))


def taught_answer(taught: Taught, code: np.ndarray) -> Answer:
    """The nearest taught action, or unknown: too far, or nearer to a label of the weights themselves."""
    judged = taught.judge(code)
    return Answer(
        judged.label or UNKNOWN,
        judged.unknown,
        judgement_sentence(judged, ONE_CLIP),
        gaps(judged.nearest, judged.threshold),
    )


def judgement_sentence(judged: Judgement, no_threshold: str = "and there is no threshold") -> str:
    """How near the nearest class is, and whether that is near enough."""
    if judged.neighbour:
        relation = f"but nearer still to '{judged.neighbour}', a label of the weights themselves"
    elif judged.threshold is None:
        relation = no_threshold
    else:
        relation = _relation(judged.threshold, judged.unknown)
    return _nearness(judged.nearest[0][0], judged.distance, relation)


def _relation(threshold: float, unknown: bool) -> str:
    return f"{'beyond' if unknown else 'within'} the {threshold:.2f} at which a clip counts as unknown"


def _nearness(label: str | None, distance: float | None, relation: str) -> str:
    return f"Nearest to '{label}' at distance {distance:.2f}, {relation}."
