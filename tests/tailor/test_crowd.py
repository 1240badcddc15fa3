"""Drawn people: the boxes hold what was drawn, and nothing less."""

from __future__ import annotations

import numpy as np

from actrec.training.person_detector import crowd


def test_boxes_hold_the_pixels_that_the_figures_changed(monkeypatch):
    """Two pictures of one seed, with people and without: what differs is the people."""
    monkeypatch.setattr(crowd, "develop", lambda film, rng, frames: frames)
    monkeypatch.setattr(crowd, "obstruct", lambda rng, canvas, owner: None)
    monkeypatch.setattr(crowd, "chair", lambda rng, body, pose: [])
    outlines, seen = crowd.outlines, 0
    for seed in range(12):
        monkeypatch.setattr(crowd, "outlines", outlines)
        picture, boxes = crowd.crowd(seed, (192, 256))
        there = [n for n in crowd.portrait(seed, (192, 256))[2] if n]
        monkeypatch.setattr(crowd, "outlines", lambda *_: [])
        empty, nobody = crowd.crowd(seed, (192, 256))
        assert not len(nobody)
        changed = np.abs(picture.astype(int) - empty).sum(-1) > 12
        inside = np.zeros_like(changed)
        for left, top, right, bottom in boxes.astype(int):
            inside[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1] = True
            box = changed[top:bottom, left:right]
            assert box.any(0)[[0, -1]].sum() + box.any(1)[[0, -1]].sum() >= 3, f"seed {seed}: a box is loose"
        if len(boxes) == len(there):  # else somebody is there of whom too little is seen
            assert not (changed & ~inside).any(), f"seed {seed}: somebody reaches out of every box"
            seen += len(boxes)
    assert seen > 10


def test_who_stands_behind_has_the_box_of_what_is_seen(monkeypatch):
    owner = np.zeros((60, 80), np.uint8)
    owner[10:50, 20:40] = 1
    owner[10:50, 40:44] = 2  # of twenty columns only four are seen: too little
    owner[20:40, 60:70] = 3
    monkeypatch.setattr(crowd, "portrait", lambda seed, size: (None, owner, [800, 800, 600]))
    assert crowd.crowd(0)[1].tolist() == [[20, 10, 40, 50], [60, 20, 70, 40]]


def test_the_same_seed_gives_the_same_crowd_and_crowds_differ():
    first, again = crowd.crowd(3), crowd.crowd(3)
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    counts = [len(crowd.crowd(seed, (128, 160))[1]) for seed in range(40)]
    assert min(counts) == 0 and max(counts) >= 4 and 1.0 < np.mean(counts) < 4.0
