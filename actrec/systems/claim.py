"""A paper's claims as data: a claim compares two experiments; an experiment defines how its figures are measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Figures = Mapping[str, float]
OURS = "ours"  # in place of a paper's name: this project's own question about it


@dataclass(frozen=True)
class Claim:
    """`better` minus `worse`, both names of experiments, is the difference of a pair; with `against` the same
    difference there is taken away. `margin` is what may be lost where a claim says "at no loss".
    """

    id: str
    paper: str
    claim: str
    better: str
    worse: str
    measure: str = "top1"
    dataset: str = "hard"
    against: str = ""
    margin: float = 0.0

    def needed(self) -> list[tuple[str, str]]:
        """The experiments it takes and where, without seeds."""
        datasets = [self.dataset, *([self.against] if self.against else [])]
        return [(experiment, dataset) for dataset in datasets for experiment in (self.better, self.worse)]


@dataclass(frozen=True)
class Budget:
    """How long every experiment of a claim may learn."""

    steps: int
    batch: int = 16

    def __str__(self) -> str:
        return f"{self.steps} steps of {self.batch} clips"


@dataclass(frozen=True)
class Experiment:
    """`measure` receives a `actrec.systems.workspace.Workspace`. `settings` is what the experiment is given, in words:
    a figure that was measured with others does not count."""

    measure: Callable[..., Figures]
    settings: str
