"""Synthetic actions as a source: drawn once, kept as one memory-mapped file, read without decoding.

Sets that nobody used for an hour make room for new ones, the oldest first.
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
from actrec.data.cache import STALE, default_limit, drop_oldest, kept_files
from actrec.data.samples import must_be_folder
from actrec.data.sources import Source, Split
from actrec.synthetic import Capture
from actrec.video import Clip

FRAMES, SIZE, FPS = 48, 112, 12.5  # as fast as the fastest light recipe looks
# Seeds of training, validation, of the examples that ship, of the gallery and of what judges claims never meet.
TRAINING, VALIDATION, EXAMPLES, GALLERY, JUDGED = 0, 1_000_000_000, 2_000_000_000, 3_000_000_000, 4_000_000_000
SETS = {
    "six": synthetic.SIX,
    "webcam": synthetic.WEBCAM,
    "interactions": tuple(synthetic.INTERACTIONS.values()),
    "all": (*synthetic.WEBCAM, *synthetic.INTERACTIONS.values()),
}
Job = tuple[str, int, str] | tuple[str, int, str, Capture]  # action, seed, setting, and what moves the figure
PEOPLE = {"interactions": "two people", "all": "one person, or two who interact"}


def drawn(data: str) -> str | Path:
    """What the project draws of `synthetic:SET`, its name, or of `recorded:FOLDER`, whose movements its figures repeat;
    nothing of other data."""
    kind, _, which = data.partition(":")
    if kind == "recorded" and which:
        return Path(os.path.expanduser(which))
    return (which or "six") if kind == "synthetic" else ""


def actions_of(which: str | Path) -> tuple[str, ...]:
    """The actions of a set or of a folder of recordings, or a sentence with the sets there are."""
    if isinstance(which, Path):
        return tuple(_recordings(which))
    if which not in SETS:
        raise BadValue(f"There is no synthetic set '{which}'. There is: {', '.join(SETS)}.")
    return SETS[which]


def drawn_source(which: str | Path, clips_per_class: int, seed: int, told: Callable[[str], None]) -> Source:
    """A set of synthetic actions with a quarter as many clips for validation as for training. A folder is one of
    recordings, which the figures repeat."""
    if isinstance(which, Path):
        return _recorded_source(which, clips_per_class, seed, told)
    actions = actions_of(which)
    held_out = max(1, clips_per_class // 4)
    return Source(
        labels=list(actions),
        train=_split(actions, clips_per_class, TRAINING + seed * 10_000_000, told),
        validation=_split(actions, held_out, VALIDATION + seed * 10_000_000, told),
        description=f"{clips_per_class} clips of each of {len(actions)} actions by figures that the project draws",
        intended_for="Drawn figures: it may be wrong on real people.",
        people=PEOPLE.get(which, "one person"),
    )


def _recordings(folder: Path) -> dict[str, list[Capture]]:
    """The recordings of each action that a folder has, every one of them read, or a sentence."""
    must_be_folder(folder)
    found: dict[str, list[Capture]] = {}
    for capture in synthetic.captures(folder):
        found.setdefault(capture.action, []).append(capture)
    if not found.keys() & synthetic.ACTIONS.keys():
        raise BadValue(
            f"{folder} holds no recording of an action that the figures know. "
            "Put one .npz for each kind of movement there, named walk.npz, run.npz, bow.npz …"
        )
    known = {action: found[action] for action in synthetic.ACTIONS if action in found}
    for take in (take for takes in known.values() for take in takes):
        take.joints()
    return known


def recorded(folder: Path) -> list[str]:
    """What a folder of recordings holds, in sentences."""
    found = {action: len(takes) for action, takes in _recordings(folder).items()}
    few = [action for action, takes in found.items() if takes < 4]
    counts = ", ".join(f"{takes} of {action}" for action, takes in found.items())
    told = [f"Recorded movements, which drawn figures repeat: {counts}."]
    if few:
        told.append(f"With fewer than four recordings, these are learned and not judged: {', '.join(few)}.")
    return told


def _recorded_source(folder: Path, clips_per_class: int, seed: int, told: Callable[[str], None]) -> Source:
    """Drawn figures that repeat recorded movements. A quarter of the recordings of each action is kept for validation,
    by the hash of their names; what has fewer than four is only learned."""
    learned, held = {}, {}
    for action, takes in _recordings(folder).items():
        shuffled = sorted(takes, key=lambda take: hashlib.sha256(f"{take.kind}/{take.name}".encode()).digest())
        held[action], learned[action] = shuffled[: len(takes) // 4], shuffled[len(takes) // 4 :]
    held_out, name = max(1, clips_per_class // 4), folder.resolve().name
    return Source(
        labels=list(learned),
        train=_repeated(learned, clips_per_class, TRAINING + seed * 10_000_000, told),
        validation=_repeated(held, held_out, VALIDATION + seed * 10_000_000, told),
        description=f"{clips_per_class} clips of each of {len(learned)} actions recorded in {name}, drawn anew",
        licence="unknown: the recordings' own",
        intended_for="Research and teaching, unless the recordings it learned from may be used otherwise.",
    )


def _repeated(takes: dict[str, list[Capture]], per_class: int, first_seed: int, told: Callable[[str], None]) -> Split:
    """So many clips of each action, its recordings in turns."""
    jobs = []
    for action, each in takes.items():
        order = np.random.default_rng(first_seed).permutation(len(each))
        jobs += [(action, first_seed + n, "any", each[order[n % len(each)]]) for n in range(per_class if each else 0)]
    return _kept(tuple(takes), jobs, told)


def gallery_clips(actions: tuple[str, ...], per_class: int, told: Callable[[str], None]) -> Split:
    """Clips that no training and no test ever sees, to look at what networks have learned."""
    return _split(actions, per_class, GALLERY, told)


def judging_source(which: str, train: int, judged: int, seed: int, setting: str, told: Callable[[str], None]) -> Source:
    """Clips of one setting (`hard`, `plain`, `any`), so many of each class to train on and to judge by; each part is
    drawn when its first clip is asked for."""
    actions = actions_of(which)
    return Source(
        labels=list(actions),
        train=_split(actions, train, TRAINING + seed * 10_000_000, told, setting, at_once=False),
        validation=_split(actions, judged, JUDGED + seed * 10_000_000, told, setting, at_once=False),
        description=f"{train} clips of each of {len(actions)} actions by drawn figures, setting {setting}",
    )


def _split(
    actions: tuple[str, ...],
    per_class: int,
    first_seed: int,
    told: Callable[[str], None],
    setting: str = "any",
    at_once: bool = True,
) -> Split:
    jobs = [(action, first_seed + number, setting) for number in range(per_class) for action in actions]
    return _kept(actions, jobs, told, at_once)


def _kept(actions: tuple[str, ...], jobs: list[Job], told: Callable[[str], None], at_once: bool = True) -> Split:
    """The clips of these jobs, drawn once and kept."""
    times = np.arange(FRAMES) / FPS
    drawing, found = threading.Lock(), []

    def frames() -> np.ndarray:
        with drawing:
            if not found:
                found.append(np.load(_drawn(jobs, told), mmap_mode="r"))
        return found[0]

    if at_once and jobs:
        frames()

    def clip(index: int) -> Clip:
        action, seed, *_ = jobs[index]
        return Clip(frames()[index], times, f"synthetic: {action}, seed {seed}")

    return Split(np.array([actions.index(action) for action, *_ in jobs], dtype=np.int64), clip)


def _drawn(jobs: list[Job], told: Callable[[str], None]) -> Path:
    """The file with all clips, drawn now if it is not there; two who draw at once end with the same file."""
    paths = sorted({job[3].path for job in jobs if len(job) > 3})
    moved = [hashlib.sha256(path.read_bytes()).digest() for path in paths]  # other recordings under the same name
    key = hashlib.sha256(repr((jobs, FRAMES, SIZE, FPS, _version(), *moved)).encode()).hexdigest()[:16]
    path = cache_folder() / "synthetic" / f"{key}.npy"
    if _in_use(path):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    make_room(path.parent, len(jobs) * FRAMES * SIZE * SIZE * 3)
    temporary = path.with_name(f".{key}.{os.getpid()}.npy")
    try:
        kept = np.lib.format.open_memmap(temporary, "w+", np.uint8, (len(jobs), FRAMES, SIZE, SIZE, 3))
        _reserve(temporary)
        with multiprocessing.get_context("spawn").Pool(cores(), initializer=_one_thread) as pool:
            for number, frames in enumerate(pool.imap(_render, jobs, chunksize=8)):
                kept[number] = frames
                if number % 50 == 0:
                    told(f"Drawing synthetic clips: {number} of {len(jobs)}.")
        kept.flush()
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
    """Throw sets away, those that were used longest ago first, until another may be kept; what was used within the
    hour stays. A sentence where the disk is too small."""
    sets = kept_files(folder, ".npy")
    old = [each for each in sets if each[0] < (time.time() - STALE) * 1e9]
    free = shutil.disk_usage(folder).free
    if size > free + sum(held for _, held, _ in old):
        raise too_small(folder, size, free)
    drop_oldest(old, max(sum(held for _, held, _ in sets) + size - default_limit(), size - free))


def too_small(folder: Path, size: int, free: int) -> BadValue:
    return BadValue(
        f"The drawn clips take {size / 1e9:.1f} GB and {folder} has room for {free / 1e9:.1f} GB. Ask for fewer clips, "
        "or let ACTREC_CACHE name a folder on a larger disk."
    )


def _reserve(path: Path) -> None:
    """Take the whole file's room on the disk now: who writes into a map for which there is none is killed."""
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
    moved = {"capture": capture[0]} if capture else {}
    return synthetic.render(action, seed, frames=FRAMES, size=SIZE, fps=FPS, setting=setting, **moved).frames


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)


def _version() -> str:
    """A fingerprint of the code that draws: clips drawn by other code are not these clips."""
    folder = Path(inspect.getfile(synthetic)).parent
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).hexdigest()
