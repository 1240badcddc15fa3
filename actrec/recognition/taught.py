"""Actions that a person teaches with a few clips, for any system's weights: MS3D's repository with its clips.

Man et al., MS3D, sec. III-C and III-D: a centre from w clips × p passes (eq. 6), the nearest centre, or "unknown"
unless it is nearer than the threshold γ. Ours, not the paper's: the p passes are the views of a clip; γ is set
where false accepts and false rejects together are fewest. The clips' own distances are measured to centres made
without them; strangers are clips whose class is left out, clips taught as "anything else", and those of the
weights' own classes that nothing taught resembles. These stay in the full repository as silent neighbours: what is
nearer to one of them than to anything taught is unknown. A `Taught` is never changed: every change makes a new one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actrec.figures.charts import atlas, lines
from actrec.recognition.repository import Judgement, Repository, RepositoryError, distances, named

if TYPE_CHECKING:
    from actrec.recognition.recognizer import Recognizer
    from actrec.video import Clip

ENOUGH = 3  # clips of one action to start with
MOST_LESSONS, MOST_BYTES = 300, 150 << 20
VIDEO_FPS, VIDEO_SECONDS = 15.0, 20.0
CURVE = 121  # points of the curve


@dataclass(frozen=True)
class Lesson:
    """One clip: its class (None is "anything else"), the codes of its views [p, D], and its video."""

    label: str | None
    codes: np.ndarray
    source: str = ""
    video: bytes = b""


@dataclass(frozen=True)
class Tuning:
    """Fractions of strangers accepted and of taught clips refused at each γ."""

    thresholds: np.ndarray
    false_accept: np.ndarray
    false_reject: np.ndarray
    known: int
    strangers: int


@dataclass(frozen=True)
class Taught:
    """The actions that one person taught on top of some weights. `own` holds the centres that the weights came with."""

    weights: str
    sha256: str = ""
    own: Mapping[str, np.ndarray] = field(default_factory=dict)
    own_threshold: float | None = None
    lessons: tuple[Lesson, ...] = ()
    by_hand: float | None = None
    name: str = ""

    @classmethod
    def on(cls, weights: str, recognizer: Recognizer) -> Taught:
        """Nothing taught yet, on these weights."""
        card = recognizer.card
        own = {label: np.asarray(centre, np.float32) for label, centre in (card.centres or {}).items()}
        return cls(weights, card.sha256, own, card.threshold)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes in the order in which they were first taught."""
        return tuple(dict.fromkeys(lesson.label for lesson in self.lessons if lesson.label is not None))

    def of(self, label: str | None) -> list[Lesson]:
        return [lesson for lesson in self.lessons if lesson.label == label]

    def add(self, lesson: Lesson) -> Taught:
        """One more clip of a class, old or new."""
        if lesson.label is not None:
            lesson = replace(lesson, label=named(lesson.label))
        if len(self.lessons) >= MOST_LESSONS or self._bytes() + len(lesson.video) > MOST_BYTES:
            raise RepositoryError(
                f"That is too much: at most {MOST_LESSONS} clips of {MOST_BYTES >> 20} MB together can be taught."
            )
        Repository.of({**self._codes(), "?": lesson.codes})  # refuses what is no code
        return replace(self, lessons=(*self.lessons, lesson))

    def remove(self, label: str | None) -> Taught:
        """Without a class and its clips; None forgets the clips of anything else."""
        if not self.of(label):
            raise RepositoryError(f"There is no action '{label}'. Taught so far: {', '.join(self.labels) or 'none'}.")
        return replace(self, lessons=tuple(lesson for lesson in self.lessons if lesson.label != label))

    def forget(self, place: int) -> Taught:
        """Without one clip."""
        return replace(self, lessons=self.lessons[:place] + self.lessons[place + 1 :])

    def rename(self, label: str, new: str) -> Taught:
        self.repository.rename(label, new)  # refuses a name that is taken; this state's copy is thrown away
        new = named(new)
        return replace(
            self,
            lessons=tuple(replace(lesson, label=new) if lesson.label == label else lesson for lesson in self.lessons),
        )

    def with_threshold(self, threshold: float | None) -> Taught:
        """γ by hand, or None for the best one."""
        return replace(self, by_hand=threshold)

    @property
    def repository(self) -> Repository:
        """Eq. 6: the centres of all classes over all views of their clips, and γ."""
        repository = Repository.of(self._codes())
        repository.set_threshold(self.threshold)
        return repository

    def judge(self, code: np.ndarray) -> Judgement:
        """The nearest taught class, or unknown."""
        if not self.labels:
            raise RepositoryError("Nothing has been taught yet: give an action a name and a few clips first.")
        judgement = self._judges.judge(code)
        if self._foreign:
            apart = distances(np.asarray(code)[None], np.stack(list(self._foreign.values())))[0]
            if apart.min() < judgement.distance:
                return replace(judgement, label=None, neighbour=list(self._foreign)[int(apart.argmin())])
        return judgement

    @property
    def threshold(self) -> float | None:
        return self.by_hand if self.by_hand is not None else self.best

    @cached_property
    def best(self) -> float | None:
        """The γ with the fewest mistakes; the weights' own one while no class has two clips."""
        known, strangers = self.evidence
        if not len(known):
            return self.own_threshold
        if not len(strangers):
            return float(np.nextafter(known.max(), np.inf))
        return fewest_mistakes(known, strangers)

    @cached_property
    def evidence(self) -> tuple[np.ndarray, np.ndarray]:
        """Distances that should be below γ, each to its own centre made without the clip, and those above it."""
        codes = self._codes()
        known, strangers = [], []
        for label in self.labels:
            lessons = self.of(label)
            others = _centres(rows for name, rows in codes.items() if name != label)
            for lesson in lessons:
                if len(lessons) > 1:
                    rest = _centres([np.concatenate([other.codes for other in lessons if other is not lesson])])
                    known.append(distances(lesson.codes, rest)[:, 0])
                if len(others):
                    strangers.append(distances(lesson.codes, others).min(1))
        centres = _centres(codes.values())
        if len(centres):
            strangers += [distances(lesson.codes, centres).min(1) for lesson in self.of(None)]
            strangers += [distances(code[None], centres).min(1) for code in self._foreign.values()]
        return _joined(known), _joined(strangers)

    @cached_property
    def tuning(self) -> Tuning | None:
        """False accepts and false rejects over γ; None until both can be measured."""
        known, strangers = self.evidence
        if not len(known) or not len(strangers):
            return None
        thresholds = np.linspace(0, 1.1 * max(known.max(), strangers.max()), CURVE)
        accepted, refused = mistakes(known, strangers, thresholds)
        return Tuning(thresholds, accepted, refused, len(known), len(strangers))

    def mistakes_now(self) -> tuple[float, float] | None:
        """The fractions of strangers accepted and of taught clips refused at the present γ."""
        if self.tuning is None or self.threshold is None:
            return None
        accepted, refused = mistakes(*self.evidence, np.array([self.threshold]))
        return float(accepted[0]), float(refused[0])

    def spread(self, label: str) -> float:
        """Root mean square distance of a class's codes from its centre."""
        return rms(self._codes()[label])

    def map(self, here: np.ndarray | None = None) -> str:
        """The centre and spread of each class beside those the weights came with, as SVG."""
        codes = self._codes()
        if self.of(None):
            codes["anything else"] = np.concatenate([lesson.codes for lesson in self.of(None)])
        if not codes:
            return ""
        size = next(iter(codes.values())).shape[1]
        own = {label: code for label, code in self.own.items() if len(code) == size and label not in codes}
        spreads = {label: rms(rows) for label, rows in codes.items()}
        return atlas(codes, spreads, own, here)

    def curve(self) -> str:
        """False accepts and false rejects over γ, as SVG."""
        if self.tuning is None:
            return ""
        tuning, over = self.tuning, self.tuning.thresholds
        series = {
            "strangers accepted": list(zip(over, tuning.false_accept, strict=True)),
            "taught clips refused": list(zip(over, tuning.false_reject, strict=True)),
        }
        title = f"Mistakes over the threshold, from {tuning.known} taught views and {tuning.strangers} of strangers"
        mark = None if self.threshold is None else (self.threshold, f"γ = {self.threshold:.2f}")
        return lines(series, title, "threshold γ: distance at which a clip is unknown", high=1, percent=True, mark=mark)

    def recoded(self, weights: str, recognizer: Recognizer, read: Callable[[Path], Clip]) -> Taught:
        """The same clips with the codes of other weights."""
        fresh = replace(Taught.on(weights, recognizer), name=self.name)
        with tempfile.TemporaryDirectory(prefix="actrec-taught-") as folder:
            for lesson in self.lessons:
                if not lesson.video:
                    raise RepositoryError(
                        f"The set was saved without its videos, so that only the weights '{self.weights}' can use it."
                    )
                path = Path(folder) / "video.mp4"
                path.write_bytes(lesson.video)
                fresh = fresh.add(replace(lesson, codes=codes_of(recognizer, read(path))))
        return fresh

    @cached_property
    def _judges(self) -> Repository:
        return self.repository

    def _codes(self) -> dict[str, np.ndarray]:
        return {label: np.concatenate([lesson.codes for lesson in self.of(label)]) for label in self.labels}

    @cached_property
    def _foreign(self) -> dict[str, np.ndarray]:
        """The weights' own centres, without those that a taught class seems to be: one that its centre is as near to
        as the weights ask of a clip, or that one of its clips is nearer to than to its own centre made without it."""
        centres, names = _centres(self._codes().values()), list(self.own)
        vectors = np.array([self.own[name] for name in names])
        if not names or not len(centres) or vectors.shape[1] != centres.shape[1]:
            return {}
        near = self.own_threshold or 0.0
        alike = {int(row.argmin()) for row in distances(centres, vectors) if row.min() < near}
        for lessons in map(self.of, self.labels):
            for lesson in lessons if len(lessons) > 1 else ():
                clip = lesson.codes.mean(0, keepdims=True)
                rest = _centres([np.concatenate([other.codes for other in lessons if other is not lesson])])
                alike |= set(np.flatnonzero(distances(clip, vectors)[0] < distances(clip, rest)[0, 0]).tolist())
        return {name: vectors[place] for place, name in enumerate(names) if place not in alike}

    def _bytes(self) -> int:
        return sum(len(lesson.video) for lesson in self.lessons)


