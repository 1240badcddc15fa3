"""The Motion tab as a visitor uses it."""

from __future__ import annotations


def test_every_clue_of_an_example_is_drawn_and_one_can_be_watched(page):
    page.click("button[role=tab]:has-text('Motion')")
    page.click("#motion-jumping-jack")
    page.wait_for_selector("#motion-figures figure", timeout=90_000)
    captions = page.locator("#motion-figures figcaption").all_inner_texts()
    assert len(captions) == 7
    for word in ("difference", "eq. 1", "salience", "flow", "eq. 7", "trajectories", "Tailor"):
        assert any(word in caption for caption in captions), word
    widths = page.eval_on_selector_all("#motion-figures img", "all => all.map(image => image.naturalWidth)")
    assert min(widths) >= 100
    page.wait_for_selector("#motion-film video", timeout=60_000)
    first = page.get_attribute("#motion-film video", "src")
    page.click("#motion-which label:has-text('flow')")
    page.wait_for_function(
        "was => document.querySelector('#motion-film video')?.src !== was", arg=first, timeout=60_000
    )


def test_another_draw_takes_other_frames(page):
    page.click("button[role=tab]:has-text('Motion')")
    page.click("#motion-clap")
    page.wait_for_selector("#motion-figures figure", timeout=90_000)
    curve = "#motion-figures figure:has(figcaption:has-text('eq. 1')) img"
    first = page.get_attribute(curve, "src")
    page.fill("#motion-seed input", "7")
    page.click("#motion-show")
    page.wait_for_function(
        "([where, was]) => document.querySelector(where)?.src !== was",
        arg=["#motion-figures figure:nth-of-type(2) img", first],
        timeout=90_000,
    )


def test_rows_salience_a_pixel_and_flows_follow_their_controls(page):
    page.click("button[role=tab]:has-text('Motion')")
    page.click("#motion-wave")
    page.wait_for_selector("#motion-rows .panel", timeout=90_000)
    assert page.locator("#motion-rows .panel").count() == 8
    page.fill("#motion-moment input[type=number]", "1")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "() => { const text = document.querySelector('#motion-rows .message').innerText;"
        " const [, a, b] = text.match(/Frame (\\d+) of (\\d+)/); return a === b; }",
        timeout=30_000,
    )
    page.wait_for_selector("#motion-tuned .message", timeout=30_000)
    for slider, value in (("cutoff", "6"), ("smoothing", "5"), ("strength", "0.3")):
        before = page.get_attribute("#motion-tuned svg image >> nth=2", "href")
        page.fill(f"#motion-{slider} input[type=number]", value)
        page.keyboard.press("Enter")
        page.wait_for_function(
            "was => document.querySelectorAll('#motion-tuned svg image')[2].getAttribute('href') !== was",
            arg=before,
            timeout=30_000,
        )
    page.click("#motion-picture img", position={"x": 60, "y": 50})
    page.wait_for_selector("#motion-course .message:has-text('After the 6 lowest frequencies')", timeout=30_000)
    assert page.locator("#motion-course figure.chart").count() == 3
    page.check("#motion-phase input")
    page.wait_for_selector("#motion-course figcaption:has-text('Phase only')", timeout=30_000)
    page.click("#motion-compare")
    page.wait_for_selector("#motion-flows td:has-text('TV-L1')", timeout=60_000)


def test_the_frames_are_drawn_again_and_files_can_be_taken(page):
    page.click("button[role=tab]:has-text('Motion')")
    page.click("#motion-clap")
    page.wait_for_selector("#motion-rows .panel", timeout=90_000)
    curve, other = (f"#motion-figures figure:nth-of-type({place}) img" for place in (2, 3))
    was, kept = page.get_attribute(curve, "src"), page.get_attribute(other, "src")
    page.click("#motion-again")
    page.wait_for_function("([where, was]) => document.querySelector(where).src !== was", arg=[curve, was])
    assert page.get_attribute(other, "src") == kept
    page.click("#motion-files-button")
    page.wait_for_selector("#motion-files a[href$='trajectories.mp4']", timeout=90_000)
    assert page.locator("#motion-files a[href$='.png']").count() >= 7
