"""Bad input at the level of callbacks: the core's sentence as a toast, the set as it was, nothing on the disk."""

from __future__ import annotations

import shutil
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

from demo import api
from demo.server.services import Services
from demo.shared.answer import taught_answer
from demo.shared.trainings import Trainings, examined, from_taught, from_zip
from demo.tabs import clip, teach, train

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "video"))  # for `corpus`, which is no package of its own
import corpus  # noqa: E402

KINDS = (
    "empty", "text", "noise", "playlist", "playlist named mp4", "concat list", "picture", "wav", "m4a",
    "cut before its index", "unknown codec in mp4", "no frame", "one frame", "8K",
)  # fmt: skip


@pytest.fixture(scope="module")
def services(tmp_path_factory) -> Iterator[Services]:
    services = Services(ROOT / "weights", "cpu", runs=tmp_path_factory.mktemp("runs"))
    services.start()
    yield services
    services.close()


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> dict[str, tuple[Path, set[str]]]:
    return corpus.refused(tmp_path_factory.mktemp("broken"))


@pytest.fixture
def upload(tmp_path, monkeypatch):
    """Puts a file where Gradio puts uploads; `left` lists what is still there."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))

    def put(path: Path, name: str | None = None) -> str:
        (folder / "0123abcd").mkdir(exist_ok=True)
        return str(shutil.copy(path, folder / "0123abcd" / (name or path.name)))

    put.left = lambda: [path for path in folder.rglob("*") if path.is_file()]
    return put


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_broken_clip_is_refused_in_every_tab(services, broken, upload, kind):
    path = broken[kind][0]
    calls = {
        "clip": lambda up: clip.classify(services, up, None, clip.OWN, None),
        "teach": lambda up: teach.learn(services, None, None, "wave", False, up, None),
        "api": lambda up: api.classify(services, up, "", False, None),
    }
    for name, call in calls.items():
        with pytest.raises(gr.Error) as refused:
            call(upload(path))
        sentence = refused.value.message
        assert sentence[0].isupper() and sentence.endswith("."), (name, sentence)
        assert upload.left() == [], name


def test_one_broken_clip_among_good_ones_is_said_and_the_others_are_learned(services, broken, upload, monkeypatch):
    warnings = []
    monkeypatch.setattr(gr, "Warning", warnings.append)
    good = ROOT / "assets/examples/squat.mp4"
    files = [upload(good), upload(broken["text"][0], "<img src=x>.mp4"), upload(good, "again.mp4")]
    taught = teach.learn(services, None, None, "<b>knees</b>", False, None, files)
    assert len(taught.lessons) == 2 and upload.left() == []
    assert len(warnings) == 1 and "&lt;img src=x&gt;" in warnings[0] and "<img" not in warnings[0]
    for shown in (teach.classes(taught), taught.map(), taught_answer(taught, taught.lessons[0].codes[0]).html()):
        assert "<b>knees" not in shown and "knees" in shown


def test_a_refused_clip_leaves_what_was_taught_as_it_was(services, broken, upload):
    good = ROOT / "assets/examples/squat.mp4"
    taught = teach.learn(services, None, None, "knees", False, upload(good), None)
    before = taught.lessons
    with pytest.raises(gr.Error):
        teach.learn(services, taught, None, "more", False, upload(broken["noise"][0]), None)
    assert taught.lessons is before


def test_what_is_no_taught_set_is_refused_and_gone(services, upload, tmp_path):
    bomb = tmp_path / "set.taught"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../evil", bytes(1 << 20))
    with pytest.raises(gr.Error, match="not a set of taught actions"):
        teach.bring(services, upload(bomb))
    assert upload.left() == []


def test_a_set_goes_out_and_comes_back(services, upload):
    good = ROOT / "assets/examples/squat.mp4"
    taught = teach.learn(services, None, None, "knees", False, None, [upload(good), upload(good, "b.mp4")])
    out = Path(teach.export(taught))
    back = teach.bring(services, str(out))
    assert back.labels == ("knees",) and len(back.lessons[0].video) > 1000
    assert upload.left() == []


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"../wave/1.mp4": "x"}, "leads out"),
        ({"wave/1.zip": "x", "wave/1.mp4": "x"}, "another archive"),
        ({"wave/1.mp4": bytes(40 << 20)}, "hundredfold"),
        ({f"wave/{number}.mp4": "" for number in range(10_000)}, "10000 files"),
        ({"wave/1.mp4": "no video", "clap/1.mp4": "neither"}, "None of the 2 clips"),
    ],
)
def test_hostile_zips_are_refused_and_gone(services, upload, tmp_path, files, sentence):
    path = tmp_path / "clips.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    trainings = Trainings(tmp_path / "runs")
    with pytest.raises(gr.Error, match=sentence):
        train.take_zip(trainings, upload(path))
    assert upload.left() == []
    assert [path for path in (tmp_path / "runs").rglob("*") if path.is_file()] == []


def test_a_strangers_clips_are_never_decoded_by_the_page_itself(upload, tmp_path, monkeypatch):
    def here(*_: object, **__: object):
        raise AssertionError("decoded in the page")

    for name in ("read_clip", "probe", "decode"):
        monkeypatch.setattr(f"actrec.video.read.{name}", here)
    path = tmp_path / "clips.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("wave", "clap"):
            for number in range(2):
                archive.write(ROOT / f"assets/examples/{name}.mp4", f"{name}/{number}.mp4")
        archive.writestr("wave/3.mp4", "no video")
    trainings = Trainings(tmp_path / "runs")
    folder, findings = from_zip(trainings, upload(path))
    assert any("4 clips in 2 classes" in finding for finding in findings) and "not a video" in " ".join(findings)
    assert examined(folder) == findings[1:]


def test_what_was_taught_becomes_a_data_set(services, upload, tmp_path):
    taught = None
    for name in ("squat", "wave"):
        example = ROOT / f"assets/examples/{name}.mp4"
        taught = teach.learn(
            services, taught, None, f"{name}/../x", False, None, [upload(example), upload(example, "b.mp4")]
        )
    folder = Path(from_taught(Trainings(tmp_path / "runs"), taught))
    assert sorted(path.name for path in folder.iterdir()) == ["squat-..-x", "wave-..-x"]
    assert "4 clips in 2 classes" in train.check(str(folder))


def test_two_visitors_who_press_start_together_get_one_training(tmp_path):
    trainings, together, ends = Trainings(tmp_path), threading.Barrier(2), []

    def press(name: str) -> None:
        together.wait()
        try:
            trainings.begin(name, ["list"])
            ends.append("started")
        except Exception as error:
            ends.append(str(error))

    visitors = [threading.Thread(target=press, args=(name,)) for name in ("one", "two")]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    trainings.child.wait(60)
    assert sorted(end[:7] for end in ends) == ["One tra", "started"]
