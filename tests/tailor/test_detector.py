"""The YOLO detector: its format, its geometry against ultralytics' own, and ultralytics kept in its place."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from actrec.people.detector import Card, DetectorError, Letterbox, PersonDetector, build, read_card, save_detector
from actrec.people.quarantine import quarantine

ROOT = Path(__file__).resolve().parents[2]


def scenery() -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.clip(np.cumsum(rng.normal(0, 9, (180, 300, 3)), axis=1) + 120, 0, 255).astype(np.uint8)


def lively(architecture: str, classes: int = 1) -> torch.nn.Module:
    """An untrained YOLO that is set so that it sees something in a few places of the scenery, as a trained one does."""
    torch.manual_seed(0)
    network = build(architecture, classes)
    seen = torch.from_numpy(Letterbox(180, 300, 320).pictures(scenery()[None])).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = 1.0
        network.train()(seen)  # every feature varies about its mean
        head = network.eval().model[-1]
        answer = network(seen)[1]
        for scores, layers in (("one2many", head.cv3), ("one2one", getattr(head, "one2one_cv3", None))):
            if layers is None:
                continue
            logits = answer.get(scores, answer)["scores"]
            for layer in layers:  # logits get mean −3 and deviation 2
                layer[-1].weight.mul_(2 / logits.std())
                layer[-1].bias.sub_(logits.mean()).mul_(2 / logits.std()).sub_(3)
    return network


@pytest.fixture(scope="module", params=["yolo26n.yaml", "yolo11n.yaml"])
def saved(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("detector")
    save_detector(lively(request.param), folder, Card(request.param, image_size=320), half=False)
    return folder


@pytest.fixture(scope="module")
def picture():
    return scenery()


def test_boxes_are_those_of_ultralytics_own_predict(saved, picture):
    detector = PersonDetector.load(saved)
    ours = detector.detect(picture[None], confidence=0.5)[0]
    threads = torch.get_num_threads()
    with quarantine():
        from ultralytics.models.yolo.detect import DetectionPredictor

        network = build(detector.card.architecture, 1)
        network.load_state_dict(load_file(saved / "model.safetensors"))
        network.names = {0: "person"}
        options = {"imgsz": 320, "conf": 0.5, "iou": 0.7, "max_det": 300, "verbose": False, "save": False}
        options |= {"device": "cpu", "rect": True, "nms": not detector.end_to_end, "mode": "predict"}
        predictor = DetectionPredictor(overrides=options)
        predictor.setup_model(network.eval(), verbose=False)
        theirs = predictor(picture[..., ::-1].copy())[0].boxes.data.numpy()
    assert torch.get_num_threads() == threads
    assert 5 < len(theirs) < 200
    assert len(ours) == len(theirs)
    order_ours, order_theirs = np.lexsort(ours[:, :4].round(1).T), np.lexsort(theirs[:, :4].round(1).T)
    assert np.allclose(ours[order_ours], theirs[order_theirs, :5], atol=0.05)


def test_a_batch_gives_what_single_frames_give(saved, picture):
    detector = PersonDetector.load(saved)
    frames = np.stack([np.minimum(picture, 250) + np.uint8(shade) for shade in (0, 2, 5)])
    together = detector.detect(frames, confidence=0.5, batch=3)
    for frame, boxes in zip(frames, together, strict=True):
        alone = detector.detect(frame[None], confidence=0.5)[0]
        assert len(alone) == len(boxes) and np.allclose(alone, boxes, atol=0.1)
        assert (np.diff(boxes[:, 4]) <= 1e-6).all()  # best first


def test_only_people_are_answered():
    network = lively("yolo26n.yaml", classes=3)
    detector = PersonDetector(network, Card("yolo26n.yaml", classes=("cat", "person", "dog"), person=1))
    answer = torch.tensor([[0, 0, 9, 9, 0.9, 0], [1, 2, 3, 4, 0.5, 1], [5, 6, 7, 8, 0.8, 1], [1, 1, 2, 2, 0.1, 1.0]])
    assert torch.allclose(
        detector.people(answer, 0.25), torch.tensor([[5, 6, 7, 8, 0.8], [1, 2, 3, 4, 0.5]]), atol=1e-6
    )


def test_overlapping_boxes_of_one_person_are_suppressed():
    detector = PersonDetector(lively("yolo11n.yaml"), Card("yolo11n.yaml"))
    assert not detector.end_to_end
    # centre x, centre y, width, height, score in columns: twice the same person, then another one
    answer = torch.tensor([[50.0, 51, 200], [50, 50, 60], [20, 20, 20], [40, 40, 40], [0.8, 0.9, 0.5]])
    assert torch.allclose(
        detector.people(answer, 0.25), torch.tensor([[41.0, 30, 61, 70, 0.9], [190, 40, 210, 80, 0.5]])
    )


@pytest.mark.parametrize(
    ("size", "inner", "outer", "corner"),
    [
        ((240, 320), (240, 320), (256, 320), (8, 0)),
        ((480, 640), (240, 320), (256, 320), (8, 0)),
        ((100, 50), (320, 160), (320, 160), (0, 0)),
        ((270, 350), (247, 320), (256, 320), (4, 0)),  # 320 / 350 × 270 = 246.86; 9 rows are left: 4 and 5
    ],
)
def test_the_letterbox_by_hand(size, inner, outer, corner):
    box = Letterbox(*size, 320)
    assert (box.inner, box.outer, box.corner) == (inner, outer, corner)
    corners = np.array([[corner[1], corner[0], corner[1] + inner[1], corner[0] + inner[0], 0.5]])
    assert np.allclose(box.back(corners), [[0, 0, size[1], size[0], 0.5]], atol=1e-4)
    pictures = box.pictures(np.full((1, *size, 3), 7, np.uint8))
    assert pictures.shape == (1, *outer, 3)
    assert (pictures == 7).sum() == 3 * inner[0] * inner[1]


def test_weights_survive_saving_in_half_precision(tmp_path):
    network = lively("yolo26n.yaml")
    save_detector(network, tmp_path, Card("yolo26n.yaml", trained_on="nothing"))
    card = read_card(tmp_path)
    assert card.trained_on == "nothing" and len(card.sha256) == 64
    stored = load_file(tmp_path / "model.safetensors")
    for name, tensor in network.state_dict().items():
        assert torch.equal(
            stored[name].float(), tensor.half().float() if tensor.is_floating_point() else tensor.float()
        )
    assert (tmp_path / "model.safetensors").stat().st_size < 6e6
    assert sorted(p.name for p in tmp_path.iterdir()) == ["card.json", "model.safetensors"]


def test_a_card_that_does_not_fit_names_the_first_differing_tensor(tmp_path):
    save_detector(build("yolo26n.yaml", 1), tmp_path, Card("yolo26n.yaml"))
    state = load_file(tmp_path / "model.safetensors")
    state["model.0.conv.weight"] = torch.zeros(3, 3)
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(DetectorError, match="not the file its card was written for"):
        PersonDetector.load(tmp_path)
    card = json.loads((tmp_path / "card.json").read_text()) | {"sha256": ""}
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(DetectorError, match=r"model\.0\.conv\.weight is \[3, 3\] in the file and \[16, 3, 3, 3\]"):
        PersonDetector.load(tmp_path)


@pytest.mark.parametrize("text", ["[1]", "{", '{"architecture": "yolo26n.yaml", "person": 4}', '{"image_size": 320}'])
def test_a_broken_card_is_a_sentence(tmp_path, text):
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(DetectorError, match=r"card\.json"):
        read_card(tmp_path)


@pytest.mark.parametrize("name", ["../secret.yaml", "yolo99z.yaml", "model.pt"])
def test_an_architecture_is_the_name_of_a_known_yaml(name):
    with pytest.raises(DetectorError):
        build(name, 1)


NEIGHBOURLY = """
    import os, sys, cv2, PIL.Image, torch, numpy as np
    import torchvision  # torch sets a variable of its own on the way
    cv2.setNumThreads(2); torch.set_num_threads(2)
    def now():
        printed = repr(np.array([1.23456789])), repr(torch.tensor([1.23456789]))
        return dict(os.environ), torch.save, PIL.Image.open, cv2.imread, *printed
    before = now()
    import actrec.tailor
    assert "ultralytics" not in sys.modules, "importing the tailor imports ultralytics"
    import actrec.people.detector as d
    assert "ultralytics" not in sys.modules, "importing the detector imports ultralytics"
    network = d.build("yolo26n.yaml", 1)
    detector = d.PersonDetector(network, d.Card("yolo26n.yaml"))
    detector.detect(np.zeros((2, 64, 64, 3), np.uint8))
    after = now()
    import ultralytics.utils as u
    print("threads", cv2.getNumThreads(), torch.get_num_threads(), file=sys.stderr)
    print("same", *[a == b for a, b in zip(before, after)], file=sys.stderr)
    print("online", u.ONLINE, "autoinstall", u.AUTOINSTALL, "settings", u.USER_CONFIG_DIR, file=sys.stderr)
    d.build("yolo11n.yaml", 2)
