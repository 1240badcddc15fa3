"""`train`: start or resume a training in this process; the page runs this very command as a child.

Under `torchrun --nproc-per-node N -m actrec train …`, on one host or several, N processes share each batch. When one of
them dies and torchrun starts all again (`--max-restarts`), they go on from the last checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from pathlib import Path

from actrec.core.devices import cores
from actrec.core.errors import BadValue
from actrec.data.drawn import drawn
from actrec.training.run import KEPT, NotFiniteError, Run, RunError, Settings, Silent
from actrec.weights.folders import DEFAULT_SYSTEM

CHANGEABLE = ("epochs", "batch", "rate", "threads", "numbers", "micro_batch", "patience", "device")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--system", default=DEFAULT_SYSTEM, help="which system (see `list`)")
    parser.add_argument(
        "--data", default="synthetic:six",
        help="synthetic:six, a folder with one folder per class, a pack, or recorded:FOLDER for recorded movements "
        "that drawn figures repeat; several are joined by +, drawn ones first",
    )  # fmt: skip
    parser.add_argument("--fold", help="which published split or which group to leave out; all: judge nobody")
    parser.add_argument(
        "--leave-out", nargs="+", metavar="LABEL", help="classes that are not learned, as weights name them"
    )
    parser.add_argument("--name", help="name of the weights; SYSTEM-DATA by default")
    parser.add_argument("--preset", help="which of the system's schedules; scratch by default, fine-tune after weights")
    parser.add_argument(
        "--start-from", nargs="+", metavar="WEIGHTS", help="a checkpoint or its name in weights/; or files that others "
        "published: ImageNet weights for the 2-D backbone, I3D weights (one file for each stream)",
    )  # fmt: skip
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="an option of the system (see `list`)"
    )
    parser.add_argument("--clips-per-class", type=int, default=250, help="how many synthetic clips of each class")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch", type=int, help="clips per update, of all processes together")
    parser.add_argument("--micro-batch", type=int, help="clips computed at once; gradients are added up")
    parser.add_argument("--rate", type=float, help="learning rate at the start")
    parser.add_argument("--patience", type=int, help="epochs without a better validation that end it; 0: never")
    parser.add_argument(
        "--keep", choices=KEPT, help="the weights of the epoch that validates best (so by default), or of the last "
        "epoch, where too few clips validate to choose by",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="computing threads; part of what makes a run exact")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:1")
    parser.add_argument(
        "--numbers", choices=["auto", "float32", "bfloat16"], help="auto: the fastest that is right on this machine"
    )
    parser.add_argument("--out", type=Path, help="run folder; runs/NAME by default")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with this run folder")


def run(args: argparse.Namespace) -> int:
    from actrec.training.distributed import World
    from actrec.training.loop import train

    world, device = World.join(args.device or _device_of(args.resume))
    with world:
        job = world.from_first(lambda: _job(args))
        if not world.first:
            job = Silent(job.folder)
        before = signal.getsignal(signal.SIGTERM)
        if world.size == 1:
            signal.signal(signal.SIGTERM, lambda *_: job.ask_to("stop"))
        try:
            train(job, world, device)
        except BaseException as error:
            with contextlib.suppress(OSError):  # the disk may be full: the error itself matters more
                job.log("failed", error=f"{type(error).__name__}: {error}")
            with contextlib.suppress(OSError):
                slower = {"rate": error.rate} if isinstance(error, NotFiniteError) else {}
                job.set_status("failed", str(error) or type(error).__name__, **slower)
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
        if world.first:
            print(job.status()["sentence"])
    return 0


def _job(args: argparse.Namespace) -> Run:
    """The run folder to go on with: the one to resume, or a new one after a look at what it is to learn from."""
    from actrec.training.load_data import look_first

    if args.resume:
        if args.keep:
            raise BadValue("Which epoch is kept is decided when a training begins: leave --keep out with --resume.")
        if args.leave_out:
            raise BadValue("What is learned is decided when a training begins: --leave-out does not go with --resume.")
        job = Run(args.resume)
        job.settings()
        wanted = {name: getattr(args, name) for name in CHANGEABLE if getattr(args, name) is not None}
        if wanted:
            job.change(**wanted)
        return job
    settings = _settings(args)
    folder = args.out or Path("runs") / settings.name
    started_again = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0
    if started_again and (folder / "settings.json").exists():
        return Run(folder)
    for sentence in look_first(settings):
        print(sentence, file=sys.stderr)
    return Run.create(folder, settings)


def _settings(args: argparse.Namespace) -> Settings:
    data = args.data if drawn(args.data) else str(Path(args.data).expanduser())
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return Settings(
        system=args.system, data=data, name=args.name or _name(args.system, args.data),
        preset=args.preset or _preset(args), options=_options(args),
        clips_per_class=args.clips_per_class, epochs=args.epochs, batch=args.batch, rate=args.rate, seed=args.seed,
        threads=args.threads or max(1, cores() // here), device=args.device or "auto", numbers=args.numbers or "auto",
        start_from=os.pathsep.join(args.start_from or ()), fold=args.fold or "", leave_out=args.leave_out or [],
        patience=args.patience, keep=args.keep or KEPT[0], micro_batch=args.micro_batch,
    )  # fmt: skip


def _preset(args: argparse.Namespace) -> str:
    """`scratch`, or after weights a preset for fine-tuning, if the system has one."""
    from actrec.systems import named

    tuned = [name for name in ("fine-tune", "paper-fine-tune") if name in named(args.system).schedules]
    return tuned[0] if args.start_from and tuned else "scratch"


def _options(args: argparse.Namespace) -> dict[str, str | float]:
    """What `--option` chooses otherwise than the system does."""
    from actrec.systems import named

    wanted = {}
    for each in args.option:
        name, equals, value = each.partition("=")
        if not equals:
            raise BadValue(f"--option is NAME=VALUE, not '{each}'.")
        wanted[name] = value
    return dict(named(args.system, wanted).chosen)


def _name(system: str, data: str) -> str:
    return f"{system}-{data.split(':')[0] if drawn(data) else Path(data).stem}"


def _device_of(run: Path | None) -> str:
    """The device of a run that is resumed; a host without the folder takes what it has."""
    try:
        return Run(run).settings().device if run else "auto"
    except RunError:
        return "auto"
