"""The answer to a clip, the same in every tab: a label or why there is none, how near that is, and which weights said
so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from actrec.recognition.decision import EMPTY, NOT_SURE, TOO_FEW, UNKNOWN, Decision
from demo.shared.html import bars, gaps, verdict

if TYPE_CHECKING:
    from actrec.recognition.prediction import Prediction
    from actrec.recognition.repository import Judgement
    from actrec.recognition.taught import Taught

NO_THRESHOLD = "These weights have no threshold, so they never answer unknown."
ONE_CLIP = "no threshold yet: it takes two clips of an action"
NOT_ASKED = {
    "nobody": "No person was found, and only the camera or the light changes.",
    "nothing moves": "No person was found, and the picture stands still.",
    TOO_FEW: "Choose weights for one person under Weights.",
}


@dataclass(frozen=True)
class Answer:
    """What is answered: a label, or why there is none. `text` is the headline and `sentence` the reason; `details` is
    HTML with the labels as bars; `weights` answered."""

    label: str
    unknown: bool
    sentence: str
    details: str
    text: str = ""
    weights: str = ""

    def headline(self) -> str:
        """The label in large letters, with the reason and the weights below it."""
        by = answered_by(self.weights, "Answered by" if self.details else "Asked:") if self.weights else ""
        return verdict(self.label, self.unknown, self.sentence, self.text or self.label) + by

    def html(self) -> str:
        return self.headline() + self.details


def answered_by(weights: str, how: str = "Answered by") -> str:
    """Which weights answered, or were asked."""
    return f'<p class="quiet by">{how} the weights <b>{escape(weights)}</b>.</p>'


def no_action(decision: Decision, weights: str) -> Answer:
    """The answer where there is nobody, or are too few, to name an action of."""
    return Answer(decision.label, True, NOT_ASKED[decision.kind], "", decision.text, weights)


def answer_of(prediction: Prediction, taught: Taught | None = None) -> Answer:
    """The answer of the weights, or of what a visitor taught on top of them."""
    decision = prediction.decision
    if decision.kind in EMPTY or (decision.kind == TOO_FEW and taught is None):
        return no_action(decision, prediction.weights)
    if taught is not None:
        return taught_answer(taught, prediction.code)
    sentence = NO_THRESHOLD
    if decision.kind == NOT_SURE:
        best, least = prediction.scores.max(), prediction.least_confidence
        sentence = f"The best score is {best:.0%}; a sure answer needs {least:.0%}."
    elif prediction.threshold is not None:
        relation = _relation(prediction.threshold, bool(prediction.unknown))
        sentence = _nearness(prediction.nearest, prediction.distance, relation)
    details = bars(prediction.top(5))
    return Answer(decision.label, not decision.named, sentence, details, decision.text, prediction.weights)


def with_newest(shown: Answer, newest: Answer) -> Answer:
    """An answer that is held, above the scores of this moment."""
    return shown if shown is newest or not newest.details else replace(shown, details=newest.details)


def taught_answer(taught: Taught, code: np.ndarray) -> Answer:
    """The nearest taught action, or unknown: too far, or nearer to a label of the weights themselves."""
    judged = taught.judge(code)
    return Answer(
        judged.label or UNKNOWN,
        judged.unknown,
        judgement_sentence(judged, ONE_CLIP),
        gaps(judged.nearest, judged.threshold),
        weights=taught.weights,
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
