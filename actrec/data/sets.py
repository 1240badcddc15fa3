"""A data set is a list of labelled clips; here are the list and what opens any folder `class/clip`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actrec.refusal import Refusal

if TYPE_CHECKING:
    from actrec.data.reading import ClipSettings, Reader
    from actrec.video import Clip

# fmt: off
VIDEO = {".mp4", ".m4v", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg",
         ".wmv", ".flv", ".3gp", ".ogv", ".gif"}
# fmt: on
PICTURE = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
CAMERA = re.compile(r"(?P<take>.+)[._ -]cam(era)?[._ -]?\d+", re.IGNORECASE)
PART_NAMES = {"train": "train", "training": "train", "val": "validation", "valid": "validation"}
PART_NAMES |= {"validate": "validation", "validation": "validation", "test": "test", "testing": "test"}


class DataError(Refusal):
    """Data that cannot be used. `code` is for programs, `str(error)` is a sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code

    def __reduce__(self) -> tuple:
        return DataError, (self.code, str(self))


@dataclass(frozen=True)
class Broken:
    """A clip that is left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Sample:
    """One labelled clip: a video file, a stretch of one (`start` to `stop`, seconds), or a folder of frames.

    `group` is what must not stand on both sides of a split: a sequence, a person, a source video.
    `parts` says where the clip stands in each official protocol: {"split 1": "train", …}; `origin` is the set it
    came from when sets were merged. `beside` are the files in which other cameras saw the same.
    """

    path: Path
    label: int
    group: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    start: float | None = None
    stop: float | None = None
    fps: float | None = None
    origin: str = ""
    beside: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """Folder and file name, with the stretch when it is one."""
        stretch = "" if self.start is None else f" {self.start:.2f}–{self.stop or 0:.2f} s"
        return f"{self.path.parent.name}/{self.path.name}{stretch}"


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
        kept = self.subset(index for index in range(len(self)) if index not in broken)
        return replace(kept, broken=(*self.broken, *listed))

    def only(self, origin: str) -> DataSet:
        """The clips of one of the sets that were merged, with the classes that it has."""
        kept = self.subset(index for index, sample in enumerate(self.samples) if sample.origin == origin)
        if not len(kept):
            known = ", ".join(sorted({sample.origin for sample in self.samples} - {""})) or "none"
            raise DataError("origin", f"{self.name} has no part named {origin}. Parts: {known}.")
        return replace(kept.compact(), name=origin)

    def compact(self) -> DataSet:
        """The set with only those labels that have clips; class numbers change."""
        kept = [int(label) for label in np.flatnonzero(self.counts())]
        number = {old: new for new, old in enumerate(kept)}
        samples = tuple(replace(sample, label=number[sample.label]) for sample in self.samples)
        return replace(self, labels=tuple(self.labels[label] for label in kept), samples=samples)

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
    kept = [sorted(each, key=lambda sample: natural(sample.path.name)) for each in takes.values()]
    joined = (replace(first, beside=tuple(other.path for other in others)) for first, *others in kept)
    return replace(dataset, samples=tuple(joined))


def merge(sets: Sequence[DataSet], name: str = "") -> DataSet:
    """Several sets as one: labels of the same name are one class, groups keep their set's name in front.

    With two sets or more, each ordered pair is a protocol of its own: trained on one, tested on the other.
    """
    if len(sets) == 1:
        return sets[0]
    if len({id(each.reader) for each in sets}) != 1:
        raise DataError("merge", "Sets that read their clips from different places cannot be merged.")
    labels = sorted({label for each in sets for label in each.labels})
    number = {label: index for index, label in enumerate(labels)}
    samples = []
    for each in sets:
        across = {}
        for other in sets:
            if other is not each:
                across |= {f"{each.name} → {other.name}": "train", f"{other.name} → {each.name}": "test"}
        samples += [
            replace(
                sample,
                label=number[each.labels[sample.label]],
                group=f"{each.name}/{sample.group}" if sample.group else "",
                parts={**sample.parts, **across},
                origin=sample.origin or each.name,
            )
            for sample in each.samples
        ]
    return DataSet(
        name=name or " + ".join(each.name for each in sets),
        labels=tuple(labels),
        samples=tuple(samples),
        broken=tuple(broken for each in sets for broken in each.broken),
        notes=tuple(note for each in sets for note in each.notes),
        reader=sets[0].reader,
    )


def open_set(path: str | os.PathLike, *, kind: str = "auto") -> DataSet:
    """The data set in a folder or a pack file. `auto` knows the published layouts by their split files."""
    from actrec.data.pack import is_pack, open_pack
    from actrec.data.published import KINDS, open_published, recognise

    root = Path(path).expanduser()
    if is_pack(root):
        return open_pack(root)
    must_be_folder(root)
    if kind == "auto":
        kind = recognise(root)
    if kind == "folder":
        return open_folder(root)
    if kind not in KINDS:
        known = ", ".join(["auto", "folder", *KINDS])
        raise DataError("kind", f"'{kind}' is no kind of data set that is known here. Known: {known}.")
    return open_published(kind, root)


def open_folder(root: str | os.PathLike) -> DataSet:
    """Any folder `class/clip`; `class/group/clip` gives groups, `train/class/clip` gives parts.

    A clip is a video file or a folder of frames. What is neither is counted and left aside.
    """
    root = Path(root)
    must_be_folder(root)
    tops = folders(root)
    if tops and all(top.name.lower() in PART_NAMES for top in tops):
        parts = [(PART_NAMES[top.name.lower()], top) for top in tops]
        labels = sorted({each.name for _, top in parts for each in folders(top)}, key=natural)
        homes = [(part, top / label) for part, top in parts for label in labels if (top / label).is_dir()]
    else:
        labels = sorted((top.name for top in tops), key=natural)
        homes = [("", root / label) for label in labels]
    number = {label: index for index, label in enumerate(labels)}
    samples, strange, empty = [], 0, []
    for part, home in homes:
        found, aside = _clips_of_class(home)
        strange += aside
        if not found:
            empty.append(home.name)
        official = {"folders": part} if part else {}
        samples += [replace(each, label=number[home.name], parts=official) for each in found]
    if not samples:
        raise DataError("empty", _nothing_found(root, labels))
    notes = []
    if strange:
        notes.append(f"{strange} files are no video and were left aside.")
    if empty:
        notes.append(f"No clip in {', '.join(empty[:10])}: left out.")
    return DataSet(root.resolve().name, tuple(labels), tuple(samples), notes=tuple(notes)).compact()


def _clips_of_class(home: Path) -> tuple[list[Sample], int]:
    """Clips under one class folder, and how many files are none."""
    samples, strange = [], 0
    for entry in listing(home):
        if not entry.is_dir():
            if entry.suffix.lower() in VIDEO:
                samples.append(Sample(entry, 0))
            else:
                strange += 1
        elif is_frames(entry):
            samples.append(Sample(entry, 0))
        else:
            inner, aside = [], 0
            for each in listing(entry):
                if (each.suffix.lower() in VIDEO and not each.is_dir()) or (each.is_dir() and is_frames(each)):
                    inner.append(Sample(each, 0, group=entry.name))
                else:
                    aside += 1
            samples, strange = samples + inner, strange + aside
    return samples, strange


def _nothing_found(root: Path, labels: Sequence[str]) -> str:
    loose = sum(each.suffix.lower() in VIDEO for each in listing(root))
    if loose:
        return (
            f"{root} holds {loose} clips but no class folders. "
            "Put each clip into a folder named after its class: wave/clip1.mp4, clap/clip2.mp4."
        )
    what = "its class folders hold no video" if labels else "it is empty"
    return f"No clip was found in {root}: {what}. Expected folders named after the classes, with videos inside."


def must_be_folder(root: Path) -> None:
    """Refuse what is missing, a plain file, or may not be read."""
    try:
        if not root.exists():
            raise DataError("missing", f"{root} does not exist. Check the path.")
        if not root.is_dir():
            raise DataError("not_a_folder", f"{root} is a file, not a folder of clips or a pack.")
    except PermissionError:
        raise DataError("unreadable", f"{root} may not be read. Give yourself the right to open it.") from None
    listing(root)


def must_be_writable(folder: Path) -> None:
    """Make the folder if need be and try a write in it, so that a locked disk shows before the work."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".write-trial-{os.getpid()}"
        trial.write_bytes(b"")
        trial.unlink()
    except OSError as error:
        sentence = f"Nothing can be written into {folder} ({error.strerror}). Choose another folder."
        raise DataError("unwritable", sentence) from None


def listing(folder: Path) -> list[Path]:
    """Entries in natural order (clip2 before clip10), without hidden ones."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith((".", "__MACOSX"))]
    except PermissionError:
        raise DataError("unreadable", f"{folder} may not be read. Give yourself the right to open it.") from None
    return [folder / name for name in sorted(names, key=natural)]


def folders(root: Path) -> list[Path]:
    return [entry for entry in listing(root) if entry.is_dir()]


def is_frames(folder: Path) -> bool:
    """Whether a folder holds frames: pictures, and neither videos nor folders."""
    inside = listing(folder)
    return bool(inside) and sum(each.suffix.lower() in PICTURE for each in inside) > len(inside) / 2


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key that reads numbers as numbers."""
    return [(0, int(bit), "") if bit.isdecimal() else (1, 0, bit.lower()) for bit in re.split(r"(\d+)", name) if bit]


def some(names: Sequence[str], most: int = 8) -> str:
    """The first names of a list, and how many more there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
