"""The figures of the guided tours say what the networks and recipes do: each number is checked against another way."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from actrec.claims import figure
from actrec.explain.layers import layers_of
from actrec.explain.subject import Subject
from actrec.figures.drawing import coloured
from actrec.recognition.recognizer import Recognizer
from actrec.systems import named
from actrec.tours import asym3d, crossenh, fstcn, mdtnet, ms3d, titles, tour_of
from actrec.tours.step import Choice, Slider, Words
from actrec.video import Clip
from actrec.video.read import read_clip
from actrec.weights.cards import Card
from demo.tabs import papers

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted(path.name for path in (ROOT / "weights").glob("*-synthetic"))


@pytest.fixture(scope="module")
def clip() -> Clip:
    return read_clip(ROOT / "assets" / "examples" / "wave.mp4", short_side=120)


@pytest.fixture(scope="module")
def subjects(clip) -> dict[str, Subject]:
    """The clip before each of the shipped systems."""
    found = {name.removesuffix("-synthetic"): ROOT / "weights" / name for name in SHIPPED}
    return {system: Subject(clip, Recognizer.load(folder, "cpu")) for system, folder in found.items()}


def frozen(clip: Clip, frames: int) -> Clip:
    """The clip's first frame, again and again."""
    return Clip(np.repeat(clip.frames[:1], frames, 0), np.arange(frames) / 12.0)


CLIPS = {
    "moving": lambda clip: clip,
    "still": lambda clip: frozen(clip, 40),
    "two frames": lambda clip: Clip(clip.frames[:2], clip.times[:2]),
    "one frame": lambda clip: frozen(clip, 1),
}


class OneRoom:
    """As much of a `Services` as the tours ask for."""

    def __init__(self, subjects: dict[str, Subject]) -> None:
        self.subjects = subjects
        self.cards = {f"{name}-synthetic": subject.recognizer.card for name, subject in subjects.items()}

    def recognizer(self, name: str) -> Recognizer:
        return self.subjects[name.removesuffix("-synthetic")].recognizer


@pytest.mark.parametrize("kind", CLIPS)
@pytest.mark.parametrize("key", titles())
def test_every_step_shows_a_figure_or_says_why_not(key, kind, clip, subjects):
    services, visit = OneRoom(subjects), papers.Visit(CLIPS[kind](clip))
    for number, step in enumerate(tour_of(key).steps):
        if kind != "moving" and not step.needs_clip:
            continue
        values = papers.starts(services, visit, key, number)
        html = papers.drawn(services, visit, key, number, values)
        said = re.search(r'<p class="message[^"]*">(.*?)</p>', html).group(1)
        assert said.endswith(".") and "nan" not in said.lower(), (step.title, said)
        if kind == "moving":
            assert "<svg" in html or "<table" in html, step.title


def test_a_system_without_weights_is_said_in_words(clip):
    services = OneRoom({})
    for key, title in titles().items():
        number = next(place for place, step in enumerate(tour_of(key).steps) if step.needs_clip)
        said = papers.drawn(services, papers.Visit(clip), key, number, {})
        assert f"There are no weights for {title} here" in said


def test_tours_have_seven_to_ten_steps_and_no_more_controls_than_the_page(subjects):
    for key in titles():
        tour = tour_of(key)
        assert 7 <= len(tour.steps) <= 10, key
        assert tour.steps[-1].figure(None).panels == figure.verdict(key).panels
        for step in tour.steps:
            assert step.equation and 150 < len(step.text) + len(step.title) < 700, step.title
            for kind, most in ((Slider, papers.SLIDERS), (Choice, papers.CHOICES), (Words, papers.WORDS)):
                assert sum(isinstance(control, kind) for control in step.controls) <= most, step.title


# --- Asymmetric 3D-CNN ----------------------------------------------------------------------------


def test_what_a_window_adds_up_to_is_what_the_layer_says(subjects):
    subject = subjects["asym3d"]
    for place in (0.0, 0.31, 0.5, 0.99):  # corners too, where the window reaches out of the block
        found = asym3d.window(subject, row=place, column=0.4, moment=place, channel=3)
        assert found.numbers["total"] == pytest.approx(found.numbers["layer"], abs=1e-4)
    for direction, size in (("height", 5), ("width", 5), ("time", 3)):
        found = asym3d.cascade(subject, direction=direction, row=0.4, column=0.6, moment=0.5, channel=5)
        assert found.numbers["places"] == size
        assert max(found.numbers["total"], 0) == pytest.approx(found.numbers["layer"], abs=1e-4)
    assert found.numbers["reach"] == [3, 5, 5]


