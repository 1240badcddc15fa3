"""MDT-Net: appearance from key frames, motion from coarse and fine differences of salience-enhanced frames.

Xu, Cao and Yi, "Video human action recognition by the fusion of significant motion and coarse-fine temporal
granularity features". The paper gives t segments of 5 frames with the 4th as key frame, the two kinds of differences
fused with a ResNet-50's appearance, deformable convolutions of two sizes whose differences excite the features
(DCME), and a spatio-temporal channel excitation in parallel.
Ours, not the paper's: the structure inside every module, which the paper does not print, and where the modules sit
(differences join after the stem and after layer1, excitation after layer2, layer3 and layer4).
TSN (Wang et al. 2016), TSM (Lin et al. 2019) and TEA (Li et al. 2020), which it compares with, are the same network
without modules, on residual blocks of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actrec.core.errors import BadValue
from actrec.models.layers import start, start_classifier
from actrec.models.resnet import ResNet, resnet18, resnet50
from actrec.models.tea import TEABasicBlock, tea, tea50

FRAMES = 5  # drawn in each segment, in time order
KEY = 3  # the 4th of them
REDUCTION = 16  # r: DCME works on C / r channels
LEAST = 8  # but on no fewer than these (ours)
LIGHT_WIDTHS = (32, 64, 128, 128)  # half of ResNet-18's, the last held at 128: 1.5 M weights


class Embedding(nn.Sequential):
    """Differences at half the size → the stem's channels at a quarter of the frame's size, like the stem's output."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(nn.Conv2d(c_in, c_out, 7, 2, 3, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))


