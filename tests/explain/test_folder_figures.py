"""FstCN's fig. 4 and fig. 5 of any folder of clips, one command each."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from actrec.__main__ import main
from actrec.core.errors import BadValue
from actrec.explain.activations import of_gallery
from actrec.explain.embedding import separability
from actrec.explain.of_folder import class_figures, class_sheet, gallery_from
from actrec.explain.saliency import ClassSaliency
from actrec.recognition.calibrated import unit
from actrec.recognition.recognizer import Recognizer
from actrec.systems import named

ROOT = Path(__file__).resolve().parents[2]
LABELS = ["JumpingJack", "sweep", "wave"]  # one in another spelling than the weights', one that they do not know


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A bright bar that goes up, to the right or down; three clips of each class and one file that is no clip."""
    home = tmp_path_factory.mktemp("made up")
    for place, label in enumerate(LABELS):
        for number in range(3):
            clip_folder = home / label / f"{number}"
            clip_folder.mkdir(parents=True)
            ground = np.random.default_rng([place, number]).integers(0, 40, (60, 80, 3), np.uint8)
            for t in range(24):
                frame = ground.copy()
                at = 4 + 2 * t
                if place == 1:
                    frame[:, at : at + 6] = 220 - 20 * number
                else:
                    row = at if place == 2 else 54 - at
                    frame[max(0, row) : max(0, row) + 6] = 220 - 20 * number
                cv2.imwrite(str(clip_folder / f"{t:02d}.png"), frame)
    (home / "sweep" / "broken.mp4").write_bytes(b"no film")
    return home


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def saliency() -> ClassSaliency:
    return ClassSaliency(Recognizer.load(ROOT / "weights" / "fstcn-synthetic", "cpu", only_torch=True))


def command(folder: Path, out: Path, *words: str) -> int:
    return main(["explain", str(folder), "--system", "fstcn", "--out", str(out), "--device", "cpu", *words])


def test_a_gallery_of_a_folder_takes_its_readable_clips_and_names_the_others(folder):
    left_out: list[str] = []
    gallery = gallery_from(str(folder), named("fstcn"), report=left_out.append)
    assert gallery.labels == ("JumpingJack",) * 3 + ("sweep",) * 3 + ("wave",) * 3
    assert len(left_out) == 1 and "broken" in left_out[0]
    fewer = gallery_from(str(folder), named("fstcn"), ["wave", "JumpingJack"], per_class=2)
    assert fewer.labels == ("JumpingJack",) * 2 + ("wave",) * 2
    whole = [gallery.clip(place).frames for place in (0, 2, 6, 8)]  # the first and the last of each class
    assert all(np.array_equal(fewer.clip(place).frames, frames) for place, frames in enumerate(whole))
    swept = gallery_from(str(folder), named("fstcn"), ["sweep"], per_class=3)  # four files, one of which is broken
    assert len(swept) == 3 and all(np.array_equal(swept.clip(n).frames, gallery.clip(3 + n).frames) for n in range(3))
    with pytest.raises(BadValue, match=r"no class 'jump' in .* It has: JumpingJack, sweep, wave"):
        gallery_from(str(folder), named("fstcn"), ["jump"])
    with pytest.raises(BadValue, match="At least one clip"):
        gallery_from(str(folder), named("fstcn"), per_class=0)


def test_the_features_of_fig_4_are_the_second_fc_of_both_paths_and_the_fc_behind_them(folder, saliency):
    gallery = gallery_from(str(folder), named("fstcn"), ["wave"])
    spaces = of_gallery(saliency, gallery).spaces
    network, system = saliency.network.eval(), named("fstcn")
    inputs = system.tensors([system.protocols["one"].views(gallery.clip(place))[0] for place in range(3)])
    with torch.no_grad():
        maps = [network.lower(inputs[name].transpose(1, 2).flatten(0, 1)) for name in ("frames", "difference")]
        spatial = network.spatial.fc(network.spatial.between(maps[0].unflatten(0, (3, 5))[:, 2]).flatten(1))
        vectors = network.temporal.operator(network.temporal.between(maps[1]).unflatten(0, (3, 5)))
        temporal = network.temporal.fc(network.temporal.layer(vectors))
        both = network.fusion(torch.cat([spatial, temporal], 1))
    for name, features in {"spatial": spatial, "temporal": temporal, "spatio-temporal": both}.items():
        assert np.allclose(spaces[name], unit(features.numpy()), atol=1e-4), name
    assert list(spaces) == ["spatial", "temporal", "spatio-temporal"]


