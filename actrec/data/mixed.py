"""Several sources as one: drawn figures for breadth, real clips for what drawings lack."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from actrec.data.published import BETWEEN_TWO, between_two
from actrec.data.sources import Source, Split

# What data sets call the drawn classes; other names stay as they are.
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
SHARE = 0.25  # of a class's training clips, at least so many come from each source that has the class


def mixed(sources: Sequence[Source], names: dict[str, str] = SAME, share: float = SHARE) -> Source:
    """One source with the classes of all. The first keeps its names; those of the others are read through `names`.

    A class's few real clips among many drawn ones are repeated until they make up `share` of it.
    """
    own = renamed([source.labels for source in sources], names)
    labels = union(own)
    places = [np.array([labels.index(label) for label in each]) for each in own]
    return Source(
        labels=labels,
        train=_joined([source.train for source in sources], places, share),
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
    read = (names if between_two(own) else solo for own in others)
    return [list(first)] + [[by.get(label, label) for label in own] for own, by in zip(others, read, strict=True)]


def union(labels: Sequence[Sequence[str]]) -> list[str]:
    """Every label once, in the order of the sources."""
    return list(dict.fromkeys(label for each in labels for label in each))


def _joined(splits: Sequence[Split], places: Sequence[np.ndarray], share: float) -> Split:
    """The clips of several splits, numbered through."""
    targets = [place[split.targets] for place, split in zip(places, splits, strict=True)]
    most = max(int(target.max(initial=0)) for target in targets) + 1
    counts = [np.bincount(target, minlength=most) for target in targets]
    whole = np.max(counts, axis=0)
    entries = []
    for number, (of, count) in enumerate(zip(targets, counts, strict=True)):
        wanted = np.ceil(share * whole)
        times = np.ceil(wanted / np.maximum(count, 1)).clip(1).astype(int)
        entries += [(number, index) for index, target in enumerate(of) for _ in range(times[target])]
    return Split(
        np.array([targets[number][index] for number, index in entries]),
        lambda place: splits[entries[place][0]].clip(entries[place][1]),
    )
