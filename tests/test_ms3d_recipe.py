"""What MS3D's recipe makes of a clip: which frames, in which order, of which part; what each of its options changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from actrec.core.errors import BadValue
from actrec.core.number_formats import FLOAT32
from actrec.motion.difference import variance_rate
from actrec.systems import SYSTEMS, named, recorded
from actrec.systems.ms3d import chosen, experiments
from actrec.training.load_data import stored
from actrec.training.objective import objective
from actrec.video import Clip

SIDE, FRAMES = 96, {"slow": 7, "mid": 17, "fast": 25}
MARK = (1, 1)  # a pixel that tells the number of its frame; no rate is computed by it (every fourth counts)


def numbered(greys: np.ndarray, fps: float = 30.0) -> Clip:
    """Frames of one grey each, as large as the network sees them; a pixel of each holds the frame's number."""
    frames = np.repeat(np.asarray(greys, np.uint8), SIDE * SIDE * 3).reshape(-1, SIDE, SIDE, 3)
    frames[:, *MARK] = np.arange(len(frames))[:, None]
    return Clip(frames, np.arange(len(frames)) / fps)


def drawn(view: dict[str, np.ndarray]) -> dict[str, list[int]]:
    """The numbers of the frames that each pathway got."""
    return {name: view[name][0, :, MARK[0], MARK[1]].tolist() for name in FRAMES}


def stairs() -> Clip:
    """121 frames in four seconds: a still clip but for pairs 40 to 64, in each of which the grey grows by 5."""
    return numbered(10 + 5 * np.clip(np.arange(121) - 40, 0, 25))


# --- which frames ---------------------------------------------------------------------------------


def test_frames_are_the_later_ones_of_pairs_that_move_in_time_order():
    """25 pairs move, z = 40 … 64: the fast pathway takes each once, which are frames 41 … 65."""
    (view,) = named("ms3d").protocols["one"].views(stairs())
    frames = drawn(view)
    assert frames["fast"] == list(range(41, 66))
    for name, count in FRAMES.items():
        assert len(set(frames[name])) == count and frames[name] == sorted(frames[name])
        assert set(frames[name]) <= set(range(41, 66))


def test_more_frames_than_pairs_that_move_repeat_those_that_move():
    """Ten pairs move: every one is in the mid and the fast pathway, and nothing else is."""
    clip = numbered(10 + 10 * np.clip(np.arange(121) - 40, 0, 10))
    for frames in map(drawn, named("ms3d").gallery(clip)):
        assert len(set(frames["slow"])) == 7, "none twice while enough of them move"
        assert set(frames["mid"]) == set(frames["fast"]) == set(range(41, 51))
        assert [len(frames[name]) for name in FRAMES] == [7, 17, 25]


def test_a_pair_is_drawn_by_how_much_all_its_pixels_change():
    """Eq. 1 adds up over the frame: 10 grey levels everywhere weigh as much as 80 on an eighth of it."""
    frames = np.zeros((4, 32, 32, 3), np.uint8)
    frames[1:] += 10  # pair 0: 32 · 32 · 10
    frames[2:, :4] += 80  # pair 1: 4 · 32 · 80, as much
    frames[3, :, :16] += 40  # pair 2: 32 · 16 · 40, twice as much
    assert variance_rate(frames).tolist() == pytest.approx([0.25, 0.25, 0.5])
    generator, hits = np.random.default_rng(0), np.zeros(4)
    for _ in range(200):  # 49 draws of each call are all of the three pairs and 7 + 17 + 25 − 9 more, by p
        hits += np.bincount(chosen(frames, generator), minlength=4)
    more = hits / 200 - [0, 3, 3, 3]  # each pathway takes each pair once first
    assert more.tolist() == pytest.approx([0, 10, 10, 20], abs=0.6)


def lively(pairs: int) -> np.ndarray:
    """Greys in which every fourth pair changes three times as much as the others: half of all change."""
    return 100 + np.concatenate([[0], np.cumsum(np.where(np.arange(pairs) % 4 == 0, 30, -10))])


def share_of_lively(pairs: int, fps: float) -> np.ndarray:
    """How many of a pathway's frames come from the liveliest quarter of the pairs, over sixty training draws."""
    frames = numbered(lively(pairs), fps).frames
    draws = [chosen(np.ascontiguousarray(frames[:, ::4, ::4]), np.random.default_rng(seed)) for seed in range(60)]
    shares = [[np.mean(part % 4 == 1) for part in np.split(draw, [7, 24])] for draw in draws]
    return np.mean(shares, axis=0)


