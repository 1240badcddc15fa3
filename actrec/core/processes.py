"""Processes of this machine: starting one that computes, whether it is alive, which files it has open."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

# glibc gives freed memory back to the system and asks for it again at the next step; with these settings, a training
# step of a small 3-D network takes less than half the time. It keeps its memory in one place for all threads: with
# a place for each, a page that streams for hours keeps the most that any of its threads ever needed.
ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(256 << 20),
}


BEHIND = 10  # nice: of cores that an answer wants, a training beside it gets a tenth


def environment(threads: int | None = None, *, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process that computes: allocator settings, and its number of threads for its whole life."""
    settings = dict(os.environ if base is None else base)
    if platform.system() == "Linux":
        settings |= {name: settings.get(name, value) for name, value in ALLOCATOR.items()}
    if threads is not None:
        settings["OMP_NUM_THREADS"] = str(threads)
    return settings


def relaunch_with_allocator() -> None:
    """Restart this program with the allocator settings, which glibc reads only at the start."""
    if platform.system() != "Linux" or all(name in os.environ for name in ALLOCATOR):
        return
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment())


def stay_behind(pid: int) -> None:
    """Give a process that was just started, and its children, lower priority than other programs."""
    if not hasattr(os, "setpriority"):
        return
    with contextlib.suppress(OSError):  # it has ended already
        os.setpriority(os.PRIO_PROCESS, pid, min(os.getpriority(os.PRIO_PROCESS, 0) + BEHIND, 19))
        if os.getsid(pid) != os.getsid(0):  # most Linux systems weigh whole sessions, and there nice counts for nothing
            Path(f"/proc/{pid}/autogroup").write_text(str(BEHIND))


def alive(pid: int) -> bool:
    """Whether a process with this number runs on this machine; one that ended and waits to be collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return facts(pid)[0] != "Z"
    except (OSError, IndexError):
        return True


def facts(pid: int) -> list[str]:
    """Linux's facts about a process after its name, the state first."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def mark(pid: int) -> str:
    """An identifier that differs between a process and a later one with the same number; empty where the system does
    not report its start."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {facts(pid)[19]}"
    except (OSError, IndexError):
        return ""


def has_open(pid: int, path: Path) -> bool:
    """Whether a process of this user has a file open."""
    try:
        return any(os.path.realpath(entry.path) == os.path.realpath(path) for entry in os.scandir(f"/proc/{pid}/fd"))
    except OSError:
        return False
