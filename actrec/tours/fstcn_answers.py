"""Figures on FstCN's answers: what each path says, 18 crops and their weights, pairs fused, where the weights lie.

Sun et al., "Human Action Recognition using Factorized Spatio-Temporal Convolutional Networks", ICCV 2015: eq. 5–7.
"""

from __future__ import annotations

import numpy as np
import torch

from actrec import sampling
from actrec.explain.subject import Subject
from actrec.figures.drawing import SECOND, Canvas, Figure, Panel, Table, bars, million
from actrec.metrics.accuracy import softmax
from actrec.models import fstcn
from actrec.models.counting import weights
from actrec.systems.fstcn import CROPS, LENGTH, LIGHT_DISTANCE, LIGHT_STRIDE, chosen_frames, view
from actrec.systems.fusion import average, maximum, sci, sci_fusion
from actrec.systems.views import newest

SIDE, SIZE, PLACES = 136, 112, 18


def paths(subject: Subject) -> Figure:
    """What the fused network says, and what is left of it when one path is silent."""
    network, inputs = subject.network, {name: value.cpu() for name, value in subject.inputs.items()}
    with torch.inference_mode():
        found = network.features(**inputs)
        spatial, temporal = found["spatial"], found["temporal"]

        def scores(*parts: torch.Tensor) -> np.ndarray:
            code = network.fusion(torch.cat(parts, dim=1))
            return softmax(network.scores(code).numpy(), subject.recognizer.card.temperature or 1.0)[0]

        says = {
            "both paths": scores(spatial, temporal),
            "spatial path alone": scores(spatial, torch.zeros_like(temporal)),
            "temporal path alone": scores(torch.zeros_like(spatial), temporal),
        }
    order = np.argsort(-says["both paths"])
    panels = []
    for name, share in says.items():
        rows = [(subject.labels[i], float(share[i]), f"{share[i]:.0%}") for i in order]
        panels.append(Panel(bars(rows, name, most=1.0, marked=[int(np.argmax(share[order]))]), f"{name.capitalize()}."))
    best = {name: subject.labels[int(share.argmax())] for name, share in says.items()}
    return Figure(
        f"Together they say '{best['both paths']}'; the spatial path alone '{best['spatial path alone']}', the "
        f"temporal path alone '{best['temporal path alone']}'. A silent path is one whose numbers are set to zero, "
        "ours: the paper trains a network for each.",
        tuple(panels),
        {name: share.tolist() for name, share in says.items()},
    )


