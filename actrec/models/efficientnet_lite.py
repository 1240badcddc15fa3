"""EfficientNet-Lite: inverted bottlenecks scaled in width and depth, without what small devices do badly.

Tan and Le, "EfficientNet: Rethinking model scaling for convolutional neural networks", ICML 2019, table 1; the blocks
are those of Sandler et al., "MobileNetV2: Inverted residuals and linear bottlenecks", CVPR 2018. The Lite form is its
authors' (tensorflow/tpu, models/official/efficientnet/lite): no squeeze-and-excitation, ReLU6 in the place of swish,
and a stem of 32 channels and a head of 1280 whatever the width; neither the first nor the last stage gets deeper.

As published: padding "SAME" (TensorFlow's, so uneven where a stride needs it), batch norm with epsilon 0.001, pictures
as (byte − 127) / 128.
Ours, not the authors': dropout of whole blocks (stochastic depth) is left out; the network is used as it was trained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actrec.models.layers import start, start_classifier

MEAN, STD = 127 / 255, 128 / 255  # of bytes as 0…1
STEM, HEAD = 32, 1280  # channels, the same for every width


@dataclass(frozen=True)
class Stage:
    """A row of table 1: so many blocks, the first of which has the stride."""

    blocks: int
    kernel: int
    stride: int
    expand: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


def scaled(channels: int, width: float) -> int:
    """So many times as many channels, as a multiple of 8 that is not more than a tenth below."""
    wide = channels * width
    rounded = max(8, int(wide + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wide else rounded


class Unit(nn.Sequential):
    """Convolution with "SAME" padding and batch norm, then ReLU6 unless it is `linear`."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1, groups: int = 1, linear: bool = False
    ) -> None:
        super().__init__()
        self.conv = SameConv2d(c_in, c_out, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.01)
        if not linear:
            self.relu = nn.ReLU6(inplace=True)


class SameConv2d(nn.Conv2d):
    """Zeros so that the output has ceil(size / stride) positions; the odd one behind."""

    def forward(self, x: Tensor) -> Tensor:
        padding = []
        for size, kernel, stride in zip(reversed(x.shape[2:]), self.kernel_size, self.stride, strict=True):  # square
            reach = int(self.dilation[0]) * (kernel - 1) + 1
            total = max((ceil(size / stride) - 1) * stride + reach - size, 0)
            padding += [total // 2, total - total // 2]
        return super().forward(F.pad(x, padding) if any(padding) else x)


class InvertedBottleneck(nn.Module):
    """1×1 to `expand` times as many channels, depthwise k×k, 1×1 back without ReLU; the input is added if it fits."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = c_in * expand
        self.expand = None if expand == 1 else Unit(c_in, wide)
        self.depthwise = Unit(wide, wide, kernel, stride, groups=wide)
        self.project = Unit(wide, c_out, linear=True)
        self.adds = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.expand is None else self.expand(x)
        out = self.project(self.depthwise(wide))
        return out + x if self.adds else out


class EfficientNetLite(nn.Module):
    """Pictures [N, 3, H, W] → 1280 pooled features → scores."""

    def __init__(
        self,
        classes: int,
        *,
        width: float = 1.0,
        depth: float = 1.0,
        dropout: float = 0.2,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.stem = Unit(3, STEM, 3, stride=2)
        self.blocks = nn.ModuleList()
        self.ends: list[int] = []  # how many blocks there are up to the end of each stage
        c_in = STEM
        for stage in STAGES:
            same = stage in (STAGES[0], STAGES[-1])
            c_out = scaled(stage.channels, width)
            for number in range(stage.blocks if same else ceil(depth * stage.blocks)):
                stride = stage.stride if number == 0 else 1
                self.blocks.append(InvertedBottleneck(c_in, c_out, stage.kernel, stride, stage.expand))
                c_in = c_out
            self.ends.append(len(self.blocks))
        self.head = Unit(c_in, HEAD)
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(HEAD, classes)
        start(self, generator)
        start_classifier(self.logits, generator)

    def features(self, frames: Tensor) -> Tensor:
        """The map before the pool, 1/32 of the size: [N, 1280, h, w]."""
        x = self.stem(frames)
        for block in self.blocks:
            x = block(x)
        return self.head(x)

    def code(self, frames: Tensor) -> Tensor:
        return self.features(frames).mean(dim=(2, 3))

    def scores(self, code: Tensor) -> Tensor:
        return self.logits(self.dropout(code))

    def forward(self, frames: Tensor) -> Tensor:
        return self.scores(self.code(frames))

    def published_names(self) -> dict[str, str]:
        """Our name → that of efficientnet-lite-pytorch, for every tensor of the state."""
        units = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
        for number, block in enumerate(self.blocks):
            parts = {"expand": ("_expand_conv", "_bn0"), "depthwise": ("_depthwise_conv", "_bn1")}
            parts["project"] = ("_project_conv", "_bn2")
            for part, theirs in parts.items():
                if getattr(block, part) is not None:
                    units[f"blocks.{number}.{part}"] = (
                        f"_blocks.{number}.{theirs[0]}",
                        f"_blocks.{number}.{theirs[1]}",
                    )
        table = {"logits.weight": "_fc.weight", "logits.bias": "_fc.bias"}
        for ours, (conv, norm) in units.items():
            table[f"{ours}.conv.weight"] = f"{conv}.weight"
            for end in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
                table[f"{ours}.norm.{end}"] = f"{norm}.{end}"
        return table


class Trunk(nn.Module):
    """The stem and the first stages alone, for a network that goes on from them: pictures → maps of 1/`stride` size.

    A stage that would make the maps smaller than that keeps their size, and the kernels behind it are spread instead:
    at every other place published weights then give exactly what they give in the whole network.
    """

    def __init__(self, network: EfficientNetLite, stages: int, stride: int) -> None:
        super().__init__()
        self.ends = network.ends[:stages]
        self.stem, self.blocks = network.stem, network.blocks[: self.ends[-1]]
        self.channels = cast(InvertedBottleneck, self.blocks[-1]).project.conv.out_channels
        for norm in (module for module in self.modules() if isinstance(module, nn.BatchNorm2d)):
            norm.momentum = 0.1  # what is trained on has other statistics, and a short training must come to know them
        now, spread = 2, 1  # the stem has halved the size
        for block in self.blocks:
            conv = cast(InvertedBottleneck, block).depthwise.conv
            conv.dilation = (spread, spread)
            if conv.stride == (2, 2) and now >= stride:
                conv.stride, spread = (1, 1), 2 * spread
            elif conv.stride == (2, 2):
                now *= 2

    def forward(self, frames: Tensor) -> Tensor:
        x = self.stem(frames)
        for block in self.blocks:
            x = block(x)
        return x


# (width, depth, dropout) of the Lite networks that are used here
VARIANTS: dict[str, Callable[..., EfficientNetLite]] = {
    "efficientnet-lite0": partial(EfficientNetLite, width=1.0, depth=1.0, dropout=0.2),
    "efficientnet-lite2": partial(EfficientNetLite, width=1.1, depth=1.2, dropout=0.3),
}
