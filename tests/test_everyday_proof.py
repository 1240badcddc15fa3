"""The figures of the everyday weights: intervals, bins, folds, masks and draws, by values worked out by hand."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from actrec.core.errors import BadValue
from actrec.metrics.calibration import calibrated_quantile, equal_mass_error
from actrec.metrics.intervals import clustered_interval, proportion_interval
from actrec.models.everyday import NEVER
from actrec.systems.everyday_names import LABELS, OWN, PLACES
from actrec.training.everyday.head import Fit, Head
from actrec.training.everyday.score import fit_numbers
from actrec.training.everyday.views import DRAWN, Viewed
from benchmarks.everyday_proof import ablations, crops, own, shipped, teach, unknown
from benchmarks.everyday_proof.figures import at_coverage, averaged, bootstrap, difference, proportion, separation
from benchmarks.everyday_proof.nested import Answered, folds_of, nested

WALK, IDLE, HUG, PUNCH = (OWN.index(name) for name in ("walk", "idle", "hug", "punch"))
UNTOUCHED = (1.0, 1.0, 0.0)


def viewed(target: int, code: list[float], source: str = "UT set1", group: str = "", file: str = "clip") -> Viewed:
    codes = np.zeros((1, 1024), np.float32)
    codes[0, : len(code)] = code
    return Viewed(file, source, group or file, target, codes, np.zeros((1, 400), np.float32))


# --- Intervals --------------------------------------------------------------------------------------


def test_clips_of_one_group_that_agree_count_as_one():
    # Four groups of two, all alike within a group: residuals ±1 per group, variance 4/3 · 4 / 64 = 1/12; without groups
    # 1/4 / 8 = 1/32. Design effect 8/3, so eight clips count as three, of which half are right.
    right = [True, True, True, True, False, False, False, False]
    low, high = clustered_interval(right, list("aabbccdd"))
    spread = 1.959964**2 / 3
    half = 1.959964 / (1 + spread) * math.sqrt(0.25 / 3 + spread / 12)
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half))


def test_groups_of_one_clip_each_give_about_wilsons_interval():
    # The grouped variance is n / (n − 1) times the other: nine clips of ten count.
    low, high = clustered_interval([True] * 5 + [False] * 5, list("abcdefghij"))
    spread = 1.959964**2 / 9
    half = 1.959964 / (1 + spread) * math.sqrt(0.25 / 9 + spread / 36)
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half))


def test_groups_whose_clips_disagree_never_narrow_the_interval():
    assert clustered_interval([True, False] * 4, list("aabbccdd")) == pytest.approx(proportion_interval(4, 8))


def test_all_right_of_three_groups_is_three_of_three_however_many_clips():
    assert clustered_interval([True] * 12, list("aaaabbbbcccc")) == pytest.approx(proportion_interval(3, 3))
    assert clustered_interval([False] * 6, list("aabbcc")) == pytest.approx(proportion_interval(0, 3))


def test_an_interval_needs_a_group_for_each_clip():
    with pytest.raises(BadValue, match="3 clips with 2 groups"):
        clustered_interval([True, False, True], ["a", "b"])


def test_a_bootstrap_draws_whole_groups():
    values = np.array([0.0, 0.0, 1.0, 1.0])
    seen = set()
    bootstrap(lambda places: seen.add(float(values[places].mean())) or 0.0, list("aabb"), draws=50)
    assert seen == {0.0, 0.5, 1.0}  # two groups of two: never a quarter


def test_a_difference_is_paired_clip_by_clip():
    row = difference([True, True, False, False], [True, False, True, False], list("abcd"))
    assert (row["more"], row["fewer"], row["mean"]) == (1, 1, 0.0)
    assert difference([True, True], [False, False], list("ab"))["interval"] == [1.0, 1.0]


def test_a_proportion_names_how_many_recordings_it_has():
    row = proportion([True, False, True], ["a", "a", "b"])
    assert (row["right"], row["of"], row["groups"], row["rate"]) == (2, 3, 2, 0.6667)


def test_a_mean_over_seeds_keeps_counts_words_and_lists():
    row = {"of": 4, "right": 2, "name": "walk", "interval": [0.2, 0.6]}
    rows = [row, row | {"right": 3, "interval": [0.4, 0.8]}]
    assert averaged(rows) == {"of": 4, "right": 2.5, "name": "walk", "interval": [0.3, 0.7]}


# --- Calibration and coverage -----------------------------------------------------------------------


def test_bins_of_equal_mass_hold_neighbours_in_confidence():
    # In order: 0.2 right, 0.4 wrong | 0.6 right, 0.8 wrong. Gaps 0.6 − 1 and 1.4 − 1: (0.4 + 0.4) / 4.
    error = equal_mass_error(np.array([0.8, 0.2, 0.6, 0.4]), np.array([False, True, True, False]), bins=2)
    assert error == pytest.approx(0.2)


def test_one_bin_lets_errors_cancel_and_as_many_bins_as_answers_none():
    confidence, right = np.array([0.3, 0.7]), np.array([True, False])
    assert equal_mass_error(confidence, right, bins=1) == pytest.approx(0.0)
    assert equal_mass_error(confidence, right, bins=2) == pytest.approx(0.7)


def test_fewer_answers_than_bins_are_refused():
    with pytest.raises(BadValue, match="5 bins"):
        equal_mass_error(np.array([0.5]), np.array([True]))


def test_a_perfect_classifier_that_is_certain_has_no_error():
    assert calibrated_quantile(np.ones(10), np.random.default_rng(0), draws=20) == 0.0


def test_the_quantile_of_a_coin_is_that_of_the_binomial():
    # Two answers of confidence ½ in one bin: error ½ in half of the draws (both alike), else 0.
    errors = [calibrated_quantile(np.full(2, 0.5), np.random.default_rng(0), q, 4000, 1) for q in (0.4, 0.6)]
    assert errors == [0.0, 0.5]


def test_at_half_coverage_the_confident_half_answers():
    confidence, right = np.array([0.9, 0.1, 0.8, 0.2]), np.array([True, False, True, False])
    assert at_coverage(confidence, right, 0.5) == 1.0
    assert at_coverage(confidence, right, 1.0) == 0.5


def test_answers_of_the_same_confidence_count_in_proportion():
    # Half of four: the sure one and one of three alike, of which one is right: (1 + 1/3) / 2.
    assert at_coverage(np.array([0.9, 0.5, 0.5, 0.5]), np.array([1, 1, 0, 0]), 0.5) == pytest.approx(2 / 3)


# --- AUROC, masks and scores ------------------------------------------------------------------------


def test_separation_is_the_chance_that_a_known_clip_scores_higher():
    # Known 3 and 1, unknown 2 and 1: wins 3>2, 3>1, tie 1=1 counts half: 2.5 of 4.
    row = separation([3.0, 1.0, 2.0, 1.0], [True, True, False, False], list("abcd"))
    assert (row["auroc"], row["known"], row["unknown"]) == (0.625, 2, 2)


def test_a_masked_class_is_not_answered_and_its_probability_goes_to_the_others():
    logits = np.array([[2.0, 1.0, 0.0]])
    whole, masked = unknown.from_logits(logits), unknown.from_logits(logits, [0])
    assert whole["largest probability"] == pytest.approx(math.e**2 / (math.e**2 + math.e + 1))
    assert masked["largest probability"] == pytest.approx(math.e / (math.e + 1))
    assert masked["energy"] == pytest.approx(math.log(math.e + 1), abs=1e-6)
    assert masked["margin"] == pytest.approx((math.e - 1) / (math.e + 1))
    assert masked["largest score"] == 1.0
    half = [math.e / (math.e + 1), 1 / (math.e + 1)]
    assert masked["entropy"] == pytest.approx(sum(p * math.log(p) for p in half), abs=1e-6)


def test_masking_the_right_name_separates_a_sure_clip_from_itself():
    item = viewed(-1, [])
    item = replace(item, kinetics=np.eye(1, 400, LABELS.index("archery"), dtype=np.float32) * 9)
    answer = Answered(item, np.full((1, len(OWN)), NEVER), UNTOUCHED)
    rows = unknown.masked([answer], {"clip": {LABELS.index("archery")}}, [answer])
    assert rows["largest probability"]["auroc"] == 1.0
    other = unknown.masked([answer], {"clip": {LABELS.index("squat")}}, [answer])
    assert other["largest score"]["auroc"] == 0.5  # what is masked was not the answer


def test_a_mean_of_classes_is_nearest_in_the_way_that_each_score_says():
    learned = [viewed(WALK, [1.0, 0.0]), viewed(WALK, [3.0, 0.0]), viewed(HUG, [0.0, 4.0]), viewed(HUG, [0.0, 6.0])]
    drawn = viewed(IDLE, [2.0, 1.0], DRAWN)
    scores = unknown.Means([*learned, drawn]).scores(viewed(-1, [2.0, 1.0]).codes)
    assert scores["distance to class mean"] == pytest.approx(-1.0)  # to walk's (2, 0); the drawn clip has no mean
    assert scores["angle to class mean"] == pytest.approx(2 / math.sqrt(5))


def test_the_score_is_chosen_on_one_half_of_the_names_and_reported_on_the_other():
    rows = [{"name": name, "scores": {"good": 0.9, "bad": 0.1}} for name in "abcd"]
    figures = unknown.chosen_on_half(rows, 0)
    assert (figures["chosen"], figures["auroc"]) == (["good", "good"], 0.9)
    # Each score is perfect on two names: what one half picks must be worth nothing on the other.
    order = np.random.default_rng(0).permutation(4)
    first = {"abcd"[place] for place in order[:2]}
    rows = [{"name": name, "scores": {"one": float(name in first), "two": float(name not in first)}} for name in "abcd"]
    assert unknown.chosen_on_half(rows, 0)["auroc"] == 0.0


# --- Folds, the shipped weights, the guard ------------------------------------------------------------


def many(count: int = 10) -> list[Viewed]:
    rng = np.random.default_rng(0)
    items = [
        viewed(
            target, [*(rng.normal(size=2) * 0.1 + [place, 1 - place])], group=f"g{number}", file=f"{target} {number}"
        )
        for number in range(count)
        for place, target in enumerate((WALK, HUG))
    ]
    return [*items, viewed(IDLE, [5.0, 5.0], DRAWN, "d")]


def test_a_recording_has_one_fold_and_drawn_clips_have_none():
    items = many()
    folds = folds_of(items, 1)
    assert folds[-1] == -1 and set(folds[:-1]) == set(range(5))
    assert all(
        len({fold for item, fold in zip(items, folds, strict=True) if item.group == f"g{n}"}) == 1 for n in range(10)
    )


def test_no_head_and_no_number_of_a_fold_has_seen_its_clips(monkeypatch):
    items, learned, numbers_of = many(), [], []

    def fit_head(clips, how):
        learned.append({item.group for item in clips})
        return Head(np.zeros((len(OWN), 1024), np.float32), np.zeros(len(OWN), np.float32))

    def fit_numbers(asked):
        numbers_of.append({item.group for item, _ in asked})
        return (float(len(numbers_of)), 1.0, 0.0)

    monkeypatch.setattr("benchmarks.everyday_proof.nested.fit_head", fit_head)
    answers = nested(items, Fit(), 0, {"watched": fit_numbers})["watched"]
    assert len(answers) == 20 and len(learned) == 15 and len(numbers_of) == 5
    of_fold = {}
    for answer in answers:
        of_fold.setdefault(int(answer.numbers[0]) - 1, set()).add(answer.item.group)
    everything = {f"g{n}" for n in range(10)}
    for fold, groups in of_fold.items():
        assert numbers_of[fold] == everything - groups
    # Ten heads lack two folds, five lack one, and drawn clips are in all.
    assert sorted(len(groups) for groups in learned) == [7] * 10 + [9] * 5
    assert all("d" in groups for groups in learned)


def asked_about(right: int, wrong: int, negatives: int) -> list[tuple[Viewed, np.ndarray]]:
    """Clips of walk for which walk or hug has a score of 1 and the other 0, as Kinetics' names, and negatives."""
    rows = []
    for number in range(right + wrong + negatives):
        scores = np.full((1, len(OWN)), NEVER)
        scores[0, WALK if number < right else HUG] = 1.0
        scores[0, HUG if number < right else WALK] = 0.0
        rows.append((viewed(WALK if number < right + wrong else -1, [], file=f"{number}"), scores))
    return rows


