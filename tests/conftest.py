"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """One computing thread per core the machine gives, never more: oversubscribed torch is 5–40 × slower.

    Whoever only hands out files to workers (`-n 2`) says nothing: they would inherit a number meant for one process.
    """
    if not getattr(config.option, "numprocesses", None):
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, min(2, os.cpu_count() or 1) // workers)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Side by side (`-n 2`), a file stays with one worker, and so do all that drive the browser."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            return "browser" if "tests/browser/" in file else file

    return ByFile(config, log)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real clips beside the repository. We cannot redistribute them: without them these tests skip."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real clips of ../shared/data, which do not ship with the project")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _engines_are_left_as_they_are() -> None:
    """Services find the fastest engine for every set of weights in the background; the tests of that ask for it."""
    from demo.server import services

    services.SETTLED_AFTER = 1e6


@pytest.fixture
def published_i3d() -> Path:
    """The published I3D, fetched by the README's first command. It does not ship: without it these tests skip."""
    from actrec.weights.starts import fetched_start

    folder = fetched_start("kinetics-i3d")
    if folder is None:
        pytest.skip("needs the published weights: python -m actrec fetch everyday")
    return folder


@pytest.fixture(scope="session")
def cache_without_starts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of a machine on which no published network was fetched; all else in it is this machine's own.

    Which weights answer by default depends on what was fetched. A test of that says which it means.
    """
    from actrec.core.files import cache_folder

    folder = tmp_path_factory.mktemp("cache")
    for path in cache_folder().iterdir() if cache_folder().is_dir() else ():
        if path.name not in ("starts", "packages"):
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def without_starts(cache_without_starts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No published network is on this machine."""
    monkeypatch.setenv("ACTREC_CACHE", str(cache_without_starts))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
