"""`examples`: draw the small clips that the page offers, with seeds no training ever sees."""

from __future__ import annotations

import argparse
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "examples"
SECONDS, FPS = 6, 12.0
# Which draw of each action: one in which the person is easy to see.
NUMBERS = {"idle": 1, "wave": 5, "clap": 5, "raise arms": 6, "squat": 1, "jumping jack": 0}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=FOLDER)


def run(args: argparse.Namespace) -> int:
    from actrec.data import synthetic
    from actrec.data.drawn import EXAMPLES
    from actrec.video.write import write_mp4

    args.out.mkdir(parents=True, exist_ok=True)
    for place, action in enumerate(synthetic.SIX):
        seed = EXAMPLES + NUMBERS[action] * 1000 + place
        clip = synthetic.render(action, seed, frames=int(SECONDS * FPS), size=(240, 320), fps=FPS, framing="whole")
        path = write_mp4(args.out / f"{action.replace(' ', '-')}.mp4", clip.frames, FPS, crf=26)
        print(f"{path.name}: {path.stat().st_size // 1024} KiB")
    return 0
