"""A checkpoint is a folder with `model.safetensors` and `card.json`: no pickles, never half written."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

FORMAT = 1


class WeightsError(Exception):
    """Weights that cannot be used; the sentence says which and why."""


@dataclass(frozen=True)
class Card:
    """Everything one has to know to use a checkpoint and to judge it."""

    name: str
    system: str
    labels: list[str]
    trained_on: str
    command: str
    seed: int
    licence: str = "AGPL-3.0"
    intended_for: str = ""
    people: str = "one person"
    options: dict = field(default_factory=dict)
    inputs: dict = field(default_factory=dict)
    measured: dict = field(default_factory=dict)
    temperature: float | None = None
    centres: dict[str, list[float]] | None = None
    threshold: float | None = None
    sha256: str = ""
    format: int = FORMAT


def write_checkpoint(folder: Path, card: Card, tensors: Mapping[str, torch.Tensor]) -> Card:
    """Write a checkpoint folder whole: floating point numbers in float16, then the card with their checksum."""
    stored = {name: _stored(value) for name, value in tensors.items()}
    data = save(stored)
    card = Card(**{**asdict(card), "sha256": hashlib.sha256(data).hexdigest()})
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.with_name(f".{folder.name}.new{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        _write(fresh / "model.safetensors", data)
        _write(fresh / "card.json", json.dumps(asdict(card), indent=1, ensure_ascii=False).encode())
        _replace_folder(folder, fresh)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return card


def read_card(folder: Path) -> Card:
    """The card of a checkpoint folder."""
    folder = _settled(Path(folder))
    path = folder / "card.json"
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError:
        raise WeightsError(
            f"'{folder}' holds no card.json. Name a folder with model.safetensors and card.json."
        ) from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"The card '{path}' cannot be read: {error}.") from None
    return _checked(values, path)


def read_checkpoint(folder: Path) -> tuple[Card, dict[str, torch.Tensor]]:
    """A checkpoint's card and its tensors in float32, after the checksum has been compared."""
    folder = _settled(Path(folder))
    card = read_card(folder)
    path = folder / "model.safetensors"
    try:
        data = path.read_bytes()
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
    return card, {
        name: value.float() if value.is_floating_point() else value for name, value in tensors.items()
    }


def fit(network: torch.nn.Module, tensors: Mapping[str, torch.Tensor], card: Card) -> None:
    """Put tensors into a network; the first one that does not fit is named with the card and the system."""
    wanted = network.state_dict()
    for name in [*wanted, *tensors]:
        ours = list(wanted[name].shape) if name in wanted else "nothing"
        theirs = list(tensors[name].shape) if name in tensors else "nothing"
        if ours != theirs:
            raise WeightsError(
                f"The weights '{card.name}' do not fit the system '{card.system}': "
                f"for '{name}' the system holds {ours} and the weights {theirs}."
            )
    network.load_state_dict(tensors)


def _stored(value: torch.Tensor) -> torch.Tensor:
    value = value.detach().cpu().contiguous()
    return value.half() if value.is_floating_point() else value


def _write(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _replace_folder(folder: Path, fresh: Path) -> None:
    """Put `fresh` in the place of `folder`; a reader in between finds the old one under its other name."""
    old = _old(folder)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(folder, old)
    os.rename(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _settled(folder: Path) -> Path:
    """The folder, or the old one that a replacement cut off in the middle has left."""
    return _old(folder) if not folder.exists() and _old(folder).exists() else folder


def _checked(values: object, path: Path) -> Card:
    known = {each.name for each in fields(Card)}
    if not isinstance(values, dict) or not {"name", "system", "labels", "sha256"} <= set(values):
        raise WeightsError(f"'{path}' is not a card: it must name at least name, system, labels and sha256.")
    if values.get("format") != FORMAT:
        raise WeightsError(f"'{path}' has format {values.get('format')}; this version reads format {FORMAT}.")
    labels = values["labels"]
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise WeightsError(f"'{path}' is not a card: labels must be a list of names.")
    missing = {"trained_on": "not stated", "command": "not stated", "seed": 0}
    return Card(**{**missing, **{name: value for name, value in values.items() if name in known}})
