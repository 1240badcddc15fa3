"""Weights that go on from others: where their trunk lies on this machine, or how to get it. Needs no torch."""

from __future__ import annotations

from pathlib import Path

from actrec.weights.cards import Card
from actrec.weights.folders import WEIGHTS, settled
from actrec.weights.starts import STARTS, fetched_start, starts_folder


def trunk_place(card: Card, folder: Path, starts: Path | None = None) -> Path | None:
    """The folder of the trunk of weights in `folder`: beside them, among those that ship, or fetched into `starts`."""
    name = (card.trunk or {})["name"]
    starts = starts or starts_folder()
    fetched = fetched_start(name, starts) if name in STARTS else starts / name
    places = (folder / name, WEIGHTS / name, fetched)
    return next((place for place in places if place and (settled(place) / "card.json").is_file()), None)


def missing_trunk(card: Card, folder: Path, starts: Path | None = None) -> str:
    """What these weights lack on this machine and how to get it; empty where they can answer."""
    if card.trunk is None or trunk_place(card, folder, starts) is not None:
        return ""
    name = card.trunk["name"]
    what = STARTS[name].to_fetch if name in STARTS else f"Put the folder '{name}' beside it."
    return f"The weights '{card.name}' go on from '{name}', which is not on this machine. {what}"
