"""`list`: every system with its paper, weights, multiplications per view and input."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actrec.systems import System


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--classes", type=int, default=101, help="how many classes to count with (the papers: 101)")
    parser.add_argument(
        "--options", action="store_true", help="what `--option NAME=VALUE` of train, and of evaluate, may choose"
    )


def run(args: argparse.Namespace) -> int:
    from actrec.evaluation.cost import counted
    from actrec.evaluation.result import plain
    from actrec.systems import SYSTEMS

    if args.options:
        print("\n".join(_options(SYSTEMS.values())))
        return 0
    rows = [counted(system, args.classes) for system in SYSTEMS.values()]
    if args.json:
        print(json.dumps([plain(vars(row)) for row in rows], ensure_ascii=False))
        return 0
    print(f"{'name':22} {'weights':>10} {'multiplications':>16}  input")
    for row in rows:
        print(f"{row.name:22} {row.weights / 1e6:8.2f} M {row.multiplications / 1e9:14.2f} G  {row.input}")
    return 0


def _options(systems: Iterable[System]) -> list[str]:
    """Each option with its values, the default first."""
    lines = []
    for system in systems:
        for name, option in system.options.items():
            others = [value for value in option.values if value != option.default]
            known = f", or {', '.join(others)}" if others else "" if option.values else ", or another number"
            when = " (of a test, too)" if option.in_test else ""
            lines.append(f"{system.name:22} {name:10} {option.default}{known}: {option.meaning}{when}")
    return lines
