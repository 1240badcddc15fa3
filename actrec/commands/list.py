"""`list`: every system with its paper, weights, multiplications per view and input."""

from __future__ import annotations

import argparse
import json


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--classes", type=int, default=101, help="how many classes to count with (the papers: 101)")


def run(args: argparse.Namespace) -> int:
    from actrec.systems import SYSTEMS

    rows = [counted(system, args.classes) for system in SYSTEMS.values()]
    if args.json:
        print(json.dumps(rows, ensure_ascii=False))
        return 0
    print(f"{'name':22} {'weights':>10} {'multiplications':>16}  input")
    for row in rows:
        print(f"{row['name']:22} {row['weights'] / 1e6:8.2f} M {row['multiplications'] / 1e9:14.2f} G  {row['input']}")
    return 0


def counted(system, classes: int) -> dict:
    """Counts on the meta device: shapes only, no memory."""
    import torch

    from actrec.models.counting import multiplications, weights

    with torch.device("meta"):
        network = system.network(classes)
        views = system.blank()
    inputs = ", ".join(f"{name} {each.channels}×{each.frames}×{each.size}²" for name, each in system.inputs.items())
    return {
        "name": system.name,
        "paper": system.paper,
        "size": system.size,
        "parameters": sum(each.numel() for each in network.parameters()),
        "weights": weights(network),
        "multiplications": multiplications(network, views),
        "input": inputs,
    }
