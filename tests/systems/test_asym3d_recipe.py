"""The recipe of Asymmetric 3D-CNN against values worked out by hand: frames, crops, eq. 7, rates, options.

Clips carry their own coordinates: red is the column, green the row, blue the frame.
"""

from __future__ import annotations

import numpy as np
import pytest

from actrec.models.asym3d import TwoInputs
from actrec.models.asym3d import light as small
from actrec.motion.flow import flow
from actrec.motion.rgbf import movement_confidences, rgbf
from actrec.sampling import widest
from actrec.systems import named
from actrec.systems.asym3d import both_views, view
from actrec.systems.views import Light, Placing, place_weights
from actrec.training.schedule import make_optimiser, rate
from actrec.video import Clip

HEIGHT, WIDTH = 128, 171
# Corners and centre of 112×112 in 128×171 as (top, left): 16 rows and 59 columns to spare.
CROPS = [(0, 0), (0, 59), (16, 0), (16, 59), (8, 29)]


def coordinates(frames: int, height: int = HEIGHT, width: int = WIDTH, **more) -> Clip:
    pixels = np.empty((frames, height, width, 3), np.uint8)
    pixels[..., 0] = np.arange(width) % 256
    pixels[..., 1] = np.arange(height)[:, None]
    pixels[..., 2] = np.arange(frames)[:, None, None]
    return Clip(pixels, np.arange(frames) / 25, **more)


def ramp(frames: int, method: str = "brox") -> Clip:
    """Coordinates with a flow of (3, 4) · (1 + column) / 5 pixels: 1 px long at the left, 171 px at the right."""
    moved = np.zeros((frames - 1, HEIGHT, WIDTH, 2), np.float16)
    moved[..., 0] = 0.6 * (1 + np.arange(WIDTH))
    moved[..., 1] = 0.8 * (1 + np.arange(WIDTH))
    return coordinates(frames, flow=moved, flow_method=method)


def corner(seen: np.ndarray) -> tuple[int, int, int, bool]:
    """First frame, top, left and mirroring of a view, from its coordinates; all its frames are of one crop."""
    red, green, blue = seen.astype(int)
    assert (blue == blue[:1, :1, :1] + np.arange(16)[:, None, None]).all(), "sixteen neighbouring frames"
    mirrored = bool(red[0, 0, 0] > red[0, 0, 1])
    columns = np.arange(112)[::-1] if mirrored else np.arange(112)
    left, top = red[0, 0].min(), green[0, 0, 0]
    assert (red == left + columns).all() and (green == top + np.arange(112)[:, None]).all()
    return int(blue[0, 0, 0]), int(top), int(left), mirrored


# --- views of the paper's size ---------------------------------------------------------------------


def test_the_paper_tests_25_clips_at_equal_intervals_of_ten_crops_each_those_of_a_clip_together():
    # 17 frames (the last one closes the last flow) fit at 0 … 72: 25 starts, 3 frames apart.
    views = named("asym3d-paper").protocols["paper"].views(coordinates(17 + 72))
    expected = [
        (3 * clip, top, left, mirrored) for clip in range(25) for mirrored in (False, True) for top, left in CROPS
    ]
    assert [corner(seen["clip"]) for seen in views] == expected


def test_the_papers_answer_is_the_mean_over_all_250_views():
    scores = np.zeros((250, 3))
    scores[:, 0] = 1.0
    scores[7] = (0, 1, 0)
    scores[249] = (0, 0, 1)
    fused = named("asym3d-paper").protocols["paper"].fuse(scores)
    assert fused.scores == pytest.approx([248 / 250, 1 / 250, 1 / 250])
    assert fused.weights == pytest.approx(np.full(250, 1 / 250))


def test_one_view_is_the_centre_of_the_middle_clip_and_five_are_spread_over_the_video():
    system = named("asym3d-paper")
    assert [corner(seen["clip"]) for seen in system.protocols["one"].views(coordinates(57))] == [(20, 8, 29, False)]
    five = [corner(seen["clip"]) for seen in system.protocols["clip"].views(coordinates(57))]
    assert five == [(start, 8, 29, False) for start in (0, 10, 20, 30, 40)]


def test_training_takes_any_sixteen_neighbouring_frames_in_a_corner_or_the_centre_mirrored_half_of_the_time():
    system, clip = named("asym3d-paper"), coordinates(20)
    drawn = [corner(system.training_view(clip, np.random.default_rng(seed))["clip"]) for seed in range(300)]
    assert {start for start, *_ in drawn} == {0, 1, 2, 3}
    assert {(top, left) for _, top, left, _ in drawn} == set(CROPS)
    assert len(set(drawn)) == 4 * 5 * 2
    assert 0.4 < np.mean([mirrored for *_, mirrored in drawn]) < 0.6


