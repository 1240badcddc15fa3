"""The guided tour of Asymmetric 3D-CNN: a window over a block of frames, dense and in three directions; columns; costs.

Yang et al., "Asymmetric 3D Convolutional Neural Networks for Action Recognition": eq. 1–7, fig. 1–3, Tables 1 and 2.
The network is the light one, whose batch norms are folded into the convolutions in front of them. The paper's figures
are those it prints; ours are counted on the networks.
"""

from __future__ import annotations

import statistics
import time
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
import torch
from torch import nn

from actrec.claims.figure import verdict
from actrec.explain.subject import Subject, place
from actrec.figures import colour_maps
from actrec.figures.drawing import (
    SECOND,
    Canvas,
    Figure,
    Panel,
    Table,
    bars,
    coloured,
    cuboid,
    draw_grid,
    million,
    strip,
)
from actrec.models.asym3d import TABLE_2, VARIANTS, AsymmetricConv3d, MicroNet
from actrec.models.c3d import C3D
from actrec.models.c3d import VARIANTS as DENSE
from actrec.models.counting import multiplications, weights
from actrec.models.layers import ConvReLU3d, for_inference
from actrec.motion.flow import flow, flow_frames
from actrec.motion.rgbf import movement_confidence, rgbf
from actrec.systems.asym3d import FRAMES, MODALITIES, SIZE, light
from actrec.tours.step import MOMENT, Choice, Slider, Step, Tour

CONTRAST = 4  # of signed differences, which are faint
DIRECTIONS = ("height", "width", "time")
COLUMNS = {"linear": "1×1×1", "middle": "1×1×1 → 3×3×3", "left": "1×1×1 → two of 3×3×3", "pooled": "pool → 1×1×1"}


def block(subject: Subject, *, fed: str = "difference") -> Figure:
    """The 16 frames that go into the network together, by the recipe's own view."""
    if fed not in MODALITIES:
        fed = MODALITIES[0]
    views = subject.keep(("block", fed), lambda: light(fed).protocols["one"].views(subject.clip)[0]["clip"])
    shown = [np.ascontiguousarray(views[:, t].transpose(1, 2, 0)) for t in range(views.shape[1])]
    shown = [vivid(frame) for frame in shown] if fed == "difference" else shown
    seconds = subject.recognizer.system.seconds
    names = [f"{(t - len(shown) + 1) * seconds / (len(shown) - 1):+.2f} s" for t in range(len(shown))]
    change = np.abs(np.diff(views.astype(np.int16), axis=1)).mean()
    still = (
        " Nothing changes between them: a network that looks for motion has nothing to go by." if change == 0 else ""
    )
    return Figure(
        f"{views.shape[1]} frames of {views.shape[2]}×{views.shape[3]} pixels and {views.shape[0]} channels: "
        f"{views.size:,} numbers. From one frame to the next a number changes by {change:.1f} of 255.{still}",
        (Panel(strip(shown, names, f"the {len(shown)} frames as {fed}", row=8), WORDS[fed], wide=True),),
        {"shape": list(views.shape), "change": float(change)},
    )


WORDS = {
    "difference": "What the light network is fed, ours: half the difference to the next frame, grey where nothing "
    "changes; shown with four times its contrast. Seconds count back from the newest frame.",
    "rgb": "Plain frames, as the paper feeds them first. Seconds count back from the newest frame.",
    "rgbf": "RGBF, eq. 7: frames dimmed where nothing moves, the border left out. Seconds count back from the newest "
    "frame.",
    "flow": "Flow frames: red is motion across, green motion up and down (128 is none), blue how much.",
}


def vivid(image: np.ndarray) -> np.ndarray:
    """An image of signed differences with its contrast fourfold, to be shown."""
    return cv2.convertScaleAbs(image, alpha=CONTRAST, beta=128 * (1 - CONTRAST))


# --- one cell -------------------------------------------------------------------------------------


def _network(subject: Subject) -> C3D:
    return cast(C3D, subject.network)


def contributions(conv: nn.Conv3d, maps: torch.Tensor, channel: int, cell: tuple[int, int, int]) -> np.ndarray:
    """The part of each place of the window in one output of a convolution, `[kT, kH, kW]`: Σ over c of V·F in eq. 2.

    `maps` is `[1, C, T, H, W]`, `cell` the output's (l, x, y). Their sum and the bias are the output.
    """
    pads = [amount for size in reversed(_padding(conv)) for amount in (size, size)]
    padded = nn.functional.pad(maps, pads)[0]
    window = tuple(
        slice(at * step, at * step + size) for at, step, size in zip(cell, conv.stride, conv.kernel_size, strict=True)
    )
    return (padded[(slice(None), *window)] * conv.weight[channel]).sum(0).numpy()


