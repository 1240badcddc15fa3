"""Where a network starts: at random, or from weights that were learned elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from actrec.recognizer import find_weights
from actrec.training.run import RunError
from actrec.weights.checkpoint import read_checkpoint

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"


def start_from(name: str, network: nn.Module, build: Callable[[int], nn.Module], system: str, labels: list[str]) -> str:
    """Put the weights of a checkpoint into a network; a sentence on what was taken.

    The classifier, which is whatever changes its shape with the number of classes, is kept only for equal labels.
    """
    card, tensors = read_checkpoint(find_weights(name, WEIGHTS))
    if card.system != system:
        raise RunError(f"The weights '{card.name}' are for the system '{card.system}', not for '{system}'.")
    fresh = [] if list(card.labels) == labels else classifier(build)
    wanted = network.state_dict()
    taken = {key: value for key, value in tensors.items() if key in wanted and key not in fresh}
    for key, value in taken.items():
        if value.shape != wanted[key].shape:
            raise RunError(
                f"The weights '{card.name}' do not fit '{system}': '{key}' is {list(value.shape)} there "
                f"and {list(wanted[key].shape)} here."
            )
    network.load_state_dict({**wanted, **taken})
    return f"Started from '{card.name}' with " + (
        "the same classes." if not fresh else f"a new classifier ({', '.join(fresh)})."
    )


def classifier(build: Callable[[int], nn.Module]) -> list[str]:
    """The names of the weights whose shape goes with the number of classes."""
    with torch.device("meta"):
        two, three = build(2).state_dict(), build(3).state_dict()
    return [name for name in two if two[name].shape != three[name].shape]
