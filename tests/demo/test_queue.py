"""One odd request, one visitor or one broken loop does not stop the page for the others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from demo.server.gradio_patches import BROKE_OFF, QUEUE, WAITING
from demo.server.sessions import BURST, FORGOTTEN, IDLE, MOST, PER_VISITOR, Refused, Sessions, Visitor

API = "/gradio_api"
COOKIE = "actrec-visitor"
FILE = {"meta": {"_type": "gradio.FileData"}}
SEND = {"Content-Type": "application/json"}
ODD_SESSIONS = ["", " ", "a b", "a/b", "a\n", "é", "x" * 65, 5, True, ["a"], {"a": 1}, "../x"]


ODD_BODIES = [b"[]", b'"a"', b"5", b"{", b"\xff\xfe{}", b"[" * 5000, b"null", b'{"a": NaN}']


class Held:
    """Motion that begins and does not end until it is let go."""

    def __init__(self) -> None:
        self.started, self.go, self.working = threading.Semaphore(0), threading.Event(), True

    def __call__(self, clip: object, path: object, fps: float) -> str:
        if self.working:
            self.started.release()
            self.go.wait(60)
        path.write_bytes(b"a video")
        return str(path)


@pytest.fixture
def held(monkeypatch) -> Iterator[Held]:
    held = Held()
    monkeypatch.setattr("actrec.explain.overlays.salience_video", lambda *words: held(*words))
    monkeypatch.setattr("demo.server.services.Services.read", lambda *_, **__: None)
    yield held
    held.go.set()


@pytest.fixture(autouse=True)
def calm(page):
    """Each test begins with a queue that lives, is empty and has forgotten how fast sessions began."""
    _until(lambda: page.get("/healthz").json() | {"restarts": 0} == _idle_pulse())
    page.queue.sessions._rates.clear()
    page.queue.sessions._all.__init__(400, 40.0, time.monotonic())


def _idle_pulse() -> dict[str, object]:
    return {"status": "ok", "waiting": 0, "running": 0, "restarts": 0}


def call(page, cookie: str = "", **more: object) -> httpx.Response:
    """Ask for a video by plain HTTP."""
    asked = {"data": [None]} | more
    return page.get(f"{API}/call/motion", "POST", json=asked, cookies={COOKIE: cookie} if cookie else {})


def answer(page, event: str, cookie: str = "") -> str:
    return page.get(f"{API}/call/motion/{event}", cookies={COOKIE: cookie} if cookie else {}).text


def join(page, session: str, cookie: str = "", **more: object) -> httpx.Response:
    """Ask for a video as the page's own script does."""
    function = next(
        event["id"] for event in page.get("/config").json()["dependencies"] if event["api_name"] == "motion"
    )
    asked = {"data": [None], "fn_index": function, "session_hash": session} | more
    return page.get(f"{API}/queue/join", "POST", json=asked, cookies={COOKIE: cookie} if cookie else {})


def in_the_servers_loop(page, work) -> object:
    """Run a function where the queue runs."""
    done: list[object] = []
    loop = page.queue._loop.get_loop()
    loop.call_soon_threadsafe(lambda: done.append(work()))
    _until(lambda: done)
    return done[0]


def _until(holds, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _sentence(reply: httpx.Response) -> str:
    """The sentence of a refusal."""
    sentence = reply.json()["detail"]
    assert isinstance(sentence, str) and sentence[0].isupper() and sentence.endswith("."), sentence
    return sentence


@pytest.mark.parametrize("session", ODD_SESSIONS, ids=repr)
def test_an_odd_session_among_waiting_jobs_is_refused_and_they_are_answered(page, held, session):
    waiting = [call(page).json()["event_id"] for _ in range(5)]  # two begin, three wait
    odd = call(page, session_hash=session)
    assert odd.status_code == 400 and "1 to 64" in _sentence(odd)
    assert join(page, session).status_code == 400
    held.go.set()
    assert all("event: complete" in answer(page, event) for event in waiting)
    assert call(page).status_code == 200 and page.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "body", [b"[]", b'"a"', b"5", b"{", b"\xff\xfe{}", b"{" * 5000, b"null", b'{"a": NaN}'], ids=repr
)
@pytest.mark.parametrize("path", ["queue/join", "call/motion", "cancel", "reset"])
def test_a_body_that_is_no_json_object_is_refused(page, path, body):
    reply = page.get(f"{API}/{path}", "POST", content=body, headers=SEND)
    assert reply.status_code == 400 and "JSON object" in _sentence(reply)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "queue/data", 400),
        ("GET", "queue/data?session_hash=", 400),
        ("GET", "queue/data?session_hash=a%20b", 400),
        ("GET", "queue/data?session_hash=a&session_hash=b", 400),
        ("GET", "queue/data?session_hash=nobody-began-it", 404),
        ("GET", "heartbeat/a%20b", 400),
        ("GET", f"heartbeat/{'x' * 65}", 400),
        ("GET", "heartbeat/a/b", 405),
        ("GET", "call/motion/a%20b", 400),
        ("GET", "call/motion/nobody-asked", 404),
        ("GET", "call/v2/motion/nobody-asked", 404),
        ("POST", "call/v2/motion", 404),
        ("POST", "stream/nobody-asked", 404),
        ("POST", "stream/nobody-asked/close", 404),
        ("GET", "stream/a%20b/1/2/playlist.m3u8", 400),
        ("PUT", "queue/join", 405),
    ],
)
def test_what_names_no_session_or_event_is_refused_with_a_sentence(page, method, path, status):
    reply = page.get(f"{API}/{path}", method)
    assert reply.status_code == status
    _sentence(reply)


