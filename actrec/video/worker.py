"""The child process that decodes files from strangers: `python -m actrec.video.worker SOCKET MEMORY`.

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
from actrec.video.request import Limits, Wanted
from actrec.video.shared import PAGE, TAKEN, receive, times_offset

_POPULATE_WRITE = 23  # MADV_POPULATE_WRITE, Linux 5.14 and later
_EXCESS = 32 << 20  # bytes that a block may hold more than its clip uses


class Target:
    """The block of shared memory that the asking process sent along with its request."""

    def __init__(self, file: int, size: int, touched: int) -> None:
        self._file, self._size, self._touched = file, size, touched
        self._view: mmap.mmap | None = None

    def allocate(self, shape: tuple[int, ...]) -> np.ndarray:
        """Room for the frames; pages that are never written take no memory."""
        self._view = mmap.mmap(self._file, self._size)
        with suppress(OSError):  # pages used before are mapped in one go, not by one fault each
            self._view.madvise(_POPULATE_WRITE, 0, min(self._touched, int(np.prod(shape))) // PAGE * PAGE)
        return np.frombuffer(self._view, np.uint8, int(np.prod(shape))).reshape(shape)

    def finish(self, used: int, times: np.ndarray) -> int:
        """Put the times behind the frames; the block keeps few pages that this clip does not use. Returns how
        many bytes of the block hold memory now."""
        end = times_offset(used)
        os.pwrite(self._file, times.astype(np.float64).tobytes(), end)
        end = (end + 8 * len(times) + PAGE - 1) // PAGE * PAGE
        if self._touched <= end + _EXCESS:
            return max(end, self._touched)
        with suppress(OSError):
            self._view.madvise(mmap.MADV_REMOVE, end, self._touched // PAGE * PAGE - end)
        return end

    def close(self) -> None:
        self._view = None
        if self._file >= 0:
            os.close(self._file)


def answer(request: dict, target: Target) -> dict:
    """One request worked off; what goes wrong is an answer too."""
    try:
        if request["do"] == "probe":
            return {"header": asdict(probe(request["path"]))}
        wanted, limits = Wanted(**request["wanted"]), Limits(**request["limits"])
        frames, times, notes = decode(request["path"], wanted, limits, target.allocate)
        shape = list(frames.shape)
        del frames
        touched = target.finish(int(np.prod(shape)), times)
        return {"shape": shape, "notes": list(notes), "touched": touched}
    except VideoError as error:
        return {"code": error.code, "sentence": str(error)}
    except MemoryError:
        error = refusal("memory")
        return {"code": error.code, "sentence": str(error)}
    except Exception:
        error = refusal("crashed")
        return {"code": error.code, "sentence": str(error), "trace": traceback.format_exc()[-4000:]}


def serve(line: socket.socket) -> None:
    """Answer requests until the other side is gone."""
    while True:
        text, file = receive(line)
        if not text:
            return
        line.sendall(TAKEN)
        request = json.loads(text)
        target = Target(file, request.get("size", 0), request.get("touched", 0))
        reply = answer(request, target)
        target.close()
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
