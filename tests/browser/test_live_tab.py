"""The Live tab: a camera whose action changes every ten seconds, the demo loop, and no camera at all."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
from conftest import CAMERA, visitor, write_y4m
from visitors import choose, come_again, open_tab, unsure_weights

from actrec.systems import named

ACTIONS = ("squat", "raise arms")
LONG = 3.0  # seconds that each label has to stay, of the ten that its action lasts
HOLD = 0.5  # seconds for which another label has to be better
AGE = 0.2  # seconds from a frame to its answer on the page, 95 % of the time (benchmarks.live)
WITHIN = named("asym3d").seconds + 0.5 + HOLD + AGE  # after a change of the action the label has changed
CAPTIONS = {
    "nothing": "What the camera sees",
    "motion salience": "MDT-Net",
    "RGBF": "eq. 7",
    "optical flow": "DIS",
    "tailor": "Box:",
    "class saliency": "FstCN",
}
# Notes in the page itself, by its own clock: when the camera's corner changed, and when the label did.
WATCH = """() => {
  const pen = Object.assign(document.createElement("canvas"), { width: 32, height: 24 })
    .getContext("2d", { willReadFrequently: true });
  const video = document.querySelector("#live-camera video");
  window.noted = { shown: [], labels: [] };
  const note = (list, value) => {
    if (list.at(-1)?.[1] !== value) list.push([performance.now() / 1000, value]);
  };
  setInterval(() => {
    pen.drawImage(video, 0, 0, 32, 24);
    note(window.noted.shown, pen.getImageData(0, 0, 1, 1).data[1] > 127 ? "raise arms" : "squat");
    note(window.noted.labels, document.querySelector("#live-answer .verdict")?.dataset.label);
  }, 25);
}"""


def test_the_label_follows_the_camera(page):
    """A machine that is busy for a moment answers late: of all changes, one in each direction has to be in time."""
    open_tab(page, "Live")
    page.click("#live-camera button:has-text('Access Webcam')")
    page.wait_for_selector("#live-camera video", timeout=20_000)
    page.click("#live-camera button:has-text('Record')")
    page.wait_for_selector("#live-answer .score", timeout=60_000)
    page.evaluate(WATCH)
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        page.wait_for_timeout(500)
        noted = page.evaluate("() => window.noted")
        late = delays(noted)
        if all(late[action] < WITHIN and longest(noted["labels"], action) >= LONG for action in ACTIONS):
            break
    assert all(late[action] < WITHIN for action in ACTIONS), (late, noted)
    assert all(longest(noted["labels"], action) >= LONG for action in ACTIONS), noted
    # Between two actions the answer may be "not sure": the text of a moment that names one.
    shown = page.wait_for_function(
        """(actions) => {
          const answer = document.querySelector("#live-answer");
          return actions.includes(answer.querySelector(".verdict")?.dataset.label) && answer.innerText;
        }""",
        arg=list(ACTIONS), timeout=30_000,
    ).json_value()  # fmt: skip
    for word in ("predictions per second", "lag", "arrival to its answer", "dropped", "unknown", "distance"):
        assert word in shown, word
    assert page.get_attribute("#live-view img", "src").startswith("data:image/jpeg")
    strip = page.get_attribute("#live-strip .lately", "aria-label")
    assert all(action in strip for action in ACTIONS), strip


def test_an_unplugged_camera_is_reported_and_nothing_more_is_answered_until_it_is_back(page):
    come_again(page)
    open_tab(page, "Live")
    page.click("#live-camera button:has-text('Access Webcam')")
    page.wait_for_selector("#live-camera video", timeout=20_000)
    page.click("#live-camera button:has-text('Record')")
    page.wait_for_selector("#live-answer .score", timeout=60_000)
    page.evaluate(
        "() => document.querySelector('#live-camera video').srcObject.getVideoTracks()[0]"
        ".dispatchEvent(new Event('ended'))"
    )
    page.wait_for_selector("#live-note:has-text('The camera is gone')", timeout=10_000)
    page.wait_for_selector("#live-camera button:has-text('Record')", timeout=10_000)
    page.wait_for_timeout(2000)  # what was under way has arrived
    before = page.inner_html("#live-view")
    page.wait_for_timeout(2000)
    assert page.inner_html("#live-view") == before
    page.click("#live-camera button:has-text('Record')")
    page.wait_for_function("(before) => document.querySelector('#live-view').innerHTML !== before", arg=before)


def delays(noted: dict) -> dict[str, float]:
    """For each action the shortest time from the camera's change to it until the label was it, having been another."""
    shortest = dict.fromkeys(ACTIONS, float("inf"))
    for (_, before), (changed, action) in pairwise(noted["shown"]):
        ends = next((at for at, _ in noted["shown"] if at > changed), float("inf"))
        was = [label for at, label in noted["labels"] if at <= changed]
        if before != action and was and was[-1] != action:
            answered = [at for at, label in noted["labels"] if changed < at < ends and label == action]
            shortest[action] = min([shortest[action], *(at - changed for at in answered[:1])])
    return shortest


