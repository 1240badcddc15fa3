"""The memory that a process holds, and how it is returned to the system."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path


def held(pid: int | str = "self") -> int:
    """Bytes that a process holds; zero where the system does not report it or there is no such process."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError, IndexError):
        return 0


def give_back() -> None:
    """Return unused memory to the system, which the C library, set as above, does not do by itself. It takes
    milliseconds, and memory that is needed again costs some tens more. Nothing happens where the C library cannot."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if platform.system() == "Linux" else None
    if trim is not None:
        trim(0)


def memory() -> tuple[int, int]:
    """Bytes that this process holds, and bytes that the machine has; zero where the system does not report them."""
    own = held()
    return (own, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) if own else (0, 0)
