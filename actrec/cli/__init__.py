"""The command line, one file per command: `add` declares it, `run` does it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from actrec.core.errors import BadValue


def aloud(sentence: str) -> None:
    """Print progress to standard error: standard output is for results."""
    print(sentence, file=sys.stderr, flush=True)


def default_in_words() -> str:
    """Which weights answer where none are named, for the help of a command."""
    from actrec.weights.default import PREFERRED

    first, fallback = PREFERRED
    return f"{first}, or {fallback} until what {first} needs was fetched"


def default_notice(args: argparse.Namespace) -> None:
    """Print what better weights lack, where none are named and others stand in for them."""
    from actrec.weights.default import default_weights

    if args.system is None and args.weights is None and (notice := default_weights().notice):
        aloud(notice)


def choices(words: Sequence[str] | None) -> dict[str, str]:
    """What `--option NAME=VALUE`, given any number of times, chooses."""
    values = {}
    for word in words or ():
        name, equals, value = word.partition("=")
        if not equals:
            raise BadValue(f"--option is NAME=VALUE, not '{word}'.")
        values[name] = value
    return values
