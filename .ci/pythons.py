"""Run the tests on every Python that the project is for, each in an environment of its own made from requirements.lock.

    python .ci/pythons.py [options of pytest]

Interpreters are looked for as python3.11 … on the PATH and among pyenv's; PYTHONS="/path/to/python …" names others
instead.
What ran and which version was missing is printed at the end. Status 1 where tests failed or no interpreter was there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
ENVIRONMENTS = ROOT / "build" / "pythons"
PYTESTS = ["-n", "2"]


def main() -> None:
    expected, installed = versions(), interpreters()
    results = {}
    for version in expected:
        if version in installed:
            results[version] = tested(version, installed[version])
    print("\nThe tests on each Python:")
    for version in expected:
        print(f"  Python {version}: {results.get(version, (0, 'missing; name one with PYTHONS=/path/to/python'))[1]}")
    if not results or any(status for status, _ in results.values()):
        sys.exit(1)


def versions() -> list[str]:
    """The versions that pyproject.toml lists: 3.11, 3.12, …"""
    listed = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    return sorted(listed, key=lambda version: int(version.partition(".")[2]))


def interpreters() -> dict[str, Path]:
    """By version, the first interpreter that really starts."""
    by_version: dict[str, Path] = {}
    for program in programs():
        if (version := version_of(program)) is not None:
            by_version.setdefault(version, program)
    return by_version


def programs() -> Iterator[Path]:
    if named := os.environ.get("PYTHONS", "").split():
        yield from (Path(shutil.which(name) or name) for name in named)
        return
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for version in versions():
        for folder in os.get_exec_path():
            yield Path(folder) / f"python{version}"
        yield from sorted(pyenv.glob(f"{version}.*/bin/python{version}"), reverse=True)


def version_of(program: Path) -> str | None:
    """The version that an interpreter reports; None where it does not start, as pyenv's stand-ins do not."""
    if not program.is_file():
        return None
    ask = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([program, "-c", ask], capture_output=True, text=True, timeout=60)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def tested(version: str, program: Path) -> tuple[int, str]:
    """Pytest's status on one Python, and its summary with how long it took."""
    start = time.monotonic()
    python = environment(version, program)
    words = [str(python), "-m", "pytest", *PYTESTS, *sys.argv[1:]]
    print(f"\n+ {' '.join(words)}  # {program}", flush=True)
    last = ""
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        for line in running.stdout:
            print(line, end="", flush=True)
            last = line.strip(" =\n") or last
    return running.returncode, f"{last} ({program}, {time.monotonic() - start:.0f} s with its environment)"


def environment(version: str, program: Path) -> Path:
    """The interpreter of an environment that holds exactly what the lock names."""
    folder = ENVIRONMENTS / version
    python = folder / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--clear", "--python", program, folder], check=True)
    subprocess.run([*uv, "pip", "sync", "-q", "--require-hashes", "--python", python, LOCK], check=True)
    return python


if __name__ == "__main__":
    main()