"""


@pytest.fixture(scope="module")
def neighbour(tmp_path_factory):
    """A fresh process with a home of its own that builds a detector and uses it: its output and its home."""
    home = tmp_path_factory.mktemp("home")
    env = {"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(NEIGHBOURLY)], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done, home


def test_opencv_and_torch_keep_their_threads(neighbour):
    assert "threads 2 2" in neighbour[0].stderr


def test_nothing_is_printed_to_standard_output(neighbour):
    assert neighbour[0].stdout == ""


def test_what_is_printed_in_quarantine_does_not_reach_standard_output(capsys):
    with quarantine():
        print("Creating new settings")
    print("afterwards")
    assert capsys.readouterr().out == "afterwards\n"


def test_nothing_is_written_into_the_home_folder(neighbour):
    done, home = neighbour
    assert [p for p in home.rglob("*") if "ltralytics" in p.name.lower() or "yolo" in p.name.lower()] == []
    assert not Path(done.stderr.split("settings ")[1].split()[0]).exists()  # its settings went with the process


def test_it_stays_offline_and_installs_nothing(neighbour):
    assert "online False autoinstall False" in neighbour[0].stderr


def test_environment_patches_and_printing_are_as_before(neighbour):
    assert "same True True True True True True" in neighbour[0].stderr


def test_ultralytics_is_imported_in_one_module_only():
    importing = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "actrec").rglob("*.py")
        if any(
            line.split()[:1] in (["import"], ["from"]) and line.split()[1].split(".")[0] == "ultralytics"
            for line in path.read_text(encoding="utf-8").splitlines()
            if len(line.split()) > 1
        )
    ]
    assert importing == ["actrec/people/detector.py"]
