"""Pictures of every tab, light and dark, for a desk and for a phone: into `assets/screens`.

    python -m benchmarks.screens [--only TAB ...] [--out FOLDER]

The app is started as a user starts it; each tab does something first, so that there is something to see. What is
trained and taught for the pictures lands in a temporary folder.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.live import FLAGS, app, open_page

SCREENS = Path(__file__).resolve().parents[1] / "assets" / "screens"
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
TALLEST = 2200  # pixels of a picture; what lies below is not shown
QUALITY = 62
MINUTE = 60_000
TAUGHT = ("wave both hands", "sit down")


def clip(page) -> None:
    page.click("#clip-wave")
    page.wait_for_selector("#clip-answer .verdict", timeout=2 * MINUTE)
    page.wait_for_timeout(4000)


def live(page) -> None:
    page.click("#live-loop input")
    page.click("[role=option]:has-text('jumping jack')")
    page.click("#live-play")
    page.wait_for_selector("#live-answer .score", timeout=2 * MINUTE)
    page.wait_for_timeout(9000)
    page.click("#live-play")
    page.wait_for_timeout(1500)


def motion(page) -> None:
    page.click("#motion-jumping-jack")
    page.wait_for_selector("#motion-figures figure", timeout=4 * MINUTE)
    page.wait_for_timeout(3000)


def saliency(page) -> None:
    page.click("#saliency-jumping-jack")
    page.wait_for_selector("#saliency-films .scrub", timeout=2 * MINUTE)
    page.click("#saliency-prove")
    page.wait_for_selector("#saliency-proof svg", timeout=2 * MINUTE)
    page.locator("#saliency-films").scroll_into_view_if_needed()


def embeddings(page) -> None:
    page.wait_for_selector("#embeddings-map .atlas-map", timeout=4 * MINUTE)
    page.click("#embeddings-squat")
    page.wait_for_selector("#embeddings-near [data-near]", timeout=MINUTE)
    page.locator("#embeddings-map").scroll_into_view_if_needed()


def tailor(page) -> None:
    page.click("#tailor-wave")
    page.wait_for_selector("#tailor-answer figure", timeout=2 * MINUTE)
    page.wait_for_timeout(1000)


def papers(page) -> None:
    page.check("#papers-which input[value=asym3d]")
    page.click("#papers-jumping-jack")
    page.wait_for_selector("#papers-figure [data-step]", timeout=2 * MINUTE)
    page.click("#papers-next")
    page.wait_for_selector("#papers-figure [data-step='asym3d/2']", timeout=MINUTE)
    page.wait_for_timeout(1000)
    page.locator("#papers-way").scroll_into_view_if_needed()


def compare(page) -> None:
    page.click("#compare-squat")
    page.wait_for_selector("#compare-rows table", timeout=4 * MINUTE)
    page.wait_for_selector("#compare-picture svg", timeout=2 * MINUTE)
    page.wait_for_timeout(2000)


def teach(page) -> None:
    """Two actions of three clips each, and a clip that was not among them."""
    with tempfile.TemporaryDirectory(prefix="actrec-screens-") as folder:
        for action in TAUGHT:
            page.fill("#teach-name textarea, #teach-name input", action)
            page.set_input_files("#teach-files input[type=file]", drawn(Path(folder), action, (0, 1, 2)))
            page.wait_for_function("document.querySelectorAll('#teach-files .file').length == 3", timeout=MINUTE)
            page.click("#teach-learn")
            page.wait_for_selector(f"#teach-classes tr[data-label='{action}']", timeout=3 * MINUTE)
        page.set_input_files("#teach-files input[type=file]", drawn(Path(folder), TAUGHT[0], (4,)))
        page.wait_for_function("document.querySelectorAll('#teach-files .file').length == 1", timeout=MINUTE)
        page.click("#teach-what")
        page.wait_for_selector("#teach-answer .verdict", timeout=MINUTE)
        page.wait_for_timeout(1500)


def drawn(folder: Path, action: str, numbers: tuple[int, ...]) -> list[Path]:
    """Clips of an action with seeds outside training."""
    from actrec import synthetic
    from actrec.video.write import write_mp4

    made = []
    for number in numbers:
        clip = synthetic.render(action, 2_000_100_000 + number, frames=48, size=(240, 320), fps=12.0, framing="whole")
        made.append(write_mp4(folder / f"{action}-{number}.mp4".replace(" ", "-"), clip.frames, 12.0))
    return made


def train(page) -> None:
    """A short training, from its start to its end, its confusion and its log open."""
    for name, text in (("train-name", "six-actions"), ("train-clips", "6"), ("train-epochs", "6")):
        page.locator(f"#{name} input, #{name} textarea").first.fill(text)
        page.keyboard.press("Tab")
    page.wait_for_function("document.querySelector('#train-command textarea').value.includes('six-actions')")
    page.click("#train-check")
    page.click("#train-start")
    page.wait_for_selector("#train-status [data-state=finished]", timeout=8 * MINUTE)
    page.click("button:has-text('Learning rate, confusion and log')")
    page.wait_for_timeout(1500)


def still(page) -> None:
    page.wait_for_timeout(4000)


SHOWN: dict[str, Callable] = {
    "Clip": clip, "Live": live, "Motion": motion, "Tailor": tailor, "Papers": papers, "Saliency": saliency,
    "Embeddings": embeddings, "Compare": compare,
    "Teach": teach, "Train": train,
}  # fmt: skip


def take(page, path: Path) -> None:
    """The page as it is now, as a small WebP file."""
    height = min(TALLEST, page.evaluate("document.documentElement.scrollHeight"))
    shown = {"x": 0, "y": 0, "width": page.viewport_size["width"], "height": height}
    pixels = cv2.imdecode(np.frombuffer(page.screenshot(full_page=True, clip=shown), np.uint8), cv2.IMREAD_COLOR)
    done, data = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    if not done:
        raise SystemExit(f"The picture {path.name} could not be made.")
    path.write_bytes(data.tobytes())


def every_tab(page, only: list[str], folder: Path) -> None:
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
                take(page, folder / f"{name.lower()}-{size}-{theme}.webp")
        page.evaluate("document.body.classList.remove('dark')")


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description="Pictures of every tab.")
    parser.add_argument("--only", nargs="*", default=[], help="names of tabs, such as Live; by default all")
    parser.add_argument("--out", type=Path, default=SCREENS, help="folder for the pictures")
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("This needs Chromium: apt-get install chromium")
    args.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, app() as (address, _):
        page = playwright.chromium.launch(executable_path=chromium, args=FLAGS).new_page()
        open_page(page, address)
        page.wait_for_selector("#status:has-text('Ready')", timeout=4 * MINUTE)
        every_tab(page, args.only, args.out)
    sizes = [path.stat().st_size for path in args.out.glob("*.webp")]
    print(f"{len(sizes)} pictures, {sum(sizes) / 1e6:.2f} MB in {args.out}")


if __name__ == "__main__":
    main()