def test_with_clips_alike_negatives_do_not_matter_and_the_odds_are_those_of_the_clips():
    alone, beside = (fit_numbers(asked_about(6, 2, n), clips_alike=True) for n in (0, 5))
    assert alone == pytest.approx(beside)
    # Only own names are ever right, so b grows and s2 gives odds of 6 : 2 for a difference of 1: its logarithm.
    assert alone[1] == pytest.approx(math.log(3), abs=0.02)


def test_with_a_fixed_start_the_scale_of_kinetics_stays_one():
    asked = [(replace(item, kinetics=np.eye(1, 400, LABELS.index("archery"), dtype=np.float32) * 5), own_scores)
             for item, own_scores in asked_about(3, 1, 3)]  # fmt: skip
    assert fit_numbers(asked, fixed=True)[0] == 1.0
    assert fit_numbers(asked)[0] != pytest.approx(1.0, abs=0.01)


def test_a_clip_of_two_sizes_is_known_by_the_mean_of_both():
    scores = unknown.both_sizes([np.array([0.8, 0.2, 0.0]), np.array([0.2, 0.4, 0.4])])
    assert scores["both sizes, largest probability"] == pytest.approx(0.5)
    assert scores["both sizes, margin"] == pytest.approx(0.2)
    assert scores["both sizes, agreement"] == pytest.approx(0.4)
    assert scores["both sizes, entropy"] == pytest.approx(sum(p * math.log(p) for p in (0.5, 0.3, 0.2)))


