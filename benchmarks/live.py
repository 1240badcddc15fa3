"""How quick the Live tab is: a camera at 10 frames a second in Chromium, read off the page as a visitor sees it.

    python -m benchmarks.live [--seconds N] [--overlay NAME] [--without-training]

The camera plays a drawn person with a time code in the corner. The page's own video tells when a code could first be
seen; the answer's picture, which arrives in one message with the label, tells which code the label is about. The time
between the two is the latency. `predictions` counts answers about a newer code than the one before. The page is used as
it opens: its default weights, window and overlay. The app, the browser and the training share two cores, also where
the machine has more. Run nothing beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from actrec.core.devices import cores, processor
from actrec.core.processes import environment, stay_behind

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "live.json"
FPS, SECONDS, SEED = 10, 20, 2_000_000_501
CORES = 2
ENOUGH = 20.0  # seconds of measuring for figures that are kept
BITS, CELL = 9, 24  # the time code: a row of squares, one per bit, and its complement below
GOALS = {"predictions_per_second": 9.5, "p95_ms": 200, "first_label_s": 3.0, "page_s": 5.0}
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
]  # fmt: skip
WATCH = """([bits, cell, turn]) => {
  const canvas = document.createElement("canvas");
  canvas.width = 320; canvas.height = 240;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const code = (source) => {
    pen.drawImage(source, 0, 0, 320, 240);
    const light = (x, y) => pen.getImageData(x, y, 1, 1).data.slice(0, 3).reduce((sum, each) => sum + each);
    let value = 0;
    for (let bit = 0; bit < bits; bit++) {
      const x = (bit + 0.5) * cell, more = light(x, cell / 2) - light(x, 1.5 * cell);
      if (Math.abs(more) < 40) return -1;  // an overlay colours both squares alike: which is lighter stays
      value |= (more > 0) << bit;
    }
    return value;
  };
  window.watched = { seen: {}, answers: [], unread: 0 };
  const video = document.querySelector("#live-camera video");
  let last = -1;
  const look = () => {
    const now = performance.now(), found = code(video);
    if (found >= 0 && found !== last) window.watched.seen[last = found] = now;
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  new MutationObserver(async () => {
    const now = performance.now(), picture = document.querySelector("#live-view img");
    const label = document.querySelector("#live-answer .verdict")?.dataset.label;
    if (!picture) return;
    const copy = new Image();
    copy.src = picture.src;
    await copy.decode();
    const found = code(copy);
    if (found < 0) window.watched.unread += 1;
    else {
      const since = now - window.watched.seen[found];  // the page's video may skip a code, or last have shown it a
      window.watched.answers.push([found, now, since < turn / 2 ? since : null, label]);  // whole turn of the film ago
    }
  }).observe(document.querySelector("#live-view"), { childList: true, subtree: true, attributes: true });
}"""


def chromium() -> str:
    """Where Chromium is."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        raise SystemExit("This benchmark needs Chromium: apt-get install chromium")
    return found


def film(path: Path) -> None:
    """Squats, then raised arms, by one person, with a time code in the upper left corner; raw 4:2:0 video."""
    from actrec import synthetic

    half = SECONDS * FPS // 2
    parts = [
        synthetic.render(action, SEED, frames=half, size=(240, 320), fps=FPS, framing="whole").frames
        for action in ("squat", "raise arms")
    ]
    with open(path, "wb") as file:
        file.write(f"YUV4MPEG2 W320 H240 F{FPS}:1 Ip A1:1 C420\n".encode())
        for number, frame in enumerate(np.concatenate(parts)):
            file.write(b"FRAME\n" + cv2.cvtColor(coded(frame, number), cv2.COLOR_RGB2YUV_I420).tobytes())


def coded(frame: np.ndarray, number: int) -> np.ndarray:
    """The frame with its number as bits, white for one, and their complement in the row below."""
    frame = frame.copy()
    for bit in range(BITS):
        one, columns = number >> bit & 1, slice(bit * CELL, (bit + 1) * CELL)
        frame[:CELL, columns], frame[CELL : 2 * CELL, columns] = 255 * one, 255 * (1 - one)
    return frame


@contextmanager
def app(settings: Mapping[str, str] | None = None) -> Iterator[tuple[str, float]]:
    """The page as a user starts it, with these settings in its environment: its address and when it was started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="actrec-runs-") as runs:
        command = [sys.executable, "app.py", "--port", str(port), "--runs", runs]
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | (settings or {}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield f"http://127.0.0.1:{port}", began
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def training(folder: Path) -> Iterator[None]:
    """A training on one thread, as the Train tab starts it, once it is learning."""
    from actrec.training.run import Run

    words = ["train", "--system", "asym3d", "--data", "synthetic:six", "--threads", "1", "--name", "beside"]
    process = subprocess.Popen(
        [sys.executable, "-m", "actrec", *words, "--clips-per-class", "20", "--epochs", "500", "--out", str(folder)],
        cwd=ROOT, env=environment(1), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    stay_behind(process.pid)
    try:
        while not any(event["event"] == "step" for event in Run(folder).events()):
            if process.poll() is not None:
                raise SystemExit("The training beside it did not start.")
            time.sleep(0.5)
        yield
    finally:
        process.terminate()
        process.wait(60)


def open_page(page, address: str) -> None:
    """Wait until somebody listens, then for the page."""
    host, port = address.removeprefix("http://").split(":")
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            break
        except OSError:
            time.sleep(0.05)
    page.goto(address, timeout=120_000)
    page.wait_for_selector("#tab-clip", state="visible", timeout=120_000)


def start_camera(page, overlay: str | None) -> float:
    """Start the camera; seconds from its start to the first label."""
    page.wait_for_selector("#status:has-text('Ready')", timeout=240_000)
    page.click("button[role=tab]:has-text('Live')")
    if overlay:
        page.click(f"#live-overlay label:has-text('{overlay}')")
    page.click("#live-camera button:has-text('Access Webcam')")
    page.wait_for_selector("#live-camera video", timeout=60_000)
    page.evaluate(WATCH, [BITS, CELL, 1000 * SECONDS])
    began = time.perf_counter()
    page.click("#live-camera button:has-text('Record')")
    page.wait_for_function("() => document.querySelector('#live-answer .score') !== null", timeout=120_000, polling=20)
    return time.perf_counter() - began


def measure(page, seconds: float) -> dict:
    """What was answered in so many seconds."""
    page.wait_for_timeout(3000)  # the window is full
    page.evaluate("() => { window.watched.answers = []; window.watched.unread = 0; }")
    page.wait_for_timeout(seconds * 1000)
    watched = page.evaluate("() => window.watched")
    answers = watched["answers"]
    if sum(each[2] is not None for each in answers) < 3:
        raise SystemExit(f"Only {len(answers)} answers in {seconds:.0f} s ({watched['unread']} without a code).")
    whole = SECONDS * FPS
    newer = sum(0 < (other[0] - one[0]) % whole < whole / 2 for one, other in pairwise(answers))
    latencies = sorted(each[2] for each in answers if each[2] is not None)
    labels = [each[3] for each in answers]
    return {
        "predictions_per_second": round((1 + newer) / seconds, 2),
        "p50_ms": round(statistics.median(latencies)),
        "p95_ms": round(latencies[min(len(latencies) - 1, int(0.95 * len(latencies)))]),
        "answers": len(answers),
        "unread": watched["unread"],
        "not_on_the_video": len(answers) - len(latencies),
        "labels": {label: labels.count(label) for label in sorted(set(labels))},
        "said": page.inner_text("#live-answer .figures"),
    }


def run(seconds: float, overlay: str | None, beside: bool) -> dict:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="actrec-live-") as folder, sync_playwright() as playwright:
        shown = Path(folder) / "film.y4m"
        film(shown)
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=[*FLAGS, f"--use-file-for-fake-video-capture={shown}"]
        )
        page = browser.new_context(permissions=["camera"], viewport={"width": 1280, "height": 900}).new_page()
        with app() as (address, began):
            open_page(page, address)
            found = {"page_s": round(time.perf_counter() - began, 2)}
            found["first_label_s"] = round(start_camera(page, overlay), 2)
            found["weights"] = page.locator("#live-weights input").input_value()
            found["overlay"] = page.locator("#live-overlay input:checked").input_value()
            found |= {"alone": measure(page, seconds)}
            if beside:
                with training(Path(folder) / "run"):
                    found["while_training"] = measure(page, seconds)
            browser.close()
    return found


def window() -> str:
    from actrec.systems import named
    from demo.server.services import Services

    card = Services().cards[Services().default]
    return f"{card.name} ({card.system}), window of {named(card.system).seconds:.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description="How quick the Live tab is.")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each measurement takes")
    parser.add_argument("--overlay", help="over the picture; by default the one with which the page opens")
    parser.add_argument("--without-training", action="store_true", help="skip the measurement beside a training")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    if hasattr(os, "sched_setaffinity"):  # inherited by all that is started from here
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    found = run(args.seconds, args.overlay, not args.without_training)
    found = {"processor": processor(), "system": window(), "cores": cores(), "load_before": round(load, 2), **found}
    if args.seconds >= ENOUGH:  # a short try is none to keep
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({**found, "goals": GOALS}, indent=1, ensure_ascii=False) + "\n")
    print(f"{found['system']}, overlay '{found['overlay']}', {found['cores']} cores, load before {load:.1f}")
    print(
        f"usable page {found['page_s']:.1f} s (target {GOALS['page_s']:g}), first label {found['first_label_s']:.1f} s "
        f"after the camera starts (target {GOALS['first_label_s']:g})"
    )
    for name in ("alone", "while_training"):
        if name in found:
            each = found[name]
            print(
                f"{name:<15}{each['predictions_per_second']:5.2f} predictions/s "
                f"(target {GOALS['predictions_per_second']})   latency p50 {each['p50_ms']} ms, "
                f"p95 {each['p95_ms']} ms (target {GOALS['p95_ms']})   {each['labels']}"
            )
            print(f"{'':<15}the page says: {each['said']}")
    if load > 0.7:
        print("The machine was busy before it began: these figures say little.")


if __name__ == "__main__":
    main()
