"""What a training learns from: labels, a training split and a validation split, each clip at hand by its index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from actrec.video import Clip


@dataclass(frozen=True)
class Split:
    """Clips by index with their targets; `clip` may be called from any thread."""

    targets: np.ndarray
    clip: Callable[[int], Clip]

    def __len__(self) -> int:
        return len(self.targets)

    def balanced_order(self, rng: np.random.Generator) -> np.ndarray:
        """An epoch's order in which classes take turns, so that every batch is balanced; rare classes repeat."""
        classes = [np.flatnonzero(self.targets == label) for label in np.unique(self.targets)]
        most = max(len(each) for each in classes)
        drawn = [
            np.concatenate([rng.permutation(each) for _ in range(-(-most // len(each)))])[:most] for each in classes
        ]
        rounds = np.stack(drawn, axis=1)
        return np.concatenate([rng.permutation(each) for each in rounds])


@dataclass(frozen=True)
class Source:
    """Data with its labels and what to say of it on a card."""

    labels: list[str]
    train: Split
    validation: Split
    description: str
    licence: str = "AGPL-3.0"
    intended_for: str = ""
    people: str = "one person"
