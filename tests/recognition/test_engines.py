"""Engines say what the network as it comes says; the fastest of those that do answers, and nobody waits for it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from actrec.core.devices import cores
from actrec.core.dirty_memory import ChildTooSlow
from actrec.core.number_formats import FLOAT32, Finding, known_finding, refusals
from actrec.recognition.engines import check, choice, openvino_engine, stored
from actrec.recognition.engines.engine import thread_budget
from actrec.recognition.engines.opening import engine_names, open_engine
from actrec.recognition.engines.openvino_engine import OpenVINOEngine
from actrec.recognition.engines.torch_engine import TorchEngine
from actrec.recognition.recognizer import Recognizer
from actrec.systems import SYSTEMS, Views, named
from actrec.weights.cards import cards
from actrec.weights.checkpoint import fit, read_checkpoint

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted(  # what goes on from a published network is asked where that was fetched (test_published_i3d.py)
    name for name, card in cards(ROOT / "weights").items() if card.trunk is None
)
NAME = "asym3d-people"
CPU = torch.device("cpu")

pytestmark = pytest.mark.skipif(openvino_engine.version() is None, reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def found_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Recognizer]]:
    """A cache in which the engine of one network was found, by the real child, and the recognizer that asked."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("ACTREC_CACHE", str(folder))
        recognizer = Recognizer.load(ROOT / "weights" / NAME, "cpu")
        assert recognizer.engine.name == f"PyTorch {FLOAT32}" and not recognizer.settled
        recognizer.settle()
        yield folder, recognizer


