"""The real page in a real browser: one server for all tests, a camera that plays a video drawn by the project."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
CAMERA_FPS = 12
CORNER = 20  # pixels of the square that shows which action the camera plays
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
CAMERA = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> str:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        reason = "needs Chromium: apt-get install chromium"
        if os.environ.get("ACTREC_BROWSER") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page under test keeps trainings and saved sets."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights that ship, in a folder to which a test may add its own."""
    folder = tmp_path_factory.mktemp("weights")
    for path in (ROOT / "weights").iterdir():
        (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="session")
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for files that live no longer than the page: uploads, and results for visitors."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, runs_folder: Path, weights_folder: Path, temporary_files: Path,
    cache_without_starts: Path,
) -> Iterator[str]:  # fmt: skip
    """The app as a user starts it who has fetched no published network; its address."""
    with serving(tmp_path_factory, runs_folder, weights_folder, temporary_files, cache_without_starts) as address:
        yield address


@contextmanager
def serving(
    tmp_path_factory: pytest.TempPathFactory, runs: Path, weights: Path, temporary_files: Path, cache: Path | None
) -> Iterator[str]:
    """The app with its folders, and with a cache of its own where one is given; its address."""
    log = tmp_path_factory.mktemp("server") / "log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(log, "w") as out:
        command = [sys.executable, "app.py", "--port", str(port), "--runs", str(runs)]
        command += ["--weights", str(weights)]
        own = os.environ | {"TMPDIR": str(temporary_files)} | ({"ACTREC_CACHE": str(cache)} if cache else {})
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=own)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(address, timeout=2).read()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"the page did not come up:\n{log.read_text()}")
                time.sleep(0.3)
        yield address
    finally:
        process.terminate()
        process.wait(30)
        left = list(temporary_files.glob("actrec-page-*"))
    assert left == [], "a page that is asked to end leaves nothing behind"


@pytest.fixture(scope="session")
def camera_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The video that the fake camera repeats: ten seconds of squats, ten of raising arms, by one person.

    A square in the corner marks which it is: black while squats are shown, white while arms are raised.
    """
    from actrec import synthetic

    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    parts = [camera_frames(synthetic, action) for action in ("squat", "raise arms")]
    for part, shade in zip(parts, (0, 255), strict=True):
        part[:, :CORNER, :CORNER] = shade
    write_y4m(path, np.concatenate(parts))
    return path


def camera_frames(synthetic: ModuleType, action: str, seed: int = 2_000_000_501) -> np.ndarray:
    clip = synthetic.render(action, seed, frames=10 * CAMERA_FPS, size=(240, 320), fps=CAMERA_FPS, framing="whole")
    return clip.frames.copy()


def write_y4m(path: Path, frames: np.ndarray) -> None:
    """Raw 4:2:0 video, the only kind Chromium's fake camera plays."""
    height, width = frames.shape[1:3]
    with open(path, "wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{CAMERA_FPS}:1 Ip A1:1 C420\n".encode())
        for frame in frames:
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())


@pytest.fixture
def page(chromium: str, server: str, camera_video: Path) -> Iterator:
    """A fresh visitor with a camera that plays the video."""
    with visitor(chromium, server, [*CAMERA, f"--use-file-for-fake-video-capture={camera_video}"]) as page:
        yield page


@pytest.fixture
def page_without_camera(chromium: str, server: str) -> Iterator:
    """A fresh visitor whose computer has no camera."""
    with visitor(chromium, server, []) as page:
        yield page


@contextmanager
def visitor(chromium: str, server: str, flags: list[str], width: int = 1280) -> Iterator:
    """A visitor on the page; fails when the console shows an error or a request leaves this machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, *flags])
        context = browser.new_context(permissions=["camera"] if flags else [], viewport={"width": width, "height": 900})
        page = context.new_page()
        errors, strangers = [], []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("response", lambda got: errors.append(f"{got.status} {got.url}") if got.status >= 400 else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: strangers.append(request.url) if _leaves(request.url) else None)
        page.goto(server)
        page.wait_for_selector("#status:has-text('Ready')", timeout=150_000)
        yield page
        browser.close()
    assert errors == []
    assert strangers == []


def _leaves(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))
