"""Figures on Asymmetric 3D-CNN: a window over a block of pictures, dense and in three directions; columns; RGBF.

Yang et al., "Asymmetric 3D Convolutional Neural Networks for Action Recognition": eq. 1–6 (sec. 3.1), fig. 3, eq. 7.
The network is the light one, whose batch norms are folded into the convolutions in front of them.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import nn

from actrec.explain.subject import Subject, place
from actrec.figures import colour_maps
from actrec.figures.drawing import SECOND, Canvas, Figure, Panel, bars, coloured, cuboid, draw_grid, million, strip
from actrec.models.asym3d import MicroNet
from actrec.models.counting import multiplications, weights
from actrec.motion.flow import flow, flow_frames
from actrec.motion.rgbf import movement_confidence, rgbf
from actrec.systems.asym3d import FRAMES, MODALITIES, SIZE, view
from actrec.systems.views import newest
from actrec.systems.views import place as letterboxed

CONTRAST = 4  # of signed differences, which are faint
DIRECTIONS = ("height", "width", "time")
COLUMNS = {"linear": "1×1×1", "middle": "1×1×1 → 3×3×3", "left": "1×1×1 → two of 3×3×3", "pooled": "pool → 1×1×1"}


def block(subject: Subject, *, fed: str = "difference") -> Figure:
    """The 16 pictures that go into the network together, by the recipe's own view."""
    if fed not in MODALITIES:
        fed = MODALITIES[0]
    made = subject.keep(("block", fed), lambda: view(_frames(subject), modality=fed)["clip"])
    shown = [np.ascontiguousarray(made[:, t].transpose(1, 2, 0)) for t in range(made.shape[1])]
    shown = [vivid(each) for each in shown] if fed == "difference" else shown
    seconds = subject.recognizer.system.seconds
    names = [f"{(t - len(shown) + 1) * seconds / (len(shown) - 1):+.2f} s" for t in range(len(shown))]
    change = np.abs(np.diff(made.astype(np.int16), axis=1)).mean()
    still = (
        " Nothing changes between them: a network that looks for motion has nothing to go by." if change == 0 else ""
    )
    return Figure(
        f"{made.shape[1]} pictures of {made.shape[2]}×{made.shape[3]} pixels and {made.shape[0]} channels: "
        f"{made.size:,} numbers. From one picture to the next a number changes by {change:.1f} of 255.{still}",
        (Panel(strip(shown, names, f"the {len(shown)} pictures as {fed}", row=8), WORDS[fed], wide=True),),
        {"shape": list(made.shape), "change": float(change)},
    )


WORDS = {
    "difference": "What the light network is fed, ours: half the difference to the next picture, grey where nothing "
    "changes; shown with four times its contrast. Seconds count back from the newest picture.",
    "rgb": "Plain pictures, as the paper feeds them first. Seconds count back from the newest picture.",
    "rgbf": "RGBF, eq. 7: pictures dimmed where nothing moves. Seconds count back from the newest picture.",
    "flow": "Flow frames: red is motion across, green motion up and down (128 is none), blue how much.",
}


def vivid(picture: np.ndarray) -> np.ndarray:
    """A picture of signed differences with its contrast taken up fourfold, to be looked at."""
    return cv2.convertScaleAbs(picture, alpha=CONTRAST, beta=128 * (1 - CONTRAST))


def _frames(subject: Subject) -> np.ndarray:
    """The 17 frames behind the network's view, letterboxed as the recipe does."""

    def make() -> np.ndarray:
        fps = FRAMES / subject.recognizer.system.seconds
        return letterboxed(newest(subject.clip, FRAMES + 1, fps), SIZE)

    return subject.keep("frames", make)


# --- one cell -------------------------------------------------------------------------------------


def contributions(conv: nn.Conv3d, maps: torch.Tensor, channel: int, cell: tuple[int, int, int]) -> np.ndarray:
    """What each place of the window adds to one output of a convolution, `[kT, kH, kW]`: Σ over c of V·F in eq. 2.

    `maps` is `[1, C, T, H, W]`, `cell` the output's (l, x, y). Their sum and the bias are the output.
    """
    pads = [amount for size in reversed(conv.padding) for amount in (size, size)]
    padded = nn.functional.pad(maps, pads)[0]
    window = tuple(
        slice(at * step, at * step + size) for at, step, size in zip(cell, conv.stride, conv.kernel_size, strict=True)
    )
    return (padded[(slice(None), *window)] * conv.weight[channel]).sum(0).numpy()


