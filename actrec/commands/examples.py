"""`examples`: draw the small clips that the page offers, with seeds no training ever sees."""

from __future__ import annotations

import argparse
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "examples"
SECONDS, FPS = 6, 12.0


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--number", type=int, default=0, help="another number, other people and rooms")


def run(args: argparse.Namespace) -> int:
    from actrec.data import synthetic
    from actrec.data.drawn import EXAMPLES
    from actrec.video.write import write_mp4

    args.out.mkdir(parents=True, exist_ok=True)
    for place, action in enumerate(synthetic.SIX):
        seed = EXAMPLES + args.number * 1000 + place
        clip = synthetic.render(action, seed, frames=int(SECONDS * FPS), size=(240, 320), fps=FPS)
        path = write_mp4(args.out / f"{action.replace(' ', '-')}.mp4", clip.frames, FPS, crf=26)
        print(f"{path.name}: {path.stat().st_size // 1024} KiB")
    return 0
