"""From a fitted head to weights that ship: what differs from the published network, and a card with its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from actrec.metrics.calibration import calibration_error, confidence_for
from actrec.metrics.intervals import proportion_interval
from actrec.recognition.decision import LEAST_CONFIDENCE
from actrec.systems import named
from actrec.systems.everyday_names import LABELS, PLACES
from actrec.training.everyday.head import Fit, Head, probabilities
from actrec.training.everyday.score import Asked, place_of, scaled
from actrec.training.everyday.views import Viewed
from actrec.training.publish import SURE, SUREST
from actrec.weights.cards import Card
from actrec.weights.checkpoint import Trunk, read_checkpoint, write_checkpoint
from actrec.weights.starts import STARTS, starts_folder

TRUNK, INTO = "kinetics-i3d", "trunk."
LICENCE = (
    "second head: AGPL-3.0; the clips that it learned from have licences of their own, some unknown; trunk, which is "
    "not part of these files: " + STARTS[TRUNK].licence
)
INTENDED_FOR = (
    "Research and teaching only: some of the clips that the second head learned from may not be used otherwise."
)


def guard(asked: Asked, numbers: Sequence[float]) -> dict[str, float]:
    """How much of the published network's answers is left: with own names masked, the part of first answers that stay;
    unmasked, the part of its right answers that go to a wrong own name."""
    same: list[bool] = []
    taken: list[bool] = []
    own_places, right = set(PLACES), 0
    for item, own in asked:
        published = int(torch.softmax(torch.tensor(item.kinetics).float(), 1).mean(0).argmax())
        masked = probabilities(item, np.full_like(own, -1e4), (1.0, 1.0, 0.0))
        same.append(bool(masked.argmax() == published))
        if published == place_of(item):
            right += 1
            answer = int(probabilities(item, own, numbers).argmax())
            taken.append(answer != published and answer in own_places)
    return {"same_first_answer": float(np.mean(same)), "right": right, "right_taken": float(np.mean(taken or [False]))}


def measured(asked: Asked, numbers: Sequence[float]) -> dict:
    """Out-of-fold figures: accuracy by source with n and a 95 % interval, the part of negatives that an own name takes,
    the calibration error of clips with a known class, and the guard."""
    answers = [(item, place_of(item), probabilities(item, own, numbers)) for item, own in asked]
    by_source: dict[str, dict] = {}
    for source in dict.fromkeys(item.source for item, _, _ in answers):
        known = [(place, scores) for item, place, scores in answers if item.source == source and place >= 0]
        others = [scores for item, place, scores in answers if item.source == source and place < 0]
        if known:
            right = sum(int(scores.argmax()) == place for place, scores in known)
            clips = len({item.file for item, place, _ in answers if item.source == source and place >= 0})
            low, high = proportion_interval(round(right * clips / len(known)), clips)  # two answers are of one clip
            by_source[source] = {"right": right, "of": len(known), "interval": [round(low, 3), round(high, 3)]}
        if others:
            taken = sum(int(scores.argmax()) in PLACES for scores in others)
            by_source.setdefault(source, {}).update(negatives=len(others), taken=taken)
    judged = [(place, scores) for _, place, scores in answers if place >= 0]
    places, scores = np.array([place for place, _ in judged]), np.stack([scores for _, scores in judged])
    clips = len({item.file for item, place, _ in answers if place >= 0})
    right_share = float((scores.argmax(1) == places).mean())
    return {
        "split": (
            f"{len(judged)} answers to {clips} real clips, by heads that did not learn from their recordings; they "
            "also fitted the three numbers of the score"
        ),
        "top1": round(right_share, 4),
        "calibration_error": round(calibration_error(scores, places), 4),
        "mean_confidence": round(float(scores.max(1).mean()), 4),
        "sources": by_source,
        "guard": {name: round(value, 4) for name, value in guard(asked, numbers).items()},
    }


def least_confidence(asked: Asked, numbers: Sequence[float]) -> float:
    """The confidence from which on enough of the answers out of fold are right, as in other trainings. An own name for
    a clip that shows none of them is a wrong answer; what else such a clip shows is not known, and not counted."""
    targets: list[int] = []
    scores: list[np.ndarray] = []
    for item, own in asked:
        answer, place = probabilities(item, own, numbers), place_of(item)
        if place >= 0 or answer.argmax() in PLACES:
            targets.append(place if place >= 0 else int(answer.argmin()))
            scores.append(answer)
    least = confidence_for(np.stack(scores), np.array(targets), SURE)
    return round(float(np.clip(least, LEAST_CONFIDENCE, SUREST)), 4)


def limits(figures: dict) -> str:
    """What is known to go wrong, for whoever reads the card."""
    others = [source for source in figures["sources"].values() if "negatives" in source]
    taken, negatives = sum(source["taken"] for source in others), sum(source["negatives"] for source in others)
    return (
        f"Known limits: of {negatives} answers to clips that show none of its own actions, {taken} name one; it has no "
        "answer 'unknown'."
    )


def publish(
    folder: Path, head: Head, numbers: Sequence[float], how: Fit, viewed: Sequence[Viewed], figures: dict,
    least: float, command: str,
) -> Card:  # fmt: skip
    """Write the weights: the second head and s₁; everything else stays with the published network."""
    system = named("everyday")
    final = scaled(head, numbers)
    trunk = Trunk.read(starts_folder() / TRUNK, into=INTO)
    _, published = read_checkpoint(starts_folder() / TRUNK)
    tensors = {INTO + name: value for name, value in published.items()} | {
        "own.weight": torch.tensor(final.weight),
        "own.bias": torch.tensor(final.bias), "scale": torch.tensor(numbers[0]),
    }  # fmt: skip
    real = len({item.file for item in viewed if not item.drawn})
    drawn = len({item.file for item in viewed if item.drawn})
    card = Card(
        name="everyday",
        system=system.name,
        labels=list(LABELS),
        trained_on=(
            f"Kinetics-400, the published network as it is; its own actions, by a second head, on {real} real clips "
            f"(UT-Interaction, generated people, and as examples of none push-ups, yoga, signs and others) and {drawn} "
            "drawn ones"
        ),
        command=command,
        seed=0,
        licence=LICENCE,
        intended_for=f"{INTENDED_FOR} {limits(figures)}",
        people="one or more people",
        group="everyday",
        inputs={name: vars(value) for name, value in system.inputs.items()},
        measured=figures | {"fit": asdict(how), "numbers": [round(float(number), 4) for number in numbers]},
        temperature=1.0,
        least_confidence=least,
    )
    return write_checkpoint(folder, card, tensors, exact=True, trunk=trunk)
