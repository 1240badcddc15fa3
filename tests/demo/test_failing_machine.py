"""When the machine fails: a GPU without memory or gone, a temporary folder that is full."""

from __future__ import annotations

import copy
import errno
import os
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import torch

from actrec.explain.over_time import Windows
from actrec.models.layers import for_inference
from actrec.recognition.engines.engine import Answer
from actrec.recognition.engines.torch_engine import TorchEngine
from actrec.recognition.recognizer import Recognizer
from actrec.systems import Views
from actrec.video import VideoError
from actrec.video.read import read_clip
from demo.server.services import Services
from demo.shared import trainings
from demo.shared.files import fresh_file
from demo.tabs import clip, embeddings, motion, saliency, teach

ROOT = Path(__file__).resolve().parents[2]
WAVE = ROOT / "assets/examples/wave.mp4"
NAME = "asym3d-synthetic"


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    services = Services(ROOT / "weights", "cpu")
    services.start()
    yield services
    services.close()


@pytest.fixture
def on_gpu() -> Recognizer:
    """A recognizer that believes in a GPU: what it sends there meets torch's own refusal on this machine."""
    if torch.cuda.is_available():
        return Recognizer.load(ROOT / "weights" / NAME, "cuda")
    recognizer = Recognizer.load(ROOT / "weights" / NAME, "cpu")
    recognizer.device = torch.device("cuda")
    recognizer._engine = TorchEngine(recognizer.system, recognizer._plain, torch.device("cpu"))
    recognizer._engine.device = recognizer.device
    return recognizer


def test_a_gpu_that_is_gone_leaves_the_answer_to_the_processor_and_says_so(on_gpu, services, monkeypatch):
    clip = read_clip(WAVE, short_side=120)
    expected = services.recognizer(NAME).predict(clip)
    if torch.cuda.is_available():
        monkeypatch.setattr(on_gpu.system.__class__, "tensors", _lost(on_gpu.system.__class__.tensors))
    prediction = on_gpu.predict(clip)
    assert prediction.label == expected.label and np.allclose(prediction.scores, expected.scores, atol=0.02)
    assert on_gpu.device.type == "cpu" and "does not answer" in on_gpu.notice
    assert on_gpu.predict(clip).label == expected.label  # and it stays there


def _lost(tensors):
    def lost(self, views, device):
        if device.type == "cuda":
            raise RuntimeError("CUDA error: unspecified launch failure")
        return tensors(self, views, device)

    return lost


def test_a_gpu_without_memory_is_told_in_the_status_strip(services, monkeypatch):
    recognizer = copy.copy(services.recognizer(NAME))
    recognizer._lock, recognizer.device = threading.Lock(), torch.device("cuda")
    recognizer._engine = SimpleNamespace(name="PyTorch bfloat16 channels-last", answer=_no_memory)
    monkeypatch.setitem(services._recognizers, NAME, (services._recognizers[NAME][0], recognizer))
    answer = clip.classify(services, str(WAVE), NAME, clip.OWN, None).answer
    assert "wave" in answer
    assert "no memory left" in services.status_line()


def _no_memory(_: list[Views]) -> Answer:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_what_is_wrong_with_the_network_itself_is_not_hidden(services):
    recognizer = copy.copy(services.recognizer(NAME))
    recognizer._engine = SimpleNamespace(name="PyTorch float32 contiguous", answer=_no_memory)
    with pytest.raises(torch.OutOfMemoryError):
        recognizer.predict(read_clip(WAVE, short_side=120))


@pytest.fixture
def full(tmp_path, monkeypatch) -> Iterator[Path]:
    """A temporary folder on a disk of 96 kB, of which little is left."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(place)], capture_output=True)
    if done.returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        (place / "filler").write_bytes(bytes(88 << 10))
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(place))
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_on_a_full_disk_the_answer_stands_and_what_cannot_be_written_is_a_sentence(services, full, monkeypatch):
    warnings = []
    monkeypatch.setattr(gr, "Warning", warnings.append)
    shown = clip.classify(services, str(WAVE), NAME, clip.OWN, None)
    assert "wave" in shown.answer and shown.salience is None and "no disk space left" in warnings[0]
    with pytest.raises(gr.Error, match="no disk space left"):
        clip.files(services, shown.result)
    clues = motion.find(services, str(WAVE), "dis", 0).watched
    with pytest.raises(gr.Error, match="no disk space left"):
        motion.watch("salience", clues)
    taught = teach.learn(services, None, NAME, "wave", False, None, [str(WAVE)])
    with pytest.raises(gr.Error, match=r"no disk space left|No space left"):
        teach.export(taught)
    left = {path for path in full.rglob("*") if path.is_file() and path.stat().st_size}
    assert left == {full / "filler"}  # nothing half written


def test_a_disk_that_fills_half_way_is_a_sentence_too(services, tmp_path, monkeypatch):
    def no_room(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/a/place/that/is/no/ones/business")

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr("actrec.video.write.write_mp4", lambda path, *_: path)
    monkeypatch.setattr(Path, "write_text", no_room)
    with pytest.raises(gr.Error, match="no disk space left"):
        clip.files(services, clip.Result(str(WAVE), {}, ()))
    monkeypatch.setattr("actrec.video.write.write_mp4", no_room)
    frames = SimpleNamespace(frames=None, fps=None)
    with pytest.raises(gr.Error, match="no disk space left"):
        embeddings.play(services, SimpleNamespace(gallery=SimpleNamespace(clip=lambda _: frames, labels=["wave"])), 0)
    run = SimpleNamespace(ask_to=no_room, forget=no_room, status=lambda: {"state": "paused"})
    monkeypatch.setattr(trainings, "chosen", lambda *_: run)
    for act in (partial(trainings.ask, None, "stop"), partial(trainings.resume, None)):
        with pytest.raises(gr.Error, match="no disk space left"):
            act("mine")


@pytest.mark.parametrize("name", ["push/pull.mp4", "x" * 300 + ".mp4", "手" * 300 + ".mp4", "a\0b.mp4", "../../x.mp4"])
def test_any_label_can_be_part_of_a_files_name(tmp_path, monkeypatch, name):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    path = fresh_file(name)
    path.touch()
    assert path.suffix == ".mp4" and path.parent.parent == tmp_path


def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(services, tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match="not a file"):
        services.read(tmp_path / "pipe.mp4")


def test_a_gpu_that_fails_while_a_network_is_looked_into_is_told_and_the_next_press_does_without(
    on_gpu, services, monkeypatch
):
    monkeypatch.setitem(services._recognizers, NAME, (services._recognizers[NAME][0], on_gpu))
    if not torch.cuda.is_available():  # the network is there, what it computes fails
        monkeypatch.setattr(Recognizer, "network", property(lambda self: for_inference(self._plain)))
    asked = saliency.Asked(NAME, Windows.of(on_gpu.system, read_clip(WAVE, short_side=120)), "wave")
    monkeypatch.setattr(torch.autograd, "grad", _lost_once(torch.autograd.grad))
    with pytest.raises(gr.Error, match=r"computes on the processor now.*Try again"):
        saliency.show(services, asked, "wave", 1)
    assert "What the score of" in saliency.show(services, asked, "wave", 1).maps


def _lost_once(work):
    calls = iter(range(10**6))

    def lost(*inputs: object, **options: object) -> object:
        if next(calls) == 0:
            raise RuntimeError("CUDA error: unspecified launch failure")
        return work(*inputs, **options)

    return lost
