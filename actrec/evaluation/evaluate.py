"""Weights measured on clips they have not seen: one protocol of the paper, one or several folds, known and unknown.

Several processes under `torchrun` divide the clips among them; the first one has the result.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from actrec.core.errors import BadValue
from actrec.data.cache import ClipCache, FlowCache, default_folder
from actrec.data.check import header_facts, shortcut_auroc
from actrec.data.clips import choose_fold
from actrec.data.datasets import DataSet, by_camera
from actrec.data.drawn import drawn, drawn_source
from actrec.data.mixed import SAME
from actrec.data.open import open_set
from actrec.data.protocols import Fold
from actrec.data.published import BETWEEN_TWO, between_two
from actrec.data.reading import ClipSettings, reason
from actrec.data.samples import DataError, some
from actrec.evaluation.result import measure, measure_unknown
from actrec.metrics.accuracy import as_logits, softmax, top
from actrec.metrics.calibration import cautious_temperature
from actrec.recognition.recognizer import Recognizer
from actrec.training.distributed import World
from actrec.video import Clip, VideoError
from actrec.weights.cards import Card

AT_ONCE = 8  # clips whose views are computed together
Report = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """Clips to measure with, with the classes that the weights know: −1 where they know none of that name."""

    name: str
    targets: np.ndarray
    names: list[str]
    groups: list[str]
    clip: Callable[[int], Clip]
    facts: Callable[[int], list[float]] | None = None
    dataset: DataSet | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def part(self, indices: Sequence[int], name: str) -> Trial:
        chosen, facts = np.asarray(indices, dtype=np.int64), self.facts
        return replace(
            self,
            name=name,
            targets=self.targets[chosen],
            names=[self.names[index] for index in chosen],
            groups=[self.groups[index] for index in chosen],
            clip=lambda place: self.clip(int(chosen[place])),
            facts=None if facts is None else lambda place: facts(int(chosen[place])),
        )


@dataclass
class Answers:
    """The weights' answers for the clips of a trial that could be read, in order."""

    probabilities: np.ndarray
    nearness: np.ndarray  # minus the distance to the nearest class centre; NaN where there is none
    places: np.ndarray  # of the clips in the trial
    broken: dict[int, str]
    seconds: float
    scaled: np.ndarray  # the probabilities with the card's temperature, which acts on each view
    codes: np.ndarray
    in_data: np.ndarray | None = None  # the sum over the data's classes, where others might have been named
    parts: dict[str, np.ndarray] = field(default_factory=dict)  # probabilities of what answers for itself, by name


def load(folder: Path, device: str, options: Mapping[str, object] | None = None) -> Recognizer:
    """A recognizer that answers with probabilities as they come: temperature 1."""
    return Recognizer.load(folder, device, temperature=1.0, options=options)


