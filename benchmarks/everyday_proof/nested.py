"""Answers out of fold whose three numbers were fitted inside the fold as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np

from actrec.training.everyday.folds import FOLDS, by_recording
from actrec.training.everyday.head import Fit, Head, fit_head, probabilities
from actrec.training.everyday.score import Asked, fit_numbers, place_of
from actrec.training.everyday.views import Viewed

Numbers = tuple[float, float, float]  # s₁, s₂ and b
# Ways to fit them: all three; so that clips count alike; so that Kinetics' half stays as it is, as shipped.
WAYS: dict[str, Callable[[Asked], Numbers]] = {
    "classes alike": fit_numbers,
    "clips alike": partial(fit_numbers, clips_alike=True),
    "classes alike, s1 = 1": partial(fit_numbers, fixed=True),
}


@dataclass(frozen=True)
class Answered:
    """A clip, the own scores of a head that did not learn from its recording, and the numbers of the other folds."""

    item: Viewed
    own: np.ndarray
    numbers: Numbers

    @property
    def place(self) -> int:
        return place_of(self.item)

    def probabilities(self) -> np.ndarray:
        return probabilities(self.item, self.own, self.numbers)


def folds_of(viewed: Sequence[Viewed], seed: int) -> list[int]:
    """The fold of each clip, as `by_recording` divides them; −1 for drawn ones, which are always learned from."""
    fold_of = {id(item): fold for fold, (_, asked) in enumerate(by_recording(viewed, seed)) for item in asked}
    return [fold_of.get(id(item), -1) for item in viewed]


def ask(head: Head, viewed: Sequence[Viewed]) -> Asked:
    return [(item, head.scores(item.codes)) for item in viewed]


def nested(
    viewed: Sequence[Viewed], how: Fit, seed: int, ways: Mapping[str, Callable[[Asked], Numbers]] = WAYS
) -> dict[str, list[Answered]]:
    """Every real clip by the head of its fold, for each way to fit the numbers. Those of a fold are fitted to the
    answers that heads without this fold and one other give about the other."""
    fold_of = folds_of(viewed, seed)
    of = [[item for item, fold in zip(viewed, fold_of, strict=True) if fold == wanted] for wanted in range(FOLDS)]

    def without(*folds: int) -> Head:
        return fit_head([item for item, fold in zip(viewed, fold_of, strict=True) if fold not in folds], how)

    inside: list[Asked] = [[] for _ in range(FOLDS)]
    for one, other in combinations(range(FOLDS), 2):
        head = without(one, other)
        inside[one] += ask(head, of[other])
        inside[other] += ask(head, of[one])
    answered: dict[str, list[Answered]] = {name: [] for name in ways}
    for fold in range(FOLDS):
        asked = ask(without(fold), of[fold])
        for name, fit in ways.items():
            numbers = fit(inside[fold])
            answered[name] += [Answered(item, own, numbers) for item, own in asked]
    return answered
