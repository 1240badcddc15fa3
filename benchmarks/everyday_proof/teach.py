"""What a person can teach with a few clips on the frozen codes: yoga poses, and push-ups done right or wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from actrec.recognition.repository import Repository
from actrec.training.everyday.views import Viewed
from benchmarks.everyday_proof.figures import bootstrap

DRAWS = 20
TAUGHT, PAIR_TAUGHT, PUSHUPS_TAUGHT = 3, 5, (5, 20)
LEFT_OUT = "padmasana"  # three takes
SHRINK = 0.1  # of the covariance towards a multiple of one, in whitening
Codes = Mapping[str, np.ndarray]  # of each clip, [views, numbers]
Change = Callable[[np.ndarray], np.ndarray]


def earlier_and_later(files: Sequence[str]) -> tuple[list[str], list[str]]:
    """The earlier and the later half of takes by the time in their names; the middle one of an odd number is later."""
    ordered = sorted(files, key=lambda file: Path(file).stem)
    return ordered[: len(ordered) // 2], ordered[len(ordered) // 2 :]


def taught(lessons: Mapping[str, Sequence[str]], codes: Codes, asked: Sequence[str]) -> list[str]:
    """The rule of Teach: a centre for each class over all views of its clips, and the nearest to a clip's mean code."""
    repository = Repository.of({label: np.concatenate([codes[file] for file in files]) for label, files in
                                lessons.items()})  # fmt: skip
    return [str(judgement.nearest[0][0]) for judgement in
            repository.judge_many(np.stack([codes[file].mean(0) for file in asked]))]  # fmt: skip


def fitted(lessons: Mapping[str, Sequence[str]], codes: Codes, asked: Sequence[str]) -> list[str]:
    """A logistic regression on the clips' mean codes of unit length, in place of the nearest centre."""
    from sklearn.linear_model import LogisticRegression

    def means(files: Sequence[str]) -> np.ndarray:
        rows = np.stack([codes[file].mean(0) for file in files])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    labels = [label for label, files in lessons.items() for _ in files]
    model = LogisticRegression(C=100.0, class_weight="balanced", max_iter=500)
    model.fit(means([file for files in lessons.values() for file in files]), labels)
    return [str(label) for label in model.predict(means(asked))]


RULES = {"nearest centre": taught, "logistic regression": fitted}


def unit(codes: np.ndarray) -> np.ndarray:
    return codes / np.linalg.norm(codes, axis=-1, keepdims=True)


def changes(others: np.ndarray) -> dict[str, Change]:
    """Ways to compare codes; what is fitted is fitted to codes [n, numbers] of other clips."""
    mean = others.mean(0)
    centred = others - mean
    covariance = centred.T @ centred / len(centred)
    size = len(covariance)
    shrunk = (1 - SHRINK) * covariance + SHRINK * np.eye(size) * np.trace(covariance) / size
    values, vectors = np.linalg.eigh(shrunk)
    white = vectors / np.sqrt(values)
    deviation = others.std(0) + 1e-2
    return {
        "as they are": lambda codes: codes,
        "unit length": unit,
        "square root, unit length": lambda codes: unit(np.sqrt(np.maximum(codes, 0))),
        "standardised by other clips": lambda codes: (codes - mean) / deviation,
        "centred by other clips, unit length": lambda codes: unit(codes - mean),
        "standardised, unit length": lambda codes: unit((codes - mean) / deviation),
        "whitened by other clips": lambda codes: (codes - mean) @ white,
        "whitened, unit length": lambda codes: unit((codes - mean) @ white),
    }


def codes_by_clip(items: Sequence[Viewed]) -> dict[str, np.ndarray]:
    """The codes of all views of each clip, of all sizes that are given."""
    codes: dict[str, np.ndarray] = {}
    for item in items:
        codes[item.file] = np.concatenate([codes[item.file], item.codes]) if item.file in codes else item.codes
    return codes


