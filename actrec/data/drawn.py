"""Synthetic actions as a source: drawn once, stored as one memory-mapped file, read without decoding.

Sets that were not used for an hour are deleted for new ones, the oldest first.
"""

from __future__ import annotations

import errno
import hashlib
import inspect
import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from actrec import synthetic
from actrec.core.devices import cores
from actrec.core.errors import BadValue
from actrec.core.files import cache_folder
from actrec.data.cache import STALE, cached_files, default_limit, drop_oldest
from actrec.data.samples import must_be_folder
from actrec.data.sources import Source, Split
from actrec.synthetic import Capture
from actrec.video import Clip

FRAMES, SIZE, FPS = 48, 112, 12.5  # the rate of the fastest light recipe
# The seeds of training, validation, the shipped examples, the gallery and the claims' test clips never overlap.
TRAINING, VALIDATION, EXAMPLES, GALLERY, CLAIMS = 0, 1_000_000_000, 2_000_000_000, 3_000_000_000, 4_000_000_000
SETS = {
    "six": synthetic.SIX,
    "webcam": synthetic.WEBCAM,
    "interactions": tuple(synthetic.INTERACTIONS.values()),
    "all": (*synthetic.WEBCAM, *synthetic.INTERACTIONS.values()),
}
Job = (
    tuple[str, int, str] | tuple[str, int, str, Capture]
)  # action, seed, setting, and the recording that moves the figure
# `_version()` before these modules were renamed, which drew the same clips. Delete it when the drawing changes.
DREW_THE_SAME = "4c0468349a59076f3b2176556aaf55746b0441e09803e51f59c9d223cc06b9b0"
PEOPLE = {"interactions": "two people", "all": "one person, or two who interact"}


def drawn(data: str) -> str | Path:
    """The set's name in `synthetic:SET`, or the folder in `recorded:FOLDER`, whose movements the drawn figures repeat;
    empty for data that are not drawn."""
    kind, _, which = data.partition(":")
    if kind == "recorded" and which:
        return Path(os.path.expanduser(which))
    return (which or "six") if kind == "synthetic" else ""


def actions_of(which: str | Path) -> tuple[str, ...]:
    """The actions of a set or of a folder of recordings; an unknown set is refused with the names of the known ones."""
    if isinstance(which, Path):
        return tuple(_recordings(which))
    if which not in SETS:
        raise BadValue(f"There is no synthetic set '{which}'. Choose one of: {', '.join(SETS)}.")
    return SETS[which]


