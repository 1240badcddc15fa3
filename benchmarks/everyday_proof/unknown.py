"""What was never learned: which score tells it from what was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from actrec.metrics.unknown import auroc
from actrec.models.everyday import NEVER
from actrec.systems.everyday_names import OWN, PLACES
from actrec.training.everyday.folds import FOLDS
from actrec.training.everyday.head import Fit, classes, fit_head
from actrec.training.everyday.score import Asked, fit_numbers
from actrec.training.everyday.views import Viewed
from benchmarks.everyday_proof.figures import bootstrap, separation
from benchmarks.everyday_proof.nested import Answered, ask, folds_of

FEWEST = 5  # clips on either side for an AUROC
NEIGHBOURS, SHRINK = 5, 0.3
UT = ("UT set1", "UT set2")


def logits_of(answer: Answered) -> np.ndarray:
    """Scores of all classes before the softmax, [views, classes]."""
    kinetics, times, shift = answer.numbers
    own = torch.tensor(answer.own * times + shift).float()
    return classes(torch.tensor(answer.item.kinetics * kinetics).float(), own).numpy()


def from_logits(logits: np.ndarray, masked: Sequence[int] = ()) -> dict[str, float]:
    """How known a clip is by its scores alone [views, classes]; masked classes cannot be answered."""
    logits = logits.astype(np.float64).copy()
    logits[:, list(masked)] = NEVER
    top = logits.max(1, keepdims=True)
    energy = top[:, 0] + np.log(np.exp(logits - top).sum(1))
    each = np.exp(logits - energy[:, None])
    likely = each.mean(0)
    best = np.sort(likely)[::-1]
    per_view = each[:, int(likely.argmax())]
    return {
        "largest probability": float(best[0]),
        "entropy": float((likely * np.log(np.clip(likely, 1e-12, None))).sum()),
        "energy": float(energy.mean()),
        "margin": float(best[0] - best[1]),
        "largest score": float(logits.mean(0).max()),
        "least over views": float(per_view.min()),
    }  # fmt: skip


class Means:
    """Class means of codes, and the spread within classes, of what a fold learned from real clips."""

    def __init__(self, learned: Sequence[Viewed]) -> None:
        real = [item for item in learned if not item.drawn]
        self.codes = np.stack([item.codes.mean(0) for item in real])
        self.targets = np.array([item.target for item in real])
        self.unit = _unit(self.codes)
        names = sorted(set(self.targets.tolist()) - {-1})
        self.means = np.stack([self.codes[self.targets == name].mean(0) for name in names])
        centred = np.concatenate([self.codes[self.targets == name] - mean for name, mean in
                                  zip(names, self.means, strict=True)])  # fmt: skip
        self.spread = centred.var(0) + 1e-3
        covariance = centred.T @ centred / len(centred)
        shrunk = (1 - SHRINK) * covariance + SHRINK * np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
        self.inverse = np.linalg.inv(shrunk)

    def scores(self, codes: np.ndarray) -> dict[str, float]:
        """Minus the distance of a clip's mean code to the nearest class mean, measured in several ways."""
        code = codes.mean(0)
        apart = code - self.means
        near = np.sort(np.linalg.norm(self.unit[self.targets >= 0] - _unit(code[None]), axis=1))[:NEIGHBOURS]
        return {
            "distance to class mean": -float(np.linalg.norm(apart, axis=1).min()),
            "angle to class mean": float((_unit(self.means) @ _unit(code[None])[0]).max()),
            "distance in units of spread": -float((apart**2 / self.spread).sum(1).min()),
            "Mahalanobis distance": -float(np.einsum("ij,jk,ik->i", apart, self.inverse, apart).min()),
            "distance to five neighbours": -float(near.mean()),
        }


def _unit(codes: np.ndarray) -> np.ndarray:
    return codes / np.linalg.norm(codes, axis=1, keepdims=True)


def own_scores(answer: Answered) -> dict[str, float]:
    """How known a clip is by its own names alone."""
    likely = answer.probabilities()[sorted(set(PLACES))]
    own = answer.own.mean(0)
    return {"probability of own names": float(likely.sum()), "largest own probability": float(likely.max()),
            "largest own score": float(own.max())}  # fmt: skip


