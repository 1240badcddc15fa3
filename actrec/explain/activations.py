"""A network over a gallery, once: the embedding of every clip, its other features, and what fires every neuron.

A neuron of a convolution fires where it fires most: its peak over all positions and frames of a clip (Asymmetric
3D-CNN, sec. 4.8, sorts the clips of a data set by it; fig. 8b shows the ten at the top).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch

from actrec.core.errors import BadValue
from actrec.explain.gallery import Gallery
from actrec.explain.layers import NotListed, layer_named, layers_of, recorded
from actrec.explain.over_time import ClipMaps, Windows, laid_out
from actrec.explain.saliency import ClassSaliency
from actrec.recognition.calibrated import comparable, unit
from actrec.systems.system import Network, Views
from actrec.video import Clip

BATCH, TOP = 8, 10


@dataclass(frozen=True)
class Activations:
    """One network's values for some clips: embeddings as they are compared (of length one, unless `unit_length` says
    otherwise), the features its recipe names, peaks by layer."""

    codes: np.ndarray  # [n, D]
    features: dict[str, np.ndarray]  # name → [n, D]; empty where the recipe names none
    peaks: dict[str, np.ndarray]  # layer → [n, C]
    unit_length: bool = True

    @property
    def spaces(self) -> dict[str, np.ndarray]:
        """The vectors that a map can show: the features that the recipe names, at length one, or the embedding."""
        return {name: unit(value) for name, value in self.features.items()} or {"code": self.codes}

    @classmethod
    def joined(cls, parts: list[Activations]) -> Activations:
        def join(pick: Callable[[Activations], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
            return {name: np.concatenate([pick(part)[name] for part in parts]) for name in pick(parts[0])}

        codes = np.concatenate([part.codes for part in parts])
        return cls(codes, join(lambda f: f.features), join(lambda f: f.peaks), parts[0].unit_length)

    def mean(self) -> Activations:
        """All clips as one: the mean of their codes and features, and the highest peaks."""

        def one(value: np.ndarray) -> np.ndarray:
            return value.mean(0, keepdims=True)

        return Activations(
            unit(one(self.codes)) if self.unit_length else one(self.codes),
            {name: one(unit(value)) for name, value in self.features.items()},
            {name: value.max(0, keepdims=True) for name, value in self.peaks.items()},
            self.unit_length,
        )

    def top(self, layer: str, neuron: int, count: int = TOP) -> list[tuple[int, float]]:
        """The clips that fire a neuron most, with how strongly, the strongest first."""
        fired = self.neurons(layer)[:, _inside(neuron, self.neurons(layer).shape[1])]
        order = np.argsort(-fired, kind="stable")[:count]
        return [(int(place), float(fired[place])) for place in order]

    def neurons(self, layer: str) -> np.ndarray:
        if layer not in self.peaks:
            raise BadValue(f"There is no layer '{layer}'. There is: {', '.join(self.peaks) or 'none'}.")
        return self.peaks[layer]

    def telling(self, layer: str, labels: tuple[str, ...], count: int = TOP) -> list[tuple[int, str, int]]:
        """The layer's neurons with the action that is most frequent among the clips at their top, and how often; the
        purest first, those that never fire last."""
        peaks, names = self.neurons(layer), np.array(labels)
        lift = peaks.max(0) - np.median(peaks, axis=0)
        rows = []
        for neuron, order in enumerate(np.argsort(-peaks, axis=0, kind="stable")[:count].T):
            shown, often = np.unique(names[order], return_counts=True)
            rows.append((neuron, str(shown[often.argmax()]), int(often.max()) if lift[neuron] > 0 else 0))
        return sorted(rows, key=lambda row: (-row[2], -lift[row[0]]))

    def rank(self, layer: str, neuron: int, peak: float) -> int:
        """Which place a clip with this peak would take among these, 1 for the strongest."""
        return 1 + int((self.neurons(layer)[:, neuron] > peak).sum())


def of_gallery(
    saliency: ClassSaliency, gallery: Gallery, report: Callable[[int, int], None] = lambda done, all_: None
) -> Activations:
    """The gallery through the network, one view of each clip: its newest window."""
    parts = []
    for start in range(0, len(gallery), BATCH):
        report(start, len(gallery))
        parts.append(of_clips(saliency, [gallery.clip(n) for n in range(start, min(start + BATCH, len(gallery)))]))
    return Activations.joined(parts)


def of_clips(saliency: ClassSaliency, clips: Iterable[Clip]) -> Activations:
    """The network's values for the newest window of some clips."""
    one = saliency.recognizer.system.protocols["one"]
    return of_views(saliency, [one.views(clip)[0] for clip in clips])


