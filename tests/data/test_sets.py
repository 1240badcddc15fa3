"""Data sets in any folder and in the layouts in which they are published."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from actrec.data.datasets import merge
from actrec.data.open import open_folder, open_set
from actrec.data.published import hmdb51_lists, kth_sequences, recognise, ucf101_lists
from actrec.data.reading import ClipSettings
from actrec.data.samples import DataError, must_be_writable


def lay(root: Path, *files: str) -> Path:
    """Empty files: what a reader of layouts looks at is names."""
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def text(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def seen(dataset) -> set[tuple[str, str, str]]:
    return {(sample.path.name, dataset.labels[sample.label], sample.group) for sample in dataset.samples}


def parts(dataset) -> dict[str, dict[str, str]]:
    return {sample.path.stem: dict(sample.parts) for sample in dataset.samples}


# Any folder


def test_class_folders_become_labels_in_natural_order(tmp_path):
    dataset = open_set(lay(tmp_path, "wave/b2.mp4", "wave/b10.mp4", "clap/x.AVI", "clap/notes.txt", ".git/x.mp4"))
    assert dataset.labels == ("clap", "wave")
    assert [sample.path.name for sample in dataset.samples] == ["x.AVI", "b2.mp4", "b10.mp4"]
    assert dataset.counts().tolist() == [1, 2]
    assert dataset.notes == ("1 other files are not videos and were ignored.",)


def test_folders_within_classes_are_groups_or_clips_of_frames(tmp_path):
    lay(tmp_path, "wave/ann/1.mp4", "wave/ben/1.mp4", "wave/take/001.jpg", "wave/take/002.jpg", "clap/1.mp4")
    lay(tmp_path, "clap/cid/take/001.png", "clap/cid/take/002.png")
    assert seen(open_set(tmp_path)) == {
        ("1.mp4", "wave", "ann"),
        ("1.mp4", "wave", "ben"),
        ("take", "wave", ""),
        ("1.mp4", "clap", ""),
        ("take", "clap", "cid"),
    }


def test_folders_named_train_and_val_are_parts(tmp_path):
    dataset = open_set(lay(tmp_path, "train/wave/1.mp4", "train/clap/1.mp4", "Val/wave/2.mp4", "Val/clap/3.mp4"))
    assert dataset.labels == ("clap", "wave")
    assert [sample.parts["folders"] for sample in dataset.samples] == ["train", "train", "validation", "validation"]


def test_a_class_folder_without_clips_is_no_class(tmp_path):
    (tmp_path / "empty").mkdir()
    dataset = open_set(lay(tmp_path, "wave/1.mp4", "zap/1.mp4"))
    assert dataset.labels == ("wave", "zap")
    assert [sample.label for sample in dataset.samples] == [0, 1]
    assert "No clip in empty" in dataset.notes[0]


def test_two_thousand_classes_are_read(tmp_path):
    dataset = open_set(lay(tmp_path, *(f"c{index}/1.mp4" for index in range(2000))))
    assert len(dataset.labels) == len(dataset) == 2000
    assert dataset.labels[11] == "c11"


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ((), "empty", "it is empty"),
        (("a.mp4", "b.mp4"), "empty", "no class folders"),
        (("wave/readme.txt",), "empty", "hold no video"),
    ],
)
def test_nothing_to_learn_from_is_a_sentence(tmp_path, files, code, words):
    with pytest.raises(DataError, match=words) as caught:
        open_set(lay(tmp_path, *files))
    assert caught.value.code == code


def test_wrong_paths_are_sentences(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="does not exist"):
        open_set(tmp_path / "nowhere")
    file = text(tmp_path / "clip.mp4", "x")
    with pytest.raises(DataError, match="is a file"):
        open_set(file)
    with pytest.raises(DataError, match="Known kinds: auto, folder, ucf101"):
        open_set(tmp_path, kind="ucf")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)  # whoever runs the tests as root may read everything
    with pytest.raises(DataError, match="You may not read") as caught:
        open_set(tmp_path)
    assert caught.value.code == "unreadable"


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    file = text(tmp_path / "file", "x")
    with pytest.raises(DataError, match="Nothing can be written into") as caught:
        must_be_writable(file / "below")
    assert caught.value.code == "unwritable"
    must_be_writable(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_an_error_survives_the_way_out_of_a_child_process():
    import pickle

    error = pickle.loads(pickle.dumps(DataError("empty", "It is empty.")))
    assert (error.code, str(error)) == ("empty", "It is empty.")


def test_a_subset_keeps_labels_and_a_compact_one_renumbers(tmp_path):
    dataset = open_folder(lay(tmp_path, "a/1.mp4", "b/1.mp4", "c/1.mp4"))
    some = dataset.subset([2, 0])
    assert (some.labels, some.targets().tolist()) == (("a", "b", "c"), [2, 0])
    assert (some.compact().labels, some.compact().targets().tolist()) == (("a", "c"), [1, 0])


def test_merged_sets_share_labels_and_know_their_transfers(tmp_path):
    first = open_folder(lay(tmp_path / "lab", "wave/ann/1.mp4", "clap/ann/2.mp4"))
    second = open_folder(lay(tmp_path / "street", "wave/3.mp4", "run/4.mp4"))
    both = merge([first, second])
    assert both.labels == ("clap", "run", "wave")
    assert [both.labels[sample.label] for sample in both.samples] == ["clap", "wave", "run", "wave"]
    assert both[0].group == "lab/ann"
    assert parts(both)["2"] == {"lab → street": "train", "street → lab": "test"}
    assert both.only("street").labels == ("run", "wave")
    with pytest.raises(DataError, match="Parts: lab, street"):
        both.only("moon")


# Published layouts, in miniature


def ucf(root: Path) -> Path:
    lay(root, *(f"UCF-101/{c}/v_{s}_g{g:02d}_c01.avi" for c, s in UCF for g in (1, 8, 15)))
    lists = root / "ucfTrainTestlist"
    text(lists / "classInd.txt", "1 Archery", "2 HandstandPushups")
    for split, judged in ((1, 1), (2, 8), (3, 15)):
        rows = [(g, f"{c}/v_{s}_g{g:02d}_c01.avi", n) for n, (c, s) in enumerate(UCF, 1) for g in (1, 8, 15)]
        text(lists / f"trainlist{split:02d}.txt", *(f"{name} {n}\r" for g, name, n in rows if g != judged))
        text(lists / f"testlist{split:02d}.txt", *(name for g, name, _ in rows if g == judged))
    return root


# The published folder and its files differ in a capital letter.
UCF = (("Archery", "Archery"), ("HandstandPushups", "HandStandPushups"))


def test_ucf101(tmp_path):
    dataset = open_set(ucf(tmp_path))
    assert (dataset.name, dataset.labels, len(dataset)) == ("UCF-101", ("Archery", "HandstandPushups"), 6)
    assert parts(dataset)["v_HandStandPushups_g08_c01"] == {"split 1": "train", "split 2": "test", "split 3": "train"}
    assert {sample.group for sample in dataset.samples} == {"g01", "g08", "g15"}
    assert dataset.broken == ()


def test_ucf101_finds_converted_clips_and_lists_missing_ones_once(tmp_path):
    ucf(tmp_path)
    clip = tmp_path / "UCF-101/Archery/v_Archery_g01_c01.avi"
    clip.rename(clip.with_suffix(".mp4"))
    (tmp_path / "UCF-101/Archery/v_Archery_g08_c01.avi").unlink()
    dataset = open_set(tmp_path)
    assert len(dataset) == 5
    assert [(Path(clip.path).name, clip.reason) for clip in dataset.broken] == [
        ("v_Archery_g08_c01.avi", "in the official lists, but not in the folder")
    ]


def test_lists_without_clips_are_a_sentence(tmp_path):
    ucf(tmp_path)
    for clip in (tmp_path / "UCF-101").rglob("*.avi"):
        clip.unlink()
    with pytest.raises(DataError, match="none of the clips they list"):
        open_set(tmp_path)


def test_a_list_of_another_form_is_a_sentence(tmp_path):
    ucf(tmp_path)
    text(tmp_path / "ucfTrainTestlist/classInd.txt", "Archery", "HandstandPushups")
    with pytest.raises(DataError, match="not laid out as ucf101 is published") as caught:
        open_set(tmp_path)
    assert caught.value.code == "split_files"


def test_the_official_ucf101_lists_have_the_official_counts(shared_data):
    labels, of = ucf101_lists(shared_data / "labels" / "ucfTrainTestlist")
    assert len(labels) == 101
    assert len(of) == 13320
    counts = {(name, part): 0 for name in ("split 1", "split 2", "split 3") for part in ("train", "test")}
    for entry in of.values():
        for name, part in entry.items():
            counts[name, part] += 1
    # Soomro et al. (2012) and the lists' own page
    assert [counts[f"split {n}", "train"] for n in (1, 2, 3)] == [9537, 9586, 9624]
    assert [counts[f"split {n}", "test"] for n in (1, 2, 3)] == [3783, 3734, 3696]


def test_ucf101_against_the_official_lists_and_another_list_of_its_labels(shared_data, tmp_path):
    labels, of = ucf101_lists(shared_data / "labels" / "ucfTrainTestlist")
    assert labels == (shared_data / "labels" / "ucf101_label_map_mmaction2.txt").read_text().split()
    (tmp_path / "ucfTrainTestlist").symlink_to(shared_data / "labels" / "ucfTrainTestlist")
    dataset = open_set(lay(tmp_path / "UCF-101", *of).parent)
    assert (len(dataset), len(dataset.labels), len(dataset.broken)) == (13320, 101, 0)
    assert {sample.group for sample in dataset.samples} == {f"g{n:02d}" for n in range(1, 26)}


def test_hmdb51(tmp_path):
    clips = [f"brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_{n}.avi" for n in range(3)]
    clips += ["catch/(Ball)_#1_catch_f_cm_np1_fr_med_0.avi", "catch/Two; catch_catch_u_cm_np2_le_bad_1.avi"]
    lay(tmp_path / "hmdb51_org", *clips)
    for split in (1, 2, 3):
        for label in ("brush_hair", "catch"):
            names = [Path(clip).name for clip in clips if clip.startswith(label)]
            codes = ["1", "2", "0"] if split == 1 else ["2", "1", "1"]
            rows = (f"{name} {code} " for name, code in zip(names, codes, strict=False))
            text(tmp_path / f"testTrainMulti_7030_splits/{label}_test_split{split}.txt", *rows)
    dataset = open_set(tmp_path)
    assert (dataset.labels, len(dataset)) == (("brush_hair", "catch"), 5)
    of = parts(dataset)
    assert of["April_09_brush_hair_u_nm_np1_ba_goo_2"] == {"split 2": "train", "split 3": "train"}  # 0: in neither
    assert of["Two; catch_catch_u_cm_np2_le_bad_1"]["split 1"] == "test"
    assert {sample.group for sample in dataset.samples} == {"April_09", "(Ball)_#1", "Two; catch"}


def test_the_official_hmdb51_lists_have_the_official_counts(shared_data):
    labels, of = hmdb51_lists(shared_data / "labels" / "hmdb51_splits")
    assert len(labels) == 51
    # Kuehne et al. (2011): 6766 clips, 70 to train on and 30 to test in each class and split
    assert len(of) == 6766
    for name in ("split 1", "split 2", "split 3"):
        for label in labels:
            own = [entry.get(name) for clip, entry in of.items() if clip.startswith(f"{label}/")]
            assert (own.count("train"), own.count("test")) == (70, 30)


def test_every_hmdb51_clip_gives_away_its_source(shared_data, tmp_path):
    _, of = hmdb51_lists(shared_data / "labels" / "hmdb51_splits")
    (tmp_path / "splits").symlink_to(shared_data / "labels" / "hmdb51_splits")
    dataset = open_set(lay(tmp_path / "clips", *of).parent)
    assert (len(dataset), len(dataset.broken)) == (6766, 0)
    assert all(sample.group for sample in dataset.samples)
    assert 1000 < len({sample.group for sample in dataset.samples}) < 6000


@pytest.mark.parametrize("nested", [True, False])
def test_kinetics(tmp_path, nested):
    head = "label,youtube_id,time_start,time_end,split,is_cc"
    text(tmp_path / "train.csv", head, "air drumming,-abcdefghi1,5,15,train,0", '"abseiling",bbbbbbbbbb2,0,10,train,0')
    text(tmp_path / "val.csv", head, "abseiling,ccccccccc_3,20,30,val,1", "abseiling,gone0000000,1,11,val,0")
    text(tmp_path / "test.csv", "youtube_id,time_start,time_end,split", "ddddddddddd,0,10,test")
    home = {"train": "train/{}/", "val": "val/{}/"} if nested else {"train": "train/", "val": "val/"}
    lay(tmp_path, home["train"].format("air_drumming") + "-abcdefghi1_000005_000015.mp4")
    lay(tmp_path, home["train"].format("abseiling") + "bbbbbbbbbb2_000000_000010.mkv")
    lay(tmp_path, home["val"].format("abseiling") + "ccccccccc_3_000020_000030.mp4")
    dataset = open_set(tmp_path)
    assert recognise(tmp_path) == "kinetics"
    assert seen(dataset) == {
        ("-abcdefghi1_000005_000015.mp4", "air drumming", "-abcdefghi1"),
        ("bbbbbbbbbb2_000000_000010.mkv", "abseiling", "bbbbbbbbbb2"),
        ("ccccccccc_3_000020_000030.mp4", "abseiling", "ccccccccc_3"),
    }
    assert parts(dataset)["ccccccccc_3_000020_000030"] == {"official": "validation"}
    assert [clip.path for clip in dataset.broken] == ["abseiling/gone0000000_000001_000011.mp4"]
    assert dataset.notes == ("1 clips have no published label and were left out.",)


def test_something_v1_reads_its_folders_of_frames(tmp_path):
    text(tmp_path / "something-something-v1-labels.csv", "Holding something", "Turning something upside down")
    text(tmp_path / "something-something-v1-train.csv", "100218;Turning something upside down", "7;Holding something")
    text(tmp_path / "something-something-v1-validation.csv", "9;Holding something")
    text(tmp_path / "something-something-v1-test.csv", "11")
    for clip in ("100218", "7", "9", "11"):
        folder = tmp_path / "20bn-something-something-v1" / clip
        folder.mkdir(parents=True)
        for number in range(1, 13):
            cv2.imwrite(str(folder / f"{number:05d}.jpg"), np.full((24, 40, 3), 20 * number, np.uint8))
    dataset = open_set(tmp_path)
    assert parts(dataset) == {
        "100218": {"official": "train"}, "7": {"official": "train"}, "9": {"official": "validation"}
    }  # fmt: skip
    assert dataset.labels[dataset[0].label] == "Turning something upside down"
    clip = dataset.read(0, ClipSettings(size=32, fit="letterbox", frames=4))
    assert clip.frames.shape == (4, 32, 32, 3)
    assert clip.frames[:, 16, 16, 0] == pytest.approx([40, 100, 160, 220], abs=3)  # frames 2, 5, 8, 11
    assert clip.times == pytest.approx(np.array([1 / 8, 3 / 8, 5 / 8, 7 / 8]))  # 12 frames at 12 per second


@pytest.mark.parametrize("names", ["something-something-v2-{}.json", "labels/{}.json"])
def test_something_v2(tmp_path, names):
    def put(name, value):
        text(tmp_path / names.format(name), json.dumps(value))

    put("labels", {"Putting something on something": "1", "Approaching something with your camera": "0"})
    row = {"placeholders": ["a cup"], "label": "approaching a cup with your camera"}
    put("train", [{"id": "78687", "template": "Approaching [something] with your camera", **row}])
    put("validation", [{"id": "5", "template": "Putting [something] on [something]", "label": "x"}])
    put("test", [{"id": "6"}])
    lay(tmp_path, *(f"20bn-something-something-v2/{clip}.webm" for clip in (78687, 5, 6)))
    dataset = open_set(tmp_path)
    assert dataset.labels == ("Approaching something with your camera", "Putting something on something")
    assert seen(dataset) == {
        ("78687.webm", "Approaching something with your camera", ""),
        ("5.webm", "Putting something on something", ""),
    }
    assert parts(dataset)["5"] == {"official": "validation"}


def kth(root: Path) -> Path:
    actions = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
    return lay(
        root, *(f"{a}/person{p:02d}_{a}_d{d}_uncomp.avi" for a in actions for p in range(1, 26) for d in (1, 2, 3, 4))
    )


def test_kth_is_split_by_persons(tmp_path):
    dataset = open_set(kth(tmp_path))
    assert (dataset.name, len(dataset), len(dataset.labels)) == ("KTH", 600, 6)
    persons = {part: set() for part in ("train", "validation", "test")}
    for sample in dataset.samples:
        persons[sample.parts["persons"]].add(sample.group)
    assert {part: len(who) for part, who in persons.items()} == {"train": 8, "validation": 8, "test": 9}
    # Schüldt et al. (2004), as 00sequences.txt states it
    assert persons["test"] == {f"person{n:02d}" for n in (2, 3, 5, 6, 7, 8, 9, 10, 22)}
    assert persons["train"] == {f"person{n:02d}" for n in range(11, 19)}


def test_kth_sequences_are_clips_of_their_own(tmp_path):
    kth(tmp_path)
    listed = text(
        tmp_path / "00sequences.txt",
        "   training:    person11, 12, 13, 14, 15, 16, 17, 18",
        "",
        "person01_boxing_d1\t\tframes\t1-95, 96-185, 186-245, 246-360",
        "person13_handclapping_d3\t*missing*",
    )
    assert kth_sequences(listed) == {"person01_boxing_d1": [(1, 95), (96, 185), (186, 245), (246, 360)]}
    dataset = open_set(tmp_path)
    starts, stops = zip(*((sample.start, sample.stop) for sample in dataset.samples), strict=True)
    assert (starts, stops) == (pytest.approx((0, 3.8, 7.4, 9.8)), pytest.approx((3.8, 7.4, 9.8, 14.4)))
    assert len({sample.name for sample in dataset.samples}) == 4
    assert len(dataset.broken) == 599
    assert dataset.broken[0].reason == "00sequences.txt names no stretch of it"


@pytest.mark.parametrize(
    "files",
    [
        ["4_1_0.avi", "2_1_1.avi", "8_2_0.avi", "10_2_5.avi"],
        ["handshake/s01_04.avi", "hug/s01_02.avi", "handshake/s02_08.avi", "push/s02_10.avi"],
        ["handshake/seq1_04.avi", "hug/seq_1_02.avi", "handshake/seq2_08.avi", "push/seq02_10.avi"],
    ],
)
def test_ut_interaction_in_its_published_and_in_class_folders(tmp_path, files):
    dataset = open_set(lay(tmp_path / "set1", *files))
    found = sorted((dataset.labels[sample.label], sample.group) for sample in dataset.samples)
    assert found == [
        ("handshake", "sequence 01"), ("handshake", "sequence 02"), ("hug", "sequence 01"), ("push", "sequence 02"),
    ]  # fmt: skip


def test_the_real_ut_interaction_has_ten_sequences_and_both_transfers(shared_data):
    first = open_set(shared_data / "ut_interaction" / "set1")
    assert first.counts().tolist() == [10] * 6
    assert len(set(first.groups())) == 10
    both = open_set(shared_data / "ut_interaction")
    assert len(both) == 90
    assert set(both[0].parts) == {"set1 → set2", "set2 → set1"}


@pytest.mark.parametrize("layout", ["class folders", "frames in class folders", "flat numbers"])
def test_a_users_own_folder_is_not_taken_for_a_published_set(tmp_path, layout):
    files = {
        "class folders": ["hug/1.mp4", "kick/s1.mp4", "labels.json"],
        "frames in class folders": ["a/1/1.jpg", "a/1/2.jpg", "b/2/1.jpg", "train.csv"],
        "flat numbers": ["a/4_1_0.mp4", "b/4_1_1.mp4"],
    }[layout]
    assert recognise(lay(tmp_path, *files)) == "folder"
