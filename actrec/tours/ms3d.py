"""The guided tour of MS3D: convolution over time, frames drawn where something happens, sparse connections, embeddings.

Man et al., "The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks": eq. 1–6.
"""

from __future__ import annotations

from typing import cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from actrec import sampling
from actrec.claims.figure import verdict
from actrec.core.errors import BadValue
from actrec.explain.subject import Subject, place
from actrec.figures.charts import lines, plane
from actrec.figures.drawing import ACCENT, SECOND, THIRD, Canvas, Figure, Panel, coloured, draw_grid, strip
from actrec.models.counting import weights
from actrec.models.ms3d import MS3D, PATHWAYS, SparseBlock, extend_time, kept, temporal_start
from actrec.motion.difference import variance_rate
from actrec.recognition.calibrated import comparable
from actrec.recognition.recognizer import Recognizer
from actrec.recognition.repository import Repository
from actrec.systems.losses import n_pair
from actrec.systems.ms3d import newest_window
from actrec.systems.views import THIN
from actrec.systems.views import place as letterboxed
from actrec.tours.step import MOMENT, Again, Choice, Slider, Step, Tour

INKS = dict(zip(PATHWAYS, (ACCENT, SECOND, THIRD), strict=True))
SIDE = 96


def _network(subject: Subject) -> MS3D:
    return cast(MS3D, subject.network)


def _window(subject: Subject) -> np.ndarray:
    """The frames of the newest seconds that the weights' recipe draws from."""
    return newest_window(subject.recognizer.system, subject.clip)


def _frames(subject: Subject) -> np.ndarray:
    """The same as the recipe letterboxes them."""
    return subject.keep("frames", lambda: letterboxed(_window(subject), SIDE))


def _floats(subject: Subject, frames: np.ndarray) -> torch.Tensor:
    """Frames `[T, S, S, 3]` as the network's input `[1, 3, T, S, S]`."""
    value = torch.from_numpy(np.ascontiguousarray(frames.transpose(3, 0, 1, 2)))[None]
    return subject.recognizer.system.inputs["slow"].normalise(value)


def _flat_kernel(subject: Subject) -> torch.Tensor:
    """The 2-D kernel behind the fixed 3-D one: over time eq. 4's factors sum to one."""
    return cast(torch.Tensor, _network(subject).shared.kernel).sum(2)


def _flat(subject: Subject, clip: torch.Tensor) -> torch.Tensor:
    stride = _network(subject).shared.stride
    return nn.functional.conv3d(clip, _flat_kernel(subject).unsqueeze(2), None, (1, stride, stride), (0, 1, 1))


def with_time(subject: Subject, *, moment: float, channel: float) -> Figure:
    """2-D against 3-D: what becomes of each answer when the neighbouring frames are exchanged for others."""
    frames, channel = _frames(subject), int(channel)
    t = 1 + place(moment, len(frames) - 2)
    real = frames[t - 1 : t + 2]
    held = frames[[t, t, t]]
    with torch.inference_mode():
        answers = {}
        for name, clip in (("with its neighbours", real), ("held still", held)):
            value = _floats(subject, clip)
            answers["2-D", name] = _flat(subject, value)[0, channel, 1]
            answers["3-D", name] = _network(subject).shared(value)[0, channel, 1]
    most = max(float(answer.abs().max()) for answer in answers.values())
    gap = {kind: float((answers[kind, "with its neighbours"] - answers[kind, "held still"]).abs().mean())
           for kind in ("2-D", "3-D")}  # fmt: skip
    shown = [coloured(answers[key].numpy(), "signed", most) for key in answers]
    order = list(answers)
    sentence = (
        f"Exchange the neighbours for copies of the frame itself: the 2-D answer changes by {gap['2-D']:.3f}, it "
        f"never looked at them. The 3-D answer changes by {gap['3-D']:.3f}."
    )
    if gap["3-D"] < 1e-6:
        sentence += " Here even the 3-D answer stays: at this moment nothing moves. Try another moment."
    names = [f"{kind}, {name}" for kind, name in order]
    return Figure(
        sentence,
        (
            Panel(strip(list(real), ("before", "now", "after"), "three neighbouring frames", width=180, marked=(1,)),
                  f"Frame {t + 1} of the {len(frames)} in this window, and its neighbours."),
            Panel(strip([shown[i] for i in (0, 2, 1, 3)], [names[i] for i in (0, 2, 1, 3)], "answers", cells=True,
                        width=180, row=2),
                  f"Answers of kernel {channel + 1} to the middle frame: red above zero, blue below, pale nothing. "
                  "Left with the real neighbours, right with copies."),
        ),
        {"change": gap},
    )  # fmt: skip


