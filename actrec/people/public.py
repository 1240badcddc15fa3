"""A public YOLO: fetched on request, checked, and its weights read from the pickle without running it.

ultralytics publishes `.pt` files, pickles of whole Python objects. torch's restricted unpickler
(`weights_only=True`) reads them here with an inert stand-in for every class it does not know itself: the
stand-ins only hold the values put into them, no code of ultralytics or of the file runs, and a pickle that names
anything that a training does not leave there is refused. The tensors are then written as safetensors beside a card.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from actrec.people.detector import WEIGHTS, Card, DetectorError, build, save_detector
from actrec.weights.catalogue import CATALOGUE, DETECTORS, Entry
from actrec.weights.download import Progress, cache_folder, download

PUBLIC = "yolo26n"
# The names that trainings leave in their files; stand-ins replace all of them, the list only refuses other names.
ALLOWED = ("ultralytics.", "torch.nn.modules.", "numpy.", "pathlib.", "argparse.")


def fetched(folder: Path | None = None) -> Path | None:
    """The first public detector that is in `folder`, converted."""
    folder = cache_folder() if folder is None else Path(folder)
    places = (folder / entry.key for entry in DETECTORS)
    return next((place for place in places if (place / WEIGHTS).is_file()), None)


def public_detector(
    key: str = PUBLIC, folder: Path | None = None, progress: Callable[[Progress], None] | None = None
) -> Path:
    """The folder of a public detector: downloaded and converted if it is not there yet."""
    entry = CATALOGUE[key]
    folder = cache_folder() if folder is None else Path(folder)
    place = folder / entry.key
    if not (place / WEIGHTS).is_file():
        convert(download(entry, folder, progress), entry, place)
    return place


def convert(pickled: Path, entry: Entry, place: Path) -> Path:
    """A detector's folder from an ultralytics `.pt`."""
    state, names = read_pickled(pickled)
    card = Card(
        architecture=f"{entry.key}.yaml",
        classes=names,
        person=names.index("person"),
        trained_on="COCO, by the publisher",
        licence=entry.licence,
    )
    network = build(card.architecture, len(names))
    own = network.state_dict()
    if differing := sorted(k for k in own.keys() | state.keys() if shape(own, k) != shape(state, k)):
        raise DetectorError(
            f"{pickled.name} does not fit the {card.architecture} of the installed ultralytics, "
            f"beginning with {differing[0]}."
        )
    network.load_state_dict(state)
    return save_detector(network, place, card)


def shape(state: dict[str, torch.Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(state[name].shape) if name in state else None


def read_pickled(path: Path) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """The tensors by name, float32, and the class names in an ultralytics `.pt`."""
    try:
        names_used = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        strange = [name for name in names_used if not name.startswith(ALLOWED)]
        if strange:
            raise DetectorError(
                f"{path.name} uses {strange[0]}, which a detector's weights do not need. It was not opened."
            )
        with torch.serialization.safe_globals([(stand_in(name), name) for name in names_used]):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, LookupError) as error:
        raise DetectorError(f"{path.name} cannot be read as ultralytics weights: {error}") from error
    model = checkpoint.get("ema") or checkpoint.get("model") if isinstance(checkpoint, dict) else None
    names = getattr(model, "names", None)
    if not isinstance(names, dict) or "person" not in names.values():
        raise DetectorError(f"{path.name} holds no detector of people.")
    return tensors(model), tuple(str(names[i]) for i in sorted(names))


def stand_in(name: str) -> type:
    """An empty class under another's name: it stores the values put into it and does nothing."""

    def new(cls: type, *_: Any) -> Any:
        return object.__new__(cls)

    def nothing(self: Any, *_: Any) -> None:
        pass

    def keep(self: Any, state: Any) -> None:
        self.__dict__.update(state if isinstance(state, dict) else {})

    holds = {"__new__": new, "__init__": nothing, "__setstate__": keep, "__module__": __name__}
    return type(name.rsplit(".", 1)[-1], (), holds)


def tensors(module: Any, prefix: str = "") -> dict[str, torch.Tensor]:
    """The same as `module.state_dict()`, from a stand-in's own parts."""
    parts = vars(module)
    own = {**parts.get("_parameters", {}), **parts.get("_buffers", {})}
    hidden = parts.get("_non_persistent_buffers_set", ())
    state = {}
    for name, tensor in own.items():
        if tensor is not None and name not in hidden:
            state[prefix + name] = tensor.float() if tensor.is_floating_point() else tensor
    for name, child in parts.get("_modules", {}).items():
        if child is not None:
            state |= tensors(child, f"{prefix}{name}.")
    return state
