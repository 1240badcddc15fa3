"""Readers for data sets in the layouts in which they are published, with their official split files.

UCF-101        UCF-101/<Class>/v_<Class>_gNN_cNN.avi, ucfTrainTestlist/{classInd,trainlist01,testlist01,…}.txt
HMDB-51        <class>/<clip>.avi, testTrainMulti_7030_splits/<class>_test_split{1,2,3}.txt
Kinetics-400   train.csv, val.csv, test.csv (label, youtube_id, time_start, time_end, split) and the clips
               <youtube_id>_<start>_<end>.mp4, lying flat in the parts' folders or in class folders within
Something V1   20bn-something-something-v1/<id>/00001.jpg something-something-v1-{labels,train,…}.csv
Something V2   20bn-something-something-v2/<id>.webm, something-something-v2-{labels,train,validation}.json
               (or labels/{labels,train,validation}.json, as it is handed out today)
KTH            <action>/personNN_<action>_dN_uncomp.avi, with or without 00sequences.txt
UT-Interaction <index>_<sequence>_<class 0–5>.avi (the published segments), or <class>/sNN_MM.avi
               and <class>/seqNN_MM.avi; set1 and set2 side by side become one set with both transfers

A clip is found by its name without the ending, so converted copies (.mp4 for .avi) are read as well.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from actrec.data.datasets import DataSet, merge
from actrec.data.samples import VIDEO, Broken, DataError, Sample, folders, listing, natural

Parts = dict[str, dict[str, str]]  # clip → protocol → part

KTH_ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
# Schüldt, Laptev and Caputo (2004): eight people to train on, eight to validate, nine to test.
KTH_PERSONS = {
    "train": (11, 12, 13, 14, 15, 16, 17, 18),
    "validation": (19, 20, 21, 23, 24, 25, 1, 4),
    "test": (22, 2, 3, 5, 6, 7, 8, 9, 10),
}
KTH_FPS = 25.0
UT_CLASSES = ("handshake", "hug", "kick", "point", "punch", "push")
# The drawn figures' names of those classes that one person could show as well; here two people act on each other.
BETWEEN_TWO = {"kick": "kick a person", "point": "point at a person"}
UT_SEGMENT = re.compile(r"(?P<index>\d+)_(?P<sequence>\d+)_(?P<label>[0-5])")
UT_FOLDER = re.compile(r"s(?:eq_?)?(?P<sequence>\d+)_\d+")
SOMETHING_FPS = 12.0


def between_two(labels: Iterable[str]) -> bool:
    """Whether these are UT-Interaction's classes: with a handshake among them, a kick is one between two people."""
    return UT_CLASSES[0] in labels


def find(root: Path, pattern: str) -> list[Path]:
    """Files of this name pattern in a folder, its folders and theirs; not in folders of thousands."""
    here = [root]
    for depth in range(3):
        files = sorted(path for folder in here for path in folder.glob(pattern))
        if files or depth == 2:
            return files
        below = [folders(folder) for folder in here]
        here = [folder for siblings in below if len(siblings) <= 300 for folder in siblings]
    return []


def _class_root(root: Path, names: Iterable[str], what: str) -> Path:
    """The folder that holds at least one of these folders: the root or one within it."""
    names = list(names)
    for candidate in [
        root,
        *folders(root),
        *(deep for top in folders(root)[:50] for deep in folders(top)[:300]),
    ]:
        if any((candidate / name).is_dir() for name in names):
            return candidate
    raise DataError("layout", f"{root} has the split files of {what}, but not its class folders ({names[0]} …).")


def stems(folder: Path) -> dict[str, Path]:
    """Clips of a folder by their name without the ending."""
    return {path.stem: path for path in listing(folder) if path.suffix.lower() in VIDEO} if folder.is_dir() else {}


