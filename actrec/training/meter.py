"""Loss, accuracy, speed and waiting of an epoch so far."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TypeVar

Value = TypeVar("Value")


class Meter:
    """Counts what all processes have done; the clock is this one's."""

    def __init__(self) -> None:
        self.started_at, self.waited = time.perf_counter(), 0.0
        self.loss, self.steps, self.right, self.clips = 0.0, 0, 0, 0

    def timed(self, batches: Iterator[Value]) -> Value:
        """The next batch; the time it took to come was spent waiting."""
        start = time.perf_counter()
        batch = next(batches)
        self.waited += time.perf_counter() - start
        return batch

    def add(self, loss: float, right: int, clips: int) -> None:
        self.loss += loss
        self.steps += 1
        self.right += right
        self.clips += clips

    @property
    def seconds_per_step(self) -> float:
        return (time.perf_counter() - self.started_at) / max(1, self.steps)

    def figures(self) -> dict[str, float]:
        """Means so far; nothing where an epoch was gone on with after its last step."""
        if not self.steps:
            return {}
        seconds = time.perf_counter() - self.started_at
        return {
            "loss": round(self.loss / self.steps, 4),
            "accuracy": round(self.right / self.clips, 4),
            "clips_per_second": round(self.clips / seconds, 1),
            "waiting": round(self.waited / seconds, 3),
        }