def left_out(viewed: Sequence[Viewed], how: Fit, seed: int, name: int) -> list[tuple[Viewed, dict[str, float]]]:
    """Every real clip of an own name by a head that knows neither the name `name` nor the clip's recording, with all
    scores. The numbers were fitted without the name."""
    fold_of = folds_of(viewed, seed)
    asked: Asked = []
    means: list[Means] = []
    for fold in range(FOLDS):
        learned = [item for item, own in zip(viewed, fold_of, strict=True) if own != fold and item.target != name]
        head = fit_head(learned, how)
        means.append(Means(learned))
        asked += ask(head, [item for item, own in zip(viewed, fold_of, strict=True) if own == fold])
    numbers = fit_numbers([(item, own) for item, own in asked if item.target != name], fixed=True)
    fold_by_item = {id(item): fold for item, fold in zip(viewed, fold_of, strict=True)}
    of_clip: dict[str, list[np.ndarray]] = {}
    for item, own in asked:
        if item.target >= 0:
            of_clip.setdefault(item.file, []).append(Answered(item, own, numbers).probabilities())
    scored = []
    for item, own in asked:
        if item.target >= 0:
            answer = Answered(item, own, numbers)
            scores = from_logits(logits_of(answer)) | own_scores(answer) | both_sizes(of_clip[item.file])
            scored.append((item, scores | means[fold_by_item[id(item)]].scores(item.codes)))
    return scored


def both_sizes(likely: Sequence[np.ndarray]) -> dict[str, float]:
    """How known a clip is by the mean of its probabilities at all sizes of view."""
    mean = np.mean(likely, axis=0)
    best = np.sort(mean)[::-1]
    return {
        "both sizes, largest probability": float(best[0]),
        "both sizes, entropy": float((mean * np.log(np.clip(mean, 1e-12, None))).sum()),
        "both sizes, margin": float(best[0] - best[1]),
        "both sizes, agreement": float(np.min(likely, axis=0).sum()),
    }


def each_left_out(viewed: Sequence[Viewed], how: Fit, seed: int, on_progress: Callable[[str], None]) -> dict:
    """AUROC of each own name that real clips show, left out, against the kept ones of its source, by every score."""
    names = sorted({item.target for item in viewed if not item.drawn} - {-1})
    rows = []
    for name in names:
        on_progress(f"seed {seed}, without {OWN[name]}")
        scored = left_out(viewed, how, seed, name)
        for source in dict.fromkeys(item.source for item, _ in scored if item.target == name):
            of_source = [(item, scores) for item, scores in scored if item.source == source]
            known = np.array([item.target != name for item, _ in of_source])
            groups = [item.group for item, _ in of_source]
            rows.append({"name": OWN[name], "source": source, "clips": int((~known).sum()),
                         "scores": {score: separation(np.array([scores[score] for _, scores in of_source]), known,
                                                      groups, interval=False)["auroc"]
                                    for score in of_source[0][1]}})  # fmt: skip
    return {"rows": rows, **chosen_on_half(rows, seed)}


