"""Answers out of fold: of clips by heads that did not learn from their recordings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from actrec.systems.everyday_names import PLACES
from actrec.training.everyday.head import Fit, Head, fit_head, probabilities
from actrec.training.everyday.views import Viewed

FOLDS = 5
LEFT_OUT = ("UT set1", "UT set2", "generated people")  # sources that each name some classes of another


def answer(head: Head, item: Viewed) -> np.ndarray:
    """The probabilities of all classes by a head as it was fitted: the mean over the clip's views."""
    return probabilities(item, head.scores(item.codes), (1.0, 1.0, 0.0))


def by_recording(viewed: Sequence[Viewed], seed: int = 0) -> list[tuple[list[Viewed], list[Viewed]]]:
    """Five folds of the real clips, (learned from, asked about); a recording stands on one side. Drawn clips are
    always learned from."""
    groups = sorted({item.group for item in viewed if not item.drawn})
    order = np.random.default_rng(seed).permutation(len(groups))
    fold_of = {groups[place]: number % FOLDS for number, place in enumerate(order)}
    return [
        (
            [item for item in viewed if item.drawn or fold_of[item.group] != fold],
            [item for item in viewed if not item.drawn and fold_of[item.group] == fold],
        )
        for fold in range(FOLDS)
    ]


def answers_by_source(viewed: Sequence[Viewed], how: Fit) -> dict[str, dict[str, int]]:
    """For each source that is left out: its clips of names that the others hold, how many are right among all classes
    and among the own names, and how many of its negatives an own name takes away."""
    figures = {}
    for source in LEFT_OUT:
        learned = [item for item in viewed if item.source != source]
        head = fit_head(learned, how)
        known = {item.target for item in learned} - {-1}
        asked = [item for item in viewed if item.source == source and item.target in known]
        others = [item for item in viewed if item.source == source and item.target < 0]
        figures[source] = {
            "clips": len(asked),
            "right": sum(int(answer(head, item).argmax()) == PLACES[item.target] for item in asked),
            "right_among_own": sum(int(head.scores(item.codes).mean(0).argmax()) == item.target for item in asked),
            "negatives": len(others),
            "taken": sum(int(answer(head, item).argmax()) in PLACES for item in others),
        }
    return figures
