"""`list`: every system with its paper, weights, multiplications per view and input."""

from __future__ import annotations

import argparse
import json


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--classes", type=int, default=101, help="how many classes to count with (the papers: 101)")


def run(args: argparse.Namespace) -> int:
    from actrec.evaluation.cost import counted
    from actrec.systems import SYSTEMS

    rows = [counted(system, args.classes) for system in SYSTEMS.values()]
    if args.json:
        print(json.dumps([vars(row) for row in rows], ensure_ascii=False))
        return 0
    print(f"{'name':22} {'weights':>10} {'multiplications':>16}  input")
    for row in rows:
        print(f"{row.name:22} {row.weights / 1e6:8.2f} M {row.multiplications / 1e9:14.2f} G  {row.input}")
    return 0
