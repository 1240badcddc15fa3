"""What an experiment may ask for: clips, short trainings, shipped weights.

An experiment receives all this, so a recipe can state its experiments without knowing how a training works;
`actrec.claims` opens the workspaces and reports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from torch import nn

from actrec.systems.claim import Budget, Experiment, Figures
from actrec.systems.system import System, Views
from actrec.video import Clip


class Clips(Protocol):
    """Labelled clips: `targets[i]` is the class of `clip(i)`."""

    targets: np.ndarray

    def __len__(self) -> int: ...

    def clip(self, index: int) -> Clip: ...


class Source(Protocol):
    """Clips to learn from, and as `validation` those to be measured on."""

    labels: list[str]
    train: Clips
    validation: Clips


class Pupil(Protocol):
    """A network in a short training."""

    network: nn.Module

    def learn(self, budget: Budget, *, stage: str = "", epoch: int = 0) -> Any:
        """So many steps more; with `stage` only that stage of the recipe's objective."""

    def outputs(self, split: Clips, of: Callable | None = None) -> np.ndarray:
        """Scores of the newest view of each clip, or what `of(network, inputs)` gives."""

    def run(self, views: list[Views]) -> tuple[np.ndarray, np.ndarray]:
        """Scores and embeddings of views."""

    def distances(self, split: Clips) -> np.ndarray:
        """Distances `[clips, classes]` to the class centres."""

    def probabilities(self, split: Clips) -> np.ndarray: ...

    def figures(self) -> dict[str, float]:
        """Top-1 on the held-out clips, and training steps per second."""


class Workspace(Protocol):
    """The clips of one data set and seed, and what an experiment may do with them."""

    source: Source
    seed: int
    drawn: bool  # drawn clips, not real ones

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """A result that experiments of a family have in common: computed by the first that asks."""

    def enrolled(self, system: System, build: Callable[[int], nn.Module] | None = None) -> Pupil:
        """A network at its random start."""

    def started(self, system: System, weights: str) -> Pupil:
        """A network that starts from a checkpoint."""

    def taught(self, system: System, budget: Budget) -> Pupil:
        """A network trained by the recipe's own objective."""

    def shipped(self, weights: str) -> Any:
        """The recognizer of shipped weights, where it knows just these classes."""

    def as_shipped(self, system: System, weights: str) -> Figures:
        """Shipped weights that learn nothing more, on the newest view of each clip."""

    def without_class(self, left_out: int) -> tuple[Workspace, Clips]:
        """The same without one class, and the clips of that class among the held-out ones."""


def trained(system: System, budget: Budget) -> Experiment:
    """A recipe taught from a random start, measured on the newest view of each clip."""
    return Experiment(lambda workspace: workspace.taught(system, budget).figures(), str(budget))


def as_shipped(system: System, weights: str) -> Experiment:
    """Shipped weights, on the newest view as `system` makes it."""
    return Experiment(lambda workspace: workspace.as_shipped(system, weights), f"{weights} as it ships, one view")
