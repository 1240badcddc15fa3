"""Hostile visitors, websites and files against the real page: what SECURITY.md promises, one test each."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pytest

from demo.server import access
from demo.server.temp_root import PREFIX, temporary_folder
from demo.server.visitor_files import VisitorFiles

ROOT = Path(__file__).resolve().parents[2]
WAVE = ROOT / "assets/examples/wave.mp4"
API = "/gradio_api"
FILE = {"meta": {"_type": "gradio.FileData"}}


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

    gate = access.Gate(app, access.names_for("127.0.0.1", []), True, VisitorFiles(tmp_path))
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


def test_where_others_get_in_a_password_is_asked_and_cameras_are_explained(tmp_path):
    for word in ("", "short"):
        with pytest.raises(access.AccessError, match="at least 8 characters"):
            access.password_for("0.0.0.0", word)
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
        with pytest.raises(access.AccessError, match=r"As demo.example.org others .* at least 8 characters"):
            access.password_for("127.0.0.1", word, named)
    assert (
        access.password_for("127.0.0.1", None) is None and access.password_for("127.0.0.1", None, ["localhost"]) is None
    )
    assert access.warning("127.0.0.1") == "" and "https" in access.warning("127.0.0.1", named)
    with _app(tmp_path, "--name", *named, ACTREC_PASSWORD="correct horse") as (address, _), httpx.Client() as proxy:
        proxy.base_url, proxy.headers["Host"] = address, named[0]
        assert proxy.get("/config").status_code == 401
        assert proxy.get("/config", headers={"Host": "evil.example"}).status_code == 403
        login = {"username": "anyone", "password": "correct horse"}
        own = {"Origin": "https://demo.example.org", "X-Forwarded-Proto": "https"}
        assert proxy.post("/login", data=login, headers=own).status_code == 200
        config = proxy.get("/config").json()
        check = next(part["id"] for part in config["components"] if part["props"].get("elem_id") == "train-check")
        event = next(event["id"] for event in config["dependencies"] if [check, "click"] in event["targets"])
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


def test_all_that_is_temporary_goes_with_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with temporary_folder() as files:
        Path(tempfile.mkdtemp(prefix="actrec-taught-"), "film.mp4").touch()
        assert {path.name for path in files.parent.iterdir()} > {"files"} and len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == [] and tempfile.gettempdir() == str(tmp_path)


@pytest.mark.timeout(20)
def test_a_pipe_of_another_user_does_not_keep_the_page_from_starting(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("pipe", "theirs", "left"):
        (tmp_path / f"{PREFIX}{name}").mkdir()
    os.mkfifo(tmp_path / f"{PREFIX}pipe" / "lock")
    (tmp_path / f"{PREFIX}left" / "lock").touch()
    (tmp_path / f"{PREFIX}theirs" / "lock").touch()
    if os.getuid() == 0:
        os.chown(tmp_path / f"{PREFIX}theirs", 12345, -1)
    with temporary_folder():
        assert not (tmp_path / f"{PREFIX}left").exists()
        assert (tmp_path / f"{PREFIX}theirs").exists() or os.getuid()


def test_a_page_that_runs_keeps_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with temporary_folder() as one, temporary_folder() as other:
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