def test_frames_are_made_128_by_171_whatever_their_shape():
    # Twice as high, three times as wide: a pixel of the resized frame is the mean of 2 × 3.
    pixels = coordinates(17, 256, 513).frames.copy()
    pixels[..., 0], pixels[..., 1] = np.arange(513) // 3, np.arange(256)[:, None] // 2
    large, protocol = Clip(pixels, np.arange(17) / 25), named("asym3d-paper").protocols["paper"]
    pairs = zip(protocol.views(large)[:10], protocol.views(coordinates(17))[:10], strict=True)
    assert all(np.array_equal(ours["clip"], expected["clip"]) for ours, expected in pairs)


# --- eq. 7 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["asym3d-paper-rgbf", "asym3d-paper-rgb-rgbf"])
def test_a_pixel_has_one_value_in_all_ten_crops_that_of_eq_7_over_the_whole_frame(name):
    views = named(name).protocols["paper"].views(ramp(17))[:10]
    values: dict[tuple[int, int], set[tuple[int, ...]]] = {(20, 70): set(), (100, 80): set(), (60, 100): set()}
    for number, (seen, (top, left)) in enumerate(zip(views, CROPS * 2, strict=True)):
        frame = seen["rgbf" if "rgbf" in seen else "clip"][:, 0]
        frame = frame[:, :, ::-1] if number >= 5 else frame
        for row, column in values:
            values[row, column].add(tuple(frame[:, row - top, column - left].tolist()))
    # Lengths run from 1 to 171 over the columns, so that the weight is column / 170: eq. 7 over the frame.
    assert values == {
        (20, 70): {(29, 8, 0)},  # 70 · 70 / 170 = 28.8; 20 · 70 / 170 = 8.2
        (100, 80): {(38, 47, 0)},  # 80 · 80 / 170 = 37.6; 100 · 80 / 170 = 47.1
        (60, 100): {(59, 35, 0)},  # 100 · 100 / 170 = 58.8; 60 · 100 / 170 = 35.3
    }


def test_in_training_too_a_pixel_s_value_is_that_of_the_whole_frame():
    system, clip = named("asym3d-paper-rgbf"), ramp(17)
    lefts = set()
    for seed in range(40):
        red = system.training_view(clip, np.random.default_rng(seed))["clip"][0, 0, 0].astype(int)
        red = red[::-1] if red[0] > red[-1] else red
        left = next(left for left in (0, 29, 59) if abs(red[111] - (left + 111) ** 2 / 170) <= 1)
        assert np.abs(red - (left + np.arange(112)) ** 2 / 170).max() <= 1, "flow is kept to three digits"
        lefts.add(left)
    assert lefts == {0, 29, 59}


def test_flow_frames_have_one_value_in_all_crops_but_for_the_direction_in_the_mirror():
    views = named("asym3d-paper", {"modality": "flow"}).protocols["paper"].views(ramp(17))[:10]
    # Column 9 moves (6, 8), 10 px long; 20 px are 127 levels of a part, or 255 of the length.
    for number, (seen, (top, left)) in enumerate(zip(views, CROPS * 2, strict=True)):
        if left:
            continue
        mirrored = number >= 5
        across, down, length = seen["clip"][:, 0, 20 - top, 111 - 9 if mirrored else 9].astype(int)
        assert (across, down, length) == (128 - 38 if mirrored else 128 + 38, 128 + 51, 128)


def test_rgbf_weighs_a_frame_by_its_own_flow_and_not_the_following_one():
    frames = np.repeat(np.arange(0, 170, 10, dtype=np.uint8), 2 * 2 * 3).reshape(17, 2, 2, 3)
    weights = np.zeros((16, 2, 2), np.float32)
    weights[:, 0, 0] = 1.0
    weights[3, 1, 1] = 0.5
    seen = view(frames, weights, modality="rgbf")["clip"]
    assert seen[:, :, 0, 0].tolist() == [list(range(0, 160, 10))] * 3
    assert seen[0, :, 1, 1].tolist() == [0, 0, 0, 15] + [0] * 12
    assert not seen[:, :, 0, 1].any()


def test_rgb_and_rgbf_of_one_view_are_of_the_same_frames():
    frames = np.repeat(np.arange(0, 170, 10, dtype=np.uint8), 2 * 2 * 3).reshape(17, 2, 2, 3)
    seen = both_views(frames, np.full((16, 2, 2), 0.5, np.float32))
    assert set(seen) == {"rgb", "rgbf"}
    assert seen["rgb"][0, :, 0, 0].tolist() == list(range(0, 160, 10))
    assert seen["rgbf"][0, :, 0, 0].tolist() == list(range(0, 80, 5))


