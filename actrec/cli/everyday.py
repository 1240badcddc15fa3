"""`everyday`: fit the second head of the everyday weights, or compare ways to fit it by leaving one source out."""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from actrec.cli import aloud
from actrec.core.places import PROJECT

if TYPE_CHECKING:
    from actrec.training.everyday.views import Viewed

OUT = PROJECT / "weights" / "everyday"
CHOICE = PROJECT / "benchmarks" / "results" / "everyday_head.json"
VIEWS = ("full", "live")
DRAWN = 6  # clips of each own name that can be drawn
SHRINK, NEGATIVES = (1e-4, 1e-3, 1e-2), (4.0, 9.0, 20.0)
DRAWN_CLIPS = ((0.0, True), (0.5, True), (0.5, False))  # their part of a name's weight, and whether they are aligned


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="the folder whose clips benchmarks/register.tsv lists")
    parser.add_argument("--choose", action="store_true", help="compare ways to fit, leaving one source out, and stop")
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=list(VIEWS), help="what is seen of a clip")
    parser.add_argument("--drawn", type=int, default=DRAWN, metavar="N", help="drawn clips of each own name")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the weights")


def run(args: argparse.Namespace) -> int:
    from actrec.training.everyday.folds import answers_by_source
    from actrec.training.everyday.head import Fit, fit_head
    from actrec.training.everyday.publish import least_confidence, measured, publish
    from actrec.training.everyday.score import fit_numbers, out_of_fold

    viewed = [item for view in args.views for item in seen(args.data, view, args.drawn)]
    if args.choose:
        rows = []
        for shrink, negatives, (drawn, aligned) in itertools.product(SHRINK, NEGATIVES, DRAWN_CLIPS):
            how = Fit(shrink, negatives, drawn, aligned)
            figures = answers_by_source(viewed if how.drawn else [item for item in viewed if not item.drawn], how)
            rows.append(asdict(how) | figures)
            print(json.dumps(rows[-1]), flush=True)
        CHOICE.write_text(json.dumps({"views": args.views, "rows": rows}, indent=1) + "\n")
        return 0
    how = Fit()
    asked = out_of_fold(viewed, how)
    numbers = fit_numbers(asked, fixed=True)
    figures = measured(asked, numbers)
    command = f"python -m actrec everyday --data DATA --drawn {args.drawn} --views {' '.join(args.views)}"
    least = least_confidence(asked, numbers)
    publish(args.out, fit_head(viewed, how), numbers, how, viewed, figures, least, command)
    print(json.dumps(figures, indent=1))
    aloud(f"Written: {args.out}")
    return 0


def seen(data: Path, view: str, drawn_per_name: int) -> list[Viewed]:
    """All clips that learn, through the published network at one size of view."""
    from actrec.recognition.recognizer import Recognizer
    from actrec.training.everyday.register import LEARN, clips_of
    from actrec.training.everyday.views import drawn, real

    recognizer = Recognizer.load("kinetics-i3d", "cpu", options={"view": view})
    return [
        *real(recognizer, clips_of(data, LEARN), aloud),
        *(drawn(recognizer, drawn_per_name, aloud) if drawn_per_name else []),
    ]
