"""The recipe of MDT-Net: which frames and pixels a view is made of, what the motion path is fed, and what each option
changes and leaves alone. A clip tells its frame number in red and its column in green; expected values are worked out
by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from actrec.core.errors import BadValue
from actrec.core.number_formats import FLOAT32
from actrec.models import mdtnet as models
from actrec.recognition.recognizer import Recognizer
from actrec.systems import SYSTEMS, mdtnet, named
from actrec.training.objective import objective
from actrec.training.schedule import make_optimiser, rate
from actrec.video import Clip
from actrec.weights.cards import Card
from actrec.weights.checkpoint import write_checkpoint

HEIGHT, WIDTH = 256, 336  # nothing is resized, and crops of 224 lie at 0, 56 and 112
PAPER = named("mdtnet-paper", {"segments": "8", "enhanced": "none"})


def numbered(count: int) -> Clip:
    """Frame number in red, half the column in green, noise that changes in blue."""
    frames = np.zeros((count, HEIGHT, WIDTH, 3), np.uint8)
    frames[..., 0] = np.arange(count)[:, None, None]
    frames[..., 1] = np.arange(WIDTH) // 2
    return Clip(frames, np.arange(count) / 25)


def shown(view: dict) -> list[int]:
    """The numbers of the frames of a view."""
    return view["frames"][0, :, 100, 100].tolist()


def left(view: dict) -> int:
    """Twice the green of the first column: where the crop begins, or ends in a mirror."""
    return 2 * int(view["frames"][1, 0, 100, 0])


def mirrored(view: dict) -> bool:
    row = view["frames"][1, 0, 100].astype(int)
    return bool(row[-1] < row[0])


# --- which frames, which pixels -------------------------------------------------------------------


def test_ten_random_draws_of_three_crops_each_and_not_the_other_way_round():
    views = PAPER.protocols["paper"].views(numbered(160))
    assert [left(view) for view in views] == [0, 56, 112] * 10
    draws = [shown(view) for view in views]
    assert all(draws[first] == draws[first + 1] == draws[first + 2] for first in range(0, 30, 3))
    assert len({tuple(draw) for draw in draws}) == 10


@pytest.mark.parametrize("protocol", ["one", "clip"])
def test_one_clip_is_an_even_draw_and_the_centre_crop(protocol):
    (view,) = PAPER.protocols[protocol].views(numbered(80))
    # 8 segments of 10 frames, five in each: in the middle of every fifth of two frames
    assert shown(view) == [first + step for first in range(0, 80, 10) for step in (1, 3, 5, 7, 9)]
    assert left(view) == 56 and view["frames"].shape == (3, 40, 224, 224)


def test_training_draws_five_frames_at_random_in_each_segment_in_time_order():
    seen = np.array([shown(PAPER.training_view(numbered(80), np.random.default_rng(seed))) for seed in range(12)])
    segments = seen.reshape(12, 8, 5)
    first = 10 * np.arange(8)[:, None]
    assert np.all((segments >= first) & (segments < first + 10)) and np.all(np.diff(segments, axis=2) > 0)
    assert len({tuple(draw) for draw in seen.tolist()}) == 12
    assert set((segments - first)[:, :, 0].ravel()) > {0, 1, 2} and np.any(np.diff(segments, axis=2) > 1)


def test_the_fourth_of_five_is_the_key_frame_of_the_network():
    (view,) = PAPER.protocols["one"].views(numbered(80))
    network = models.light(3, segments=8, generator=torch.Generator().manual_seed(0)).eval()
    seen: list[torch.Tensor] = []
    network.backbone.conv1.register_forward_hook(lambda _m, given, _o: seen.append(given[0]))
    with torch.no_grad():
        network(**{name: torch.from_numpy(value[None, :, :, :32, :32]).float() for name, value in view.items()})
    assert seen[0][:, 0, 0, 0].tolist() == [7, 17, 27, 37, 47, 57, 67, 77]


def test_adjacent_frames_are_neighbours():
    system = PAPER.with_options({"segments": "8", "enhanced": "none", "drawn": "adjacent"})
    for seed in range(4):
        segments = np.array(shown(system.training_view(numbered(160), np.random.default_rng(seed)))).reshape(8, 5)
        assert np.all(np.diff(segments, axis=1) == 1) and np.all(segments[:, 0] // 20 == np.arange(8))
    (view,) = system.protocols["one"].views(numbered(80))
    assert shown(view)[:5] == [2, 3, 4, 5, 6]  # the middle of ten


def test_training_crops_lie_anywhere_in_the_frame():
    places = {left(PAPER.training_view(numbered(80), np.random.default_rng(seed))) for seed in range(30)}
    assert len(places) > 15 and max(places) <= 112


def test_the_light_window_is_forty_frames_that_are_evenly_spaced():
    """Eight segments of five take all of it: there, the transform over the drawn frames runs over even ones."""
    frames = np.zeros((60, 96, 96, 3), np.uint8) + np.arange(60, dtype=np.uint8)[:, None, None, None]
    clip, system = Clip(frames, np.arange(60) / 12.5), named("mdtnet", {"enhanced": "none"})
    assert system.protocols["one"].views(clip)[0]["frames"][0, :, 48, 48].tolist() == list(range(20, 60))
    for seed in range(6):
        assert np.array_equal(mdtnet.chosen_frames(8, False, frames[:40], np.random.default_rng(seed)), np.arange(40))


# --- mirroring ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mdtnet-paper", "tsn", "tsm", "tea"])
def test_in_the_papers_size_nothing_is_mirrored_unless_asked_for(name):
    def seen(options: dict) -> list[bool]:
        system = named(name, {"segments": "8", "enhanced": "none", **options})
        return [mirrored(system.training_view(numbered(40), np.random.default_rng(seed))) for seed in range(16)]

    assert not any(seen({})) and 0 < sum(seen({"mirror": "yes"})) < 16


@pytest.mark.parametrize("name", ["mdtnet", "mdtnet-raw", "mdtnet-paper", "tea"])
def test_a_recipe_without_options_is_the_one_with_every_default(name):
    """So what the defaults say of mirroring, even frames and the rest holds for a system that is only named."""
    system = SYSTEMS[name]
    spelt_out = system.remade(**{option: about.default for option, about in system.options.items()})
    clip = lit(30)
    clip.frames[:, :40] = np.random.default_rng(1).integers(0, 255, clip.frames[:, :40].shape)
    for seed in range(4):
        one, other = (each.training_view(clip, np.random.default_rng(seed)) for each in (system, spelt_out))
        assert all(np.array_equal(one[key], other[key]) for key in one)
    (one,), (other,) = (each.protocols["one"].views(clip) for each in (system, spelt_out))
    assert all(np.array_equal(one[key], other[key]) for key in one)


def test_the_light_size_mirrors_half_of_the_training_clips_unless_told_not_to():
    clip = numbered(60)

    def seen(options: dict) -> list[bool]:
        system = named("mdtnet", {"enhanced": "none", **options})
        views = [system.training_view(clip, np.random.default_rng(seed)) for seed in range(24)]
        return [bool(view["frames"][1, 0, 48, 40] > view["frames"][1, 0, 48, 60]) for view in views]

    assert 6 < sum(seen({})) < 18 and not any(seen({"mirror": "no"}))


@pytest.mark.parametrize("mirror", ["yes", "no"])
def test_answers_never_see_a_mirror(mirror):
    for name, options in (("mdtnet", {}), ("mdtnet-paper", {"segments": "8"})):
        one, other = (
            named(name, {**options, "mirror": choice}).protocols["one"].views(numbered(60))[0]
            for choice in (mirror, "no")
        )
        assert all(np.array_equal(one[key], other[key]) for key in one)


# --- what the motion path is fed ------------------------------------------------------------------

# Left: a wall. Then a lamp that blinks every eighth frame, a brightness that drifts up and down once, and one twice.
LAMP, ONCE, TWICE = slice(60, 100), slice(130, 170), slice(210, 250)


def lit(count: int, size: tuple[int, int] = (256, 280)) -> Clip:
    time = np.arange(count) / count
    frames = np.full((count, *size, 3), 120, np.uint8)
    for columns, cycles in ((LAMP, count / 8), (ONCE, 1), (TWICE, 2)):
        wave = np.rint(120 + 60 * np.cos(2 * np.pi * cycles * time)).astype(np.uint8)
        frames[:, :, columns] = wave[:, None, None, None]
    return Clip(frames, np.arange(count) / 25)


def of_random_draw(system, clip: Clip) -> dict:
    """The centre crop, 28 to the right, of the first random draw of the paper's test."""
    return system.protocols["paper"].views.func(clip, windows=2, crops=1)[0]