def longest(labels: list, label: str) -> float:
    """The longest time that a label stood without a break."""
    return max((after - at for (at, current), (after, _) in pairwise(labels) if current == label), default=0)


def test_overlays_are_switched_while_the_demo_loop_runs(page_without_camera):
    page = page_without_camera
    open_tab(page, "Live")
    page.wait_for_selector("#live-note:has-text('No camera was found')", timeout=30_000)
    page.click("#live-loop input")
    page.click("[role=option]:has-text('squat')")
    page.click("#live-play")
    page.wait_for_selector("#live-answer .verdict[data-label=squat]", timeout=90_000)
    for overlay, word in CAPTIONS.items():
        page.click(f"#live-overlay label:has-text('{overlay}')")
        page.wait_for_selector(f"#live-view figcaption:has-text('{word}')", timeout=60_000)
    page.wait_for_selector("#live-view figcaption:has-text('squat')", timeout=60_000)
    page.click("#live-play")
    page.wait_for_selector("#live-play:has-text('Play')", timeout=30_000)
    page.wait_for_timeout(1500)
    before = page.get_attribute("#live-view img", "src")
    page.wait_for_timeout(1500)
    assert page.get_attribute("#live-view img", "src") == before


def test_the_weights_show_their_labels_and_for_whom_they_are(page):
    open_tab(page, "Live")
    about = page.inner_text("#live-about")
    for word in ("jumping jack", "figures that the project draws", "Research and teaching only", "one person"):
        assert word in about, word


def watch_camera(page) -> None:
    open_tab(page, "Live")
    page.click("#live-camera button:has-text('Access Webcam')")
    page.wait_for_selector("#live-camera video", timeout=20_000)
    page.click("#live-camera button:has-text('Record')")


def test_a_covered_camera_shows_that_nothing_moves_and_no_action(chromium, server, tmp_path):
    covered = tmp_path / "covered.y4m"
    write_y4m(covered, np.full((24, 240, 320, 3), 20, np.uint8))
    with visitor(chromium, server, [*CAMERA, f"--use-file-for-fake-video-capture={covered}"]) as page:
        watch_camera(page)
        page.wait_for_selector("#live-answer .verdict[data-label='nothing moves']", timeout=120_000)
        assert page.inner_text("#live-answer .verdict") == "Nothing moves."
        assert page.locator("#live-answer .score").count() == 0, "no bars of what nobody does"
        page.wait_for_selector("#live-strip .lately[aria-label*='nothing moves']", timeout=30_000)


def test_weights_for_two_people_and_unsure_ones_answer_one_person_with_a_sentence(page, weights_folder):
    unsure_weights(weights_folder)
    watch_camera(page)
    page.wait_for_selector("#live-answer .by:has-text('asym3d-people')", timeout=120_000)
    choose(page, "live", "asym3d-ut")
    page.wait_for_selector("#live-answer .verdict[data-label='too few people']", timeout=120_000)
    shown = page.inner_text("#live-answer")
    assert "These weights are for two people; I see one." in shown and "weights for one person" in shown
    open_tab(page, "Clip")
    open_tab(page, "Live")  # the list of weights is read again
    choose(page, "live", "never-sure")
    page.wait_for_selector("#live-answer .verdict[data-label='not sure']", timeout=120_000)
    assert page.inner_text("#live-answer .verdict").startswith("Not sure: perhaps ")
    assert page.get_attribute("#live-hold input[type=number]", "value") or page.input_value("#live-hold input >> nth=0")
