"""Which weights answer where nobody names others: one rule for the page, the command line, Python and `doctor`.

The everyday weights, where they can answer: they go on from a published network that is fetched and does not ship.
Without it those that learned from drawn and from real people answer. They need nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from actrec.weights.cards import cards
from actrec.weights.folders import WEIGHTS
from actrec.weights.starts import EVERYDAY
from actrec.weights.trunks import missing_trunk

FALLBACK = "asym3d-people"
PREFERRED = (EVERYDAY, FALLBACK)  # the first that can answer is the default


@dataclass(frozen=True)
class Default:
    """The weights that answer by default; `notice` says what the preferred ones lack, where others stand in."""

    name: str
    notice: str = ""


def default_of(answering: Iterable[str]) -> str | None:
    """The default among weights that can answer: the preferred ones, or the first of all."""
    answering = list(answering)
    return next((name for name in PREFERRED if name in answering), next(iter(answering), None))


def default_weights(folder: Path = WEIGHTS, starts: Path | None = None) -> Default:
    """The default of a folder of weights, as this machine is now."""
    lacks = {name: missing_trunk(card, folder, starts) for name, card in cards(folder).items()}
    name = default_of(name for name, missing in lacks.items() if not missing) or FALLBACK
    missing = lacks.get(PREFERRED[0], "")
    return Default(name, f"{missing} Until then '{name}' answers." if missing else "")
