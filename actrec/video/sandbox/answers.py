"""What the decoder's process may answer. A video may have taken it over, so nothing it says is used unread."""

from __future__ import annotations

import json
import math

import numpy as np

from actrec.video.clip import VideoError
from actrec.video.refusals import SENTENCES
from actrec.video.request import Header
from actrec.video.sandbox.shared_memory import Block, times_offset

LONGEST, MOST_NOTES = 1000, 20  # letters of a sentence, notes of a clip


class AnswerError(Exception):
    """An answer that an honest decoder does not give."""


def answer_of(line: bytes) -> dict:
    """The answer on a line."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        raise AnswerError from None
    _require(isinstance(answer, dict))
    return answer


def failure(answer: dict) -> VideoError | None:
    """The refusal in an answer, if it is one."""
    if "code" not in answer:
        return None
    _require(isinstance(answer["code"], str) and answer["code"] in SENTENCES)
    error = VideoError(answer["code"], _text(answer.get("sentence")))
    if "trace" in answer:
        error.add_note(_text(answer["trace"]))
    return error


def header(answer: dict) -> Header:
    """What a file says about itself."""
    said = answer.get("header")
    _require(isinstance(said, dict) and set(said) == set(Header.__annotations__))
    kinds = {"str": str, "int": int, "float": int | float, "bool": bool, "None": type(None)}
    for name, wanted in Header.__annotations__.items():
        value = said[name]
        fits = any(
            isinstance(value, kinds[part]) and isinstance(value, bool) == (part == "bool")
            for part in wanted.split(" | ")
        )
        _require(fits and (not isinstance(value, int | float) or abs(value) < 1 << 53))  # NaN is below nothing
    return Header(**{name: _text(value) if isinstance(value, str) else value for name, value in said.items()})


def place_of(answer: dict, block: Block) -> list[int]:
    """The shape of the frames, which with their times lie within the block."""
    shape = answer.get("shape")
    _require(isinstance(shape, list) and len(shape) == 4 and all(type(each) is int and each > 0 for each in shape))
    _require(shape[3] == 3 and times_offset(math.prod(shape)) + 8 * shape[0] <= block.size)
    return shape


def touched(answer: dict, block: Block) -> int:
    """How many bytes of the block hold memory."""
    bytes_written = answer.get("touched")
    _require(type(bytes_written) is int and 0 <= bytes_written <= block.size)
    return bytes_written


def notes(answer: dict) -> tuple[str, ...]:
    said = answer.get("notes")
    _require(isinstance(said, list))
    return tuple(_text(each) for each in said[:MOST_NOTES])


def check_times(times: np.ndarray) -> None:
    """Seconds that never run backwards."""
    _require(bool(np.isfinite(times).all()) and not np.any(np.diff(times) < 0))


def _text(value: object) -> str:
    """A text that can be shown and sent on: half a character is replaced."""
    _require(isinstance(value, str))
    return value[-LONGEST:].encode("utf-8", "replace").decode()


def _require(holds: bool) -> None:
    if not holds:
        raise AnswerError
