"""The README's looping picture of Live: the running page in Chromium, with the bundled clips as its camera.

    python -m benchmarks.live_picture [--seconds N] [--out FILE]

The clips in `assets/examples` are written one after the other into a file that Chromium plays as a webcam. The page is
started as a user starts it and used as it opens. Each frame of the picture is shown as long as it was on the screen.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import cv2
from PIL import Image

from benchmarks.live import FLAGS, app, open_page

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "assets" / "screens" / "live.webp"
ACTIONS = ("jumping-jack", "raise-arms", "squat")
FPS = 12
SIZE = {"width": 1040, "height": 810}
WIDTH = 800  # pixels of the picture
MOST_BYTES = 3_000_000


def camera(path: Path) -> float:
    """Write the bundled clips as raw 4:2:0 video; its length in seconds."""
    from actrec.video.read import read_clip

    count = 0
    with open(path, "wb") as file:
        file.write(f"YUV4MPEG2 W320 H240 F{FPS}:1 Ip A1:1 C420\n".encode())
        for action in ACTIONS:
            clip = read_clip(ROOT / "assets" / "examples" / f"{action}.mp4")
            for frame in clip.frames:
                file.write(b"FRAME\n" + cv2.cvtColor(cv2.resize(frame, (320, 240)), cv2.COLOR_RGB2YUV_I420).tobytes())
                count += 1
    return count / FPS


def start(page) -> None:
    """Open Live and start the camera; back once a label is on the page."""
    page.wait_for_selector("#status:has-text('Ready')", timeout=240_000)
    page.click("button[role=tab]:has-text('Live')")
    page.click("#live-camera button:has-text('Access Webcam')")
    page.wait_for_selector("#live-camera video", timeout=60_000)
    page.click("#live-camera button:has-text('Record')")
    page.wait_for_selector("#live-answer .score", timeout=120_000)
    page.evaluate("document.querySelector('.stage:has(#live-answer)').scrollIntoView()")
    page.wait_for_timeout(3000)


def record(page, seconds: float) -> tuple[list[Image.Image], list[int]]:
    """What is on the screen, as often as it can be taken, and for how many milliseconds each."""
    pictures, times = [], []
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        times.append(time.monotonic())
        shown = Image.open(io.BytesIO(page.screenshot(type="jpeg", quality=92))).convert("RGB")
        pictures.append(shown.resize((WIDTH, round(shown.height * WIDTH / shown.width)), Image.Resampling.LANCZOS))
        time.sleep(max(0.0, times[-1] + 0.125 - time.monotonic()))
    times.append(time.monotonic())
    return pictures, [round(1000 * (later - earlier)) for earlier, later in pairwise(times)]


def write(pictures: list[Image.Image], durations: list[int], out: Path) -> int:
    """A looping WebP of at most three megabytes: the best quality that fits."""
    for quality in (70, 60, 50, 40, 30):
        data = io.BytesIO()
        first, *rest = pictures
        first.save(
            data, "webp", save_all=True, append_images=rest, duration=durations, loop=0, quality=quality, method=4
        )
        if data.tell() <= MOST_BYTES:
            break
    out.write_bytes(data.getvalue())
    return data.tell()


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="how long; once through the clips unless said")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("This needs Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="actrec-picture-") as folder, app() as (address, _):
        film = Path(folder, "camera.y4m")
        seconds = args.seconds or camera(film)
        with sync_playwright() as playwright:
            flags = [*FLAGS, f"--use-file-for-fake-video-capture={film}"]
            browser = playwright.chromium.launch(executable_path=chromium, args=flags)
            page = browser.new_context(permissions=["camera"], viewport=SIZE).new_page()
            open_page(page, address)
            start(page)
            pictures, durations = record(page, seconds)
            browser.close()
    size = write(pictures, durations, args.out)
    print(f"{len(pictures)} frames in {seconds:.0f} s, {size / 1e6:.2f} MB in {args.out}")


if __name__ == "__main__":
    main()
