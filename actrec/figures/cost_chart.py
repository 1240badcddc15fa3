"""A chart as SVG inside the page: it takes the page's own colours, light or dark, and is read by screen readers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from typing import Protocol

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 62, 150, 18, 52
GIGA, LETTER = 1e9, 7.2
OFFSETS = (0, -14, 14, -28, 28, -42, 42, -56, 56, -70, 70)  # pixels that a name may move up or down


class Dot(Protocol):
    """What is drawn: accuracy in [0, 1] over multiplications of one view."""

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

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (share - floor) / (1 - floor)

    parts = []
    for tenth in range(round(floor * 10), 11):
        at = y(tenth / 10)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{tenth * 10} %</text>')
    for power in range(low, high + 1):
        at = x(10**power)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{10**power:g} G</text>')
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        "multiplications of one view</text>"
    )
    parts += _dots(dots, x, y)
    told = "; ".join(f"{dot.name} {dot.accuracy:.0%} at {dot.multiplications / GIGA:.2g} G" for dot in dots)
    return (
        f'<figure class="view"><svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Accuracy against multiplications: {escape(told)}">{"".join(parts)}</svg><figcaption>'
        "Accuracy against cost. Full dots: weights on this machine, each on its own held-out clips. Rings: the papers' "
        "networks on UCF-101 (paper, other data). Heights of dots and rings do not compare.</figcaption></figure>"
    )


def _dots(dots: list[Dot], x, y) -> list[str]:
    """Dots with their names; a name stands where it covers neither another name nor a dot."""
    parts, taken = [], []
    places = [(x(dot.multiplications / GIGA), y(dot.accuracy)) for dot in dots]
    for dot in dots:
        across, up = x(dot.multiplications / GIGA), y(dot.accuracy)
        end = across + 9 + LETTER * len(dot.name)
        beside = next(
            (up + 4 + off for off in OFFSETS if _free(up + off, across, end, taken, places)), up + 4 + OFFSETS[-1]
        )
        taken.append((beside - 4, across, end))
        kind = "papers" if dot.of_paper else "measured"
        if abs(beside - 4 - up) > 15:  # a name that stands apart is tied to its dot
            parts.append(
                f'<line class="axis" x1="{across:.1f}" y1="{up:.1f}" x2="{across + 8:.1f}" y2="{beside - 4:.1f}"/>'
            )
        parts.append(f'<circle class="{kind}" cx="{across:.1f}" cy="{up:.1f}" r="5"/>')
        parts.append(f'<text x="{across + 9:.1f}" y="{beside:.1f}">{escape(dot.name)}</text>')
    return parts


def _free(height: float, start: float, end: float, taken: list[tuple], places: list[tuple]) -> bool:
    """Whether a name at this height, from `start` to `end`, covers no name and no dot."""
    names = any(abs(height - other) < 13 and start < stop and end > begin for other, begin, stop in taken)
    return not names and not any(abs(height - up) < 10 and start + 4 < across < end for across, up in places)
