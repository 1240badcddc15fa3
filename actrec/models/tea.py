"""TEA: residual blocks that excite what moves and aggregate time step by step.

Li et al., "TEA: Temporal excitation and aggregation for action recognition", CVPR 2020. A bottleneck's 3×3 layer
becomes multiple temporal aggregation (MTA), and motion excitation (ME) stands before it. The widths are those of the
Res2Net-50 (26w × 4s) that the paper's multiplications belong to (35 G for eight frames), and its layers have
Res2Net's names, so that ImageNet weights of that network load by key.
Ours, not the paper's: a block whose input has another shape than its output adds no fragment to the next and averages
the one that is not convolved over 3×3 places, as Res2Net does; temporal convolutions start as the identity, as in
the code that the authors published; the light block.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actrec.models.resnet import Block, ResNet, shortcut

REDUCTION = 16  # r: motion is measured on C / r channels
FRAGMENTS = 4
WIDTH = 26 / 64  # of a fragment, for each channel of the block it stands for


class MotionExcitation(nn.Module):
    """Channels are raised where the next frame's features differ from the present ones: eq. 1 to 7 of TEA, sec. 3.1.

    The last frame of a video has no next one and is not excited.
    """

    def __init__(self, channels: int, reduction: int = REDUCTION) -> None:
        super().__init__()
        reduced = max(1, channels // reduction)
        self.reduce = nn.Sequential(nn.Conv2d(channels, reduced, 1, bias=False), nn.BatchNorm2d(reduced))
        self.transform = nn.Conv2d(reduced, reduced, 3, padding=1, groups=reduced, bias=False)
        self.expand = nn.Conv2d(reduced, channels, 1, bias=False)

    def forward(self, x: Tensor, segments: int) -> Tensor:
        reduced = self.reduce(x)
        now = reduced.unflatten(0, (-1, segments))[:, :-1]
        following = self.transform(reduced).unflatten(0, (-1, segments))[:, 1:]
        motion = F.pad((following - now).mean(dim=(3, 4)), (0, 0, 0, 1))  # [B, t, C/r], 0 after the last
        gate = 2 * torch.sigmoid(self.expand(motion.flatten(0, 1)[..., None, None])) - 1
        return x + x * gate


class ChannelTime(nn.Module):
    """A convolution over three frames in each channel by itself, the identity at its start."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, channels, (3, 1, 1), padding=(1, 0, 0), groups=channels, bias=False)

    def start(self) -> None:
        nn.init.zeros_(self.conv.weight)
        with torch.no_grad():
            self.conv.weight[:, :, 1] = 1

    def forward(self, x: Tensor, segments: int) -> Tensor:
        clips = x.unflatten(0, (-1, segments)).transpose(1, 2)
        return self.conv(clips).transpose(1, 2).flatten(0, 1)


class TEABlock(Block):
    """The aggregation that both sizes have in common: four fragments of the channels, of which all but the last pass a
    temporal and a 3×3 convolution, each together with what came out of the one before (sec. 3.2)."""

    convs: nn.ModuleList
    bns: nn.ModuleList

    def __init__(self, c_in: int, width: int, stride: int, segments: int, fragment: int) -> None:
        super().__init__(c_in, width, stride, segments)
        self.fragment, self.downsample = fragment, shortcut(c_in, width * self.expansion, stride)
        self.hierarchical = self.downsample is None
        self.me = MotionExcitation(FRAGMENTS * fragment)
        self.times = nn.ModuleList(ChannelTime(fragment) for _ in range(FRAGMENTS - 1))

    def layers(self, stride: int) -> tuple[nn.ModuleList, nn.ModuleList]:
        """The 3×3 convolutions of the fragments and their norms."""
        convs = (nn.Conv2d(self.fragment, self.fragment, 3, stride, 1, bias=False) for _ in range(FRAGMENTS - 1))
        return nn.ModuleList(convs), nn.ModuleList(nn.BatchNorm2d(self.fragment) for _ in range(FRAGMENTS - 1))

    def aggregate(self, x: Tensor, stride: int) -> Tensor:
        *moving, last = x.split(self.fragment, dim=1)
        done: list[Tensor] = []
        for part, time, conv, norm in zip(moving, self.times, self.convs, self.bns, strict=True):
            if done and self.hierarchical:
                part = part + done[-1]
            done.append(F.relu(norm(conv(time(part, self.segments))), inplace=True))
        if not self.hierarchical:
            last = F.avg_pool2d(last, 3, stride, 1)
        return torch.cat([*done, last], dim=1)


class TEABottleneck(TEABlock):
    """1×1, motion excitation, aggregation, 1×1 (TEA's fig. 2)."""

    expansion = 4

    def __init__(self, c_in: int, width: int, stride: int = 1, segments: int = 8) -> None:
        super().__init__(c_in, width, stride, segments, int(width * WIDTH))
        inside = FRAGMENTS * self.fragment
        self.stride = stride
        self.conv1 = nn.Conv2d(c_in, inside, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inside)
        self.convs, self.bns = self.layers(stride)
        self.conv3 = nn.Conv2d(inside, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)

    def forward(self, x: Tensor) -> Tensor:
        same = x if self.downsample is None else self.downsample(x)
        inside = self.me(F.relu(self.bn1(self.conv1(x)), inplace=True), self.segments)
        return F.relu(self.bn3(self.conv3(self.aggregate(inside, self.stride))) + same, inplace=True)


class TEABasicBlock(TEABlock):
    """The light block (ours): 3×3, then motion excitation and aggregation in place of the second 3×3."""

    def __init__(self, c_in: int, width: int, stride: int = 1, segments: int = 8) -> None:
        super().__init__(c_in, width, stride, segments, width // FRAGMENTS)
        self.conv1 = nn.Conv2d(c_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.convs, self.bns = self.layers(1)

    def forward(self, x: Tensor) -> Tensor:
        same = x if self.downsample is None else self.downsample(x)
        inside = self.me(F.relu(self.bn1(self.conv1(x)), inplace=True), self.segments)
        return F.relu(self.aggregate(inside, 1) + same, inplace=True)


def tea(block: type[TEABlock], blocks: tuple[int, ...], widths: tuple[int, ...], segments: int,
        generator: torch.Generator | None = None) -> ResNet:  # fmt: skip
    """A residual network of TEA blocks for videos of so many segments."""
    network = ResNet(block, blocks, widths, segments=segments, generator=generator)
    for module in network.modules():
        if isinstance(module, ChannelTime):
            module.start()
    return network


def tea50(segments: int, generator: torch.Generator | None = None) -> ResNet:
    """The paper's network."""
    return tea(TEABottleneck, (3, 4, 6, 3), (64, 128, 256, 512), segments, generator)