def plain_name(label: str) -> str:
    """A label as it is compared: `JumpingJack`, `jumping_jack` and `jumping jack` are one class."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", label)
    return " ".join(re.split(r"[\s_\-]+", apart.strip())).casefold()


def match(labels: Sequence[str], card: Card) -> np.ndarray:
    """For each of the data's labels the number of the weights' class of that name, or −1.

    Where the weights do not use a data set's name, the drawn class that it means counts; a kick among handshakes is a
    kick between two.
    """
    known = {plain_name(label): number for number, label in enumerate(card.labels)}
    same = {plain_name(label): plain_name(drawn_as) for label, drawn_as in SAME.items()}
    two = between_two(map(plain_name, labels))

    def number(name: str) -> int:
        meant = known.get(same.get(name, name), -1)
        return known.get(name, meant) if meant < 0 or not (two and name in BETWEEN_TWO) else meant

    numbers = np.array([number(plain_name(label)) for label in labels], dtype=np.int64)
    if (numbers < 0).all():
        raise DataError(
            "labels",
            f"The weights '{card.name}' know none of the classes in the data ({some(labels)}). "
            f"They know: {some(card.labels)}.",
        )
    return numbers


def open_trial(
    data: str,
    card: Card,
    settings: ClipSettings,
    *,
    clips_per_class: int,
    seed: int,
    lessons: bool = False,
    flow: str = "",
    cameras: int = 0,
) -> tuple[Trial, list[str]]:
    """All clips of a folder, a published set or a pack, or the held-out clips of a set that the project draws (for
    `lessons` those that a training sees); and the classes in it that the weights do not know.

    With `flow`, the name of a method, the clips carry their flow, which the cache keeps; with `cameras` what other
    cameras saw.
    """
    which = drawn(data)
    if which:
        source = drawn_source(which, clips_per_class, seed, lambda sentence: None)
        labels, held = source.labels, source.train if lessons else source.validation
        if not len(held):
            raise DataError("empty", f"Nothing of {data} is held out: four recordings of an action are needed.")
        numbers = match(labels, card)
        names = [f"{labels[target]} {index}" for index, target in enumerate(held.targets)]
        trial = Trial(data, numbers[held.targets], names, [""] * len(held), held.clip)
    else:
        dataset = cached_set(data, flow, cameras)
        labels, numbers = list(dataset.labels), match(dataset.labels, card)
        trial = Trial(
            dataset.name,
            numbers[dataset.targets()],
            [sample.name for sample in dataset.samples],
            [str(group) for group in dataset.groups()],
            lambda index: dataset.read(index, settings),
            lambda index: header_facts(dataset, dataset.samples[index]),
            dataset,
        )
    return trial, [label for label, number in zip(labels, numbers, strict=True) if number < 0]


def cached_set(data: str, flow: str = "", cameras: int = 0) -> DataSet:
    """A folder, a published set or a pack, whose decoded clips (with `flow`: and their flow) the cache keeps."""
    dataset = by_camera(open_set(data)) if cameras else open_set(data)
    reader = dataset.reader or ClipCache(default_folder())
    if flow:
        reader = FlowCache(reader if isinstance(reader, ClipCache) else ClipCache(reader=reader), flow)
    return replace(dataset, reader=reader)


def folds(trial: Trial, names: Sequence[str], seed: int) -> list[tuple[Trial, Trial | None]]:
    """What is measured, with the held-out clips that a temperature may be fitted on: whole, or one pair per fold."""
    if not names:
        return [(trial, None)]
    pairs = []
    for name in names:
        fold = fold_of(trial, name, seed)
        held = trial.part(fold.validation, f"the validation clips of {name}") if fold.validation else None
        pairs.append((trial.part(fold.test, name), held))
    return pairs


def fold_of(trial: Trial, name: str, seed: int) -> Fold:
    """A split or group of the data set that a trial is all of."""
    if trial.dataset is None:
        raise DataError("protocol", f"{trial.name} has no folds: its clips are held out as a whole.")
    return choose_fold(trial.dataset, name, seed)


def answer(
    recognizer: Recognizer, trial: Trial, protocol: str, world: World, report: Report, temperature: float | None = None
) -> Answers:
    """The fused probabilities of each clip, as they come and with a temperature; each process answers for its part."""
    if protocol not in recognizer.system.protocols:
        known = ", ".join(recognizer.system.protocols)
        raise BadValue(f"'{recognizer.system.name}' has no protocol '{protocol}'. It has: {known}.")
    mine = np.arange(world.rank, len(trial), world.size)
    fuse = recognizer.system.protocols[protocol].fuse
    scores: list[np.ndarray] = []
    scaled: list[np.ndarray] = []
    codes: list[np.ndarray] = []
    parts: dict[str, list[np.ndarray]] = {}
    nearness: list[float] = []
    places: list[int] = []
    broken: dict[int, str] = {}
    start = time.perf_counter()
    at_once = 1 if protocol == "paper" else AT_ONCE  # hundreds of views of one clip are enough at once
    for first in range(0, len(mine), at_once):
        clips = []
        for index in mine[first : first + at_once]:
            try:
                clips.append((index, trial.clip(int(index))))
            except (VideoError, DataError, OSError) as error:
                broken[int(index)] = reason(error)
                report(f"Left out: {trial.names[index]}: {broken[int(index)]}")
        for prediction, (index, _) in zip(
            recognizer.predict_many([clip for _, clip in clips], protocol) if clips else [], clips, strict=True
        ):
            scores.append(prediction.scores)
            scaled.append(fuse(softmax(as_logits(prediction.view_scores), temperature or 1.0)).probabilities)
            codes.append(prediction.code)
            for name, logits in recognizer.parts(prediction.view_codes).items():
                parts.setdefault(name, []).append(fuse(softmax(logits)).probabilities)
            nearness.append(np.nan if prediction.distance is None else -prediction.distance)
            places.append(int(index))
        if (first // at_once) % 20 == 19:
            report(f"{(first + at_once) * world.size} of {len(trial)} clips.")
    part = Answers(
        np.array(scores), np.array(nearness), np.array(places, dtype=np.int64), broken, time.perf_counter() - start,
        np.array(scaled), np.array(codes), parts={name: np.array(of_clips) for name, of_clips in parts.items()},
    )  # fmt: skip
    return _joined(world.gather(part), trial)


def _joined(parts: Sequence[Answers], trial: Trial) -> Answers:
    """The answers of all processes, in the order of the trial's clips."""
    parts_read = [part for part in parts if len(part.places)]
    if not parts_read:
        raise DataError("all_broken", f"None of the {len(trial)} clips of {trial.name} can be read.")
    order = np.argsort(np.concatenate([part.places for part in parts_read]))

    def whole(of: Callable[[Answers], np.ndarray]) -> np.ndarray:
        return np.concatenate([of(part) for part in parts_read])[order]

    return Answers(
        whole(lambda part: part.probabilities),
        whole(lambda part: part.nearness),
        whole(lambda part: part.places),
        {index: why for part in parts for index, why in part.broken.items()},
        max(part.seconds for part in parts),
        whole(lambda part: part.scaled),
        whole(lambda part: part.codes),
        parts={name: whole(partial(_of_part, name)) for name in parts_read[0].parts},
    )


