"""The tool that tries mutations, on a tree of two functions of which the tests know one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.mutation_list import ListError, read_list

PROJECT = Path(__file__).resolve().parents[1]
SOURCE = "def total(values):\n    return sum(values)\n\n\ndef first(values):\n    return values[0]\n"
TESTS = "from sums import total\n\n\ndef test_the_total_of_two_and_three_is_five():\n    assert total([2, 3]) == 5\n"
SLOW = """import os, pathlib, time


def test_of_a_minute():
    pathlib.Path("NOTE").write_text(str(os.getpid()))
    time.sleep(60)
"""
LIST = """
tests = ["tests/test_*.py"]

[[mutation]]
id = "largest"
breaks = "The total is the largest value."
file = "sums.py"
old = '''sum(values)'''
new = '''max(values)'''

[[mutation]]
id = "last"
breaks = "The first value is the last."
file = "sums.py"
old = '''values[0]'''
new = '''values[-1]'''

[[mutation]]
id = "old"
breaks = "A snippet of which there are two."
file = "sums.py"
old = '''values'''
new = '''numbers'''

[[mutation]]
id = "no-python"
breaks = "The tests cannot import this."
file = "sums.py"
old = '''return sum(values)'''
new = '''return sum(values'''

[[mutation]]
id = "same"
breaks = "The order of the values."
file = "sums.py"
old = '''sum(values)'''
new = '''sum(reversed(values))'''
equivalent = "A sum does not depend on the order."
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name, text in {"sums.py": SOURCE, "tests/test_sums.py": TESTS, "list/adding.toml": LIST}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (tmp_path / "temporary").mkdir()
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def words(tree: Path, *more: str) -> list[str]:
    paths = ["--root", tree, "--list", tree / "list", "--results", tree.parent / "results.jsonl"]
    return [sys.executable, "-m", "benchmarks.mutants", *map(str, paths), *more]


def tried(tree: Path, *more: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"TMPDIR": str(tree.parent / "temporary")}
    return subprocess.run(words(tree, *more), cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=200)


def written(tree: Path) -> list[dict]:
    return [json.loads(line) for line in (tree.parent / "results.jsonl").read_text().splitlines()]


def outcomes(tree: Path) -> dict[str, str]:
    return {line["id"]: line["outcome"] for line in written(tree) if "breaks" in line}


def test_a_mutation_is_caught_survives_is_outdated_or_cannot_be_imported(tree):
    done = tried(tree, "--jobs", "2")
    assert outcomes(tree) == {
        "largest": "caught", "last": "survived", "old": "outdated", "no-python": "cannot be imported"
    }  # fmt: skip
    by = next(line["by"] for line in written(tree) if line["id"] == "largest")
    assert "test_the_total_of_two_and_three_is_five" in by
    assert done.returncode == 1  # not everything was caught
    assert "| adding | 5 | 1 | 1 | 1 | 1 | 1 |" in done.stdout
    assert "| same | The order of the values. | equivalent | A sum does not depend on the order. |" in done.stdout


def test_the_checkout_stays_as_it_is_and_no_copy_is_left(tree):
    tried(tree)
    assert (tree / "sums.py").read_text() == SOURCE
    assert list((tree.parent / "temporary").iterdir()) == []
    assert not list(tree.rglob("__pycache__"))


def test_only_the_mutations_asked_for_run_and_status_0_says_that_all_were_caught(tree):
    assert tried(tree, "--only", "largest", "same").returncode == 0
    assert outcomes(tree) == {"largest": "caught"}
    assert "There is no smallest." in tried(tree, "--only", "smallest").stderr
    assert "There is no subtracting. There is: adding." in tried(tree, "--paper", "subtracting").stderr


def test_a_second_run_repeats_what_its_source_or_its_tests_have_changed_and_no_more(tree):
    tried(tree, "--only", "largest", "last")
    before = len(written(tree))
    again = tried(tree, "--only", "largest", "last")
    assert len(written(tree)) == before and "0 mutations to run, 2 known" in again.stdout
    with open(tree / "tests" / "test_sums.py", "a") as file:
        file.write(
            "\n\ndef test_the_first_of_two_and_three_is_two():\n    import sums\n\n    assert sums.first([2, 3]) == 2\n"
        )
    assert tried(tree, "--only", "largest", "last").returncode == 0
    assert outcomes(tree) == {"largest": "caught", "last": "caught"}
    assert len(written(tree)) > before


def test_what_fails_without_a_mutation_catches_nothing(tree):
    (tree / "tests" / "test_sums.py").write_text(TESTS.replace("== 5", "== 6"))
    done = tried(tree, "--only", "largest")
    assert "Fails without any mutation: tests/test_sums.py" in done.stdout
    assert "tests fail without it" in done.stdout and done.returncode == 1
    assert outcomes(tree) == {}


def test_the_list_can_be_checked_against_the_code_alone(tree):
    done = tried(tree, "--check")
    assert "old: its snippet occurs 4 times in sums.py" in done.stdout
    assert "no-python: '(' was never closed" in done.stdout
    assert "3 of 5 mutations fit the code." in done.stdout and done.returncode == 1
    assert not (tree.parent / "results.jsonl").exists()


@pytest.mark.parametrize("signal_sent", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_cut_off_leaves_nothing_behind(tree, signal_sent):
    note = tree.parent / "running"
    slow = SLOW.replace("NOTE", str(note))
    (tree / "tests" / "test_sums.py").write_text(slow)
    environment = os.environ | {"TMPDIR": str(tree.parent / "temporary")}
    tool = subprocess.Popen(
        words(tree, "--only", "largest"), cwd=PROJECT, env=environment, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not (note.exists() and note.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    tool.send_signal(signal_sent)
    assert tool.wait(30) != 0
    assert "goes on from here" in tool.stderr.read()
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
    assert list((tree.parent / "temporary").iterdir()) == []


def test_the_projects_own_list_can_be_read_and_names_twenty_recipes():
    mutations = read_list(PROJECT / "benchmarks" / "mutants")
    assert sum(mutation.recipe for mutation in mutations) == 20
    assert {mutation.paper for mutation in mutations} == {"ms3d", "fstcn", "asym3d", "mdtnet", "crossenh", "shared"}
    assert all((mutation.old != mutation.new and mutation.tests) or mutation.equivalent for mutation in mutations)


def test_a_list_with_a_mistake_is_refused_with_its_file(tmp_path):
    (tmp_path / "adding.toml").write_text(LIST.replace('id = "last"', 'id = "largest"'))
    with pytest.raises(ListError, match="Two mutations are called 'largest'"):
        read_list(tmp_path)
    (tmp_path / "adding.toml").write_text(LIST.replace("breaks", "breakes"))
    with pytest.raises(ListError, match=r"adding.toml cannot be read: 'largest' has unknown entries: breakes"):
        read_list(tmp_path)
