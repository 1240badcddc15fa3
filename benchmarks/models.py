"""How fast every network answers here, against the same network as PyTorch runs it as it comes.

    python -m benchmarks.models [--busy] [--parts PART ...] [--only NAME ...] [--repeats N]

The networks that ship and I3D: as they come, as they answered before OpenVINO did, and with the engine that this
machine chose (`benchmarks.networks`), with `--busy` also while one other process computes on all cores. All take turns
in one process with our allocator settings; medians. Also: whether both answer the same for 50 clips with the weights
that ship; how much of the machine's own matrix rate c3d-b8 reaches; what one view of a light system costs with its
clues and the tailor; and videos per second on a GPU. After `--minutes` no further round begins: what was left out is
printed. Training iterations of the dense and the asymmetric networks have `benchmarks.iterations`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import time
from pathlib import Path

import torch

from actrec.core.devices import processor
from actrec.core.number_formats import candidates
from actrec.core.processes import relaunch_with_allocator
from actrec.evaluation.cost import counted
from actrec.recognition.engines.openvino_engine import version
from actrec.systems import SYSTEMS
from benchmarks.answers import agreement, light_view, videos_per_second
from benchmarks.networks import BEFORE, OURS, PLAIN, SHIPPED, i3d, in_turns, mean, shipped_row, untrained_row

RESULTS = Path(__file__).parent / "results" / "models.json"
PARTS = ("shipped", "i3d", "answers", "networks")
LEAST, MEAN, MEAN_WITHOUT, SLOWS = 2.0, 4.0, 2.0, 2.5  # times faster, with and without bfloat16 instructions; when busy
I3D_SIZES = ((64, 224), (32, 160))  # frames and their side
I3D_GOALS = {"float32": 1.8, "bfloat16": 3.5}
GOALS = {"c3d-b8": 6.0, "asym3d-paper": 3.5, "tsn-light": 2.0}  # times faster, of networks without weights
MATRIX_PART = 0.70  # of the machine's own matrix rate, which c3d-b8 is to reach


def inference(name: str, repeats: int, end: float) -> dict:
    """Medians of one view of a network without weights."""
    measured = untrained_row(SYSTEMS[name], 101, repeats, end)
    dtype, best = min(measured["best"].items(), key=lambda item: measured["milliseconds"][item[1]])
    ours = measured["milliseconds"][best]
    row = {"name": name, "baseline_ms": measured[PLAIN], "ours_ms": ours, "format": best, "dtype": dtype}
    row |= {
        "all_ms": measured["milliseconds"],
        "times_faster": measured["times_faster"][dtype],
        "goal": GOALS.get(name),
    }
    row["gflops"] = round(2 * counted(SYSTEMS[name]).multiplications / ours / 1e6, 1)
    return row


def matrix_rates() -> dict[str, float]:
    """GFLOP/s of a 2048² matrix product in the formats this processor has instructions for."""
    rates = {}
    for name in dict.fromkeys(candidate.dtype for candidate in candidates()):
        dtype = getattr(torch, name)
        a, b = (torch.randn(2048, 2048).to(dtype) for _ in range(2))
        times = in_turns({name: lambda a=a, b=b: a @ b}, 8, math.inf)[name]
        rates[name] = round(2 * 2048**3 / statistics.median(times[1:]) / 1e9, 1)
    return rates


def verdict(met: bool) -> str:
    return "met" if met else "**missed**"


def show_shipped(report: dict, rounds: int, end: float, busy: bool) -> None:
    """The networks that ship, one view each, beside their targets."""
    print(f"{'one view':22} {'as it comes':>12} {'before':>10} {'ours':>9} {'faster':>8} {'÷ before':>9}  engine")
    for weights in SHIPPED:
        row = shipped_row(weights, rounds, end, busy)
        report["shipped"].append(row)
        for state in ("quiet", "busy"):
            if state in row:
                times = row[state]
                print(
                    f"{weights[:16]:16} {state:5} {times[PLAIN]:9.1f} ms {times[BEFORE]:7.1f} ms {times[OURS]:6.2f} ms "
                    f"{times['times_faster']:7.2f}× {times['times_before']:8.2f}×  {row['engine']}",
                    flush=True,
                )
    quiet = [row["quiet"]["times_faster"] for row in report["shipped"]]
    fast = any(candidate.dtype == "bfloat16" for candidate in candidates())
    report["mean_times_faster"] = round(mean(quiet), 2)
    least = LEAST if fast else 0.0
    lines = [(f"geometric mean {mean(quiet):.2f}×", MEAN if fast else MEAN_WITHOUT, mean(quiet))]
    lines += [(f"the least of them {min(quiet):.2f}×", least, min(quiet))] if fast else []
    before = min(row[state]["times_before"] for row in report["shipped"] for state in ("quiet", "busy") if state in row)
    lines.append((f"against the answers before, the least {before:.2f}×", 1.0, before))
    for words, goal, value in lines:
        print(f"{words} (target at least {goal:g}): {verdict(value >= goal)}")
    if busy:
        slowest = max(row["slows_by"] for row in report["shipped"])
        print(f"busy, ours slows by at most {slowest:.2f}× (target {SLOWS}): {verdict(slowest <= SLOWS)}")


def show_i3d(report: dict, rounds: int, end: float) -> None:
    for frames, side in I3D_SIZES:
        row = untrained_row(i3d(frames, side), 400, rounds, end) | {"input": f"{frames}×{side}²"}
        report["i3d"].append(row)
        for dtype, faster in row["times_faster"].items():
            goal, best = I3D_GOALS[dtype], row["best"][dtype]
            print(
                f"i3d-rgb {row['input']} {dtype:9} {row[PLAIN]:8.1f} ms {row['milliseconds'][best]:8.1f} ms "
                f"{faster:5.2f}× (target {goal}): {verdict(faster >= goal)}, {best}",
                flush=True,
            )


def show_inference(report: dict, names: list[str], repeats: int, end: float) -> None:
    print(f"{'network':14} {'as it comes':>12} {'ours':>9} {'faster':>7} {'goal':>5} {'GFLOP/s':>8}  engine")
    for name in names:
        if time.perf_counter() > end:
            report["left_out"].append(f"one view of {name}")
            print(f"{name}: left out, the time is up")
            continue
        row = inference(name, repeats, end)
        if name == "c3d-b8":  # measured beside it, when the machine is as warm and as busy
            report["matrix_gflops"] = matrix_rates()
            row["share_of_matrix_rate"] = round(row["gflops"] / report["matrix_gflops"][row["dtype"]], 2)
        report["inference"].append(row)
        print(
            f"{name:14} {row['baseline_ms']:9.1f} ms {row['ours_ms']:6.1f} ms {row['times_faster']:6.2f}× "
            f"{row['goal'] or '':>5} {row['gflops']:8.1f}  {row['format']}",
            flush=True,
        )
        if "share_of_matrix_rate" in row:
            print(
                f"{'':14} {row['share_of_matrix_rate']:.0%} of this machine's {row['dtype']} matrix rate "
                f"({report['matrix_gflops'][row['dtype']]} GFLOP/s); the goal is {MATRIX_PART:.0%} in bfloat16"
            )


def show_answers(report: dict, clips: int) -> None:
    """Rows that need weights, clips, or a GPU."""
    for row in agreement(clips):
        report["agreement"].append(row)
        print(
            f"{row['weights']}, {row['clips']} clips, {row['format']}: the same top-1 in {row['same_top1']}, scores at "
            f"most {row['largest_difference']:.4f} apart (goal: all, 0.02): {verdict(row['met'])}",
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


def earlier_report(machine: str) -> dict:
    """The report that an earlier run wrote about this machine."""
    try:
        report = json.loads(RESULTS.read_text())
    except (OSError, ValueError):
        return {}
    return report if report.get("machine") == machine else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", action="store_true", help="also while one other process computes on all cores")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="the results of the others stay")
    parser.add_argument("--rounds", type=int, default=30, help="of the networks that ship")
    parser.add_argument("--only", nargs="*", default=list(GOALS), help="networks without weights")
    parser.add_argument("--repeats", type=int, default=7, help="rounds of I3D and of networks without weights")
    parser.add_argument("--clips", type=int, default=50, help="to compare the answers of trained weights on")
    parser.add_argument("--minutes", type=float, default=7, help="after these no further round begins")
    args = parser.parse_args()
    end = time.perf_counter() + 60 * args.minutes
    machine = f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}, OpenVINO {version()}"
    load = round(os.getloadavg()[0], 2)
    print(f"{machine}, load before {load}")
    report = {"machine": machine, "load_before": {}, "left_out": []} | earlier_report(machine)
    shows = {
        "shipped": (["shipped"], lambda: show_shipped(report, args.rounds, end, args.busy)),
        "i3d": (["i3d"], lambda: show_i3d(report, args.repeats, end)),
        "answers": (["agreement", "one_view"], lambda: show_answers(report, args.clips)),
        "networks": (["inference"], lambda: show_inference(report, args.only, args.repeats, end)),
    }
    for part in args.parts:
        sections, show = shows[part]
        report |= {section: [] for section in sections}
        report["load_before"][part] = load
        show()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    relaunch_with_allocator()
    main()
