"""One corpus and one warm decoder for all tests of video."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `corpus`, which is no package of its own

from actrec.video.sandbox.decoder import Decoder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture(scope="session")
def decoder() -> Decoder:
    with Decoder(seconds=240) as warm:
        yield warm
