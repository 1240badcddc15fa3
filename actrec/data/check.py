"""What a data set is like before any time is spent on it: balance, broken clips, copies, and shortcuts.

A shortcut is a fact that tells the class without a look at the pixels: size, length, frame rate. What the
five nearest neighbours in those facts score is what any result on this set has to be read beside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from actrec.data.cache import content_hash
from actrec.data.protocols import Fold
from actrec.data.reading import ClipSettings, reason
from actrec.data.sets import PICTURE, DataError, DataSet, Sample, listing
from actrec.video import Clip, VideoError

FACTS = ("width", "height", "aspect", "frames", "fps")
SIGNATURE = ClipSettings(size=16, fit="stretch", frames=8)
MANY_CLASSES = 1000
ALIKE = 0.97  # correlation of the average picture from which on two clips may be copies
SAME_MOTION = 0.9  # correlation of what changes, from which on they are
STILL = 1.0  # grey levels of change (standard deviation) under which a clip has no motion to compare
PAIRS = 100_000_000


def ready_to_train(dataset: DataSet) -> list[str]:
    """Refuse what cannot be learned from; sentences about what can, but deserves a look."""
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
            f"{dataset.name} has clips of one class only ({only}). To tell classes apart, two or more are needed.",
        )
    if counts.max() < 2:
        raise DataError(
            "one_clip",
            f"{dataset.name} has one clip per class. Two are needed at least, one to learn from and one "
            "to be judged by; ten or more give a result worth having.",
        )
    told = []
    single = [dataset.labels[index] for index in np.flatnonzero(counts == 1)]
    if single:
        told.append(f"One clip only, so it is never judged: {_some(single)}.")
    nothing = [dataset.labels[index] for index in np.flatnonzero(counts == 0)]
    if nothing:
        told.append(f"No clip at all: {_some(nothing)}.")
    if present > MANY_CLASSES:
        told.append(f"{present} classes with {len(dataset)} clips: is there a folder per clip instead of per class?")
    least, most = int(counts[counts > 0].min()), int(counts.max())
    if most >= 5 * least:
        told.append(f"Unbalanced: the largest class has {most} clips, the smallest {least}. Sampling evens it out.")
    if dataset.broken:
        told.append(f"{len(dataset.broken)} clips are left out because they cannot be used.")
    return told


@dataclass(frozen=True)
class Shortcut:
    """What facts about the files alone score, beside chance (always naming the largest class)."""

    facts: tuple[str, ...]
    accuracy: float
    chance: float
    judged: str

    def sentence(self) -> str:
        return (
            f"Without a look at the pixels, 5 nearest neighbours in {', '.join(self.facts)} score "
            f"{self.accuracy:.0%} ({self.judged}); chance is {self.chance:.0%}."
        )


@dataclass(frozen=True)
class Copies:
    """Two clips with the same content; `likeness` is 1 for equal bytes."""

    first: str
    second: str
    same_label: bool
    across: str
    likeness: float


@dataclass
class Findings:
    """Everything the check found; `sentences` says it in words."""

    name: str
    classes: dict[str, int]
    groups: int
    broken: list[dict[str, str]]
    warnings: list[str]
    shortcut: Shortcut | None = None
    copies: list[Copies] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict:
        return asdict(self)

    def sentences(self) -> list[str]:
        """One finding per line, for a terminal or a page."""
        counts = list(self.classes.values())
        per_class = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
        told = [f"{self.name}: {sum(counts)} clips in {len(counts)} classes, {per_class} per class."]
        if self.groups:
            told.append(f"{self.groups} groups, kept on one side of every split.")
        told += self.notes + self.warnings
        told += [f"Left out: {each['path']}: {each['reason']}" for each in self.broken]
        for copy in self.copies:
            what = "the same file as" if copy.likeness == 1 else f"nearly the same ({copy.likeness:.2f}) as"
            where = f", {copy.across}" if copy.across else ""
            label = "" if copy.same_label else ", under another label"
            told.append(f"Copy: {copy.first} is {what} {copy.second}{where}{label}.")
        if self.shortcut:
            told.append(self.shortcut.sentence())
        return told


def examine(
    dataset: DataSet,
    *,
    fold: Fold | None = None,
    signatures: bool | None = None,
    told: Callable[[int, int], None] | None = None,
) -> tuple[DataSet, Findings]:
    """Look at every clip once: the set without its broken clips, and what was found.

    `signatures` decodes a few tiny frames per clip for near copies (default: for sets of up to 2000 clips);
    with `fold`, copies that stand on both sides of it are marked. `told(done, all)` hears the progress.
    """
    signatures = len(dataset) <= 2000 if signatures is None else signatures
    facts, prints, hashes, broken = [], [], [], {}
    for index, sample in enumerate(dataset.samples):
        try:
            fact, clip = header_facts(dataset, sample), None
            if signatures:
                clip = dataset.read(index, SIGNATURE)
            content = _content(dataset, sample)
        except (VideoError, DataError, OSError, ValueError) as error:
            broken[index] = reason(error)
        else:
            facts.append(fact)
            hashes.append(content)
            if clip is not None:
                prints.append(signature(clip))
        if told:
            told(index + 1, len(dataset))
    sides = _sides(len(dataset), fold)
    kept = dataset.without(broken)
    warnings = ready_to_train(kept)
    sides = [side for index, side in enumerate(sides) if index not in broken]
    found = Findings(
        name=kept.name,
        classes=dict(zip(kept.labels, kept.counts().tolist(), strict=True)),
        groups=len({sample.group for sample in kept.samples} - {""}),
        broken=[asdict(each) for each in kept.broken],
        warnings=warnings,
        notes=list(kept.notes),
    )
    found.copies = copies(kept, hashes, np.stack(prints) if prints else None, sides, found.notes)
    found.shortcut = shortcut(np.array(facts, dtype=np.float64), kept.targets(), kept.groups())
    return kept, found


def header_facts(dataset: DataSet, sample: Sample) -> list[float]:
    """Width, height, aspect, number of frames and frame rate of one clip, as its file says."""
    own = getattr(dataset.reader, "header", None)
    if own is not None:
        width, height, frames, fps = own(sample)
    elif sample.path.is_dir():
        width, height, frames, fps = _frames_header(sample)
    else:
        from actrec.video.read import probe  # av is needed by who decodes

        header = probe(sample.path)
        width, height, fps = header.width, header.height, header.fps or 0.0
        frames = header.frames or round((header.duration or 0.0) * fps)
        if sample.start is not None and sample.stop is not None:
            frames = round((sample.stop - sample.start) * fps)
    return [width, height, width / max(height, 1), frames, fps]


def _frames_header(sample: Sample) -> tuple[int, int, int, float]:
    import cv2

    pictures = [path for path in listing(sample.path) if path.suffix.lower() in PICTURE]
    first = cv2.imread(str(pictures[0])) if pictures else None
    if first is None:
        raise VideoError("empty", f"The folder {sample.path.name} holds no picture that can be read.")
    return first.shape[1], first.shape[0], len(pictures), sample.fps or 25.0


def _content(dataset: DataSet, sample: Sample) -> str:
    own = getattr(dataset.reader, "content", None)
    content = own(sample.path) if own is not None else content_hash(Path(sample.path))
    return content if sample.start is None else f"{content} {sample.start} {sample.stop}"


def shortcut(facts: np.ndarray, targets: np.ndarray, groups: np.ndarray, neighbours: int = 5) -> Shortcut:
    """Score of the nearest neighbours in standardised facts; own group (or own clip) left out."""
    varying = facts.std(axis=0) > 0
    points = (facts - facts.mean(axis=0)) / np.where(varying, facts.std(axis=0), 1)
    grouped = all(groups) and len(set(groups)) > 1
    own = groups if grouped else np.arange(len(targets))
    right = 0
    for index, point in enumerate(points):
        others = np.flatnonzero(own != own[index])
        distance = np.linalg.norm(points[others] - point, axis=1)
        nearest = others[np.argsort(distance, kind="stable")[:neighbours]]
        votes = np.bincount(targets[nearest])
        right += int(votes.argmax()) == targets[index]
    return Shortcut(
        facts=FACTS,
        accuracy=right / len(targets),
        chance=float(np.bincount(targets).max() / len(targets)),
        judged="leaving one group out" if grouped else "leaving one clip out",
    )


def shortcut_auroc(known: np.ndarray, unknown: np.ndarray) -> dict[str, float]:
    """How well each fact alone separates known clips from unknown ones: AUROC in its better direction.

    Both `[N, 5]`, columns as in FACTS. 0.5 is what a fair comparison shows; 1 means that length or size gives
    the answer away.
    """
    from actrec.evaluation.metrics import auroc

    scores = {}
    for column, name in enumerate(FACTS):
        value = auroc(known[:, column], unknown[:, column])
        scores[name] = max(value, 1 - value)
    return scores


def signature(clip: Clip) -> np.ndarray:
    """A tiny grey film, `float32 [8, 16, 16]`: what the clip shows, whatever its size and compression."""
    return clip.frames.astype(np.float32).mean(axis=-1)


def copies(
    dataset: DataSet,
    hashes: Sequence[str],
    prints: np.ndarray | None,
    sides: Sequence[str],
    notes: list[str],
) -> list[Copies]:
    """Pairs with equal bytes, and pairs whose tiny films agree in picture and in motion."""
    pairs: dict[tuple[int, int], float] = {}
    first_of: dict[str, int] = {}
    for index, content in enumerate(hashes):
        if content in first_of:
            pairs[first_of[content], index] = 1.0
        first_of.setdefault(content, index)
    if prints is not None:
        if len(dataset) ** 2 / 2 > PAIRS:
            notes.append("Near copies were not sought: the set is too large to compare every pair.")
        else:
            for first, second, likeness in near_copies(prints):
                if hashes[first] != hashes[second]:
                    pairs[first, second] = likeness
    found = []
    for (first, second), likeness in sorted(pairs.items()):
        one, other = dataset[first], dataset[second]
        across = f"{sides[first]} against {sides[second]}" if sides[first] != sides[second] else ""
        found.append(Copies(one.name, other.name, one.label == other.label, across, likeness))
    return found


def near_copies(prints: np.ndarray) -> list[tuple[int, int, float]]:
    """Pairs of tiny films `[N, 8, 16, 16]` that show the same take, mirrored ones included.

    The average picture must agree, and so must what changes against it: two takes of one person in one place
    agree in the first only. Clips in which nothing moves are judged by the picture, strictly.
    """
    still = prints.mean(axis=1)
    moving = prints - still[:, None]
    moves = moving.std(axis=(1, 2, 3)) >= STILL
    pictures, motions = _unit(still), _unit(moving)
    mirrored_pictures, mirrored_motions = _unit(still[..., ::-1]), _unit(moving[..., ::-1])
    found: dict[tuple[int, int], float] = {}
    for start in range(0, len(prints), 512):
        block = slice(start, start + 512)
        for other_pictures, other_motions in ((pictures, motions), (mirrored_pictures, mirrored_motions)):
            alike = pictures[block] @ other_pictures.T
            motion = motions[block] @ other_motions.T
            both = moves[block, None] & moves[None]
            neither = ~moves[block, None] & ~moves[None]
            same = (both & (alike >= ALIKE) & (motion >= SAME_MOTION)) | (neither & (alike >= 0.999))
            likeness = np.where(both, np.minimum(alike, motion), alike)
            for row, column in np.argwhere(same):
                if start + row < column:
                    pair = (int(start + row), int(column))
                    found[pair] = max(found.get(pair, 0.0), min(float(likeness[row, column]), 0.9999))
    return [(first, second, likeness) for (first, second), likeness in sorted(found.items())]


def _unit(values: np.ndarray) -> np.ndarray:
    """Rows without their mean, of length 1: their products are correlations."""
    flat = values.reshape(len(values), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def _sides(count: int, fold: Fold | None) -> list[str]:
    sides = [""] * count
    for part in ("train", "validation", "test") if fold else ():
        for index in getattr(fold, part):
            sides[index] = part
    return sides


def _some(names: Sequence[str], most: int = 8) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
