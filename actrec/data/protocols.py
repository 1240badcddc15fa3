"""Which clips train and which test: official splits, one group left out, folds, a fraction held out.

A group (sequence, person, source video) is never on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from actrec.core.errors import BadValue
from actrec.data.datasets import DataSet
from actrec.data.samples import DataError, natural


@dataclass(frozen=True)
class Fold:
    """Indices into a data set. `validation` may be empty; nothing stands in two parts."""

    name: str
    train: tuple[int, ...]
    test: tuple[int, ...]
    validation: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        parts = [set(self.train), set(self.test), set(self.validation)]
        if sum(map(len, parts)) != len(set().union(*parts)):
            raise BadValue(f"split {self.name}: a clip stands in two parts")


def official(dataset: DataSet) -> list[Fold]:
    """The splits that the set was published with; empty when it has none."""
    names = sorted({name for sample in dataset.samples for name in sample.parts}, key=natural)
    splits = []
    for name in names:
        of: dict[str, list[int]] = {part: [] for part in ("train", "validation", "test")}
        for index, sample in enumerate(dataset.samples):
            if name in sample.parts:
                of[sample.parts[name]].append(index)
        if not of["test"]:  # Kinetics and Something-Something are tested on their validation part
            of["test"], of["validation"] = of["validation"], []
        splits.append(Fold(name, *(tuple(of[part]) for part in ("train", "test", "validation"))))
    return splits


def leave_one_group_out(dataset: DataSet) -> list[Fold]:
    """One fold per group, which tests while all others train."""
    groups = dataset.groups()
    if not all(groups) or len(set(groups)) < 2:
        raise DataError(
            "groups",
            f"{dataset.name} has no groups to leave out. Put the clips of one person or one recording "
            "into a folder of its own (class/group/clip), or hold out a fraction instead.",
        )
    splits = []
    for group in sorted(set(groups), key=natural):
        splits.append(
            Fold(group, *(tuple(map(int, np.flatnonzero(side))) for side in (groups != group, groups == group)))
        )
    return splits


def hold_out(dataset: DataSet, fraction: float, rng: np.random.Generator, *, part: str = "test") -> Fold:
    """About `fraction` of each class set aside as `test` or `validation`; whole groups where there are groups.

    Every class keeps at least one clip to train on, and gives up one when it has two or more. Where every group holds
    the last clips of some class, the group is held out that leaves the fewest classes empty.
    """
    if not 0 < fraction < 1:
        raise BadValue(f"the fraction held out lies between 0 and 1, not {fraction}")
    chosen = _groups_out(dataset, fraction, rng) if _has_groups(dataset) else _clips_out(dataset, fraction, rng)
    rest = tuple(index for index in range(len(dataset)) if index not in chosen)
    out = tuple(sorted(chosen))
    name = f"{fraction:.0%} held out"
    return Fold(name, rest, out) if part == "test" else Fold(name, rest, (), out)


def folds(dataset: DataSet, count: int, rng: np.random.Generator) -> list[Fold]:
    """Cross-validation: each clip is tested once, classes are spread evenly, groups stay whole."""
    if not 2 <= count <= len(dataset):
        raise DataError("folds", f"{count} folds cannot be made of {len(dataset)} clips.")
    units = list(_units(dataset, rng))
    if len(units) < count:
        raise DataError("folds", f"{count} folds cannot be made of {len(units)} groups; ask for fewer.")
    counts = np.zeros((count, len(dataset.labels)))
    members: list[list[int]] = [[] for _ in range(count)]
    targets = dataset.targets()
    for unit in sorted(units, key=len, reverse=True):
        own = np.bincount(targets[unit], minlength=len(dataset.labels))
        # the fold that has the fewest clips of these classes, then the fewest clips
        fold = min(range(count), key=lambda f: (float(counts[f] @ own), len(members[f])))
        counts[fold] += own
        members[fold] += unit
    splits = []
    for number, inside in enumerate(members, start=1):
        rest = sorted(set(range(len(dataset))) - set(inside))
        splits.append(Fold(f"fold {number}", tuple(rest), tuple(sorted(inside))))
    return splits


def straddling(dataset: DataSet, split: Fold) -> list[str]:
    """Groups with clips on both sides of a split; official splits of some sets have them."""
    groups = dataset.groups()
    train = {groups[index] for index in split.train}
    return sorted(({groups[index] for index in (*split.test, *split.validation)} & train) - {""}, key=natural)


def _has_groups(dataset: DataSet) -> bool:
    groups = dataset.groups()
    return all(groups) and len(set(groups)) > 1


def _units(dataset: DataSet, rng: np.random.Generator) -> Iterator[list[int]]:
    """The units that stay together, in random order: groups where there are any, single clips otherwise."""
    groups = dataset.groups()
    named = [str(group) if group else f"clip {index}" for index, group in enumerate(groups)]
    gathered: dict[str, list[int]] = {}
    for index, name in enumerate(named):
        gathered.setdefault(name, []).append(index)
    keys = list(gathered)
    for position in rng.permutation(len(keys)):
        yield gathered[keys[position]]


def _clips_out(dataset: DataSet, fraction: float, rng: np.random.Generator) -> set[int]:
    targets = dataset.targets()
    chosen: set[int] = set()
    for label in range(len(dataset.labels)):
        members = np.flatnonzero(targets == label)
        if len(members) >= 2:
            count = int(np.clip(round(fraction * len(members)), 1, len(members) - 1))
            chosen |= set(map(int, rng.permutation(members)[:count]))
    return chosen


def _groups_out(dataset: DataSet, fraction: float, rng: np.random.Generator) -> set[int]:
    """Groups, one after another, until enough clips are held out; no class loses its last one. At least one group."""
    targets = dataset.targets()
    chosen: list[int] = []
    left = dataset.counts().astype(float)
    goal, held_out = fraction * left, np.zeros(len(dataset.labels))
    for unit in _units(dataset, rng):
        own = np.bincount(targets[unit], minlength=len(dataset.labels))
        missing = np.maximum(goal - held_out, 0)
        helps = np.minimum(own, missing).sum() >= own.sum() / 2
        if helps and np.all((left - own >= 1) | (own == 0)):
            chosen += unit
            left, held_out = left - own, held_out + own
    if not chosen:
        return _cheapest_group(dataset, _units(dataset, rng))
    return set(chosen)


def _cheapest_group(dataset: DataSet, units: Iterable[list[int]]) -> set[int]:
    """The group without which the fewest classes have no clip left; of those the smallest."""
    targets, counts = dataset.targets(), dataset.counts()

    def cost(unit: list[int]) -> tuple[int, int]:
        own = np.bincount(targets[unit], minlength=len(counts))
        return int(((own > 0) & (own == counts)).sum()), len(unit)

    cheapest: list[int] = min(units, key=cost)
    return set(cheapest)
