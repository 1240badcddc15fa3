"""Is a map true? What it calls important is taken out of the clip, or is all that is put in, and the score is read.

Deletion and insertion as in RISE (Petsiuk et al. 2018): pixels go, or come, in the order of the map; a true map lets
the score fall early, or rise early. The same is done in random order; the area between the two is the number.
Ours: pixels go in cells of 8×8 over a quarter of the input's frames, in the map's order and at random alike, because
networks answer to the noise of single pixels; a cell that is taken out shows the mean of its frames, blurred: no
movement and no detail. Another network of the same weights in random order must give another map (Adebayo et al.
2018): the rank correlation of the two shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.stats import rankdata

from actrec.explain.over_time import Windows
from actrec.explain.saliency import ClassSaliency, Maps
from actrec.figures.charts import lines
from actrec.recognition.recognizer import Recognizer
from actrec.systems.system import Views

CELL, STRETCHES = 8, 4  # pixels a side, stretches of time
STEPS, DRAWS = 10, 3
BLOCK, STILL = 4, 6  # pixels a side; mean grey levels by which a still block may flicker
BLUR = 1 / 8  # σ of what takes a cell's place, as a fraction of the side


@dataclass(frozen=True)
class Curves:
    """Scores of a class over the fraction of cells that were taken out, or put in."""

    fractions: np.ndarray  # [K]
    deletion: np.ndarray  # [K], in the map's order
    insertion: np.ndarray
    random_deletion: np.ndarray  # [K], mean over random orders
    random_insertion: np.ndarray

    @property
    def deletion_gain(self) -> float:
        """The area by which the score falls earlier than at random."""
        return float(np.trapezoid(self.random_deletion - self.deletion, self.fractions))

    @property
    def insertion_gain(self) -> float:
        """The area by which the score rises earlier than at random."""
        return float(np.trapezoid(self.insertion - self.random_insertion, self.fractions))

    @property
    def gain(self) -> float:
        """Both areas together: above zero the map knows more than chance."""
        return self.deletion_gain + self.insertion_gain


def compared(
    recognizer: Recognizer,
    view: Views,
    label: str,
    methods: Mapping[str, Maps],
    *,
    seed: int = 0,
    steps: int = STEPS,
    draws: int = DRAWS,
) -> dict[str, Curves]:
    """The curves of several methods' maps of one view, against the same random orders. What a method does not
    cover, an input without a map, goes last; equals go in random order."""
    place = recognizer.index(label)
    rng = np.random.default_rng(seed)
    cells = cells_of(view)
    count = 1 + max(int(cell.max()) for cell in cells.values())
    chance = [rng.permutation(count) for _ in range(draws)]
    orders = []
    for maps in methods.values():
        parts = [_means(maps[name], cell) if name in maps else _nothing(cell) for name, cell in cells.items()]
        orders.append(np.argsort(np.lexsort((chance[0], -np.concatenate(parts)))))
    gone = {name: taken_out(pixels) for name, pixels in view.items()}
    fractions = np.linspace(0, 1, steps + 1)
    views_to_score: list[Views] = []
    for order in [*orders, *chance]:
        for without, instead in ((view, gone), (gone, view)):
            views_to_score += [
                _mixed(without, instead, cells, order < round(fraction * count)) for fraction in fractions
            ]
    scores = recognizer.probabilities(*recognizer.run(views_to_score))[:, place]
    curves = scores.reshape(-1, 2, len(fractions))
    random = curves[len(orders) :].mean(0)
    return {name: Curves(fractions, *curves[row], *random) for row, name in enumerate(methods)}


@dataclass(frozen=True)
class Proof:
    """How faithful the maps of a clip are: the curves of every method, and how like the map of shuffled weights is."""

    window: int
    curves: dict[str, Curves]
    shuffled: float

    def chart(self, method: str, kind: str) -> str:
        """Deletion or insertion by one method, against random order, as SVG."""
        curves = self.curves[method]
        mine, chance = getattr(curves, kind), getattr(curves, f"random_{kind}")
        series = {
            f"by {method}": list(zip(curves.fractions, mine, strict=True)),
            "at random": list(zip(curves.fractions, chance, strict=True)),
        }
        what = {"deletion": "taken out of the clip", "insertion": "put into an empty clip"}[kind]
        return lines(
            series, f"{kind.capitalize()}: score of the class", f"fraction of cells {what}", high=1, percent=True
        )


def prove(saliency: ClassSaliency, shuffled: ClassSaliency, windows: Windows, label: str) -> Proof:
    """Every method's curves on the window in which the class scores highest."""
    recognizer = saliency.recognizer
    scores = recognizer.probabilities(*recognizer.run(windows.views))[:, recognizer.index(label)]
    window = int(scores.argmax())
    view = windows.views[window]
    maps = maps_of(saliency, view, label)
    return Proof(window, compared(recognizer, view, label, maps), alike(saliency, shuffled, view, label))


