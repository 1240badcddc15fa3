"""What the shipped weights name beside the published I3D, on clips that neither learned from, and the guard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from actrec.models.everyday import NEVER
from actrec.systems.everyday_names import LABELS, OWN, PLACES, shown
from actrec.training.everyday.head import Head, probabilities
from actrec.training.everyday.score import place_of
from actrec.training.everyday.views import Viewed
from actrec.weights.checkpoint import read_checkpoint
from benchmarks.everyday_proof.figures import difference, proportion
from benchmarks.everyday_proof.nested import Answered

SAMPLES = Path(__file__).resolve().parents[1] / "samples.tsv"
FIVE = 5


@dataclass(frozen=True)
class Weights:
    """The second head that ships and s₁."""

    head: Head
    scale: float

    @classmethod
    def read(cls, folder: Path) -> Weights:
        _, tensors = read_checkpoint(folder)
        return cls(Head(tensors["own.weight"].numpy(), tensors["own.bias"].numpy()), float(tensors["scale"]))

    def answered(self, item: Viewed) -> Answered:
        """s₂ and b are in the head."""
        return Answered(item, self.head.scores(item.codes), (self.scale, 1.0, 0.0))


def labelled(path: Path) -> dict[str, set[int]]:
    """The classes that count as right for each clip of a table; where an own name has a synonym, both are one."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line]
    return {file: {LABELS.index(shown(name)) for name in names.split("|")} for file, names in rows}


def published_probabilities(item: Viewed) -> np.ndarray:
    """Of Kinetics' names alone, the mean over views, [400]."""
    return torch.softmax(torch.tensor(item.kinetics).float(), 1).mean(0).numpy()


def among(scores: np.ndarray, right: set[int], first: int) -> bool:
    return bool(right & set(np.argsort(-scores, kind="stable")[:first].tolist()))


def named(weights: Weights, clips: Sequence[Viewed], table: dict[str, set[int]]) -> dict:
    """Of the clips of a table: how many each network names, first and among five, and the difference, clip by clip."""
    clips = [item for item in clips if item.file in table]
    right = [table[item.file] for item in clips]
    of = {
        "everyday": [weights.answered(item).probabilities() for item in clips],
        "published": [published_probabilities(item) for item in clips],
    }
    groups = [item.group for item in clips]
    figures: dict = {}
    first: dict[str, np.ndarray] = {}
    for name, scores in of.items():
        first[name] = np.array([among(row, places, 1) for row, places in zip(scores, right, strict=True)])
        five = [among(row, places, FIVE) for row, places in zip(scores, right, strict=True)]
        figures[name] = {"first": proportion(first[name], groups), "among_five": proportion(five, groups)}
    figures["difference"] = difference(first["everyday"], first["published"], groups)
    figures["answers"] = [
        {"clip": item.file, "everyday": LABELS[int(row.argmax())], "confidence": round(float(row.max()), 3),
         "right": bool(ok), "published": LABELS[int(other.argmax())]}
        for item, row, ok, other in zip(clips, of["everyday"], first["everyday"], of["published"], strict=True)
    ]  # fmt: skip
    return figures


def guard(answers: Sequence[Answered], table: dict[str, set[int]]) -> dict:
    """Of all clips: with own names masked, how often the first answer is the published network's. Of its right answers:
    how many go to a wrong own name. Right is what a table says, or what is known of the clip's source."""
    same, taken, groups, right_groups = [], [], [], []
    own_places = set(PLACES)
    for answer in answers:
        item = answer.item
        right = table.get(item.file) or ({place_of(item)} if place_of(item) >= 0 else set())
        published = int(published_probabilities(item).argmax())
        masked = probabilities(item, np.full((len(item.codes), len(OWN)), NEVER), (answer.numbers[0], 1.0, 0.0))
        same.append(int(masked.argmax()) == published)
        groups.append(item.group)
        if published in right:
            first = int(answer.probabilities().argmax())
            taken.append(first in own_places and first not in right)
            right_groups.append(item.group)
    return {"same_first_answer": proportion(same, groups), "right_taken": proportion(taken, right_groups)}
