"""`train`: start or resume a training in this process; the page runs this very command as a child.

Under `torchrun --nproc-per-node N -m actrec train …`, on one host or several, N processes divide each batch among them.
When one of them dies and torchrun starts all again (`--max-restarts`), they go on from the last checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from pathlib import Path

from actrec.cli import choices
from actrec.core.devices import cores
from actrec.core.errors import BadValue
from actrec.data.drawn import drawn
from actrec.training.run import NotFiniteError, Run, RunError, Silent, TakenError
from actrec.training.settings import Settings, add_options, changeable, given


def add(parser: argparse.ArgumentParser) -> None:
    add_options(parser)
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
        except TakenError:  # the log and the status belong to the process that trains
            raise
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
    """The run folder to go on with: the one to resume, or a new one, after a check of its settings."""
    from actrec.training.load_data import check_settings

    if args.resume:
        if args.keep:
            raise BadValue("Which epoch is kept is decided when a training starts: leave --keep out with --resume.")
        if args.leave_out:
            raise BadValue("What is learned is decided when a training starts: --leave-out does not go with --resume.")
        job = Run(args.resume)
        job.settings()
        changes = {name: getattr(args, name) for name in changeable() if getattr(args, name) is not None}
        if changes:
            job.change(**changes)
        return job
    settings = _settings(args)
    folder = args.out or Path("runs") / settings.name
    started_again = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0
    if started_again and (folder / "settings.json").exists():
        return Run(folder)
    for sentence in check_settings(settings):
        print(sentence, file=sys.stderr)
    return Run.create(folder, settings)


def _settings(args: argparse.Namespace) -> Settings:
    values = given(args)
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    values["data"] = args.data if drawn(args.data) else str(Path(args.data).expanduser())
    values["options"] = _options(args)
    values["threads"] = args.threads or max(1, cores() // here)
    return Settings(**{"name": _name(args.system, args.data), "preset": _preset(args), **values})


def _preset(args: argparse.Namespace) -> str:
    """`scratch`, or after weights a preset for fine-tuning, if the system has one."""
    from actrec.systems import named

    tuned = [name for name in ("fine-tune", "paper-fine-tune") if name in named(args.system).schedules]
    return tuned[0] if args.start_from and tuned else "scratch"


def _options(args: argparse.Namespace) -> dict[str, str | float]:
    """What `--option` chooses otherwise than the system does."""
    from actrec.systems import named

    return dict(named(args.system, choices(args.options)).chosen)


def _name(system: str, data: str) -> str:
    return f"{system}-{data.split(':')[0] if drawn(data) else Path(data).stem}"


def _device_of(run: Path | None) -> str:
    """The device of a run that is resumed; a host without the folder takes what it has."""
    try:
        return Run(run).settings().device if run else "auto"
    except RunError:
        return "auto"
