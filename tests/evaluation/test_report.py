"""Results as dicts, JSON and HTML."""

from __future__ import annotations

import io
import json
import re
import sys
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

import actrec.evaluation
from actrec.evaluation.plots import confusion_image, rejection_image, reliability_image
from actrec.evaluation.report import write_report
from actrec.evaluation.result import measure, measure_unknown, most_confused, over_splits
from actrec.metrics.accuracy import softmax
from actrec.metrics.calibration import reliability

LABELS = ["handshake", "hug", "kick", "point", "punch", "push"]


def some_result(seed=0, clips=60, labels=LABELS, **more):
    rng = np.random.default_rng(seed)
    targets = np.arange(clips) % len(labels)
    logits = rng.normal(size=(clips, len(labels)))
    logits[np.arange(clips), targets] += 1.5
    return measure(softmax(logits), targets, labels, **more)


class Tags(HTMLParser):
    """What a browser would see: tags, where they point, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def test_a_result_says_what_the_command_line_promises():
    result = some_result(seconds=3.0)
    assert {"clips", "top1", "top5", "per_class", "calibration_error", "clips_per_second"} <= set(result)
    assert result["clips_per_second"] == 20
    assert result["per_class"]["hug"]["clips"] == 10
    assert np.trace(result["confusion"]) / 60 == pytest.approx(result["top1"])
    assert result["chance"] == pytest.approx(1 / 6)


def test_temperature_is_reported_with_the_clips_it_was_fitted_on():
    result = some_result(temperature=1.4, fitted_on="validation part of split 1")
    assert result["temperature"]["fitted_on"] == "validation part of split 1"
    assert result["temperature"]["calibration_error"] != result["calibration_error"]
    with pytest.raises(ValueError, match="fitted on"):
        some_result(temperature=1.4)


def test_worst_mistakes_come_first_with_their_names():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.99, 0.01]])
    result = measure(probabilities, np.array([1, 1, 0, 0]), ["a", "b"], names=["w", "x", "y", "z"])
    assert [(m["clip"], m["is"], m["taken_for"]) for m in result["mistakes"]] == [("w", "b", "a"), ("y", "a", "b")]


def test_splits_are_averaged_and_their_confusions_added():
    first, second = some_result(0, clips=60), some_result(1, clips=120)
    both = over_splits({"split 1": first, "split 2": second})
    assert both["clips"] == 180
    assert both["top1"] == pytest.approx((first["top1"] + second["top1"]) / 2)
    assert both["top1_deviation"] == pytest.approx(np.std([first["top1"], second["top1"]], ddof=1))
    assert np.array_equal(both["confusion"], np.add(first["confusion"], second["confusion"]))
    assert both["pooled_top1"] == pytest.approx((60 * first["top1"] + 120 * second["top1"]) / 180)


def test_the_calibration_of_splits_is_that_of_all_clips_together(rng):
    targets = rng.integers(0, 3, 200)
    probabilities = softmax(rng.normal(size=(200, 3)) + np.eye(3)[targets])
    halves = {
        name: measure(probabilities[part], targets[part], ["a", "b", "c"])
        for name, part in {"one": slice(0, 70), "two": slice(70, 200)}.items()
    }
    whole = reliability(probabilities, targets)
    found = over_splits(halves)["reliability"]
    assert found["error"] == pytest.approx(whole.error)
    assert found["count"] == list(whole.count)
    assert found["accuracy"] == pytest.approx(whole.accuracy)


def test_most_confused_pairs_by_hand():
    result = {"labels": ["a", "b", "c"], "confusion": [[5, 3, 0], [1, 6, 0], [0, 4, 4]]}
    assert most_confused(result) == [("c", "b", 4, 0.5), ("a", "b", 3, 0.375), ("b", "a", 1, pytest.approx(1 / 7))]


def test_the_report_is_strict_json_and_html_that_needs_nothing_else(tmp_path, rng):
    result = some_result(temperature=1.2, fitted_on="validation", seconds=2.0)
    unknown = measure_unknown(rng.normal(1, 1, 60), rng.normal(0, 1, 98), by="confidence", shortcut={"frames": 0.97})
    report, page = write_report(
        tmp_path / "new", result, title="asym3d on set 1", about={"data": "set 1"}, beside=["57 %"], unknown=unknown
    )
    read = json.loads(report.read_text(), parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert read["top1"] == result["top1"]
    assert read["unknown"]["shortcut_auroc"] == {"frames": 0.97}
    tags_of_page = Tags(page.read_text())
    assert tags_of_page.tags.count("img") == 3
    assert all(link.startswith("data:image/png;base64,") for link in tags_of_page.links)
    assert "url(" not in page.read_text()
    for words in ("asym3d on set 1", "57 %", "AUROC", "frames 0.97", "handshake", "temperature 1.20"):
        assert words in tags_of_page.text
    assert sorted(path.name for path in report.parent.iterdir()) == ["report.html", "report.json"]


def test_everything_in_the_report_is_escaped(tmp_path):
    evil = '<script>alert("1")</script>'
    labels = [evil, "b & c", "d"]
    probabilities = np.array([[0.1, 0.8, 0.1], [0.6, 0.2, 0.2], [0.1, 0.1, 0.8]])
    result = measure(probabilities, np.array([0, 1, 2]), labels, names=[evil] * 3, temperature=2, fitted_on=evil)
    both = {**over_splits({evil: result}), "temperature": result["temperature"]}
    unknown = measure_unknown([0.5, 0.9], [0.1, 0.6], by=evil, shortcut={evil: 0.5})
    _, page = write_report(tmp_path, both, title=evil, about={evil: evil}, beside=[evil], unknown=unknown)
    assert "<script" not in page.read_text()
    assert Tags(page.read_text()).text.count(evil) > 8


def test_a_machine_without_matplotlib_still_gets_the_numbers(tmp_path, monkeypatch):
    monkeypatch.delattr(actrec.evaluation, "plots")
    monkeypatch.delitem(sys.modules, "actrec.evaluation.plots")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    _, page = write_report(tmp_path, some_result(), title="t")
    tags_of_page = Tags(page.read_text())
    assert "matplotlib is not installed" in tags_of_page.text
    assert "img" not in tags_of_page.tags


def pixels(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)


def test_confusion_is_dark_where_the_clips_are():
    matrix = np.zeros((6, 6), int)
    matrix[np.arange(6), np.arange(6)[::-1]] = 10  # everything taken for its mirror class
    shown = pixels(confusion_image(matrix, LABELS)).astype(int)
    dark = (shown[..., 0] - shown[..., 2] > 50) & (shown.sum(axis=-1) < 330)
    rows, columns = np.nonzero(dark[:, : int(dark.shape[1] * 0.85)])  # without the colour bar
    assert np.corrcoef(rows, columns)[0, 1] < -0.8


@pytest.mark.parametrize("classes", [2, 6, 101, 400])
def test_confusion_is_drawn_for_few_and_for_many_classes(classes):
    names = [f"a rather long name of class $ number {index}" for index in range(classes)]
    shown = pixels(confusion_image(np.eye(classes, dtype=int) * 30, names))
    assert 300 < shown.shape[0] < 3500
    if classes == 101:  # each row is high enough for a name of 7 points
        assert shown.shape[0] / 101 > 12


def test_other_pictures_are_drawn():
    result = some_result()
    unknown = measure_unknown([0.5, 0.9, 0.7], [0.1, 0.6], by="confidence")
    for png in (reliability_image(result["reliability"]), rejection_image(unknown)):
        assert re.match(rb"\x89PNG", io.BytesIO(png).getvalue())
        assert pixels(png).std() > 5
