"""`predict`: a system's answer for one clip."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from actrec.cli import choices, default_in_words, default_notice
from actrec.weights.folders import WEIGHTS

if TYPE_CHECKING:
    from actrec.recognition.prediction import Prediction

SIDE = 240  # pixels of the shorter side, as on the page


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", type=Path)
    parser.add_argument("--system", help="takes weights/SYSTEM-synthetic unless --weights names others")
    parser.add_argument(
        "--weights", help=f"a checkpoint folder, or its name in weights/; without it and --system {default_in_words()}"
    )
    parser.add_argument(
        "--option", dest="options", action="append", metavar="NAME=VALUE",
        help="an option that only says how a clip is tested (see `list --options`): the same weights, another answer",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    parser.add_argument("--beside", type=Path, nargs="+", default=[], metavar="CLIP", help="the same by other cameras")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")


def headline(prediction: Prediction) -> str:
    """The decision in a line, of an unknown clip with its distance."""
    decision = prediction.decision
    if decision.kind == "unknown":
        return f"unknown: {prediction.distance:.2f} from '{prediction.nearest}', more than {prediction.threshold:.2f}"
    return decision.text


def run(args: argparse.Namespace) -> int:
    from actrec.people import usable_detector
    from actrec.people.presence import presence
    from actrec.recognition.recognizer import open_recognizer
    from actrec.recognition.results import decision_dict
    from actrec.video.read import read_clip

    recognizer = open_recognizer(args.system, args.weights, WEIGHTS, args.device, choices(args.options))
    start = time.perf_counter()
    clip = read_clip(args.clip, short_side=SIDE)
    if args.beside:
        clip = clip.seen_from(*(read_clip(path, short_side=SIDE) for path in args.beside))
    decode = (time.perf_counter() - start) * 1000
    prediction = recognizer.predict(clip)
    detector = usable_detector()
    start = time.perf_counter()
    prediction = prediction.seen(presence(clip, detector))
    looked = (time.perf_counter() - start) * 1000
    default_notice(args)
    milliseconds = {"decode": decode} | prediction.milliseconds | {"people": looked}
    if args.json:
        answer = {
            "label": prediction.label,
            "scores": [{"label": label, "score": score} for label, score in prediction.top(len(prediction.labels))],
            "unknown": prediction.unknown,
            "distance": prediction.distance,
            "threshold": prediction.threshold,
            "weights": prediction.weights,
            "decision": decision_dict(prediction),
            "milliseconds": {step: round(value, 2) for step, value in milliseconds.items()},
        }
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    print(headline(prediction))
    for label, score in prediction.top():
        print(f"{score:7.1%}  {label}")
    print(f"answered by the weights {prediction.weights}")
    print(" · ".join(f"{step} {value:.0f} ms" for step, value in milliseconds.items()))
    for note in clip.notes:
        print(f"note: {note}")
    return 0
