"""Every command that the documents name can be typed as it stands; every file they link to is there."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from actrec.__main__ import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def commands() -> list[tuple[str, str]]:
    """Lines that call `python -m actrec`, from blocks and from running text; a backslash continues a line."""
    found = []
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        for line in re.findall(r"-m actrec [^\n`]+", text):
            words = line.removeprefix("-m actrec ").split("  #")[0].split(" # ")[0].split(" && ")[0]
            words = words.replace("$S-{1,2,3}", "a").replace("$S", "asym3d").rstrip(" .,;:")
            if words.split()[0] != "…":
                found.append((page.name, words))
    return found


class _Strict(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise ValueError(message)


def test_there_are_commands():
    assert len(commands()) > 20


@pytest.mark.parametrize(("page", "line"), commands(), ids=lambda each: each)
def test_a_documented_command_is_understood(page, line):
    name, *words = shlex.split(line)
    assert name in COMMANDS or name == "COMMAND", f"{page} names '{name}'"
    if name == "COMMAND":
        return
    parser = _Strict()
    importlib.import_module(f"actrec.cli.{name}").add(parser)
    parser.parse_args([word for word in words if word != "…"])


def test_documented_systems_presets_and_sets_exist():
    from actrec.systems import SYSTEMS

    text = (ROOT / "docs" / "reproduce.md").read_text()
    for name in ("asym3d-paper-rgbf", "ms3d-paper", "fstcn-paper", "mdtnet-paper", "tsn", "tsm", "i3d-rgb", "i3d-flow",
                 "crossenh-paper", "crossenh-paper-flow", "c3d-b5", "c3d-b8", "asym3d-paper"):  # fmt: skip
        assert name in text and "paper" in SYSTEMS[name].schedules and "paper" in SYSTEMS[name].protocols


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_and_folders_that_a_page_names_exist(page):
    """What a page names in code font below one of the repository's own folders; `small` is add-a-system's example."""
    named = re.findall(r"`((?:actrec|demo|tests|benchmarks|assets|docs)/[\w./-]*)`", page.read_text())
    for name in named:
        assert (ROOT / name).exists() or name.endswith("/small.py"), f"{page.name}: {name}"


def test_the_names_that_answer_what_people_ask_exist():
    """Where a frame becomes a label, where the threshold is chosen: functions, classes, constants of the code."""
    asked = (ROOT / "docs" / "architecture.md").read_text().split("## Questions that people ask\n")[1].split("\n## ")[0]
    code = "\n".join(path.read_text() for room in ("actrec", "demo") for path in (ROOT / room).rglob("*.py"))
    names = {
        name for name in re.findall(r"`([A-Za-z_.]+)(?:\([^`]*\))?`", asked) if not name.endswith((".py", ".json"))
    }
    assert len(names) > 8
    for name in names:
        for part in name.split("."):
            assert re.search(rf"^\s*(?:(?:def|class) {part}\b|{part}(?::.*)? = )", code, re.MULTILINE), name


def test_the_readme_is_short_and_names_the_options_of_the_page():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200
    shown = subprocess.run(
        [sys.executable, "app.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    text = "".join(page.read_text() for page in PAGES)
    for option in [*re.findall(r"app\.py (--\w+)", text), "--host", "--password", "--name", "--data"]:
        assert option in shown


EXPERIMENTS = sorted(page for page in (ROOT / "docs" / "experiments").glob("*.md") if page.name != "README.md")


@pytest.mark.parametrize("page", EXPERIMENTS, ids=lambda page: page.stem)
def test_an_experiment_asks_one_question_and_ends_with_a_decision(page):
    text = page.read_text()
    assert text.splitlines()[0].startswith("# ") and text.splitlines()[0].endswith("?")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Question", "How", "Figures", "Decision"]
    assert f"]({page.name})" in (page.parent / "README.md").read_text()


def test_the_readme_begins_with_a_looping_picture_of_at_most_three_megabytes():
    from PIL import Image

    text = (ROOT / "README.md").read_text()
    shown = re.search(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert text[: shown.start()].count("\n## ") == 0
    path = ROOT / shown[1]
    with Image.open(path) as picture:
        assert picture.n_frames > 50 and picture.info["loop"] == 0
    assert path.stat().st_size <= 3_000_000
