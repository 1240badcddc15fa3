"""`claims`: which claims of the papers hold here, measured with paired seeds; goes on where it was cut off."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from actrec.cli import aloud
from actrec.core.places import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"
ORDER = ("holds", "does not", "unclear", "not measured yet")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="these claims; all by default")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N", help="one pair each")
    parser.add_argument("--minutes", type=float, help="no measurement starts after so many; none at all with 0")
    parser.add_argument("--list", action="store_true", help="show the claims and what is known; measure nothing")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="UT-Interaction: measure on real clips instead")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR", help="where claims.jsonl and .json stand")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON and nothing else")
    parser.add_argument("--markdown", action="store_true", help="print the summary as the table of docs/claims.md")


def run(args: argparse.Namespace) -> int:
    from actrec import systems
    from actrec.claims import claims, workspace

    log, experiments = claims.Log(args.out / "claims.jsonl"), systems.experiments()
    settings = {name: experiment.settings for name, experiment in experiments.items()}
    chosen = claims.chosen(args.only, args.data is not None)
    if args.list:
        summary = claims.summary(log, settings)
    else:
        with drawing_in_one_thread():
            claims.measure_all(
                claims.plan(chosen, args.seeds), experiments, log, workspace.Workspaces(args.data, aloud).open,
                minutes=args.minutes, report=aloud, after=lambda: claims.write_summary(args.out, log, settings),
            )  # fmt: skip
        summary = claims.write_summary(args.out, log, settings)
    if args.json:
        print(json.dumps(summary, ensure_ascii=False))
        return 0
    if args.markdown:
        print(table(summary))
        return 0
    shown = {claim.id for claim in chosen} if args.only or args.data else None
    for row in summary["claims"]:
        if shown is None or row["id"] in shown:
            print(line_of(row))
    return 0


@contextlib.contextmanager
def drawing_in_one_thread() -> Iterator[None]:
    """OpenCV keeps to one thread beside a network that takes the cores."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def table(summary: Mapping) -> str:
    """All claims in Markdown: what holds, what does not, what is unclear, what is not measured."""
    lines = ["| | claim | paper | difference | pairs | measure | on |", "|---|---|---|---|---|---|---|"]
    for verdict in ORDER:
        for row in summary["claims"]:
            if row["verdict"] == verdict:
                where = row["where"].partition(":")[0].partition(",")[0]
                lines.append(
                    f"| {verdict} | {row['claim']} | {row['paper']} | {figures(row)} | {row['pairs']} "
                    f"| {row['measure']} | {where} |"
                )
    return "\n".join(lines)


def figures(row: Mapping) -> str:
    """The mean difference and its standard error."""
    text = "" if row["mean"] is None else f"{row['mean']:+.3f}"
    return text + ("" if row["error"] is None else f" ± {row['error']:.3f}")


def line_of(row: Mapping) -> str:
    """One claim in one line."""
    return (
        f"{row['verdict']:16} {row['id']:29} {figures(row):16} {row['pairs']:2} pairs  {row['paper']}: {row['claim']}"
    )
