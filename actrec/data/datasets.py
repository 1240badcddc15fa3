"""A data set: a list of labelled clips."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from actrec.data.reading import ClipSettings, Reader
    from actrec.video import Clip

from actrec.data.samples import CAMERA, VIDEO, Broken, DataError, Sample, natural


@dataclass(frozen=True)
class DataSet:
    """Clips with their labels. `broken` are the ones left out; `notes` are sentences worth showing."""

    name: str
    labels: tuple[str, ...]
    samples: tuple[Sample, ...]
    broken: tuple[Broken, ...] = ()
    notes: tuple[str, ...] = ()
    reader: Reader | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]

    def targets(self) -> np.ndarray:
        """The class number of each clip, `int64 [N]`."""
        return np.array([sample.label for sample in self.samples], dtype=np.int64)

    def groups(self) -> np.ndarray:
        return np.array([sample.group for sample in self.samples], dtype=object)

    def counts(self) -> np.ndarray:
        """Clips per class, in the order of `labels`."""
        return np.bincount(self.targets(), minlength=len(self.labels))

    def subset(self, indices: Iterable[int]) -> DataSet:
        """Some of the clips, in the order asked for; labels stay, so class numbers keep their meaning."""
        return replace(self, samples=tuple(self.samples[int(index)] for index in indices))

    def without(self, broken: Mapping[int, str]) -> DataSet:
        """The set without the clips of these indices, which are listed as broken with their reasons."""
        listed = tuple(Broken(str(self.samples[index].path), why) for index, why in sorted(broken.items()))
        rest = self.subset(index for index in range(len(self)) if index not in broken)
        return replace(rest, broken=(*self.broken, *listed))

    def only(self, origin: str) -> DataSet:
        """The clips of one of the sets that were merged, with the classes that it has."""
        part = self.subset(index for index, sample in enumerate(self.samples) if sample.origin == origin)
        if not len(part):
            known = ", ".join(sorted({sample.origin for sample in self.samples} - {""})) or "none"
            raise DataError("origin", f"{self.name} has no part named {origin}. Parts: {known}.")
        return replace(part.compact(), name=origin)

    def compact(self) -> DataSet:
        """The set with only those labels that have clips; class numbers change."""
        present = [int(label) for label in np.flatnonzero(self.counts())]
        number = {old: new for new, old in enumerate(present)}
        samples = tuple(replace(sample, label=number[sample.label]) for sample in self.samples)
        return replace(self, labels=tuple(self.labels[label] for label in present), samples=samples)

    def read(self, index: int, settings: ClipSettings) -> Clip:
        """The frames of one clip, from wherever this set's clips come: files, a cache or a pack."""
        from actrec.data.reading import FILES

        sample, reader = self.samples[index], self.reader or FILES
        clip = reader.read(sample, settings)
        others = (reader.read(replace(sample, path=path, beside=()), settings) for path in sample.beside)
        return clip.seen_from(*others) if sample.beside else clip


def by_camera(dataset: DataSet) -> DataSet:
    """The set with clips of one take by several cameras as one: `jump.cam1.mp4` with `jump.cam2.mp4` … beside it."""
    takes: dict[tuple, list[Sample]] = {}
    for sample in dataset.samples:
        named = CAMERA.fullmatch(sample.path.stem if sample.path.suffix.lower() in VIDEO else sample.path.name)
        takes.setdefault((sample.path.parent, named["take"] if named else sample.path.name), []).append(sample)
    cameras = [sorted(take, key=lambda sample: natural(sample.path.name)) for take in takes.values()]
    joined = (replace(first, beside=tuple(other.path for other in others)) for first, *others in cameras)
    return replace(dataset, samples=tuple(joined))


def merge(sets: Sequence[DataSet], name: str = "") -> DataSet:
    """Several sets as one: labels of the same name are one class, groups keep their set's name in front.

    With two sets or more, each ordered pair is a protocol of its own: trained on one, tested on the other.
    """
    if len(sets) == 1:
        return sets[0]
    if len({id(dataset.reader) for dataset in sets}) != 1:
        raise DataError("merge", "Sets that read their clips from different places cannot be merged.")
    labels = sorted({label for dataset in sets for label in dataset.labels})
    number = {label: index for index, label in enumerate(labels)}
    samples: list[Sample] = []
    for dataset in sets:
        across: dict[str, str] = {}
        for other in sets:
            if other is not dataset:
                across |= {f"{dataset.name} → {other.name}": "train", f"{other.name} → {dataset.name}": "test"}
        samples += [
            replace(
                sample,
                label=number[dataset.labels[sample.label]],
                group=f"{dataset.name}/{sample.group}" if sample.group else "",
                parts={**sample.parts, **across},
                origin=sample.origin or dataset.name,
            )
            for sample in dataset.samples
        ]
    return DataSet(
        name=name or " + ".join(dataset.name for dataset in sets),
        labels=tuple(labels),
        samples=tuple(samples),
        broken=tuple(broken for dataset in sets for broken in dataset.broken),
        notes=tuple(note for dataset in sets for note in dataset.notes),
        reader=sets[0].reader,
    )
