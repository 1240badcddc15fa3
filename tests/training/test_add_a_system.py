"""The system of docs/add-a-system.md, taken from the page and used as any other."""

from __future__ import annotations

import importlib.util
import re

import pytest
from small_runs import ROOT, small, train_here

from actrec.systems import SYSTEMS, System


@pytest.fixture
def system(tmp_path, monkeypatch) -> System:
    page = (ROOT / "docs" / "add-a-system.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.S | re.M)
    path = tmp_path / "small.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("small_of_the_docs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (made,) = module.systems()
    monkeypatch.setitem(SYSTEMS, made.name, made)
    return made


def test_the_documented_system_counts_trains_and_answers(system, films, tmp_path):
    from actrec.evaluation.cost import counted
    from actrec.recognition.recognizer import Recognizer
    from actrec.video.read import read_clip

    # 3·9·16 + 3·16² + 9·16·32 + 3·32² + 9·32·64 + 3·64², three norms of 2·(16 + 32 + 64), 65 a class, by hand.
    convolutions = 432 + 768 + 4608 + 3072 + 18432 + 12288
    assert counted(system, 101).parameters == convolutions + 2 * 112 + 65 * 101
    run = train_here(tmp_path / "run", small(films, system="small", epochs=6))
    losses = [event["loss"] for event in run.events() if event["event"] == "step"]
    assert losses[-1] < losses[0]
    recognizer = Recognizer.load(run.weights, "cpu")
    prediction = recognizer.predict(read_clip(ROOT / "assets/examples/squat.mp4", short_side=64))
    assert prediction.labels == ("down", "left", "right") and abs(prediction.scores.sum() - 1) < 1e-5


def test_what_the_page_tells_to_change_is_there(system):
    """The two lines to edit are in the file as the page shows them."""
    page, file = (ROOT / "docs" / "add-a-system.md").read_text(), ROOT / "actrec" / "systems" / "__init__.py"
    listed = re.search(r"from actrec.systems import ([\w, ]+), small", page)[1]
    looped = re.search(r"for paper in \(([\w, ]+), small\)", page)[1]
    assert f"from actrec.systems import {listed}\n" in file.read_text()
    assert f"for paper in ({looped}) for system" in " ".join(file.read_text().split())
