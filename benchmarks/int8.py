"""Whether int8 is worth it: every network that ships, quantised after training, against the engine's other formats.

    python -m benchmarks.int8 [--only NAME ...] [--calibrate 300] [--clips 600] [--i3d DATA]

Needs nncf (`pip install nncf`), which nothing else here does. A network is quantised from views of drawn clips, then
tested on drawn clips whose seeds trained nothing: the same views in float32, bfloat16 and int8. Times are of one view,
the formats in turns in one run, medians. A network keeps int8 where accuracy falls by at most 0.5 points and it is at
least 1.3 times as fast as the best of the others. With `--i3d` the published I3D is asked about the real clips under
DATA, of which twelve have a name: whether int8 answers what float32 answers is counted on all.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from actrec.core.devices import processor
from actrec.data.drawn import SETS, claims_source
from actrec.metrics.accuracy import softmax
from actrec.recognition.engines.openvino_engine import OpenVINOEngine, converted, version
from actrec.systems import System, Views, named, recorded
from actrec.video.read import read_clip
from actrec.weights.cards import Card
from actrec.weights.checkpoint import fit, read_checkpoint
from actrec.weights.find import find_weights
from actrec.weights.folders import WEIGHTS
from benchmarks.answers import by_centres
from benchmarks.everyday import SIDE, everyday

RESULTS = Path(__file__).parent / "results" / "int8.json"
FALLS, FASTER = 0.5, 1.3  # points of accuracy at most; times as fast at least
SEED = 47  # of the clips: no training used it
ROUNDS = 40


def weights_that_ship() -> list[str]:
    """The checkpoints of light networks."""
    return [path.parent.name for path in sorted(WEIGHTS.glob("*/card.json")) if path.parent.name != "person-detector"]


def drawn_set(card: Card) -> str:
    """The set of drawn clips that has most of a checkpoint's labels."""
    return max(SETS, key=lambda name: (len(set(SETS[name]) & set(card.labels)), -len(SETS[name])))


@cache
def views_of(system: str, which: str, calibrate: int, tested: int) -> tuple[list[Views], list[Views], list[str]]:
    """Views to calibrate with, views to test on, and the labels of the latter."""
    actions = SETS[which]
    source = claims_source(
        which, -(-calibrate // len(actions)), -(-tested // len(actions)), SEED, "any", lambda message: None
    )
    one = named(system).protocols["one"].views
    views = [
        [one(split.clip(index))[0] for index in range(len(split.targets))]
        for split in (source.train, source.validation)
    ]
    return views[0][:calibrate], views[1], [actions[target] for target in source.validation.targets]


def quantised(system: System, model: object, views: Sequence[Views]) -> object:
    """OpenVINO's model in int8, its ranges from views."""
    import nncf

    one = model.clone()
    one.reshape({place: list(value.shape) for place, value in enumerate(system.blank().values())})
    data = nncf.Dataset([tuple(view[name][None] for name in system.inputs) for view in views])
    return nncf.quantize(one, data, subset_size=len(views), preset=nncf.QuantizationPreset.MIXED)


def engines(system: System, network: object, views: Sequence[Views]) -> dict[str, OpenVINOEngine]:
    """The network in every format."""
    model = converted(system, network)
    small = quantised(system, model, views)
    return {
        "float32": OpenVINOEngine.of(system, model, "float32", (1,)),
        "bfloat16": OpenVINOEngine.of(system, model, "bfloat16", (1,)),
        "int8 and float32": OpenVINOEngine.of(system, small, "float32", (1,)),
        "int8 and bfloat16": OpenVINOEngine.of(system, small, "bfloat16", (1,)),
    }


def milliseconds(formats: Mapping[str, OpenVINOEngine], view: Views, rounds: int = ROUNDS) -> dict[str, float]:
    """Medians of one view, the formats in turns."""
    times: dict[str, list[float]] = {name: [] for name in formats}
    for number in range(rounds + 3):
        for name, engine in formats.items():
            start = time.perf_counter()
            engine.answer([view])
            if number >= 3:
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: round(statistics.median(values), 2) for name, values in times.items()}


def scores_of(engine: OpenVINOEngine, card: Card, views: Sequence[Views]) -> np.ndarray:
    """Calibrated scores [views, labels]."""
    logits, embeddings = engine.answer(views)
    if engine.system.decides == "centres":
        logits = by_centres(card, embeddings)
    return softmax(logits, card.temperature or 1.0)


