"""A visitor's files: in folders that nobody can guess, within a measure, and gone when the visitor is.

Whose a file is stands in the name of its folder, `VISITOR-RANDOM`, so that nothing has to be kept in step with the
disk. A visitor is a cookie that the page gives; clients without one share what comes from their address.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from gradio.context import LocalContext
from starlette.datastructures import Headers
from starlette.types import Scope

from demo.server.sessions import Visitor

COOKIE = "actrec-visitor"
NOBODY = "nobody"
MEGABYTES = 1000  # that one visitor's files may take together
WHOLE = 16  # times as much is what all visitors' files may take together
SPARE = 256 << 20  # bytes that stay free on a disk
BLOCK = 4 << 10  # bytes that a file takes at least, and a folder
GRACE = 30.0  # seconds after which a visitor who left does not come back; a reload takes less
EMPTY = 600.0  # seconds after which an empty file is not an upload that is just starting
_KEY = secrets.token_bytes(32)  # of this start of the program
uploading: ContextVar[tuple[str, list[Path]]] = ContextVar("uploading")


def fresh_cookie() -> str:
    name = secrets.token_urlsafe(24)
    return f"{name}.{_signed(name)}"


def is_ours(cookie: str | None) -> bool:
    """Whether this program gave the cookie. Whoever could invent one would be as many visitors as they like."""
    name, _, mark = (cookie or "").partition(".")
    return hmac.compare_digest(mark.encode(), _signed(name).encode())


def _signed(name: str) -> str:
    return hmac.new(_KEY, name.encode(), "sha256").hexdigest()


def visitor_name(cookie: str | None, address: str) -> str:
    """A visitor's name for folders; the cookie cannot be found from it."""
    source = f"cookie {cookie}" if is_ours(cookie) else f"address {address}"
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def cookie_in(headers: Headers) -> str | None:
    """The visitor's cookie that a request carries."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None


def visitor_of(scope: Scope) -> Visitor:
    """Who sends a request."""
    address = (scope.get("client") or ("",))[0]
    return Visitor(visitor_name(cookie_in(Headers(scope=scope)), address), visitor_name(None, address))


def current_visitor() -> str:
    """The visitor whose event is being answered in this thread."""
    request = LocalContext.request.get(None)
    if request is None:
        return NOBODY
    client = getattr(request, "client", None)
    return visitor_name(request.cookies.get(COOKIE), getattr(client, "host", "") or "")


def folder_for(visitor: str) -> str:
    return f"{visitor}-{secrets.token_hex(12)}"


@contextlib.contextmanager
def arriving(visitor: str) -> Iterator[None]:
    """While an upload comes in; what was not moved to its place by the end is removed."""
    files: list[Path] = []
    token = uploading.set((visitor, files))
    try:
        yield
    finally:
        uploading.reset(token)
        for path in files:
            path.unlink(missing_ok=True)


class VisitorFiles:
    """The files of the visitors who are here, in one folder, and the disk space that each may use."""

    def __init__(self, folder: Path, megabytes: int = MEGABYTES, grace: float = GRACE) -> None:
        self.folder, self.most, self.grace = Path(folder), megabytes << 20, grace
        self.forget: Callable[[str], object] = str  # what to do with the memory of a page that was closed
        self._lock = threading.Lock()
        self._here: Counter[str] = Counter()
        self._leaving: dict[str, asyncio.TimerHandle] = {}
        self._reserved: Counter[str] = Counter()

    def admit(self, visitor: str, size: int) -> tuple[int, str] | None:
        """Reserve disk space for an upload, until `release`; a status and a sentence where there is too little.

        One at a time, and not in the event loop: a slow disk is waited for.
        """
        if size > self.left(visitor):
            return 413, f"A visitor's files may take {self.most >> 20} MB together. Reload to start anew."
        reserved = sum(self._reserved.values())
        left = min(WHOLE * self.most - bytes_in(self.folder), shutil.disk_usage(self.folder).free - SPARE)
        if size > left - reserved:
            return 507, "There is no disk space for this file on this computer."
        with self._lock:
            self._reserved[visitor] += size
        return None

    def release(self, visitor: str, size: int) -> None:
        """The upload is over; what it left is measured on the disk."""
        with self._lock:
            self._reserved[visitor] -= size

    def left(self, visitor: str) -> int:
        """Bytes that this visitor may still bring."""
        used = sum(map(bytes_in, self._folders(visitor)))
        return self.most - used - self._reserved[visitor]

    @contextlib.contextmanager
    def here(self, visitor: str, session: str = "") -> Iterator[None]:
        """While a page is open, in the event loop. Soon after it closes, its memory is freed; soon after the
        last of its visitor's pages closes, the visitor's files."""
        loop = asyncio.get_running_loop()
        files = partial(loop.run_in_executor, None, self._remove, visitor)
        with (
            self._until_gone(f"files {visitor}", files),
            self._until_gone(f"page {session}", partial(self.forget, session)),
        ):
            yield

    @contextlib.contextmanager
    def _until_gone(self, what: str, gone: Callable[[], object]) -> Iterator[None]:
        """Nothing but a note waits for the end of the grace: pages can be opened and closed by the thousand."""
        if what in self._leaving:
            self._leaving.pop(what).cancel()
        self._here[what] += 1
        try:
            yield
        finally:
            self._here[what] -= 1
            if not self._here[what]:
                del self._here[what]
                self._leaving[what] = asyncio.get_running_loop().call_later(self.grace, self._gone, what, gone)

    def _gone(self, what: str, gone: Callable[[], object]) -> None:
        del self._leaving[what]
        gone()

    def _remove(self, visitor: str) -> None:
        for folder in self._folders(visitor):
            shutil.rmtree(folder, ignore_errors=True)
        for path in self.folder.glob("tmp*"):  # Gradio leaves an empty file for each that it hands to a callback
            with contextlib.suppress(OSError):
                if path.is_file() and not path.stat().st_size and time.time() - path.stat().st_mtime > EMPTY:
                    path.unlink()

    def _folders(self, visitor: str) -> list[Path]:
        return list(self.folder.glob(f"{visitor}-*"))


def bytes_in(folder: Path) -> int:
    """The disk space of a folder and all in it; empty files count too."""
    total = BLOCK
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            with contextlib.suppress(OSError):  # gone just now
                total += max(os.lstat(os.path.join(parent, name)).st_size, BLOCK)
    return total
