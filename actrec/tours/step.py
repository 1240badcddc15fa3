"""What a guided tour is made of: steps with a text, the controls they offer, and the figure they show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actrec.figures.drawing import Figure


@dataclass(frozen=True)
class Slider:
    name: str
    label: str
    low: float
    high: float
    step: float
    start: float
    info: str = ""


@dataclass(frozen=True)
class Choice:
    """One of several; an option is a value, or (its label, the value)."""

    name: str
    label: str
    options: tuple
    start: str
    info: str = ""


@dataclass(frozen=True)
class Words:
    """A line to type into."""

    name: str
    label: str
    start: str
    info: str = ""


@dataclass(frozen=True)
class Again:
    """A button; the figure receives how often it was clicked."""

    name: str
    label: str


Control = Slider | Choice | Words | Again
MOMENT = Slider("moment", "Moment", 0, 1, 0.01, 0.5, "From the first frame to the last.")


@dataclass(frozen=True)
class Step:
    """`figure(subject, **values)` draws what the step shows; a step that needs no clip receives None as its subject.

    `start(subject)` gives the controls values that suit the clip.
    """

    title: str
    equation: str
    text: str
    figure: Callable[..., Figure]
    controls: tuple[Control, ...] = ()
    start: Callable[..., dict[str, float]] | Callable[..., dict[str, float | str]] | None = None
    needs_clip: bool = True


@dataclass(frozen=True)
class Tour:
    about: str
    steps: tuple[Step, ...]
