"""Packs, the training source, and the command around them."""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
import zlib
from dataclasses import replace

import numpy as np
import pytest

from actrec.cli import data as command
from actrec.data.check import examine
from actrec.data.clips import clips_source, prepare
from actrec.data.datasets import merge
from actrec.data.open import open_set
from actrec.data.pack import PackReader, open_pack, write_pack
from actrec.data.reading import FILES, ClipSettings, fitted, thinned
from actrec.data.samples import DataError, Sample
from actrec.video.write import write_mp4


def soft_frames(seed, frames=24, height=60, width=80):
    """Smooth, so that JPEG at high quality changes little."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = rng.uniform(0.02, 0.08, (3, 3))
    pixels = [
        np.stack([127 + 100 * np.sin(a * x + b * y + 6 * c * t) for a, b, c in waves], axis=-1) for t in range(frames)
    ]
    return np.stack(pixels).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "mine"
    for label in ("clap", "wave"):
        for person in ("ann", "ben", "cid"):
            (root / label / person).mkdir(parents=True)
            for number in range(2):
                seed = zlib.crc32(f"{label}{person}{number}".encode())
                write_mp4(root / label / person / f"{number}.mp4", soft_frames(seed), 10)
    (root / "wave" / "ann" / "bad.mp4").write_bytes(b"none")
    return root


@pytest.fixture(scope="module")
def pack(folder, tmp_path_factory):
    settings = ClipSettings(size=48, fit="short_side", frames=12)
    return write_pack(open_set(folder), tmp_path_factory.mktemp("pack") / "mine.pack", settings)


def test_a_pack_is_the_same_data_set(folder, pack):
    dataset = open_set(folder)
    again = open_set(pack.reader.path)
    assert (again.name, again.labels, len(again)) == (dataset.name, dataset.labels, 12)
    good = [sample for sample in dataset.samples if sample.path.name != "bad.mp4"]
    for sample, original in zip(again.samples, good, strict=True):
        assert (sample.label, sample.group, sample.path.name) == (original.label, original.group, original.path.name)
    assert [clip.path for clip in again.broken] == [str(folder / "wave" / "ann" / "bad.mp4")]


@pytest.mark.parametrize(
    "settings",
    [
        ClipSettings(40, "letterbox", 12),
        ClipSettings(48, "short_side"),
        ClipSettings(32, "stretch", 6),
        ClipSettings(40),
    ],
)
def test_clips_of_a_pack_are_those_of_the_files(folder, pack, settings):
    of = {(sample.group, sample.path.parts[-3:]): sample for sample in open_set(folder).samples}
    for index in (0, 5, 9):
        packed, sample = pack.read(index, settings), pack[index]
        original = of[sample.group, (pack.labels[sample.label], sample.group, sample.path.name)]
        kept = FILES.read(original, ClipSettings(size=48, fit="short_side", frames=12))
        expected = fitted(thinned(kept, settings), settings)
        assert packed.frames.shape == expected.frames.shape
        assert packed.times == pytest.approx(expected.times)
        assert np.abs(packed.frames.astype(int) - expected.frames).mean() < 3


def test_a_pack_keeps_the_facts_of_the_original_files(folder, pack):
    _, found = examine(pack)
    _, expected = examine(open_set(folder))
    assert found.shortcut == expected.shortcut
    assert pack.reader.header(pack[0]) == (80, 60, 24, 10)


def test_a_pack_needs_no_decoder_and_goes_to_a_child_process(pack):
    clip = pack.read(3, ClipSettings(40, frames=4))
    assert np.array_equal(pickle.loads(pickle.dumps(pack)).read(3, ClipSettings(40, frames=4)).frames, clip.frames)
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['av', 'torch', 'gradio', 'ultralytics']))\n"
        "from actrec.data.open import open_set; from actrec.data.reading import ClipSettings\n"
        f"print(int(open_set({str(pack.reader.path)!r}).read(3, ClipSettings(40, frames=4)).frames.sum()))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(out.stdout) == int(clip.frames.sum())


def test_quality_gives_way_to_the_limit_and_a_limit_too_tight_is_a_sentence(folder, tmp_path):
    dataset, settings = open_set(folder), ClipSettings(size=48, fit="short_side", frames=12)
    best = write_pack(dataset, tmp_path / "best.pack", settings)
    size = (tmp_path / "best.pack").stat().st_size
    lower = write_pack(dataset, tmp_path / "lower.pack", settings, limit=int(size * 0.7))
    assert (tmp_path / "lower.pack").stat().st_size < size * 0.7
    assert lower.reader.facts["quality"] < best.reader.facts["quality"] == 95
    messages = []
    with pytest.raises(DataError, match=r"\(about 0 MB\)\. Take fewer frames or a smaller size"):
        write_pack(dataset, tmp_path / "none.pack", settings, limit=3000, on_progress=messages.append)
    assert messages == []  # refused on the estimate, before the whole set is encoded
    assert not (tmp_path / "none.pack").exists()


def test_decoded_clips_stay_in_memory_while_there_is_room(pack):
    settings = ClipSettings(40, frames=4)
    roomy, tight = PackReader(pack.reader.path), PackReader(pack.reader.path, memory=25_000)
    for reader in (roomy, tight):
        first = [reader.read(sample, settings) for sample in pack.samples]
        second = [reader.read(sample, settings) for sample in pack.samples]
        assert all(np.array_equal(a.frames, b.frames) for a, b in zip(first, second, strict=True))
        assert not first[0].frames.flags.writeable
    assert len(roomy.decoded) == 12
    assert len(tight.decoded) == 1  # 4 × 40 × 40 × 3 bytes are 19 200


def test_a_clip_shorter_than_the_frames_asked_for_is_kept_whole(folder, tmp_path):
    pack = write_pack(open_set(folder), tmp_path / "all.pack", ClipSettings(48, "short_side", 50))
    whole = ClipSettings(48, "whole")
    assert [len(pack.read(index, whole)) for index in range(12)] == [24] * 12
    # The last clip's pictures have numbers beyond 255.
    sample = pack[11]
    original = folder / pack.labels[sample.label] / sample.group / sample.path.name
    fresh = FILES.read(Sample(original, 0), ClipSettings(48, "short_side"))
    assert np.abs(pack.read(11, whole).frames.astype(int) - fresh.frames).mean() < 3


@pytest.mark.parametrize("damage", ["flip", "cut", "other"])
def test_a_damaged_pack_is_a_sentence(pack, tmp_path, damage):
    body = bytearray(pack.reader.path.read_bytes())
    if damage == "flip":
        body[-500] ^= 4
    elif damage == "cut":
        body = body[:-500]
    else:
        from actrec.data.cache import write_entry

        write_entry(tmp_path / "bad.pack", {"x": np.zeros(3, np.uint8)}, {"what": "weights"})
        body = (tmp_path / "bad.pack").read_bytes()
    (tmp_path / "bad.pack").write_bytes(body)
    with pytest.raises(DataError, match=r"damaged|holds no clips") as caught:
        open_set(tmp_path / "bad.pack")
    assert caught.value.code == "pack"


def test_sets_packed_together_keep_their_transfers(folder, tmp_path):
    one = open_set(folder)
    two = replace(one, name="other", samples=one.samples[:3])
    pack = write_pack(merge([one, two]), tmp_path / "two.pack", ClipSettings(32, "short_side", 4))
    assert len(pack.only("other")) == 3
    assert pack.only("mine").counts().tolist() == [6, 6]
    assert set(pack[0].parts) == {"mine → other", "other → mine"}


def test_the_real_working_clips_fit_into_thirty_megabytes(shared_data, tmp_path):
    dataset = open_set(shared_data / "ut_interaction")
    some = dataset.subset(range(0, 90, 9))
    write_pack(some, tmp_path / "ut.pack", limit=30_000_000 * len(some) // 90)
    pack = open_pack(tmp_path / "ut.pack")
    assert (tmp_path / "ut.pack").stat().st_size < 30_000_000 * len(some) / 90
    clip = pack.read(4, ClipSettings(size=112, frames=32))
    fresh = some.read(4, ClipSettings(size=112, frames=32))
    noise = np.mean((clip.frames.astype(float) - fresh.frames) ** 2)
    assert 10 * np.log10(255**2 / noise) > 25  # other frames by half a step, and JPEG


# The source that training reads


def test_a_folder_becomes_a_source_whose_people_do_not_cross_over(folder, tmp_path):
    messages = []
    source = clips_source(folder, seed=0, on_progress=messages.append, cache=tmp_path / "cache")
    assert source.labels == ["clap", "wave"]
    assert (len(source.train), len(source.validation)) == (8, 4)
    clip = source.validation.clip(0)
    assert clip.frames.shape[1:] == (60, 80, 3) or min(clip.frames.shape[1:3]) == 128
    assert any("bad.mp4" in sentence for sentence in messages)
    people = [{s.group for s in part.clip.args[0].samples} for part in (source.train, source.validation)]
    assert people[0] & people[1] == set()
    assert set(source.train.targets) == set(source.validation.targets) == {0, 1}


def test_a_pack_becomes_a_source_without_a_cache(pack, tmp_path):
    source = clips_source(
        pack.reader.path, seed=1, on_progress=lambda _: None, cache=tmp_path / "cache", protocol="ben"
    )
    assert not (tmp_path / "cache").exists()
    assert "4 left for testing" in source.description
    assert len(source.train) + len(source.validation) == 8


def test_all_clips_broken_ends_in_a_sentence_that_names_the_first_reason(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(2):
            (tmp_path / label / f"{number}.mp4").write_bytes(b"junk")
    with pytest.raises(DataError, match=r"None of the 4 clips .* 0\.mp4: This file is not a video") as caught:
        prepare(open_set(tmp_path), cache=tmp_path / "cache")
    assert caught.value.code == "all_broken"


# The command


def call(*words) -> tuple[int, argparse.Namespace]:
    parser = argparse.ArgumentParser()
    command.add(parser)
    args = parser.parse_args([str(word) for word in words])
    return command.run(args), args


def test_the_command_checks_a_folder(folder, capsys):
    assert call("check", folder, "--json")[0] == 0
    report = json.loads(capsys.readouterr().out)
    assert report["classes"] == {"clap": 6, "wave": 6}
    assert report["broken"][0]["path"].endswith("bad.mp4")
    assert call("check", folder, "--protocol", "ann")[0] == 0
    assert "5 nearest neighbours" in capsys.readouterr().out


def test_the_command_packs_and_checks_what_it_packed(folder, tmp_path, capsys):
    out = tmp_path / "x.pack"
    assert call("pack", folder, "--out", out, "--size", 32, "--frames", 4)[0] == 0
    assert "12 clips, JPEG quality" in capsys.readouterr().out
    assert call("check", out)[0] == 0
    assert "mine: 12 clips in 2 classes, 6 per class." in capsys.readouterr().out


def test_the_command_ends_with_a_sentence_when_the_data_is_bad(tmp_path, capsys):
    assert call("check", tmp_path / "nowhere")[0] == 2
    assert capsys.readouterr().err.strip().endswith("does not exist. Check the path.")
    assert call("check", tmp_path, "--json")[0] == 2
    assert json.loads(capsys.readouterr().out)["code"] == "empty"
    assert call("pack", tmp_path, "--out", tmp_path / "x.pack")[0] == 2


def test_the_command_tells_what_it_found_even_when_it_is_not_enough(tmp_path, capsys):
    (tmp_path / "wave").mkdir()
    for number in range(2):
        write_mp4(tmp_path / "wave" / f"{number}.mp4", soft_frames(number), 10)
    assert call("check", tmp_path)[0] == 2
    output = capsys.readouterr().out
    assert "2 clips in 1 classes" in output
    assert "one class only (wave)" in output
