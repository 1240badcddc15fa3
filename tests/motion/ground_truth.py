"""Picture pairs whose flow is known exactly: a texture that is a formula, looked up at warped places."""

from __future__ import annotations

import numpy as np


class Texture:
    """A sum of random plane waves, 0 to 255: its value is known between the pixels too."""

    def __init__(self, rng: np.random.Generator, waves: int = 80, shortest: float = 5, longest: float = 60) -> None:
        length = np.exp(rng.uniform(np.log(shortest), np.log(longest), waves))
        angle = rng.uniform(0, 2 * np.pi, waves)
        self.wave = 2 * np.pi / length[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        self.phase = rng.uniform(0, 2 * np.pi, waves)
        self.height = length**0.5

    def __call__(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        value = np.zeros_like(x)
        for (kx, ky), phase, height in zip(self.wave, self.phase, self.height, strict=True):
            value += height * np.cos(kx * x + ky * y + phase)
        spread = np.sqrt((self.height**2).sum() / 2)
        return np.clip(127.5 + 45 * value / spread, 0, 255)


def smooth_flow(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, longest: float) -> np.ndarray:
    """A smooth random flow `[H, W, 2]`: a shift and a few long waves, its longest vector `longest` pixels."""
    flow = np.empty((*x.shape, 2))
    for axis in range(2):
        flow[..., axis] = rng.uniform(-1, 1)
        for _ in range(3):
            length, angle, phase = rng.uniform(120, 300), *rng.uniform(0, 2 * np.pi, 2)
            place = (np.cos(angle) * x + np.sin(angle) * y) / length
            flow[..., axis] += rng.uniform(0.3, 1) * np.cos(2 * np.pi * place + phase)
    return flow * longest / np.hypot(flow[..., 0], flow[..., 1]).max()


def pair(
    rng: np.random.Generator, height: int, width: int, longest: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """First and second picture `float32 [H, W]`, the flow between them, and which targets stay in view."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    texture, flow = Texture(rng), smooth_flow(rng, x, y, longest)
    to_x, to_y = x + flow[..., 0], y + flow[..., 1]
    inside = (to_x >= 0) & (to_x <= width - 1) & (to_y >= 0) & (to_y <= height - 1)
    first, second = texture(to_x, to_y), texture(x, y)
    return first.astype(np.float32), second.astype(np.float32), flow.astype(np.float32), inside
