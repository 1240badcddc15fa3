"""Backgrounds: rooms, streets and lawns, studios, leaves, clutter; one picture per clip, moved by the camera."""

from __future__ import annotations

import cv2
import numpy as np

from actrec.synthetic.appearance import vivid
from actrec.synthetic.texture import coloured, ground, surface

MARGIN = 0.15  # of the canvas on each side, for shake and pan


def muted(rng: np.random.Generator, low: float = 40, high: float = 235) -> np.ndarray:
    """Colours of walls and floors: little saturation."""
    grey = rng.uniform(low, high)
    return np.clip(grey + rng.normal(0, 0.09 * grey, 3) + np.array([1, 0, -1]) * rng.normal(0, 8), 5, 250)


def _pair(rng: np.random.Generator, base: np.ndarray, contrast: float) -> tuple[np.ndarray, np.ndarray]:
    return base * (1 - contrast), base * (1 + contrast) + 20 * contrast


def _gradient(rng: np.random.Generator, size: tuple[int, int], one: np.ndarray, two: np.ndarray) -> np.ndarray:
    height, width = size
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.linspace(-1, 1, 24)[:, None], np.linspace(-1, 1, 24)[None]
    ramp = 0.5 + 0.5 * (np.cos(angle) * x + np.sin(angle) * y) / 1.42
    small = np.clip(one + ramp[..., None] * (two - one), 0, 255).astype(np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def plain(rng: np.random.Generator, size: tuple[int, int], horizon: float, feet: float) -> np.ndarray:
    """A wall or a studio backdrop."""
    one = vivid(rng) if rng.random() < 0.3 else muted(rng, 60)
    picture = _gradient(rng, size, one * rng.uniform(0.7, 1.0), one * rng.uniform(0.95, 1.25))
    if rng.random() < 0.5:
        kind = str(rng.choice(("plaster", "cloud", "bricks")))
        grain = surface(rng, kind, size, np.exp(rng.uniform(-0.7, 1.0)))
        picture = cv2.addWeighted(picture, 0.8, coloured(grain, one * 0.5, one * 1.4), 0.2, 0)
    return picture


def _window(rng: np.random.Generator, p: np.ndarray, box: tuple[int, int, int, int]) -> None:
    x, y, w, h = box
    sky = np.clip(rng.normal((205, 220, 235), 20), 120, 255)
    cv2.rectangle(p, (x, y), (x + w, y + h), sky.tolist(), -1)
    if rng.random() < 0.6:
        cv2.rectangle(p, (x, y + int(h * 0.6)), (x + w, y + h), muted(rng, 60, 160).tolist(), -1)
    frame = muted(rng, 30, 255).tolist()
    cv2.rectangle(p, (x, y), (x + w, y + h), frame, 2 + int(w / 25))
    cv2.line(p, (x + w // 2, y), (x + w // 2, y + h), frame, 1 + int(w / 40))


def _shelf(rng: np.random.Generator, p: np.ndarray, box: tuple[int, int, int, int]) -> None:
    x, y, w, h = box
    cv2.rectangle(p, (x, y), (x + w, y + h), muted(rng, 40, 140).tolist(), -1)
    rows = int(rng.integers(2, 5))
    for r in range(rows):
        bottom, at, tall = y + (r + 1) * h // rows - 2, x + 2, h // rows
        while at < x + w - 4:
            thick = int(rng.integers(2, 4 + max(1, w // 12)))
            top = bottom - int(tall * rng.uniform(0.45, 0.85))
            cv2.rectangle(p, (at, top), (min(at + thick, x + w), bottom), vivid(rng).tolist(), -1)
            at += thick + int(rng.integers(0, 3))


def _plant(rng: np.random.Generator, p: np.ndarray, box: tuple[int, int, int, int]) -> None:
    x, y, w, h = box
    for _ in range(int(rng.integers(15, 40))):
        at = (int(x + w * rng.normal(0.5, 0.2)), int(y + h * rng.normal(0.4, 0.2)))
        green = np.array([0.5, 1.0, 0.4]) * rng.uniform(40, 170)
        axes = (max(1, int(w * rng.uniform(0.04, 0.16))), max(1, int(w * rng.uniform(0.02, 0.06))))
        cv2.ellipse(p, at, axes, float(rng.uniform(0, 180)), 0, 360, green.tolist(), -1, cv2.LINE_AA)
    cv2.rectangle(p, (x + w // 3, y + int(0.7 * h)), (x + 2 * w // 3, y + h), muted(rng, 60, 200).tolist(), -1)


def _board(rng: np.random.Generator, p: np.ndarray, box: tuple[int, int, int, int]) -> None:
    """A picture, a poster, a screen, a door, a cupboard: a framed rectangle with something in it."""
    x, y, w, h = box
    colour = vivid(rng) if rng.random() < 0.4 else muted(rng, 20, 250)
    cv2.rectangle(p, (x, y), (x + w, y + h), colour.tolist(), -1)
    if rng.random() < 0.6:
        cv2.rectangle(p, (x, y), (x + w, y + h), muted(rng, 10, 250).tolist(), 1 + int(rng.integers(1, 4)))
    for _ in range(int(rng.integers(0, 4))):
        a = (int(x + w * rng.uniform(0.1, 0.9)), int(y + h * rng.uniform(0.1, 0.9)))
        b = (int(x + w * rng.uniform(0.1, 0.9)), int(y + h * rng.uniform(0.1, 0.9)))
        cv2.rectangle(p, a, b, vivid(rng).tolist(), -1)


def _furniture(rng: np.random.Generator, p: np.ndarray, size: tuple[int, int], floor: int, count: int) -> None:
    height, width = size
    for _ in range(count):
        thing = rng.random()
        w, h = int(width * rng.uniform(0.08, 0.35)), int(height * rng.uniform(0.08, 0.4))
        x, y = int(rng.uniform(-0.05, 0.95) * width), int(floor * rng.uniform(0.05, 0.6))
        if thing < 0.2:
            _window(rng, p, (x, y, w, h))
        elif thing < 0.4:
            _shelf(rng, p, (x, max(0, floor - int(1.5 * h)), w, int(1.5 * h)))
        elif thing < 0.55:
            _plant(rng, p, (x, floor - h + int(0.05 * height), w, h))
        elif thing < 0.8:
            _board(rng, p, (x, y, w, h))
        else:
            _board(rng, p, (x, floor - h // 2, int(1.4 * w), h // 2 + int(0.06 * height)))


def room(rng: np.random.Generator, size: tuple[int, int], horizon: float, feet: float) -> np.ndarray:
    """A wall, a floor in perspective, furniture."""
    height, width = size
    base = muted(rng, 70, 245) if rng.random() < 0.8 else vivid(rng)
    picture = _gradient(rng, size, base * rng.uniform(0.65, 1.0), base * rng.uniform(0.95, 1.2))
    if rng.random() < 0.35:
        kind = str(rng.choice(("plaster", "bricks", "boards", "cloud")))
        dark, bright = _pair(rng, base, rng.uniform(0.05, 0.35))
        picture = coloured(surface(rng, kind, size, np.exp(rng.uniform(-0.7, 1.2))), dark, bright)
    floor = int(np.clip(horizon + rng.uniform(0.15, 0.9) * (feet - horizon), 0.2 * height, 1.2 * height))
    if floor < height:
        dark, bright = _pair(rng, muted(rng, 40, 200), rng.uniform(0.05, 0.45))
        kind = str(rng.choice(("boards", "wood", "bricks", "plaster", "cloud")))
        tiles = ground(rng, kind, size, min(horizon, floor - 0.05 * height), rng.uniform(150, 700))
        picture[floor:] = coloured(tiles, dark, bright)[floor:]
        cv2.line(picture, (0, floor), (width, floor), muted(rng, 20, 240).tolist(), int(rng.integers(1, 5)))
    if rng.random() < 0.3:  # a corner of the room
        x = int(width * rng.uniform(0.1, 0.9))
        side = slice(0, x) if rng.random() < 0.5 else slice(x, width)
        picture[:floor, side] = (picture[:floor, side] * rng.uniform(0.75, 0.95)).astype(np.uint8)
    _furniture(rng, picture, size, min(floor, height), int(rng.integers(0, 9)))
    return picture


def outdoors(rng: np.random.Generator, size: tuple[int, int], horizon: float, feet: float) -> np.ndarray:
    """Sky or trees or houses above, grass, gravel or paving below."""
    height, width = size
    sky = np.clip(rng.normal((170, 200, 230), 25), 60, 255)
    picture = _gradient(rng, size, sky, np.clip(sky * rng.uniform(0.9, 1.25), 0, 255))
    line = int(np.clip(horizon + rng.uniform(-0.1, 0.4) * (feet - horizon), 0, height))
    for _ in range(int(rng.integers(0, 5))):  # houses
        w, h = int(width * rng.uniform(0.15, 0.6)), int(height * rng.uniform(0.1, 0.5))
        x = int(rng.uniform(-0.2, 0.9) * width)
        wall = muted(rng, 60, 230)
        cv2.rectangle(picture, (x, line - h), (x + w, line), wall.tolist(), -1)
        step = max(6, w // int(rng.integers(3, 8)))
        for wx in range(x + step // 4, x + w - step // 2, step):
            for wy in range(line - h + step // 4, line - step // 2, step):
                cv2.rectangle(picture, (wx, wy), (wx + step // 2, wy + step // 2), (wall * 0.5).tolist(), -1)
    if rng.random() < 0.7:  # trees
        green = np.array([0.6, 0.95, 0.45]) * rng.uniform(50, 150)
        crown = coloured(surface(rng, "leaves", size, rng.uniform(0.3, 1.2)), green * 0.3, green * 1.4)
        mask = surface(rng, "cloud", size, rng.uniform(1.0, 3.0)) > rng.integers(110, 160)
        mask[line:] = False
        picture[mask] = crown[mask]
    kinds = {
        "grass": np.array([0.7, 0.95, 0.5]),
        "gravel": np.array([1, 0.98, 0.93]),
        "bricks": np.ones(3),
        "plaster": np.ones(3),
    }
    kind = str(rng.choice(list(kinds)))
    dark, bright = _pair(rng, kinds[kind] * rng.uniform(60, 190) + rng.normal(0, 5, 3), rng.uniform(0.15, 0.6))
    picture[line:] = coloured(ground(rng, kind, size, line - 0.02 * height, rng.uniform(200, 900)), dark, bright)[line:]
    return picture


def above(rng: np.random.Generator, size: tuple[int, int], horizon: float, feet: float) -> np.ndarray:
    """Only ground, as a raised camera sees it: asphalt, lawn, gravel, with a stain or a line."""
    kind = str(rng.choice(("grass", "gravel", "plaster", "cloud", "leaves")))
    base = muted(rng, 60, 190) if kind != "grass" else np.array([0.75, 0.9, 0.55]) * rng.uniform(60, 160)
    dark, bright = _pair(rng, base, rng.uniform(0.08, 0.5))
    picture = coloured(surface(rng, kind, size, np.exp(rng.uniform(-1.0, 0.6))), dark, bright)
    stain = surface(rng, "cloud", size, rng.uniform(1, 4))
    picture = cv2.addWeighted(picture, 0.75, coloured(stain, dark * 0.8, bright), 0.25, 0)
    for _ in range(int(rng.integers(0, 4))):
        a, b = rng.uniform(-0.2, 1.2, (2, 2)) * (size[1], size[0])
        tone = base * rng.uniform(0.5, 1.6)
        cv2.line(
            picture,
            tuple(a.astype(int).tolist()),
            tuple(b.astype(int).tolist()),
            np.clip(tone, 0, 255).tolist(),
            int(rng.integers(1, 4)),
            cv2.LINE_AA,
        )
    return picture


def clutter(rng: np.random.Generator, size: tuple[int, int], horizon: float, feet: float) -> np.ndarray:
    """Leaves of all sizes and boxes upon boxes: the statistics of photographs without their content."""
    height, width = size
    kind = str(rng.choice(("leaves", "cloud", "gravel")))
    picture = coloured(surface(rng, kind, size, np.exp(rng.uniform(-0.5, 1.6))), vivid(rng) * 0.4, vivid(rng))
    for _ in range(int(rng.integers(10, 60))):
        r = 0.03 * height / rng.uniform(0.12, 1.0)
        at = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        colour = vivid(rng).tolist()
        if rng.random() < 0.5:
            axes = (int(r) + 1, int(r * rng.uniform(0.3, 1)) + 1)
            cv2.ellipse(picture, at, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
        else:
            corner = (int(at[0] + r * rng.uniform(0.5, 2)), int(at[1] + r * rng.uniform(0.5, 2)))
            cv2.rectangle(picture, at, corner, colour, -1)
    return picture


KINDS = {"room": room, "plain": plain, "outdoors": outdoors, "above": above, "clutter": clutter}
SHARES = {
    "whole": (0.34, 0.12, 0.24, 0.17, 0.13),
    "webcam": (0.62, 0.17, 0.08, 0.0, 0.13),
    "pair": (0.2, 0.05, 0.15, 0.5, 0.1),
}


def backdrop(
    rng: np.random.Generator,
    framing: str,
    size: tuple[int, int],
    horizon: float,
    feet: float,
    places: tuple[str, ...] = tuple(KINDS),
) -> np.ndarray:
    """A background with margins for a canvas (height, width), given the rows of the horizon and of the feet.

    `places` are the kinds that it is one of; what the seed draws is kept where it is among them.
    """
    height, width = size
    full = (round(height * (1 + 2 * MARGIN)), round(width * (1 + 2 * MARGIN)))
    line = float(np.clip(horizon, -0.3 * height, 1.3 * height) + MARGIN * height)
    ground_row = max(float(np.clip(feet, -0.3 * height, 1.5 * height) + MARGIN * height), line + 2)
    kind = str(rng.choice(list(KINDS), p=SHARES[framing]))
    if kind not in places:
        kind = places[int(rng.integers(len(places)))]
    line = float(np.clip(horizon, -0.3 * height, 1.3 * height) + MARGIN * height)
    picture = KINDS[kind](rng, full, line, ground_row)
    if rng.random() < (0.5 if framing == "webcam" else 0.25):  # out of focus
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.5, 4.0)) * height / 224)
    return picture


def seen(picture: np.ndarray, drift: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The part of a backdrop that one frame shows, moved by `drift` [2] pixels; past its edge it mirrors."""
    height, width = size
    x, y = MARGIN * width - drift[0], MARGIN * height - drift[1]
    if not drift.any():
        top, left = round(y), round(x)
        return picture[top : top + height, left : left + width].copy()
    m = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    return cv2.warpAffine(picture, m, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
