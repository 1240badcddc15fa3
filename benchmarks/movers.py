"""Does a map find what decides? A small 3-D network learns scenes whose class is the way of one mover of two.

Before a drifting, flickering, grey-patterned ground a red textured square goes left or right, and a blue one too,
whichever way it likes; the class is the red one's way. The part of each map that lies on the red one, frame by frame
and one pixel around it, is set beside the part of the frame that it covers. `python -m benchmarks.explain --only
movers` measures it, for a network whose answer hangs on the place where a thing is found most (`max`, as in Oquab et
al., "Is object localization for free?") and for one that averages over all places (`mean`, as C3D's light size does).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from actrec.explain.saliency import METHODS, ClassSaliency
from actrec.models.c3d import C3D
from actrec.models.layers import ConvReLU3d
from actrec.recognition.recognizer import Recognizer
from actrec.systems.asym3d import layers
from actrec.systems.fusion import average
from actrec.systems.system import Input, Protocol, System, Views
from actrec.weights.cards import Card

FRAMES, SIDE, SQUARE, EDGE = 8, 32, 12, 1
WAYS = ("left", "right")
GROUND, FLICKER, CONTRAST = 0.075, 0.03, 0.3  # standard deviations of brightness, 1 being white; the ground's at most
STEPS, BATCH, RATE = 120, 12, 4e-3

Scene = tuple[np.ndarray, str, np.ndarray, np.ndarray]


def pattern(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Smooth noise of deviation one."""
    noise = cv2.GaussianBlur(rng.standard_normal((height + 8, width + 8)).astype(np.float32), (0, 0), 1)[4:-4, 4:-4]
    return noise / noise.std()


def scene(rng: np.random.Generator) -> Scene:
    """Frames `[T, S, S, 3]`, the class, and where the red and the blue square are, `[T, S, S]`."""
    frames = np.full((FRAMES, SIDE, SIDE, 3), 0.5, np.float32) + rng.normal(0, FLICKER, (FRAMES, SIDE, SIDE, 3))
    strength = rng.uniform(0, GROUND)
    for channel in range(3):
        ground, drift = strength * pattern(rng, SIDE, SIDE + 4 * FRAMES), rng.integers(-2, 3)
        for t in range(FRAMES):
            first = 2 * FRAMES + drift * t
            frames[t, ..., channel] += ground[:, first : first + SIDE]
    masks = np.zeros((2, FRAMES, SIDE, SIDE), bool)
    half = SIDE // 2
    rows = rng.permutation([rng.integers(EDGE, half - SQUARE), rng.integers(half + EDGE, SIDE - SQUARE)])
    ways = rng.integers(2, size=2)
    for mover, (row, way) in enumerate(zip(rows, ways, strict=True)):
        start = rng.integers(EDGE, SIDE - SQUARE - FRAMES + 1)
        texture = np.clip(0.5 + CONTRAST * pattern(rng, SQUARE, SQUARE), 0, 1)
        for t in range(FRAMES):
            left = start + (t if way else FRAMES - 1 - t)
            place = frames[t, row : row + SQUARE, left : left + SQUARE]
            place[...] = 0
            place[..., (0, 2)[mover]] = texture
            masks[mover, t, row - EDGE : row + SQUARE + EDGE, left - EDGE : left + SQUARE + EDGE] = True
    return (np.clip(frames, 0, 1) * 255).astype(np.uint8), WAYS[ways[0]], masks[0], masks[1]


def scenes(seed: int, count: int) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [scene(rng) for _ in range(count)]


def view(frames: np.ndarray) -> Views:
    return {"clip": np.ascontiguousarray(frames.transpose(3, 0, 1, 2))}


class Foremost(C3D):
    """C3D whose features are each the largest over space and time."""

    def code(self, clip: Tensor) -> Tensor:
        code = self.features(clip).amax((2, 3, 4))
        for layer in self.fc:
            code = torch.relu(layer(code))
        return code


def learned(pool: str = "max", seed: int = 0) -> Recognizer:
    """A network of two layers that learned the way of the red square."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    groups = [ConvReLU3d(3, 6, (3, 3, 3)), ConvReLU3d(6, 12, (3, 3, 3))]
    kind = {"max": Foremost, "mean": C3D}[pool]
    network = kind(groups, 12, len(WAYS), fc=(16,), dropout=0.0, mean=True, generator=generator)
    toy = System(
        name="movers", title="Movers", paper="", size="light", inputs={"clip": Input(3, FRAMES, SIDE)},
        network=lambda classes: network, seconds=1.0, training_view=lambda clip, rng: {},
        protocols={"one": Protocol(lambda clip: [view(clip.frames[:FRAMES])], average)}, schedules={}, layers=layers,
    )  # fmt: skip
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2)
    falling = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS, pct_start=0.1)
    for _ in range(STEPS):
        drawn = [scene(rng) for _ in range(BATCH)]
        targets = torch.tensor([WAYS.index(scene_drawn[1]) for scene_drawn in drawn])
        loss = nn.functional.cross_entropy(
            network(**toy.tensors([view(scene_drawn[0]) for scene_drawn in drawn])), targets
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        falling.step()
    return Recognizer(toy, network, Card("movers", "movers", list(WAYS), "drawn squares", "", 0), "cpu")


def maps_of(saliency: ClassSaliency, frames: np.ndarray, label: str) -> dict[str, np.ndarray]:
    """`[T, S, S]` by every method, and by the derivative times the input, which the page does not show."""
    maps = {name: method(saliency, [view(frames)], label)["clip"][0] for name, method in METHODS.items()}
    slopes, inputs = saliency.gradients([view(frames)], label), saliency.recognizer.system.tensors([view(frames)])
    return maps | {"gradient × input": (slopes["clip"] * inputs["clip"]).abs().amax(1)[0].numpy()}


def parts_on_movers(recognizer: Recognizer, drawn: Sequence[Scene]) -> dict[str, tuple[float, float]]:
    """By method the mean part of the map on the red square, and on the blue one."""
    saliency, parts = ClassSaliency(recognizer), {}
    for frames, label, right, wrong in drawn:
        for name, values in maps_of(saliency, frames, label).items():
            whole = max(float(values.sum()), 1e-30)
            parts.setdefault(name, []).append((values[right].sum() / whole, values[wrong & ~right].sum() / whole))
    return {name: tuple(np.mean(values, 0).tolist()) for name, values in parts.items()}


def accuracy(recognizer: Recognizer, drawn: Sequence[Scene]) -> float:
    logits, _ = recognizer.run([view(item[0]) for item in drawn])
    return float(np.mean([WAYS[row.argmax()] == item[1] for row, item in zip(logits, drawn, strict=True)]))


def measured(seeds: int = 3, count: int = 24) -> dict:
    """Parts by pooling and method, mean and least over networks from different starts, on new scenes."""
    drawn = scenes(99, count)
    result: dict = {"covers": round(float(np.mean([red.mean() for _, _, red, _ in drawn])), 3)}
    for pool in ("max", "mean"):
        networks = [learned(pool, seed) for seed in range(seeds)]
        parts = [parts_on_movers(network, drawn) for network in networks]
        result[pool] = {"accuracy": round(min(accuracy(network, drawn) for network in networks), 3)} | {
            name: {
                "of the picture": round(float(np.mean([of_network[name][0] for of_network in parts])), 3),
                "least": round(min(of_network[name][0] for of_network in parts), 3),
                "of both movers": round(
                    float(np.mean([of_network[name][0] / sum(of_network[name]) for of_network in parts])), 3
                ),
            }
            for name in parts[0]
        }
    return result
