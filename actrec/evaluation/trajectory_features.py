"""Improved dense trajectories of many clips as Fisher vectors: the other source of the SVM in Yang et al., sec. 4.7.

Wang & Schmid, "Action Recognition with Improved Trajectories", ICCV 2013. Not the papers', ours: a small set of clips
gets fewer Gaussians than the papers' 256, as many as its descriptors can carry.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actrec.core.errors import BadValue
from actrec.data.reading import ClipSettings, reason
from actrec.data.samples import DataError
from actrec.evaluation.evaluate import Report, Trial
from actrec.motion.descriptors import describe
from actrec.motion.fisher import SAMPLES, WORDS, TrajectoryCode
from actrec.motion.trajectories import track
from actrec.training.distributed import World
from actrec.video import Clip, VideoError

SETTINGS = ClipSettings(size=240, fit="short_side")  # the frames in which points are tracked, all of them
PER_WORD = 100  # descriptors that a Gaussian needs
KEPT = 1 << 30  # bytes of descriptors that stay in memory, not to be computed twice

Descriptors = dict[str, np.ndarray]


@dataclass(frozen=True)
class TrajectoryVectors:
    """The Fisher vectors `[N, D]` of the clips that could be read, by their places in the trial."""

    vectors: np.ndarray
    places: np.ndarray
    broken: dict[int, str]


def descriptors(clip: Clip) -> Descriptors:
    """The descriptors along every trajectory of a clip."""
    return describe(track(clip), clip)


def learn_code(lessons: Trial, seed: int, world: World, report: Report) -> tuple[TrajectoryCode, TrajectoryVectors]:
    """PCA and Gaussians fitted to the descriptors of the clips to learn from, and those clips' vectors.

    No clip outweighs another by its length. Each process describes its part; the first one fits.
    """
    rng = np.random.default_rng([seed, world.rank])
    most = max(1, SAMPLES // len(lessons))
    drawn: list[Descriptors] = []
    whole: dict[int, Descriptors] = {}
    broken: dict[int, str] = {}
    room = KEPT
    for index in _mine(lessons, world):
        described = _described(lessons, index, broken, report)
        if described is None:
            continue
        drawn.append({kind: _some(values, most, rng) for kind, values in described.items()})
        room -= sum(values.nbytes for values in described.values())
        if room > 0:
            whole[index] = described
    sampled = [sample for part in world.gather(drawn) for sample in part]
    code = world.from_first(lambda: _fitted(sampled, lessons.name, seed, report))
    return code, _gathered(code, lessons, whole, broken, world, report)


def encode(code: TrajectoryCode, trial: Trial, world: World, report: Report) -> TrajectoryVectors:
    """The vectors of other clips."""
    return _gathered(code, trial, {}, {}, world, report)


def _fitted(sampled: list[Descriptors], name: str, seed: int, report: Report) -> TrajectoryCode:
    count = sum(len(sample["trajectory"]) for sample in sampled)
    words = min(WORDS, count // PER_WORD)
    if words < 1:
        raise BadValue(
            f"{name} has {count} trajectories, too few to learn from: {PER_WORD} or more are needed. "
            "Take clips in which more moves, of 16 frames or more, or leave --trajectories out."
        )
    if words < WORDS:
        report(f"{count} trajectories to learn from: {words} Gaussians instead of {WORDS}.")
    return TrajectoryCode.fit(sampled, np.random.default_rng(seed), words)


def _gathered(
    code: TrajectoryCode,
    trial: Trial,
    whole: dict[int, Descriptors],
    broken: dict[int, str],
    world: World,
    report: Report,
) -> TrajectoryVectors:
    """The vectors of all processes' parts, in the order of the clips; `whole` is what has been described already."""
    encoded: dict[int, np.ndarray] = {}
    for index in _mine(trial, world):
        descriptors_of_clip = (
            whole[index] if index in whole else None if index in broken else _described(trial, index, broken, report)
        )
        if descriptors_of_clip is not None:
            encoded[index] = code.encode(descriptors_of_clip)
    parts = world.gather((encoded, broken))
    vectors = {index: vector for part, _ in parts for index, vector in part.items()}
    if not vectors:
        raise DataError("all_broken", f"None of the {len(trial)} clips of {trial.name} can be read.")
    order = sorted(vectors)
    return TrajectoryVectors(
        np.stack([vectors[index] for index in order]),
        np.array(order),
        {index: why for _, part in parts for index, why in part.items()},
    )


def _mine(trial: Trial, world: World) -> list[int]:
    return list(range(world.rank, len(trial), world.size))


def _described(trial: Trial, index: int, broken: dict[int, str], report: Report) -> Descriptors | None:
    try:
        return descriptors(trial.clip(index))
    except (VideoError, DataError, OSError) as error:
        broken[index] = reason(error)
        report(f"Left out: {trial.names[index]}: {broken[index]}")
        return None


def _some(values: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    return values if len(values) <= most else values[rng.choice(len(values), most, replace=False)]
