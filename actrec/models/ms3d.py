"""MS3D: three pathways of frames through one fixed kernel into a sparse DenseNet3D that ends in a code.

Man et al., "The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks" (MS3D).
From the paper: 7, 17 and 25 frames; a shared 3×3×3 kernel, fixed; pathway kernels 3×3×3, 3×5×5 and 3×7×7
(time first here); eq. 2 with α = 0.7; the start of eq. 4; batch norm; a 256-d code.
Ours, the paper leaves it open: widths, strides and blocks; the 2-D kernels behind eq. 4 (He's normal start);
stacking along time, 7 + 17 + 25 = 49, pathway after pathway; 1×1×1 bottlenecks; between blocks every output so
far is joined; inside a block all outputs are equally wide and the block's input counts as its first layer, so
that no weight's shape depends on which connections were drawn. α is kept, as eq. 2 says, where the text calls
it a dropping rate.
The light size sees what moves: each pathway's frames less their mean over time, ours, for what a network learns of a
few clips with the still ground in them is their ground. It scales its codes to one length (`radius`), ours: eq. 5
compares by inner products, eq. 6 and γ by distances, and only on a sphere do the two agree. Trained on eight clips,
six or seven of them are judged right by the centres of the others without it, all eight with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from actrec.core.errors import BadValue
from actrec.models.layers import Conv3d, Size3, convolve, less_ground, start

PATHWAYS = ("slow", "mid", "fast")
KERNELS: dict[str, Size3] = {"slow": (3, 3, 3), "mid": (3, 5, 5), "fast": (3, 7, 7)}
FRAMES = {"slow": 7, "mid": 17, "fast": 25}


@dataclass(frozen=True)
class Sizes:
    """What the paper leaves to architecture search. A block is (layers, width of every output in it)."""

    shared: int = 16
    shared_stride: int = 2
    pathway: int = 32
    pathway_stride: int = 2
    blocks: tuple[tuple[int, int], ...] = ((6, 32), (12, 48), (24, 64), (16, 96))
    bottleneck: int | None = 2
    code: int = 256
    radius: float | None = None
    ground: bool = True  # whether the pathways see what stands still
    dropout: float = 0.0


PAPER = Sizes()
LIGHT = Sizes(shared=8, pathway=16, blocks=((3, 16), (4, 32), (4, 64)), bottleneck=None, radius=4.0, ground=False)


def temporal_start(flat: torch.Tensor, depth: int, slice_: str = "first") -> torch.Tensor:
    """Eq. 4: a 2-D kernel [N, C, H, W] → [N, C, depth, H, W] with (2d−1)/d on one slice of time, −1/d elsewhere.

    Over time the factors sum to one for every d: a still clip gives the 2-D response.
    """
    if slice_ not in ("first", "middle"):
        raise BadValue(f"The slice of eq. 4 is first or middle, not {slice_!r}.")
    factors = torch.full((depth,), -1 / depth, dtype=flat.dtype, device=flat.device)
    factors[0 if slice_ == "first" else depth // 2] = (2 * depth - 1) / depth
    return flat.unsqueeze(2) * factors.view(1, 1, depth, 1, 1)


def extend_time(maps: torch.Tensor, depth: int, padding: str) -> torch.Tensor:
    """Half a kernel more on both ends: the border frame again (replicate), or left to the convolution (zeros)."""
    half = depth // 2
    if padding == "zeros" or half == 0:
        return maps
    first, last = maps[:, :, :1], maps[:, :, -1:]
    return torch.cat([first] * half + [maps] + [last] * half, dim=2)


class TimeConv3d(Conv3d):
    """A "same" 3-D convolution without bias that starts by eq. 4 and repeats the border frames in time."""

    def __init__(self, c_in: int, c_out: int, size: Size3, *, stride: int = 1, padding: str = "replicate") -> None:
        if padding not in ("replicate", "zeros"):
            raise BadValue(f"Padding in time is replicate or zeros, not {padding!r}.")
        depth, height, width = size
        in_time = depth // 2 if padding == "zeros" else 0
        super().__init__(c_in, c_out, size, (1, stride, stride), (in_time, height // 2, width // 2), bias=False)
        self.in_time = padding

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return super().forward(extend_time(maps, self.kernel_size[0], self.in_time))


class FixedConv3d(nn.Module):
    """The kernel that the pathways share. It is a buffer: saved with the network, never trained."""

    direct = False
    kernel: torch.Tensor

    def __init__(self, c_in: int, c_out: int, *, stride: int, padding: str) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        self.register_buffer("kernel", torch.zeros(c_out, c_in, 3, 3, 3))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        in_time = 1 if self.padding == "zeros" else 0
        stride, padding = (1, self.stride, self.stride), (in_time, 1, 1)
        frames = extend_time(frames, 3, self.padding)
        conv = convolve if self.direct else nn.functional.conv3d
        return conv(frames, self.kernel, None, stride, padding)


def conv_norm(c_in: int, c_out: int, size: Size3, **options: Any) -> nn.Sequential:
    """Convolution, batch norm, ReLU: eq. 3 with g = ReLU."""
    conv = TimeConv3d(c_in, c_out, size, **options)
    return nn.Sequential(conv, nn.BatchNorm3d(c_out), nn.ReLU(inplace=True))


def kept(layer: int, alpha: float) -> int:
    """How many of the layer's l−2 earlier ones it gets besides its predecessor: (l−2)·α, rounded."""
    return round((layer - 2) * alpha)


