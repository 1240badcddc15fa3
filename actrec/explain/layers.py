"""What leaves the layers of a network while it runs. Which layers it has, and how their maps lie, is in its recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import Tensor, nn

from actrec.core.errors import BadValue
from actrec.systems import System
from actrec.systems.layers import Layer


class NotListed(BadValue):
    """A network whose layers have no names here."""


@dataclass
class Recorded:
    """What left the modules of a layer, in the order of its parts."""

    layer: Layer
    clips: int = 0
    outputs: dict[str, Tensor] = field(default_factory=dict)

    def maps(self, of: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """The maps `[B, C, T′, Y, X]` of each input; `of` are other tensors of the same shapes: their derivatives."""
        by_input: dict[str, Tensor] = {}
        for module, split in self.layer.parts.items():
            by_input |= split((of or self.outputs)[module], self.clips)
        return by_input


@contextmanager
def recorded(network: nn.Module, layer: Layer, clips: int) -> Iterator[Recorded]:
    """Keeps what leaves the layer inside the block; the network is as it was afterwards."""
    record = Recorded(layer, clips)

    def keeper(module: str) -> Callable:
        def keep(_module: nn.Module, _inputs: tuple, output: Tensor) -> None:
            record.outputs[module] = output

        return keep

    hooks = [network.get_submodule(module).register_forward_hook(keeper(module)) for module in layer.parts]
    try:
        yield record
    finally:
        for hook in hooks:
            hook.remove()


def layers_of(system: System, network: nn.Module) -> list[Layer]:
    """The network's layers, the lowest first; Grad-CAM takes the last one."""
    if system.layers is None:
        raise NotListed(
            f"The layers of '{system.name}' are not listed: feature maps and Grad-CAM need the `layers` of its recipe."
        )
    return system.layers(network)


def layer_named(system: System, network: nn.Module, name: str) -> Layer:
    layers = {layer.name: layer for layer in layers_of(system, network)}
    if name not in layers:
        raise BadValue(f"There is no layer '{name}'. There is: {', '.join(layers)}.")
    return layers[name]
