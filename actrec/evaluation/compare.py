"""One clip through several systems: what each says, who agrees, what it costs; beside it what its paper reports.

The papers' figures were measured on other data than this project's weights: they stand beside, never in a ranking.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from actrec.evaluation.cost import counted
from actrec.recognition.recognizer import Recognizer
from actrec.recognition.results import UNKNOWN
from actrec.systems import System, asym3d, crossenh, fstcn, mdtnet, ms3d
from actrec.video import Clip

# Accuracy in per cent as the papers print it for their full systems; data set → top-1.
HEADLINES: dict[str, dict[str, float]] = {
    ms3d.PAPER: {"UCF-101": 92.4, "HMDB-51": 72.1, "Kinetics": 82.9},
    fstcn.PAPER: {"UCF-101": 88.1, "HMDB-51": 59.1},
    asym3d.PAPER: {"UCF-101": 92.6, "HMDB-51": 65.4},
    asym3d.C3D_PAPER: {"UCF-101": 84.6, "HMDB-51": 56.7},  # as Asymmetric 3D-CNN reports c3d-b8
    mdtnet.PAPER: {"UCF-101": 96.8, "HMDB-51": 73.5, "Kinetics": 77.2, "Something V1": 53.5},
    crossenh.PAPER: {"UCF-101": 93.6, "HMDB-51": 66.6, "Kinetics": 74.5},
}
# The network of each paper whose cost belongs to its headline.
IN_PAPER = {
    ms3d.PAPER: "ms3d-paper",
    fstcn.PAPER: "fstcn-paper",
    asym3d.PAPER: "asym3d-paper",
    asym3d.C3D_PAPER: "c3d-b8",
    mdtnet.PAPER: "mdtnet-paper",
    crossenh.PAPER: "crossenh-paper",
}


@dataclass(frozen=True)
class Compared:
    """What one system said of the clip. `agreeing` of the `others` that know the label, or that say unknown, agree."""

    name: str
    system: str
    label: str
    unknown: bool
    confidence: float
    knows: tuple[str, ...]
    weights: int
    multiplications: int
    views: int
    milliseconds: float
    accuracy: float | None
    headline: str
    agreeing: int = 0
    others: int = 0

    @property
    def says(self) -> str:
        return UNKNOWN if self.unknown else self.label


def compared(recognizer: Recognizer, name: str, clip: Clip) -> Compared:
    """One system's row; multiplications and milliseconds are those of all views of the clip."""
    began = time.perf_counter()
    prediction = recognizer.predict(clip)
    taken = (time.perf_counter() - began) * 1000
    cost = counted(recognizer.system, len(recognizer.labels))
    views = len(prediction.view_scores)
    return Compared(
        name=name,
        system=recognizer.system.name,
        label=prediction.label,
        unknown=bool(prediction.unknown),
        confidence=float(prediction.scores.max()),
        knows=recognizer.labels,
        weights=cost.weights,
        multiplications=cost.multiplications * views,
        views=views,
        milliseconds=taken,
        accuracy=recognizer.card.measured.get("top1"),
        headline=headline(recognizer.system),
    )


def with_agreement(rows: Sequence[Compared]) -> list[Compared]:
    """How many of the others say the same; a system that does not know the label is not asked."""
    judged = []
    for row in rows:
        rest = [other for other in rows if other is not row]
        asked = rest if row.unknown else [other for other in rest if row.label in other.knows]
        agreeing = sum(other.says == row.says for other in asked)
        judged.append(replace(row, agreeing=agreeing, others=len(asked)))
    return judged


def headline(system: System) -> str:
    """What the system's paper reports, in words; empty where none does."""
    return ", ".join(f"{data} {top1:.1f} %" for data, top1 in HEADLINES.get(system.paper, {}).items())


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
        Point(IN_PAPER[paper], costs[IN_PAPER[paper]], figures[data] / 100, True)
        for paper, figures in HEADLINES.items()
        if data in figures
    ]
