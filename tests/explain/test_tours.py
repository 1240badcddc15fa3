"""The figures of the guided tours say what the networks and recipes do: each number is checked against another way."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from actrec.explain import claims
from actrec.explain.drawing import coloured
from actrec.explain.subject import Subject
from actrec.explain.tours import asym3d, asym3d_costs
from actrec.recognizer import Recognizer
from actrec.video import Clip
from actrec.video.read import read_clip
from demo import papers
from demo.tours import TOURS
from demo.tours.step import Choice, Slider, Words

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
    """The clip's first picture, again and again."""
    return Clip(np.repeat(clip.frames[:1], frames, 0), np.arange(frames) / 12.0)


CLIPS = {
    "moving": lambda clip: clip,
    "still": lambda clip: frozen(clip, 40),
    "two pictures": lambda clip: Clip(clip.frames[:2], clip.times[:2]),
    "one picture": lambda clip: frozen(clip, 1),
    "nobody in it": lambda clip: Clip(np.zeros_like(clip.frames[:40]), np.arange(40) / 12.0),
}


class OneRoom:
    """As much of a `Lab` as the tours ask for."""

    def __init__(self, subjects: dict[str, Subject]) -> None:
        self.subjects = subjects
        self.cards = {f"{name}-synthetic": each.recognizer.card for name, each in subjects.items()}

    def recognizer(self, name: str) -> Recognizer:
        return self.subjects[name.removesuffix("-synthetic")].recognizer


@pytest.mark.parametrize("kind", CLIPS)
@pytest.mark.parametrize("key", TOURS)
def test_every_step_shows_a_figure_or_says_why_not(key, kind, clip, subjects):
    lab, visit = OneRoom(subjects), papers.Visit(CLIPS[kind](clip))
    for number, step in enumerate(TOURS[key].steps):
        if kind != "moving" and not step.needs_clip:
            continue
        values = papers.starts(lab, visit, key, number)
        html = papers.drawn(lab, visit, key, number, values)
        said = re.search(r'<p class="said[^"]*">(.*?)</p>', html).group(1)
        assert said.endswith(".") and "nan" not in said.lower(), (step.title, said)
        if kind == "moving":
            assert "<svg" in html or "<table" in html, step.title


def test_a_system_without_weights_is_said_in_words(clip):
    lab = OneRoom({})
    for key, tour in TOURS.items():
        number = next(place for place, step in enumerate(tour.steps) if step.needs_clip)
        said = papers.drawn(lab, papers.Visit(clip), key, number, {})
        assert "There are no weights for" in said and tour.title in said


def test_tours_have_seven_to_ten_steps_and_no_more_controls_than_the_page(subjects):
    for tour in TOURS.values():
        assert 7 <= len(tour.steps) <= 10, tour.key
        assert tour.steps[-1].figure == "claims:verdict"
        for step in tour.steps:
            assert step.equation and 150 < len(step.text) + len(step.title) < 700, step.title
            for kind, most in ((Slider, papers.SLIDERS), (Choice, papers.CHOICES), (Words, papers.WORDS)):
                assert sum(isinstance(each, kind) for each in step.controls) <= most, step.title


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


def test_three_kinds_have_the_papers_counts():
    for k in (3, 5, 7):
        found = asym3d_costs.three_kinds(None, k=str(k), channels="16").numbers
        counts = [costs[0] for costs in found.values()]
        assert counts == [16 * 16 * each for each in (k**3, k * k + k, 3 * k)]
        assert [costs[1] for costs in found.values()] == [count * 8 * 28 * 28 for count in counts]
        assert all(costs[2] > 0 for costs in found.values())


def test_two_dense_layers_reach_farther_in_time_than_the_cascade():
    found = asym3d_costs.two_layers(None, channels="64").numbers
    assert found["space"] == [5, 5] and found["time"] == [5, 3]
    assert list(found["weights"].values()) == [2 * 27 * 64 * 64, 13 * 64 * 64]


def test_table_1_is_corrected_and_table_2_comes_out():
    groups = asym3d_costs.table_1(None).numbers
    assert groups["conv3"][0] == 3 * 3 * 3 * (128 * 256 + 256 * 256)
    assert groups["conv3"][1] / 1e9 == pytest.approx(16.65, abs=0.01)
    assert sum(cost for _, cost in groups.values()) / 1e9 == pytest.approx(38.5, abs=0.05)
    for base in ("c3d-b5", "c3d-b8"):
        rows = asym3d_costs.table_2(None, base=base).numbers
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


# --- claims and colours ---------------------------------------------------------------------------


def test_claims_are_not_made_up(tmp_path):
    for key in TOURS:
        found = claims.verdict(key, tmp_path / "none.json")
        assert "not been measured yet" in found.said and not found.numbers["measured"]
    report = tmp_path / "claims.json"
    report.write_text(
        '[{"system": "fstcn", "claim": "SCI is better than averaging", "verdict": "does not", "difference": -0.0213, '
        '"standard_error": 0.004, "pairs": 9, "on": "drawn clips"}]'
    )
    found = claims.verdict("fstcn", report)
    assert "0 of 1" in found.said
    assert found.panels[0].body.rows == (
        ("SCI is better than averaging", "does not", "-0.021 ± 0.004", "9", "drawn clips"),
    )
    assert not claims.verdict("ms3d", report).numbers["measured"]
    report.write_text("{")
    assert not claims.verdict("fstcn", report).numbers["measured"]


def test_the_signed_scale_is_pale_at_zero_and_mirrored():
    blue, pale, red = (coloured(np.array([[value]]), "signed", 1.0)[0, 0].astype(int) for value in (-1, 0, 1))
    assert blue[2] > blue[0] + 60 and red[0] > red[2] + 60 and np.ptp(pale) < 12
    darker = [coloured(np.array([[value]]), "strength", 1.0)[0, 0].sum() for value in np.linspace(0, 1, 9)]
    assert all(a < b for a, b in pairwise(darker))
