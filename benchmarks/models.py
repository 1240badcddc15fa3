"""How fast every network answers here, against the same network as PyTorch runs it as it comes.

    python -m benchmarks.models [--only NAME ...] [--repeats N]

Ours and the baseline take turns in one process with our allocator settings; medians. The baseline is eager, float32 and
contiguous. Also: whether both say the same of 50 clips with the weights that ship; how much of the machine's own matrix
rate c3d-b8 reaches; what one view of a light system costs with its clues and the tailor; videos per second on a GPU;
and training iterations of the dense networks against the asymmetric ones, beside the paper's ratio and that of the
multiplications. After `--minutes` no further round begins: what was left out is said.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch

from actrec.core.devices import choose_device, describe
from actrec.core.number_formats import CANDIDATES, candidates
from actrec.core.processes import relaunch_with_allocator
from actrec.evaluation.cost import counted
from actrec.models.layers import for_inference
from actrec.systems import SYSTEMS
from benchmarks.answers import agreement, light_view, videos_per_second

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


MATRIX_SHARE = 0.70  # of the machine's own matrix rate, which c3d-b8 is to reach


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turns(runs: Mapping[str, Callable[[], object]], rounds: int, end: float) -> dict[str, list[float]]:
    """Seconds of every run, one after another, round after round; after `end` no second round begins."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        if number and time.perf_counter() > end:
            break
        for name, run in runs.items():
            taken[name].append(seconds(run))
    return taken


@torch.inference_mode()
def inference(name: str, repeats: int, end: float) -> dict:
    """Medians of one view, the baseline and our candidates taking turns."""
    system = SYSTEMS[name]
    torch.manual_seed(0)
    plain = system.network(101).eval()
    inputs = {key: torch.randn_like(value) for key, value in system.blank().items()}
    runs = {"as it comes": lambda: plain(**inputs)}
    ours = for_inference(plain)
    for numbers in candidates():
        network = numbers.convert(copy.deepcopy(ours))
        arranged = {key: numbers.arrange(value) for key, value in inputs.items()}
        key = f"{numbers.dtype} {'channels-last' if numbers.channels_last else 'contiguous'}"
        runs[key] = lambda network=network, arranged=arranged: network(**arranged)
    in_turns(runs, 1, end)
    taken = in_turns(runs, repeats, end)
    medians = {key: round(statistics.median(values) * 1000, 1) for key, values in taken.items()}
    baseline = medians.pop("as it comes")
    best = min(medians, key=medians.get)
    row = {"name": name, "baseline_ms": baseline, "ours_ms": medians[best], "format": best, "all_ms": medians}
    row["rounds"] = len(taken[best])
    row |= {"times_faster": round(baseline / medians[best], 2), "goal": GOALS.get(name)}
    row["gflops"] = round(2 * counted(system).multiplications / medians[best] / 1e6, 1)
    return row


def matrix_rates() -> dict[str, float]:
    """GFLOP/s of a 2048² matrix product in the formats this processor has instructions for."""
    rates = {}
    for name in dict.fromkeys(each.dtype for each in candidates()):
        dtype = getattr(torch, name)
        a, b = (torch.randn(2048, 2048).to(dtype) for _ in range(2))
        taken = [seconds(lambda a=a, b=b: a @ b) for _ in range(8)]
        rates[name] = round(2 * 2048**3 / statistics.median(taken[1:]) / 1e9, 1)
    return rates


def training(base: str, rounds: int, end: float, batch: int = 16) -> list[dict]:
    """Training iterations of a dense network and its asymmetric variants, in turns, in our float32 layout.

    The best of the rounds counts; before them each learns once from two clips, which readies it.
    """
    variants = [variant for dense, variant in TRAINING if dense == base]
    steps, ready = {}, {}
    for name in (base, *variants):
        torch.manual_seed(0)
        network = CANDIDATES[0].convert(SYSTEMS[name].network(101))
        optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
        inputs = {key: CANDIDATES[0].arrange(torch.randn_like(v)) for key, v in SYSTEMS[name].blank(batch).items()}

        def step(count: int, network=network, inputs=inputs, optimiser=optimiser) -> None:
            optimiser.zero_grad(set_to_none=True)
            scores = network(**{key: value[:count] for key, value in inputs.items()})
            torch.nn.functional.cross_entropy(scores, torch.arange(count)).backward()
            optimiser.step()

        ready[name], steps[name] = partial(step, 2), partial(step, batch)
    in_turns(ready, 1, end)
    best = {name: min(values) for name, values in in_turns(steps, rounds, end).items()}
    counts = {name: counted(SYSTEMS[name]).multiplications for name in steps}
    return [
        {
            "base": base,
            "variant": variant,
            "measured": round(best[base] / best[variant], 2),
            "by_multiplications": round(counts[base] / counts[variant], 2),
            "paper": TRAINING[base, variant],
            "seconds": {name: round(best[name], 3) for name in (base, variant)},
        }
        for variant in variants
    ]


