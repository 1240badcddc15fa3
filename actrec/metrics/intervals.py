"""The uncertainty of a mean or a difference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from actrec.core.errors import BadValue


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (n − 1) over seeds or splits; the deviation of one value is unknown."""
    numbers = np.asarray(values, dtype=np.float64)
    if not len(numbers):
        raise BadValue("there is no value to average")
    return float(numbers.mean()), float(numbers.std(ddof=1)) if len(numbers) > 1 else float("nan")


def standard_error(right: np.ndarray, groups: Sequence[str] | None = None) -> float:
    """Standard error of an accuracy; with groups, of clips that are not independent within a group.

    The grouped form is the cluster-robust one: residuals are summed per group before they are squared.
    """
    right = np.asarray(right, dtype=np.float64)
    if groups is None:
        return float(right.std() / np.sqrt(len(right)))
    names = sorted(set(groups))
    group_of = np.asarray(list(groups), dtype=object)
    sums = np.array([(right[group_of == name] - right.mean()).sum() for name in names])
    correction = len(names) / max(1, len(names) - 1)
    return float(np.sqrt(correction * (sums**2).sum()) / len(right))


def proportion_interval(right: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's interval of a proportion, 95 % unless `z` says otherwise: of few clips 12 of 12 right is not certain."""
    if count <= 0 or not 0 <= right <= count:
        raise BadValue(f"{right} of {count} is not a proportion")
    return _wilson(right / count, count, z)


def clustered_interval(right: np.ndarray, groups: Sequence[str], z: float = 1.959964) -> tuple[float, float]:
    """Wilson's interval of a proportion whose clips are not independent within a group.

    The count is divided by the design effect: the squared `standard_error` with groups over the one without, at least
    1. Where all or none is right that is unknown; each group then counts as one clip.
    """
    right = np.asarray(right, dtype=bool)
    if not len(right) or len(groups) != len(right):
        raise BadValue(f"{len(right)} clips with {len(groups)} groups give no interval")
    if right.all() or not right.any():
        effect = len(right) / len(set(groups))
    else:
        effect = max(1.0, (standard_error(right, groups) / standard_error(right)) ** 2)
    return _wilson(float(right.mean()), len(right) / effect, z)


def _wilson(rate: float, count: float, z: float) -> tuple[float, float]:
    spread = z * z / count
    middle = (rate + spread / 2) / (1 + spread)
    half = z / (1 + spread) * np.sqrt(rate * (1 - rate) / count + spread / (4 * count))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))