def test_a_table_takes_a_synonym_for_the_class_that_it_belongs_to(tmp_path):
    table = tmp_path / "names.tsv"
    table.write_text("a.mp4\thug|walk\nb.mp4\thugging\n")
    assert shipped.labelled(table) == {"a.mp4": {PLACES[HUG], PLACES[WALK]}, "b.mp4": {PLACES[HUG]}}
    assert LABELS[PLACES[HUG]] == "hugging"


def test_first_and_among_five_are_told_apart():
    scores = np.array([0.1, 0.5, 0.2, 0.1, 0.05, 0.05])
    assert shipped.among(scores, {1}, 1) and not shipped.among(scores, {2}, 1)
    assert shipped.among(scores, {0, 5}, 5) and not shipped.among(scores, {5}, 5)


def test_the_guard_counts_right_answers_that_go_to_a_wrong_own_name():
    right = LABELS.index("archery")

    def answer(file: str, own_name: int | None) -> Answered:
        item = replace(viewed(-1, [], file=file), kinetics=np.eye(1, 400, right, dtype=np.float32) * 5)
        own_scores = np.full((1, len(OWN)), NEVER)
        if own_name is not None:
            own_scores[0, own_name] = 9.0
        return Answered(item, own_scores, UNTOUCHED)

    table = {name: {right} for name in "ab"} | {"d": {right, PLACES[WALK]}}
    row = shipped.guard([answer("a", None), answer("b", WALK), answer("c", WALK), answer("d", WALK)], table)
    assert row["same_first_answer"]["right"] == 4  # with own names masked, all as published
    # c has no known name; d's own name is right as well: of a, b and d one is taken.
    assert (row["right_taken"]["right"], row["right_taken"]["of"]) == (1, 3)


