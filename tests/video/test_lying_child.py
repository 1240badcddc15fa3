"""A video may have taken the decoder's process over: what that one answers is checked before it is used."""

from __future__ import annotations

import os

import numpy as np
import pytest

from actrec.video import VideoError
from actrec.video.request import Limits
from actrec.video.sandbox import answers
from actrec.video.sandbox.decoder import Decoder

HONEST = {"shape": [2, 2, 2, 3], "notes": [], "touched": 40}
HEADER = {"kind": "mov", "codec": "h264", "width": 2, "height": 2, "fps": 25.0, "frames": 2,
          "duration": 1.0, "start": 0.0, "audio": False, "bytes": 100}  # fmt: skip


class TakenOver:
    """Stands for a child that a video has taken over: it writes these times, answers this, and was ended or not."""

    def __init__(self, answer: object, times: tuple[float, float] = (0.0, 0.5)) -> None:
        self.answer, self.times, self.ended = answer, times, False

    def alive(self) -> bool:
        return True

    def exchange(self, request: dict, file: int, seconds: float) -> dict:
        if file >= 0:
            os.pwrite(file, np.array(self.times).tobytes(), 24)
        return self.answer

    def end(self) -> None:
        self.ended = True


def asked(monkeypatch, child: TakenOver, do: str):
    monkeypatch.setattr("actrec.video.sandbox.decoder._Child", lambda memory: child)
    with Decoder() as decoder:
        return decoder.probe("x.mp4") if do == "probe" else decoder.read("x.mp4", limits=Limits(bytes=1 << 20))


@pytest.mark.parametrize(
    "lie",
    [
        {"shape": [20, 1000, 100, 3]}, {"shape": [-1, 2, 2, 3]}, {"shape": [2.0, 2, 2, 3]}, {"shape": [2, 2, 3]},
        {"shape": [True, 2, 2, 3]}, {"shape": "x"}, {"shape": None}, {"shape": [2, 2, 2, 4]}, {"notes": None},
        {"notes": [7]}, {"touched": 1 << 40}, {"touched": "much"}, {"code": "no such", "sentence": "x"},
        {"code": ["crashed"]}, {"code": "crashed", "sentence": 7}, (float("nan"), 0.0), (0.0, float("inf")), (1.0, 0.0),
    ],
    ids=str,
)  # fmt: skip
def test_a_child_that_lies_is_not_believed(monkeypatch, lie):
    """A size that is not there would be a bus error in the process that asks."""
    child = TakenOver(HONEST | lie) if isinstance(lie, dict) else TakenOver(HONEST, lie)
    with pytest.raises(VideoError, match="broke the decoder") as caught:
        asked(monkeypatch, child, "read")
    assert caught.value.code == "crashed" and child.ended


@pytest.mark.parametrize(
    "lie", [{"fps": float("nan")}, {"width": "2"}, {"kind": 2}, {"audio": 1}, {"more": 1}], ids=str
)
def test_a_header_that_is_none_is_not_believed(monkeypatch, lie):
    assert asked(monkeypatch, TakenOver({"header": HEADER}), "probe").codec == "h264"
    with pytest.raises(VideoError, match="broke the decoder"):
        asked(monkeypatch, TakenOver({"header": HEADER | lie}), "probe")


@pytest.mark.parametrize("line", [b"[]", b"{", b"[" * 60_000, b"\xff"], ids=lambda line: ascii(line)[:8])
def test_a_line_that_is_no_answer_is_not_believed(line):
    with pytest.raises(answers.AnswerError):
        answers.answer_of(line)


def test_what_a_lying_child_says_can_be_shown(monkeypatch):
    notes = ["half \ud800", "x" * 5000, *"abc" * 50]
    clip = asked(monkeypatch, TakenOver(HONEST | {"notes": notes}), "read")
    assert clip.notes[0] == "half ?" and len(clip.notes) == 20 and max(map(len, clip.notes)) == 1000