def codes_of(recognizer: Recognizer, clip: Clip) -> np.ndarray:
    """The codes of a clip's views [p, D], as the weights compare them."""
    from actrec.recognition.calibrated import comparable  # which needs torch

    return comparable(recognizer.system, recognizer.run(recognizer.system.protocols["clip"].views(clip))[1])


def lesson(recognizer: Recognizer, label: str | None, clip: Clip, source: str) -> Lesson:
    """A clip as something to learn from; its video is kept so that other weights can learn from it, too."""
    from actrec.video.write import write_mp4

    clip = clip.between(clip.times[0], clip.times[0] + VIDEO_SECONDS)
    with tempfile.TemporaryDirectory(prefix="actrec-taught-") as folder:
        shown = clip.at_rate(min(clip.fps or VIDEO_FPS, VIDEO_FPS))
        video = write_mp4(Path(folder) / "video.mp4", shown.frames, shown.fps or VIDEO_FPS, crf=24).read_bytes()
    return Lesson(label, codes_of(recognizer, clip), source, video)


def mistakes(known: np.ndarray, strangers: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False accepts (d < γ though a stranger) and false rejects (d ≥ γ though taught), as fractions."""
    accepted = np.searchsorted(np.sort(strangers), thresholds, side="left") / len(strangers)
    refused = 1 - np.searchsorted(np.sort(known), thresholds, side="left") / len(known)
    return accepted, refused


def fewest_mistakes(known: np.ndarray, strangers: np.ndarray) -> float:
    """The γ at which the sum of both fractions is smallest: the middle of the widest stretch where they are."""
    edges = np.unique(np.concatenate([[0.0], known, strangers]))
    edges = np.append(edges, edges[-1] * 1.1 + 1e-6)
    middles = (edges[1:] + edges[:-1]) / 2
    total = np.add(*mistakes(known, strangers, middles))
    best = np.flatnonzero(np.isclose(total, total.min()))
    stretches = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    widest = max(stretches, key=lambda stretch: edges[stretch[-1] + 1] - edges[stretch[0]])
    return float((edges[widest[0]] + edges[widest[-1] + 1]) / 2)


def rms(codes: np.ndarray) -> float:
    """Root mean square distance of codes from their mean."""
    return float(np.sqrt(np.square(distances(codes, codes.mean(0, keepdims=True))).mean()))


def _centres(groups: Iterable[np.ndarray]) -> np.ndarray:
    """The mean of each group of codes, [groups, D]."""
    means = [codes.mean(0) for codes in groups]
    return np.stack(means) if means else np.empty((0, 0))


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0)