def test_fig_4_is_one_command(folder, saliency, tmp_path, capsys):
    assert command(folder, tmp_path / "out", "--only", "map", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["clips"] == 9 and set(report["parts"]) == {"map"}
    files = [tmp_path / "out" / f"map-{name}.svg" for name in ("spatial", "temporal", "spatio-temporal")]
    assert set((tmp_path / "out").iterdir()) == set(files) == {Path(file) for file in report["parts"]["map"]["files"]}
    for file in files:
        text = file.read_text()
        assert text.count('class="dot"') == 9 and all(f">{label}</text>" in text for label in LABELS)
    gallery = gallery_from(str(folder), named("fstcn"))
    for name, codes in of_gallery(saliency, gallery).spaces.items():
        apart = separability(codes, gallery.labels)
        assert report["parts"]["map"]["separability"][name]["silhouette"] == pytest.approx(apart.silhouette, abs=1e-3)


def test_fig_5_is_one_command(folder, saliency, tmp_path, capsys):
    assert command(folder, tmp_path / "out", "--only", "saliency", "--json", "--per-class", "2") == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["parts"]) == {"saliency"} and report["clips"] == 6
    rows = {row["class"]: row for row in report["parts"]["saliency"]["classes"]}
    assert rows["wave"]["explained"] == "wave" and rows["JumpingJack"]["explained"] == "jumping jack"
    assert rows["sweep"]["explained"] in saliency.recognizer.labels  # not known: what the network answers
    image = cv2.imread(str(tmp_path / "out" / "saliency-of-classes.png"))
    # three frames of 60 × 80 at a height of 200 in a column, over a line of 26 pixels
    assert image.shape == (3 * 200 + 26, 3 * 267, 3)
    assert image.reshape(-1, 3).std(0).min() > 10


def test_each_class_is_shown_by_the_clip_that_the_network_is_surest_of(folder, saliency):
    gallery = gallery_from(str(folder), named("fstcn"))
    figures = {figure.label: figure for figure in class_figures(saliency, gallery)}
    recognizer = saliency.recognizer
    for label, first, known in (("JumpingJack", 0, "jumping jack"), ("wave", 6, "wave")):
        scores = [recognizer.predict(gallery.clip(first + n)).scores[recognizer.index(known)] for n in range(3)]
        assert figures[label].clip == first + int(np.argmax(scores))
    mean = np.mean([recognizer.predict(gallery.clip(3 + n)).scores for n in range(3)], axis=0)
    assert figures["sweep"].explained == recognizer.labels[int(mean.argmax())]
    for figure in figures.values():
        assert figure.map.shape == figure.frame.shape[:2] and figure.map.min() >= 0 and 0.5 < figure.map.max() <= 1
    column = class_sheet([figures["wave"]])
    assert np.array_equal(column[:200], cv2.resize(figures["wave"].frame, (267, 200), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--only", "layers"], "Of a folder there is saliency and map. 'layers' explains a single clip"),
        (["--label", "wave"], "leave --label out, or name a clip"),
        (["--classes", "jump"], "There is no class 'jump'"),
    ],
)
def test_what_a_folder_has_not_is_said_in_words(folder, tmp_path, capsys, words, sentence):
    assert command(folder, tmp_path, *words) == 2
    assert sentence in capsys.readouterr().err


def test_classes_of_a_single_clip_are_refused_in_words(tmp_path, capsys):
    clip = ROOT / "assets" / "examples" / "squat.mp4"
    assert command(clip, tmp_path, "--classes", "squat") == 2
    assert "chooses among the classes of a folder" in capsys.readouterr().err
