"""The command line as a script uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "assets" / "examples" / "jumping-jack.mp4"


def _run(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "actrec", *words], cwd=ROOT, capture_output=True, text=True, timeout=240
    )


def test_list_prints_json_with_the_papers_names_and_counts():
    done = _run("list", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert {"c3d-b5", "b5-asyConv34", "b5-M2", "ms3d", "fstcn", "asym3d", "mdtnet", "crossenh"} <= set(rows)
    assert abs(rows["c3d-b8"]["weights"] / 1e6 - 78.40) <= 0.01
    assert {"name", "paper", "parameters", "weights", "multiplications", "input"} <= set(rows["asym3d"])
    assert rows["asym3d"]["parameters"] >= rows["asym3d"]["weights"]


def test_predict_prints_json_and_nothing_else():
    done = _run("predict", str(EXAMPLE), "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["label"] == "jumping jack"
    assert answer["scores"][0]["label"] == answer["label"]
    assert abs(sum(each["score"] for each in answer["scores"]) - 1) < 1e-3
    assert isinstance(answer["unknown"], bool) and answer["distance"] > 0 and answer["threshold"] > 0
    assert {"decode", "views", "network", "fusion"} <= set(answer["milliseconds"])


def test_what_is_wrong_is_a_sentence_on_standard_error_and_status_2(tmp_path):
    letter = tmp_path / "letter.mp4"
    letter.write_text("dear all")
    for words in (
        ["predict", str(letter)],
        ["predict", str(tmp_path / "nowhere.mp4")],
        ["predict", str(EXAMPLE), "--system", "telepathy"],
        ["predict", str(EXAMPLE), "--weights", "nothing"],
        ["train", "--system", "telepathy", "--out", str(tmp_path / "run")],
        ["train", "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "run2")],
    ):
        done = _run(*words)
        assert done.returncode == 2, (words, done.stderr)
        assert done.stdout == "", words
        assert len(done.stderr.strip().splitlines()) == 1 and done.stderr.strip().endswith((".", "?")), done.stderr
