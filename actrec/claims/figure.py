"""The verdicts on a paper's claims here, read from the claims report."""

from __future__ import annotations

import json
from pathlib import Path

from actrec.claims.claims import NOT_YET, SUFFIX
from actrec.core.places import PROJECT
from actrec.figures.drawing import Figure, Panel, Table
from actrec.systems import named
from actrec.systems.claim import OURS

REPORT = PROJECT / "benchmarks" / "results" / "claims.json"
OUR_QUESTIONS = " These are this project's own questions about {}'s ideas: its paper has no such comparison."


def reported(system: str, report: Path | None = None) -> list[dict] | None:
    """The rows of the report on a paper's claims, those that were measured; None where no report can be read."""
    stated = {claim.id for claim in named(system).claims}
    try:
        rows = json.loads((report or REPORT).read_text(encoding="utf-8"))["claims"]
        return [row for row in rows if row["id"].removesuffix(SUFFIX) in stated and row["verdict"] != NOT_YET]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def verdict(system: str, report: Path | None = None) -> Figure:
    """A paper's claims, and the results here."""
    rows = reported(system, report)
    known = {row["id"] for row in rows or ()}
    stated = named(system).claims
    waiting = tuple((claim.claim, NOT_YET, "", "", "") for claim in stated if claim.id not in known)
    own = any(claim.paper == OURS for claim in stated)
    ours = OUR_QUESTIONS.format(named(system).title) if own else ""
    if not rows:
        why = "no claims report on this machine" if rows is None else "nothing on this paper in the claims report"
        sentence = f"This has not been measured yet: there is {why}."
        caption = (
            "What will be asked. The paper's own figures were taken on other data and prove nothing about the networks "
            "in this project."
        )
    else:
        held = sum(row["verdict"] == "holds" for row in rows)
        sentence = f"{held} of {len(rows)} measured claims hold on this project's test clips."
        caption = (
            "'holds' means a mean paired difference of more than two standard errors, 'does not' one of less than "
            "minus two; everything between is unclear."
        )
    table = Table(("claim", "here", "difference", "pairs", "on"), (*map(_row, rows or ()), *waiting))
    numbers = {"measured": bool(rows)} | ({"held": held} if rows else {})
    return Figure(sentence, (Panel(table, caption + ours, wide=True),), numbers)


def _row(row: dict) -> tuple[str, ...]:
    gap = f"{row['mean']:+.3f} ± {row['error']:.3f}"
    return row["claim"], row["verdict"], gap, str(row["pairs"]), row["where"].partition(":")[0].partition(",")[0]
