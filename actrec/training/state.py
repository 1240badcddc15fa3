"""What a training needs to go on exactly where it was: one safetensors file, written whole.

Draws are functions of (seed, epoch, position), never of what ran before, so no generator's state is kept.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save


def write_state(path: Path, network: torch.nn.Module, optimiser: torch.optim.Optimizer, facts: dict) -> None:
    """Write network, optimiser and facts to a temporary file, fsync it, and rename it into place."""
    tensors = {f"network/{name}": value for name, value in network.state_dict().items()}
    for index, values in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{index}/{name}": value for name, value in values.items() if torch.is_tensor(value)}
    data = save(
        {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
        {"facts": json.dumps(facts)},
    )
    temporary = path.with_name(f".{path.name}.new")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read_facts(path: Path) -> dict:
    """What was written beside the tensors."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["facts"])


def read_state(path: Path, network: torch.nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Put a written state back."""
    tensors: dict[str, torch.Tensor] = {}
    with safe_open(path, "pt") as file:
        for name in file.keys():  # noqa: SIM118 — a safetensors file is not a dict
            tensors[name] = file.get_tensor(name)
    network.load_state_dict({name[len("network/") :]: v for name, v in tensors.items() if name.startswith("network/")})
    kept: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser/"):
            _, index, key = name.split("/")
            kept.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({"state": kept, "param_groups": optimiser.state_dict()["param_groups"]})
    for parameter, values in optimiser.state.items():  # in the parameter's memory order, or sums round differently
        for key, value in values.items():
            if torch.is_tensor(value) and value.shape == parameter.shape:
                values[key] = torch.empty_like(parameter).copy_(value)
