"""Trajectories of a clip as one vector: PCA, Fisher vector over a diagonal Gaussian mixture.

Wang & Schmid, ICCV 2013, sec. 3.2, with the Fisher vector of Perronnin, Sánchez & Mensink, ECCV 2010: per descriptor
PCA to half its size, K Gaussians, gradients by mean and deviation (2DK numbers), power and L2 normalisation, then the
descriptors' vectors side by side.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from actrec.core.errors import BadValue

WORDS = 256  # Gaussians, K
SAMPLES = 256_000  # descriptors that the mixture is fitted to


@dataclass(frozen=True)
class Codebook:
    """PCA and mixture of one kind of descriptor: `centre [D0]`, `axes [D, D0]`, weights `[K]`, means, variances."""

    centre: np.ndarray
    axes: np.ndarray
    weights: np.ndarray  # [K]
    means: np.ndarray  # [K, D]
    variances: np.ndarray  # [K, D]

    @property
    def size(self) -> int:
        """Numbers in a Fisher vector, 2DK."""
        return 2 * self.means.size

    def reduce(self, descriptors: np.ndarray) -> np.ndarray:
        """Descriptors `[N, D0]` on the principal axes, `[N, D]`."""
        return (descriptors - self.centre) @ self.axes.T

    def posteriors(self, x: np.ndarray) -> np.ndarray:
        """How likely each Gaussian is for each of the reduced descriptors, `[N, K]`."""
        precise = 1 / self.variances
        square = x**2 @ precise.T - 2 * x @ (self.means * precise).T + (self.means**2 * precise).sum(axis=1)
        log = np.log(self.weights) - 0.5 * (square + np.log(self.variances).sum(axis=1))
        log -= log.max(axis=1, keepdims=True)
        likely = np.exp(log)
        return likely / likely.sum(axis=1, keepdims=True)

    def encode(self, descriptors: np.ndarray) -> np.ndarray:
        """The Fisher vector of a clip's descriptors, normalised, `float32 [2DK]`; zeros where there are none."""
        if len(descriptors) == 0:
            return np.zeros(self.size, np.float32)
        return normalise(self.gradients(self.reduce(np.asarray(descriptors, np.float64)))).astype(np.float32)

    def gradients(self, x: np.ndarray, piece: int = 8192) -> np.ndarray:
        """Gradients of the log-likelihood by means, then by deviations, `[2DK]`, from the sums of γ, γx and γx²."""
        zeroth = np.zeros(len(self.weights))
        first, second = np.zeros_like(self.means), np.zeros_like(self.means)
        for start in range(0, len(x), piece):
            part = x[start : start + piece]
            likely = self.posteriors(part)
            zeroth += likely.sum(axis=0)
            first += likely.T @ part
            second += likely.T @ part**2
        deviation, mass = np.sqrt(self.variances), zeroth[:, None]
        by_mean = (first - mass * self.means) / deviation
        by_deviation = (second - 2 * first * self.means + mass * self.means**2) / self.variances - mass
        scale = len(x) * np.sqrt(self.weights)[:, None]
        return np.concatenate([(by_mean / scale).ravel(), (by_deviation / (scale * np.sqrt(2))).ravel()])


def normalise(vector: np.ndarray) -> np.ndarray:
    """Signed square root, then length one."""
    rooted = np.sign(vector) * np.sqrt(np.abs(vector))
    length = np.linalg.norm(rooted)
    return rooted / length if length > 0 else rooted


def fit_codebook(descriptors: np.ndarray, rng: np.random.Generator, words: int = WORDS) -> Codebook:
    """PCA to half the size and a mixture of `words` Gaussians, from `descriptors [N, D0]` of many clips."""
    descriptors = np.asarray(descriptors, np.float64)
    if len(descriptors) < 2 * words:
        raise BadValue(
            f"{words} Gaussians need at least {2 * words} descriptors, there are {len(descriptors)}: "
            "use fewer Gaussians or more clips"
        )
    if len(descriptors) > SAMPLES:
        descriptors = descriptors[rng.choice(len(descriptors), SAMPLES, replace=False)]
    seed = int(rng.integers(2**31))
    half = max(1, descriptors.shape[1] // 2)
    pca = PCA(half, random_state=seed).fit(descriptors)
    mixture = GaussianMixture(words, covariance_type="diag", random_state=seed, reg_covar=1e-6, max_iter=50)
    with warnings.catch_warnings():  # a mixture that would still move a little is as good a codebook
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(pca.transform(descriptors))
    return Codebook(pca.mean_, pca.components_, mixture.weights_, mixture.means_, mixture.covariances_)


class TrajectoryCode:
    """The codebooks of all kinds of descriptors: descriptors of a clip in, one vector out."""

    def __init__(self, books: dict[str, Codebook]) -> None:
        self.books = dict(sorted(books.items()))  # the order of the vector's parts

    @classmethod
    def fit(
        cls, clips: Sequence[dict[str, np.ndarray]], rng: np.random.Generator, words: int = WORDS
    ) -> TrajectoryCode:
        """From the descriptors of the training clips (`actrec.motion.descriptors.describe`)."""
        per_clip = max(1, SAMPLES // max(1, len(clips)))  # no clip outweighs another by its length
        books = {}
        for kind in clips[0]:
            drawn = [
                c[kind] if len(c[kind]) <= per_clip else c[kind][rng.choice(len(c[kind]), per_clip, replace=False)]
                for c in clips
            ]
            books[kind] = fit_codebook(np.concatenate(drawn), rng, words)
        return cls(books)

    def encode(self, descriptors: dict[str, np.ndarray]) -> np.ndarray:
        """The Fisher vectors side by side, `float32`; every kind has length one."""
        return np.concatenate([book.encode(descriptors[kind]) for kind, book in self.books.items()])

    def save(self, path: Path) -> None:
        """As safetensors."""
        parts = {f"{kind}.{name}": part for kind, book in self.books.items() for name, part in vars(book).items()}
        save_file({name: np.ascontiguousarray(part) for name, part in parts.items()}, path)

    @classmethod
    def load(cls, path: Path) -> TrajectoryCode:
        parts: dict[str, dict[str, np.ndarray]] = {}
        for key, value in load_file(path).items():
            kind, name = key.split(".")
            parts.setdefault(kind, {})[name] = value
        return cls({kind: Codebook(**values) for kind, values in parts.items()})