def _padding(conv: nn.Conv3d) -> tuple[int, ...]:
    return cast(tuple[int, ...], conv.padding)  # a word such as "same" is never used here


def _bias(conv: nn.Conv3d, channel: int) -> float:
    return 0.0 if conv.bias is None else float(conv.bias[channel])


def _conv1(subject: Subject) -> tuple[nn.Conv3d, torch.Tensor, torch.Tensor]:
    """The first layer, what goes in, and what comes out before the ReLU."""
    conv = cast(nn.Conv3d, _network(subject).features.get_submodule("conv1.conv"))
    maps = subject.inputs["clip"].cpu()

    def make() -> torch.Tensor:
        with torch.inference_mode():
            return conv(maps)

    return conv, maps, subject.keep("conv1", make)


def window_start(subject: Subject) -> dict[str, float]:
    """The channel and place where the first layer answers most, inside the block."""
    return _strongest(_conv1(subject)[2][0])


def _strongest(out: torch.Tensor) -> dict[str, float]:
    inner = out[:, 1:-1, 1:-1, 1:-1]
    channel, t, y, x = np.unravel_index(int(inner.argmax()), inner.shape)
    _, count, height, width = out.shape
    return {
        "channel": float(channel), "moment": round((t + 1.5) / count, 3), "row": round((y + 1.5) / height, 3),
        "column": round((x + 1.5) / width, 3),
    }  # fmt: skip


def window(subject: Subject, *, row: float, column: float, moment: float, channel: float) -> Figure:
    """Eq. 1 and 2 at one place: window times kernel, summed, is one number of the map."""
    conv, maps, out = _conv1(subject)
    count, height, width = out.shape[2:]
    channel = min(int(channel), out.shape[1] - 1)
    cell = (place(moment, count), place(row, height), place(column, width))
    parts = contributions(conv, maps, channel, cell)
    bias = _bias(conv, channel)
    total = float(parts.sum()) + bias
    corner = tuple(c * s - p for c, s, p in zip(cell, conv.stride, _padding(conv), strict=True))
    most = float(out[0, channel].abs().max())
    named = f"{total:+.2f}, and ReLU makes it {max(total, 0):.2f}"
    return Figure(
        f"The {parts.size} places of the window, each summed over the three colours, add up to {parts.sum():+.2f}; "
        f"with the bias {bias:+.2f} that is {named}. The strongest answer of this kernel in the whole block is "
        f"{most:.2f}.",
        (
            Panel(_windows(subject, corner, parts.shape), "The window (orange) in three neighbouring frames of the "
                  "block: three pixels high, wide and long in time.", wide=True),
            Panel(_products(parts), "What every place adds: input times kernel. Blue takes away, red adds."),
            Panel(_map_with(out[0, channel, cell[0]].relu().numpy(), cell[1:]), "The map that this kernel draws at "
                "this moment; the framed cell is the number above. Bright: a strong answer."),
        ),
        {"total": total, "layer": float(out[(0, channel, *cell)]), "cell": list(cell), "parts": parts.tolist()},
    )  # fmt: skip


def _windows(subject: Subject, corner: tuple[int, ...], size: tuple[int, ...]) -> str:
    canvas, wide = Canvas(3 * 216 + 8, 232, "the window in three neighbouring frames"), 206
    for place_, t in enumerate(range(corner[0], corner[0] + size[0])):
        x = 4 + 216 * place_
        if 0 <= t < FRAMES:
            canvas.image(vivid(subject.frame("clip", t)), x, 4, wide, cells=True)
        else:
            canvas.rect(x, 4, wide, wide, fill="currentColor", opacity=0.1)
        step = wide / SIZE
        canvas.rect(x + corner[2] * step - 3, 4 + corner[1] * step - 3, size[2] * step + 6, size[1] * step + 6,
                    stroke=SECOND, thick=2.5)  # fmt: skip
        name = f"frame {t + 1} of {FRAMES}" if 0 <= t < FRAMES else "outside the block: zeros"
        canvas.text(x + wide / 2, 226, name, "middle")
    return canvas.svg()


def _products(parts: np.ndarray) -> str:
    most = max(float(np.abs(parts).max()), 1e-6)
    across, cell = parts.shape[2], 36
    canvas = Canvas(3 * (across * cell + 16), parts.shape[1] * cell + 60, "what each place of the window adds")
    for t, grid in enumerate(parts):
        x = 8 + t * (across * cell + 16)
        draw_grid(canvas, grid, x, 4, most=most, cell=cell)
        canvas.text(x + across * cell / 2, parts.shape[1] * cell + 20, ("before", "now", "after")[t], "middle")
    canvas.scale("signed", 8, parts.shape[1] * cell + 30, f"−{most:.2f}", f"+{most:.2f}")
    return canvas.svg()


