"""Hostile visitors, websites and files against the real page: what SECURITY.md promises, one test each."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from demo import locks
from demo.guests import Guests
from demo.home import PREFIX, home
from demo.lab import Lab
from demo.page import serve

ROOT = Path(__file__).resolve().parents[2]
WAVE = ROOT / "assets/examples/wave.mp4"
API = "/gradio_api"
FILE = {"meta": {"_type": "gradio.FileData"}}


class Page:
    """The page in this process, and every attempt to reach another machine."""

    def __init__(self, address: str, files: Path, guests: Guests) -> None:
        self.address, self.files, self.guests = address, files, guests
        self.reached: list[object] = []

    def get(self, path: str = "/", method: str = "GET", **rest: object) -> httpx.Response:
        return httpx.request(method, self.address + path, timeout=60, **rest)

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
    guests = Guests(files, megabytes=2, grace=0.3)
    page = Page(f"http://127.0.0.1:{port}", files, guests)
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def watched(self: socket.socket, address: object) -> None:
        if self.family != socket.AF_UNIX and not locks.is_loopback(str(address[0])):
            page.reached.append(address)
            raise OSError("no network in this test")
        connect(self, address)

    def resolved(host: object, *rest: object, **more: object) -> list:
        if host and not locks.is_loopback(str(host)) and host != "0.0.0.0":
            page.reached.append(host)
            raise OSError("no network in this test")
        return resolve(host, *rest, **more)

    patched.setattr(socket.socket, "connect", watched)
    patched.setattr(socket, "getaddrinfo", resolved)
    lab = Lab(ROOT / "weights", "cpu", runs=tmp_path_factory.mktemp("runs"))
    blocks = serve(lab, "127.0.0.1", port, guests)
    lab.start()
    yield page
    blocks.close()
    lab.close()
    patched.undo()


def test_only_this_computer_can_connect(page):
    port = int(page.address.rsplit(":", 1)[1])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [row[1] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port]
    assert listening == [f"0100007F:{port:04X}"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/config"),
        ("POST", f"{API}/queue/join"),
        ("GET", f"{API}/queue/data?session_hash=x"),
        ("GET", f"{API}/heartbeat/x"),
        ("POST", f"{API}/upload"),
        ("POST", f"{API}/call/classify"),
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:7860"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "192.168.0.7"},
        {"Host": ""},
        {"Host": "["},
        {"Origin": "http://["},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ],
    ids=str,
)
def test_other_websites_are_refused(page, method, path, headers):
    assert page.get(path, method, headers=headers).status_code == 403


def test_the_page_itself_and_links_to_it_are_let_in(page):
    assert page.get("/config", headers={"Origin": page.address}).status_code == 200
    assert page.get("/config", headers={"Host": page.address[7:].replace("127.0.0.1", "localhost")}).status_code == 200
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = page.get("/", headers=link)
    assert answer.status_code == 200 and "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "HttpOnly; SameSite=Strict" in answer.headers["set-cookie"]
    for path in ("/logout", "/config", f"{API}/heartbeat/x"):  # a link could log everyone out
        assert page.get(path, headers=link).status_code == 403


@pytest.mark.parametrize(("host", "code"), [("evil.example", "refused"), ("127.0.0.1:7860", "passed")])
def test_websockets_pass_the_same_gate(host, code, tmp_path):
    said = []

    async def app(*_: object) -> None:
        said.append("passed")

    async def send(message: dict) -> None:
        said.append("refused" if message["type"] == "websocket.close" else "passed")

    gate = locks.Gate(app, locks.names_for("127.0.0.1", []), True, Guests(tmp_path))
    scope = {"type": "websocket", "path": f"{API}/queue/join", "headers": [(b"host", host.encode())]}
    call = gate(scope, None, send)
    with pytest.raises(StopIteration):
        call.send(None)
    assert said == [code]


@pytest.mark.parametrize(
    "path",
    ["/docs", "/monitoring", "/gradio_api/process_recording", "/gradio_api/proxy=http://x", "/gradio_api/runs",
     "/gradio_api/vibe-code", "/gradio_api/component_server", "/gradio_api/deep_link", "/gradio_api/dev/reload"],
)  # fmt: skip
def test_what_the_page_does_not_need_is_closed(page, path):
    for method in ("GET", "POST"):
        assert page.get(path, method).status_code == 404


@pytest.mark.parametrize(
    "path", ["/etc/passwd", f"{ROOT}/app.py", f"{ROOT}/assets/examples/../../app.py", "https://example.com/x.mp4"]
)
def test_no_file_but_a_visitors_own_is_given_out(page, path):
    assert page.get(f"{API}/file={path}").status_code == 403
    assert page.reached == []


def test_nothing_is_asked_of_the_network_while_the_page_works(page):
    path = page.upload(WAVE.read_bytes()).json()[0]
    answer = page.ask("classify", {"path": path, **FILE}, "", False)
    assert "event: complete" in answer and '"label"' in answer
    assert page.reached == []
    config = page.get("/config").json()
    assert config["analytics_enabled"] is False and not config.get("run_history")
    with contextlib.suppress(httpx.HTTPError):
        httpx.get("http://192.0.2.1")  # the net that catches is there
    assert len(page.reached) == 1
    page.reached.clear()


def test_an_address_in_the_place_of_a_file_is_not_fetched(page):
    for address in ("http://192.0.2.1/clip.mp4", "https://example.com/clip.mp4"):
        answer = page.ask("classify", {"path": address, **FILE}, "", False)
        assert "event: error" in answer
        assert page.reached == []


def test_a_path_that_was_not_uploaded_is_not_read(page):
    answer = page.ask("classify", {"path": str(ROOT / "app.py"), **FILE}, "", False)
    assert "event: error" in answer and "import" not in answer


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
    assert page.get(f"{API}/queue/join", "POST", content=bytes(17 << 20)).status_code == 413


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


def _until(holds, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_where_others_get_in_a_password_is_asked_and_cameras_are_explained(tmp_path):
    for word in ("", "short"):
        with pytest.raises(locks.LockError, match="at least 8 characters"):
            locks.password_for("0.0.0.0", word)
    refused = subprocess.run(
        [sys.executable, "app.py", "--host", "0.0.0.0"], cwd=ROOT, capture_output=True, text=True,
        env=_without_password(),
    )  # fmt: skip
    assert refused.returncode == 1 and "needs a password" in refused.stderr and "Traceback" not in refused.stderr
    with _app(tmp_path, "--host", "0.0.0.0", ACTREC_PASSWORD="correct horse") as (address, said):
        for method, path in (("GET", "/config"), ("POST", f"{API}/upload"), ("POST", f"{API}/call/classify")):
            assert httpx.request(method, address + path).status_code == 401, path
        assert httpx.get(f"{address}{API}/file={WAVE}").status_code == 401
        with httpx.Client() as client:
            login = {"username": "anyone", "password": "correct hors"}
            assert client.post(f"{address}/login", data=login).status_code == 400
            assert client.post(f"{address}/login", data={**login, "password": "correct horse"}).status_code == 200
            assert client.get(f"{address}/config").status_code == 200
            assert client.get(f"{address}/config", headers={"Host": "evil.example"}).status_code == 403
        assert "https" in said() and "camera" in said()


def test_a_proxys_name_lets_others_in_and_so_asks_for_a_password_and_confines(tmp_path):
    named = ["demo.example.org"]
    for word in (None, "short"):
        with pytest.raises(locks.LockError, match=r"As demo.example.org others .* at least 8 characters"):
            locks.password_for("127.0.0.1", word, named)
    assert (
        locks.password_for("127.0.0.1", None) is None and locks.password_for("127.0.0.1", None, ["localhost"]) is None
    )
    assert locks.warning("127.0.0.1") == "" and "https" in locks.warning("127.0.0.1", named)
    with _app(tmp_path, "--name", *named, ACTREC_PASSWORD="correct horse") as (address, _), httpx.Client() as proxy:
        proxy.base_url, proxy.headers["Host"] = address, named[0]
        assert proxy.get("/config").status_code == 401
        assert proxy.get("/config", headers={"Host": "evil.example"}).status_code == 403
        login = {"username": "anyone", "password": "correct horse"}
        own = {"Origin": "https://demo.example.org", "X-Forwarded-Proto": "https"}
        assert proxy.post("/login", data=login, headers=own).status_code == 200
        config = proxy.get("/config").json()
        check = next(each["id"] for each in config["components"] if each["props"].get("elem_id") == "train-check")
        event = next(each["id"] for each in config["dependencies"] if [check, "click"] in each["targets"])
        asked = {"data": [str(ROOT)], "fn_index": event, "session_hash": "s", "trigger_id": check}
        assert proxy.post(f"{API}/queue/join", json=asked).status_code == 200
        assert "Others use this page" in proxy.get(f"{API}/queue/data?session_hash=s", timeout=60).text


def test_a_killed_page_leaves_nothing_once_the_next_one_starts(tmp_path):
    with _app(tmp_path) as (_, said):
        (folder,) = tmp_path.glob(f"{PREFIX}*")
        said.process.kill()
        said.process.wait()
        assert folder.exists()
    with _app(tmp_path) as (_, said):
        assert not folder.exists() and len(list(tmp_path.glob(f"{PREFIX}*"))) == 1
        said.process.send_signal(signal.SIGTERM)
        assert said.process.wait(20) == 0
        assert list(tmp_path.glob(f"{PREFIX}*")) == []


def test_a_page_that_runs_keeps_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with home() as one, home() as other:
        assert one.exists() and other.exists() and one != other
    assert list(tmp_path.iterdir()) == []


def _without_password() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "ACTREC_PASSWORD"}


class _app:
    """`python app.py` with its own temporary folder, until the block ends."""

    def __init__(self, folder: Path, *words: str, **more: str) -> None:
        self._log = folder / "log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._address = f"http://127.0.0.1:{port}"
        with open(self._log, "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py", "--port", str(port), "--runs", str(folder / "runs"), *words],
                cwd=ROOT, stdout=log, stderr=log, env=_without_password() | {"TMPDIR": str(folder)} | more,
            )  # fmt: skip

    def __call__(self) -> str:
        return self._log.read_text()

    def __enter__(self) -> tuple[str, _app]:
        deadline = time.monotonic() + 60
        while "The page is at" not in self():
            assert self.process.poll() is None and time.monotonic() < deadline, self()
            time.sleep(0.1)
        return self._address, self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def test_the_page_shows_no_secret_of_another_visitor(page):
    """A visitor's cookie cannot be told from the folders, which the file addresses show."""
    path = Path(page.upload(b"x", "a secret cookie").json()[0])
    assert "secret" not in json.dumps(str(path)) and page.guests.room(path.parent.name.split("-")[0]) < 2 << 20
