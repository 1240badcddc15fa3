"""The child process that decodes untrusted files: `python -m actrec.video.sandbox.worker SOCKET MEMORY`.

It imports NumPy and PyAV and nothing heavier. Requests and answers are lines of JSON; frames travel in memory
that came with the request and has no name, so nothing is left behind whoever dies.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import select
import socket
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import asdict

import numpy as np

from actrec.video.clip import VideoError
from actrec.video.read import decode, probe
from actrec.video.refusals import refusal
from actrec.video.request import Limits, Selection
from actrec.video.sandbox.shared_memory import PAGE, TAKEN, receive, times_offset

_EXCESS = 32 << 20  # bytes that a block may hold more than its clip uses


class Target:
    """The block of shared memory that clips are written into: mapped as long as the same one is sent again.

    Mapping it anew costs a fault for every page, though the pages are there.
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._view: mmap.mmap | None = None
        self._written = 0

    def take(self, file: int, number: int, size: int, written: int) -> None:
        """Switch to the block that came with a request; `written` bytes of it hold memory."""
        if number != self._number:
            self._view, self._number = None, None  # unmapped before the next one is mapped
            self._view, self._number = mmap.mmap(file, size), number
        self._written = written
        os.close(file)

    def allocate(self, shape: tuple[int, ...]) -> np.ndarray:
        """Memory for the frames; pages that are never written take none."""
        return np.frombuffer(self._mapped(), np.uint8, int(np.prod(shape))).reshape(shape)

    def _mapped(self) -> mmap.mmap:
        if self._view is None:
            raise RuntimeError("No block of memory came with the request.")
        return self._view

    def finish(self, used: int, times: np.ndarray) -> int:
        """Put the times behind the frames; the block keeps few pages that this clip does not use. Returns how
        many bytes of the block hold memory now."""
        start = times_offset(used)
        end = start + 8 * len(times)
        view = self._mapped()
        view[start:end] = times.astype(np.float64).tobytes()
        end = -(-end // PAGE) * PAGE
        if self._written > end + _EXCESS:
            with suppress(OSError):
                view.madvise(mmap.MADV_REMOVE, end, self._written - end)
                self._written = end
        self._written = max(self._written, end)
        return self._written


def answer(request: dict, target: Target) -> dict:
    """The answer to one request; a failure is an answer as well."""
    try:
        if request["do"] == "probe":
            return {"header": asdict(probe(request["path"]))}
        selection, limits = Selection(**request["wanted"]), Limits(**request["limits"])
        frames, times, notes = decode(request["path"], selection, limits, target.allocate)
        shape = list(frames.shape)
        del frames
        touched = target.finish(int(np.prod(shape)), times)
        return {"shape": shape, "notes": list(notes), "touched": touched}
    except VideoError as error:
        return {"code": error.code, "sentence": str(error)}
    except MemoryError:
        failure = refusal("memory")
        return {"code": failure.code, "sentence": str(failure)}
    except Exception:
        failure = refusal("crashed")
        return {"code": failure.code, "sentence": str(failure), "trace": traceback.format_exc()[-4000:]}


def serve(line: socket.socket) -> None:
    """Answer requests until the other side is gone."""
    target = Target()
    while True:
        text, file = receive(line)
        if not text:
            return
        line.sendall(TAKEN)
        request = json.loads(text)
        if file >= 0:
            target.take(file, request["block"], request["size"], request["written"])
        reply = answer(request, target)
        line.sendall(json.dumps(reply).encode() + b"\n")


def die_with(parent: int, line: socket.socket) -> None:
    """End this process as soon as its parent is gone, even in the middle of a decode.

    The kernel's parent-death signal will not do: it fires when the *thread* that started the child ends.
    """
    watch = select.poll()
    watch.register(line, select.POLLHUP | select.POLLERR)
    while os.getppid() == parent and not watch.poll(500):
        pass
    os._exit(0)


def main(file: int, memory: int, parent: int) -> None:
    # Writable private memory is what decoding takes; shared frames are bounded by the limits of the request.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    line = socket.socket(fileno=file)
    threading.Thread(target=die_with, args=(parent, line), daemon=True).start()
    serve(line)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