def test_enough_pairs_let_the_variance_rate_shape_the_draw():
    """Half of all change is in a quarter of the pairs. A uniform draw takes 25 % from there. Of 36 pairs the fast
    pathway's 25 frames take nearly all nine lively ones and must fill up: under 9 / 25 = 36 %. Of 120 pairs each of 25
    draws finds at least 3·(30 − 13) of 3·(30 − 13) + 90 weight there, 36 %, and the first one half."""
    few, many = share_of_lively(36, 12.5), share_of_lively(120, 30.0)
    assert few[2] <= 9 / 25 < 0.41 < many[2] < 0.5
    assert many[0] == pytest.approx(0.49, abs=0.05)  # seven of 120 leave the odds nearly as they are
    (view,) = named("ms3d").protocols["one"].views(numbered(lively(120)))
    assert sum(number % 4 == 1 for numbers in drawn(view).values() for number in numbers) > 0.36 * 49


def test_a_slow_camera_repeats_frames_and_the_repeated_ones_are_not_drawn():
    """Ten frames a second for 4 s fill the 121 places three times over; only the 40 changes count."""
    clip = numbered(np.where(np.arange(41) % 2, 200, 50), fps=10.0)
    (view,) = named("ms3d").protocols["one"].views(clip)
    frames = drawn(view)
    for name, count in FRAMES.items():
        assert len(set(frames[name])) == count, "no frame twice"


def test_moments_are_the_seconds_of_the_frames_in_the_view():
    clip, one = stairs(), named("ms3d").protocols["one"]
    numbers = np.concatenate(list(drawn(one.views(clip)[0]).values()))
    assert one.moments(clip) == pytest.approx(numbers / 30)


# --- how many views -------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "protocol", "count"), [
    ("ms3d", "one", 1), ("ms3d", "clip", 3 * 2), ("ms3d", "paper", 4),
    ("ms3d-paper", "one", 1), ("ms3d-paper", "clip", 4), ("ms3d-paper", "paper", 4),
])  # fmt: skip
def test_each_protocol_takes_so_many_windows_and_passes(name, protocol, count):
    clip = numbered(np.random.default_rng(0).integers(0, 255, 240), fps=30.0)
    views = named(name).protocols[protocol].views(clip)
    assert len(views) == count
    assert len({view["fast"].tobytes() for view in views}) == count, "each draws its own frames"
    again = named(name).protocols[protocol].views(clip)
    assert all(np.array_equal(one["mid"], other["mid"]) for one, other in zip(views, again, strict=True))


