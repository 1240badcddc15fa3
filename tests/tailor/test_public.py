"""A public YOLO: its pickle is taken apart without being run."""

from __future__ import annotations

import contextlib
import http.server
import pathlib
import threading
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from actrec.people import find, open_detector, public
from actrec.people.detector import DetectorError, PersonDetector, build
from actrec.people.public import public_detector, read_pickled
from actrec.people.quarantine import quarantine
from actrec.weights.catalogue import CATALOGUE
from actrec.weights.download import sha256_of

NAMES = {0: "person"} | {i: f"thing {i}" for i in range(1, 80)}


def publish(path: pathlib.Path, key: str, names: dict[int, str] = NAMES, **more: object) -> torch.nn.Module:
    """Write what ultralytics publishes: a pickle of the whole network in half precision, and how it was trained."""
    torch.manual_seed(0)
    network = build(f"{key}.yaml", 80).half()
    network.names = names
    about = {"epoch": -1, "ema": None, "train_args": {"data": "coco.yaml", "save_dir": pathlib.Path("runs")}}
    with quarantine():
        torch.save(about | {"model": network, "train_metrics": {"fitness": np.float64(0.4)}} | more, path)
    return network


@pytest.mark.parametrize("key", ["yolo26n", "yolo11n"])
def test_the_tensors_come_out_of_the_pickle_as_they_went_in(tmp_path, key):
    network = publish(tmp_path / "x.pt", key)
    state, names = read_pickled(tmp_path / "x.pt")
    expected = network.float().state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert names == tuple(NAMES.values())


class Evil:
    """What a pickle can do to the one who loads it."""

    def __init__(self, witness: pathlib.Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple:
        return pathlib.Path.touch, (self.witness,)


def test_a_pickle_that_wants_to_run_something_is_refused(tmp_path):
    witness = tmp_path / "ran"
    publish(tmp_path / "x.pt", "yolo26n", extra=Evil(witness))
    with contextlib.suppress(DetectorError):
        read_pickled(tmp_path / "x.pt")
    assert not witness.exists()


def test_a_pickle_that_names_a_shell_is_refused_by_name(tmp_path):
    import os

    class Shell:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    torch.save({"model": Shell()}, tmp_path / "x.pt")
    with pytest.raises(DetectorError, match=r"uses posix\.system"):
        read_pickled(tmp_path / "x.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_checkpoint_is_a_sentence(tmp_path, content):
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(DetectorError, match=r"x\.pt cannot be read as ultralytics weights"):
        read_pickled(tmp_path / "x.pt")


def test_a_detector_without_people_is_refused(tmp_path):
    publish(tmp_path / "x.pt", "yolo26n", names={i: f"thing {i}" for i in range(80)})
    with pytest.raises(DetectorError, match="holds no detector of people"):
        read_pickled(tmp_path / "x.pt")


def test_asking_for_a_public_detector_fetches_converts_and_opens_it(tmp_path, monkeypatch):
    served = tmp_path / "served"
    served.mkdir()
    network = publish(served / "yolo26n.pt", "yolo26n")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    entry = replace(
        CATALOGUE["yolo26n"],
        url=f"http://127.0.0.1:{server.server_port}/yolo26n.pt",
        sha256=sha256_of(served / "yolo26n.pt"),
        bytes=(served / "yolo26n.pt").stat().st_size,
    )
    monkeypatch.setitem(public.CATALOGUE, "yolo26n", entry)
    monkeypatch.setattr(find, "SHIPPED", tmp_path / "nothing")
    try:
        assert open_detector(folder=tmp_path / "cache") is None  # nothing is fetched unless asked
        detector = open_detector(folder=tmp_path / "cache", download=True)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert isinstance(detector, PersonDetector)
    assert detector.card.classes[detector.card.person] == "person" and detector.card.licence.startswith("AGPL")
    # from now on it is there without a server
    assert open_detector(folder=tmp_path / "cache").card == detector.card
    assert public_detector(folder=tmp_path / "cache") == tmp_path / "cache" / "yolo26n"
    picture = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        network.float().eval().end2end = True
        expected = network(picture)[0]
        found = detector.network(picture.contiguous(memory_format=torch.channels_last))[0]
    assert torch.allclose(found, expected, atol=1e-3)