def alike(one: ClassSaliency, other: ClassSaliency, view: Views, label: str) -> float:
    """The rank correlation of two networks' class saliency of one view."""
    mine, theirs = (
        {name: of_input[0] for name, of_input in saliency.class_saliency([view], label).items()}
        for saliency in (one, other)
    )
    return rank_correlation(mine, theirs, view)


def maps_of(saliency: ClassSaliency, view: Views, label: str) -> dict[str, Maps]:
    """Every method's maps of one view, `[T, S, S]` by input, as far as the network allows the method."""
    by_method = saliency.every([view], label)
    return {name: {key: of_input[0] for key, of_input in maps.items()} for name, maps in by_method.items()}


def cells_of(view: Views) -> dict[str, np.ndarray]:
    """The number of the cell that each pixel `[T, S, S]` of each input is in; inputs do not share cells."""
    numbers, first = {}, 0
    for name, value in view.items():
        frames, height, width = value.shape[1:]
        stretches = min(STRETCHES, frames)
        t = np.arange(frames) * stretches // frames
        across, down = -(-width // CELL), -(-height // CELL)
        y, x = np.arange(height) // CELL, np.arange(width) // CELL
        numbers[name] = first + (t[:, None, None] * down + y[:, None]) * across + x
        first += stretches * down * across
    return numbers


def taken_out(pixels: np.ndarray) -> np.ndarray:
    """What takes the place of a cell `[C, T, S, S]`: the mean of the input's frames, blurred."""
    mean = pixels.mean(1).transpose(1, 2, 0).astype(np.float32)
    blurred = cv2.GaussianBlur(mean, (0, 0), BLUR * mean.shape[0]).reshape(mean.shape)
    still = np.rint(blurred).astype(np.uint8).transpose(2, 0, 1)
    return np.broadcast_to(still[:, None], pixels.shape)


def rank_correlation(one: Maps, other: Maps, view: Views) -> float:
    """Spearman's: how much two maps `[T, S, S]` by input agree on what counts more, 1 for the same order, 0 for none;
    the mean over the frames of which either is not zero. Which frames count more, and which input, is decided by how
    the network is built: FstCN's spatial path has one frame, MDT-Net's appearance the key frames, whatever the weights.

    Only where the clip changes: in a still background neighbours are equal, and which of them a pooling layer takes
    is decided by their place, alike in every network. In blocks of 4×4 for the same reason: strides leave a pattern.
    """
    changing = {name: _changing(view[name]) for name in one}
    if not any(changed.any() for changed in changing.values()):
        changing = {name: np.ones_like(changed) for name, changed in changing.items()}
    correlations = [
        _spearman(mine[changing[name]], theirs[changing[name]])
        for name in one
        if changing[name].any()
        for mine, theirs in zip(_blocks(one[name]), _blocks(other[name]), strict=True)
        if mine.any() or theirs.any()
    ]
    return float(np.mean(correlations)) if correlations else 0.0


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    ranks = rankdata(one), rankdata(other)
    return 0.0 if min(map(np.ptp, ranks)) == 0 else float(np.corrcoef(*ranks)[0, 1])


def _changing(pixels: np.ndarray) -> np.ndarray:
    """Which blocks of an input `[C, T, S, S]` change over time."""
    low, high = pixels.min(1).astype(int), pixels.max(1).astype(int)
    return _blocks((high - low).max(0)[None].astype(np.float32))[0] > STILL


def _blocks(values: np.ndarray) -> np.ndarray:
    """The means `[T, Y, X]` over blocks of values `[T, S, S]`."""
    frames, height, width = values.shape
    down, across = height // BLOCK, width // BLOCK
    whole = values[:, : down * BLOCK, : across * BLOCK]
    return whole.reshape(frames, down, BLOCK, across, BLOCK).mean((2, 4))


def _means(values: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The mean of a map over each cell."""
    numbers = cells.ravel() - cells.min()
    return np.bincount(numbers, values.ravel()) / np.bincount(numbers)


def _nothing(cells: np.ndarray) -> np.ndarray:
    return np.zeros(1 + int(cells.max() - cells.min()))


def _mixed(view: Views, other: Views, cells: dict[str, np.ndarray], changed: np.ndarray) -> Views:
    """A view with some of its cells taken from another."""
    return {name: np.where(changed[cells[name]][None], other[name], pixels) for name, pixels in view.items()}
