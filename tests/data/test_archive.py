"""A stranger's zip: what is unpacked, and that nothing of a hostile one stays on the disk."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from actrec.data.archive import Limits, unpack
from actrec.data.sets import DataError


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
    said = unpack(path, tmp_path / "out")
    found = {str(each.relative_to(tmp_path / "out")): each.read_bytes() for each in (tmp_path / "out").rglob("*.*")}
    assert found == {"wave/00000.mp4": b"1", "wave/00001.mov": b"2", "clap/00002.mp4": b"3"}
    assert said == "3 clips unpacked, 1 files that are no video left aside."


def test_groups_inside_classes_stay(tmp_path):
    path = pack(tmp_path / "a.zip", {"wave/anna/1.mp4": "a", "clap/ben/1.mp4": "b", "clap/ben/2.mp4": "b"})
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out/clap/ben/00002.mp4").is_file()


def nested() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("wave/1.mp4", "x")
    return held.getvalue()


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
    files, says = HOSTILE[kind]
    home = tmp_path / "home"
    home.mkdir()
    path = pack(tmp_path / "a.zip", files)
    with pytest.raises(DataError, match=says):
        unpack(path, home / "out")
    assert list(home.iterdir()) == []
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.zip", "home"]


def test_a_link_is_refused(tmp_path):
    link = zipfile.ZipInfo("wave/1.mp4")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="a link"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_what_is_no_zip_and_what_is_cut_off_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"dear all" * 100)
    whole = pack(tmp_path / "b.zip", {"wave/1.mp4": bytes(range(256)) * 400}).read_bytes()
    (tmp_path / "c.zip").write_bytes(whole[:-40])
    damaged = bytearray(whole)
    damaged[60:90] = bytes(30)
    (tmp_path / "d.zip").write_bytes(damaged)
    for name in "acd":
        with pytest.raises(DataError, match="no zip that can be read"):
            unpack(tmp_path / f"{name}.zip", tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_more_than_the_room_is_refused_though_nothing_declared_it(tmp_path):
    path = pack(tmp_path / "a.zip", {"wave/1.mp4": bytes(3000), "clap/1.mp4": "x"})
    with pytest.raises(DataError, match="at most"):
        unpack(path, tmp_path / "out", Limits(bytes=2000))
    data = path.read_bytes().replace((3000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    path.write_bytes(data)  # the zip lies about its size
    with pytest.raises(DataError):
        unpack(path, tmp_path / "out", Limits(bytes=2000))
    assert not (tmp_path / "out").exists()