def test_the_start_is_where_the_layer_answers_most(subjects):
    values = asym3d.window_start(subjects["asym3d"])
    best = asym3d.window(subjects["asym3d"], **values).numbers["total"]
    conv, maps, _ = asym3d._conv1(subjects["asym3d"])
    assert best == pytest.approx(float(conv(maps)[0, :, 1:-1, 1:-1, 1:-1].max()), abs=1e-3)


@pytest.mark.parametrize("fed", ["difference", "rgb", "rgbf", "flow"])
def test_the_block_is_the_recipes_own_view(subjects, fed):
    seen = named("asym3d", {"modality": fed}).protocols["one"].views(subjects["asym3d"].clip)[0]["clip"]
    change = np.abs(seen[:, 1:].astype(int) - seen[:, :-1]).mean()
    assert asym3d.block(subjects["asym3d"], fed=fed).numbers["change"] == pytest.approx(change)


def test_three_kinds_have_the_papers_counts():
    for k in (3, 5, 7):
        found = asym3d.three_kinds(None, k=str(k), channels="16").numbers
        counts = [costs[0] for costs in found.values()]
        assert counts == [16 * 16 * count for count in (k**3, k * k + k, 3 * k)]
        assert [costs[1] for costs in found.values()] == [count * 8 * 28 * 28 for count in counts]
        assert all(costs[2] > 0 for costs in found.values())


def test_two_dense_layers_reach_farther_in_time_than_the_cascade():
    found = asym3d.two_layers(None, channels="64").numbers
    assert found["space"] == [5, 5] and found["time"] == [5, 3]
    assert list(found["weights"].values()) == [2 * 27 * 64 * 64, 13 * 64 * 64]


def test_table_1_is_corrected_and_table_2_comes_out():
    groups = asym3d.table_1(None).numbers
    assert groups["conv3"][0] == 3 * 3 * 3 * (128 * 256 + 256 * 256)
    assert groups["conv3"][1] / 1e9 == pytest.approx(16.65, abs=0.01)
    assert sum(cost for _, cost in groups.values()) / 1e9 == pytest.approx(38.5, abs=0.05)
    for base in ("c3d-b5", "c3d-b8"):
        rows = asym3d.table_2(None, base=base).numbers
        assert len(rows) == 8
        for row in rows.values():
            assert row["counted"] == pytest.approx(row["paper"], abs=0.01)


def test_columns_are_those_of_the_network(subjects):
    for which, kind in (("conv3", "M2"), ("conv4", "M2"), ("conv5", "M3")):
        found = asym3d.columns(subjects["asym3d"], which=which)
        micro = getattr(subjects["asym3d"].network.features, which)
        assert asym3d.kind_of(micro) == kind
        with torch.no_grad():
            assert found.numbers["channels"] == micro(asym3d._micro_input(subjects["asym3d"], which)[0]).shape[1]


def test_a_still_pair_leaves_no_brightness(subjects, clip):
    still = Subject(frozen(clip, 40), subjects["asym3d"].recognizer)
    assert asym3d.enhanced(still, moment=0.5).numbers["kept"] == 0
    assert asym3d.enhanced(subjects["asym3d"], moment=0.5).numbers["kept"] > 0.01


# --- MS3D -----------------------------------------------------------------------------------------


def test_only_the_3d_kernel_notices_that_its_neighbours_were_exchanged(subjects):
    gaps = ms3d.with_time(subjects["ms3d"], moment=0.4, channel=2).numbers["change"]
    assert gaps["2-D"] < 1e-6 < 1e-3 < gaps["3-D"]


def test_the_rate_is_a_distribution_and_another_draw_takes_other_frames(subjects, clip):
    one, other = (ms3d.rate(subjects["ms3d"], again=seed).numbers for seed in (0, 1))
    assert sum(one["p"]) == pytest.approx(1) and one["p"] == other["p"] and one["drawn"] != other["drawn"]
    assert [len(frames) for frames in one["drawn"].values()] == [7, 17, 25]
    still = Subject(frozen(clip, 60), subjects["ms3d"].recognizer)
    assert "Nothing moves" in ms3d.rate(still).sentence


