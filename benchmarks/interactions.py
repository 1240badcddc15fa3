"""How well each system tells UT-Interaction's six interactions, by the settings of `benchmarks/protocol.json`.

    python -m benchmarks.interactions DATA [--systems S …] [--seeds N …] [--what set1 transfer]

`set1`: one sequence left out at a time, ten folds. `transfer`: trained on set 1, judged on set 2. Every finished run is
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
    """Train on the fold's training part, judge its test part."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        weights = learned(key, protocol, Path(folder, "run"), key["folder"], key["fold"])
        result = judged(key, protocol, weights, key["folder"], "--fold", key["fold"])
        card = json.loads((weights / "card.json").read_text())
    kept = {name: key[name] for name in NAMES}
    figures = {name: result[name] for name in ("clips", "top1", "calibration_error")}
    return kept | figures | {
        "calibrated": result["temperature"]["calibration_error"],  # what it is with the card's temperature
        "validation": card["measured"]["top1"], "seconds": round(time.monotonic() - began), "commit": commit,
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


def judged(key: dict, protocol: dict, weights: Path, data: str | Path, *more: str) -> dict:
    """What the weights score, by the command a user has."""
    told = actrec(
        "evaluate", "--weights", weights, "--data", data, *more,
        "--protocol", protocol["views"], "--seed", key["seed"], "--json",
    )  # fmt: skip
    return json.loads(told)


def actrec(*words: object) -> str:
    made = subprocess.run([sys.executable, "-m", "actrec", *map(str, words)], capture_output=True, text=True)
    if made.returncode:
        raise SystemExit(f"actrec {' '.join(map(str, words))} ended with: {made.stderr.strip()[-2000:]}")
    return made.stdout


def carry_out(plan: list[dict], names: tuple[str, ...], log: Path, run: Callable[..., dict]) -> None:
    """Every run of the plan that is not a line of the log yet becomes one; the names tell one from another."""
    commit = code_version()
    known = {tuple(each[name] for name in names) for each in done(log)}
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
                sum(each["top1"] * each["clips"] for each in of) / sum(each["clips"] for each in of)
                for of in seeds.values()
                if what == "transfer" or len(of) == 10
            ]
            if whole:
                spread = f"± {np.std(whole, ddof=1):.3f}" if len(whole) > 1 else ""
                rows.append(f"| {what} | {system} | {np.mean(whole):.3f} {spread} | {len(whole)} |")
    return ["| what | system | top-1 | seeds |", "|---|---|---|---|", *rows]


def headers(folder: Path) -> tuple[DataSet, np.ndarray]:
    """A data set, and what the head of each of its files says."""
    from actrec.data.check import header_facts
    from actrec.data.open import open_set

    found = open_set(folder)
    return found, np.array([header_facts(found, sample) for sample in found.samples], dtype=np.float64)


def by_shape(folder: Path) -> str:
    """What the headers of the files score where one group is left out."""
    from actrec.data.check import shortcut

    found, facts = headers(folder)
    return f"{folder.name}: by shape and length alone {shortcut(facts, found.targets(), found.groups())}"


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
    print("\n".join(summary([each for each in done() if each["start"] == protocol["start"][each["system"]]])))
    print(by_shape(args.data / "set1"), by_shape_across(args.data), sep="\n")


if __name__ == "__main__":
    main()
