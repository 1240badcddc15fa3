"""Small film folders made by the tests, and trainings on them: in this process, as a child, or under torchrun."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from actrec.systems import System, Views
from actrec.training.run import Run
from actrec.training.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
FRAMES, SIDE = 20, 48


def square(action: str, number: int) -> np.ndarray:
    """A bright square on noise that goes to the right, to the left, or down: `uint8 [T, H, W, 3]`."""
    rng = np.random.default_rng([number, *action.encode()])
    frames = rng.integers(0, 60, (FRAMES, SIDE, SIDE, 3), np.uint8)
    across, down = rng.integers(4, 24, 2)
    for t, frame in enumerate(frames):
        moved = {"right": (across + t, down), "left": (SIDE - 12 - across - t, down), "down": (across, down + t)}
        x, y = (max(0, int(place)) for place in moved[action])
        frame[y : y + 12, x : x + 12] = rng.integers(180, 255)
    return frames


def write_films(folder: Path, clips: int, actions: tuple[str, ...] = ("right", "left", "down")) -> Path:
    """`folder/action/00/0001.png`: folders of frames, which need no video decoder."""
    for action in actions:
        for number in range(clips):
            clip_folder = folder / action / f"{number:02d}"
            clip_folder.mkdir(parents=True)
            for t, frame in enumerate(square(action, number)):
                cv2.imwrite(str(clip_folder / f"{t:04d}.png"), frame)
    return folder


def small(films: Path, **changes: object) -> Settings:
    """A training of seconds: 12 clips, 2 steps an epoch."""
    values = {"system": "asym3d", "data": str(films), "name": "tiny", "epochs": 3, "batch": 6, "threads": 1}
    return Settings(**{**values, "numbers": "float32", "device": "cpu", **changes})


def train_here(folder: Path, settings: Settings) -> Run:
    from actrec.training.loop import train

    run = Run.create(folder, settings)
    train(run)
    return run


def command(*words: object, before: str = "", torchrun: tuple[str, ...] = ()) -> subprocess.Popen:
    """`python -m actrec train …` as a child; `before` is Python that runs in it first."""
    start = [sys.executable]
    if torchrun:
        start += ["-m", "torch.distributed.run", *torchrun, "-m", "actrec"]
    elif before:
        start += ["-c", f"{before}\nimport sys\nfrom actrec.__main__ import main\nsys.exit(main(sys.argv[1:]))"]
    else:
        start += ["-m", "actrec"]
    return subprocess.Popen(
        [*start, "train", *map(str, words)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def some_views(system: System, count: int) -> tuple[list[Views], np.ndarray]:
    """Views of noise, and targets in which each of the first classes comes twice, as N-pair groups want them."""
    rng = np.random.default_rng(0)
    shapes = {name: (view.channels, view.frames, view.size, view.size) for name, view in system.inputs.items()}
    views = [{name: rng.integers(0, 255, shape, np.uint8) for name, shape in shapes.items()} for _ in range(count)]
    return views, np.tile(np.arange(count // 2), 2)
