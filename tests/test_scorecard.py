"""docs/measured.md is what `python -m benchmarks.scorecard` writes from the results on file."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import scorecard

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
ROWS = [row for rows in scorecard.SECTIONS.values() for row in rows]
REPORTED = json.loads((RESULTS / "reported.json").read_text())["figures"]


def test_the_document_is_what_the_command_writes():
    assert scorecard.DOCUMENT.read_text() == scorecard.document()


def test_a_figure_over_seeds_is_the_mean_and_deviation_of_the_runs_on_file():
    runs = [json.loads(line) for line in (RESULTS / "interactions.jsonl").read_text().splitlines()]
    of = [run for run in runs if run["what"] == "set1" and run["start"] == "runs/crossenh-pairs2/weights"]
    seeds = [100 * np.mean([r["top1"] for r in of for _ in range(r["clips"]) if r["seed"] == s]) for s in range(3)]
    figure = scorecard.interactions("set1", "crossenh")()
    assert figure.value == pytest.approx(np.mean(seeds))
    assert figure.shown == f"{np.mean(seeds):.1f} ± {np.std(seeds, ddof=1):.1f} %"
    assert figure.n == "60 clips, 3 seeds"


@pytest.mark.parametrize(
    ("target", "value", "holds"),
    [("≥ 80 %", 80, True), ("≥ 80 %", 79.9, False), ("≤ 250 ms", 251, False), ("calibration ≤ 0.08", 0.08, True),
     ("0", 0, True), ("0", 1, False), ("", 1, True)],
)  # fmt: skip
def test_a_target_is_reached_or_not(target, value, holds):
    assert scorecard.reached(target, value) is holds


def test_what_is_below_target_is_bold():
    row = scorecard.Row("a figure", "≥ 2 ×", lambda: scorecard.Figure(1.5, "1.5 ×", "3 runs"), "a command")
    assert scorecard.line(row) == "| a figure | ≥ 2 × | **1.5 ×** | 3 runs | `a command` |"


def test_what_is_not_on_file_is_said_to_be_unmeasured_and_never_left_out():
    missing = scorecard.stored_figure("models.json", "nobody measured this", n="")
    assert scorecard.line(scorecard.Row("a figure", "≥ 2 ×", missing, "a command")) == (
        "| a figure | ≥ 2 × | *not measured yet* |  | `a command` |"
    )


def test_halves_are_rounded_up():
    assert (scorecard.plain(2.55, 1), scorecard.plain(71.25, 1), scorecard.plain(-1290.5, 0)) == (
        "2.6",
        "71.3",
        "−1 291",
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_every_row_names_what_measures_it(row):
    figure = row.figure()
    command = row.command or figure.command
    assert (figure is None or figure.n) and command
    for module in re.findall(r"-m (benchmarks\.\w+)", command):
        assert importlib.util.find_spec(module), command


def test_every_reported_figure_is_shown_and_says_when_it_was_measured():
    shown = scorecard.document()
    for figure in REPORTED:
        assert re.fullmatch(r"2026-\d\d-\d\d", figure["date"]) and figure["command"], figure["id"]
        assert f"| {figure['n']} | `{figure['command']}` |" in shown, figure["id"]