def test_a_join_without_a_session_is_refused(page):
    reply = page.get(f"{API}/queue/join", "POST", json={"data": [None], "fn_index": 0})
    assert reply.status_code == 400 and "session_hash" in _sentence(reply)


def test_thousands_of_invented_sessions_push_nobody_out(page, held):
    honest = page.cookie()
    mine = call(page, honest, session_hash="honest").json()["event_id"]
    others = [call(page, page.cookie()).json()["event_id"] for _ in range(3)]
    statuses: Counter[int] = Counter()
    with httpx.Client(base_url=page.address) as client:
        for number in range(2030):
            body = {"data": [None], "session_hash": f"invented-{number}"}
            reply = client.post(f"{API}/call/motion", json=body, timeout=60)
            statuses[reply.status_code] += 1
    assert set(statuses) == {200, 429} and statuses[200] <= WAITING
    assert int(reply.headers["Retry-After"]) >= 1 and "waiting already" in _sentence(reply)
    assert call(page, honest, session_hash="honest").status_code == 200, "another visitor still gets in"
    states = sum(name.startswith("invented") for name in page.sessions)
    assert states <= statuses[200], "what was refused has made no state, for which Gradio would drop another's"
    assert len(page.queue.sessions) < MOST < page.queue.pending_messages_per_session.max_size
    held.go.set()
    assert "event: complete" in answer(page, mine, honest)
    _until(lambda: page.get("/healthz").json()["waiting"] == 0)
    assert page.get("/healthz").json()["restarts"] == page.restarts()
    assert all(page.queue.session_of(event) for event in others), "their answers wait for them"


def test_sessions_begin_at_a_bounded_rate(page, held, monkeypatch):
    held.working = False
    monkeypatch.setattr("demo.server.sessions.BURST", 5)
    monkeypatch.setattr("demo.server.sessions.RATE", 0.02)
    replies = [call(page, session_hash=f"fast-{number}") for number in range(6)]
    assert [reply.status_code for reply in replies] == [200] * 5 + [429]
    assert "begin at once" in _sentence(replies[-1]) and 1 <= int(replies[-1].headers["Retry-After"]) <= 50
    assert call(page, session_hash="fast-0").status_code == 200, "a known session goes on"
    assert call(page, page.cookie()).status_code == 200, "so does another visitor"


def test_so_many_sessions_of_a_visitor_begin_at_once_and_then_so_many_a_second():
    now = [0.0]
    sessions = Sessions(clock=lambda: now[0])
    one, names = Visitor("one", "here"), iter(range(1000))

    def begin(times: int) -> list[int]:
        return [
            refused.retry_after if refused else 0
            for refused in (sessions.admit(f"{next(names)}", one) for _ in range(times))
        ]

    assert begin(BURST + 1) == [0] * BURST + [1]
    now[0] += 1.0
    assert begin(11) == [0] * 10 + [1]


def test_an_action_that_is_not_there_is_a_sentence(page):
    named = page.get(f"{API}/call/nosuch", "POST", json={"data": []})
    for reply in (named, join(page, "odd", fn_index=99_999)):
        assert reply.status_code == 404 and "no such action" in _sentence(reply)


def test_a_session_is_its_visitors_alone(page, held):
    one, two = page.cookie(), page.cookie()
    event = join(page, "mine", one).json()["event_id"]
    assert join(page, "mine", one).status_code == 200  # another tab's or a second click
    theirs = {"cookies": {COOKIE: two}}
    for reply in (
        join(page, "mine", two),
        call(page, two, session_hash="mine"),
        page.get(f"{API}/queue/data?session_hash=mine", **theirs),
        page.get(f"{API}/heartbeat/mine", **theirs),
        page.get(f"{API}/call/motion/{event}", **theirs),
        page.get(f"{API}/stream/{event}", "POST", json={"data": []}, **theirs),
        page.get(f"{API}/stream/{event}/close", "POST", **theirs),
        page.get(f"{API}/stream/mine/1/2/playlist.m3u8", **theirs),
        page.get(f"{API}/cancel", "POST", json={"session_hash": "mine", "event_id": event, "fn_index": 0}, **theirs),
        page.get(f"{API}/cancel", "POST", json={"session_hash": "own", "event_id": event, "fn_index": 0}, **theirs),
        page.get(f"{API}/reset", "POST", json={"event_id": event}, **theirs),
        page.get(f"{API}/heartbeat/mine"),  # without a cookie
    ):
        assert reply.status_code == 403 and "another visitor" in _sentence(reply), reply.request.url
    held.go.set()
    got = page.get(f"{API}/queue/data?session_hash=mine", cookies={COOKIE: one}).text
    assert event in got and got.count('"process_completed"') == 2