def _crops(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """The middle picture of each of 18 crops of the newest pair, and what the network says of the crops."""

    def make() -> tuple:
        span = sampling.pair_span(LENGTH, LIGHT_STRIDE, LIGHT_DISTANCE)
        frames = newest(subject.clip, span, 12.5)
        frames = sampling.short_side(frames[chosen_frames(frames, None)], SIDE)
        crops = sampling.test_crops(*frames.shape[1:3], SIZE, PLACES)
        views = [view(crop.of(frames)) for crop in crops]
        logits = subject.recognizer.run(views)[0]
        pictures = np.stack([each["frames"][:, LENGTH // 2].transpose(1, 2, 0) for each in views])
        return pictures, softmax(logits, subject.recognizer.card.temperature or 1.0)

    return subject.keep("crops", make)


def crops(subject: Subject) -> Figure:
    """Eq. 5 and 6: the 18 crops of a pair, each with its SCI, its weight and what it says."""
    pictures, scores = _crops(subject)
    index, fused, plain = sci(scores), sci_fusion(scores), average(scores)
    canvas, wide = Canvas(1060, 3 * 152 + 4, "18 crops with their weights"), 96
    most = float(fused.weights.max())
    for place, (picture, score) in enumerate(zip(pictures, scores, strict=True)):
        half, row, column = place // 9, place % 9 // 3, place % 3
        x, y = 6 + (half * 3 + column) * 176, 6 + row * 152
        canvas.image(np.ascontiguousarray(picture), x, y, wide)
        canvas.rect(x + wide + 6, y, 10, wide, fill="currentColor", opacity=0.12)
        tall = wide * float(fused.weights[place]) / most
        canvas.rect(x + wide + 6, y + wide - tall, 10, tall, fill=SECOND)
        canvas.text(x, y + wide + 16, f"{subject.labels[int(score.argmax())]} {score.max():.0%}", size=12)
        canvas.text(x, y + wide + 32, f"SCI {index[place]:.2f}, weight {fused.weights[place]:.3f}", size=11)
    best, other = subject.labels[int(fused.scores.argmax())], subject.labels[int(plain.scores.argmax())]
    return Figure(
        f"SCI runs from {index.min():.2f} to {index.max():.2f}: the surest crop counts "
        f"{fused.weights.max() / max(fused.weights.min(), 1e-9):.1f} times as much as the least sure one. Weighted, "
        f"the answer is '{best}' with {fused.scores.max():.0%}; plainly averaged '{other}' with "
        f"{plain.scores.max():.0%}.",
        (Panel(canvas.svg(), "Nine places (left) and the same mirrored (right). Under each crop what it says and its "
            "SCI; the orange bar is its weight. The light network is otherwise tested with two zooms and their mirror "
            "images.", wide=True),),
        {"sci": index.tolist(), "weights": fused.weights.tolist(), "scores": scores.tolist()},
    )  # fmt: skip


def fused(subject: Subject, *, pairs: float = 5) -> Figure:
    """Eq. 6 and 7 against averaging: pairs spread over the clip."""

    def make() -> np.ndarray:
        views = subject.recognizer.system.protocols["clip"].views(subject.clip)
        logits = subject.recognizer.run(views)[0]
        scores = softmax(logits, subject.recognizer.card.temperature or 1.0)
        return scores.reshape(-1, len(CROPS), scores.shape[-1])

    every = subject.keep("every pair", make)
    count = min(int(pairs), len(every))
    kept = every[np.unique(np.linspace(0, len(every) - 1, count).round().astype(int))]
    ways = {"SCI, then maximum": sci_fusion(kept), "plain average": average(kept), "maximum of all": maximum(kept)}
    parts = ways["SCI, then maximum"].parts
    rows = [
        (f"pair {n}", subject.labels[int(each.argmax())], f"{each.max():.2f}", ", ".join(f"{w:.2f}" for w in own))
        for n, (each, own) in enumerate(zip(parts, ways["SCI, then maximum"].weights, strict=True), 1)
    ]
    panels = [Panel(Table(("pair", "says", "score", "weights of its crops"), tuple(rows)), f"Each pair with its "
                    f"{len(CROPS)} crops weighted by their SCI.", wide=True)]  # fmt: skip
    for name, way in ways.items():
        order = np.argsort(-way.shares)
        lengths = [(subject.labels[i], float(way.shares[i]), f"{way.shares[i]:.0%}") for i in order]
        panels.append(Panel(bars(lengths, name, most=1.0, marked=(0,)), f"{name.capitalize()}, made to sum to one."))
    best = {name: subject.labels[int(way.scores.argmax())] for name, way in ways.items()}
    short = "" if len(every) >= int(pairs) else f" The clip holds {len(every)} of the {int(pairs)} pairs asked for."
    return Figure(
        f"{count} pairs: SCI and maximum say '{best['SCI, then maximum']}', the plain average "
        f"'{best['plain average']}'.{short} Before it is scaled the maximum sums to "
        f"{ways['SCI, then maximum'].scores.sum():.2f}, not to one.",
        tuple(panels),
        {name: way.scores.tolist() for name, way in ways.items()},
    )


def sizes(subject: Subject | None) -> Figure:
    """Where the weights of the paper's network and of the light one lie."""
    panels, said = [], {}
    for name, build in (("the paper's network", fstcn.FstCN), ("the light network", fstcn.light)):
        with torch.device("meta"):
            network = build(101)
        parts = {
            "shared layers": weights(network.lower),
            "T-P, temporal layer": weights(network.temporal) - weights(network.temporal.fc),
            "temporal FC": weights(network.temporal.fc),
            "spatial layer": weights(network.spatial) - weights(network.spatial.fc),
            "spatial FC": weights(network.spatial.fc),
            "fusion, classifier": weights(network.fusion) + weights(network.classifier),
        }
        said[name] = weights(network)
        rows = [(part, count, million(count)) for part, count in parts.items()]
        panels.append(Panel(bars(rows, name, left=140), f"{name.capitalize()}: {million(weights(network))} weights."))
    share = said["the paper's network"]
    return Figure(
        f"The paper's network has {million(share)} weights, nearly all of them in the two fully connected pairs; "
        f"the convolutions, which the factorisation is about, are small. The light one has "
        f"{million(said['the light network'])}.",
        tuple(panels),
        said,
    )
