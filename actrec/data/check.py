"""A check of a data set before any time is spent on it: balance, broken clips, copies and shortcuts.

A shortcut is a fact that reveals the class without the pixels: size, length, frame rate. The accuracy of the
five nearest neighbours in those facts is the baseline for every result on this set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from actrec.data import duplicates
from actrec.data.cache import content_hash
from actrec.data.datasets import DataSet
from actrec.data.duplicates import Copies
from actrec.data.protocols import Fold
from actrec.data.reading import reason
from actrec.data.samples import IMAGE_SUFFIXES, DataError, Sample, listing, some
from actrec.video import VideoError
from actrec.video.request import Header
from actrec.weights.cards import is_text

FACTS = ("width", "height", "aspect", "frames", "fps")
MANY_CLASSES = 1000


def ready_to_train(dataset: DataSet) -> list[str]:
    """Refuse a set that cannot be learned from; return warnings about one that can."""
    counts = dataset.counts()
    present = int((counts > 0).sum())
    if not len(dataset):
        if dataset.broken:
            first = dataset.broken[0]
            raise DataError(
                "all_broken",
                f"None of the {len(dataset.broken)} clips in {dataset.name} can be read. "
                f"The first one, {Path(first.path).name}: {first.reason}",
            )
        raise DataError("empty", f"{dataset.name} holds no clip.")
    if present < 2:
        only = dataset.labels[int(counts.argmax())]
        raise DataError(
            "one_class",
            f"{dataset.name} has clips of one class only ({only}). Training needs two or more.",
        )
    if counts.max() < 2:
        raise DataError(
            "one_clip",
            f"{dataset.name} has one clip per class. Two are needed at least, one to train on and one "
            "to test with; ten or more give a useful result.",
        )
    if unusable := [label for label in dataset.labels if not is_text(label)]:
        raise DataError(
            "label",
            f"The class folder {unusable[0]!a} has a name that weights cannot store. Rename it: printable characters "
            "and plain spaces only.",
        )
    warnings = []
    single = [dataset.labels[index] for index in np.flatnonzero(counts == 1)]
    if single:
        warnings.append(f"One clip only, so it is never used for testing: {some(single)}.")
    empty = [dataset.labels[index] for index in np.flatnonzero(counts == 0)]
    if empty:
        warnings.append(f"No clip at all: {some(empty)}.")
    if present > MANY_CLASSES:
        warnings.append(
            f"{present} classes with {len(dataset)} clips: is there a folder per clip instead of per class?"
        )
    least, most = int(counts[counts > 0].min()), int(counts.max())
    if most >= 5 * least:
        warnings.append(
            f"Unbalanced: the largest class has {most} clips, the smallest {least}. Light networks even it out; in a "
            "paper's size ask for --balanced yes."
        )
    if dataset.broken:
        warnings.append(f"{len(dataset.broken)} clips are left out because they cannot be used.")
    return warnings


@dataclass(frozen=True)
class Shortcut:
    """The accuracy from facts about the files alone, beside chance (always naming the largest class)."""

    facts: tuple[str, ...]
    accuracy: float
    chance: float
    judged: str

    def sentence(self) -> str:
        return (
            f"Without the pixels, 5 nearest neighbours in {', '.join(self.facts)} score "
            f"{self.accuracy:.0%} ({self.judged}); chance is {self.chance:.0%}."
        )


@dataclass
class Findings:
    """The results of the check; `sentences` puts them into words. With a `problem` the set cannot be trained on."""

    name: str
    classes: dict[str, int]
    groups: int
    broken: list[dict[str, str]]
    warnings: list[str]
    problem: str = ""
    shortcut: Shortcut | None = None
    copies: list[Copies] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict:
        return asdict(self)

    def sentences(self) -> list[str]:
        """One finding per line, for a terminal or a page."""
        counts = list(self.classes.values())
        per_class = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
        sentences = [f"{self.name}: {sum(counts)} clips in {len(counts)} classes, {per_class} per class."]
        if self.groups:
            sentences.append(f"{self.groups} groups, kept on one side of every split.")
        sentences += self.notes + self.warnings
        sentences += [f"Left out: {clip['path']}: {clip['reason']}" for clip in self.broken]
        sentences += [copy.sentence() for copy in self.copies]
        if self.shortcut:
            sentences.append(self.shortcut.sentence())
        return [*sentences, self.problem] if self.problem else sentences


def examine(
    dataset: DataSet,
    *,
    fold: Fold | None = None,
    compare_takes: bool | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[DataSet, Findings]:
    """Read every clip once; return the set without its broken clips, and the findings.

    `compare_takes` decodes a few tiny frames per clip to find takes that occur more than once (default: in sets of up
    to 2000 clips); with a `fold` of this set, those on both sides of it are marked. The returned set has a group per
    take where it had no groups, so that splits keep a take together. `on_progress(done, all)` follows each clip.
    """
    compare_takes = len(dataset) <= 2000 if compare_takes is None else compare_takes
    facts: list[list[float]] = []
    signatures: list[np.ndarray] = []
    hashes: list[str] = []
    broken: dict[int, str] = {}
    for index, sample in enumerate(dataset.samples):
        try:
            fact = header_facts(dataset, sample)
            content = _content(dataset, sample)
            if compare_takes:
                signatures.append(duplicates.signature(dataset.read(index, duplicates.SIGNATURE)))
        except (VideoError, DataError, OSError, ValueError) as error:
            broken[index] = reason(error)
        else:
            facts.append(fact)
            hashes.append(content)
        if on_progress:
            on_progress(index + 1, len(dataset))
    readable = dataset.without(broken)
    problem: str = ""
    warnings: list[str] = []
    try:
        warnings = ready_to_train(readable)
    except DataError as error:
        if not len(readable):
            raise
        problem = str(error)
    findings = Findings(
        name=readable.name,
        classes=dict(zip(readable.labels, readable.counts().tolist(), strict=True)),
        groups=len({sample.group for sample in readable.samples} - {""}),
        broken=[asdict(clip) for clip in readable.broken],
        warnings=warnings,
        problem=problem,
        notes=list(readable.notes),
    )
    pairs = duplicates.same_bytes(hashes)
    if compare_takes and len(readable) <= duplicates.MOST:
        pairs += [pair for pair in duplicates.same_take(np.stack(signatures)) if hashes[pair[0]] != hashes[pair[1]]]
    elif compare_takes:
        findings.notes.append("Repeated takes were not searched for: the set is too large to compare every pair.")
    findings.copies = duplicates.describe(readable, pairs, _renumbered(fold, broken))
    if not problem:
        findings.shortcut = shortcut(np.array(facts, dtype=np.float64), readable.targets(), readable.groups())
    return duplicates.keep_together(readable, pairs), findings


def _renumbered(fold: Fold | None, broken: Mapping[int, str]) -> Fold | None:
    """The fold in the numbers that are left when the broken clips are gone."""
    if fold is None or not broken:
        return fold
    removed = np.array(sorted(broken))
    parts = [
        tuple(int(index - np.searchsorted(removed, index)) for index in part if index not in broken)
        for part in (fold.train, fold.test, fold.validation)
    ]
    return Fold(fold.name, *parts)


def header_facts(dataset: DataSet, sample: Sample) -> list[float]:
    """Width, height, aspect, number of frames and frame rate of one clip, as its file says."""
    own = getattr(dataset.reader, "header", None)
    if own is not None:
        width, height, frames, fps = own(sample)
    elif sample.path.is_dir():
        width, height, frames, fps = _frames_header(sample)
    else:
        header = _probe(dataset)(sample.path)
        width, height, fps = header.width, header.height, header.fps or 0.0
        frames = header.frames or round((header.duration or 0.0) * fps)
        if sample.start is not None and sample.stop is not None:
            frames = round((sample.stop - sample.start) * fps)
    return [width, height, width / max(height, 1), frames, fps]


def _probe(dataset: DataSet) -> Callable[[Path], Header]:
    """The function that reads a video's header: the set's own decoder, where it has one."""
    own = getattr(dataset.reader, "probe", None)
    if own is not None:
        return own
    from actrec.video.read import probe  # av is needed by who decodes

    return probe


def _frames_header(sample: Sample) -> tuple[int, int, int, float]:
    import cv2

    images = [path for path in listing(sample.path) if path.suffix.lower() in IMAGE_SUFFIXES]
    first = cv2.imread(str(images[0])) if images else None
    if first is None:
        raise VideoError("empty", f"The folder {sample.path.name} holds no image that can be read.")
    return first.shape[1], first.shape[0], len(images), sample.fps or 25.0


def _content(dataset: DataSet, sample: Sample) -> str:
    own = getattr(dataset.reader, "content", None)
    content = own(sample.path) if own is not None else content_hash(Path(sample.path))
    return content if sample.start is None else f"{content} {sample.start} {sample.stop}"


def shortcut(facts: np.ndarray, targets: np.ndarray, groups: np.ndarray, neighbours: int = 5) -> Shortcut:
    """Accuracy of the nearest neighbours in standardised facts, without the clip's own group (or the clip itself)."""
    varying = facts.std(axis=0) > 0
    points = (facts - facts.mean(axis=0)) / np.where(varying, facts.std(axis=0), 1)
    grouped = all(groups) and len(set(groups)) > 1
    own = groups if grouped else np.arange(len(targets))
    correct = 0
    for index, point in enumerate(points):
        others = np.flatnonzero(own != own[index])
        distance = np.linalg.norm(points[others] - point, axis=1)
        nearest = others[np.argsort(distance, kind="stable")[:neighbours]]
        votes = np.bincount(targets[nearest])
        correct += int(votes.argmax()) == targets[index]
    return Shortcut(
        facts=FACTS,
        accuracy=correct / len(targets),
        chance=float(np.bincount(targets).max() / len(targets)),
        judged="leaving one group out" if grouped else "leaving one clip out",
    )


def shortcut_auroc(known: np.ndarray, unknown: np.ndarray) -> dict[str, float]:
    """How well each fact alone separates known clips from unknown ones: AUROC in its better direction.

    Both `[N, 5]`, columns as in FACTS. 0.5 is what a fair comparison shows; 1 means that length or size gives
    the answer away.
    """
    from actrec.metrics.unknown import auroc

    scores = {}
    for column, name in enumerate(FACTS):
        value = auroc(known[:, column], unknown[:, column])
        scores[name] = max(value, 1 - value)
    return scores
