"""How many of the people that a teacher sees a detector finds, and how many of its boxes are people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actrec.training.person_detector.frames import FramesError

LEAST_OVERLAP = 0.5
GOALS = {"recall": 0.85, "precision": 0.80}
CONFIDENCES = np.round(np.arange(0.05, 0.951, 0.01), 2)


def overlaps(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes `[n, 4+]` and `[m, 4+]`: `[n, m]`."""
    a, b = ours[:, None, :4].astype(np.float64), theirs[None, :, :4].astype(np.float64)
    sides = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    shared = sides.prod(-1)
    areas = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1)
    return shared / np.maximum(areas - shared, 1e-9)


def right(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Which boxes `[n, 5]` match a person of `truth` `[m, 4+]` whom no surer box matches: `bool [n]`, best first."""
    hits = np.zeros(len(boxes), dtype=bool)
    free = np.ones(len(truth), dtype=bool)
    shared = overlaps(boxes, truth)
    for k in np.argsort(-boxes[:, 4], kind="stable"):
        row = np.where(free, shared[k], 0.0)
        if row.size and row.max() >= LEAST_OVERLAP:
            free[row.argmax()] = False
            hits[k] = True
    return hits


@dataclass(frozen=True)
class Tally:
    """Scores of all boxes, which of them were right, and how many people there were."""

    scores: np.ndarray
    hits: np.ndarray
    people: int

    def at(self, confidence: float) -> dict[str, float | int]:
        """Recall and precision of the boxes that are at least this sure."""
        sure = self.scores >= confidence
        hits, boxes = int((self.hits & sure).sum()), int(sure.sum())
        return {
            "recall": round(hits / self.people, 4) if self.people else 1.0,
            "precision": round(hits / boxes, 4) if boxes else 1.0,
            "people": self.people,
            "boxes": boxes,
        }


def tally(boxes: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> Tally:
    """Frames' boxes `[n, 5]` held against what is there `[m, 4+]`, frame by frame."""
    hits = [right(ours, theirs) for ours, theirs in zip(boxes, truth, strict=True)]
    return Tally(
        np.concatenate([rows[:, 4] for rows in boxes] or [np.zeros(0)]),
        np.concatenate(hits or [np.zeros(0, dtype=bool)]),
        sum(map(len, truth)),
    )


def best_confidence(counts: Tally) -> tuple[float, float]:
    """The confidence at which the worse of recall and precision, each against its goal, is best; and that margin."""
    if not counts.people:
        raise FramesError("The clips to check on show nobody, so no confidence can be chosen: name more clips.")
    margins = []
    for confidence in CONFIDENCES:
        row = counts.at(confidence)
        margins.append(min(row[name] - goal for name, goal in GOALS.items()) if row["boxes"] else -1.0)
    best = int(np.argmax(margins))
    return float(CONFIDENCES[best]), float(margins[best])
