"""The card beside a checkpoint: the facts needed to use and to assess it. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

from actrec.core.errors import Refusal
from actrec.core.files import parsed, read_small
from actrec.weights.folders import is_name, names, settled

FORMAT = 1


class WeightsError(Refusal):
    """Weights that cannot be used; the sentence says which and why."""


@dataclass(frozen=True)
class Card:
    """What `card.json` holds. `centres` and `threshold` are null where nothing can be called unknown; below
    `least_confidence` an answer is not sure (null: the default of `recognition.decision`).

    `group` is where a list of weights shows them, `source` what published weights were made from. With a `trunk` the
    tensors are those that differ from other weights: {"name", "sha256" of its tensors, "into": what stands before the
    trunk's names here, "without": the trunk's tensors that are not used}.
    """

    name: str
    system: str
    labels: list[str]
    trained_on: str
    command: str
    seed: int
    licence: str = "AGPL-3.0"
    intended_for: str = ""
    people: str = "one person"
    group: str = ""
    source: dict[str, str] = field(default_factory=dict)
    trunk: dict | None = None
    options: dict = field(default_factory=dict)
    inputs: dict = field(default_factory=dict)
    measured: dict = field(default_factory=dict)
    temperature: float | None = None
    centres: dict[str, list[float]] | None = None
    threshold: float | None = None
    least_confidence: float | None = None
    sha256: str = ""
    format: int = FORMAT


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e30 < value < 1e30


def is_text(value: object) -> bool:
    """Whether a card may hold this as a name or a sentence: it can be printed."""
    return isinstance(value, str) and len(value) < 4000 and value.isprintable()


def _labels(value: object) -> bool:
    return isinstance(value, list) and 0 < len(set(filter(is_text, value))) == len(value)


def _centres(value: object) -> bool:
    rows = list(value.values()) if isinstance(value, dict) and all(map(is_text, value)) else []
    same = len({len(row) for row in rows if isinstance(row, list)}) == 1 and all(isinstance(row, list) for row in rows)
    return (
        value is None or (not rows and value == {}) or (same and all(_number(number) for row in rows for number in row))
    )


def _inputs(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(facts, dict) for facts in value.values())


def _measured(value: object) -> bool:
    if not isinstance(value, dict) or not is_text(value.get("split", "")):
        return False
    figures = [value.get(name) for name in ("top1", "student_before", "student_after")]
    return all(figure is None or (_number(figure) and 0 <= figure <= 1) for figure in figures)


def _texts(value: object) -> bool:
    return isinstance(value, dict) and all(map(is_text, value)) and all(map(is_text, value.values()))


def _trunk(value: object) -> bool:
    if value is None:
        return True
    if not isinstance(value, dict) or not all(is_text(value.get(key)) for key in ("name", "sha256", "into")):
        return False
    without = value.get("without")
    return (
        is_name(value["name"]) and "/" not in value["name"] and isinstance(without, list) and all(map(is_text, without))
    )


def _distance(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and _number(value) and value >= 0)


def _fraction(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and _number(value) and 0 <= value <= 1)


# What each field must hold to be used; a card is written by others, too.
FITS = {
    "labels": _labels, "centres": _centres, "inputs": _inputs, "measured": _measured, "threshold": _distance,
    "least_confidence": _fraction,
    "temperature": lambda value: value is None or (_number(value) and value > 0),
    "source": _texts, "trunk": _trunk,
    "options": lambda value: isinstance(value, dict), "seed": lambda value: isinstance(value, int),
    **dict.fromkeys(
        ("name", "system", "trained_on", "command", "licence", "intended_for", "people", "group", "sha256"), is_text
    ),
}  # fmt: skip
ODD = {
    "labels": "labels must be a list of names, each once",
    "centres": "centres must be lists of as many numbers, by label",
}


def cards(folder: Path) -> dict[str, Card]:
    """The cards of all checkpoints in a folder, by the name of their folder; one that is broken is left out."""
    by_name: dict[str, Card] = {}
    for name in names(folder, "card.json"):
        try:
            by_name[name] = read_card(Path(folder) / name)
        except WeightsError:
            continue
    return by_name


def read_card(folder: Path) -> Card:
    """The card of a checkpoint folder."""
    path = settled(Path(folder)) / "card.json"
    try:
        values = parsed(read_small(path))
    except FileNotFoundError:
        raise WeightsError(
            f"'{folder}' holds no card.json. Name a folder with model.safetensors and card.json."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise WeightsError(f"The card '{path}' cannot be read: {reason}.") from None
    return _checked(values, path)


def _checked(values: object, path: Path) -> Card:
    known = {field.name for field in fields(Card)}
    if not isinstance(values, dict) or not {"name", "system", "labels", "sha256"} <= set(values):
        raise WeightsError(f"'{path}' is not a card: it must name at least name, system, labels and sha256.")
    if values.get("format") != FORMAT:
        raise WeightsError(f"'{path}' has format {values.get('format')}; this version reads format {FORMAT}.")
    if odd := [name for name, fits in FITS.items() if name in values and not fits(values[name])]:
        raise WeightsError(f"'{path}' is not a card: {ODD[odd[0]] if odd[0] in ODD else f'{odd[0]} is odd'}.")
    missing = {"trained_on": "not stated", "command": "not stated", "seed": 0}
    return Card(**{**missing, **{name: value for name, value in values.items() if name in known}})
