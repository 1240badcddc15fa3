"""What visitors bring: how much, for how long, and that nobody can bring more by saying it in another way."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from demo.server import access
from demo.server.visitor_files import SPARE, VisitorFiles, visitor_name

WAVE = Path(__file__).resolve().parents[2] / "assets/examples/wave.mp4"
API = "/gradio_api"


def raw(page, path: str, header_lines: str, body: bytes = b"") -> str:
    """What comes back on a line of one's own, before more than `body` was said."""
    host, port = page.address[7:].split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        line.sendall(f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\n{header_lines}\r\n\r\n".encode() + body)
        return line.recv(1 << 16).decode()


@pytest.mark.parametrize("path", [f"{API}/queue/join", f"{API}/call/classify", f"{API}/upload", "/login", "/login/"])
def test_who_does_not_say_how_long_it_is_is_not_listened_to(page, path):
    first = b'5\r\n{"a":\r\n'
    assert raw(page, path, "Transfer-Encoding: chunked", first).startswith("HTTP/1.1 411")


def test_bodies_have_a_measure(page):
    """Nothing of these bodies is waited for."""
    for path, size in ((f"{API}/queue/join", 17 << 20), ("/config", 17 << 20), ("/login", 5000), ("/login/", 5000)):
        assert raw(page, path, f"Content-Length: {size}").startswith("HTTP/1.1 413"), path


def test_what_is_no_file_in_an_upload_is_not_collected(page):
    answer = page.get(f"{API}/upload", "POST", files={"files": (None, bytes(1 << 20))})
    assert answer.status_code == 400 and "made of files" in answer.text


def test_uploads_get_names_that_nobody_can_guess(page):
    paths = [Path(page.upload(b"same", name="../../x y<b>.mp4").json()[0]) for _ in range(2)]
    assert paths[0].parent != paths[1].parent
    assert all(path.parent.parent == page.files and len(path.parent.name) > 32 for path in paths)
    assert "/" not in paths[0].name and "<" not in paths[0].name


def test_a_visitors_files_have_a_measure_of_their_own(page):
    half, one, two = bytes(1 << 20), page.cookie(), page.cookie()
    assert page.upload(half, one).status_code == 200
    assert page.upload(half, one).status_code == 413
    assert page.upload(half, two).status_code == 200


def test_who_invents_cookies_stays_one_visitor(page):
    given = page.cookie()
    for cookie in ("made-up", "made.up", ".", given[:-1] + "x", "x" + given, given.split(".")[0]):
        assert visitor_name(cookie, "127.0.0.1") == visitor_name(None, "127.0.0.1") != visitor_name(given, "127.0.0.1")
    answers = [page.upload(bytes(1 << 20), f"made-up-{number}").status_code for number in range(2)]
    assert 413 in answers
    assert "set-cookie" in page.get("/", cookies={"actrec-visitor": "made-up"}).headers
    assert "set-cookie" not in page.get("/", cookies={"actrec-visitor": given}).headers


def test_empty_files_take_room_too(tmp_path):
    visitor_files = VisitorFiles(tmp_path, megabytes=1)
    folder = tmp_path / "one-x"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number}").touch()
    assert visitor_files.admit("one", 1)[0] == 413 and visitor_files.admit("two", 1) is None


def test_all_visitors_together_have_a_measure(tmp_path):
    visitor_files = VisitorFiles(tmp_path, megabytes=1)
    admitted = [visitor_files.admit(f"visitor {number}", 1 << 19) is None for number in range(40)]
    assert 28 <= sum(admitted) < 32 and visitor_files.admit("one more", 1 << 19)[0] == 507
    visitor_files.release("visitor 0", 1 << 19)
    assert visitor_files.admit("one more", 1 << 19) is None


def test_what_others_are_bringing_is_not_free(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=SPARE + (150 << 20)))
    visitor_files = VisitorFiles(tmp_path)
    assert visitor_files.admit("one", 100 << 20) is None and visitor_files.admit("two", 100 << 20)[0] == 507


def test_a_slow_disk_keeps_only_the_upload_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: time.sleep(0.5) or SimpleNamespace(free=1 << 40))
    passed, pauses = [], []

    async def app(*_: object) -> None:
        passed.append(1)

    async def upload() -> None:
        gate = access.Gate(app, access.names_for("127.0.0.1", []), True, VisitorFiles(tmp_path))
        headers = [(b"host", b"127.0.0.1"), (b"content-length", b"5")]
        scope = {"type": "http", "method": "POST", "path": f"{API}/upload", "headers": headers, "client": ("x", 1)}
        waiting = asyncio.create_task(gate(scope, None, None))
        while not waiting.done():
            start = time.monotonic()
            await asyncio.sleep(0.01)
            pauses.append(time.monotonic() - start)
        await waiting

    asyncio.run(upload())
    assert passed and max(pauses) < 0.4


