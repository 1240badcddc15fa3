"""Layers that several papers build from, and the random start they share."""

from __future__ import annotations

import torch
from torch import nn

Size3 = tuple[int, int, int]


class ConvReLU3d(nn.Sequential):
    """A 3-D convolution that keeps the size of its input ("same" padding), then ReLU.

    With `norm` a batch norm stands between the two and the convolution has no bias of its own.
    """

    def __init__(
        self, c_in: int, c_out: int, size: Size3, *, stride: Size3 = (1, 1, 1), norm: bool = False
    ) -> None:
        padding = tuple(k // 2 for k in size)
        layers = {"conv": nn.Conv3d(c_in, c_out, size, stride=stride, padding=padding, bias=not norm)}
        if norm:
            layers["norm"] = nn.BatchNorm3d(c_out)
        layers["relu"] = nn.ReLU(inplace=True)
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)


def start(network: nn.Module, generator: torch.Generator | None = None) -> None:
    """He's normal start for everything before a ReLU, zero biases: ours where a paper names none."""
    for module in network.modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def start_classifier(layer: nn.Linear, generator: torch.Generator | None = None) -> None:
    """Small Gaussian weights: the first scores are near each other and the first loss near log(classes)."""
    nn.init.normal_(layer.weight, std=0.01, generator=generator)
    nn.init.zeros_(layer.bias)
