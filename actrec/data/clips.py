"""A data set as a source for training: decoded once into the cache, without its broken clips, fairly divided."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from actrec.data import duplicates, protocols
from actrec.data.cache import ClipCache, FlowCache, content_hash, default_folder, default_limit
from actrec.data.check import ready_to_train
from actrec.data.datasets import DataSet, by_camera
from actrec.data.open import open_set
from actrec.data.protocols import Fold
from actrec.data.published import between_two
from actrec.data.reading import FILES, ClipSettings, reason
from actrec.data.samples import DataError
from actrec.data.sources import Source, Split
from actrec.video import Clip, VideoError

MOST_COMPARED = 2000  # clips; repeated takes are searched for in sets up to this size
EVERYTHING = "all"  # the fold without a test part
STORED = ClipSettings(size=128, fit="short_side", fps=15.0)


def prepare(
    dataset: DataSet,
    settings: ClipSettings = STORED,
    *,
    cache: Path | None = None,
    limit: int | None = None,
    on_progress: Callable[[str], None] = lambda message: None,
    flow: str = "",
    device: str = "cpu",
) -> DataSet:
    """Decode every clip into the cache once; clips that cannot be read are left out and listed with the reason.

    With `flow`, the name of a method, the flow between each clip's frames is computed into the cache as well. A pack is
    small and needs no decoder: it is checked, but not cached. Where the set has no groups, clips of one take become a
    group, so that every split keeps them on one side.
    """
    ready_to_train(dataset)
    limit = default_limit() if limit is None else limit
    packed = dataset.reader is not None
    reader = dataset.reader or ClipCache(cache or default_folder(), limit)
    read = replace(dataset, reader=reader)
    signatures: list[np.ndarray] = []
    hashes: list[str] = []
    broken: dict[int, str] = {}
    size = 0
    for index, sample in enumerate(read.samples):
        try:
            clip = read.read(index, settings)
            if len(clip) < 2:
                raise VideoError("one-frame", "It has a single frame; an action needs two or more.")
            content = getattr(reader, "content", content_hash)(sample.path)
        except (VideoError, DataError, OSError, ValueError) as error:
            broken[index] = reason(error)
            on_progress(f"Left out: {sample.name}: {broken[index]}")
            continue
        hashes.append(f"{content} {sample.start}")
        size += clip.frames.nbytes
        if len(read) <= MOST_COMPARED:
            signatures.append(duplicates.signature(clip))
        if (index + 1) % 100 == 0:
            on_progress(f"{index + 1} of {len(read)} clips are ready.")
    readable = read.without(broken)
    for warning in ready_to_train(readable):
        on_progress(warning)
    size = (0 if packed else size) + (size * 4 // 3 if flow else 0)  # two float16 where a frame has three bytes
    if size > limit:
        on_progress(
            f"{'With their flow' if flow else 'Decoded'}, the clips take {size / 1e9:.0f} GB and the cache may hold "
            f"{limit / 1e9:.0f} GB: part of them is decoded again in every epoch. Set ACTREC_CACHE_GB to hold more."
        )
    pairs = duplicates.same_bytes(hashes) + (duplicates.same_take(np.stack(signatures)) if signatures else [])
    for copies in duplicates.describe(readable, pairs)[:5]:
        on_progress(copies.sentence())
    grouped = duplicates.keep_together(readable, pairs)
    return with_flow(grouped, settings, flow, cache, limit, on_progress, device) if flow else grouped


def with_flow(
    dataset: DataSet,
    settings: ClipSettings,
    method: str,
    cache: Path | None = None,
    limit: int | None = None,
    on_progress: Callable[[str], None] = lambda message: None,
    device: str = "cpu",
) -> DataSet:
    """The set whose clips carry their flow from the cache; missing flow is computed now."""
    reader = dataset.reader
    if not isinstance(reader, ClipCache):
        reader = ClipCache(cache or default_folder(), default_limit() if limit is None else limit, reader or FILES)
    flow_set = replace(dataset, reader=FlowCache(reader, method, device))
    for index in range(len(flow_set)):
        before = reader.misses
        flow_set.read(index, settings)
        if reader.misses > before and (index + 1) % 10 == 0:
            on_progress(f"The flow of {index + 1} of {len(flow_set)} clips is ready ({method}).")
    return flow_set


def choose_fold(dataset: DataSet, protocol: str | None, seed: int, held_out: float = 0.2) -> Fold:
    """Choose which clips train, which validate and which test.

    `protocol` names an official split (`split 1`, `set1 → set2`) or a group to leave out (`sequence 03`); with `all`
    no clip tests and half of `held_out` validates: shipped weights are trained like this. Without a protocol the first
    official split is used, or the fraction `held_out` of the clips validates. Test clips never validate: where the
    protocol names no validation clips, they come from its training part.
    """
    rng = np.random.default_rng(seed)
    if protocol == EVERYTHING:
        return protocols.hold_out(dataset, held_out / 2, rng, part="validation")
    official = protocols.official(dataset)
    if protocol is None and not official:
        return protocols.hold_out(dataset, held_out, rng, part="validation")
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
        raise DataError("protocol", f"'{fold.name}' of {dataset.name} has no clip to train on or none to test with.")
    if fold.validation:
        return fold
    inner = protocols.hold_out(dataset.subset(fold.train), held_out, rng, part="validation")
    outer = np.array(fold.train)
    return replace(fold, train=_at(outer, inner.train), validation=_at(outer, inner.validation))


def part(dataset: DataSet, indices: Sequence[int], settings: ClipSettings = STORED) -> Split:
    """Some clips of a set as what training and evaluation read; `clip` may be called from any thread."""
    chosen = dataset.subset(indices)
    return Split(chosen.targets(), partial(_clip, chosen, settings))


def clips_source(
    path: str | os.PathLike[str],
    *,
    seed: int,
    on_progress: Callable[[str], None],
    protocol: str | None = None,
    settings: ClipSettings = STORED,
    cache: Path | None = None,
    limit: int | None = None,
    flow: str = "",
    device: str = "cpu",
    cameras: int = 0,
) -> Source:
    """A folder, a published data set or a pack as a source for training."""
    opened = open_set(path)
    dataset = prepare(
        by_camera(opened) if cameras else opened,
        settings,
        cache=cache,
        limit=limit,
        on_progress=on_progress,
        flow=flow,
        device=device,
    )
    fold = choose_fold(dataset, protocol, seed)
    leaked = protocols.straddling(dataset, fold)
    if leaked:
        on_progress(f"{len(leaked)} groups stand on both sides of {fold.name}, as it was published.")
    if not fold.validation:
        raise DataError("validation", f"{dataset.name} is too small: no clip is left to validate on.")
    return Source(
        labels=list(dataset.labels),
        train=part(dataset, fold.train, settings),
        validation=part(dataset, fold.validation, settings),
        description=f"{dataset.name}, {fold.name}: {len(fold.train)} clips to train on, "
        f"{len(fold.validation)} to validate, {len(fold.test)} left for testing",
        licence="unknown: the clips' own",
        intended_for="Research and teaching, unless the clips it learned from may be used otherwise.",
        people="two people" if between_two(dataset.labels) else "as many as in those clips",
    )


def _at(values: np.ndarray, indices: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(index) for index in values[list(indices)])


def _clip(dataset: DataSet, settings: ClipSettings, index: int) -> Clip:
    return dataset.read(int(index), settings)
