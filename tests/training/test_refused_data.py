"""What cannot be trained on is refused with one sentence, before any time is spent and without a run folder."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from small_runs import write_films

from actrec.__main__ import main


def refused(capsys, *words: object) -> str:
    """The one sentence on standard error of a `train` that exits with 2."""
    assert main(["train", *map(str, words)]) == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "run"


def test_folders_that_hold_nothing_to_learn_from(tmp_path, out, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "No clip was found" in refused(capsys, "--data", empty, "--out", out)
    assert "does not exist" in refused(capsys, "--data", tmp_path / "nowhere", "--out", out)
    one_class = write_films(tmp_path / "one_class", 3, ("right",))
    assert "one class only (right)" in refused(capsys, "--data", one_class, "--out", out)
    one_clip = write_films(tmp_path / "one_clip", 1)
    assert "one clip per class" in refused(capsys, "--data", one_clip, "--out", out)
    assert not out.exists()


@pytest.mark.parametrize("name", ["a\u00a0b", "\U0001f469\u200d\U0001f9b0", os.fsdecode(b"geh\xf6rt")], ids=ascii)
def test_a_class_whose_name_the_card_could_not_keep(tmp_path, out, capsys, name):
    """Refused before anything is read: these are no films, and nothing says so."""
    for label in (name, "plain"):
        for number in range(2):
            path = tmp_path / "films" / label / f"{number}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"no film")
    assert f"The class folder {name!a} has a name" in refused(capsys, "--data", tmp_path / "films", "--out", out)


def test_clips_that_are_all_broken(tmp_path, out, capsys):
    for number in range(4):
        path = tmp_path / "films" / "ab"[number % 2] / f"{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no film at all" * 50)
    sentence = refused(capsys, "--data", tmp_path / "films", "--out", out)
    assert sentence.startswith("None of the 4 clips")
    write_films(tmp_path / "whole", 3)
    # the failed run gives its place to the corrected one
    words = ["--data", tmp_path / "whole", "--out", out, "--epochs", 1, "--batch", 3, "--threads", 1]
    assert main(["train", *map(str, words), "--numbers", "float32", "--device", "cpu"]) == 0


def test_folders_that_may_not_be_read_or_written(films, tmp_path, out, capsys, monkeypatch):
    a_file = tmp_path / "file"
    a_file.write_text("")
    assert "cannot be created" in refused(capsys, "--data", films, "--out", a_file / "run")
    assert "is a file, not a folder" in refused(capsys, "--data", a_file, "--out", out)
    locked = tmp_path / "locked"
    locked.mkdir()
    scan, make = os.scandir, Path.mkdir

    def no_entry(path=".", /):  # not by rights: root may read and write everything
        if Path(path) == locked:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return scan(path)

    def no_room(path, *rest, **options):
        if locked in path.parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return make(path, *rest, **options)

    monkeypatch.setattr(os, "scandir", no_entry)
    monkeypatch.setattr(Path, "mkdir", no_room)
    assert "You may not read" in refused(capsys, "--data", locked, "--out", out)
    assert "cannot be created: Permission denied" in refused(capsys, "--data", films, "--out", locked / "run")


def test_thousands_of_classes_are_asked_about(tmp_path, out, capsys):
    for number in range(1100):
        for clip in range(2):
            path = tmp_path / "films" / f"class {number}" / f"{clip}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    assert main(["train", "--data", str(tmp_path / "films"), "--out", str(out), "--system", "asym3d"]) == 2
    assert "is there a folder per clip instead of per class?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--system", "i4d"], "There is no system 'i4d'"),
        (["--preset", "marathon"], "has no preset 'marathon'"),
        (["--data", "synthetic:hundred"], "There is no synthetic set 'hundred'"),
        (["--batch", "0"], "--batch is above 0"),
        (["--rate", "-1"], "--rate is above 0"),
        (["--device", "tpu"], "not a device"),
        (["--start-from", "nothing"], "There are no weights 'nothing'"),
        (["--fold", "split 9"], "has no protocol 'split 9'"),
        (["--batch", "600"], "less than one batch of 600"),
    ],
)
def test_settings_that_cannot_be_meant(films, out, capsys, words, sentence):
    options = ["--data", films, "--out", out] if "--data" not in words else ["--out", out]
    assert sentence in refused(capsys, *options, *words)


def test_clips_of_many_sizes_train(films, tmp_path, out):
    import cv2

    folder = write_films(tmp_path / "films", 3)
    for number, folder_of_clip in enumerate(sorted(folder.glob("*/*"))):
        for path in folder_of_clip.iterdir():
            image = cv2.imread(str(path))
            cv2.imwrite(str(path), cv2.resize(image, (40 + 8 * number, 90 - 6 * number)))
    words = ["--data", folder, "--out", out, "--epochs", 1, "--batch", 3, "--threads", 1, "--numbers", "float32"]
    assert main(["train", *map(str, words), "--device", "cpu"]) == 0
