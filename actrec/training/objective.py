"""What a system's training minimises."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

from actrec.machine import Numbers
from actrec.systems.system import Schedule, System

# (network, inputs, targets) → loss and scores
Objective = Callable[[nn.Module, Mapping[str, torch.Tensor], torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def objective(system: System, schedule: Schedule, numbers: Numbers) -> Objective:
    """The loss that a system's recipe names."""

    def cross_entropy(network: nn.Module, inputs: Mapping[str, torch.Tensor], targets: torch.Tensor) -> tuple:
        device = next(iter(inputs.values())).device.type
        with torch.autocast(device, torch.bfloat16, enabled=numbers.dtype == "bfloat16"):
            scores = network(**inputs)
        scores = scores.float()
        return nn.functional.cross_entropy(scores, targets, label_smoothing=schedule.label_smoothing), scores.detach()

    return cross_entropy