def lines(path: Path) -> list[str]:
    """Non-empty lines, whatever the platform's line ends."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise DataError("unreadable", f"The split file {path} cannot be read ({error.strerror}).") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def finish(
    name: str,
    labels: Iterable[str],
    samples: list[Sample],
    broken: list[Broken],
    root: Path,
    notes: tuple[str, ...] = (),
) -> DataSet:
    """The data set; refused when not one of the listed clips is there."""
    if not samples:
        raise DataError(
            "empty",
            f"{root} has the split files of {name}, but none of the clips they list. Unpack the clips beside them.",
        )
    return DataSet(name, tuple(labels), tuple(samples), tuple(broken), notes)


def ucf101_lists(folder: Path) -> tuple[list[str], Parts]:
    """Labels in their official order, and for each `Class/clip.avi` its part in the three splits."""
    labels = [line.split(maxsplit=1)[1] for line in lines(folder / "classInd.txt")]
    parts: Parts = {}
    for number in (1, 2, 3):
        for part, name in (("train", f"trainlist{number:02d}.txt"), ("test", f"testlist{number:02d}.txt")):
            if (folder / name).exists():
                for line in lines(folder / name):
                    parts.setdefault(line.split()[0], {})[f"split {number}"] = part
    return labels, parts


def ucf101(root: Path) -> DataSet:
    """UCF-101; the group is the source video's number (g01 to g25), as the official splits use it."""
    lists = find(root, "trainlist0[123].txt")
    labels, parts = ucf101_lists(lists[0].parent)
    return _listed("UCF-101", root, labels, parts, lambda label, stem: re.search(r"_(g\d+)_c\d+", stem))


def _listed(
    name: str, root: Path, labels: list[str], parts: Parts, group_of: Callable[[str, str], re.Match[str] | None]
) -> DataSet:
    """A data set whose lists name every clip as `class/file`; the group is what `group_of` finds in the file's name."""
    number = {label: index for index, label in enumerate(labels)}
    class_root = _class_root(root, labels, name)
    clips = {label: stems(class_root / label) for label in labels}
    samples: list[Sample] = []
    broken: list[Broken] = []
    for listed in sorted(parts, key=natural):
        label, _, file = listed.partition("/")
        path = clips.get(label, {}).get(Path(file).stem)
        if path is None:
            broken.append(Broken(str(class_root / listed), "in the official lists, but not in the folder"))
            continue
        group = group_of(label, path.stem)
        samples.append(Sample(path, number[label], group[1] if group else "", parts[listed]))
    return finish(name, labels, samples, broken, root)


def hmdb51_lists(folder: Path) -> tuple[list[str], Parts]:
    """Labels, and for each `class/clip.avi` its part in the three splits; 0 in the files means in neither."""
    parts: Parts = {}
    labels = set()
    for path in sorted(folder.glob("*_test_split[123].txt")):
        label, number = path.stem.rsplit("_test_split", 1)
        labels.add(label)
        for line in lines(path):
            clip, _, code = line.rpartition(" ")
            entry = parts.setdefault(f"{label}/{clip.strip()}", {})
            if code in "12":
                entry[f"split {number}"] = {"1": "train", "2": "test"}[code]
    return sorted(labels), parts


def hmdb51(root: Path) -> DataSet:
    """HMDB-51; the group is the source video, the file name before the class and its tags."""
    lists = find(root, "*_test_split[123].txt")
    labels, parts = hmdb51_lists(lists[0].parent)

    def source(label: str, stem: str) -> re.Match[str] | None:
        # <source>_<class>_<visible body>_<camera>_<people>_<view>_<quality>_<number>
        return re.fullmatch(rf"(.*)_{re.escape(label)}_[a-z]_[a-z]+_np\d+_[a-z]+_[a-z]+_\d+", stem)

    return _listed("HMDB-51", root, labels, parts, source)


def _part_of(name: str) -> str | None:
    return next((part for part in ("train", "val", "test") if part in name.lower()), None)


def kinetics(root: Path) -> DataSet:
    """Kinetics-400 (and its larger sisters, which share the layout); the group is the source video."""
    rows = []
    for path in find(root, "*.csv"):
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows += [(path, row) for row in csv.DictReader(file) if row.get("youtube_id")]
    clips: dict[str, Path] = {}
    for folder in [root, *folders(root)]:
        clips |= stems(folder)
        for inner in folders(folder):
            clips |= stems(inner)
            if _part_of(folder.name) is None:  # root/videos/train/<class>/…
                for deep in folders(inner):
                    clips |= stems(deep)
    labels = sorted({row["label"] for _, row in rows if row.get("label")})
    number = {label: index for index, label in enumerate(labels)}
    samples: list[Sample] = []
    broken: list[Broken] = []
    unnamed = 0
    for listed, row in rows:
        if not row.get("label"):
            unnamed += 1
            continue
        start, stop = (int(float(row[key] or 0)) for key in ("time_start", "time_end"))
        stem = f"{row['youtube_id']}_{start:06d}_{stop:06d}"
        clip = clips.get(stem) or clips.get(row["youtube_id"])
        part = _part_of(row.get("split") or listed.stem)
        if clip is None:
            broken.append(Broken(f"{row['label']}/{stem}.mp4", f"in {listed.name}, but not in the folder"))
        else:
            parts = {"official": {"val": "validation"}.get(part, part)} if part else {}
            samples.append(Sample(clip, number[row["label"]], row["youtube_id"], parts))
    notes = (f"{unnamed} clips have no published label and were left out.",) if unnamed else ()
    return finish("Kinetics", labels, samples, broken, root, notes=notes)


