"""The Papers tab as a visitor uses it: steps are opened, controls are moved, and the figures follow."""

from __future__ import annotations

import time

import pytest
from visitors import open_tab

FIGURE = "#papers-figure"


def open_tour(page, key: str, example: str = "wave") -> None:
    open_tab(page, "Papers")
    page.check(f"#papers-which input[value='{key}']")
    page.click(f"#papers-{example}")
    page.wait_for_selector(f"{FIGURE} [data-step='{key}/1']", timeout=60_000)


def step(page, key: str, number: int) -> None:
    page.click("#papers-step input")
    page.click(f"[role=option]:has-text('{number} · ')")
    page.wait_for_selector(f"{FIGURE} [data-step='{key}/{number}']", timeout=60_000)


def said(page) -> str:
    return page.inner_text(f"{FIGURE} .message")


def changed(page, was: str, within: float = 30) -> float:
    """Seconds until the figure says something else."""
    began = time.monotonic()
    page.wait_for_function(
        "([where, was]) => document.querySelector(where + ' .message')?.innerText !== was",
        arg=[FIGURE, was], timeout=within * 1000,
    )  # fmt: skip
    return time.monotonic() - began


def test_the_asymmetric_tour_answers_its_controls(page):
    open_tour(page, "asym3d")
    assert page.locator(f"{FIGURE} svg image").count() == 16
    page.click("#papers-next")
    page.wait_for_selector(f"{FIGURE} [data-step='asym3d/2']", timeout=30_000)
    assert "eq. 1 and 2" in page.inner_text("#papers-text")
    before = said(page)
    page.fill("#papers-slider-1 input[type=number]", "0.2")
    page.keyboard.press("Enter")
    assert changed(page, before) < 5
    step(page, "asym3d", 3)
    before = said(page)
    assert before.startswith("Along height")
    page.check("#papers-choice-1 input[value=time]")
    changed(page, before)
    assert said(page).startswith("Along time the window has 3 places")
    step(page, "asym3d", 8)
    table = page.inner_text(f"{FIGURE} table")
    assert "17.44" in table and "14.69" in table and "78.40" not in table
    before = said(page)
    page.check("#papers-choice-1 input[value='c3d-b8']")
    changed(page, before)
    assert "78.40" in page.inner_text(f"{FIGURE} table")
    step(page, "asym3d", 10)
    assert page.locator("#papers-next").is_disabled()


def press(page, where: str) -> None:
    """Do what changes a figure, and wait until it says something else."""
    before = said(page)
    page.locator(where).click()
    changed(page, before)


def test_the_other_tours_answer_their_controls(page):
    open_tour(page, "ms3d")
    step(page, "ms3d", 2)
    press(page, "#papers-again")
    step(page, "ms3d", 5)
    press(page, "#papers-choice-1 input[value='7']")
    assert "The 7 factors sum to 1.00" in said(page)
    page.check("#papers-which input[value='fstcn']")
    page.wait_for_selector(f"{FIGURE} [data-step='fstcn/1']", timeout=60_000)
    assert "27 numbers, made of 9 + 3 = 12" in said(page)
    before = said(page)
    page.fill("#papers-words-2 textarea, #papers-words-2 input", "1 2 3 2 1")
    page.keyboard.press("Enter")
    changed(page, before)
    assert "45 numbers, made of 9 + 5 = 14" in said(page)
    before = said(page)
    page.fill("#papers-words-2 textarea, #papers-words-2 input", "one two")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{FIGURE} .nothing:has-text('is no kernel')", timeout=30_000)
    page.check("#papers-which input[value='mdtnet']")
    page.wait_for_selector(f"{FIGURE} [data-step='mdtnet/1']", timeout=60_000)
    press(page, "#papers-choice-1 input[value='16']")
    assert said(page).startswith("16 segments")
    page.check("#papers-which input[value='crossenh']")
    page.wait_for_selector(f"{FIGURE} [data-step='crossenh/1']", timeout=60_000)
    step(page, "crossenh", 4)
    press(page, "#papers-choice-1 input[value='g']")
    assert said(page).startswith("Bridge g joins the teacher's rear (flow) with the student's front (rgb).")


@pytest.mark.parametrize("key", ["ms3d", "fstcn", "asym3d", "mdtnet", "crossenh"])
def test_every_figure_has_a_caption_and_fits_a_phone(page, key):
    page.set_viewport_size({"width": 390, "height": 844})
    open_tour(page, key)
    number = 1
    while True:
        assert (
            page.locator(f"{FIGURE} .panel").count()
            == page.locator(f"{FIGURE} .panel > figcaption:not(:empty)").count()
            > 0
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, number
        if page.locator("#papers-next").is_disabled():
            break
        number += 1
        page.click("#papers-next")
        page.wait_for_selector(f"{FIGURE} [data-step='{key}/{number}']", timeout=30_000)
    assert number >= 7
