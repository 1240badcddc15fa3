"""`doctor`: versions, devices, codecs, camera, weights, permissions and disk space; each problem with its remedy."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from actrec.core.places import PROJECT
from actrec.weights.folders import WEIGHTS

MARKS = {"good": "  ok", "note": "note", "problem": "  !!"}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder with checkpoint folders")
    parser.add_argument("--runs", type=Path, default=PROJECT / "runs", help="folder for trainings")


def run(args: argparse.Namespace) -> int:
    """Exit status 0 where nothing is wrong, else 1."""
    from actrec.cli.machine_report import PROBLEM, examine

    findings = examine(args.weights, args.runs)
    problems = sum(finding.state == PROBLEM for finding in findings)
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
        return min(problems, 1)
    for finding in findings:
        print(f"{MARKS[finding.state]}  {finding.about:<26}{finding.says}")
        if finding.remedy:
            print(f"{'':32}→ {finding.remedy}")
    print("Nothing is wrong." if not problems else f"{problems} to mend.")
    return min(problems, 1)