def test_own_names_are_counted_by_source_and_by_name_and_negatives_apart():
    def answer(target: int, said: int, source: str, group: str) -> Answered:
        own_scores = np.full((1, len(OWN)), NEVER)
        own_scores[0, said] = 20.0
        return Answered(viewed(target, [], source, group), own_scores, UNTOUCHED)

    rows = own.by_recording([
        answer(WALK, WALK, "UT set1", "a"), answer(WALK, HUG, "UT set1", "b"),
        answer(HUG, HUG, "UT set2", "c"), answer(-1, PUNCH, "yoga", "d"),
    ])  # fmt: skip
    assert (rows["all"]["right"], rows["all"]["of"]) == (2, 3)
    assert rows["by_source"]["UT set1"]["rate"] == 0.5 and rows["by_source"]["UT set2"]["rate"] == 1.0
    assert rows["by_name"]["walk"]["right"] == 1 and rows["taken_for"]["walk"] == {"hugging": 1}
    assert (rows["negatives"]["yoga"]["right"], rows["negatives"]["yoga"]["of"]) == (1, 1)


# --- Teaching -----------------------------------------------------------------------------------------


def test_earlier_takes_are_those_with_the_earlier_time_in_their_name():
    files = ["p/20250127140000.mp4", "p/20250127130000.mp4", "p/20250127150000.mp4"]
    assert teach.earlier_and_later(files) == ([files[1]], [files[0], files[2]])


