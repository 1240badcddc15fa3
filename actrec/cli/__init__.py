"""The command line, one file per command: `add` declares it, `run` does it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from actrec.core.errors import BadValue


def aloud(sentence: str) -> None:
    """Print progress to standard error: standard output is for results."""
    print(sentence, file=sys.stderr, flush=True)


def choices(words: Sequence[str] | None) -> dict[str, str]:
    """What `--option NAME=VALUE`, given any number of times, chooses."""
    values = {}
    for word in words or ():
        name, equals, value = word.partition("=")
        if not equals:
            raise BadValue(f"--option is NAME=VALUE, not '{word}'.")
        values[name] = value
    return values
