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

    Of the classifier (whatever changes its shape with the number of classes) the rows of equal labels are kept.
    """
    card, tensors = read_checkpoint(find_weights(name, WEIGHTS))
    if card.system != system:
        raise RunError(f"The weights '{card.name}' are for the system '{card.system}', not for '{system}'.")
    fresh = [] if list(card.labels) == labels else classifier(build)
    wanted = network.state_dict()
    taken = {key: value for key, value in tensors.items() if key in wanted and key not in fresh}
    known = [label for label in labels if label in card.labels]
    for key in fresh:
        taken[key] = wanted[key].clone()
        old = [list(card.labels).index(label) for label in known]
        taken[key][[labels.index(label) for label in known]] = tensors[key][old].to(wanted[key].dtype)
    for key, value in taken.items():
        if value.shape != wanted[key].shape:
            raise RunError(
                f"The weights '{card.name}' do not fit '{system}': '{key}' is {list(value.shape)} there "
                f"and {list(wanted[key].shape)} here."
            )
    network.load_state_dict({**wanted, **taken})
    return f"Started from '{card.name}' with " + (
        "the same classes." if not fresh else f"a classifier of which {len(known)} of {len(labels)} classes are known."
    )


def classifier(build: Callable[[int], nn.Module]) -> list[str]:
    """The names of the weights whose shape goes with the number of classes."""
    with torch.device("meta"):
        two, three = build(2).state_dict(), build(3).state_dict()
    return [name for name in two if two[name].shape != three[name].shape]
