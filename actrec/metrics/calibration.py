"""Calibration of scores: reliability, calibration error, temperature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actrec.core.errors import BadValue
from actrec.metrics.accuracy import checked

BINS = 15


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


def equal_mass_error(confidence: np.ndarray, right: np.ndarray, bins: int = 5) -> float:
    """Calibration error over bins that hold equally many answers each, in the order of their confidence."""
    confidence, right = np.asarray(confidence, np.float64), np.asarray(right, np.float64)
    if confidence.ndim != 1 or confidence.shape != right.shape or len(confidence) < bins:
        raise BadValue(f"{bins} bins of equal mass need as many answers, each right or wrong, not {len(confidence)}")
    gap = (confidence - right)[np.argsort(confidence, kind="stable")]
    return float(sum(abs(part.sum()) for part in np.array_split(gap, bins)) / len(gap))


def calibrated_quantile(
    confidence: np.ndarray, rng: np.random.Generator, quantile: float = 0.9, draws: int = 2000, bins: int = 5
) -> float:
    """The quantile of `equal_mass_error` of a perfectly calibrated classifier with these confidences: each answer is
    right with its confidence as probability."""
    confidence = np.asarray(confidence, np.float64)
    errors = [equal_mass_error(confidence, rng.random(len(confidence)) < confidence, bins) for _ in range(draws)]
    return float(np.quantile(errors, quantile))


def negative_log_likelihood(
    logits: np.ndarray, targets: np.ndarray, temperature: float = 1.0, doubt: float = 0.0
) -> float:
    """Mean of −log p(target) at a temperature; `doubt` of each target is every other class's, in equal parts."""
    logits, targets = checked(logits, targets)
    scaled = logits / temperature
    peak = scaled.max(axis=1)
    total = peak + np.log(np.exp(scaled - peak[:, None]).sum(axis=1))
    correct = scaled[np.arange(len(scaled)), targets]
    others = (scaled.sum(axis=1) - correct) / max(1, scaled.shape[1] - 1)
    return float((total - (1 - doubt) * correct - doubt * others).mean())


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


def confidence_for(probabilities: np.ndarray, targets: np.ndarray, right: float) -> float:
    """The lowest confidence from which on at least this fraction of the held-out answers is right; 1 where there is
    none."""
    probabilities, targets = checked(probabilities, targets)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    for least in np.unique(confidence):
        if correct[confidence >= least].mean() >= right:
            return float(least)
    return 1.0


def cautious_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature of a few held-out clips, of which one of two more would be wrong however many were right.

    So Laplace's rule of succession has it: a network that erred in none of two dozen is not certain of the next.
    """
    return fit_temperature(logits, targets, doubt=1 / (len(targets) + 2))
