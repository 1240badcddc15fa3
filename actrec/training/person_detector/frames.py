"""Frames with the boxes of their people: drawn ones, and frames of clips as a teacher sees them; kept once made.

No clip stands on two sides: the sequences of UT-Interaction are parted by their numbers, the other clips of each folder
in the order of their files' hashes: a fifth to judge by, a tenth to check on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from actrec.core.errors import Refusal
from actrec.core.files import cache_folder
from actrec.data.cache import ClipCache
from actrec.data.samples import VIDEO
from actrec.training.person_detector import crowd
from actrec.training.person_detector.teacher import Teacher
from actrec.video import VideoError

SEQUENCE = re.compile(r"s(?:eq_?)?(?P<own>\d+)_\d+|\d+_(?P<published>\d+)_\d")
TEST_SEQUENCES, CHECK_SEQUENCES = (9, 10, 13), (8, 12)
TESTED, CHECKED = 0.2, 0.1  # fractions of the clips that have no sequence
LONG_SIDE = 320  # pixels of a kept frame; never enlarged
PER_SECOND, MOST = 3.0, 24  # frames taken of a clip
OFTENEST = 5  # times that a frame of a small source is repeated
DRAWN_AT_ONCE = 40  # drawn images in one file of the cache
SIZES = ((256, 320), (192, 320), (320, 320), (320, 256))

Report = Callable[[str], None]


class FramesError(Refusal):
    """Clips that give nothing to learn from or to test with; the message says why."""


@dataclass(frozen=True)
class Frame:
    """An image `uint8 [H, W, 3]` and the boxes of its people `float32 [n, 4]` in pixels."""

    image: np.ndarray
    boxes: np.ndarray


@dataclass(frozen=True)
class File:
    """A clip and where it stands."""

    path: Path
    home: str  # the named folder it was found under
    digest: str
    part: str


def side_of(stem: str) -> str | None:
    """`train`, `check` or `test` by the number of a clip's sequence; None for a clip without one."""
    numbered = SEQUENCE.fullmatch(stem)
    if not numbered:
        return None
    sequence = int(numbered["own"] or numbered["published"])
    return "test" if sequence in TEST_SEQUENCES else "check" if sequence in CHECK_SEQUENCES else "train"


def parted(clips: Sequence[tuple[Path, str]], home: str) -> list[File]:
    """The clips of one folder, path and hash, each with its side."""
    others = sorted(digest for path, digest in clips if side_of(path.stem) is None)
    tested, checked = (round(fraction * len(others)) for fraction in (TESTED, TESTED + CHECKED))
    sides = ["test"] * tested + ["check"] * (checked - tested) + ["train"] * (len(others) - checked)
    side = dict(zip(others, sides, strict=True))
    return [File(path, home, digest, side_of(path.stem) or side[digest]) for path, digest in clips]


def clips_in(folders: Sequence[Path]) -> list[File]:
    """Every video under the folders, in the order of their paths, each content once."""
    files: list[File] = []
    known: set[str] = set()
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise FramesError(f"There is no folder {folder}: name folders with clips of people.")
        clips: dict[str, Path] = {}
        for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO):
            clips.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), path)
        fresh = [(path, digest) for digest, path in clips.items() if digest not in known]
        known |= clips.keys()
        files += parted(fresh, folder.resolve().name)
    if not files:
        raise FramesError(f"There is no clip in {', '.join(map(str, folders))}: name folders with videos of people.")
    return files


def frames_of(path: Path) -> np.ndarray:
    """The frames of a clip that are looked at, `uint8 [N, H, W, 3]`."""
    from actrec.video.read import read_clip

    frames = read_clip(path, fps=PER_SECOND).frames
    return frames[np.unique(np.linspace(0, len(frames) - 1, min(len(frames), MOST)).round().astype(int))]


def smaller(frame: np.ndarray, boxes: np.ndarray) -> Frame:
    """A frame at the size at which it is kept."""
    height, width = frame.shape[:2]
    gain = min(1.0, LONG_SIDE / max(height, width))
    inner = max(1, round(width * gain)), max(1, round(height * gain))
    image = frame if gain == 1.0 else cv2.resize(frame, inner, interpolation=cv2.INTER_AREA)
    return Frame(image, (boxes[:, :4] * np.tile([inner[0] / width, inner[1] / height], 2)).astype(np.float32))


