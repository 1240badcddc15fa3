"""From the name of some data to a source that a training reads."""

from __future__ import annotations

from collections.abc import Callable

from actrec.data.drawn import drawn_source
from actrec.data.split import Source


def open_source(data: str, *, clips_per_class: int, seed: int, told: Callable[[str], None]) -> Source:
    """`synthetic:six` is drawn by the project; `told` hears what takes time."""
    kind, _, which = data.partition(":")
    if kind == "synthetic":
        return drawn_source(which or "six", clips_per_class, seed, told)
    raise ValueError(f"'{data}' is not a data set. Use synthetic:six.")
