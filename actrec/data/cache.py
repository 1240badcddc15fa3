"""Decoded, resized clips and their flow, kept on disk and read by memory map.

An entry is one safetensors file (eight bytes of header length, a JSON header, the arrays) whose name is the
SHA-256 of the video's bytes and of the settings: a renamed or copied video is found again, a changed one is
not. A writer fills a temporary file and renames it, so two writers need no lock: the last one wins with the
same content. An entry whose checksum fails is deleted and computed again. Reading needs neither av nor torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from actrec.core.errors import BadValue
from actrec.data.reading import FILES, ClipSettings, Reader
from actrec.data.samples import DataError, Sample, listing, must_be_writable
from actrec.video import Clip

VERSION = 1  # of what an entry holds; entries of another version are not found and age away
STALE = 3600.0  # seconds after which a writer's unfinished file is taken for an orphan
KINDS = {"U8": np.uint8, "I64": np.int64, "F16": np.float16, "F32": np.float32, "F64": np.float64}
NAMES = {np.dtype(kind): name for name, kind in KINDS.items()}


Entry = tuple[dict[str, np.ndarray], dict]  # arrays, and facts about them that JSON can hold


class Damaged(Exception):
    """An entry whose content differs from what was written."""


def default_folder() -> Path:
    from actrec.core.files import cache_folder

    return cache_folder() / "clips"


def default_limit() -> int:
    """Bytes that the cache may hold: 20 GB, or as many as `$ACTREC_CACHE_GB` says."""
    gigabytes = os.environ.get("ACTREC_CACHE_GB", "20")
    try:
        limit = float(gigabytes)
    except ValueError:
        limit = 0.0
    if not 0 < limit < float("inf"):
        raise BadValue(f"ACTREC_CACHE_GB is a number of gigabytes above 0, not '{gigabytes}'.")
    return int(limit * (1 << 30))


def write_entry(path: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, object]) -> int:
    """Write arrays and facts as one file, whole or not at all; its size in bytes."""
    widest_first = sorted(arrays.items(), key=lambda item: -item[1].itemsize)  # so that all are aligned
    arrays = {name: np.ascontiguousarray(array) for name, array in widest_first}
    header: dict[str, object] = {}
    offset, check = 0, 0
    for name, array in arrays.items():
        span = [offset, offset + array.nbytes]
        header[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": span}
        offset += array.nbytes
        check = zlib.crc32(_bytes(array), check)
    facts_text = json.dumps({"facts": facts}, sort_keys=True)
    check = zlib.crc32((facts_text + json.dumps(header, sort_keys=True)).encode(), check)
    text = json.dumps({**header, "__metadata__": {"told": facts_text, "crc32": f"{check:08x}"}}).encode()
    text += b" " * (-len(text) % 64 + 56)  # the arrays begin at a multiple of 64 bytes
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with open(unfinished, "wb") as file:
            file.write(len(text).to_bytes(8, "little"))
            file.write(text)
            for array in arrays.values():
                file.write(_bytes(array))
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return 8 + len(text) + offset


def read_entry(path: Path, *, verify: bool = True) -> Entry:
    """Arrays (read-only, memory-mapped) and facts of an entry. Raises Damaged, or FileNotFoundError."""
    try:
        mapped = np.asarray(np.memmap(path, np.uint8, "r"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise Damaged(str(error)) from None
    try:
        length = int.from_bytes(mapped[:8].tobytes(), "little")
        header = json.loads(mapped[8 : 8 + length].tobytes())
        metadata = header.pop("__metadata__")
        facts, arrays, check, body = json.loads(metadata["told"])["facts"], {}, 0, mapped[8 + length :]
        for name, entry in header.items():
            first, last = entry["data_offsets"]
            if last > len(body):
                raise Damaged("the file is cut short")
            if verify:
                check = zlib.crc32(body[first:last].data, check)
            arrays[name] = body[first:last].view(KINDS[entry["dtype"]]).reshape(entry["shape"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(str(error)) from None
    check = zlib.crc32((metadata["told"] + json.dumps(header, sort_keys=True)).encode(), check)
    if verify and f"{check:08x}" != metadata["crc32"]:
        raise Damaged("the checksum is wrong")
    return arrays, facts


def cached_files(folder: str | os.PathLike[str], suffix: str) -> list[tuple[int, int, str]]:
    """List a folder's files with this suffix as (last use, bytes, path); delete what killed writers left behind."""
    files, now = [], time.time()
    for entry in os.scandir(folder):
        with contextlib.suppress(OSError):
            facts = entry.stat()
            if entry.name.startswith("."):
                if now - facts.st_mtime > STALE:
                    os.unlink(entry.path)
            elif entry.name.endswith(suffix):
                files.append((facts.st_mtime_ns, facts.st_size, entry.path))
    return files


