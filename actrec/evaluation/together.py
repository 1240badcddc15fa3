"""Several weights that answer together, as in Yang et al., "Asymmetric 3D Convolutional Neural Networks", sec. 4.7.

Softmax fusion: the mean of what the networks say of a clip (RGB + RGBF). Deep features: the networks' codes in one
linear SVM, learned from clips of their own. An SVM gives distances; where probabilities are asked for, their softmax
stands in (ours), so its calibration error says little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actrec.evaluation.evaluate import Answers, Told, Trial, answer
from actrec.evaluation.judge import judge
from actrec.evaluation.metrics import softmax
from actrec.fusion import FeatureSVM, softmax_fusion
from actrec.recognizer import Recognizer
from actrec.refusal import BadValue
from actrec.training.world import World


@dataclass(frozen=True)
class Member:
    """One of the networks, with the clips as it wants them stored: to judge by and, for an SVM, to learn from."""

    recognizer: Recognizer
    trial: Trial
    lessons: Trial | None = None


def judged_together(members: Sequence[Member], protocol: str, world: World, told: Told) -> dict:
    """The result of all members as one recogniser: softmax fusion, or a linear SVM where they have lessons."""
    labels = members[0].recognizer.labels
    for each in members[1:]:
        if each.recognizer.labels != labels:
            raise BadValue(
                f"'{each.recognizer.card.name}' and '{members[0].recognizer.card.name}' do not know the same classes "
                "in the same order. Fuse weights that were trained on the same data."
            )
    answers = [answer(each.recognizer, each.trial, protocol, world, told) for each in members]
    kept, targets = _known(answers, members[0].trial)
    if all(each.lessons is not None for each in members):
        lessons = [answer(each.recognizer, each.lessons, protocol, world, told) for each in members]
        learned, right = _known(lessons, members[0].lessons)
        machine = FeatureSVM().fit(_codes(lessons, learned), right)
        scores = np.full((len(kept), len(labels)), -np.inf)
        scores[:, machine.classes] = machine.decide(_codes(answers, kept))
        probabilities = softmax(np.maximum(scores, -1e3))
    else:
        stacked = [each.probabilities[np.isin(each.kept, kept)] for each in answers]
        probabilities = softmax_fusion(stacked).scores
    trial = members[0].trial
    result = judge(
        probabilities, targets, labels, seconds=sum(each.seconds for each in answers),
        names=[trial.names[place] for place in kept],
    )  # fmt: skip
    broken = {place: why for each in answers for place, why in each.broken.items()}
    listed = [{"clip": trial.names[place], "reason": why} for place, why in sorted(broken.items())]
    return result | {"broken": listed, "unknown": None}


def _known(answers: Sequence[Answers], trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """The clips of known classes that every member could read, and their classes."""
    kept = answers[0].kept
    for each in answers[1:]:
        kept = np.intersect1d(kept, each.kept)
    kept = kept[trial.targets[kept] >= 0]
    if not len(kept):
        raise BadValue(f"No clip of a known class in {trial.name} can be read by all weights.")
    return kept, trial.targets[kept]


def _codes(answers: Sequence[Answers], kept: np.ndarray) -> dict[str, np.ndarray]:
    """Each member's codes of some clips, by its place."""
    return {f"network {n}": each.codes[np.isin(each.kept, kept)] for n, each in enumerate(answers, 1)}
