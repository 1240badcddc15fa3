"""Seeded damage for files: bits, runs, sizes, times, packets, lengths; and for values in JSON."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator

import numpy as np

ODD = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
HEADER = 1500  # bytes at the front in which most fields stand
BOXES = (b"tkhd", b"mdhd", b"mvhd", b"stts", b"ctts", b"stsz", b"stco", b"stsc", b"avc1", b"mp4v", b"elst", b"trun")
VALUES = (
    None, True, -1, 0, 1e308, -0.0, 10**30, "", "x" * 5000, "../../etc/passwd", "\ud83d", [], {}, [[]], [None] * 50,
    {"a": {"b": {}}}, float("nan"), float("inf"), "<b>", "\x00",
)  # fmt: skip


def flip_bits(data: bytearray, rng: np.random.Generator, _: bytes) -> None:
    for place in rng.integers(0, len(data), 1 + rng.integers(0, max(2, len(data) // 500))):
        data[place] ^= 1 << rng.integers(0, 8)


def flip_header(data: bytearray, rng: np.random.Generator, _: bytes) -> None:
    for place in rng.integers(0, min(HEADER, len(data)), 1 + rng.integers(0, 12)):
        data[place] = rng.integers(0, 256)


def odd_number(data: bytearray, rng: np.random.Generator, _: bytes) -> None:
    """Numbers that overflow, where sizes, counts and times stand."""
    reach = min(HEADER, len(data)) if rng.random() < 0.5 else len(data)
    for place in rng.integers(0, max(1, reach - 4), 1 + rng.integers(0, 4)):
        data[place : place + 4] = struct.pack(rng.choice([">I", "<I"]), int(rng.choice(ODD)))


def box_field(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    """A field behind the name of an mp4 box: sizes of frames and samples, time scales, offsets, edits."""
    there = [place for name in BOXES if (place := bytes(data).find(name)) >= 0]
    if not there:
        return odd_number(data, rng, other)
    place = int(rng.choice(there)) + int(rng.integers(-4, 96))
    if 0 <= place < len(data) - 4:
        data[place : place + 4] = struct.pack(">I", int(rng.choice(ODD)))
    return None


def overwrite(data: bytearray, rng: np.random.Generator, _: bytes) -> None:
    size = int(rng.integers(1, max(2, len(data) // 4)))
    place = int(rng.integers(0, max(1, len(data) - size)))
    data[place : place + size] = rng.bytes(size) if rng.random() < 0.5 else bytes([rng.integers(0, 256)]) * size


def cut(data: bytearray, rng: np.random.Generator, _: bytes) -> None:
    del data[int(rng.integers(0, len(data))) :]


def cut_out(data: bytearray, rng: np.random.Generator, _: bytes) -> None:
    place = int(rng.integers(0, len(data)))
    del data[place : place + int(rng.integers(1, 300))]


def repeat(data: bytearray, rng: np.random.Generator, _: bytes) -> None:
    place, size = int(rng.integers(0, len(data))), int(rng.integers(1, 2000))
    data[place:place] = data[place : place + size] * int(rng.integers(1, 8))


def splice(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    """The front of one file, the end of another."""
    data[int(rng.integers(0, len(data))) :] = other[int(rng.integers(0, len(other))) :]


KINDS: tuple[Callable[[bytearray, np.random.Generator, bytes], None], ...] = (
    flip_bits, flip_header, odd_number, box_field, overwrite, cut, cut_out, repeat, splice,
)  # fmt: skip


def damaged(data: bytes, rng: np.random.Generator, other: bytes) -> tuple[str, bytes]:
    """The file with one to three kinds of damage, and their names."""
    changed, names = bytearray(data), []
    for kind in rng.choice(len(KINDS), 1 + int(rng.integers(0, 3))):
        if changed:
            KINDS[kind](changed, rng, other)
            names.append(KINDS[kind].__name__)
    return "+".join(names), bytes(changed)


def damaged_json(data: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """JSON that still is JSON but holds odd values, at one to three places."""
    value = json.loads(data)
    for _ in range(1 + int(rng.integers(0, 3))):
        places = list(_places(value))
        if not places:
            break
        holder, key = places[int(rng.integers(0, len(places)))]
        if rng.random() < 0.25:
            del holder[key]
        else:
            holder[key] = VALUES[int(rng.integers(0, len(VALUES)))]
    return "odd value", json.dumps(value).encode()


def _places(value: object) -> Iterator[tuple]:
    """Every holder and key of a JSON value; long lists by their first entries."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:8]) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from _places(item)


def smallest(original: bytes, broken: bytes, fails: Callable[[bytes], bool], tries: int = 60) -> bytes:
    """The same failure with less damage: ranges are restored, or cut off at the end, as long as it still fails."""
    best = broken
    if len(original) == len(broken):
        places = [place for place, (a, b) in enumerate(zip(original, broken, strict=True)) if a != b]
        step = max(1, len(places) // 2)
        while places and tries > 0:
            for first in range(0, len(places), step):
                tries -= 1
                attempt = bytearray(best)
                for place in places[first : first + step]:
                    attempt[place] = original[place]
                if fails(bytes(attempt)):
                    best, places = bytes(attempt), places[:first] + places[first + step :]
                    break
            else:
                if step == 1:
                    break
                step = max(1, step // 2)
        return best
    keep = len(best)
    while keep > 1 and tries > 0:
        tries -= 1
        if not fails(best[: keep // 2]):
            break
        keep //= 2
    return best[:keep]
