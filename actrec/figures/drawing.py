"""Figures that explain: pictures, arrows and words in one SVG, in the page's own colours, light or dark.

One scale per meaning: salience is `pictures.INFERNO`, flow the colour wheel, how strongly a layer answers `STRENGTH`
(dark to bright), what has a sign `SIGNED` (blue below zero, pale at zero, red above).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

import cv2
import numpy as np

from actrec.core.errors import BadValue
from actrec.figures.colour_maps import INFERNO

STRENGTH = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_VIRIDIS)[:, :, ::-1].copy()
ACCENT, SECOND, THIRD = "#0d9488", "#d97706", "#8b5cf6"  # told apart on light and on dark ground


def _signed_scale() -> np.ndarray:
    """256 colours from blue over a pale grey to red."""
    ends = np.array([[33, 102, 172], [146, 197, 222], [240, 240, 240], [244, 165, 130], [178, 24, 43]], np.float64)
    at = np.linspace(0, 4, 256)
    columns = [np.interp(at, np.arange(5), ends[:, channel]) for channel in range(3)]
    return np.rint(np.stack(columns, 1)).astype(np.uint8)[:, None]


SIGNED = _signed_scale()
SCALES = {"strength": STRENGTH, "signed": SIGNED, "salience": INFERNO}


@dataclass(frozen=True)
class Table:
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Panel:
    """One part of a figure with what it shows in words; a wide one takes the whole width."""

    body: str | Table
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Figure:
    """A sentence on what is found on this clip, the panels that show it, and the numbers behind them."""

    said: str
    panels: tuple[Panel, ...] = ()
    numbers: dict = field(default_factory=dict)


def coloured(values: np.ndarray, scale: str, most: float | None = None) -> np.ndarray:
    """Values `[H, W]` in the colours of a scale, `uint8 [H, W, 3]`; `most` gets the last colour (and −most the first
    of the signed scale)."""
    values = np.nan_to_num(np.asarray(values, np.float32))
    most = float(np.abs(values).max() if most is None else most) or 1.0
    share = values / most
    place = (share + 1) / 2 if scale == "signed" else share
    return cv2.applyColorMap(np.rint(np.clip(place, 0, 1) * 255).astype(np.uint8), SCALES[scale])


def data_uri(picture: np.ndarray, *, photo: bool) -> str:
    """A picture inside a page: JPEG for what a camera saw, PNG where every pixel counts."""
    kind, options = ("jpeg", [cv2.IMWRITE_JPEG_QUALITY, 85]) if photo else ("png", [cv2.IMWRITE_PNG_COMPRESSION, 6])
    done, data = cv2.imencode(f".{kind}", cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGR), options)
    if not done:
        raise BadValue(f"The picture could not be written as {kind}.")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


class Canvas:
    """An SVG that is drawn on; lengths are its own units, words take the page's colour."""

    def __init__(self, width: float, height: float, label: str) -> None:
        self.width, self.height, self.label = width, height, label
        self._parts: list[str] = []

    def image(
        self, picture: np.ndarray, x: float, y: float, width: float, height: float | None = None, *, cells: bool = False
    ) -> float:
        """A picture `uint8 [H, W, 3]` at (x, y); `cells` keeps every pixel a square. Answers with its height."""
        height = width * picture.shape[0] / picture.shape[1] if height is None else height
        style = ' style="image-rendering:pixelated"' if cells else ""
        self._parts.append(
            f'<image href="{data_uri(picture, photo=not cells)}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}" preserveAspectRatio="none"{style}/>'
        )
        return height

    def text(
        self, x: float, y: float, words: str, anchor: str = "start", *, size: float = 12, bold: bool = False,
        colour: str = "currentColor",
    ) -> None:  # fmt: skip
        weight = ' font-weight="650"' if bold else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}" fill="{colour}"{weight}>'
            f"{escape(words)}</text>"
        )

    def upright(self, x: float, y: float, words: str, size: float = 11) -> None:
        """Words that run downwards from (x, y)."""
        self._parts.append(
            f'<text transform="translate({x:.1f} {y:.1f}) rotate(60)" font-size="{size:g}" fill="currentColor">'
            f"{escape(words)}</text>"
        )

    def rect(
        self, x: float, y: float, width: float, height: float, *, stroke: str = "none", fill: str = "none",
        thick: float = 1.5, opacity: float = 1.0, hint: str = "",
    ) -> None:  # fmt: skip
        title = f"<title>{escape(hint)}</title>" if hint else ""
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" '
            f'stroke="{stroke}" stroke-width="{thick:g}" fill="{fill}" opacity="{opacity:.2f}">{title}</rect>'
        )

    def line(
        self, x: float, y: float, to_x: float, to_y: float, *, stroke: str = "currentColor", thick: float = 1.2,
        dashed: bool = False, opacity: float = 1.0,
    ) -> None:  # fmt: skip
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self._parts.append(
            f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{stroke}" '
            f'stroke-width="{thick:g}" opacity="{opacity:.2f}"{dash}/>'
        )

    def arrow(self, x: float, y: float, to_x: float, to_y: float, *, stroke: str = ACCENT, thick: float = 1.6) -> None:
        """A line with a head at its end; shorter than a head it is a dot."""
        length = float(np.hypot(to_x - x, to_y - y))
        if length < 2:
            self.dot(x, y, 1.2, fill=stroke)
            return
        along = np.array([to_x - x, to_y - y]) / length
        head = min(6.0, 0.6 * length)
        left = np.array([to_x, to_y]) - head * along + head * 0.5 * np.array([-along[1], along[0]])
        right = np.array([to_x, to_y]) - head * along - head * 0.5 * np.array([-along[1], along[0]])
        self._parts.append(
            f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}M{left[0]:.1f} {left[1]:.1f}L{to_x:.1f} {to_y:.1f}'
            f'L{right[0]:.1f} {right[1]:.1f}" stroke="{stroke}" stroke-width="{thick:g}" fill="none"/>'
        )

    def dot(
        self, x: float, y: float, radius: float = 4, *, fill: str = ACCENT, stroke: str = "none", hint: str = ""
    ) -> None:
        title = f"<title>{escape(hint)}</title>" if hint else ""
        self._parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}" stroke="{stroke}">{title}</circle>'
        )

    def path(self, d: str, *, stroke: str = "currentColor", thick: float = 1.4, fill: str = "none") -> None:
        self._parts.append(f'<path d="{d}" stroke="{stroke}" stroke-width="{thick:g}" fill="{fill}"/>')

    def scale(self, kind: str, x: float, y: float, low: str, high: str, width: float = 90) -> None:
        """The legend of a scale: its colours with the words for both ends."""
        ramp = SCALES[kind].reshape(1, -1, 3)
        self.image(ramp, x, y, width, 9, cells=True)
        self.text(x, y + 21, low, size=11)
        self.text(x + width, y + 21, high, "end", size=11)

    def svg(self) -> str:
        return (
            f'<svg viewBox="0 0 {self.width:.0f} {self.height:.0f}" role="img" aria-label="{escape(self.label)}" '
            f'style="width:100%;max-width:{1.4 * self.width:.0f}px;height:auto;color:var(--body-text-color)">'
            f"{''.join(self._parts)}</svg>"
        )


