"""Taught actions as one file: safetensors with the codes and the videos, and a header that describes them.

A file that comes from elsewhere is checked entirely before anything in it is used; its videos are decoded
like any stranger's video. Written whole or not at all.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from actrec.core.errors import BadValue
from actrec.core.files import parsed
from actrec.recognition.repository import RepositoryError, named
from actrec.recognition.taught import MOST_BYTES, MOST_LESSONS, Lesson, Taught

FORMAT = 1
ENDING = ".taught"
WIDEST, MOST_NUMBERS = 4096, 1 << 24  # of a code, of all codes; no network here has wider ones
MOST_VIEWS, MOST_OWN = 64, 2000  # of a clip, classes of the weights themselves
_NAME = re.compile(r"[^\W_][\w .-]{0,59}")


def file_name(name: str) -> str:
    """The name under which a set is kept, or a sentence with the rule."""
    name = (name or "").strip()
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise RepositoryError(
            "A set needs a name: at most 60 letters, digits, blanks, dots and dashes, a letter or digit first."
        )
    return name + ENDING


def saved(folder: Path) -> list[str]:
    """The names of the sets in a folder."""
    return sorted(path.name.removesuffix(ENDING) for path in Path(folder).glob(f"*{ENDING}") if path.is_file())


def save_as(taught: Taught, name: str, folder: Path) -> Taught:
    """Keep a set under a name; only the set that has the name already may take it again."""
    path = Path(folder) / file_name(name)
    if not taught.lessons:
        raise RepositoryError("Nothing has been taught yet, so there is nothing to save.")
    if path.exists() and taught.name != path.name.removesuffix(ENDING):
        raise RepositoryError(f"There is a set '{name.strip()}' already. Open it to change it, or choose another name.")
    taught = replace(taught, name=path.name.removesuffix(ENDING))
    write(taught, path)
    return taught


def open_saved(name: str, folder: Path) -> Taught:
    path = Path(folder) / file_name(name)
    if not path.is_file():
        raise RepositoryError(f"There is no saved set '{name}'. Saved: {', '.join(saved(folder)) or 'none'}.")
    return replace(read(path), name=path.name.removesuffix(ENDING))


def delete(name: str, folder: Path) -> None:
    (Path(folder) / file_name(name)).unlink(missing_ok=True)


def write(taught: Taught, path: Path, *, videos: bool = True) -> Path:
    """A set as a file, with or without the clips themselves."""
    lessons = [lesson if videos else replace(lesson, video=b"") for lesson in taught.lessons]
    header = {
        "format": FORMAT,
        "name": taught.name,
        "weights": taught.weights,
        "sha256": taught.sha256,
        "own": list(taught.own),
        "own_threshold": taught.own_threshold,
        "by_hand": taught.by_hand,
        "lessons": [
            {"label": lesson.label, "source": lesson.source, "views": len(lesson.codes), "bytes": len(lesson.video)}
            for lesson in lessons
        ],
    }
    tensors: dict[str, np.ndarray] = {
        "codes": np.concatenate([lesson.codes for lesson in lessons]).astype(np.float32),
        "films": np.frombuffer(b"".join(lesson.video for lesson in lessons), np.uint8),
    }
    if taught.own:
        tensors["own"] = np.array(list(taught.own.values()), np.float32)
    data = save(tensors, {"taught": json.dumps(header, ensure_ascii=False)})
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".unfinished-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def write_videos(taught: Taught, folder: Path) -> Path:
    """The clips as `folder/class/number.mp4`, to train on; whole or not at all."""
    if not taught.labels:
        raise RepositoryError("Nothing has been taught yet: give an action a name and a few clips first.")
    if not all(lesson.video for lesson in taught.lessons):
        raise RepositoryError("The set was saved without its videos, so that nothing can be trained on it.")
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unfinished-"))
    try:
        for label in taught.labels:
            class_folder = fresh / (re.sub(r"[/\\:]", "-", label).lstrip(".") or "-")
            class_folder.mkdir(exist_ok=True)
            before = len(list(class_folder.iterdir()))  # two names may become one folder
            for number, lesson in enumerate(taught.of(label), before):
                (class_folder / f"{number:03d}.mp4").write_bytes(lesson.video)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def read(path: Path) -> Taught:
    """A set from a file, or a message that says what is wrong with it."""
    path = Path(path)
    try:
        if path.stat().st_size > 2 * MOST_BYTES:
            raise RepositoryError(f"'{path.name}' is too large for a taught set.")
        with safe_open(path, framework="np") as file:
            header = parsed((file.metadata() or {}).get("taught", "null"))
            tensors = {key: file.get_tensor(key) for key in ("codes", "films", "own") if key in file.keys()}  # noqa: SIM118
        if not isinstance(header, dict):
            raise BadValue("the header is no object")
        if header.get("format") != FORMAT:
            raise RepositoryError(f"'{path.name}' has format {header.get('format')}; this version reads {FORMAT}.")
        return _built(header, tensors)
    except RepositoryError:
        raise
    except OSError as error:
        raise RepositoryError(f"'{path.name}' cannot be read: {error.strerror or error}.") from None
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RepositoryError(
            f"'{path.name}' is not a set of taught actions. Choose a file that this page exported (*{ENDING})."
        ) from None


def _built(header: dict, tensors: dict[str, np.ndarray]) -> Taught:
    codes, videos, own = tensors["codes"], tensors["films"], tensors.get("own", np.empty((0, 0), np.float32))
    rows = header["lessons"]
    _require(codes.dtype == np.float32 and codes.ndim == 2 and np.isfinite(codes).all() and codes.size > 0)
    _require(videos.dtype == np.uint8 and videos.ndim == 1)
    _require(own.dtype == np.float32 and own.ndim == 2 and np.isfinite(own).all() and len(own) == len(header["own"]))
    _require(codes.shape[1] <= WIDEST and codes.size <= MOST_NUMBERS and len(own) <= MOST_OWN)
    _require(len(own) == 0 or own.shape[1] == codes.shape[1])
    _require(isinstance(rows, list) and 0 < len(rows) <= MOST_LESSONS)
    _require(all(isinstance(row["views"], int) and 0 < row["views"] <= MOST_VIEWS for row in rows))
    _require(all(isinstance(row["bytes"], int) and row["bytes"] >= 0 for row in rows))
    _require(sum(row["views"] for row in rows) == len(codes) and sum(row["bytes"] for row in rows) == len(videos))
    lessons, view, byte = [], 0, 0
    for row in rows:
        label = None if row["label"] is None else named(row["label"])
        video = videos[byte : byte + row["bytes"]].tobytes()
        lessons.append(Lesson(label, codes[view : view + row["views"]], _text(row["source"]), video))
        view, byte = view + row["views"], byte + row["bytes"]
    return Taught(
        weights=_text(header["weights"]),
        sha256=_text(header["sha256"]),
        own={_text(label): vector for label, vector in zip(header["own"], own, strict=True)},
        own_threshold=_distance(header["own_threshold"]),
        lessons=tuple(lessons),
        by_hand=_distance(header["by_hand"]),
    )


def _require(holds: bool) -> None:
    if not holds:
        raise BadValue("the file does not fit its header")


def _text(value: object) -> str:
    text = str(value)
    _require(isinstance(value, str) and len(text) <= 300)
    return text


def _distance(value: object) -> float | None:
    _require(value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9))
    return None if value is None else float(str(value))
