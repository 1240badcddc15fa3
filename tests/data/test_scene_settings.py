"""The scenes that claims are judged by: hard ones are cluttered, crowded and shaken, plain ones are none of it."""

from __future__ import annotations

import numpy as np
import pytest

from actrec.core.errors import BadValue
from actrec.synthetic import render, scenery
from actrec.synthetic.camera import draw_view, place_camera
from actrec.synthetic.scene import ANY, HARD, PLAIN, bystanders, draw_stage
from actrec.synthetic.skeleton import Body

TIMES = np.arange(24) / 12.5


@pytest.mark.parametrize(("setting", "allowed"), [(HARD, {"clutter", "room"}), (PLAIN, {"plain"})])
def test_a_setting_has_only_its_places(setting, allowed, monkeypatch):
    built = []
    for kind in scenery.KINDS:
        monkeypatch.setitem(
            scenery.KINDS, kind, lambda rng, size, *_, kind=kind: built.append(kind) or np.zeros((*size, 3), np.uint8)
        )
    for seed in range(20):
        scenery.backdrop(np.random.default_rng(seed), "whole", (40, 40), 10.0, 30.0, setting.places)
    assert set(built) == allowed


def test_others_walk_about_in_hard_scenes_and_nobody_in_plain_ones():
    camera = place_camera(
        np.random.default_rng(0), draw_view(np.random.default_rng(0), "whole"), Body(), np.zeros(3), TIMES, (64, 64)
    )
    counts = {
        name: {len(bystanders(seed, camera, setting, TIMES)) for seed in range(8)}
        for name, setting in {"hard": HARD, "plain": PLAIN}.items()
    }
    assert counts == {"hard": {2}, "plain": {0}}
    walked = [
        np.ptp(bystander.motion.root[:, [0, 2]], axis=0).max() for bystander in bystanders(0, camera, HARD, TIMES)
    ]
    assert min(walked) > 0.3  # metres in two seconds


def test_the_camera_moves_in_hard_scenes_and_stands_still_in_plain_ones():
    for seed in range(6):
        hard, plain = (draw_stage(seed, "whole", setting).view for setting in (HARD, PLAIN))
        assert hard.shake >= 0.006 and 0.02 <= abs(hard.pan) <= 0.06
        assert plain.shake == plain.pan == 0
        assert hard.yaw == plain.yaw == draw_stage(seed, "whole", ANY).view.yaw  # the rest is the seed's


def test_a_hard_clip_changes_all_over_the_picture_and_a_plain_one_only_where_somebody_moves():
    def still(setting: str) -> float:
        frames = render("wave", 3, frames=10, size=64, fps=12.5, framing="whole", setting=setting).frames.astype(int)
        return float((np.abs(np.diff(frames, axis=0)).max(axis=(0, 3)) > 40).mean())

    assert still("hard") > 2 * still("plain")


def test_an_unknown_setting_is_refused_with_those_there_are():
    with pytest.raises(BadValue, match="any, hard, plain"):
        render("wave", 0, setting="wild")
