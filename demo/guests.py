"""A visitor's files: in folders that nobody can guess, within a measure, and gone when the visitor is.

Whose a file is stands in the name of its folder, `GUEST-RANDOM`, so that nothing has to be kept in step with the
disk. A visitor is a cookie that the page gives; clients without cookies share what comes from their address.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

from gradio.context import LocalContext
from gradio.route_utils import GradioMultiPartParser, GradioUploadFile
from starlette.formparsers import MultiPartException

COOKIE = "actrec-visitor"
NOBODY = "nobody"
MEGABYTES = 1000  # that one visitor's files may take together
FIELD = 1 << 10  # bytes of a word that comes with an upload
GRACE = 30.0  # seconds after which a visitor who left does not come back; a reload takes less
_uploading: ContextVar[tuple[str, list[Path]]] = ContextVar("uploading")


def fresh_name() -> str:
    return secrets.token_urlsafe(24)


def guest_of(cookie: str | None, address: str) -> str:
    """A visitor's name for folders; the cookie cannot be found from it."""
    told = f"cookie {cookie}" if cookie else f"address {address}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def current_guest() -> str:
    """The visitor whose event is being answered in this thread."""
    request = LocalContext.request.get(None)
    if request is None:
        return NOBODY
    client = getattr(request, "client", None)
    return guest_of(request.cookies.get(COOKIE), getattr(client, "host", "") or "")


def folder_for(guest: str) -> str:
    return f"{guest}-{secrets.token_hex(12)}"


class UploadedFile(GradioUploadFile):
    """An upload under a random name. Gradio names the folder after the content: two visitors would share one."""

    def __init__(self, file: BinaryIO, **rest: Any) -> None:
        super().__init__(file, **rest)
        guest, files = _uploading.get((NOBODY, []))
        files.append(Path(file.name))
        self.sha = _Random(guest)


class FilesOnly(GradioMultiPartParser):
    """What is no file in an upload would be collected in memory."""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is None and len(self._current_part.data) + end - start > FIELD:
            raise MultiPartException("An upload is made of files.")
        super().on_part_data(data, start, end)


class _Random:
    """Stands where Gradio keeps a checksum."""

    def __init__(self, guest: str) -> None:
        self._name = folder_for(guest)

    def update(self, data: bytes) -> None:
        return

    def hexdigest(self) -> str:
        return self._name


@contextlib.contextmanager
def arriving(guest: str) -> Iterator[None]:
    """While an upload comes in; what was not moved to its place by the end is removed."""
    files: list[Path] = []
    token = _uploading.set((guest, files))
    try:
        yield
    finally:
        _uploading.reset(token)
        for each in files:
            each.unlink(missing_ok=True)


class Guests:
    """Who is here, and how much each has left in the folder `home`."""

    def __init__(self, home: Path, megabytes: int = MEGABYTES, grace: float = GRACE) -> None:
        self.home, self.most, self.grace = Path(home), megabytes << 20, grace
        self._lock = threading.Lock()
        self._here: Counter[str] = Counter()
        self._reserved: Counter[str] = Counter()

    def room(self, guest: str) -> int:
        """Bytes that this visitor may still bring."""
        held = sum(_bytes(each) for each in self._folders(guest))
        return self.most - held - self._reserved[guest]

    @contextlib.contextmanager
    def reserved(self, guest: str, size: int) -> Iterator[None]:
        """Room that an upload under way takes."""
        with self._lock:
            self._reserved[guest] += size
        try:
            yield
        finally:
            with self._lock:
                self._reserved[guest] -= size

    @contextlib.contextmanager
    def here(self, guest: str) -> Iterator[None]:
        """While one of the visitor's pages is open; soon after the last one closes, the visitor's files go."""
        with self._lock:
            self._here[guest] += 1
        try:
            yield
        finally:
            with self._lock:
                self._here[guest] -= 1
            later = threading.Timer(self.grace, self._gone, [guest])
            later.daemon = True
            later.start()

    def _gone(self, guest: str) -> None:
        with self._lock:
            if self._here[guest] > 0:
                return
            del self._here[guest]
        for each in self._folders(guest):
            shutil.rmtree(each, ignore_errors=True)

    def _folders(self, guest: str) -> list[Path]:
        return list(self.home.glob(f"{guest}-*"))


def _bytes(folder: Path) -> int:
    total = 0
    for each in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += each.lstat().st_size
    return total
