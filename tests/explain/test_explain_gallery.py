"""The gallery that ships, and the command that writes everything for slides."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from actrec import synthetic
from actrec.__main__ import main
from actrec.data.drawn import FPS, GALLERY
from actrec.explain.gallery import LENGTH, VIDEOS, gallery_of, shipped
from actrec.video.read import read_clip

ROOT = Path(__file__).resolve().parents[2]


def test_the_films_that_ship_hold_the_clips_of_their_seeds():
    gallery = gallery_of(synthetic.SIX)
    assert len(gallery) == 96 and gallery.labels[:6] == tuple(synthetic.SIX)
    assert len(gallery.clip(0)) == LENGTH and gallery.thumbs().shape == (96, 64, 64, 3)
    place = 6 * 3 + 1  # the fourth wave
    drawn = synthetic.render("wave", GALLERY + 3, frames=48, size=112, fps=FPS).frames[:LENGTH]
    other = synthetic.render("wave", GALLERY + 4, frames=48, size=112, fps=FPS).frames[:LENGTH]
    kept = gallery.clip(place).frames.astype(int)
    assert gallery.labels[place] == "wave"
    # compression takes some of the grain away: a few levels of 256
    assert np.abs(kept - drawn).mean() < 6 < 10 < np.abs(kept - other).mean()


def test_a_gallery_without_films_is_not_taken_from_them(tmp_path):
    assert shipped(["wave", "no such action"]) is None
    assert shipped(["wave"], tmp_path) is None
    assert (VIDEOS / "wave.mp4").is_file()


def test_labels_that_cannot_be_drawn_get_the_six_actions():
    assert set(gallery_of(["read", "sit"]).labels) == set(synthetic.SIX)


def test_explain_writes_what_the_page_shows(tmp_path, capsys):
    clip, out = str(ROOT / "assets" / "examples" / "squat.mp4"), tmp_path / "new" / "folder"
    words = ["explain", clip, "--system", "fstcn", "--out", str(out), "--device", "cpu", "--json"]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said["parts"]) == {"saliency", "truth", "layers", "neurons", "map"}
    files = [Path(file) for part in said["parts"].values() for file in part["files"]]
    assert all(file.stat().st_size > 500 for file in files)
    assert set(out.iterdir()) == set(files)
    assert len(read_clip(out / "class-saliency.mp4")) == 48
    assert set(said["parts"]["map"]["separability"]) == {"spatial", "temporal", "spatio-temporal"}
    assert set(said["parts"]["truth"]["gains"]) == {"class saliency", "SmoothGrad", "Grad-CAM"}
    assert "<text" in (out / "map-spatio-temporal.svg").read_text()


def test_explain_asks_the_weights_with_the_options_of_a_test(tmp_path, capsys):
    clip, maps = str(ROOT / "assets" / "examples" / "squat.mp4"), {}
    for kind in ("none", "moving"):
        words = ["--system", "ms3d", "--option", f"tailor={kind}", "--only", "saliency", "--device", "cpu", "--json"]
        assert main(["explain", clip, "--out", str(tmp_path / kind), *words]) == 0
        files = json.loads(capsys.readouterr().out)["parts"]["saliency"]["files"]
        maps[kind] = {Path(file).name: Path(file).read_bytes() for file in files}
    assert maps["none"].keys() == maps["moving"].keys() and maps["none"]
    assert all(maps["none"][name] != maps["moving"][name] for name in maps["none"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--label", "fly"], "have no class 'fly'"),
        (["--weights", "none"], "There are no weights 'none'"),
        (["--system", "ms3d", "--option", "alpha=0.3"], "--option alpha is decided in training"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_words(tmp_path, capsys, without_starts, words, said):
    clip = str(ROOT / "assets" / "examples" / "squat.mp4")
    assert main(["explain", clip, "--out", str(tmp_path), *words]) == 2
    assert said in capsys.readouterr().err
