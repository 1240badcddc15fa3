"""Charts: ticks by hand, points where the numbers say, names as text."""

from __future__ import annotations

import re
import time
from xml.etree import ElementTree

import numpy as np
import pytest

from actrec.figures.charts import atlas, lines, matrix, plane, ticks


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0, 7, [0, 2, 4, 6]), (3, 41, [10, 20, 30, 40]), (2, 2, [2])],
)
def test_ticks_are_round_numbers(low, high, found):
    assert ticks(low, high) == pytest.approx(found)


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg[svg.index("<svg") : svg.index("</svg>") + 6])


def test_a_curve_goes_through_its_points():
    drawn = parsed(lines({"loss": [(0, 0.0), (5, 1.0), (10, 0.5)]}, "Loss", "epoch", high=1))
    points = [tuple(map(float, part.split(","))) for part in drawn.find("polyline").get("points").split()]
    # 440 × 250 with margins 46, 12, 30, 38: from (46, 212) to (428, 30).
    assert points == [(46, 212), (237, 30), (428, 121)]


def test_one_point_makes_no_curve():
    assert "second point" in lines({"loss": [(0, 1.0)]}, "Loss", "epoch")


def test_the_plane_is_scikit_learns_pca(rng):
    from sklearn.decomposition import PCA

    codes = rng.normal(size=(40, 12)) * np.linspace(3, 1, 12)
    mean, axes, share = plane(codes)
    theirs = PCA(2).fit(codes)
    assert np.abs((codes - mean) @ axes.T) == pytest.approx(np.abs(theirs.transform(codes)), abs=1e-9)
    assert share == pytest.approx(theirs.explained_variance_ratio_.sum())
    assert plane(np.ones((1, 4)))[2] == 1.0


def test_the_plane_of_many_wide_codes_is_the_same_and_takes_no_time(rng):
    codes = rng.normal(size=(3000, 900)) * np.r_[9, 4, np.ones(898)]
    start = time.monotonic()
    _, axes, share = plane(codes)
    assert time.monotonic() - start < 2
    variances, directions = np.linalg.eigh(np.cov(codes.T))
    assert np.abs(axes @ directions[:, [-1, -2]]) == pytest.approx(np.eye(2), abs=1e-4)
    assert share == pytest.approx(variances[-2:].sum() / variances.sum(), rel=1e-4)


def test_the_map_holds_every_class_and_names_are_text():
    codes = {"<b>one</b>": np.array([[0.0, 0], [1, 0]]), "two": np.array([[5.0, 3.0]])}
    svg = atlas(codes, dict.fromkeys(codes, 0.5), {"own": np.array([2.0, 2.0])}, np.array([1.0, 1.0]))
    assert "<b>" not in svg
    drawn = parsed(svg)
    kinds = [element.get("class") for element in drawn.iter()]
    assert kinds.count("centre") == kinds.count("spread") == 2 and kinds.count("seen") == 3
    assert kinds.count("here") == 1


def test_the_matrix_shows_every_count():
    svg = matrix(np.array([[3, 1], [0, 4]]), ["a", "<i>"], "Confusion")
    drawn = parsed(svg)
    hints = [title.text for title in drawn.iter("title")]
    assert hints == [
        "a taken for a: 3 of 4",
        "a taken for <i>: 1 of 4",
        "<i> taken for a: 0 of 4",
        "<i> taken for <i>: 4 of 4",
    ]
    assert len(re.findall("<rect", svg)) == 4
