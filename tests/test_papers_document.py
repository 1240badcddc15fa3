"""docs/papers.md leads from every equation to a function and a test that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "papers.md"
LINK = re.compile(r"\[`([\w.]+)`\]\(([^)]+\.py)\)")

# What the papers number: equations, figures and tables. Read off the papers; never shorten it to match the document.
NUMBERED = {
    "MS3D": {"eq.": 8, "fig.": 2, "table": 3},
    "FstCN": {"eq.": 7, "fig.": 5, "table": 3},
    "Asymmetric 3D-CNN": {"eq.": 7, "fig.": 8, "table": 6},
    "MDT-Net": {"step": 6, "fig.": 1, "table": 2},
    "Cross-enhancement": {"eq.": 2, "fig.": 2, "table": 3},
}
IN_WORDS = {("Cross-enhancement", "table", 2)}  # a table of words, which a sentence under the rows names


def sections() -> dict[str, list[list[str]]]:
    """For each paper the rows of its table, as cells."""
    found = {}
    for part in DOCUMENT.read_text().split("\n## ")[1:]:
        title, *lines = part.splitlines()
        cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]
        found[title] = cells[1:]
    return found


@cache
def defined(path: Path) -> frozenset[str]:
    """The names that a Python file defines: functions, classes, and `Class.method`."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return frozenset(names)


def numbers(cell: str, kind: str) -> set[int]:
    """The numbers of one kind in a cell: 3 in "eq. 3", 1 and 3 in "tables 1, 3", 8 in "fig. 8a"."""
    roman = {"I": 1, "II": 2, "III": 3, "IV": 4}
    found = set()
    for listed in re.findall(rf"\b{re.escape(kind)}s? ((?:[\dIV]+[ab]?(?:, (?=[\dIV]))?)+)", cell):
        found |= {roman.get(word.strip(" ab,")) or int(word.strip(" ab,")) for word in listed.split(", ")}
    return found


@pytest.mark.parametrize("paper", NUMBERED)
def test_every_function_and_every_test_that_is_named_exists(paper):
    for where, _, functions, tests in sections()[paper]:
        for cell, folder in ((functions, "actrec"), (tests, "tests")):
            links = LINK.findall(cell)
            assert links, f"{paper}, {where}: nothing is named in '{cell}'"
            for name, target in links:
                path = (DOCUMENT.parent / target).resolve()
                assert path.is_relative_to(DOCUMENT.parents[1] / folder), f"{paper}, {where}: {target}"
                assert name in defined(path), f"{paper}, {where}: {target} defines no {name}"


@pytest.mark.parametrize("paper", NUMBERED)
def test_every_equation_figure_and_table_has_a_row(paper):
    rows = [row[0] for row in sections()[paper]]
    for kind, count in NUMBERED[paper].items():
        expected = {number for number in range(1, count + 1) if (paper, kind, number) not in IN_WORDS}
        assert set().union(*(numbers(row, kind) for row in rows)) == expected, f"{paper}: {kind}"


def test_the_files_in_running_text_exist():
    for name in re.findall(r"`((?:actrec|tests)/[\w/]+\.py)`", DOCUMENT.read_text()):
        assert (DOCUMENT.parents[1] / name).exists(), name
