"""How fast training is: clips per second of every light system, the part spent waiting, and two processes for one.

    python -m benchmarks.training [--only NAME ...] [--steps N] [--processes]

The baseline is the same loop, recipe and threads in plain float32, contiguous, with the default allocator, in a process
of its own; ours has the allocator settings and the fastest format of those that are right on this machine: a training's
own check finds it.
Clips come from memory, so that both see the same; views are made while the network learns, and `waiting` is the part
of the time it stood still for them. Where there is a GPU the same systems are timed there too, float32 against
bfloat16.
Several at once distort each other: run nothing beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from actrec.core.devices import cores, processor
from actrec.core.number_formats import CANDIDATES, candidates
from actrec.core.processes import ALLOCATOR, environment

if TYPE_CHECKING:
    from actrec.training.updates import Learner

RESULTS = Path(__file__).parent / "results" / "training.json"
SYSTEMS = ("asym3d", "ms3d", "crossenh", "fstcn", "mdtnet", "tsn-light")
GOALS = {"asym3d": 2.5, "ms3d": 2.5, "crossenh": 2.5, "fstcn": 2.0, "mdtnet": 2.0, "tsn-light": 2.0}
MOST_WAITING = {"cpu": 0.05, "cuda": 0.10}
CLASSES = 6


def work(name: str, numbers: str, steps: int, threads: int, batch: int, device: str) -> dict:
    """Learn from clips of noise for some steps; clips per second and the part spent waiting after a first step."""
    import cv2
    import numpy as np
    import torch

    from actrec.core.number_formats import FLOAT32, format_named
    from actrec.data.sources import Split
    from actrec.systems import named
    from actrec.training.distributed import World
    from actrec.training.loader import Feed, workers
    from actrec.training.number_format import arrange_weights
    from actrec.training.objective import objective
    from actrec.training.schedule import make_optimiser
    from actrec.training.updates import Learner, Pieces
    from actrec.training.whole_batch import Rows, see_whole_batch
    from actrec.video import Clip

    world, device = World.join(device)
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    chosen = FLOAT32 if numbers == "baseline" else format_named(numbers)
    system, rows = named(name), Rows()
    frames = np.random.default_rng(0).integers(0, 256, (4, 48, 128, 170, 3), np.uint8)
    targets = np.tile(np.arange(CLASSES), steps * batch // CLASSES + 2)
    split = Split(targets, lambda index: Clip(frames[index % 4], np.arange(48) / 15))
    goal = objective(system, system.schedules["scratch"], chosen, world)
    network = see_whole_batch(goal.build(CLASSES), rows, world, device).to(device)
    arrange_weights(network, chosen)
    learner = Learner(
        system, network, goal, make_optimiser(network, system.schedules["scratch"]), chosen, world, device, rows,
        Pieces(batch, lambda *_: None),
    )  # fmt: skip
    learner.begin(0)
    feed = Feed(system, goal, split, 0, world, workers(device, world)).epoch(0, batch)
    with world, contextlib.closing(feed):
        return {**pace(feed, learner, steps), "rank": world.rank}


def pace(feed: Iterator, learner: Learner, steps: int) -> dict[str, float]:
    """Clips per second and the part spent waiting, after a first step that compiles and fills the memory."""
    waited, clips, start = 0.0, 0, 0.0
    for step in range(steps + 1):
        asked = time.perf_counter()
        views, answers, whole = next(feed)
        came = time.perf_counter()
        learner.update(views, answers, whole, step, 1e-4)  # its loss is read: a GPU has finished by then
        if step == 0:
            start = time.perf_counter()
        else:
            waited += came - asked
            clips += whole
    seconds = time.perf_counter() - start
    return {"clips_per_second": clips / seconds, "waiting": waited / seconds}


def child(name: str, numbers: str, args: argparse.Namespace, *, processes: int = 1, device: str = "cpu") -> dict:
    """`work` in a process of its own, the baseline without our allocator settings."""
    words = ["--work", name, "--numbers", numbers, "--steps", str(args.steps), "--batch", str(args.batch)]
    words += ["--device", device]
    threads = max(1, cores() // processes)
    settings = environment(threads)
    if numbers == "baseline":
        settings = {key: value for key, value in settings.items() if key not in ALLOCATOR}
    launcher = [sys.executable]
    if processes > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        launcher += ["-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--master-addr=127.0.0.1"]
        launcher += [f"--master-port={port}"]
    done = subprocess.run(
        [*launcher, "-m", "benchmarks.training", *words, "--threads", str(threads)],
        env=settings,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[:4000])  # of several processes the first to fail comes first
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))


def right_format(name: str, batch: int) -> str:
    """The fastest number format that computes a training step of a system rightly here, as a training finds it."""
    from actrec.systems import named
    from actrec.training.number_format import fastest

    facts = {
        "system": name, "options": {}, "schedule": asdict(named(name).schedules["scratch"]),
        "targets": [number % CLASSES for number in range(batch)], "most": batch, "classes": CLASSES, "epochs": [0],
        "started": False, "validation_sizes": [batch], "device": "cpu", "threads": cores(),
    }  # fmt: skip
    return str(fastest(candidates(), f"the training benchmark of {name}, {batch} clips", facts, print))


def table(args: argparse.Namespace) -> list[dict]:
    rows, end = [], time.perf_counter() + 60 * args.minutes
    devices = ["cpu", "cuda"] if gpu() else ["cpu"]
    for name, device in [(name, device) for device in devices for name in args.only or SYSTEMS]:
        if time.perf_counter() > end:
            print(f"{name} on {device}: left out, the {args.minutes:g} minutes are over", flush=True)
            continue
        best = str(CANDIDATES[1]) if device == "cuda" else args.numbers or right_format(name, args.batch)
        baseline, ours = child(name, "baseline", args, device=device), child(name, best, args, device=device)
        row = {
            "system": name,
            "device": device,
            "numbers": best,
            "baseline_clips_per_second": round(baseline["clips_per_second"], 2),
            "clips_per_second": round(ours["clips_per_second"], 2),
            "times_faster": round(ours["clips_per_second"] / baseline["clips_per_second"], 2),
            "goal": GOALS.get(name) if device == "cpu" else None,
            "waiting": round(ours["waiting"], 3),
        }
        if args.processes and device == "cpu":
            two = child(name, best, args, processes=2)
            row["two_processes_clips_per_second"] = round(two["clips_per_second"], 2)
            row["scaling"] = round(two["clips_per_second"] / ours["clips_per_second"], 2)
        rows.append(row)
        print("  ".join(f"{key} {value}" for key, value in row.items() if value is not None), flush=True)
    return rows


def earlier_rows() -> list[dict]:
    """The rows that an earlier run wrote about this machine: one with `--only` replaces its own."""
    try:
        report = json.loads(RESULTS.read_text())
    except (OSError, ValueError):
        return []
    return report["rows"] if report.get("processor") == processor() else []


def gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--batch", type=int, default=12)
    formats = ["baseline", *map(str, CANDIDATES)]
    parser.add_argument("--numbers", choices=formats, help="ours; by default the fastest that is right here")
    parser.add_argument("--processes", action="store_true", help="also two processes of half the threads")
    parser.add_argument("--minutes", type=float, default=7, help="after these no further system begins")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--device", default="cpu", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=cores(), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        result = work(args.work, args.numbers, args.steps, args.threads, args.batch, args.device)
        if result["rank"] == 0:  # the lines of two processes could run together
            print(json.dumps(result))
        return
    print(f"{cores()} cores, load {os.getloadavg()[0]:.1f} before the start, {args.steps} steps of {args.batch} clips")
    rows = table(args)
    starved = [f"{row['system']} on {row['device']}" for row in rows if row["waiting"] > MOST_WAITING[row["device"]]]
    below_goal = [row["system"] for row in rows if row["goal"] and row["times_faster"] < row["goal"]]
    print(
        f"Waiting too long (above 5 % on a CPU, 10 % on a GPU): {', '.join(starved) or 'none'}. "
        f"Goal missed: {', '.join(below_goal) or 'none'}."
    )
    RESULTS.parent.mkdir(exist_ok=True)
    others = [row for row in earlier_rows() if row["system"] not in {row["system"] for row in rows}]
    report = {"processor": processor(), "cores": cores(), "load": os.getloadavg()[0], "rows": [*others, *rows]}
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
