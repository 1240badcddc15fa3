"""Which numbers a training computes with: timed once at its start, kept in its folder, never changed on resume."""

from __future__ import annotations

import copy
import json
import time

import torch
from torch import nn

from actrec.core.files import write_json
from actrec.core.number_formats import CANDIDATES, Numbers
from actrec.systems.system import System
from actrec.training.run import Run


def planned(run: Run, system: System, network: nn.Module, device: torch.device, batch: int) -> Numbers:
    """The run's number format: what its folder or its settings say, or the fastest training step of the candidates.

    In bfloat16 the weights stay float32 and the network runs under autocast.
    """
    path = run.folder / "numbers.json"
    if path.exists():
        return Numbers(**json.loads(path.read_text()))
    wanted = run.settings().numbers
    if wanted != "auto":
        best = next(each for each in CANDIDATES if each.dtype == wanted)
    elif device.type == "cuda":
        best = CANDIDATES[1] if torch.cuda.is_bf16_supported() else CANDIDATES[0]
    else:
        best = min(CANDIDATES, key=lambda numbers: _seconds(copy.deepcopy(network), system, numbers, min(batch, 8)))
    write_json(path, vars(best))
    return best


def arrange_weights(network: nn.Module, numbers: Numbers) -> None:
    """The weights in the format's memory order; their numbers stay float32."""
    Numbers("float32", numbers.channels_last).convert(network)


def _seconds(network: nn.Module, system: System, numbers: Numbers, batch: int) -> float:
    arrange_weights(network, numbers)
    network.train()
    inputs = {name: numbers.lay_out(value) for name, value in system.blank(batch).items()}
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=numbers.dtype == "bfloat16"):
            scores = network(**inputs)
        scores.float().sum().backward()
        taken.append(time.perf_counter() - began)
    return min(taken[1:])