def something_v1(root: Path) -> DataSet:
    """Something-Something V1: folders of jpg frames at 12 frames per second; `id;label` lists."""
    folder = find(root, "something-something-v1-train.csv")[0].parent
    labels = lines(folder / "something-something-v1-labels.csv")
    listed = []
    for part in ("train", "validation"):
        path = folder / f"something-something-v1-{part}.csv"
        for line in lines(path) if path.exists() else ():
            clip, _, label = line.partition(";")
            listed.append((clip, label, part))
    return _something("Something-Something V1", root, labels, listed)


def something_v2(root: Path) -> DataSet:
    """Something-Something V2: webm clips; labels are the templates with their brackets taken off."""
    label_file = _something_v2_labels(root)[0]
    numbers = _json(label_file)
    labels = sorted(numbers, key=lambda label: int(numbers[label]))
    listed = []
    for part in ("train", "validation"):
        path = _beside(label_file, part)
        for row in _json(path) if path.exists() else ():
            template = re.sub(r"[\[\]]", "", row.get("template", ""))
            listed.append((str(row["id"]), template, part))
    return _something("Something-Something V2", root, labels, listed)


def _beside(labels: Path, part: str) -> Path:
    return labels.with_name(labels.name.replace("labels.json", f"{part}.json"))


def _something_v2_labels(root: Path) -> list[Path]:
    files = find(root, "something-something-v2-labels.json") + find(root, "labels.json")
    return [path for path in files if _beside(path, "train").exists() or _beside(path, "validation").exists()]


def _json(path: Path) -> Any:
    try:
        return json.loads("\n".join(lines(path)))
    except ValueError:
        raise DataError("split_files", f"{path} is not valid JSON. Download it again.") from None


def _something(name: str, root: Path, labels: list[str], listed: list[tuple[str, str, str]]) -> DataSet:
    number = {label: index for index, label in enumerate(labels)}
    names = {clip for clip, _, _ in listed}
    clips: dict[str, Path] = {}
    for folder in [root, *folders(root)]:
        for path in listing(folder):
            if path.stem in names and (path.suffix.lower() in VIDEO or not path.suffix):
                clips[path.stem] = path
    samples: list[Sample] = []
    broken: list[Broken] = []
    for clip, label, part in listed:
        if label not in number:
            broken.append(Broken(clip, f"its label '{label}' is not in the list of labels"))
        elif clip not in clips:
            broken.append(Broken(clip, f"in the {part} list, but not in the folder"))
        else:
            fps = None if clips[clip].suffix else SOMETHING_FPS
            samples.append(Sample(clips[clip], number[label], "", {"official": part}, fps=fps))
    return finish(name, labels, samples, broken, root)


def kth_sequences(path: Path) -> dict[str, list[tuple[int, int]]]:
    """Stretches of frames (first and last, counted from 1) in which someone acts, per clip."""
    stretches = {}
    for line in lines(path):
        match = re.match(r"(person\d+_\w+?_d\d)\s+frames\s+(.*)", line)
        if match:
            pairs = re.findall(r"(\d+)\s*-\s*(\d+)", match[2])
            stretches[match[1]] = [(int(first), int(last)) for first, last in pairs]
    return stretches


