"""What lines of an event log must hold for those who read them: a damaged one is left out, never guessed."""

from __future__ import annotations

from actrec.core.files import parsed

# The numbers that readers count on, by event; accuracy and rate may grow new neighbours.
NUMBERS = {
    "started": ("steps",),
    "step": ("total", "loss", "accuracy", "rate", "clips_per_second", "waiting"),
    "epoch": ("epoch", "loss", "accuracy"),
}

MOST_CLASSES = 100  # of a confusion that is read; up to 40 are logged


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e300 < value < 1e300


def event_of(line: str) -> dict | None:
    """The event on a line, or None where a crash or a bad disk has left something else."""
    try:
        event = parsed(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str) or not is_number(event.get("time")):
        return None
    if not all(is_number(event.get(name)) for name in NUMBERS.get(event["event"], ())) or not 0 <= event["time"] < 1e11:
        return None
    fits = _labels_fit(event) and _parts_fit(event) and isinstance(event.get("sentence", ""), str)
    return event if fits else None


def _labels_fit(event: dict) -> bool:
    """Labels are names; a confusion is a square of counts."""
    labels, counts = event.get("labels", []), event.get("confusion") or []
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        return False
    if not isinstance(counts, list) or len(counts) > MOST_CLASSES:
        return False
    square = all(isinstance(row, list) and len(row) == len(counts) for row in counts)
    return square and all(is_number(count) for row in counts for count in row)


def _parts_fit(event: dict) -> bool:
    """Parts of the network have an accuracy each; what was measured in the end has names, and numbers as numbers."""
    parts, measured = event.get("parts", {}), event.get("measured", {})
    if not isinstance(parts, dict) or not all(map(is_number, parts.values())) or not isinstance(measured, dict):
        return False
    student = [measured.get("student"), measured.get("teacher"), measured.get("bridge", "")]
    figures = [measured.get("student_before"), measured.get("student_after")]
    return "student" not in measured or (
        all(isinstance(name, str) for name in student) and all(map(is_number, figures))
    )


def status_of(text: str) -> dict | None:
    """A status, or None where the file holds none."""
    try:
        status = parsed(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(status, dict) or not isinstance(status.get("pid"), int) or not 0 < status["pid"] < 1 << 31:
        return None
    status.setdefault("mark", "")
    if not all(isinstance(status.get(name), str) for name in ("state", "sentence", "mark")):
        return None
    return (
        status
        if all(status.get(name) is None or is_number(status[name]) for name in ("done", "left", "rate"))
        else None
    )
