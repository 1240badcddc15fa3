"""Codes of many clips as a map of two dimensions, how well it separates the actions, and where another clip belongs.

FstCN, fig. 4, maps spatial, temporal and spatio-temporal features by t-SNE (van der Maaten and Hinton 2008) to see
which tell the actions apart. The figure has no number; ours are two, both taken in the full space and not on the map:
the mean silhouette (−1 … 1: how much nearer a clip is to its own action than to the next one), and the fraction of
clips whose nearest other clip shows the same action. t-SNE cannot place a clip that it was not made with. Ours: it goes
where the sum of its distances to its five nearest clips, the nearer the heavier, is smallest, so to most of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actrec.core.errors import BadValue
from actrec.recognition.repository import distances

METHODS = ("t-SNE", "PCA")
NEIGHBOURS, FEWEST, PERPLEXITY = 5, 5, 30.0
STEPS = 400  # of t-SNE: a thousand take twice as long and keep as many of five neighbours (0.982 for 0.981)


@dataclass(frozen=True)
class Flat:
    """A map: a place for each code, and what is needed to place others."""

    method: str
    places: np.ndarray  # [n, 2]
    codes: np.ndarray  # [n, D]
    axes: np.ndarray | None = None  # PCA: [2, D]
    mean: np.ndarray | None = None
    shown: float | None = None  # PCA: the fraction of the variance that the map shows

    def place(self, codes: np.ndarray) -> np.ndarray:
        """Other codes [m, D] on the finished map: [m, 2]."""
        codes = np.atleast_2d(codes)
        if self.axes is not None:
            return (codes - self.mean) @ self.axes.T
        return np.stack([self._among_neighbours(code) for code in codes])

    def nearest(self, code: np.ndarray, count: int = NEIGHBOURS) -> np.ndarray:
        """The clips whose codes are nearest, the nearest first."""
        return np.argsort(distances(np.atleast_2d(code), self.codes)[0], kind="stable")[:count]

    @property
    def how(self) -> str:
        """How another clip gets its place, in words."""
        if self.axes is not None:
            return "Your clip is projected onto the map as all others are."
        return (
            f"t-SNE cannot place a clip that it was not made with: yours stands among the {NEIGHBOURS} gallery clips "
            "whose codes are nearest to its own, the nearer the heavier."
        )

    def _among_neighbours(self, code: np.ndarray) -> np.ndarray:
        near = self.nearest(code)
        gaps = distances(np.atleast_2d(code), self.codes[near])[0]
        weights = 1 / np.maximum(gaps, 1e-6 + 0.1 * gaps.max())
        return weighted_median(self.places[near], weights)


def flat(codes: np.ndarray, method: str = "t-SNE", seed: int = 0, perplexity: float = PERPLEXITY) -> Flat:
    """A map of codes [n, D]; the same codes and seed give the same map."""
    codes = np.ascontiguousarray(codes, np.float32)
    if method not in METHODS:
        raise BadValue(f"A map is made by {' or '.join(METHODS)}, not '{method}'.")
    if len(codes) < FEWEST:
        raise BadValue(f"A map needs at least {FEWEST} clips, not {len(codes)}.")
    if method == "PCA":
        from actrec.figures.charts import plane

        mean, axes, shown = plane(codes)
        return Flat(method, (codes - mean) @ axes.T, codes, axes, mean, shown)
    from sklearn.manifold import TSNE

    tsne = TSNE(
        perplexity=min(perplexity, (len(codes) - 1) / 3), init="pca", random_state=seed, n_jobs=2, max_iter=STEPS
    )  # fmt: skip
    return Flat(method, tsne.fit_transform(codes), codes)


@dataclass(frozen=True)
class Separability:
    """How well a space tells actions apart."""

    silhouette: float  # −1 … 1
    neighbours: float  # fraction of clips whose nearest other clip shows the same action

    def __str__(self) -> str:
        return f"silhouette {self.silhouette:.2f}; {self.neighbours:.0%} have a nearest neighbour of their own action"


def separability(codes: np.ndarray, labels: Sequence[str]) -> Separability:
    from sklearn.metrics import silhouette_score

    names = np.array(labels)
    if not 2 <= len(set(labels)) < len(labels):
        raise BadValue("Separability needs at least two actions, and more clips than actions.")
    gaps = distances(codes, codes)
    np.fill_diagonal(gaps, np.inf)
    same = names[gaps.argmin(1)] == names
    return Separability(float(silhouette_score(codes, names)), float(same.mean()))


def weighted_median(points: np.ndarray, weights: np.ndarray, steps: int = 60) -> np.ndarray:
    """The place [2] with the smallest weighted sum of distances to points [k, 2] (Weiszfeld's iteration)."""
    place = np.average(points, axis=0, weights=weights)
    for _ in range(steps):
        pull = weights / np.maximum(np.linalg.norm(points - place, axis=1), 1e-6)
        place = pull @ points / pull.sum()
    return place
