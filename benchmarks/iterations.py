"""Training speed of the asymmetric networks against their dense bases, in one table: Table 2 of Yang et al.

    python -m benchmarks.iterations [--count] [--rounds N] [--batch N] [--device cuda] [--busy]
        [--minutes M]

One row for each of the fourteen variants: seconds of a training iteration, base ÷ variant, as the paper prints them, as
the multiplications alone would give, and as measured here. All networks of a base take turns, in our float32 layout;
the best of the rounds counts. Where the multiplications fall by a tenth or more the variant is to be faster; elsewhere
the ratio is only reported. With `--count` nothing is timed. With `--busy` one thread computes and its own processor
time counts, for a machine on which others compute as well. After `--minutes` no further round begins.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch

from actrec.core.devices import processor
from actrec.core.number_formats import CANDIDATES
from actrec.core.processes import relaunch_with_allocator
from actrec.evaluation.cost import counted
from actrec.models.asym3d import TABLE_2
from actrec.systems import SYSTEMS
from benchmarks.networks import in_turns

RESULTS = Path(__file__).parent / "results" / "iterations.json"
BASES = {"c3d-b5": "b5-", "c3d-b8": "b8-"}  # what the names of a base's variants begin with
FEWER = 0.1  # of the multiplications; a variant that saves as much is to be faster


@dataclass(frozen=True)
class Row:
    """One variant against its base; every ratio is base ÷ variant, above one where the variant is better."""

    base: str
    variant: str
    paper: float
    by_multiplications: float
    measured: float | None = None
    seconds: tuple[float, float] | None = None

    @property
    def judged(self) -> bool:
        """Whether the multiplications fall so much that the variant is to be faster."""
        return 1 / self.by_multiplications <= 1 - FEWER

    @property
    def verdict(self) -> str:
        """Whether the direction holds, where it is judged and measured."""
        if self.measured is None or not self.judged:
            return ""
        return "holds" if self.measured > 1 else "**does not hold**"


def rows() -> list[Row]:
    """All fourteen, without a measurement."""
    counts = {name: counted(SYSTEMS[name]).multiplications for name in TABLE_2}
    return [
        Row(base, name, TABLE_2[base][1] / seconds, counts[base] / counts[name])
        for base, prefix in BASES.items()
        for name, (_, seconds) in TABLE_2.items()
        if name.startswith(prefix)
    ]


def iteration(name: str, batch: int, device: torch.device) -> Callable[[int], None]:
    """A step of SGD on so many clips of noise."""
    torch.manual_seed(0)
    numbers = CANDIDATES[0]
    network = numbers.convert(SYSTEMS[name].network(101).to(device)).train()
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    inputs = {key: numbers.arrange(torch.randn_like(v).to(device)) for key, v in SYSTEMS[name].blank(batch).items()}

    def step(count: int) -> None:
        scores = network(**{key: value[:count] for key, value in inputs.items()})
        torch.nn.functional.cross_entropy(scores, torch.arange(count, device=device)).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return step


def timed(
    table: list[Row],
    rounds: int,
    batch: int,
    device: torch.device,
    end: float,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Row]:
    """The rows of one base with their times; before the first round each network learns once from two clips."""
    names = [table[0].base, *(row.variant for row in table)]
    steps = {name: iteration(name, batch, device) for name in names}
    in_turns({name: partial(step, min(2, batch)) for name, step in steps.items()}, 1, end)
    taken = in_turns({name: partial(step, batch) for name, step in steps.items()}, rounds, end, clock=clock)
    best = {name: min(values) for name, values in taken.items()}
    return [
        replace(row, measured=best[row.base] / best[row.variant], seconds=(best[row.base], best[row.variant]))
        for row in table
    ]


def lines(table: list[Row]) -> list[str]:
    """The table as it is printed."""
    header = f"{'base ÷ variant':26} {'paper':>6} {'multiplications':>16} {'measured':>9}  faster"
    return [header] + [
        f"{row.base + ' ÷ ' + row.variant:26} {row.paper:6.2f} {row.by_multiplications:16.2f} "
        f"{'' if row.measured is None else f'{row.measured:.2f}':>9}  {row.verdict}".rstrip()
        for row in table
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", action="store_true", help="print the table without measuring")
    parser.add_argument("--rounds", type=int, default=3, help="iterations of each network, of which the best counts")
    parser.add_argument("--batch", type=int, default=16, help="clips of an iteration; 16 in the paper")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--busy", action="store_true", help="one thread, its processor time")
    parser.add_argument("--minutes", type=float, default=10, help="after these no further round begins")
    args = parser.parse_args()
    table = rows()
    if args.count:
        print("\n".join(lines(table)))
        return
    end, device, load = time.perf_counter() + 60 * args.minutes, torch.device(args.device), os.getloadavg()[0]
    clock = time.perf_counter
    if args.busy:
        torch.set_num_threads(1)
        clock = time.process_time
    by_base = [[row for row in table if row.base == base] for base in BASES]
    table = [row for rows_ in by_base for row in timed(rows_, args.rounds, args.batch, device, end, clock)]
    print("\n".join(lines(table)))
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    report = {
        "machine": f"{place}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "load_before": round(load, 2),
        "batch": args.batch,
        "rounds": args.rounds,
        "clock": clock.__name__,
        "rows": [asdict(row) for row in table],
    }
    RESULTS.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    relaunch_with_allocator()
    main()