def row(name: str, calibrate: int, tested: int) -> dict:
    """Accuracy and time of int8 for one checkpoint."""
    card, tensors = read_checkpoint(WEIGHTS / name)
    system = recorded(card.system, card.options)
    network = system.network(len(card.labels)).eval()
    fit(network, tensors, card)
    which = drawn_set(card)
    some, asked, labels = views_of(card.system, which, calibrate, tested)
    known = [place for place, label in enumerate(labels) if label in card.labels]
    asked, labels = [asked[place] for place in known], [labels[place] for place in known]
    formats = engines(system, network, some)
    scores = {numbers: scores_of(engine, card, asked) for numbers, engine in formats.items()}
    right = {
        numbers: np.array([card.labels[best] for best in values.argmax(1)]) == labels
        for numbers, values in scores.items()
    }
    times = milliseconds(formats, asked[0])
    others = min(times["float32"], times["bfloat16"])
    best = min(("int8 and float32", "int8 and bfloat16"), key=times.get)
    falls = 100 * float(right["float32"].mean() - right[best].mean())
    return {
        "weights": name,
        "set": which,
        "n": len(asked),
        "top1": {numbers: round(100 * float(values.mean()), 2) for numbers, values in right.items()},
        "same_class_as_float32": {
            numbers: round(100 * float((values.argmax(1) == scores["float32"].argmax(1)).mean()), 2)
            for numbers, values in scores.items()
        },
        "largest_difference": {
            numbers: round(float(np.abs(values - scores["float32"]).max()), 4) for numbers, values in scores.items()
        },
        "milliseconds": times,
        "int8": best,
        "times_as_fast": round(others / times[best], 2),
        "falls_by_points": round(falls, 2),
        "kept": falls <= FALLS and others / times[best] >= FASTER,
    }


def i3d_rows(data: Path, calibrate: int, tested: int) -> list[dict]:
    """Accuracy and time of int8 for the published I3D, in both of its views; for the larger one only the times."""
    card, tensors = read_checkpoint(find_weights("kinetics-i3d", WEIGHTS))
    network = named("i3d-rgb").network(len(card.labels)).eval()
    fit(network, tensors, card)
    files = sorted(file for file in data.rglob("*") if file.suffix in (".mp4", ".avi") and "everyday" not in file.parts)
    chosen = np.random.default_rng(SEED).permutation(len(files))[: calibrate + tested]
    rows = []
    for view in ("live", "full"):
        system = named("i3d-rgb", {"view": view})
        clips = everyday(data)
        some = [read_clip(files[place], short_side=SIDE, frames=200) for place in chosen]
        views = [system.protocols["clip"].views(clip)[0] for clip in some[: len(some) if view == "live" else 20]]
        formats = engines(system, network, views[: calibrate if view == "live" else 10])
        row = {"weights": f"kinetics-i3d, {view}", "milliseconds": milliseconds(formats, views[-1], 10)}
        if view == "live":
            scores = {name: scores_of(engine, card, views[calibrate:]) for name, engine in formats.items()}
            row["n"] = len(views) - calibrate
            row["same_class_as_float32"] = {
                name: round(100 * float((values.argmax(1) == scores["float32"].argmax(1)).mean()), 2)
                for name, values in scores.items()
            }
            three = [(system.protocols["clip"].views(clip), names) for _, clip, names in clips]
            row["named_of_12"] = {
                name: sum(
                    card.labels[scores_of(engine, card, views_of_clip).mean(0).argmax()] in names
                    for views_of_clip, names in three
                )
                for name, engine in formats.items()
            }
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=weights_that_ship())
    parser.add_argument("--calibrate", type=int, default=300, help="views that give the ranges")
    parser.add_argument("--clips", type=int, default=600, help="drawn clips to test on")
    parser.add_argument("--i3d", type=Path, metavar="DATA", help="real clips, with everyday.tsv")
    args = parser.parse_args()
    print(f"{processor()}, OpenVINO {version()}, {args.calibrate} views to calibrate")
    rows = []
    for name in args.only:
        rows.append(result := row(name, args.calibrate, args.clips))
        print(json.dumps(result), flush=True)
    rows += i3d_rows(args.i3d, 60, 200) if args.i3d else []
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"processor": processor(), "openvino": version(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