def brightness(view: dict, columns: slice, shift: int) -> np.ndarray:
    """How bright the motion frames are in the middle of some columns, as a part of the raw ones."""
    middle = slice(columns.start + 12 - shift, columns.stop - 12 - shift)
    raw, motion = (view[name][:, :, 100:120, middle].mean((0, 2, 3)) for name in ("frames", "motion"))
    return motion / raw


@pytest.mark.parametrize(("count", "apart"), [(80, 1), (160, 2), (320, 3)])
def test_a_cutoff_blackens_what_drifts_more_slowly_and_keeps_what_blinks(count, apart):
    """In the paper's size, on frames drawn at random, whatever the length of the clip."""
    assert -(-count // mdtnet.EVEN) == apart
    clip = lit(count)
    for cutoff, once, twice in (("1", True, True), ("2", False, True), ("3", False, False)):
        system = named("mdtnet-paper", {"segments": "8", "cutoff": cutoff})
        view = of_random_draw(system, clip)
        lamp, first, second, wall = (
            brightness(view, columns, 28).max() for columns in (LAMP, ONCE, TWICE, slice(30, 60))
        )
        assert lamp > 0.95 and wall < 0.02, cutoff
        assert (first > 0.5, second > 0.5) == (once, twice), cutoff
        assert once or first < 0.05
        assert twice or second < 0.05


def test_over_the_drawn_frames_a_drift_stays():
    """As it was before, and still is for weights that learned so."""
    for fourier, stays in (("even", False), ("drawn", True)):
        system = named("mdtnet-paper", {"segments": "8", "cutoff": "2", "fourier": fourier})
        view = of_random_draw(system, lit(160))
        assert (brightness(view, ONCE, 28).max() > 0.04) == stays


def test_the_light_size_has_the_same_cutoff():
    """96 pixels: the lamp at 20 to 35, the drift at 44 to 58, of a clip that is one window."""
    clip = lit(40, (280, 280))
    clip = Clip(clip.frames, np.arange(40) / 12.5)
    for cutoff, stays in (("1", True), ("2", False)):
        view = named("mdtnet", {"cutoff": cutoff}).protocols["one"].views(clip)[0]
        lamp, once, wall = (view["motion"][0, :, 48, column].max() for column in (27, 51, 3))
        assert lamp > 150 and wall < 5 and (once > 100) == stays


def test_frames_are_multiplied_by_salience_and_raw_ones_are_left_alone():
    """One pixel swings between 100 and 140, the other rests: energies 400 and 0, divided by the larger, 64 at least."""
    frames = np.full((40, 1, 2, 3), 100, np.uint8)
    frames[1::2, 0, 0] = 140
    view = mdtnet.view(frames, smoothing=0.0)
    assert view["frames"][0, :, 0].tolist() == [[100, 100], [140, 100]] * 20
    assert view["motion"][0, :, 0].tolist() == [[100, 0], [140, 0]] * 20
    half = mdtnet.view(frames, smoothing=0.0, strength=0.5)
    assert half["motion"][0, :, 0].tolist() == [[100, 50], [140, 50]] * 20
    both = mdtnet.view(frames, smoothing=0.0, enhanced="both")
    assert both["frames"][0, :, 0].tolist() == [[100, 0], [140, 0]] * 20
    none = mdtnet.view(frames, enhanced="none")
    assert np.array_equal(none["motion"], none["frames"]) and none["frames"][0, 0, 0].tolist() == [100, 100]


def test_smoothing_spreads_salience_over_the_neighbours():
    frames = np.full((40, 31, 31, 3), 100, np.uint8)
    frames[1::2, 15, 15] = 200
    bright = {sigma: int((mdtnet.view(frames, smoothing=sigma)["motion"][0, 1] > 0).sum()) for sigma in (0.0, 1.0, 3.0)}
    assert bright[0.0] == 1 < bright[1.0] < bright[3.0]


# Of the view of a test: what changes with each option. In training, mirror too.
CHANGES = [
    ({"mode": "tsn"}, set()),
    ({"enhanced": "none"}, {"motion"}),
    ({"enhanced": "both"}, {"frames"}),
    ({"salience": "phase"}, {"motion"}),
    ({"cutoff": "3"}, {"motion"}),
    ({"smoothing": "5"}, {"motion"}),
    ({"strength": "0.5"}, {"motion"}),
    ({"mirror": "yes"}, set()),
    ({"mirror": "no"}, set()),
]


@pytest.mark.parametrize(("options", "changed"), CHANGES)
@pytest.mark.parametrize("name", ["mdtnet", "mdtnet-paper"])
def test_an_option_changes_what_it_says_and_nothing_else(name, options, changed):
    clip = lit(60)
    clip.frames[:, 100:130] = np.random.default_rng(0).integers(0, 255, clip.frames[:, 100:130].shape)
    default, chosen = named(name), named(name, options)
    before, after = (system.protocols["one"].views(clip)[0] for system in (default, chosen))
    assert {key for key in before if not np.array_equal(before[key], after[key])} == changed
    assert (chosen.network is default.network) is ("mode" not in options) or name == "mdtnet-paper"
    assert (chosen.inputs, chosen.schedules, chosen.seconds) == (default.inputs, default.schedules, default.seconds)


@pytest.mark.parametrize(
    ("options", "changed"), [({"fourier": "drawn"}, {"motion"}), ({"drawn": "adjacent"}, {"frames", "motion"})]
)
def test_options_of_the_papers_size_change_what_they_say(options, changed):
    systems = (named("mdtnet-paper", {"segments": "8", "cutoff": "3", **given}) for given in ({}, options))
    before, after = (system.training_view(lit(200), np.random.default_rng(0)) for system in systems)
    assert {key for key in before if not np.array_equal(before[key], after[key])} == changed
    assert named("mdtnet-paper", {"segments": "8"}).inputs["motion"].frames == 40
    assert named("mdtnet-paper").inputs["motion"].frames == 80


def test_a_cutoff_does_not_refuse_a_clip_of_few_frames():
    for name in ("mdtnet", "mdtnet-paper"):
        for count in (1, 2, 5):
            view = named(name, {"cutoff": "8"}).protocols["one"].views(numbered(count))[0]
            assert np.array_equal(view["motion"], np.zeros_like(view["motion"])) or count > 1


@pytest.mark.parametrize("value", ["0", "9", "2.5", "many"])
def test_a_cutoff_is_a_whole_number_of_frequencies(value):
    with pytest.raises(ValueError, match=r"--option cutoff .* is one of 1, 2, 3, 4, 5, 6, 7, 8, not"):
        named("mdtnet", {"cutoff": value})


# --- how it learns, and with what it is compared --------------------------------------------------


@pytest.mark.parametrize("name", ["mdtnet-paper", "tsn", "tsm", "tea"])
def test_the_papers_rates_by_epoch(name):
    """0.01, adjusted at the 30th, 40th and 50th of 70 epochs; momentum 0.9, decay 0.0001."""
    system = named(name)
    for preset in ("scratch", "paper"):
        schedule = system.schedules[preset]
        assert schedule.epochs == 70
        goal = objective(system, schedule, FLOAT32)
        rates = [rate(schedule, epoch, goal.span(epoch)) for epoch in range(70)]
        assert rates == pytest.approx([1e-2] * 30 + [1e-3] * 10 + [1e-4] * 10 + [1e-5] * 20)
        optimiser = make_optimiser(torch.nn.Linear(3, 2), schedule)
        assert isinstance(optimiser, torch.optim.SGD)
        decayed, undecayed = optimiser.param_groups
        assert (decayed["momentum"], decayed["weight_decay"], undecayed["weight_decay"]) == (0.9, 1e-4, 0.0)


def test_the_compared_networks_are_modes_of_one_recipe_and_have_the_papers_figures():
    printed = {"tsn": 94.0, "tsm": 94.5, "tea": 96.9, "mdtnet-paper": 96.8}  # table 2, UCF-101
    assert {name: SYSTEMS[name].headline["UCF-101"] for name in printed} == printed
    for mode, cites in (("tsn", "Wang"), ("tsm", "Lin"), ("tea", "Li")):
        for name in ("mdtnet", "mdtnet-paper"):
            assert named(name, {"mode": mode}).paper.startswith(f"{cites} et al." if mode != "tsm" else cites)
        own = {key for key, _ in named(f"{mode}-light").network(3).named_parameters()}
        assert own == {key for key, _ in named("mdtnet", {"mode": mode}).network(3).named_parameters()}
        assert any(".me." in key for key in own) is (mode == "tea")


# --- cards ----------------------------------------------------------------------------------------


@pytest.fixture
def small_paper(monkeypatch):
    """The paper's recipe with a network of a second."""
    network = partial(models.light, segments=8, widths=(8, 8, 16, 16))

    def remade(**options) -> object:
        return replace(mdtnet.paper("mdtnet-paper", **{"segments": "8", **options}), network=network)

    segments = replace(SYSTEMS["mdtnet-paper"].options["segments"], default="8")
    system = replace(remade(), remade=remade, options=SYSTEMS["mdtnet-paper"].options | {"segments": segments})
    monkeypatch.setitem(SYSTEMS, "mdtnet-paper", system)
    return system


def card_of(system, folder, options: dict):
    card = Card("mine", system.name, ["a", "b"], "clips", "python", 0, options=options,
                inputs={name: vars(view) for name, view in system.inputs.items()})  # fmt: skip
    write_checkpoint(folder, card, system.network(2, generator=torch.Generator().manual_seed(0)).state_dict())
    return Recognizer.load(folder, "cpu", only_torch=True)


def test_a_card_from_before_answers_by_the_drawn_frames_and_a_new_one_by_even_ones(small_paper, tmp_path):
    chosen = small_paper.with_options({"cutoff": "2"})
    assert small_paper.recorded == {"fourier": "even", "mirror": "no"}
    assert chosen.recorded == {"fourier": "even", "mirror": "no", "cutoff": "2"}
    old = card_of(small_paper, tmp_path / "old", {"cutoff": "2"})
    new = card_of(small_paper, tmp_path / "new", chosen.recorded)
    assert (old.system.option("fourier"), new.system.option("fourier")) == ("drawn", "even")
    clip, motion = lit(160), {}
    for recognizer, fourier in ((old, "drawn"), (new, "even")):
        seen, by_hand = (
            of_random_draw(system, clip)["motion"]
            for system in (recognizer.system, small_paper.with_options({"cutoff": "2", "fourier": fourier}))
        )
        assert np.array_equal(seen, by_hand)
        motion[recognizer.system.option("fourier")] = seen
    assert not np.array_equal(motion["drawn"], motion["even"])
    # what it always was: the transform over the drawn frames themselves
    drawn = of_random_draw(small_paper.with_options({"enhanced": "none"}), clip)["frames"]
    alone = mdtnet.view(np.ascontiguousarray(drawn.transpose(1, 2, 3, 0)), cutoff="2")["motion"]
    assert np.array_equal(motion["drawn"], alone)


def test_the_options_on_a_card_are_used_in_its_answers(small_paper, tmp_path):
    options = {"cutoff": "3", "smoothing": 4.0, "salience": "phase", "strength": 0.5, "fourier": "even", "mirror": "no"}
    recognizer = card_of(small_paper, tmp_path / "mine", options)
    view = recognizer.system.protocols["one"].views(lit(60))[0]
    expected = small_paper.with_options(options).protocols["one"].views(lit(60))[0]
    assert np.array_equal(view["motion"], expected["motion"])
    assert mdtnet.salience_options(recognizer.system) == {"variant": "phase", "cutoff": 3, "smoothing": 4.0}
    with torch.inference_mode():
        logits = recognizer.network(**recognizer.system.tensors([expected]))
    assert recognizer.predict(lit(60), "one").scores == pytest.approx(logits.softmax(1)[0].numpy(), abs=1e-5)


@pytest.mark.parametrize("name", ["mdtnet", "mdtnet-paper"])
def test_weights_can_be_asked_with_other_salience_but_not_with_another_network(name, small_paper, tmp_path):
    of_a_test = {option for option, about in SYSTEMS[name].options.items() if about.in_test}
    salience = {"enhanced", "salience", "cutoff", "smoothing", "strength", "drawn"}
    assert of_a_test == (salience | {"fourier"} if name == "mdtnet-paper" else salience)
    card_of(SYSTEMS[name], tmp_path / "mine", {"cutoff": "2", "mirror": "no"})
    asked = Recognizer.load(tmp_path / "mine", "cpu", only_torch=True, options={"enhanced": "none"})
    assert (asked.system.option("enhanced"), asked.system.option("cutoff")) == ("none", "2")
    view = asked.system.protocols["one"].views(lit(60))[0]
    assert np.array_equal(view["motion"], view["frames"])  # table 1's raw frames, on the same weights
    for option, learned in (("mode", "mdtnet"), ("mirror", "no")):
        value = {"mode": "tsn", "mirror": "yes"}[option]
        with pytest.raises(BadValue, match=f"--option {option} is decided in training.*{option}={learned}"):
            Recognizer.load(tmp_path / "mine", "cpu", only_torch=True, options={option: value})
