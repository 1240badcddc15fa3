"""How many everyday clips weights name: the published I3D in full and in its live view, or weights of your own.

    python -m benchmarks.everyday DATA [--weights NAME ...] [--views full live]

DATA holds everyday.tsv: a clip and the names that count as right (joined by |) in each line. No training and no
choice here used the clips. The answers are written to benchmarks/results/everyday.json, beside those of other weights.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from actrec.core.devices import describe
from actrec.metrics.intervals import proportion_interval
from actrec.recognition.recognizer import Recognizer
from actrec.video import Clip
from actrec.video.read import read_clip

RESULTS = Path(__file__).resolve().parent / "results" / "everyday.json"
SIDE = 240  # pixels of the shorter side, as on the page and in `predict`


def everyday(data: Path) -> list[tuple[str, Clip, set[str]]]:
    """The clips of everyday.tsv with the names that count as right."""
    rows = [line.split("\t") for line in (data / "everyday.tsv").read_text().splitlines() if line]
    return [(file, read_clip(data / file, short_side=SIDE), set(names.split("|"))) for file, names in rows]


def with_view(name: str, view: str) -> Recognizer:
    """Weights with the size of view `view`, where their system has that option."""
    recognizer = Recognizer.load(name, "cpu")
    return Recognizer.load(name, "cpu", options={"view": view}) if "view" in recognizer.system.options else recognizer


def measured(recognizer: Recognizer, clips: Sequence[tuple[str, Clip, set[str]]]) -> dict:
    """How many are right, first and among the five first, with a 95 % interval (Wilson), and each clip's answer."""
    answers = []
    for file, clip, names in clips:
        five = recognizer.predict(clip).top(5)
        answers.append({"clip": file, "said": five[0][0], "score": round(five[0][1], 3), "right": five[0][0] in names,
                        "among_five": any(label in names for label, _ in five)})  # fmt: skip
    right = sum(answer["right"] for answer in answers)
    low, high = proportion_interval(right, len(answers))
    return {
        "right": right, "of": len(answers), "interval": [round(low, 3), round(high, 3)],
        "among_five": sum(answer["among_five"] for answer in answers), "answers": answers,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with everyday.tsv and its clips")
    parser.add_argument("--weights", nargs="+", default=["kinetics-i3d"], help="names or folders of weights")
    parser.add_argument("--views", nargs="+", default=["full", "live"], choices=("full", "live"))
    args = parser.parse_args()
    clips = everyday(args.data)
    rows = {row["name"]: row for row in json.loads(RESULTS.read_text())["rows"]} if RESULTS.is_file() else {}
    for name in args.weights:
        for view in args.views:
            recognizer = with_view(name, view)
            row = {"name": f"{Path(name).name}, {view}", **measured(recognizer, clips)}
            rows[row["name"]] = row
            print(f"{row['name']}: {row['right']} of {row['of']} right (95 % interval {row['interval'][0]:.1%} to "
                  f"{row['interval'][1]:.1%}), {row['among_five']} among the five first, "
                  f"{describe(recognizer.device)}, {recognizer.engine.name}", flush=True)  # fmt: skip
            for answer in row["answers"]:
                print(f"  {'right' if answer['right'] else 'WRONG'}  {answer['clip']}: {answer['said']} "
                      f"({answer['score']:.0%})", flush=True)  # fmt: skip
    RESULTS.write_text(json.dumps({"rows": list(rows.values())}, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
