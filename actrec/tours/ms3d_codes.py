"""Figures on MS3D's codes: what the N-pair loss pulls and pushes, the repository's centres and γ.

Man et al., "The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks": eq. 5 and 6.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
import torch

from actrec.core.errors import BadValue
from actrec.explain.subject import Subject
from actrec.figures.charts import lines, plane
from actrec.figures.drawing import ACCENT, SECOND, Canvas, Figure, Panel
from actrec.recognition.recognizer import Recognizer, unit
from actrec.recognition.repository import Repository
from actrec.systems.losses import n_pair

SEEDS, STEPS, RATE = (31, 32), 40, 0.5  # two clips of each class; gradient steps
INKS = ("#0d9488", "#d97706", "#8b5cf6", "#e11d48", "#0284c7", "#65a30d", "#c026d3", "#a16207")


_PAIRS: WeakKeyDictionary[Recognizer, np.ndarray] = WeakKeyDictionary()  # the same for every visitor


def _pairs(subject: Subject) -> np.ndarray:
    """Codes of two drawn clips of each class, `[2, classes, D]`."""
    from actrec import synthetic

    if subject.recognizer not in _PAIRS:
        views = []
        for seed in SEEDS:
            for label in subject.labels:
                try:
                    clip = synthetic.render(label, seed, frames=40, size=(96, 128), fps=12.5)
                except (KeyError, ValueError):
                    raise BadValue(f"'{label}' cannot be drawn; this figure needs two clips of each class.") from None
                views += subject.recognizer.system.protocols["one"].views(clip)
        codes = subject.recognizer.run(views)[1]
        _PAIRS[subject.recognizer] = codes.reshape(len(SEEDS), len(subject.labels), -1)
    return _PAIRS[subject.recognizer]


def _lesson(subject: Subject) -> tuple[list[np.ndarray], list[float]]:
    """The codes after each step down the N-pair loss, and the loss."""

    def make() -> tuple:
        codes = torch.tensor(_pairs(subject))
        course, losses = [codes.numpy().copy()], []
        for _ in range(STEPS + 1):
            codes = codes.detach().requires_grad_()
            loss = n_pair(codes[0], codes[1])
            (slope,) = torch.autograd.grad(loss, codes)
            losses.append(float(loss.detach()))
            codes = codes.detach() - RATE * slope
            course.append(codes.numpy().copy())
        return course, losses

    return subject.keep("lesson", make)


def pull_and_push(subject: Subject, *, steps: float = 0) -> Figure:
    """Eq. 5 on two clips of each class: the codes move down the loss, as free points."""
    course, losses = _lesson(subject)
    steps = int(steps)
    before, now, following = course[0], course[steps], course[steps + 1]
    flat = np.concatenate([before.reshape(-1, before.shape[-1]), course[-1].reshape(-1, before.shape[-1])])
    mean, axes, share = plane(flat)
    everything = (flat - mean) @ axes.T
    reach = np.abs(everything).max(0) * 1.12 + 1e-6

    def at(code: np.ndarray) -> np.ndarray:
        return np.array([280, 190]) + ((code - mean) @ axes.T) / reach * np.array([270, -178])

    canvas = Canvas(560, 400, "codes of two clips of each class")
    for number, label in enumerate(subject.labels):
        ink = INKS[number % len(INKS)]
        one, two = at(now[0, number]), at(now[1, number])
        canvas.line(*one, *two, stroke=ink, thick=1, dashed=True)
        for clip in (0, 1):
            was, here, there = (at(codes[clip, number]) for codes in (before, now, following))
            canvas.line(*was, *here, stroke=ink, thick=1, opacity=0.5)
            canvas.arrow(*here, *(here + 12 * (there - here)), stroke=ink)
            canvas.dot(*here, 5, fill=ink, stroke="currentColor", hint=f"{label}, clip {clip + 1}")
        canvas.text((one[0] + two[0]) / 2, (one[1] + two[1]) / 2 - 9, label, "middle", colour=ink, bold=True)
    apart = _apart(now)
    return Figure(
        f"After {steps} steps the loss is {losses[steps]:.3f} (at first {losses[0]:.3f}). Two clips of one class are "
        f"{apart[0]:.2f} apart on average, clips of different classes {apart[1]:.2f}.",
        (
            Panel(canvas.svg(), "Each class has two clips (dots of one colour, joined by a dashed line). Arrows: where "
                f"the loss moves them next, twelve times as long. The map shows {share:.0%} of all differences.",
                  wide=False),
            Panel(lines({"N-pair loss": list(enumerate(losses))}, "N-pair loss", "step", mark=(steps, "now")),
                  "The loss falls as a clip comes nearer to its partner than to the other classes' second clips."),
        ),
        {"loss": losses[steps], "first": losses[0], "same": apart[0], "other": apart[1]},
    )  # fmt: skip


def _apart(codes: np.ndarray) -> tuple[float, float]:
    """Mean distance within pairs and between classes."""
    gaps = np.linalg.norm(codes[0][:, None] - codes[1][None], axis=-1)
    own = np.eye(len(gaps), dtype=bool)
    return float(gaps[own].mean()), float(gaps[~own].mean())


def judged_start(subject: Subject) -> dict[str, float]:
    return {"gamma": round(float(subject.recognizer.card.threshold or 1.0), 3)}


def judged(subject: Subject, *, gamma: float = 0.5) -> Figure:
    """Eq. 6 and the threshold: the clip's code among the class centres, and what γ makes of it."""
    card = subject.recognizer.card
    if not card.centres:
        raise BadValue(f"The weights '{card.name}' carry no class centres, so nothing can be judged by them.")
    repository = Repository.from_card(card.centres, float(gamma))

    def make() -> np.ndarray:
        return unit(subject.recognizer.run(subject.recognizer.system.protocols["paper"].views(subject.clip))[1])

    passes = subject.keep("passes", make)
    found = repository.judge(unit(passes.mean(0)), top=len(card.centres))
    each = [repository.judge(code, top=len(card.centres)) for code in passes]
    most = max(max(gap for _, gap in found.nearest), gamma) * 1.08
    canvas = Canvas(620, 34 * len(found.nearest) + 46, "distances to the class centres")
    left, room = 130, 420
    for row, (label, gap) in enumerate(found.nearest):
        y = 8 + 34 * row
        fill, opacity = (ACCENT, 0.8) if gap < gamma else ("currentColor", 0.3)
        canvas.text(left - 8, y + 16, label, "end", bold=row == 0)
        canvas.rect(left, y, room * gap / most, 22, fill=fill, opacity=opacity)
        canvas.text(left + room * gap / most + 6, y + 16, f"{gap:.3f}")
        for one in each:
            x = left + room * dict(one.nearest)[label] / most
            canvas.line(x, y + 2, x, y + 20, stroke=SECOND, thick=2)
    x, bottom = left + room * gamma / most, 34 * len(found.nearest) + 8
    canvas.line(x, 2, x, bottom + 8, thick=2, dashed=True)
    canvas.text(x, bottom + 26, f"γ = {gamma:.3f}", "middle", bold=True)
    verdict = "unknown" if found.unknown else f"'{found.label}'"
    return Figure(
        f"The answer is {verdict}: the nearest centre, '{found.nearest[0][0]}', is {found.distance:.3f} away, and γ is "
        f"{gamma:.3f}. These weights ship with γ = {card.threshold or 0:.3f}.",
        (Panel(canvas.svg(), "Distances from the clip's code to each class centre. Bars: the mean code of "
            f"{len(passes)} draws of its frames; orange marks: each draw alone. Left of the dashed line a clip counts "
            "as known.",
               wide=True),),
        {"label": found.label, "distance": found.distance, "passes": len(passes)},
    )  # fmt: skip
