"""The Tailor tab as a visitor uses it."""

from __future__ import annotations

from visitors import open_tab


def test_sliders_change_the_factors_the_curtain_and_the_answer(page):
    open_tab(page, "Tailor")
    page.click("#tailor-wave")
    page.wait_for_selector("#tailor-answer figure", timeout=90_000)
    assert page.locator("#tailor-figure .panel").count() == 3
    said = page.inner_text("#tailor-figure .message")
    assert "multiplied by 1.20, in the first ring by 0.90" in said
    answer, after = page.inner_text("#tailor-answer"), "#tailor-curtain img:last-of-type"
    picture = page.get_attribute(after, "src")
    page.fill("#tailor-xi input[type=number]", "0.5")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tailor-figure .message:has-text('in the first ring by 0.50')", timeout=30_000)
    page.wait_for_function("([where, was]) => document.querySelector(where).src !== was", arg=[after, picture])
    dimmed = page.get_attribute(after, "src")
    page.fill("#tailor-eta input[type=number]", "2.5")  # what ξ does to the answer may be less than a percent
    page.keyboard.press("Enter")
    page.wait_for_selector("#tailor-figure .message:has-text('multiplied by 2.50')", timeout=30_000)
    page.wait_for_function("([where, was]) => document.querySelector(where).src !== was", arg=[after, dimmed])
    page.wait_for_function(
        "was => document.querySelector('#tailor-answer').innerText !== was", arg=answer, timeout=60_000
    )
    page.eval_on_selector(
        "#tailor-curtain input",
        "slider => { slider.value = 20; slider.dispatchEvent(new Event('input', {bubbles: true})); }",
    )
    cut = "getComputedStyle(document.querySelector('#tailor-curtain .curtain')).getPropertyValue('--cut')"
    assert page.evaluate(cut).strip() == "20%"
    page.click("#tailor-film-button")
    page.wait_for_selector("#tailor-film a[href$='tailored.mp4']", timeout=60_000)
