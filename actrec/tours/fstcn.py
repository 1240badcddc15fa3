"""The guided tour of FstCN: a kernel as an outer product, a clip with its differences, the T-P operator, fusion.

Sun et al., "Human Action Recognition using Factorized Spatio-Temporal Convolutional Networks", ICCV 2015: eq. 1–7.
"""

from __future__ import annotations

from functools import partial
from typing import cast

import numpy as np
import torch
from torch import nn

from actrec import sampling
from actrec.claims.figure import verdict
from actrec.core.errors import BadValue
from actrec.explain.subject import Subject, place
from actrec.figures.drawing import (
    ACCENT,
    SECOND,
    Canvas,
    Figure,
    Panel,
    Table,
    bars,
    coloured,
    draw_grid,
    million,
    strip,
)
from actrec.metrics.accuracy import softmax
from actrec.models import fstcn
from actrec.models.counting import weights
from actrec.motion.salience import grey
from actrec.systems.fstcn import CROPS, LENGTH, LIGHT, LIGHT_DISTANCE, LIGHT_STRIDE, PAIRS, chosen_frames, view
from actrec.systems.fusion import average, maximum, sci, sci_fusion
from actrec.systems.views import newest
from actrec.tours.step import MOMENT, Choice, Slider, Step, Tour, Words

RATE, LONGEST = 12.5, 9  # frames a second in the figures; numbers in a typed kernel


def _network(subject: Subject) -> fstcn.FstCN:
    return cast(fstcn.FstCN, subject.network)


# --- eq. 1 to 3 -----------------------------------------------------------------------------------


def numbers(typed: str, rows: int) -> np.ndarray:
    """Numbers as a visitor types them: columns apart by spaces or commas, rows by semicolons."""
    try:
        lists = [[float(number) for number in row.replace(",", " ").split()] for row in typed.split(";") if row.strip()]
        kernel = np.array(lists, np.float32)
    except ValueError:
        raise BadValue(
            f"'{typed[:60]}' is no kernel. Type numbers such as −1 0 1 (rows apart by a semicolon)."
        ) from None
    right = (
        kernel.ndim == 2 and kernel.size and max(kernel.shape) <= LONGEST and len(kernel) % 2 and kernel.shape[1] % 2
    )
    if not right or (rows == 1 and len(kernel) != 1) or not np.isfinite(kernel).all():
        what = "one row" if rows == 1 else "an odd number of rows, all"
        raise BadValue(f"A kernel here has {what} of 1, 3, 5, 7 or 9 numbers. '{typed[:60]}' has not.")
    return kernel


