"""A checkpoint is a folder with `model.safetensors` and `card.json`: no pickles, never half written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from actrec.core.files import read_small
from actrec.weights.cards import Card, WeightsError, read_card
from actrec.weights.folders import MOST_BYTES, settled, write_folder
from actrec.weights.trunks import missing_trunk, trunk_place


@dataclass(frozen=True)
class Trunk:
    """Weights that others go on from: their folder's name, their tensors, and what stands before the names there."""

    name: str
    tensors: Mapping[str, torch.Tensor]
    into: str = ""

    @classmethod
    def read(cls, folder: Path, into: str = "") -> Trunk:
        """The weights of a folder as a trunk."""
        return cls(Path(folder).name, _whole(Path(folder)), into)


def write_checkpoint(
    folder: Path,
    card: Card,
    tensors: Mapping[str, torch.Tensor],
    *,
    exact: bool = False,
    trunk: Trunk | None = None,
) -> Card:
    """Write a checkpoint folder whole: floating point numbers in float16 (as they are with `exact`), then the card with
    their checksum. Tensors that are the trunk's stay with the trunk, and the card names it."""
    if trunk is not None:
        tensors, card = _beside(trunk, tensors, card)
    stored = {name: _stored(value, exact) for name, value in tensors.items()}
    data = save(stored)
    card = Card(**{**asdict(card), "sha256": hashlib.sha256(data).hexdigest()})
    text = json.dumps(asdict(card), indent=1, ensure_ascii=False)
    write_folder(Path(folder), {"model.safetensors": data, "card.json": text.encode()})
    return card


def read_checkpoint(folder: Path) -> tuple[Card, dict[str, torch.Tensor]]:
    """A checkpoint's card and its tensors in float32, after the checksum has been compared; with those of its trunk."""
    card, tensors = _read_alone(folder)
    if card.trunk is not None:
        tensors = _of_trunk(card, Path(folder)) | tensors
    return card, tensors


def _read_alone(folder: Path) -> tuple[Card, dict[str, torch.Tensor]]:
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


def tensors_sum(tensors: Mapping[str, torch.Tensor]) -> str:
    """A SHA-256 over names, shapes and numbers, whatever file they come from."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        value = value.float() if value.is_floating_point() else value
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def _beside(trunk: Trunk, tensors: Mapping[str, torch.Tensor], card: Card) -> tuple[dict[str, torch.Tensor], Card]:
    """The tensors that are not the trunk's, and the card that names it."""
    moved = {trunk.into + name: value for name, value in trunk.tensors.items()}
    own = {name: value for name, value in tensors.items() if name not in moved or not _same(value, moved[name])}
    about = {
        "name": trunk.name,
        "sha256": tensors_sum(trunk.tensors),
        "into": trunk.into,
        "without": [name.removeprefix(trunk.into) for name in moved if name not in tensors],
    }
    return own, Card(**{**asdict(card), "trunk": about})


def _whole(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of weights that are no branch themselves."""
    card, tensors = _read_alone(folder)
    if card.trunk is not None:
        raise WeightsError(f"The weights '{card.name}' go on from others and are no trunk themselves.")
    return tensors


def _same(value: torch.Tensor, of_trunk: torch.Tensor) -> bool:
    return value.shape == of_trunk.shape and torch.equal(value.detach().cpu(), of_trunk.detach().cpu().to(value.dtype))


def _of_trunk(card: Card, folder: Path) -> dict[str, torch.Tensor]:
    """The trunk's tensors under their names here, after their sum was compared; a sentence where it is missing."""
    place = trunk_place(card, folder.parent)
    if place is None:
        raise WeightsError(missing_trunk(card, folder.parent))
    trunk = card.trunk or {}
    tensors = _whole(place)
    if tensors_sum(tensors) != trunk["sha256"]:
        raise WeightsError(
            f"The weights '{card.name}' go on from other weights '{place.name}' than those in '{place}': the checksum "
            "differs. Fetch or train them again."
        )
    without = set(trunk["without"])
    return {trunk["into"] + key: value for key, value in tensors.items() if key not in without}


def fit(network: torch.nn.Module, tensors: Mapping[str, torch.Tensor], card: Card) -> None:
    """Put a checkpoint's tensors into a network."""
    fill(network, tensors, f"The weights '{card.name}'", f"the system '{card.system}'")


def fill(
    network: torch.nn.Module, tensors: Mapping[str, torch.Tensor], weights: str, holder: str, optional: str = ""
) -> None:
    """Put tensors into a network; the first one that does not fit is named with the weights and who was to hold them.

    Tensors of the network with `optional` in their name stay as they are where the weights have none.
    """
    own = network.state_dict()
    for name in [*own, *tensors]:
        if optional and optional in name and name not in tensors:
            continue
        ours = list(own[name].shape) if name in own else "nothing"
        theirs = list(tensors[name].shape) if name in tensors else "nothing"
        if ours != theirs:
            raise WeightsError(f"{weights} do not fit {holder}: for '{name}' it holds {ours} and the weights {theirs}.")
    network.load_state_dict({**own, **tensors})


def _stored(value: torch.Tensor, exact: bool) -> torch.Tensor:
    value = value.detach().cpu().contiguous()
    return value.half() if value.is_floating_point() and not exact else value
