"""The Saliency and the Embeddings tab as a visitor uses them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from visitors import open_tab

from actrec.weights.cards import read_card
from actrec.weights.default import FALLBACK
from actrec.weights.folders import WEIGHTS

IMAGES = "all => all.map(panel => getComputedStyle(panel).backgroundImage.length)"
PANELS = "#saliency-films .strip-frame"


def explained(page, example: str) -> None:
    page.click(f"#saliency-{example}")
    page.wait_for_selector("#saliency-films .scrub", timeout=90_000)


def test_another_class_gets_other_maps_and_the_slider_moves_all_panels(page):
    open_tab(page, "Saliency")
    explained(page, "jumping-jack")
    assert page.get_attribute("#saliency-films h3", "data-label") == "jumping jack"
    assert page.locator(PANELS).count() == 4
    before = page.eval_on_selector_all(PANELS, IMAGES)
    page.locator("#saliency-scores .confidence-set").nth(1).click()
    page.wait_for_selector("#saliency-films h3:not([data-label='jumping jack'])", timeout=30_000)
    after = page.eval_on_selector_all(PANELS, IMAGES)
    assert before[0] == after[0] and all(one != other for one, other in zip(before[1:], after[1:], strict=True))
    place = "all => all.map(panel => getComputedStyle(panel).backgroundPositionY)"
    page.locator("#saliency-films input[type=range]").fill("3")
    early = page.eval_on_selector_all(PANELS, place)
    page.locator("#saliency-films input[type=range]").fill("40")
    late = page.eval_on_selector_all(PANELS, place)
    assert len(set(early)) == 1 and len(set(late)) == 1 and early != late
    assert page.inner_text("#saliency-films output") == "5.0 s"
    page.click("#saliency-films .scrub-play")
    page.wait_for_function(
        "was => getComputedStyle(document.querySelector('#saliency-films .strip-frame')).backgroundPositionY !== was",
        arg=late[0],
    )


def test_a_map_is_put_to_the_test_and_neurons_show_their_clips(page):
    open_tab(page, "Saliency")
    explained(page, "squat")
    page.click("#saliency-prove")
    page.wait_for_selector("#saliency-proof td:text-is('Grad-CAM')", timeout=60_000)
    assert page.locator("#saliency-proof svg").count() == 2
    assert -1 <= float(page.get_attribute("#saliency-proof [data-shuffled]", "data-shuffled")) <= 1
    page.click("#saliency-inside")
    page.wait_for_selector("#saliency-neurons h3", timeout=120_000)
    assert page.locator("#saliency-layers .strip-frame").count() == 5
    assert page.locator("#saliency-neurons .many .strip-frame").count() == 10
    first = page.get_attribute("#saliency-neurons h3", "data-neuron")
    page.click("#saliency-neuron input")
    page.locator(f"[role=option]:not(:has-text('{first}: '))").nth(2).click()
    page.wait_for_selector(f"#saliency-neurons h3:not([data-neuron='{first}'])", timeout=30_000)


def test_a_click_on_a_dot_plays_its_clip(page, tmp_path: Path):
    from actrec.explain.gallery import gallery_of
    from actrec.video.read import read_clip

    open_tab(page, "Embeddings")
    page.wait_for_selector("#embeddings-map .atlas-map .dot", timeout=180_000)
    dots = page.locator("#embeddings-map .dot")
    for number in (5, 37):
        label = dots.nth(number).get_attribute("data-label")
        dots.nth(number).focus()
        page.wait_for_selector("#embeddings-map .atlas-tip", state="visible", timeout=10_000)
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#embeddings-what [data-clip='{number}']", timeout=30_000)
        assert label in page.inner_text("#embeddings-what")
        page.wait_for_selector(f"#embeddings-film video[src*='gallery-{number + 1}']", timeout=30_000)
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(page.request.get(page.get_attribute("#embeddings-film video", "src")).body())
        gallery = gallery_of(read_card(WEIGHTS / FALLBACK).labels)
        played, expected = read_clip(path).frames[10], gallery.clip(number).frames[10]
        assert gallery.labels[number] == label
        assert np.abs(played.astype(int) - expected).mean() < 8


def test_ones_own_clip_gets_a_place_and_other_maps_are_drawn(page):
    open_tab(page, "Embeddings")
    page.wait_for_selector("#embeddings-map .atlas-map", timeout=180_000)
    assert page.locator("#embeddings-map .here[hidden]").count() == 1
    page.click("#embeddings-squat")
    page.wait_for_selector("#embeddings-near [data-near]", timeout=60_000)
    assert page.get_attribute("#embeddings-near [data-near]", "data-near") == "squat"
    page.wait_for_selector("#embeddings-map .here:not([hidden])", timeout=10_000)
    page.click("#embeddings-method label:has-text('PCA')")
    page.wait_for_selector("#embeddings-map .reach", timeout=60_000)
    page.click("#embeddings-weights input")
    page.locator("[role=option]:has-text('fstcn-synthetic')").first.click()
    page.click("#embeddings-draw")
    page.wait_for_selector("#embeddings-map .atlases[data-weights=fstcn-synthetic]", timeout=180_000)
    spaces = page.eval_on_selector_all("#embeddings-map figure", "all => all.map(map => map.dataset.space)")
    assert spaces == ["spatial", "temporal", "spatio-temporal"]
    assert all("silhouette" in text for text in page.locator("#embeddings-map figcaption").all_inner_texts())


def test_the_demo_loop_moves_the_point(page):
    open_tab(page, "Embeddings")
    page.wait_for_selector("#embeddings-map .atlas-map", timeout=180_000)
    page.click("button[role=tab]:has-text('The camera')")
    page.click("#embeddings-play")
    page.wait_for_selector("#embeddings-map .here:not([hidden])", timeout=60_000)
    first = page.get_attribute("#embeddings-map .here", "transform")
    page.wait_for_function(
        "was => document.querySelector('#embeddings-map .here').getAttribute('transform') !== was",
        arg=first, timeout=60_000,
    )  # fmt: skip
    page.click("#embeddings-play")