def _drawn(subject: Subject, again: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """p(z) of the window and the frames of each pathway, as the recipe draws them."""
    p = subject.keep("p", lambda: variance_rate(np.ascontiguousarray(_window(subject)[:, ::THIN, ::THIN])))
    indices = sampling.pathways(p, np.random.default_rng(int(again)))
    return p, dict(zip(PATHWAYS, indices, strict=True))


def rate(subject: Subject, *, again: int = 0) -> Figure:
    """Eq. 1: p(z) over the window and the frames drawn by it."""
    p, drawn = _drawn(subject, again)
    z, quiet = int(p.argmax()), float(p.std()) < 1e-12
    canvas = Canvas(900, 300, "variance rate and the frames drawn by it")
    left, right, top, bottom, most = 60, 880, 16, 190, float(p.max())

    def x(frame: float) -> float:
        return left + (right - left) * frame / len(p)

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / most

    for value in (0, most / 2, most):
        canvas.line(left, y(value), right, y(value), opacity=0.2)
        canvas.text(left - 6, y(value) + 4, f"{value:.3f}", "end", size=11)
    canvas.line(left, y(1 / len(p)), right, y(1 / len(p)), dashed=True, opacity=0.7)
    canvas.text(right, y(1 / len(p)) - 5, "all alike", "end", size=11)
    canvas.path("M" + "L".join(f"{x(i + 1):.1f} {y(v):.1f}" for i, v in enumerate(p)), thick=2)
    for row, (name, frames) in enumerate(drawn.items()):
        base = bottom + 26 + 24 * row
        canvas.text(left - 6, base + 4, f"{name} {len(frames)}", "end", size=12, colour=INKS[name], bold=True)
        for frame in frames:
            canvas.line(x(frame), base - 8, x(frame), base + 8, stroke=INKS[name], thick=3)
    for frame in range(0, len(p) + 1, max(6, len(p) // 12)):
        canvas.text(x(frame), bottom + 26 + 24 * 3 + 8, str(frame), "middle", size=11)
    distinct = {name: len(set(frames.tolist())) for name, frames in drawn.items()}
    repeated = int((p == 0).sum())
    lively = set(np.argsort(-p)[: (len(p) - repeated) // 4] + 1)
    hit = float(np.mean([frame in lively for frames in drawn.values() for frame in frames]))
    sentence = (
        "Nothing moves in these seconds, so every pair of frames is as likely as the others: the draw is even."
        if quiet
        else f"Most happens between frames {z} and {z + 1}: {p[z] * len(p):.1f} times as likely as if all were "
        f"alike. {hit:.0%} of the frames drawn come from the liveliest quarter of those that differ."
    )
    return Figure(
        sentence,
        (Panel(canvas.svg(), "The curve is p(z), the part of all change that happens between two neighbouring "
            "frames; dashed, what it would be if all were alike. Below, the frames that the slow, the mid and the "
            "fast pathway drew, each on its own.", wide=True),),
        {"p": p.tolist(), "drawn": {name: frames.tolist() for name, frames in drawn.items()}, "distinct": distinct},
    )  # fmt: skip


def pathways(subject: Subject, *, pathway: str = "slow", again: int = 0) -> Figure:
    """The frames that one pathway gets, in time order."""
    frames = _frames(subject)
    _, drawn = _drawn(subject, again)
    index = drawn[pathway]
    steps = np.diff(index)
    return Figure(
        f"The {pathway} pathway gets {len(index)} of {len(frames)} frames. Steps between them are "
        f"{steps.min()} to {steps.max()} frames long; evenly drawn they would be "
        f"{(len(frames) - 1) / (len(index) - 1):.1f} each.",
        (Panel(strip(list(frames[index]), [str(i) for i in index], f"the {pathway} pathway", row=9),
               "The numbers count the window's frames. Where much happens the steps are short.", wide=True),),
        {"index": index.tolist()},
    )  # fmt: skip


def stems(subject: Subject, *, pathway: str = "slow", moment: float = 0.5, channel: float = 0) -> Figure:
    """One fixed kernel for all, then a kernel of its own for each pathway; all three end up in one block."""
    network, value = _network(subject), subject.inputs[pathway].cpu()
    with torch.inference_mode():
        shared = network.shared(network.pathway_input(value))
        own = network.pathways[pathway](shared)
        clips = [network.pathway_input(subject.inputs[name].cpu()) for name in PATHWAYS]
        blocks = [network.pathways[name](network.shared(clip)) for name, clip in zip(PATHWAYS, clips, strict=True)]
        pile = network.pile_up(blocks)
    t = place(moment, value.shape[2])
    first, second = int(channel) % shared.shape[1], int(channel) % own.shape[1]
    convs = {name: cast(nn.Conv3d, cast(nn.Sequential, network.pathways[name])[0]) for name in PATHWAYS}
    sizes = {name: "×".join(map(str, conv.kernel_size)) for name, conv in convs.items()}
    canvas = Canvas(760, 70, "the pile of the three pathways")
    at, unit = 10.0, 740 / pile.shape[2]
    for name, block in zip(PATHWAYS, blocks, strict=True):
        wide = block.shape[2] * unit
        canvas.rect(at, 8, wide - 3, 30, fill=INKS[name], opacity=1 if name == pathway else 0.35)
        canvas.text(at + wide / 2, 56, f"{name}: {block.shape[2]}, kernel {sizes[name]}", "middle", size=11)
        at += wide
    return Figure(
        f"{'' if network.sizes.ground else 'Each pathway first takes the mean of its frames away. '}"
        f"The fixed 3×3×3 kernel makes {shared.shape[1]} maps of {shared.shape[3]}×{shared.shape[4]} of every frame. "
        f"The {pathway} pathway's own kernel is {sizes[pathway]} (T×H×W): the more frames a pathway has, the wider "
        f"it looks in space. Piled up along time they make {pile.shape[2]} moments of {pile.shape[1]} channels.",
        (
            Panel(strip([subject.frame(pathway, t)], [f"frame {t + 1}"], "the frame", width=200), "What goes in."),
            Panel(strip([coloured(shared[0, first, t].numpy(), "signed")], [f"kernel {first + 1}"], "shared map",
                        cells=True, width=200), "After the shared kernel, which is never trained: red above zero, blue "
                        "below."),
            Panel(strip([coloured(own[0, second, t].numpy(), "strength")], [f"channel {second + 1}"], "own map",
                        cells=True, width=200), f"After {pathway}'s own kernel and ReLU; bright is strong."),
            Panel(canvas.svg(), "The pile: 7 + 17 + 25 = 49 moments, one pathway after the other.", wide=True),
        ),
        {"moments": pile.shape[2], "kernels": sizes},
    )  # fmt: skip


def start(subject: Subject, *, d: str = "3", slice_: str = "first", moment: float = 0.5, channel: float = 0) -> Figure:
    """Eq. 4: a 2-D kernel becomes a 3-D one that answers a still clip exactly as the 2-D one does."""
    depth, frames, channel = int(d), _frames(subject), int(channel)
    kernel = temporal_start(_flat_kernel(subject), depth, slice_)
    factors = temporal_start(torch.ones(1, 1, 1, 1), depth, slice_).flatten().numpy()
    t, stride = place(moment, len(frames)), _network(subject).shared.stride

    def answer(clip: np.ndarray) -> torch.Tensor:
        value = extend_time(_floats(subject, clip), depth, "replicate")
        return nn.functional.conv3d(value, kernel, None, (1, stride, stride), (0, 1, 1))[0, channel]

    with torch.inference_mode():
        flat = _flat(subject, _floats(subject, frames[t : t + 1]))[0, channel, 0]
        still = answer(np.repeat(frames[t : t + 1], 9, 0))
        moving = answer(frames)[t]
    off = float((still - flat).abs().max())
    apart = float((moving - flat).abs().mean())
    most = max(float(answer.abs().max()) for answer in (flat, still, moving))
    canvas = Canvas(max(220, 66 * depth + 12), 96, "the factors of eq. 4")
    draw_grid(canvas, factors[None], 4, 4, most=2, cell=64)
    canvas.text(4, 86, "earliest", size=11)
    canvas.text(66 * depth - 6, 86, "latest", "end", size=11)
    maps = [coloured(answer.numpy(), "signed", most) for answer in (flat, still[4], moving)]
    return Figure(
        f"The {depth} factors sum to {factors.sum():.2f}. On a still clip the 3-D answer differs from the 2-D one by "
        f"at most {off:.1e}; on your clip by {apart:.3f} on average: what is new is what moved.",
        (
            Panel(canvas.svg(), f"How the 2-D kernel is spread over {depth} slices of time: (2d−1)/d once, −1/d "
                "elsewhere."),
            Panel(strip(maps, ("2-D kernel", "3-D, still clip", "3-D, your clip"), "answers", cells=True, width=150),
                  "Answers to the same frame: red above zero, blue below, pale nothing.", wide=True),
        ),
        {"sum": float(factors.sum()), "off": off, "apart": apart},
    )  # fmt: skip


def connections(subject: Subject | None, *, alpha: float = 0.7, layers: float = 8, again: int = 0) -> Figure:
    """Eq. 2: every layer receives its predecessor's output and that of a random part of the earlier ones."""
    count = int(layers)

    def block(fraction: float, seed: int) -> SparseBlock:
        generator = torch.Generator().manual_seed(seed)
        return SparseBlock(
            count, 16, alpha=fraction, bottleneck=None, redraw=False, padding="replicate", generator=generator
        )

    mine, dense = block(alpha, int(again)), block(1.0, 0)
    heard = mine.heard
    canvas = Canvas(760, 250, "which layer receives which")
    step, base = 720 / (count + 1), 190
    at = [20 + step * (layer + 0.5) for layer in range(count + 1)]
    for layer, sources in enumerate(heard, start=2):
        for source in range(1, layer):
            x0, x1 = at[source - 1], at[layer - 1]
            rise = min(170.0, 26 + 20 * (layer - source))
            last, on = source == layer - 1, source in sources
            d = f"M{x0:.0f} {base - 12}Q{(x0 + x1) / 2:.0f} {base - rise:.0f} {x1:.0f} {base - 12}"
            if on:
                canvas.path(d, stroke=SECOND if last else ACCENT, thick=2)
    for layer, x in enumerate(at, start=1):
        canvas.dot(x, base, 12, fill=ACCENT if layer > 1 else SECOND)
        canvas.text(x, base + 4, str(layer), "middle", size=11, colour="#ffffff", bold=True)
        canvas.text(x, base + 34, "input" if layer == 1 else f"+{kept(layer, alpha)}", "middle", size=11)
    links, every = sum(map(len, heard)), sum(map(len, dense.heard))
    return Figure(
        f"{links} of {every} possible connections are there. The block has {weights(mine):,} weights, fully "
        f"connected it would have {weights(dense):,}: {1 - weights(mine) / weights(dense):.0%} saved.",
        (Panel(canvas.svg(), "A dot is a layer. Orange: each layer receives its predecessor's output. Green: the "
            "earlier ones it "
            "was given at random, (l − 2)·α of them, as many as the number below says. Draw again and other ones are "
            "given; in the trained network the draw is stored with the weights.", wide=True),),
        {"links": links, "heard": heard, "weights": weights(mine), "dense": weights(dense)},
    )  # fmt: skip


SEEDS, STEPS, RATE = (31, 32), 40, 0.5  # two clips of each class; gradient steps
CLASS_INKS = ("#0d9488", "#d97706", "#8b5cf6", "#e11d48", "#0284c7", "#65a30d", "#c026d3", "#a16207")


_PAIRS: WeakKeyDictionary[Recognizer, np.ndarray] = WeakKeyDictionary()  # the same for every visitor


def _pairs(subject: Subject) -> np.ndarray:
    """Codes of two drawn clips of each class, `[2, classes, D]`."""
    from actrec import synthetic

    if subject.recognizer not in _PAIRS:
        views = []
        for seed in SEEDS:
            for label in subject.labels:
                try:
                    clip = synthetic.render(label, seed, frames=40, size=(96, 128), fps=12.5)
                except (KeyError, ValueError):
                    raise BadValue(f"'{label}' cannot be drawn; this figure needs two clips of each class.") from None
                views += subject.recognizer.system.protocols["one"].views(clip)
        codes = subject.recognizer.run(views)[1]
        _PAIRS[subject.recognizer] = codes.reshape(len(SEEDS), len(subject.labels), -1)
    return _PAIRS[subject.recognizer]


def _lesson(subject: Subject) -> tuple[list[np.ndarray], list[float]]:
    """The codes after each step down the N-pair loss, and the loss."""

    def make() -> tuple:
        codes = torch.tensor(_pairs(subject))
        course, losses = [codes.numpy().copy()], []
        for _ in range(STEPS + 1):
            codes = codes.detach().requires_grad_()
            loss = n_pair(codes[0], codes[1])
            (slope,) = torch.autograd.grad(loss, codes)
            losses.append(float(loss.detach()))
            codes = codes.detach() - RATE * slope
            course.append(codes.numpy().copy())
        return course, losses

    return subject.keep("lesson", make)


def pull_and_push(subject: Subject, *, steps: float = 0) -> Figure:
    """Eq. 5 on two clips of each class: the codes move down the loss, as free points."""
    course, losses = _lesson(subject)
    steps = int(steps)
    before, now, following = course[0], course[steps], course[steps + 1]
    flat = np.concatenate([before.reshape(-1, before.shape[-1]), course[-1].reshape(-1, before.shape[-1])])
    mean, axes, shown = plane(flat)
    everything = (flat - mean) @ axes.T
    reach = np.abs(everything).max(0) * 1.12 + 1e-6

    def at(code: np.ndarray) -> np.ndarray:
        return np.array([280, 190]) + ((code - mean) @ axes.T) / reach * np.array([270, -178])

    canvas = Canvas(560, 400, "codes of two clips of each class")
    for number, label in enumerate(subject.labels):
        ink = CLASS_INKS[number % len(CLASS_INKS)]
        one, two = at(now[0, number]), at(now[1, number])
        canvas.line(*one, *two, stroke=ink, thick=1, dashed=True)
        for clip in (0, 1):
            was, here, there = (at(codes[clip, number]) for codes in (before, now, following))
            canvas.line(*was, *here, stroke=ink, thick=1, opacity=0.5)
            canvas.arrow(*here, *(here + 12 * (there - here)), stroke=ink)
            x, y = map(float, here)
            canvas.dot(x, y, 5, fill=ink, stroke="currentColor", hint=f"{label}, clip {clip + 1}")
        canvas.text((one[0] + two[0]) / 2, (one[1] + two[1]) / 2 - 9, label, "middle", colour=ink, bold=True)
    apart = _apart(now)
    return Figure(
        f"After {steps} steps the loss is {losses[steps]:.3f} (at first {losses[0]:.3f}). Two clips of one class are "
        f"{apart[0]:.2f} apart on average, clips of different classes {apart[1]:.2f}.",
        (
            Panel(canvas.svg(), "Each class has two clips (dots of one colour, joined by a dashed line). Arrows: where "
                f"the loss moves them next, twelve times as long. The map shows {shown:.0%} of all differences.",
                  wide=False),
            Panel(lines({"N-pair loss": list(enumerate(losses))}, "N-pair loss", "step", mark=(steps, "now")),
                  "The loss falls as a clip comes nearer to its partner than to the other classes' second clips."),
        ),
        {"loss": losses[steps], "first": losses[0], "same": apart[0], "other": apart[1]},
    )  # fmt: skip


def _apart(codes: np.ndarray) -> tuple[float, float]:
    """Mean distance within pairs and between classes."""
    gaps = np.linalg.norm(codes[0][:, None] - codes[1][None], axis=-1)
    own = np.eye(len(gaps), dtype=bool)
    return float(gaps[own].mean()), float(gaps[~own].mean())


def decision_start(subject: Subject) -> dict[str, float]:
    return {"gamma": round(float(subject.recognizer.card.threshold or 1.0), 3)}


def decided(subject: Subject, *, gamma: float = 0.5) -> Figure:
    """Eq. 6 and the threshold γ: the clip's code among the class centres, and the decision."""
    card = subject.recognizer.card
    if not card.centres:
        raise BadValue(f"The weights '{card.name}' carry no class centres, so they cannot decide.")
    repository = Repository.from_card(card.centres, float(gamma))

    def make() -> np.ndarray:
        system = subject.recognizer.system
        return comparable(system, subject.recognizer.run(system.protocols["paper"].views(subject.clip))[1])

    passes = subject.keep("passes", make)
    decision = repository.judge(comparable(subject.recognizer.system, passes.mean(0)), top=len(card.centres))
    singles = [repository.judge(code, top=len(card.centres)) for code in passes]
    most = max(max(gap for _, gap in decision.nearest), gamma) * 1.08
    canvas = Canvas(620, 34 * len(decision.nearest) + 46, "distances to the class centres")
    left, room = 130, 420
    for row, (label, gap) in enumerate(decision.nearest):
        y = 8 + 34 * row
        fill, opacity = (ACCENT, 0.8) if gap < gamma else ("currentColor", 0.3)
        canvas.text(left - 8, y + 16, label, "end", bold=row == 0)
        canvas.rect(left, y, room * gap / most, 22, fill=fill, opacity=opacity)
        canvas.text(left + room * gap / most + 6, y + 16, f"{gap:.3f}")
        for one in singles:
            x = left + room * dict(one.nearest)[label] / most
            canvas.line(x, y + 2, x, y + 20, stroke=SECOND, thick=2)
    x, bottom = left + room * gamma / most, 34 * len(decision.nearest) + 8
    canvas.line(x, 2, x, bottom + 8, thick=2, dashed=True)
    canvas.text(x, bottom + 26, f"γ = {gamma:.3f}", "middle", bold=True)
    verdict = "unknown" if decision.unknown else f"'{decision.label}'"
    return Figure(
        f"The answer is {verdict}: the nearest centre, '{decision.nearest[0][0]}', is {decision.distance:.3f} away, "
        f"and γ is {gamma:.3f}. These weights ship with γ = {card.threshold or 0:.3f}.",
        (Panel(canvas.svg(), "Distances from the clip's code to each class centre. Bars: the mean code of "
            f"{len(passes)} draws of its frames; orange marks: each draw alone. Left of the dashed line a clip counts "
            "as known.",
               wide=True),),
        {"label": decision.label, "distance": decision.distance, "passes": len(passes)},
    )  # fmt: skip


# --- the tour -------------------------------------------------------------------------------------

KERNEL = Slider("channel", "Kernel", 0, 7, 1, 0, "The fixed layer has 8.")
PATHWAY = Choice("pathway", "Pathway", ("slow", "mid", "fast"), "slow")
DRAW = Again("again", "Draw again")

TOUR = Tour(
    about="Not every frame of a clip is informative. This paper draws frames where something happens, at three "
    "densities, connects its layers sparsely and at random, and decides by distance: what is near to no known class is "
    "unknown.",
    steps=(
        Step(
            "With time and without", "sec. II",
            "A 2-D kernel looks at one frame: what came before or after cannot change its answer. A 3-D kernel "
            "reaches into the neighbouring frames as well. The proof is simple: exchange the neighbours for copies "
            "and see whose answer changes.",
            with_time, (MOMENT, KERNEL),
        ),
        Step(
            "Where something happens", "eq. 1",
            "Add up how much every pixel changes from one frame to the next, and divide by the sum over the clip: "
            "that is the variance rate. It is a lottery wheel. A pair of frames between which much happens gets a "
            "wide field. Draw again and see where the frames fall.",
            rate, (DRAW,),
        ),
        Step(
            "Three pathways", "sec. III-A",
            "The wheel is spun for three pathways on their own: 7 frames for the slow one, 17 for the mid one, 25 "
            "for the fast one. The slow pathway sees the outline of an action, the fast one its detail. Each keeps the "
            "order of time.",
            pathways, (PATHWAY, DRAW),
        ),
        Step(
            "One kernel for all, then one of its own", "eq. 3, sec. III-A",
            "All pathways pass the same kernel first, and that one is never trained: its outputs for a slow frame "
            "and for a fast one can be compared. Then each pathway has its own kernel, wider where there are more "
            "frames, and the three results are piled up to one block.",
            stems, (PATHWAY, MOMENT, KERNEL),
        ),
        Step(
            "From a flat kernel to a deep one", "eq. 4",
            "Good 2-D kernels are known; 3-D kernels need a start. Copy the flat kernel into every slice of time, with "
            "a large factor once and small negative ones elsewhere, such that the factors add up to one. Where nothing "
            "moves the deep kernel then answers as the flat one does; where something moves it answers differently.",
            start,
            (
                Choice("d", "Depth d", ("1", "3", "5", "7"), "3"),
                Choice("slice_", "The large factor is on the", (("first slice", "first"), ("middle slice", "middle")),
                       "first"),
                MOMENT, KERNEL,
            ),
        ),
        Step(
            "Connected at random", "eq. 2",
            "In a DenseNet every layer receives the output of all earlier ones, which is costly and repetitive. Here "
            "each receives its "
            "predecessor and only a fraction α of the others, drawn at random. The text of the paper calls α a rate of "
            "dropping, its equation a rate of keeping; this project follows the equation.",
            connections,
            (
                Slider("alpha", "α, the fraction kept", 0, 1, 0.05, 0.7), Slider("layers", "Layers", 3, 14, 1, 8),
                DRAW,
            ),
            needs_clip=False,
        ),
        Step(
            "Pull together, push apart", "eq. 5",
            "The network is trained on pairs. Two clips of one class should get codes that point the same way; the "
            "second clips of all other classes should point elsewhere. Here the codes of two drawn clips of each class "
            "are let loose and follow the slope of the loss. Take more steps and watch the classes part.",
            pull_and_push,
            (Slider("steps", "Steps down the loss", 0, 40, 1, 0),),
        ),
        Step(
            "Known or unknown", "eq. 6, sec. III-D",
            "There is no classifier. The mean of a class's codes is its centre, kept in a repository, and a clip is "
            "what the nearest centre is, unless even that is farther away than γ. Then the honest answer is 'unknown'. "
            "Move γ and see when your clip stops being known.",
            decided,
            (Slider("gamma", "γ", 0, 1.5, 0.005, 0.3, "Farther than this is unknown."),),
            start=decision_start,
        ),
        Step(
            "Does the claim hold here?", "tables I to III",
            "The paper reports whole systems on other data. The results here about its single ideas, on clips "
            "that were not used for training, stands below.",
            lambda _: verdict("ms3d"),
            needs_clip=False,
        ),
    ),
)  # fmt: skip
