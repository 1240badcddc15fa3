"""`data`: check a data set before training, or pack it into one small file that trains anywhere."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="check | pack")
    check = actions.add_parser("check", help="what is in a folder: balance, broken clips, repeated takes, shortcuts")
    check.add_argument("folder", type=Path, help="class/clip, a published data set, or a pack")
    check.add_argument("--kind", default="auto", help="auto, folder, ucf101, hmdb51, kinetics, kth …; auto detects it")
    check.add_argument("--protocol", help="mark takes on both sides of this split, such as 'split 1'")
    check.add_argument("--quick", action="store_true", help="read headers only: no search for repeated takes")
    check.add_argument("--json", action="store_true", help="print JSON and nothing else")
    pack = actions.add_parser("pack", help="write clips as one file of JPEG frames")
    pack.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    pack.add_argument("--out", type=Path, required=True, metavar="FILE", help="ends in .pack")
    pack.add_argument("--size", type=int, default=128, help="short side in pixels")
    pack.add_argument("--frames", type=int, default=48, help="frames per clip at most, evenly by time")
    pack.add_argument("--megabytes", type=float, default=30, help="the file is not larger; JPEG quality gives way")


def run(args: argparse.Namespace) -> int:
    from actrec.data.samples import DataError

    try:
        return _pack(args) if args.action == "pack" else _check(args)
    except DataError as error:
        if getattr(args, "json", False):
            print(json.dumps({"error": str(error), "code": error.code}, ensure_ascii=False))
        else:
            print(error, file=sys.stderr)
        return 2


def _check(args: argparse.Namespace) -> int:
    from actrec.data.check import examine
    from actrec.data.clips import choose_fold
    from actrec.data.open import open_set

    dataset = open_set(args.folder, kind=args.kind)
    fold = choose_fold(dataset, args.protocol, seed=0) if args.protocol else None

    def on_progress(done: int, count: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done} of {count} clips", end="" if done < count else "\n", file=sys.stderr, flush=True)

    _, report = examine(dataset, fold=fold, compare_takes=False if args.quick else None, on_progress=on_progress)
    print(json.dumps(report.as_dict(), ensure_ascii=False) if args.json else "\n".join(report.sentences()))
    return 2 if report.problem else 0


def _pack(args: argparse.Namespace) -> int:
    from actrec.data.datasets import merge
    from actrec.data.open import open_set
    from actrec.data.pack import write_pack
    from actrec.data.reading import ClipSettings

    dataset = merge([open_set(folder) for folder in args.folders])
    settings = ClipSettings(size=args.size, fit="short_side", frames=args.frames)
    write_pack(dataset, args.out, settings, limit=int(args.megabytes * 1e6), on_progress=lambda message: print(message))
    return 0
