"""OpenVINO as an engine, on a processor. The only module that imports it.

Its threads do not wait for each other at every operator as PyTorch's do, so that answers stay quick while something
else computes. `import openvino` by itself starts a telemetry client that writes ~/intel and calls an analytics host
unless its package is missing: here it is made to look missing first.
"""

from __future__ import annotations

import functools
import importlib.metadata
import io
import sys
import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from actrec.recognition.engines.engine import Answer, outputs, thread_budget
from actrec.systems import System, Views

if TYPE_CHECKING:
    import openvino

PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}


def version() -> str | None:
    """The version that is installed, found without importing it."""
    try:
        return importlib.metadata.version("openvino")
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def _openvino() -> openvino:
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # None is how a module is made to look missing
    import openvino

    return openvino


@functools.cache
def _core() -> openvino.Core:
    return _openvino().Core()


def tried(_: Mapping) -> dict[str, str]:
    """Compute something, for the doctor; the version that did."""
    openvino = _openvino()
    value = openvino.opset13.parameter([2], np.float32)
    model = openvino.Model([openvino.opset13.exp(value)], [value])
    result = _core().compile_model(model, "CPU", _settings("float32"))(np.zeros(2, np.float32))[0]
    if result.tolist() != [1.0, 1.0]:
        raise RuntimeError(f"OpenVINO computes e to the power of 0 as {result.tolist()}")
    return {"says": f"OpenVINO {version()}"}


class OpenVINOEngine:
    """A network compiled for batches of fixed sizes, which are quicker than one for any size.

    `compiled` holds a network by its batch size; more views are cut into these. One of size 1 is needed.
    """

    device = torch.device("cpu")

    def __init__(self, system: System, dtype: str, compiled: Mapping[int, openvino.CompiledModel]) -> None:
        self.system, self.dtype, self.name = system, dtype, f"OpenVINO {dtype}"
        self._compiled = dict(sorted(compiled.items(), reverse=True))
        self._requests = {size: network.create_infer_request() for size, network in self._compiled.items()}
        self._lock = threading.Lock()

    @classmethod
    def of(
        cls, system: System, model: openvino.Model, dtype: str, sizes: Sequence[int] | None = None
    ) -> OpenVINOEngine:
        """An engine from a `converted` network; the sizes are those worth it for the system."""
        compiled = {}
        for size in sizes or batch_sizes(system):
            fixed = model.clone()
            shapes = system.blank(size).values()
            fixed.reshape({place: list(shape.shape) for place, shape in enumerate(shapes)})
            compiled[size] = _core().compile_model(fixed, "CPU", _settings(dtype))
        return cls(system, dtype, compiled)

    @classmethod
    def load(cls, system: System, dtype: str, stored: Mapping[int, bytes]) -> OpenVINOEngine:
        """An engine from what `store` gave, in milliseconds: nothing is traced or converted."""
        return cls(system, dtype, {
            size: _core().import_model(io.BytesIO(data), "CPU", _settings(dtype)) for size, data in stored.items()
        })  # fmt: skip

    @property
    def sizes(self) -> tuple[int, ...]:
        """The batch sizes that it has a network for, the largest first."""
        return tuple(self._compiled)

    def store(self) -> dict[int, bytes]:
        """The compiled networks by batch size, for `load` with the same version on the same machine."""
        return {size: _bytes(network.export_model()) for size, network in self._compiled.items()}

    def answer(self, views: Sequence[Views]) -> Answer:
        scores, embeddings, first = [], [], 0
        with self._lock:
            while first < len(views):
                size = next(size for size in self._requests if size <= len(views) - first)
                part = views[first : first + size]
                inputs = [np.stack([view[name] for view in part]) for name in self.system.inputs]
                results = self._requests[size].infer(inputs, share_inputs=True)
                *scores_of_part, embedding = (
                    np.array(results[place], dtype=np.float32) for place in range(len(results))
                )
                scores.append(scores_of_part[0] if scores_of_part else embedding[:, :0])
                embeddings.append(embedding)
                first += size
        return np.concatenate(scores), np.concatenate(embeddings)


def _bytes(exported: bytes | io.BytesIO) -> bytes:
    return exported if isinstance(exported, bytes) else exported.getvalue()


def batch_sizes(system: System) -> tuple[int, ...]:
    """The sizes worth a try: a small network's views are quicker three at once; a large one fills the machine alone."""
    return (1, 3) if system.size == "light" else (1,)


class _Answering(nn.Module):
    """The network to convert: bytes in, so that PyTorch has nothing left to compute; scores, if any, and embedding."""

    def __init__(self, system: System, network: nn.Module) -> None:
        super().__init__()
        self.system, self.network = system, network

    def forward(self, *views: torch.Tensor) -> tuple[torch.Tensor, ...]:
        inputs = {
            name: (value.float() / 255 - view.mean) / view.std
            for (name, view), value in zip(self.system.inputs.items(), views, strict=True)
        }
        scores, embedding = outputs(self.system, self.network, inputs)
        return (scores, embedding) if self.system.decides == "scores" else (embedding,)


def converted(system: System, network: nn.Module) -> openvino.Model:
    """A network in evaluation mode, as it was built, in OpenVINO's form; any batch size."""
    example = tuple(value.to(torch.uint8) for value in system.blank().values())
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # sizes become constants in the trace: they are fixed anyway
        traced = torch.jit.trace(_Answering(system, network), example, check_trace=False)
        return _openvino().convert_model(traced, example_input=example)


def _settings(dtype: str) -> dict[str, object]:
    return {
        "INFERENCE_PRECISION_HINT": PRECISIONS[dtype],
        "INFERENCE_NUM_THREADS": thread_budget(),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # the system moves threads away from a core that another process uses
    }
