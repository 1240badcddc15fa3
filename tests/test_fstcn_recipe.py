"""The recipe of FstCN against values worked out by hand: pairs, crops, fusion, what an option changes and must not."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from actrec.systems import named
from actrec.systems.fstcn import CROPS, view
from actrec.systems.system import System, Views
from actrec.video import Clip

LEVELS = (np.arange(60) * np.arange(60)) % 251  # frame t is grey with the value t² mod 251: no two neighbours alike


def grey(count: int, fps: float) -> Clip:
    frames = np.broadcast_to(LEVELS[:count, None, None, None].astype(np.uint8), (count, 60, 80, 3))
    return Clip(np.ascontiguousarray(frames), np.arange(count) / fps)


def levels(views: Views) -> dict[str, list[int]]:
    """The value in the middle of each frame of each input."""
    return {name: value[0, :, value.shape[2] // 2, value.shape[3] // 2].tolist() for name, value in views.items()}


# --- eq. 4, fig. 2 ----------------------------------------------------------------------------------


def test_a_difference_is_the_same_whether_a_pixel_gets_brighter_or_darker():
    own, later = np.full((5, 2, 2, 3), 10, np.uint8), np.full((5, 2, 2, 3), 10, np.uint8)
    later[:, 0, 0], later[:, 1, 1] = 3, 200
    seen = view(np.concatenate([own, later]))
    assert seen["frames"].shape == (3, 5, 2, 2) and (seen["frames"] == 10).all()
    for channel in seen["difference"]:
        for difference in channel:
            assert difference.tolist() == [[7, 0], [0, 190]]  # |10 − 3|, |10 − 200|


def test_the_papers_pair_has_a_stride_of_five_and_differences_over_nine_frames():
    """30 frames hold one pair only: V is frames 0, 5, 10, 15, 20 and its partners are 9, 14, 19, 24, 29."""
    squares = {t: t * t % 251 for t in range(30)}  # 0, 25, 100, 225, 149; partners 81, 196, 110, 74, 88
    assert [squares[t] for t in (0, 5, 10, 15, 20)] == [0, 25, 100, 225, 149]
    seen = levels(named("fstcn-paper").protocols["one"].views(grey(30, 25.0))[0])
    assert seen == {"frames": [0, 25, 100, 225, 149], "difference": [81, 171, 10, 151, 61]}


def test_the_light_pair_has_a_stride_of_three_and_differences_over_four_frames():
    """17 frames at 12.5 a second hold one pair: V is frames 0, 3, 6, 9, 12 and its partners are 4, 7, 10, 13, 16."""
    seen = levels(named("fstcn").protocols["one"].views(grey(17, 12.5))[0])
    # 0, 9, 36, 81, 144; partners 16, 49, 100, 169, 5
    assert seen == {"frames": [0, 9, 36, 81, 144], "difference": [16, 40, 64, 88, 139]}


def test_the_papers_five_pairs_begin_evenly_over_the_clip():
    """50 frames, a pair spans 30: the first one begins with frame 0, the last with frame 20, the others in between."""
    views = named("fstcn-paper").protocols["clip"].views(grey(50, 25.0))
    assert [levels(each)["frames"][0] for each in views] == [t * t % 251 for t in (0, 5, 10, 15, 20)]


# --- crops, fig. 3: the same of both clips ----------------------------------------------------------


def doubling(pattern: np.ndarray) -> Clip:
    """30 frames in which every partner is twice as bright as its frame: V and V_diff are both the pattern."""
    frames = np.repeat(pattern[None], 30, 0)
    frames[[9, 14, 19, 24, 29]] = 2 * pattern
    return Clip(frames, np.arange(30) / 25)


def coordinates() -> np.ndarray:
    """240 × 320: red is half the row, green a third of the column; a crop's corner says where it lies."""
    pattern = np.zeros((240, 320, 3), np.uint8)
    pattern[..., 0], pattern[..., 1] = np.arange(240)[:, None] // 2, np.arange(320)[None] // 3
    return pattern


PLACES = [(top, left) for top in (0, 18, 36) for left in (0, 58, 116)]  # 240 − 204 = 36, 320 − 204 = 116


