"""What every tab stands in: the status strip, two themes, narrow screens, the keyboard, and axe-core's rules."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from visitors import come_again, open_tab

from actrec.weights.default import FALLBACK
from demo.page import TABS

HERE = Path(__file__).parent
AXE = HERE / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="session")
def axe() -> Path:
    """axe-core as pinned in package-lock.json, fetched once."""
    version = json.loads((HERE / "package.json").read_text())["devDependencies"]["axe-core"]
    package = AXE.parent / "package.json"
    if not package.is_file() or json.loads(package.read_text())["version"] != version:
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("needs axe-core, fetched by npm: apt-get install npm")
        done = subprocess.run([npm, "ci", "--ignore-scripts"], cwd=HERE, capture_output=True, text=True, timeout=240)
        if done.returncode:
            pytest.skip(f"needs axe-core, which npm could not fetch: {done.stderr.strip()[-200:]}")
    return AXE


def test_the_strip_shows_what_computes_on_what_and_what_runs(page):
    strip = page.inner_text("#status")
    for word in ("Device", "CPU", "Memory", "GB", "Training"):
        assert word in strip, word
    assert re.search(rf"Weights\s*({FALLBACK}|\d+ in memory)", strip), strip


def test_pages_from_elsewhere_get_nothing(server):
    for foreign in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(f"{server}/gradio_api/info", headers=foreign), timeout=20)
        assert refused.value.code == 403
    urllib.request.urlopen(urllib.request.Request(f"{server}/gradio_api/info", headers={"Origin": server}), timeout=20)


def test_a_second_page_on_the_same_port_is_refused_with_a_sentence(server):
    command = [sys.executable, "app.py", "--port", server.rsplit(":", 1)[1]]
    second = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, timeout=60)
    assert second.returncode == 2 and "Choose another --port." in second.stderr and "Traceback" not in second.stderr


def test_the_chosen_theme_stays(page):
    before = page.evaluate("document.body.classList.contains('dark')")
    page.click("#theme")
    assert page.evaluate("document.body.classList.contains('dark')") is not before
    come_again(page)
    page.wait_for_selector("#status", timeout=60_000)
    page.wait_for_function(f"() => document.body.classList.contains('dark') === {str(not before).lower()}")


def test_no_tab_is_wider_than_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 844})
    for name in TABS:
        open_tab(page, name)
        page.wait_for_timeout(500)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name


def test_on_a_phone_the_keyboard_opens_the_menu_of_tabs_and_closes_it(page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_selector(".overflow-menu > button[aria-label='More tabs']", timeout=20_000)
    page.focus(".overflow-menu > button")
    page.keyboard.press("Enter")
    page.wait_for_selector(".overflow-dropdown button:visible", timeout=10_000)
    box = page.locator(".overflow-dropdown").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    page.keyboard.press("Escape")
    page.wait_for_selector(".overflow-dropdown button:visible", state="detached", timeout=10_000)
    assert page.evaluate("document.activeElement.ariaLabel") == "More tabs"


def test_the_keyboard_reaches_and_opens_a_tab(page):
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Live":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_selector("#live-play", state="visible", timeout=30_000)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(page, axe, theme):
    if page.evaluate("document.body.classList.contains('dark')") != (theme == "dark"):
        page.click("#theme")
    page.add_script_tag(path=axe)
    page.click("#clip-squat")  # so that there is an answer to check
    page.wait_for_selector("#clip-answer .verdict", timeout=90_000)
    serious = {}
    for name in TABS:
        open_tab(page, name)
        page.wait_for_timeout(1500)
        for violation in page.evaluate("async () => (await axe.run()).violations"):
            if violation["impact"] in ("serious", "critical"):
                nodes = [node["html"][:160] + " | " + node["failureSummary"][-160:] for node in violation["nodes"][:6]]
                serious.setdefault(f"{name}: {violation['id']}", nodes)
    assert serious == {}, json.dumps(serious, indent=1)