def test_flow_frames_are_across_down_and_length_by_hand():
    moved = np.zeros((16, 2, 2, 2), np.float32)
    moved[0, 0, 0] = (3, -4)  # 3 · 6.35 = 19.05, −4 · 6.35 = −25.4, 5 · 12.75 = 63.75
    moved[0, 0, 1] = (30, 0)  # held at 20 pixels
    seen = view(np.zeros((17, 2, 2, 3), np.uint8), moved, modality="flow")["clip"]
    assert seen[:, 0, 0, 0].tolist() == [147, 103, 64]
    assert seen[:, 0, 0, 1].tolist() == [255, 128, 255]
    assert seen[:, 0, 1, 1].tolist() == [128, 128, 0]


def test_differences_are_half_and_signed_about_128():
    frames = np.zeros((17, 2, 2, 3), np.uint8)
    frames[1, 0, 0], frames[2, 0, 0] = (40, 20, 0), (0, 20, 200)
    seen = view(frames, modality="difference")["clip"]
    assert seen[:, 0, 0, 0].tolist() == [148, 138, 128]
    assert seen[:, 1, 0, 0].tolist() == [108, 128, 228]
    assert seen[:, 2, 0, 0].tolist() == [128, 118, 28]
    assert (seen[:, :, 1, 1] == 128).all()


# --- the light size --------------------------------------------------------------------------------


def panned(frames: int = 17) -> np.ndarray:
    """A textured wall that goes 1 px to the right in each frame, and at the right a square that goes 3 px down."""
    random = np.random.default_rng(0).integers(0, 256, (2, 25, 49), np.uint8)
    wall, patch = (np.kron(values, np.ones((6, 6), np.uint8)) for values in random)
    out = np.stack([wall[20:84, 40 - t : 152 - t] for t in range(frames)])
    for t, frame in enumerate(out):
        frame[3 * t % 40 : 3 * t % 40 + 20, 90:110] = patch[:20, :20]
    return np.repeat(out[..., None], 3, -1)


@pytest.fixture(scope="module")
def wall() -> tuple[np.ndarray, np.ndarray]:
    """Frames of 64×112, which need no resizing, and eq. 7 over them."""
    frames = panned()
    return frames, rgbf(frames[:-1], flow(frames, "dis"))


def placed(frames: np.ndarray, placing: Placing) -> np.ndarray:
    """What the light recipe makes of a window in this placing, `[16, 112, 112, 3]`."""
    recipe: Light = named("asym3d-rgbf").training_view.__self__
    clip = Clip(frames, np.arange(len(frames)) / recipe.fps)
    return recipe._view(clip, clip.times, placing, None)["clip"].transpose(1, 2, 3, 0)


def test_the_border_of_a_letterbox_has_no_part_in_the_least_and_most(wall):
    frames, expected = wall
    seen = placed(frames, Placing())
    assert np.array_equal(seen[:, 24:88], expected)
    assert not seen[:, :24].any() and not seen[:, 88:].any()


@pytest.mark.parametrize("shift", [0.25, -0.25])
def test_a_shift_moves_a_pixel_and_leaves_its_value(wall, shift):
    """A quarter of 112 pixels is 28: to the right, the square that moves most is out of sight."""
    frames, expected = wall
    seen = placed(frames, Placing(shift=(shift, 0.0)))
    if shift > 0:
        assert np.array_equal(seen[:, 24:88, 28:], expected[:, :, :84]) and not seen[:, :, :28].any()
    else:
        assert np.array_equal(seen[:, 24:88, :84], expected[:, :, 28:]) and not seen[:, :, 84:].any()


def test_a_mirror_mirrors_and_light_that_is_added_does_not_show_where_nothing_counts(wall):
    frames, expected = wall
    mirrored = placed(frames, Placing(flip=True))
    assert np.array_equal(mirrored[:, 24:88, ::-1], expected)
    dim = frames // 4
    lit = placed(dim, Placing(gain=(2.0, 2.0, 2.0), bias=10.0))
    weights = movement_confidences(flow(dim, "dis"))
    assert np.abs(lit[:, 24:88] - (dim[:-1] * 2.0 + 10) * weights[..., None]).max() <= 1
    assert not lit[:, :24].any(), "the border is as bright as the added light, and counts nothing"