def _map_with(values: np.ndarray, cell: tuple[int, ...], frame: tuple[int, int] = (1, 1), wide: float = 230) -> str:
    """A map of a layer's answers with a window of (rows, columns) around a cell framed."""
    height, width = values.shape
    step = wide / width
    canvas = Canvas(wide + 8, height * step + 44, "a map of one kernel's answers")
    canvas.image(coloured(values, "strength"), 4, 4, wide, height * step, cells=True)
    y, x = cell[0] - (frame[0] - 1) / 2, cell[1] - (frame[1] - 1) / 2
    canvas.rect(4 + x * step, 4 + y * step, frame[1] * step, frame[0] * step, stroke=SECOND, thick=2.5)
    canvas.scale("strength", 4, height * step + 12, "0", f"{values.max():.2f}")
    return canvas.svg()


# --- three directions -----------------------------------------------------------------------------


def _cascade(subject: Subject) -> tuple[dict[str, nn.Conv3d], dict[str, torch.Tensor], torch.Tensor]:
    """The asymmetric column of the first MicroNet: its three layers, what goes into each, and the last output."""

    def make() -> tuple:
        features = _network(subject).features
        with torch.inference_mode():
            maps = subject.inputs["clip"].cpu()
            for name, part in features.named_children():
                if name == "conv3":
                    break
                maps = part(maps)
            first, asymmetric = cast(nn.Sequential, features.get_submodule("conv3.left"))
            maps, fed = first(maps), {}
            for name in DIRECTIONS:
                fed[name] = maps
                maps = getattr(asymmetric, name)(maps)
        return {name: getattr(asymmetric, name).conv for name in DIRECTIONS}, fed, maps

    return subject.keep("cascade", make)


def cascade_start(subject: Subject) -> dict[str, float]:
    return _strongest(_cascade(subject)[2][0])


def cascade(
    subject: Subject, *, direction: str = "height", row: float, column: float, moment: float, channel: float
) -> Figure:
    """Eq. 3, 4 or 5 at one place: the window is long in one direction only, and the next one takes over its map."""
    layers, fed, last = _cascade(subject)
    conv, maps = layers[direction], fed[direction]
    results = {"height": fed["width"], "width": fed["time"], "time": last}
    after = results[direction]
    count, height, width = maps.shape[2:]
    cell = (place(moment, count), place(row, height), place(column, width))
    channel = min(int(channel), after.shape[1] - 1)
    parts = contributions(conv, maps, channel, cell)
    bias, done = _bias(conv, channel), DIRECTIONS.index(direction)
    total = float(parts.sum()) + bias
    reach = [1, 1, 1]
    for name in DIRECTIONS[: done + 1]:
        reach = [max(a, b) for a, b in zip(reach, layers[name].kernel_size, strict=True)]
    stages = Canvas(4 * 164 + 8, 214, "the map before and after each of the three directions")
    for number, (name, values) in enumerate([("input", fed["height"]), *results.items()]):
        _stage(stages, 4 + 164 * number, name, values, cell, channel, layers, name == direction)
    equation = 3 + done
    return Figure(
        f"Along {direction} the window has {parts.size} places, which add up to {parts.sum():+.2f}, with the bias "
        f"{total:+.2f}. By now a cell has seen {reach[1]} rows × {reach[2]} columns × {reach[0]} moments of the "
        f"column's input.",
        (
            Panel(stages.svg(), f"The column's input and its map after height, width and time (eq. 3, 4, 5), at moment "
                  f"{cell[0] + 1} of {count}. Framed: what the cell has seen by then. The chosen direction is bold.",
                  wide=True),
            Panel(_row(parts.reshape(-1), direction), f"Eq. {equation}: what each of the window's {parts.size} places "
                  f"adds, all {maps.shape[1]} channels together. Blue takes away, red adds."),
            Panel(_shapes(layers), "The three kernels as blocks: long in one direction, one cell in the others."),
        ),
        {"total": total, "layer": float(after[(0, channel, *cell)]), "places": parts.size, "reach": reach},
    )  # fmt: skip