class SparseBlock(nn.Module):
    """Eq. 2: layer l = 2, 3, … gets layer l−1 and a random (l−2)·α of the layers before; layer 1 is the input.

    Which ones is part of the model: a buffer `topology` [layers + 1, layers + 1], row l with a one for every
    layer that l hears (counting from 1). It is drawn once, saved and restored; with `redraw` each training step
    draws anew and the saved one serves in evaluation.
    """

    def __init__(
        self,
        layers: int,
        width: int,
        *,
        alpha: float,
        bottleneck: int | None,
        redraw: bool,
        padding: str,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.alpha, self.redraw, self.count = alpha, redraw, layers
        self.heard = self._draw(generator)
        self.register_buffer("topology", self._as_rows())
        self.layers = nn.ModuleList()
        for layer in range(2, layers + 2):
            joined = (1 + kept(layer, alpha)) * width
            if bottleneck is None:
                made = conv_norm(joined, width, (3, 3, 3), padding=padding)
            else:
                thin = bottleneck * width
                made = nn.Sequential(
                    conv_norm(joined, thin, (1, 1, 1), padding=padding),
                    conv_norm(thin, width, (3, 3, 3), padding=padding),
                )
            self.layers.append(made)

    def _draw(self, generator: torch.Generator | None) -> list[list[int]]:
        """For each layer from 2 on the layers it hears, in order; the last one is its predecessor."""
        heard = []
        for layer in range(2, self.count + 2):
            order = torch.randperm(layer - 2, generator=generator, device="cpu")
            heard.append([*sorted(1 + i for i in order[: kept(layer, self.alpha)].tolist()), layer - 1])
        return heard

    def _as_rows(self) -> torch.Tensor:
        size = self.count + 1
        return torch.tensor(
            [[int(i + 1 in heard) for i in range(size)] for heard in ([], *self.heard)], dtype=torch.uint8
        )

    def _load_from_state_dict(self, state: dict, prefix: str, *rest: object) -> None:
        """Take the topology of the state, too: what is drawn at the start counts only until then."""
        rows = state.get(f"{prefix}topology")
        if rows is not None and rows.shape == self.topology.shape and not rows.is_meta:
            heard = [[i + 1 for i, on in enumerate(row) if on] for row in rows.tolist()[1:]]
            for layer, mine in enumerate(heard, start=2):
                if len(mine) != 1 + kept(layer, self.alpha) or mine[-1] != layer - 1:
                    raise BadValue(
                        f"'{prefix}topology' lets layer {layer} hear {mine}, which is not its predecessor and "
                        f"{kept(layer, self.alpha)} earlier ones: these weights were made with another α."
                    )
            self.heard = heard
        super()._load_from_state_dict(state, prefix, *rest)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """All outputs of the block joined, its input first."""
        sources_of = self._draw(None) if self.redraw and self.training else self.heard
        outputs = [maps]
        for layer, sources in zip(self.layers, sources_of, strict=True):
            outputs.append(layer(torch.cat([outputs[i - 1] for i in sources], dim=1)))
        return torch.cat(outputs, dim=1)


class SparseDenseNet3D(nn.Sequential):
    """Sparse blocks; before each a 1×1×1 convolution to the block's width, between them a max-pool 2×2×2."""

    def __init__(self, c_in: int, blocks: Sequence[tuple[int, int]], padding: str, **options: Any) -> None:
        super().__init__()
        for number, (layers, width) in enumerate(blocks, start=1):
            if number > 1:
                self.add_module(f"pool{number}", nn.MaxPool3d(2))
            self.add_module(f"transition{number}", conv_norm(c_in, width, (1, 1, 1), padding=padding))
            self.add_module(f"block{number}", SparseBlock(layers, width, padding=padding, **options))
            c_in = width * (layers + 1)
        self.channels = c_in


class MS3D(nn.Module):
    """Inputs `slow` [B, 3, 7, H, W], `mid` [B, 3, 17, H, W], `fast` [B, 3, 25, H, W] → code [B, 256].

    The three may be drawn from one clip or from three synchronised ones, a camera for each pathway: nothing is
    shared between them but the fixed kernel. There is no classifier: the repository of class centres classifies.
    `stack` piles the pathways up along time, or along channels after bringing each to the fast one's frames.
    """

    def __init__(
        self,
        classes: int | None = None,
        *,
        sizes: Sizes = PAPER,
        alpha: float = 0.7,
        redraw: bool = False,
        stack: str = "time",
        time_padding: str = "replicate",
        start_slice: str = "first",
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not 0 <= alpha <= 1:
            raise BadValue(f"α is the fraction of connections kept, between 0 and 1, not {alpha}.")
        if stack not in ("time", "channels"):
            raise BadValue(f"Pathways are stacked along time or channels, not {stack!r}.")
        del classes  # the contract of every builder; here the repository knows the classes
        generator = torch.Generator("cpu").manual_seed(seed)
        self.stack, self.sizes = stack, sizes
        padding = {"padding": time_padding}
        self.shared = FixedConv3d(3, sizes.shared, stride=sizes.shared_stride, **padding)
        self.pathways = nn.ModuleDict(
            {
                name: conv_norm(sizes.shared, sizes.pathway, KERNELS[name], stride=sizes.pathway_stride, **padding)
                for name in PATHWAYS
            }
        )
        stacked = sizes.pathway * (3 if stack == "channels" else 1)
        self.pool = nn.MaxPool3d(2)
        self.densenet = SparseDenseNet3D(
            stacked,
            sizes.blocks,
            time_padding,
            alpha=alpha,
            bottleneck=sizes.bottleneck,
            redraw=redraw,
            generator=generator,
        )
        self.dropout = nn.Dropout(sizes.dropout)
        self.encode = nn.Linear(self.densenet.channels, sizes.code)
        self._start(start_slice, generator)

    def _start(self, start_slice: str, generator: torch.Generator) -> None:
        """He's normal start in two dimensions, taken to three by eq. 4; drawn on the CPU, whatever the device."""
        start(self.encode, generator if self.encode.weight.device.type == "cpu" else None)
        kernels = [self.shared.kernel, *(m.weight for m in self.modules() if isinstance(m, TimeConv3d))]
        for kernel in kernels:
            if kernel.is_meta:
                continue
            n, c, depth, height, width = kernel.shape
            flat = torch.empty(n, c, height, width)
            nn.init.kaiming_normal_(flat, nonlinearity="relu", generator=generator)
            with torch.no_grad():
                kernel.copy_(temporal_start(flat, depth, start_slice))

    def code(self, slow: torch.Tensor, mid: torch.Tensor, fast: torch.Tensor) -> torch.Tensor:
        """The clip's code [B, 256], at the radius that the sizes name."""
        sizes = {(int(clip.shape[-2]), int(clip.shape[-1])) for clip in (slow, mid, fast)}  # numbers in a trace, too
        if len(sizes) > 1:
            raise BadValue(f"The three pathways need frames of one size, not {sorted(sizes)}.")
        clips = zip(PATHWAYS, (slow, mid, fast), strict=True)
        blocks = [self.pathways[name](self.shared(self.pathway_input(clip))) for name, clip in clips]
        maps = self.densenet(self.pool(self.pile_up(blocks)))
        code = self.encode(self.dropout(maps.mean((2, 3, 4))))
        if self.sizes.radius is None:
            return code
        return (self.sizes.radius * nn.functional.normalize(code.float(), dim=1)).to(code.dtype)

    def pathway_input(self, clip: torch.Tensor) -> torch.Tensor:
        """A pathway's frames: as they are, or minus their mean over time."""
        return clip if self.sizes.ground else less_ground(clip)

    def pile_up(self, blocks: list[torch.Tensor]) -> torch.Tensor:
        """The three blocks as one 3-D module."""
        if self.stack == "time":
            return torch.cat(blocks, dim=2)
        count = blocks[-1].shape[2]
        picked = [block[:, :, torch.linspace(0, block.shape[2] - 1, count).round().long().tolist()] for block in blocks]
        return torch.cat(picked, dim=1)

    def scores(self, code: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("MS3D has no classifier: the repository's centres classify its codes.")

    def forward(self, slow: torch.Tensor, mid: torch.Tensor, fast: torch.Tensor) -> torch.Tensor:
        """The code, which the repository classifies."""
        return self.code(slow, mid, fast)


def light(classes: int | None = None, *, dropout: float = 0.0, **options: Any) -> MS3D:
    """The same network for 112×112, small enough to be live."""
    return MS3D(classes, sizes=replace(LIGHT, dropout=dropout), **options)


VARIANTS: dict[str, Callable[..., MS3D]] = {"ms3d": MS3D, "ms3d-light": light}
