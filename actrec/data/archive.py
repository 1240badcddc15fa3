"""An untrusted zip with one folder per class, unpacked with limits and without trusting its header.

Nothing is written outside the target, nothing more than the limits, and after a refusal nothing stays. Clips get
numbers for names; only the class folders (and groups inside them) keep theirs.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from actrec.data.samples import VIDEO, DataError

CHUNK = 1 << 20
COMPRESSION_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
ENTRY_BYTES = 512  # that an entry may take in the list of contents; most names take a quarter
UNREADABLE_ZIP = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError, MemoryError, OverflowError,
)  # fmt: skip
ARCHIVE_SUFFIXES = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst", ".jar"}
IGNORED = {"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Limits:
    """What is unpacked at most."""

    files: int = 5000
    bytes: int = 2 << 30
    ratio: int = 100  # of what comes out to what lies in the zip; videos hardly shrink
    spare: int = 10 << 20  # bytes below which no ratio is asked


LIMITS = Limits()


def unpack(path: Path, folder: Path, limits: Limits = LIMITS) -> str:
    """Unpack a zip's clips as `folder/class/clip`; return a sentence with the counts. `folder` must not exist yet."""
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder.parent))
    try:
        with open(path, "rb", buffering=0) as file, zipfile.ZipFile(_LimitedReader(file, limits)) as archive:
            clips, ignored = _clips(archive, limits)
            _write(archive, clips, unfinished, limits)
        os.rename(unfinished, folder)
    except UNREADABLE_ZIP as error:
        raise DataError("archive", "This zip cannot be read. Pack the folders again as a plain zip.") from error
    except OSError as error:
        raise DataError("archive", f"The zip cannot be unpacked: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return f"{len(clips)} clips unpacked" + (f"; {ignored} other files were ignored." if ignored else ".")


class _LimitedReader(io.BufferedReader):
    """A zip whose list of contents has a limit: it is read in one piece and becomes an object per entry."""

    def __init__(self, file: io.FileIO, limits: Limits) -> None:
        super().__init__(file)
        self._most = max(limits.files * ENTRY_BYTES, 2 * CHUNK)

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > self._most:
            raise DataError("archive", "The zip's list of contents is too long: it holds too many files.")
        return super().read(size)


def _clips(archive: zipfile.ZipFile, limits: Limits) -> tuple[list[tuple[zipfile.ZipInfo, tuple[str, ...]]], int]:
    """The clips with their target folders, and the number of other files; refuses a zip by what its entries declare."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > limits.files:
        raise DataError("archive", f"The zip holds {len(entries)} files; at most {limits.files} are unpacked.")
    files = [(entry, _parts(entry)) for entry in entries if not IGNORED & set(PurePosixPath(entry.filename).parts)]
    if nested := next(
        (entry.filename for entry, parts in files if PurePosixPath(parts[-1]).suffix.lower() in ARCHIVE_SUFFIXES), ""
    ):
        raise DataError("archive", f"The zip holds another archive, '{nested[-80:]}'. Unpack that one first.")
    if any(entry.flag_bits & 1 for entry, _ in files):
        raise DataError("archive", "The zip is locked with a password. Pack it without one.")
    if any(
        entry.compress_type not in COMPRESSION_METHODS for entry, _ in files
    ):  # LZMA declares the memory that it needs
        raise DataError("archive", "The zip is packed in an unusual way. Pack the folders again as a plain zip.")
    declared = sum(entry.file_size for entry, _ in files)
    packed = sum(entry.compress_size for entry, _ in files)
    if declared > limits.bytes:
        raise DataError("archive", f"The zip unpacks to {declared / 1e9:.1f} GB; at most {limits.bytes / 1e9:.1f} GB.")
    if declared > max(limits.spare, limits.ratio * packed):
        raise DataError("archive", "The zip grows more than a hundredfold when it is unpacked. Videos never do.")
    clips = [(entry, parts) for entry, parts in files if PurePosixPath(parts[-1]).suffix.lower() in VIDEO]
    depth = 1
    while (
        clips and len({parts[:depth] for _, parts in clips}) == 1 and min(len(parts) for _, parts in clips) > depth + 1
    ):
        depth += 1  # a folder around all the classes
    clips = [(entry, parts[depth - 1 :]) for entry, parts in clips]
    if not clips:
        raise DataError(
            "archive", "The zip holds no videos. Make one folder per class with clips inside, and zip those."
        )
    if loose := [parts for _, parts in clips if len(parts) < 2]:
        raise DataError("archive", f"{len(loose)} clips lie in no folder. Make one folder per class with clips inside.")
    return clips, len(files) - len(clips)


def _parts(entry: zipfile.ZipInfo) -> tuple[str, ...]:
    """The folders and the name of an entry; a path that leads elsewhere is refused."""
    name = entry.filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or not parts or ":" in parts[0]:
        raise DataError("archive", f"The zip holds a path that leads out of it, '{name[-80:]}'. It was not unpacked.")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise DataError("archive", f"The zip holds a link, '{name[-80:]}'. Put the clip itself in its place.")
    if any(not part.isprintable() or len(part) > 80 or part.startswith(".") for part in parts[:-1]):
        raise DataError("archive", "A folder in the zip has a name that cannot be used: 1 to 80 printable characters.")
    return parts


def _write(
    archive: zipfile.ZipFile, clips: list[tuple[zipfile.ZipInfo, tuple[str, ...]]], folder: Path, limits: Limits
) -> None:
    bytes_left = min(limits.bytes, shutil.disk_usage(folder).free // 2)
    for number, (entry, parts) in enumerate(clips):
        class_folder = folder.joinpath(*parts[:-1])
        class_folder.mkdir(parents=True, exist_ok=True)
        suffix = PurePosixPath(parts[-1]).suffix.lower()
        with archive.open(entry) as source, open(class_folder / f"{number:05d}{suffix}", "wb") as target:
            while chunk := source.read(CHUNK):
                bytes_left -= len(chunk)
                if bytes_left < 0:
                    raise DataError("archive", "The zip needs more disk space than there is. It was not unpacked.")
                target.write(chunk)