def _stage(canvas: Canvas, x: float, name: str, values: torch.Tensor, cell: tuple[int, ...], channel: int,
           layers: dict[str, nn.Conv3d], chosen: bool) -> None:  # fmt: skip
    wide = 154
    shown = values[0, :, cell[0]].mean(0) if name == "input" else values[0, channel, cell[0]]
    canvas.image(coloured(shown.numpy(), "strength"), x, 4, wide, wide, cells=True)
    rows = layers["height"].kernel_size[1] if name != "input" else 1
    columns = layers["width"].kernel_size[2] if name in ("width", "time") else 1
    step = wide / shown.shape[-1]
    top, left = cell[1] - (rows - 1) / 2, cell[2] - (columns - 1) / 2
    canvas.rect(x + left * step, 4 + top * step, columns * step, rows * step, stroke=SECOND, thick=2.5)
    words = "input (mean)" if name == "input" else f"after {name}"
    canvas.text(x + wide / 2, 176, words, "middle", bold=chosen)
    reaches = {"input": "", "height": f"{rows} rows", "width": f"{rows} rows × {columns} columns"}
    reach = reaches.get(name, f"and {layers['time'].kernel_size[0]} moments")
    canvas.text(x + wide / 2, 194, reach, "middle", size=11)


def _row(parts: np.ndarray, direction: str) -> str:
    canvas, most = Canvas(330, 110, f"what the window adds along {direction}"), max(float(np.abs(parts).max()), 1e-6)
    draw_grid(canvas, parts[None], 8, 22, most=most, cell=60)
    ends = {"height": ("above", "below"), "width": ("left", "right"), "time": ("before", "after")}[direction]
    canvas.text(8, 14, ends[0], size=11)
    canvas.text(8 + 60 * len(parts) - 2, 14, ends[1], "end", size=11)
    canvas.scale("signed", 8, 86, f"−{most:.2f}", f"+{most:.2f}")
    return canvas.svg()


def _shapes(layers: dict[str, nn.Conv3d]) -> str:
    canvas = Canvas(330, 150, "the three kernels as blocks")
    for number, (name, conv) in enumerate(layers.items()):
        depth, height, width = conv.kernel_size
        cuboid(canvas, 20 + 108 * number, 96, (depth, height, width), unit=13)
        size = f"{depth}×{height}×{width}"
        canvas.text(62 + 108 * number, 122, name, "middle", bold=True)
        canvas.text(62 + 108 * number, 140, f"{size} (T×H×W)", "middle", size=11)
    return canvas.svg()


# --- MicroNets ------------------------------------------------------------------------------------


def columns(subject: Subject, *, which: str = "conv3", moment: float = 0.5) -> Figure:
    """The four columns of a MicroNet of the network: what each brings, and what it costs (fig. 3)."""
    maps, micro = _micro_input(subject, which)
    with torch.inference_mode():
        by_column = {name: getattr(micro, name)(maps) for name in COLUMNS}
    t = place(moment, maps.shape[2])
    cost = {name: multiplications(getattr(micro, name), {"input": maps}) for name in COLUMNS}
    weigh = {name: weights(getattr(micro, name)) for name in COLUMNS}
    wide = sum(maps.shape[1] for maps in by_column.values())
    strength = {name: float(maps.abs().mean()) for name, maps in by_column.items()}
    kinds = kinds_of(micro)
    shown = [coloured(maps[0, :, t].mean(0).numpy(), "strength") for maps in by_column.values()]
    fractions = {
        "channels": {name: maps.shape[1] / wide for name, maps in by_column.items()},
        "weights": {name: weigh[name] / sum(weigh.values()) for name in COLUMNS},
        "multiplications": {name: cost[name] / sum(cost.values()) for name in COLUMNS},
    }
    panels = [
        Panel(strip(shown, [kinds[name] for name in COLUMNS], "the columns' maps", cells=True, width=160), "What each "
              f"column draws at moment {t + 1} of {maps.shape[2]}, the mean of its channels. Dark is nothing, bright "
              "is the column's strongest answer.", wide=True)
    ]  # fmt: skip
    for name, fraction in fractions.items():
        rows = [(kinds[column], value, f"{value:.0%}") for column, value in fraction.items()]
        panels.append(Panel(bars(rows, f"fraction of the {name}", most=1.0, left=170), f"Fraction of the {name}."))
    costly = max(cost, key=cost.__getitem__)
    return Figure(
        f"{which} is a MicroNet {kind_of(micro)}: {wide} channels out of {maps.shape[1]}, "
        f"{million(sum(weigh.values()))} weights, {million(sum(cost.values()))} multiplications. The column "
        f"{kinds[costly]} takes {cost[costly] / sum(cost.values()):.0%} of them; on this clip the strongest is "
        f"{kinds[max(strength, key=strength.__getitem__)]}.",
        tuple(panels),
        {"channels": wide, "weights": weigh, "multiplications": cost, "strength": strength},
    )


