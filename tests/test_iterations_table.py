"""The table of training speed: which rows it has, and its ratios by hand; nothing is timed."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from benchmarks import iterations
from benchmarks.iterations import Row

# Multiplications by hand: weights of a layer times the places of its output, for 16×112×112 and 101 classes.
PLACES = {1: 16 * 112 * 112, 2: 16 * 56 * 56, 3: 8 * 28 * 28, 4: 4 * 14 * 14, 5: 2 * 7 * 7}
FIRST = 3 * 64 * 27 * PLACES[1] + 64 * 128 * 27 * PLACES[2]  # conv1 and conv2 of both bases
# Behind pool5 1·4·4 places remain.
B5 = FIRST + 27 * (128 * 256 * PLACES[3] + 256 * 256 * (PLACES[4] + PLACES[5])) + 4096 * 2048 + 2048**2 + 2048 * 101
B8 = (
    FIRST
    + 27 * ((128 * 256 + 256 * 256) * PLACES[3] + (256 * 512 + 512 * 512) * PLACES[4] + 2 * 512 * 512 * PLACES[5])
    + 8192 * 4096 + 4096**2 + 4096 * 101
)  # fmt: skip


def saved(group: int, c_in: int, c: int, layers: int, sizes: tuple[int, int, int]) -> int:
    """What a cascade C·H·D + D·W·M + M·T·N saves in place of `layers` dense ones of 27 weights."""
    dense = 27 * (c_in * c + (layers - 1) * c * c)
    return (dense - (sizes[0] * c_in * c + sizes[1] * c * c + sizes[2] * c * c)) * PLACES[group]


@cache
def rows() -> tuple[Row, ...]:
    return tuple(iterations.rows())


def table() -> dict[str, Row]:
    return {row.variant: row for row in rows()}


def test_the_table_has_all_fourteen_variants_each_against_its_base():
    assert [(row.base, row.variant) for row in rows()] == [
        (f"c3d-{base}", f"{base}-asyConv{groups}")
        for base in ("b5", "b8")
        for groups in ("3", "4", "5", "34", "35", "45", "345")
    ]


def test_the_papers_ratios_are_those_of_its_seconds():
    # Table 2: 1.10 s for c3d-b5 and 1.28 s for c3d-b8.
    printed = {
        "b5-asyConv3": 1.10 / 0.85, "b5-asyConv4": 1.10 / 0.94, "b5-asyConv5": 1.10 / 0.94,
        "b5-asyConv34": 1.10 / 0.82, "b5-asyConv35": 1.10 / 0.82, "b5-asyConv45": 1.10 / 0.83,
        "b5-asyConv345": 1.10 / 0.81, "b8-asyConv3": 1.28 / 0.99, "b8-asyConv4": 1.28 / 1.00,
        "b8-asyConv5": 1.28 / 1.03, "b8-asyConv34": 1.28 / 0.95, "b8-asyConv35": 1.28 / 0.97,
        "b8-asyConv45": 1.28 / 0.97, "b8-asyConv345": 1.28 / 0.93,
    }  # fmt: skip
    assert {name: row.paper for name, row in table().items()} == pytest.approx(printed)


def test_the_ratios_by_multiplications_are_those_worked_out_by_hand():
    b5 = {
        3: saved(3, 128, 256, 1, (3, 3, 3)), 4: saved(4, 256, 256, 1, (3, 3, 3)), 5: saved(5, 256, 256, 1, (3, 3, 3)),
    }  # fmt: skip
    b8 = {
        3: saved(3, 128, 256, 2, (5, 5, 3)), 4: saved(4, 256, 512, 2, (5, 5, 3)), 5: saved(5, 512, 512, 2, (5, 5, 3)),
    }  # fmt: skip
    for name, row in table().items():
        total, savings = (B5, b5) if name.startswith("b5") else (B8, b8)
        fewer = total - sum(savings[int(group)] for group in name.split("asyConv")[1])
        assert row.by_multiplications == pytest.approx(total / fewer, rel=1e-6), name
    assert round(table()["b5-asyConv3"].by_multiplications, 2) == 1.15
    assert round(table()["b8-asyConv345"].by_multiplications, 2) == 2.03


def test_a_direction_is_judged_where_multiplications_fall_by_a_tenth_and_reported_elsewhere():
    judged = {name for name, row in table().items() if row.judged}
    assert judged == {
        "b5-asyConv3", "b5-asyConv34", "b5-asyConv35", "b5-asyConv345",
        "b8-asyConv3", "b8-asyConv4", "b8-asyConv34", "b8-asyConv35", "b8-asyConv45", "b8-asyConv345",
    }  # fmt: skip
    row = table()["b8-asyConv3"]
    assert row.verdict == ""
    assert replace(row, measured=1.01).verdict == "holds"
    assert replace(row, measured=0.99).verdict == "**does not hold**"
    assert replace(table()["b8-asyConv5"], measured=0.5).verdict == ""


def test_the_printed_table_has_a_line_for_each_row():
    header, *lines = iterations.lines(list(rows()))
    assert header.split() == ["base", "÷", "variant", "paper", "multiplications", "measured", "faster"]
    assert lines[0].split() == ["c3d-b5", "÷", "b5-asyConv3", "1.29", "1.15"] and len(lines) == 14
    shown = iterations.lines([replace(table()["b8-asyConv3"], measured=1.334)])[1]
    assert shown.split() == ["c3d-b8", "÷", "b8-asyConv3", "1.29", "1.47", "1.33", "holds"]
