"""How fast every network answers here, against the same network as PyTorch runs it as it comes.

    python -m benchmarks.models [--only NAME ...] [--repeats N]

Ours and the baseline take turns in one process with our allocator settings; medians. The baseline is eager, float32 and
contiguous. Also: how much of the machine's own bfloat16 matrix rate c3d-b8 reaches, and training iterations of the
dense networks against the asymmetric ones, beside the paper's ratio and that of the multiplications.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from pathlib import Path

import torch

from actrec.evaluation.cost import counted
from actrec.machine import CANDIDATES, choose_device, describe, relaunch_with_allocator
from actrec.models.layers import for_inference
from actrec.systems import SYSTEMS

RESULTS = Path(__file__).parent / "results" / "models.json"
# How many times faster than as it comes: the goals.
GOALS = {"c3d-b8": 6.0, "asym3d-paper": 3.5, "i3d-rgb": 2.5, "asym3d": 2.5, "ms3d": 2.5, "crossenh": 2.5}
GOALS |= {"fstcn": 2.0, "mdtnet": 2.0, "tsn-light": 2.0}
# Table 2: training speed of the base ÷ that of the variant, in the paper.
TRAINING = {
    ("c3d-b5", "b5-asyConv3"): 1.29,
    ("c3d-b5", "b5-asyConv345"): 1.36,
    ("c3d-b8", "b8-asyConv3"): 1.29,
    ("c3d-b8", "b8-asyConv5"): 1.24,
    ("c3d-b8", "b8-asyConv345"): 1.38,
}


def seconds(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@torch.inference_mode()
def inference(name: str, repeats: int) -> dict:
    """Medians of one view, the baseline and our candidates taking turns."""
    system = SYSTEMS[name]
    torch.manual_seed(0)
    plain = system.network(101).eval()
    inputs = {key: torch.randn_like(value) for key, value in system.blank().items()}
    runs = {"as it comes": lambda: plain(**inputs)}
    ours = for_inference(plain)
    for numbers in CANDIDATES:
        network = numbers.convert(copy.deepcopy(ours))
        arranged = {key: numbers.arrange(value) for key, value in inputs.items()}
        key = f"{numbers.dtype} {'channels-last' if numbers.channels_last else 'contiguous'}"
        runs[key] = lambda network=network, arranged=arranged: network(**arranged)
    taken: dict[str, list[float]] = {key: [] for key in runs}
    for _ in range(repeats + 1):
        for key, run in runs.items():
            taken[key].append(seconds(run) * 1000)
    medians = {key: round(statistics.median(values[1:]), 1) for key, values in taken.items()}
    baseline = medians.pop("as it comes")
    best = min(medians, key=medians.get)
    row = {"name": name, "baseline_ms": baseline, "ours_ms": medians[best], "format": best, "all_ms": medians}
    row |= {"times_faster": round(baseline / medians[best], 2), "goal": GOALS.get(name)}
    row["gflops"] = round(2 * counted(system).multiplications / medians[best] / 1e6, 1)
    return row


def matrix_rates() -> dict[str, float]:
    """GFLOP/s of a 2048² matrix product in both formats."""
    rates = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = (torch.randn(2048, 2048).to(dtype) for _ in range(2))
        taken = [seconds(lambda a=a, b=b: a @ b) for _ in range(8)]
        rates[str(dtype).removeprefix("torch.")] = round(2 * 2048**3 / statistics.median(taken[1:]) / 1e9, 1)
    return rates


def training(base: str, variant: str, repeats: int, batch: int = 16) -> dict:
    """Training iterations of a dense network and an asymmetric one, in turns, in our float32 layout."""
    steps = {}
    for name in (base, variant):
        torch.manual_seed(0)
        network = CANDIDATES[0].convert(SYSTEMS[name].network(101))
        inputs = {key: CANDIDATES[0].arrange(torch.randn_like(v)) for key, v in SYSTEMS[name].blank(batch).items()}
        optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
        targets = torch.arange(batch)

        def step(network=network, inputs=inputs, optimiser=optimiser, targets=targets) -> None:
            optimiser.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(network(**inputs), targets).backward()
            optimiser.step()

        steps[name] = step
    taken = {name: [] for name in steps}
    for _ in range(repeats + 1):
        for name, step in steps.items():
            taken[name].append(seconds(step))
    medians = {name: statistics.median(values[1:]) for name, values in taken.items()}
    counts = {name: counted(SYSTEMS[name]).multiplications for name in steps}
    return {
        "base": base,
        "variant": variant,
        "measured": round(medians[base] / medians[variant], 2),
        "by_multiplications": round(counts[base] / counts[variant], 2),
        "paper": TRAINING[base, variant],
        "seconds": {name: round(value, 3) for name, value in medians.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(GOALS))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--training-repeats", type=int, default=2, help="0 leaves the training iterations out")
    args = parser.parse_args()
    machine = f"{describe(choose_device('cpu'))}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(machine)
    report = {"machine": machine, "matrix_gflops": matrix_rates(), "inference": [], "training": []}
    print(f"matrix product: {report['matrix_gflops']} GFLOP/s")
    print(f"{'network':14} {'as it comes':>12} {'ours':>9} {'faster':>7} {'goal':>5} {'GFLOP/s':>8}  format")
    for name in args.only:
        row = inference(name, args.repeats)
        report["inference"].append(row)
        print(
            f"{name:14} {row['baseline_ms']:9.1f} ms {row['ours_ms']:6.1f} ms {row['times_faster']:6.2f}× "
            f"{row['goal'] or '':>5} {row['gflops']:8.1f}  {row['format']}"
        )
    if args.training_repeats:
        print(f"{'training, batch 16':30} {'measured':>9} {'multiplications':>16} {'paper':>6}")
        for base, variant in TRAINING:
            row = training(base, variant, args.training_repeats)
            report["training"].append(row)
            pair = f"{base} ÷ {variant}"
            print(f"{pair:30} {row['measured']:9.2f} {row['by_multiplications']:16.2f} {row['paper']:6.2f}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    relaunch_with_allocator()
    main()
