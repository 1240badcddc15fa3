"""Figures that explain: images, arrows and words in one SVG, in the page's own colours, light or dark.

A value's colour comes from the scale of its meaning (`actrec.figures.scales`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

from actrec.figures import svg
from actrec.figures.data_uri import jpeg_uri, png_uri
from actrec.figures.scales import SCALES, in_colours

ACCENT, SECOND, THIRD = "#0d9488", "#d97706", "#8b5cf6"  # distinct on light and on dark backgrounds


@dataclass(frozen=True)
class Table:
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Panel:
    """One part of a figure with a caption; a wide one takes the whole width."""

    body: str | Table
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Figure:
    """A sentence about this clip, the panels that show it, and the numbers behind them."""

    sentence: str
    panels: tuple[Panel, ...] = ()
    numbers: dict = field(default_factory=dict)


def coloured(values: np.ndarray, scale: str, most: float | None = None) -> np.ndarray:
    """Values `[H, W]` in the colours of a scale, `uint8 [H, W, 3]`; `most` gets the last colour (and −most the first
    of the signed scale)."""
    values = np.nan_to_num(np.asarray(values, np.float32))
    most = float(np.abs(values).max() if most is None else most) or 1.0
    fraction = values / most
    place = (fraction + 1) / 2 if scale == "signed" else fraction
    return in_colours(np.clip(place, 0, 1), SCALES[scale])


class Canvas:
    """An SVG that is drawn on; lengths are its own units, words take the page's colour."""

    def __init__(self, width: float, height: float, label: str) -> None:
        self.width, self.height, self.label = width, height, label
        self._parts: list[str] = []

    def image(
        self, image: np.ndarray, x: float, y: float, width: float, height: float | None = None, *, cells: bool = False
    ) -> float:
        """Draw an image `uint8 [H, W, 3]` at (x, y); `cells` keeps every pixel a square. Returns its height."""
        height = width * image.shape[0] / image.shape[1] if height is None else height
        self._parts.append(
            svg.element(
                "image", href=png_uri(image) if cells else jpeg_uri(image), x=x, y=y, width=width, height=height,
                preserveAspectRatio="none", style="image-rendering:pixelated" if cells else None,
            )
        )  # fmt: skip
        return height

    def text(
        self, x: float, y: float, words: str, anchor: str = "start", *, size: float = 12, bold: bool = False,
        colour: str = "currentColor",
    ) -> None:  # fmt: skip
        weight = "650" if bold else None
        self._parts.append(svg.text(x, y, words, anchor, font_size=size, fill=colour, font_weight=weight))

    def upright(self, x: float, y: float, words: str, size: float = 11) -> None:
        """Words that run downwards from (x, y)."""
        turned = f"translate({x:.1f} {y:.1f}) rotate(60)"
        self._parts.append(svg.element("text", escape(words), transform=turned, font_size=size, fill="currentColor"))

    def rect(
        self, x: float, y: float, width: float, height: float, *, stroke: str = "none", fill: str = "none",
        thick: float = 1.5, opacity: float = 1.0, hint: str = "",
    ) -> None:  # fmt: skip
        self._parts.append(
            svg.rect(x, y, width, height, svg.title(hint), stroke=stroke, stroke_width=thick, fill=fill,
                     opacity=round(opacity, 2))
        )  # fmt: skip

    def line(
        self, x: float, y: float, to_x: float, to_y: float, *, stroke: str = "currentColor", thick: float = 1.2,
        dashed: bool = False, opacity: float = 1.0,
    ) -> None:  # fmt: skip
        self._parts.append(
            svg.line(x, y, to_x, to_y, stroke=stroke, stroke_width=thick, opacity=round(opacity, 2),
                     stroke_dasharray="4 3" if dashed else None)
        )  # fmt: skip

    def arrow(self, x: float, y: float, to_x: float, to_y: float, *, stroke: str = ACCENT, thick: float = 1.6) -> None:
        """A line with a head at its end; shorter than a head it is a dot."""
        length = float(np.hypot(to_x - x, to_y - y))
        if length < 2:
            self.dot(x, y, 1.2, fill=stroke)
            return
        along = np.array([to_x - x, to_y - y]) / length
        size = min(6.0, 0.6 * length)
        left = np.array([to_x, to_y]) - size * along + size * 0.5 * np.array([-along[1], along[0]])
        right = np.array([to_x, to_y]) - size * along - size * 0.5 * np.array([-along[1], along[0]])
        head = f"M{left[0]:.1f} {left[1]:.1f}L{to_x:.1f} {to_y:.1f}L{right[0]:.1f} {right[1]:.1f}"
        self.path(f"M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}{head}", stroke=stroke, thick=thick)

    def dot(
        self, x: float, y: float, radius: float = 4, *, fill: str = ACCENT, stroke: str = "none", hint: str = ""
    ) -> None:
        self._parts.append(svg.circle(x, y, radius, svg.title(hint), fill=fill, stroke=stroke))

    def path(self, d: str, *, stroke: str = "currentColor", thick: float = 1.4, fill: str = "none") -> None:
        self._parts.append(svg.path(d, stroke=stroke, stroke_width=thick, fill=fill))

    def scale(self, kind: str, x: float, y: float, low: str, high: str, width: float = 90) -> None:
        """The legend of a scale: its colours with the words for both ends."""
        ramp = SCALES[kind].reshape(1, -1, 3)
        self.image(ramp, x, y, width, 9, cells=True)
        self.text(x, y + 21, low, size=11)
        self.text(x + width, y + 21, high, "end", size=11)

    def svg(self) -> str:
        widest = f"width:100%;max-width:{1.4 * self.width:.0f}px;height:auto;{svg.INK}"
        return svg.drawing("".join(self._parts), self.width, self.height, self.label, style=widest)


