"""C3D, the network of dense 3-D convolutions that the asymmetric ones are measured against.

Tran et al., "Learning Spatiotemporal Features with 3D Convolutional Networks", ICCV 2015, as `c3d-b8`;
the reduced `c3d-b5` is from Yang et al., "Asymmetric 3D Convolutional Neural Networks for Action
Recognition", sec. 4.2, fig. 6: without conv3b, conv4b, conv5b, 256 channels in conv4 and conv5, FC 2048.
Ours, not the papers': the random start (He's), and the mean over space and time in place of pool5 and the
8192 inputs of fc6, which the light size takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import nn

from actrec.models.layers import ConvReLU3d, start, start_classifier


class C3D(nn.Module):
    """Groups of 3-D convolutions, a max-pool after each, fully connected layers, a classifier.

    Input `clip` [B, C, T, H, W]; groups are named conv1, conv2, … and their pools pool1, pool2, ….
    The first pool is 1×2×2, the others 2×2×2; the last is padded by one in space, so that 7×7 becomes
    4×4 (fc6 sees 512·1·4·4 = 8192). With `mean=True` there is no last pool: all positions are averaged.
    """

    def __init__(
        self,
        groups: Sequence[nn.Module],
        channels: int,
        classes: int,
        *,
        fc: Sequence[int],
        dropout: float = 0.5,
        mean: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential()
        for number, group in enumerate(groups, start=1):
            last = number == len(groups)
            self.features.add_module(f"conv{number}", group)
            if last and mean:
                continue
            size = (1, 2, 2) if number == 1 else (2, 2, 2)
            padding = (0, 1, 1) if last else 0
            self.features.add_module(f"pool{number}", nn.MaxPool3d(size, padding=padding))
        self.mean = mean
        # 16×112×112 leaves one frame of 4×4 behind pool5.
        widths = [channels if mean else channels * 16, *fc]
        self.fc = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(widths[-1], classes)
        start(self, generator)
        start_classifier(self.classifier, generator)

    def code(self, clip: torch.Tensor) -> torch.Tensor:
        """What the last fully connected layer says, after its ReLU: [B, D]."""
        maps = self.features(clip)
        code = maps.mean((2, 3, 4)) if self.mean else maps.flatten(1)
        for number, layer in enumerate(self.fc):
            code = torch.relu(layer(self.dropout(code) if number else code))
        return code

    def scores(self, code: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.dropout(code))

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return self.scores(self.code(clip))


def dense_group(c_in: int, c_out: int, layers: int, *, norm: bool = False) -> nn.Sequential:
    """One (c3d-b5) or two (c3d-b8) dense 3×3×3 layers, conv3a and conv3b for example."""
    widths = [c_in] + [c_out] * layers
    return nn.Sequential(*(ConvReLU3d(a, b, (3, 3, 3), norm=norm) for a, b in pairwise(widths)))


# Layers and channels of the five groups, and the fully connected layers (fig. 6 of the asymmetric paper).
GROUPS = {
    "b8": (((1, 64), (1, 128), (2, 256), (2, 512), (2, 512)), (4096, 4096)),
    "b5": (((1, 64), (1, 128), (1, 256), (1, 256), (1, 256)), (2048, 2048)),
}


def c3d(
    base: str,
    classes: int,
    *,
    replaced: dict[int, Callable[[int, int], nn.Module]] | None = None,
    channels: int = 3,
    dropout: float = 0.5,
    generator: torch.Generator | None = None,
) -> C3D:
    """`c3d-b8` or `c3d-b5`, with some of the groups 1…5 built otherwise from (channels in, channels out)."""
    plan, fc = GROUPS[base]
    groups, c_in = [], channels
    for number, (layers, c_out) in enumerate(plan, start=1):
        other = (replaced or {}).get(number)
        groups.append(other(c_in, c_out) if other else dense_group(c_in, c_out, layers))
        c_in = c_out
    return C3D(groups, c_in, classes, fc=fc, dropout=dropout, generator=generator)


VARIANTS: dict[str, Callable[..., C3D]] = {"c3d-b8": partial(c3d, "b8"), "c3d-b5": partial(c3d, "b5")}
