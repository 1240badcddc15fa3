"""Untrusted videos, decoded in a warm child process with limits of memory and time.

A file made to break the decoder breaks the child; this process gets a VideoError and a new child.
"""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from actrec.core.errors import BadValue
from actrec.video.clip import Clip
from actrec.video.refusals import refusal
from actrec.video.request import LIMITS, Header, Limits, Selection
from actrec.video.sandbox import answers
from actrec.video.sandbox.shared_memory import PAGE, TAKEN, Block, Pool, receive, times_offset, wait

_LEAST_MEMORY = 96 << 20
_ROOT = Path(__file__).resolve().parents[3]


class Decoder:
    """Read videos as `read_clip` does, in a child process that starts once and stays.

    Threads may share one: requests queue up. `memory` is what decoding may take besides the frames themselves,
    which `Limits.bytes` bounds; `seconds` is how long one video may take.
    """

    def __init__(self, *, memory: int = 1 << 30, seconds: float = 120.0) -> None:
        if memory < _LEAST_MEMORY:
            raise BadValue(f"a decoder takes at least {_LEAST_MEMORY >> 20} MB before its first video")
        self._memory, self._seconds = memory, seconds
        self._lock = threading.Lock()
        self._closed = False
        self._owner = os.getpid()
        self._pool = Pool()
        self._child: _Child | None = _Child(memory)

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
        selection = Selection(fps, short_side, frames, start, stop)
        request = {"do": "read", "path": _absolute(path), "wanted": asdict(selection), "limits": asdict(limits)}
        with self._child_lock():
            block = self._pool.take(limits.bytes + 8 * limits.frames + PAGE)
            try:
                sent = {"block": block.number, "size": block.size, "written": block.touched}
                reply = self._ask({**request, **sent}, block.file)
                with self._checked_answer():
                    frames_read, times, notes = _clip_of(self._pool, block, reply)
            except BaseException:
                self._pool.forget(block)  # nobody knows how far it was written
                raise
        return Clip(frames_read, times, source=str(path), notes=notes)

    def probe(self, path: str | Path) -> Header:
        """The same as `actrec.video.read.probe`."""
        with self._child_lock():
            reply = self._ask({"do": "probe", "path": _absolute(path)})
            with self._checked_answer():
                return answers.header(reply)

    @property
    def pid(self) -> int | None:
        """The child's process number, for monitoring its memory; None while there is none."""
        return self._child.process.pid if self._child else None

    def close(self) -> None:
        """End the child. A read that is under way in another thread ends first."""
        with self._child_lock():
            self._closed = True
            self._drop()
            self._pool.close()

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: dict, file: int = -1) -> dict:
        if self._closed:
            raise refusal("closed")
        if self._child is None or not self._child.alive():
            self._drop()
            self._child = _Child(self._memory)
        try:
            try:
                reply = self._child.exchange(request, file, self._seconds)
            except _IdleDeathError:  # it died before it saw the request, which is not to blame
                self._drop()
                self._child = _Child(self._memory)
                reply = self._child.exchange(request, file, self._seconds)
        except _IdleDeathError as error:
            self._drop()
            raise refusal("crashed") from error
        except BaseException:  # also Ctrl-C: a late answer must not meet the next question
            self._drop()
            raise
        with self._checked_answer():
            failure = answers.failure(reply)
        if failure is None:
            return reply
        if failure.code in ("memory", "crashed"):  # the child may still hold memory: take a new one
            self._drop()
        raise failure

    @contextmanager
    def _checked_answer(self) -> Iterator[None]:
        """Replace a child whose answer is invalid: the video has taken it over or broken it."""
        try:
            yield
        except answers.AnswerError as error:
            self._drop()
            raise refusal("crashed") from error

    def _child_lock(self) -> threading.Lock:
        """The lock around the child. After a fork that child is the parent's: forget it, with its lock."""
        if self._owner != os.getpid():
            self._owner, self._lock, self._child, self._pool = os.getpid(), threading.Lock(), None, Pool()
        return self._lock

    def _drop(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _IdleDeathError(Exception):
    """The child ended before it had read the request."""


class _Child:
    """One child process and the socket to it."""

    def __init__(self, memory: int) -> None:
        self.line, theirs = socket.socketpair()
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        with theirs:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "actrec.video.sandbox.worker",
                    *map(str, (theirs.fileno(), memory, os.getpid())),
                ],
                env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C in a terminal is for the parent alone
            )
        self.end = weakref.finalize(self, _end, self.process, self.line, os.getpid())

    def alive(self) -> bool:
        return self.process.poll() is None

    def exchange(self, request: dict, file: int, seconds: float) -> dict:
        """Send a request, with a file where there is one, and wait for the answer."""
        until = time.monotonic() + seconds
        try:
            try:
                files = [file] if file >= 0 else []
                socket.send_fds(self.line, [json.dumps(request).encode() + b"\n"], files)
                wait(self.line, until)
                taken = self.line.recv(1) == TAKEN
            except (BrokenPipeError, ConnectionResetError):
                taken = False
            if not taken:
                raise _IdleDeathError
            text, sent = receive(self.line, until)
        except TimeoutError as error:
            raise refusal("too-slow", seconds=seconds) from error
        if sent >= 0:
            os.close(sent)
        if not text or sent >= 0:
            raise refusal("crashed")
        try:
            return answers.answer_of(text)
        except answers.AnswerError as error:
            raise refusal("crashed") from error


def _end(process: subprocess.Popen, line: socket.socket, owner: int) -> None:
    line.close()
    if owner == os.getpid():  # in a forked process the child is somebody else's
        process.kill()
        process.wait()


def _absolute(path: str | Path) -> str:
    return str(Path(path).absolute())


def _clip_of(pool: Pool, block: Block, reply: dict) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Frames, times and notes out of the memory that the child wrote, without a copy of the frames."""
    shape, notes = answers.place_of(reply, block), answers.notes(reply)
    block.touched = answers.touched(reply, block)
    used = math.prod(shape)
    start = times_offset(used)
    held = pool.array(block, start + 8 * shape[0])
    times = held[start:].view(np.float64).copy()
    answers.check_times(times)
    return held[:used].reshape(shape), times, notes
