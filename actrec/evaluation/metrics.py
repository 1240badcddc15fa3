"""How good scores are: accuracy, calibration, telling the unknown apart, and how sure one can be of a difference.

Scores are `float [N, classes]`, larger is better; targets are `int [N]`. NumPy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actrec.refusal import BadValue

BINS = 15


def checked(scores: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores and targets that belong together, or a ValueError that says what is wrong."""
    scores, targets = np.asarray(scores, dtype=np.float64), np.asarray(targets)
    if scores.ndim != 2 or targets.shape != (len(scores),):
        raise BadValue(f"scores are [N, classes] and targets [N], not {scores.shape} and {targets.shape}")
    if not len(scores):
        raise BadValue("there is nothing to judge: no clip was scored")
    if np.isnan(scores).any():
        raise BadValue("some scores are not a number (NaN): the network that made them is broken")
    if targets.min() < 0 or targets.max() >= scores.shape[1]:
        raise BadValue(f"a target lies outside the {scores.shape[1]} classes")
    return scores, targets.astype(np.int64)


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    exponential = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return exponential / exponential.sum(axis=1, keepdims=True)


def as_logits(probabilities: np.ndarray) -> np.ndarray:
    """Logits whose softmax gives these probabilities back; where views were averaged there are no others."""
    probabilities = np.asarray(probabilities, dtype=np.float64)
    return np.log(np.maximum(probabilities, 1e-12))


def correct(scores: np.ndarray, targets: np.ndarray, k: int = 1) -> np.ndarray:
    """Whether each target is among the k best, `bool [N]`. Of equal scores the lower class number comes first,
    as in argmax, so that a network that scores all classes alike is not called right."""
    scores, targets = checked(scores, targets)
    own = scores[np.arange(len(scores)), targets][:, None]
    earlier = np.arange(scores.shape[1])[None] < targets[:, None]
    ahead = (scores > own) | ((scores == own) & earlier)
    return ahead.sum(axis=1) < k


def top(scores: np.ndarray, targets: np.ndarray, k: int = 1) -> float:
    """Share of clips whose class is among the k best."""
    return float(correct(scores, targets, k).mean())


