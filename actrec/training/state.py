"""What a training needs to go on exactly where it was: one safetensors file, written whole.

Draws are functions of (seed, epoch, position), never of what ran before, so no generator's state is saved.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from actrec.core.files import write_json
from actrec.training.distributed import World
from actrec.training.run import RunError


def write_state(path: Path, network: torch.nn.Module, optimiser: torch.optim.Optimizer, facts: dict) -> None:
    """Write network, optimiser and facts to a temporary file, fsync it, and rename it into place."""
    write_whole(path, tensors_of(network, optimiser), facts)


def tensors_of(network: torch.nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Network and optimiser under the names by which `put_state` finds them."""
    tensors = {f"network/{name}": value for name, value in network.state_dict().items()}
    for index, values in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{index}/{name}": value for name, value in values.items() if torch.is_tensor(value)}
    return tensors


def write_whole(path: Path, tensors: dict[str, torch.Tensor], facts: dict) -> None:
    """Write a safetensors file so that a reader finds the old one or the new one; a full disk leaves the old one."""
    data = save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, {"facts": json.dumps(facts)}
    )
    temporary = path.with_name(f".{path.name}.new")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)  # what it took is room for the status that reports it
        raise RunError(
            f"The checkpoint could not be written to '{path.parent}' ({error.strerror}). The last good one is kept: "
            "make room and resume."
        ) from error


class Kept:
    """What a later stage of a training comes back to: files in the run folder, the same for every process."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world = folder, world

    def put(self, name: str, network: torch.nn.Module, part: str = "") -> None:
        """Keep a network's tensors, or those of one of its parts."""
        tensors = {key: value for key, value in network.state_dict().items() if _within(key, part)}
        if self.world.first:
            write_whole(self._path(name), tensors, {})

    def holds(self, name: str) -> bool:
        """Whether something of this name has been kept, by this process's run or before it was cut off."""
        return self.world.from_first(self._path(name).exists)

    def restore(self, name: str, network: torch.nn.Module, part: str = "") -> None:
        """Put back what was kept, of the network or of one of its parts."""
        tensors = self.world.from_first(lambda: load_state(self._path(name))[1])
        wanted = {key: value for key, value in tensors.items() if _within(key, part)}
        network.load_state_dict({**network.state_dict(), **wanted})

    def write(self, name: str, facts: dict) -> None:
        """A table for whoever looks into the run folder."""
        if self.world.first:
            write_json(self.folder / name, facts)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"


def _within(name: str, part: str) -> bool:
    return not part or name.startswith(f"{part}.")


State = tuple[dict, dict[str, torch.Tensor]]


def load_state(path: Path) -> State:
    """The facts and the tensors of a state file."""
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["facts"])
            return facts, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 — it is not a dict
    except (SafetensorError, OSError, TypeError, KeyError, ValueError) as error:
        raise RunError(f"The checkpoint '{path}' is damaged ({error}). Start the training anew.") from None


def put_state(
    tensors: dict[str, torch.Tensor], network: torch.nn.Module, optimiser: torch.optim.Optimizer | None = None
) -> None:
    """Put written tensors back into the network, and into the optimiser if there is one.

    Between two stages the file still holds what the next one has no use for, a bridge or an auxiliary classifier.
    """
    written = {name[len("network/") :]: v for name, v in tensors.items() if name.startswith("network/")}
    network.load_state_dict({name: value for name, value in written.items() if name in network.state_dict()})
    if optimiser is None:
        return
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser/"):
            _, index, key = name.split("/")
            states.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})
    for parameter, values in optimiser.state.items():  # in the parameter's memory order, or sums round differently
        for key, value in values.items():
            if torch.is_tensor(value) and value.shape == parameter.shape:
                values[key] = torch.empty_like(parameter).copy_(value)
