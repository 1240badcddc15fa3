"""Rendered clips: the same from the same seed, different from another, and drawn in every framing."""

from __future__ import annotations

import argparse
import subprocess
import sys

import cv2
import numpy as np
import pytest

from actrec.cli import sheet
from actrec.synthetic import ACTIONS, INTERACTIONS, PAIRS, SIX, captures, make, render
from actrec.synthetic.camera import FRAMINGS
from actrec.synthetic.captures import replay
from actrec.synthetic.skeleton import INDEX, Body


def test_a_seed_gives_one_clip_and_another_seed_another():
    one, again, other = (render("wave", seed, frames=4) for seed in (5, 5, 6))
    assert np.array_equal(one.frames, again.frames)
    assert np.abs(one.frames.astype(int) - other.frames).mean() > 10


def test_a_new_process_draws_the_same_clip():
    code = (
        "import zlib; from actrec.synthetic import render;"
        "print(zlib.crc32(render('clap', 3, frames=3).frames.tobytes()))"
    )
    out = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in "12"
    ]
    assert out[0] == out[1] != ""


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("action", [*ACTIONS, *PAIRS])
def test_every_action_is_drawn_in_both_framings(action, framing):
    clip = render(action, 11, frames=3, size=64, framing=framing)
    assert clip.frames.shape == (3, 64, 64, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.times == pytest.approx(np.arange(3) / 8.0)
    assert clip.frames.std() > 5


def test_a_clip_may_be_wide_and_of_another_rate():
    clip = render("wave", 2, frames=5, size=(120, 160), fps=15)
    assert clip.size == (120, 160)
    assert clip.fps == pytest.approx(15)


def test_a_clip_may_be_a_single_picture():
    assert render("walk", 2, frames=1, size=48).frames.shape == (1, 48, 48, 3)


def test_one_seed_shows_one_scene_in_every_action():
    """Only the figure may differ: corners of the picture, far from it, are alike but for the noise."""
    for seed in (21, 23):
        clips = [render(a, seed, frames=2, framing="whole") for a in ("idle", "squat", "jumping jack")]
        corners = [c.frames[0, :12, :12].astype(float).mean((0, 1)) for c in clips]
        assert np.ptp(corners, axis=0).max() < 3


def test_make_goes_through_the_actions_in_turn():
    made = list(make(("idle", "clap"), 2, seed=1, frames=2, size=32))
    assert [label for _, label in made] == ["idle", "clap", "idle", "clap"]
    assert not np.array_equal(made[0][0].frames, made[2][0].frames)


def test_a_label_may_stand_for_several_actions_in_turn():
    made = list(make({"kick": ("kick", "kick a person")}, 2, seed=1, frames=2, size=32))
    assert [label for _, label in made] == ["kick", "kick"]
    assert [clip.source.rsplit(" ", 1)[0] for clip, _ in made] == ["synthetic kick", "synthetic kick a person"]


def test_every_interaction_has_its_action():
    assert list(INTERACTIONS) == ["handshake", "hug", "kick", "point", "punch", "push"]
    assert set(INTERACTIONS.values()) == set(PAIRS)
    assert not set(PAIRS) & set(ACTIONS)


def test_an_unknown_action_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"juggle.*jumping jack"):
        render("juggle", 0)


def test_the_six_of_the_first_checkpoint_are_there():
    assert set(SIX) <= set(ACTIONS)


def test_the_sheet_shows_a_row_per_scene(tmp_path):
    parser = argparse.ArgumentParser()
    sheet.add(parser)
    out = tmp_path / "sheet.png"
    args = parser.parse_args([str(out), "--actions", "idle,clap", "--scenes", "1", "--columns", "3", "--size", "32"])
    assert sheet.run(args) == 0
    assert cv2.imread(str(out)).shape == (64, 96, 3)
    assert sheet.run(parser.parse_args([str(out), "--actions", "juggle"])) == 2


def test_rendering_needs_no_decoder_and_no_page():
    code = (
        "import sys, actrec.synthetic, actrec.cli.sheet;"
        "sys.exit(any(m in sys.modules for m in ('av', 'gradio', 'ultralytics', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_recordings_drive_the_figure_and_keep_their_action(shared_data):
    folder = shared_data / "motion_capture"
    takes = {c.kind: c for c in captures(folder)}
    assert len(takes) > 20
    take = takes["wave-both-hands"]
    assert take.action == "wave both hands"
    clip = render(take.action, 4, frames=6, size=64, capture=take)
    again = render(take.action, 4, frames=6, size=64, capture=take)
    assert np.array_equal(clip.frames, again.frames)
    assert not np.array_equal(clip.frames, render(take.action, 4, frames=6, size=64).frames)


def test_a_replayed_body_has_the_size_of_ours(shared_data):
    takes = [c for c in captures(shared_data / "motion_capture") if c.kind in ("walk", "wave-left-hand")][::40]
    for body in (Body(1.5), Body(1.9)):
        for take in takes:
            motion, pose = replay(np.random.default_rng(0), body, take, np.arange(16) / 8.0)
            assert pose.joints.shape == (16, 22, 3)
            assert pose.joints[:, INDEX["Head"], 1].max() == pytest.approx(0.87 * body.stature, rel=0.12)
            assert np.linalg.det(pose.head) == pytest.approx(1.0)
            assert motion.reach < 4
