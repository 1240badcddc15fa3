"""What strangers say stays what it is: a folder they may use, a name, a text; never a path, markup or code."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from demo.server.services import Services
from demo.shared import weights_picker
from demo.shared.answer import taught_answer
from demo.shared.html import table, verdict
from demo.shared.trainings import Trainings, line, start
from demo.tabs import teach, train

ROOT = Path(__file__).resolve().parents[2]
RUNS_CODE = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.load", "pickle.loads",
    "pickle.Unpickler", "joblib.load", "yaml.load", "marshal.loads",
}  # fmt: skip
HTML = '<img src=x onerror="alert(1)">'


def test_folders_are_confined_where_others_use_the_page(tmp_path):
    mine = tmp_path / "mine"
    (mine / "class").mkdir(parents=True)
    shared = Trainings(tmp_path / "runs", [mine])
    assert shared.confined("synthetic:six") == "synthetic:six"
    assert shared.confined(str(mine / "class")) and shared.confined(str(shared.fresh_data()))
    outside = (
        "/etc", str(tmp_path), str(mine / ".." / "other"), f"{mine}-not", "~", "~root", "synthetic/../../etc",
        "synthetic:../../etc", "synthetic:six+/etc", f"synthetic:six+synthetic:webcam+{tmp_path}",
        "recorded:/etc", "synthetic:six+recorded:../../etc",
    )  # fmt: skip
    for folder in outside:
        with pytest.raises(gr.Error, match="Others use this page"):
            shared.confined(folder)
        with pytest.raises(gr.Error, match="Others use this page"):
            start(shared, {"name": "a", "data": folder, "system": "asym3d"})
    assert Trainings(tmp_path / "runs").confined("/etc") == "/etc"


def test_a_visitor_learns_from_no_other_visitors_clips(tmp_path, monkeypatch):
    shared, folders = Trainings(tmp_path / "runs", []), {}
    for visitor in ("one", "two"):
        monkeypatch.setattr("demo.shared.trainings.current_visitor", lambda visitor=visitor: visitor)
        folders[visitor] = shared.fresh_data()
        (folders[visitor] / "class").mkdir(parents=True)
    mine, other = folders["two"], folders["one"]
    assert shared.confined(str(mine)) == str(mine) and shared.confined(str(mine / "class")) == str(mine / "class")
    for outside in (mine.parent, other, other / "class", mine / ".." / other.name, f"synthetic:six+{other}"):
        with pytest.raises(gr.Error, match="Others use this page"):
            shared.confined(str(outside))


def test_what_was_looked_at_is_what_is_learned_from(tmp_path, monkeypatch):
    """A path is not read twice: what it leads to is given to the training, whatever becomes of it meanwhile."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    shared, starts = Trainings(tmp_path / "runs", [tmp_path / "mine"]), []
    monkeypatch.setattr(shared, "begin", lambda *arguments: starts.append(arguments))
    start(shared, {"name": "a", "data": f"synthetic:six+{tmp_path}/link/../link", "system": "asym3d"})
    words = starts[0][1]
    assert words[words.index("--data") + 1] == f"synthetic:six+{tmp_path}/mine"


def test_weights_go_by_name_and_never_by_path():
    services = Services(ROOT / "weights", "cpu")
    for name in ("../weights/asym3d-synthetic", str(ROOT / "weights" / "asym3d-synthetic"), ".."):
        with pytest.raises(Exception, match="name of their folder"):
            services._open(name)


def test_weights_of_the_same_name_elsewhere_are_not_taken(tmp_path, monkeypatch):
    """A downloaded folder in which the page is started must not stand in for the page's own weights."""
    mine, other = tmp_path / "weights", tmp_path / "unpacked"
    for folder, label in ((mine, "wave"), (other, "surprise")):
        shutil.copytree(ROOT / "weights" / "asym3d-synthetic", folder / "asym3d-synthetic")
        card = folder / "asym3d-synthetic" / "card.json"
        card.write_text(card.read_text().replace('"wave"', f'"{label}"'))
    monkeypatch.chdir(other)
    assert "wave" in Services(mine, "cpu")._open("asym3d-synthetic").labels
    with pytest.raises(Exception, match="name of their folder"):
        Services(tmp_path / "none", "cpu")._open("asym3d-synthetic")
    trainings, starts = Trainings(tmp_path / "runs", weights=mine), []
    monkeypatch.setattr(trainings, "begin", lambda *arguments: starts.append(arguments[1]))
    asked = {"data": "synthetic:six", "system": "asym3d", "preset": "scratch", "epochs": 1, "clips_per_class": 2}
    start(trainings, {**asked, "name": "a", "start_from": "asym3d-synthetic"})
    start(trainings, {**asked, "name": "b", "start_from": "at random"})
    assert starts[0][starts[0].index("--start-from") + 1] == str(mine / "asym3d-synthetic")
    assert "--start-from" not in starts[1]
    asked |= {"name": "a", "start_from": "asym3d-all"}
    assert "--start-from weights/asym3d-all" in line(Trainings(tmp_path), asked)