class Differences(nn.Module):
    """Both granularities of one clip of motion frames, embedded and added: [B·t, C, H/4, W/4]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fine = Embedding(3 * (FRAMES - 1), channels)
        self.coarse = Embedding(3 * 2, channels)

    def forward(self, motion: Tensor, segments: int) -> Tensor:
        pictures = F.avg_pool2d(_frames_in_batch(motion), 2)  # differences of means are means of differences
        frames = pictures.unflatten(0, (-1, segments, FRAMES))
        return self.fine(fine_differences(frames)) + self.coarse(coarse_differences(frames))


def fine_differences(frames: Tensor) -> Tensor:
    """[B, t, 5, C, H, W] → the four differences inside each segment as channels [B·t, 4·C, H, W]."""
    return (frames[:, :, 1:] - frames[:, :, :-1]).flatten(2, 3).flatten(0, 1)


def coarse_differences(frames: Tensor) -> Tensor:
    """[B, t, 5, C, H, W] → key frame to the next and from the one before as channels [B·t, 2·C, H, W].

    The first has none before it and the last none after it: zeros there.
    """
    keys = frames[:, :, KEY]
    steps = keys[:, 1:] - keys[:, :-1]
    none = torch.zeros_like(keys[:, :1])
    return torch.cat([torch.cat([steps, none], 1), torch.cat([none, steps], 1)], dim=2).flatten(0, 1)


class Deformable(nn.Module):
    """A k×k convolution of the next key frame's features whose taps go where both frames' features send them.

    Offsets start at zero, where it is the plain convolution, and the kernel at the identity, where its difference
    to the present frame is the plain difference.
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.offsets = nn.Conv2d(2 * channels, 2 * size * size, 3, padding=1)
        self.weight = nn.Parameter(torch.empty(channels, channels, size, size))
        self.start()

    def start(self) -> None:
        nn.init.zeros_(self.offsets.weight)
        if self.offsets.bias is not None:
            nn.init.zeros_(self.offsets.bias)
        nn.init.dirac_(self.weight)

    def forward(self, now: Tensor, following: Tensor) -> Tensor:
        from torchvision.ops import deform_conv2d  # a second to import, which the other networks do not wait for

        offsets = self.offsets(torch.cat([now, following], dim=1))
        kind = "cuda" if following.is_cuda else "cpu"
        with torch.autocast(kind, enabled=False):  # there is no such operator in bfloat16 on a CPU
            bent = deform_conv2d(following.float(), offsets.float(), self.weight.float(), padding=self.size // 2)
        return bent.to(following.dtype)


class DCME(nn.Module):
    """Deformable convolution motion excitation: how far each place moves by the next key frame, −½…½.

    Two deformable convolutions (3×3 and 5×5) of neighbouring key frames' reduced features, minus the present
    features; the last segment has no next one and is not excited.
    """

    def __init__(self, channels: int, reduction: int = REDUCTION) -> None:
        super().__init__()
        reduced = max(LEAST, channels // reduction)
        self.reduce = nn.Sequential(nn.Conv2d(channels, reduced, 1, bias=False), nn.BatchNorm2d(reduced))
        self.deformables = nn.ModuleList(Deformable(reduced, size) for size in (3, 5))
        self.expand = nn.Conv2d(reduced, channels, 1, bias=False)

    def forward(self, x: Tensor, segments: int) -> Tensor:
        reduced = self.reduce(x).unflatten(0, (-1, segments))
        now, following = reduced[:, :-1].flatten(0, 1), reduced[:, 1:].flatten(0, 1)
        moved = sum(deformable(now, following) - now for deformable in self.deformables)
        gate = torch.sigmoid(self.expand(moved)) - 0.5
        return F.pad(gate.unflatten(0, (-1, segments - 1)), (0, 0) * 3 + (0, 1)).flatten(0, 1)


class ChannelExcitation(nn.Module):
    """Spatio-temporal channel excitation, −½…½: each channel's course in time and its average map in space, together.

    Space squeezed: a convolution of three segments per channel. Time squeezed: a 3×3 convolution per channel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.time = nn.Conv1d(channels, channels, 3, padding=1, groups=channels)
        self.space = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)

    def forward(self, x: Tensor, segments: int) -> Tensor:
        clips = x.unflatten(0, (-1, segments))
        course = self.time(clips.mean(dim=(3, 4)).transpose(1, 2)).transpose(1, 2)  # [B, t, C]
        average = self.space(clips.mean(dim=1))  # [B, C, H, W]
        return (torch.sigmoid(course[..., None, None] + average[:, None]) - 0.5).flatten(0, 1)


class Excitation(nn.Module):
    """Both excitations in parallel on the features [B·t, C, H, W]: x + x·motion + x·channels."""

    def __init__(self, channels: int, reduction: int = REDUCTION) -> None:
        super().__init__()
        self.motion = DCME(channels, reduction)
        self.channels = ChannelExcitation(channels)

    def forward(self, x: Tensor, segments: int) -> Tensor:
        return x * (1 + self.motion(x, segments) + self.channels(x, segments))


class MDTNet(nn.Module):
    """`frames` and `motion` [B, 3, t·5, H, W]: raw frames and salience-enhanced ones, segment after segment.

    `modules` false gives TSN (or TSM or TEA, with a backbone of theirs), which uses the key frames of `frames` only.
    """

    def __init__(
        self,
        classes: int,
        backbone: ResNet,
        *,
        segments: int = 16,
        modules: bool = True,
        excited: int = 3,
        reduction: int = REDUCTION,
        dropout: float = 0.5,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.segments = segments
        self.backbone = backbone
        channels = backbone.channels
        self.differences: Differences | None = None
        self.deeper: nn.Sequential | None = None
        self.excitations: nn.ModuleList | None = None
        if modules:
            self.differences = Differences(channels[0])
            self.deeper = nn.Sequential(
                nn.Conv2d(channels[0], channels[1], 3, padding=1, bias=False),
                nn.BatchNorm2d(channels[1]),
                nn.ReLU(inplace=True),
            )
            self.excitations = nn.ModuleList(Excitation(c, reduction) for c in channels[-excited:])
            for part in (self.differences, self.deeper, self.excitations):
                start(part, generator)
            for module in self.excitations.modules():
                if isinstance(module, Deformable):
                    module.start()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels[-1], classes)
        start_classifier(self.classifier, generator)

    def code(self, frames: Tensor, motion: Tensor | None = None) -> Tensor:
        """The mean of the segments' features [B, C]: a linear classifier's mean over segments is its score of it."""
        keys = self._checked(frames, "frames")[:, :, KEY::FRAMES]
        x = self.backbone.stem(_frames_in_batch(keys))
        moving = None
        if self.differences is not None:
            moving = self.differences(self._checked(motion, "motion"), self.segments)
            x = x + moving
        x = self.backbone.layer1(x)
        if moving is not None and self.deeper is not None:
            x = x + self.deeper(moving)
        later = self.backbone.layers[1:]
        excitations = list(self.excitations or ())
        for number, layer in enumerate(later, len(excitations) - len(later)):
            x = layer(x)
            if number >= 0:
                x = excitations[number](x, self.segments)
        return x.mean(dim=(2, 3)).unflatten(0, (-1, self.segments)).mean(dim=1)

    def scores(self, code: Tensor) -> Tensor:
        return self.classifier(self.dropout(code))

    def forward(self, frames: Tensor, motion: Tensor | None = None) -> Tensor:
        return self.scores(self.code(frames, motion))

    def _checked(self, clip: Tensor | None, name: str) -> Tensor:
        count = self.segments * FRAMES
        if clip is None or clip.shape[2] != count:
            given = "none" if clip is None else clip.shape[2]
            raise BadValue(
                f"The input '{name}' must hold {count} frames ({self.segments} segments of {FRAMES}), not {given}."
            )
        return clip


def _frames_in_batch(clip: Tensor) -> Tensor:
    """[B, C, T, H, W] → [B·T, C, H, W]; without a copy where the clip is channels-last."""
    return clip.transpose(1, 2).flatten(0, 1)


def mdtnet(classes: int, *, segments: int = 16, **options: Any) -> MDTNet:
    """The paper's network, for 224×224; 16 segments on UCF-101 and HMDB-51, 8 elsewhere."""
    return MDTNet(classes, resnet50(generator=options.get("generator")), segments=segments, **options)


def tsn(classes: int, *, segments: int = 16, **options: Any) -> MDTNet:
    """Temporal segment network: key frames one by one, scores averaged."""
    return mdtnet(classes, segments=segments, **{**options, "modules": False})


def tsm(classes: int, *, segments: int = 16, **options: Any) -> MDTNet:
    """Temporal shift module: TSN whose residual blocks read the neighbouring segments."""
    backbone = resnet50(segments=segments, generator=options.get("generator"))
    return MDTNet(classes, backbone, segments=segments, **{**options, "modules": False})


def tea_net(classes: int, *, segments: int = 16, **options: Any) -> MDTNet:
    """Temporal excitation and aggregation: TSN on TEA's blocks."""
    backbone = tea50(segments, options.get("generator"))
    return MDTNet(classes, backbone, segments=segments, **{**options, "modules": False})


def light(
    classes: int,
    *,
    segments: int = 8,
    widths: tuple[int, int, int, int] = LIGHT_WIDTHS,
    blocks: str = "plain",
    **options: Any,
) -> MDTNet:
    """The same network, small enough to be live: a narrow ResNet-18, 8 segments, for 96×96, excited after layer3 and
    layer4 only (a deformable convolution of larger features takes longer than all the rest). `blocks` are plain, or
    those of tsm or tea."""
    generator = options.get("generator")
    if blocks == "tea":
        backbone = tea(TEABasicBlock, (2, 2, 2, 2), widths, segments, generator)
    else:
        backbone = resnet18(widths, segments=segments if blocks == "tsm" else 0, generator=generator)
    return MDTNet(classes, backbone, segments=segments, **{"dropout": 0.3, "excited": 2, **options})


def tsn_light(classes: int, **options: Any) -> MDTNet:
    return light(classes, **{**options, "modules": False})


def tsm_light(classes: int, **options: Any) -> MDTNet:
    return light(classes, **{**options, "modules": False, "blocks": "tsm"})


def tea_light(classes: int, **options: Any) -> MDTNet:
    return light(classes, **{**options, "modules": False, "blocks": "tea"})


VARIANTS: dict[str, Callable[..., MDTNet]] = {
    "mdtnet": mdtnet,
    "tsn": tsn,
    "tsm": tsm,
    "tea": tea_net,
    "mdtnet-light": light,
    "tsn-light": tsn_light,
    "tsm-light": tsm_light,
    "tea-light": tea_light,
}
