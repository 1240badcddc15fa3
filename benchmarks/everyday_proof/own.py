"""Own names out of fold, by recording, source and class; how far to believe a confidence; what "not sure" gains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from actrec.metrics.calibration import calibrated_quantile, equal_mass_error
from actrec.systems.everyday_names import LABELS, OWN, PLACES
from benchmarks.everyday_proof.figures import at_coverage, bootstrap, proportion
from benchmarks.everyday_proof.nested import Answered

WORST = 6  # classes whose confusion is shown
COVERAGES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 11))


def by_recording(answers: Sequence[Answered]) -> dict:
    """Clips with a known class: how many are right in all, by source and by own name, and what the worst are taken for.
    Clips of none of the own names: how many an own name takes, by source."""
    known = [(answer, answer.probabilities()) for answer in answers if answer.place >= 0]
    right = np.array([int(row.argmax()) == answer.place for answer, row in known])
    groups = [answer.item.group for answer, _ in known]
    figures: dict = {"all": proportion(right, groups), "by_source": {}, "by_name": {}, "taken_for": {}, "negatives": {}}
    for kind, of in (
        ("by_source", [answer.item.source for answer, _ in known]),
        ("by_name", [OWN[a.item.target] if a.item.target >= 0 else LABELS[a.place] for a, _ in known]),
    ):
        for name in dict.fromkeys(of):
            places = np.flatnonzero(np.array(of) == name)
            figures[kind][name] = proportion(right[places], [groups[place] for place in places])
            taken_for = Counter(LABELS[int(known[place][1].argmax())] for place in places if not right[place])
            if kind == "by_name":
                figures["taken_for"][name] = dict(taken_for.most_common(4))
    worst = sorted(figures["by_name"], key=lambda name: figures["by_name"][name]["rate"])[:WORST]
    figures["taken_for"] = {name: figures["taken_for"][name] for name in worst}
    for source in dict.fromkeys(answer.item.source for answer in answers if answer.item.target < 0):
        of_source = [answer for answer in answers if answer.item.source == source and answer.item.target < 0]
        first = [int(answer.probabilities().argmax()) for answer in of_source]
        names = Counter(LABELS[place] for place in first if place in PLACES)
        figures["negatives"][source] = proportion(
            [place in PLACES for place in first], [answer.item.group for answer in of_source]
        ) | {"taken_by": dict(names.most_common())}
    return figures


def calibration(
    answers: Sequence[Answered], seed: int, untouched: tuple[float, float, float] = (1.0, 1.0, 0.0)
) -> dict:
    """Of clips with a known class: the error over five bins of equal mass, beside the 90 % quantile of a perfectly
    calibrated classifier; mean confidence against accuracy; likelihood with the numbers and without."""
    known = [answer for answer in answers if answer.place >= 0]
    scores = np.stack([answer.probabilities() for answer in known])
    bare = np.stack([Answered(answer.item, answer.own, untouched).probabilities() for answer in known])
    places = np.array([answer.place for answer in known])
    confidence, right = scores.max(1), scores.argmax(1) == places
    groups = [answer.item.group for answer in known]
    error = equal_mass_error(confidence, right)
    return {
        "clips": len(known), "groups": len(set(groups)), "error": round(error, 4),
        "interval": bootstrap(lambda chosen: equal_mass_error(confidence[chosen], right[chosen]), groups, seed),
        "perfect_90": round(calibrated_quantile(confidence, np.random.default_rng(seed)), 4),
        "mean_confidence": round(float(confidence.mean()), 4), "accuracy": round(float(right.mean()), 4),
        "likelihood": round(_likelihood(scores, places), 4),
        "likelihood_without": round(_likelihood(bare, places), 4),
    }  # fmt: skip


def _likelihood(scores: np.ndarray, places: np.ndarray) -> float:
    """The mean negative logarithm of what the right class has."""
    return float(-np.log(np.clip(scores[np.arange(len(places)), places], 1e-6, None)).mean())


def coverage(scores: np.ndarray, right: np.ndarray, groups: Sequence[str]) -> dict:
    """The part that is right of the most confident answers, from a tenth of them to all, and an interval at half."""
    confidence = scores.max(1)
    half = bootstrap(lambda chosen: at_coverage(confidence[chosen], right[chosen], 0.5), groups)
    curve = [round(at_coverage(confidence, right, part), 4) for part in COVERAGES]
    return {"clips": len(right), "groups": len(set(groups)), "at_half": round(at_coverage(confidence, right, 0.5), 4),
            "interval_at_half": half, "curve": curve}  # fmt: skip


def coverage_image(curves: dict[str, list[float]]) -> bytes:
    """Accuracy against coverage as PNG."""
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 3.8), dpi=90)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, curve in curves.items():
        axes.plot(COVERAGES, curve, marker="o", markersize=3, linewidth=1.2, label=name)
    axes.axhline(0.95, color="#8a93a6", linewidth=1, linestyle="--")
    axes.set(xlim=(0.05, 1.02), ylim=(0.3, 1.02), xlabel="part of the clips that gets an answer",
             ylabel="part of the answers that is right")  # fmt: skip
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    figure.tight_layout()
    written = io.BytesIO()
    figure.savefig(written, format="png", metadata={"Software": None})
    return written.getvalue()
