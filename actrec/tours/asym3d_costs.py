"""Figures on what Asymmetric 3D-CNN costs: kinds of convolution, reach, Tables 1 and 2 beside our counts.

Yang et al., sec. 3.1, Table 1 and Table 2. The paper's figures are those it prints; ours are counted on the networks.
"""

from __future__ import annotations

import statistics
import time
from functools import lru_cache

import torch
from torch import nn

from actrec.explain.subject import Subject
from actrec.figures.drawing import Canvas, Figure, Panel, Table, bars, coloured, cuboid, million
from actrec.models.asym3d import VARIANTS, AsymmetricConv3d
from actrec.models.c3d import C3D
from actrec.models.c3d import VARIANTS as DENSE
from actrec.models.counting import multiplications, weights
from actrec.models.layers import ConvReLU3d, for_inference

REPEATS, BLOCK = 3, (8, 28, 28)  # what conv3 of C3D sees of a clip: T, H, W

# What the paper prints. Table 1: parameters in M, multiplications in G. Table 2: parameters in M, seconds a step.
TABLE_1 = {"conv1": (0.005, 1.04), "conv2": (0.22, 11.09), "conv3": (2065, 31.12), "conv4": (10.62, 8.33),
           "conv5": (14.16, 1.39)}  # fmt: skip
TABLE_2 = {
    "c3d-b5": (17.44, 1.10), "b5-asyConv3": (17.05, 0.85), "b5-asyConv4": (16.26, 0.94), "b5-asyConv5": (16.26, 0.94),
    "b5-asyConv34": (15.87, 0.82), "b5-asyConv35": (15.87, 0.82), "b5-asyConv45": (15.08, 0.83),
    "b5-asyConv345": (14.69, 0.81), "c3d-b8": (78.40, 1.28), "b8-asyConv3": (76.43, 0.99), "b8-asyConv4": (70.53, 1.00),
    "b8-asyConv5": (67.65, 1.03), "b8-asyConv34": (68.56, 0.95), "b8-asyConv35": (65.68, 0.97),
    "b8-asyConv45": (59.78, 0.97), "b8-asyConv345": (57.82, 0.93),
}  # fmt: skip


def kinds_of_convolution(channels: int, k: int) -> dict[str, nn.Module]:
    """Fig. 1: the dense kernel, space then time (FstCN), and one direction after the other."""
    torch.manual_seed(0)
    factorised = nn.Sequential(
        ConvReLU3d(channels, channels, (1, k, k)),
        ConvReLU3d(channels, channels, (k, 1, 1)),
    )
    return {
        "dense": ConvReLU3d(channels, channels, (k, k, k)),
        "space, then time": factorised,
        "asymmetric": AsymmetricConv3d(channels, channels, (k, k, k)),
    }


def three_kinds(subject: Subject, *, k: str = "3", channels: str = "32") -> Figure:
    """Parameters, multiplications and measured milliseconds of the three kinds on one block."""
    size, width = int(k), int(channels)
    found = _costs(size, width)
    base = found["dense"]
    panels = [Panel(_blocks(size), "The kernels: a full cube; a plate and a rod; three rods.")]
    for place, (name, say) in enumerate(
        (("weights", million), ("multiplications", million), ("milliseconds here", lambda each: f"{each:.1f} ms"))
    ):
        rows = [(kind, costs[place], say(costs[place])) for kind, costs in found.items()]
        panels.append(Panel(bars(rows, name), f"{name.capitalize()}, {width} channels in and out."))
    slim = found["asymmetric"]
    return Figure(
        f"With k = {size} the three rods have {base[0] / slim[0]:.1f} times fewer weights and multiplications than the "
        f"cube (k³ : 3k = {size**3} : {3 * size}) and take {slim[2] / base[2]:.0%} of its time on this "
        "machine. The gain in time is smaller than the gain in counts, or none at all where channels are few: three "
        "layers read and write their maps three times.",
        tuple(panels),
        {kind: list(costs) for kind, costs in found.items()},
    )


