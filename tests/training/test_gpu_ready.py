"""A copy of the repository and one pack train anywhere: no video decoder, no detector, no page."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from small_runs import ROOT

BLOCKED = "import sys\nsys.modules.update(dict.fromkeys(('av', 'ultralytics', 'gradio', 'matplotlib', 'tensorboard')))"


BOTH = """
from actrec.__main__ import main
folder, out = sys.argv[1:]
small = ["--epochs", "1", "--batch", "6", "--threads", "1", "--numbers", "float32", "--device", "cpu"]
assert main(["train", "--data", folder + "/films.pack", "--out", out, *small]) == 0
words = ["--weights", out + "/weights", "--data", folder + "/films.pack", "--out", folder + "/report"]
assert main(["evaluate", *words, "--protocol", "one", "--device", "cpu", "--json"]) == 0
"""


def test_training_and_evaluation_run_from_a_pack_without_av_ultralytics_and_gradio(films, tmp_path):
    from actrec.data.open import open_set
    from actrec.data.pack import write_pack

    write_pack(open_set(films), tmp_path / "films.pack")
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED + BOTH, str(tmp_path), str(tmp_path / "run")],
        cwd=ROOT, capture_output=True, text=True, timeout=250, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.strip().splitlines()[-1])["clips"] == 15
    assert (tmp_path / "report" / "report.html").exists()


def test_the_working_pack_has_at_most_30_megabytes_and_all_working_clips(shared_data):
    pack = ROOT / "build" / "working.pack"
    if not pack.exists():
        pytest.skip("made by `make gpu-pack`")
    from actrec.data.open import open_set

    assert pack.stat().st_size <= 30_000_000
    clips = open_set(pack)
    folders = [shared_data / "ut_interaction" / "set1", shared_data / "ut_interaction" / "set2"]
    folders += [shared_data / "pushup_form", shared_data / "generated_people"]
    assert len(clips) == sum(len(open_set(folder)) for folder in folders)


def test_make_names_one_command(tmp_path):
    if shutil.which("make") is None:
        pytest.skip("needs make")
    commands = subprocess.run(["make", "-n", "gpu-pack"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "-m actrec data pack" in commands and "--out build/working.pack --megabytes 30 " in commands
