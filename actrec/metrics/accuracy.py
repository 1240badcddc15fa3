"""Accuracy of scores: top k, confusion, per class."""

from __future__ import annotations

import numpy as np

from actrec.core.errors import BadValue


def checked(scores: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores and targets that belong together, or a ValueError with what is wrong."""
    scores, targets = np.asarray(scores, dtype=np.float64), np.asarray(targets)
    if scores.ndim != 2 or targets.shape != (len(scores),):
        raise BadValue(f"scores are [N, classes] and targets [N], not {scores.shape} and {targets.shape}")
    if not len(scores):
        raise BadValue("there is nothing to evaluate: no clip was scored")
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
    as in argmax, so that a network that scores all classes alike is not counted as correct."""
    scores, targets = checked(scores, targets)
    own = scores[np.arange(len(scores)), targets][:, None]
    earlier = np.arange(scores.shape[1])[None] < targets[:, None]
    ahead = (scores > own) | ((scores == own) & earlier)
    return ahead.sum(axis=1) < k


def top(scores: np.ndarray, targets: np.ndarray, k: int = 1) -> float:
    """Fraction of clips whose class is among the k best."""
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


def _finite(values: np.ndarray, what: str) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64).ravel()
    if not len(values):
        raise BadValue(f"there is no {what} clip to evaluate")
    if np.isnan(values).any():
        raise BadValue(f"the score of a clip that is {what} is not a number (NaN)")
    return values