@pytest.mark.parametrize("name", ["../../etc/x", "/tmp/x", "a/b", "..", "<b>"])
def test_a_runs_name_stays_a_name(tmp_path, name, monkeypatch):
    trainings, starts = Trainings(tmp_path), []
    monkeypatch.setattr(trainings, "begin", lambda *arguments: starts.append(arguments))
    try:
        start(trainings, {"name": name, "data": "synthetic:six", "system": "asym3d", "epochs": 1})
    except gr.Error:
        assert name == ".."
        return
    ((run, words),) = starts
    assert set(run) <= set("abcdefghijklmnopqrstuvwxyz-.0123456789")
    assert Path(words[-1]).resolve().parent == tmp_path.resolve()


def test_the_words_of_a_run_are_not_read_from_elsewhere(tmp_path):
    trainings = Trainings(tmp_path / "runs")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".mine.txt").write_text("first\nthe last words\n")
    (tmp_path / "secret.txt").write_text("the secret\n")
    assert "the last words" in train.summary(trainings, "mine")
    for name in ("/../secret", "/" + "../" * 12 + f"{tmp_path}/secret"[1:], "a\0b", "x" * 300):
        for shown in (train.summary(trainings, name), str(train.show(trainings, name, None))):
            assert "the secret" not in shown
        assert "There is no run of this name" in train.summary(trainings, name)


def test_names_and_labels_are_escaped_everywhere(tmp_path):
    from dataclasses import replace

    from actrec.figures import charts
    from actrec.recognition.taught import Lesson, Taught
    from actrec.training.run import Run
    from actrec.training.settings import Settings
    from demo.shared.toasts import refusal

    card = replace(next(iter(Services().cards.values())), name=HTML, labels=[HTML, "b"], trained_on=HTML, people=HTML)
    services = Services(tmp_path)
    services._cards = ((), {"x": card})
    codes = np.eye(4, dtype=np.float32)
    lessons = tuple(Lesson(HTML if row < 2 else "b", codes[row : row + 1], HTML, b"") for row in range(4))
    taught = Taught(weights="x", sha256="", lessons=lessons, name=HTML)
    trainings = Trainings(tmp_path)
    run = Run.create(tmp_path / "r", Settings(system="asym3d", data=HTML, name=HTML))
    run.set_status("failed", HTML)
    shown = {
        "about": weights_picker.about(services, "x"),
        "table": table((HTML,), [(HTML,), ("1" + HTML,)], HTML),
        "verdict": verdict(HTML, True, HTML),
        "classes": teach.classes(taught),
        "map": taught.map(),
        "answer": taught_answer(taught, codes[0]).html(),
        "state": teach.state_of(taught),
        "run": train.summary(trainings, "r"),
        "starting": train.summary(trainings, HTML),
        "matrix": charts.matrix(np.ones((2, 2)), [HTML, "b"], HTML),
        "toast": refusal(HTML).message,
    }
    assert {name for name, html in shown.items() if "<img" in html or 'onerror="' in html} == set()


def test_no_code_comes_out_of_a_file():
    """Nothing unpickles, evaluates or asks a shell; `torch.load` only with `weights_only=True`."""
    places = []
    for path in [ROOT / "app.py", *(ROOT / "actrec").rglob("*.py"), *(ROOT / "demo").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
            bad = (
                name in ("eval", "exec", "os.system", "os.popen", "compile", "__import__")
                or name
                in ("pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load", "yaml.load", "marshal.loads")
                or (name == "torch.load" and keywords.get("weights_only") != "True")
                or (name == "np.load" and keywords.get("allow_pickle", "False") != "False")
                or keywords.get("shell", "False") != "False"
            )
            places += [f"{path.relative_to(ROOT)}:{node.lineno} {name}"] * bad
    assert places == []
