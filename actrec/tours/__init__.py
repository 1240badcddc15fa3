"""The guided tours: a file for each paper with its words and figures, named as the paper's light system.

A figure takes a `Subject` and the values of its controls by name, and answers with a `Figure`. Whatever it shows is
computed with the functions that the recipes and networks use themselves. A tour is imported when it is opened.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.util import find_spec

from actrec.core.errors import BadValue
from actrec.tours.step import Tour


def titles() -> dict[str, str]:
    """The systems that have a tour, with their titles."""
    from actrec.systems import SYSTEMS  # torch: only when someone looks at a tour

    light = (system for system in SYSTEMS.values() if system.size == "light")
    return {system.name: system.title for system in light if _exists(system.name)}


def tour_of(system: str) -> Tour:
    """The tour of a system by its name."""
    if not _exists(system):
        raise BadValue(f"There is no tour of '{system}'. There is one of: {', '.join(titles())}.")
    return importlib.import_module(f"{__name__}.{system}").TOUR


@cache
def _exists(system: str) -> bool:
    return system.isidentifier() and find_spec(f"{__name__}.{system}") is not None
