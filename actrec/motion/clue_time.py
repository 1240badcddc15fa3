"""The total time of the motion clues in one piece of work, wherever they are computed."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class Spent:
    """Seconds that clues took in the current thread; `inside` one clue another's time is not counted again."""

    seconds: float = 0.0
    inside: bool = False


_spent: ContextVar[Spent | None] = ContextVar("spent", default=None)


@contextmanager
def spent_on_clues() -> Iterator[Spent]:
    """Add up the time of every clue that this thread computes inside the `with` block."""
    spent = Spent()
    before = _spent.set(spent)
    try:
        yield spent
    finally:
        _spent.reset(before)


def clue(compute: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that computes a motion clue, so that `spent_on_clues` counts its time."""

    @functools.wraps(compute)
    def counted(*args: P.args, **kwargs: P.kwargs) -> R:
        spent = _spent.get()
        if spent is None or spent.inside:
            return compute(*args, **kwargs)
        start, spent.inside = time.perf_counter(), True
        try:
            return compute(*args, **kwargs)
        finally:
            spent.seconds += time.perf_counter() - start
            spent.inside = False

    return counted
