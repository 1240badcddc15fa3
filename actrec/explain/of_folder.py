"""Figures of a whole folder of clips: a map of their features (FstCN, fig. 4) and the saliency of its classes (fig. 5).

Ours, where the paper does not say: of each class the clip that the network is surest of is shown, at the moment that
counts most for the class. The classes may be any: one that the weights do not know is explained by their own answer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from actrec.core.errors import BadValue
from actrec.data.reading import reason
from actrec.data.samples import DataError, some
from actrec.data.sources import Split
from actrec.evaluation.evaluate import cached_set, plain_name
from actrec.explain.gallery import Gallery
from actrec.explain.over_time import Windows, clip_maps
from actrec.explain.saliency import ClassSaliency
from actrec.figures import colour_maps, scales
from actrec.systems import System
from actrec.training.load_data import needs, stored
from actrec.video import VideoError

PER_CLASS = 30  # clips of a class at most, spread over the folder
SIDE, LINE = 200, 26  # pixels of a frame in the image, and of the words below it


def gallery_from(
    data: str,
    system: System,
    classes: Sequence[str] = (),
    per_class: int = PER_CLASS,
    report: Callable[[str], None] = lambda sentence: None,
) -> Gallery:
    """The clips of a folder, a published set or a pack, of all classes or of some; where one cannot be read, another of
    its class takes its place."""
    dataset, settings = cached_set(data, **needs(system)), stored(system)
    if per_class < 1:
        raise BadValue(f"At least one clip of each class is shown, not {per_class}.")
    if unknown := [label for label in classes if label not in dataset.labels]:
        raise BadValue(f"There is no class '{unknown[0]}' in {dataset.name}. It has: {some(dataset.labels)}.")

    def can_be_read(index: int) -> bool:
        try:
            dataset.read(index, settings)
        except (VideoError, DataError, OSError) as error:
            report(f"Left out: {dataset.samples[index].name}: {reason(error)}")
            return False
        return True

    targets, readable = dataset.targets(), list[int]()
    for number, label in enumerate(dataset.labels):
        if not classes or label in classes:
            mine = map(int, _spread_first(np.flatnonzero(targets == number), per_class))
            readable += sorted(itertools.islice(filter(can_be_read, mine), per_class))
    if not readable:
        raise DataError("all_broken", f"None of the clips of {dataset.name} can be read.")
    labels = tuple(dataset.labels[targets[index]] for index in readable)
    return Gallery(labels, Split(targets[readable], lambda place: dataset.read(readable[place], settings)))


def _spread_first(places: np.ndarray, count: int) -> np.ndarray:
    """The places in another order: first as many as are wanted, evenly spread, then the others."""
    if len(places) <= count:
        return places
    first = places[np.linspace(0, len(places) - 1, count).round().astype(int)]
    return np.concatenate([first, np.setdiff1d(places, first)])


@dataclass(frozen=True)
class ClassFigure:
    """One class of fig. 5: the moment of a clip that counts most for it, `frame` `[H, W, 3]` and `map` `[H, W]`."""

    label: str
    explained: str  # the class whose score was propagated back
    clip: int  # its place in the gallery
    second: float
    frame: np.ndarray
    map: np.ndarray


def class_figures(saliency: ClassSaliency, gallery: Gallery) -> list[ClassFigure]:
    """Each class of a gallery with the saliency of the clip that the network is surest of."""
    recognizer = saliency.recognizer
    known = {plain_name(label): label for label in recognizer.labels}
    figures = []
    for label in dict.fromkeys(gallery.labels):
        places = [place for place, other in enumerate(gallery.labels) if other == label]
        scores = np.stack([recognizer.predict(gallery.clip(place)).scores for place in places])
        explained = known.get(plain_name(label)) or recognizer.labels[int(scores.mean(0).argmax())]
        best = places[int(scores[:, recognizer.index(explained)].argmax())]
        maps = clip_maps(saliency, Windows.of(recognizer.system, gallery.clip(best)), explained)
        at = int(maps.influence.argmax())
        second = float(maps.clip.times[at] - maps.clip.times[0])
        figures.append(ClassFigure(label, explained, best, second, maps.clip.frames[at], maps.maps[at]))
    return figures


def class_sheet(figures: Sequence[ClassFigure]) -> np.ndarray:
    """Fig. 5 as an image: a column for each class with its frame, its saliency, and one laid over the other."""
    columns = []
    for figure in figures:
        height, width = figure.frame.shape[:2]
        size = (max(1, round(SIDE * width / height)), SIDE)
        rows = [
            figure.frame,
            scales.in_colours(figure.map, scales.INFLUENCE),
            scales.laid_over(figure.frame, figure.map, scales.INFLUENCE),
        ]
        words = np.full((LINE, size[0], 3), colour_maps.PAPER, np.uint8)
        same = figure.explained == figure.label
        colour_maps.write_text(words, figure.label if same else f"{figure.label} (as {figure.explained})", (4, 18))
        columns.append(np.vstack([*(cv2.resize(row, size, interpolation=cv2.INTER_AREA) for row in rows), words]))
    return np.hstack(columns)