def _conv1(subject: Subject) -> tuple[nn.Conv3d, torch.Tensor, torch.Tensor]:
    """The first layer, what goes in, and what comes out before the ReLU."""
    conv = subject.network.features.conv1.conv
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
    bias = float(conv.bias[channel])
    total = float(parts.sum()) + bias
    corner = tuple(c * s - p for c, s, p in zip(cell, conv.stride, conv.padding, strict=True))
    most = float(out[0, channel].abs().max())
    named = f"{total:+.2f}, and ReLU makes it {max(total, 0):.2f}"
    return Figure(
        f"The {parts.size} places of the window, each summed over the three colours, add up to {parts.sum():+.2f}; "
        f"with the bias {bias:+.2f} that is {named}. The strongest answer of this kernel in the whole block is "
        f"{most:.2f}.",
        (
            Panel(_windows(subject, corner, parts.shape), "The window (orange) in three neighbouring pictures of the "
                  "block: three pixels high, wide and long in time.", wide=True),
            Panel(_products(parts), "What every place adds: input times kernel. Blue takes away, red adds."),
            Panel(_map_with(out[0, channel, cell[0]].relu().numpy(), cell[1:]), "The map that this kernel draws at "
                "this moment; the framed cell is the number above. Bright: a strong answer."),
        ),
        {"total": total, "layer": float(out[(0, channel, *cell)]), "cell": list(cell), "parts": parts.tolist()},
    )  # fmt: skip


def _windows(subject: Subject, corner: tuple[int, ...], size: tuple[int, ...]) -> str:
    canvas, wide = Canvas(3 * 216 + 8, 232, "the window in three neighbouring pictures"), 206
    for place_, t in enumerate(range(corner[0], corner[0] + size[0])):
        x = 4 + 216 * place_
        if 0 <= t < FRAMES:
            canvas.image(vivid(subject.picture("clip", t)), x, 4, wide, cells=True)
        else:
            canvas.rect(x, 4, wide, wide, fill="currentColor", opacity=0.1)
        step = wide / SIZE
        canvas.rect(x + corner[2] * step - 3, 4 + corner[1] * step - 3, size[2] * step + 6, size[1] * step + 6,
                    stroke=SECOND, thick=2.5)  # fmt: skip
        name = f"picture {t + 1} of {FRAMES}" if 0 <= t < FRAMES else "outside the block: zeros"
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
        features = subject.network.features
        with torch.inference_mode():
            maps = subject.inputs["clip"].cpu()
            for name, part in features.named_children():
                if name == "conv3":
                    break
                maps = part(maps)
            first, asymmetric = features.conv3.left
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
    bias, done = float(conv.bias[channel]), DIRECTIONS.index(direction)
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


def _stage(canvas: Canvas, x: float, name: str, values: torch.Tensor, cell, channel, layers, chosen: bool) -> None:
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
    seen = {"input": "", "height": f"{rows} rows", "width": f"{rows} rows × {columns} columns"}
    said = seen.get(name, f"and {layers['time'].kernel_size[0]} moments")
    canvas.text(x + wide / 2, 194, said, "middle", size=11)


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
        cuboid(canvas, 20 + 108 * number, 96, conv.kernel_size, unit=13)
        size = "×".join(str(k) for k in conv.kernel_size)
        canvas.text(62 + 108 * number, 122, name, "middle", bold=True)
        canvas.text(62 + 108 * number, 140, f"{size} (T×H×W)", "middle", size=11)
    return canvas.svg()


# --- MicroNets ------------------------------------------------------------------------------------


def columns(subject: Subject, *, which: str = "conv3", moment: float = 0.5) -> Figure:
    """The four columns of a MicroNet of the network: what each brings, and what it costs (fig. 3)."""
    maps, micro = _micro_input(subject, which)
    with torch.inference_mode():
        found = {name: getattr(micro, name)(maps) for name in COLUMNS}
    t = place(moment, maps.shape[2])
    cost = {name: multiplications(getattr(micro, name), {"input": maps}) for name in COLUMNS}
    weigh = {name: weights(getattr(micro, name)) for name in COLUMNS}
    wide = sum(each.shape[1] for each in found.values())
    strength = {name: float(each.abs().mean()) for name, each in found.items()}
    kinds = kinds_of(micro)
    shown = [coloured(each[0, :, t].mean(0).numpy(), "strength") for each in found.values()]
    shares = {
        "channels": {name: each.shape[1] / wide for name, each in found.items()},
        "weights": {name: weigh[name] / sum(weigh.values()) for name in COLUMNS},
        "multiplications": {name: cost[name] / sum(cost.values()) for name in COLUMNS},
    }
    panels = [
        Panel(strip(shown, [kinds[name] for name in COLUMNS], "the columns' maps", cells=True, each=160), "What each "
              f"column draws at moment {t + 1} of {maps.shape[2]}, the mean of its channels. Dark is nothing, bright "
              "is the column's strongest answer.", wide=True)
    ]  # fmt: skip
    for name, share in shares.items():
        rows = [(kinds[column], value, f"{value:.0%}") for column, value in share.items()]
        panels.append(Panel(bars(rows, f"share of the {name}", most=1.0, left=170), f"Share of the {name}."))
    costly = max(cost, key=cost.get)
    return Figure(
        f"{which} is a MicroNet {kind_of(micro)}: {wide} channels out of {maps.shape[1]}, "
        f"{million(sum(weigh.values()))} weights, {million(sum(cost.values()))} multiplications. The column "
        f"{kinds[costly]} takes {cost[costly] / sum(cost.values()):.0%} of them; on this clip the strongest is "
        f"{kinds[max(strength, key=strength.get)]}.",
        tuple(panels),
        {"channels": wide, "weights": weigh, "multiplications": cost, "strength": strength},
    )


