"""A checkpoint is a folder with `model.safetensors` and `card.json`: no pickles, never half written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from actrec.core.files import read_small
from actrec.weights.cards import Card, WeightsError, read_card
from actrec.weights.folders import MOST_BYTES, settled, write_folder


def write_checkpoint(folder: Path, card: Card, tensors: Mapping[str, torch.Tensor]) -> Card:
    """Write a checkpoint folder whole: floating point numbers in float16, then the card with their checksum."""
    stored = {name: _stored(value) for name, value in tensors.items()}
    data = save(stored)
    card = Card(**{**asdict(card), "sha256": hashlib.sha256(data).hexdigest()})
    text = json.dumps(asdict(card), indent=1, ensure_ascii=False)
    write_folder(Path(folder), {"model.safetensors": data, "card.json": text.encode()})
    return card


def read_checkpoint(folder: Path) -> tuple[Card, dict[str, torch.Tensor]]:
    """A checkpoint's card and its tensors in float32, after the checksum has been compared."""
    folder = settled(Path(folder))
    card = read_card(folder)
    path = folder / "model.safetensors"
    try:
        data = read_small(path, MOST_BYTES)
    except OSError as error:
        raise WeightsError(f"The weights '{path}' cannot be read: {error.strerror}.") from None
    if hashlib.sha256(data).hexdigest() != card.sha256:
        raise WeightsError(
            f"'{path}' is not the file its card describes: the checksum differs. Fetch or train it again."
        )
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise WeightsError(f"'{path}' is not a safetensors file: {error}.") from None
    return card, {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def fit(network: torch.nn.Module, tensors: Mapping[str, torch.Tensor], card: Card) -> None:
    """Put a checkpoint's tensors into a network."""
    fill(network, tensors, f"The weights '{card.name}'", f"the system '{card.system}'")


def fill(
    network: torch.nn.Module, tensors: Mapping[str, torch.Tensor], weights: str, holder: str, optional: str = ""
) -> None:
    """Put tensors into a network; the first one that does not fit is named with the weights and who was to hold them.

    Tensors of the network with `optional` in their name stay as they are where the weights have none.
    """
    wanted = network.state_dict()
    for name in [*wanted, *tensors]:
        if optional and optional in name and name not in tensors:
            continue
        ours = list(wanted[name].shape) if name in wanted else "nothing"
        theirs = list(tensors[name].shape) if name in tensors else "nothing"
        if ours != theirs:
            raise WeightsError(f"{weights} do not fit {holder}: for '{name}' it holds {ours} and the weights {theirs}.")
    network.load_state_dict({**wanted, **tensors})


def _stored(value: torch.Tensor) -> torch.Tensor:
    value = value.detach().cpu().contiguous()
    return value.half() if value.is_floating_point() else value