@lru_cache(maxsize=32)
def _costs(k: int, channels: int) -> dict[str, tuple[int, int, float]]:
    found, block = {}, torch.rand(1, channels, *BLOCK, generator=torch.Generator().manual_seed(0))
    for kind, layer in kinds_of_convolution(channels, k).items():
        ready, times = for_inference(layer), []
        with torch.inference_mode():
            for _ in range(REPEATS + 1):
                began = time.perf_counter()
                ready(block)
                times.append((time.perf_counter() - began) * 1000)
        found[kind] = (weights(layer), multiplications(layer, {"input": block}), statistics.median(times[1:]))
    return found


def _blocks(k: int) -> str:
    unit = 60 / k
    canvas = Canvas(400, 190, "a cube; a plate and a rod; three rods")
    shapes = {
        "dense": [(k, k, k)],
        "space, then time": [(1, k, k), (k, 1, 1)],
        "asymmetric": [(1, k, 1), (1, 1, k), (k, 1, 1)],
    }
    starts = {"dense": (14,), "space, then time": (128, 206), "asymmetric": (268, 292, 336)}
    for (name, each), middle in zip(shapes.items(), (60, 190, 320), strict=True):
        for x, size in zip(starts[name], each, strict=True):
            cuboid(canvas, x, 120, size, unit)
        canvas.text(middle, 152, name, "middle", bold=True)
        count = sum(a * b * c for a, b, c in each)
        canvas.text(middle, 172, f"{count} weights a channel", "middle", size=11)
    return canvas.svg()


def two_layers(subject: Subject, *, channels: str = "64") -> Figure:
    """Fig. 2b: what one output sees behind two dense layers and behind the cascade 5, 5, 3, found by "
    "differentiation."""
    width = int(channels)
    dense = nn.Sequential(ConvReLU3d(width, width, (3, 3, 3)), ConvReLU3d(width, width, (3, 3, 3)))
    cascade = AsymmetricConv3d(width, width, (5, 5, 3))
    seen = {"two of 3×3×3": _reach("dense"), "5, 5, 3 in turn": _reach("cascade")}
    count = {"two of 3×3×3": weights(dense), "5, 5, 3 in turn": weights(cascade)}
    panels = []
    for name, reach in seen.items():
        space, times = reach.amax(0), reach.amax((1, 2))
        canvas = Canvas(300, 150, f"what one output sees behind {name}")
        canvas.image(coloured(space.numpy(), "strength", 1.0), 4, 4, 110, cells=True)
        canvas.text(59, 134, f"{_extent(space.amax(1))} rows × {_extent(space.amax(0))} columns", "middle")
        for t, value in enumerate(times.tolist()):
            canvas.rect(140 + 21 * t, 40, 18, 40, fill="#fde725" if value else "#440154")
        canvas.text(140 + 21 * len(times) / 2, 134, f"{_extent(times)} moments", "middle")
        panels.append(Panel(canvas.svg(), f"{name}: the places of the input on which one output depends (yellow), in "
            "the picture and over time."))  # fmt: skip
    rows = [(name, value, million(value)) for name, value in count.items()]
    panels.append(Panel(bars(rows, "weights"), f"Weights with {width} channels throughout."))
    a, b = (list(each) for each in ((_extent(r.amax((1, 2))), _extent(r.amax((0, 2)))) for r in seen.values()))
    return Figure(
        f"In the picture both reach {b[1]} pixels. Over time two dense layers reach {a[0]} moments, the cascade only "
        f"{b[0]}: the paper calls both the same, and this is where it is not. It costs "
        f"{count['two of 3×3×3'] / count['5, 5, 3 in turn']:.1f} times fewer weights.",
        tuple(panels),
        {"space": [a[1], b[1]], "time": [a[0], b[0]], "weights": count},
    )


def _reach(kind: str) -> torch.Tensor:
    """Where the input matters to the middle output, `[9, 9, 9]` of 0 and 1, with every weight one."""
    if kind == "dense":
        layers = nn.Sequential(ConvReLU3d(1, 1, (3, 3, 3)), ConvReLU3d(1, 1, (3, 3, 3)))
    else:
        layers = AsymmetricConv3d(1, 1, (5, 5, 3))
    with torch.no_grad():
        for name, parameter in layers.named_parameters():
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    block = torch.ones(1, 1, 9, 9, 9, requires_grad=True)
    layers(block)[0, 0, 4, 4, 4].backward()
    return (block.grad[0, 0] != 0).float()


def _extent(along: torch.Tensor) -> int:
    return int((along > 0).sum())


