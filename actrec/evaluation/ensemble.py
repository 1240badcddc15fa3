"""Several weights that answer together, as in Yang et al., "Asymmetric 3D Convolutional Neural Networks", sec. 4.7.

Softmax fusion: the mean of the networks' probabilities for a clip (RGB + RGBF). Deep features: the networks' codes in
one linear SVM, learned from clips of their own, with or without improved dense trajectories beside them. An SVM gives
distances; where probabilities are asked for, their softmax stands in (ours), so its calibration error says little.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from actrec.core.errors import BadValue
from actrec.evaluation.evaluate import Answers, Report, Trial, answer
from actrec.evaluation.result import measure
from actrec.evaluation.trajectory_features import TrajectoryVectors, encode, learn_code
from actrec.metrics.accuracy import softmax
from actrec.motion.fisher import TrajectoryCode
from actrec.recognition.recognizer import Recognizer
from actrec.systems.fusion import FeatureSVM, softmax_fusion
from actrec.training.distributed import World

TRAJECTORIES = "improved dense trajectories"


@dataclass(frozen=True)
class Member:
    """One of the networks, with the clips in the size that it needs: to measure with and, for an SVM, to learn from."""

    recognizer: Recognizer
    trial: Trial
    lessons: Trial | None = None


@dataclass(frozen=True)
class Trails:
    """The same clips for the trajectories: large, every frame."""

    trial: Trial
    lessons: Trial
    seed: int = 0


@dataclass(frozen=True)
class Features:
    """The SVM's inputs for some clips, by source, with the clips' places and classes."""

    sources: dict[str, np.ndarray]
    places: np.ndarray
    targets: np.ndarray


def evaluate_together(
    members: Sequence[Member], protocol: str, world: World, report: Report, trails: Trails | None = None
) -> dict:
    """The result of all members as one recogniser: softmax fusion, or a linear SVM where they have lessons."""
    labels, trial = members[0].recognizer.labels, members[0].trial
    for member in members[1:]:
        if member.recognizer.labels != labels:
            raise BadValue(
                f"'{member.recognizer.card.name}' and '{members[0].recognizer.card.name}' do not have the same classes "
                "in the same order. Fuse weights that were trained on the same data."
            )
    start = time.perf_counter()
    lessons = [member.lessons for member in members if member.lessons is not None]
    machine = code = None
    if len(lessons) == len(members):
        machine, code = _learned(members, lessons, protocol, world, report, trails)
        start = time.perf_counter()  # the time of answering, without that of learning
    answers = [answer(member.recognizer, member.trial, protocol, world, report) for member in members]
    tracked: TrajectoryVectors | None = None
    if machine is not None:
        tracked = encode(code, trails.trial, world, report) if code and trails else None
        features = _features(answers, trial, tracked)
        scores = np.full((len(features.places), len(labels)), -np.inf)
        scores[:, machine.classes] = machine.decide(features.sources)
        probabilities = softmax(np.maximum(scores, -1e3))
    else:
        features = _features(answers, trial, None)
        stacked = [answer.probabilities[np.isin(answer.places, features.places)] for answer in answers]
        probabilities = softmax_fusion(stacked).scores
    seconds = max(world.gather(time.perf_counter() - start))
    result = measure(
        probabilities, features.targets, labels, seconds=seconds * len(features.places) / len(trial),
        names=[trial.names[place] for place in features.places],
    )  # fmt: skip
    broken = {place: why for answer in answers for place, why in answer.broken.items()}
    broken |= tracked.broken if tracked else {}
    listed = [{"clip": trial.names[place], "reason": why} for place, why in sorted(broken.items())]
    return result | {"broken": listed, "unknown": None}


def _learned(
    members: Sequence[Member],
    lessons: Sequence[Trial],
    protocol: str,
    world: World,
    report: Report,
    trails: Trails | None,
) -> tuple[FeatureSVM, TrajectoryCode | None]:
    """The SVM, and with trajectories the code that their descriptors are written in."""
    pairs = zip(members, lessons, strict=True)
    answers = [answer(member.recognizer, trial, protocol, world, report) for member, trial in pairs]
    code, tracked = learn_code(trails.lessons, trails.seed, world, report) if trails else (None, None)
    features = _features(answers, lessons[0], tracked)
    return FeatureSVM().fit(features.sources, features.targets), code


def _features(answers: Sequence[Answers], trial: Trial, tracked: TrajectoryVectors | None) -> Features:
    """Codes, and trajectories where there are any, of the clips of known classes that could be read for all of them."""
    readable = [answer.places for answer in answers] + ([tracked.places] if tracked else [])
    places = reduce(np.intersect1d, readable)
    places = places[trial.targets[places] >= 0]
    if not len(places):
        raise BadValue(f"No clip of a known class in {trial.name} can be read by all weights.")
    sources = {f"network {n}": answer.codes[np.isin(answer.places, places)] for n, answer in enumerate(answers, 1)}
    if tracked:
        sources[TRAJECTORIES] = tracked.vectors[np.isin(tracked.places, places)]
    return Features(sources, places, trial.targets[places])
