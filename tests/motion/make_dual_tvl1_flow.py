"""Makes dual_tvl1_flow.npz: the flow that OpenCV's own TV-L1 finds in pictures made here.

Run once in an environment of its own, since opencv-contrib and opencv-python overwrite each other:
    python3 -m venv contrib && contrib/bin/pip install opencv-contrib-python-headless
    contrib/bin/python tests/motion/make_dual_tvl1_flow.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from ground_truth import Texture, pair


def two_layers(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A textured disc that crosses a textured background which moves otherwise: a flow with an edge."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    background, disc = Texture(rng), Texture(rng)
    pictures = []
    for t in (0, 1):
        inside = np.hypot(x - 60 - 5 * t, y - 50 + 3 * t) < 28
        pictures.append(np.where(inside, disc(x - 5 * t, y + 3 * t), background(x + 1.5 * t, y - 1 * t)))
    return pictures[0], pictures[1]


def main() -> None:
    rng = np.random.default_rng(2026)
    pairs = [pair(rng, 96, 128, longest)[:2] for longest in (3, 8)] + [two_layers(rng, 96, 128)]
    pictures = np.rint(np.array(pairs)).astype(np.uint8)
    method = cv2.optflow.DualTVL1OpticalFlow_create()  # 5 scales × 0.8, 5 warps, λ 0.15, θ 0.3, τ 0.25
    flow = np.array([method.calc(first, second, None) for first, second in pictures])
    folder = Path(__file__).parent
    np.savez_compressed(
        folder / "dual_tvl1_flow.npz",
        pictures=pictures,
        flow_in_64ths=np.rint(flow * 64).astype(np.int16),
        made_with=f"opencv-contrib-python-headless {cv2.__version__}",
    )


if __name__ == "__main__":
    main()
