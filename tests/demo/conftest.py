"""The real page behind its gate, for the tests that come as visitors and as enemies."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from demo.page import serve
from demo.server import access
from demo.server.gradio_patches import LivingQueue
from demo.server.services import Services
from demo.server.visitor_files import VisitorFiles

ROOT = Path(__file__).resolve().parents[2]
API = "/gradio_api"


class Page:
    """The page in this process, and every attempt to reach another machine."""

    def __init__(self, address: str, files: Path, visitor_files: VisitorFiles) -> None:
        self.address, self.files, self.visitor_files = address, files, visitor_files
        self.reached: list[object] = []
        self.sessions: dict[str, object] = {}
        self.queue: LivingQueue

    def get(self, path: str = "/", method: str = "GET", **rest: object) -> httpx.Response:
        return httpx.request(method, self.address + path, timeout=60, **rest)

    def cookie(self) -> str:
        """Of a new visitor."""
        return self.get("/").cookies["actrec-visitor"]

    def restarts(self) -> int:
        """How often the queue had to be started again."""
        return self.get("/healthz").json()["restarts"]

    def upload(self, content: bytes, cookie: str = "", name: str = "a.mp4") -> httpx.Response:
        cookies = {"actrec-visitor": cookie} if cookie else {}
        return self.get(f"{API}/upload", "POST", files={"files": (name, content)}, cookies=cookies)

    def ask(self, endpoint: str, *data: object) -> str:
        """What an endpoint answers to a client, as the stream of its events."""
        asked = self.get(f"{API}/call/{endpoint}", "POST", json={"data": data})
        return self.get(f"{API}/call/{endpoint}/{asked.json()['event_id']}").text


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[Page]:
    files = tmp_path_factory.mktemp("files")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    patched = pytest.MonkeyPatch()
    patched.setenv("GRADIO_TEMP_DIR", str(files))
    patched.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    visitor_files = VisitorFiles(files, megabytes=2, grace=0.3)
    page = Page(f"http://127.0.0.1:{port}", files, visitor_files)
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def watched(self: socket.socket, address: object) -> None:
        if self.family != socket.AF_UNIX and not access.is_loopback(str(address[0])):
            page.reached.append(address)
            raise OSError("no network in this test")
        connect(self, address)

    def resolved(host: object, *rest: object, **more: object) -> list:
        if host and not access.is_loopback(str(host)) and host != "0.0.0.0":
            page.reached.append(host)
            raise OSError("no network in this test")
        return resolve(host, *rest, **more)

    patched.setattr(socket.socket, "connect", watched)
    patched.setattr(socket, "getaddrinfo", resolved)
    services = Services(ROOT / "weights", "cpu", runs=tmp_path_factory.mktemp("runs"))
    blocks = serve(services, "127.0.0.1", port, visitor_files)
    page.sessions, page.queue = blocks.state_holder.session_data, blocks._queue
    services.start()
    yield page
    blocks.close()
    services.close()
    patched.undo()