def drawn_source(which: str | Path, clips_per_class: int, seed: int, on_progress: Callable[[str], None]) -> Source:
    """A set of synthetic actions with a quarter as many clips for validation as for training. A path is a folder of
    recordings, whose movements the figures repeat."""
    if isinstance(which, Path):
        return _recorded_source(which, clips_per_class, seed, on_progress)
    actions = actions_of(which)
    held_out = max(1, clips_per_class // 4)
    return Source(
        labels=list(actions),
        train=_split(actions, clips_per_class, TRAINING + seed * 10_000_000, on_progress),
        validation=_split(actions, held_out, VALIDATION + seed * 10_000_000, on_progress),
        description=f"{clips_per_class} clips of each of {len(actions)} actions by figures that the project draws",
        intended_for="Drawn figures: it may be wrong on real people.",
        people=PEOPLE.get(which, "one person"),
    )


def _recordings(folder: Path) -> dict[str, list[Capture]]:
    """The recordings of each action in a folder, each one read; a folder without any is refused with a sentence."""
    must_be_folder(folder)
    takes_of: dict[str, list[Capture]] = {}
    for capture in synthetic.captures(folder):
        takes_of.setdefault(capture.action, []).append(capture)
    if not takes_of.keys() & synthetic.ACTIONS.keys():
        raise BadValue(
            f"{folder} holds no recording of an action that the figures can show. "
            "Put one .npz for each kind of movement there, named walk.npz, run.npz, bow.npz …"
        )
    known = {action: takes_of[action] for action in synthetic.ACTIONS if action in takes_of}
    for take in (take for takes in known.values() for take in takes):
        take.joints()
    return known


def recorded(folder: Path) -> list[str]:
    """Sentences about the contents of a folder of recordings."""
    counts = {action: len(takes) for action, takes in _recordings(folder).items()}
    few = [action for action, count in counts.items() if count < 4]
    listed = ", ".join(f"{count} of {action}" for action, count in counts.items())
    sentences = [f"Recorded movements, which drawn figures repeat: {listed}."]
    if few:
        sentences.append(f"With fewer than four recordings, these are trained and not validated: {', '.join(few)}.")
    return sentences


def _recorded_source(folder: Path, clips_per_class: int, seed: int, on_progress: Callable[[str], None]) -> Source:
    """Drawn figures that repeat recorded movements. A quarter of the recordings of each action is held out for
    validation, by the hash of their names; actions with fewer than four are only trained."""
    training: dict[str, list[Capture]] = {}
    validation: dict[str, list[Capture]] = {}
    for action, takes in _recordings(folder).items():
        shuffled = sorted(takes, key=lambda take: hashlib.sha256(f"{take.kind}/{take.name}".encode()).digest())
        validation[action], training[action] = shuffled[: len(takes) // 4], shuffled[len(takes) // 4 :]
    held_out, name = max(1, clips_per_class // 4), folder.resolve().name
    return Source(
        labels=list(training),
        train=_repeated(training, clips_per_class, TRAINING + seed * 10_000_000, on_progress),
        validation=_repeated(validation, held_out, VALIDATION + seed * 10_000_000, on_progress),
        description=f"{clips_per_class} clips of each of {len(training)} actions recorded in {name}, drawn anew",
        licence="unknown: the recordings' own",
        intended_for="Research and teaching, unless the recordings it learned from may be used otherwise.",
    )


def _repeated(
    takes_of: dict[str, list[Capture]], per_class: int, first_seed: int, on_progress: Callable[[str], None]
) -> Split:
    """`per_class` clips of each action, its recordings in turns."""
    jobs: list[Job] = []
    for action, takes in takes_of.items():
        order = np.random.default_rng(first_seed).permutation(len(takes))
        jobs += [
            (action, first_seed + n, "any", takes[order[n % len(takes)]]) for n in range(per_class if takes else 0)
        ]
    return _stored(tuple(takes_of), jobs, on_progress)


def gallery_clips(actions: tuple[str, ...], per_class: int, on_progress: Callable[[str], None]) -> Split:
    """Clips of no training and no test, for pictures of what networks have learned."""
    return _split(actions, per_class, GALLERY, on_progress)


def claims_source(
    which: str, train: int, test: int, seed: int, setting: str, on_progress: Callable[[str], None]
) -> Source:
    """Clips of one setting (`hard`, `plain`, `any`): `train` of each class for training, `test` as validation; each
    part is drawn when its first clip is read."""
    actions = actions_of(which)
    return Source(
        labels=list(actions),
        train=_split(actions, train, TRAINING + seed * 10_000_000, on_progress, setting, at_once=False),
        validation=_split(actions, test, CLAIMS + seed * 10_000_000, on_progress, setting, at_once=False),
        description=f"{train} clips of each of {len(actions)} actions by drawn figures, setting {setting}",
    )


def _split(
    actions: tuple[str, ...],
    per_class: int,
    first_seed: int,
    on_progress: Callable[[str], None],
    setting: str = "any",
    at_once: bool = True,
) -> Split:
    jobs: list[Job] = [(action, first_seed + number, setting) for number in range(per_class) for action in actions]
    return _stored(actions, jobs, on_progress, at_once)


def _stored(
    actions: tuple[str, ...], jobs: list[Job], on_progress: Callable[[str], None], at_once: bool = True
) -> Split:
    """The clips of these jobs, drawn once and stored."""
    times = np.arange(FRAMES) / FPS
    drawing = threading.Lock()
    mapped: list[np.ndarray] = []

    def frames() -> np.ndarray:
        with drawing:
            if not mapped:
                mapped.append(np.load(_drawn(jobs, on_progress), mmap_mode="r"))
        return mapped[0]

    if at_once and jobs:
        frames()

    def clip(index: int) -> Clip:
        action, seed, *_ = jobs[index]
        return Clip(frames()[index], times, f"synthetic: {action}, seed {seed}")

    return Split(np.array([actions.index(action) for action, *_ in jobs], dtype=np.int64), clip)


def _drawn(jobs: list[Job], on_progress: Callable[[str], None]) -> Path:
    """The file with all clips, drawn now if it is missing; two processes that draw at once end with the same file."""
    takes = sorted({job[3].path for job in jobs if len(job) > 3})
    recordings = [hashlib.sha256(path.read_bytes()).digest() for path in takes]  # other recordings under the same name
    keys = [
        hashlib.sha256(repr((jobs, FRAMES, SIZE, FPS, version, *recordings)).encode()).hexdigest()[:16]
        for version in (_version(), DREW_THE_SAME)
    ]
    paths = [cache_folder() / "synthetic" / f"{key}.npy" for key in keys]
    if stored := next(filter(_in_use, paths), None):
        return stored
    key, path = keys[0], paths[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    make_room(path.parent, len(jobs) * FRAMES * SIZE * SIZE * 3)
    temporary = path.with_name(f".{key}.{os.getpid()}.npy")
    try:
        clips = np.lib.format.open_memmap(temporary, "w+", np.uint8, (len(jobs), FRAMES, SIZE, SIZE, 3))
        _reserve(temporary)
        with multiprocessing.get_context("spawn").Pool(cores(), initializer=_one_thread) as pool:
            for number, frames in enumerate(pool.imap(_render, jobs, chunksize=8)):
                clips[number] = frames
                if number % 50 == 0:
                    on_progress(f"Drawing synthetic clips: {number} of {len(jobs)}.")
        clips.flush()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _in_use(path: Path) -> bool:
    """Whether the file is there; from now on it counts as used."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:  # another user's
        pass
    return True


def make_room(folder: Path, size: int) -> None:
    """Delete the least recently used sets until another one fits; sets used within the hour stay. A disk that is too
    small is refused with a sentence."""
    sets = cached_files(folder, ".npy")
    old = [entry for entry in sets if entry[0] < (time.time() - STALE) * 1e9]
    free = shutil.disk_usage(folder).free
    if size > free + sum(file_size for _, file_size, _ in old):
        raise too_small(folder, size, free)
    drop_oldest(old, max(sum(file_size for _, file_size, _ in sets) + size - default_limit(), size - free))


def too_small(folder: Path, size: int, free: int) -> BadValue:
    return BadValue(
        f"The drawn clips take {size / 1e9:.1f} GB and {folder} has {free / 1e9:.1f} GB left. Use fewer clips, "
        "or let ACTREC_CACHE name a folder on a larger disk."
    )


def _reserve(path: Path) -> None:
    """Reserve the whole file's disk space now: a process that writes into a map without space is killed."""
    if not hasattr(os, "posix_fallocate"):
        return
    size = path.stat().st_size
    try:
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise too_small(path.parent, size, shutil.disk_usage(path.parent).free) from error


def _render(job: Job) -> np.ndarray:
    action, seed, setting, *capture = job
    recording = capture[0] if capture else None
    clip = synthetic.render(action, seed, frames=FRAMES, size=SIZE, fps=FPS, setting=setting, capture=recording)
    return clip.frames


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)


def _version() -> str:
    """A fingerprint of the drawing code: clips drawn by other code differ."""
    folder = Path(inspect.getfile(synthetic)).parent
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).hexdigest()
