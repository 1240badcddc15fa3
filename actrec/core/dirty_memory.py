"""Checks that find code which reads memory that nobody has written: run in a child, with every free block answer dirty.

Such a read goes unnoticed as long as the block happens to hold zeros. Here a block holds, when it is handed out or
when it comes back, bytes that are an enormous number in float32 and in bfloat16 alike.

    answer = in_child("actrec.training.format_check:checked", {"system": "asym3d"}, threads=2, seconds=120)

runs `checked({"system": "asym3d"})` in the child, where `for pattern in patterns(): …` repeats the computation with one
pattern of bytes after another. Both dictionaries travel as JSON.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from actrec.core.errors import Refusal
from actrec.core.processes import environment

ROOT = Path(__file__).resolve().parents[2]
M_PERTURB = -6  # glibc's mallopt: new blocks are filled with the byte's complement, freed ones with the byte
BYTES = (0x80, 0x7F, 0xA5)  # new blocks hold 3.4e38, freed ones 3.4e38, new ones 1.5e16
BLOCKS = tuple(1 << power for power in range(8, 25))  # bytes of the blocks that are dirtied by hand, 16 of each
WAITING = {"OMP_WAIT_POLICY": "passive"}  # threads that wait do not keep others from computing
MARK = "answer: "


class ChildError(Refusal):
    """A check whose child crashed or did not end; half a sentence says how."""


class ChildTooSlow(ChildError):
    """A check that was given up: perhaps the machine was busy."""


def in_child(function: str, facts: Mapping[str, object], *, threads: int, seconds: float) -> dict:
    """Run `module:function` in a process of its own and return its answer. A ChildError means that the check failed."""
    words = [sys.executable, "-m", "actrec.core.dirty_memory", function]
    try:
        ended = subprocess.run(
            words, input=json.dumps(facts), cwd=ROOT, env=environment(threads) | WAITING, capture_output=True,
            text=True, timeout=seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ChildTooSlow(f"its check did not end within {seconds:.0f} s") from None
    answers = [line for line in ended.stdout.splitlines() if line.startswith(MARK)]
    if ended.returncode or not answers:
        last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
        raise ChildError(f"its check ended with status {ended.returncode} ({last[:200]})")
    return json.loads(answers[-1][len(MARK) :])


def patterns(device: str = "cpu") -> Iterator[str]:
    """Fill free memory with one pattern of bytes after another and yield each pattern's name; clean up at the end."""
    perturb = _mallopt() if device == "cpu" else None
    try:
        for byte in BYTES:
            if perturb is None:
                _dirty_by_hand(byte, device)
            else:
                perturb(M_PERTURB, byte)
            yield f"{byte:#x}"
    finally:
        if perturb is not None:
            perturb(M_PERTURB, 0)


def _mallopt() -> Callable[[int, int], int] | None:
    """The function that tells glibc to dirty memory; other C libraries have none."""
    return getattr(ctypes.CDLL(None), "mallopt", None) if platform.libc_ver()[0] == "glibc" else None


def _dirty_by_hand(byte: int, device: str) -> None:
    """Fill blocks of many sizes and give them back: the next computation gets them as they are."""
    import torch

    for value in (byte, byte ^ 0xFF):
        blocks = [torch.full((size,), value, dtype=torch.uint8, device=device) for size in BLOCKS for _ in range(16)]
        del blocks


def _end_with(parent: int) -> None:
    """End when the process that asked is gone."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(os.getppid(),), name="watcher of the parent", daemon=True).start()
    module, name = sys.argv[1].split(":")
    answer = getattr(importlib.import_module(module), name)(json.load(sys.stdin))
    print(f"\n{MARK}{json.dumps(answer)}", flush=True)
