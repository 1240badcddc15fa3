"""Scores of many clips as one result: a plain dict that goes into JSON, onto a page, or beside another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from actrec.core.errors import BadValue
from actrec.metrics.accuracy import as_logits, checked, confusion, correct, mean_class_accuracy, per_class, softmax, top
from actrec.metrics.calibration import negative_log_likelihood, reliability
from actrec.metrics.intervals import mean_and_deviation, standard_error
from actrec.metrics.unknown import rejection

SHOWN_MISTAKES = 20
CURVE = 200  # points of a curve at most


def measure(
    probabilities: np.ndarray,
    targets: np.ndarray,
    labels: Sequence[str],
    *,
    temperature: float | None = None,
    fitted_on: str = "",
    scaled: np.ndarray | None = None,
    seconds: float | None = None,
    names: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> dict:
    """All figures for the probabilities `[N, classes]` of clips whose classes are known.

    `temperature` was fitted on other clips, named by `fitted_on`; `scaled` are the probabilities with it, where it does
    not act on the fused ones; `seconds` is what all clips took together;
    `names` of clips show up beside the worst mistakes; clips of one group are not independent.
    """
    probabilities, targets = checked(probabilities, targets)
    if probabilities.shape[1] != len(labels):
        raise BadValue(f"{probabilities.shape[1]} scores per clip, but {len(labels)} labels")
    if temperature is not None and not fitted_on:
        raise BadValue("name the clips that the temperature was fitted on; they must not be those measured here")
    matrix = confusion(probabilities, targets)
    curve = reliability(probabilities, targets)
    right = correct(probabilities, targets)
    result = {
        "clips": len(targets),
        "classes": len(labels),
        "top1": top(probabilities, targets),
        "top1_standard_error": standard_error(right, groups or None),
        "top5": top(probabilities, targets, 5),
        "mean_class_accuracy": mean_class_accuracy(matrix),
        "chance": float(np.bincount(targets).max() / len(targets)),
        "per_class": dict(zip(labels, per_class(matrix), strict=True)),
        "labels": list(labels),
        "confusion": matrix.tolist(),
        "calibration_error": curve.error,
        "reliability": vars(curve),
        "negative_log_likelihood": negative_log_likelihood(as_logits(probabilities), targets),
        "clips_per_second": len(targets) / seconds if seconds else None,
        "mistakes": _mistakes(probabilities, targets, labels, names),
    }
    if temperature is not None:
        if scaled is None:
            scaled = softmax(as_logits(probabilities), temperature)
        after = reliability(scaled, targets)
        result["temperature"] = {
            "value": temperature,
            "fitted_on": fitted_on,
            "calibration_error": after.error,
            "reliability": vars(after),
        }
    return plain(result)


def measure_unknown(
    known: np.ndarray, unknown: np.ndarray, *, by: str, shortcut: Mapping[str, float] | None = None
) -> dict:
    """How well a score (`by`: confidence, minus distance …) tells known clips from unknown ones.

    `shortcut` is the AUROC of facts about the files alone (`actrec.data.check.shortcut_auroc`), to be read beside.
    """
    curve = rejection(known, unknown)
    threshold, refused = curve.at_false_accept(0.05)
    steps = np.unique(np.linspace(0, len(curve.thresholds) - 1, CURVE).astype(int))
    return plain(
        {
            "by": by,
            "known": int(np.size(known)),
            "unknown": int(np.size(unknown)),
            "auroc": curve.auroc,
            "equal_error": curve.equal_error,
            "threshold_at_5_percent_false_accept": threshold,
            "false_reject_at_5_percent_false_accept": refused,
            "curve": {
                name: [getattr(curve, name)[step] for step in steps]
                for name in ("thresholds", "false_accept", "false_reject")
            },
            "shortcut_auroc": dict(shortcut) if shortcut else None,
        }
    )


def over_splits(results: Mapping[str, dict]) -> dict:
    """Several splits as one result: the mean of each number and its deviation, the confusions added up."""
    if not results:
        raise BadValue("no split was measured")
    several = list(results.values())
    if any(result["labels"] != several[0]["labels"] for result in several):
        raise BadValue("the splits do not share their labels")
    matrix = np.sum([result["confusion"] for result in several], axis=0)
    merged = {
        "clips": sum(result["clips"] for result in several),
        "classes": several[0]["classes"],
        "labels": several[0]["labels"],
        "confusion": matrix.tolist(),
        "per_class": dict(zip(several[0]["labels"], per_class(matrix), strict=True)),
        "pooled_top1": float(np.trace(matrix) / matrix.sum()),
        "reliability": _pooled([result["reliability"] for result in several]),
        "mistakes": sorted((m for result in several for m in result["mistakes"]), key=lambda m: -m["confidence"]),
        "splits": {name: _numbers(result) for name, result in results.items()},
    }
    merged["mistakes"] = merged["mistakes"][:SHOWN_MISTAKES]
    if several[0].get("parts"):
        merged["parts"] = {
            name: {key: float(np.mean([result["parts"][name][key] for result in several])) for key in figures}
            for name, figures in several[0]["parts"].items()
        }
    for name in _numbers(several[0]):
        values = [result[name] for result in several if result.get(name) is not None]
        if values and name not in merged:
            merged[name], merged[f"{name}_deviation"] = mean_and_deviation(values)
    return plain(merged)


def _numbers(result: Mapping) -> dict[str, float]:
    return {
        name: result[name]
        for name in ("clips", "top1", "top5", "mean_class_accuracy", "chance", "calibration_error", "clips_per_second")
        if name in result
    }


def _pooled(curves: Sequence[Mapping]) -> dict:
    """Reliability of all clips of several results together, bin by bin."""
    count = np.sum([curve["count"] for curve in curves], axis=0)
    sums = {
        name: np.sum([np.multiply(curve[name], curve["count"]) for curve in curves], axis=0)
        for name in ("confidence", "accuracy")
    }
    error = float(np.abs(sums["accuracy"] - sums["confidence"]).sum() / count.sum())
    return {"error": error, **{name: total / np.maximum(count, 1) for name, total in sums.items()}, "count": count}


def _mistakes(
    probabilities: np.ndarray, targets: np.ndarray, labels: Sequence[str], names: Sequence[str]
) -> list[dict]:
    """The most confident wrong answers."""
    answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(answers != targets)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][:SHOWN_MISTAKES]
    return [
        {
            "clip": names[int(index)] if names else f"clip {index}",
            "is": labels[int(targets[index])],
            "taken_for": labels[int(answers[index])],
            "confidence": float(confidence[index]),
        }
        for index in wrong
    ]


def most_confused(result: Mapping, most: int = 10) -> list[tuple[str, str, int, float]]:
    """Pairs (class, taken for, clips, fraction of the class) by the number of clips."""
    matrix, labels = np.array(result["confusion"]), result["labels"]
    off = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-off, axis=None, kind="stable")[:most]
    pairs = (divmod(int(place), len(off)) for place in order)
    return [
        (labels[row], labels[column], int(off[row, column]), float(off[row, column] / matrix[row].sum()))
        for row, column in pairs
        if off[row, column] > 0
    ]


def plain(value: Any) -> Any:
    """Only what strict JSON knows: NumPy numbers become Python's, what is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