def test_weights_are_placed_where_their_pixels_are():
    """Two by four weights of a frame of 20×40 in a square of 4: a pixel each; zoomed by two, two pixels each."""
    weights = np.array([[[0.0, 0.2, 0.4, 0.6], [0.1, 0.3, 0.5, 0.7]]], np.float32)
    plain = place_weights(weights, (20, 40), 4)
    assert np.allclose(plain[0], [[0] * 4, [0.0, 0.2, 0.4, 0.6], [0.1, 0.3, 0.5, 0.7], [0] * 4])
    zoomed = place_weights(weights, (20, 40), 4, Placing(zoom=2.0))
    # The middle rows lie a quarter and three quarters between the two of weights, and so do the columns.
    assert zoomed[0, 1] == pytest.approx([0.175, 0.275, 0.375, 0.475])
    assert zoomed[0, 2] == pytest.approx([0.225, 0.325, 0.425, 0.525])


def test_the_light_recipe_sees_sixteen_moments_over_two_seconds():
    clip = coordinates(76, 112, 112)  # three seconds at 25 frames a second
    seen = named("asym3d-rgb").protocols["one"].views(clip)[0]["clip"]
    # From second 1 on in eighths, 3.125 frames each; the 17th moment, frame 75, only closes the window.
    assert seen[2, :, 50, 50].tolist() == [25, 28, 31, 34, 37, 40, 43, 46, 50, 53, 56, 59, 62, 65, 68, 71]
    assert named("asym3d-rgb").seconds == 2.0


# --- pre-training ----------------------------------------------------------------------------------


def test_pre_training_cuts_frames_to_four_by_five_about_the_centre():
    # 256×360: 320 columns remain, from the 20th; 400×320: 256 rows, from the 72nd; 512×640 and 64×80 stay whole.
    crops = [widest(*shape, 256, 320) for shape in ((256, 360), (400, 320), (512, 640), (64, 80))]
    assert [(c.top, c.left, c.height, c.width) for c in crops] == [
        (0, 20, 256, 320), (72, 0, 256, 320), (0, 0, 512, 640), (0, 0, 64, 80),
    ]  # fmt: skip


def wide() -> Clip:
    """256×360 with half the column in red and half the row in green, and a flow as long as the column."""
    pixels = coordinates(17, 256, 360).frames.copy()
    pixels[..., 0], pixels[..., 1] = np.arange(360) // 2, np.arange(256)[:, None] // 2
    moved = np.zeros((16, 256, 360, 2), np.float16)
    moved[..., 0] = np.arange(360)
    return Clip(pixels, np.arange(17) / 25, flow=moved, flow_method="brox")


@pytest.mark.parametrize(
    ("option", "least", "most", "across", "down"),
    [
        ("128x171", 0, 179, 111 / 171 * 180, 111 / 128 * 128),  # all of the frame, squeezed
        ("via-256x320", 10, 169, 111 / 171 * 160, 111 / 128 * 128),  # columns 20 to 339
        ("256x320", 10, 169, 111 / 320 * 160, 111 / 256 * 128),  # the same, of which a crop has 112
    ],
)
def test_crops_of_pre_training_come_from_frames_of_256_by_320(option, least, most, across, down):
    system, clip = named("asym3d-paper", {"frames": option}), wide()
    seen = [system.training_view(clip, np.random.default_rng(seed))["clip"][:2].astype(int) for seed in range(60)]
    red, green = (np.stack([part[channel] for part in seen]) for channel in (0, 1))
    assert abs(int(red.min()) - least) <= 1 and abs(int(red.max()) - most) <= 1
    assert green.min() == 0 and green.max() == 127
    assert np.abs(np.ptp(red, axis=(1, 2, 3)) - across).max() <= 1.5
    assert np.abs(np.ptp(green, axis=(1, 2, 3)) - down).max() <= 1.5


def test_in_pre_training_flow_is_cut_and_shrunk_with_its_frame():
    system, clip = named("asym3d-paper-rgbf", {"frames": "via-256x320"}), wide()

    def expected(column):
        """Column c of 171 is column 20 + 320 (c + ½) / 171 of 360, half of which is red; weights run from 0 to 1."""
        return (20 + 320 * (column + 0.5) / 171) / 2 * column / 170

    for seed in range(8):
        red = system.training_view(clip, np.random.default_rng(seed))["clip"][0, 0, 50].astype(float)
        red = red[::-1] if red[0] > red[-1] else red
        left = next(left for left in (0, 29, 59) if abs(red[111] - expected(left + 111)) <= 2)
        assert np.abs(red - expected(left + np.arange(112))).max() <= 2


