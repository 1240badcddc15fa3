"""What a guided tour is made of: steps with a text, the controls they offer, and the name of the figure they show."""

from __future__ import annotations

from dataclasses import dataclass


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
    """One of several; an option is a word, or (what is shown, the word)."""

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
    """A button; the figure is told how often it was pressed."""

    name: str
    label: str


Control = Slider | Choice | Words | Again
MOMENT = Slider("moment", "Moment", 0, 1, 0.01, 0.5, "From the first picture to the last.")


@dataclass(frozen=True)
class Step:
    """`figure` and `start` are "module:function" of `actrec`; they are imported when the step is opened.

    `start` gives the controls values that suit the clip. A step that needs no clip says so.
    """

    title: str
    equation: str
    text: str
    figure: str
    controls: tuple[Control, ...] = ()
    start: str = ""
    needs_clip: bool = True


@dataclass(frozen=True)
class Tour:
    key: str
    title: str
    paper: str
    about: str
    steps: tuple[Step, ...]
