"""The data of a training: labels, a training split and a validation split, with access to each clip by its index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from actrec.video import Clip

SMALL, MOMENTS = 200, 4  # clips of a set whose videos are read at several moments, and the most moments of a video


@dataclass(frozen=True)
class Split:
    """Clips by index with their targets; `clip` may be called from any thread."""

    targets: np.ndarray
    clip: Callable[[int], Clip]

    def __len__(self) -> int:
        return len(self.targets)

    def order(self, rng: np.random.Generator, balanced: bool) -> np.ndarray:
        """An epoch's order: every clip once, or with classes in balance."""
        return self.balanced_order(rng) if balanced else rng.permutation(len(self))

    def balanced_order(self, rng: np.random.Generator) -> np.ndarray:
        """An epoch's order in which classes take turns, so that every batch is balanced; rare classes repeat."""
        classes = [np.flatnonzero(self.targets == label) for label in np.unique(self.targets)]
        most = max(len(members) for members in classes)
        drawn = [
            np.concatenate([rng.permutation(members) for _ in range(-(-most // len(members)))])[:most]
            for members in classes
        ]
        rounds = np.stack(drawn, axis=1)
        return np.concatenate([rng.permutation(round_) for round_ in rounds])

    def of(self, index: np.ndarray) -> Split:
        """Some of the clips."""
        index = np.asarray(index)
        return Split(self.targets[index], lambda place: self.clip(int(index[place])))

    def moments(self, seconds: float) -> Split:
        """Each clip as a camera would have shown it at a few moments, the last one its end.

        An answer from the newest `seconds` alone misses an action in the middle of a video, and a dozen answers make a
        noisy figure. In a large set, the ends of its clips are enough.
        """
        if len(self) > SMALL:
            return self
        stops = [_stops(self.clip(index), seconds) for index in range(len(self))]
        entries = [(index, stop) for index, clip_stops in enumerate(stops) for stop in clip_stops]

        def until(place: int) -> Clip:
            index, stop = entries[place]
            clip = self.clip(index)
            return clip.between(float(clip.times[0]), stop)

        return Split(self.targets[[index for index, _ in entries]], until)


def _stops(clip: Clip, seconds: float) -> list[float]:
    """The seconds before which a few windows end, evenly spread and overlapping by half at least where they may."""
    first, last = float(clip.times[0]), float(clip.times[-1])
    count = min(MOMENTS, 1 + int(np.ceil(max(0.0, last - first - seconds) / (seconds / 2))))
    return [float(end) + 1e-3 for end in (np.linspace(first + seconds, last, count) if count > 1 else [last])]


@dataclass(frozen=True)
class Source:
    """Data with its labels and its description for a card."""

    labels: list[str]
    train: Split
    validation: Split
    description: str
    licence: str = "AGPL-3.0"
    intended_for: str = ""
    people: str = "one person"