@pytest.mark.parametrize("option", ["via-256x320", "256x320"])
def test_larger_frames_are_for_training_only_and_are_kept_at_256_pixels(option):
    plain, larger = named("asym3d-paper"), named("asym3d-paper", {"frames": option})
    for protocol in ("one", "clip"):
        pairs = zip(plain.protocols[protocol].views(wide()), larger.protocols[protocol].views(wide()), strict=True)
        assert all(np.array_equal(one["clip"], other["clip"]) for one, other in pairs)
    assert (plain.stored_side, larger.stored_side) == (0, 256)
    assert larger.inputs == plain.inputs and larger.schedules == plain.schedules


# --- schedules -------------------------------------------------------------------------------------


def rates(preset: str) -> list[float]:
    schedule = named("asym3d-paper").schedules[preset]
    assert (schedule.optimiser, schedule.momentum, schedule.weight_decay, schedule.batch) == ("sgd", 0.9, 5e-4, 16)
    assert schedule.label_smoothing == 0
    return [rate(schedule, epoch, (0, schedule.epochs)) for epoch in range(schedule.epochs)]


@pytest.mark.parametrize("preset", ["paper", "scratch", "paper-pre-train"])
def test_the_rate_is_a_thousandth_and_a_fifth_of_it_after_every_15_of_50_epochs(preset):
    assert rates(preset) == pytest.approx([1e-3] * 15 + [2e-4] * 15 + [4e-5] * 15 + [8e-6] * 5)
    assert named("asym3d-paper").schedules[preset].last_layer == 1


def test_in_fine_tuning_the_rate_is_a_tenth_after_every_8_of_20_epochs():
    assert rates("paper-fine-tune") == pytest.approx([1e-4] * 8 + [1e-5] * 8 + [1e-6] * 4)


def faster(network, schedule) -> dict[str, float]:
    """How many times as fast each parameter learns, where it is not once."""
    times = {id(p): group["times"] for group in make_optimiser(network, schedule).param_groups for p in group["params"]}
    assert len(times) == len(list(network.parameters()))
    return {name: times[id(p)] for name, p in network.named_parameters() if times[id(p)] != 1}


def test_in_fine_tuning_the_last_layer_alone_learns_ten_times_as_fast():
    schedules = named("asym3d-paper").schedules
    assert faster(small(3), schedules["paper-fine-tune"]) == {"classifier.weight": 10, "classifier.bias": 10}
    assert faster(small(3), schedules["paper"]) == {}
    assert faster(TwoInputs(small, 3), schedules["paper-fine-tune"]) == {
        f"streams.{name}.classifier.{kind}": 10 for name in ("rgb", "rgbf") for kind in ("weight", "bias")
    }


# --- options ---------------------------------------------------------------------------------------


def test_a_modality_changes_what_is_seen_and_nothing_else():
    base = named("asym3d")
    for modality in ("difference", "rgb", "rgbf", "flow"):
        system = named("asym3d", {"modality": modality})
        mean, std = (128 / 255, 0.06) if modality == "difference" else (0.5, 0.25)
        assert vars(system.inputs["clip"]) == {"channels": 3, "frames": 16, "size": 112, "mean": mean, "std": std}
        assert (system.network, system.schedules, system.seconds) == (base.network, base.schedules, base.seconds)
        assert system.flow == ("dis" if modality in ("rgbf", "flow") else "")
    paper = named("asym3d-paper", {"modality": "rgbf"})
    assert vars(paper.inputs["clip"]) == {"channels": 3, "frames": 16, "size": 112, "mean": 0.5, "std": 0.25}
    assert paper.flow == "brox" and named("asym3d-paper").flow == ""
    same = named("asym3d-paper-rgbf").protocols["one"].views(ramp(17))[0]["clip"]
    assert np.array_equal(paper.protocols["one"].views(ramp(17))[0]["clip"], same)


def test_another_flow_is_taken_from_a_clip_that_carries_it_and_rgb_needs_none():
    """The ramp that a clip carries gives column / 170; what DIS finds in frames that stand still is nothing."""
    for carried, asked, dark in (("tvl1", "tvl1", False), ("brox", "brox", False), ("brox", "dis", True)):
        system = named("asym3d-paper-rgbf", {"flow": asked})
        moving = ramp(17, carried)
        still = Clip(moving.frames[:1].repeat(17, 0), moving.times, flow=moving.flow, flow_method=carried)
        seen = system.protocols["one"].views(still)[0]["clip"][0, 0, 0].astype(float)
        assert system.flow == asked
        assert seen.max() == 0 if dark else np.abs(seen - (29 + np.arange(112)) ** 2 / 170).max() <= 1
    plain = named("asym3d-paper").protocols["one"]
    assert np.array_equal(plain.views(ramp(17))[0]["clip"], plain.views(coordinates(17))[0]["clip"])