@torch.no_grad()
def of_views(saliency: ClassSaliency, views: list[Views]) -> Activations:
    recognizer, network = saliency.recognizer, saliency.network
    inputs = recognizer.system.tensors(views, saliency.device)
    try:
        layers = layers_of(recognizer.system, network)
    except NotListed:
        layers = []
    with saliency.lock, ExitStack() as stack:
        records = {layer.name: stack.enter_context(recorded(network, layer, len(views))) for layer in layers}
        features = recognizer.system.features.of(network, **inputs) if recognizer.system.features else {}
        codes = list(features.values())[-1] if features else cast(Network, network).code(**inputs)
    # Two paths of one layer have neurons of their own.
    peaks = {
        name: np.concatenate([maps.amax((2, 3, 4)).cpu().numpy() for maps in record.maps().values()], axis=1)
        for name, record in records.items()
    }
    return Activations(
        comparable(recognizer.system, codes.cpu().numpy()),
        {name: value.cpu().numpy() for name, value in features.items()},
        peaks,
        recognizer.system.unit_length,
    )


def neuron_maps(saliency: ClassSaliency, views: list[Views], layer: str, neuron: int) -> dict[str, np.ndarray]:
    """One neuron's maps of some views, spread over the frames of its input: `[B, T, S, S]` by input."""
    recognizer = saliency.recognizer
    inputs = recognizer.system.tensors(views, saliency.device)
    chosen = layer_named(recognizer.system, saliency.network, layer)
    with torch.no_grad(), saliency.lock, recorded(saliency.network, chosen, len(views)) as record:
        cast(Network, saliency.network).code(**inputs)
    first, shown = 0, {}
    maps = record.maps()
    _inside(neuron, sum(of_input.shape[1] for of_input in maps.values()))
    for name, of_input in maps.items():
        if first <= neuron < first + of_input.shape[1]:
            one = of_input[:, neuron - first, None]
            size = inputs[name].shape[2:]
            shown[name] = torch.nn.functional.interpolate(one, size=size, mode="trilinear")[:, 0].cpu().numpy()
        first += of_input.shape[1]
    return {name: np.maximum(value, 0) for name, value in shown.items()}


def strongest(saliency: ClassSaliency, windows: Windows) -> dict[str, tuple[int, ClipMaps]]:
    """For each layer, the lowest first, the neuron that fires most on a clip, and its maps over the clip (fig. 8a)."""
    activations = of_views(saliency, windows.views)
    shown = {}
    for layer, peaks in activations.peaks.items():
        neuron = int(peaks.max(0).argmax())
        shown[layer] = neuron, neuron_film(saliency, windows, layer, neuron)
    return shown


def neuron_film(saliency: ClassSaliency, windows: Windows, layer: str, neuron: int) -> ClipMaps:
    """One neuron's maps over a clip."""
    maps = neuron_maps(saliency, windows.views, layer, neuron)
    return laid_out(saliency.recognizer.system, windows, maps, smoothing=0.0)


def _inside(neuron: int, count: int) -> int:
    if not 0 <= neuron < count:
        raise BadValue(f"The layer has neurons 0 to {count - 1}, not {neuron}.")
    return neuron
