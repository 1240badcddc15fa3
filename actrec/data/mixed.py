"""Several sources as one: drawn figures for variety, real clips for what drawings lack."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from actrec.data.published import BETWEEN_TWO, between_two
from actrec.data.sources import Source, Split

# The data sets' names of the drawn classes; other names stay as they are.
SAME = {
    "clapping": "clap",
    "standing_still": "idle",
    "walking": "walk",
    "walking_while_using_phone": "phone",
    "walking_while_reading_book": "read",
    "sitting": "sit",
    "meet_and_split": "meet and split",
    **BETWEEN_TWO,
}
LEAST_PART = 0.25  # of a class's training clips come at least from each source that has the class


def mixed(sources: Sequence[Source], names: dict[str, str] = SAME, least_part: float = LEAST_PART) -> Source:
    """One source with the classes of all. The first keeps its names; those of the others are translated by `names`.

    A class's few real clips among many drawn ones are repeated until they make up `least_part` of it.
    """
    own = renamed([source.labels for source in sources], names)
    labels = union(own)
    places = [np.array([labels.index(label) for label in own_labels]) for own_labels in own]
    return Source(
        labels=labels,
        train=_joined([source.train for source in sources], places, least_part),
        validation=_joined([source.validation for source in sources], places, 0.0),
        description="; ".join(source.description for source in sources),
        licence="; ".join(dict.fromkeys(source.licence for source in sources)),
        people=sources[0].people,
        intended_for="Research and teaching only: some of the clips it learned from may not be used otherwise.",
    )


def renamed(labels: Sequence[Sequence[str]], names: dict[str, str] = SAME) -> list[list[str]]:
    """Each source's labels as the mixture has them; a kick among handshakes is a kick between two."""
    first, *others = labels
    solo = {label: name for label, name in names.items() if label not in BETWEEN_TWO}  # a kick without a handshake
    translations = (names if between_two(own) else solo for own in others)
    return [list(first)] + [
        [by.get(label, label) for label in own] for own, by in zip(others, translations, strict=True)
    ]


def union(labels: Sequence[Sequence[str]]) -> list[str]:
    """Every label once, in the order of the sources."""
    return list(dict.fromkeys(label for source_labels in labels for label in source_labels))


def _joined(splits: Sequence[Split], places: Sequence[np.ndarray], least_part: float) -> Split:
    """The clips of several splits in one numbering; clips of rare classes are repeated."""
    targets = [place[split.targets] for place, split in zip(places, splits, strict=True)]
    most = max(int(target.max(initial=0)) for target in targets) + 1
    counts = [np.bincount(target, minlength=most) for target in targets]
    largest = np.max(counts, axis=0)
    entries: list[tuple[int, int]] = []
    for number, (split_targets, count) in enumerate(zip(targets, counts, strict=True)):
        least = np.ceil(least_part * largest)
        times = np.ceil(least / np.maximum(count, 1)).clip(1).astype(int)
        entries += [(number, index) for index, target in enumerate(split_targets) for _ in range(times[target])]
    return Split(
        np.array([targets[number][index] for number, index in entries]),
        lambda place: splits[entries[place][0]].clip(entries[place][1]),
    )
