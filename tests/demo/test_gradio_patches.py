"""Gradio is as the patches expect it; one of these fails where a new version moved what is replaced, or mended it."""

from __future__ import annotations

import asyncio
import inspect

import gradio as gr
import pytest
from fastapi import HTTPException
from gradio import blocks, image_utils, processing_utils, queueing, route_utils, routes
from gradio.data_classes import PredictBody
from gradio.server_messages import HeartbeatMessage
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException

from demo.server import gradio_patches
from demo.server.gradio_patches import FilesOnly, LivingQueue, UploadedFile, close_gradio, forget, function_of
from demo.server.image_guard import checked
from demo.server.visitor_files import arriving

GRADIO_QUEUE = LivingQueue.__mro__[1]


@pytest.fixture(autouse=True)
def closed() -> None:
    close_gradio()


@pytest.fixture
def page() -> gr.Blocks:
    with gr.Blocks() as page:
        count, button = gr.State(0), gr.Button()
        button.click(lambda count: count + 1, count, count, api_name="count")
    return page


@pytest.mark.parametrize(
    ("module", "name", "ours", "asked_in"),
    [
        (queueing, "Queue", LivingQueue, (blocks, "queueing.Queue(")),
        (route_utils, "get_fn", function_of, (routes, "route_utils.get_fn(")),
        (route_utils, "GradioUploadFile", UploadedFile, (route_utils, "GradioUploadFile(")),
        (route_utils, "GradioMultiPartParser", FilesOnly, (route_utils, "GradioMultiPartParser(")),
        (image_utils, "preprocess_image", checked, (gr.components.image, "image_utils.preprocess_image(")),
        (processing_utils, "async_ssrf_protected_get", None, (processing_utils, "async_ssrf_protected_get(")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_replaced_is_what_gradio_asks_for(module, name, ours, asked_in):
    source, call = asked_in
    uses = [line for line in inspect.getsource(source).splitlines() if call in line and "def " not in line]
    assert uses, f"{source.__name__} does not ask for {call} any more"
    assert getattr(module, name) is ours or (ours is None and "close_gradio" in getattr(module, name).__qualname__)


def test_an_upload_has_a_folder_of_its_own_and_nothing_but_files(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    with arriving("visitor"):
        folders = [UploadedFile(path.open("wb"), size=0, filename="a", headers=Headers()) for path in paths]
    assert list(tmp_path.iterdir()) == [], "what was not moved to its place is removed"
    names = [upload.sha.hexdigest() for upload in folders]
    assert names[0] != names[1] and all(name.startswith("visitor-") for name in names)

    async def long_word() -> None:
        word = b'--b\r\nContent-Disposition: form-data; name="word"\r\n\r\n' + bytes(2 << 10) + b"\r\n--b--\r\n"

        async def stream():
            yield word

        headers = Headers({"content-type": "multipart/form-data; boundary=b"})
        await FilesOnly(headers, stream(), max_file_size=1 << 20).parse()

    with pytest.raises(MultiPartException, match="made of files"):
        asyncio.run(long_word())


def test_an_image_is_checked_before_it_is_decoded():
    with pytest.raises(gr.Error, match="not an image"):
        gr.Image().preprocess(gr.components.image.ImageData(url="data:image/png;base64,AAAA"))


def test_an_address_is_not_fetched(tmp_path):
    with pytest.raises(gr.Error, match="fetches nothing"):
        asyncio.run(processing_utils.async_ssrf_protected_download("https://example.com/a.mp4", str(tmp_path)))


def test_a_function_is_looked_up_without_a_state_for_its_session(page):
    body = PredictBody(data=[], session_hash="new")
    assert function_of(page, "count", body).api_name == "count" and "new" not in page.state_holder
    gradio_patches._get_fn(page, "count", body)
    assert "new" in page.state_holder, "Gradio does not make a state here any more: function_of can go"
    assert function_of(page, "count", body).api_name == "count"
    for name, index in (("other", None), (None, 99)):
        with pytest.raises(HTTPException, match="no such action"):
            function_of(page, name, PredictBody(data=[], fn_index=index))


def test_a_message_to_a_session_that_is_gone_is_dropped(page):
    event = queueing.Event("gone", page.fns[0], None, None)
    with pytest.raises(KeyError):  # where Gradio does not raise any more, send_message can go
        GRADIO_QUEUE.send_message(page._queue, event, HeartbeatMessage())
    page._queue.send_message(event, HeartbeatMessage())
    assert not event.alive


def test_gradios_loop_ends_with_what_ends_its_jobs(page):
    """`LivingQueue` tells visitors there, and counts the turns by the question how many wait."""
    ended: list[str] = []

    class Watched(GRADIO_QUEUE):
        turns = 0

        def __len__(self) -> int:
            Watched.turns += 1
            return super().__len__()

        def _cancel_asyncio_tasks(self) -> None:
            ended.append("jobs")
            super()._cancel_asyncio_tasks()

    async def live() -> None:
        queue = Watched(True, 2, 1, None, page)
        task = asyncio.create_task(queue.start_processing())
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert queue.stopped

    asyncio.run(live())
    assert ended == ["jobs"] and Watched.turns > 3


def test_a_session_is_forgotten_in_every_table(page):
    queue = page._queue
    tables = (page.state_holder.session_data, page.state_holder.time_last_used)
    boxes = (queue.pending_messages_per_session, queue.pending_event_ids_session)
    assert page.state_holder["mine"] is not None
    boxes[0]["mine"], boxes[1]["mine"] = asyncio.Queue(), {"event"}
    assert all("mine" in table for table in (*tables, *boxes))
    assert queue.session_of("event") == "mine" and queue.undelivered("mine") and queue.listens("mine")
    forget(page, "mine")
    assert not any("mine" in table for table in (*tables, *boxes))
    in_gradio = {name for name, value in vars(queue).items() if isinstance(value, dict)}
    assert in_gradio == {
        "pending_messages_per_session", "pending_event_ids_session", "event_ids_to_events", "event_analytics",
        "event_queue_per_concurrency_id", "process_time_per_fn", "events_recorded_per_fn",
        "cached_event_analytics_summary",
    }, "a new table of the queue: does it keep something of a session?"  # fmt: skip
