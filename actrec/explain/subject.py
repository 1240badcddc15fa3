"""A clip before a network: what one visitor's figures have in common, computed once, when it is first needed."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from actrec.core.errors import BadValue
from actrec.core.number_formats import FLOAT32
from actrec.recognition.prediction import Prediction
from actrec.recognition.recognizer import Recognizer
from actrec.systems.system import Network, Views
from actrec.video import Clip

KEPT = 24  # results that are kept; the oldest goes first


class Subject:
    """A clip and the weights that answer for it. The network is a copy in float32 on the processor, where figures are
    drawn; the answering one is left alone."""

    def __init__(self, clip: Clip, recognizer: Recognizer) -> None:
        if recognizer.system.size != "light":
            raise BadValue(
                f"'{recognizer.system.name}' is in the paper's size. The figures are drawn with the light networks."
            )
        self.clip, self.recognizer = clip, recognizer
        self._kept: dict[Hashable, Any] = {}
        self._turn = threading.RLock()

    @property
    def labels(self) -> tuple[str, ...]:
        return self.recognizer.labels

    @cached_property
    def network(self) -> nn.Module:
        return FLOAT32.convert(copy.deepcopy(self.recognizer.network).cpu())

    @cached_property
    def views(self) -> Views:
        """The view of the newest window: what the network sees."""
        return self.recognizer.system.protocols["one"].views(self.clip)[0]

    @cached_property
    def inputs(self) -> dict[str, torch.Tensor]:
        """The same as the network's floats, `[1, C, T, S, S]`."""
        return self.recognizer.system.tensors([self.views], torch.device("cpu"))

    @cached_property
    def prediction(self) -> Prediction:
        return self.recognizer.predict(self.clip, views="one")

    def frame(self, name: str, t: int) -> np.ndarray:
        """Frame t of an input of the network as it stands in the view, `uint8 [S, S, C]`."""
        return np.ascontiguousarray(self.views[name][:, t].transpose(1, 2, 0))

    def keep(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The result of `make`, computed the first time."""
        with self._turn:
            if key not in self._kept:
                while len(self._kept) >= KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[key] = make()
            return self._kept[key]


def captured(network: nn.Module, names: Sequence[str], inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The outputs of the named modules while `network.code(**inputs)` runs; nothing stays behind in the network."""
    outputs: dict[str, torch.Tensor] = {}

    def keeper(name: str) -> Callable:
        def keep(_module: nn.Module, _given: object, answer: torch.Tensor) -> None:
            outputs[name] = answer.detach().clone()

        return keep

    hooks = [network.get_submodule(name).register_forward_hook(keeper(name)) for name in names]
    try:
        with torch.no_grad():
            cast(Network, network).code(**inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return outputs


def place(fraction: float, count: int) -> int:
    """Which of `count` things lies at a fraction of the way, 0 to 1."""
    return min(count - 1, max(0, int(fraction * count)))