def corner(array: np.ndarray, flip: bool) -> tuple[int, int]:
    """Red and green in the top left of the crop, or in the top right of a mirrored one."""
    first = array[:, 0, 0, -1 if flip else 0]
    return int(first[0]), int(first[1])


def test_eighteen_crops_are_nine_places_and_the_same_mirrored_and_alike_for_both_clips():
    views = named("fstcn-paper").protocols["paper"].views(doubling(coordinates()))
    assert len(views) == 5 * 18  # 30 frames: all five pairs are the same one
    for number, seen in enumerate(views):
        assert np.array_equal(seen["frames"], seen["difference"])
        crop = number % 18
        top, left = PLACES[crop % 9]
        assert corner(seen["frames"], flip=crop >= 9) == (top // 2, left // 3)
        across = seen["frames"][1, 0, 0].astype(int)
        assert (np.diff(across) <= 0).all() if crop >= 9 else (np.diff(across) >= 0).all()


def test_a_training_pair_has_one_crop_anywhere_and_is_mirrored_half_of_the_time():
    """Sec. 2.5: cropped at random, both clips at the same location, and flipped simultaneously."""
    system, clip = named("fstcn-paper"), doubling(coordinates())
    tops, lefts, flips = Counter(), Counter(), Counter()
    for seed in range(200):
        seen = system.training_view(clip, np.random.default_rng(seed))
        assert np.array_equal(seen["frames"], seen["difference"])
        flip = bool(seen["frames"][1, 0, 0, 0] > seen["frames"][1, 0, 0, -1])
        top, left = corner(seen["frames"], flip)
        tops[top] += 1
        lefts[left] += 1
        flips[flip] += 1
    assert set(tops) == set(range(19)) and set(lefts) <= set(range(39))  # rows 0 to 36 by halves, columns by thirds
    assert {min(lefts), max(lefts)} == {0, 38} and len(lefts) > 30  # 116 // 3 = 38
    assert max(tops.values()) < 30 and max(lefts.values()) < 20 and 70 < flips[True] < 130


def test_a_training_pair_begins_anywhere():
    system, clip = named("fstcn-paper"), grey(50, 25.0)
    begins = Counter(
        levels(system.training_view(clip, np.random.default_rng(seed)))["frames"][0] for seed in range(200)
    )
    assert set(begins) == {t * t % 251 for t in range(21)}  # 50 − 30 = 20 is the last possible start


def block() -> Clip:
    """A bright block at the left of a dark ground, twice as bright in every partner of the light recipe's pair."""
    pattern = np.zeros((96, 128, 3), np.uint8)
    pattern[30:60, 20:40] = 90
    frames = np.repeat(pattern[None], 17, 0)
    frames[[4, 7, 10, 13, 16]] = 2 * pattern
    return Clip(frames, np.arange(17) / 12.5)


def middle_of_mass(frames: np.ndarray) -> float:
    """The column in which the bright block has its middle."""
    brightest = frames.max((0, 1)).astype(int)
    return float(np.flatnonzero((brightest > brightest.max() / 2).any(0)).mean())


def test_the_light_crops_are_two_zooms_and_their_mirror_images_alike_for_both_clips():
    views = named("fstcn").protocols["clip"].views(block())
    assert len(views) == len(CROPS) == 4
    # 128 pixels in 112: 0.875. The block's middle, column 29.5, is 34 left of the middle of the frame (63.5).
    for seen, distance in zip(views, (-34 * 0.875, 34 * 0.875, -34 * 1.05, 34 * 1.05), strict=True):
        assert middle_of_mass(seen["frames"]) == pytest.approx(55.5 + distance, abs=1)
        assert np.abs(seen["frames"].astype(int) - seen["difference"]).max() <= 1


def test_a_light_training_pair_is_mirrored_half_of_the_time_and_both_clips_alike():
    sides = []
    for seed in range(40):
        seen = named("fstcn").training_view(block(), np.random.default_rng(seed))
        if not seen["difference"].any():
            continue  # a slow camera showed no partner
        where = {name: middle_of_mass(value) for name, value in seen.items()}
        assert where["frames"] == pytest.approx(where["difference"], abs=2)
        sides.append(where["difference"] > 56)
    assert len(sides) > 20 and 0.25 < np.mean(sides) < 0.75


# --- eq. 6 and 7 in the recipe ----------------------------------------------------------------------

# Two crops over four classes, with SCI 0.6 and 0.2 (eq. 5: (4·0.7 − 1)/3 and (4·0.4 − 1)/3).
A, B = [0.7, 0.1, 0.1, 0.1], [0.25, 0.4, 0.25, 0.1]
# As many of each: weights 0.75 and 0.25 → 0.75·0.7 + 0.25·0.25, …
PAIR = [0.5875, 0.175, 0.1375, 0.1]
SURE = [0.1, 0.1, 0.2, 0.6]


@pytest.mark.parametrize(("name", "protocol", "crops"), [("fstcn-paper", "paper", 18), ("fstcn", "clip", 4)])
def test_the_crops_of_a_pair_are_weighed_together_and_the_pairs_by_their_maximum(name, protocol, crops):
    half = crops // 2
    scores = np.array([A] * half + [B] * half + [SURE] * crops)
    fused = named(name).protocols[protocol].fuse(scores)
    assert fused.scores == pytest.approx([0.5875, 0.175, 0.2, 0.6])  # the larger of PAIR and SURE, class by class
    assert fused.weights[:crops] == pytest.approx([0.75 / half] * half + [0.25 / half] * half)
    assert fused.weights[crops:] == pytest.approx([1 / crops] * crops)
    mean = named(name, {"fusion": "average"}).protocols[protocol].fuse(scores)
    # A for a quarter of all views, B for a quarter, SURE for half: 0.7/4 + 0.25/4 + 0.1/2, …
    assert mean.scores == pytest.approx([0.2875, 0.175, 0.1875, 0.35])
    most = named(name, {"fusion": "maximum"}).protocols[protocol].fuse(scores)
    assert most.scores == pytest.approx([0.7, 0.4, 0.25, 0.6])


def test_without_its_eighteen_crops_the_paper_size_averages_its_pairs():
    scores = np.array([A, B, A, B, SURE])
    fused = named("fstcn-paper").protocols["clip"].fuse(scores)
    assert fused.scores == pytest.approx([0.4, 0.22, 0.18, 0.2])  # (0.7 + 0.25 + 0.7 + 0.25 + 0.1) / 5, …
    assert named("fstcn-paper").protocols["one"].fuse(scores[:1]).scores == pytest.approx(A)


# --- the single randomly selected clip (table 2) ----------------------------------------------------


def single(name: str, protocol: str, clip: Clip, draw: int) -> Views:
    (only,) = named(name, {"fusion": "one", "draw": draw}).protocols[protocol].views(clip)
    return only


def test_a_single_clip_begins_anywhere_and_has_any_of_the_eighteen_crops():
    begins = Counter(levels(single("fstcn-paper", "paper", grey(50, 25.0), draw))["frames"][0] for draw in range(200))
    assert set(begins) == {t * t % 251 for t in range(21)} and max(begins.values()) < 30  # ten each on the average
    crops = Counter()
    for draw in range(300):
        seen = single("fstcn-paper", "paper", doubling(coordinates()), draw)
        assert np.array_equal(seen["frames"], seen["difference"])
        flip = bool(seen["frames"][1, 0, 0, 0] > seen["frames"][1, 0, 0, -1])
        crops[(*corner(seen["frames"], flip), flip)] += 1
    assert set(crops) == {(top // 2, left // 3, flip) for top, left in PLACES for flip in (False, True)}
    assert max(crops.values()) < 40  # seventeen each on the average


def test_a_single_light_clip_begins_anywhere_and_has_any_of_the_four_crops():
    longer = grey(60, 12.5)
    begins = {levels(single("fstcn", "clip", longer, draw))["frames"][0] for draw in range(100)}
    assert len(begins) > 20
    places = Counter(round(middle_of_mass(single("fstcn", "clip", block(), draw)["frames"])) for draw in range(60))
    assert len(places) == 4 and max(places.values()) < 30


@pytest.mark.parametrize(("name", "protocol"), [("fstcn", "clip"), ("fstcn-paper", "paper"), ("fstcn-paper", "clip")])
def test_the_same_seed_selects_the_same_clip_and_another_clip_has_a_draw_of_its_own(name, protocol):
    clip = grey(50, 12.5)
    again = [single(name, protocol, clip, 3) for _ in range(2)]
    assert np.array_equal(again[0]["frames"], again[1]["frames"])
    others = []
    for shift in range(8):  # the same clip, brighter: another clip, so another draw
        brighter = Clip(clip.frames // 2 + shift, clip.times)
        others.append((levels(single(name, protocol, brighter, 3))["frames"][0] - shift) * 2)
    assert len(set(others)) > 2


# --- what an option changes, and what it must not ---------------------------------------------------


def shapes(system: System) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in system.network(5).state_dict().items()}


def facts(system: System) -> dict[str, object]:
    """Everything that a recipe decides, as values that can be compared."""
    clip, rng = grey(40, 12.5), np.random.default_rng(0)
    scores = np.array([A] * 2 + [B] * 2 + [SURE] * 4)
    tested = system.protocols["clip"]
    return {
        "network": shapes(system),
        "inputs": dict(system.inputs),
        "training view": {name: value.tobytes() for name, value in system.training_view(clip, rng).items()},
        "newest view": {name: value.tobytes() for name, value in system.protocols["one"].views(clip)[0].items()},
        "test views": [{name: value.tobytes() for name, value in each.items()} for each in tested.views(clip)],
        "fusion": tested.fuse(scores).scores.round(9).tolist(),
        "schedules": dict(system.schedules),
        "loss": system.loss,
        "seconds": system.seconds,
    }


CHANGES = [
    ({"path": "scl"}, {"network"}),
    ({"path": "tcl"}, {"network"}),
    ({"kernels": "3"}, {"network"}),
    ({"kernels": "5"}, {"network"}),
    ({"positions": "shared"}, {"network"}),
    ({"lower": "efficientnet-lite0"}, {"network", "inputs"}),
    ({"fusion": "average"}, {"fusion"}),
    ({"fusion": "maximum"}, {"fusion"}),
    ({"fusion": "one"}, {"fusion", "test views"}),
    ({"draw": 7}, set()),
    ({"stages": "auxiliary"}, {"loss", "schedules"}),
]


@pytest.mark.parametrize(("chosen", "changes"), CHANGES)
def test_an_option_changes_what_it_names_and_nothing_else(chosen, changes):
    before, after = facts(named("fstcn")), facts(named("fstcn", chosen))
    assert {name for name in before if before[name] != after[name]} == changes


def test_every_option_is_among_those_whose_effect_is_checked():
    assert set().union(*(chosen for chosen, _ in CHANGES)) == set(named("fstcn").options)


def test_an_ablation_takes_parts_away_and_leaves_the_others_as_they_were():
    whole = shapes(named("fstcn"))
    scl, tcl = shapes(named("fstcn", {"path": "scl"})), shapes(named("fstcn", {"path": "tcl"}))
    assert {name.split(".")[0] for name in scl} == {"lower", "spatial", "classifier"}
    assert {name.split(".")[0] for name in tcl} == {"lower", "temporal", "classifier"}
    for alone in (scl, tcl):
        assert all(whole[name] == shape for name, shape in alone.items() if not name.startswith("classifier"))
    for kernel in (3, 5):
        only = shapes(named("fstcn", {"kernels": str(kernel)}))
        columns = [shape for name, shape in only.items() if "columns" in name and len(shape) == 4]
        assert columns == [(8, 9, kernel, kernel)]  # nine positions in, eight maps out
        # five frames of 48 permuted channels in eight maps, where both kernels have sixteen
        assert only["temporal.fc.0.weight"] == (128, 8 * 5 * 48)
        assert whole["temporal.fc.0.weight"] == (128, 16 * 5 * 48)


def test_pictures_of_the_published_network_have_its_range_and_differences_stay_around_zero():
    inputs = named("fstcn", {"lower": "efficientnet-lite0"}).inputs
    byte = torch.tensor([0.0, 127.0, 255.0])
    assert inputs["frames"].normalise(byte.clone()).tolist() == pytest.approx([-127 / 128, 0, 1])  # (x − 127) / 128
    assert inputs["difference"].normalise(byte.clone())[0].item() == 0