def _micro_input(subject: Subject, which: str) -> tuple[torch.Tensor, MicroNet]:
    def make() -> torch.Tensor:
        with torch.inference_mode():
            maps = subject.inputs["clip"].cpu()
            for name, part in subject.network.features.named_children():
                if name == which:
                    break
                maps = part(maps)
        return maps

    return subject.keep(("into", which), make), getattr(subject.network.features, which)


def kinds_of(micro: MicroNet) -> dict[str, str]:
    """The columns by their kernels, as they are in this MicroNet."""
    kind = kind_of(micro)
    names = COLUMNS.copy()
    if kind in ("M3", "M4"):
        names["middle"] = "1×1×1 → 3, 3, 3"
    names["left"] = "1×1×1 → 5, 5, 3" if kind in ("M2", "M4") else "1×1×1 → 3×3×3 twice"
    return names


def kind_of(micro: MicroNet) -> str:
    """M1 to M4, told by which columns are asymmetric."""
    middle, left = (hasattr(column[1], "time") for column in (micro.middle, micro.left))
    return {(False, False): "M1", (False, True): "M2", (True, False): "M3", (True, True): "M4"}[(middle, left)]


# --- RGBF -----------------------------------------------------------------------------------------


def enhanced(subject: Subject, *, moment: float = 0.5, method: str = "dis") -> Figure:
    """Eq. 7 on one pair of pictures: how far each pixel moves, scaled within the picture, times the picture."""
    clip = subject.clip
    if len(clip) < 2:
        return Figure("This clip has one picture: there is nothing that could have moved. Choose a longer one.")
    t = place(moment, len(clip) - 1)
    pair = clip.frames[t : t + 2]
    found = subject.keep(("flow", t, method), lambda: flow(pair, method))
    confidence = movement_confidence(found[0])
    length = np.hypot(found[0, ..., 0], found[0, ..., 1])
    made = rgbf(pair[:1], found)[0]
    reach = colour_maps.flow_reach(found)
    side = 250
    tall = side * pair.shape[1] / pair.shape[2]

    def one(picture: np.ndarray, name: str, scale: tuple | None = None) -> str:
        canvas = Canvas(side + 8, tall + (44 if scale else 12), name)
        canvas.image(picture, 4, 4, side)
        if scale:
            canvas.scale(*scale[:1], 4, tall + 14, *scale[1:])
        return canvas.svg()

    movement = Canvas(side + 84, tall + 12, "flow in the colours of the wheel")
    movement.image(colour_maps.flow_picture(found[0], reach), 4, 4, side)
    movement.image(colour_maps.wheel_legend(reach), side + 10, 4, 70)
    kept = float(made.mean() / max(float(pair[0].mean()), 1e-9))
    still = "" if float(length.max()) > 0.05 else " Nothing moves in this pair, so the product is black."
    return Figure(
        f"{method}: pixels move between {length.min():.2f} and {length.max():.2f} px from picture {t + 1} to {t + 2}. "
        f"Scaled to 0…1 within the picture and multiplied, {kept:.0%} of the brightness is left.{still}",
        (
            Panel(one(pair[0], "RGB"), "RGB: the picture."),
            Panel(movement.svg(), "Flow: the colour says where to, its strength how far; white is still."),
            Panel(one(colour_maps.heat(confidence), "movement confidence", ("salience", "still", "moves most")),
                  "Movement confidence: |F| between its least and its most in this picture."),
            Panel(one(made, "RGBF"), "RGBF (eq. 7): their product, the input of the second network."),
            Panel(one(flow_frames(found)[0], "flow frame"), "The flow frame of sec. 3.4: across in red, up and down "
                  "in green, length in blue."),
        ),
        {"kept": kept, "longest": float(length.max())},
    )  # fmt: skip
