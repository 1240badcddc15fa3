"""Who may use the page, and which requests pass: the gate in front of Gradio.

A page on this computer can be reached by every website that is open in its browser. So a request must name this
computer as its host (DNS rebinding names another) and come from the page itself (a foreign `Origin` does not). What
Gradio offers and this page does not need is closed, and nothing is fetched for a visitor who sends an address.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import math
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actrec.core.errors import Refusal
from demo.server.gradio_patches import API
from demo.server.visitor_files import COOKIE, VisitorFiles, arriving, cookie_in, fresh_cookie, is_ours, visitor_name

# What the page and its clients ask for; a name that ends in / or = opens what lies under it.
PAGES = (
    "", "config", "login", "logout", "theme.css", "favicon.ico", "manifest.json", "robots.txt", "static/", "assets/",
    "svelte/", "healthz",
)  # fmt: skip
CALLS = (
    "queue/", "call/", "stream/", "heartbeat/", "upload", "upload_progress", "file=", "startup-events", "info",
    "cancel", "reset", "theme.css", "app_id", "login_check", "user",
)  # fmt: skip
POLICY = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
SHORTEST_PASSWORD = 8
LOGIN = 4 << 10  # bytes of a name and a password
BODY = 4 << 20  # bytes of a click or of a camera's frame, which needs a twentieth
SMALL = 64 << 10  # bytes of anything else
WRONG = 0.3  # seconds that a wrong password takes; one is checked at a time


class AccessError(Refusal):
    """A way of starting the page that would leave it open."""


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches what listens there."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def others_get_in(host: str, names: Sequence[str] = ()) -> bool:
    """Whether the page is for more than this computer: it listens to others, or goes by the name of a proxy."""
    return not all(map(is_loopback, (host, *names)))


def password_for(host: str, given: str | None, names: Sequence[str] = ()) -> str | None:
    """The password the page asks for: any or none on this computer alone, a good one where others get in."""
    password = given or os.environ.get("ACTREC_PASSWORD") or None
    if password is None and not others_get_in(host, names):
        return None
    if password is None or len(password) < SHORTEST_PASSWORD:
        where = f"On {host}" if not is_loopback(host) or not names else f"As {names[0]}"
        raise AccessError(
            f"{where} others can open this page: it needs a password of at least {SHORTEST_PASSWORD} characters. "
            "Set ACTREC_PASSWORD (or --password, which other users of this computer can see)."
        )
    return password


def warning(host: str, names: Sequence[str] = ()) -> str:
    """What to know before others open the page."""
    if not others_get_in(host, names):
        return ""
    return (
        "Others can open this page now, with the password and any name. Browsers give a camera only to pages from "
        "their own computer or over https. For others put a proxy with a certificate in front, named with --name."
    )


def names_for(host: str, more: list[str]) -> frozenset[str]:
    """The names by which the page may be called, besides addresses."""
    own = {"localhost", *(name.lower() for name in more)}
    if not is_loopback(host):
        name = socket.gethostname().lower()
        own |= {name, f"{name}.local", host.lower()}
    return frozenset(own)


def login(password: str) -> Callable[[str, str], Awaitable[bool]]:
    """Gradio's question whether name and password are right: any name, and no guessing at speed."""
    one_at_a_time = asyncio.Lock()

    async def right(_: str, word: str) -> bool:
        async with one_at_a_time:
            if hmac.compare_digest(word.encode(), password.encode()):
                return True
            await asyncio.sleep(WRONG)
            return False

    return right


class Gate:
    """In front of every request and websocket of the page."""

    def __init__(self, app: ASGIApp, names: frozenset[str], only_here: bool, files: VisitorFiles) -> None:
        self.app, self.names, self.only_here, self.files = app, names, only_here, files
        self._measuring = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if (refusal := self.refused(scope, headers)) is not None:
            await _refuse(scope, receive, send, *refusal)
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        cookie = cookie_in(headers)
        visitor = visitor_name(cookie, (scope.get("client") or ("",))[0])
        fresh = fresh_cookie() if not is_ours(cookie) and scope["path"] == "/" else None
        send = _with_headers(send, fresh)
        name = scope["path"].removeprefix(API)
        if name == "upload":
            await self._upload(visitor, scope, receive, send, headers)
        else:
            await self.app(scope, receive, send)

    def refused(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Why a request may not come in: a status and a sentence; None if it may."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            return 403, "This page does not go by that name. Open it by the address its program printed."
        origin = headers.get("origin")
        if origin is not None and _parts(origin).netloc.lower() != host.lower():
            return 403, "This page answers only itself, not another website. A proxy must pass on the Host header."
        link = scope["path"] == "/" and scope.get("method") == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not link:
            return 403, "This page answers only itself, not another website."
        if not _open(scope["path"]):
            return 404, "There is nothing here."
        if scope["path"].startswith(f"{API}file=") and "://" in scope["path"]:
            return 403, "This page fetches nothing by an address."
        if "transfer-encoding" in headers:  # would be read to its end, into memory, before anyone asks for the password
            return 411, "This request needs a Content-Length header."
        if _length(headers, 0) > _most(scope["path"]):
            return 413, "This request is too large."
        return None

    def _is_ours(self, host: str) -> bool:
        name = _parts(f"//{host}").hostname or ""
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name in self.names
        return address.is_loopback or not self.only_here

    async def _upload(self, visitor: str, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        """An upload within what its visitor may leave here; whatever breaks it off, no half file stays."""
        length = _length(headers, -1)
        if length < 0:
            return await _refuse(scope, receive, send, 411, "An upload needs a Content-Length header.")
        async with self._measuring:
            refusal = await asyncio.to_thread(self.files.admit, visitor, length)
        if refusal is not None:
            return await _refuse(scope, receive, send, *refusal)
        try:
            with arriving(visitor):
                return await self.app(scope, receive, send)
        finally:
            self.files.release(visitor, length)


def _open(path: str) -> bool:
    """Whether a path leads to something the page needs."""
    name, known = (path.removeprefix(API), CALLS) if path.startswith(API) else (path.removeprefix("/"), PAGES)
    return any(name.startswith(entry) if entry.endswith(("/", "=")) else name.rstrip("/") == entry for entry in known)


def _most(path: str) -> float:
    """Bytes that a request may bring; what an upload may is asked later."""
    if path == f"{API}upload":
        return math.inf
    if path.rstrip("/") == "/login":
        return LOGIN
    return BODY if path.startswith((f"{API}queue/", f"{API}stream/")) else SMALL


def _parts(address: str) -> SplitResult:
    """The parts of an address; empty ones where it is none."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _length(headers: Headers, missing: int) -> int:
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else missing


def _with_headers(send: Send, fresh: str | None) -> Send:
    """The answer with the headers that browsers enforce, and a new visitor's cookie."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            if fresh is not None:
                headers.append("Set-Cookie", f"{COOKIE}={fresh}; Path=/; HttpOnly; SameSite=Strict")
        await send(message)

    return sending


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, sentence: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": sentence})
        return
    await PlainTextResponse(sentence, status, HEADERS)(scope, receive, send)
