"""The benchmark of the unknown asks for what the command knows, and learns no film that it judges."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from actrec.cli import train
from benchmarks import interactions, unknown


def test_what_is_learned_beside_the_films_is_a_training_that_the_command_knows(monkeypatch):
    said = []
    monkeypatch.setattr(interactions, "actrec", lambda *words: said.extend(map(str, words)))
    settings = json.loads(unknown.PROTOCOL.read_text())["beside"]
    key = {"system": "asym3d", "seed": 2}
    made = unknown.learned_beside(key, settings, Path("out"), Path("data/ut_interaction"), Path("learned"))
    assert made == Path("out/weights") and said.pop(0) == "train"
    parser = argparse.ArgumentParser()
    train.add(parser)
    args = parser.parse_args(said)
    assert args.data == "synthetic:all+data/generated_people+learned"
    assert (args.epochs, args.patience, args.start_from) == (24, 0, ["runs/asym3d-more/weights"])
    assert (args.seed, args.keep, args.fold, args.leave_out) == (2, "last", "all", ["read", "meet and split"])
    assert "negatives" not in " ".join(said)


def test_only_known_actions_of_the_early_sequences_are_learned(tmp_path):
    for label in unknown.LABELS:
        for sequence in (1, 7, 8, 10):
            film = tmp_path / "set1" / label / f"s{sequence:02d}_{label}.mp4"
            film.parent.mkdir(parents=True, exist_ok=True)
            film.write_bytes(b"film")
    laid = tmp_path / "laid"
    unknown.lay_out(tmp_path, laid, "hug")
    learned = list((laid / "learned").rglob("*.mp4"))
    assert {each.parent.name for each in learned} == set(unknown.LABELS) - {"hug"}
    assert {unknown.sequence(each) for each in learned} == {1, 7}
    tested = {(path.parent.name, unknown.sequence(path)) for path in (laid / "tested").rglob("*.mp4")}
    assert tested == {(label, sequence) for label in unknown.LABELS for sequence in (8, 10)}
