"""A data set as one small file: JPEG frames that train anywhere, without a video decoder.

The file is a safetensors file (as in the cache): `jpeg` holds all encoded frames one after another, `ends` where each
one ends, `times` when each is shown. Frames keep their aspect ratio, so that every `fit` is still possible.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from actrec.core.errors import BadValue
from actrec.data.cache import Damaged, content_hash, read_entry, write_entry
from actrec.data.check import header_facts
from actrec.data.datasets import DataSet
from actrec.data.reading import ClipSettings, fitted, reason, thinned
from actrec.data.samples import Broken, DataError, Sample, must_be_writable
from actrec.video import Clip, VideoError

VERSION = 1
QUALITIES = (95, 92, 90, 87, 84, 80, 75, 70, 65, 60)
TRIAL = 16  # clips that are encoded to estimate the size


def is_pack(path: Path) -> bool:
    """Whether the name is that of a pack; only opening the file makes sure."""
    return path.is_file() and path.suffix.lower() in (".pack", ".safetensors")


def write_pack(
    dataset: DataSet,
    path: str | Path,
    settings: ClipSettings | None = None,
    *,
    limit: int = 30_000_000,
    on_progress: Callable[[str], None] = lambda message: None,
) -> DataSet:
    """Write the clips at the best JPEG quality that keeps the file within `limit` bytes, and open it.

    The settings name the stored frames and their size; `short_side` leaves every `fit` possible later.
    """
    path = Path(path)
    settings = settings or ClipSettings(size=128, fit="short_side", frames=48)
    if settings.fit not in ("short_side", "whole"):
        raise BadValue("a pack keeps the aspect of its clips: fit is short_side or whole")
    if path.suffix.lower() not in (".pack", ".safetensors"):
        raise DataError("pack", f"Name the pack with the ending .pack, not {path.name}.")
    must_be_writable(path.absolute().parent)
    for quality in _qualities(dataset, settings, limit, on_progress):
        arrays, facts = _packed(dataset, settings, quality, on_progress)
        size = sum(array.nbytes for array in arrays.values())
        if size < limit * 0.97:
            facts["quality"] = quality
            if not facts["samples"]:
                raise DataError("all_broken", f"None of the {len(dataset)} clips of {dataset.name} can be read.")
            written = write_entry(path, arrays, facts)
            on_progress(f"{len(facts['samples'])} clips, JPEG quality {quality}, {written / 1e6:.1f} MB.")
            return open_pack(path)
    raise _too_large(dataset, limit)


def _qualities(
    dataset: DataSet, settings: ClipSettings, limit: int, on_progress: Callable[[str], None]
) -> Iterator[int]:
    """Qualities from the first whose estimate fits, downwards; refused at once when none comes near."""
    trial = dataset.subset(np.unique(np.linspace(0, len(dataset) - 1, min(TRIAL, len(dataset))).astype(int)))
    fits, estimate = False, 0.0
    for quality in QUALITIES:
        if not fits:
            arrays, _ = _packed(trial, settings, quality, lambda message: None)
            estimate = arrays["jpeg"].nbytes * len(dataset) / max(1, len(trial))
            fits = estimate < limit * 0.97
        if fits or (quality == QUALITIES[-1] and estimate < limit * 1.2):
            on_progress(f"Packing {len(dataset)} clips at JPEG quality {quality}.")
            yield quality
    if not fits:
        raise _too_large(dataset, limit, f" (about {estimate / 1e6:.0f} MB)")


def _too_large(dataset: DataSet, limit: int, needed: str = "") -> DataError:
    return DataError(
        "pack",
        f"{len(dataset)} clips do not fit into {limit / 1e6:.0f} MB even at JPEG quality {QUALITIES[-1]}{needed}. "
        "Take fewer frames or a smaller size.",
    )


def _packed(
    dataset: DataSet, settings: ClipSettings, quality: int, on_progress: Callable[[str], None]
) -> tuple[dict[str, np.ndarray], dict]:
    jpeg = io.BytesIO()
    ends: list[int] = []
    times: list[float] = []
    samples: list[dict[str, object]] = []
    broken = [[clip.path, clip.reason] for clip in dataset.broken]
    for index, sample in enumerate(dataset.samples):
        try:
            header = header_facts(dataset, sample)
            short = settings.frames is not None and 0 < header[3] <= settings.frames
            clip = dataset.read(index, replace(settings, frames=None) if short else settings)
        except (VideoError, DataError, OSError, ValueError) as error:
            broken.append([str(sample.path), reason(error)])
            on_progress(f"Left out: {sample.name}: {reason(error)}")
            continue
        for frame in clip.frames:
            options = [cv2.IMWRITE_JPEG_QUALITY, quality]
            done, encoded = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), options)
            if not done:
                raise DataError("pack", f"A frame of {sample.name} could not be encoded.")
            jpeg.write(encoded.tobytes())
            ends.append(jpeg.tell())
        times += clip.times.tolist()
        samples.append(
            {
                "name": f"{dataset.labels[sample.label]}/{sample.path.name}",
                "label": sample.label,
                "group": sample.group,
                "parts": dict(sample.parts),
                "origin": sample.origin,
                "frames": [len(ends) - len(clip), len(ends)],
                "header": [float(value) for value in header],
                "sha256": _content(dataset, sample),
                "notes": list(clip.notes),
            }
        )
    arrays: dict[str, np.ndarray] = {
        "times": np.array(times, dtype=np.float64),
        "ends": np.array(ends, dtype=np.int64),
        "jpeg": np.frombuffer(jpeg.getvalue(), np.uint8),
    }
    facts = {"pack": VERSION, "name": dataset.name, "labels": list(dataset.labels), "broken": broken}
    return arrays, {**facts, "settings": settings.key(), "samples": samples}


def _content(dataset: DataSet, sample: Sample) -> str:
    own = getattr(dataset.reader, "content", None)
    return own(sample.path) if own is not None else content_hash(Path(sample.path))


def open_pack(path: str | Path) -> DataSet:
    """The data set in a pack: the same labels, groups and official parts that the folders had."""
    reader = PackReader(Path(path).absolute(), verify=True)
    samples = []
    for key, entry in reader.entries.items():
        sample = Sample(Path(key), entry["label"], entry["group"], entry["parts"], origin=entry["origin"])
        samples.append(sample)
    facts = reader.facts
    broken = tuple(Broken(path, why) for path, why in facts["broken"])
    return DataSet(facts["name"], tuple(facts["labels"]), tuple(samples), broken, reader=reader)


class PackReader:
    """Frames from a pack. Pickled as its path: a child process opens the file again.

    Decoded clips stay in memory up to `memory` bytes: a pack is small, and an epoch reads all of it.
    """

    def __init__(self, path: Path, *, verify: bool = False, memory: int = 1 << 30) -> None:
        self.path, self.bytes_left = Path(path), memory
        self.decoded: dict[tuple[str, ClipSettings], Clip] = {}
        try:
            self.arrays, self.facts = read_entry(self.path, verify=verify)
        except (OSError, Damaged) as error:
            raise DataError("pack", f"{self.path} is damaged ({error}). Copy or pack it again.") from None
        if not isinstance(self.facts, dict) or self.facts.get("pack") != VERSION:
            raise DataError("pack", f"{self.path} holds no clips of this version. Pack them again.")
        self.entries = {self._key(number, entry): entry for number, entry in enumerate(self.facts["samples"])}

    def _key(self, number: int, entry: dict) -> str:
        """Unique within the pack: two sets may have clips of the same name."""
        return str(self.path / f"{number:05d}" / entry["name"])

    def __reduce__(self) -> tuple[type[PackReader], tuple[Path]]:
        return PackReader, (self.path,)

    def read(self, sample: Sample, settings: ClipSettings) -> Clip:
        """The clip at these settings, as for a video file; its frames are read-only."""
        key = str(sample.path), settings
        if key in self.decoded:
            return self.decoded[key]
        clip = self._decode(sample, settings)
        clip.frames.flags.writeable = False
        if clip.frames.nbytes <= self.bytes_left:
            self.bytes_left -= clip.frames.nbytes
            self.decoded[key] = clip
        return clip

    def _decode(self, sample: Sample, settings: ClipSettings) -> Clip:
        entry = self._entry(sample.path)
        first, last = entry["frames"]
        times = np.array(self.arrays["times"][first:last])
        # Frames are chosen before any is decoded: their numbers stand in for their pixels.
        numbers = np.arange(first, last, dtype="<u4").view(np.uint8).reshape(-1, 1, 1, 4)[..., :3]
        chosen = thinned(Clip(numbers, times, str(sample.path), tuple(entry["notes"])), settings)
        indices = chosen.frames.reshape(-1, 3).astype(np.int64) @ np.array([1, 1 << 8, 1 << 16])
        frames = np.stack([self._frame(int(index)) for index in indices])
        return fitted(replace(chosen, frames=frames), settings)

    def header(self, sample: Sample) -> tuple[float, float, float, float]:
        """Width, height, frames and frame rate that the original file had."""
        width, height, _, frames, fps = self._entry(sample.path)["header"]
        return width, height, frames, fps

    def content(self, path: Path) -> str:
        """SHA-256 of the original file."""
        return self._entry(path)["sha256"]

    def _entry(self, path: Path) -> dict:
        try:
            return self.entries[str(path)]
        except KeyError:
            raise DataError("pack", f"{path} is not in the pack {self.path.name}.") from None

    def _frame(self, number: int) -> np.ndarray:
        ends = self.arrays["ends"]
        start = int(ends[number - 1]) if number else 0
        frame = cv2.imdecode(np.array(self.arrays["jpeg"][start : int(ends[number])]), cv2.IMREAD_COLOR)
        if frame is None:
            raise VideoError("truncated", f"A frame in the pack {self.path.name} is damaged. Pack it again.")
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