def test_two_passes_of_one_window_stand_together():
    clip = numbered(np.random.default_rng(0).integers(0, 255, 241), fps=30.0)  # eight seconds: windows at 0, 2 and 4
    views = named("ms3d").protocols["clip"].views(clip)
    assert named("ms3d").protocols["clip"].windows(clip) == pytest.approx([0, 2, 4])
    for number, view in enumerate(views):
        start, frames = 60 * (number // 2), np.concatenate(list(drawn(view).values()))
        assert start <= frames.min() and frames.max() <= start + 120


def test_the_papers_recipe_draws_each_pathway_from_the_whole_clip():
    """Three frames differ from the one before, 20, 100 and 170: nothing else is ever drawn."""
    greys = np.zeros(200, np.uint8)
    greys[20:], greys[100:], greys[170:] = 60, 120, 180
    clip = numbered(greys)
    clip.frames[:, *MARK] = clip.frames[:, 0, 0]  # every pixel counts here
    for view in named("ms3d-paper").protocols["paper"].views(clip):
        for name, count in FRAMES.items():
            middle = view[name][0, :, 112, 112]
            assert len(middle) == count and set(middle) == {60, 120, 180} and np.all(np.diff(middle.astype(int)) >= 0)


def test_the_gallery_draws_four_times_from_the_window_that_one_sees():
    clip = numbered(np.random.default_rng(0).integers(0, 255, 241), fps=30.0)
    for name in ("ms3d", "ms3d-paper"):
        views = named(name).gallery(clip)
        assert len(views) == 4 and len({view["slow"].tobytes() for view in views}) == 4
    for view in named("ms3d").gallery(clip):
        assert min(np.concatenate(list(drawn(view).values()))) >= 120  # the newest four of eight seconds


# --- what the options change ----------------------------------------------------------------------


class Codes(torch.nn.Module):
    """A network whose embeddings are given: two clips of each of two classes, each code of length two."""

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        return 2 * torch.eye(2).repeat(2, 1)


def facts(name: str, **options: object) -> dict[str, object]:
    """Everything that an option may change, by what it is."""
    system, clip = named(name, options), busy()
    network = system.network(3)
    aim = objective(system, system.schedules["scratch"], FLOAT32)
    seen = [system.training_view(clip, np.random.default_rng(3))]
    for protocol in system.protocols.values():
        seen += protocol.views(clip)
    return {
        "views": [value.tobytes() for view in [*seen, *system.gallery(clip)] for value in view.values()],
        "start": {key: value.numpy().tobytes() for key, value in network.state_dict().items() if "topology" not in key},
        "connections": [block.topology.tolist() for block in blocks(network)],
        "redraw": [block.redraw for block in blocks(network)],
        "stack": network.stack,
        "loss": aim.loss(Codes(), {}, torch.tensor([0, 1, 0, 1]))[0].item(),
        "length": system.unit_length,
        "clips": stored(system).key(),
        "seconds": system.seconds,
    }


def blocks(network: torch.nn.Module) -> list[torch.nn.Module]:
    return [block for name, block in network.densenet.named_children() if name.startswith("block")]


def busy() -> Clip:
    """Noise in the middle of a grey frame, for five seconds: that is what moves."""
    frames = np.full((150, 96, 96, 3), 90, np.uint8)
    frames[:, 30:60, 40:70] = np.random.default_rng(0).integers(0, 255, (150, 30, 30, 3), np.uint8)
    return Clip(frames, np.arange(150) / 30)


CHANGES = [
    ({"tailor": "moving"}, {"views", "clips"}),  # which are kept larger
    ({"eta": 2.0}, set()),  # of nothing that is tailored
    ({"xi": 0.5}, set()),
    ({"pairs": "36"}, {"views", "clips", "seconds"}),
    ({"alpha": 0.3}, {"start", "connections"}),  # other widths, too
    ({"redraw": "yes"}, {"redraw"}),
    ({"stack": "channels"}, {"stack", "start"}),
    ({"slice": "middle"}, {"start"}),
    ({"length": 0.5}, {"loss"}),
    ({"embeddings": "free"}, {"length"}),
]


@pytest.mark.parametrize(
    ("options", "changed"), CHANGES, ids=lambda value: str(value) if isinstance(value, dict) else ""
)
def test_an_option_changes_what_it_says_and_nothing_else(options, changed):
    before, after = facts("ms3d"), facts("ms3d", **options)
    assert {name for name in before if before[name] != after[name]} == changed


def test_eta_and_xi_change_the_views_of_tailored_clips_alone():
    before = facts("ms3d", tailor="moving")
    for options in ({"eta": 2.0}, {"xi": 0.5}):
        after = facts("ms3d", tailor="moving", **options)
        assert {name for name in before if before[name] != after[name]} == {"views"}


def test_every_option_is_in_one_of_these_tests():
    assert {name for options, _ in CHANGES for name in options} | {"cameras"} == set(SYSTEMS["ms3d"].options)


def test_alpha_keeps_so_many_of_the_earlier_layers():
    """(l − 2)·α of them and the predecessor, rounded: with 0.7 layers 2 to 5 receive 1, 1 + 1, 1 + 1, 1 + 2."""
    for alpha, heard in ((0.7, [1, 2, 2, 3]), (0.3, [1, 1, 2, 2]), (0.0, [1, 1, 1, 1]), (1.0, [1, 2, 3, 4])):
        block = blocks(named("ms3d", {"alpha": alpha}).network(3))[1]
        assert [len(sources) for sources in block.heard] == heard


def test_the_slice_that_eq_4_favours_is_the_options():
    for slice_, place in (("first", 0), ("middle", 1)):
        kernel = named("ms3d", {"slice": slice_}).network(3).shared.kernel
        largest = kernel.abs().argmax(2)
        assert (largest == place).all()
        ratio = kernel[:, :, place] / kernel[:, :, 2]  # (5/3) / (−1/3)
        assert torch.allclose(ratio, torch.full_like(ratio, -5.0), atol=1e-3)


def test_the_length_penalty_is_small_in_the_light_size_and_none_in_the_papers():
    """Codes a = p = 2·(unit vectors): eq. 5 is log(1 + exp(0 − 4)); the mean squared length is 4."""
    targets = torch.tensor([0, 1, 0, 1])
    plain = float(np.log1p(np.exp(-4)))
    for system, penalty in (
        (named("ms3d"), 1e-3), (named("ms3d-paper"), 0.0), (named("ms3d", {"length": 0.25}), 0.25),
        (named("ms3d-paper", {"length": 0.25}), 0.25),
    ):  # fmt: skip
        aim = objective(system, system.schedules["scratch"], FLOAT32)
        loss, right = aim.loss(Codes(), {}, targets)
        assert loss.item() == pytest.approx(plain + penalty * 4, rel=1e-4)
        assert right == 4


def test_embeddings_have_length_one_in_the_light_size_and_the_length_they_come_with_in_the_papers():
    assert named("ms3d").unit_length and not named("ms3d-paper").unit_length
    assert named("ms3d-paper", {"embeddings": "unit"}).unit_length


def test_clips_are_kept_at_the_rate_that_the_pairs_need():
    assert [stored(named(name)).fps for name in ("ms3d", "asym3d", "fstcn")] == [30, 15, 15]
    assert stored(named("ms3d", {"pairs": "36"})).fps == 15
    assert stored(named("ms3d-paper")).fps is None


# --- what cards and runs from before mean ---------------------------------------------------------


def test_a_card_that_names_no_pairs_means_those_there_were():
    old = recorded("ms3d", {})
    assert old.option("pairs") == "36" and old.seconds == pytest.approx(36 / 12.5) and old.unit_length
    paper = recorded("ms3d-paper", {})  # so its weights were judged, and so its runs went on, before
    assert paper.unit_length and paper.option("length") == 1e-3
    assert named("ms3d").option("pairs") == "120" and named("ms3d").seconds == pytest.approx(4)


def test_a_new_card_names_pairs_and_embeddings_and_what_was_chosen():
    assert named("ms3d").recorded == {"pairs": "120", "embeddings": "unit"}
    assert named("ms3d-paper").recorded == {"length": 0.0, "embeddings": "free"}
    chosen = named("ms3d", {"tailor": "moving", "xi": 0.8}).recorded
    assert chosen == {"tailor": "moving", "xi": 0.8, "pairs": "120", "embeddings": "unit"}
    for name in ("ms3d", "ms3d-paper"):
        again = recorded(name, named(name, {"alpha": 0.3}).recorded)
        assert again.recorded == named(name, {"alpha": 0.3}).recorded


def test_weights_can_be_asked_of_tailored_clips_but_not_with_another_network():
    learned = recorded("ms3d", {})
    asked = learned.asked_with({"tailor": "moving"})
    assert asked.option("tailor") == "moving" and asked.option("pairs") == "36"
    with pytest.raises(BadValue, match=r"--option alpha is decided in training.*alpha=0.7.*tailor, eta, xi, pairs"):
        learned.asked_with({"alpha": 0.3})


def test_claims_on_the_shipped_weights_ask_them_as_they_learned():
    """The shipped weights learned from 36 pairs; the trained arms draw from 120; all of them are MS3D's."""
    assert {f"{kind}/{to}" for kind in ("tailor", "window") for to in ("none", "moving", "people")} < set(experiments())

    class Asked:
        def __init__(self) -> None:
            self.systems = []

        def as_shipped(self, system, weights):
            self.systems.append((system.name, system.option("tailor"), system.option("pairs"), weights))
            return {}

        def taught(self, system, budget):
            self.systems.append((system.name, system.option("tailor"), system.option("pairs"), "taught"))
            return self

        def figures(self):
            return {}

    asked = Asked()
    for name, experiment in experiments().items():
        if name.startswith(("window/", "tailor/", "drawing/", "pathways/")):
            experiment.measure(asked)
    by_kind = sorted(asked.systems)
    assert by_kind == sorted(
        [("ms3d", to, "36", "ms3d-synthetic") for to in ("none", "none", "none", "moving", "people")]
        + [("ms3d", to, "120", "taught") for to in ("none", "none", "none", "moving", "people")]
    )


def test_an_even_draw_takes_all_frames_that_differ_alike():
    from actrec.systems.ms3d import evenly_drawn

    clip = numbered(lively(120))
    even, by_rate = evenly_drawn().protocols["one"], named("ms3d").protocols["one"]
    hits = {"even": [], "rate": []}
    for seed in range(40):
        shifted = replace(clip, frames=np.roll(clip.frames, seed, axis=0))
        hits["even"] += drawn(even.views(shifted)[0])["slow"]
        hits["rate"] += drawn(by_rate.views(shifted)[0])["slow"]
    share = {name: np.mean(np.array(numbers) % 4 == 1) for name, numbers in hits.items()}
    assert share["even"] == pytest.approx(0.25, abs=0.09) and share["rate"] > 0.36
