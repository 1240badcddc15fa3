"""What visitors bring: how much, for how long, and that nobody can bring more by saying it in another way."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import httpx
import pytest

from demo import locks

API = "/gradio_api"


def raw(page, path: str, head: str, body: bytes = b"") -> str:
    """What comes back on a line of one's own, before more than `body` was said."""
    host, port = page.address[7:].split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        line.sendall(f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\n{head}\r\n\r\n".encode() + body)
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
    half = bytes(1 << 20)
    assert page.upload(half, "one").status_code == 200
    assert page.upload(half, "one").status_code == 413
    assert page.upload(half, "two").status_code == 200


def test_a_visitors_files_go_when_the_visitor_does(page):
    mine = Path(page.upload(b"mine", "three").json()[0])
    other = Path(page.upload(b"other", "four").json()[0])
    with httpx.stream("GET", f"{page.address}{API}/heartbeat/h", cookies={"actrec-visitor": "three"}) as open_page:
        lines = open_page.iter_lines()  # kept: without it the connection would be closed
        next(lines)
        time.sleep(0.6)
        assert mine.exists()
    _until(lambda: not mine.parent.exists())
    assert other.exists()


def test_an_upload_that_breaks_off_leaves_nothing(page):
    before = set(page.files.iterdir())
    host, port = page.address[7:].split(":")
    with socket.create_connection((host, int(port))) as line:
        head = (
            f"POST {API}/upload HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 100000\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; "
            'name="files"; filename="a.mp4"\r\n\r\n'
        )
        line.sendall(head.encode() + bytes(5000))
        _until(lambda: set(page.files.iterdir()) != before)
    _until(lambda: set(page.files.iterdir()) == before)


def test_a_disk_without_room_is_a_sentence(page, monkeypatch):
    usage = type("usage", (), {"free": 1 << 20})
    monkeypatch.setattr(locks.shutil, "disk_usage", lambda _: usage)
    answer = page.upload(b"x")
    assert answer.status_code == 507 and answer.text.startswith("There is no room")


def test_the_page_shows_no_secret_of_another_visitor(page):
    """A visitor's cookie cannot be told from the folders, which the file addresses show."""
    path = Path(page.upload(b"x", "a secret cookie").json()[0])
    assert "secret" not in json.dumps(str(path)) and page.guests.room(path.parent.name.split("-")[0]) < 2 << 20


def _until(holds, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
