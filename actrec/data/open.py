"""Opening a data set: any folder `class/clip`, a published layout, or a pack."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from actrec.data.datasets import DataSet
from actrec.data.samples import (
    PART_NAMES,
    VIDEO,
    DataError,
    Sample,
    folders,
    is_frames,
    listing,
    must_be_folder,
    natural,
)


def open_set(path: str | os.PathLike[str], *, kind: str = "auto") -> DataSet:
    """The data set in a folder or a pack file. `auto` recognises the published layouts by their split files."""
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
        raise DataError("kind", f"'{kind}' is not a known kind of data set. Known kinds: {known}.")
    return open_published(kind, root)


def open_folder(root: str | os.PathLike[str]) -> DataSet:
    """Any folder `class/clip`; `class/group/clip` gives groups, `train/class/clip` gives parts.

    A clip is a video file or a folder of frames. Other files are counted and ignored.
    """
    root = Path(root)
    must_be_folder(root)
    tops = folders(root)
    if tops and all(top.name.lower() in PART_NAMES for top in tops):
        parts = [(PART_NAMES[top.name.lower()], top) for top in tops]
        labels = sorted({folder.name for _, top in parts for folder in folders(top)}, key=natural)
        class_folders = [(part, top / label) for part, top in parts for label in labels if (top / label).is_dir()]
    else:
        labels = sorted((top.name for top in tops), key=natural)
        class_folders = [("", root / label) for label in labels]
    number = {label: index for index, label in enumerate(labels)}
    samples: list[Sample] = []
    others, empty = 0, []
    for part, folder in class_folders:
        clips, other_files = _clips_of_class(folder)
        others += other_files
        if not clips:
            empty.append(folder.name)
        official = {"folders": part} if part else {}
        samples += [replace(clip, label=number[folder.name], parts=official) for clip in clips]
    if not samples:
        raise DataError("empty", _no_clip_message(root, labels))
    notes = []
    if others:
        notes.append(f"{others} other files are not videos and were ignored.")
    if empty:
        notes.append(f"No clip in {', '.join(empty[:10])}: left out.")
    return DataSet(root.resolve().name, tuple(labels), tuple(samples), notes=tuple(notes)).compact()


def _clips_of_class(folder: Path) -> tuple[list[Sample], int]:
    """Clips under one class folder, and how many other files there are."""
    samples: list[Sample] = []
    others = 0
    for entry in listing(folder):
        if not entry.is_dir():
            if entry.suffix.lower() in VIDEO:
                samples.append(Sample(entry, 0))
            else:
                others += 1
        elif is_frames(entry):
            samples.append(Sample(entry, 0))
        else:
            for path in listing(entry):
                if (path.suffix.lower() in VIDEO and not path.is_dir()) or (path.is_dir() and is_frames(path)):
                    samples.append(Sample(path, 0, group=entry.name))
                else:
                    others += 1
    return samples, others


def _no_clip_message(root: Path, labels: Sequence[str]) -> str:
    loose = sum(path.suffix.lower() in VIDEO for path in listing(root))
    if loose:
        return (
            f"{root} holds {loose} clips but no class folders. "
            "Put each clip into a folder named after its class: wave/clip1.mp4, clap/clip2.mp4."
        )
    what = "its class folders hold no videos" if labels else "it is empty"
    return f"No clip was found in {root}: {what}. Expected folders named after the classes, with videos inside."