def test_a_visitors_files_go_when_the_visitor_does(page):
    three, four = page.cookie(), page.cookie()
    mine = Path(page.upload(b"mine", three).json()[0])
    other = Path(page.upload(b"other", four).json()[0])
    with httpx.stream("GET", f"{page.address}{API}/heartbeat/h", cookies={"actrec-visitor": three}) as open_page:
        lines = open_page.iter_lines()  # kept: without it the connection would be closed
        next(lines)
        time.sleep(0.6)
        assert mine.exists()
    _until(lambda: not mine.parent.exists())
    assert other.exists()


def test_what_a_page_keeps_in_memory_goes_when_it_closes(page):
    """The page's own event: a clip in Motion, which makes an image and keeps the frames."""
    cookies = {"actrec-visitor": page.cookie()}
    config = page.get("/config").json()
    at = {component["props"].get("elem_id"): component["id"] for component in config["components"]}
    events = [event for event in config["dependencies"] if [at["motion-show"], "click"] in event["targets"]]
    path = page.upload(WAVE.read_bytes(), cookies["actrec-visitor"]).json()[0]
    with httpx.stream("GET", f"{page.address}{API}/heartbeat/mine", cookies=cookies) as open_page:
        lines = open_page.iter_lines()
        next(lines)
        data = [{"path": path, "meta": {"_type": "gradio.FileData"}}, "dis", 0]
        asked = {"data": data, "fn_index": events[0]["id"], "session_hash": "mine", "trigger_id": at["motion-show"]}
        assert page.get(f"{API}/queue/join", "POST", json=asked, cookies=cookies).status_code == 200
        answer = page.get(f"{API}/queue/data?session_hash=mine", cookies=cookies).text
        assert '"success":true' in answer and "mine" in page.sessions
        then = next(event for event in config["dependencies"] if at["motion-picture"] in event["outputs"])
        asked |= {"data": [None], "fn_index": then["id"], "trigger_id": None}
        assert page.get(f"{API}/queue/join", "POST", json=asked, cookies=cookies).status_code == 200
        answer = page.get(f"{API}/queue/data?session_hash=mine", cookies=cookies).text
        image = Path(answer.split('"path":"')[1].split('"')[0])
        assert image.exists() and image.parent.parent == page.files
    _until(lambda: "mine" not in page.sessions and not image.exists() and not Path(path).exists())


def test_pages_that_were_closed_keep_no_thread(tmp_path):
    visitor_files, threads = VisitorFiles(tmp_path, grace=0.3), []
    for number in (0, 1, 199):
        (tmp_path / f"g{number}-x").mkdir()
    (tmp_path / "tmpleft").touch()  # Gradio's
    os.utime(tmp_path / "tmpleft", (0, 0))

    async def visit() -> None:
        for number in range(200):
            with visitor_files.here(f"g{number}"):
                pass
        with visitor_files.here("g1"):  # comes back and stays
            threads.append(threading.active_count())
            while len(list(tmp_path.iterdir())) > 1:
                await asyncio.sleep(0.01)
            threads.append(threading.active_count())

    before = threading.active_count()
    asyncio.run(asyncio.wait_for(visit(), 10))
    assert threads[0] == before and threads[1] < before + 40  # those that remove folders are kept for the next
    assert (tmp_path / "g1-x").exists()


def test_an_upload_that_breaks_off_leaves_nothing(page):
    before = set(page.files.iterdir())
    host, port = page.address[7:].split(":")
    with socket.create_connection((host, int(port))) as line:
        header_lines = (
            f"POST {API}/upload HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 100000\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; "
            'name="files"; filename="a.mp4"\r\n\r\n'
        )
        line.sendall(header_lines.encode() + bytes(5000))
        _until(lambda: set(page.files.iterdir()) != before)
    _until(lambda: set(page.files.iterdir()) == before)


def test_a_disk_without_room_is_a_sentence(page, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    answer = page.upload(b"x")
    assert answer.status_code == 507 and answer.text.startswith("There is no disk space")


def test_the_page_shows_no_secret_of_another_visitor(page):
    """A visitor's cookie cannot be told from the folders, which the file addresses show."""
    secret = page.cookie()
    path = Path(page.upload(b"x", secret).json()[0])
    assert (
        secret not in str(path)
        and secret.split(".")[0] not in str(path)
        and page.visitor_files.left(path.parent.name.split("-")[0]) < 2 << 20
    )


def _until(holds, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
