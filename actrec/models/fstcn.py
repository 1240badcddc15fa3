"""FstCN: spatial 2-D convolutions per frame, then a temporal one over (time, feature channel).

Sun et al., "Human Action Recognition using Factorized Spatio-Temporal Convolutional Networks", ICCV 2015.
Sizes from sec. 2.5; checked by adding up: 204 → 99 → 49 → 23 → 11, about 252.7 M weights.
Not given in the paper, so ours: the third and fourth layer are padded to stay 11×11 and have a ReLU; the nine
positions of a vectorised map are the input channels of the temporal layer (`positions="shared"` shares one
kernel between them, as eq. 3 reads); "same" padding there; dropout 0.5 on the FC layers too; P starts Gaussian
with 1/√f; a single path has no fusion layer; the auxiliary classifier is the spatial path with a classifier of
its own. The light size has batch norm for local response norm, after the temporal and the fully connected layers too
(it learns several times faster), and stride 1 in its second layer. `lower="efficientnet-lite0"` puts the first five
stages of that picture network in the place of the four shared layers: as published weights fill it, the network starts
from ImageNet without a training of our own there. Its maps have the same places as those of the paper's layers (at the
same stride, their border left out), and a 1×1 convolution gives them as many channels; its batch norms learn on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from actrec.core.errors import BadValue
from actrec.models import efficientnet_lite
from actrec.models.layers import RandomPlace, start, start_classifier

LOWER = ("own", "efficientnet-lite0")
STAGES = 5  # of the picture network that stands for the shared layers


@dataclass(frozen=True)
class Sizes:
    """The numbers of sec. 2.5. A layer is (channels, kernel, stride)."""

    lower: tuple[tuple[int, int, int], ...] = ((96, 7, 2), (256, 5, 2), (512, 3, 1), (512, 3, 1))
    between: int = 128
    permuted: int = 128
    temporal: int = 32
    spatial: int = 512
    fc: tuple[int, int] = (4096, 2048)
    fused: int = 2048
    frames: int = 5
    side: int = 204
    norm: str = "lrn"
    dropout: float = 0.5
    fc_dropout: float = 0.5


PAPER = Sizes()
LIGHT = Sizes(
    lower=((24, 7, 2), (64, 5, 1), (128, 3, 1), (128, 3, 1)),
    between=64,
    permuted=48,
    temporal=8,
    spatial=128,
    fc=(128, 128),
    fused=128,
    side=112,
    norm="batch",
    dropout=0.2,
    fc_dropout=0.2,
)


class LocalResponseNorm(nn.Module):
    """k = 2, n = 5, α = 5·10⁻⁴ (divided by n, torch's convention), β = 0.75; computed in float32.

    PyTorch has no bfloat16 kernel for it on a CPU; autocast leaves it in float32 as well.
    """

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return functional.local_response_norm(maps.float(), 5, alpha=5e-4, beta=0.75, k=2.0).to(maps.dtype)


def conv(c_in: int, layer: tuple[int, int, int], *, padding: int, batch_norm: bool) -> list[nn.Module]:
    """Conv(channels, kernel, stride), with a batch norm in the light size, and ReLU."""
    c_out, kernel, stride = layer
    layers: list[nn.Module] = [nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=not batch_norm)]
    if batch_norm:
        layers.append(nn.BatchNorm2d(c_out))
    return [*layers, nn.ReLU(inplace=True)]


def lower_layers(sizes: Sizes) -> nn.Sequential:
    """The four spatial layers that both paths share: two unpadded with norm and Pooling(3,2), two padded by 1."""
    batch = sizes.norm == "batch"
    layers, c_in = [], 3
    for number, layer in enumerate(sizes.lower):
        first_two = number < 2
        layers += conv(c_in, layer, padding=0 if first_two else 1, batch_norm=batch)
        if first_two:
            layers += ([] if batch else [LocalResponseNorm()]) + [nn.MaxPool2d(3, 2)]
        c_in = layer[0]
    return nn.Sequential(*layers)


class Inside(nn.Module):
    """The inner `side`×`side` places of maps: those that unpadded layers have, too."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        top, left = ((size - self.side) // 2 for size in maps.shape[-2:])
        return maps[..., top : top + self.side, left : left + self.side]


def lower_pictures(sizes: Sizes, name: str) -> nn.Sequential:
    """The first stages of a picture network, in the place of the four spatial layers: as many maps, as large."""
    trunk = efficientnet_lite.Trunk(efficientnet_lite.VARIANTS[name](1), STAGES, lower_stride(sizes))
    narrow = conv(trunk.channels, (sizes.lower[-1][0], 1, 1), padding=0, batch_norm=sizes.norm == "batch")
    return nn.Sequential(trunk, Inside(lower_side(sizes)), *narrow)


class TPOperator(nn.Module):
    """Transformation and permutation: [B, T, F, Y, X] → [B, Y·X, T, F′].

    Each Y×X map becomes a vector, the axes are arranged so that a 2-D convolution runs over (time, feature
    channel), and the channels are mixed by the learned F×F′ matrix P.
    """

    def __init__(self, features: int, permuted: int) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.randn(features, permuted) / features**0.5)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps.flatten(3).permute(0, 3, 1, 2) @ self.p


