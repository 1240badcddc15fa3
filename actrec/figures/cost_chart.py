"""Accuracy against cost as a chart, in the page's own colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Protocol

from actrec.figures import svg

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 62, 150, 18, 52
GIGA, LETTER = 1e9, 7.2
OFFSETS = (0, -14, 14, -28, 28, -42, 42, -56, 56, -70, 70)  # pixels that a name may move up or down


class Dot(Protocol):
    """A dot of the chart: accuracy in [0, 1] over multiplications of one view."""

    name: str
    multiplications: int
    accuracy: float
    of_paper: bool


def accuracy_against_cost(dots: Iterable[Dot]) -> str:
    """Accuracy upwards, multiplications to the right in powers of ten; full dots measured here, rings from papers."""
    dots = sorted(dots, key=lambda dot: -dot.accuracy)
    if not dots:
        return '<p class="quiet">No weights here say how accurate they are.</p>'
    costs = [dot.multiplications / GIGA for dot in dots]
    low, high = math.floor(math.log10(min(costs))), math.ceil(math.log10(max(costs)))
    high = max(high, low + 1)
    floor = min(max(math.floor(min(dot.accuracy for dot in dots) * 10) / 10, 0), 0.9)

    def x(giga: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(giga) - low) / (high - low)

    def y(accuracy: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (accuracy - floor) / (1 - floor)

    parts = []
    for tenth in range(round(floor * 10), 11):
        at = y(tenth / 10)
        parts.append(svg.line(LEFT, at, WIDTH - RIGHT, at, class_="grid"))
        parts.append(svg.text(LEFT - 8, at + 4, f"{tenth * 10} %", "end"))
    for power in range(low, high + 1):
        at = x(10**power)
        parts.append(svg.line(at, TOP, at, HEIGHT - BOTTOM, class_="grid"))
        parts.append(svg.text(at, HEIGHT - BOTTOM + 18, f"{10**power:g} G", "middle"))
    parts.append(svg.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "multiplications of one view", "middle"))
    parts += _dots(dots, x, y)
    values = "; ".join(f"{dot.name} {dot.accuracy:.0%} at {dot.multiplications / GIGA:.2g} G" for dot in dots)
    chart = svg.drawing("".join(parts), WIDTH, HEIGHT, f"Accuracy against multiplications: {values}", class_="chart")
    return (
        f'<figure class="view">{chart}<figcaption>'
        "Accuracy against cost. Full dots: weights on this machine, each on its own held-out clips. Rings: the papers' "
        "networks on UCF-101 (paper, other data). Heights of dots and rings do not compare.</figcaption></figure>"
    )


def _dots(dots: list[Dot], x: Callable[[float], float], y: Callable[[float], float]) -> list[str]:
    """Dots with their names; a name stands where it covers neither another name nor a dot."""
    parts: list[str] = []
    names: list[tuple[float, float, float]] = []  # height, start and end of every name so far
    places = [(x(dot.multiplications / GIGA), y(dot.accuracy)) for dot in dots]
    for dot in dots:
        across, up = x(dot.multiplications / GIGA), y(dot.accuracy)
        end = across + 9 + LETTER * len(dot.name)
        beside = next(
            (up + 4 + off for off in OFFSETS if _free(up + off, across, end, names, places)), up + 4 + OFFSETS[-1]
        )
        names.append((beside - 4, across, end))
        kind = "papers" if dot.of_paper else "measured"
        if abs(beside - 4 - up) > 15:  # a name that stands apart is tied to its dot
            parts.append(svg.line(across, up, across + 8, beside - 4, class_="axis"))
        parts.append(svg.circle(across, up, 5, class_=kind))
        parts.append(svg.text(across + 9, beside, dot.name))
    return parts


def _free(
    height: float, start: float, end: float, names: list[tuple[float, float, float]], dots: list[tuple[float, float]]
) -> bool:
    """Whether a name at this height, from `start` to `end`, covers no name and no dot."""
    hidden = any(abs(height - other) < 13 and start < stop and end > begin for other, begin, stop in names)
    return not hidden and not any(abs(height - up) < 10 and start + 4 < across < end for across, up in dots)
