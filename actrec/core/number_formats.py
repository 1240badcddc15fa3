"""How a network's numbers are stored while it runs, and which format is fastest here."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

from actrec.core.devices import cores
from actrec.core.files import _read_json, cache_folder, remember


@dataclass(frozen=True)
class Numbers:
    """How a network's numbers are stored while it runs."""

    dtype: str
    channels_last: bool

    def convert(self, network: nn.Module) -> nn.Module:
        """The network in this format; five-dimensional weights channels-last in 3-D, four-dimensional in 2-D."""
        import torch

        network = network.to(getattr(torch, self.dtype))
        if self.channels_last:
            for parameter in network.parameters():
                if parameter.dim() in (4, 5):
                    parameter.data = parameter.data.contiguous(memory_format=_layout(parameter.dim()))
        return network

    def arrange(self, value: torch.Tensor) -> torch.Tensor:
        """An input in this format."""
        import torch

        return self.lay_out(value.to(getattr(torch, self.dtype)))

    def lay_out(self, value: torch.Tensor) -> torch.Tensor:
        """An input in this format's memory order, its numbers left as they are."""
        return value.contiguous(memory_format=_layout(value.dim())) if self.channels_last else value


def _layout(dimensions: int) -> torch.memory_format:
    import torch

    return torch.channels_last_3d if dimensions == 5 else torch.channels_last


FLOAT32 = Numbers("float32", channels_last=False)
CANDIDATES = (Numbers("float32", channels_last=True), Numbers("bfloat16", channels_last=True), FLOAT32)


def candidates() -> tuple[Numbers, ...]:
    """The formats worth timing on this processor: bfloat16 without its own instructions only costs time."""
    flags = _processor_facts().get("flags", "")
    if flags and not {"avx512_bf16", "amx_bf16"} & set(flags.split()):
        return tuple(each for each in CANDIDATES if each.dtype != "bfloat16")
    return CANDIDATES


def choose_numbers(key: str, device: torch.device, run: Callable[[Numbers], object]) -> Numbers:
    """The fastest format for a network on this machine, found by a short timing once and remembered.

    `run` computes the network once in the given format. On a GPU with bfloat16 there is nothing to time.
    """
    import torch

    if device.type == "cuda":
        return CANDIDATES[1] if torch.cuda.is_bf16_supported() else CANDIDATES[0]
    memory = cache_folder() / "numbers.json"
    entry = f"{_processor()} {torch.__version__} {torch.get_num_threads()} threads: {key}"
    known = _read_json(memory)
    if entry in known:
        return Numbers(**known[entry])
    best = min(candidates(), key=lambda numbers: _seconds(run, numbers))
    remember(memory, entry, vars(best))
    return best


def _seconds(run: Callable[[Numbers], object], numbers: Numbers) -> float:
    run(numbers)  # the first call compiles primitives and converts weights
    taken = []
    for _ in range(2):
        start = time.perf_counter()
        run(numbers)
        taken.append(time.perf_counter() - start)
    return min(taken)


def _processor() -> str:
    return f"{_processor_facts().get('model name', platform.processor())} x{cores()}"


def _processor_facts() -> dict[str, str]:
    """What Linux says of the processor; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {}
    return {line.split(":")[0].strip(): line.split(":", 1)[1].strip() for line in lines if ":" in line}
