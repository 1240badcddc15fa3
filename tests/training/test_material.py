"""What a training learns from has clips of every class it names."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from actrec.data.sources import Source, Split
from actrec.systems import named
from actrec.training.load_data import check_settings, learnable, load_source
from actrec.training.run import RunError
from actrec.training.settings import Settings

EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples"


def source(train, validation):
    """Clips that are their own numbers."""
    train, validation = (Split(np.array(targets), lambda place: place) for targets in (train, validation))
    return Source(["box", "clap", "kick", "wave"], train, validation, "four classes")


def test_a_class_without_a_clip_to_learn_from_is_not_learned():
    messages = []
    source_learned = learnable(source([3, 1, 1, 3], [0, 3, 2, 1]), messages.append)
    assert source_learned.labels == ["clap", "wave"] and source_learned.train.targets.tolist() == [1, 0, 0, 1]
    assert source_learned.validation.targets.tolist() == [1, 0]
    assert [source_learned.validation.clip(place) for place in range(2)] == [1, 3]  # the second and the fourth
    assert messages == ["Not learned, since no clip is left to learn it from: box, kick."]


def test_a_class_that_is_left_out_is_not_learned_and_nobody_is_told_that_its_clips_are_missing():
    source_learned = learnable(source([3, 0, 1, 3, 1], [0, 3, 1]), pytest.fail, ["box", "kick"])
    assert source_learned.labels == ["clap", "wave"] and source_learned.train.targets.tolist() == [1, 0, 1, 0]
    assert source_learned.description == "four classes; left out: box, kick"
    assert [source_learned.train.clip(place) for place in range(4)] == [0, 2, 3, 4]
    assert [source_learned.validation.clip(place) for place in range(2)] == [1, 2]
    with pytest.raises(RunError, match="Leave fewer of them out"):
        learnable(source([0, 1], [0, 1]), print, ["box"])


def test_a_class_to_leave_out_goes_by_its_name_on_the_weights_and_another_is_refused_before_anything_is_read(
    films, tmp_path
):
    folder = shutil.copytree(films, tmp_path / "films")
    (folder / "down").rename(folder / "walking_while_reading_book")
    settings = Settings("asym3d", f"synthetic:six+{folder}", "x", leave_out=["clap", "read"])
    check_settings(settings)
    for missing in ("clapp", "walking_while_reading_book"):
        with pytest.raises(RunError, match=f"no class '{missing}' to leave out. The classes are: .*clap.*read"):
            check_settings(replace(settings, leave_out=["clap", missing]))
    check_settings(replace(settings, data=str(folder), leave_out=["walking_while_reading_book"]))


def test_a_whole_source_stays_as_it_is():
    whole = source([0, 1, 2, 3], [3])
    assert learnable(whole, pytest.fail) is whole


def test_one_class_or_nothing_to_judge_by_is_a_sentence():
    with pytest.raises(RunError, match="clips of one class only"):
        learnable(source([2, 2], [1, 2]), print)
    with pytest.raises(RunError, match="left to validate on"):
        learnable(source([2, 1], [0, 3]), print)


def test_a_fold_whose_judged_clips_alone_show_a_class_is_trained_without_it(tmp_path):
    takes = (("clap", "ann"), ("clap", "ben"), ("wave", "ann"), ("wave", "ben"), ("squat", "cid"), ("wave", "cid"))
    for label, person in takes:
        (tmp_path / "films" / label / person).mkdir(parents=True)
        shutil.copy(EXAMPLES / f"{label}.mp4", tmp_path / "films" / label / person / f"{person}.mp4")
        with (tmp_path / "films" / label / person / f"{person}.mp4").open("ab") as film:
            film.write(person.encode())  # no two files are the same
    settings = Settings(name="few", system="asym3d", data=str(tmp_path / "films"), fold="cid")
    messages = []
    source_learned = load_source(settings, named("asym3d"), messages.append)
    assert source_learned.labels == ["clap", "wave"] and {*source_learned.train.targets} == {0, 1}
    assert "Not learned, since no clip is left to learn it from: squat." in messages
