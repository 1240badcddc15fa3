"""What the head, the views, drawn clips and a crop are worth, by leaving one source out, as the protocol has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from actrec.models.everyday import NEVER
from actrec.systems.everyday_names import OWN, PLACES
from actrec.training.everyday.folds import LEFT_OUT, answer
from actrec.training.everyday.head import Fit, Head, codes_of, fit_head, weights_of
from actrec.training.everyday.views import Viewed
from benchmarks.everyday_proof.figures import proportion

FitHead = Callable[[Sequence[Viewed], Fit], Head]


def _standardised(viewed: Sequence[Viewed], how: Fit) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Codes of unit deviation, the own name of each view, and the mean and deviation that were taken away."""
    codes = codes_of(viewed, how.aligned)
    targets = np.repeat([item.target for item in viewed], [len(item.codes) for item in viewed])
    mean, deviation = codes.mean(0), codes.std(0) + 1e-2
    return (codes - mean) / deviation, targets, mean, deviation


def _head(weight: np.ndarray, bias: np.ndarray, names: Sequence[int], mean: np.ndarray, deviation: np.ndarray) -> Head:
    """The head for codes as they come, from weights for codes of unit deviation. A name without clips is no answer."""
    full, shift = np.zeros((len(OWN), len(mean)), np.float32), np.full(len(OWN), NEVER, np.float32)
    full[list(names)] = weight / deviation
    shift[list(names)] = bias - (weight / deviation) @ mean
    return Head(full, shift)


def nearest_mean(viewed: Sequence[Viewed], how: Fit) -> Head:
    """−‖x − mean‖² / 2, without what all classes share; none of them has a mean of its own, whose score is taken off,
    so that an own name that is as far away as the negatives is as likely as Kinetics' names together."""
    features, targets, mean, deviation = _standardised(viewed, how)
    weights = weights_of(viewed, how).numpy()
    names = sorted(set(targets.tolist()) - {-1})
    means = np.stack(
        [np.average(features[targets == name], axis=0, weights=weights[targets == name]) for name in names]
    )
    none = np.average(features[targets < 0], axis=0, weights=weights[targets < 0])
    scale = 1 / np.sqrt(features.shape[1])
    weight = (means - none) * scale
    bias = -((means**2).sum(1) - (none**2).sum()) / 2 * scale
    return _head(weight, bias, names, mean, deviation)


def regression(viewed: Sequence[Viewed], how: Fit) -> Head:
    """Multinomial logistic regression with a class for none; its score is taken off the others."""
    from sklearn.linear_model import LogisticRegression

    features, targets, mean, deviation = _standardised(viewed, how)
    weights = weights_of(viewed, how).numpy().astype(np.float64)
    model = LogisticRegression(C=100 / (2 * how.shrink), max_iter=200)
    model.fit(features, targets, sample_weight=weights)
    place = model.classes_.tolist().index(-1)
    names = [int(name) for name in model.classes_ if name >= 0]
    rows = [model.classes_.tolist().index(name) for name in names]
    return _head(model.coef_[rows] - model.coef_[place], model.intercept_[rows] - model.intercept_[place], names, mean,
                 deviation)  # fmt: skip


def one_against_rest(viewed: Sequence[Viewed], how: Fit) -> Head:
    """For each own name a logistic regression of its own against everything else."""
    features, targets, mean, deviation = _standardised(viewed, how)
    weights = weights_of(viewed, how)
    names = sorted(set(targets.tolist()) - {-1})
    x = torch.tensor(features).float()
    y = torch.tensor(np.stack([targets == name for name in names], 1)).float()
    weight = torch.zeros(len(names), x.shape[1], requires_grad=True)
    bias = torch.zeros(len(names), requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=200, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        each = torch.nn.functional.binary_cross_entropy_with_logits(x @ weight.T + bias, y, reduction="none")
        loss = (weights[:, None] * each).sum() + how.shrink * weight.square().sum() / 100
        loss.backward()
        return loss

    optimiser.step(closure)
    return _head(weight.detach().numpy(), bias.detach().numpy(), names, mean, deviation)


HEADS: dict[str, FitHead] = {
    "nearest class mean": nearest_mean,
    "multinomial logistic regression, a class for none": regression,
    "one against the rest": one_against_rest,
    "joint softmax with Kinetics' scores": fit_head,
}


def beside_kinetics(head: Head, viewed: Sequence[Viewed]) -> Head:
    """The head with the mean over clips of the logarithm of Kinetics' sum added: its scores are against none, and
    Kinetics' names stand for none in the softmax that answers."""
    kinetics = torch.tensor(np.concatenate([item.kinetics for item in viewed])).float()
    level = float(torch.logsumexp(kinetics, 1).mean())
    learned = np.abs(head.weight).sum(1) > 0
    return Head(head.weight, np.where(learned, head.bias + level, head.bias).astype(np.float32))


def by_source(viewed: Sequence[Viewed], how: Fit, fit: FitHead = fit_head) -> dict:
    """For each source that is left out: right answers among all classes, and what an own name takes of its
    negatives. The score of the protocol is the mean of the accuracies
    minus the part that is taken. A source none of whose names the others hold has no accuracy."""
    figures: dict = {}
    lost: list[bool] = []
    of_lost: list[str] = []
    for source in LEFT_OUT:
        learned = [item for item in viewed if item.source != source]
        head = fit(learned, how)
        head = head if fit is fit_head else beside_kinetics(head, learned)
        known = {item.target for item in learned} - {-1}
        asked = [item for item in viewed if item.source == source and item.target in known]
        right = [int(answer(head, item).argmax()) == PLACES[item.target] for item in asked]
        of_own = [int(head.scores(item.codes).mean(0).argmax()) == item.target for item in asked]
        groups = [item.group for item in asked]
        if asked:
            figures[source] = proportion(right, groups) | {"right_among_own": int(sum(of_own))}
        others = [item for item in viewed if item.source == source and item.target < 0]
        taken = [int(answer(head, item).argmax()) in PLACES for item in others]
        if others:
            figures.setdefault(source, {})["negatives"] = proportion(taken, [item.group for item in others])
        lost += taken
        of_lost += [item.group for item in others]
    figures["taken"] = proportion(lost, of_lost)
    rates = [figures[source]["rate"] for source in LEFT_OUT if "rate" in figures.get(source, {})]
    figures["accuracy"] = round(float(np.mean(rates)), 4)
    figures["score"] = round(figures["accuracy"] - figures["taken"]["rate"], 4)
    return figures


def settings() -> dict[str, Fit]:
    """The shipped settings, and each with one thing changed."""
    shipped = Fit()
    return {
        "as shipped": shipped,
        "drawn clips not aligned": replace(shipped, aligned=False),
        "no drawn clips": replace(shipped, drawn=0.0),
        "ten times the shrinking": replace(shipped, shrink=shipped.shrink * 10),
        "a hundred times the shrinking": replace(shipped, shrink=shipped.shrink * 100),
        "negatives weigh twice": replace(shipped, negatives=shipped.negatives * 2),
        "negatives weigh half": replace(shipped, negatives=shipped.negatives / 2),
    }


def middle_views(viewed: Sequence[Viewed], count: int) -> list[Viewed]:
    """The middle views of each clip, so many or as many as there are."""
    chosen = []
    for item in viewed:
        start = max(0, (len(item.codes) - count) // 2)
        chosen.append(
            replace(item, codes=item.codes[start : start + count], kinetics=item.kinetics[start : start + count])
        )
    return chosen