def kth(root: Path) -> DataSet:
    """KTH with its split by persons; with `00sequences.txt` each stretch of action is a clip of its own."""
    part_of = {person: part for part, persons in KTH_PERSONS.items() for person in persons}
    sequence_files = find(root, "00sequences*.txt")
    stretches = kth_sequences(sequence_files[0]) if sequence_files else {}
    clips = stems(root) | {stem: path for folder in folders(root) for stem, path in stems(folder).items()}
    samples: list[Sample] = []
    broken: list[Broken] = []
    for stem in sorted(clips, key=natural):
        match = re.match(r"(person(\d+)_([a-z]+)_d\d)", stem)
        if not match or match[3] not in KTH_ACTIONS:
            broken.append(Broken(str(clips[stem]), "its name is not personNN_action_dN"))
            continue
        person = int(match[2])
        label, parts = KTH_ACTIONS.index(match[3]), {"persons": part_of.get(person, "train")}
        if stretches and match[1] not in stretches:
            broken.append(Broken(str(clips[stem]), "00sequences.txt names no stretch of it"))
        for first, last in stretches.get(match[1], [(0, 0)]):
            start, stop = ((first - 1) / KTH_FPS, last / KTH_FPS) if last else (None, None)
            if not stretches or last:
                samples.append(Sample(clips[stem], label, f"person{person:02d}", parts, start, stop))
    return finish("KTH", KTH_ACTIONS, samples, broken, root)


def ut_interaction(root: Path) -> DataSet:
    """UT-Interaction; the group is the sequence, left out one at a time within a set of ten."""
    sets = [folder for folder in folders(root) if re.fullmatch(r"(segmented_)?set[12]", folder.name)]
    if sets:
        return merge([ut_interaction(folder) for folder in sets], "UT-Interaction")
    samples = []
    for folder in [root, *folders(root)]:
        for stem, path in stems(folder).items():
            segment, own = UT_SEGMENT.fullmatch(stem), UT_FOLDER.fullmatch(stem)
            if segment:
                samples.append(Sample(path, int(segment["label"]), f"sequence {int(segment['sequence']):02d}"))
            elif own and folder.name in UT_CLASSES:
                label = UT_CLASSES.index(folder.name)
                samples.append(Sample(path, label, f"sequence {int(own['sequence']):02d}"))
    samples.sort(key=lambda sample: (sample.label, natural(sample.path.name)))
    return finish(root.resolve().name, UT_CLASSES, samples, [], root)


def _is_ut(root: Path) -> bool:
    clips = [(path, root) for path in stems(root).values()]
    tops = folders(root)
    if any(re.fullmatch(r"(segmented_)?set[12]", top.name) and _is_ut(top) for top in tops):
        return True
    if tops and not {top.name for top in tops} <= set(UT_CLASSES):
        return False
    clips += [(path, top) for top in tops for path in stems(top).values()]
    named = [
        bool(UT_SEGMENT.fullmatch(path.stem) if top is root else UT_FOLDER.fullmatch(path.stem)) for path, top in clips
    ]
    return bool(named) and all(named)


def _is_kinetics(root: Path) -> bool:
    for path in find(root, "*.csv"):
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            if {"youtube_id", "time_start"} <= set(file.readline().strip().replace('"', "").split(",")):
                return True
    return False


def _is_kth(root: Path) -> bool:
    return any(re.match(r"person\d+_[a-z]+_d\d", stem) for top in [root, *folders(root)[:10]] for stem in stems(top))


RECOGNISED: dict[str, Callable[[Path], bool]] = {
    "ucf101": lambda root: bool(find(root, "trainlist0[123].txt")),
    "hmdb51": lambda root: bool(find(root, "*_test_split[123].txt")),
    "something-v1": lambda root: bool(find(root, "something-something-v1-train.csv")),
    "something-v2": lambda root: bool(_something_v2_labels(root)),
    "kinetics": _is_kinetics,
    "kth": _is_kth,
    "ut-interaction": _is_ut,
}
KINDS: dict[str, Callable[[Path], DataSet]] = {
    "ucf101": ucf101,
    "hmdb51": hmdb51,
    "something-v1": something_v1,
    "something-v2": something_v2,
    "kinetics": kinetics,
    "kth": kth,
    "ut-interaction": ut_interaction,
}


def recognise(root: Path) -> str:
    """The published layout that a folder has; `folder` when it has none."""
    return next((kind for kind, fits in RECOGNISED.items() if fits(root)), "folder")


def open_published(kind: str, root: Path) -> DataSet:
    """The data set of this kind in this folder; a split file in another form is refused with a sentence."""
    try:
        return KINDS[kind](root)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            "split_files",
            f"{root} is not laid out as {kind} is published: a list is missing or has another form ({error!r}).",
        ) from error
