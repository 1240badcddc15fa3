"""Damaged videos that once broke the decoder, each made small by `benchmarks/fuzz.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actrec.video import VideoError
from actrec.video.container import scan
from actrec.video.read import read_clip

KEPT = sorted((Path(__file__).parent / "fuzzed").iterdir())


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
@pytest.mark.parametrize("options", [{}, {"frames": 8}, {"fps": 5.0}], ids=str)
def test_what_once_broke_the_decoder_is_a_clip_or_a_sentence(path, options):
    try:
        clip = read_clip(path, **options)
    except VideoError as error:
        assert error.code not in ("crashed", "memory") and str(error).endswith(".")
        return
    assert len(clip) > 0 and np.isfinite(clip.times).all() and (np.diff(clip.times) >= 0).all()


@pytest.mark.parametrize("path", [path for path in KEPT if path.stem == "late-stream"], ids=lambda path: path.name)
def test_packets_of_a_stream_that_appears_late_are_read_past(path):
    count, seconds = scan(path)
    assert count > 0 and seconds > 0
