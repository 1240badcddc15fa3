"""Asymmetric 3-D convolution: one k×k×k kernel split into three one-directional ones.

Yang et al., "Asymmetric 3D Convolutional Neural Networks for Action Recognition", Pattern Recognition 2019:
the convolution (sec. 3.1), MicroNets M1–M4 (sec. 3.2), the whole network (sec. 3.3, fig. 4), the ablations of
Tables 2, 3 and 4, and two networks whose probabilities are averaged (sec. 4.7).
Ours, not the paper's: a ReLU after each of the three (the paper counts them as layers); the MicroNets' widths
(GoogLeNet's, with which Table 3's differences come out); 512 channels out of the third MicroNet and FC 4096;
a ReLU after every layer of a MicroNet; the light size with batch norm, a strided first layer and a mean over
space and time in place of FC 4096.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from actrec.core.errors import BadValue
from actrec.models.c3d import C3D, c3d
from actrec.models.layers import ConvReLU3d

INPUTS = ("rgb", "rgbf")  # of two networks that are fused
HEIGHT, WIDTH, TIME = (0, 1, 0), (0, 0, 1), (1, 0, 0)


def one_directional(c_in: int, c_out: int, size: int, axis: tuple[int, int, int], norm: bool) -> ConvReLU3d:
    """A convolution `size` long along one axis of (T, H, W) and 1 along the others: eq. 3, 4 or 5."""
    time, height, width = (size if along else 1 for along in axis)
    return ConvReLU3d(c_in, c_out, (time, height, width), norm=norm)


class AsymmetricConv3d(nn.Sequential):
    """Height, then width, then time (eq. 6); stands in for a dense convolution of the same reach.

    `sizes` are (H, W, T): 3, 3, 3 for one dense 3×3×3 layer; 5, 5, 3 for two stacked ones, which has
    their reach in space, though not in time (3 instead of 5, where the paper says the same).
    Weights CHD + DWM + MTN, with D = M = N unless `inner` = (D, M) says otherwise.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        sizes: tuple[int, int, int] = (3, 3, 3),
        *,
        inner: tuple[int, int] | None = None,
        norm: bool = False,
    ) -> None:
        super().__init__()
        d, m = inner or (c_out, c_out)
        self.height = one_directional(c_in, d, sizes[0], HEIGHT, norm)
        self.width = one_directional(d, m, sizes[1], WIDTH, norm)
        self.time = one_directional(m, c_out, sizes[2], TIME, norm)


