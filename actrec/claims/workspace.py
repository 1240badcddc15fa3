"""What an experiment works with: the clips of one ground and seed, and what experiments of a family share there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from actrec.claims.datasets import GROUNDS, OnProgress
from actrec.claims.short_training import Pupil, enrol, started, taught
from actrec.core.errors import BadValue
from actrec.data.sources import Source, Split
from actrec.metrics.accuracy import top
from actrec.recognition.recognizer import Recognizer, find_weights, unit
from actrec.systems import System
from actrec.systems.claim import Budget
from actrec.video import Clip
from actrec.weights.folders import WEIGHTS


@dataclass
class OpenWorkspace:
    """One ground and seed: its clips, and what experiments of a family share."""

    source: Source
    ground: str
    seed: int
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def drawn(self) -> bool:
        return bool(GROUNDS[self.ground].setting)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gave the first time."""
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]

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
        """The recognizer of shipped weights, where it knows just these classes."""
        return self.once(weights, lambda: open_shipped(weights, self.source))

    def as_shipped(self, system: System, weights: str) -> dict[str, float]:
        """Shipped weights that learn nothing more, on the newest view of each clip."""
        judged, recognizer = self.source.validation, self.shipped(weights)
        logits, codes = recognizer.run([system.protocols["one"].views(judged.clip(i))[0] for i in range(len(judged))])
        if system.decides == "centres":
            gaps = [recognizer.distances(code) for code in unit(codes)]
            logits = -np.array([[gap[label] for label in recognizer.labels] for gap in gaps])
        return {"top1": top(logits, judged.targets)}

    def edited(self, find: Callable[[Clip], Any], edit: Callable[[Clip, Any], Clip]) -> OpenWorkspace:
        """The same with every clip edited by what was found in it, once."""

        def of(split: Split) -> Split:
            found: dict[int, Any] = {}

            def clip(index: int) -> Clip:
                whole = split.clip(index)
                if index not in found:
                    found[index] = find(whole)
                return edit(whole, found[index])

            return Split(split.targets, clip)

        source = replace(self.source, train=of(self.source.train), validation=of(self.source.validation))
        return replace(self, source=source)

    def without_class(self, left_out: int) -> tuple[OpenWorkspace, Split]:
        """The same without one class, and the clips of that class among those to be judged by."""
        source, strange = without_class(self.source, left_out)
        return replace(self, source=source, kept={}), strange


class Workspaces:
    """The workspaces in use: experiments come grouped by ground and seed, so one or two are enough."""

    def __init__(self, data: Path | None, on_progress: OnProgress) -> None:
        self.data, self.on_progress = data, on_progress
        self.opened: dict[tuple[str, int], OpenWorkspace] = {}

    def open(self, ground: str, seed: int) -> OpenWorkspace:
        if (ground, seed) not in self.opened:
            if len(self.opened) > 1:
                self.opened.pop(next(iter(self.opened)))
            source = GROUNDS[ground].open(seed, self.on_progress, self.data)
            self.opened[ground, seed] = OpenWorkspace(source, ground, seed)
        return self.opened[ground, seed]


def open_shipped(weights: str, source: Source) -> Recognizer:
    """The recognizer, where it knows just these classes."""
    recognizer = Recognizer.load(find_weights(weights, WEIGHTS))
    if list(recognizer.labels) != list(source.labels):
        raise BadValue(f"'{weights}' does not know these classes: this experiment is judged on drawn clips only.")
    return recognizer


def without_class(source: Source, left_out: int) -> tuple[Source, Split]:
    """The source without one class, and the judged clips of that class."""

    def some(split: Split, wanted: np.ndarray) -> Split:
        kept = np.flatnonzero(wanted)
        numbers = split.targets[kept] - (split.targets[kept] > left_out)
        return Split(numbers, lambda place: split.clip(int(kept[place])))

    labels = [label for number, label in enumerate(source.labels) if number != left_out]
    train, judged = (some(split, split.targets != left_out) for split in (source.train, source.validation))
    strange = some(source.validation, source.validation.targets == left_out)
    return replace(source, labels=labels, train=train, validation=judged), strange
