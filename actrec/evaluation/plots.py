"""Images of a result as PNG bytes: confusion matrix, calibration, known against unknown."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COUNTED = 25  # up to so many classes each cell shows its count
NAMED = 200  # up to so many classes rows and columns carry their names
INK, QUIET, BEFORE, AFTER = "#1f2430", "#8a93a6", "#c2410c", "#1d4ed8"


def confusion_image(matrix: np.ndarray, labels: Sequence[str]) -> bytes:
    """Rows are the true classes, shaded by the fraction of their clips; readable from 2 to 101 classes and beyond."""
    matrix = np.asarray(matrix)
    classes = len(labels)
    fraction = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    cell = 0.62 if classes <= 12 else 0.4 if classes <= COUNTED else 0.16 if classes <= NAMED else 0.03
    names = [_short(label) for label in labels]
    margin = 0.5 + 0.075 * max(map(len, names)) * (1 if classes <= COUNTED else 0.8)
    side = max(3.0, cell * classes)
    figure = Figure(figsize=(side + margin + 1.2, side + margin + 0.4), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(fraction, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    axes.set_ylabel("class")
    axes.set_xlabel("taken for")
    size = 10 if classes <= 12 else 9 if classes <= COUNTED else 7
    if classes <= NAMED:
        axes.set_xticks(range(classes), names, rotation=90, fontsize=size)
        axes.set_yticks(range(classes), names, fontsize=size)
    if classes <= COUNTED:
        for row, column in np.argwhere(matrix > 0):
            colour = "white" if fraction[row, column] > 0.55 else INK
            axes.text(column, row, str(int(matrix[row, column])), ha="center", va="center", color=colour, fontsize=size)
    bar = figure.colorbar(image, ax=axes, fraction=0.03, pad=0.02)
    bar.set_label("fraction of the class")
    return _png(figure)


def reliability_image(before: Mapping, after: Mapping | None = None) -> bytes:
    """Accuracy against confidence per bin; on the diagonal, the confidence is right."""
    figure = Figure(figsize=(4.6, 4.2), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle="--")
    curves = [(before, "as it comes", BEFORE)] + ([(after, "with temperature", AFTER)] if after else [])
    for curve, name, colour in curves:
        filled = np.array(curve["count"]) > 0
        size = np.array(curve["count"])[filled]
        confidence, accuracy = np.array(curve["confidence"])[filled], np.array(curve["accuracy"])[filled]
        axes.plot(confidence, accuracy, color=colour, linewidth=1.2, label=f"{name}, error {curve['error']:.3f}")
        axes.scatter(confidence, accuracy, s=12 + 120 * size / size.sum(), color=colour)
    axes.set(xlim=(0, 1.02), ylim=(-0.02, 1.02), xlabel="confidence", ylabel="fraction that is right")
    axes.legend(frameon=False, fontsize=9)
    return _png(figure)


def rejection_image(unknown: Mapping) -> bytes:
    """Left the ROC; right, false accepts and false rejects over the threshold."""
    curve = unknown["curve"]
    accept, reject = np.array(curve["false_accept"]), np.array(curve["false_reject"])
    figure = Figure(figsize=(8.4, 3.8), dpi=110)
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle="--")
    left.plot(accept, 1 - reject, color=AFTER)
    left.set(xlabel="unknown clips accepted", ylabel="known clips accepted", title=f"AUROC {unknown['auroc']:.3f}")
    thresholds = np.array([np.nan if value is None else value for value in curve["thresholds"]], dtype=float)
    right.plot(thresholds, accept, color=BEFORE, label="false accepts")
    right.plot(thresholds, reject, color=AFTER, label="false rejects")
    right.set(xlabel=f"threshold on {unknown['by']}", title=f"equal error {unknown['equal_error']:.3f}")
    right.legend(frameon=False, fontsize=9)
    return _png(figure)


def _short(label: str, most: int = 36) -> str:
    """A label for a tick; a dollar sign is not the start of a formula here."""
    return (label if len(label) <= most else label[: most - 1] + "…").replace("$", r"\$")


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", bbox_inches="tight", facecolor="white")
    return out.getvalue()