def yoga(codes: Codes, rule: str) -> dict:
    """Five poses, three earlier takes of each, the later ones asked: the mean over draws of the part that is right, and
    an interval by take."""
    by_pose: dict[str, list[str]] = {}
    for file in codes:
        by_pose.setdefault(Path(file).parent.name, []).append(file)
    halves = {name: earlier_and_later(files) for name, files in by_pose.items() if name != LEFT_OUT}
    asked = [file for _, later in halves.values() for file in later]
    truth = np.array([Path(file).parent.name for file in asked])
    right = np.zeros((DRAWS, len(asked)))
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        lessons = {name: rng.choice(early, TAUGHT, replace=False).tolist() for name, (early, _) in halves.items()}
        right[draw] = np.array(RULES[rule](lessons, codes, asked)) == truth
    return _of_draws(right, asked)


def yoga_pairs(codes: Codes, rule: str) -> dict:
    """Each two of the five poses, five takes of each, the other ones asked; the least of the pairs beside the mean."""
    by_pose: dict[str, list[str]] = {}
    for file in codes:
        by_pose.setdefault(Path(file).parent.name, []).append(file)
    by_pose.pop(LEFT_OUT, None)
    pairs = {}
    for pair in combinations(sorted(by_pose), 2):
        rates = []
        for draw in range(DRAWS):
            rng = np.random.default_rng(draw)
            lessons = {name: rng.choice(by_pose[name], PAIR_TAUGHT, replace=False).tolist() for name in pair}
            asked = [file for name in pair for file in by_pose[name] if file not in lessons[name]]
            answers = RULES[rule](lessons, codes, asked)
            rates.append(
                np.mean([answer == Path(file).parent.name for answer, file in zip(answers, asked, strict=True)])
            )
        pairs[" · ".join(pair)] = round(float(np.mean(rates)), 4)
    values = np.array(list(pairs.values()))
    interval = bootstrap(lambda places: float(values[places].mean()), list(pairs))
    return {"mean": round(float(values.mean()), 4), "least": round(float(values.min()), 4), "interval": interval,
            "pairs": pairs, "draws": DRAWS}  # fmt: skip


def pushups(codes: Codes, groups: Mapping[str, str], count: int, rule: str) -> dict:
    """Right or wrong, so many clips of each, the others asked, a take on one side; the mean over both answers."""
    truth = {file: Path(file).parent.name for file in codes}
    rates, files = [], sorted(codes)
    for draw in range(DRAWS):
        order = [files[place] for place in np.random.default_rng(draw).permutation(len(files))]
        lessons = {name: [file for file in order if truth[file] == name][:count] for name in ("correct", "wrong")}
        used = {groups[file] for of in lessons.values() for file in of}
        asked = [file for file in files if groups[file] not in used]
        answers = RULES[rule](lessons, codes, asked)
        of_both = [np.mean([answer == name for answer, file in zip(answers, asked, strict=True) if truth[file] == name])
                   for name in ("correct", "wrong")]  # fmt: skip
        rates.append(float(np.mean(of_both)))
    return {"mean": round(float(np.mean(rates)), 4), "deviation": round(float(np.std(rates, ddof=1)), 4),
            "interval": [round(float(value), 4) for value in np.quantile(rates, [0.025, 0.975])],
            "draws": DRAWS, "taught": count}  # fmt: skip


def _of_draws(right: np.ndarray, groups: Sequence[str]) -> dict:
    by_clip = right.mean(0)
    return {"mean": round(float(by_clip.mean()), 4), "deviation": round(float(right.mean(1).std(ddof=1)), 4),
            "interval": bootstrap(lambda places: float(by_clip[places].mean()), groups),
            "asked": right.shape[1], "draws": len(right)}  # fmt: skip


def takes_of(data: Path) -> dict[str, str]:
    """The take of each push-up clip: clips in which the same scene was found are one."""
    from actrec.data.clips import prepare
    from actrec.data.open import open_set

    return {
        str(sample.path.relative_to(data)): sample.group for sample in prepare(open_set(data / "pushup_form")).samples
    }