def outer(subject: Subject, *, flat: str, along: str, moment: float = 0.5) -> Figure:
    """Eq. 2 and 3: the cube of two typed kernels, and both ways to convolve the clip with it."""
    space, time = numbers(flat, 3), numbers(along, 1)[0]
    cube = np.einsum("t,yx->tyx", time, space)
    clip = subject.clip.at_rate(RATE) if len(subject.clip) > 1 else subject.clip
    t = place(moment, len(clip))
    half = len(time) // 2
    index = np.clip(np.arange(t - half, t + half + 1), 0, len(clip) - 1)
    block = torch.from_numpy(grey(clip.frames[index]))[None, None] / 255
    pad = (0, space.shape[0] // 2, space.shape[1] // 2)
    whole = nn.functional.conv3d(block, torch.from_numpy(cube)[None, None], padding=pad)[0, 0, 0]
    step = nn.functional.conv3d(block, torch.from_numpy(space)[None, None, None], padding=pad)
    both = nn.functional.conv3d(step, torch.from_numpy(time)[None, None, :, None, None])[0, 0, 0]
    off, most = float((whole - both).abs().max()), max(float(np.abs(cube).max()), 1e-6)
    cell, rows, columns = 40, *space.shape
    slices = Canvas(len(time) * (columns * cell + 14) + 4, rows * cell + 30, "the slices of the cube")
    for number, slice_ in enumerate(cube):
        x = 4 + number * (columns * cell + 14)
        draw_grid(slices, slice_, x, 4, most=most, cell=cell, written=".3g")
        slices.text(x + columns * cell / 2, rows * cell + 22, f"time {number - half:+d}", "middle", size=11)
    factored, full = space.size + time.size, cube.size
    shown = [coloured(answer.numpy(), "signed", float(whole.abs().max()) or 1.0) for answer in (whole, both)]
    return Figure(
        f"The cube has {full} numbers, made of {space.size} + {time.size} = {factored}. Convolving with the cube and "
        f"convolving twice differ by at most {off:.1e}: they are the same.",
        (
            Panel(slices.svg(), "The cube, slice by slice in time: the flat kernel times one number of the kernel "
                "along time (eq. 2). Red is positive, blue negative.", wide=True),
            Panel(strip([clip.frames[t], *shown], ("the frame", "with the cube", "first space, then time"),
                        "the answers", width=240), "Answers at this moment, eq. 1 and eq. 3: red above zero, blue "
                            "below.",
                  wide=True),
        ),
        {"cube": cube.tolist(), "full": full, "factored": factored, "off": off},
    )  # fmt: skip


# --- pairs ----------------------------------------------------------------------------------------


def pair(subject: Subject, *, distance: float = 4, stride: float = 3, which: float = 3) -> Figure:
    """Eq. 4 and fig. 2: five frames, their partners d_t later, and the differences."""
    clip = subject.clip.at_rate(RATE) if len(subject.clip) > 1 else subject.clip
    distance, stride, number = int(distance), int(stride), int(which) - 1
    drawn = sampling.strided_pairs(len(clip), 5, length=LENGTH, stride=stride, distance=distance)[number]
    span = sampling.pair_span(LENGTH, stride, distance)
    pair_views = view(clip.frames[drawn.ravel()])
    own, later = drawn
    differences = pair_views["difference"].transpose(1, 2, 3, 0)
    change = float(differences.mean())
    canvas = Canvas(900, 84, "the pair on the timeline of the clip")
    unit = 870 / len(clip)
    for frame in range(len(clip)):
        canvas.rect(15 + frame * unit, 34, unit * 0.8, 16, fill="currentColor", opacity=0.13)
    for number_, (a, b) in enumerate(zip(own, later, strict=True)):
        xa, xb = (15 + (frame + 0.4) * unit for frame in (a, b))
        rise = 30 if number_ % 2 else 22
        if b > a:
            canvas.path(f"M{xa:.1f} 32Q{(xa + xb) / 2:.1f} {32 - rise} {xb:.1f} 32", stroke=SECOND)
        canvas.rect(15 + b * unit, 34, unit * 0.8, 16, fill=SECOND)
    for a in own:
        canvas.rect(15 + a * unit, 34, unit * 0.8, 16, fill=ACCENT)
    canvas.text(15, 70, "first frame", size=11)
    canvas.text(885, 70, f"frame {len(clip)}", "end", size=11)
    bright = np.minimum(differences.astype(np.float32) * 3, 255).astype(np.uint8)
    repeats = " The clip is shorter than that and starts again from its beginning." if len(clip) < span else ""
    nothing = " Nothing changes between the frames of a pair." if change == 0 else ""
    return Figure(
        f"A pair spans {span} frames, {span / RATE:.1f} s.{repeats} On average a pixel differs by {change:.1f} of 255 "
        f"between a frame and its partner.{nothing}",
        (
            Panel(canvas.svg(), "The clip as a timeline at 12.5 frames a second. Green: the five frames of V, s_t "
                  "apart. Orange: each one's partner, d_t later. The paper takes d_t = 9 and s_t = 5 at 25 a second.",
                  wide=True),
            Panel(strip(list(pair_views["frames"].transpose(1, 2, 3, 0)), [f"V({a})" for a in own], "V", width=150),
                  "V: what the spatial path looks at (one of them).", wide=True),
            Panel(strip(list(bright), [f"|V({a}) − V({b})|" for a, b in zip(own, later, strict=True)], "differences",
                        width=150), "V_diff (eq. 4), three times as bright: for the temporal path.", wide=True),
        ),
        {"own": own.tolist(), "later": later.tolist(), "span": span, "change": change},
    )  # fmt: skip


# --- layers ---------------------------------------------------------------------------------------


def _lower(subject: Subject) -> dict[str, list[torch.Tensor]]:
    """The outputs of each of the shared layers for V and V_diff, after its ReLU: `[5, F, Y, X]` each; then the last."""

    def make() -> dict:
        network, answers_by_input = _network(subject), {}
        for name, value in subject.inputs.items():
            answers: list[torch.Tensor] = []
            hooks = [
                network.lower.get_submodule(end).register_forward_hook(partial(_keep, answers))
                for end in network.lower_ends
            ]
            with torch.inference_mode():
                last = network.lower(value.cpu()[0].transpose(0, 1))
            for hook in hooks:
                hook.remove()
            answers_by_input[name] = [*answers, last]
        return answers_by_input

    return subject.keep("lower", make)


def _keep(answers: list[torch.Tensor], module: nn.Module, inputs: tuple, maps: torch.Tensor) -> None:
    answers.append(maps.clone())  # the next layer may compute in the same memory


def shared(subject: Subject, *, fed: str = "difference", which: float = 3) -> Figure:
    """The spatial layers, which both paths share, on one frame."""
    answers, t = _lower(subject)[fed][:-1], int(which) - 1
    maps = [answer[t].mean(0) for answer in answers]
    shown = [coloured(mean.numpy(), "strength") for mean in maps]
    names = [f"layer {n}: {answer.shape[1]} × {answer.shape[2]}²" for n, answer in enumerate(answers, 1)]
    silent = [float((answer[t] == 0).float().mean()) for answer in answers]
    image = subject.frame(fed, t)
    if fed == "difference":
        image = np.minimum(image.astype(np.float32) * 3, 255).astype(np.uint8)
    return Figure(
        f"Frame {t + 1} of {'V' if fed == 'frames' else 'V_diff'} through the {len(answers)} layers. "
        + ", ".join(f"{fraction:.0%}" for fraction in silent)
        + " of their numbers are zero: there a layer sees nothing of its pattern.",
        (
            Panel(strip([image], ["what goes in"], "the frame", width=200), "One frame; no layer here looks at "
                "two."),
            Panel(strip(shown, names, "the layers", cells=True, width=200), "The mean of each layer's channels; "
                "dark is nothing, bright the strongest.", wide=True),
        ),
        {"silent": silent},
    )  # fmt: skip


def _temporal(subject: Subject) -> fstcn.TemporalPath:
    return cast(fstcn.TemporalPath, _network(subject).temporal)


def _between(subject: Subject) -> tuple[torch.Tensor, torch.Tensor]:
    """The maps before the T-P operator `[1, T, F, Y, X]` and after it `[1, Y·X, T, F′]`."""

    def make() -> tuple:
        temporal = _temporal(subject)
        with torch.inference_mode():
            maps = temporal.between(_lower(subject)["difference"][-1])[None]
            return maps, temporal.operator(maps)

    return subject.keep("between", make)


def rearranged(subject: Subject, *, position: float = 5, channel: float = 0) -> Figure:
    """The T-P operator on a real block: from small maps per channel to an image of time and channels."""
    maps, vectors = _between(subject)
    side, at, channel = maps.shape[-1], int(position) - 1, int(channel)
    before, after = maps[0].flatten(2)[:, :, at], vectors[0, at]
    most = float(maps.abs().max()) or 1.0
    canvas = Canvas(760, 190, "five small maps become nine images")
    for t in range(maps.shape[1]):
        x = 10 + 146 * t
        canvas.image(coloured(maps[0, t, channel].numpy(), "strength", most), x, 8, 120, cells=True)
        step = 120 / side
        canvas.rect(x + at % side * step, 8 + at // side * step, step, step, stroke=SECOND, thick=3)
        canvas.text(x + 60, 146, f"time {t + 1}", "middle")
    canvas.scale("strength", 10, 158, "0", f"{most:.2f}")

    def image_of(value: torch.Tensor, scale: str, name: str) -> str:
        canvas, wide = Canvas(440, 118, name), 430
        canvas.image(coloured(value.numpy(), scale), 5, 4, wide, 70, cells=True)
        canvas.text(5, 90, "channels →", size=11)
        canvas.scale(scale, 340, 80, "0" if scale == "strength" else "−", f"{float(value.abs().max()):.2f}")
        return canvas.svg()

    weights = _temporal(subject).operator.p.detach()
    return Figure(
        f"{maps.shape[1]} times {maps.shape[2]} maps of {side}×{side} become {vectors.shape[1]} images of "
        f"{vectors.shape[2]} times × {vectors.shape[3]} channels, one for each place. A 2-D convolution over such an "
        "image runs along time.",
        (
            Panel(canvas.svg(), f"Channel {channel + 1} at five times; the framed place is number {at + 1} of "
                  f"{side * side}, counted row by row.", wide=True),
            Panel(image_of(before, "strength", "before the permutation"), f"Transformed: place {at + 1} alone, time "
                  f"downwards, the {before.shape[1]} channels across."),
            Panel(image_of(after, "signed", "after the permutation"), f"Permuted: the channels mixed into "
                  f"{after.shape[1]} new ones by P, so that neighbours belong together. Red above zero, blue below."),
            Panel(strip([coloured(weights.numpy(), "signed")], [f"P, {weights.shape[0]} × {weights.shape[1]}"], "P",
                        cells=True, width=200), "P itself, learned with everything else."),
        ),
        {"before": before.tolist(), "after": after.tolist()},
    )  # fmt: skip


def columns(subject: Subject, *, position: float = 5, which: float = 1) -> Figure:
    """The temporal layer: a 3×3 and a 5×5 kernel side by side over time and channels."""
    _, vectors = _between(subject)
    layer, at, number = _temporal(subject).layer, int(position) - 1, int(which) - 1
    with torch.inference_mode():
        answers = [torch.relu(column(vectors))[0] for column in layer.columns]
    kernels = [next(m for m in column.modules() if isinstance(m, nn.Conv2d)).kernel_size for column in layer.columns]

    def image_of(value: torch.Tensor, scale: str, name: str, kernel: tuple[int, ...] | None) -> str:
        canvas, wide, tall = Canvas(440, 118, name), 430, 75
        canvas.image(coloured(value.numpy(), scale), 5, 4, wide, tall, cells=True)
        down, right = tall / value.shape[0], wide / value.shape[1]
        if kernel:
            x, y = value.shape[1] // 2, value.shape[0] // 2
            canvas.rect(5 + (x - kernel[1] // 2) * right, 4 + (y - kernel[0] // 2) * down, kernel[1] * right,
                        kernel[0] * down, stroke=SECOND, thick=2.5)  # fmt: skip
        canvas.scale(scale, 5, 86, "0" if scale == "strength" else "−", f"{float(value.abs().max()):.2f}")
        return canvas.svg()

    panels = [Panel(image_of(vectors[0, at], "signed", "what goes in", None), f"What goes in: place {at + 1}, time "
                    "downwards, channels across.")]  # fmt: skip
    for kernel, answer in zip(kernels, answers, strict=True):
        panels.append(
            Panel(image_of(answer[number], "strength", "what comes out", kernel), f"Map {number + 1} of the "
                  f"{kernel[0]}×{kernel[1]} kernel; the orange frame is how much of time and channels it sees at once.")
        )  # fmt: skip
    lively = [float((answer > 0).float().mean()) for answer in answers]
    return Figure(
        "The small kernel sees three times at once and can follow what is quick; the large one sees all five. "
        f"{lively[0]:.0%} and {lively[-1]:.0%} of their answers to this clip are not zero.",
        tuple(panels),
        {"lively": lively, "kernels": kernels},
    )


SIDE, SIZE, PLACES = 136, 112, 18


def paths(subject: Subject) -> Figure:
    """The fused network's answer, and the answers when one path is silent."""
    network, inputs = _network(subject), {name: value.cpu() for name, value in subject.inputs.items()}
    with torch.inference_mode():
        features, fusion = network.features(**inputs), cast(nn.Module, network.fusion)
        spatial, temporal = features["spatial"], features["temporal"]

        def scores(*parts: torch.Tensor) -> np.ndarray:
            code = fusion(torch.cat(parts, dim=1))
            return softmax(network.scores(code).numpy(), subject.recognizer.card.temperature or 1.0)[0]

        probabilities = {
            "both paths": scores(spatial, temporal),
            "spatial path alone": scores(spatial, torch.zeros_like(temporal)),
            "temporal path alone": scores(torch.zeros_like(spatial), temporal),
        }
    order = np.argsort(-probabilities["both paths"])
    panels = []
    for name, values in probabilities.items():
        rows = [(subject.labels[i], float(values[i]), f"{values[i]:.0%}") for i in order]
        best_row = int(np.argmax(values[order]))
        panels.append(Panel(bars(rows, name, most=1.0, marked=[best_row]), f"{name.capitalize()}."))
    best = {name: subject.labels[int(values.argmax())] for name, values in probabilities.items()}
    return Figure(
        f"Together they answer '{best['both paths']}'; the spatial path alone '{best['spatial path alone']}', the "
        f"temporal path alone '{best['temporal path alone']}'. A silent path is one whose numbers are set to zero, "
        "ours: the paper trains a network for each.",
        tuple(panels),
        {name: values.tolist() for name, values in probabilities.items()},
    )


def _crops(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """The middle frame of each of 18 crops of the newest pair, and the network's scores for the crops."""

    def make() -> tuple:
        span = sampling.pair_span(LENGTH, LIGHT_STRIDE, LIGHT_DISTANCE)
        frames = newest(subject.clip, span, 12.5)
        frames = sampling.short_side(frames[chosen_frames(frames, None)], SIDE)
        height, width = frames.shape[1:3]
        crops = sampling.test_crops(height, width, SIZE, PLACES)
        views = [view(crop.of(frames)) for crop in crops]
        logits = subject.recognizer.run(views)[0]
        images = np.stack([crop["frames"][:, LENGTH // 2].transpose(1, 2, 0) for crop in views])
        return images, softmax(logits, subject.recognizer.card.temperature or 1.0)

    return subject.keep("crops", make)


def crops(subject: Subject) -> Figure:
    """Eq. 5 and 6: the 18 crops of a pair, each with its SCI, its weight and its answer."""
    images, scores = _crops(subject)
    index, fused, plain = sci(scores), sci_fusion(scores), average(scores)
    canvas, wide = Canvas(1060, 3 * 152 + 4, "18 crops with their weights"), 96
    most = float(fused.weights.max())
    for number, (image, score) in enumerate(zip(images, scores, strict=True)):
        half, row, column = number // 9, number % 9 // 3, number % 3
        x, y = 6 + (half * 3 + column) * 176, 6 + row * 152
        canvas.image(np.ascontiguousarray(image), x, y, wide)
        canvas.rect(x + wide + 6, y, 10, wide, fill="currentColor", opacity=0.12)
        tall = wide * float(fused.weights[number]) / most
        canvas.rect(x + wide + 6, y + wide - tall, 10, tall, fill=SECOND)
        canvas.text(x, y + wide + 16, f"{subject.labels[int(score.argmax())]} {score.max():.0%}", size=12)
        canvas.text(x, y + wide + 32, f"SCI {index[number]:.2f}, weight {fused.weights[number]:.3f}", size=11)
    best, other = subject.labels[int(fused.scores.argmax())], subject.labels[int(plain.scores.argmax())]
    return Figure(
        f"SCI runs from {index.min():.2f} to {index.max():.2f}: the surest crop counts "
        f"{fused.weights.max() / max(fused.weights.min(), 1e-9):.1f} times as much as the least sure one. Weighted, "
        f"the answer is '{best}' with {fused.scores.max():.0%}; plainly averaged '{other}' with "
        f"{plain.scores.max():.0%}.",
        (Panel(canvas.svg(), "Nine places (left) and the same mirrored (right). Under each crop its answer and its "
            "SCI; the orange bar is its weight. The light network is otherwise tested with two zooms and their mirror "
            "images.", wide=True),),
        {"sci": index.tolist(), "weights": fused.weights.tolist(), "scores": scores.tolist()},
    )  # fmt: skip


def fused(subject: Subject, *, pairs: float = 5) -> Figure:
    """Eq. 6 and 7 against averaging: pairs spread over the clip."""

    def make() -> np.ndarray:
        views = LIGHT.over(subject.clip, PAIRS, CROPS)
        logits = subject.recognizer.run(views)[0]
        scores = softmax(logits, subject.recognizer.card.temperature or 1.0)
        return scores.reshape(-1, len(CROPS), scores.shape[-1])

    every = subject.keep("every pair", make)
    count = min(int(pairs), len(every))
    some = every[np.unique(np.linspace(0, len(every) - 1, count).round().astype(int))]
    ways = {"SCI, then maximum": sci_fusion(some), "plain average": average(some), "maximum of all": maximum(some)}
    parts = ways["SCI, then maximum"].parts
    rows = [
        (f"pair {n}", subject.labels[int(part.argmax())], f"{part.max():.2f}", ", ".join(f"{w:.2f}" for w in own))
        for n, (part, own) in enumerate(zip(parts, ways["SCI, then maximum"].weights, strict=True), 1)
    ]
    panels = [Panel(Table(("pair", "answer", "score", "weights of its crops"), tuple(rows)), f"Each pair with its "
                    f"{len(CROPS)} crops weighted by their SCI.", wide=True)]  # fmt: skip
    for name, way in ways.items():
        order = np.argsort(-way.probabilities)
        lengths = [(subject.labels[i], float(way.probabilities[i]), f"{way.probabilities[i]:.0%}") for i in order]
        panels.append(Panel(bars(lengths, name, most=1.0, marked=(0,)), f"{name.capitalize()}, made to sum to one."))
    best = {name: subject.labels[int(way.scores.argmax())] for name, way in ways.items()}
    missing = "" if len(every) >= int(pairs) else f" The clip holds {len(every)} of the {int(pairs)} pairs asked for."
    return Figure(
        f"{count} pairs: SCI and maximum answer '{best['SCI, then maximum']}', the plain average "
        f"'{best['plain average']}'.{missing} Before it is scaled the maximum sums to "
        f"{ways['SCI, then maximum'].scores.sum():.2f}, not to one.",
        tuple(panels),
        {name: way.scores.tolist() for name, way in ways.items()},
    )


def sizes(subject: Subject | None) -> Figure:
    """Where the weights of the paper's network and of the light one lie."""
    panels: list[Panel] = []
    counts: dict[str, int] = {}
    for name, build in (("the paper's network", fstcn.FstCN), ("the light network", fstcn.light)):
        with torch.device("meta"):
            network = build(101)
        temporal, spatial = network.temporal, network.spatial
        assert temporal and spatial and network.fusion
        parts = {
            "shared layers": weights(network.lower),
            "T-P, temporal layer": weights(temporal) - weights(temporal.fc),
            "temporal FC": weights(temporal.fc),
            "spatial layer": weights(spatial) - weights(spatial.fc),
            "spatial FC": weights(spatial.fc),
            "fusion, classifier": weights(network.fusion) + weights(network.classifier),
        }
        counts[name] = weights(network)
        rows = [(part, count, million(count)) for part, count in parts.items()]
        panels.append(Panel(bars(rows, name, left=140), f"{name.capitalize()}: {million(weights(network))} weights."))
    of_paper = counts["the paper's network"]
    return Figure(
        f"The paper's network has {million(of_paper)} weights, nearly all of them in the two fully connected pairs; "
        f"the convolutions, which the factorisation is about, are small. The light one has "
        f"{million(counts['the light network'])}.",
        tuple(panels),
        counts,
    )


# --- the tour -------------------------------------------------------------------------------------

WHICH = Slider("which", "Frame", 1, 5, 1, 3, "Of the five in the pair.")
POSITION = Slider("position", "Place", 1, 9, 1, 5, "Of the 3×3, row by row.")

TOUR = Tour(
    about="Learn space first, frame by frame, and time afterwards, on what space has made of the frames. That "
    "needs far fewer weights than learning both at once, and the part for space can be learned from single frames.",
    steps=(
        Step(
            "A cube made of a plate and a rod", "eq. 1 to 3",
            "Some cubes of weights are a flat kernel repeated along time, each copy times one number. For such a cube, "
            "convolving once with the cube is the same as convolving every frame with the plate and then every pixel "
            "along time with the rod. Type other kernels and compare; press Enter to try them.",
            outer,
            (
                Words("flat", "Flat kernel, rows apart by ;", "1 0 -1; 2 0 -2; 1 0 -1"),
                Words("along", "Kernel along time", "-1 0 1"), MOMENT,
            ),
        ),
        Step(
            "Frames and their partners", "eq. 4, fig. 2",
            "A pair of clips: five frames, and how each of them differs from a frame d_t later. The frames are "
            "s_t apart, so that a few of them span a long stretch. Move both numbers: small distances show only edges "
            "of what moves, large ones show where it was and where it is.",
            pair,
            (
                Slider("distance", "d_t", 1, 12, 1, 4, "The light network takes 4."),
                Slider("stride", "s_t", 1, 8, 1, 3, "The light network takes 3."),
                Slider("which", "Pair", 1, 5, 1, 3, "Five pairs, spread over the clip."),
            ),
        ),
        Step(
            "Four layers for space", "sec. 2.1",
            "The first four layers look at each frame on its own and are shared by both paths. They see no time at "
            "all. Compare what they find in a frame with what they find in a difference.",
            shared,
            (Choice("fed", "Look at", (("a difference", "difference"), ("a frame", "frames")), "difference"), WHICH),
        ),
        Step(
            "Turning time into a direction", "sec. 2.1, T-P operator",
            "Now the trick. Take one place of the small maps and write down all its channels, time after time: an "
            "image with time downwards and channels across. On that image an ordinary 2-D convolution runs along "
            "time. Channels have no natural order, so a learned matrix P first puts them into one.",
            rearranged, (POSITION, Slider("channel", "Channel", 0, 63, 1, 0)),
        ),
        Step(
            "Two kernels for time", "sec. 2.1, TCL",
            "Some actions are quick, some are slow. A small kernel and a large one look at the same image of time "
            "and channels side by side, and both answers are kept. Nothing is pooled afterwards, since that would blur "
            "when something happened.",
            columns, (POSITION, Slider("which", "Map", 1, 8, 1, 1)),
        ),
        Step(
            "Two paths, one answer", "fig. 1",
            "A second, spatial path looks at one frame only. Both end in a short vector, and the two vectors "
            "together are classified. Silence one path and see what the other answers for your clip.",
            paths,
        ),
        Step(
            "Eighteen views of one pair", "eq. 5 and 6, fig. 3",
            "For a test the pair is cropped at nine places, each also mirrored. A crop that shows the action well "
            "gives one class nearly all of its score; a crop that missed it hesitates. The sparsity concentration "
            "index tells the two apart, and the crops are averaged with it as their weight.",
            crops,
        ),
        Step(
            "Many pairs, one answer", "eq. 6 and 7",
            "Several pairs are spread over the clip. Crops are averaged within a pair, but across pairs the largest "
            "score of each class wins: an action need only be seen once. Compare with plain averaging.",
            fused, (Slider("pairs", "Pairs", 1, 5, 1, 5),),
        ),
        Step(
            "Where the weights are", "sec. 2.5",
            "Factorising makes convolutions small. It does nothing for the fully connected layers behind them, and "
            "that is where the paper's network keeps nearly all of its weights. Counted on both networks.",
            sizes,
            needs_clip=False,
        ),
        Step(
            "Does the claim hold here?", "tables 1 and 2",
            "Two kernels better than one, SCI better than averaging, both paths better than either: "
            "the results with this project's networks stand here.",
            lambda _: verdict("fstcn"),
            needs_clip=False,
        ),
    ),
)  # fmt: skip
