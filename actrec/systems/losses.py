"""What the networks are trained by, and the batches the N-pair loss needs.

N-pair loss: Man et al., "The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks"
(MS3D), eq. 5.
Bridge distillation: the cross-enhancement two-stream paper, α·MSE(feature1) + β·MSE(featureEnd) + γ·CE.
Ours, not the papers': eq. 5 is averaged over the classes, not summed, so that the learning rate does not
depend on their number; a penalty on the codes' length (`length`, zero unless asked for: without it lengths
grow for ever, while eq. 6 judges by Euclidean distance).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from actrec.core.errors import BadValue


def n_pair(anchors: Tensor, positives: Tensor, *, length: float = 0.0) -> Tensor:
    """Eq. 5 for codes [T, D] of T classes: `anchors[i]` and `positives[i]` are two clips of class i.

    log(1 + Σ_{j≠i} exp(aᵢ·pⱼ − aᵢ·pᵢ)) is the cross-entropy of row i of a·pᵀ with target i, in which form it
    cannot overflow. N_j, the negative of class j, is that class's second clip.
    """
    if anchors.shape != positives.shape or anchors.dim() != 2:
        raise BadValue(
            f"N-pair takes two [classes, D] of one shape, not {list(anchors.shape)}, {list(positives.shape)}."
        )
    anchors, positives = anchors.float(), positives.float()
    products = anchors @ positives.T
    loss = functional.cross_entropy(products, torch.arange(len(anchors), device=anchors.device))
    if length:
        loss = loss + length * (anchors.square().sum(1) + positives.square().sum(1)).mean() / 2
    return loss


def n_pair_of_batch(codes: Tensor, labels: Tensor, *, length: float = 0.0) -> Tensor:
    """The same for a batch in any order that holds exactly two clips of each of its classes."""
    order = torch.argsort(labels, stable=True)
    pairs = labels[order].reshape(-1, 2) if len(labels) % 2 == 0 else labels.new_zeros(1, 2)
    if len(labels) % 2 or (pairs[:, 0] != pairs[:, 1]).any() or (pairs[1:, 0] == pairs[:-1, 0]).any():
        raise BadValue("The N-pair loss needs exactly two clips of each class in the batch.")
    codes = codes[order]
    return n_pair(codes[0::2], codes[1::2], length=length)


def pair_batches(labels: np.ndarray, classes: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """One epoch of class-balanced batches, indices [2·classes]: first clips of each class, then second ones.

    Within a batch every class comes once; over the epoch classes differ by at most one appearance, and
    each class's clips come once before any comes twice. A class with a single clip is paired with itself
    (two views of it are still drawn at random). A batch never holds more classes than there are.
    """
    labels = np.asarray(labels)
    names = np.unique(labels)
    if len(names) < 2:
        raise BadValue("The N-pair loss needs clips of at least two classes.")
    classes = min(classes, len(names))
    decks = {name: _deck(np.flatnonzero(labels == name), generator) for name in names}
    turns: Iterator[object] = _deck(names, generator)
    waiting: deque[object] = deque()
    for _ in range(max(1, len(labels) // (2 * classes))):
        chosen = [waiting.popleft() for _ in range(len(waiting))]
        while len(chosen) < classes:
            name = next(turns)
            (waiting if name in chosen else chosen).append(name)  # a class that waits is first in the next batch
        pairs = [(next(decks[name]), next(decks[name])) for name in chosen]
        yield np.array(pairs).T.reshape(-1)


def _deck(items: np.ndarray, generator: np.random.Generator) -> Iterator:
    """The items in random order, then in another, for ever; none twice in a row unless it is the only one."""
    last = None
    while True:
        order = generator.permutation(items)
        if len(order) > 1 and order[0] == last:
            order[[0, -1]] = order[[-1, 0]]
        yield from order
        last = order[-1]


@dataclass(frozen=True)
class Distillation:
    """The whole loss and its parts, before α, β and γ; a part that is not computed is None."""

    loss: Tensor
    first: Tensor | None
    end: Tensor | None
    entropy: Tensor


def bridge_distillation(
    student: tuple[Tensor, Tensor],
    teacher: tuple[Tensor, Tensor],
    scores: Tensor,
    labels: Tensor,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    gamma: float = 1.0,
) -> Distillation:
    """α·MSE(first bridge) + β·MSE(second bridge) + γ·cross-entropy; pairs are (first, end) features.

    The teacher gets no gradient. With α or β zero that term is left out altogether, not multiplied by zero:
    α = β = 0 is plain training, α = 0 is MARS.
    """
    entropy = functional.cross_entropy(scores.float(), labels)
    loss = gamma * entropy
    parts: list[Tensor | None] = [None, None]
    for place, weight in enumerate((alpha, beta)):
        if weight:
            if student[place].shape != teacher[place].shape:
                raise BadValue(
                    f"A bridge joins features of one shape, not {list(student[place].shape)} and "
                    f"{list(teacher[place].shape)}: the student needs an adapter."
                )
            part = functional.mse_loss(student[place].float(), teacher[place].detach().float())
            parts[place], loss = part, loss + weight * part
    return Distillation(loss, parts[0], parts[1], entropy)
