"""The clips of the register through the frozen network: computed once, then read from the cache."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from actrec.people import usable_detector
from actrec.recognition.recognizer import Recognizer, find_weights
from actrec.systems import named
from actrec.training.everyday.register import JUDGE, LEARN, clips_of
from actrec.training.everyday.views import Viewed, drawn, real
from actrec.weights.checkpoint import fit, read_checkpoint
from actrec.weights.folders import WEIGHTS
from benchmarks.everyday_proof.crops import cropped

VIEWS = ("full", "live")
DRAWN = 6  # clips of each own name that can be drawn, as in the shipped head


def report(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def published(view: str) -> Recognizer:
    """The published I3D at one size of view."""
    card, tensors = read_checkpoint(find_weights("kinetics-i3d", WEIGHTS))
    card = replace(card, options={**card.options, "view": view})
    system = named(card.system, card.options)
    network = system.network(len(card.labels))
    fit(network, tensors, card)
    return Recognizer(system, network, card, "cpu")


def learned_from(data: Path, view: str, drawn_clips: int = DRAWN) -> list[Viewed]:
    """The clips that the second head learns from, drawn ones last."""
    recognizer = published(view)
    return [*real(recognizer, clips_of(data, LEARN), report), *drawn(recognizer, drawn_clips, report)]


def judges(data: Path, view: str) -> list[Viewed]:
    """The clips that the second head never saw."""
    return real(published(view), clips_of(data, JUDGE), report)


def of_people(data: Path, view: str) -> tuple[list[Viewed], int]:
    """All real clips, cropped to their people where these are small, and how many were cropped."""
    recognizer, detector = published(view), usable_detector()
    if detector is None:
        raise SystemExit("There is no person detector. Its weights belong in weights/person-detector.")
    clips = [*clips_of(data, LEARN), *clips_of(data, JUDGE)]
    whole = real(recognizer, clips, report)
    seen = []
    for number, ((entry, file), item) in enumerate(zip(clips, whole, strict=True)):
        if number % 25 == 0:
            report(f"{number} of {len(clips)} clips cropped to people")
        seen.append(cropped(recognizer, entry, file, item, detector))
    return seen, sum(item is not other for item, other in zip(seen, whole, strict=True))