def drop_oldest(files: Sequence[tuple[int, int, str]], size: int) -> int:
    """Delete files (last use, bytes, path), the oldest first, until `size` bytes are free; return the bytes deleted."""
    dropped = 0
    for _, file_size, path in sorted(files):
        if dropped >= size:
            break
        with contextlib.suppress(OSError):
            os.unlink(path)
            dropped += file_size
    return dropped


def _bytes(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


@dataclass
class ClipCache:
    """A folder of entries under a size limit; the least recently used entry is deleted first.

    It reads through `reader` on a miss. Several threads may use one object; child processes get their own.
    """

    folder: Path = field(default_factory=default_folder)
    limit: int = field(default_factory=default_limit)
    reader: Reader = FILES

    def __post_init__(self) -> None:
        self.folder = Path(self.folder)
        must_be_writable(self.folder)
        self._contents: dict[tuple, str] = {}
        self._verified: set[str] = set()
        self._since_sweep = self.limit  # so that the first write measures what is there
        self.hits = self.misses = self.rebuilt = 0

    def read(self, sample: Sample, settings: ClipSettings) -> Clip:
        """The clip at these settings: from the cache, or decoded and put there."""
        name = self._name(sample, f"clip {settings.key()}")

        def decode() -> Entry:
            clip = self.reader.read(sample, settings)
            return {"frames": clip.frames, "times": clip.times.astype(np.float64)}, {"notes": list(clip.notes)}

        arrays, facts = self.entry(name, decode)
        return Clip(arrays["frames"], arrays["times"], str(sample.path), tuple(facts["notes"]))

    def flow(self, sample: Sample, settings: ClipSettings, method: str = "dis", **options: Any) -> np.ndarray:
        """Flow between neighbouring frames of the clip at these settings, so at the network's resolution.

        `float16 [T−1, H, W, 2]`, in pixels, x to the right; method and options as in `actrec.motion.flow`.
        """
        option_text = " ".join(f"{key}={options[key]}" for key in sorted(options) if key != "device")
        name = self._name(sample, f"flow {method} {option_text} {settings.key()}")

        def estimate() -> Entry:
            from actrec.motion.flow import flow  # torch is needed by who computes flow, not by who reads it

            frames = np.ascontiguousarray(self.read(sample, settings).frames)
            return {"flow": flow(frames, method, **options).astype(np.float16)}, {"method": method}

        return self.entry(name, estimate)[0]["flow"]

    def entry(self, name: str, compute: Callable[[], Entry]) -> Entry:
        """An entry by name, computed when it is missing or damaged."""
        path = self.folder / name[:2] / f"{name}.safetensors"
        try:
            entry = read_entry(path, verify=name not in self._verified)
        except FileNotFoundError:
            pass
        except Damaged:
            self.rebuilt += 1
            self._verified.discard(name)
        else:
            self._verified.add(name)
            self.hits += 1
            with contextlib.suppress(OSError):  # it may have been swept by another process: the map holds it
                os.utime(path)
            return entry
        self.misses += 1
        arrays, facts = compute()
        try:
            self._since_sweep += write_entry(path, arrays, facts)
        except OSError as error:
            self._full(error)
            return arrays, facts
        if self._since_sweep >= self.limit // 50:
            self.sweep(keep=path)
        return arrays, facts

    def _full(self, error: OSError) -> None:
        """Go on when the cache cannot be written, which only costs time; a folder that has vanished is an error."""
        if not self.folder.is_dir():
            raise DataError("unwritable", f"The cache folder {self.folder} is gone ({error.strerror}).") from error
        self.sweep(limit=self.limit // 2)

    def sweep(self, *, limit: int | None = None, keep: Path | None = None) -> int:
        """Delete the least recently used entries until 95 % of the limit is used; return the bytes that are left."""
        self._since_sweep = 0
        folders = [entry.path for entry in os.scandir(self.folder) if entry.is_dir()]
        entries = [entry for folder in folders for entry in cached_files(folder, ".safetensors")]
        total = sum(size for _, size, _ in entries)
        goal = (self.limit if limit is None else limit) * 95 // 100
        others = [entry for entry in entries if keep is None or entry[2] != os.fspath(keep)]
        return total - drop_oldest(others, total - goal)

    def _name(self, sample: Sample, what: str) -> str:
        stretch = f"{sample.start} {sample.stop} {sample.fps}"
        text = f"{VERSION} {self.content(sample.path)} {stretch} {what}"
        return hashlib.sha256(text.encode()).hexdigest()

    def content(self, path: Path) -> str:
        """SHA-256 of a video or of a folder of frames, remembered with size and time of change."""
        virtual = getattr(self.reader, "content", None)
        if virtual is not None:
            return virtual(path)
        stamp = _stamp(Path(path))
        if stamp in self._contents:
            return self._contents[stamp]
        note = self.folder / "contents" / hashlib.sha256(repr(stamp).encode()).hexdigest()
        try:
            content = note.read_text()
        except OSError:
            content = ""
        if len(content) != 64:
            content = content_hash(Path(path))
            note.parent.mkdir(exist_ok=True)
            unfinished = note.with_name(f".{note.name}.{os.getpid()}")
            with contextlib.suppress(OSError):
                unfinished.write_text(content)
                os.replace(unfinished, note)
        self._contents[stamp] = content
        return content

    def __reduce__(self) -> tuple[type[ClipCache], tuple[Path, int, Reader]]:
        return ClipCache, (self.folder, self.limit, self.reader)


class FlowCache:
    """Clips from a cache with their flow by one method, which the cache stores as well."""

    def __init__(self, cache: ClipCache, method: str, device: str = "cpu") -> None:
        self.cache, self.method, self.device = cache, method, device

    def read(self, sample: Sample, settings: ClipSettings) -> Clip:
        clip = self.cache.read(sample, settings)
        if len(clip) < 2:
            return clip
        options = {"device": self.device} if self.device != "cpu" else {}
        flow = self.cache.flow(sample, settings, self.method, **options)
        return replace(clip, flow=flow, flow_method=self.method)

    def content(self, path: Path) -> str:
        return self.cache.content(path)

    @property
    def header(self) -> Callable | None:
        """The underlying reader's own header function; None where the file itself has to be read."""
        return getattr(self.cache.reader, "header", None)


def _stamp(path: Path) -> tuple:
    facts = path.stat()
    files = [entry.stat() for entry in listing(path)] if path.is_dir() else [facts]
    newest = max((file.st_mtime_ns for file in files), default=0)
    return str(path.absolute()), len(files), sum(file.st_size for file in files), newest


def content_hash(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files in order."""
    digest = hashlib.sha256()
    for file in [entry for entry in listing(path) if entry.is_file()] if path.is_dir() else [path]:
        if file != path:
            digest.update(f"{file.name} {file.stat().st_size}\n".encode())
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
