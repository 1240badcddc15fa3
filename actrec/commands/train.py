"""`train`: start or resume a training in this process; the page runs this very command as a child."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from actrec.machine import cores
from actrec.training.run import Run, Settings


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--system", default="asym3d", help="which system (see `list`)")
    parser.add_argument("--data", default="synthetic:six", help="synthetic:six, or a folder with one folder per class")
    parser.add_argument("--name", help="name of the weights; SYSTEM-DATA by default")
    parser.add_argument("--preset", default="scratch", help="which of the system's schedules")
    parser.add_argument("--clips-per-class", type=int, default=300, help="how many synthetic clips of each class")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rate", type=float, help="learning rate at the start")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--threads", type=int, default=cores(), help="computing threads; part of what makes a run exact"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    parser.add_argument("--numbers", default="auto", choices=["auto", "float32", "bfloat16"], help="auto: the faster")
    parser.add_argument("--out", type=Path, help="run folder; runs/NAME by default")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with this run folder")


def run(args: argparse.Namespace) -> int:
    from actrec.training.loop import train

    folder = args.resume or args.out
    if args.resume:
        job = Run(args.resume)
        job.settings()
    else:
        name = args.name or f"{args.system}-{args.data.split(':')[0]}"
        folder = args.out or Path("runs") / name
        settings = Settings(
            system=args.system, data=args.data, name=name, preset=args.preset, clips_per_class=args.clips_per_class,
            epochs=args.epochs, batch=args.batch, rate=args.rate, seed=args.seed, threads=args.threads,
            device=args.device,
            numbers=args.numbers,
        )  # fmt: skip
        job = Run.create(folder, settings)
    signal.signal(signal.SIGTERM, lambda *_: job.ask_to_stop())
    try:
        train(job)
    except BaseException as error:
        job.log("failed", error=f"{type(error).__name__}: {error}")
        job.set_status("failed", str(error) or type(error).__name__)
        raise
    print(job.status()["sentence"])
    return 0
