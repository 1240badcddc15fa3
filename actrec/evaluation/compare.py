"""One clip through several systems: the answer of each, which others agree, its cost; beside it what its paper reports.

The papers' figures were measured on other data than this project's weights: they stand beside, never in a ranking.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from actrec.evaluation.cost import counted
from actrec.people.presence import Presence
from actrec.recognition.decision import Decision
from actrec.recognition.recognizer import Recognizer
from actrec.systems import SYSTEMS, System
from actrec.video import Clip


@dataclass(frozen=True)
class Compared:
    """One system's answer for the clip. Of the `others` that have the label as a class, `agreeing` answer the same."""

    name: str
    system: str
    label: str
    unknown: bool
    decision: Decision
    confidence: float
    labels: tuple[str, ...]
    weights: int
    multiplications: int
    views: int
    milliseconds: float
    accuracy: float | None
    headline: str
    agreeing: int = 0
    others: int = 0

    @property
    def answer(self) -> str:
        return self.decision.text


def compared(recognizer: Recognizer, name: str, clip: Clip, seen: Presence | None = None) -> Compared:
    """One system's row; multiplications and milliseconds are those of all views of the clip, in which `seen` are."""
    start = time.perf_counter()
    prediction = recognizer.predict(clip)
    milliseconds = (time.perf_counter() - start) * 1000
    prediction = prediction.seen(seen)
    cost = counted(recognizer.system, len(recognizer.labels))
    views = len(prediction.view_scores)
    return Compared(
        name=name,
        system=recognizer.system.name,
        label=prediction.label,
        unknown=bool(prediction.unknown),
        decision=prediction.decision,
        confidence=float(prediction.scores.max()),
        labels=recognizer.labels,
        weights=cost.weights,
        multiplications=cost.multiplications * views,
        views=views,
        milliseconds=milliseconds,
        accuracy=recognizer.card.measured.get("top1"),
        headline=headline(recognizer.system),
    )


def with_agreement(rows: Sequence[Compared]) -> list[Compared]:
    """The rows with how many others answer the same; a system that has no class of that label is not counted."""
    compared_rows = []
    for row in rows:
        rest = [other for other in rows if other is not row]
        asked = [other for other in rest if row.label in other.labels] if row.decision.named else rest
        agreeing = sum(other.decision.label == row.decision.label for other in asked)
        compared_rows.append(replace(row, agreeing=agreeing, others=len(asked)))
    return compared_rows


def headline(system: System) -> str:
    """What the system's paper reports for this very network, or else for its best one, in words; empty where it does
    not."""
    of_paper = [other.headline for other in SYSTEMS.values() if other.paper == system.paper and other.headline]
    printed = system.headline or max(of_paper, key=lambda figures: figures["UCF-101"], default={})
    return ", ".join(f"{data} {top1:.1f} %" for data, top1 in printed.items())


@dataclass(frozen=True)
class Point:
    """Accuracy against cost: measured here on a card's own test clips, or a paper's on UCF-101."""

    name: str
    multiplications: int
    accuracy: float
    of_paper: bool


def papers_points(costs: Mapping[str, int], data: str = "UCF-101") -> list[Point]:
    """Each paper's headline on one data set over the multiplications of its network for one view."""
    return [
        Point(name, costs[name], system.headline[data] / 100, True)
        for name, system in SYSTEMS.items()
        if data in system.headline
    ]
