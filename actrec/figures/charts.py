"""Curves and maps as SVG, drawn from numbers: text that a page shows in its own colours, light or dark.

Lines and labels take the page's text colour; every series has one colour that stands out on both grounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

import numpy as np

from actrec.figures import svg

WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 30, 38
MANY_NUMBERS = 1 << 19  # in codes, from which all their directions take too long
COLOURS = ("#0d9488", "#d97706", "#8b5cf6", "#e11d48", "#0284c7", "#65a30d", "#c026d3", "#a16207")

Points = Sequence[tuple[float, float]]


def colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from `low` to `high`: steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def lines(
    series: Mapping[str, Points],
    title: str,
    x: str,
    *,
    low: float = 0.0,
    high: float | None = None,
    percent: bool = False,
    mark: tuple[float, str] | None = None,
) -> str:
    """Curves over one axis, from `low` up; `mark` is a vertical line with a word beside it."""
    points = [point for curve in series.values() for point in curve if math.isfinite(point[1])]
    if len(points) < 2:
        return f'<p class="quiet">{escape(title)}: appears with the second point.</p>'
    across = [point[0] for point in points] + ([mark[0]] if mark else [])
    left, right = min(across), max(across)
    top = high if high is not None else max(point[1] for point in points) * 1.05
    right, top = _beyond(left, right), _beyond(low, top)

    def place(a: float, b: float) -> tuple[float, float]:
        return (
            LEFT + (a - left) / (right - left) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - min(max((b - low) / (top - low), 0), 1) * (HEIGHT - TOP - BOTTOM),
        )

    parts = [_grid(ticks(left, right), ticks(low, top, 4), place, percent)]
    for number, curve in enumerate(series.values()):
        dots = [place(*point) for point in curve if math.isfinite(point[1])]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in dots)
        ink = colour(number)
        parts.append(svg.element("polyline", class_="curve", points=path, fill="none", stroke=ink, stroke_width=2))
        if len(dots) < 40:
            parts += [svg.circle(a, b, 2.4, fill=ink) for a, b in dots]
    if mark:
        a = place(mark[0], low)[0]
        end = "end" if a > WIDTH * 0.7 else "start"
        parts.append(svg.line(a, TOP, a, HEIGHT - BOTTOM, stroke="currentColor", stroke_dasharray="4 3"))
        parts.append(_text(a + (-4 if end == "end" else 4), TOP + 10, mark[1], end))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x, "middle"))
    parts.append(_legend(list(series)))
    return figure(title, "".join(parts), WIDTH, HEIGHT)


def _beyond(low: float, high: float) -> float:
    """The upper end of an axis: `high`, unless it equals `low` in floating point."""
    return high if high - low > max(abs(low) * 1e-9, 1e-300) else low + max(1.0, abs(low))


def _grid(
    across: list[float], up: list[float], place: Callable[[float, float], tuple[float, float]], percent: bool
) -> str:
    parts = []
    for value in up:
        b = place(0, value)[1]
        parts.append(svg.line(LEFT, b, WIDTH - RIGHT, b, stroke="currentColor", opacity=0.16))
        parts.append(_text(LEFT - 6, b + 4, f"{value:.0%}" if percent else short(value), "end"))
    for value in across:
        parts.append(_text(place(value, 0)[0], HEIGHT - BOTTOM + 16, short(value), "middle"))
    return "".join(parts)


def short(value: float) -> str:
    """A number on an axis: no more digits than it needs."""
    return f"{value:g}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.0e}".replace("e-0", "e-")


def _legend(names: list[str]) -> str:
    parts, at = [], float(LEFT)
    for number, name in enumerate(names):
        parts.append(svg.rect(round(at), 8, 14, 4, rx=2, fill=colour(number)))
        parts.append(_text(at + 19, 15, name, "start"))
        at += 34 + 6.6 * len(name)
    return "".join(parts)


def _text(a: float, b: float, text: str, anchor: str) -> str:
    return svg.text(a, b, text, anchor, font_size=12, fill="currentColor")


def figure(title: str, inside: str, width: int, height: int) -> str:
    """A drawing with its title, for eyes and for screen readers."""
    return (
        f'<figure class="chart"><figcaption>{escape(title)}</figcaption>'
        f"{svg.drawing(inside, width, height, title, style=f'width:100%;height:auto;{svg.INK}')}</figure>"
    )


def plane(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The two directions along which codes [n, D] differ most (PCA): their mean [D], directions [2, D] of length
    one, and the fraction of all variance that the two show. Missing directions are zero."""
    codes = np.asarray(codes, dtype=np.float64)
    mean = codes.mean(0)
    around = codes - mean
    strength, directions = (
        _leading(around) if around.size > MANY_NUMBERS else np.linalg.svd(around, full_matrices=False)[1:]
    )
    axes = np.zeros((2, codes.shape[1]))
    count = min(2, int((strength > 1e-9).sum()))
    axes[:count] = directions[:count] * np.sign(directions[:count].sum(1, keepdims=True) + 1e-12)
    total = float(np.square(around).sum())
    return mean, axes, float(np.square(strength[:2]).sum() / total) if total > 0 else 1.0


