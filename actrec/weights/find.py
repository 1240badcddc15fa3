"""Weights by name: a checkpoint's folder, wherever the weights of a name may lie."""

from __future__ import annotations

from pathlib import Path

from actrec.core.places import SHIPPED
from actrec.weights.cards import WeightsError, cards
from actrec.weights.folders import settled
from actrec.weights.starts import STARTS, starts_folder


def find_weights(name: str, folder: Path) -> Path:
    """A checkpoint by its path, or by its name in the weights folder or among the published ones that were fetched; the
    error lists what there is, or explains how to fetch it."""
    for candidate in (Path(name), folder / name, starts_folder() / name):
        if (settled(candidate) / "card.json").is_file():
            return candidate
    if name in STARTS:
        raise WeightsError(f"The published weights '{name}' are not on this machine. {STARTS[name].to_fetch}")
    known = ", ".join(cards(folder)) or "none"
    more = " Other weights are in the project's repository, not in the installed package." if folder == SHIPPED else ""
    raise WeightsError(f"There are no weights '{name}'. In '{folder.name}/' there is: {known}.{more}")
