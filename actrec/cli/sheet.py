"""`sheet`: an image of synthetic clips, one row per clip, to check them before anything is trained on them."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from actrec.synthetic import ACTIONS, PAIRS, render
from actrec.synthetic.camera import FRAMINGS


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, help="the PNG to write")
    parser.add_argument("--actions", default="", help="comma-separated; all when left out")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first scene")
    parser.add_argument("--scenes", type=int, default=2, help="rows per action")
    parser.add_argument("--columns", type=int, default=8, help="frames shown of each clip")
    parser.add_argument("--size", type=int, default=112, help="side of a frame in pixels")
    parser.add_argument("--framing", choices=FRAMINGS, default=None)


def sheet(
    actions: list[str], seeds: range, *, columns: int = 8, size: int = 112, framing: str | None = None
) -> np.ndarray:
    """An RGB image: for each action its scenes as rows, frames spread over the clip as columns."""
    rows = []
    for action in actions:
        for seed in seeds:
            frames = render(action, seed, size=size, framing=framing).frames
            shown = frames[np.linspace(0, len(frames) - 1, columns).astype(int)]
            row = np.ascontiguousarray(np.hstack(shown))
            cv2.putText(row, action, (3, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 3, cv2.LINE_AA)
            cv2.putText(row, action, (3, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (255, 255, 255), 1, cv2.LINE_AA)
            rows.append(row)
    return np.vstack(rows)


def run(args: argparse.Namespace) -> int:
    actions = [a.strip() for a in args.actions.split(",") if a.strip()] or [*ACTIONS, *PAIRS]
    unknown = [a for a in actions if a not in ACTIONS and a not in PAIRS]
    if unknown:
        print(f"There is no synthetic action “{unknown[0]}”; there are: {', '.join((*ACTIONS, *PAIRS))}.")
        return 2
    seeds = range(args.seed, args.seed + args.scenes)
    image = sheet(actions, seeds, columns=args.columns, size=args.size, framing=args.framing)
    if not cv2.imwrite(str(args.out), cv2.cvtColor(image, cv2.COLOR_RGB2BGR)):
        print(f"The image could not be written to {args.out}; use a writable path that ends in .png.")
        return 1
    print(f"{len(actions)} actions × {args.scenes} scenes → {args.out}")
    return 0
