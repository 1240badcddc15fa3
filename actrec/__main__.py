"""The command line: `python -m actrec COMMAND`. Exit status 0, or 2 with a sentence on standard error."""

from __future__ import annotations

import argparse
import importlib
import os
import select
import sys

from actrec.core.errors import Refusal
from actrec.core.processes import relaunch_with_allocator

COMMANDS = {
    "list": "the systems with their weights, multiplications and inputs",
    "predict": "classify one clip",
    "fetch": "get a public model or clip, when asked; without a name, list them",
    "motion": "write every motion clue of a clip as picture and video",
    "explain": "write what an answer depends on as pictures and videos, and whether that is true",
    "train": "train a system; survives being stopped",
    "evaluate": "how good weights are on clips they have not seen",
    "claims": "which claims of the papers hold here",
    "data": "look at a data set before training on it",
    "examples": "draw the example clips that the page offers",
    "everyday": "fit the second head of the everyday weights",
    "detector": "train the person detector, or judge it on clips it has not seen",
    "doctor": "what this machine has and lacks, each problem with its remedy",
    "sheet": "a sheet of synthetic clips, to look at",
}


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    prog = "actrec" if os.path.basename(sys.argv[0]) == "actrec" else "python -m actrec"
    parser = argparse.ArgumentParser(prog=prog, description="Action recognition by five papers.")
    parsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = words[0] if words and words[0] in COMMANDS else None
    for name, meaning in COMMANDS.items():
        sub = parsers.add_parser(name, help=meaning, description=meaning[0].upper() + meaning[1:] + ".")
        if name == asked:  # only the asked command is imported: torch alone takes four seconds
            importlib.import_module(f"actrec.cli.{name}").add(sub)
    args = parser.parse_args(words)
    try:
        status = importlib.import_module(f"actrec.cli.{args.command}").run(args)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        if not _unheard():
            raise
        return 141
    except Refusal as error:
        print(error, file=sys.stderr)
        return 2


def program() -> int:
    """What `actrec` and `python -m actrec` start."""
    relaunch_with_allocator()
    return main()


def _unheard() -> bool:
    """Whether nobody reads standard output any more, as after `| head`; what is left to say then goes nowhere."""
    asked = select.poll()
    asked.register(sys.stdout, 0)
    if not any(event & (select.POLLERR | select.POLLHUP) for _, event in asked.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


if __name__ == "__main__":
    sys.exit(program())
