"""Videos from strangers, decoded in a warm child process with limits of memory and time.

A file made to break the decoder breaks the child; this process gets a VideoError and a new child.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import mmap
import os
import select
import socket
import subprocess
import sys
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np

from actrec.video.clip import Clip, VideoError
from actrec.video.refusals import refusal
from actrec.video.request import LIMITS, Header, Limits, Wanted

_ROOT = Path(__file__).resolve().parents[2]
_LONGEST_ANSWER = 1 << 16


class Decoder:
    """Reads videos as `read_clip` does, in a child process that is started once and kept warm.

    Threads may share one: requests queue up. `memory` is what decoding may take besides the frames themselves,
    which `Limits.bytes` bounds; `seconds` is how long one video may take.
    """

    def __init__(self, *, memory: int = 1 << 30, seconds: float = 120.0) -> None:
        self._memory, self._seconds = memory, seconds
        self._lock = threading.Lock()
        self._closed = False
        self._child: _Child | None = None
        self._owner = os.getpid()
        self._child = _Child(memory)

    def read(
        self,
        path: str | Path,
        *,
        fps: float | None = None,
        short_side: int | None = None,
        frames: int | None = None,
        start: float | None = None,
        stop: float | None = None,
        limits: Limits = LIMITS,
    ) -> Clip:
        """The same as `actrec.video.read.read_clip`, with the same arguments and errors."""
        wanted = Wanted(fps, short_side, frames, start, stop)
        reply, file = self._ask(
            {"do": "read", "path": _absolute(path), "wanted": asdict(wanted), "limits": asdict(limits)}
        )
        try:
            pictures, times = _mapped(file, reply["shape"])
        finally:
            os.close(file)
        return Clip(pictures, times, source=str(path), notes=tuple(reply["notes"]))

    def probe(self, path: str | Path) -> Header:
        """The same as `actrec.video.read.probe`."""
        reply, _ = self._ask({"do": "probe", "path": _absolute(path)})
        return Header(**reply["header"])

    @property
    def pid(self) -> int | None:
        """The child's process number, for those who watch its memory; None while there is none."""
        return self._child.process.pid if self._child else None

    def close(self) -> None:
        """End the child. A read that is under way in another thread ends first."""
        with self._lock:
            self._closed = True
            self._drop()

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: dict) -> tuple[dict, int]:
        if self._owner != os.getpid():  # after a fork the child belongs to the parent: start an own one
            self._owner, self._lock, self._child = os.getpid(), threading.Lock(), None
        with self._lock:
            if self._closed:
                raise refusal("closed")
            if self._child is None or not self._child.alive():
                self._drop()
                self._child = _Child(self._memory)
            try:
                reply, file = self._child.exchange(request, self._seconds)
            except BaseException:  # also Ctrl-C: a late answer must not meet the next question
                self._drop()
                raise
        if "code" in reply:
            error = VideoError(reply["code"], reply["sentence"])
            if "trace" in reply:
                error.add_note(reply["trace"])
            raise error
        return reply, file

    def _drop(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _Child:
    """One child process and the line to it."""

    def __init__(self, memory: int) -> None:
        self.line, theirs = socket.socketpair()
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "actrec.video.worker", *map(str, (theirs.fileno(), memory, os.getpid()))],
                env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in a terminal is for the parent alone
            )
        self.end = weakref.finalize(self, _end, self.process, self.line, os.getpid())

    def alive(self) -> bool:
        return self.process.poll() is None

    def exchange(self, request: dict, seconds: float) -> tuple[dict, int]:
        """Send a request; the answer and the file that came with it (−1 without one)."""
        until = time.monotonic() + seconds
        with suppress(BrokenPipeError, ConnectionResetError):
            self.line.sendall(json.dumps(request).encode() + b"\n")
        text, file = b"", -1
        try:
            while not text.endswith(b"\n"):
                if not _readable(self.line, until):
                    raise refusal("too-slow", seconds=seconds)
                try:
                    part, files, _, _ = socket.recv_fds(self.line, _LONGEST_ANSWER, 1)
                except ConnectionResetError:
                    part, files = b"", []
                file = files[0] if files else file
                if not part or len(text) > _LONGEST_ANSWER:
                    raise refusal("crashed")
                text += part
            return json.loads(text), file
        except BaseException:
            if file >= 0:
                os.close(file)
            raise


def _readable(line: socket.socket, until: float) -> bool:
    watch = select.poll()
    watch.register(line, select.POLLIN)
    return bool(watch.poll(max(0.0, until - time.monotonic()) * 1000))


def _end(process: subprocess.Popen, line: socket.socket, owner: int) -> None:
    line.close()
    if owner == os.getpid():  # in a forked process the child is somebody else's
        process.kill()
        process.wait()


def _absolute(path: str | Path) -> str:
    return str(Path(path).absolute())


def _mapped(file: int, shape: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Frames and times in the child's memory without a copy; it goes when the last array over it goes."""
    count, height, width, channels = shape
    used = count * height * width * channels
    end = (used + 7) // 8 * 8
    size = end + 8 * count
    _check(file, size)
    block = _map(file, size)
    frames = np.frombuffer(block, np.uint8, used).reshape(shape)
    return frames, np.frombuffer(block, np.float64, count, end).copy()


def _check(file: int, size: int) -> None:
    """A child in foreign hands must not be able to pull the memory away from under us."""
    sealed = True
    if hasattr(os, "memfd_create"):
        sealed = bool(fcntl.fcntl(file, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK)
    if not sealed or os.fstat(file).st_size != size:
        raise refusal("crashed")


def _map(file: int, size: int) -> object:
    """Map a file and let go of it: `mmap.mmap` would hold one descriptor for every clip that is alive."""
    if not sys.platform.startswith("linux"):
        return mmap.mmap(file, size)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
    address = libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, file, 0)
    if address in (None, ctypes.c_void_p(-1).value):
        raise MemoryError(f"{size / 1e6:.0f} MB for a clip cannot be mapped")
    block = (ctypes.c_ubyte * size).from_address(address)
    weakref.finalize(block, libc.munmap, address, size).atexit = False
    return block
