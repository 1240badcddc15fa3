"""How well each system recognises UT-Interaction's six interactions, by the settings of `benchmarks/protocol.json`.

    python -m benchmarks.interactions DATA [--systems S …] [--seeds N …] [--what set1 transfer]

`set1`: one sequence left out at a time, ten folds. `transfer`: trained on set 1, tested on set 2. Every finished run is
a line of `benchmarks/results/interactions.jsonl` with the code's commit and the weights it went on from; one that is
there is not repeated, and those that go on as the protocol says are summed up. Beside the figures: what the five
nearest neighbours on width, height, aspect, length and frame rate alone would score.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actrec.claims.claims import code_version

if TYPE_CHECKING:
    from actrec.data.datasets import DataSet

HERE = Path(__file__).parent
RUNS, PROTOCOL = HERE / "results" / "interactions.jsonl", HERE / "protocol.json"
TRANSFER = "set1 → set2"
NAMES = ("what", "fold", "seed", "system", "start")  # one run from another


def done(log: Path = RUNS) -> list[dict]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def planned(data: Path, what: list[str], seeds: list[int], start: dict[str, str]) -> list[dict]:
    """Every run as its key, whole rounds over the systems first, so that a run that is cut off has all of them."""
    from actrec.data import protocols
    from actrec.data.open import open_set

    folds = []
    if "transfer" in what:
        folds.append(("transfer", str(data), TRANSFER))
    if "set1" in what:
        first = open_set(data / "set1")
        folds += [("set1", str(data / "set1"), fold.name) for fold in protocols.leave_one_group_out(first)]
    return [
        {"what": kind, "folder": folder, "fold": fold, "seed": seed, "system": system, "start": weights}
        for seed in seeds
        for system, weights in start.items()
        for kind, folder, fold in folds
    ]


def run(key: dict, protocol: dict, commit: str) -> dict:
    """Train on the fold's training part, measure on its test part."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        weights = learned(key, protocol, Path(folder, "run"), key["folder"], key["fold"])
        result = tested(key, protocol, weights, key["folder"], "--fold", key["fold"])
        card = json.loads((weights / "card.json").read_text())
    of_run = {name: key[name] for name in NAMES}
    figures = {name: result[name] for name in ("clips", "top1", "calibration_error")}
    return of_run | figures | {
        "calibrated": result["temperature"]["calibration_error"],  # what it is with the card's temperature
        "validation": card["measured"]["top1"], "seconds": round(time.monotonic() - start), "commit": commit,
    }  # fmt: skip


def learned(key: dict, protocol: dict, out: Path, data: str | Path, fold: str, *more: object) -> Path:
    """The weights of one training by the protocol, by the command a user has."""
    actrec(
        "train", "--system", key["system"], "--data", data, "--fold", fold,
        "--start-from", protocol["start"][key["system"]], "--preset", protocol["preset"],
        "--epochs", protocol["epochs"][key["system"]], "--patience", protocol["patience"],
        "--seed", key["seed"], "--name", "fold", "--out", out, *more,
    )  # fmt: skip
    return out / "weights"


def tested(key: dict, protocol: dict, weights: Path, data: str | Path, *more: str) -> dict:
    """The accuracy of the weights, by the command a user has."""
    report = actrec(
        "evaluate", "--weights", weights, "--data", data, *more,
        "--protocol", protocol["views"], "--seed", key["seed"], "--json",
    )  # fmt: skip
    return json.loads(report)


def actrec(*words: object) -> str:
    done = subprocess.run([sys.executable, "-m", "actrec", *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"actrec {' '.join(map(str, words))} ended with: {done.stderr.strip()[-2000:]}")
    return done.stdout


def carry_out(plan: list[dict], names: tuple[str, ...], log: Path, run: Callable[..., dict]) -> None:
    """Every run of the plan that is not a line of the log yet becomes one; the names distinguish them."""
    commit = code_version()
    known = {tuple(run_done[name] for name in names) for run_done in done(log)}
    for key in plan:
        if tuple(key[name] for name in names) in known:
            continue
        line = json.dumps(run(key, commit=commit), ensure_ascii=False)
        print(line, flush=True)
        with log.open("a") as file:
            file.write(line + "\n")


def summary(runs: list[dict]) -> list[str]:
    """Mean ± deviation over seeds, each seed's figure being over all its clips; only whole rounds of folds count."""
    rows = []
    for what in ("transfer", "set1"):
        for system in dict.fromkeys(run["system"] for run in runs if run["what"] == what):
            seeds: dict[int, list[dict]] = {}
            for run in runs:
                if run["what"] == what and run["system"] == system:
                    seeds.setdefault(run["seed"], []).append(run)
            whole = [
                sum(fold["top1"] * fold["clips"] for fold in of) / sum(fold["clips"] for fold in of)
                for of in seeds.values()
                if what == "transfer" or len(of) == 10
            ]
            if whole:
                spread = f"± {np.std(whole, ddof=1):.3f}" if len(whole) > 1 else ""
                rows.append(f"| {what} | {system} | {np.mean(whole):.3f} {spread} | {len(whole)} |")
    return ["| what | system | top-1 | seeds |", "|---|---|---|---|", *rows]


def headers(folder: Path) -> tuple[DataSet, np.ndarray]:
    """A data set, and the facts in the header of each of its files."""
    from actrec.data.check import header_facts
    from actrec.data.open import open_set

    dataset = open_set(folder)
    return dataset, np.array([header_facts(dataset, sample) for sample in dataset.samples], dtype=np.float64)


def by_shape(folder: Path) -> str:
    """What the headers of the files score where one group is left out."""
    from actrec.data.check import shortcut

    dataset, facts = headers(folder)
    return f"{folder.name}: by shape and length alone {shortcut(facts, dataset.targets(), dataset.groups())}"


def by_shape_across(data: Path) -> str:
    """What the headers of the second set's files score, by those of the first."""
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (first, known), (second, asked) = headers(data / "set1"), headers(data / "set2")
    nearest = make_pipeline(StandardScaler(), KNeighborsClassifier(5)).fit(known, first.targets())
    return f"{TRANSFER}: by shape and length alone {nearest.score(asked, second.targets()):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder that holds set1 and set2")
    protocol = json.loads(PROTOCOL.read_text())
    parser.add_argument("--systems", nargs="+", default=list(protocol["epochs"]))
    parser.add_argument("--seeds", nargs="+", type=int, default=protocol["seeds"])
    parser.add_argument("--what", nargs="+", default=["transfer", "set1"], choices=["transfer", "set1"])
    args = parser.parse_args()
    start = {system: protocol["start"][system] for system in args.systems}
    carry_out(planned(args.data, args.what, args.seeds, start), NAMES, RUNS, partial(run, protocol=protocol))
    by_protocol = [run for run in done() if run["start"] == protocol["start"][run["system"]]]
    print("\n".join(summary(by_protocol)))
    print(by_shape(args.data / "set1"), by_shape_across(args.data), sep="\n")


if __name__ == "__main__":
    main()
