"""What the motion clues of one piece of work cost together, wherever they are computed."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

P, R = ParamSpec("P"), TypeVar("R")


@dataclass
class Spent:
    """Seconds that clues took in the current thread; `inside` one clue another's time is not counted again."""

    seconds: float = 0.0
    inside: bool = False


_spent: ContextVar[Spent | None] = ContextVar("spent", default=None)


@contextmanager
def spent_on_clues() -> Iterator[Spent]:
    """Adds up what every clue computed by this thread inside the `with` block takes."""
    spent = Spent()
    before = _spent.set(spent)
    try:
        yield spent
    finally:
        _spent.reset(before)


def clue(compute: Callable[P, R]) -> Callable[P, R]:
    """A function that computes a motion clue: its time goes to whoever asked with `spent_on_clues`."""

    @functools.wraps(compute)
    def counted(*args: P.args, **kwargs: P.kwargs) -> R:
        spent = _spent.get()
        if spent is None or spent.inside:
            return compute(*args, **kwargs)
        began, spent.inside = time.perf_counter(), True
        try:
            return compute(*args, **kwargs)
        finally:
            spent.seconds += time.perf_counter() - began
            spent.inside = False

    return counted
