"""A day in a lecture hall, in short: does the page grow, litter, or fall behind while a camera streams?

    python -m benchmarks.soak [--minutes 30] [--frames 10000]

A camera streams into the Live tab in Chromium while the overlay is switched every five seconds and, once all were
seen, the weights. Memory of the page and its children, files in its folder, threads and processes are read before each
change; lag is what the page shows. Networks differ in what they need, so whole rounds of all weights are
compared, the last with the second, since the first warms up: the peak, and the mean over the weights of the peak with
each; their growth is extended to the end. Then frames are put through the Live handler
at full speed, in a process of their own. At last the page is ended: no process and no folder stays. Prints JSON; status
1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from actrec.core.processes import facts
from benchmarks.fuzz import held
from benchmarks.live import FLAGS, open_page, write_video

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[1]
GOALS = {"grown_mb": 50.0, "files": 200, "drift_ms": 100.0, "handler_grown_mb": 50.0, "left": 0}
SWITCH = 5.0  # seconds between two changes
OVERLAYS = ("motion salience", "RGBF", "optical flow", "tailor", "class saliency", "nothing")
# In its own process: the memory of what is measured, nothing else.
HANDLER = """
import gc, json, sys
import numpy as np
from actrec.video.read import read_clip
from benchmarks.fuzz import held
from demo.server.services import EXAMPLES, Services
from demo.tabs import live
frames = int(sys.argv[1])
services = Services(device="cpu"); services.start(); services.recognizer()
clip = read_clip(EXAMPLES / "wave.mp4", short_side=240)
visitor, memory = None, []
for number in range(frames):
    overlay = live.OVERLAYS[number // 50 % len(live.OVERLAYS)]
    asked = (visitor, overlay, 5, live.HOLD, None, live.OWN, None)
    visitor = live.on_frame(services, clip.frames[number % len(clip)], *asked).visitor
    if number % max(1, frames // 20) == 0:
        gc.collect(); memory.append(held("self"))
services.close()
print(json.dumps({"frames": frames, "warm_mb": memory[min(4, len(memory) - 1)], "end_mb": held("self")}))
"""


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        number = int(path.parent.name)
        try:
            parents[number] = int(facts(number)[1])
        except (OSError, IndexError):
            continue
    pids = [pid]
    for parent_pid in pids:
        pids += [child for child, parent in parents.items() if parent == parent_pid]
    return pids


def threads(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir()))
    except OSError:
        return 0


class App:
    """The page in its own temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port), "--runs", str(folder / "runs")],
            cwd=ROOT, env=os.environ | {"TMPDIR": str(folder)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def state(self) -> dict[str, float]:
        alive = family(self.process.pid)
        return {
            "mb": round(sum(held(pid) for pid in alive), 1),
            "files": sum(path.is_file() for path in self.folder.glob("actrec-page-*/files/**/*")),
            "threads": threads(self.process.pid),
            "processes": len(alive),
        }

    def end(self) -> dict[str, object]:
        """End it as a user does; what is still there afterwards."""
        alive = family(self.process.pid)
        self.process.terminate()
        self.process.wait(60)
        time.sleep(2.0)
        left = [pid for pid in alive if Path(f"/proc/{pid}").exists()]
        return {"processes": left, "folders": [path.name for path in self.folder.glob("actrec-page-*")]}


def open_tab(page: Page, name: str) -> None:
    """Open a tab, from the menu of those for which the page is too narrow."""
    tab = page.locator(f"button[role=tab]:has-text('{name}'):visible")
    if not tab.count():
        page.locator(".overflow-menu > button").first.click()
        tab = page.locator(f".overflow-dropdown button:has-text('{name}')")
    tab.first.click()
    page.wait_for_selector(f"#tab-{name.lower()}", state="visible", timeout=60_000)


def stream(page: Page, app: App, minutes: float) -> dict:
    """So many minutes of camera; a reading every few seconds."""
    page.wait_for_selector("#status:has-text('Ready')", timeout=240_000)
    open_tab(page, "Live")
    page.click("#live-camera button:has-text('Access Webcam')")
    page.wait_for_selector("#live-camera video", timeout=60_000)
    page.click("#live-camera button:has-text('Record')")
    page.wait_for_selector("#live-answer .score", timeout=120_000)
    weights = [choice for choice in _choices(page) if choice]
    start, readings, lags = time.monotonic(), [], []
    while time.monotonic() - start < minutes * 60:
        turn = len(readings)
        page.click(f"#live-overlay label:has-text('{OVERLAYS[turn % len(OVERLAYS)]}')")
        if turn % len(OVERLAYS) == 0:
            _choose(page, weights[turn // len(OVERLAYS) % len(weights)])
        page.wait_for_timeout(SWITCH * 1000)
        readings.append({"s": round(time.monotonic() - start), **app.state()})
        if lag := re.search(r"(\d+) ms from", page.inner_text("#live-answer")):
            lags.append(int(lag[1]))
    quarter = max(1, len(lags) // 4)
    rounds = peaks([reading["mb"] for reading in readings], len(weights))
    return {
        "minutes": minutes, "switches": len(readings), "weights": weights, "first": readings[0], "last": readings[-1],
        "most_mb_of_each_weights_in_each_round": rounds, "most_files": max(reading["files"] for reading in readings),
        "grown_mb": grown(rounds, len(readings) / (len(weights) * len(OVERLAYS)) - 1),
        "lag_ms_first_quarter": statistics.median(lags[:quarter]) if lags else None,
        "lag_ms_last_quarter": statistics.median(lags[-quarter:]) if lags else None,
    }  # fmt: skip


def peaks(readings: list[float], weights: int) -> list[list[float]]:
    """The most that was read in each whole round for each of the weights."""
    most = [max(readings[at : at + len(OVERLAYS)]) for at in range(0, len(readings) - len(OVERLAYS) + 1, len(OVERLAYS))]
    return [most[at : at + weights] for at in range(0, len(most) - weights + 1, weights)]


def grown(rounds: list[list[float]], since: float) -> float | None:
    """What is held more than in the second round, `since` rounds later: by the most and by the mean of the last whole
    round, whichever grew more, as it grew from round to round. None for fewer than three rounds."""
    if len(rounds) < 3:
        return None
    second, last = rounds[1], rounds[-1]
    more = max(max(last) - max(second), statistics.mean(last) - statistics.mean(second))
    return round(more / (len(rounds) - 2) * since, 1)


def _choices(page: Page) -> list[str]:
    page.click("#live-weights input")
    options = page.locator("[role=option]").all_inner_texts()
    page.keyboard.press("Escape")
    return [text.strip(" ✓\n") for text in options]


def _choose(page: Page, text: str) -> None:
    page.click("#live-weights input")
    page.locator("[role=option]", has_text=text.split(":")[0]).first.click()


def run(minutes: float, frames: int) -> dict:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("This needs Chromium: apt-get install chromium")
    result: dict = {}
    with tempfile.TemporaryDirectory(prefix="actrec-soak-") as temporary, sync_playwright() as playwright:
        write_video(shown := Path(temporary) / "camera.y4m")
        browser = playwright.chromium.launch(
            executable_path=chromium, args=[*FLAGS, f"--use-file-for-fake-video-capture={shown}"]
        )
        page = browser.new_context(permissions=["camera"], viewport={"width": 1280, "height": 900}).new_page()
        app = App(Path(temporary))
        try:
            open_page(page, app.address)
            result["stream"] = stream(page, app, minutes)
        finally:
            browser.close()
            result["left"] = app.end()
    if frames:
        done = subprocess.run(
            [sys.executable, "-c", HANDLER, str(frames)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        result["handler"] = json.loads(done.stdout)
    return result


def missed(result: dict) -> list[str]:
    """Goals that were not reached, in words."""
    streamed, left = result["stream"], result["left"]
    drift = (streamed["lag_ms_last_quarter"] or 0) - (streamed["lag_ms_first_quarter"] or 0)
    values = {
        "grown_mb": streamed["grown_mb"], "files": streamed["most_files"], "drift_ms": drift,
        "left": len(left["processes"]) + len(left["folders"]),
    }  # fmt: skip
    if "handler" in result:
        values["handler_grown_mb"] = result["handler"]["end_mb"] - result["handler"]["warm_mb"]
    if values["grown_mb"] is None:
        return ["grown_mb: not measured, that takes three rounds of all weights", *_above(values | {"grown_mb": 0.0})]
    return _above(values)


def _above(values: dict[str, float]) -> list[str]:
    return [f"{name}: {values[name]:.0f}, at most {GOALS[name]:.0f}" for name in values if values[name] > GOALS[name]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Does the page grow, litter or fall behind?")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long a camera streams")
    parser.add_argument("--frames", type=int, default=10_000, help="frames through the handler at full speed")
    args = parser.parse_args()
    result = run(args.minutes, args.frames)
    result |= {"goals": GOALS, "missed": missed(result)}
    print(json.dumps(result, indent=1))
    sys.exit(1 if result["missed"] else 0)


if __name__ == "__main__":
    main()
