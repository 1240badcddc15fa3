"""All that is changed inside Gradio; `tests/demo/test_gradio_patches.py` fails for each where Gradio changes.

Only the stubs for editors are switched off elsewhere, in `demo.server.no_pyi`: that comes before Gradio is imported.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Literal

import gradio as gr
from fastapi import HTTPException, Request
from gradio import image_utils, processing_utils, queueing, route_utils
from gradio.block_function import BlockFunction
from gradio.data_classes import PredictBody, PredictBodyInternal
from gradio.queueing import Event
from gradio.route_utils import FnIndexInferError
from gradio.server_messages import EventMessage, ProcessCompletedMessage
from gradio.utils import error_payload
from starlette.formparsers import MultiPartException

from demo.server.image_guard import checked
from demo.server.sessions import Refused, Sessions, visiting
from demo.server.visitor_files import folder_for, uploading

API = "/gradio_api/"
FIELD = 1 << 10  # bytes of a word that comes with an upload
WAITING = 40  # jobs of one visitor that wait at once
QUEUE = 200  # jobs of all visitors that wait at once
STALE = 10.0  # seconds without a turn of the queue after which it counts as dead
PAUSE, LONGEST = 0.2, 5.0  # seconds before a queue that ended is started again: the first time, and when it ends often
CALM = 60.0  # seconds after which a queue that ended counts as healthy again
ENDING = 5.0  # seconds that broken jobs have to give back their places
BROKE_OFF = "The page's queue broke off and was started again. Please ask once more."

log = logging.getLogger(__name__)
_get_fn = route_utils.get_fn


def close_gradio() -> None:
    """Uploads get names of their own and are files only, an address in the place of a file is not fetched, images are
    small, a refused session costs nothing, and the queue lives."""

    async def nothing_is_fetched(url: str) -> None:
        raise gr.Error("This page fetches nothing by an address. Upload the file itself.", print_exception=False)

    route_utils.GradioUploadFile = UploadedFile
    route_utils.GradioMultiPartParser = FilesOnly
    processing_utils.async_ssrf_protected_get = nothing_is_fetched
    image_utils.preprocess_image = checked
    route_utils.get_fn = function_of
    queueing.Queue = LivingQueue


def function_of(blocks: gr.Blocks, api_name: str | None, body: PredictBody) -> BlockFunction:
    """What a request asks for. Gradio would make the state of its session first, thirty milliseconds' work, and drop
    another's for it; a session without a state has the functions of the page."""
    if body.session_hash and body.session_hash not in blocks.state_holder:
        body = body.model_copy(update={"session_hash": None})
    try:
        return _get_fn(blocks, api_name, body)
    except (KeyError, FnIndexInferError):
        raise HTTPException(404, f"There is no such action here; {API}info names those for programs.") from None


class UploadedFile(route_utils.GradioUploadFile):
    """An upload under a random name. Gradio names the folder after the content: two visitors would share one."""

    def __init__(self, file: BinaryIO, **rest: Any) -> None:
        super().__init__(file, **rest)
        visitor, files = uploading.get()
        files.append(Path(file.name))
        self.sha = _Random(visitor)


class FilesOnly(route_utils.GradioMultiPartParser):
    """What is no file in an upload would be collected in memory."""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is None and len(self._current_part.data) + end - start > FIELD:
            raise MultiPartException("An upload is made of files.")
        super().on_part_data(data, start, end)


class _Random:
    """Stands where Gradio keeps a checksum."""

    def __init__(self, visitor: str) -> None:
        self._name = folder_for(visitor)

    def update(self, data: bytes) -> None:
        return

    def hexdigest(self) -> str:
        return self._name


