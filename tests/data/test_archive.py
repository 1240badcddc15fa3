"""An untrusted zip: what is unpacked, and that nothing of a hostile one stays on the disk."""

from __future__ import annotations

import io
import random
import stat
import struct
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from actrec.data.archive import Limits, unpack
from actrec.data.samples import DataError


def pack(path: Path, files: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_clips_come_out_by_class_and_the_rest_stays_in(tmp_path):
    path = pack(
        tmp_path / "a.zip",
        {
            "my set/wave/one.mp4": b"1",
            "my set/wave/two.MOV": b"2",
            "my set/clap/<b>.mp4": b"3",
            "my set/clap/notes.txt": "hello",
            "__MACOSX/my set/wave/._one.mp4": "x",
        },
    )
    sentence = unpack(path, tmp_path / "out")
    unpacked = {str(path.relative_to(tmp_path / "out")): path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}
    assert unpacked == {"wave/00000.mp4": b"1", "wave/00001.mov": b"2", "clap/00002.mp4": b"3"}
    assert sentence == "3 clips unpacked; 1 other files were ignored."


def test_groups_inside_classes_stay(tmp_path):
    path = pack(tmp_path / "a.zip", {"wave/anna/1.mp4": "a", "clap/ben/1.mp4": "b", "clap/ben/2.mp4": "b"})
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out/clap/ben/00002.mp4").is_file()


def nested() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("wave/1.mp4", "x")
    return buffer.getvalue()


HOSTILE = {
    "up": ({"../wave/1.mp4": "x", "clap/2.mp4": "y"}, "leads out of it"),
    "up inside": ({"wave/../../1.mp4": "x"}, "leads out of it"),
    "backslash": ({"..\\wave\\1.mp4": "x"}, "leads out of it"),
    "absolute": ({"/tmp/wave/1.mp4": "x"}, "leads out of it"),
    "drive": ({"C:/wave/1.mp4": "x"}, "leads out of it"),
    "nested": ({"wave/1.mp4": "x", "clap/inner.zip": nested()}, "another archive"),
    "loose": ({"1.mp4": "x", "2.mp4": "y"}, "no folder"),
    "no video": ({"wave/1.txt": "x"}, "no video"),
    "hidden": ({".wave/1.mp4": "x", "clap/1.mp4": "y"}, "cannot be used"),
    "bomb": ({"wave/1.mp4": bytes(40 << 20), "clap/1.mp4": "y"}, "hundredfold"),
    "many": ({f"wave/{number}.mp4": "" for number in range(10_000)}, "10000 files"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_zips_are_refused_and_nothing_stays(tmp_path, kind):
    files, sentence = HOSTILE[kind]
    target = tmp_path / "target"
    target.mkdir()
    path = pack(tmp_path / "a.zip", files)
    with pytest.raises(DataError, match=sentence):
        unpack(path, target / "out")
    assert list(target.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "target"]


def test_a_link_is_refused(tmp_path):
    link = zipfile.ZipInfo("wave/1.mp4")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="a link"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_file_that_is_not_a_zip_and_a_truncated_zip_are_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"dear all" * 100)
    whole = pack(tmp_path / "b.zip", {"wave/1.mp4": bytes(range(256)) * 400}).read_bytes()
    (tmp_path / "c.zip").write_bytes(whole[:-40])
    damaged = bytearray(whole)
    damaged[60:90] = bytes(30)
    (tmp_path / "d.zip").write_bytes(damaged)
    for name in "acd":
        with pytest.raises(DataError, match="zip cannot be read"):
            unpack(tmp_path / f"{name}.zip", tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_an_overlong_list_of_contents_is_not_read(tmp_path):
    """200,000 entries in 10 MB, each an object once it is read."""
    entry = b"PK\1\2" + bytes(24) + struct.pack("<H", 1) + bytes(16) + b"a"
    listed, count = entry * 200_000, 200_000
    big = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(listed), 0)
    where = struct.pack("<4sLQL", b"PK\6\7", 0, len(listed), 1)
    path = tmp_path / "a.zip"
    last = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *[0xFFFF] * 2, *[0xFFFFFFFF] * 2, 0)
    path.write_bytes(listed + big + where + last)
    started = time.monotonic()
    with pytest.raises(DataError, match="too many files"):
        unpack(path, tmp_path / "out")
    assert time.monotonic() - started < 0.5 and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_zips_of_every_kind_end_in_clips_or_a_sentence(tmp_path, method):
    rng = random.Random(method)
    with zipfile.ZipFile(tmp_path / "whole.zip", "w", method) as archive:
        for number in range(4):
            archive.writestr(f"{'ab'[number % 2]}/{number}.mp4", rng.randbytes(100) + b"x" * 100)
    whole = (tmp_path / "whole.zip").read_bytes()
    for number in range(100):
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 1, 2, 4])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        (tmp_path / "a.zip").write_bytes(damaged[: rng.randrange(len(damaged))] if rng.random() < 0.2 else damaged)
        with suppress(DataError):
            unpack(tmp_path / "a.zip", tmp_path / str(number))
    if method == zipfile.ZIP_LZMA:
        with pytest.raises(DataError, match="plain zip"):
            unpack(tmp_path / "whole.zip", tmp_path / "out")
    else:
        assert unpack(tmp_path / "whole.zip", tmp_path / "out").startswith("4 clips")


def test_a_zip_larger_than_the_limit_is_refused_even_when_its_header_hides_it(tmp_path):
    path = pack(tmp_path / "a.zip", {"wave/1.mp4": bytes(3000), "clap/1.mp4": "x"})
    with pytest.raises(DataError, match="at most"):
        unpack(path, tmp_path / "out", Limits(bytes=2000))
    data = path.read_bytes().replace((3000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    path.write_bytes(data)  # the zip lies about its size
    with pytest.raises(DataError):
        unpack(path, tmp_path / "out", Limits(bytes=2000))
    assert not (tmp_path / "out").exists()
