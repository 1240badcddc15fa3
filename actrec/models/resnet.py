"""The 2-D backbone of TSN, TSM and MDT-Net: residual networks without their classifier.

He et al., "Deep residual learning for image recognition", CVPR 2016; stride on the 3×3 layer of a bottleneck, as
torchvision has it, and torchvision's names, so that its ImageNet weights load by key. The temporal shift is that of
Lin et al., "TSM: Temporal shift module for efficient video understanding", ICCV 2019: an eighth of the channels
forward, an eighth backward, inside each residual block.
Ours, not the papers': the four widths are arguments, so that the light size is the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actrec.models.layers import start

SHIFTED = 8  # one channel in so many moves, each way


def shift_in_time(x: Tensor, segments: int) -> Tensor:
    """[B·t, C, H, W]: the first eighth of the channels from the next segment, the second from the one before."""
    part = x.shape[1] // SHIFTED
    shifted = torch.zeros_like(x)
    source, target = x.unflatten(0, (-1, segments)), shifted.unflatten(0, (-1, segments))
    target[:, :-1, :part] = source[:, 1:, :part]
    target[:, 1:, part : 2 * part] = source[:, :-1, part : 2 * part]
    target[:, :, 2 * part :] = source[:, :, 2 * part :]
    return shifted


def shortcut(c_in: int, c_out: int, stride: int) -> nn.Module | None:
    if stride == 1 and c_in == c_out:
        return None
    return nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))


class Block(nn.Module):
    """A residual block: `c_in` channels → `expansion` · `width`. With `segments` frames stand in videos of so many."""

    expansion = 1

    def __init__(self, c_in: int, width: int, stride: int = 1, segments: int = 0) -> None:
        super().__init__()
        self.segments = segments


class BasicBlock(Block):
    """Two 3×3 convolutions (ResNet-18); with segments the temporal shift before them."""

    def __init__(self, c_in: int, width: int, stride: int = 1, segments: int = 0) -> None:
        super().__init__(c_in, width, stride, segments)
        self.conv1 = nn.Conv2d(c_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(c_in, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        same = x if self.downsample is None else self.downsample(x)
        inside = shift_in_time(x, self.segments) if self.segments else x
        inside = F.relu(self.bn1(self.conv1(inside)), inplace=True)
        return F.relu(self.bn2(self.conv2(inside)) + same, inplace=True)


class Bottleneck(Block):
    """1×1, 3×3, 1×1 with four times the width at the end (ResNet-50); with segments the temporal shift before them."""

    expansion = 4

    def __init__(self, c_in: int, width: int, stride: int = 1, segments: int = 0) -> None:
        super().__init__(c_in, width, stride, segments)
        self.conv1 = nn.Conv2d(c_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.downsample = shortcut(c_in, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        same = x if self.downsample is None else self.downsample(x)
        inside = shift_in_time(x, self.segments) if self.segments else x
        inside = F.relu(self.bn1(self.conv1(inside)), inplace=True)
        inside = F.relu(self.bn2(self.conv2(inside)), inplace=True)
        return F.relu(self.bn3(self.conv3(inside)) + same, inplace=True)


class ResNet(nn.Module):
    """Frames [N, 3, H, W] → `stem` (1/4 of the size) → `layer1` … `layer4` (1/32).

    `channels` lists what leaves the stem and each layer. With `segments` the blocks exchange features among the so many
    frames of each video; without, frames are seen one by one.
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(
        self,
        block: type[Block],
        blocks: Sequence[int],
        widths: Sequence[int] = (64, 128, 256, 512),
        *,
        segments: int = 0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.channels = [widths[0]]
        for number, (count, width) in enumerate(zip(blocks, widths, strict=True), start=1):
            layer = nn.Sequential()
            for place in range(count):
                stride = 2 if place == 0 and number > 1 else 1
                c_in = self.channels[-1] if place == 0 else width * block.expansion
                layer.append(block(c_in, width, stride, segments))
            self.add_module(f"layer{number}", layer)
            self.channels.append(width * block.expansion)
        start(self, generator)

    @property
    def layers(self) -> list[nn.Module]:
        return [self.layer1, self.layer2, self.layer3, self.layer4]

    def stem(self, frames: Tensor) -> Tensor:
        return F.max_pool2d(F.relu(self.bn1(self.conv1(frames)), inplace=True), 3, 2, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """The pooled features [N, C]."""
        x = self.stem(frames)
        for layer in self.layers:
            x = layer(x)
        return x.mean(dim=(2, 3))


def resnet18(widths: Sequence[int] = (64, 128, 256, 512), **options: Any) -> ResNet:
    return ResNet(BasicBlock, (2, 2, 2, 2), widths, **options)


def resnet50(widths: Sequence[int] = (64, 128, 256, 512), **options: Any) -> ResNet:
    return ResNet(Bottleneck, (3, 4, 6, 3), widths, **options)
