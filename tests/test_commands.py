"""The command line as a script uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from actrec.__main__ import main
from actrec.video.write import write_mp4

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "assets" / "examples" / "jumping-jack.mp4"


def _run(*words: str, cache: Path | None = None) -> subprocess.CompletedProcess:
    own = os.environ | ({"ACTREC_CACHE": str(cache)} if cache else {})
    return subprocess.run(
        [sys.executable, "-m", "actrec", *words], cwd=ROOT, capture_output=True, text=True, timeout=240, env=own
    )


def test_list_prints_json_with_the_papers_names_and_counts():
    done = _run("list", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert {"c3d-b5", "b5-asyConv34", "b5-M2", "ms3d", "fstcn", "asym3d", "mdtnet", "crossenh"} <= set(rows)
    assert abs(rows["c3d-b8"]["weights"] / 1e6 - 78.40) <= 0.01
    assert {"name", "paper", "parameters", "weights", "multiplications", "input"} <= set(rows["asym3d"])
    assert rows["asym3d"]["parameters"] >= rows["asym3d"]["weights"]


def test_predict_prints_json_and_nothing_else(cache_without_starts):
    done = _run("predict", str(EXAMPLE), "--json", cache=cache_without_starts)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["label"] == "jumping jack"
    assert answer["scores"][0]["label"] == answer["label"]
    assert abs(sum(each["score"] for each in answer["scores"]) - 1) < 1e-3
    assert isinstance(answer["unknown"], bool) and answer["distance"] > 0 and answer["threshold"] > 0
    assert {"decode", "views", "network", "fusion", "people"} <= set(answer["milliseconds"])
    assert answer["weights"] == "asym3d-people"
    decision = answer["decision"]
    assert (decision["kind"], decision["label"]) == ("class", "jumping jack") and decision["people"] >= 1


def test_predict_names_no_action_where_nobody_is_and_says_which_weights_answered(tmp_path, cache_without_starts):
    black = write_mp4(tmp_path / "black.mp4", np.zeros((30, 120, 160, 3), np.uint8), 12.0)
    done = _run("predict", str(black), cache=cache_without_starts)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Nothing moves.\n") and "answered by the weights asym3d-people" in done.stdout
    alone = _run("predict", str(EXAMPLE.with_name("squat.mp4")), "--weights", "asym3d-ut")
    assert alone.stdout.startswith("These weights are for two people; I see one.\n")


def test_a_reader_who_has_seen_enough_leaves_no_traceback():
    words = [sys.executable, "-m", "actrec", "claims", "--list"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as done:
        done.stdout.close()
        assert done.stderr.read() == "" and done.wait(timeout=120) == 141


def test_without_a_standard_output_a_command_still_ends_well_and_another_broken_pipe_is_not_hidden(monkeypatch):
    done = subprocess.run(["bash", "-c", f"{sys.executable} -m actrec claims --list >&-"], cwd=ROOT, timeout=120)
    assert done.returncode == 0
    monkeypatch.setattr("actrec.cli.claims.run", lambda args: os.write(_pipe_without_reader(), b"x"))
    with pytest.raises(BrokenPipeError):
        main(["claims", "--list"])


def _pipe_without_reader() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "LETTER"],
        ["predict", "NOWHERE"],
        ["predict", str(EXAMPLE), "--system", "telepathy"],
        ["predict", str(EXAMPLE), "--weights", "nothing"],
        ["train", "--system", "telepathy", "--out", "RUN"],
        ["train", "--data", "NOWHERE", "--out", "RUN"],
    ],
    ids=" ".join,
)
def test_what_is_wrong_is_a_sentence_on_standard_error_and_status_2(words, tmp_path, capsys):
    (tmp_path / "LETTER").write_text("dear all")
    here = [str(tmp_path / word) if word.isupper() else word for word in words]
    assert main(here) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.strip().splitlines()) == 1 and told.err.strip().endswith((".", "?")), told.err


def test_a_process_ends_with_the_same_sentence_and_status(tmp_path):
    done = _run("predict", str(tmp_path / "nowhere.mp4"))
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1 and "cannot be opened" in done.stderr
