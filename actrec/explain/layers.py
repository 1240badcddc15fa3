"""The layers of every network whose maps can be looked at, and what leaves them while it runs.

A map says where in the picture and when something is found. Networks keep their maps in different orders: `split`
brings each to `[B, C, T′, Y, X]` for the inputs that it was computed from. Where a path sees one frame only, as FstCN's
spatial path does, the maps of the other frames are zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from actrec.core.errors import BadValue
from actrec.models.c3d import C3D
from actrec.models.crossenh import TwoStream
from actrec.models.fstcn import FstCN
from actrec.models.i3d import I3D
from actrec.models.mdtnet import FRAMES as PER_SEGMENT
from actrec.models.mdtnet import MDTNet
from actrec.models.ms3d import FRAMES as OF_PATHWAYS
from actrec.models.ms3d import MS3D

Split = Callable[[Tensor, int], dict[str, Tensor]]  # what left a module, clips in the batch → maps by input
I3D_LAYERS = ("Conv3d_1a_7x7", "Conv3d_2c_3x3", "Mixed_3c", "Mixed_4f", "Mixed_5c")


class NotListed(BadValue):
    """A network whose layers have no names here."""


@dataclass(frozen=True)
class Layer:
    """A layer by its name in the paper: the modules that make it up, each with its split."""

    name: str
    parts: Mapping[str, Split]


@dataclass
class Recorded:
    """What left the modules of a layer, in the order of its parts."""

    layer: Layer
    clips: int = 0
    outputs: dict[str, Tensor] = field(default_factory=dict)

    def maps(self, of: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """The maps `[B, C, T′, Y, X]` of each input; `of` are other tensors of the same shapes: their derivatives."""
        found = {}
        for module, split in self.layer.parts.items():
            found |= split((of or self.outputs)[module], self.clips)
        return found


@contextmanager
def recorded(network: nn.Module, layer: Layer, clips: int) -> Iterator[Recorded]:
    """Keeps what leaves the layer inside the block; the network is as it was afterwards."""
    kept = Recorded(layer, clips)

    def keeper(module: str) -> Callable:
        def keep(_module: nn.Module, _inputs: tuple, output: Tensor) -> None:
            kept.outputs[module] = output

        return keep

    hooks = [network.get_submodule(module).register_forward_hook(keeper(module)) for module in layer.parts]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


def layers_of(network: nn.Module) -> list[Layer]:
    """The network's layers, the lowest first; the last one is where Grad-CAM looks."""
    for kind, found in KINDS.items():
        if isinstance(network, kind):
            return found(network)
    raise NotListed(
        "The layers of this network are not listed: feature maps and Grad-CAM need one of the five papers'."
    )


def layer_named(network: nn.Module, name: str) -> Layer:
    layers = {layer.name: layer for layer in layers_of(network)}
    if name not in layers:
        raise BadValue(f"There is no layer '{name}'. There is: {', '.join(layers)}.")
    return layers[name]


def _as_is(name: str) -> Split:
    return lambda maps, clips: {name: maps}


def _c3d(network: C3D) -> list[Layer]:
    names = [name for name, _ in network.features.named_children() if name.startswith("conv")]
    return [Layer(name, {f"features.{name}": _as_is("clip")}) for name in names]


def _i3d(network: I3D) -> list[Layer]:
    return [Layer(name, {f"layers.{name}": _as_is("clip")}) for name in I3D_LAYERS]


def _two_stream(network: TwoStream) -> list[Layer]:
    streams = tuple(network.streams)
    return [Layer(name, {f"streams.{each}.layers.{name}": _as_is(each) for each in streams}) for name in I3D_LAYERS]


def _ms3d(network: MS3D) -> list[Layer]:
    frames = list(OF_PATHWAYS.values())

    def stacked(maps: Tensor, clips: int) -> dict[str, Tensor]:
        """Pathway after pathway along time, pooled → each pathway's own frames."""
        size = (sum(frames), *maps.shape[-2:])
        spread = nn.functional.interpolate(maps, size=size, mode="nearest").split(frames, dim=2)
        return dict(zip(OF_PATHWAYS, spread, strict=True))

    blocks = [name for name, _ in network.densenet.named_children() if name.startswith("block")]
    pathways = Layer("pathways", {f"pathways.{name}": _as_is(name) for name in OF_PATHWAYS})
    return [pathways, *(Layer(f"sparse {name}", {f"densenet.{name}": stacked}) for name in blocks)]


def _mdtnet(network: MDTNet) -> list[Layer]:
    def segments(maps: Tensor, clips: int) -> dict[str, Tensor]:
        """A key frame's maps stand for its segment."""
        return {"frames": maps.unflatten(0, (clips, -1)).transpose(1, 2).repeat_interleave(PER_SEGMENT, dim=2)}

    return [Layer(f"layer{n}", {f"backbone.layer{n}": segments}) for n in range(1, 5)]


def _fstcn(network: FstCN) -> list[Layer]:
    frames = network.sizes.frames

    def pictures(maps: Tensor, clips: int) -> dict[str, Tensor]:
        """The middle frame of the spatial path, then the frames of the temporal one, as far as there are both."""
        maps = maps.unflatten(0, (clips, -1)).transpose(1, 2)
        found = {}
        if network.spatial is not None:
            found["frames"] = _alone_in_time(maps[:, :, 0], frames)
        if network.temporal is not None:
            found["difference"] = maps[:, :, -frames:]
        return found

    relus = [place for place, module in enumerate(network.lower) if isinstance(module, nn.ReLU)]
    layers = [Layer(f"SCL {n}", {f"lower.{place}": pictures}) for n, place in enumerate(relus, 1)]
    if network.temporal is not None and network.spatial is not None:
        place = next(n for n, module in enumerate(network.spatial.between) if isinstance(module, nn.ReLU))
        above = {
            f"spatial.between.{place}": lambda maps, clips: {"frames": _alone_in_time(maps, frames)},
            f"temporal.between.{place}": lambda maps, clips: {
                "difference": maps.unflatten(0, (clips, -1)).transpose(1, 2)
            },
        }
        layers.append(Layer("last of both paths", above))
    return layers


def _alone_in_time(maps: Tensor, frames: int) -> Tensor:
    """Maps `[B, C, Y, X]` of the middle frame → `[B, C, frames, Y, X]`."""
    still = torch.zeros_like(maps)
    return torch.stack([maps if t == frames // 2 else still for t in range(frames)], dim=2)


KINDS: dict[type[nn.Module], Callable[..., list[Layer]]] = {
    C3D: _c3d,
    I3D: _i3d,
    TwoStream: _two_stream,
    MS3D: _ms3d,
    MDTNet: _mdtnet,
    FstCN: _fstcn,
}
