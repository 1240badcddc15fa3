"""A map of clips as SVG: a dot per clip that can be clicked, class centres, the threshold, and a clip of one's own.

Every action has a colour and a shape, so that more actions than colours can be told apart. A hollow dot is a clip
that the weights themselves would call unknown: farther than the threshold from every class centre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

from actrec.explain.activations import Activations
from actrec.explain.embedding import Flat, Separability, flat, separability
from actrec.figures import svg
from actrec.figures.charts import COLOURS, colour
from actrec.recognition.repository import distances
from actrec.weights.cards import Card

WIDTH, HEIGHT, MARGIN = 520, 400, 30
LETTER, LINE = 7.2, 13.0  # pixels of a name's letter and line
KEYS, KEY = 4, 18.0  # actions in a line below a map, and its height
NAME_AT = (-10, 18, -23, 31, -36, 44)  # pixels below a centre at which its name may stand, the best first
SHAPES = (
    "M-{r} 0a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0z",  # disc
    "M-{r} -{r}h{d}v{d}h-{d}z",  # square
    "M0 -{d}L{d} {r}h-{w}z",  # triangle
    "M0 -{d}L{d} 0L0 {d}L-{d} 0z",  # diamond
)
SIZES = ({"r": 5, "d": 10}, {"r": 4.4, "d": 8.8}, {"r": 4.4, "d": 6.6, "w": 13.2}, {"r": 6, "d": 6.6})


@dataclass(frozen=True)
class Atlas:
    """A finished map and its scale: places become spots on the page."""

    flat: Flat
    labels: tuple[str, ...]
    unknown: np.ndarray  # [n], whether the weights would call the clip unknown
    centres: Mapping[str, np.ndarray] = field(default_factory=dict)
    threshold: float | None = None

    def spot(self, place: np.ndarray) -> tuple[float, float]:
        """A place on the map as x and y on the drawing; a place outside it is put on its edge."""
        low, high = self.flat.places.min(0), self.flat.places.max(0)
        middle, scale = (low + high) / 2, self.scale
        x, y = WIDTH / 2 + (place[0] - middle[0]) * scale, HEIGHT / 2 - (place[1] - middle[1]) * scale
        return float(np.clip(x, 8, WIDTH - 8)), float(np.clip(y, 8, HEIGHT - 8))

    def spot_of(self, code: np.ndarray) -> tuple[float, float]:
        return self.spot(self.flat.place(code)[0])

    @property
    def scale(self) -> float:
        """Pixels for one unit of the map; the same both ways, so that distances keep their shape."""
        reach = np.ptp(self.flat.places, axis=0)
        return float(min((WIDTH - 2 * MARGIN) / max(reach[0], 1e-9), (HEIGHT - 2 * MARGIN) / max(reach[1], 1e-9)))

    def svg(self, title: str, here: np.ndarray | None = None, named: bool = False) -> str:
        """The map; `here` is the code of a clip that is not part of it. With `named` the actions stand below with their
        marks, for a map that leaves the page."""
        names = list(dict.fromkeys(self.labels))
        parts = [self._reach(name, code, names) for name, code in self.centres.items()]
        for number, (label, place) in enumerate(zip(self.labels, self.flat.places, strict=True)):
            x, y = self.spot(place)
            hollow = bool(self.unknown[number])
            name = f"{label}, clip {number + 1}" + (", unknown to the weights" if hollow else "")
            parts.append(
                svg.element(
                    "g", _mark(names.index(label), hollow), class_="dot", data_index=number, data_label=label,
                    tabindex=0, role="button", aria_label=name, transform=f"translate({x:.1f} {y:.1f})",
                )
            )  # fmt: skip
        parts += self._centres()  # over the dots
        x, y = (0.0, 0.0) if here is None else self.spot_of(here)
        cross = svg.element("circle", r=11) + svg.path("M-15 0h30M0 -15v30")
        hidden = "hidden" if here is None else None
        parts.append(svg.element("g", cross, class_="here", transform=f"translate({x:.1f} {y:.1f})", hidden=hidden))
        if not named:
            return svg.drawing("".join(parts), WIDTH, HEIGHT, title, "group", class_="atlas-map")
        for number, name in enumerate(names):
            x, y = 12 + number % KEYS * WIDTH / KEYS, HEIGHT + 14 + number // KEYS * KEY
            parts.append(svg.element("g", _mark(number, False), transform=f"translate({x:.1f} {y:.1f})"))
            parts.append(svg.text(x + 10, y + 4, name))
        height = HEIGHT + 8 + -(-len(names) // KEYS) * KEY
        return svg.drawing("".join(parts), WIDTH, height, title, "group", class_="atlas-map")

    def legend(self) -> str:
        """The actions with their marks."""
        names = dict.fromkeys(self.labels)
        frame = {"viewBox": "-9 -9 18 18", "width": 16, "height": 16, "aria_hidden": "true"}
        marks = "".join(
            f'<span class="key">{svg.element("svg", _mark(place, False), **frame)}{escape(name)}</span>'
            for place, name in enumerate(names)
        )
        return f'<p class="keys quiet">{marks}</p>'

    def _reach(self, name: str, code: np.ndarray, names: list[str]) -> str:
        """The threshold around a class centre, where the map keeps distances."""
        if self.flat.axes is None or self.threshold is None:
            return ""
        x, y = self.spot_of(code)
        ink = colour(names.index(name)) if name in names else "currentColor"
        return svg.circle(x, y, self.threshold * self.scale, class_="reach", stroke=ink)

    def _centres(self) -> list[str]:
        """The class centres with their names; a name stands above its cross, or where it covers no other name."""
        parts: list[str] = []
        placed: list[tuple[float, float, float]] = []
        for name, code in self.centres.items():
            x, y = self.spot_of(code)
            reach = LETTER * len(name) / 2
            height = next((y + off for off in NAME_AT if _free(x, y + off, reach, placed)), y + NAME_AT[0])
            placed.append((x, height, reach))
            cross = svg.path(f"M{x - 6:.1f} {y - 6:.1f}l12 12m0 -12l-12 12")
            words = svg.text(x, height, name, "middle")
            parts.append(svg.element("g", cross + words, class_="class-centre", data_centre=name))
        return parts


def _free(x: float, height: float, reach: float, placed: Sequence[tuple[float, float, float]]) -> bool:
    """Whether a name around x at this height covers none that stands there, and is on the map."""
    clear = all(abs(height - other) >= LINE or abs(x - at) >= reach + width for at, other, width in placed)
    return clear and LINE <= height <= HEIGHT


def atlases(
    activations: Activations, labels: Sequence[str], card: Card, method: str = "t-SNE", seed: int = 0
) -> dict[str, tuple[Atlas, Separability]]:
    """A map of every space of a network over a gallery; the last one is that of the codes, which the weights' class
    centres and their threshold belong to."""
    spaces, centres = (
        activations.spaces,
        {name: np.asarray(centre, np.float32) for name, centre in (card.centres or {}).items()},
    )
    unknown = unknown_to(centres, card.threshold, activations.codes)
    maps = {}
    for name, codes in spaces.items():
        own = name == list(spaces)[-1]
        atlas = Atlas(
            flat(codes, method, seed),
            tuple(labels),
            unknown,
            centres if own else {},
            card.threshold if own else None,
        )
        maps[name] = atlas, separability(codes, labels)
    return maps


def _mark(place: int, hollow: bool) -> str:
    """An action's colour and shape."""
    shape = place // len(COLOURS) % len(SHAPES)
    ink = colour(place)
    filled = {"fill": "none", "stroke": ink, "stroke_width": 2} if hollow else {"fill": ink}
    return svg.path(SHAPES[shape].format(**SIZES[shape]), **filled)


def unknown_to(centres: Mapping[str, np.ndarray], threshold: float | None, codes: np.ndarray) -> np.ndarray:
    """Whether each code is farther than the threshold from every centre."""
    if threshold is None or not centres:
        return np.zeros(len(codes), bool)
    return distances(codes, np.array(list(centres.values()), np.float32)).min(1) > threshold