def pose_codes() -> dict[str, np.ndarray]:
    axis = dict(zip("abcde", np.eye(5), strict=True))
    return {f"yoga/{name}/2025{take:02d}.mp4": axis[name][None] for name in axis for take in range(8)} | {
        f"yoga/{teach.LEFT_OUT}/{take}.mp4": np.ones((1, 5)) for take in range(3)
    }


def test_only_later_takes_are_asked_and_only_earlier_ones_taught(monkeypatch):
    seen = []
    rule = teach.taught

    def watched(lessons, codes, asked):
        seen.append((lessons, asked))
        return rule(lessons, codes, asked)

    monkeypatch.setitem(teach.RULES, "nearest centre", watched)
    row = teach.yoga(pose_codes(), "nearest centre")
    assert (row["mean"], row["asked"], row["draws"], len(seen)) == (1.0, 20, 20, 20)
    for lessons, asked in seen:
        assert {name: len(files) for name, files in lessons.items()} == dict.fromkeys("abcde", 3)
        assert max(file[-6:] for files in lessons.values() for file in files) < min(file[-6:] for file in asked)
        assert not any(teach.LEFT_OUT in file for file in asked)
    assert len({str(lessons) for lessons, _ in seen}) > 1


def test_a_lesson_answers_by_the_nearest_centre_of_all_views():
    codes = {
        "a": np.array([[0.0, 0.0], [2.0, 0.0]]),
        "b": np.array([[5.0, 0.0]]),
        "x": np.array([[2.0, 0.0], [3.2, 0.0]]),
    }
    assert teach.taught({"left": ["a"], "right": ["b"]}, codes, ["x"]) == ["left"]  # 2.6 from 1 and 5: 1.6 against 2.4


def test_a_take_that_was_taught_is_not_asked(monkeypatch):
    kinds = {"correct": np.eye(2)[[0]], "wrong": np.eye(2)[[1]]}
    codes = {f"pushup_form/{kind}/{n}.mp4": code for kind, code in kinds.items() for n in range(6)}
    groups = {file: f"take {int(file[-5]) // 2} {file.split('/')[1]}" for file in codes}  # two clips a take
    seen = []

    def watched(lessons, codes, asked):
        seen.append((lessons, asked))
        return teach.taught(lessons, codes, asked)

    monkeypatch.setitem(teach.RULES, "nearest centre", watched)
    row = teach.pushups(codes, groups, 1, "nearest centre")
    assert row["mean"] == 1.0
    for lessons, asked in seen:
        assert len(asked) == 8
        assert not {groups[file] for files in lessons.values() for file in files} & {groups[file] for file in asked}


def test_every_change_of_codes_keeps_their_number_and_unit_length_is_unit():
    others = np.random.default_rng(0).normal(size=(50, 4)) ** 2
    codes = np.array([[3.0, 4.0, 0.0, 0.0]])
    altered = {name: change(codes) for name, change in teach.changes(others).items()}
    assert altered["unit length"][0].tolist() == [0.6, 0.8, 0.0, 0.0]
    assert altered["square root, unit length"][0] == pytest.approx([math.sqrt(3 / 7), math.sqrt(4 / 7), 0, 0])
    assert all(np.linalg.norm(rows) == pytest.approx(1) for name, rows in altered.items() if "unit length" in name)
    whitened = teach.changes(others)["whitened by other clips"](others)
    covariance = np.cov(whitened.T, bias=True)
    assert whitened.mean(0) == pytest.approx(np.zeros(4), abs=1e-9)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 1e-9  # shrinking keeps directions