def chosen_on_half(rows: Sequence[dict], seed: int) -> dict:
    """The score with the best mean AUROC over half of the names, and its mean over the other half; both ways."""
    names = sorted({row["name"] for row in rows})
    order = np.random.default_rng(seed).permutation(len(names))
    halves = [
        {names[place] for place in order[: len(names) // 2]},
        {names[place] for place in order[len(names) // 2 :]},
    ]

    def mean(score: str, half: set[str]) -> float:
        return float(np.mean([row["scores"][score] for row in rows if row["name"] in half]))

    scores = list(rows[0]["scores"])
    picked = [max(scores, key=lambda score: mean(score, half)) for half in halves]
    reported = [row["scores"][picked[1 - side]] for side, half in enumerate(halves) for row in rows
                if row["name"] in half]  # fmt: skip
    by_row = [(row["name"], value) for side, half in enumerate(halves) for row, value in
              [(row, row["scores"][picked[1 - side]]) for row in rows if row["name"] in half]]  # fmt: skip
    values = np.array([value for _, value in by_row])
    return {
        "chosen": picked, "auroc": round(float(np.mean(reported)), 4),
        "interval": bootstrap(lambda places: float(values[places].mean()), [name for name, _ in by_row], seed),
        "of_each_score": {score: round(mean(score, set(names)), 4) for score in scores},
    }  # fmt: skip


def by_file(data: Path, viewed: Sequence[Viewed]) -> dict:
    """What header facts and one still frame reach in place of the network: for each own name of a source, the part of
    kept names among a clip's five nearest neighbours of the source, itself left out."""
    from actrec.sampling import letterbox
    from actrec.video.read import read_clip

    facts, stills = {}, {}
    for item in viewed:
        if item.target >= 0 and not item.drawn and item.file not in facts:
            clip = read_clip(data / item.file, short_side=64)
            full = read_clip(data / item.file).size
            facts[item.file] = np.log([len(clip), full[0], full[1]])
            stills[item.file] = letterbox(clip.frames[len(clip) // 2][None], 16)[0][0].astype(np.float64).ravel() / 255
    figures = {}
    for name, table in (("frame count and size", facts), ("one still frame", stills)):
        values = []
        for source in (*UT, "generated people"):
            items = list({item.file: item for item in viewed if item.source == source and item.target >= 0}.values())
            vectors = np.stack([table[item.file] for item in items])
            vectors = (
                (vectors - vectors.mean(0)) / (vectors.std(0) + 1e-6) if name == "frame count and size" else vectors
            )
            apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
            np.fill_diagonal(apart, np.inf)
            for target in sorted({item.target for item in items}):
                known = np.array([item.target != target for item in items])
                near = known[np.argsort(apart, axis=1, kind="stable")[:, :NEIGHBOURS]].mean(1)
                values.append(auroc(near[known], near[~known]))
        figures[name] = {"auroc": round(float(np.mean(values)), 4), "names": len(values)}
    return figures


def masked(answers: Sequence[Answered], table: dict[str, set[int]], usual: Sequence[Answered]) -> dict[str, dict]:
    """Clips against themselves with their right names masked: AUROC by every score."""
    sides, rows, groups = _both_sides(answers, table, usual)
    return {score: separation(np.array([row[score] for row in rows]), sides, groups) for score in rows[0]}


def masked_on_half(
    answers: Sequence[Answered], table: dict[str, set[int]], usual: Sequence[Answered], seeds: Sequence[int] = (0, 1, 2)
) -> dict:
    """The score that is best on half of the clips, its AUROC on the other half: mean over both ways and the seeds."""
    sides, rows, _ = _both_sides(answers, table, usual)
    clips, values, picked = len(rows) // 2, [], []

    def of(score: str, half: np.ndarray) -> float:
        numbers = np.array([row[score] for row in rows])
        both = np.concatenate([half, half + clips])
        return auroc(numbers[both][sides[both]], numbers[both][~sides[both]])

    for seed in seeds:
        halves = np.array_split(np.random.default_rng(seed).permutation(clips), 2)
        for chooses, reports in (halves, halves[::-1]):
            picked.append(max(rows[0], key=lambda score: of(score, chooses)))
            values.append(of(picked[-1], reports))
    return {"auroc": round(float(np.mean(values)), 4), "clips": clips, "chosen": dict(Counter(picked))}


def _both_sides(
    answers: Sequence[Answered], table: dict[str, set[int]], usual: Sequence[Answered]
) -> tuple[np.ndarray, list[dict[str, float]], list[str]]:
    """Which rows are unmasked, all scores of each row, and its group. `usual` are clips whose scores say what a class
    has when it is not shown."""
    answers = [answer for answer in answers if answer.item.file in table]
    background = np.concatenate([logits_of(answer) for answer in usual])
    mean, deviation = background.mean(0), background.std(0) + 1e-3
    known, unknown = [], []
    for answer in answers:
        logits = logits_of(answer)
        for rows, hidden in ((known, []), (unknown, sorted(table[answer.item.file]))):
            standard = ((logits - mean) / deviation).mean(0)
            standard[hidden] = NEVER
            shown = logits.mean(0)
            shown[hidden] = NEVER
            beside = {"largest score in units of its spread": float(standard.max()),
                      "score of the answer in units of its spread": float(standard[int(shown.argmax())])}  # fmt: skip
            rows.append(from_logits(logits, hidden) | beside)
    sides = np.repeat([True, False], len(answers))
    return sides, [*known, *unknown], [answer.item.group for answer in answers] * 2