class LivingQueue(queueing.Queue):
    """Gradio's queue, which one job cannot stop: it asks whose a session is, and is started again when it ended."""

    def __init__(self, *settings: Any, **more: Any) -> None:
        super().__init__(*settings, **more)
        self.sessions = Sessions(self.busy)
        self.restarts = 0
        self._closed = False
        self._loop: asyncio.Task[None] | None = None
        self._turned = -STALE  # when the loop last came round
        self._broken: list[asyncio.Task[None]] = []

    async def push(
        self, body: PredictBodyInternal, request: Request, username: str | None
    ) -> tuple[bool, str | list[dict[str, Any]], Literal["success", "error", "queue_full", "validator_error"]]:
        """Queue a job of a session that may ask. The password was asked before."""
        visitor, once = visiting.get(), body.session_hash is None
        if once:
            body.session_hash = secrets.token_urlsafe(24)
        refused = self._too_many(visitor.name) or self.sessions.admit(body.session_hash, visitor, once)
        if refused is not None:
            headers = {"Retry-After": str(refused.retry_after)} if refused.retry_after else None
            raise HTTPException(refused.status, refused.sentence, headers)
        return await super().push(body, request, username)

    def send_message(self, event: Event, event_message: EventMessage) -> None:
        """Gradio raises KeyError where a session is gone, in the middle of the loop that serves everybody."""
        if self.listens(event.session_hash):
            super().send_message(event, event_message)
        else:
            event.alive = False

    async def process_events(self, events: list[Event], batch: bool, begin_time: float, fn: BlockFunction) -> None:
        """Answer jobs, but none for a session that is gone; the state of a single call goes when it is answered."""
        for event in events:
            event.alive = event.alive and self.listens(event.session_hash)
        try:
            await super().process_events(events, batch, begin_time, fn)
        finally:
            for event in events:
                self._answered(event)

    def start(self) -> None:
        self._closed = False
        super().start()

    def close(self) -> None:
        self._closed = True
        super().close()

    async def start_processing(self) -> None:
        """Gradio's loop, started again whenever it ends before the page does; those who waited get a sentence."""
        pause = PAUSE
        while not self._closed:
            since = time.monotonic()
            self._loop = asyncio.create_task(self._process())
            await asyncio.wait({self._loop})
            if self._closed:
                return
            error = None if self._loop.cancelled() else self._loop.exception()
            log.error("The queue ended and is started again.", exc_info=error)
            self.restarts += 1
            await self._free_places()
            pause = PAUSE if time.monotonic() - since > CALM else min(2 * pause, LONGEST)
            await asyncio.sleep(pause)

    async def start_progress_updates(self) -> None:
        while not self._closed:
            try:
                await super().start_progress_updates()
            except Exception:
                log.exception("The bars of progress ended and are started again.")
            await asyncio.sleep(PAUSE)

    def __len__(self) -> int:
        """Jobs that wait. The loop asks for it in each turn."""
        with contextlib.suppress(RuntimeError):  # asked from another thread
            if asyncio.current_task() is self._loop is not None:
                self._turned = time.monotonic()
        return super().__len__()

    def pulse(self) -> dict[str, str | int]:
        """Whether jobs are being taken from the queue, and how many there are."""
        running = self._loop is not None and not self._loop.done() and not self.stopped
        alive = running and time.monotonic() - self._turned < STALE
        return {
            "status": "ok" if alive else "stopped",
            "waiting": len(self),
            "running": self.get_active_worker_count(),
            "restarts": self.restarts,
        }

    def busy(self) -> set[str]:
        """Sessions with a job that waits or runs."""
        return {event.session_hash for event in self.event_ids_to_events.values()}

    def listens(self, session: str) -> bool:
        """Whether a session has a box for messages."""
        return session in self.pending_messages_per_session

    def session_of(self, event_id: str) -> str | None:
        """The session of an event that waits, runs, or has an answer that was not fetched yet."""
        if (event := self.event_ids_to_events.get(event_id)) is not None:
            return event.session_hash
        pending = self.pending_event_ids_session.items()
        return next((session for session, events in pending if event_id in events), None)

    def undelivered(self, session: str) -> bool:
        """Whether a session has an answer to come or to fetch."""
        return bool(self.pending_event_ids_session.get(session))

    def forget(self, session: str) -> None:
        """Drop a session's box and the names of its events; its jobs are not answered any more."""
        self.pending_messages_per_session.pop(session, None)
        self.pending_event_ids_session.pop(session, None)

    def _cancel_asyncio_tasks(self) -> None:
        """What Gradio does last when its loop ends; whoever waits hears of it before the jobs are gone."""
        self._broken = list(self._asyncio_tasks)
        if not self._closed:
            self._break_off()
        super()._cancel_asyncio_tasks()

    def _too_many(self, visitor: str) -> Refused | None:
        if self.max_size is not None and len(self) >= self.max_size:
            return Refused(503, f"The page is busy: {len(self)} jobs are waiting. Try again in a minute.", 60)
        waiting = sum(self.sessions.visitor_of(event.session_hash) == visitor for event in self._waiting())
        if waiting < WAITING:
            return None
        return Refused(429, f"You have {waiting} jobs waiting already. Try again when some are done.", 5)

    def _waiting(self) -> Iterable[Event]:
        for jobs in self.event_queue_per_concurrency_id.values():
            yield from jobs.queue

    def _answered(self, event: Event) -> None:
        """Drop the state that is not needed after a job."""
        once = self.sessions.once(event.session_hash)
        if once:
            _drop_state(self.blocks, event.session_hash)
        if not event.alive:  # nobody listens any more
            self.pending_event_ids_session.get(event.session_hash, set()).discard(event._id)
            if once:
                self.sessions.forget(event.session_hash)

    async def _process(self) -> None:
        try:
            await super().start_processing()
        finally:
            self.stopped = self._closed  # in the same breath: nobody sees a stopped queue that is about to live

    def _break_off(self) -> None:
        """End every job with a sentence to whoever waits for it."""
        for jobs in self.event_queue_per_concurrency_id.values():
            jobs.queue.clear()
        for event in list(self.event_ids_to_events.values()):
            error = error_payload(gr.Error(BROKE_OFF, print_exception=False), True)
            self.send_message(event, ProcessCompletedMessage(output=error, success=False, title="Error"))
            self.event_ids_to_events.pop(event._id, None)

    async def _free_places(self) -> None:
        """Give back the places of the jobs that were ended, of those too that never started."""
        if self._broken:
            _, late = await asyncio.wait(self._broken, timeout=ENDING)
            if late:
                return  # they give back their places themselves
        self.active_jobs = [None] * len(self.active_jobs)
        for jobs in self.event_queue_per_concurrency_id.values():
            jobs.current_concurrency = 0
            jobs.start_times_per_fn.clear()


def forget(page: gr.Blocks, session: str) -> None:
    """Drop a session's state. Gradio would keep it for an hour, in case that the page comes back."""
    _drop_state(page, session)
    page._queue.forget(session)


def _drop_state(page: gr.Blocks, session: str) -> None:
    states = page.state_holder
    with states.lock:
        states.session_data.pop(session, None)
        states.time_last_used.pop(session, None)
