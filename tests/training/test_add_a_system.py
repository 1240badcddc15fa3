"""The system of docs/add-a-system.md: its files are put into a copy of the project, and everything finds it there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import ROOT

PAGE = (ROOT / "docs" / "add-a-system.md").read_text()
# The page's own callbacks, asked as a visitor's clicks ask them; one line of JSON comes out.
VISIT = """
import json
from demo.server.services import Services
from demo.shared.explaining import explainer, gallery_activations
from demo.shared.trainings import light_systems
from demo.tabs import compare, embeddings, papers, saliency

clip, weights = "assets/examples/squat.mp4", "small-synthetic"
services = Services(device="cpu")
services.start()
asked = saliency.ask(services, clip, weights).asked
tour = {step: papers.drawn(services, papers.take(services, clip), "small", step,
                           papers.starts(services, None, "small", step))
        for step in (0, 1)}
drawn = embeddings.draw(services, weights, "PCA", 0)
print(json.dumps({
    "train": light_systems(),
    "compare": compare.ask(services, clip, [weights, "asym3d-synthetic"]),
    "costs": compare.rows(services, ["light"]),
    "points": [[point.name, point.accuracy] for point in compare.points(services) if point.of_paper],
    "saliency": saliency.show(services, asked, asked.label, 1).maps,
    "layers": [layer.name for layer in explainer(services, weights).recognizer.system.layers(None)],
    "neurons": list(gallery_activations(services, weights).peaks),
    "embeddings": drawn.maps,
    "papers": papers.arrive(services, None, None)[0].choices,
    "tour": tour,
}))
services.close()
"""


def files_of(page: str) -> dict[str, str]:
    """The page's blocks of Python, each under the name of the file that was mentioned last before it."""
    files = {}
    for block in re.finditer(r"^```python\n(.*?)^```$", page, re.S | re.M):
        files[re.findall(r"`(actrec/\w+/small\.py)`", page[: block.start()])[-1]] = block[1]
    return files


class Project:
    """A copy of the project with the files of the page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def python(self, *words: str) -> str:
        environment = os.environ | {"GRADIO_TEMP_DIR": str(self.folder / "visitors"), "PYTHONPATH": str(self.folder)}
        done = subprocess.run(
            [sys.executable, *words], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=280
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    folder = tmp_path_factory.mktemp("project")
    for part in ("actrec", "demo"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "assets").symlink_to(ROOT / "assets")
    (folder / "weights").mkdir()
    for name in ("asym3d-synthetic", "person-detector"):
        (folder / "weights" / name).symlink_to(ROOT / "weights" / name)
    blocks = files_of(PAGE)
    assert list(blocks) == ["actrec/models/small.py", "actrec/systems/small.py", "actrec/tours/small.py"]
    for path, code in blocks.items():
        assert not (folder / path).exists()
        (folder / path).write_text(code)
    listing = folder / "actrec" / "systems" / "__init__.py"
    lines = listing.read_text()
    for changed in re.findall(r"^    (?:…  )?(from actrec\.systems import .*|for paper in .*)$", PAGE, re.M):
        before = changed.replace("small, ", "")
        assert lines.count(f"{before}\n") == 1, before
        lines = lines.replace(before, changed)
    listing.write_text(lines)
    return Project(folder)


@pytest.fixture(scope="module")
def trained(project) -> Project:
    project.python(
        "-m", "actrec", "train", "--system", "small", "--clips-per-class", "12", "--epochs", "4", "--batch", "18",
        "--threads", "1", "--numbers", "float32", "--device", "cpu", "--out", "runs/small",
    )  # fmt: skip
    shutil.copytree(project.folder / "runs" / "small" / "weights", project.folder / "weights" / "small-synthetic")
    return project


def test_the_command_line_lists_the_system_with_its_weights_counted_by_hand(project):
    rows = json.loads(project.python("-m", "actrec", "list", "--json"))
    (row,) = (row for row in rows if row["name"] == "small")
    # 3·9·16 + 3·16² + 9·16·32 + 3·32² + 9·32·64 + 3·64², three norms of 2·(16 + 32 + 64), 65 a class.
    convolutions = 432 + 768 + 4608 + 3072 + 18432 + 12288
    assert row["parameters"] == convolutions + 2 * 112 + 65 * 101


def test_the_command_line_trains_and_evaluates_it(trained):
    losses = [
        event["loss"]
        for event in map(json.loads, (trained.folder / "runs/small/events.jsonl").read_text().splitlines())
        if event["event"] == "step"
    ]
    assert losses[-1] < losses[0]
    said = trained.python(
        "-m", "actrec", "evaluate", "--weights", "small-synthetic", "--data", "synthetic:six", "--clips-per-class",
        "4", "--device", "cpu", "--json",
    )  # fmt: skip
    assert 0 <= json.loads(said)["top1"] <= 1


def test_its_claim_is_in_the_list_and_not_measured_yet(project):
    listed = project.python("-m", "actrec", "claims", "--list", "--out", "nothing-measured")
    (line,) = (line for line in listed.splitlines() if "small-time" in line)
    assert line.startswith("not measured yet") and "Convolutions over time are better than none" in line


def test_every_tab_finds_it(trained):
    found = json.loads(trained.python("-c", VISIT).splitlines()[-1])
    assert "small" in found["train"]
    assert "UCF-101 50.0 %" in found["compare"] and "small-synthetic" in found["compare"]
    assert "A small network for actions" in found["costs"]
    assert ["small", 0.5] in found["points"]
    assert "Grad-CAM" in found["saliency"] and "no influence on the score" in found["saliency"]
    assert found["layers"] == found["neurons"] == ["block 1", "block 2", "block 3"]
    assert 'data-weights="small-synthetic"' in found["embeddings"]
    assert ["Small", "small"] in found["papers"]
    assert "8 differences of 64×64 pixels." in found["tour"]["0"] and "<svg" in found["tour"]["0"]
    assert "Convolutions over time are better than none" in found["tour"]["1"]
