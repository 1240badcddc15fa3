"""3D-Fused: two 2-D networks whose last maps are joined by a 3-D convolution; a network that others are compared with.

Feichtenhofer, Pinz and Zisserman, "Convolutional two-stream network fusion for video action recognition", CVPR 2016, in
the form that Carreira and Zisserman measured (CVPR 2017, sec. 2.3) and that table 3 of the cross-enhancement paper
prints: five RGB frames that stand ten apart and the flow of the ten steps around each; Inception-v1 on each of them;
its last maps (5×7×7) side by side through a 3×3×3 convolution with 512 channels, a 3×3×3 max pool and a fully connected
layer, all of it trained together. The new layers start from Gaussian noise.
Ours, not the papers': the ReLU after the convolution, the pool's stride of 2, and the mean over what it leaves: with
these the network has between 39 and 40 M weights, as printed for it (39 M).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from actrec.models.i3d import I3D, LIGHT, MaxPoolSame
from actrec.models.layers import less_ground, start, start_classifier

STEPS = 10  # of flow around each RGB frame
LIGHT_STEPS = 4


class Fused3D(nn.Module):
    """`rgb` [B, 3, T, H, W], `flow` [B, 2·steps, T, H, W]; the code is what the fused maps hold on average."""

    def __init__(
        self,
        classes: int,
        *,
        steps: int = STEPS,
        channels: int = 512,
        dropout: float = 0.5,
        ground: bool = True,
        generator: torch.Generator | None = None,
        **stream: Any,
    ) -> None:
        super().__init__()
        streams = {
            name: I3D(classes, channels=inputs, time=False, generator=generator, **stream)
            for name, inputs in (("rgb", 3), ("flow", 2 * steps))
        }
        self.ground = ground
        self.streams = nn.ModuleDict({name: stream.layers for name, stream in streams.items()})
        self.fuse = nn.Conv3d(2 * streams["rgb"].channels["Mixed_5c"], channels, 3, padding=1)
        self.pool = MaxPoolSame((3, 3, 3), (2, 2, 2))
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(channels, classes)
        start(self.fuse, generator)
        start_classifier(self.logits, generator)

    def code(self, rgb: Tensor, flow: Tensor) -> Tensor:
        maps = []
        for name, x in (("rgb", rgb if self.ground else less_ground(rgb)), ("flow", flow)):
            for layer in cast(nn.ModuleDict, self.streams[name]).values():
                x = layer(x)
            maps.append(x)
        return self.pool(torch.relu(self.fuse(torch.cat(maps, dim=1)))).mean(dim=(2, 3, 4))

    def scores(self, code: Tensor) -> Tensor:
        return self.logits(self.dropout(code))

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        return self.scores(self.code(rgb, flow))


def fused_3d(classes: int, **options: Any) -> Fused3D:
    """As it was measured, for five frames of 224×224."""
    return Fused3D(classes, **options)


def fused_3d_light(classes: int, **options: Any) -> Fused3D:
    """Small enough to be live: narrow streams, four frames and the four steps of flow around each."""
    return Fused3D(classes, **{**LIGHT, "steps": LIGHT_STEPS, "channels": 48, **options})


VARIANTS: dict[str, Callable[..., Fused3D]] = {"fused-3d": fused_3d, "fused-3d-light": fused_3d_light}
