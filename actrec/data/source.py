"""From the name of some data to a source that a training reads."""

from __future__ import annotations

from collections.abc import Callable

from actrec.data.clips import clips_source
from actrec.data.drawn import drawn_source
from actrec.data.split import Source


def open_source(data: str, *, clips_per_class: int, seed: int, told: Callable[[str], None]) -> Source:
    """`synthetic:six` is drawn by the project; anything else is a folder, a published data set or a pack.

    `told` hears what takes time and what was left out.
    """
    kind, _, which = data.partition(":")
    if kind == "synthetic":
        return drawn_source(which or "six", clips_per_class, seed, told)
    return clips_source(data, seed=seed, told=told)
