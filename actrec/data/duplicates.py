"""Clips that show the same take: equal bytes, or tiny versions that agree in appearance and in motion.

A copy in training and in validation makes any result too good. So do repetitions cut out of one recording: a network
that remembers the person and the room has the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from actrec.data.datasets import DataSet
from actrec.data.protocols import Fold
from actrec.data.reading import ClipSettings, fitted, thinned
from actrec.data.samples import some
from actrec.video import Clip

SIGNATURE = ClipSettings(size=16, fit="stretch", frames=8)
ALIKE = 0.97  # correlation of the average frames from which on two clips may be one take
SAME_MOTION = 0.9  # correlation of the differences from those averages, from which on they are
STILL = 1.0  # grey levels of change (standard deviation) under which a clip has no motion to compare
ALIKE_STILL = 0.999  # clips in which nothing moves are compared by their average frames alone, strictly
MOST = 14_000  # clips; beyond, comparing every pair takes minutes


@dataclass(frozen=True)
class Copies:
    """Clips of one take. `exact` when all have equal bytes; `sides` are the parts of the split they stand in."""

    clips: tuple[str, ...]
    exact: bool
    likeness: float
    labels: tuple[str, ...]
    sides: tuple[str, ...]

    def sentence(self) -> str:
        names = some(self.clips, 6)
        what = "are the same file" if self.exact else f"look like one take (likeness {self.likeness:.2f})"
        text = f"{len(self.clips)} clips {what}: {names}."
        if len(self.labels) > 1:
            text += f" They carry different labels: {', '.join(self.labels)}."
        if len(self.sides) > 1:
            text += f" They stand in {' and '.join(self.sides)}: the result will be too good."
        return text


def signature(clip: Clip) -> np.ndarray:
    """A tiny grey version, `float32 [8, 16, 16]`, hardly changed by the clip's size and compression."""
    small = fitted(thinned(clip, SIGNATURE), SIGNATURE)
    return small.frames.astype(np.float32).mean(axis=-1)


def same_bytes(hashes: Sequence[str]) -> list[tuple[int, int, float]]:
    """Pairs (first with these bytes, another one, 1.0)."""
    first_of: dict[str, int] = {}
    pairs = []
    for index, content in enumerate(hashes):
        if content in first_of:
            pairs.append((first_of[content], index, 1.0))
        first_of.setdefault(content, index)
    return pairs


def same_take(signatures: np.ndarray) -> list[tuple[int, int, float]]:
    """Pairs of signatures `[N, 8, 16, 16]` that show the same take, mirrored ones included, with their likeness.

    The average frames must agree, and so must the differences from them: two takes of one person in one place
    agree in the first only.
    """
    average = signatures.mean(axis=1)
    change = signatures - average[:, None]
    moves = change.std(axis=(1, 2, 3)) >= STILL
    plain = _unit(average), _unit(change)
    mirrored = _unit(average[..., ::-1]), _unit(change[..., ::-1])
    likeness_of: dict[tuple[int, int], float] = {}
    for start in range(0, len(signatures), 512):
        block = slice(start, start + 512)
        both, neither = moves[block, None] & moves[None], ~moves[block, None] & ~moves[None]
        for averages, changes in (plain, mirrored):
            alike, motion = plain[0][block] @ averages.T, plain[1][block] @ changes.T
            same = (both & (alike >= ALIKE) & (motion >= SAME_MOTION)) | (neither & (alike >= ALIKE_STILL))
            likeness = np.where(both, np.minimum(alike, motion), alike)
            for row, column in np.argwhere(same):
                pair = (int(start + row), int(column))
                if pair[0] < pair[1]:
                    likeness_of[pair] = max(likeness_of.get(pair, 0.0), min(float(likeness[row, column]), 0.9999))
    return [(first, second, likeness) for (first, second), likeness in sorted(likeness_of.items())]


def _unit(values: np.ndarray) -> np.ndarray:
    """Rows without their mean, of length 1: their products are correlations."""
    flat = values.reshape(len(values), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def takes(count: int, pairs: Iterable[tuple[int, int, float]]) -> list[list[int]]:
    """Clips linked by pairs, directly or through others, as lists of two or more indices."""
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for first, second, _ in pairs:
        parent[root(second)] = root(first)
    gathered: dict[int, list[int]] = {}
    for index in range(count):
        gathered.setdefault(root(index), []).append(index)
    return [members for members in gathered.values() if len(members) > 1]


def describe(dataset: DataSet, pairs: Sequence[tuple[int, int, float]], fold: Fold | None = None) -> list[Copies]:
    """The takes with more than one clip; those that stand on both sides of the fold come first."""
    side = {index: part for part in ("train", "validation", "test") if fold for index in getattr(fold, part)}
    repeated = []
    for members in takes(len(dataset), pairs):
        likeness = [value for first, second, value in pairs if first in members and second in members]
        repeated.append(
            Copies(
                clips=tuple(dataset[index].name for index in members),
                exact=min(likeness) == 1.0,
                likeness=min(likeness),
                labels=tuple(sorted({dataset.labels[dataset[index].label] for index in members})),
                sides=tuple(sorted({side[index] for index in members if index in side})),
            )
        )
    return sorted(repeated, key=lambda copies: (-len(copies.sides), -len(copies.labels), -len(copies.clips)))


def keep_together(dataset: DataSet, pairs: Iterable[tuple[int, int, float]]) -> DataSet:
    """The set with each take as a group of its own, so that no split tears it apart. Known groups stay."""
    if any(sample.group for sample in dataset.samples):
        return dataset
    groups = {
        index: f"take {number:03d}" for number, take in enumerate(takes(len(dataset), pairs), 1) for index in take
    }
    if not groups:
        return dataset
    samples = (
        replace(sample, group=groups.get(index, f"clip {index:05d}")) for index, sample in enumerate(dataset.samples)
    )
    return replace(dataset, samples=tuple(samples))
