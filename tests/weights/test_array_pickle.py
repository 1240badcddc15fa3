"""A pickle of arrays is read by three names; whatever else it asks for, nothing runs."""

from __future__ import annotations

import collections
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from actrec.weights.array_pickle import read_arrays
from actrec.weights.cards import WeightsError

TABLES = {
    "params": {"a": {"kernel": np.arange(6, dtype=np.float32).reshape(1, 2, 3), "count": np.array(3, np.int64)}},
    "b": np.asfortranarray(np.arange(6, dtype=np.float16).reshape(2, 3)),
}


@pytest.mark.parametrize("old", [False, True])
def test_arrays_come_out_as_they_went_in_from_either_numpy(old):
    data = pickle.dumps(TABLES, protocol=4)
    if old:  # as NumPy 1 wrote it: the name is two bytes shorter with its underscore gone
        data = data.replace(b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray")
        length = int.from_bytes(data[3:11], "little")  # of the one frame
        data = data[:3] + (length - 1).to_bytes(8, "little") + data[11:]
    found = read_arrays(data, "x.ckpt")
    assert sorted(found) == ["b", "params/a/count", "params/a/kernel"]
    for name, expected in {"b": TABLES["b"], **{f"params/a/{k}": v for k, v in TABLES["params"]["a"].items()}}.items():
        assert np.array_equal(found[name], expected) and found[name].dtype == expected.dtype


class Call:
    """A pickle that has something called when it is read."""

    def __init__(self, *what: object) -> None:
        self.what = what

    def __reduce__(self) -> tuple:
        return self.what


def named(module: bytes, name: bytes, rest: bytes = b"") -> bytes:
    """A pickle written by hand, that asks for a name and does `rest` with it."""
    return b"\x80\x02c" + module + b"\n" + name + b"\n" + rest + b"."


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (Call(os.system, ("touch it-ran",)), r"names posix\.system"),
        (Call(eval, ("1 + 1",)), r"names builtins\.eval"),
        (Call(np.save, ("it-ran", np.zeros(1))), r"names numpy"),
        (collections.OrderedDict(a=np.zeros(1)), r"names collections\.OrderedDict"),
        (np.float32(3), r"names numpy"),  # numpy.core.multiarray.scalar
        (np.array([{"a": 1}], dtype=object), r"numbers of the kind 'O8'"),
        (np.zeros(2, "U3"), r"numbers of the kind 'U3'"),
        (np.zeros(2, ">f4"), r"numbers in the order '>'"),
        ({"a": [np.zeros(1)]}, r"'a' is no array and no table"),
        ({3: np.zeros(1)}, r"'' is no array and no table"),
    ],
)
def test_everything_else_is_refused_before_it_runs(value, match, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=match):
        read_arrays(pickle.dumps(value, protocol=4), "x.ckpt")
    assert list(tmp_path.iterdir()) == []


ARRAY = named(b"numpy.core.multiarray", b"_reconstruct", b"cnumpy\nndarray\nK\x00\x85C\x01b\x87R%s")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (named(b"numpy", b"ndarray", b"J\xff\xff\xff\x7f\x85R"), "unusual way"),  # ndarray((2³¹−1,)): much memory
        (named(b"numpy", b"load", b"C\x01x\x85R"), r"names numpy\.load"),
        (
            named(b"numpy.core.multiarray", b"_reconstruct", b"}C\x01a\x85C\x01b\x87R"),
            "something else|refused|argument",
        ),
        (named(b"numpy.core.multiarray", b"_reconstruct", b"}X\x01\x00\x00\x00aK\x01sb"), "_Reconstruct|attribute"),
        (named(b"numpy", b"dtype", b"X\x02\x00\x00\x00f4\x85R(K\x03X\x01\x00\x00\x00>tb"), "in the order '>'"),
        (b"\x80\x02Ppersistent\n.", "outside the file"),
        (b"\x80\x02", "more or something else"),
        (b"", "more or something else"),
        (b"nonsense", "more or something else"),
        (pickle.dumps(TABLES, protocol=4)[:-40], "more or something else"),
    ],
)
def test_a_pickle_that_was_written_by_hand_is_refused(data, match):
    with pytest.raises(WeightsError, match=match):
        read_arrays(data, "x.ckpt")


def test_shape_and_bytes_must_agree():
    data = bytearray(pickle.dumps({"a": np.zeros(200, np.float32)}, protocol=4))
    place = data.index(b"K\xc8\x85")  # (200,)
    data[place + 1] = 201
    with pytest.raises(WeightsError, match=r"an array of the shape \(201,\) comes with 800 bytes"):
        read_arrays(bytes(data), "x.ckpt")


def test_nothing_that_a_file_says_lasts(tmp_path: Path):
    """What stands for NumPy's function takes no attributes, so that one file cannot change how the next is read."""
    with pytest.raises(WeightsError):
        read_arrays(named(b"numpy.core.multiarray", b"_reconstruct", b"}X\x01\x00\x00\x00aK\x01sb"), "x.ckpt")
    assert read_arrays(pickle.dumps({"a": np.ones(2)}, protocol=4), "x.ckpt")["a"].tolist() == [1, 1]