def test_a_frame_cannot_name_another_session_than_its_event(page, held):
    """The state that Gradio gives to the callback is that of the session in the body."""
    one = page.cookie()
    event = join(page, "first", one).json()["event_id"]
    assert join(page, "second", one).status_code == 200
    frame = {"data": [], "session_hash": "second"}
    reply = page.get(f"{API}/stream/{event}", "POST", json=frame, cookies={COOKIE: one})
    assert reply.status_code == 403 and "another session" in _sentence(reply)


def test_what_began_without_a_cookie_is_not_lost_when_the_cookie_comes(page, held):
    held.working = False
    assert call(page, session_hash="early").status_code == 200
    assert call(page, page.cookie(), session_hash="early").status_code == 200


def test_a_call_without_a_session_gets_one_that_goes_with_its_answer(page, held):
    held.working = False
    event = call(page).json()["event_id"]
    session = page.queue.session_of(event)
    assert session in page.queue.sessions and "event: complete" in answer(page, event)
    _until(lambda: session not in page.queue.sessions and session not in page.sessions)
    assert not page.queue.listens(session) and session not in page.queue.pending_event_ids_session
    assert page.get(f"{API}/call/motion/{event}").status_code == 404


def test_an_answer_that_nobody_waits_for_leaves_nothing(page, held):
    event = call(page).json()["event_id"]
    session = page.queue.session_of(event)
    assert held.started.acquire(timeout=20)
    with (
        contextlib.suppress(httpx.ReadTimeout),
        httpx.stream("GET", f"{page.address}{API}/call/motion/{event}", timeout=1) as stream,
    ):
        list(stream.iter_lines())
    _until(lambda: not page.queue.event_ids_to_events[event].alive)
    held.go.set()
    _until(lambda: session not in page.queue.sessions and event not in page.queue.event_ids_to_events)
    assert session not in page.sessions and not page.queue.listens(session)


def test_a_visitor_has_so_many_jobs_waiting_and_the_others_still_get_in(page, held):
    one, two = page.cookie(), page.cookie()
    replies = [call(page, one, session_hash="busy") for _ in range(WAITING + 4)]
    assert {reply.status_code for reply in replies[:WAITING]} == {200}
    assert replies[-1].status_code == 429 and replies[-1].headers["Retry-After"] == "5"
    assert call(page, two).status_code == 200


def test_a_full_queue_is_a_sentence(page, held, monkeypatch):
    monkeypatch.setattr(page.queue, "max_size", 3)
    replies = [call(page, page.cookie()) for _ in range(6)]
    assert replies[-1].status_code == 503 and "busy" in _sentence(replies[-1])
    assert int(replies[-1].headers["Retry-After"]) > 0
    assert QUEUE >= 4 * WAITING  # no visitor fills it


@pytest.mark.parametrize("way", ["cancelled", "raised"])
def test_a_dead_loop_is_started_again_and_its_visitors_are_told(page, held, way, monkeypatch, caplog):
    one = page.cookie()
    restarts = page.restarts()
    running = [call(page).json()["event_id"] for _ in range(2)]
    for _ in running:
        assert held.started.acquire(timeout=20)
    clicked = join(page, way, one).json()["event_id"]  # waits
    waiting = call(page).json()["event_id"]
    with caplog.at_level(logging.ERROR, "demo.server.gradio_patches"):
        if way == "cancelled":
            in_the_servers_loop(page, page.queue._loop.cancel)
        else:
            broken = Counter()

            def fails() -> None:
                broken["times"] += 1
                monkeypatch.undo()
                raise KeyError("a session that is gone")

            monkeypatch.setattr(page.queue, "get_events", fails)
        for event in (*running, waiting):
            events = answer(page, event)
            assert "event: error" in events and BROKE_OFF in events
        messages = page.get(f"{API}/queue/data?session_hash={way}", cookies={COOKIE: one}).text
        last = [json.loads(line[6:]) for line in messages.splitlines() if line.startswith("data: ")]
        completed = [message for message in last if message["msg"] == "process_completed"]
        assert [message["event_id"] for message in completed] == [clicked] and not completed[0]["success"]
        assert completed[0]["output"]["error"] == BROKE_OFF and last[-1]["msg"] == "close_stream"
        _until(lambda: page.get("/healthz").status_code == 200)
    assert page.restarts() == restarts + 1
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    held.working = False
    monkeypatch.setattr("actrec.explain.overlays.salience_video", lambda *words: held(*words))
    monkeypatch.setattr("demo.server.services.Services.read", lambda *_, **__: None)
    again = [call(page).json()["event_id"] for _ in range(4)]  # all places are free
    assert all("event: complete" in answer(page, event) for event in again)