def table_1(subject: Subject) -> Figure:
    """Where C3D's cost lies: the paper's Table 1, corrected, beside our counts."""
    found = _per_group()
    total = [sum(each[place] for each in found.values()) for place in (0, 1)]
    rows = [
        (
            name, f"{TABLE_1[name][0]:g}", f"{ours[0] / 1e6:.3f}", f"{ours[0] / total[0]:.2%}",
            f"{TABLE_1[name][1]:.2f}",
            f"{ours[1] / 1e9:.2f}", f"{ours[1] / total[1]:.1%}",
        )
        for name, ours in found.items()
    ]  # fmt: skip
    rows.append(("all", "27.65", f"{total[0] / 1e6:.2f}", "", "52.97", f"{total[1] / 1e9:.2f}", ""))
    early = sum(found[name][1] for name in ("conv1", "conv2")) / total[1]
    heads = ("group", "paper, M", "counted, M", "share", "paper, G", "counted, G", "share")
    spread = [(name, each[1], million(each[1])) for name, each in found.items()]
    return Figure(
        f"Counted on the network: {total[0] / 1e6:.2f} M weights and {total[1] / 1e9:.1f} G multiplications. conv1 and "
        f"conv2 take {early:.0%} of the multiplications and {(found['conv1'][0] + found['conv2'][0]) / total[0]:.1%} "
        "of the weights.",
        (
            Panel(Table(heads, tuple(rows)), "Convolutions of C3D (c3d-b8) for 16×112×112. The paper's conv3 row "
                "cannot be right: 2065 M is a slip for 2.65 M, and 2.65 M weights at 6272 places are 16.65 G "
                "multiplications, not 31.12. With it the total is the 38.5 G that others count too.", wide=True),
            Panel(bars(spread, "multiplications by group"), "Multiplications by group, counted."),
        ),
        {name: list(each) for name, each in found.items()},
    )  # fmt: skip


@lru_cache(maxsize=1)
def _per_group() -> dict[str, tuple[int, int]]:
    with torch.device("meta"):
        network: C3D = DENSE["c3d-b8"](101)
    found, block = {}, torch.empty(1, 3, 16, 112, 112, device="meta")
    with torch.no_grad():
        for name, part in network.features.named_children():
            if name.startswith("conv"):
                found[name] = (weights(part), multiplications(part, {"input": block}))
            block = part(block)
    return found


def table_2(subject: Subject, *, base: str = "c3d-b5") -> Figure:
    """Which groups are made asymmetric, what that saves, and how much faster the paper found it."""
    counted = _variants()
    mine = {name: each for name, each in counted.items() if name == base or name.startswith(base[-2:])}
    rows = []
    for name, (weigh, cost) in mine.items():
        paper, seconds = TABLE_2[name]
        rows.append((
            name, f"{paper:.2f}", f"{weigh / 1e6:.2f}", f"{cost / 1e9:.1f}", f"{TABLE_2[base][1] / seconds:.2f}",
            f"{mine[base][1] / cost:.2f}",
        ))  # fmt: skip
    off = max(abs(TABLE_2[name][0] - weigh / 1e6) for name, (weigh, _) in mine.items())
    least = min(mine, key=lambda name: mine[name][1])
    heads = ("network", "paper, M", "counted, M", "multiplications, G", "faster, paper", "fewer multiplications")
    return Figure(
        f"All {len(mine)} counts agree with Table 2 to {off:.3f} M. {least} has the fewest multiplications: "
        f"{mine[base][1] / mine[least][1]:.2f} times fewer than {base}.",
        (Panel(Table(heads, tuple(rows)), "Table 2 beside our counts: weights without biases for 101 classes, one clip "
            "of 16×112×112. 'Faster' is the paper's time of a training step, base ÷ variant; the last column is what "
            "the multiplications alone would give.", wide=True),),
        {name: {"paper": TABLE_2[name][0], "counted": weigh / 1e6, "multiplications": cost} for name, (weigh, cost) in
         mine.items()},
    )  # fmt: skip


@lru_cache(maxsize=1)
def _variants() -> dict[str, tuple[int, int]]:
    found = {}
    for name in TABLE_2:
        with torch.device("meta"):
            network = (DENSE | VARIANTS)[name](101)
        found[name] = (weights(network), multiplications(network, {"clip": (1, 3, 16, 112, 112)}))
    return found
