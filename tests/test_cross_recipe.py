"""What the streams of cross-enhancement are shown: frames by the clock, flow as bytes, snippets for 3D-Fused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from actrec.models.crossenh import BRIDGES
from actrec.models.i3d import BLOCKS
from actrec.systems import named
from actrec.systems.crossenh import snippets, view, windows
from actrec.training.load_data import stored
from actrec.video import Clip


def numbered(frames: int, fps: float, size: int = 8) -> Clip:
    """Frame t is of grey value t; nothing moves."""
    values = np.broadcast_to(np.arange(frames, dtype=np.uint8)[:, None, None, None], (frames, size, size, 3))
    return Clip(np.ascontiguousarray(values), np.arange(frames) / fps)


def test_64_frames_and_one_more_for_the_last_flow_are_the_middle_of_the_clip():
    (drawn,) = windows(numbered(100, 25), 1, None)
    assert drawn.tolist() == list(range(17, 82))  # 100 − 65 = 35 frames are left over, half of them before


def test_a_clip_of_50_frames_a_second_gives_every_second_frame():
    (drawn,) = windows(numbered(200, 50), 1, None)
    assert drawn.tolist() == list(range(34, 164, 2))


def test_a_clip_of_12_and_a_half_frames_a_second_gives_each_frame_twice():
    (drawn,) = windows(numbered(50, 12.5), 1, None)
    assert drawn[:5].tolist() == [8, 9, 9, 10, 10] and drawn[-1] == 40  # 100 − 65: from the 17th of 0, 0, 1, 1, 2 …


def test_a_clip_of_30_frames_a_second_leaves_out_one_of_six():
    drawn = windows(numbered(120, 30), 3, None)
    assert drawn[0][:11].tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12]  # the second k / 25 shows frame ⌊1.2 k⌋
    assert drawn[2][-1] == 118  # second 99 / 25 shows frame ⌊118.8⌋


def test_a_window_that_is_longer_than_the_clip_begins_again():
    (drawn,) = windows(numbered(20, 25), 1, None)
    assert drawn.tolist() == [t % 20 for t in range(65)]


def test_training_draws_the_window_anywhere():
    starts = {windows(numbered(70, 25), 1, np.random.default_rng(seed))[0][0] for seed in range(60)}
    assert starts == set(range(6))


def test_clips_are_kept_at_25_frames_a_second_where_their_flow_is_kept_too():
    for name in ("crossenh-paper", "crossenh-paper-flow", "two-stream", "fused-3d", "i3d-flow"):
        assert stored(named(name)).fps == 25, name
    for name in ("i3d-rgb", "asym3d-paper", "mdtnet-paper"):
        assert stored(named(name)).fps is None, name


def test_20_pixels_are_the_largest_byte_and_128_is_no_flow():
    """Of 255: 128 + 127 · 20/20; 10 pixels are 191.5 → 192; −20 is 1; what is longer is cut."""
    moved = np.zeros((1, 1, 6, 2), np.float32)
    moved[0, 0, :, 0] = [0, 20, 30, -20, 10, -30]
    moved[0, 0, :, 1] = [20, 0, -20, 0, 0, 1]
    bytes_of = view(np.zeros((2, 1, 6, 3), np.uint8), moved, inputs=("flow",), reach=20.0)["flow"]
    assert bytes_of[0, 0, 0].tolist() == [128, 255, 255, 1, 192, 1]
    assert bytes_of[1, 0, 0].tolist() == [255, 128, 1, 128, 128, 134]  # 128 + 6.35
    floats = named("crossenh-paper").inputs["flow"].normalise(torch.tensor([128.0, 255.0, 1.0]))
    assert floats.tolist() == pytest.approx([0.0, 1.0, -1.0], abs=1e-6)


def test_the_papers_view_is_64_frames_with_the_flow_that_leaves_each_of_them():
    """A clip that carries its flow, 10 pixels to the right and 20 up, whatever its frames show."""
    frames = np.zeros((90, 256, 256, 3), np.uint8) + np.arange(90, dtype=np.uint8)[:, None, None, None]
    moved = np.zeros((89, 256, 256, 2), np.float32) + np.array([10.0, -20.0], np.float32)
    moved[40] = [-10.0, 20.0]  # from frame 40 to 41
    clip = Clip(frames, np.arange(90) / 25, flow=moved, flow_method="tvl1")
    for name in ("crossenh-paper", "two-stream"):
        (seen,) = named(name).protocols["one"].views(clip)
        assert seen["rgb"].shape == (3, 64, 224, 224) and seen["flow"].shape == (2, 64, 224, 224)
        assert seen["rgb"][0, :, 0, 0].tolist() == list(range(12, 76))  # 90 − 65 = 25
        other = 40 - 12
        assert (np.delete(seen["flow"][0], other, 0) == 192).all() and (np.delete(seen["flow"][1], other, 0) == 1).all()
        assert (seen["flow"][0, other] == 64).all() and (seen["flow"][1, other] == 255).all()  # 128 − 63.5 → 64


def test_a_mirrored_view_mirrors_the_flow_too():
    moved = np.zeros((89, 256, 256, 2), np.float32) + np.array([10.0, -20.0], np.float32)
    clip = Clip(np.zeros((90, 256, 256, 3), np.uint8), np.arange(90) / 25, flow=moved, flow_method="tvl1")
    system = named("crossenh-paper")
    seen = {
        (int(v["flow"][0, 0, 0, 0]), int(v["flow"][1, 0, 0, 0]))
        for v in (system.training_view(clip, np.random.default_rng(seed)) for seed in range(8))
    }
    assert seen == {(192, 1), (64, 1)}


def test_the_light_view_is_two_seconds_of_16_frames_and_8_pixels_the_largest_byte():
    moved = np.full((16, 4, 4, 2), 8.0, np.float32)
    light = named("crossenh")
    assert light.seconds == 2.0 and {k: v.frames for k, v in light.inputs.items()} == {"rgb": 16, "flow": 16}
    (seen,) = light.protocols["one"].views(numbered(60, 8, 96))
    assert seen["rgb"][0, :, 48, 48].tolist() == list(range(43, 59))  # frame 59 closes the last flow
    assert (view(np.zeros((17, 4, 4, 3), np.uint8), moved, inputs=("flow",), reach=8.0)["flow"] == 255).all()


def test_snippets_by_hand():
    """Two snippets of four steps: frames 2 and 6, and the flow of the steps 0…3 and 4…7 as channels x, y, x, y …"""
    frames = numbered(9, 25, 1).frames
    moved = np.zeros((8, 1, 1, 2), np.float32)
    moved[:, 0, 0, 0], moved[:, 0, 0, 1] = np.arange(8), -np.arange(8)
    seen = snippets(frames, moved, steps=4, reach=127.0)  # one pixel is one byte
    assert seen["rgb"].shape == (3, 2, 1, 1) and seen["rgb"][0, :, 0, 0].tolist() == [2, 6]
    assert seen["flow"].shape == (8, 2, 1, 1)
    assert seen["flow"][:, 0, 0, 0].tolist() == [128, 128, 129, 127, 130, 126, 131, 125]
    assert seen["flow"][:, 1, 0, 0].tolist() == [132, 124, 133, 123, 134, 122, 135, 121]


def test_3d_fused_sees_five_frames_ten_apart_and_fifty_steps_of_flow():
    """Carreira and Zisserman, sec. 2.3 and table 1: 5 RGB frames, 50 of flow, 2 seconds."""
    system = named("fused-3d", {"flow": "dis"})
    (seen,) = system.protocols["one"].views(numbered(51, 25, 64))
    assert system.seconds == 2.0 and system.loss == "cross-entropy"
    assert seen["rgb"][0, :, 0, 0].tolist() == [5, 15, 25, 35, 45]
    assert seen["rgb"].shape == (3, 5, 224, 224) and seen["flow"].shape == (20, 5, 224, 224)
    assert named("fused-3d").headline == {"UCF-101": 89.3, "HMDB-51": 56.8, "Kinetics": 67.2}  # table 3


def test_a_letter_for_each_pair_of_front_middle_and_rear_the_teachers_first():
    front, middle, rear = "Mixed_3c", "Mixed_4f", "Mixed_5c"
    assert {
        "a": (front, front), "b": (front, middle), "c": (front, rear),
        "d": (middle, front), "e": (middle, middle), "f": (middle, rear),
        "g": (rear, front), "h": (rear, middle), "i": (rear, rear),
    } == BRIDGES  # fmt: skip
    assert list(BLOCKS).index(front) == 1 and list(BLOCKS).index(middle) == 6 and list(BLOCKS).index(rear) == 8
    assert named("crossenh").option("bridge") == named("crossenh-paper").option("bridge") == "e"


@pytest.mark.parametrize("name", ["crossenh", "crossenh-paper", "i3d-flow"])
def test_no_flow_is_zero_for_the_network_and_the_largest_is_one(name):
    inputs = named(name).inputs
    flow = inputs["flow"] if "flow" in inputs else inputs["clip"]
    assert flow.normalise(torch.tensor([128, 255, 1], dtype=torch.uint8)).tolist() == pytest.approx([0, 1, -1])