def _of_part(name: str, answers: Answers) -> np.ndarray:
    return answers.parts[name]


def among(answers: Answers, targets: np.ndarray) -> Answers:
    """The same answers when only classes that occur in the data may be named; `in_data` holds their sums before."""
    occurs = np.isin(np.arange(answers.probabilities.shape[1]), targets)
    in_data = None if occurs.all() else answers.probabilities[:, occurs].sum(axis=1)
    probabilities, scaled = (kind * occurs + 1e-12 * occurs for kind in (answers.probabilities, answers.scaled))
    return replace(
        answers,
        parts={name: of_part * occurs + 1e-12 * occurs for name, of_part in answers.parts.items()},
        probabilities=probabilities / probabilities.sum(axis=1, keepdims=True),
        scaled=scaled / scaled.sum(axis=1, keepdims=True),
        in_data=in_data,
    )


def evaluate_trial(
    recognizer: Recognizer,
    card: Card,
    trial: Trial,
    held: Trial | None,
    protocol: str,
    world: World,
    report: Report,
    among_data: bool = False,
) -> dict:
    """One trial as a result with its part on the unknown; the temperature is the held-out clips' or the card's."""
    answers = answer(recognizer, trial, protocol, world, report, card.temperature)
    known = trial.targets[answers.places] >= 0
    if not known.any():
        raise DataError("labels", f"No clip of a class that '{card.name}' knows could be read in {trial.name}.")
    if among_data:
        answers = among(answers, trial.targets)
    temperature, scaled = card.temperature, answers.scaled[known]
    fitted_on = f"{card.measured.get('split', 'held-out clips')} (the card's)"
    if held is not None and (held.targets >= 0).any():
        other = answer(recognizer, held, protocol, world, report)
        right = held.targets[other.places]
        temperature = cautious_temperature(as_logits(other.probabilities[right >= 0]), right[right >= 0])
        scaled, fitted_on = None, held.name
    places = answers.places[known]
    groups = [trial.groups[place] for place in places]
    result = measure(
        answers.probabilities[known], trial.targets[places], card.labels, temperature=temperature,
        fitted_on=fitted_on if temperature is not None else "", scaled=scaled, seconds=answers.seconds * known.mean(),
        names=[trial.names[place] for place in places], groups=groups if all(groups) else (),
    )  # fmt: skip
    if answers.parts:
        result["parts"] = {
            name: {f"top{k}": top(of_part[known], trial.targets[places], k) for k in (1, 5)}
            for name, of_part in answers.parts.items()
        }
    broken = [{"clip": trial.names[place], "reason": why} for place, why in sorted(answers.broken.items())]
    return result | {"broken": broken, "unknown": unknown(trial, answers, known)}


def unknown(trial: Trial, answers: Answers, known: np.ndarray) -> dict | None:
    """How well the weights tell known classes from unknown ones; None without clips of unknown classes. Weights that
    have other classes than the data's, asked for the data's alone, tell them by the probability of those together."""
    if known.all():
        return None
    if answers.in_data is not None:
        score, by = answers.in_data, "the probability of the data's classes together"
    elif np.isfinite(answers.nearness).all():
        score, by = answers.nearness, "minus the distance to the nearest class centre"
    else:
        score, by = answers.probabilities.max(axis=1), "confidence"
    shortcut = None
    if trial.facts is not None:
        facts = np.array([trial.facts(int(place)) for place in answers.places], dtype=np.float64)
        shortcut = shortcut_auroc(facts[known], facts[~known])
    return measure_unknown(score[known], score[~known], by=by, shortcut=shortcut)
