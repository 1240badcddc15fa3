"""One exercise, done right or wrong: can a folder of one's own be learned? By the settings of `protocol.json`.

    python -m benchmarks.pushups DATA/pushup_form [--systems S …] [--seeds N …]

Five folds in which each clip is tested once by a network that did not learn from it. Clips of one take stay together,
but they name no person, so one person may stand on both sides. Every fold is a line of
`benchmarks/results/pushups.jsonl`.
Beside the figures: what the five nearest neighbours on width, height, aspect, length and frame rate alone would score,
one clip left out at a time, and the more frequent answer.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.interactions import PROTOCOL, by_shape, carry_out, done, learned, tested

if TYPE_CHECKING:
    from actrec.data.datasets import DataSet
    from actrec.data.protocols import Fold

RUNS = Path(__file__).parent / "results" / "pushups.jsonl"
NAMES = ("fold", "seed", "system")  # one run from another
FOLDS = 5


def parted(dataset: DataSet, seed: int) -> dict[str, Fold]:
    """The folds by their names, the same for every system."""
    from actrec.data import protocols

    return {fold.name: fold for fold in protocols.folds(dataset, FOLDS, np.random.default_rng(seed))}


def lay_out(dataset: DataSet, indices: Sequence[int], folder: Path) -> Path:
    """Copies of these clips, a folder for each class."""
    for sample in (dataset[index] for index in indices):
        class_folder = folder / dataset.labels[sample.label]
        class_folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample.path, class_folder)
    return folder


def run(dataset: DataSet, key: dict, protocol: dict, commit: str) -> dict:
    """One fold: train on four fifths, test on the rest."""
    start = time.monotonic()
    settings = protocol | {"epochs": protocol["pushup_epochs"]}
    fold = parted(dataset, key["seed"])[key["fold"]]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        weights = learned(key, settings, folder / "run", lay_out(dataset, fold.train, folder / "learned"), "all")
        result = tested(key, settings, weights, lay_out(dataset, fold.test, folder / "tested"))
    figures = {name: result[name] for name in ("clips", "top1", "calibration_error")}
    return key | figures | {"seconds": round(time.monotonic() - start), "commit": commit}


def summary(runs: list[dict]) -> list[str]:
    """Mean ± deviation over seeds, each seed's figure being over all its clips; only whole rounds of folds count."""
    rows = ["| system | top-1 | folds | seeds |", "|---|---|---|---|"]
    for system in dict.fromkeys(run["system"] for run in runs):
        of_system = [run for run in runs if run["system"] == system]
        seeds = [
            [run for run in of_system if run["seed"] == seed] for seed in sorted({run["seed"] for run in of_system})
        ]
        whole = [folds for folds in seeds if len(folds) == FOLDS]
        if whole:
            means = [
                np.average([run["top1"] for run in folds], weights=[run["clips"] for run in folds]) for folds in whole
            ]
            spread = f" ± {np.std(means, ddof=1):.3f}" if len(means) > 1 else ""
            single = ", ".join(f"{run['top1']:.2f}" for folds in whole for run in folds)
            rows.append(f"| {system} | {np.mean(means):.3f}{spread} | {single} | {len(whole)} |")
    return rows


def main() -> None:
    from actrec.data.clips import prepare
    from actrec.data.open import open_set

    protocol = json.loads(PROTOCOL.read_text())
    known = list(protocol["pushup_epochs"])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder for each class")
    parser.add_argument("--systems", nargs="+", default=["asym3d"], choices=known)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    args = parser.parse_args()
    dataset = prepare(open_set(args.data))
    plan = [
        dict(zip(NAMES, (fold, seed, system), strict=True))
        for seed in args.seeds
        for system in args.systems
        for fold in parted(dataset, seed)
    ]
    carry_out(plan, NAMES, RUNS, partial(run, dataset, protocol=protocol))
    print("\n".join(summary(done(RUNS))))
    print(by_shape(args.data))


if __name__ == "__main__":
    main()
