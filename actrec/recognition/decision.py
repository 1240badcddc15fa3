"""What a prediction amounts to, by one rule for the page, the command line and the endpoints.

In this order: is anybody there; are there as many people as the weights are for; is the clip one of the classes at
all, or too far from every one; is the confidence high enough for one name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actrec.people.presence import NOBODY, NOTHING_MOVES, Presence
from actrec.weights.cards import Card

CLASS, NOT_SURE, UNKNOWN, TOO_FEW = "class", "not sure", "unknown", "too few people"
KINDS = (CLASS, NOT_SURE, UNKNOWN, NOBODY, NOTHING_MOVES, TOO_FEW)
LEAST_CONFIDENCE = 0.5  # where a card states no other value: below it an answer is more likely wrong than right
EMPTY = {NOBODY: "Nobody in the picture.", NOTHING_MOVES: "Nothing moves."}
NUMBERS = ("nobody", "one", "two")


@dataclass(frozen=True)
class Decision:
    """`label` is the class, or the kind of the decision where there is none; `text` is what a person reads. `perhaps`
    names the likeliest classes of an answer that is not sure."""

    kind: str
    label: str
    text: str
    perhaps: tuple[str, ...] = ()

    @property
    def named(self) -> bool:
        """Whether a class has been named."""
        return self.kind == CLASS


def decide(
    likeliest: Sequence[tuple[str, float]], unknown: bool | None, least: float, people: int, seen: Presence | None
) -> Decision:
    """The decision on the likeliest classes with their scores, by weights for `people` people that are sure from the
    confidence `least` on; `seen` is who was seen in the clip, where somebody looked."""
    if seen is not None and seen.nobody:
        return empty(seen)
    if people > 1 and seen is not None and seen.most_people is not None and seen.most_people < people:
        return Decision(
            TOO_FEW, TOO_FEW, f"These weights are for {NUMBERS[people]} people; I see {NUMBERS[seen.most_people]}."
        )
    if unknown:
        return Decision(UNKNOWN, UNKNOWN, UNKNOWN)
    label, confidence = likeliest[0]
    if confidence < least:
        perhaps = tuple(label for label, _ in likeliest)
        return Decision(NOT_SURE, NOT_SURE, f"Not sure: perhaps {' or '.join(perhaps)}", perhaps)
    return Decision(CLASS, label, label)


def empty(seen: Presence) -> Decision:
    """The decision where there is nobody."""
    return Decision(seen.nobody, seen.nobody, EMPTY[seen.nobody])


def least_confidence(card: Card) -> float:
    """The confidence below which an answer of these weights is not sure."""
    return LEAST_CONFIDENCE if card.least_confidence is None else card.least_confidence


def people_needed(people: str) -> int:
    """How many people a card's words ask for at least: "two people" asks for two, "one person, or two" for one."""
    return 2 if people.lower().startswith("two") else 1
