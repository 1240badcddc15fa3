"""Pictures of every tab, light and dark, for a desk and for a phone: into `assets/screens`.

    python -m benchmarks.screens [--only TAB ...]

The app is started as a user starts it; each tab does something first, so that there is something to see.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.live import FLAGS, app, open_page

SCREENS = Path(__file__).resolve().parents[1] / "assets" / "screens"
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
QUALITY = 62
MINUTE = 60_000


def clip(page) -> None:
    page.click("#clip-wave")
    page.wait_for_selector("#clip-answer .verdict", timeout=2 * MINUTE)
    page.wait_for_timeout(4000)


def live(page) -> None:
    page.click("#live-film input")
    page.click("[role=option]:has-text('jumping jack')")
    page.click("#live-play")
    page.wait_for_selector("#live-answer .share", timeout=2 * MINUTE)
    page.wait_for_timeout(9000)
    page.click("#live-play")
    page.wait_for_timeout(1500)


def motion(page) -> None:
    page.click("#motion-jumping-jack")
    page.wait_for_selector("#motion-figures figure", timeout=4 * MINUTE)
    page.wait_for_timeout(3000)
    page.locator("#motion-figures").scroll_into_view_if_needed()


def compare(page) -> None:
    page.click("#compare-squat")
    page.wait_for_selector("#compare-rows table", timeout=4 * MINUTE)
    page.wait_for_selector("#compare-picture svg", timeout=2 * MINUTE)
    page.wait_for_timeout(2000)


def still(page) -> None:
    page.wait_for_timeout(4000)


SHOWN: dict[str, Callable] = {"Clip": clip, "Live": live, "Motion": motion, "Compare": compare}


def take(page, name: str) -> None:
    """The screen as it is now, as a small WebP file."""
    pixels = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    done, data = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    if not done:
        raise SystemExit(f"The picture of {name} could not be written.")
    (SCREENS / f"{name}.webp").write_bytes(data.tobytes())


def every_tab(page, only: list[str]) -> None:
    """Each tab in both themes and sizes."""
    names = page.locator("button[role=tab]:visible").all_inner_texts()
    for name in names:
        if only and name not in only:
            continue
        page.set_viewport_size(dict(zip(("width", "height"), SIZES["desk"], strict=True)))
        page.evaluate("scrollTo(0, 0)")
        page.click(f"button[role=tab]:has-text('{name}'):visible")
        page.wait_for_timeout(1500)
        SHOWN.get(name, still)(page)
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            for theme in ("light", "dark"):
                page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
                page.wait_for_timeout(700)
                take(page, f"{name.lower()}-{size}-{theme}")
        page.evaluate("document.body.classList.remove('dark')")


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description="Pictures of every tab.")
    parser.add_argument("--only", nargs="*", default=[], help="names of tabs, such as Live; by default all")
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("This needs Chromium: apt-get install chromium")
    SCREENS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, app() as (address, _):
        page = playwright.chromium.launch(executable_path=chromium, args=FLAGS).new_page()
        open_page(page, address)
        page.wait_for_selector("#status:has-text('Ready')", timeout=4 * MINUTE)
        every_tab(page, args.only)
    sizes = [path.stat().st_size for path in SCREENS.glob("*.webp")]
    print(f"{len(sizes)} pictures, {sum(sizes) / 1e6:.2f} MB in {SCREENS}")


if __name__ == "__main__":
    main()
