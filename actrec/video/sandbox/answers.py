"""Checks of the decoder process's answers: a video may have taken the process over, so nothing is used unchecked."""

from __future__ import annotations

import json
import math
from typing import Any

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
    """The header in an answer."""
    values = answer.get("header")
    if not isinstance(values, dict) or set(values) != set(Header.__annotations__):
        raise AnswerError
    kinds = {"str": str, "int": int, "float": int | float, "bool": bool, "None": type(None)}
    for name, annotation in Header.__annotations__.items():
        value = values[name]
        fits = any(
            isinstance(value, kinds[part]) and isinstance(value, bool) == (part == "bool")
            for part in annotation.split(" | ")
        )
        _require(fits and (not isinstance(value, int | float) or abs(value) < 1 << 53))  # NaN is below nothing
    checked: dict[str, Any] = {
        name: _text(value) if isinstance(value, str) else value for name, value in values.items()
    }
    return Header(**checked)


def place_of(answer: dict, block: Block) -> list[int]:
    """The shape of the frames, which with their times lie within the block."""
    shape = answer.get("shape")
    if not isinstance(shape, list) or len(shape) != 4 or not all(type(side) is int and side > 0 for side in shape):
        raise AnswerError
    _require(shape[3] == 3 and times_offset(math.prod(shape)) + 8 * shape[0] <= block.size)
    return shape


def touched(answer: dict, block: Block) -> int:
    """How many bytes of the block hold memory."""
    bytes_written = answer.get("touched")
    if type(bytes_written) is not int or not 0 <= bytes_written <= block.size:
        raise AnswerError
    return bytes_written


def notes(answer: dict) -> tuple[str, ...]:
    sentences = answer.get("notes")
    if not isinstance(sentences, list):
        raise AnswerError
    return tuple(_text(sentence) for sentence in sentences[:MOST_NOTES])


def check_times(times: np.ndarray) -> None:
    """Seconds that never run backwards."""
    _require(bool(np.isfinite(times).all()) and not np.any(np.diff(times) < 0))


def _text(value: object) -> str:
    """A text that can be shown and sent on: half a character is replaced."""
    if not isinstance(value, str):
        raise AnswerError
    return value[-LONGEST:].encode("utf-8", "replace").decode()


def _require(holds: bool) -> None:
    if not holds:
        raise AnswerError
