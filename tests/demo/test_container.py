"""The Dockerfile, without Docker: what it copies is enough to open the page, and its user and ports are as promised."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COPIED = [path for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE) for path in line.split()]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder with what the image holds."""
    for name in COPIED:
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    return tmp_path


def test_the_page_opens_with_what_the_image_holds(image):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)], cwd=image, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": ""}, text=True,
    )  # fmt: skip
    try:
        page = ""
        for _ in range(300):
            assert process.poll() is None, process.stdout.read()
            try:
                page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read().decode()
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
        assert "<gradio-app" in page
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_nothing_is_copied_that_docker_is_told_to_leave_out():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(COPIED) == allowed


def test_the_page_runs_as_a_user_without_rights_and_is_asked_how_it_is():
    assert re.search(r"^USER (?!root)\w+$", DOCKERFILE, re.MULTILINE)
    assert DOCKERFILE.index("USER actrec") < DOCKERFILE.index('CMD ["python", "app.py"')
    assert re.search(r"^HEALTHCHECK .+\\\n.+/healthz", DOCKERFILE, re.MULTILINE)


def test_the_documented_port_is_open_to_this_computer_alone():
    run = next(line for line in (ROOT / "docs" / "docker.md").read_text().splitlines() if "docker run" in line)
    assert "-p 127.0.0.1:7860:7860" in run
