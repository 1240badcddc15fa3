"""From the scores of many views to one answer, with what each view counted for.

Average and maximum; SCI from Sun et al., "Human Action Recognition using Factorized Spatio-Temporal
Convolutional Networks" (FstCN), ICCV 2015, eq. 5–7; softmax fusion of two networks and a linear SVM on deep
features with or without trajectory features from Yang et al., "Asymmetric 3D Convolutional Neural Networks
for Action Recognition", sec. 4.7. All but the SVM take probabilities (after the softmax), never raw scores.
Ours, not the papers': each source of the SVM is scaled to length one before they are joined; C = 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from actrec.core.errors import BadValue


@dataclass(frozen=True)
class Fused:
    """One answer out of many: `scores` [classes], and `weights`, shaped as the views were.

    `parts` holds what the last step chose from: the views, or the pairs that eq. 7 takes the maximum of.
    """

    scores: np.ndarray
    weights: np.ndarray
    parts: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """Scores that sum to one, to be shown: after a maximum (eq. 7) the scores themselves no longer do."""
        total = self.scores.sum()
        return self.scores / total if total > 0 else np.full_like(self.scores, 1 / len(self.scores))


def _checked(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim < 2 or scores.size == 0:
        raise BadValue(f"Fusion takes [views, classes] of at least one view, not {list(scores.shape)}.")
    if not np.isfinite(scores).all():
        raise BadValue("The network gave scores that are not numbers. Check its weights and its input.")
    return scores


def average(scores: np.ndarray) -> Fused:
    """The mean over all views [..., classes]: every view counts the same."""
    scores = _checked(scores)
    views = scores.reshape(-1, scores.shape[-1])
    return Fused(views.mean(0), np.full(scores.shape[:-1], 1 / len(views)), views)


def maximum(scores: np.ndarray) -> Fused:
    """The largest score of every class over all views; the view behind the winning class counts, no other."""
    scores = _checked(scores)
    views = scores.reshape(-1, scores.shape[-1])
    best = views.max(0)
    behind = views[:, best.argmax()] == best.max()
    return Fused(best, (behind / behind.sum()).reshape(scores.shape[:-1]), views)


def sci(scores: np.ndarray) -> np.ndarray:
    """Sparsity concentration index over the last axis, eq. 5: one-hot 1, uniform 0."""
    scores = np.asarray(scores, dtype=np.float64)
    classes = scores.shape[-1]
    if classes < 2:
        return np.ones(scores.shape[:-1])
    return np.clip((classes * scores.max(-1) / scores.sum(-1) - 1) / (classes - 1), 0, 1)


def sci_fusion(scores: np.ndarray, *, crops: int | None = None) -> Fused:
    """Crops of a pair weighted by their SCI (eq. 6), then the largest score over the pairs (eq. 7).

    `scores` is [pairs, crops, classes], or [views, classes] with `crops` views in a row from each pair (all
    from one pair unless given). Where every crop of a pair is uniform eq. 6 divides by zero: plain mean.
    """
    scores = _checked(scores)
    shape = scores.shape[:-1]
    if scores.ndim == 2:
        crops = crops or len(scores)
        if len(scores) % crops:
            raise BadValue(f"{len(scores)} views are not a whole number of pairs with {crops} crops each.")
        scores = scores.reshape(-1, crops, scores.shape[-1])
    index = sci(scores)
    total = index.sum(1, keepdims=True)
    uniform = total <= 1e-9
    weights = np.where(uniform, 1 / scores.shape[1], index / np.where(uniform, 1, total))
    pairs = (weights[..., None] * scores).sum(1)
    return Fused(pairs.max(0), weights.reshape(shape), pairs)


def softmax_fusion(networks: Sequence[np.ndarray], weights: Sequence[float] | None = None) -> Fused:
    """The weighted mean of several networks' probabilities, [networks, classes]: RGB + RGBF; equal by default."""
    scores = _checked(np.stack([np.asarray(network, dtype=np.float64) for network in networks]))
    weight = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape != (len(scores),) or (weight < 0).any() or weight.sum() <= 0:
        raise BadValue(f"Fusing {len(scores)} networks takes as many weights, none negative, not all zero.")
    weight = weight / weight.sum()
    return Fused(np.tensordot(weight, scores, 1), weight, scores)


class FeatureSVM:
    """A linear one-against-all SVM on several sources: the codes of networks, trajectory features.

    Every source is scaled to length one, so that none drowns another, and joined in the order of `fit`.
    """

    def __init__(self, c: float = 1.0, seed: int = 0) -> None:
        self.c, self.seed = c, seed
        self.sources: list[tuple[str, int]] = []

    def fit(self, features: Mapping[str, np.ndarray], labels: np.ndarray) -> FeatureSVM:
        """Learn from `{source: [videos, D]}` and one class index per video."""
        from sklearn.svm import LinearSVC  # 1.2 s, needed only here

        labels = np.asarray(labels)
        if len(np.unique(labels)) < 2:
            raise BadValue("An SVM needs clips of at least two classes.")
        self.sources = [(name, np.asarray(values).shape[1]) for name, values in features.items()]
        machine = LinearSVC(C=self.c, random_state=self.seed).fit(self._joined(features), labels)
        self.classes = machine.classes_
        self.coefficients, self.offsets = machine.coef_, machine.intercept_
        if len(self.classes) == 2:  # scikit-learn keeps one line for two classes
            self.coefficients = np.concatenate([-self.coefficients, self.coefficients])
            self.offsets = np.concatenate([-self.offsets, self.offsets])
        return self

    def decide(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """Signed distances to each class's plane, [videos, classes]; the largest wins."""
        return self._joined(features) @ self.coefficients.T + self.offsets

    def predict(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        return self.classes[self.decide(features).argmax(1)]

    def explain(self, features: Mapping[str, np.ndarray]) -> Fused:
        """One video `{source: [D]}`: its distances, and each source's part in the winner's."""
        joined = self._joined({name: np.asarray(values)[None] for name, values in features.items()})
        distances = (joined @ self.coefficients.T + self.offsets)[0]
        pulls = joined[0] * self.coefficients
        ends = np.cumsum([size for _, size in self.sources])[:-1]
        parts = np.stack([part.sum(1) for part in np.split(pulls, ends, axis=1)])
        pull = np.abs(parts[:, distances.argmax()])
        return Fused(distances, pull / max(pull.sum(), 1e-12), parts)

    def _joined(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        parts = []
        for name, size in self.sources:
            if name not in features:
                raise BadValue(f"The SVM was trained with features named '{name}', and they are missing.")
            values = np.asarray(features[name], dtype=np.float64)
            if values.ndim != 2 or values.shape[1] != size:
                raise BadValue(f"Features '{name}' are [videos, {size}], not {list(values.shape)}.")
            length = np.linalg.norm(values, axis=1, keepdims=True)
            parts.append(values / np.maximum(length, 1e-12))
        return np.concatenate(parts, axis=1)