def strip(
    pictures: Sequence[np.ndarray], names: Sequence[str], label: str, *, cells: bool = False,
    marked: Iterable[int] = (), each: float = 100, gap: float = 6, row: int = 0,
) -> str:  # fmt: skip
    """Pictures of one size, `row` side by side (0: all), each with a word below it; the marked ones are framed."""
    marked, row = set(marked), row or len(pictures)
    tall = each * pictures[0].shape[0] / pictures[0].shape[1]
    rows = -(-len(pictures) // row)
    canvas = Canvas(min(row, len(pictures)) * (each + gap) + gap, rows * (tall + 26), label)
    for place, (picture, name) in enumerate(zip(pictures, names, strict=True)):
        x, y = gap + place % row * (each + gap), 4 + place // row * (tall + 26)
        canvas.image(picture, x, y, each, tall, cells=cells)
        if place in marked:
            canvas.rect(x, y, each, tall, stroke=SECOND, thick=3)
        canvas.text(x + each / 2, y + tall + 15, name, "middle", size=12, bold=place in marked)
    return canvas.svg()


def bars(
    rows: Sequence[tuple[str, float, str]], label: str, *, most: float | None = None, marked: Iterable[int] = (),
    left: float = 120, width: float = 420,
) -> str:  # fmt: skip
    """Names, lengths and what is written behind each bar; the marked ones in the second colour."""
    marked, most = set(marked), (max((row[1] for row in rows), default=1) if most is None else most) or 1.0
    canvas = Canvas(width, 24 * len(rows) + 8, label)
    room = width - left - 92
    for place, (name, value, said) in enumerate(rows):
        y = 6 + 24 * place
        canvas.text(left - 8, y + 13, name, "end")
        canvas.rect(left, y, room, 16, fill="currentColor", opacity=0.08)
        share = min(max(value / most, 0), 1)
        canvas.rect(left, y, room * share, 16, fill=SECOND if place in marked else ACCENT, hint=f"{name}: {said}")
        canvas.text(left + room + 7, y + 13, said)
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