@pytest.fixture
def cache(found_once: tuple[Path, Recognizer], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ACTREC_CACHE", str(found_once[0]))
    return found_once[0]


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def views_of(name: str, count: int = 1) -> list[Views]:
    return (check.checking_views(named(name)) * count)[:count]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_network_that_ships_answers_in_openvino_as_in_plain_pytorch(name, empty_cache):
    card, tensors = read_checkpoint(ROOT / "weights" / name)
    system = named(card.system, card.options)
    network = system.network(len(card.labels)).eval()
    fit(network, tensors, card)
    views = check.checking_views(system) + [
        {key: np.random.default_rng(5).integers(0, 256, value.shape, np.uint8) for key, value in views.items()}
        for views in check.checking_views(system)[:1]
    ]
    with torch.inference_mode():
        inputs = system.tensors(views)
        embedding = network.code(**inputs)
        scores = network.scores(embedding) if system.decides == "scores" else embedding[:, :0]
    shares = Recognizer.load(ROOT / "weights" / name, "cpu", only_torch=True).probabilities
    wanted = shares(scores.numpy(), embedding.numpy())
    for engine in (
        open_engine(engine_name, system, network, CPU)
        for engine_name in engine_names()
        if engine_name.startswith("OpenVINO")
    ):
        answer = engine.answer(views)
        assert all(part.dtype == np.float32 and len(part) == len(views) for part in answer)
        got, exact = shares(*answer), engine.dtype == "float32"
        assert np.abs(got - wanted).max() <= (1e-3 if exact else 0.02) and (got.argmax(1) == wanted.argmax(1)).all()
        np.testing.assert_allclose(answer[1], embedding.numpy(), atol=1e-3 if exact else 0.1 * np.abs(answer[1]).max())


def test_the_first_answer_waits_for_nothing_and_later_ones_say_the_same(found_once, cache):
    settled = found_once[1]
    assert settled.settled and settled.engine.name in known_finding(settled._choice.topic, thread_budget()).milliseconds
    first = Recognizer.load(ROOT / "weights" / NAME, "cpu", only_torch=True)
    views = views_of("asym3d", 7)
    np.testing.assert_allclose(
        settled.probabilities(*settled.run(views)), first.probabilities(*first.run(views)), atol=0.02
    )


def test_what_is_remembered_is_neither_checked_nor_timed_again(found_once, cache, monkeypatch):
    def asked(*_: object, **__: object) -> dict:
        raise AssertionError("asked again")

    monkeypatch.setattr(choice, "in_child", asked)
    again = Recognizer.load(ROOT / "weights" / NAME, "cpu")
    assert again.engine.name == found_once[1].engine.name and again.settled
    again.settle()
    with pytest.raises(AssertionError, match="asked again"):  # other weights of the same system are another network
        Recognizer.load(ROOT / "weights" / "asym3d-ut", "cpu").settle()


def test_who_asks_at_the_same_moment_waits_for_one_answer(empty_cache, monkeypatch):
    calls = []

    def slow(*_: object, **__: object) -> dict:
        calls.append(1)
        time.sleep(0.5)
        return {"chosen": "PyTorch float32 channels-last", "milliseconds": {}, "refused": {}}

    monkeypatch.setattr(choice, "in_child", slow)
    asking = [Recognizer.load(ROOT / "weights" / NAME, "cpu") for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(Recognizer.settle, asking))
    assert len(calls) == 1 and {recognizer.engine.name for recognizer in asking} == {"PyTorch float32 channels-last"}


def test_a_check_that_was_given_up_is_tried_again_and_refuses_nothing(empty_cache, monkeypatch):
    def slow(*_: object, **__: object) -> dict:
        raise ChildTooSlow("its check did not end within 600 s")

    monkeypatch.setattr(choice, "in_child", slow)
    recognizer = Recognizer.load(ROOT / "weights" / NAME, "cpu")
    recognizer.settle()
    assert recognizer.settled and recognizer.engine.name == f"PyTorch {FLOAT32}"
    assert recognizer._choice.known() is None and refusals() == []


def test_a_damaged_compiled_network_is_made_anew(found_once, cache):
    settled = found_once[1]
    name = next(engine_name for engine_name in engine_names() if engine_name.startswith("OpenVINO"))
    engine = open_engine(name, settled.system, settled._plain, CPU)
    place = settled._choice._place()
    stored.write(place, engine.store())
    whole = (place / "1.blob").read_bytes()
    (place / "1.blob").write_bytes(whole[:-9] + b"123456789")
    with pytest.raises(ValueError, match="damaged"):
        stored.read(place)
    views = views_of("asym3d", 4)
    np.testing.assert_allclose(settled._choice.open(name).answer(views)[0], engine.answer(views)[0], atol=1e-5)
    stored.write(place, engine.store())
    opened = settled._choice.open(name)
    np.testing.assert_allclose(opened.answer(views)[0], engine.answer(views)[0], atol=1e-5)


def test_the_oldest_compiled_networks_make_room(empty_cache, monkeypatch):
    monkeypatch.setattr(stored, "ALL", 1000)
    for number in range(4):
        stored.write(stored.place_of(str(number)), {1: bytes(400)})
        os.utime(stored.place_of(str(number)), (number, number))
    assert [stored.is_stored(stored.place_of(str(number))) for number in range(4)] == [False, False, True, True]
    assert stored.read(stored.place_of("3")) == {1: bytes(400)}


def test_an_engine_that_reads_memory_which_nobody_wrote_is_refused(monkeypatch):
    system, network = SYSTEMS["asym3d"], SYSTEMS["asym3d"].network(6).eval()
    honest = open_engine(f"PyTorch {FLOAT32}", system, network, CPU)

    class Unwritten:
        def __init__(self, share: float) -> None:
            self.share = share

        def answer(self, views: list[Views]) -> tuple[np.ndarray, np.ndarray]:
            scores, embedding = honest.answer(views)
            unwritten = np.empty(1 << 24, np.float32)[:6]  # so large that it comes from the system, as zeros
            return scores + self.share * unwritten, embedding

    fakes = {"OpenVINO float32": Unwritten(1.0), "OpenVINO bfloat16": honest, "PyTorch float32 contiguous": honest}
    monkeypatch.setattr(check, "open_engine", lambda name, *_: fakes[name])
    views = views_of("asym3d", 2)
    engines, refused = check.checked(system, network, list(fakes), views, lambda scores, _: _softmax(scores))
    assert list(engines) == ["OpenVINO bfloat16", "PyTorch float32 contiguous"]
    assert list(refused) == ["OpenVINO float32"] and "scores" in refused["OpenVINO float32"]


def _softmax(scores: np.ndarray) -> np.ndarray:
    raised = np.exp(scores - scores.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


def test_what_differs_is_named():
    wanted = np.array([[2.0, 0.0, 0.0]]), np.array([[1.0, 0.0]])
    shares = lambda scores, _: _softmax(scores)  # noqa: E731
    assert check.difference(wanted, wanted, shares) == ""
    assert "not numbers" in check.difference(wanted, (wanted[0] * np.nan, wanted[1]), shares)
    assert "differ by 0.68" in check.difference(wanted, (wanted[0][:, ::-1], wanted[1]), shares)  # (e²−1) / (e²+2)
    assert "embeddings differ by 1.41" in check.difference(wanted, (wanted[0], wanted[1][:, ::-1]), shares)
    near = np.log([[0.505, 0.495]]), wanted[1]
    assert check.difference(near, (near[0][:, ::-1], near[1]), shares) == "", "nearly equal classes may change places"


def test_pytorch_is_chosen_where_it_is_clearly_faster():
    assert check.chosen({"OpenVINO float32": 10.0, "PyTorch float32 channels-last": 8.0}).startswith("PyTorch")
    assert check.chosen({"OpenVINO float32": 10.0, "PyTorch float32 channels-last": 9.5}).startswith("OpenVINO")
    assert check.chosen({}) == f"PyTorch {FLOAT32}"


def test_a_recognizer_answers_with_pytorch_where_that_was_found_faster(empty_cache, monkeypatch):
    faster = "PyTorch float32 channels-last"
    monkeypatch.setattr(choice, "in_child", lambda *_, **__: {
        "chosen": faster, "milliseconds": {faster: 1.0, "OpenVINO float32": 5.0}, "refused": {}
    })  # fmt: skip
    recognizer = Recognizer.load(ROOT / "weights" / NAME, "cpu")
    recognizer.settle()
    assert recognizer.engine.name == faster
    assert Recognizer.load(ROOT / "weights" / NAME, "cpu").engine.name == faster


@pytest.mark.parametrize("name", [engine_name for engine_name in engine_names() if "contiguous" not in engine_name])
def test_threads_get_what_one_caller_gets(name):
    system = SYSTEMS["fstcn"]
    torch.manual_seed(0)
    engine = open_engine(name, system, system.network(5).eval(), CPU)
    rng = np.random.default_rng(0)
    blank = {key: value.shape[1:] for key, value in system.blank().items()}
    batches = [
        [{key: rng.integers(0, 256, shape, np.uint8) for key, shape in blank.items()} for _ in range(1 + number % 5)]
        for number in range(12)
    ]
    alone = [engine.answer(batch) for batch in batches]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(engine.answer, batches))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(other[0], one[0], atol=1e-5)
        np.testing.assert_allclose(other[1], one[1], atol=1e-5)


def test_an_engine_that_fails_hands_over_to_pytorch_and_says_so(found_once, cache, monkeypatch):
    recognizer = Recognizer.load(ROOT / "weights" / NAME, "cpu")
    views = views_of("asym3d", 3)
    wanted = recognizer.probabilities(*recognizer.run(views))
    name = next(engine_name for engine_name in engine_names() if engine_name.startswith("OpenVINO"))
    failing = open_engine(name, recognizer.system, recognizer._plain, CPU)
    monkeypatch.setattr(failing, "answer", _fail)
    recognizer._engine = failing
    np.testing.assert_allclose(recognizer.probabilities(*recognizer.run(views)), wanted, atol=0.02)
    assert recognizer.engine.name == f"PyTorch {FLOAT32}"
    assert NAME in recognizer.notice and "out of primitives" in recognizer.notice


def _fail(_: list[Views]) -> None:
    raise RuntimeError("out of primitives")


def test_a_network_that_cannot_be_converted_is_answered_by_pytorch_with_a_reason(monkeypatch):
    system, network = SYSTEMS["fstcn"], SYSTEMS["fstcn"].network(3).eval()
    monkeypatch.setattr(network, "code", lambda **inputs: torch.linalg.eigvals(torch.eye(128)[None]).real.float())
    monkeypatch.setattr(network, "scores", lambda embedding: embedding[:, :3])
    names = ["OpenVINO float32", f"PyTorch {FLOAT32}"]
    engines, refused = check.checked(system, network, names, views_of("fstcn"), lambda scores, _: _softmax(scores))
    assert list(engines) == names[1:] and "eigvals" in refused[names[0]]


def test_without_openvino_or_with_a_broken_one_pytorch_answers(empty_cache, tmp_path, monkeypatch):
    broken = tmp_path / "broken" / "openvino"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("import os\nos.abort()\n")  # as on a processor that lacks its instructions
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))
    recognizer = Recognizer.load(ROOT / "weights" / "fstcn-ut", "cpu")
    recognizer.settle()
    assert recognizer.engine.name.startswith("PyTorch") and recognizer.settled
    assert recognizer.engine.name in recognizer._choice.known().milliseconds, "PyTorch's formats are timed all the same"
    assert any("OpenVINO float32" in sentence and "status" in sentence for sentence in refusals())
    monkeypatch.setattr(openvino_engine, "version", lambda: None)
    assert [engine_name for engine_name in engine_names() if engine_name.startswith("OpenVINO")] == []
    assert Recognizer.load(ROOT / "weights" / "fstcn-ut", "cpu")._choice.topic.endswith("OpenVINO missing")