@pytest.mark.parametrize("d", ["1", "3", "5", "7"])
def test_the_deep_kernel_answers_a_still_clip_as_the_flat_one(subjects, d):
    found = ms3d.start(subjects["ms3d"], d=d, moment=0.5, channel=1).numbers
    assert found["sum"] == pytest.approx(1, abs=1e-6) and found["off"] < 1e-4
    assert (found["apart"] > 1e-3) == (d != "1")


def test_alpha_says_how_many_connections_there_are():
    full, half, none = (ms3d.connections(None, alpha=share, layers=8).numbers for share in (1, 0.5, 0))
    assert full["links"] == sum(range(1, 9)) and none["links"] == 8 and full["weights"] == full["dense"]
    assert none["weights"] < half["weights"] < full["weights"]
    assert ms3d.connections(None, alpha=0.5, layers=8, again=1).numbers["heard"] != half["heard"]


def test_steps_down_the_n_pair_loss_pull_pairs_together_and_classes_apart(subjects):
    first, last = (ms3d.pull_and_push(subjects["ms3d"], steps=steps).numbers for steps in (0, 40))
    assert last["loss"] < first["loss"]
    assert last["same"] / last["other"] < first["same"] / first["other"]


def test_gamma_decides_between_known_and_unknown(subjects):
    near = ms3d.decided(subjects["ms3d"], gamma=1.4)
    assert near.numbers["label"] in subjects["ms3d"].labels and near.numbers["passes"] == 4
    assert ms3d.decided(subjects["ms3d"], gamma=0.0).numbers["label"] is None


# --- FstCN ----------------------------------------------------------------------------------------


def test_the_cube_is_the_outer_product_and_both_ways_agree(subjects):
    found = fstcn.outer(subjects["fstcn"], flat="1 0 -1; 2 0 -2; 1 0 -1", along="-1 0 1").numbers
    assert found["cube"] == [[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], [[0] * 3] * 3, [[1, 0, -1], [2, 0, -2], [1, 0, -1]]]
    assert (found["full"], found["factored"]) == (27, 12) and found["off"] < 1e-5
    for typed in ("", "a b c", "1 2", "1 2 3; 4", "1e999 0 0"):
        with pytest.raises(ValueError, match="kernel"):
            fstcn.numbers(typed, 3)


def test_a_pair_lies_d_t_apart_and_its_pictures_s_t(subjects):
    found = fstcn.pair(subjects["fstcn"], distance=3, stride=2, which=1).numbers
    assert found["own"] == [0, 2, 4, 6, 8] and found["later"] == [3, 5, 7, 9, 11] and found["span"] == 12


def test_the_operator_shows_what_the_network_computes(subjects):
    subject = subjects["fstcn"]
    found = fstcn.rearranged(subject, position=4, channel=0).numbers
    by_hand = np.array(found["before"]) @ subject.network.temporal.operator.p.detach().numpy()
    assert np.allclose(by_hand, np.array(found["after"]), atol=1e-3)


def test_crops_weigh_what_eq_5_and_6_say(subjects):
    found = fstcn.crops(subjects["fstcn"]).numbers
    scores = np.array(found["scores"])
    sci = (6 * scores.max(1) / scores.sum(1) - 1) / 5
    assert len(sci) == 18 and np.allclose(found["sci"], sci) and np.allclose(found["weights"], sci / sci.sum())


def test_weights_with_other_lower_layers_and_another_fusion_are_shown_too(clip):
    """Four stages of the picture network and the 1×1 convolution behind them; five pairs however they are fused."""
    system = named("fstcn", {"lower": "efficientnet-lite0", "fusion": "one"})
    card = Card("other", "fstcn", ["a", "b", "c"], "nothing", "", 0, options=dict(system.chosen))
    recognizer = Recognizer(system, system.network(3), card, "cpu", only_torch=True)
    subject = Subject(clip, recognizer)
    figure = fstcn.shared(subject)
    assert len(figure.numbers["silent"]) == 5 and "through the 5 layers" in figure.sentence
    last = fstcn._lower(subject)["frames"]
    assert torch.equal(last[-1], last[-2]) and last[-1].shape[1:] == (128, 10, 10)
    names = [layer.name for layer in layers_of(system, recognizer.network)]
    assert names == ["SCL 1", "SCL 2", "SCL 3", "SCL 4", "SCL 5", "last of both paths"]
    assert set(fstcn.fused(subject).numbers) == {"SCI, then maximum", "plain average", "maximum of all"}


