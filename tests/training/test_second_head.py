"""The second head of the everyday weights: who may learn, what is minimised, and that Kinetics' half stays the same."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from actrec.core.errors import BadValue
from actrec.data.duplicates import same_bytes
from actrec.systems.everyday_names import LABELS, OWN, PLACES
from actrec.training.everyday.folds import by_recording
from actrec.training.everyday.head import Fit, codes_of, fit_head, probabilities, weights_of
from actrec.training.everyday.publish import guard
from actrec.training.everyday.register import JUDGE, LEARN, REGISTER, UNUSED, clips_of, read_register
from actrec.training.everyday.score import fit_numbers
from actrec.training.everyday.views import DRAWN, Viewed
from actrec.weights.cards import read_card
from actrec.weights.folders import WEIGHTS

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
WALK, IDLE, HUG = (OWN.index(name) for name in ("walk", "idle", "hug"))


def viewed(target: int, code: list[float], source: str = "UT set1", group: str = "", views: int = 1) -> Viewed:
    """A clip whose code starts with these numbers, and for whom Kinetics' half finds nothing likely."""
    codes = np.zeros((views, 1024), np.float32)
    codes[:, : len(code)] = code
    return Viewed("clip", source, group, target, codes, np.zeros((views, 400), np.float32))


def test_every_given_clip_has_one_role_and_no_clip_learns_and_judges():
    entries = read_register()
    assert len({entry.file for entry in entries}) == len(entries)
    roles = {role: {entry.sha256 for entry in entries if entry.role == role} for role in (LEARN, JUDGE, UNUSED)}
    assert all(not one & other for one, other in itertools.combinations(roles.values(), 2))
    judged = {line.split("\t")[0] for line in (ROOT / "benchmarks" / "samples.tsv").read_text().splitlines()}
    assert judged < {entry.file for entry in entries if entry.role == JUDGE}


@pytest.mark.skipif(not DATA.is_dir(), reason="the real clips are not here")
def test_the_register_lists_every_given_clip_and_no_copy_of_a_judge_learns():
    videos = {".mp4", ".avi", ".mkv", ".mpg", ".webm", ".mov"}
    here = {str(path.relative_to(DATA)) for path in DATA.rglob("*") if path.suffix in videos}
    assert here == {entry.file for entry in read_register()}
    everyday = {line.split("\t")[0] for line in (DATA / "everyday.tsv").read_text().splitlines() if line}
    judges = clips_of(DATA, JUDGE)
    assert everyday <= {entry.file for entry, _ in judges}
    sums = [entry.sha256 for entry, _ in (*judges, *clips_of(DATA, LEARN))]
    assert same_bytes(sums) == []


def test_a_changed_clip_or_an_unknown_role_is_refused(tmp_path):
    table = tmp_path / "register.tsv"
    head = REGISTER.read_text().splitlines()[0]
    table.write_text(f"{head}\na.mp4\t0123456789abcdef\tlearn\tgym\twalk\n")
    (tmp_path / "a.mp4").write_bytes(b"other")
    with pytest.raises(BadValue, match=r"'.*a\.mp4' is not the clip that register\.tsv lists"):
        clips_of(tmp_path, LEARN, table)
    table.write_text(f"{head}\na.mp4\t0123456789abcdef\tteaches\tgym\twalk\n")
    with pytest.raises(BadValue, match=r"the role .teaches.\. It is learn, judge or unused"):
        read_register(table)


def test_clips_of_one_recording_stand_on_one_side_of_a_fold_and_every_real_clip_is_asked_once():
    clips = [viewed(WALK, [1.0], group=f"UT {number // 3}") for number in range(30)]
    drawings = [viewed(WALK, [1.0], source=DRAWN, group=f"d{number}") for number in range(4)]
    asked = []
    for learned, held_out in by_recording([*clips, *drawings]):
        assert not {item.group for item in learned} & {item.group for item in held_out}
        assert sum(item.drawn for item in learned) == 4 and not any(item.drawn for item in held_out)
        asked += held_out
    assert len(asked) == len(clips) and {id(item) for item in asked} == {id(item) for item in clips}


