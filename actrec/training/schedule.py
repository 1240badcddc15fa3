"""From a preset and what the settings change to an optimiser, its rate at every moment, and patience."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import nn

from actrec.systems import Schedule, System
from actrec.training.run import RunError
from actrec.training.settings import KEPT, Settings

PATIENCE = {"fine-tune": 8}  # epochs without a better validation after which a preset ends early; 0: never


def chosen(system: System, settings: Settings) -> Schedule:
    """The preset with what the settings change."""
    if settings.preset not in system.schedules:
        known = ", ".join(system.schedules)
        raise RunError(f"'{system.name}' has no preset '{settings.preset}'. It has: {known}.")
    if settings.keep not in KEPT:
        raise RunError(f"--keep is {' or '.join(KEPT)}, not '{settings.keep}'.")
    changes = {name: getattr(settings, name) for name in ("epochs", "batch", "rate")}
    for name, value in changes.items():
        if value is not None and not value > 0:
            raise RunError(f"--{name} is above 0, not {value}.")
    preset = system.schedules[settings.preset]
    return replace(preset, **{name: value for name, value in changes.items() if value is not None})


def patience(settings: Settings) -> int:
    """Epochs without a better validation that end it, 0 for never: who wants the last epoch wants all of them, unless
    both are asked for."""
    if settings.patience is not None:
        return settings.patience
    return 0 if settings.keep == "last" else PATIENCE.get(settings.preset, 0)


def make_optimiser(network: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """SGD or AdamW; biases and norms are not decayed, the last layer may learn faster."""
    learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
    last = {id(parameter) for parameter in _last_layer(network).parameters()} if schedule.last_layer != 1 else set()
    groups = []
    for times, is_last in ((1.0, False), (schedule.last_layer, True)):
        mine = [parameter for parameter in learned if (id(parameter) in last) is is_last]
        groups += [
            {
                "params": [parameter for parameter in mine if parameter.dim() > 1],
                "weight_decay": schedule.weight_decay,
                "times": times,
            },
            {"params": [parameter for parameter in mine if parameter.dim() <= 1], "weight_decay": 0.0, "times": times},
        ]
    groups = [group for group in groups if group["params"]]
    if schedule.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=schedule.rate, momentum=schedule.momentum)
    return torch.optim.AdamW(groups, lr=schedule.rate)


def _last_layer(network: nn.Module) -> nn.Module:
    """The classifier: the last fully connected layer."""
    return [module for module in network.modules() if isinstance(module, nn.Linear)][-1]


def rate(schedule: Schedule, epoch: float, span: tuple[int, int]) -> float:
    """The learning rate at a moment of the training. Each stage (`span`) follows the schedule from its beginning: steps
    are counted in its own epochs, and a cosine runs over them once, with half an epoch of warm-up. Counted over the
    whole training, a last stage would have little or nothing to learn with."""
    since, length = epoch - span[0], span[1] - span[0]
    if schedule.cosine:
        warm = min(1.0, (since + 1e-3) / 0.5)
        return schedule.rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, since / length)))
    return schedule.rate / schedule.divide ** sum(since >= step for step in schedule.at)
