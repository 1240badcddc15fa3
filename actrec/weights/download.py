"""Fetching one catalogued file: resumed where it broke off, checked, never half written, only when asked.

The file grows as `name.part` and gets its name after its SHA-256 was compared. Where the catalogue knows
only the first digits of the sum, or none, the full sum is written beside the file as `name.sha256` on the
first download and holds from then on ("trust on first use"); the answer says so.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from actrec.core.errors import Refusal
from actrec.core.files import cache_folder
from actrec.weights.catalogue import Entry

CHUNK = 1 << 18
TIMEOUT = 20.0  # seconds without a byte
_locks: dict[Path, threading.Lock] = {}
_locks_lock = threading.Lock()


class DownloadError(Refusal):
    """A file that could not be fetched: `code` for programs, the text for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code

    def __reduce__(self) -> tuple:
        return DownloadError, (self.code, str(self))


@dataclass(frozen=True)
class Progress:
    """How far a download is; `total` is None where neither server nor catalogue says it."""

    entry: Entry
    done: int
    total: int | None


def sha256_of(path: Path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetched(entry: Entry, folder: Path | None = None) -> Path | None:
    """The file of an entry if it lies in `folder` already, without looking inside."""
    path = (cache_folder() if folder is None else Path(folder)) / entry.file
    return path if path.is_file() else None


def verified(entry: Entry, folder: Path | None = None) -> Path | None:
    """The file of an entry if it lies in `folder`, its checksum compared: one that differs is refused, not used."""
    path = fetched(entry, folder)
    if path is not None:
        check(entry, path, path)
    return path


Opener = Callable[[urllib.request.Request], http.client.HTTPResponse]


def open_directly(request: urllib.request.Request) -> http.client.HTTPResponse:
    """The answer to a request, by the machine's own certificates and proxy."""
    return urllib.request.urlopen(request, timeout=TIMEOUT)


def download(
    entry: Entry,
    folder: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    opener: Opener = open_directly,
) -> Path:
    """The file of an entry in `folder`: fetched if it is not there, checked in any case.

    A download that broke off goes on where it stopped. `progress` is called after each piece and may raise
    to stop; what has come so far is kept for the next time.
    """
    folder = cache_folder() if folder is None else Path(folder)
    path = folder / entry.file
    with _locks_lock:
        lock = _locks.setdefault(path.absolute(), threading.Lock())
    with lock:
        if path.is_file():
            check(entry, path, path)
            return path
        try:
            folder.mkdir(parents=True, exist_ok=True)
            part = path.with_name(path.name + ".part")
            fetch(entry, part, progress, opener)
            digest = check(entry, part, path)
            if not entry.full_sum:
                note_sum(path, digest)
            os.replace(part, path)
        except OSError as error:
            raise DownloadError("disk", f"{path} cannot be written: {error.strerror or error}.") from error
    return path


def note_sum(path: Path, digest: str) -> None:
    """Record the sum of a first download, for the next check and for the user to compare."""
    path.with_name(path.name + ".sha256").write_text(f"{digest}  {path.name}\n", encoding="ascii")


def known_sum(entry: Entry, path: Path) -> str:
    """What the SHA-256 must begin with: the catalogue's, or the one recorded at the first download."""
    beside = path.with_name(path.name + ".sha256")
    if not entry.full_sum and beside.is_file():
        recorded = beside.read_text(encoding="ascii", errors="replace").split()
        if recorded and recorded[0].startswith(entry.sha256):
            return recorded[0]
    return entry.sha256


def check(entry: Entry, file: Path, path: Path) -> str:
    """Compare size and sum of `file`, which is or becomes `path`; a file that does not fit is removed."""
    digest, size = sha256_of(file), file.stat().st_size
    expected = known_sum(entry, path)
    if digest.startswith(expected) and (entry.bytes is None or entry.bytes == size):
        return digest
    if file != path:  # a file the user already had is left for the user to look at
        file.unlink()
    raise DownloadError(
        "checksum",
        f"{path.name} is not the file the catalogue names (SHA-256 {digest[:16]}… instead of {expected[:16]}…, "
        f"{size} bytes): "
        + ("it was thrown away; try again later." if file != path else f"delete {path} to fetch it again."),
    )


def fetch(
    entry: Entry, part: Path, progress: Callable[[Progress], None] | None, opener: Opener = open_directly
) -> None:
    """Append to `part` until it holds the whole answer."""
    have = part.stat().st_size if part.is_file() else 0
    if entry.bytes is not None and have >= entry.bytes:
        if have == entry.bytes:
            return
        part.unlink()
        have = 0
    headers = {"User-Agent": "actrec", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    host = urlsplit(entry.url).hostname or entry.url
    try:
        request = urllib.request.Request(entry.url, headers=headers)
        with opener(request) as answer:
            receive(entry, answer, part, have, host, progress)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and have:  # nothing to go on from: start again
                part.unlink()
                fetch(entry, part, progress, opener)
                return
            raise DownloadError(
                "refused", f"{host} answers {error.code} ({error.reason}) for {entry.file}: try again later."
            ) from error
    except urllib.error.URLError as error:
        raise offline(entry, host, error.reason) from error
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise broken(entry, host, part) from error


def receive(
    entry: Entry,
    answer: http.client.HTTPResponse,
    part: Path,
    have: int,
    host: str,
    progress: Callable[[Progress], None] | None,
) -> None:
    """Write one answer behind what is there, or over it when the server starts from the beginning."""
    resumed = answer.status == 206 and (answer.headers.get("Content-Range") or "").startswith(f"bytes {have}-")
    done = have if resumed else 0
    length = answer.headers.get("Content-Length")
    total = done + int(length) if length and length.isdigit() else entry.bytes
    if entry.bytes is not None and total is not None and total > entry.bytes:
        raise DownloadError(
            "checksum", f"{host} offers {total} bytes for {entry.file}, the catalogue says {entry.bytes}."
        )
    room = shutil.disk_usage(part.parent).free
    if total is not None and total - done > room:
        raise DownloadError("disk", f"{entry.file} needs {(total - done) / 1e6:.0f} MB, {room / 1e6:.0f} MB are free.")
    with part.open("ab" if resumed else "wb") as file:
        while chunk := answer.read(CHUNK):
            done += len(chunk)
            if entry.bytes is not None and done > entry.bytes:
                raise DownloadError("checksum", f"{host} sends more than the {entry.bytes} bytes of {entry.file}.")
            file.write(chunk)
            if progress is not None:
                progress(Progress(entry, done, total))
        file.flush()
        os.fsync(file.fileno())
    if total is not None and done < total:
        raise broken(entry, host, part)


def offline(entry: Entry, host: str, reason: object) -> DownloadError:
    return DownloadError(
        "offline",
        f"{host} cannot be reached ({reason}): connect to the network and try again, or put {entry.file} "
        "into the folder yourself.",
    )


def broken(entry: Entry, host: str, part: Path) -> DownloadError:
    have = part.stat().st_size if part.is_file() else 0
    return DownloadError(
        "broken",
        f"The connection to {host} broke off after {have / 1e6:.1f} MB of {entry.file}: try again, it goes on there.",
    )
