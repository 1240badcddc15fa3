"""What this machine computes with: device, threads, and a memory allocator that keeps its memory."""

from __future__ import annotations

import ctypes
import errno
import functools
import json
import os
import platform
import stat
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from actrec.refusal import BadValue

if TYPE_CHECKING:
    import torch

try:
    import fcntl
except ImportError:  # Windows: two processes that remember at the same moment may lose one entry
    fcntl = None

DEVICE_FAILED = (RuntimeError, AssertionError)  # what torch raises: memory, a lost device, no driver

# glibc gives freed memory back to the system and asks for it again at the next step; told not to, a training
# step of a small 3-D network takes less than half the time. What is kept is kept in one place for all threads: with
# a place for each, a page that streams for hours keeps the most that any of its threads ever needed.
ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(256 << 20),
}


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cores_in_words() -> str:
    return "1 core" if cores() == 1 else f"{cores()} cores"


def environment(threads: int | None = None, *, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment a computing process starts with: allocator settings and its thread budget for life."""
    settings = dict(os.environ if base is None else base)
    if platform.system() == "Linux":
        settings |= {name: settings.get(name, value) for name, value in ALLOCATOR.items()}
    if threads is not None:
        settings["OMP_NUM_THREADS"] = str(threads)
    return settings


def relaunch_with_allocator() -> None:
    """Start this very program again with the allocator settings; glibc reads them only at the start."""
    if platform.system() != "Linux" or all(name in os.environ for name in ALLOCATOR):
        return
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment())


def choose_device(wanted: str = "auto") -> torch.device:
    """`auto` takes a GPU when there is one; anything else is taken at its word or refused with a sentence."""
    import torch

    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise BadValue(f"'{wanted}' is not a device. Use auto, cpu, cuda or cuda:1.") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BadValue("No CUDA device is visible to PyTorch on this machine. Use --device cpu.")
    if device.type not in ("cpu", "cuda"):
        raise BadValue(f"Networks run on cpu or cuda here, not on '{wanted}'.")
    return device


def describe(device: torch.device) -> str:
    """A device in words, for the status line."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {cores_in_words()}"


def remember(memory: Path, entry: str, value: object) -> None:
    """Add one entry to a JSON file that other processes add to as well: none of theirs is lost."""
    memory.parent.mkdir(parents=True, exist_ok=True)
    with open(memory.with_suffix(".lock"), "a") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
        write_json(memory, _read_json(memory) | {entry: value})


def processor() -> str:
    """The processor and how many of its cores there are: what a finding about speed or numbers holds for."""
    facts = processor_facts()
    kind = "-".join(facts[name] for name in ("cpu family", "model", "stepping") if name in facts)
    return f"{facts.get('model name', platform.processor())} {kind} x{cores()}"


@functools.cache
def processor_facts() -> dict[str, str]:
    """What Linux says of the processor; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {}
    return {line.split(":")[0].strip(): line.split(":", 1)[1].strip() for line in lines if ":" in line}


def cache_folder() -> Path:
    """Where findings, clips and downloads are kept between starts: `$ACTREC_CACHE`, else actrec in the user's cache."""
    if chosen := os.environ.get("ACTREC_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "actrec"


def alive(pid: int) -> bool:
    """Whether a process of this number runs on this machine; one that ended and was not yet taken note of does not."""
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
    """What Linux says of a process behind its name: the state first."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def mark(pid: int) -> str:
    """What tells a process from a later one of the same number, on this machine since it started; empty where the
    system does not say."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {facts(pid)[19]}"
    except (OSError, IndexError):
        return ""


def has_open(pid: int, path: Path) -> bool:
    """Whether a process of this user has a file open."""
    try:
        return any(os.path.realpath(each.path) == os.path.realpath(path) for each in os.scandir(f"/proc/{pid}/fd"))
    except OSError:
        return False


SMALL = 16 << 20  # bytes of a card, a status, the settings of a run


def read_small(path: Path, most: int = SMALL, *, links: bool = True) -> bytes:
    """A file that somebody else may have put there: no pipe that never ends, no device, nothing larger than `most`."""
    flags = ("O_NONBLOCK", "O_BINARY", *(() if links else ("O_NOFOLLOW",)))  # a pipe without a writer does not block
    handle = os.open(path, os.O_RDONLY | sum(getattr(os, flag, 0) for flag in flags))
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        if facts.st_size > most:
            raise OSError(errno.EFBIG, f"it has more than {most >> 20} MB")
        with open(handle, "rb", closefd=False) as file:
            return file.read(facts.st_size)
    finally:
        os.close(handle)


def parsed(text: str | bytes) -> object:
    """JSON that somebody else may have written. Half a character in it, which nobody could send on, is a ValueError."""
    text = text if isinstance(text, str) else text.decode()
    value = json.loads(text)
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def write_json(path: Path, value: object) -> None:
    """Write a JSON file, whole or not at all."""
    write_bytes(path, json.dumps(value, indent=1).encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def held(pid: int | str = "self") -> int:
    """Bytes that a process holds; zero where the system does not say, or there is no such process."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError, IndexError):
        return 0


def give_back() -> None:
    """Hand memory that nothing uses back to the system, which the C library, set as above, does not do by itself. It
    takes milliseconds, and what is needed again some tens more. Nothing happens where the C library cannot."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if platform.system() == "Linux" else None
    if trim is not None:
        trim(0)


def memory() -> tuple[int, int]:
    """Bytes that this process holds, and bytes that the machine has; zero where the system does not say."""
    own = held()
    return (own, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) if own else (0, 0)