def strip(
    images: Sequence[np.ndarray], names: Sequence[str], label: str, *, cells: bool = False,
    marked: Iterable[int] = (), width: float = 100, gap: float = 6, row: int = 0,
) -> str:  # fmt: skip
    """Images of one size, `row` side by side (0: all), each with a word below it; the marked ones are framed."""
    marked, row = set(marked), row or len(images)
    tall = width * images[0].shape[0] / images[0].shape[1]
    rows = -(-len(images) // row)
    canvas = Canvas(min(row, len(images)) * (width + gap) + gap, rows * (tall + 26), label)
    for place, (image, name) in enumerate(zip(images, names, strict=True)):
        x, y = gap + place % row * (width + gap), 4 + place // row * (tall + 26)
        canvas.image(image, x, y, width, tall, cells=cells)
        if place in marked:
            canvas.rect(x, y, width, tall, stroke=SECOND, thick=3)
        canvas.text(x + width / 2, y + tall + 15, name, "middle", size=12, bold=place in marked)
    return canvas.svg()


def bars(
    rows: Sequence[tuple[str, float, str]], label: str, *, most: float | None = None, marked: Iterable[int] = (),
    left: float = 120, width: float = 420,
) -> str:  # fmt: skip
    """Bars from names, lengths and the words behind each bar; the marked ones in the second colour."""
    marked, most = set(marked), (max((row[1] for row in rows), default=1) if most is None else most) or 1.0
    canvas = Canvas(width, 24 * len(rows) + 8, label)
    room = width - left - 92
    for place, (name, value, words) in enumerate(rows):
        y = 6 + 24 * place
        canvas.text(left - 8, y + 13, name, "end")
        canvas.rect(left, y, room, 16, fill="currentColor", opacity=0.08)
        filled = min(max(value / most, 0), 1)
        canvas.rect(left, y, room * filled, 16, fill=SECOND if place in marked else ACCENT, hint=f"{name}: {words}")
        canvas.text(left + room + 7, y + 13, words)
    return canvas.svg()


def draw_grid(
    canvas: Canvas, values: np.ndarray, x: float, y: float, *, most: float | None = None, cell: float = 40,
    written: str = ".2f",
) -> None:  # fmt: skip
    colours = coloured(values, "signed", most)
    for row, column in np.ndindex(values.shape):
        red, green, blue = (int(v) for v in colours[row, column])
        fill = f"rgb({red},{green},{blue})"
        canvas.rect(x + column * cell, y + row * cell, cell - 2, cell - 2, fill=fill)
        if written:
            ink = "#111827" if 0.3 * red + 0.59 * green + 0.11 * blue > 120 else "#ffffff"
            canvas.text(
                x + column * cell + cell / 2 - 1, y + row * cell + cell / 2 + 3, f"{values[row, column]:{written}}",
                "middle", size=min(12, cell / 3.4), colour=ink,
            )  # fmt: skip


def cuboid(canvas: Canvas, x: float, y: float, size: tuple[int, int, int], unit: float = 12, ink: str = ACCENT) -> None:
    """A kernel of (T, H, W) cells as a block whose lower left front corner is at (x, y); time goes into the depth."""
    depth, height, width = size
    lean = unit * 0.5
    w, h, dx = width * unit, height * unit, depth * lean
    canvas.rect(x, y - h, w, h, stroke=ink, fill=ink, opacity=0.35)
    canvas.path(f"M{x} {y - h}l{dx} {-dx}h{w}v{h}l{-dx} {dx}v{-h}zM{x + w} {y - h}l{dx} {-dx}", stroke=ink, thick=1.2)
    for row in range(1, height):
        canvas.line(x, y - row * unit, x + w, y - row * unit, stroke=ink, thick=0.7)
    for column in range(1, width):
        canvas.line(x + column * unit, y - h, x + column * unit, y, stroke=ink, thick=0.7)
    for layer in range(1, depth):
        d = layer * lean
        canvas.path(f"M{x + d} {y - h - d}h{w}v{h}", stroke=ink, thick=0.7)


def million(count: float) -> str:
    """A count as people read it."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.2f} {letter}" if count < 10 * size else f"{count / size:.1f} {letter}"
    return f"{count:.0f}"
