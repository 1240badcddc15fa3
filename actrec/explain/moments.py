"""One moment of a clip in all its motion clues; motion salience under its settings; the methods of flow, timed."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from actrec.core.errors import BadValue
from actrec.explain.motion_clues import Clue
from actrec.explain.subject import place
from actrec.figures import colour_maps
from actrec.figures.drawing import Canvas, Figure, Panel, Table, strip
from actrec.motion.flow import METHODS, flow
from actrec.motion.salience import enhance, salience
from actrec.video import Clip

ROWS = {
    "difference": "Difference to the next frame",
    "salience": "Motion salience",
    "flow": "Optical flow",
    "rgbf": "RGBF: the frame times how much each pixel moves",
    "trajectories": "Trajectories",
    "tailor": "Tailored",
}
TITLES = {"dis": "DIS", "farneback": "Farnebäck", "tvl1": "TV-L1", "brox": "Brox"}


def rows(clip: Clip, clues: Mapping[str, Clue], moment: float) -> Figure:
    """The frame and every clue at the same moment, and where in the clip that is."""
    t = place(moment, len(clip))
    panels = [Panel(_one(clip.frames[t], "the frame"), "The frame.")]
    for name, words in ROWS.items():
        clue = clues[name]
        panels.append(Panel(_one(clue.shown(min(t, clue.count - 1)), words), f"{words}."))
    p = clues["variance_rate"].numbers["p"]
    canvas = Canvas(900, 110, "the variance rate, and where this moment is")
    unit = 880 / max(len(p), 1)
    most = max(p)
    for z, value in enumerate(p):
        tall = 80 * value / most
        canvas.rect(10 + z * unit, 92 - tall, max(unit - 1, 0.8), tall, fill="currentColor", opacity=0.35)
    x = 10 + 880 * t / max(len(clip) - 1, 1)
    canvas.line(x, 4, x, 100, stroke="#e11d48", thick=2.5)
    panels.append(Panel(canvas.svg(), "The variance rate p(z) over the clip; the red line is this moment.", wide=True))
    second = float(clip.times[t] - clip.times[0])
    return Figure(f"Frame {t + 1} of {len(clip)}, second {second:.2f}.", tuple(panels), {"picture": t})


def _one(image: np.ndarray, name: str) -> str:
    canvas = Canvas(300, 300, name)
    canvas.height = canvas.image(image, 0, 0, 300)
    return canvas.svg()


def tuned(
    clip: Clip, *, cutoff: float = 1, smoothing: float = 2.0, variant: str = "amplitude", strength: float = 1.0,
    moment: float = 0.5,
) -> Figure:  # fmt: skip
    """Motion salience with these settings: the frame, the map, and their product."""
    frames, t = clip.frames, place(moment, len(clip))
    start = time.perf_counter()
    maps = salience(frames, cutoff=int(cutoff), smoothing=smoothing, variant=variant)
    milliseconds = (time.perf_counter() - start) * 1000
    enhanced = enhance(frames, maps, strength)
    left = float(enhanced.mean() / max(float(frames.mean()), 1e-9))
    sentence = "Nothing changes over time: the map is black." if not maps.any() else (
        f"{(maps > 0.5).mean():.1%} of all pixels are salient; of the brightness {left:.0%} is left."
    )  # fmt: skip
    return Figure(
        f"{sentence} The whole clip took {milliseconds:.0f} ms.",
        (Panel(strip([frames[t], colour_maps.heat(maps[t]), enhanced[t]], ("frame", "salience", "enhanced"), "salience",
                     width=260), "Salience: black is still, pale yellow moves most. Enhanced: the frame times its "
               "salience, as strongly as the strength asks; this is what MDT-Net's motion path is fed.", wide=True),),
        {"salient": float((maps > 0.5).mean()), "kept": left},
    )  # fmt: skip


def flows(clip: Clip, moment: float = 0.5) -> Figure:
    """The same pair of frames by every method, with the time each took."""
    if len(clip) < 2:
        raise BadValue("The clip has one frame; flow needs two.")
    t = place(moment, len(clip) - 1)
    pair, by_method, took = clip.frames[t : t + 2], {}, {}
    for method in METHODS:
        start = time.perf_counter()
        by_method[method] = flow(pair, method)[0]
        took[method] = (time.perf_counter() - start) * 1000
    reach = max(colour_maps.flow_reach(field) for field in by_method.values())
    height, width = clip.size
    wheel = Canvas(120, 140, "the colours of flow")
    wheel.image(colour_maps.wheel_legend(reach), 4, 4, 110)
    lengths = {name: float(np.hypot(field[..., 0], field[..., 1]).mean()) for name, field in by_method.items()}
    rows_ = tuple((TITLES[name], f"{took[name]:.1f}", f"{lengths[name]:.2f}") for name in METHODS)
    quickest = min(took, key=took.__getitem__)
    return Figure(
        f"From frame {t + 1} to {t + 2}, {width}×{height} pixels. {TITLES[quickest]} was quickest with "
        f"{took[quickest]:.0f} ms, {TITLES[max(took, key=took.__getitem__)]} took {max(took.values()):.0f} ms.",
        (
            Panel(strip([colour_maps.flow_picture(field, reach) for field in by_method.values()],
                        [f"{TITLES[name]}, {took[name]:.0f} ms" for name in METHODS], "four flows", width=220),
                  "The same pair four times. The colour shows which way a pixel goes, its strength how far; white is "
                  "still. TV-L1 and Brox are the papers', DIS runs live.", wide=True),
            Panel(wheel.svg(), "The colours, the same for all four."),
            Panel(Table(("method", "milliseconds here", "mean length, px"), rows_), "Time for this one pair."),
        ),
        {"milliseconds": took, "lengths": lengths},
    )  # fmt: skip