def test_the_papers_network_has_252_million_weights():
    assert fstcn.sizes(None).numbers["the paper's network"] / 1e6 == pytest.approx(252.7, abs=0.1)


# --- MDT-Net --------------------------------------------------------------------------------------


def test_five_frames_of_every_segment_are_drawn(subjects):
    drawn = np.array(mdtnet.segments(subjects["mdtnet"], t="8").numbers["drawn"])
    assert drawn.shape == (8, 5) and (np.diff(drawn.ravel()) >= 0).all()
    assert mdtnet.segments(subjects["mdtnet"], t="8", again=1).numbers["drawn"] != drawn.tolist()


def test_strength_zero_leaves_the_frames_alone(subjects):
    assert mdtnet.enhanced(subjects["mdtnet"], strength=0.0).numbers["kept"] == pytest.approx(1)
    assert mdtnet.enhanced(subjects["mdtnet"], strength=1.0).numbers["kept"] < 0.7


def test_the_last_key_frame_is_not_excited(subjects):
    found = mdtnet.gates(subjects["mdtnet"], where="after layer4").numbers
    assert found["last"] == 0 and -0.5 < found["least"] < found["most"] < 0.5
    assert not subjects["mdtnet"].network.excitations[1].motion._forward_hooks


# --- cross-enhancement ----------------------------------------------------------------------------


def test_bridges_join_the_smaller_of_both_sizes_with_the_teachers_channels(subjects):
    subject = subjects["crossenh"]
    shapes = crossenh.positions(subject).numbers
    found = crossenh.bridge(subject, letter="c", direction="flow teaches RGB").numbers
    teacher, student = shapes["flow front"], shapes["rgb rear"]
    assert found["shape"] == [1, teacher[0], *map(min, teacher[1:], student[1:])]
    assert set(found["gaps"]) == set("abcdefghi") and found["gap"] == pytest.approx(found["gaps"]["c"])


def test_a_lesson_brings_the_student_nearer_and_can_be_gone_on_with(subjects):
    subject = subjects["crossenh"]
    found = crossenh.lesson(subject, steps=6).numbers
    assert sum(found["now"]) < sum(found["first"]) and found["steps"] == 7
    assert crossenh.lesson(subject, steps=2).numbers["first"] == found["first"]
    terms = crossenh.loss(subject, alpha=2, beta=0, gamma=0.5).numbers
    assert terms["total"] == pytest.approx(2 * terms["terms"][0] + 0.5 * terms["terms"][2])


# --- claims and colours ---------------------------------------------------------------------------


def test_claims_are_not_made_up(tmp_path):
    for key in titles():
        found = figure.verdict(key, tmp_path / "none.json")
        assert "not been measured yet" in found.sentence and not found.numbers["measured"]
    report = tmp_path / "claims.json"
    row = {"id": "fstcn-sci", "paper": "FstCN", "claim": "SCI is better than averaging", "verdict": "does not"}
    row |= {"mean": -0.0213, "error": 0.004, "pairs": 9, "where": "hard: drawn figures, many of them"}
    open_question = row | {"id": "fstcn-many-clips", "verdict": "not measured yet", "mean": None, "error": None}
    report.write_text(json.dumps({"claims": [row, open_question]}))
    found = figure.verdict("fstcn", report)
    assert "0 of 1 measured" in found.sentence
    first, *rest = found.panels[0].body.rows
    assert first == ("SCI is better than averaging", "does not", "-0.021 ± 0.004", "9", "hard")
    assert len(rest) == 6 and all(row[1] == "not measured yet" for row in rest)
    assert not figure.verdict("ms3d", report).numbers["measured"]
    report.write_text("{")
    assert not figure.verdict("fstcn", report).numbers["measured"]


def test_the_signed_scale_is_pale_at_zero_and_mirrored():
    blue, pale, red = (coloured(np.array([[value]]), "signed", 1.0)[0, 0].astype(int) for value in (-1, 0, 1))
    assert blue[2] > blue[0] + 60 and red[0] > red[2] + 60 and np.ptp(pale) < 12
    darker = [coloured(np.array([[value]]), "strength", 1.0)[0, 0].sum() for value in np.linspace(0, 1, 9)]
    assert all(a < b for a, b in pairwise(darker))
