"""What became of a paper's claims here: read from the claims report, never made up.

The report is a JSON list (or `{"claims": [...]}`) of objects with `system`, `claim` and `verdict` ("holds", "does not"
or "unclear"), and, where they are known, `difference`, `standard_error`, `pairs`, `on` and `ours`.
"""

from __future__ import annotations

import json
from pathlib import Path

from actrec.explain.drawing import Figure, Panel, Table

REPORT = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "claims.json"
VERDICTS = ("holds", "does not", "unclear")

# What each paper says of itself; * is this project's own question.
CLAIMS = {
    "asym3d": (
        "Three one-directional layers are faster than a dense one, at no loss",
        "Replacing late layers is better than replacing early ones",
        "M2 is better than M3, and M3 than M1",
        "RGBF is better than RGB and than flow",
        "RGB and RGBF together are better than RGBF alone",
        "Trajectory features add to both",
    ),
    "fstcn": (
        "Two temporal kernels are better than one",
        "The 5×5 kernel is better than the 3×3 one",
        "SCI is better than averaging",
        "Many clips are better than one",
        "Both paths together are better than either",
    ),
    "ms3d": (
        "* Frames drawn by the variance rate are better than evenly drawn ones",
        "* Tailoring is better than none",
        "* Centres with the N-pair loss are better than a softmax at saying 'unknown'",
    ),
    "mdtnet": (
        "Salience is better than raw frames where the background moves",
        "On plain backgrounds salience gains little",
    ),
    "crossenh": (
        "The taught student is better than the plain stream",
        "The first bridge is better than none (α = 0)",
        "The weaker stream is the worse teacher",
    ),
}


def reported(system: str, report: Path | None = None) -> list[dict] | None:
    """The lines of the report on a system; None where there is no report that can be read."""
    report = report or REPORT
    try:
        found = json.loads(report.read_text())
    except (OSError, ValueError):
        return None
    lines = found.get("claims", []) if isinstance(found, dict) else found
    if not isinstance(lines, list):
        return None
    return [line for line in lines if isinstance(line, dict) and line.get("system") == system]


def verdict(system: str, report: Path | None = None) -> Figure:
    """What is claimed, and what was found here."""
    lines = reported(system, report)
    if not lines:
        why = "no claims report on this machine" if lines is None else "nothing on this paper in the claims report"
        rows = tuple((claim, "not measured yet") for claim in CLAIMS[system])
        return Figure(
            f"This has not been measured yet: there is {why}.",
            (Panel(Table(("claim", "here"), rows), "What will be asked. The paper's own figures were taken on other "
                "data "
                   "and prove nothing about the networks in this project. A line with * is this project's question.",
                   wide=True),),
            {"measured": False},
        )  # fmt: skip
    rows = tuple(_row(line) for line in lines)
    held = sum(line.get("verdict") == "holds" for line in lines)
    return Figure(
        f"{held} of {len(lines)} claims hold on this project's test clips.",
        (Panel(Table(("claim", "here", "difference", "pairs", "on"), rows), "'holds' means a mean paired difference of "
               "more than two standard errors, 'does not' one of less than minus two; everything between is unclear.",
               wide=True),),
        {"measured": True, "held": held},
    )  # fmt: skip


def _row(line: dict) -> tuple[str, ...]:
    said = line.get("verdict")
    difference, error = line.get("difference"), line.get("standard_error")
    gap = "" if difference is None else f"{difference:+.3f}" + ("" if error is None else f" ± {error:.3f}")
    mark = "* " if line.get("ours") else ""
    return (
        mark + str(line.get("claim", "")), said if said in VERDICTS else "unclear", gap, str(line.get("pairs", "")),
        str(line.get("on", "")),
    )  # fmt: skip
