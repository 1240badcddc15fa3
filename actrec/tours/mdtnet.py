"""The guided tour of MDT-Net: segments, motion salience, coarse and fine differences, deformable offsets, excitation.

Xu, Cao and Yi, "Video human action recognition by the fusion of significant motion and coarse-fine temporal
granularity features". What happens inside the modules is this project's reading; the paper prints no equations.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from actrec import sampling
from actrec.claims.figure import verdict
from actrec.evaluation.cost import Cost, counted
from actrec.explain import pixel
from actrec.explain.subject import Subject, captured, place
from actrec.figures import colour_maps
from actrec.figures.drawing import ACCENT, SECOND, Canvas, Figure, Panel, Table, bars, coloured, million, strip
from actrec.models.mdtnet import FRAMES, KEY, coarse_differences, fine_differences
from actrec.motion.salience import enhance, salience
from actrec.systems import SYSTEMS
from actrec.systems.mdtnet import salience_options
from actrec.tours.step import MOMENT, Again, Choice, Slider, Step, Tour
from actrec.video import Clip

RATE, SEGMENTS, SIDE = 12.5, 8, 96
EXCITED = {"after layer3": 0, "after layer4": 1}


def _clip(subject: Subject) -> Clip:
    return subject.clip.at_rate(RATE) if len(subject.clip) > 1 else subject.clip


def _raw(subject: Subject) -> np.ndarray:
    """The 40 frames that the network draws, `uint8 [40, S, S, 3]`."""
    return np.ascontiguousarray(subject.views["frames"].transpose(1, 2, 3, 0))


def segments(subject: Subject, *, t: str = "8", kind: str = "at random", again: int = 0) -> Figure:
    """Segments of equal length, five frames in each, the fourth the key frame."""
    clip, count = _clip(subject), int(t)
    rng = np.random.default_rng(int(again))
    drawn = sampling.segments(len(clip), count, rng, frames=FRAMES, adjacent=kind == "neighbours")
    canvas, unit = Canvas(900, 70, "segments and their frames on the timeline"), 870 / len(clip)
    for segment, frames in enumerate(drawn):
        first, last = segment * len(clip) // count, (segment + 1) * len(clip) // count
        canvas.rect(15 + first * unit, 8, max(last - first, 1) * unit - 2, 34, fill="currentColor", opacity=0.1)
        for frame in frames:
            canvas.rect(15 + frame * unit, 12, max(unit * 0.7, 2), 26, fill=ACCENT)
        canvas.rect(15 + frames[KEY] * unit, 8, max(unit * 0.7, 2), 34, fill=SECOND)
    canvas.text(15, 60, "first frame", size=11)
    canvas.text(885, 60, f"frame {len(clip)}", "end", size=11)
    keys = drawn[:, KEY]
    repeated = drawn.size - len(np.unique(drawn))
    sentence = f"{count} segments of {len(clip) / count:.1f} frames each, {FRAMES} drawn {kind} from each."
    if repeated:
        sentence += f" The clip is short: {repeated} frames are drawn more than once."
    return Figure(
        sentence,
        (
            Panel(canvas.svg(), "Grey: the segments. Green: the frames drawn in each, in time order. Orange: the "
                  "fourth of them, the key frame, which stands for its segment.", wide=True),
            Panel(strip(list(clip.frames[keys]), [f"frame {k + 1}" for k in keys], "key frames", row=8, width=130),
                  "The key frames: all that the appearance path sees.", wide=True),
        ),
        {"drawn": drawn.tolist()},
    )  # fmt: skip


def learned(subject: Subject) -> dict[str, float | str]:
    """The settings of salience that the weights learned with."""
    system = subject.recognizer.system
    return salience_options(system) | {"strength": float(system.option("strength"))}


def one_pixel_start(subject: Subject) -> dict[str, float | str]:
    """The pixel that changes most, under the settings that the weights learned with."""
    change = _raw(subject).astype(np.float32).mean(-1).std(0)
    row, column = np.unravel_index(int(change.argmax()), change.shape)
    settings = {name: value for name, value in learned(subject).items() if name in ("cutoff", "variant")}
    return {"row": round((row + 0.5) / SIDE, 3), "column": round((column + 0.5) / SIDE, 3), **settings}


def one_pixel(subject: Subject, *, row: float, column: float, cutoff: float = 1, variant: str = "amplitude") -> Figure:
    """The Fourier transform of one pixel over time, and what is removed from it."""
    frames = _raw(subject)
    at = place(row, SIDE), place(column, SIDE)
    course = pixel.shown(frames, np.arange(len(frames)) / RATE, *at, int(cutoff), variant)
    canvas = Canvas(250, 250, "the pixel in the frame")
    canvas.image(frames[len(frames) // 2], 4, 4, 240)
    x, y = 4 + (at[1] + 0.5) * 2.5, 4 + (at[0] + 0.5) * 2.5
    canvas.line(x, 4, x, 244, stroke=SECOND, thick=1)
    canvas.line(4, y, 244, y, stroke=SECOND, thick=1)
    panels = Panel(canvas.svg(), "The pixel, where the lines cross."), *course.panels
    return Figure(course.sentence, panels, course.numbers)


def enhanced(
    subject: Subject, *, strength: float = 1.0, smoothing: float = 2.0, cutoff: float = 1, moment: float = 0.5,
    variant: str = "amplitude",
) -> Figure:  # fmt: skip
    """The salience map of the drawn frames, and the frames multiplied by it."""
    frames = _raw(subject)
    maps = salience(frames, cutoff=int(cutoff), smoothing=smoothing, variant=variant)
    enhanced = enhance(frames, maps, strength)
    fed = {"cutoff": int(cutoff), "smoothing": smoothing, "variant": variant, "strength": strength} == learned(subject)
    fed = fed and subject.recognizer.system.option("enhanced") != "none"
    t = place(moment, len(frames))
    left = float(enhanced.mean() / max(float(frames.mean()), 1e-9))
    nothing = " Nothing changes in this clip: the map is black, and at full strength so are the frames."
    return Figure(
        f"{(maps > 0.5).mean():.1%} of all pixels are salient; {left:.0%} of the brightness is left."
        + (" With these settings the weights learned." if fed else "")
        + (nothing if not maps.any() else ""),
        (
            Panel(strip([frames[t], colour_maps.heat(maps[t]), enhanced[t]], ("frame", "salience", "frame × salience"),
                        "salience", width=220), f"Frame {t + 1} of {len(frames)}. Salience: black is still, pale "
                            "yellow moves most. The product is what the motion path is fed.", wide=True),
            Panel(strip(list(enhanced[::5]), [str(i + 1) for i in range(0, len(enhanced), 5)],
                        "enhanced frames", row=8, width=110), "Every fifth enhanced frame.", wide=True),
        ),
        {"kept": left, "salient": float((maps > 0.5).mean())},
    )  # fmt: skip


# --- differences ----------------------------------------------------------------------------------


def _motion(subject: Subject) -> torch.Tensor:
    """The enhanced frames as `[1, t, 5, C, H, W]`."""
    clip = subject.inputs["motion"].cpu()
    return clip.transpose(1, 2).unflatten(1, (SEGMENTS, FRAMES))


def _tinted(values: torch.Tensor, most: float) -> np.ndarray:
    return coloured(values.mean(0).numpy(), "signed", most)


def _gap_strip(maps: torch.Tensor, names: list[str], keys: list[np.ndarray], key_names: list[str], words: str) -> Panel:
    most = float(maps.abs().mean(1).max()) or 1.0
    shown = [*keys, *(_tinted(change, most) for change in maps)]
    return Panel(strip(shown, [*key_names, *names], "differences", row=4, width=170), words, wide=True)


def fine(subject: Subject, *, segment: float = 4) -> Figure:
    """Fine granularity: the four differences between the five frames of one segment."""
    number = int(segment) - 1
    differences = fine_differences(_motion(subject))[number].unflatten(0, (FRAMES - 1, 3))
    strength = [float(change.abs().mean()) for change in fine_differences(_motion(subject))]
    most = int(np.argmax(strength)) + 1
    still = max(strength) == 0
    summary = "All segments are still." if still else f"Segment {most} has the strongest fine differences."
    names = [f"{i + 1} → {i + 2}" for i in range(FRAMES - 1)]
    return Figure(
        f"{summary} In segment {number + 1} a number changes by {strength[number]:.2f} on average from one drawn "
        "frame to the next.",
        (
            _gap_strip(differences, names, [], [], f"Segment {number + 1}: each frame minus the one before. Red became "
                       "brighter, blue darker, pale stayed."),
            Panel(bars([(f"segment {i}", v, f"{v:.2f}") for i, v in enumerate(strength, 1)], "fine differences",
                       marked=(number,)), "How much fine difference each segment has."),
        ),
        {"strength": strength},
    )  # fmt: skip


def coarse(subject: Subject, *, segment: float = 4) -> Figure:
    """Coarse granularity: the key frame against the one before and the one after."""
    number = int(segment) - 1
    differences = coarse_differences(_motion(subject))[number].unflatten(0, (2, 3))
    every = coarse_differences(_motion(subject)).unflatten(1, (2, 3))
    strength = [float(change.abs().mean()) for change in every[:, 0]][:-1]
    keys = _raw(subject)[KEY::FRAMES]
    return Figure(
        f"From key frame {number + 1} to the next one a number changes by "
        f"{float(differences[0].abs().mean()):.2f} on average"
        + (" (there is none after the last)." if number == SEGMENTS - 1 else "."),
        (
            _gap_strip(differences, ["to the next", "from the one before"], [keys[number]], [f"key frame {number + 1}"],
                       "The key frame, and the two differences it is given: red became brighter, blue darker. Beyond "
                       "the ends there are zeros."),
            Panel(bars([(f"{i} → {i + 1}", v, f"{v:.2f}") for i, v in enumerate(strength, 1)], "coarse differences",
                       marked=(number,)), "How much lies between neighbouring key frames."),
        ),
        {"strength": strength},
    )  # fmt: skip


# --- excitation -----------------------------------------------------------------------------------


def _excited(subject: Subject, where: str) -> dict[str, torch.Tensor]:
    """Offsets and gates of an excitation as the network computes them on this clip."""
    base = f"excitations.{EXCITED[where]}"
    names = {
        "3×3": f"{base}.motion.deformables.0.offsets", "5×5": f"{base}.motion.deformables.1.offsets",
        "motion": f"{base}.motion", "channels": f"{base}.channels",
    }  # fmt: skip

    def make() -> dict:
        inputs = {name: value.cpu() for name, value in subject.inputs.items()}
        outputs = captured(subject.network, list(names.values()), inputs)
        return {name: outputs[path] for name, path in names.items()}

    return subject.keep(("excited", where), make)


def offsets(subject: Subject, *, segment: float = 4, where: str = "after layer3", kernel: str = "3×3") -> Figure:
    """Deformable convolution: where each place of the next key frame's features is fetched from."""
    number = min(int(segment), SEGMENTS - 1) - 1
    offsets = _excited(subject, where)[kernel][number]  # [2·k², H, W], (down, right) of every tap
    moved = offsets.unflatten(0, (-1, 2)).mean(0)
    height, width = moved.shape[1:]
    step, side = 380 / width, 380
    length = moved.square().sum(0).sqrt()
    gain = min(400.0, 0.9 / max(float(length.max()), 1e-9))
    canvas = Canvas(side + 8, side + 8, "offsets as arrows on the next key frame")
    canvas.image(_raw(subject)[KEY::FRAMES][number + 1], 4, 4, side, side)
    for row, column in np.ndindex(height, width):
        x, y = 4 + (column + 0.5) * step, 4 + (row + 0.5) * step
        down, right = (float(v) * step * gain for v in moved[:, row, column])
        canvas.arrow(x, y, x + right, y + down, stroke="#22d3ee", thick=2.2)
    spread = float(offsets.unflatten(0, (-1, 2)).std(0).mean())
    return Figure(
        f"From key frame {number + 1} to {number + 2} the {kernel} kernel is bent by {float(length.mean()):.3f} cells "
        f"on average, at most {float(length.max()):.3f}; its taps differ among each other by {spread:.3f}. A cell is "
        f"{SIDE // width} pixels.",
        (
            Panel(canvas.svg(), f"Key frame {number + 2} with the mean offset of the kernel's taps at each of the "
                  f"{height}×{width} places, {gain:.0f} times as long as it is. A dot stayed where it was."),
            Panel(_taps(offsets, height // 2, width // 2, kernel), f"The {kernel} taps of the middle place: grey where "
                "an ordinary kernel looks, orange where this one looks, as long as they are."),
        ),
        {"longest": float(length.max()), "mean": float(length.mean())},
    )  # fmt: skip


def _taps(offsets: torch.Tensor, row: int, column: int, kernel: str) -> str:
    size = int(kernel[0])
    canvas, unit = Canvas(300, 300, "the taps of one place"), 300 / (size + 1.5)
    moved = offsets[:, row, column].unflatten(0, (-1, 2))
    for tap, (down, right) in enumerate(moved.tolist()):
        x, y = 150 + (tap % size - size // 2) * unit, 150 + (tap // size - size // 2) * unit
        canvas.rect(x - 6, y - 6, 12, 12, fill="currentColor", opacity=0.25)
        canvas.line(x, y, x + right * unit, y + down * unit, stroke=SECOND, thick=1.5)
        canvas.dot(x + right * unit, y + down * unit, 4, fill=SECOND)
    return canvas.svg()


def gates(subject: Subject, *, segment: float = 4, where: str = "after layer3") -> Figure:
    """What DCME raises and lowers: the mean gate of every place on the key frames."""
    gate = _excited(subject, where)["motion"]
    number = int(segment) - 1
    place_ = gate.mean(1)
    most = float(place_.abs().max()) or 1.0
    keys = _raw(subject)[KEY::FRAMES]
    shown = [coloured(gate.numpy(), "signed", most) for gate in place_]
    names = [f"key frame {i}" for i in range(1, SEGMENTS + 1)]
    return Figure(
        f"Features are multiplied by one plus a gate between −½ and ½; on this clip its mean runs from "
        f"{float(place_.min()):+.3f} to {float(place_.max()):+.3f}. The last key frame has no next one and keeps its "
        "features.",
        (
            Panel(strip(list(keys), names, "keys", row=8, width=120, marked=(number,)), "The key frames.", wide=True),
            Panel(strip(shown, names, "gates", cells=True, row=8, width=120, marked=(number,)), "The gate at every "
                f"place, mean of {gate.shape[1]} channels: red raises, blue lowers, pale leaves alone (largest "
                f"{most:.3f}).",
                  wide=True),
        ),
        {"least": float(place_.min()), "most": float(place_.max()), "last": float(gate[-1].abs().max())},
    )  # fmt: skip


def course(subject: Subject, *, where: str = "after layer3", count: float = 8) -> Figure:
    """Channel excitation over time: the gates of the channels that vary most from segment to segment."""
    gate = _excited(subject, where)["channels"].mean((2, 3))  # [t, C]
    order = gate.std(0).argsort(descending=True)[: int(count)]
    rows = gate[:, order].T.numpy()
    most, cell = float(np.abs(gate.numpy()).max()) or 1.0, 62
    canvas = Canvas(110 + SEGMENTS * cell, len(rows) * 34 + 66, "channel gates over time")
    for row, (channel, values) in enumerate(zip(order.tolist(), rows, strict=True)):
        canvas.text(100, 30 + row * 34, f"channel {channel + 1}", "end")
        for t, value in enumerate(values):
            x, middle = 110 + t * cell, 25 + row * 34
            tall = 15 * float(value) / most
            canvas.rect(x, middle - max(tall, 0), cell - 10, abs(tall), fill="#b2182b" if value > 0 else "#2166ac",
                        hint=f"{value:+.3f}")  # fmt: skip
            canvas.line(x, middle, x + cell - 10, middle, opacity=0.4)
    for t in range(SEGMENTS):
        canvas.text(110 + t * cell + (cell - 10) / 2, len(rows) * 34 + 28, str(t + 1), "middle")
    canvas.text(110 + SEGMENTS * cell / 2, len(rows) * 34 + 50, "segment", "middle")
    return Figure(
        f"Of {gate.shape[1]} channels, channel {int(order[0]) + 1} changes most over time: from {rows[0].min():+.3f} "
        f"to {rows[0].max():+.3f}.",
        (Panel(canvas.svg(), f"A bar for each segment: red, the channel is raised, blue, it is lowered; the longest is "
               f"{most:.3f}. A channel that stays level is the same in every segment.", wide=True),),
        {"order": order.tolist(), "gates": rows.tolist()},
    )  # fmt: skip


@lru_cache(maxsize=1)
def _counts(names: tuple[str, ...]) -> dict[str, Cost]:
    return {name: counted(SYSTEMS[name]) for name in names}


def cost(subject: Subject | None) -> Figure:
    """MDT-Net against TSN, TSM and TEA on the same backbone: counted, never guessed."""
    names = ("tsn-light", "tsm-light", "tea-light", "mdtnet", "tsn", "tsm", "tea", "mdtnet-paper")
    costs = _counts(names)
    rows = tuple(
        (name, network.size, f"{network.weights / 1e6:.2f}", f"{network.multiplications / 1e9:.2f}")
        for name, network in costs.items()
    )
    more = costs["mdtnet-paper"].multiplications / costs["tsn"].multiplications
    lengths = [
        (name, network.multiplications, million(network.multiplications))
        for name, network in costs.items()
        if network.size == "paper"
    ]
    return Figure(
        f"In the paper's size MDT-Net takes {more:.2f} times the multiplications of TSN, since it is TSN and modules. "
        "The paper gives no such figures.",
        (
            Panel(Table(("network", "size", "weights, M", "multiplications of a view, G"), rows), "Counted on the "
                "networks for 101 classes: 8 segments of 96×96 in the light size, 16 of 224×224 in the "
                "paper's.", wide=True),
            Panel(bars(lengths, "multiplications"), "Multiplications in the paper's size."),
        ),
        {name: [network.weights, network.multiplications] for name, network in costs.items()},
    )  # fmt: skip


# --- the tour -------------------------------------------------------------------------------------

SEGMENT = Slider("segment", "Segment", 1, 8, 1, 4)
WHERE = Choice("where", "In the network", ("after layer3", "after layer4"), "after layer3")
VARIANT = Choice("variant", "Spectrum", (("amplitude", "amplitude"), ("phase only", "phase")), "amplitude")
CUTOFF = Slider("cutoff", "Cut-off", 1, 12, 1, 1, "How many of the lowest frequencies go.")

TOUR = Tour(
    about="Look at a long clip through a few key frames, but tell the network what moved between them, finely and "
    "coarsely, on frames in which everything that stands still has been darkened first.",
    steps=(
        Step(
            "Segments and key frames", "methods, step 1",
            "The clip is cut into segments of equal length, so that nothing of it is missed. From each segment five "
            "frames are drawn, and the fourth of them is its key frame. The draw is new in every training step; draw "
            "again and watch the key frames change.",
            segments,
            (
                Choice("t", "Segments", ("4", "8", "16"), "8"),
                Choice("kind", "Five frames", ("at random", "neighbours"), "at random"), Again("again", "Draw again"),
            ),
        ),
        Step(
            "One pixel over time", "methods, step 2",
            "Follow a single pixel through the clip: its brightness is a signal, like a sound. A Fourier transform "
            "takes it apart into frequencies. What is constant is the scenery and goes; what is left is motion. You "
            "start at the pixel that changes most. Raise the cut-off and slow changes go, too.",
            one_pixel,
            (Slider("row", "Row", 0, 1, 0.005, 0.5), Slider("column", "Column", 0, 1, 0.005, 0.5), CUTOFF, VARIANT),
            start=one_pixel_start,
        ),
        Step(
            "Frames times their salience", "methods, step 2",
            "Do that for every pixel, square what is left, smooth it over the neighbours and scale it from 0 to 1: the "
            "salience map. The frames are multiplied by it. A cluttered but quiet background goes dark before the "
            "network ever sees it; how dark is the strength. The sliders start where these weights learned.",
            enhanced,
            (
                Slider("strength", "Strength", 0, 1, 0.05, 1),
                Slider("smoothing", "Smoothing σ", 0, 8, 0.5, 2, "Pixels."),
                CUTOFF, MOMENT, VARIANT,
            ),
            start=learned,
        ),
        Step(
            "Fine differences", "methods, step 3",
            "Within a segment the five frames are close together, and their differences show how something moves "
            "right now: the edge of an arm, its direction. Go through the segments and find the one where most "
            "happens.",
            fine, (SEGMENT,),
        ),
        Step(
            "Coarse differences", "methods, step 3",
            "Between the key frames of neighbouring segments lies more time, and their differences show what has come "
            "of the movement: the arm was down and is up. Fine and coarse differences together go into the motion "
            "path.",
            coarse, (SEGMENT,),
        ),
        Step(
            "A kernel that bends", "methods, step 5",
            "From one key frame to the next things have moved, so comparing the same place in both compares different "
            "things. A deformable convolution may fetch its inputs from somewhere else: it learns, for each place, an "
            "offset for each of its taps. Whether it has learned to use that, the arrows show.",
            offsets,
            (SEGMENT, WHERE, Choice("kernel", "Kernel", ("3×3", "5×5"), "3×3")),
        ),
        Step(
            "Raised where it moves", "methods, step 5",
            "The bent features of the next key frame, minus the present ones, pass a sigmoid and become a gate. Where "
            "something moves, features are raised or lowered; everywhere else they pass unchanged.",
            gates, (SEGMENT, WHERE),
        ),
        Step(
            "Channels over time", "methods, step 6",
            "A second gate asks which channels matter at which time. Each channel's mean is followed over the segments "
            "by a small convolution along time, and its map by one in space. Shown are the channels whose gate "
            "changes most on your clip.",
            course, (WHERE, Slider("count", "Channels", 3, 16, 1, 8)),
        ),
        Step(
            "What it costs", "table 2",
            "The paper compares itself with TSN, TSM and TEA on the same backbone but prints no multiplications. They "
            "can be counted: all four are one network here, with and without modules. TEA has blocks of its own; on "
            "UCF-101 it beats the paper's network, 96.9 to 96.8 %.",
            cost,
            needs_clip=False,
        ),
        Step(
            "Does the claim hold here?", "tables 1 and 2",
            "Salience should help where the background is busy and do little where it is plain. What has been found "
            "with this project's networks stands here.",
            lambda _: verdict("mdtnet"),
            needs_clip=False,
        ),
    ),
)  # fmt: skip
