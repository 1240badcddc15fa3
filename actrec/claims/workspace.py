"""What an experiment works with: the clips of one data set and seed, and the results that several experiments need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from actrec.claims.datasets import DATASETS, OnProgress
from actrec.claims.short_training import Pupil, enrol, started, taught
from actrec.core.errors import BadValue
from actrec.data.sources import Source, Split
from actrec.metrics.accuracy import top
from actrec.recognition.calibrated import comparable
from actrec.recognition.recognizer import Recognizer
from actrec.systems import System
from actrec.systems.claim import Budget
from actrec.weights.find import find_weights
from actrec.weights.folders import WEIGHTS


@dataclass
class OpenWorkspace:
    """One data set and seed: its clips, and what the experiments of a family have in common."""

    source: Source
    dataset: str
    seed: int
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def drawn(self) -> bool:
        return bool(DATASETS[self.dataset].setting)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """The result of `make`, computed the first time."""
        if name not in self.results:
            self.results[name] = make()
        return self.results[name]

    def enrolled(self, system: System, build: Callable[[int], nn.Module] | None = None) -> Pupil:
        """A network at its random start."""
        return enrol(system, self.source, self.seed, build)

    def started(self, system: System, weights: str) -> Pupil:
        """A network that starts from a checkpoint."""
        return started(system, weights, self.source, self.seed)

    def taught(self, system: System, budget: Budget) -> Pupil:
        """A network trained by the recipe's own objective."""
        return taught(system, self.source, self.seed, budget)

    def shipped(self, weights: str) -> Recognizer:
        """The recognizer of shipped weights, where it has just these classes."""
        return self.once(weights, lambda: open_shipped(weights, self.source))

    def as_shipped(self, system: System, weights: str) -> dict[str, float]:
        """Shipped weights that learn nothing more, on the newest view of each clip."""
        held_out, recognizer = self.source.validation, self.shipped(weights)
        logits, codes = recognizer.run(
            [system.protocols["one"].views(held_out.clip(i))[0] for i in range(len(held_out))]
        )
        if system.decides == "centres":
            gaps = [recognizer.distances(code) for code in comparable(system, codes)]
            logits = -np.array([[gap[label] for label in recognizer.labels] for gap in gaps])
        return {"top1": top(logits, held_out.targets)}

    def without_class(self, left_out: int) -> tuple[OpenWorkspace, Split]:
        """The same without one class, and the held-out clips of that class."""
        source, strange = without_class(self.source, left_out)
        return replace(self, source=source, results={}), strange


class Workspaces:
    """The workspaces in use: experiments come grouped by data set and seed, so one or two are enough."""

    def __init__(self, data: Path | None, on_progress: OnProgress) -> None:
        self.data, self.on_progress = data, on_progress
        self.opened: dict[tuple[str, int], OpenWorkspace] = {}

    def open(self, dataset: str, seed: int) -> OpenWorkspace:
        if (dataset, seed) not in self.opened:
            if len(self.opened) > 1:
                self.opened.pop(next(iter(self.opened)))
            source = DATASETS[dataset].open(seed, self.on_progress, self.data)
            self.opened[dataset, seed] = OpenWorkspace(source, dataset, seed)
        return self.opened[dataset, seed]


def open_shipped(weights: str, source: Source) -> Recognizer:
    """The recognizer, where it knows just these classes."""
    recognizer = Recognizer.load(find_weights(weights, WEIGHTS))
    if list(recognizer.labels) != list(source.labels):
        raise BadValue(f"'{weights}' does not know these classes: this experiment is for drawn clips only.")
    return recognizer


def without_class(source: Source, left_out: int) -> tuple[Source, Split]:
    """The source without one class, and the held-out clips of that class."""

    def some(split: Split, mask: np.ndarray) -> Split:
        places = np.flatnonzero(mask)
        numbers = split.targets[places] - (split.targets[places] > left_out)
        return Split(numbers, lambda place: split.clip(int(places[place])))

    labels = [label for number, label in enumerate(source.labels) if number != left_out]
    train, held_out = (some(split, split.targets != left_out) for split in (source.train, source.validation))
    strange = some(source.validation, source.validation.targets == left_out)
    return replace(source, labels=labels, train=train, validation=held_out), strange