class MicroNet(nn.Module):
    """Four columns over the same input, concatenated (fig. 3).

    1×1×1 · 1×1×1→3×3×3 · 1×1×1→3×3×3→3×3×3 · pool→1×1×1. M2 makes the column of two (`left`)
    asymmetric (5, 5, 3), M3 the column of one (`middle`; 3, 3, 3), M4 both, M1 none.
    """

    def __init__(self, kind: str, c_in: int, c_out: int, *, norm: bool = False) -> None:
        super().__init__()
        if kind not in ("M1", "M2", "M3", "M4"):
            raise BadValue(f"A MicroNet is M1, M2, M3 or M4, not {kind!r}.")
        if c_out % 16:
            raise BadValue(f"A MicroNet's width is a multiple of 16, not {c_out}.")
        conv = partial(ConvReLU3d, norm=norm)
        asymmetric = partial(AsymmetricConv3d, norm=norm)
        one, three = (1, 1, 1), (3, 3, 3)
        # GoogLeNet's proportions, for 256: 64 · 96→128 · 16→32→32 · 32.
        self.linear = conv(c_in, c_out // 4, one)
        self.middle = nn.Sequential(
            conv(c_in, 3 * c_out // 8, one),
            (asymmetric if kind in ("M3", "M4") else conv)(3 * c_out // 8, c_out // 2, three),
        )
        thin, wide = c_out // 16, c_out // 8
        double: list[nn.Module]
        if kind in ("M2", "M4"):
            double = [asymmetric(thin, wide, (5, 5, 3))]
        else:
            double = [conv(thin, wide, three), conv(wide, wide, three)]
        self.left = nn.Sequential(conv(c_in, thin, one), *double)
        self.pooled = nn.Sequential(nn.MaxPool3d(3, stride=1, padding=1), conv(c_in, wide, one))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        columns = (self.linear, self.middle, self.left, self.pooled)
        return torch.cat([column(maps) for column in columns], dim=1)


def asymmetric3d(
    classes: int,
    *,
    micro: tuple[str, str, str] = ("M2", "M2", "M3"),
    widths: tuple[int, int, int, int, int] = (64, 128, 256, 512, 512),
    fc: tuple[int, ...] = (4096, 4096),
    channels: int = 3,
    stride: tuple[int, int, int] = (1, 1, 1),
    norm: bool = False,
    mean: bool = False,
    dropout: float = 0.5,
    generator: torch.Generator | None = None,
) -> C3D:
    """The full Asymmetric 3D-CNN (fig. 4): two dense layers, three MicroNets, two FC, for 16×112×112."""
    one, two, *rest = widths
    groups: list[nn.Module] = [
        ConvReLU3d(channels, one, (3, 3, 3), stride=stride, norm=norm),
        ConvReLU3d(one, two, (3, 3, 3), norm=norm),
    ]
    c_in = two
    for kind, c_out in zip(micro, rest, strict=True):
        groups.append(MicroNet(kind, c_in, c_out, norm=norm))
        c_in = c_out
    return C3D(groups, c_in, classes, fc=fc, dropout=dropout, mean=mean, generator=generator)


def light(classes: int, **options: Any) -> C3D:
    """The same network, small enough to be live: batch norm, a strided first layer, a 128-d code."""
    numbers = {
        "widths": (16, 32, 96, 192, 224),
        "fc": (128,),
        "stride": (1, 2, 2),
        "norm": True,
        "mean": True,
        "dropout": 0.3,
    }
    return asymmetric3d(classes, **{**numbers, **options})


class TwoInputs(nn.Module):
    """Two networks of one kind, one fed with RGB and one with RGBF, `[B, C, T, H, W]` each; neither sees the other.

    The mean of their probabilities answers (sec. 4.7): the scores are its logarithm, whose softmax it is. The code is
    both networks' codes side by side.
    """

    def __init__(self, build: Callable[..., C3D], classes: int, **options: Any) -> None:
        super().__init__()
        self.streams = nn.ModuleDict({name: build(classes, **options) for name in INPUTS})

    def stream(self, name: str) -> C3D:
        """The network that is fed with `rgb` or `rgbf`."""
        return cast(C3D, self.streams[name])

    def code(self, rgb: Tensor, rgbf: Tensor) -> Tensor:
        return torch.cat([self.stream("rgb").code(rgb), self.stream("rgbf").code(rgbf)], dim=1)

    def scores(self, code: Tensor) -> Tensor:
        parts = zip(INPUTS, code.chunk(2, dim=1), strict=True)
        return self.fused([self.stream(name).scores(part) for name, part in parts])

    def fused(self, scores: list[Tensor]) -> Tensor:
        """The logarithm of the mean probability, from the scores of each network."""
        logs = torch.stack([of_one.float().log_softmax(1) for of_one in scores])
        return logs.logsumexp(0) - math.log(len(scores))

    def forward(self, rgb: Tensor, rgbf: Tensor) -> Tensor:
        return self.scores(self.code(rgb, rgbf))


def b5_micro(kind: str, classes: int, **options: Any) -> C3D:
    """Table 3: a MicroNet in place of conv5 of c3d-b5. Its totals come out 0.03 M above the paper's, about
    what the two columns without a 3×3×3 weigh; the differences between M1…M4 are the paper's."""
    return c3d("b5", classes, replaced={5: partial(MicroNet, kind)}, **options)


def asymmetric_groups(base: str, numbers: str, classes: int, **options: Any) -> C3D:
    """Table 2: the groups in `numbers` made asymmetric, one layer (b5) or two (b8) at once."""
    sizes = {"b5": (3, 3, 3), "b8": (5, 5, 3)}[base]
    other = partial(AsymmetricConv3d, sizes=sizes)
    return c3d(base, classes, replaced={int(number): other for number in numbers}, **options)


VARIANTS: dict[str, Callable[..., C3D]] = {
    "asym3d": asymmetric3d,
    "asym3d-M2": partial(asymmetric3d, micro=("M2", "M2", "M2")),
    "asym3d-M3": partial(asymmetric3d, micro=("M3", "M3", "M3")),
    "asym3d-light": light,
    **{f"b5-{kind}": partial(b5_micro, kind) for kind in ("M1", "M2", "M3", "M4")},
    **{
        f"{base}-asyConv{numbers}": partial(asymmetric_groups, base, numbers)
        for base in ("b5", "b8")
        for numbers in ("3", "4", "5", "34", "35", "45", "345")
    },
}

# What Table 2 prints: weights in M for 101 classes, and seconds of a training iteration.
TABLE_2 = {
    "c3d-b5": (17.44, 1.10), "b5-asyConv3": (17.05, 0.85), "b5-asyConv4": (16.26, 0.94), "b5-asyConv5": (16.26, 0.94),
    "b5-asyConv34": (15.87, 0.82), "b5-asyConv35": (15.87, 0.82), "b5-asyConv45": (15.08, 0.83),
    "b5-asyConv345": (14.69, 0.81), "c3d-b8": (78.40, 1.28), "b8-asyConv3": (76.43, 0.99), "b8-asyConv4": (70.53, 1.00),
    "b8-asyConv5": (67.65, 1.03), "b8-asyConv34": (68.56, 0.95), "b8-asyConv35": (65.68, 0.97),
    "b8-asyConv45": (59.78, 0.97), "b8-asyConv345": (57.82, 0.93),
}  # fmt: skip
