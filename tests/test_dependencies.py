"""What is installed stays what was tested: bounded requirements, and a lock file that satisfies them."""

from __future__ import annotations

import re
import tomllib
from itertools import product
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
LOCK = (ROOT / "requirements.lock").read_text()
PINNED = re.compile(r"^([\w.-]+)==(\S+)(?: ; (.+?))? \\$", re.MULTILINE)
PAGE_AND_TESTS = {"gradio", "pytest"}  # what actrec/ itself does without

PYTHONS = ("3.11", "3.12", "3.13")
MACHINES = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "AMD64"))


def requirements(*names: str) -> list[Requirement]:
    lines = [line for name in names for line in (ROOT / name).read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-r "))]


def locked(python: str, system: str, processor: str) -> dict[str, str]:
    """The version of every package that the lock installs on a machine."""
    here = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": system,
            "platform_machine": processor, "extra": ""}  # fmt: skip
    found: dict[str, str] = {}
    for name, version, marker in PINNED.findall(LOCK):
        if not marker or Marker(marker).evaluate(here):
            assert name not in found, f"{name} is locked twice for {here}"
            found[name] = version
    return found


@pytest.mark.parametrize(("python", "machine"), list(product(PYTHONS, MACHINES)), ids=str)
def test_the_lock_satisfies_every_requirement(python, machine):
    versions = locked(python, *machine)
    for requirement in requirements("requirements.txt", "requirements-dev.txt"):
        name = requirement.name.lower()
        assert name in versions, f"{name} is not locked: run `make lock`"
        assert requirement.specifier.contains(Version(versions[name])), f"{name} {versions[name]}: run `make lock`"


def test_every_requirement_is_bounded_below_and_above():
    for requirement in requirements("requirements.txt", "requirements-dev.txt"):
        operators = {part.operator for part in requirement.specifier}
        assert operators == {">=", "<"}, str(requirement)


def test_gradio_stays_at_the_minor_version_that_was_tested():
    (gradio,) = (requirement for requirement in requirements("requirements.txt") if requirement.name == "gradio")
    least = next(part.version for part in gradio.specifier if part.operator == ">=")
    major, minor = Version(least).release[:2]
    assert gradio.specifier.contains(f"{major}.{minor}.99") and not gradio.specifier.contains(f"{major}.{minor + 1}.0")


def test_the_lock_holds_a_hash_for_everything_and_no_address():
    entries = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.MULTILINE)
    head, *packages = entries
    assert len(packages) == len(PINNED.findall(LOCK)) > 50
    assert all("--hash=sha256:" in package for package in packages)
    assert all(line.startswith("#") for line in head.splitlines())
    assert not re.search(r"https?:|file:|--index|--find-links|@ |/", LOCK)


def test_the_package_asks_for_what_the_page_asks_for_without_the_page_and_the_tests():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {
        str(requirement) for requirement in requirements("requirements.txt") if requirement.name not in PAGE_AND_TESTS
    }
    assert {str(Requirement(line)) for line in project["dependencies"]} == wanted


def test_the_pythons_that_the_doctor_accepts_are_those_that_are_tested():
    from actrec.cli.machine_report import PYTHON

    text = (ROOT / "pyproject.toml").read_text()
    assert tuple(re.findall(r'Python :: (3\.\d+)"', text)) == PYTHONS
    assert [f"{major}.{minor}" for major, minor in PYTHON] == [PYTHONS[0], PYTHONS[-1]]
