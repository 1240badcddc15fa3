"""A figure with its n and its interval; clips of one recording are not independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from actrec.metrics.intervals import clustered_interval
from actrec.metrics.unknown import auroc

DRAWS = 1000  # of a bootstrap


def proportion(right: Sequence[bool] | np.ndarray, groups: Sequence[str]) -> dict:
    """How many are right, with a 95 % interval by groups."""
    right = np.asarray(right, dtype=bool)
    low, high = clustered_interval(right, groups)
    return {"right": int(right.sum()), "of": len(right), "groups": len(set(groups)),
            "rate": round(float(right.mean()), 4), "interval": [round(low, 4), round(high, 4)]}  # fmt: skip


def bootstrap(
    statistic: Callable[[np.ndarray], float | None], groups: Sequence[str], seed: int = 0, draws: int = DRAWS
) -> list[float]:
    """The 95 % interval of a statistic of the clips' places; whole groups are drawn, with replacement. Draws for which
    the statistic is None are left out."""
    names = sorted(set(groups))
    places = [np.flatnonzero(np.asarray(groups, dtype=object) == name) for name in names]
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        value = statistic(np.concatenate([places[i] for i in rng.integers(len(names), size=len(names))]))
        if value is not None:
            values.append(value)
    return [round(float(value), 4) for value in np.quantile(values, [0.025, 0.975])]


def difference(one: np.ndarray, other: np.ndarray, groups: Sequence[str]) -> dict:
    """How many more are right than with the other, of the same clips, with an interval by groups."""
    gain = np.asarray(one, float) - np.asarray(other, float)
    return {
        "more": int((gain > 0).sum()), "fewer": int((gain < 0).sum()), "mean": round(float(gain.mean()), 4),
        "interval": bootstrap(lambda places: float(gain[places].mean()), groups),
    }  # fmt: skip


def separation(score: np.ndarray, known: np.ndarray, groups: Sequence[str], interval: bool = True) -> dict:
    """AUROC of a score by which a clip counts as known, with an interval by groups."""
    score, known = np.asarray(score, float), np.asarray(known, bool)

    def of(places: np.ndarray) -> float | None:
        kept = known[places]
        return auroc(score[places][kept], score[places][~kept]) if kept.any() and not kept.all() else None

    value = {"auroc": round(auroc(score[known], score[~known]), 4), "known": int(known.sum()),
             "unknown": int((~known).sum())}  # fmt: skip
    return value | ({"interval": bootstrap(of, groups)} if interval else {})


def at_coverage(confidence: np.ndarray, right: np.ndarray, coverage: float) -> float:
    """The part that is right of this part of the answers, the most confident ones; of equally confident answers on the
    border each counts in proportion."""
    confidence, right = np.asarray(confidence, float), np.asarray(right, float)
    count = coverage * len(right)
    least = np.sort(confidence)[::-1][int(np.ceil(count)) - 1]
    above, level = confidence > least, confidence == least
    return float((right[above].sum() + (count - above.sum()) * right[level].mean()) / count)


def averaged(rows: Sequence[dict]) -> dict:
    """The mean over seeds of every number of dictionaries, lists of numbers by place; what one lacks is the mean of the
    others, and words and other lists are those of the first."""
    result: dict = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row[name] for row in rows if name in row]
        value = values[0]
        if isinstance(value, dict):
            result[name] = averaged(values)
        elif isinstance(value, list) and all(isinstance(number, int | float) for number in value):
            result[name] = [round(float(number), 4) for number in np.mean(values, axis=0)]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            result[name] = round(float(np.mean(values)), 4)
        else:
            result[name] = value
    return result
