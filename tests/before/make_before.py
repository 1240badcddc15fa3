"""Make the files of this folder with the code of commit 86f12f0, before modules and words were renamed.

    git worktree add ../old 86f12f0 && cd ../old && python PROJECT/tests/before/make_before.py PROJECT/tests/before

It imports what there was then, so it runs in that checkout only. The network is Asymmetric 3D-CNN's light one with few
channels, so that a run folder with its optimiser stays small; everything else is as the commands write it.
"""

# ruff: noqa: I001 — what it imports is not in this checkout
from __future__ import annotations

import hashlib
import json
import lzma
import os
import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

sys.path.insert(0, os.getcwd())
os.environ["ACTREC_CACHE"] = "cache"  # all paths are relative: none of this machine gets into a file

import numpy as np
import torch

from actrec import taught, taught_files
from actrec.__main__ import main
from actrec.data import synthetic
from actrec.data.cache import ClipCache
from actrec.data.drawn import EXAMPLES, SETS, gallery_clips
from actrec.data.reading import ClipSettings
from actrec.data.sets import Sample
from actrec.models import asym3d
from actrec.recognizer import Recognizer
from actrec.systems import SYSTEMS
from actrec.tailor.detector import PersonDetector
from actrec.training.updates import Learner
from actrec.video.write import write_mp4
from actrec.weights.cards import cards

TINY = partial(asym3d.light, widths=(4, 4, 16, 16, 16), fc=(8,))
TRAIN = "--system tiny --data squares.pack --epochs 3 --batch 4 --threads 1 --numbers float32 --device cpu"


def command(line: str) -> None:
    assert main(line.split()) == 0, line


def square(action: str, seed: int) -> np.ndarray:
    """A bright square that goes to the right, to the left, or down: `uint8 [20, 48, 48, 3]`."""
    rng = np.random.default_rng([seed, *action.encode()])
    frames = np.full((20, 48, 48, 3), rng.integers(20, 60), np.uint8)
    across, down = rng.integers(4, 24, 2)
    for t, frame in enumerate(frames):
        x, y = {"right": (across + t, down), "left": (32 - across - t, down), "down": (across, down + t)}[action]
        frame[max(0, y) : y + 12, max(0, x) : max(0, x) + 12] = rng.integers(180, 255)
    return frames


def drawn(action: str, seed: int):
    return synthetic.render(action, EXAMPLES + seed, frames=48, size=112, fps=12.5)


def blocks(frames: np.ndarray) -> np.ndarray:
    """The brightness of 8 × 8 blocks in the middle and in the last frame."""
    return frames[[24, 47]].reshape(2, 8, 14, 8, 14, 3).mean((2, 4, 5)).round(1)


def parameters(name: str) -> str:
    """A checksum over names and shapes in the order in which an optimiser's state counts them."""
    with torch.device("meta"):
        network = SYSTEMS[name].network(5)
    lines = [f"{key} {list(value.shape)}" for key, value in (*network.named_parameters(), *network.named_buffers())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def make(repository: Path) -> dict:
    numbers = {name: parameters(name) for name in SYSTEMS}
    SYSTEMS["tiny"] = replace(SYSTEMS["asym3d"], name="tiny", title="Tiny", network=TINY, options={}, remade=None)

    for action in ("right", "left", "down"):
        for person in ("ann", "ben", "cid"):
            for take in range(2):
                path = Path("squares") / action / person / f"{take}.mp4"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_mp4(path, square(action, 10 * "abc".index(person[0]) + take), 10)
    command("data pack squares --out squares.pack --size 48 --frames 20 --megabytes 0.33")

    shutil.copy("squares/left/ann/0.mp4", "clip.mp4")
    settings = ClipSettings(size=32, frames=8)
    cache = ClipCache()
    cache.read(Sample(Path("clip.mp4"), 0), settings)
    cache.flow(Sample(Path("clip.mp4"), 0), settings, "dis")
    gallery_clips(("wave",), 1, print)
    (frames,) = Path("cache/synthetic").glob("*.npy")
    frames.with_suffix(".npy.xz").write_bytes(lzma.compress(frames.read_bytes(), preset=9 | lzma.PRESET_EXTREME))
    frames.unlink()

    command(f"train {TRAIN} --name finished --out finished")
    update, updates = Learner.update, []

    def stop_after_four(self: Learner, *values: object) -> tuple:
        updates.append(1)
        if len(updates) == 4:
            Path("stopped/stop").touch()
        return update(self, *values)

    Learner.update = stop_after_four
    command(f"train {TRAIN} --name stopped --out stopped")

    recognizer = Recognizer.load(repository / "weights/asym3d-synthetic", "cpu")
    lessons = taught.Taught.on("asym3d-synthetic", recognizer)
    for action, label in (("squat", "my squat"), ("clap", "my clap"), ("jumping jack", None)):
        for seed in range(1 if label is None else 3):
            lessons = lessons.add(taught.lesson(recognizer, label, drawn(action, seed), f"{action} {seed}"))
    taught_files.save_as(lessons, "my-set", Path("taught"))
    answers = {}
    for action in ("squat", "clap", "jumping jack", "wave"):
        code = taught.codes_of(recognizer, drawn(action, 9)).mean(0)
        judged = lessons.judge(code)
        answers[action] = {"code": code.tolist(), "label": judged.label, "nearest": judged.nearest}
    clip, weights = drawn("wave", 9), {}
    for name in cards(repository / "weights"):
        weights[name] = Recognizer.load(repository / "weights" / name, "cpu").predict(clip, "one").scores.tolist()
    figures = {action: blocks(drawn(action, 9).frames).tolist() for action in SETS["all"]}
    learned = {"threshold": lessons.threshold, "answers": answers}
    people = PersonDetector.load(repository / "weights/person-detector").detect(clip.frames[24:25])[0].tolist()
    return {"people": people, "parameters": numbers, "drawn": figures, "taught": learned, "weights": weights}


if __name__ == "__main__":
    repository, target = Path.cwd(), Path(sys.argv[1]).resolve()
    os.chdir(target)
    expected = make(repository)
    Path("expected.json").write_text(json.dumps(expected) + "\n")
    for run in ("finished", "stopped"):
        shutil.rmtree(f"{run}/tensorboard", ignore_errors=True)  # names the machine
        Path(run, "lock").unlink(missing_ok=True)
    for state in ("checkpoint.safetensors", "best.safetensors"):  # the stopped run has both
        Path("finished", state).unlink()
    for left in ("squares", "cache/clips/contents"):
        shutil.rmtree(left)
    for left in ("cache/numbers.json", "cache/numbers.lock"):  # timings of this machine
        Path(left).unlink()
