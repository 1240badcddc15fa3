"""The child process that decodes files from strangers: `python -m actrec.video.worker SOCKET MEMORY`.

It imports NumPy and PyAV and nothing heavier. Requests and answers are lines of JSON; frames travel in memory
that has no name (memfd), so whatever happens to either process nothing is left in the file system.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import resource
import select
import socket
import sys
import tempfile
import threading
import traceback
from dataclasses import asdict

import numpy as np

from actrec.video.clip import VideoError
from actrec.video.read import decode, probe
from actrec.video.refusals import refusal
from actrec.video.request import Limits, Wanted

LONGEST_LINE = 1 << 16


class Shared:
    """Memory for one clip that can be handed to another process: frames, then one float64 second per frame."""

    def __init__(self) -> None:
        self.file = -1
        self._view: mmap.mmap | None = None

    def allocate(self, shape: tuple[int, ...]) -> np.ndarray:
        """Room for the frames; pages that are never written take no memory."""
        self.close()
        self.file = nameless_file()
        size = int(np.prod(shape))
        os.ftruncate(self.file, size)
        self._view = mmap.mmap(self.file, size)
        return np.frombuffer(self._view, np.uint8).reshape(shape)

    def finish(self, used: int, times: np.ndarray) -> None:
        """Cut the memory to what was used, write the times behind it and forbid any change of its size."""
        self._view = None  # the last array over it went with the caller's
        end = times_offset(used)
        os.ftruncate(self.file, end)
        os.pwrite(self.file, times.astype(np.float64).tobytes(), end)
        if hasattr(os, "memfd_create"):
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(self.file, fcntl.F_ADD_SEALS, seals)

    def close(self) -> None:
        self._view = None
        if self.file >= 0:
            os.close(self.file)
            self.file = -1


def nameless_file() -> int:
    """A file in memory without a name; where the system has none, a temporary file already unlinked."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("clip", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def times_offset(frame_bytes: int) -> int:
    return (frame_bytes + 7) // 8 * 8


def answer(request: dict, shared: Shared) -> dict:
    """One request worked off; what goes wrong is an answer too."""
    try:
        if request["do"] == "probe":
            return {"header": asdict(probe(request["path"]))}
        wanted, limits = Wanted(**request["wanted"]), Limits(**request["limits"])
        frames, times, notes = decode(request["path"], wanted, limits, shared.allocate)
        shape = list(frames.shape)
        del frames
        shared.finish(int(np.prod(shape)), times)
        return {"shape": shape, "notes": list(notes)}
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
    with line.makefile("rb") as requests:
        while request := requests.readline(LONGEST_LINE):
            shared = Shared()
            reply = answer(json.loads(request), shared)
            files = [shared.file] if "shape" in reply else []
            socket.send_fds(line, [json.dumps(reply).encode() + b"\n"], files)
            shared.close()


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
