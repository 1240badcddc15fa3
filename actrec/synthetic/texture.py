"""Noise with the spectra of grass, plaster, wood and leaves: made once, then cut, stretched and coloured."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

TILE = 256


def _spectral(rng: np.random.Generator, slope: float, stretch: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    fy, fx = np.meshgrid(np.fft.fftfreq(TILE) * stretch[0], np.fft.fftfreq(TILE) * stretch[1], indexing="ij")
    f = np.hypot(fy, fx)
    f[0, 0] = 1
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(TILE, TILE))) / f**slope).real
    return noise / noise.std()


def _leaves(rng: np.random.Generator) -> np.ndarray:
    tile = np.zeros((TILE, TILE), np.uint8)
    for _ in range(900):  # dead leaves: sizes by a power law
        r = 3.0 / rng.uniform(0.08, 1.0)
        centre = rng.integers(0, TILE, 2)
        for dx in (-TILE, 0, TILE):
            for dy in (-TILE, 0, TILE):
                at = (int(centre[0] + dx), int(centre[1] + dy))
                cv2.ellipse(tile, at, (int(r), int(0.6 * r) + 1), 0, 0, 360, int(rng.integers(30, 226)), -1)
    return tile


def _laid(rng: np.random.Generator, rows: int, columns: int, offset: bool) -> np.ndarray:
    tile = np.empty((TILE, TILE))
    y, x = np.mgrid[:TILE, :TILE]
    row = y * rows // TILE
    shift = (row % 2) * (TILE // columns // 2) if offset else 0
    column = ((x + shift) % TILE) * columns // TILE
    tone = rng.normal(0, 0.5, (rows, columns))
    tile = tone[row, column] + 0.3 * _spectral(rng, 1.0)
    joint = (y % (TILE // rows) < 2) | ((x + shift) % (TILE // columns) < 2)
    return np.where(joint, -2.0, tile)


@lru_cache(maxsize=1)
def tiles() -> dict[str, np.ndarray]:
    """Tileable grey textures uint8 [256, 256], the same in every process."""
    rng = np.random.default_rng(20190)
    raw = {
        "plaster": _spectral(rng, 0.8),
        "cloud": _spectral(rng, 1.7),
        "grass": _spectral(rng, 0.9, (0.6, 1.6)) + 0.5 * _spectral(rng, 1.6),
        "gravel": _spectral(rng, 0.35) + 0.6 * _spectral(rng, 1.3),
        "wood": _spectral(rng, 1.2, (1.0, 8.0)),
        "bricks": _laid(rng, 16, 8, True),
        "boards": _laid(rng, 16, 2, True),
    }
    grey = {k: np.clip(128 + 42 * v, 0, 255).astype(np.uint8) for k, v in raw.items()}
    return {**grey, "leaves": _leaves(rng)}


@lru_cache(maxsize=1)
def grain() -> np.ndarray:
    """Unit normal noise in sixteenths, int8 [2^21]: sensor noise is cut from it."""
    noise = np.random.default_rng(7).normal(0, 16, 1 << 21)
    return np.clip(np.rint(noise), -127, 127).astype(np.int8)


def coloured(grey: np.ndarray, dark: np.ndarray, bright: np.ndarray) -> np.ndarray:
    """Grey values 0..255 to RGB between two colours."""
    ramp = np.linspace(0, 1, 256)[:, None]
    table = np.clip(dark + ramp * (bright - dark), 0, 255).astype(np.uint8)
    return cv2.LUT(cv2.merge([grey] * 3), table[None])


def surface(rng: np.random.Generator, kind: str, size: tuple[int, int], scale: float) -> np.ndarray:
    """A flat piece [H, W] of a texture; `scale` canvas pixels per texture pixel."""
    height, width = size
    angle = rng.choice((0, 90)) if kind in ("wood", "bricks", "boards") else rng.uniform(0, 360)
    m = cv2.getRotationMatrix2D((0, 0), float(angle if kind != "bricks" else 0), 1.0 / scale)
    m[:, 2] = rng.uniform(0, TILE, 2)
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    return cv2.warpAffine(tiles()[kind], m, (width, height), flags=flags, borderMode=cv2.BORDER_WRAP)


def ground(rng: np.random.Generator, kind: str, size: tuple[int, int], horizon: float, near: float) -> np.ndarray:
    """A floor [H, W] in perspective below the row `horizon`; `near` texture pixels across the bottom row."""
    height, width = size
    top = int(np.clip(horizon, 0, height - 1))
    rows = np.arange(top, height)
    k = (height - horizon) / np.maximum(rows - horizon, 0.03 * height)
    u = (np.arange(width) - width / 2) / width
    x = (near * k[:, None] * u[None] + rng.uniform(0, TILE)).astype(np.float32)
    y = np.repeat((2.2 * near * k + rng.uniform(0, TILE))[:, None], width, 1).astype(np.float32)
    x, y = (x, y) if rng.random() < 0.5 else (y, x)
    picture = np.full(size, 128, np.uint8)
    below = cv2.remap(tiles()[kind], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    fade = (np.clip(1.6 / k, 0.0, 1.0)[:, None] * 256).astype(np.int16)  # far away only the mean is left
    picture[top:] = 128 + (((below.astype(np.int32) - 128) * fade) >> 8)
    return picture
