"""PyTorch as an engine: everywhere, and the one that others are compared with."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from torch import nn

from actrec.core.number_formats import FLOAT32, NumberFormat
from actrec.models.layers import for_inference
from actrec.recognition.engines.engine import Answer, outputs
from actrec.systems import System, Views


class TorchEngine:
    """A copy of a network on a device, batch norms folded, in one number format.

    With `as_it_comes` it is the network as it was built, which the other engines are compared with.
    """

    def __init__(
        self, system: System, network: nn.Module, device: torch.device, numbers: NumberFormat = FLOAT32,
        *, as_it_comes: bool = False,
    ) -> None:  # fmt: skip
        self.system, self.device, self.numbers = system, device, numbers
        self.name, self.dtype = f"PyTorch {numbers}", numbers.dtype
        self.network = network if as_it_comes else numbers.convert(for_inference(network).to(device))
        self._lock = threading.Lock()

    @torch.inference_mode()
    def answer(self, views: Sequence[Views]) -> Answer:
        inputs = self.system.tensors(list(views), self.device)
        with self._lock:
            arranged = {name: self.numbers.arrange(value) for name, value in inputs.items()}
            scores, embedding = outputs(self.system, self.network, arranged)
            return scores.float().cpu().numpy(), embedding.float().cpu().numpy()