def _micro_input(subject: Subject, which: str) -> tuple[torch.Tensor, MicroNet]:
    def make() -> torch.Tensor:
        with torch.inference_mode():
            maps = subject.inputs["clip"].cpu()
            for name, part in _network(subject).features.named_children():
                if name == which:
                    break
                maps = part(maps)
        return maps

    return subject.keep(("into", which), make), getattr(_network(subject).features, which)


def kinds_of(micro: MicroNet) -> dict[str, str]:
    """The columns by their kernels, as they are in this MicroNet."""
    kind = kind_of(micro)
    names = COLUMNS.copy()
    if kind in ("M3", "M4"):
        names["middle"] = "1×1×1 → 3, 3, 3"
    names["left"] = "1×1×1 → 5, 5, 3" if kind in ("M2", "M4") else "1×1×1 → 3×3×3 twice"
    return names


def kind_of(micro: MicroNet) -> str:
    """M1 to M4, by which columns are asymmetric."""
    middle, left = (hasattr(column[1], "time") for column in (micro.middle, micro.left))
    return {(False, False): "M1", (False, True): "M2", (True, False): "M3", (True, True): "M4"}[(middle, left)]


# --- RGBF -----------------------------------------------------------------------------------------


def enhanced(subject: Subject, *, moment: float = 0.5, method: str = "dis") -> Figure:
    """Eq. 7 on one pair of frames: how far each pixel moves, scaled within the frame, times the frame."""
    clip = subject.clip
    if len(clip) < 2:
        return Figure("This clip has one frame: there is nothing that could have moved. Choose a longer one.")
    t = place(moment, len(clip) - 1)
    pair = clip.frames[t : t + 2]
    fields = subject.keep(("flow", t, method), lambda: flow(pair, method))
    confidence = movement_confidence(fields[0])
    length = np.hypot(fields[0, ..., 0], fields[0, ..., 1])
    result = rgbf(pair[:1], fields)[0]
    reach = colour_maps.flow_reach(fields)
    side = 250
    tall = side * pair.shape[1] / pair.shape[2]

    def one(image: np.ndarray, name: str, scale: tuple[str, str, str] | None = None) -> str:
        canvas = Canvas(side + 8, tall + (44 if scale else 12), name)
        canvas.image(image, 4, 4, side)
        if scale:
            kind, low, high = scale
            canvas.scale(kind, 4, tall + 14, low, high)
        return canvas.svg()

    movement = Canvas(side + 84, tall + 12, "flow in the colours of the wheel")
    movement.image(colour_maps.flow_picture(fields[0], reach), 4, 4, side)
    movement.image(colour_maps.wheel_legend(reach), side + 10, 4, 70)
    left = float(result.mean() / max(float(pair[0].mean()), 1e-9))
    still = "" if float(length.max()) > 0.05 else " Nothing moves in this pair, so the product is black."
    return Figure(
        f"{method}: pixels move between {length.min():.2f} and {length.max():.2f} px from frame {t + 1} to {t + 2}. "
        f"Scaled to 0…1 within the frame and multiplied, {left:.0%} of the brightness is left.{still}",
        (
            Panel(one(pair[0], "RGB"), "RGB: the frame."),
            Panel(movement.svg(), "Flow: the colour shows where to, its strength how far; white is still."),
            Panel(one(colour_maps.heat(confidence), "movement confidence", ("salience", "still", "moves most")),
                  "Movement confidence: |F| between its least and its most in this frame."),
            Panel(one(result, "RGBF"), "RGBF (eq. 7): their product, the input of the second network."),
            Panel(one(flow_frames(fields)[0], "flow frame"), "The flow frame of sec. 3.4: across in red, up and down "
                  "in green, length in blue."),
        ),
        {"kept": left, "longest": float(length.max())},
    )  # fmt: skip


REPEATS, BLOCK = 3, (8, 28, 28)  # what conv3 of C3D sees of a clip: T, H, W

# What the paper prints in Table 1: parameters in M, multiplications in G.
TABLE_1 = {"conv1": (0.005, 1.04), "conv2": (0.22, 11.09), "conv3": (2065, 31.12), "conv4": (10.62, 8.33),
           "conv5": (14.16, 1.39)}  # fmt: skip


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
    costs_by_kind = _costs(size, width)
    base = costs_by_kind["dense"]
    panels = [Panel(_blocks(size), "The kernels: a full cube; a plate and a rod; three rods.")]
    for number, (name, written) in enumerate(
        (("weights", million), ("multiplications", million), ("milliseconds here", lambda took: f"{took:.1f} ms"))
    ):
        rows = [(kind, values[number], written(values[number])) for kind, values in costs_by_kind.items()]
        panels.append(Panel(bars(rows, name), f"{name.capitalize()}, {width} channels in and out."))
    slim = costs_by_kind["asymmetric"]
    return Figure(
        f"With k = {size} the three rods have {base[0] / slim[0]:.1f} times fewer weights and multiplications than the "
        f"cube (k³ : 3k = {size**3} : {3 * size}) and take {slim[2] / base[2]:.0%} of its time on this "
        "machine. The gain in time is smaller than the gain in counts, or none at all where channels are few: three "
        "layers read and write their maps three times.",
        tuple(panels),
        {kind: list(values) for kind, values in costs_by_kind.items()},
    )


