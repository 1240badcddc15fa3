"""The command line, one file per command: `add` declares it, `run` does it."""

from __future__ import annotations

import sys


def aloud(sentence: str) -> None:
    """Print progress to standard error: standard output is for results."""
    print(sentence, file=sys.stderr, flush=True)
