"""Layers that behave as if one process held the whole batch, though it is divided among processes or in time.

Ours: a dropout mask and random places are drawn for the whole batch and cut to the rows at hand, so that processes and
micro-batches draw what one process would; a batch norm takes its statistics over all processes (in time, over
micro-batches, it cannot).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from actrec.core.errors import BadValue
from actrec.models.layers import RandomPlace
from actrec.training.distributed import SumOverAll, World


@dataclass
class Rows:
    """Which rows of the batch are being computed: `count` from `first`, of all `of`."""

    first: int = 0
    count: int = 1
    of: int = 1


class WholeBatchDropout(nn.Dropout):
    """Dropout whose mask is the same whoever computes the row."""

    def __init__(self, p: float, rows: Rows) -> None:
        super().__init__(p)
        self.rows = rows

    def forward(self, value: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return value
        rows = self.rows
        per_clip, odd = divmod(len(value), rows.count)  # several rows of a clip where its frames stand in the batch
        if odd:
            raise BadValue(f"{len(value)} rows are no multiple of the {rows.count} clips they come from")
        drawn = torch.rand((rows.of * per_clip, *value.shape[1:]), device=value.device)
        mask = drawn[rows.first * per_clip : (rows.first + rows.count) * per_clip] >= self.p
        return value * mask.to(value.dtype) / (1 - self.p)


class WholeBatchPlace(RandomPlace):
    """Random places that are the same whoever computes the row."""

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, rows: int, places: int, device: torch.device) -> Tensor:
        if rows != self.rows.count:
            raise BadValue(f"{rows} rows are not the {self.rows.count} clips that are being computed")
        return super().forward(self.rows.of, places, device)[self.rows.first : self.rows.first + rows]


class WholeBatchNorm(_BatchNorm):
    """Batch norm on a CPU over the clips of all processes; PyTorch's own synchronised one is for GPUs alone."""

    world: World

    def forward(self, value: Tensor) -> Tensor:
        if not self.training:
            return nn.functional.batch_norm(
                value, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        axes = [0, *range(2, value.dim())]
        shape = [1, -1] + [1] * (value.dim() - 2)
        exact = value.float()
        count = value.numel() // value.shape[1] * self.world.size
        mean = SumOverAll.apply(exact.sum(axes), self.world.group) / count
        apart = exact - mean.view(shape)
        variance = SumOverAll.apply(apart.square().sum(axes), self.world.group) / count
        tracked, running_mean, running_var = self.num_batches_tracked, self.running_mean, self.running_var
        if tracked is None or running_mean is None or running_var is None:
            raise BadValue("A batch norm without running statistics cannot be trained in several processes.")
        with torch.no_grad():
            tracked += 1
            momentum = 1 / float(tracked) if self.momentum is None else self.momentum
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(variance * (count / max(1, count - 1)), momentum)
        normed = apart * (variance + self.eps).rsqrt().view(shape) * self.weight.view(shape) + self.bias.view(shape)
        return normed.to(value.dtype)


def see_whole_batch(network: nn.Module, rows: Rows, world: World, device: torch.device) -> nn.Module:
    """The same network, same weights, same names, with these layers in the place of PyTorch's."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Dropout:
                setattr(parent, name, WholeBatchDropout(child.p, rows).train(child.training))
            elif type(child) is RandomPlace:
                setattr(parent, name, WholeBatchPlace(rows))
    if world.size == 1:
        return network
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(network, world.group)
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.__class__ = WholeBatchNorm
            cast(WholeBatchNorm, module).world = world
    return network