def test_health_is_of_the_queue_and_not_of_the_server(page, monkeypatch):
    reply = page.get("/healthz")
    assert reply.status_code == 200 and reply.json()["status"] == "ok"
    assert reply.headers["cache-control"] == "no-store" and reply.elapsed.total_seconds() < 1
    monkeypatch.setattr("demo.server.gradio_patches.PAUSE", 1.0)
    monkeypatch.setattr(page.queue, "get_events", lambda: 1 / 0)
    in_the_servers_loop(page, page.queue._loop.cancel)
    _until(lambda: page.get("/healthz").status_code == 503, 5)
    dead = page.get("/healthz")
    assert dead.json()["status"] == "stopped" and page.get("/").status_code == 200
    event = call(page)  # waits for the loop
    assert event.status_code == 200 and BROKE_OFF in answer(page, event.json()["event_id"])
    monkeypatch.undo()
    _until(lambda: page.get("/healthz").status_code == 200)
    assert page.get("/healthz", headers={"Host": "evil.example"}).status_code == 403


def test_a_session_that_is_gone_does_not_end_the_loop(page, held):
    """Whatever took its box away: a job of its own waits among others."""
    restarts = page.restarts()
    jobs = [call(page).json()["event_id"] for _ in range(3)]
    call(page, session_hash="gone")
    later = [call(page).json()["event_id"] for _ in range(3)]
    in_the_servers_loop(page, lambda: page.queue.pending_messages_per_session.pop("gone"))
    assert call(page).status_code == 200  # tells all who wait how long it takes
    held.go.set()
    assert all("event: complete" in answer(page, event) for event in (*jobs, *later))
    assert page.restarts() == restarts
    _until(lambda: "gone" not in page.queue.busy())


def test_a_session_that_nobody_uses_is_forgotten_before_an_open_page():
    now, gone = [0.0], []
    sessions = Sessions(lambda: {"busy"}, lambda: now[0])
    sessions.on_forget = gone.append
    one = Visitor("one", "here")

    def begin(name: str, visitor: Visitor = one) -> Refused | None:
        now[0] += 1
        return sessions.admit(name, visitor)

    assert begin("page") is None and begin("busy") is None
    with sessions.page("page"):
        for number in range(IDLE + 5):
            assert begin(f"idle-{number}") is None
        assert gone == [f"idle-{number}" for number in range(5)]
        assert begin("idle-5") is None and begin("one more") is None
        assert gone[-1] == "idle-6", "the one that was used longest ago"
        now[0] += FORGOTTEN + 1
        assert begin("late", Visitor("two", "here")) is None
        assert len(sessions) == 3 and "page" in sessions and "busy" in sessions
    assert begin("page", Visitor("two", "there")).status == 403


def test_open_pages_of_a_visitor_and_of_all_are_counted():
    now = [0.0]
    sessions = Sessions(clock=lambda: now[0])
    with contextlib.ExitStack() as pages:

        def open_page(session: str, visitor: str) -> Refused | None:
            now[0] += 1
            pages.enter_context(sessions.page(session))
            return sessions.admit(session, Visitor(visitor, "here"))

        assert all(open_page(f"a{number}", "a") is None for number in range(PER_VISITOR))
        assert open_page("one more", "a").status == 429
        assert all(open_page(f"b{number}", f"b{number}") is None for number in range(MOST - PER_VISITOR))
        assert open_page("c", "c") == Refused(503, "Too many pages are open here. Try again in a minute.", 60)
        assert sessions.admit("a1", Visitor("a", "here")) is None
    now[0] += 1
    assert sessions.admit("c", Visitor("c", "here")) is None and len(sessions) == MOST


def test_the_queue_is_not_started_again_once_the_page_is_closed():
    import gradio as gr

    from demo.server.gradio_patches import close_gradio

    close_gradio()

    async def live_and_close() -> int:
        with gr.Blocks() as blocks:
            pass
        queue = blocks._queue
        queue.start()
        await asyncio.sleep(0.05)
        assert queue.pulse()["status"] == "ok"
        queue.close()
        await asyncio.sleep(0.4)
        assert queue.stopped and queue._loop.done() and queue.pulse()["status"] == "stopped"
        return queue.restarts

    assert asyncio.run(live_and_close()) == 0