def show_inference(report: dict, names: list[str], repeats: int, end: float) -> None:
    print(f"{'network':14} {'as it comes':>12} {'ours':>9} {'faster':>7} {'goal':>5} {'GFLOP/s':>8}  format")
    for name in names:
        row = inference(name, repeats, end)
        if name == "c3d-b8":  # measured beside it, when the machine is as warm and as busy
            report["matrix_gflops"] = matrix_rates()
            dtype = row["format"].split()[0]
            row["share_of_matrix_rate"] = round(row["gflops"] / report["matrix_gflops"][dtype], 2)
        report["inference"].append(row)
        print(
            f"{name:14} {row['baseline_ms']:9.1f} ms {row['ours_ms']:6.1f} ms {row['times_faster']:6.2f}× "
            f"{row['goal'] or '':>5} {row['gflops']:8.1f}  {row['format']}, {row['rounds']} rounds",
            flush=True,
        )
        if "share_of_matrix_rate" in row:
            print(
                f"{'':14} {row['share_of_matrix_rate']:.0%} of this machine's {dtype} matrix rate "
                f"({report['matrix_gflops'][dtype]} GFLOP/s); the goal is {MATRIX_SHARE:.0%} in bfloat16"
            )


def show_training(report: dict, rounds: int, end: float) -> None:
    print(f"{'training, batch 16':30} {'measured':>9} {'multiplications':>16} {'paper':>6}")
    for base in dict.fromkeys(dense for dense, _ in TRAINING):
        if time.perf_counter() > end:
            report["left_out"].append(f"training iterations of {base}")
            print(f"{base}: left out, the time is up")
            continue
        for row in training(base, rounds, end):
            report["training"].append(row)
            pair = f"{base} ÷ {row['variant']}"
            print(f"{pair:30} {row['measured']:9.2f} {row['by_multiplications']:16.2f} {row['paper']:6.2f}", flush=True)


def show_answers(report: dict, clips: int) -> None:
    """Rows that need weights, clips, or a GPU."""
    for row in agreement(clips):
        report["agreement"].append(row)
        verdict = "met" if row["met"] else "**missed**"
        print(
            f"{row['weights']}, {row['clips']} clips, {row['format']}: the same top-1 in {row['same_top1']}, scores at "
            f"most {row['largest_difference']:.4f} apart (goal: all, 0.02): {verdict}",
            flush=True,
        )
    print(f"{'one view':14} {'views+network':>14} {'goal':>5} {'clues':>8} {'tailor':>8} {'all':>9} {'goal':>5}")
    for row in light_view():
        report["one_view"].append(row)
        print(
            f"{row['name']:14} {row['views_and_network_ms']:11.1f} ms {60:>5} {row['clues_ms']:5.1f} ms "
            f"{row['tailor_ms']:5.1f} ms {row['end_to_end_ms']:6.1f} ms {250:>5}",
            flush=True,
        )
    report["gpu"] = videos_per_second()
    for row in report["gpu"]:
        pace = f"{row['videos_per_second']} videos/s (protocol {row['protocol']})"
        print(f"{row['name']} on {row['device']}: {pace}; {row['beside']}")
    if not report["gpu"]:
        print("videos per second on a GPU: there is none here")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(GOALS))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--training-repeats", type=int, default=2, help="0 leaves the training iterations out")
    parser.add_argument("--clips", type=int, default=50, help="to compare the answers of trained weights on")
    parser.add_argument("--minutes", type=float, default=7, help="after these no further round begins")
    args = parser.parse_args()
    end = time.perf_counter() + 60 * args.minutes
    machine = f"{describe(choose_device('cpu'))}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(machine)
    report = {"machine": machine, "inference": [], "agreement": [], "one_view": [], "training": [], "left_out": []}
    show_answers(report, args.clips)
    show_inference(report, args.only, args.repeats, end)
    if args.training_repeats:
        show_training(report, args.training_repeats, end)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    relaunch_with_allocator()
    main()
