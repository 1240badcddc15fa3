"""One score for both halves: the three numbers of softmax over [s₁ · Kinetics, s₂ · own + b], fitted out of fold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from actrec.systems.everyday_names import LABELS, PLACES
from actrec.training.everyday.folds import by_recording
from actrec.training.everyday.head import Fit, Head, classes, fit_head
from actrec.training.everyday.views import Viewed

KINETICS_NAMES = {"push-ups": "push up"}  # sources whose clips show an action of Kinetics
Asked = list[tuple[Viewed, np.ndarray]]  # clips with the own scores of a head that did not learn from them


def out_of_fold(viewed: Sequence[Viewed], how: Fit, seed: int = 0) -> Asked:
    """Every real clip with own scores [views, names] by the head of its fold."""
    asked: Asked = []
    for learned, held_out in by_recording(viewed, seed):
        head = fit_head(learned, how)
        asked += [(item, head.scores(item.codes)) for item in held_out]
    return asked


def place_of(item: Viewed) -> int:
    """The class that is right for a clip; −1 where all that is known is that it shows no own action."""
    if item.target >= 0:
        return PLACES[item.target]
    return LABELS.index(KINETICS_NAMES[item.source]) if item.source in KINETICS_NAMES else -1


def fit_numbers(asked: Asked, *, clips_alike: bool = False, fixed: bool = False) -> tuple[float, float, float]:
    """The numbers with the least negative log-likelihood; each class counts alike, as do the negatives of a source.

    With `clips_alike` each clip of a known class counts alike and the others not at all; with `fixed` s₁ stays 1.
    """
    if clips_alike:
        asked = [(item, scores) for item, scores in asked if place_of(item) >= 0]
    kinds = [(place_of(item), item.source if place_of(item) < 0 else "") for item, _ in asked]
    counts = {kind: kinds.count(kind) for kind in kinds}
    weights = torch.tensor([1.0 if clips_alike else 1 / counts[kind] for kind in kinds])
    kinetics = torch.tensor(np.concatenate([item.kinetics for item, _ in asked])).float()
    own = torch.tensor(np.concatenate([scores for _, scores in asked])).float()
    views = torch.tensor([len(scores) for _, scores in asked])
    clip_of = torch.repeat_interleave(torch.arange(len(asked)), views)
    places = torch.tensor([place for place, _ in kinds])
    logs = torch.zeros(2, requires_grad=True)  # of s₁ and s₂, which are positive
    shift = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([logs, shift], max_iter=60, line_search_fn="strong_wolfe")
    own_places = torch.tensor(sorted(set(PLACES)))

    def closure() -> Tensor:
        optimiser.zero_grad()
        first = torch.ones(()) if fixed else logs[0].exp()
        likely = torch.softmax(classes(kinetics * first, own * logs[1].exp() + shift), 1)
        named = likely.gather(1, places.clamp(min=0)[clip_of, None]).squeeze(1)
        right = torch.where(places[clip_of] >= 0, named, 1 - likely[:, own_places].sum(1))
        of_clip = torch.zeros(len(asked)).index_add(0, clip_of, right) / views
        costs = -torch.log(of_clip.clamp(min=1e-6))
        loss = (weights * costs).sum() / weights.sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    first, second = logs.detach().exp().tolist()
    return 1.0 if fixed else first, second, float(shift.detach())


def scaled(head: Head, numbers: Sequence[float]) -> Head:
    """The head with s₂ and b inside its weights; what nobody can show stays impossible."""
    _, times, shift = numbers
    learned = np.abs(head.weight).sum(1) > 0
    return Head(head.weight * times, np.where(learned, head.bias * times + shift, head.bias).astype(np.float32))