def test_both_sizes_of_a_clip_are_views_of_one_clip():
    codes = teach.codes_by_clip([viewed(-1, [1.0], file="a"), viewed(-1, [2.0], file="b"), viewed(-1, [3.0], file="a")])
    assert codes["a"][:, 0].tolist() == [1.0, 3.0] and codes["b"][:, 0].tolist() == [2.0]


# --- Crops and ablations ------------------------------------------------------------------------------


def test_a_window_is_square_around_all_people_and_stays_inside():
    boxes = np.array([[10.0, 20.0, 30.0, 60.0], [20.0, 40.0, 50.0, 100.0]])  # union 40 × 80, side 1.25 · 80 = 100
    assert crops.window(boxes, (200, 400)) == (0, 10, 100, 110)
    assert crops.window(boxes + np.array([300, 100, 300, 100]), (200, 400)) == (280, 100, 380, 200)


def test_people_who_fill_the_picture_are_not_cropped():
    assert crops.window(np.array([[0.0, 0.0, 100.0, 128.0]]), (200, 400)) is None  # 1.25 · 128 = 160 = 0.8 · 200
    assert crops.window(np.array([[0.0, 0.0, 100.0, 127.0]]), (200, 400)) is not None


@pytest.mark.parametrize("name", ablations.HEADS)
def test_every_head_names_clips_like_those_that_it_learned_from(name):
    items = [replace(item, source="UT set2") for item in many()[:-1]]
    items += [viewed(-1, [-3.0, -3.0], "yoga", f"n{n}", f"n{n}") for n in range(4)]
    head = ablations.HEADS[name](items, Fit(shrink=1e-2))
    chosen = [int(head.scores(item.codes).mean(0).argmax()) for item in items if item.target >= 0]
    assert chosen == [item.target for item in items if item.target >= 0]
    others = sorted(set(range(len(OWN))) - {WALK, HUG})
    assert (head.bias[others] == NEVER).all()  # a name without a clip is never the answer


def test_the_source_left_out_is_asked_and_does_not_teach(monkeypatch):
    items = [
        replace(item, source=source) for source in ("UT set1", "UT set2", "generated people") for item in many(4)[:-1]
    ]
    items += [viewed(-1, [5.0], "UT set1", "n")]
    learned = []

    def fit(clips, how):
        learned.append({item.source for item in clips})
        weight = np.zeros((len(OWN), 1024), np.float32)
        weight[WALK, 1], weight[HUG, 0] = 50.0, 50.0
        return Head(weight, np.zeros(len(OWN), np.float32))

    monkeypatch.setattr(ablations, "fit_head", fit)
    row = ablations.by_source(items, Fit(), fit)
    assert learned == [{"UT set2", "generated people"}, {"UT set1", "generated people"}, {"UT set1", "UT set2"}]
    assert row["UT set1"]["rate"] == 1.0 and row["accuracy"] == 1.0
    # The negative of set 1 gives hug a score of 250: taken, and the score of the protocol is 1 − 1.
    assert (row["taken"]["right"], row["taken"]["of"], row["score"]) == (1, 1, 0.0)


def test_middle_views_are_the_middle_ones():
    item = replace(viewed(WALK, []), codes=np.arange(3.0)[:, None], kinetics=np.zeros((3, 400)))
    assert ablations.middle_views([item], 1)[0].codes[:, 0].tolist() == [1.0]
    assert ablations.middle_views([item], 5)[0].codes[:, 0].tolist() == [0.0, 1.0, 2.0]


def test_settings_change_one_thing_each():
    base = Fit()
    changed = {name: [field for field in vars(base) if getattr(how, field) != getattr(base, field)] for name, how in
               ablations.settings().items()}  # fmt: skip
    assert changed.pop("as shipped") == []
    assert all(len(fields) == 1 for fields in changed.values())
    assert len(set(itertools.chain(*changed.values()))) == 4