def test_names_weigh_alike_drawn_clips_half_of_a_name_and_negatives_as_the_fit_says():
    clips = [
        viewed(WALK, [1.0], views=2),
        viewed(WALK, [1.0], source=DRAWN),
        viewed(WALK, [1.0], source=DRAWN),
        viewed(IDLE, [1.0], source=DRAWN),
        viewed(-1, [1.0]),
        viewed(-1, [1.0]),
    ]
    weights = weights_of(clips, Fit(negatives=2.0, drawn=0.5)).tolist()
    # In all 1 + 1 + 2 = 4: walk 1/4, half of it to two real views, half to two drawn clips; idle 1/4; negatives 2/4.
    assert weights == pytest.approx([1 / 16, 1 / 16, 1 / 16, 1 / 16, 1 / 4, 1 / 4, 1 / 4])


def test_aligned_drawn_clips_lie_where_real_ones_of_the_same_name_do():
    real = [viewed(WALK, [value, 5.0]) for value in (9.0, 11.0)]
    drawings = [viewed(WALK, [value, 1.0], source=DRAWN) for value in (0.0, 4.0)]
    other = [viewed(IDLE, [2.0, 1.0], source=DRAWN)]
    codes = codes_of([*real, *drawings, *other], True)
    # Means 10 and 2, deviations 1 and 2: a drawn 0 is 10 − 2 · (1.01 / 2.01), and 2, the mean, is 10.
    assert codes[:, 0] == pytest.approx([9, 11, 10 - 2 * 1.01 / 2.01, 10 + 2 * 1.01 / 2.01, 10], abs=1e-4)
    assert codes[2:, 1] == pytest.approx([5, 5, 5], abs=1e-4)
    assert np.array_equal(codes_of([*real, *drawings], False)[:, 0], [9, 11, 0, 4])


def test_the_head_separates_its_names_and_leaves_negatives_and_what_it_never_saw_to_kinetics():
    rng = np.random.default_rng(0)
    centres = {WALK: [4.0, 0.0], IDLE: [0.0, 4.0], -1: [-4.0, -4.0]}
    clips = [
        viewed(target, list(np.add(centre, rng.normal(0, 0.3, 2))), group=f"{target}{number}")
        for target, centre in centres.items()
        for number in range(12)
    ]
    head = fit_head(clips, Fit(aligned=False))
    for target, centre in centres.items():
        item = viewed(target, centre)
        answer = probabilities(item, head.scores(item.codes), (1.0, 1.0, 0.0))
        own = answer[sorted(set(PLACES))].sum()
        if target >= 0:
            assert answer.argmax() == PLACES[target] and answer.max() > 0.9
        else:
            assert own < 0.1
    assert head.scores(viewed(0, [4.0, 0.0]).codes)[0, HUG] < -9000  # nobody hugged


def test_numbers_that_were_fitted_are_more_likely_than_none_and_calm_a_head_that_is_too_sure():
    rng = np.random.default_rng(1)
    asked = []
    for number in range(60):
        target = (WALK, IDLE)[number % 2]
        own = np.full((1, len(OWN)), -9999.0, np.float32)
        right = target if rng.random() < 0.7 else WALK + IDLE - target
        own[0, right], own[0, WALK + IDLE - right] = 20.0, 8.0  # always sure, right in 70 % of the cases
        asked.append((viewed(target, [1.0], group=str(number)), own))
    numbers = fit_numbers(asked)

    def cost(numbers: tuple[float, float, float]) -> float:
        return float(np.mean([-np.log(probabilities(item, own, numbers)[PLACES[item.target]]) for item, own in asked]))

    assert cost(numbers) < cost((1.0, 1.0, 0.0)) / 2
    sure = [probabilities(item, own, numbers).max() for item, own in asked]
    right = [probabilities(item, own, numbers).argmax() == PLACES[item.target] for item, own in asked]
    assert abs(np.mean(sure) - np.mean(right)) < 0.05


def test_the_guard_counts_answers_that_change_and_right_ones_that_an_own_name_takes():
    push_up = viewed(-1, [1.0], source="push-ups")
    push_up.kinetics[:, LABELS.index("push up")] = 9.0
    calm, loud = np.full((1, len(OWN)), -9.0), np.full((1, len(OWN)), -9.0)
    loud[0, WALK] = 20.0
    figures = guard([(push_up, calm), (push_up, calm), (push_up, calm), (push_up, loud)], (1.0, 1.0, 0.0))
    assert figures == {"same_first_answer": 1.0, "right": 4, "right_taken": 0.25}


def test_the_card_of_the_shipped_weights_says_that_the_guard_holds():
    guarded = read_card(WEIGHTS / "everyday").measured["guard"]
    assert guarded["same_first_answer"] >= 0.99 and guarded["right_taken"] <= 0.01 and guarded["right"] > 100
