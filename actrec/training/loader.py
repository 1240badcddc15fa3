"""The clips of an epoch as views, made by threads a few steps before they are needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import numpy as np
import torch

from actrec.core.devices import cores
from actrec.data.sources import Split
from actrec.systems import System, Views
from actrec.systems.system import Protocol
from actrec.training.distributed import World
from actrec.training.objective import Objective

DEPTH = 6  # batches that are prepared in advance
Batch = tuple[list[Views], np.ndarray, int]
Made = TypeVar("Made")


def ahead(batches: Iterable[Sequence[Callable[[], Made]]], workers: int) -> Iterator[list[Made]]:
    """The results of each batch's calls, in order, computed by threads before they are asked for."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="loader")
    waiting: deque[list[Future[Made]]] = deque()
    try:
        for calls in batches:
            waiting.append([pool.submit(call) for call in calls])
            if len(waiting) > DEPTH:
                yield [call.result() for call in waiting.popleft()]
        while waiting:
            yield [call.result() for call in waiting.popleft()]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def workers(device: torch.device, world: World) -> int:
    """Loading threads: one where the processor itself learns, this process's part of the cores where a GPU does."""
    return 1 if device.type == "cpu" else max(2, min(12, cores() // world.local_size - 1))


class Feed:
    """Training views of a split. What is drawn depends on seed, epoch and place in the epoch alone."""

    def __init__(
        self, system: System, objective: Objective, split: Split, seed: int, world: World, threads: int
    ) -> None:
        self.system, self.objective, self.split = system, objective, split
        self.seed, self.world, self.threads = seed, world, threads

    def epoch(self, epoch: int, batch: int, first_step: int = 0) -> Generator[Batch, None, None]:
        """This process's views of each batch from a step on, their targets, and the size of the whole batch."""
        seed = self.seed
        plan, place = [], 0
        for step, index in enumerate(self.objective.batches(self.split, batch, np.random.default_rng([seed, epoch]))):
            mine = self.world.own_rows(len(index))
            if step >= first_step:
                places = range(place + mine.start, place + mine.stop)
                plan.append((index[mine], places, len(index)))
            place += len(index)
        calls = (
            [partial(self._view, int(clip), [seed, epoch, where]) for clip, where in zip(index, places, strict=True)]
            for index, places, _ in plan
        )
        for views, (index, _, whole) in zip(ahead(calls, self.threads), plan, strict=True):
            yield views, self.split.targets[index], whole

    def _view(self, index: int, draw: list[int]) -> Views:
        return self.system.training_view(self.split.clip(index), np.random.default_rng(draw))


def tested(system: System, split: Split, index: np.ndarray, threads: int, batch: int = 32) -> Iterator[list[Views]]:
    """The newest view of some clips, batch after batch."""
    one = system.protocols["one"]
    starts = range(0, len(index), batch)
    calls = ([partial(_newest, one, split, int(clip)) for clip in index[start : start + batch]] for start in starts)
    return ahead(calls, threads)


def gallery_views(system: System, split: Split) -> Iterator[list[list[Views]]]:
    """The views of each clip that stand behind its class's centre, some clips at a time."""
    at_once = 32 if system.gallery is None else 8  # clips
    starts = range(0, len(split), at_once)
    calls = (
        [partial(_passes, system, split, i) for i in range(start, min(start + at_once, len(split)))] for start in starts
    )
    return ahead(calls, 1)


def _passes(system: System, split: Split, index: int) -> list[Views]:
    clip = split.clip(index)
    return system.protocols["one"].views(clip)[:1] if system.gallery is None else system.gallery(clip)


def _newest(protocol: Protocol, split: Split, index: int) -> Views:
    return protocol.views(split.clip(index))[0]
