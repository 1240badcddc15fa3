"""What "fast" means here: every figure that has a target, as the last runs of the other benchmarks left it.

    python -m benchmarks.fast

Nothing is measured: `benchmarks.models --busy`, `benchmarks.live`, `benchmarks.start`, `benchmarks.int8` and
`benchmarks.training` wrote what is read here. What was not measured is said to be missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from benchmarks import live, models, start

RESULTS = Path(__file__).parent / "results"
Row = tuple[str, str, float | None, float, bool]  # what, its unit, the figure, the target, whether less is better


def results(name: str) -> dict:
    """What a benchmark wrote last; nothing where it was not run."""
    try:
        return json.loads((RESULTS / f"{name}.json").read_text())
    except FileNotFoundError:
        return {}


def of(find: Callable[[], float]) -> float | None:
    """A figure, or None where no run has measured it."""
    try:
        return find()
    except (KeyError, ValueError, IndexError):
        return None


def rows() -> list[Row]:
    """Every figure with a target, in the order of `docs/measured.md`."""
    networks, camera, page, training = (results(name) for name in ("models", "live", "start", "training"))
    shipped, whole = networks.get("shipped", []), networks.get("i3d", [])
    both = [row[state] for row in shipped for state in ("quiet", "busy") if state in row]
    beside = camera.get("while_training", {})
    found: list[Row] = [
        (name, unit, of(find), goal, less)
        for name, unit, find, goal, less in (
            ("light networks: the least", "×", lambda: min(row["quiet"]["times_faster"] for row in shipped),
             models.EACH, False),
            ("light networks: geometric mean", "×", lambda: networks["mean_times_faster"], models.MEAN, False),
            ("than the answers before: the least", "×", lambda: min(row["times_before"] for row in both), 1.0, False),
            ("busy: ours slows by at most", "×", lambda: max(row["slows_by"] for row in shipped), models.SLOWS, True),
            ("live beside a training, predictions", "/s", lambda: beside["predictions_per_second"],
             live.GOALS["predictions_per_second"], False),
            ("live beside a training, code to label, p95", "ms", lambda: beside["p95_ms"], live.GOALS["p95_ms"], True),
        )
    ]  # fmt: skip
    for row in whole:
        for dtype, goal in models.I3D_GOALS.items():
            figure = of(lambda row=row, dtype=dtype: row["times_faster"][dtype])
            found.append((f"i3d-rgb {row['input']}, {dtype}", "×", figure, goal, False))
    for name in start.CACHES:
        for figure, goal in start.GOALS.items():
            words = {"page_s": "usable page", "first_answer_s": "first answer after that"}[figure]
            found.append((f"{words}, {name}", "s", of(lambda name=name, figure=figure: page[name][figure]), goal, True))
    for row in training.get("rows", []):
        if row["device"] == "cpu":
            found.append((f"training of {row['system']}, ours ÷ plain float32", "×", row["times_faster"], 1.0, False))
    return found


def main() -> None:
    for name in ("models", "live", "start", "training"):
        kept = results(name)
        print(f"{name:9} {kept.get('processor') or kept.get('machine') or 'not measured'}")
    for words, unit, figure, goal, less in rows():
        if figure is None:
            print(f"{words:46} not measured (target {goal:g} {unit})")
            continue
        met, most = (figure <= goal, "at most") if less else (figure >= goal, "at least")
        print(f"{words:46} {figure:8.2f} {unit:2} (target {most} {goal:g}): {models.verdict(met)}")


if __name__ == "__main__":
    main()
