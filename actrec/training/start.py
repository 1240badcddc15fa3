"""Where a network starts: at random, from a checkpoint of this project, or from files that others have published."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from actrec.systems import SYSTEMS, System, starting_files
from actrec.training.run import RunError
from actrec.weights.cards import WeightsError, read_card
from actrec.weights.checkpoint import read_checkpoint
from actrec.weights.convert import read_tensors
from actrec.weights.download import verified
from actrec.weights.find import find_weights
from actrec.weights.folders import WEIGHTS


def start_from(
    name: str, network: nn.Module, build: Callable[[int], nn.Module], system: System, labels: list[str]
) -> str:
    """Put learned weights into a network; a sentence on which were loaded.

    `name` is a checkpoint, or published files joined as in PATH. Of a checkpoint's classifier (whatever changes its
    shape with the number of classes) the rows of equal labels are kept.
    """
    files = published(name)
    if files:
        return " ".join(start_from_file(file, network, system) for file in files)
    card, tensors = read_checkpoint(find_weights(name, WEIGHTS))
    if system.published is not None and card.system in system.published.networks:
        return _started(card.name, tensors, network, system)
    if card.system != system.name:
        raise RunError(f"The weights '{card.name}' are for the system '{card.system}', not for '{system.name}'.")
    state = network.state_dict()
    fresh = [] if list(card.labels) == labels else [key for key in classifier(build) if key in tensors]
    loaded = {key: value for key, value in tensors.items() if key in state and key not in fresh}
    known = [label for label in labels if label in card.labels]
    for key in fresh:
        loaded[key] = _known_rows(state[key], tensors[key], labels, list(card.labels), known)
    for key, value in loaded.items():
        if value.shape != state[key].shape:
            raise RunError(
                f"The weights '{card.name}' do not fit '{system.name}': '{key}' is {list(value.shape)} there "
                f"and {list(state[key].shape)} here."
            )
    network.load_state_dict({**state, **loaded})
    missing = len(set(state) - set(loaded))
    return (
        f"Started from '{card.name}' with "
        + (
            "the same classes."
            if not fresh
            else f"a classifier of which {len(known)} of {len(labels)} classes are known."
        )
        + (f" {missing} of the network's {len(state)} tensors are not in it and start at random." if missing else "")
    )


def _known_rows(mine: Tensor, theirs: Tensor, labels: list[str], old: list[str], known: list[str]) -> Tensor:
    """A classifier's own start with the rows of the classes that are known; a layer that sees the classes' scores, too,
    as a fusion of two streams does, keeps its start."""
    rows = mine.clone()
    if rows.shape[1:] == theirs.shape[1:]:
        here, there = ([where.index(label) for label in known] for where in (labels, old))
        rows[here] = theirs[there].to(rows.dtype)
    return rows


def classifier(build: Callable[[int], nn.Module]) -> list[str]:
    """The names of the weights whose shape goes with the number of classes."""
    with torch.device("meta"):
        two, three = build(2).state_dict(), build(3).state_dict()
    return [name for name in two if two[name].shape != three[name].shape]


# --- what others have published ------------------------------------------------------------------


def published(name: str) -> list[Path]:
    """The files that a name means: paths, or public weights that a recipe names; none where it means a checkpoint."""
    parts = name.split(os.pathsep)
    files = [_file(part) for part in parts]
    if any(files) and not all(files):
        raise RunError(f"There is no file '{parts[files.index(None)]}' to start from.")
    return [file for file in files if file]


def _file(part: str) -> Path | None:
    if Path(part).is_file():
        return Path(part)
    entry = starting_files().get(part)
    if entry is None:
        return None
    file = verified(entry)
    if file is None:
        raise RunError(
            f"'{part}' is not on this machine. Fetch it when there is a network: python -m actrec fetch {part} "
            f"({entry.size}; {entry.licence})."
        )
    return file


def try_start(name: str, system: System) -> None:
    """Refuse weights that are not there, and files that do not fit, before any time is spent."""
    files = published(name)
    if not files:
        folder = find_weights(name, WEIGHTS)
        if system.published is None or read_card(folder).system not in system.published.networks:
            return
        start_from(name, system.network(2), system.network, system, [])
        return
    network = system.network(2)
    for file in files:
        start_from_file(file, network, system)


def start_from_file(path: Path, network: nn.Module, system: System) -> str:
    """Weights that others have published into the network, by the system's recipe; a sentence on which were loaded."""
    tensors = read_tensors(path)
    if system.published is None:
        able = ", ".join(other.name for other in SYSTEMS.values() if other.published and other.size == "paper")
        raise RunError(
            f"'{system.name}' starts from its own checkpoints only. Files that others have published go into {able}."
        )
    return _started(path.name, tensors, network, system)


def _started(name: str, tensors: Mapping[str, Tensor], network: nn.Module, system: System) -> str:
    assert system.published
    try:
        loaded = system.published.load(network, tensors)
    except WeightsError as error:
        raise WeightsError(f"'{name}' cannot start '{system.name}'. {error}") from None
    return f"Started from '{name}': {loaded}; the classifier is new."
