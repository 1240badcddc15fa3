"""What this machine remembers, and the sentences of its refusals."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import actrec.cli.list
from actrec.__main__ import main
from actrec.core import devices, files, processes
from actrec.core.errors import BadValue, Refusal
from actrec.data.samples import DataError
from actrec.people.detector import DetectorError
from actrec.recognition.repository import RepositoryError
from actrec.training.run import RunError
from actrec.video import VideoError
from actrec.weights.cards import WeightsError
from actrec.weights.download import DownloadError


def _remember(path: Path, name: str) -> None:
    for number in range(40):
        files.remember(path, f"{name} {number}", number)


def test_two_processes_that_remember_at_once_lose_nothing(tmp_path):
    path = tmp_path / "numbers.json"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_remember, args=(path, name)) for name in ("one", "two")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert len(json.loads(path.read_text())) == 80
    assert {path.name for path in tmp_path.iterdir()} == {"numbers.json", "numbers.lock"}


def test_everything_that_is_said_to_people_is_a_refusal():
    for kind in (
        DataError,
        DetectorError,
        DownloadError,
        RepositoryError,
        RunError,
        VideoError,
        WeightsError,
        BadValue,
    ):
        assert issubclass(kind, Refusal)
    assert issubclass(BadValue, ValueError), "callers in Python expect it"


def test_a_refusal_is_a_sentence_and_a_librarys_own_error_keeps_its_traceback(monkeypatch, capsys):
    def fails(error: Exception):
        def run(args: object) -> int:
            raise error

        return run

    monkeypatch.setattr(actrec.cli.list, "run", fails(Refusal("Choose another one.")))
    assert main(["list"]) == 2
    assert capsys.readouterr().err == "Choose another one.\n"
    monkeypatch.setattr(actrec.cli.list, "run", fails(ValueError("axis 3 is out of bounds")))
    with pytest.raises(ValueError, match="axis 3"):
        main(["list"])


def test_these_tests_compute_with_no_more_threads_than_there_are_cores():
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    assert int(os.environ["OMP_NUM_THREADS"]) * workers <= max(workers, os.cpu_count())


# Threads that work one after the other, as a page's do; what each needed for a while is free again.
TURNS = """
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
def held(): return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20
def work(): return len([np.ones(1 << 16) for _ in range(60)])  # half a megabyte each
desks = [ThreadPoolExecutor(1) for _ in range(6)]
before = held()
for desk in desks: desk.submit(work).result()
print(held() - before)
"""


@pytest.mark.skipif(platform.system() != "Linux", reason="the settings are glibc's")
def test_what_threads_needed_one_after_the_other_is_kept_once():
    made = subprocess.run([sys.executable, "-c", TURNS], env=processes.environment(1), capture_output=True, text=True)
    assert 25 <= int(made.stdout) <= 60, made.stderr  # each needs 30 MB; with a place of its own six keep 180


# What was needed for a moment stays held, as the settings want it for the next step of a training, until it is given.
MOMENT = """
import numpy as np
from actrec.core.memory import give_back, held
before, needed = held(), [np.ones(1 << 16) for _ in range(200)]
top, needed = np.ones(1 << 16), None
for take in (lambda: None, give_back):
    take()
    print(held() - before >> 20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries cannot be set to keep memory")
def test_memory_that_nothing_uses_is_given_back():
    made = subprocess.run([sys.executable, "-c", MOMENT], env=processes.environment(1), capture_output=True, text=True)
    kept, given = map(int, made.stdout.split())
    assert kept >= 90 and given <= 10, made.stderr


def test_one_core_is_one(monkeypatch):
    monkeypatch.setattr(devices, "cores", lambda: 1)
    assert devices.describe(torch.device("cpu")) == "CPU, 1 core"
    monkeypatch.setattr(devices, "cores", lambda: 2)
    assert devices.describe(torch.device("cpu")) == "CPU, 2 cores"
