"""The queue breaks off in the middle of an answer: whoever waits reads a sentence, and the page goes on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import FLAGS

ROOT = Path(__file__).resolve().parents[2]


class Slow:
    """An answer that is held in its last step until it is let go, once."""

    def __init__(self, work) -> None:
        self.work, self.begun, self.go = work, threading.Event(), threading.Event()

    def __call__(self, *words: object) -> object:
        self.begun.set()
        self.go.wait(60)
        return self.work(*words)


@pytest.fixture
def own_page(tmp_path, monkeypatch) -> Iterator:
    """The page in this process, where its queue can be reached."""
    from demo.page import serve
    from demo.server.services import Services
    from demo.server.visitor_files import VisitorFiles

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    (tmp_path / "files").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    services = Services(ROOT / "weights", "cpu", runs=tmp_path / "runs")
    blocks = serve(services, "127.0.0.1", port, VisitorFiles(tmp_path / "files"))
    services.start()
    yield blocks
    blocks.close()
    services.close()


def test_a_loop_that_ends_in_the_middle_of_an_answer_is_a_sentence_and_the_next_click_works(
    chromium, own_page, monkeypatch
):
    from playwright.sync_api import sync_playwright

    from actrec.explain import overlays

    slow = Slow(overlays.salience_video)
    monkeypatch.setattr(overlays, "salience_video", lambda *words: slow(*words))
    queue = own_page._queue
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(own_page.local_url)
        page.wait_for_selector("#status:has-text('Ready')", timeout=150_000)
        page.click("#clip-squat")
        assert slow.begun.wait(60)
        queue._loop.get_loop().call_soon_threadsafe(queue._loop.cancel)
        toast = page.wait_for_selector("[data-testid=toast-body]:has-text('broke off')", timeout=15_000)
        assert "Please ask once more" in toast.inner_text()
        assert page.locator("#clip-answer .verdict").count() == 0
        slow.go.set()
        page.click("#clip-squat")
        page.wait_for_selector("#clip-answer .verdict", timeout=60_000)
        assert page.get_attribute("#clip-answer .verdict", "data-label") == "squat"
        page.wait_for_selector("#clip-salience video", timeout=60_000)
        assert queue.restarts == 1 and queue.pulse()["status"] == "ok"
        browser.close()
    assert errors == []
