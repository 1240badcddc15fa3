"""Several weights that answer together, as in Yang et al., "Asymmetric 3D Convolutional Neural Networks", sec. 4.7.

Softmax fusion: the mean of what the networks say of a clip (RGB + RGBF). Deep features: the networks' codes in one
linear SVM, learned from clips of their own, with or without improved dense trajectories beside them. An SVM gives
distances; where probabilities are asked for, their softmax stands in (ours), so its calibration error says little.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from actrec.core.errors import BadValue
from actrec.evaluation.evaluate import Answers, Told, Trial, answer
from actrec.evaluation.result import judge
from actrec.evaluation.trajectory_features import Tracked, encode, learn_code
from actrec.metrics.accuracy import softmax
from actrec.motion.fisher import TrajectoryCode
from actrec.recognition.recognizer import Recognizer
from actrec.systems.fusion import FeatureSVM, softmax_fusion
from actrec.training.distributed import World

TRAJECTORIES = "improved dense trajectories"


@dataclass(frozen=True)
class Member:
    """One of the networks, with the clips as it wants them stored: to judge by and, for an SVM, to learn from."""

    recognizer: Recognizer
    trial: Trial
    lessons: Trial | None = None


@dataclass(frozen=True)
class Trails:
    """The same clips as they are tracked: large, every frame."""

    trial: Trial
    lessons: Trial
    seed: int = 0


@dataclass(frozen=True)
class Features:
    """What the SVM sees of some clips, by source, with their places and classes."""

    sources: dict[str, np.ndarray]
    kept: np.ndarray
    targets: np.ndarray


def judged_together(
    members: Sequence[Member], protocol: str, world: World, told: Told, trails: Trails | None = None
) -> dict:
    """The result of all members as one recogniser: softmax fusion, or a linear SVM where they have lessons."""
    labels, trial = members[0].recognizer.labels, members[0].trial
    for member in members[1:]:
        if member.recognizer.labels != labels:
            raise BadValue(
                f"'{member.recognizer.card.name}' and '{members[0].recognizer.card.name}' do not know the same classes "
                "in the same order. Fuse weights that were trained on the same data."
            )
    began = time.perf_counter()
    if all(member.lessons is not None for member in members):
        machine, code = _learned(members, protocol, world, told, trails)
        began = time.perf_counter()  # what it costs to judge, not to learn
    answers = [answer(member.recognizer, member.trial, protocol, world, told) for member in members]
    if all(member.lessons is not None for member in members):
        tracked = encode(code, trails.trial, world, told) if trails else None
        seen = _features(answers, trial, tracked)
        scores = np.full((len(seen.kept), len(labels)), -np.inf)
        scores[:, machine.classes] = machine.decide(seen.sources)
        probabilities = softmax(np.maximum(scores, -1e3))
    else:
        tracked, seen = None, _features(answers, trial, None)
        stacked = [answer.probabilities[np.isin(answer.kept, seen.kept)] for answer in answers]
        probabilities = softmax_fusion(stacked).scores
    seconds = max(world.gather(time.perf_counter() - began))
    result = judge(
        probabilities, seen.targets, labels, seconds=seconds * len(seen.kept) / len(trial),
        names=[trial.names[place] for place in seen.kept],
    )  # fmt: skip
    broken = {
        place: why for answer in [*answers, *([tracked] if tracked else [])] for place, why in answer.broken.items()
    }
    listed = [{"clip": trial.names[place], "reason": why} for place, why in sorted(broken.items())]
    return result | {"broken": listed, "unknown": None}


def _learned(
    members: Sequence[Member], protocol: str, world: World, told: Told, trails: Trails | None
) -> tuple[FeatureSVM, TrajectoryCode | None]:
    """The SVM, and with trajectories the code that their descriptors are written in."""
    lessons = [answer(member.recognizer, member.lessons, protocol, world, told) for member in members]
    code, tracked = learn_code(trails.lessons, trails.seed, world, told) if trails else (None, None)
    seen = _features(lessons, members[0].lessons, tracked)
    return FeatureSVM().fit(seen.sources, seen.targets), code


def _features(answers: Sequence[Answers], trial: Trial, tracked: Tracked | None) -> Features:
    """Codes, and trajectories where there are any, of the clips of known classes that everyone could read."""
    everyone = [*answers, *([tracked] if tracked else [])]
    kept = reduce(np.intersect1d, [each.kept for each in everyone])
    kept = kept[trial.targets[kept] >= 0]
    if not len(kept):
        raise BadValue(f"No clip of a known class in {trial.name} can be read by all weights.")
    sources = {f"network {n}": each.codes[np.isin(each.kept, kept)] for n, each in enumerate(answers, 1)}
    if tracked:
        sources[TRAJECTORIES] = tracked.vectors[np.isin(tracked.kept, kept)]
    return Features(sources, kept, trial.targets[kept])
