"""Recognising the unknown: rejection at a threshold, AUROC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actrec.metrics.accuracy import _finite


@dataclass(frozen=True)
class Rejection:
    """Known against unknown at every threshold: a clip is accepted when its score reaches it.

    `false_accept[i]` is the fraction of unknown clips accepted at `thresholds[i]`, `false_reject[i]` the fraction of
    known clips refused there; `equal_error` is where the two meet.
    """

    auroc: float
    equal_error: float
    thresholds: tuple[float, ...]
    false_accept: tuple[float, ...]
    false_reject: tuple[float, ...]

    def at_false_accept(self, most: float) -> tuple[float, float]:
        """Threshold and false rejects when at most this fraction of unknown clips may be accepted."""
        allowed = [index for index, fraction in enumerate(self.false_accept) if fraction <= most]
        best = min(allowed, key=lambda index: self.false_reject[index])
        return self.thresholds[best], self.false_reject[best]


def rejection(known: np.ndarray, unknown: np.ndarray) -> Rejection:
    """ROC of the scores by which a clip counts as known (confidence, or minus the distance)."""
    known, unknown = _finite(known, "known"), _finite(unknown, "unknown")
    thresholds = np.append(np.unique(np.concatenate([known, unknown])), np.inf)
    false_accept = 1 - np.searchsorted(np.sort(unknown), thresholds, side="left") / len(unknown)
    false_reject = np.searchsorted(np.sort(known), thresholds, side="left") / len(known)
    gap = false_accept - false_reject
    after = int(np.argmax(gap <= 0))
    if after == 0 or gap[after] == 0:
        equal = float(false_accept[after] + false_reject[after]) / 2
    else:  # between two thresholds: where the straight lines cross
        fraction = gap[after - 1] / (gap[after - 1] - gap[after])
        equal = float(false_accept[after - 1] + fraction * (false_accept[after] - false_accept[after - 1]))
    lists = (tuple(values.tolist()) for values in (thresholds, false_accept, false_reject))
    return Rejection(auroc(known, unknown), equal, *lists)


def auroc(known: np.ndarray, unknown: np.ndarray) -> float:
    """Chance that a known clip scores above an unknown one, ties counted half (Mann–Whitney)."""
    known, unknown = _finite(known, "known"), np.sort(_finite(unknown, "unknown"))
    below = np.searchsorted(unknown, known, side="left")
    equal = np.searchsorted(unknown, known, side="right") - below
    return float((below + equal / 2).mean() / len(unknown))
