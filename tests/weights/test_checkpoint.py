"""Writing a checkpoint leaves nothing behind, not even for a writer that was killed."""

from __future__ import annotations

import os
import subprocess
import sys

import torch

from actrec.weights.cards import Card
from actrec.weights.checkpoint import write_checkpoint


def test_what_a_killed_writer_left_goes_with_the_next_and_a_living_one_keeps_its_folder(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for process in (dead.pid, os.getpid(), os.getppid()):
        folder = tmp_path / f".mine.new{process}"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"half")
    (tmp_path / ".others.new1x").mkdir()
    card = Card(name="mine", system="asym3d", labels=["a"], trained_on="nothing", command="", seed=0)
    write_checkpoint(tmp_path / "mine", card, {"w": torch.zeros(3)})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".mine.new" + str(os.getppid()),
        ".others.new1x",
        "mine",
    ]
