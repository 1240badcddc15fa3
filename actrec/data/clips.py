"""A data set as a source for training: decoded once into the cache, without its broken clips, fairly divided."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from actrec.data import duplicates, protocols
from actrec.data.cache import ClipCache, FlowCache, default_folder, default_limit
from actrec.data.check import ready_to_train
from actrec.data.datasets import DataSet, by_camera
from actrec.data.open import open_set
from actrec.data.protocols import Fold
from actrec.data.published import between_two
from actrec.data.reading import FILES, ClipSettings, reason
from actrec.data.samples import DataError
from actrec.data.sources import Source, Split
from actrec.video import Clip, VideoError

FILMS = 2000  # up to so many clips repeated takes are sought
EVERYTHING = "all"  # the fold that judges nobody
STORED = ClipSettings(size=128, fit="short_side", fps=15.0)


def prepare(
    dataset: DataSet,
    settings: ClipSettings = STORED,
    *,
    cache: Path | None = None,
    limit: int | None = None,
    told: Callable[[str], None] = lambda sentence: None,
    flow: str = "",
    device: str = "cpu",
) -> DataSet:
    """Every clip decoded into the cache once; clips that cannot be read are left out and listed with the reason.

    With `flow`, the name of a method, the flow between each clip's frames is computed into the cache, too. A pack is
    small and needs no decoder: it is checked, but not cached. Where the set has no groups, clips of
    one take become one, so that no split tears them apart.
    """
    ready_to_train(dataset)
    limit = default_limit() if limit is None else limit
    packed = dataset.reader is not None
    read = dataset if packed else replace(dataset, reader=ClipCache(cache or default_folder(), limit))
    films, hashes, broken, size = [], [], {}, 0
    for index, sample in enumerate(read.samples):
        try:
            clip = read.read(index, settings)
            if len(clip) < 2:
                raise VideoError("one-frame", "It has a single frame; an action needs two or more.")
            content = read.reader.content(sample.path)
        except (VideoError, DataError, OSError, ValueError) as error:
            broken[index] = reason(error)
            told(f"Left out: {sample.name}: {broken[index]}")
            continue
        hashes.append(f"{content} {sample.start}")
        size += clip.frames.nbytes
        if len(read) <= FILMS:
            films.append(duplicates.signature(clip))
        if (index + 1) % 100 == 0:
            told(f"{index + 1} of {len(read)} clips are ready.")
    kept = read.without(broken)
    for sentence in ready_to_train(kept):
        told(sentence)
    size = (0 if packed else size) + (size * 4 // 3 if flow else 0)  # two float16 where a frame has three bytes
    if size > limit:
        told(
            f"{'With their flow' if flow else 'Decoded'}, the clips take {size / 1e9:.0f} GB and the cache may hold "
            f"{limit / 1e9:.0f} GB: part of them is made anew in every epoch. Set ACTREC_CACHE_GB to hold more."
        )
    pairs = duplicates.same_bytes(hashes) + (duplicates.same_take(np.stack(films)) if films else [])
    for found in duplicates.describe(kept, pairs)[:5]:
        told(found.sentence())
    kept = duplicates.keep_together(kept, pairs)
    return with_flow(kept, settings, flow, cache, limit, told, device) if flow else kept


def with_flow(
    dataset: DataSet,
    settings: ClipSettings,
    method: str,
    cache: Path | None = None,
    limit: int | None = None,
    told: Callable[[str], None] = lambda sentence: None,
    device: str = "cpu",
) -> DataSet:
    """The set whose clips carry their flow, which the cache holds: computed now where it is not there."""
    reader = dataset.reader
    if not isinstance(reader, ClipCache):
        reader = ClipCache(cache or default_folder(), default_limit() if limit is None else limit, reader or FILES)
    moving = replace(dataset, reader=FlowCache(reader, method, device))
    for index in range(len(moving)):
        before = reader.misses
        moving.read(index, settings)
        if reader.misses > before and (index + 1) % 10 == 0:
            told(f"The flow of {index + 1} of {len(moving)} clips is ready ({method}).")
    return moving


def choose_fold(dataset: DataSet, protocol: str | None, seed: int, share: float = 0.2) -> Fold:
    """Who trains, who validates, who is judged.

    `protocol` names an official split (`split 1`, `set1 → set2`) or a group to leave out (`sequence 03`); with `all`
    nobody is judged and a small share validates: how weights that ship are trained. Without one the first official
    split is taken, or a share is held out for validation. What a protocol judges is never used for validation: that is
    taken from its training part where it brings none.
    """
    rng = np.random.default_rng(seed)
    if protocol == EVERYTHING:
        return protocols.hold_out(dataset, share / 2, rng, part="validation")
    official = protocols.official(dataset)
    if protocol is None and not official:
        return protocols.hold_out(dataset, share, rng, part="validation")
    known = {fold.name: fold for fold in official}
    groups = dataset.groups()
    if all(groups) and len(set(groups)) > 1:
        known |= {fold.name: fold for fold in protocols.leave_one_group_out(dataset)}
    if protocol is not None and protocol not in known:
        raise DataError(
            "protocol", f"{dataset.name} has no protocol '{protocol}'. It has: {', '.join([*known, EVERYTHING])}."
        )
    fold = known[protocol] if protocol is not None else official[0]
    if not fold.train or not fold.test:
        raise DataError("protocol", f"'{fold.name}' of {dataset.name} has no clip to train on or none to judge.")
    if fold.validation:
        return fold
    inner = protocols.hold_out(dataset.subset(fold.train), share, rng, part="validation")
    back = np.array(fold.train)
    return replace(fold, train=_at(back, inner.train), validation=_at(back, inner.validation))


def part(dataset: DataSet, indices: Sequence[int], settings: ClipSettings = STORED) -> Split:
    """Some clips of a set as what training and evaluation read; `clip` may be called from any thread."""
    chosen = dataset.subset(indices)
    return Split(chosen.targets(), partial(_clip, chosen, settings))


def clips_source(
    path: str | os.PathLike,
    *,
    seed: int,
    told: Callable[[str], None],
    protocol: str | None = None,
    settings: ClipSettings = STORED,
    cache: Path | None = None,
    limit: int | None = None,
    flow: str = "",
    device: str = "cpu",
    cameras: int = 0,
) -> Source:
    """A folder, a published data set or a pack as a source for training."""
    found = open_set(path)
    dataset = prepare(
        by_camera(found) if cameras else found, settings, cache=cache, limit=limit, told=told, flow=flow, device=device
    )
    fold = choose_fold(dataset, protocol, seed)
    leaked = protocols.straddling(dataset, fold)
    if leaked:
        told(f"{len(leaked)} groups stand on both sides of {fold.name}, as it was published.")
    if not fold.validation:
        raise DataError("validation", f"{dataset.name} is too small: no clip is left to validate on.")
    return Source(
        labels=list(dataset.labels),
        train=part(dataset, fold.train, settings),
        validation=part(dataset, fold.validation, settings),
        description=f"{dataset.name}, {fold.name}: {len(fold.train)} clips to train on, "
        f"{len(fold.validation)} to validate, {len(fold.test)} not looked at",
        licence="unknown: the clips' own",
        intended_for="Research and teaching, unless the clips it learned from may be used otherwise.",
        people="two people" if between_two(dataset.labels) else "as many as in those clips",
    )


def _at(back: np.ndarray, indices: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(index) for index in back[list(indices)])


def _clip(dataset: DataSet, settings: ClipSettings, index: int) -> Clip:
    return dataset.read(int(index), settings)
