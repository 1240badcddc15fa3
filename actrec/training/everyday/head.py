"""The second head: fitted in the very softmax that answers, beside Kinetics' scores, which stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from actrec.models.everyday import NEVER
from actrec.systems.everyday_names import LABELS, OWN, PLACES
from actrec.training.everyday.views import Viewed

STEPS, HISTORY = 200, 20  # of L-BFGS


@dataclass(frozen=True)
class Fit:
    """What is chosen by leaving sources out.

    `shrink` is the weight of the squared weights of the head (on features of unit deviation), `negatives` the weight of
    all negatives beside that of one own name, `drawn` the part of a name's weight that its drawn clips have where it
    has real ones.
    """

    shrink: float = 1e-4
    negatives: float = 9.0
    drawn: float = 0.5
    aligned: bool = True


@dataclass(frozen=True)
class Head:
    """Scores of the own names: `weight` [names, 1024] · code + `bias`. A name without a clip is never the answer."""

    weight: np.ndarray
    bias: np.ndarray

    def scores(self, codes: np.ndarray) -> np.ndarray:
        return codes @ self.weight.T + self.bias


def classes(kinetics: Tensor, own: Tensor) -> Tensor:
    """Scores of the classes before the softmax from those of Kinetics' names and of the own ones, as the network has
    them: where both mean the same, the sum of both."""
    padded = torch.nn.functional.pad(kinetics, (0, len(LABELS) - kinetics.shape[1]), value=NEVER)
    placed = torch.full_like(padded, NEVER).index_copy(1, torch.tensor(PLACES), own)
    return torch.logaddexp(padded, placed)


def probabilities(item: Viewed, own: np.ndarray, numbers: Sequence[float]) -> np.ndarray:
    """The mean of the views' probabilities, [classes]."""
    kinetics, times, shift = numbers
    scores = classes(torch.tensor(item.kinetics * kinetics).float(), torch.tensor(own * times + shift).float())
    return torch.softmax(scores, 1).mean(0).numpy()


def weights_of(viewed: Sequence[Viewed], how: Fit) -> Tensor:
    """The weight of each view: own names count alike, and so do the clips of a name and the views of a clip."""
    targets = np.array([item.target for item in viewed])
    drawn = np.array([item.drawn for item in viewed])
    weights = np.zeros(len(viewed))
    for name in range(-1, len(OWN)):
        of_name = targets == name
        parts = [part for part in (of_name & ~drawn, of_name & drawn) if part.any()]
        total = how.negatives if name < 0 else 1.0
        for part in parts:
            share = 1.0 if len(parts) == 1 else how.drawn if drawn[part][0] else 1 - how.drawn
            weights[part] = total * share / part.sum()
    return torch.tensor(np.concatenate([np.full(len(item.codes), weight / len(item.codes)) for item, weight in
                                        zip(viewed, weights / weights.sum(), strict=True)])).float()  # fmt: skip


def codes_of(viewed: Sequence[Viewed], aligned: bool) -> np.ndarray:
    """The codes of all views. With `aligned`, drawn ones are moved and stretched so that their mean and deviation are
    those of real people of the same names: how drawings look would tell their names otherwise."""
    codes = np.concatenate([item.codes for item in viewed])
    drawn = np.concatenate([np.full(len(item.codes), item.drawn) for item in viewed])
    if not aligned or not drawn.any() or drawn.all():
        return codes
    shared = {item.target for item in viewed if item.drawn} & {item.target for item in viewed if not item.drawn} - {-1}
    both = np.concatenate([np.full(len(item.codes), item.target in shared) for item in viewed])
    real = codes[~drawn & both] if (~drawn & both).any() else codes[~drawn]
    of_drawn = codes[drawn & both] if (drawn & both).any() else codes[drawn]
    ratio = (real.std(0) + 1e-2) / (of_drawn.std(0) + 1e-2)
    return np.where(drawn[:, None], (codes - of_drawn.mean(0)) * ratio + real.mean(0), codes)


def fit_head(viewed: Sequence[Viewed], how: Fit) -> Head:
    """Minimise the negative log-likelihood of the clips' classes; a negative is anything but the own names."""
    codes = torch.tensor(codes_of(viewed, how.aligned)).float()
    kinetics = torch.tensor(np.concatenate([item.kinetics for item in viewed])).float()
    targets = torch.tensor(np.repeat([item.target for item in viewed], [len(item.codes) for item in viewed]))
    weights = weights_of(viewed, how)
    mean, deviation = codes.mean(0), codes.std(0) + 1e-2
    features = (codes - mean) / deviation
    learned = torch.zeros(len(OWN), dtype=torch.bool)
    learned[targets[targets >= 0].unique()] = True
    weight = torch.zeros(len(OWN), features.shape[1], requires_grad=True)
    bias = torch.zeros(len(OWN), requires_grad=True)
    # Merging synonyms does not change the sum over all names: the loss needs only Kinetics' sum and the target's own.
    negative, name = targets < 0, targets.clamp(min=0)[:, None]
    everything = torch.logsumexp(kinetics, 1)
    padded = torch.nn.functional.pad(kinetics, (0, len(LABELS) - kinetics.shape[1]), value=NEVER)
    synonym = padded.gather(1, torch.tensor(PLACES)[name]).squeeze(1)

    def closure() -> Tensor:
        optimiser.zero_grad()
        own = torch.where(learned, features @ weight.T + bias, torch.tensor(NEVER))
        target = torch.where(negative, everything, torch.logaddexp(synonym, own.gather(1, name).squeeze(1)))
        total = torch.logaddexp(everything, torch.logsumexp(own, 1))
        loss = (weights * (total - target)).sum() + how.shrink * weight.square().sum() / 100
        loss.backward()
        return loss

    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=STEPS, history_size=HISTORY, line_search_fn="strong_wolfe", tolerance_change=1e-7
    )
    optimiser.step(closure)
    turned = torch.where(learned[:, None], weight.detach() / deviation, torch.tensor(0.0))
    shifted = torch.where(learned, bias.detach() - turned @ mean, torch.tensor(NEVER))
    return Head(turned.numpy(), shifted.numpy())
