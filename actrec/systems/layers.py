"""The layers of a network whose maps can be shown: named as in the paper, each with the way its maps go back to inputs.

A map shows where in a frame and when something is found. Networks keep their maps in different orders: a `Split` brings
what left a module to `[B, C, T′, Y, X]` for the inputs that it was computed from. Where a path sees one frame only, the
maps of the other frames are zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

Split = Callable[[Tensor, int], dict[str, Tensor]]  # what left a module, clips in the batch → maps by input


@dataclass(frozen=True)
class Layer:
    """A layer by its name in the paper: the modules that make it up, each with its split."""

    name: str
    parts: Mapping[str, Split]


def as_is(name: str) -> Split:
    """Maps that are in the order `[B, C, T′, Y, X]` already, of one input."""
    return lambda maps, clips: {name: maps}


def plain(names: Iterable[str], within: str, of: str = "clip") -> list[Layer]:
    """Submodules of `within`, the lowest first, whose maps need no rearranging."""
    return [Layer(name, {f"{within}.{name}": as_is(of)}) for name in names]