class TemporalLayer(nn.Module):
    """TCL: parallel convolutions of 3×3 and 5×5 over (time, feature channel), ReLU, dropout, concatenated.

    No pooling follows: it would ruin the temporal cues.
    """

    def __init__(
        self,
        positions: int,
        maps: int,
        kernels: tuple[int, ...],
        dropout: float,
        *,
        shared: bool,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.shared = shared
        c_in = 1 if shared else positions
        columns = [nn.Conv2d(c_in, maps, kernel, padding=kernel // 2, bias=not batch_norm) for kernel in kernels]
        self.columns = nn.ModuleList(
            nn.Sequential(column, nn.BatchNorm2d(maps)) if batch_norm else column for column in columns
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        positions = vectors.shape[1]
        if self.shared:  # one kernel for all positions: every position is a picture of its own
            vectors = vectors.flatten(0, 1).unsqueeze(1)
        maps = torch.cat([self.dropout(torch.relu(column(vectors))) for column in self.columns], dim=1)
        return (maps.unflatten(0, (-1, positions)) if self.shared else maps).flatten(1)


class FullyConnected(nn.Sequential):
    """Two fully connected layers with ReLU, dropout in front of the second."""

    def __init__(self, c_in: int, widths: tuple[int, int], dropout: float, batch_norm: bool = False) -> None:
        one, two = widths
        super().__init__(
            *full(c_in, one, batch_norm=batch_norm), nn.Dropout(dropout), *full(one, two, batch_norm=batch_norm)
        )


def full(c_in: int, c_out: int, *, batch_norm: bool) -> list[nn.Module]:
    """A fully connected layer with ReLU, with a batch norm in the light size."""
    made: list[nn.Module] = [nn.Linear(c_in, c_out, bias=not batch_norm)]
    return [*made, *([nn.BatchNorm1d(c_out)] if batch_norm else []), nn.ReLU(inplace=True)]


class TemporalPath(nn.Module):
    """All frames of the difference clip: Conv ReLU Pooling(3,3), T-P operator, TCL, FC, FC."""

    def __init__(self, sizes: Sizes, side: int, kernels: tuple[int, ...], positions: str) -> None:
        super().__init__()
        shared, batch = positions == "shared", sizes.norm == "batch"
        c_in = sizes.lower[-1][0]
        self.frames = sizes.frames
        self.between = nn.Sequential(
            *conv(c_in, (sizes.between, 3, 1), padding=1, batch_norm=batch), nn.MaxPool2d(3, 3)
        )
        places = (side // 3) ** 2
        self.operator = TPOperator(sizes.between, sizes.permuted)
        self.layer = TemporalLayer(places, sizes.temporal, kernels, sizes.dropout, shared=shared, batch_norm=batch)
        outputs = sizes.temporal * len(kernels) * sizes.frames * sizes.permuted * (places if shared else 1)
        self.fc = FullyConnected(outputs, sizes.fc, sizes.fc_dropout, batch)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """`maps` [B, T, F, Y, X] from the lower layers → temporal features [B, FC]."""
        between = self.between(maps.flatten(0, 1)).unflatten(0, (-1, maps.shape[1]))
        return self.fc(self.layer(self.operator(between)))


class SpatialPath(nn.Module):
    """One frame: Conv ReLU Pooling(3,2), FC, FC, as in the spatial stream of two-stream networks."""

    def __init__(self, sizes: Sizes, side: int) -> None:
        super().__init__()
        c_in, batch = sizes.lower[-1][0], sizes.norm == "batch"
        self.between = nn.Sequential(
            *conv(c_in, (sizes.spatial, 3, 1), padding=1, batch_norm=batch), nn.MaxPool2d(3, 2)
        )
        self.fc = FullyConnected(sizes.spatial * ((side - 3) // 2 + 1) ** 2, sizes.fc, sizes.fc_dropout, batch)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """`maps` [B, F, Y, X] from the lower layers → spatial features [B, FC]."""
        return self.fc(self.between(maps).flatten(1))


class FstCN(nn.Module):
    """Inputs `frames` and `difference` [B, 3, T, H, W]; `path` is both, scl (spatial only) or tcl (temporal only)."""

    def __init__(
        self,
        classes: int,
        *,
        sizes: Sizes = PAPER,
        path: str = "both",
        kernels: tuple[int, ...] = (3, 5),
        positions: str = "channels",
        lower: str = "own",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if path not in ("both", "scl", "tcl"):
            raise BadValue(f"A path of FstCN is both, scl or tcl, not {path!r}.")
        if positions not in ("channels", "shared"):
            raise BadValue(f"Positions are channels or shared, not {positions!r}.")
        if lower not in LOWER:
            raise BadValue(f"The lower layers are {' or '.join(LOWER)}, not {lower!r}.")
        self.sizes = sizes
        self.lower = lower_layers(sizes) if lower == "own" else lower_pictures(sizes, lower)
        side = lower_side(sizes)
        self.temporal = TemporalPath(sizes, side, kernels, positions) if path != "scl" else None
        self.spatial = SpatialPath(sizes, side) if path != "tcl" else None
        self.fusion = (
            nn.Sequential(*full(2 * sizes.fc[1], sizes.fused, batch_norm=sizes.norm == "batch"))
            if path == "both"
            else None
        )
        self.dropout = nn.Dropout(sizes.fc_dropout)
        self.classifier = nn.Linear(sizes.fused if path == "both" else sizes.fc[1], classes)
        self.auxiliary: nn.Linear | None = None
        self.random_frame = RandomPlace()
        start(self, generator)
        start_classifier(self.classifier, generator)

    @property
    def lower_ends(self) -> list[str]:
        """The modules within `lower` behind which the maps of a layer, or of a stage, are ready; the lowest first."""
        relus = [str(number) for number, module in enumerate(self.lower) if isinstance(module, nn.ReLU)]
        trunk = self.lower[0]
        if isinstance(trunk, efficientnet_lite.Trunk):
            return [*(f"0.blocks.{end - 1}" for end in trunk.ends[1:]), *relus]
        return relus

    def features(self, frames: torch.Tensor, difference: torch.Tensor) -> dict[str, torch.Tensor]:
        """The features of fig. 4: spatial, temporal and spatio-temporal, as far as the network has the paths."""
        parts = [] if self.spatial is None else [self._one_frame(frames)]
        parts += [] if self.temporal is None else [difference]
        stacked = torch.cat(parts, dim=2)  # the lower layers are shared: one pass for all frames
        count = stacked.shape[2]
        maps = self.lower(stacked.transpose(1, 2).flatten(0, 1)).unflatten(0, (-1, count))
        features: dict[str, torch.Tensor] = {}
        if self.spatial is not None:
            features["spatial"] = self.spatial(maps[:, 0])
            maps = maps[:, 1:]
        if self.temporal is not None:
            features["temporal"] = self.temporal(maps)
        if self.fusion is not None:
            both = torch.cat([features["spatial"], features["temporal"]], dim=1)
            features["spatiotemporal"] = self.fusion(self.dropout(both))
        return features

    def code(self, frames: torch.Tensor, difference: torch.Tensor) -> torch.Tensor:
        """The last features before the classifier."""
        return list(self.features(frames, difference).values())[-1]

    def scores(self, code: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.dropout(code))

    def forward(self, frames: torch.Tensor, difference: torch.Tensor) -> torch.Tensor:
        return self.scores(self.code(frames, difference))

    def add_auxiliary(self, classes: int, *, generator: torch.Generator | None = None) -> None:
        """Add a classifier for single frames to the spatial path, for the first two stages of training (sec. 2.3)."""
        if self.spatial is None:
            raise BadValue("The auxiliary classifier needs the spatial path; this FstCN has the temporal only.")
        self.auxiliary = nn.Linear(self.sizes.fc[1], classes)
        start_classifier(self.auxiliary, generator)

    def picture_scores(self, frames: torch.Tensor) -> torch.Tensor:
        """The auxiliary classifier's scores of one frame of each clip (random in training)."""
        if self.auxiliary is None or self.spatial is None:
            raise BadValue("Scores of single frames need the auxiliary classifier on the spatial path.")
        maps = self.lower(self._one_frame(frames)[:, :, 0])
        return self.auxiliary(self.dropout(self.spatial(maps)))

    def begin(self, stage: str) -> None:
        """Put what a stage trains into training mode; the rest is frozen and keeps its statistics.

        `pictures`: everything that the auxiliary classifier uses. `last layers`: its last three, the rest as the first
        stage or other weights left it. `pairs`: the whole network on clip pairs, the auxiliary classifier being gone.
        """
        if stage == "pairs":
            self.auxiliary = None
            learning: list[nn.Module] = [self]
        elif stage in ("pictures", "last layers") and self.auxiliary is not None and self.spatial is not None:
            whole = stage == "pictures"
            learning = [self.auxiliary, self.dropout, *([self.lower, self.spatial] if whole else [self.spatial.fc])]
        else:
            raise BadValue(f"There is no stage {stage!r} here: pictures and last layers need the auxiliary classifier.")
        self.eval().requires_grad_(False)
        for part in learning:
            part.train().requires_grad_(True)
        self.training = True

    def _one_frame(self, frames: torch.Tensor) -> torch.Tensor:
        """[B, 3, 1, H, W]: a random frame of each clip in training, the middle one in test (sec. 2.2)."""
        count = frames.shape[2]
        if not self.training:
            return frames[:, :, count // 2 : count // 2 + 1]
        chosen = self.random_frame(len(frames), count, frames.device)
        return frames[torch.arange(len(frames), device=frames.device), :, chosen].unsqueeze(2)


def lower_stride(sizes: Sizes) -> int:
    """Pixels from one place of these maps to the next: 16 in the paper's size. Both pools have a stride of 2."""
    return 4 * prod(stride for _, _, stride in sizes.lower)


def lower_side(sizes: Sizes) -> int:
    """Height and width of the maps behind the four shared layers: 11 in the paper's size."""
    side = sizes.side
    for _, kernel, stride in sizes.lower[:2]:
        side = (side - kernel) // stride + 1
        side = (side - 3) // 2 + 1
    return side


def light(classes: int, *, dropout: float | None = None, **options: Any) -> FstCN:
    """The same network at 112×112, small enough to be live."""
    sizes = LIGHT if dropout is None else replace(LIGHT, dropout=dropout, fc_dropout=dropout)
    return FstCN(classes, sizes=sizes, **options)


VARIANTS: dict[str, Callable[..., FstCN]] = {
    "fstcn": FstCN,
    "fstcn-scl": partial(FstCN, path="scl"),
    "fstcn-tcl": partial(FstCN, path="tcl"),
    "fstcn-tcl-3": partial(FstCN, path="tcl", kernels=(3,)),
    "fstcn-tcl-5": partial(FstCN, path="tcl", kernels=(5,)),
    "fstcn-light": light,
}
