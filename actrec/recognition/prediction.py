"""What a system answers for a clip: scores, and what they amount to. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from actrec.people.presence import Presence
from actrec.recognition.calibrated import unit
from actrec.recognition.decision import LEAST_CONFIDENCE, Decision, decide


@dataclass(frozen=True)
class Prediction:
    """A system's answer for a clip, the answer of each view, and its cost.

    Temperature and threshold are fitted on single views, and so they are used: each view's scores are scaled before
    they are fused, and `distance` is the views' mean distance to the nearest centre, not that of their mean code,
    which lies closer. `milliseconds` has the steps views (sampling and cropping), clues, network and fusion. `weights`
    answered; they are for `people` people at least, and sure of a class from `least_confidence` on. `unit_length` says
    whether codes have length one, `presence` who was seen in the clip, once somebody looked.
    """

    labels: tuple[str, ...]
    scores: np.ndarray
    view_scores: np.ndarray
    view_weights: np.ndarray
    view_codes: np.ndarray
    code: np.ndarray
    nearest: str | None
    distance: float | None
    threshold: float | None
    milliseconds: dict[str, float]
    weights: str = ""
    people: int = 1
    least_confidence: float = LEAST_CONFIDENCE
    unit_length: bool = True
    presence: Presence | None = None

    def seen(self, presence: Presence | None) -> Prediction:
        """The same prediction for a clip in which these people were seen."""
        return replace(self, presence=presence)

    @property
    def decision(self) -> Decision:
        """What the prediction amounts to: a class, or why none is named."""
        return decide(self.top(2), self.unknown, self.least_confidence, self.people, self.presence)

    @property
    def label(self) -> str:
        """The class with the highest score, be it known or not."""
        return self.labels[int(self.scores.argmax())]

    @property
    def unknown(self) -> bool | None:
        """Too far from every class centre to be any of them; None where the weights carry no centres."""
        if self.threshold is None or self.distance is None:
            return None
        return bool(self.distance >= self.threshold)

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        order = np.argsort(-self.scores)[:count]
        return [(self.labels[index], float(self.scores[index])) for index in order]


def steadied(lately: Sequence[Prediction]) -> Prediction:
    """The newest of a camera's predictions, with the mean of all as its scores, code and distance: what flickers in
    one of them does not show. All come from the same weights."""
    newest, code = lately[-1], np.mean([prediction.code for prediction in lately], axis=0)
    far = [prediction.distance for prediction in lately if prediction.distance is not None]
    return replace(
        newest,
        scores=np.mean([prediction.scores for prediction in lately], axis=0),
        code=unit(code) if newest.unit_length else code,
        distance=None if newest.distance is None else float(np.mean(far)),
    )
