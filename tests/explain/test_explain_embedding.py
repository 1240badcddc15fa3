"""Maps of codes: the same again for the same seed, numbers worked out by hand, and places that keep neighbours."""

from __future__ import annotations

import re

import numpy as np
import pytest

from actrec.core.errors import BadValue
from actrec.explain.embedding import flat, separability, weighted_median
from actrec.explain.embedding_map import HEIGHT, WIDTH, Atlas, unknown_to
from actrec.recognition.repository import distances


def islands(count: int = 120, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Codes of length one around six directions."""
    rng = np.random.default_rng(seed)
    middles = rng.standard_normal((6, 64))
    which = np.arange(count) % 6
    codes = middles[which] + 0.45 * rng.standard_normal((count, 64))
    return (codes / np.linalg.norm(codes, axis=1, keepdims=True)).astype(np.float32), [f"class {n}" for n in which]


@pytest.mark.parametrize("method", ["t-SNE", "PCA"])
def test_the_same_seed_gives_the_same_map(method):
    codes, _ = islands()
    assert np.array_equal(flat(codes, method, 3).places, flat(codes, method, 3).places)


def test_another_seed_may_give_another_tsne_map():
    codes, _ = islands()
    one, other = (flat(codes, "t-SNE", seed).places for seed in (0, 1))
    assert one.shape == other.shape == (120, 2)
    assert np.isfinite(one).all()


@pytest.mark.parametrize("method", ["t-SNE", "PCA"])
def test_neighbours_in_code_space_are_neighbours_on_the_map_for_a_placed_clip(method):
    codes, labels = islands(150)
    others, placed = codes[:120], codes[120:]
    made = flat(others, method)
    kept = 0
    for code, label in zip(placed, labels[120:], strict=True):
        place = made.place(code)[0]
        near_on_map = np.argsort(np.linalg.norm(made.places - place, axis=1))[:5]
        if method == "t-SNE":
            near = np.argsort(distances(code[None], others)[0])[:15]
            kept += len(set(near_on_map) & set(near)) >= 3
        else:
            kept += np.mean([labels[n] == label for n in near_on_map]) >= 0.6
    assert kept >= (0.9 if method == "t-SNE" else 0.5) * len(placed)


def test_pca_puts_a_clip_of_the_map_where_it_was():
    codes, _ = islands()
    made = flat(codes, "PCA")
    assert made.place(codes[7]) == pytest.approx(made.places[7:8], abs=1e-5)
    assert 0 < made.shown < 1


def test_separability_is_what_one_works_out_by_hand():
    line = np.array([[0.0], [1], [10], [11]])
    apart = separability(line, ["a", "a", "b", "b"])
    assert apart.neighbours == 1.0
    assert apart.silhouette == pytest.approx(1 - (1 / 10.5 + 1 / 9.5) / 2)
    mixed = separability(line, ["a", "b", "a", "b"])
    assert mixed.neighbours == 0.0 and mixed.silhouette < 0
    with pytest.raises(BadValue, match="two actions"):
        separability(line, ["a"] * 4)


def test_the_weighted_median_goes_with_the_majority():
    points = np.array([[0.0, 0], [0, 1], [1, 0], [50, 50]])
    assert np.linalg.norm(weighted_median(points, np.ones(4))) < 1.5
    assert weighted_median(points, np.array([1e-3, 1e-3, 1e-3, 10.0])) == pytest.approx([50, 50], abs=0.1)


def test_what_cannot_be_mapped_is_refused_in_words():
    codes, _ = islands()
    with pytest.raises(BadValue, match="at least 5 clips"):
        flat(codes[:3])
    with pytest.raises(BadValue, match="t-SNE or PCA"):
        flat(codes, "UMAP")


def test_every_clip_is_a_dot_inside_the_picture_and_the_threshold_is_a_circle_of_its_length():
    codes, labels = islands()
    centres = {name: codes[[n for n, each in enumerate(labels) if each == name]].mean(0) for name in set(labels)}
    atlas = Atlas(flat(codes, "PCA"), tuple(labels), unknown_to(centres, 0.9, codes), centres, 0.9)
    svg = atlas.svg("codes", codes[0])
    assert svg.count('class="dot"') == len(codes) and svg.count('class="class-centre"') == 6
    spots = np.array([atlas.spot(place) for place in atlas.flat.places])
    assert (spots >= 0).all() and (spots[:, 0] <= WIDTH).all() and (spots[:, 1] <= HEIGHT).all()
    pixels, units = np.linalg.norm(spots[0] - spots[1]), np.linalg.norm(atlas.flat.places[0] - atlas.flat.places[1])
    assert pixels / units == pytest.approx(atlas.scale)
    assert f'r="{0.9 * atlas.scale:.1f}"' in svg
    assert svg.count('fill="none" stroke=') == int(atlas.unknown.sum())


def test_names_of_centres_that_lie_together_cover_each_other_nowhere():
    codes, labels = islands()
    centres = {f"class {n}": codes[0] + 1e-3 * n for n in range(4)}
    svg = Atlas(flat(codes, "PCA"), tuple(labels), unknown_to(centres, 0.9, codes), centres, 0.9).svg("codes")
    heights = sorted(float(y) for y in re.findall(r'<text x="[^"]+" y="([^"]+)"', svg))
    assert len(heights) == 4 and (np.diff(heights) >= 13).all()
