"""Memory that two processes share without a name: nothing to clean up, whichever of them dies.

Fresh shared pages cost more than decoding into them (about 3 µs per 4 kB, against 0.2 µs for pages used before),
so a block goes back to its `Pool` when the last array over it is gone and the next clip is written into it.
"""

from __future__ import annotations

import ctypes
import fcntl
import math
import mmap
import os
import select
import socket
import sys
import tempfile
import time
import weakref
from collections import deque
from itertools import count

import numpy as np

PAGE = mmap.PAGESIZE
SPARE = 640 << 20  # bytes of free blocks kept warm: a hundred frames of 1080p; the next shorter clip trims them
LONGEST_LINE = 1 << 16
TAKEN = b"+"  # sent by the child as soon as it has a request
_FILES = 16  # blocks that may come back, counted with those in use: each holds a file descriptor
_LINUX = sys.platform.startswith("linux")
_forks = 0
_numbers = count()


class Block:
    """A file in memory of a fixed size. `touched` is how many bytes of it have ever been written."""

    def __init__(self, size: int) -> None:
        self.size, self.touched, self.forks, self.owner = size, 0, _forks, os.getpid()
        self.number = next(_numbers)
        if hasattr(os, "memfd_create"):
            self.file = os.memfd_create("clip", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(self.file, size)
            # Nobody, least of all the decoder, may pull the memory away from under a clip.
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(self.file, fcntl.F_ADD_SEALS, seals)
        else:
            with tempfile.TemporaryFile() as unlinked:
                self.file = os.dup(unlinked.fileno())
            os.ftruncate(self.file, size)

    def close(self) -> None:
        if self.file >= 0:
            os.close(self.file)
            self.file = -1


class Pool:
    """Blocks waiting for their next clip."""

    def __init__(self) -> None:
        self._free: deque[Block] = deque()
        self._alive = 0

    def take(self, size: int) -> Block:
        """A block of at least `size` bytes; one written before where there is one."""
        for _ in range(len(self._free)):
            block = self._free.pop()  # the one used last: the child still has it mapped
            if block.size >= size:
                return block
            self.forget(block)
        self._alive += 1
        return Block(size)

    def give(self, block: Block) -> None:
        """Take a block back that is no longer used. May be called by the garbage collector at any time."""
        if block.file < 0:  # forgotten meanwhile
            return
        foreign = block.owner != os.getpid() or block.forks != _forks  # a forked process may still look at it
        if foreign or block.touched + sum(free.touched for free in self._free) > SPARE:
            self.forget(block)
        else:
            self._free.append(block)

    def array(self, block: Block, used: int) -> np.ndarray:
        """The first `used` bytes of a block; the block is given back when the last array over them is gone."""
        view, unmap = _map(block.file, used)
        keep = self._alive <= _FILES
        weakref.finalize(view, self._unmapped, block if keep else None, unmap).atexit = False
        if not keep:
            self.forget(block)
        return np.frombuffer(view, np.uint8, used)  # type: ignore[call-overload]  # a ctypes array is a buffer

    def close(self) -> None:
        while self._free:
            self.forget(self._free.popleft())

    def _unmapped(self, block: Block | None, unmap: tuple | None) -> None:
        if unmap is not None:
            unmap[0](*unmap[1:])
        if block is not None:
            self.give(block)

    def forget(self, block: Block) -> None:
        """Let a block go for good."""
        if block.file >= 0:
            self._alive -= 1
            block.close()


def times_offset(frame_bytes: int) -> int:
    """Where in a block the times of a clip begin: behind its frames, at a multiple of 8."""
    return (frame_bytes + 7) // 8 * 8


def receive(line: socket.socket, until: float = math.inf) -> tuple[bytes, int]:
    """A line of text and the file that came with it (−1 without one); no text once the other side is gone.

    Raises TimeoutError when `until`, on the monotonic clock, has passed.
    """
    text, file = b"", -1
    while not text.endswith(b"\n"):
        wait(line, until)
        try:
            part, files, _, _ = socket.recv_fds(line, LONGEST_LINE, 1)
        except ConnectionResetError:
            part, files = b"", []
        if files and file >= 0:
            os.close(file)
        file = files[0] if files else file
        if not part or len(text) > LONGEST_LINE:
            return b"", file
        text += part
    return text, file


def wait(line: socket.socket, until: float) -> None:
    """Return as soon as there is something to receive, be it the end."""
    watch = select.poll()
    watch.register(line, select.POLLIN)
    left = None if until == math.inf else max(0.0, until - time.monotonic()) * 1000
    if not watch.poll(left):
        raise TimeoutError


def _map(file: int, size: int) -> tuple[object, tuple | None]:
    """Map a file without holding another descriptor of it, as `mmap.mmap` does."""
    if not _LINUX:
        return mmap.mmap(file, size), None
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    address = libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, file, 0)
    if address in (None, ctypes.c_void_p(-1).value):
        raise MemoryError(f"{size / 1e6:.0f} MB for a clip cannot be mapped")
    return (ctypes.c_ubyte * size).from_address(address), (libc.munmap, address, size)


def _forked() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_parent=_forked, after_in_child=_forked)
