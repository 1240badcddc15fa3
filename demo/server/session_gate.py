"""Requests that name a session or an event are checked before Gradio gets them; `/healthz` is answered here.

Gradio puts a job that came under an odd name into its queue first and fails on it later, for everybody. And it does
not check whose session a name is.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs

import orjson
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo.server.gradio_patches import API, LivingQueue
from demo.server.sessions import Refused, Visitor, visiting
from demo.server.visitor_files import VisitorFiles, visitor_of

HEALTH = "/healthz"
PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
CARRIERS = ("queue", "call", "stream", "heartbeat", "cancel", "reset")  # first parts of the paths that are checked
NOT_JSON = Refused(400, "The body of this request is no JSON object.")
NO_SESSION = Refused(400, 'This needs a "session_hash" of 1 to 64 letters, digits, "-" or "_".')
ODD_SESSION = Refused(
    400,
    'A session is named by 1 to 64 letters, digits, "-" or "_". To begin a new one by /call, leave "session_hash" out.',
)
ODD_EVENT = Refused(400, 'An event is named by 1 to 64 letters, digits, "-" or "_".')
NO_EVENT = Refused(404, "There is no such event: it was answered, or its session is over.")
OVER = Refused(404, "This session is over. Reload the page.")
CLOSED = Refused(404, "There is nothing here.")
OTHERWISE = Refused(405, "This method is not allowed here.")


class SessionGate:
    """Behind the gate, in front of Gradio."""

    def __init__(self, app: ASGIApp, queue: LivingQueue, files: VisitorFiles) -> None:
        self.app, self.queue, self.sessions, self.files = app, queue, queue.sessions, files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if scope["path"].rstrip("/") == HEALTH:
            return await self._health()(scope, receive, send)
        parts = scope["path"].removeprefix(API).strip("/").split("/")
        if not scope["path"].startswith(API) or parts[0] not in CARRIERS:
            return await self.app(scope, receive, send)
        token = visiting.set(visitor_of(scope))
        try:
            return await self._check(parts, scope, receive, send)
        finally:
            visiting.reset(token)

    async def _check(self, parts: list[str], scope: Scope, receive: Receive, send: Send) -> None:
        refused: Refused | None = None
        visitor, once = visiting.get(), ""
        match (scope["method"], *parts):
            case ("POST", "queue", "join"):
                refused, receive = await self._body(receive, visitor, required=True)
            case (_, "call", "v2", *_):
                refused = CLOSED
            case ("POST", "call", _):
                refused, receive = await self._body(receive, visitor)
            case ("POST", "cancel") | ("POST", "reset"):
                refused, receive = await self._body(receive, visitor)
            case ("POST", "stream", event):
                refused = self._event(event, visitor)
                if refused is None:
                    refused, receive = await self._body(receive, visitor, event=event)
            case ("POST", "stream", event, "close"):
                refused = self._event(event, visitor)
            case ("GET", "call", _, event):
                refused = self._event(event, visitor)
                once = event
            case ("GET", "queue", "data"):
                names = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [])
                session = names[0] if len(names) == 1 else ""
                refused = self._session(session, visitor)
                if refused is None and not self.queue.listens(session):
                    refused = OVER
            case ("GET", "queue", "status"):
                pass
            case ("GET", "stream", session, _, *_):
                refused = self._session(session, visitor)
            case ("GET", "heartbeat", session):
                refused = self._session(session, visitor)
                if refused is None:
                    with self.files.here(visitor.name, session), self.sessions.page(session):
                        return await self.app(scope, receive, send)
            case _:
                refused = OTHERWISE
        if refused is not None:
            return await _answer(refused)(scope, receive, send)
        session = self.queue.session_of(once) if once else None
        try:
            await self.app(scope, receive, send)
        finally:
            if session and self.sessions.once(session) and not self.queue.undelivered(session):
                self.sessions.forget(session)

    def _session(self, session: object, visitor: Visitor) -> Refused | None:
        if not isinstance(session, str) or not PLAIN.fullmatch(session):
            return ODD_SESSION
        return self.sessions.foreign(session, visitor)

    def _event(self, event: object, visitor: Visitor) -> Refused | None:
        if not isinstance(event, str) or not PLAIN.fullmatch(event):
            return ODD_EVENT
        session = self.queue.session_of(event)
        return NO_EVENT if session is None else self.sessions.foreign(session, visitor)

    async def _body(
        self, receive: Receive, visitor: Visitor, required: bool = False, event: str = ""
    ) -> tuple[Refused | None, Receive]:
        """A refusal or None, and the body once more. An empty one goes on: Gradio asks for the password and refuses."""
        content = await _read(receive)
        if content is None or not content:
            return None, _again(content, receive)
        try:
            body = orjson.loads(content)
        except orjson.JSONDecodeError:
            return NOT_JSON, receive
        if not isinstance(body, dict):
            return NOT_JSON, receive
        return self._refusal(body, visitor, required, event), _again(content, receive)

    def _refusal(self, body: dict[str, object], visitor: Visitor, required: bool, event: str) -> Refused | None:
        session, about = body.get("session_hash"), body.get("event_id")
        if session is None and required:
            return NO_SESSION
        if session is not None and (refused := self._session(session, visitor)) is not None:
            return refused
        if event and session is not None and session != self.queue.session_of(event):
            return Refused(403, "This event belongs to another session.")
        if about is None:
            return None
        refused = self._event(about, visitor)
        return None if refused is NO_EVENT else refused  # one that was answered meanwhile can still be cancelled

    def _health(self) -> JSONResponse:
        pulse = self.queue.pulse()
        return JSONResponse(pulse, 200 if pulse["status"] == "ok" else 503, {"Cache-Control": "no-store"})


def _answer(refused: Refused) -> JSONResponse:
    """A refusal as Gradio's clients read it."""
    headers = {"Retry-After": str(refused.retry_after)} if refused.retry_after else None
    return JSONResponse({"detail": refused.sentence}, refused.status, headers)


async def _read(receive: Receive) -> bytes | None:
    """The body of a request, whose length the gate has measured; None where its sender is gone."""
    content = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        content += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(content)


def _again(content: bytes | None, receive: Receive) -> Receive:
    """The messages of a request, with the body that was read already."""
    first = {"type": "http.disconnect"} if content is None else {"type": "http.request", "body": content}

    async def receiving() -> Message:
        nonlocal first
        if first is not None:
            message, first = first, None
            return message
        return await receive()

    return receiving