def labelled(files: Sequence[File], teacher: Teacher, cache: ClipCache, report: Report = print) -> list[Frame]:
    """The frames of clips with the teacher's boxes; a clip that cannot be read is named and left out."""
    frames_found: list[Frame] = []
    for number, file in enumerate(files, start=1):
        key = f"people {file.digest} {teacher.digest} {PER_SECOND} {MOST} {LONG_SIDE}"

        def labels_of_file(file: File = file) -> tuple[dict[str, np.ndarray], dict]:
            frames = frames_of(file.path)
            return packed([smaller(frame, teacher.detect(frame)) for frame in frames])

        try:
            frames_found += unpacked(cache.entry(_name(key), labels_of_file)[0])
        except VideoError as error:
            report(f"{file.path.name} is left out: {error}")
        if number % 50 == 0:
            report(f"{number} of {len(files)} clips have their labels")
    return frames_found


def with_people(
    files: Sequence[File], teacher: Teacher, cache: ClipCache, report: Report = print
) -> dict[str, list[Frame]]:
    """The labelled frames of each folder in which the teacher sees somebody. In a clip of people where it sees nobody,
    it has mostly overlooked somebody lying down: that is no lesson."""
    homes = dict.fromkeys(file.home for file in files)
    labels = {home: labelled([file for file in files if file.home == home], teacher, cache, report) for home in homes}
    return {home: [frame for frame in frames if len(frame.boxes)] for home, frames in labels.items()}


def evened(sources: Sequence[Sequence[Frame]]) -> list[Frame]:
    """The frames of each source as often as those of the largest, but none oftener than `OFTENEST`."""
    most = max(map(len, sources), default=0)
    return [of[place % len(of)] for of in sources if of for place in range(min(most, OFTENEST * len(of)))]


def drawn(count: int, seed: int, cache: ClipCache, report: Report = print) -> list[Frame]:
    """Pictures of drawn people, of several shapes."""
    version = _drawing()
    frames_found: list[Frame] = []
    for first in range(0, count, DRAWN_AT_ONCE):
        numbers = range(first, first + DRAWN_AT_ONCE)

        def draw(numbers: range = numbers) -> tuple[dict[str, np.ndarray], dict]:
            size = SIZES[(numbers.start // DRAWN_AT_ONCE) % len(SIZES)]
            return packed([Frame(*crowd.crowd(seed * 1_000_003 + number, size)) for number in numbers])

        frames_found += unpacked(cache.entry(_name(f"drawn {seed} {first} {DRAWN_AT_ONCE} {version}"), draw)[0])
        if (first // DRAWN_AT_ONCE) % 10 == 9:
            report(f"{first + DRAWN_AT_ONCE} images drawn")
    return frames_found[:count]


def packed(frames: Sequence[Frame]) -> tuple[dict[str, np.ndarray], dict]:
    """Frames of one size as arrays to keep."""
    counts = np.array([len(frame.boxes) for frame in frames], dtype=np.int64)
    images = np.stack([frame.image for frame in frames])
    boxes = np.concatenate([frame.boxes for frame in frames]).astype(np.float32)
    return {"pictures": images, "boxes": boxes, "counts": counts}, {}


def unpacked(arrays: dict[str, np.ndarray]) -> Iterator[Frame]:
    """The frames again."""
    stops = np.cumsum(arrays["counts"])
    for image, start, stop in zip(arrays["pictures"], stops - arrays["counts"], stops, strict=True):
        yield Frame(image, arrays["boxes"][start:stop])


def default_cache() -> ClipCache:
    """Where labelled frames are kept between starts."""
    return ClipCache(cache_folder() / "people")


def _drawing() -> str:
    """A fingerprint of the code that draws."""
    from actrec import synthetic

    files = [Path(crowd.__file__), *sorted(Path(synthetic.__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _name(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
