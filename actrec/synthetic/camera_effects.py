"""From drawn frames to camera frames: light, tone, blur, noise, compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from actrec.synthetic.texture import grain


@dataclass(frozen=True)
class Film:
    """What camera and light do to a clip; drawn once per scene."""

    gain: np.ndarray  # [3]
    gamma: float
    contrast: float
    lift: float
    flicker: float
    vignette: float
    blur: float  # pixels of the finished frame
    noise: float  # grey levels
    jpeg: int  # quality, 0 = none
    grey: bool


def draw_film(rng: np.random.Generator) -> Film:
    """Mostly a fair webcam, sometimes a poor one."""
    warm = rng.normal(0, 0.06)
    gain = rng.uniform(0.9, 1.25) * np.array([1 + warm, 1.0, 1 - warm])
    dim = rng.random() < 0.12
    return Film(
        gain * (rng.uniform(0.5, 0.8) if dim else 1.0),
        float(np.exp(rng.normal(0, 0.15))),
        float(rng.uniform(0.78, 1.2)),
        float(rng.uniform(0, 25)),
        float(abs(rng.normal(0, 0.02))) if rng.random() < 0.4 else 0.0,
        float(rng.uniform(0, 0.35)) if rng.random() < 0.4 else 0.0,
        float(rng.uniform(0.3, 1.0)) if rng.random() < 0.45 else 0.0,
        float(np.exp(rng.uniform(np.log(0.8), np.log(9)))),
        int(rng.integers(25, 92)) if rng.random() < 0.55 else 0,
        bool(rng.random() < 0.07),
    )


def _tones(film: Film) -> np.ndarray:
    x = np.arange(256) / 255
    curve = x**film.gamma
    curve = 0.5 + film.contrast * (curve - 0.5)
    table = curve[:, None] * film.gain * 255 + film.lift * (1 - curve[:, None])
    return np.clip(table, 0, 255).astype(np.uint8)[None]


def develop(film: Film, rng: np.random.Generator, frames: np.ndarray) -> np.ndarray:
    """Frames uint8 [T, H, W, 3] as the camera delivers them."""
    t, height, width = frames.shape[:3]
    if film.blur:
        blur = film.blur * height / 112
        frames = np.stack([cv2.GaussianBlur(f, (0, 0), blur) for f in frames])
    tall = cv2.LUT(frames.reshape(t * height, width, 3), _tones(film))
    if film.vignette:
        y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
        fall = np.clip(1 - film.vignette * (x**2 + y**2) / 2, 0, 1) * 255
        fall = np.tile(np.repeat(fall.astype(np.uint8)[..., None], 3, 2), (t, 1, 1))
        tall = cv2.multiply(tall, fall, scale=1 / 255)
    bank = grain()
    need = tall.size
    pieces = -(-need // (bank.size // 2))
    cuts = [bank[o : o + bank.size // 2] for o in rng.integers(0, bank.size // 2, pieces)]
    noise = np.multiply(np.concatenate(cuts)[:need].reshape(tall.shape), np.float32(film.noise / 16), dtype=np.float32)
    if film.grey:
        tall = cv2.cvtColor(cv2.cvtColor(tall, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        noise[...] = noise[..., :1]
    frames = np.reshape(cv2.add(tall, noise, dtype=cv2.CV_8U), (t, *frames.shape[1:]))
    if film.flicker:
        gains = np.ones(t) + rng.normal(0, film.flicker, t)
        frames = np.stack([cv2.convertScaleAbs(f, alpha=g) for f, g in zip(frames, gains, strict=True)])
    if film.jpeg:
        how = [cv2.IMWRITE_JPEG_QUALITY, film.jpeg]
        frames = np.stack([np.asarray(cv2.imdecode(cv2.imencode(".jpg", f, how)[1], cv2.IMREAD_COLOR)) for f in frames])
    return np.ascontiguousarray(frames)