def _leading(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The strongest directions without all the others: rounds from a fixed start (Halko et al. 2011, algorithm 4.4)."""
    basis = np.random.default_rng(0).normal(size=(codes.shape[1], 8))
    for _ in range(8):
        basis = np.linalg.qr(codes.T @ (codes @ basis))[0]
    _, strength, turns = np.linalg.svd(codes @ basis, full_matrices=False)
    return strength, turns @ basis.T


def atlas(
    groups: Mapping[str, np.ndarray],
    spreads: Mapping[str, float],
    others: Mapping[str, np.ndarray],
    here: np.ndarray | None,
) -> str:
    """A map of codes: a dot per view, a centre and a ring of root mean square distance per class, the centres of
    `others` as crosses, and the code that is selected (`here`)."""
    everything = [*groups.values(), *(code[None] for code in others.values())]
    mean, axes, fraction = plane(np.concatenate(everything))
    flat = {name: (codes - mean) @ axes.T for name, codes in groups.items()}
    rest = {name: (code - mean) @ axes.T for name, code in others.items()}
    point = None if here is None else (here - mean) @ axes.T
    points = [code for codes in flat.values() for code in codes] + list(rest.values())
    points += [] if point is None else [point]
    reach = np.abs(np.array(points)).max(0) if points else np.ones(2)
    size = max(float(reach[0]) / (WIDTH / 2 - 50), float(reach[1]) / (HEIGHT / 2 - 34), 1e-6)

    def place(code: np.ndarray) -> tuple[float, float]:
        return WIDTH / 2 + code[0] / size, HEIGHT / 2 - code[1] / size

    parts = []
    for name, code in rest.items():
        a, b = place(code)
        cross = f"M{a - 4:.1f} {b:.1f}h8M{a:.1f} {b - 4:.1f}v8"
        parts.append(svg.path(cross, stroke="currentColor", opacity=0.6))
        parts.append(svg.element("g", _text(a, b - 7, name, "middle"), opacity=0.7))
    for number, (name, codes) in enumerate(flat.items()):
        (a, b), ink = place(codes.mean(0)), colour(number)
        parts += [svg.circle(*place(code), 3, class_="seen", fill=ink, opacity=0.55) for code in codes]
        parts.append(svg.circle(a, b, spreads[name] / size, class_="spread", fill=ink, fill_opacity=0.1, stroke=ink))
        parts.append(svg.circle(a, b, 5.5, class_="centre", fill=ink, stroke="currentColor"))
        parts.append(svg.element("g", _text(a, b - 10, name, "middle"), font_weight="650"))
    if point is not None:
        a, b = place(point)
        diamond = f"M{a:.1f} {b - 8:.1f}l8 8l-8 8l-8 -8z"
        parts.append(svg.path(diamond, class_="here", fill="none", stroke="currentColor", stroke_width=2))
    title = f"Map of the codes: the two directions in which they differ most, {fraction:.0%} of their variance"
    title += ". Dots are views of clips, a ring is the spread around a centre, crosses are classes of the weights"
    return figure(title, "".join(parts), WIDTH, HEIGHT)


def matrix(counts: np.ndarray, labels: Sequence[str], title: str) -> str:
    """A confusion matrix: rows are the true classes, columns the answers; darker cells hold more of their row."""
    counts = np.asarray(counts)
    cell = max(16, min(44, 300 // max(1, len(labels))))
    margin = 8 + int(6.4 * max((min(len(label), 18) for label in labels), default=1))
    side = cell * len(labels)
    parts = []
    for row, label in enumerate(labels):
        total = max(1, int(counts[row].sum()))
        middle = margin + row * cell + cell / 2
        parts.append(_text(margin - 5, middle + 4, label[:18], "end"))
        turned = f"rotate(-90 {middle + 4:.1f} {margin - 5})"
        parts.append(svg.element("g", _text(middle + 4, margin - 5, label[:18], "start"), transform=turned))
        for column in range(len(labels)):
            fraction = counts[row, column] / total
            a, b = margin + column * cell, margin + row * cell
            hint = f"{labels[row]} taken for {labels[column]}: {int(counts[row, column])} of {total}"
            shade = {"fill": colour(row != column), "fill_opacity": round(0.06 + 0.74 * fraction, 2)}
            parts.append(svg.rect(a, b, cell - 1, cell - 1, svg.title(hint), **shade))
            if counts[row, column] and cell >= 22:
                parts.append(_text(a + cell / 2, b + cell / 2 + 4, str(int(counts[row, column])), "middle"))
    return figure(title, "".join(parts), margin + side + 8, margin + side + 8)