def test_an_engine_keeps_to_the_threads_that_its_process_has(monkeypatch):
    assert 1 <= thread_budget() <= cores()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert thread_budget() == 1 and openvino_engine._settings("float32")["INFERENCE_NUM_THREADS"] == 1
    finally:
        torch.set_num_threads(threads)


QUIET = """
    import os, sys
    from pathlib import Path

    calls = []
    sys.addaudithook(lambda event, args: calls.append((event, args)) if event.startswith("socket.") else None)
    from actrec.recognition.engines.check import checking_views
    from actrec.recognition.engines.opening import open_engine
    from actrec.systems import SYSTEMS
    import torch

    system = SYSTEMS["fstcn"]
    engine = open_engine("OpenVINO float32", system, system.network(3).eval(), torch.device("cpu"))
    assert engine.answer(checking_views(system))[0].shape == (3, 3)
    assert "openvino" in sys.modules
    reached = [call for call in calls if call[0] in ("socket.connect", "socket.getaddrinfo", "socket.sendto")]
    assert reached == [], reached
    assert not (Path.home() / "intel").exists(), list(Path.home().rglob("*"))
    print("quiet")
"""


def test_openvino_calls_nobody_and_leaves_nothing_at_home(tmp_path):
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(QUIET)], cwd=ROOT, env={**kept, "HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.split() == ["quiet"], done.stderr


def test_one_module_imports_openvino_and_hides_its_telemetry_first():
    files = [*ROOT.glob("actrec/**/*.py"), *ROOT.glob("demo/**/*.py"), *ROOT.glob("benchmarks/*.py"), ROOT / "app.py"]
    parsed = {path: ast.parse(path.read_text()) for path in files}
    importing = [path for path, tree in parsed.items() if any(map(_imports_openvino, ast.walk(tree)))]
    assert [path.name for path in importing] == ["openvino_engine.py"]
    text = importing[0].read_text()
    assert text.index('sys.modules["openvino_telemetry"] = None') < text.index("    import openvino\n\n    return")


def _imports_openvino(node: ast.AST) -> bool:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return any(name.split(".")[0] == "openvino" for name in names)


def test_training_imports_no_openvino(empty_cache, tmp_path):
    words = ["train", "--system", "fstcn", "--data", "synthetic:six", "--clips-per-class", "4", "--epochs", "1",
             "--out", str(tmp_path / "run")]  # fmt: skip
    code = f"import sys; from actrec.__main__ import main; print(main({words!r}), 'openvino' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.stdout.splitlines()[-1] == "0 False", done.stdout + done.stderr


def test_doctor_names_an_openvino_that_does_not_work(empty_cache, tmp_path, monkeypatch):
    from actrec.cli import machine_report

    assert [engine.state for engine in machine_report.engines()] == [machine_report.GOOD]
    broken = tmp_path / "openvino"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('no library for this processor')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (found,) = machine_report.engines()
    assert (
        found.state == machine_report.NOTE
        and "no library for this processor" in found.says
        and "pip install" in found.remedy
    )


def test_finding_without_a_child_that_can_build_the_system_stays_with_pytorch(empty_cache):
    from dataclasses import replace

    recognizer = Recognizer.load(ROOT / "weights" / NAME, "cpu")
    recognizer._choice.system = replace(recognizer.system, name="toy")
    assert recognizer._choice.find() == Finding(f"PyTorch {FLOAT32}")


def test_a_batch_is_cut_into_sizes_that_are_compiled_and_only_those_that_pay_are_kept():
    system = SYSTEMS["fstcn"]
    engine = open_engine("OpenVINO float32", system, system.network(3).eval(), CPU)
    assert isinstance(engine, OpenVINOEngine) and engine.sizes == (3, 1)
    views = views_of("fstcn", 8)
    whole = engine.answer(views)[0]
    np.testing.assert_allclose(whole, np.concatenate([engine.answer([view])[0] for view in views]), atol=1e-4)
    assert 1 in check.worthwhile(engine, views[0]) <= {1, 3}


@pytest.mark.parametrize(("weights", "rounded"), [("ms3d-synthetic", False), ("asym3d-synthetic", True)])
def test_where_class_centres_decide_no_engine_rounds_to_bfloat16(weights, rounded, monkeypatch):
    monkeypatch.setattr(choice, "engine_names", lambda: ["OpenVINO float32", "OpenVINO bfloat16", "PyTorch bfloat16"])
    names = Recognizer.load(ROOT / "weights" / weights, "cpu")._choice.names
    assert any("bfloat16" in name for name in names) == rounded


class Garbage:
    """An engine that was right when it was checked, and gives no numbers in use."""

    name, dtype, device = "OpenVINO bfloat16", "bfloat16", torch.device("cpu")

    def __init__(self, engine) -> None:
        self.engine = engine

    def answer(self, views):
        scores, embeddings = self.engine.answer(views)
        return scores * np.nan, embeddings


def test_an_engine_that_gives_no_numbers_in_use_is_left_and_the_weights_are_not_blamed():
    recognizer = Recognizer.load(ROOT / "weights" / NAME, "cpu")
    view = check.checking_views(recognizer.system)[:1]
    expected = TorchEngine(recognizer.system, recognizer._plain, recognizer.device).answer(view)[0]
    recognizer._engine = Garbage(recognizer.engine)
    assert np.allclose(recognizer.run(view)[0], expected, atol=1e-4)
    assert recognizer.engine.name.startswith("PyTorch") and "not numbers" in recognizer.notice
