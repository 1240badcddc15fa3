"""An engine by its name."""

from __future__ import annotations

import torch
from torch import nn

from actrec.core.number_formats import candidates, format_named
from actrec.recognition.engines import openvino_engine
from actrec.recognition.engines.engine import Engine
from actrec.recognition.engines.openvino_engine import OpenVINOEngine
from actrec.recognition.engines.torch_engine import TorchEngine
from actrec.systems import System


def engine_names() -> list[str]:
    """The engines worth trying on this processor."""
    dtypes = dict.fromkeys(numbers.dtype for numbers in candidates())
    with_openvino = [f"OpenVINO {dtype}" for dtype in dtypes if openvino_engine.version()]
    return [*with_openvino, *(f"PyTorch {numbers}" for numbers in candidates())]


def open_engine(name: str, system: System, network: nn.Module, device: torch.device) -> Engine:
    """An engine from a network as it was built."""
    kind, numbers = name.split(" ", 1)
    if kind == "OpenVINO":
        return OpenVINOEngine.of(system, openvino_engine.converted(system, network), numbers)
    return TorchEngine(system, network, device, format_named(numbers))
