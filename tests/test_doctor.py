"""The doctor sees what is there, names what is broken, and says what to do about it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from actrec.cli import machine_report

ROOT = Path(__file__).resolve().parents[1]


def state(findings, about: str) -> machine_report.Finding:
    return next(finding for finding in findings if finding.about == about)


def test_a_healthy_machine_has_nothing_to_mend_and_says_so_as_json(tmp_path):
    words = [sys.executable, "-m", "actrec", "doctor", "--json", "--runs", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    findings = json.loads(done.stdout)
    names = {finding["about"] for finding in findings}
    assert {"Python", "torch", "gradio", "device", "codecs", "video", "camera", "folder runs", "machine"} <= names
    assert [finding for finding in findings if finding["state"] == "problem"] == [] and done.returncode == 0
    assert len([name for name in names if name.startswith("weights ")]) == len(list(ROOT.glob("weights/*/card.json")))
    assert "12 of its 12 frames" in next(finding["says"] for finding in findings if finding["about"] == "video")


def test_broken_weights_are_named(tmp_path):
    source = next(path.parent for path in sorted(ROOT.glob("weights/*-synthetic/card.json")))
    for name in ("good", "bent", "cardless", "odd"):
        shutil.copytree(source, tmp_path / name)
    with open(tmp_path / "bent" / "model.safetensors", "r+b") as file:
        file.seek(5000)
        file.write(b"bent")
    (tmp_path / "cardless" / "model.safetensors").unlink()
    (tmp_path / "odd" / "card.json").write_text("{")
    findings = list(machine_report.checkpoints(tmp_path))
    assert state(findings, "weights good").state == machine_report.GOOD
    for name in ("bent", "cardless", "odd"):
        assert (
            state(findings, f"weights {name}").state == machine_report.PROBLEM
            and state(findings, f"weights {name}").remedy
        )
    (none,) = machine_report.checkpoints(tmp_path / "nowhere")
    assert none.state == machine_report.PROBLEM and "actrec train" in none.remedy


def test_missing_and_old_packages_are_named(tmp_path):
    asked = tmp_path / "requirements.txt"
    asked.write_text("numpy>=1.0\nno-such-package>=1\npytest>=99,<100\n# a comment\n-r other.txt\n")
    findings = list(machine_report.packages(asked))
    assert [(finding.about, finding.state) for finding in findings] == [
        ("numpy", machine_report.GOOD), ("no-such-package", machine_report.PROBLEM), ("pytest", machine_report.PROBLEM),
    ]  # fmt: skip
    assert "pip install" in findings[1].remedy and ">=99" in findings[2].remedy


@pytest.mark.parametrize(
    ("version", "bound", "fits"),
    [("2.15.0+cpu", ">=2.10", True), ("2.9.1", ">=2.10", False), ("6.31.0", "<7", True), ("7.0", "<7", False)],
)
def test_versions_are_compared_as_numbers(version, bound, fits):
    assert machine_report._within(version, bound) is fits


def test_a_full_disk_a_locked_folder_a_taken_port_and_a_closed_camera(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10, 9, 1 << 20)
    monkeypatch.setattr(machine_report.shutil, "disk_usage", lambda _: usage)
    assert {folder.state for folder in machine_report.folders(tmp_path, tmp_path)} == {machine_report.PROBLEM}
    monkeypatch.setattr(machine_report.tempfile, "TemporaryFile", _refused)
    locked = state(machine_report.folders(tmp_path, tmp_path), "folder cache")
    assert locked.state == machine_report.PROBLEM and "ACTREC_CACHE" in locked.remedy
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        line.listen()
        (taken,) = machine_report.port(line.getsockname()[1])
    assert taken.state == machine_report.NOTE and "--port" in taken.remedy
    (none,) = machine_report.camera(tmp_path)
    (tmp_path / "video0").touch()
    monkeypatch.setattr(machine_report.os, "access", lambda *_: False)
    (closed,) = machine_report.camera(tmp_path)
    assert none.state == machine_report.NOTE and closed.state == machine_report.PROBLEM and "usermod" in closed.remedy


def _refused(**_: object):
    raise PermissionError(13, "Permission denied")


def test_a_gpu_that_does_not_compute_and_a_check_that_breaks_are_findings(monkeypatch, tmp_path):
    import torch

    def gone(*_: object, **__: object):
        raise RuntimeError("CUDA error: device lost")

    monkeypatch.setattr(torch, "ones", gone)
    (lost,) = machine_report.device()
    assert lost.state == machine_report.PROBLEM and "--device cpu" in lost.remedy
    monkeypatch.setattr(machine_report, "memory", gone)
    findings = machine_report.examine(ROOT / "weights", tmp_path)
    assert (
        state(findings, "machine").state == machine_report.PROBLEM and "device lost" in state(findings, "machine").says
    )
