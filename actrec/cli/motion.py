"""`motion`: every motion clue of a clip as image and video, its figures and its time."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

from actrec.core.errors import BadValue
from actrec.data.samples import must_be_writable
from actrec.explain.motion_clues import all_clues, write
from actrec.motion.flow import METHODS
from actrec.video.read import read_clip


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into; created if it is missing")
    parser.add_argument("--flow", default="dis", choices=METHODS, metavar="METHOD", help=" or ".join(METHODS))
    parser.add_argument("--side", type=int, default=240, help="pixels of the shorter side, never enlarged")
    parser.add_argument("--start", type=float, help="seconds to begin at")
    parser.add_argument("--stop", type=float, help="seconds to end before")
    parser.add_argument("--seed", type=int, default=0, help="seed of the frames that the pathways draw")
    parser.add_argument("--device", default="cpu", help="where tvl1 and brox run: cpu, cuda, cuda:1")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")


def run(args: argparse.Namespace) -> int:
    if args.side < 16:
        raise BadValue(f"--side is at least 16 pixels, not {args.side}.")
    must_be_writable(args.out)
    start = time.perf_counter()
    clip = read_clip(args.clip, short_side=args.side, start=args.start, stop=args.stop)
    reading = (time.perf_counter() - start) * 1000
    height, width = clip.size
    report: Callable[[str], None] = (lambda line: None) if args.json else print
    report(f"{args.clip}: {len(clip)} frames of {width}×{height}, {clip.fps:.1f} per second, read in {reading:.0f} ms")
    for note in clip.notes:
        report(f"note: {note}")
    clues, files = all_clues(clip, method=args.flow, seed=args.seed, device=args.device), {}
    for name, clue in clues.items():
        files[name] = write(clue, name, args.out, clip.fps)
        report(f"{name:14} {clue.milliseconds:7.0f} ms  {clue.sentence}")
    report(f"images and videos: {args.out}")
    if args.json:
        figures = {
            name: {"found": c.sentence, **c.numbers, "milliseconds": round(c.milliseconds, 1), "files": files[name]}
            for name, c in clues.items()
        }
        about = {"clip": str(args.clip), "frames": len(clip), "width": width, "height": height, "fps": clip.fps}
        print(json.dumps(about | {"notes": clip.notes, "read_milliseconds": round(reading, 1), "clues": figures}))
    return 0
