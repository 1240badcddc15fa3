"""What a run's events show while it trains: curves, figures, the newest confusion. Needs no torch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from actrec.core.files import read_small
from actrec.training.run import Run, RunError
from actrec.weights.folders import FILES, MOST_BYTES, write_folder

POINTS = 300  # of a curve
LINES = 14  # of the log

Curve = dict[str, list[tuple[float, float]]]


def curves(events: Sequence[dict]) -> dict[str, Curve]:
    """Loss, accuracy and learning rate over epochs; training as it goes, validation after each epoch."""
    loss: Curve = {"training": [], "validation": []}
    accuracy: Curve = {"training": [], "validation": []}
    rate: Curve = {"learning rate": []}
    steps = 1
    for event in events:
        if event["event"] == "started":
            steps = max(1, event["steps"])
        elif event["event"] == "step":
            epoch = event["total"] / steps
            loss["training"].append((epoch, event["loss"]))
            accuracy["training"].append((epoch, event["accuracy"]))
            rate["learning rate"].append((epoch, event["rate"]))
        elif event["event"] == "epoch":
            loss["validation"].append((event["epoch"], event["loss"]))
            accuracy["validation"].append((event["epoch"], event["accuracy"]))
            for name, value in event.get("parts", {}).items():
                accuracy.setdefault(f"{name} alone", []).append((event["epoch"], value))
    return {name: thinned(curve) for name, curve in (("loss", loss), ("accuracy", accuracy), ("rate", rate))}


def thinned(curve: Curve) -> Curve:
    """At most `POINTS` points of each line, the newest among them."""
    return {name: points[::-1][:: len(points) // POINTS + 1][::-1] for name, points in curve.items()}


def facts(status: dict, events: Sequence[dict]) -> list[str]:
    """Progress, speed, time left and the best epoch, in words."""
    sentences = [f"{status['done']:.0%} done"] if status.get("done") is not None else []
    steps = [event for event in events if event["event"] == "step"]
    if steps:
        newest = steps[-1]
        sentences.append(
            f"{newest['clips_per_second']:.1f} clips per second, {newest['waiting']:.0%} of the time waiting"
        )
        sentences.append(f"learning rate {newest['rate']:.2g}")
    if status["state"] == "running" and status.get("left"):
        sentences.append(f"about {duration(status['left'])} left")
    epochs = [event for event in events if event["event"] == "epoch"]
    if epochs:
        best = max(epochs, key=lambda event: (event["accuracy"], -event["loss"]))
        sentences.append(f"best validation accuracy {best['accuracy']:.0%} in epoch {best['epoch']}")
        alone = ", ".join(f"{name} {value:.0%}" for name, value in epochs[-1].get("parts", {}).items())
        sentences += [f"alone: {alone}"] if alone else []
    finished: dict = next((event for event in reversed(events) if event["event"] == "finished"), {})
    measured = finished.get("measured", {})
    if "student" in measured:
        sentences.append(
            f"the student ({measured['student']}) {measured['student_before']:.0%} by plain training, "
            f"{measured['student_after']:.0%} taught by {measured['teacher']}"
        )
        if "bridge" in measured:
            sentences.append(f"the best of nine bridges is {measured['bridge']}")
    return sentences


def changed_format(events: Sequence[dict]) -> str:
    """The sentence on the number format that failed and what has been used since; empty where none did."""
    return next((event.get("sentence", "") for event in reversed(events) if event["event"] == "number_format"), "")


def confusion(events: Sequence[dict]) -> tuple[list[list[int]], list[str], int] | None:
    """The newest validation confusion (row = the true class), the labels and the epoch; None where none was logged."""
    labels = next((event.get("labels") for event in reversed(events) if event["event"] == "started"), None)
    newest = next((event for event in reversed(events) if event["event"] == "epoch" and event.get("confusion")), None)
    if not newest or not labels or len(newest["confusion"]) != len(labels):
        return None
    return newest["confusion"], labels, newest["epoch"]


def log(events: Sequence[dict]) -> str:
    """The last events, newest last, one a line."""
    lines = []
    for event in events[-LINES:]:
        hidden = ("time", "event", "labels", "numbers", "confusion")
        message = event.get("sentence") or "  ".join(
            f"{key} {value}" for key, value in event.items() if key not in hidden
        )
        lines.append(f"{time.strftime('%H:%M:%S', time.localtime(event['time']))}  {event['event']:<9} {message}")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes:.0f} min" if minutes < 90 else f"{hours:.1f} h"


def adopt(run: Run, folder: Path) -> str:
    """Put the weights of a finished run beside the others, whole or not at all; the name under which they are there."""
    if run.status()["state"] != "finished" or not (run.weights / "card.json").exists():
        raise RunError(f"The run '{run.name}' has no weights yet. They are there when it is finished.")
    target = Path(folder) / run.name
    if target.exists():
        raise RunError(f"There are weights '{run.name}' already.")
    try:
        files = {name: read_small(run.weights / name, MOST_BYTES, links=False) for name in FILES}
        write_folder(target, files)
    except OSError as error:
        raise RunError(f"The weights cannot be put into '{folder}': {error.strerror or error}.") from None
    return target.name