@lru_cache(maxsize=32)
def _costs(k: int, channels: int) -> dict[str, tuple[int, int, float]]:
    costs_by_kind, block = {}, torch.rand(1, channels, *BLOCK, generator=torch.Generator().manual_seed(0))
    for kind, layer in kinds_of_convolution(channels, k).items():
        ready, times = for_inference(layer), []
        with torch.inference_mode():
            for _ in range(REPEATS + 1):
                start = time.perf_counter()
                ready(block)
                times.append((time.perf_counter() - start) * 1000)
        costs_by_kind[kind] = (weights(layer), multiplications(layer, {"input": block}), statistics.median(times[1:]))
    return costs_by_kind


def _blocks(k: int) -> str:
    unit = 60 / k
    canvas = Canvas(400, 190, "a cube; a plate and a rod; three rods")
    shapes = {
        "dense": [(k, k, k)],
        "space, then time": [(1, k, k), (k, 1, 1)],
        "asymmetric": [(1, k, 1), (1, 1, k), (k, 1, 1)],
    }
    starts = {"dense": (14,), "space, then time": (128, 206), "asymmetric": (268, 292, 336)}
    for (name, kernels), middle in zip(shapes.items(), (60, 190, 320), strict=True):
        for x, size in zip(starts[name], kernels, strict=True):
            cuboid(canvas, x, 120, size, unit)
        canvas.text(middle, 152, name, "middle", bold=True)
        count = sum(a * b * c for a, b, c in kernels)
        canvas.text(middle, 172, f"{count} weights a channel", "middle", size=11)
    return canvas.svg()