def confusion(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Counts `int64 [classes, classes]`: row = the true class, column = the answer."""
    scores, targets = checked(scores, targets)
    classes = scores.shape[1]
    return np.bincount(targets * classes + scores.argmax(axis=1), minlength=classes**2).reshape(classes, classes)


def per_class(matrix: np.ndarray) -> list[dict[str, float | int | None]]:
    """Recall, precision and F1 of each class from its confusion matrix; None where there is nothing to divide."""
    rows = []
    for index in range(len(matrix)):
        hit, own, named = (int(v) for v in (matrix[index, index], matrix[index].sum(), matrix[:, index].sum()))
        rows.append(
            {
                "clips": own,
                "recall": hit / own if own else None,
                "precision": hit / named if named else None,
                "f1": 2 * hit / (own + named) if own + named else None,
            }
        )
    return rows


def mean_class_accuracy(matrix: np.ndarray) -> float:
    """Mean of the recalls of the classes that have clips: what accuracy would be if classes were equally large."""
    own = matrix.sum(axis=1)
    present = own > 0
    return float((np.diag(matrix)[present] / own[present]).mean())


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy in bins; `error` is the expected calibration error (Guo et al., 2017, eq. 3)."""

    error: float
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    count: tuple[int, ...]


def reliability(probabilities: np.ndarray, targets: np.ndarray, bins: int = BINS) -> Reliability:
    """Bins of equal width over (0, 1], closed on the right; empty bins show 0 and weigh nothing."""
    probabilities, targets = checked(probabilities, targets)
    if probabilities.min() < -1e-9 or probabilities.max() > 1 + 1e-6:
        raise BadValue("calibration needs probabilities between 0 and 1; put the scores through softmax first")
    confidence = np.clip(probabilities.max(axis=1), 0, 1)
    right = probabilities.argmax(axis=1) == targets
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    divisor = np.maximum(count, 1)
    mean_confidence = np.bincount(place, weights=confidence, minlength=bins) / divisor
    accuracy = np.bincount(place, weights=right, minlength=bins) / divisor
    error = float((count * np.abs(accuracy - mean_confidence)).sum() / len(targets))
    return Reliability(error, *(tuple(values.tolist()) for values in (mean_confidence, accuracy, count)))


def calibration_error(probabilities: np.ndarray, targets: np.ndarray, bins: int = BINS) -> float:
    return reliability(probabilities, targets, bins).error


def negative_log_likelihood(
    logits: np.ndarray, targets: np.ndarray, temperature: float = 1.0, doubt: float = 0.0
) -> float:
    """Mean of −log p(target) at a temperature; `doubt` of each target is every other class's, in equal parts."""
    logits, targets = checked(logits, targets)
    scaled = logits / temperature
    peak = scaled.max(axis=1)
    total = peak + np.log(np.exp(scaled - peak[:, None]).sum(axis=1))
    wanted = scaled[np.arange(len(scaled)), targets]
    others = (scaled.sum(axis=1) - wanted) / max(1, scaled.shape[1] - 1)
    return float((total - (1 - doubt) * wanted - doubt * others).mean())


def fit_temperature(
    logits: np.ndarray, targets: np.ndarray, lowest: float = 0.05, highest: float = 20.0, doubt: float = 0.0
) -> float:
    """The one number that divides the logits so that held-out clips become most likely (Guo et al., 2017, sec. 4.2).

    The likelihood is convex in 1/T, so golden sections find its only minimum. Where all clips are right there is
    none and the lowest temperature is given, unless `doubt` says how much may still be wrong: of the few clips that
    were seen, none was wrong by luck.
    """
    logits, targets = checked(logits, targets)

    def loss(inverse: float) -> float:
        return negative_log_likelihood(logits, targets, 1 / inverse, doubt)

    golden = (np.sqrt(5) - 1) / 2
    low, high = 1 / highest, 1 / lowest
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(100):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = loss(right)
        if high - low < 1e-7 * high:
            break
    return float(1 / min((low, (low + high) / 2, high), key=loss))


def cautious_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature of a few held-out clips, of which one of two more would be wrong however many were right.

    So Laplace's rule of succession has it: a network that erred in none of two dozen is not certain of the next.
    """
    return fit_temperature(logits, targets, doubt=1 / (len(targets) + 2))


@dataclass(frozen=True)
class Rejection:
    """Known against unknown at every threshold: a clip is accepted when its score reaches it.

    `false_accept[i]` is the share of unknown clips accepted at `thresholds[i]`, `false_reject[i]` the share of
    known clips refused there; `equal_error` is where the two meet.
    """

    auroc: float
    equal_error: float
    thresholds: tuple[float, ...]
    false_accept: tuple[float, ...]
    false_reject: tuple[float, ...]

    def at_false_accept(self, most: float) -> tuple[float, float]:
        """Threshold and false rejects when at most this share of unknown clips may be accepted."""
        allowed = [index for index, share in enumerate(self.false_accept) if share <= most]
        best = min(allowed, key=lambda index: self.false_reject[index])
        return self.thresholds[best], self.false_reject[best]


def rejection(known: np.ndarray, unknown: np.ndarray) -> Rejection:
    """ROC of the scores by which a clip is taken for known (confidence, or minus the distance)."""
    known, unknown = _finite(known, "known"), _finite(unknown, "unknown")
    thresholds = np.append(np.unique(np.concatenate([known, unknown])), np.inf)
    false_accept = 1 - np.searchsorted(np.sort(unknown), thresholds, side="left") / len(unknown)
    false_reject = np.searchsorted(np.sort(known), thresholds, side="left") / len(known)
    gap = false_accept - false_reject
    after = int(np.argmax(gap <= 0))
    if after == 0 or gap[after] == 0:
        equal = float(false_accept[after] + false_reject[after]) / 2
    else:  # between two thresholds: where the straight lines cross
        share = gap[after - 1] / (gap[after - 1] - gap[after])
        equal = float(false_accept[after - 1] + share * (false_accept[after] - false_accept[after - 1]))
    lists = (tuple(values.tolist()) for values in (thresholds, false_accept, false_reject))
    return Rejection(auroc(known, unknown), equal, *lists)


def auroc(known: np.ndarray, unknown: np.ndarray) -> float:
    """Chance that a known clip scores above an unknown one, ties counted half (Mann–Whitney)."""
    known, unknown = _finite(known, "known"), np.sort(_finite(unknown, "unknown"))
    below = np.searchsorted(unknown, known, side="left")
    equal = np.searchsorted(unknown, known, side="right") - below
    return float((below + equal / 2).mean() / len(unknown))


def _finite(values: np.ndarray, what: str) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64).ravel()
    if not len(values):
        raise BadValue(f"there is no {what} clip to judge")
    if np.isnan(values).any():
        raise BadValue(f"the score of a clip that is {what} is not a number (NaN)")
    return values


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (n − 1) over seeds or splits; the deviation of one value is unknown."""
    values = np.asarray(values, dtype=np.float64)
    if not len(values):
        raise BadValue("there is no value to average")
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def standard_error(right: np.ndarray, groups: Sequence[str] | None = None) -> float:
    """Standard error of an accuracy; with groups, of clips that are no independent witnesses within a group.

    The grouped form is the cluster-robust one: residuals are summed per group before they are squared.
    """
    right = np.asarray(right, dtype=np.float64)
    if groups is None:
        return float(right.std() / np.sqrt(len(right)))
    names = sorted(set(groups))
    groups = np.asarray(list(groups), dtype=object)
    sums = np.array([(right[groups == name] - right.mean()).sum() for name in names])
    correction = len(names) / max(1, len(names) - 1)
    return float(np.sqrt(correction * (sums**2).sum()) / len(right))
