"""The processes of one training or evaluation: one alone, or as many as `torchrun` started, on one host or several.

Only the first process writes; it sends the others what has to be the same everywhere, its refusals included.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from actrec.core.devices import choose_device
from actrec.core.errors import BadValue

Value = TypeVar("Value")
PATIENCE = timedelta(hours=12)  # while one process decodes a data set the others wait; a dead one is noticed at once


class World:
    """This process's place among all. Use as a context manager: joining is done by `join`."""

    def __init__(self, rank: int = 0, size: int = 1, local_rank: int = 0, local_size: int = 1) -> None:
        self.rank, self.size, self.local_rank, self.local_size = rank, size, local_rank, local_size
        self.group: dist.ProcessGroup | None = None

    @classmethod
    def join(cls, wanted_device: str = "auto") -> tuple[World, torch.device]:
        """The world that `torchrun` describes, and this process's device in it."""
        place = {
            name: int(os.environ.get(name, 0)) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        }
        device = choose_device(wanted_device)
        if place["WORLD_SIZE"] < 2:
            return cls(), device
        world = cls(place["RANK"], place["WORLD_SIZE"], place["LOCAL_RANK"], max(1, place["LOCAL_WORLD_SIZE"]))
        if device.type == "cuda":
            if world.local_size > torch.cuda.device_count():
                raise BadValue(
                    f"{world.local_size} processes were started here, but there are {torch.cuda.device_count()} GPUs. "
                    "Start one process per GPU, or use --device cpu."
                )
            device = torch.device("cuda", world.local_rank)
            torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=_store(), rank=world.rank, world_size=world.size, timeout=PATIENCE)
        group = dist.new_group()  # apart from the gradients' own, so that the two never mix up their order
        world.group = group if isinstance(group, dist.ProcessGroup) else None
        return world, device

    def __enter__(self) -> World:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if self.size > 1 and kind is None:  # after an error the others may be gone: leaving politely would hang
            dist.destroy_process_group()

    @property
    def first(self) -> bool:
        return self.rank == 0

    def from_first(self, make: Callable[[], Value]) -> Value:
        """What the first process makes, in every process; its error too."""
        if self.size == 1:
            return make()
        answer: list = [None, None]  # the value and the error
        if self.first:
            try:
                answer[0] = make()
            except Exception as error:
                answer[1] = error
        dist.broadcast_object_list(answer, src=0)
        if answer[1] is not None:
            raise answer[1]
        return answer[0]

    def one_after_another(self, make: Callable[[], Value]) -> Value:
        """What every process makes: the first one of each host before the others, which then find the caches filled."""
        if self.size == 1:
            return make()
        values: list[Value] = []
        error: Exception | None = None
        for turn in (True, False):
            if (self.local_rank == 0) is turn:
                try:
                    values.append(make())
                except Exception as failed:
                    error = failed
            errors = self.gather(error)
            if any(errors):
                raise next(error for error in errors if error)
        return values[0]

    def gather(self, value: Value) -> list[Value]:
        """Every process's value, in every process, in the order of ranks."""
        if self.size == 1:
            return [value]
        values: list = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def own_rows(self, count: int) -> slice:
        """This process's part of `count` rows that divide evenly."""
        rows = count // self.size
        return slice(self.rank * rows, (self.rank + 1) * rows)


# `ctx` is torch's own: any attribute may be set on it.
class SumOverAll(torch.autograd.Function):
    """Sum over the processes; the gradient of a sum everyone uses is everyone's gradient, summed."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group = group
        value = value.clone()
        dist.all_reduce(value, group=group)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradient = gradient.contiguous().clone()
        dist.all_reduce(gradient, group=ctx.group)
        return gradient, None


class GatherFromAll(torch.autograd.Function):
    """The rows of all processes, one below the other."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, world: World) -> Tensor:
        ctx.world, ctx.rows = world, len(value)
        parts = [torch.empty_like(value) for _ in range(world.size)]
        dist.all_gather(parts, value.contiguous(), group=world.group)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradient = gradient.contiguous().clone()
        dist.all_reduce(gradient, group=ctx.world.group)
        first = ctx.world.rank * ctx.rows
        return gradient[first : first + ctx.rows], None


def _store() -> dist.Store:
    """Where the processes find each other, apart for every restart.

    `torchrun` with a fixed master keeps one store for all its restarts, and with it the addresses of dead processes.
    """
    store, _, _ = next(dist.rendezvous("env://", timeout=PATIENCE))
    return dist.PrefixStore(f"restart {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