def two_layers(subject: Subject, *, channels: str = "64") -> Figure:
    """Fig. 2b: the inputs that one output depends on behind two dense layers and behind the cascade 5, 5, 3, found by
    differentiation."""
    width = int(channels)
    dense = nn.Sequential(ConvReLU3d(width, width, (3, 3, 3)), ConvReLU3d(width, width, (3, 3, 3)))
    cascade = AsymmetricConv3d(width, width, (5, 5, 3))
    reaches = {"two of 3×3×3": _reach("dense"), "5, 5, 3 in turn": _reach("cascade")}
    count = {"two of 3×3×3": weights(dense), "5, 5, 3 in turn": weights(cascade)}
    panels = []
    for name, reach in reaches.items():
        space, times = reach.amax(0), reach.amax((1, 2))
        canvas = Canvas(300, 150, f"what one output sees behind {name}")
        canvas.image(coloured(space.numpy(), "strength", 1.0), 4, 4, 110, cells=True)
        canvas.text(59, 134, f"{_extent(space.amax(1))} rows × {_extent(space.amax(0))} columns", "middle")
        for t, value in enumerate(times.tolist()):
            canvas.rect(140 + 21 * t, 40, 18, 40, fill="#fde725" if value else "#440154")
        canvas.text(140 + 21 * len(times) / 2, 134, f"{_extent(times)} moments", "middle")
        panels.append(Panel(canvas.svg(), f"{name}: the places of the input on which one output depends (yellow), in "
            "the frame and over time."))  # fmt: skip
    rows = [(name, value, million(value)) for name, value in count.items()]
    panels.append(Panel(bars(rows, "weights"), f"Weights with {width} channels throughout."))
    a, b = (list(extents) for extents in ((_extent(r.amax((1, 2))), _extent(r.amax((0, 2)))) for r in reaches.values()))
    return Figure(
        f"In the frame both reach {b[1]} pixels. Over time two dense layers reach {a[0]} moments, the cascade only "
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
    return (cast(torch.Tensor, block.grad)[0, 0] != 0).float()


def _extent(along: torch.Tensor) -> int:
    return int((along > 0).sum())


def table_1(subject: Subject) -> Figure:
    """Where C3D's cost lies: the paper's Table 1, corrected, beside our counts."""
    groups = _per_group()
    total = [sum(costs[place] for costs in groups.values()) for place in (0, 1)]
    rows = [
        (
            name, f"{TABLE_1[name][0]:g}", f"{ours[0] / 1e6:.3f}", f"{ours[0] / total[0]:.2%}",
            f"{TABLE_1[name][1]:.2f}",
            f"{ours[1] / 1e9:.2f}", f"{ours[1] / total[1]:.1%}",
        )
        for name, ours in groups.items()
    ]  # fmt: skip
    rows.append(("all", "27.65", f"{total[0] / 1e6:.2f}", "", "52.97", f"{total[1] / 1e9:.2f}", ""))
    early = sum(groups[name][1] for name in ("conv1", "conv2")) / total[1]
    headers = ("group", "paper, M", "counted, M", "fraction", "paper, G", "counted, G", "fraction")
    spread = [(name, costs[1], million(costs[1])) for name, costs in groups.items()]
    return Figure(
        f"Counted on the network: {total[0] / 1e6:.2f} M weights and {total[1] / 1e9:.1f} G multiplications. conv1 and "
        f"conv2 take {early:.0%} of the multiplications and {(groups['conv1'][0] + groups['conv2'][0]) / total[0]:.1%} "
        "of the weights.",
        (
            Panel(Table(headers, tuple(rows)), "Convolutions of C3D (c3d-b8) for 16×112×112. The paper's conv3 row "
                "cannot be right: 2065 M is a slip for 2.65 M, and 2.65 M weights at 6272 places are 16.65 G "
                "multiplications, not 31.12. With it the total is the 38.5 G that others count too.", wide=True),
            Panel(bars(spread, "multiplications by group"), "Multiplications by group, counted."),
        ),
        {name: list(costs) for name, costs in groups.items()},
    )  # fmt: skip


@lru_cache(maxsize=1)
def _per_group() -> dict[str, tuple[int, int]]:
    with torch.device("meta"):
        network: C3D = DENSE["c3d-b8"](101)
    groups, block = {}, torch.empty(1, 3, 16, 112, 112, device="meta")
    with torch.no_grad():
        for name, part in network.features.named_children():
            if name.startswith("conv"):
                groups[name] = (weights(part), multiplications(part, {"input": block}))
            block = part(block)
    return groups


def table_2(subject: Subject, *, base: str = "c3d-b5") -> Figure:
    """Which groups are made asymmetric, what that saves, and how much faster it was in the paper."""
    counted = _variants()
    mine = {name: counts for name, counts in counted.items() if name == base or name.startswith(base[-2:])}
    rows = []
    for name, (weigh, cost) in mine.items():
        paper, seconds = TABLE_2[name]
        rows.append((
            name, f"{paper:.2f}", f"{weigh / 1e6:.2f}", f"{cost / 1e9:.1f}", f"{TABLE_2[base][1] / seconds:.2f}",
            f"{mine[base][1] / cost:.2f}",
        ))  # fmt: skip
    off = max(abs(TABLE_2[name][0] - weigh / 1e6) for name, (weigh, _) in mine.items())
    least = min(mine, key=lambda name: mine[name][1])
    headers = ("network", "paper, M", "counted, M", "multiplications, G", "faster, paper", "fewer multiplications")
    return Figure(
        f"All {len(mine)} counts agree with Table 2 to {off:.3f} M. {least} has the fewest multiplications: "
        f"{mine[base][1] / mine[least][1]:.2f} times fewer than {base}.",
        (Panel(Table(headers, tuple(rows)), "Table 2 beside our counts: weights without biases for 101 classes, one "
            "clip of 16×112×112. 'Faster' is the paper's time of a training step, base ÷ variant; the last column is "
            "what the multiplications alone would give.", wide=True),),
        {name: {"paper": TABLE_2[name][0], "counted": weigh / 1e6, "multiplications": cost} for name, (weigh, cost) in
         mine.items()},
    )  # fmt: skip


@lru_cache(maxsize=1)
def _variants() -> dict[str, tuple[int, int]]:
    counts = {}
    for name in TABLE_2:
        with torch.device("meta"):
            network = (DENSE | VARIANTS)[name](101)
        counts[name] = (weights(network), multiplications(network, {"clip": (1, 3, 16, 112, 112)}))
    return counts


# --- the tour -------------------------------------------------------------------------------------

ROW = Slider("row", "Row", 0, 1, 0.005, 0.5, "From top to bottom.")
COLUMN = Slider("column", "Column", 0, 1, 0.005, 0.5, "From left to right.")

TOUR = Tour(
    about="A network that looks at frames and time together needs cubes of weights, and cubes are dear. This paper "
    "replaces a cube by three rods: one along the height, one along the width, one along time.",
    steps=(
        Step(
            "A clip is a block", "sec. 4.3",
            "Sixteen frames are stacked into one block of numbers, and the network sees all of them at once. An "
            "action is then a shape in this block: a waving arm is a ribbon that swings to and fro along the time "
            "axis. Choose what the block is made of; the light network of this page was trained on differences.",
            block,
            (Choice("fed", "The block is made of", ("difference", "rgb", "flow", "rgbf"), "difference"),),
        ),
        Step(
            "One window over space and time", "eq. 1 and 2",
            "A 3-D convolution lays a small window over the block: a few rows, a few columns and a few frames. Every "
            "number under the window is multiplied by a weight, and all products are added up. That sum is one cell of "
            "the result. Then the window moves on. You start where this kernel answers most; move the window and watch "
            "the sum change.",
            window,
            (ROW, COLUMN, MOMENT, Slider("channel", "Kernel", 0, 15, 1, 0, "The first layer has 16.")),
            start=window_start,
        ),
        Step(
            "Three windows instead of one", "eq. 3 to 6",
            "Now the same reach with far fewer weights. A first window is long only in height, a second works on its "
            "result and is long only in width, a third only in time. Each sees what the one before has gathered, so at "
            "the end a cell depends on a whole box of the block. Step through the three directions.",
            cascade,
            (
                Choice("direction", "Direction", ("height", "width", "time"), "height"), ROW, COLUMN, MOMENT,
                Slider("channel", "Kernel", 0, 11, 1, 0, "The column has 12."),
            ),
            start=cascade_start,
        ),
        Step(
            "Three kinds side by side", "fig. 1, sec. 3.1",
            "A cube of side k has k³ weights for every pair of channels. A plate for space and a rod for time (the "
            "idea of FstCN) need k² + k. Three rods need 3k. Choose k and the number of channels: weights and "
            "multiplications are counted on real layers, the milliseconds are measured on this machine while you wait.",
            three_kinds,
            (Choice("k", "k", ("3", "5", "7"), "3"), Choice("channels", "Channels", ("16", "32", "64"), "32")),
            needs_clip=False,
        ),
        Step(
            "Two layers in one go", "fig. 2b",
            "The deep network of this paper's comparison stacks two dense layers. The paper swaps both at once for "
            "rods of length 5, 5 and 3, which keeps the network from growing too deep to train. Does one output still "
            "see as much? Here the answer is found by asking every input whether it matters.",
            two_layers,
            (Choice("channels", "Channels", ("64", "256", "512"), "256"),),
            needs_clip=False,
        ),
        Step(
            "Small networks in the network", "fig. 3, sec. 3.2",
            "Long things and short things happen in the same clip. A MicroNet therefore has four columns of different "
            "reach side by side and joins their answers. In M2 the column of two layers is made of rods, in M3 the "
            "column of one, in M4 both. Look at what each column finds and what it costs.",
            columns,
            (
                Choice("which", "MicroNet", (("conv3 (M2)", "conv3"), ("conv4 (M2)", "conv4"), ("conv5 (M3)", "conv5")),
                       "conv3"),
                MOMENT,
            ),
        ),
        Step(
            "Where the cost lies", "table 1, corrected",
            "Why does the paper leave the first two layers dense? Because there is little to win: they hold almost no "
            "weights. The table counts C3D, the classic dense network, layer group by layer group. One row of the "
            "printed table cannot be right; it is corrected here, and you can check the sum.",
            table_1,
            needs_clip=False,
        ),
        Step(
            "Sixteen networks counted", "table 2",
            "The paper replaces the third, fourth and fifth group of two dense networks in every combination. We build "
            "all sixteen and count. Fewer multiplications need not mean the same gain in time, so the paper's measured "
            "speed stands beside what the multiplications would give.",
            table_2,
            (Choice("base", "Base network", (("c3d-b5, five layers", "c3d-b5"), ("c3d-b8, eight layers", "c3d-b8")),
                    "c3d-b5"),),
            needs_clip=False,
        ),
        Step(
            "Frames dimmed where nothing moves", "eq. 7, fig. 5",
            "Instead of one network for frames and another for motion, the paper mixes both before the first layer. "
            "Optical flow shows how far each pixel moves; scaled from 0 to 1 within a frame it becomes a dimmer. What "
            "stands still goes dark, what moves keeps its colours. Choose a moment and the way flow is found.",
            enhanced,
            (
                MOMENT,
                Choice("method", "Optical flow", (("DIS", "dis"), ("TV-L1", "tvl1"), ("Brox (the paper's)", "brox")),
                       "dis"),
            ),
        ),
        Step(
            "Does the claim hold here?", "tables 2 to 5",
            "A paper's figures belong to its data. The results with the networks of this project, on clips "
            "that were not used to train them, stand here.",
            lambda _: verdict("asym3d"),
            needs_clip=False,
        ),
    ),
)  # fmt: skip
