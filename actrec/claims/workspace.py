"""What an arm works at: the clips of one ground and seed, and what arms of a family leave there for each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from actrec.claims.datasets import GROUNDS, Told
from actrec.claims.short_training import Budget, taught
from actrec.core.errors import BadValue
from actrec.data.sources import Source
from actrec.metrics.accuracy import top
from actrec.recognition.recognizer import Recognizer, find_weights, unit
from actrec.systems import System
from actrec.weights.folders import WEIGHTS

Figures = dict[str, float]


@dataclass
class Desk:
    """One ground and seed: its clips, and what arms leave for each other."""

    source: Source
    ground: str
    seed: int
    kept: dict[str, object] = field(default_factory=dict)

    def once(self, name: str, make: Callable[[], object]) -> object:
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]


class Bench:
    """The desk at hand: arms come grouped by ground and seed, so one or two are enough."""

    def __init__(self, data: Path | None, told: Told) -> None:
        self.data, self.told = data, told
        self.desks: dict[tuple[str, int], Desk] = {}

    def desk(self, ground: str, seed: int) -> Desk:
        if (ground, seed) not in self.desks:
            if len(self.desks) > 1:
                self.desks.pop(next(iter(self.desks)))
            self.desks[ground, seed] = Desk(GROUNDS[ground].open(seed, self.told, self.data), ground, seed)
        return self.desks[ground, seed]


@dataclass(frozen=True)
class Arm:
    """`settings` is what it is given, in words: a figure that was taken with others does not count."""

    measure: Callable[[Desk], Figures]
    settings: str


def trained(system: System, budget: Budget) -> Arm:
    """A recipe taught from a random start, judged on the newest view of each clip."""
    return Arm(lambda desk: taught(system, desk.source, desk.seed, budget).figures(), str(budget))


def as_shipped(system: System, weights: str, cut: Callable[[Source], Source] = lambda source: source) -> Arm:
    """Shipped weights that learn nothing more, on the newest view; `cut` is what happens to the clips first."""

    def measure(desk: Desk) -> Figures:
        judged = cut(desk.source).validation
        recognizer = desk.once(weights, lambda: open_shipped(weights, desk.source))
        logits, codes = recognizer.run([system.protocols["one"].views(judged.clip(i))[0] for i in range(len(judged))])
        if system.decides == "centres":
            gaps = [recognizer.distances(code) for code in unit(codes)]
            logits = -np.array([[each[label] for label in recognizer.labels] for each in gaps])
        return {"top1": top(logits, judged.targets)}

    return Arm(measure, f"{weights} as it ships, one view")


def open_shipped(weights: str, source: Source) -> Recognizer:
    """The recogniser, where it knows just these classes."""
    recognizer = Recognizer.load(find_weights(weights, WEIGHTS))
    if list(recognizer.labels) != list(source.labels):
        raise BadValue(f"'{weights}' does not know these classes: this arm is judged on drawn clips only.")
    return recognizer
