"""I3D: Inception-v1 with every kernel inflated into time.

Carreira and Zisserman, "Quo vadis, action recognition? A new model and the Kinetics dataset", CVPR 2017. The stream
of both two-stream networks (`crossenh.py`), and a network of its own.

As published: padding "SAME" (TensorFlow's, so uneven where a stride needs it), batch norm with epsilon 0.001 after
every convolution but the last, average over 2×7×7 windows and then over time.
Ours, not the paper's: `width` multiplies every number of channels (rounded to eights) and `stem` is the first kernel,
so that the light size is the same code; any size of clip is taken, the 7×7 average becoming one over the whole map;
without `time` no kernel, pool or stride reaches over time: Inception-v1 as it was, frame by frame.
The light size's RGB stream gets frames minus their mean over time (`ground`), without which it learned nothing from
few clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actrec.models.layers import less_ground, start, start_classifier

# Channels of the nine Inception blocks: 1×1×1 · 1×1×1 → 3×3×3 · 1×1×1 → 3×3×3 · pool → 1×1×1 (GoogLeNet's table).
BLOCKS = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}

# Both streams together stay under 1.5 M weights; a third of a light stream's time would go to the first kernel's seven
# frames.
LIGHT = {"width": 0.22, "stem": (3, 7, 7), "dropout": 0.3, "ground": False}


def same_padding(size: Sequence[int], kernel: Sequence[int], stride: Sequence[int]) -> list[tuple[int, int]]:
    """Zeros before and after each axis so that the output has ceil(size / stride) positions; the odd one after."""
    padding = []
    for n, k, s in zip(map(int, size), kernel, stride, strict=True):  # in a trace, a size is a tensor until then
        total = max((ceil(n / s) - 1) * s + k - n, 0)
        padding.append((total // 2, total - total // 2))
    return padding


class MaxPoolSame(nn.Module):
    """Max pool with "SAME" padding of a map that a ReLU made: zeros around it and nothing around it are the same."""

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        before = [pair[0] for pair in same_padding(x.shape[2:], self.kernel, self.stride)]
        return F.max_pool3d(x, self.kernel, self.stride, before, ceil_mode=True)


def _over(size: tuple[int, int, int], time: bool) -> tuple[int, int, int]:
    """A kernel or stride, which without `time` stays within its frame."""
    return size if time else (1, *size[1:])


class Unit(nn.Module):
    """Convolution with "SAME" padding, batch norm, ReLU."""

    def __init__(
        self, c_in: int, c_out: int, kernel: tuple[int, int, int], stride: tuple[int, int, int] = (1, 1, 1)
    ) -> None:
        super().__init__()
        self.conv = nn.Conv3d(c_in, c_out, kernel, stride, bias=False)
        self.norm = nn.BatchNorm3d(c_out, eps=1e-3)
        if stride == (1, 1, 1):  # odd kernels: "SAME" is even on both sides
            self.conv.padding = tuple(k // 2 for k in kernel)

    def forward(self, x: Tensor) -> Tensor:
        if self.conv.stride != (1, 1, 1):
            pairs = same_padding(x.shape[2:], self.conv.kernel_size, self.conv.stride)
            x = F.pad(x, [amount for pair in reversed(pairs) for amount in pair])
        return F.relu(self.norm(convolve(self.conv, x)), inplace=True)


def convolve(conv: nn.Conv3d, x: Tensor) -> Tensor:
    """The convolution, past a rule of PyTorch's: a single small float32 clip goes to a path without oneDNN there,
    twice as slow and back to contiguous, so that the pools behind it are five times as slow."""
    channels_last = x.is_contiguous(memory_format=torch.channels_last_3d)
    if not channels_last or x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_grad_enabled():
        return conv(x)
    if torch.is_autocast_enabled("cpu") or not torch.backends.mkldnn.is_available() or isinstance(conv.padding, str):
        return conv(x)
    return torch.mkldnn_convolution(x, conv.weight, conv.bias, conv.padding, conv.stride, conv.dilation, conv.groups)


class Inception(nn.Module):
    """Four columns side by side, concatenated."""

    def __init__(self, c_in: int, channels: Sequence[int], time: bool = True) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pooled = channels
        size = _over((3, 3, 3), time)
        self.single = Unit(c_in, one, (1, 1, 1))
        self.reduce3 = Unit(c_in, reduce3, (1, 1, 1))
        self.conv3 = Unit(reduce3, three, size)
        self.reduce5 = Unit(c_in, reduce5, (1, 1, 1))
        self.conv5 = Unit(reduce5, five, size)  # GoogLeNet's 5×5; I3D made it a second 3×3×3
        self.pool = MaxPoolSame(size, (1, 1, 1))
        self.project = Unit(c_in, pooled, (1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        columns = [self.single(x), self.conv3(self.reduce3(x)), self.conv5(self.reduce5(x))]
        return torch.cat([*columns, self.project(self.pool(x))], dim=1)


class I3D(nn.Module):
    """One stream: `clip` [B, channels, T, H, W], RGB (3) or flow (2) in −1…1."""

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        width: float = 1.0,
        stem: tuple[int, int, int] = (7, 7, 7),
        dropout: float = 0.5,
        ground: bool = True,
        time: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()

        def wide(c: int) -> int:
            return c if width == 1 else max(8, 8 * round(c * width / 8))

        self.ground = ground or channels != 3
        self.layers = nn.ModuleDict()
        self.layers["Conv3d_1a_7x7"] = Unit(channels, wide(64), _over(stem, time), _over((2, 2, 2), time))
        self.layers["MaxPool3d_2a_3x3"] = MaxPoolSame((1, 3, 3), (1, 2, 2))
        self.layers["Conv3d_2b_1x1"] = Unit(wide(64), wide(64), (1, 1, 1))
        self.layers["Conv3d_2c_3x3"] = Unit(wide(64), wide(192), _over((3, 3, 3), time))
        self.layers["MaxPool3d_3a_3x3"] = MaxPoolSame((1, 3, 3), (1, 2, 2))
        self.channels = {}
        c = wide(192)
        for name, block in BLOCKS.items():
            if name == "Mixed_4b":
                self.layers["MaxPool3d_4a_3x3"] = MaxPoolSame(_over((3, 3, 3), time), _over((2, 2, 2), time))
            if name == "Mixed_5b":
                self.layers["MaxPool3d_5a_2x2"] = MaxPoolSame(_over((2, 2, 2), time), _over((2, 2, 2), time))
            scaled = [wide(n) for n in block]
            self.layers[name] = Inception(c, scaled, time)
            c = self.channels[name] = scaled[0] + scaled[2] + scaled[4] + scaled[5]
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(c, classes)
        start(self, generator)
        start_classifier(self.logits, generator)

    def features(self, clip: Tensor, at: Sequence[str] = ()) -> tuple[Tensor, dict[str, Tensor]]:
        """The code, and the maps that leave the named layers (Mixed_3c, Mixed_4f, Mixed_5c, …)."""
        maps = {}
        x = clip if self.ground else less_ground(clip)
        for name, layer in self.layers.items():
            x = layer(x)
            if name in at:
                maps[name] = x
        return _average(x), maps

    def code(self, clip: Tensor) -> Tensor:
        return self.features(clip)[0]

    def scores(self, code: Tensor) -> Tensor:
        return self.logits(self.dropout(code))

    def forward(self, clip: Tensor) -> Tensor:
        return self.scores(self.code(clip))


def _average(x: Tensor) -> Tensor:
    """Mean over space, then over windows of two neighbouring times, then over those windows: [B, C].

    The published network averages 2×7×7 windows, classifies each and averages the scores; the classifier being
    linear, averaging first gives the same. The first and last time weigh half of the others.
    """
    over_time = x.mean(dim=(3, 4))
    if over_time.shape[2] > 1:
        over_time = (over_time[:, :, :-1] + over_time[:, :, 1:]) / 2
    return over_time.mean(dim=2)


def rgb(classes: int, **options: Any) -> I3D:
    """The paper's RGB stream, for 64×224×224."""
    return I3D(classes, **{"channels": 3, **options})


def flow(classes: int, **options: Any) -> I3D:
    """The paper's flow stream, for 64×224×224: two channels, horizontal and vertical."""
    return I3D(classes, **{"channels": 2, **options})


def rgb_light(classes: int, **options: Any) -> I3D:
    """The RGB stream small enough to be live, for 16×112×112."""
    return rgb(classes, **{**LIGHT, **options})


def flow_light(classes: int, **options: Any) -> I3D:
    """The flow stream small enough to be live, for 16×112×112."""
    return flow(classes, **{**LIGHT, **options})


VARIANTS: dict[str, Callable[..., I3D]] = {
    "i3d-rgb": rgb,
    "i3d-flow": flow,
    "i3d-rgb-light": rgb_light,
    "i3d-flow-light": flow_light,
}
