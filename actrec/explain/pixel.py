"""One pixel over time: its signal, its spectrum, and what motion salience removes from it.

MDT-Net, step 2 of its methods; computed by the functions of `actrec.motion.salience`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from actrec.core.errors import BadValue
from actrec.figures.charts import lines
from actrec.figures.drawing import Figure, Panel
from actrec.motion.salience import fast_part, grey, phase_part


@dataclass(frozen=True)
class Course:
    """A pixel's grey values over time, the slow part that is removed, what is left, and the amplitudes of both."""

    signal: np.ndarray
    removed: np.ndarray
    left: np.ndarray
    amplitude: np.ndarray
    left_amplitude: np.ndarray


def course(
    frames: np.ndarray, row: int, column: int, cutoff: int, variant: str = "amplitude", floor: float = 8.0
) -> Course:
    """The course of one pixel of `uint8 [T, H, W, 3]`."""
    count, height, width = frames.shape[:3]
    if not (0 <= row < height and 0 <= column < width):
        raise BadValue(f"There is no pixel ({column}, {row}) in frames of {width}×{height}.")
    most = max(1, count // 2)
    if not 1 <= cutoff <= most:
        raise BadValue(f"with {count} frames the cut-off lies between 1 and {most}, not {cutoff}")
    signal = grey(frames[:, row : row + 1, column : column + 1]).reshape(count)
    rest = fast_part(torch.from_numpy(signal.copy())[:, None], cutoff)[:, 0].numpy()
    left = rest
    if variant == "phase":
        left = phase_part(torch.from_numpy(signal.copy())[:, None], cutoff, floor)[:, 0].numpy()
    amplitude = np.abs(np.fft.rfft(signal)) * 2 / count
    return Course(signal, signal - rest, left, amplitude, np.abs(np.fft.rfft(left)) * 2 / count)


def shown(
    frames: np.ndarray, times: np.ndarray, row: int, column: int, cutoff: int, variant: str = "amplitude"
) -> Figure:
    """The pixel's course as curves: signal and what was removed, what is left, and the spectrum."""
    pixel = course(frames, row, column, cutoff, variant)
    seconds = [float(t) for t in times - times[0]]
    cycles = list(range(len(pixel.amplitude)))
    energy = float(np.square(pixel.left).mean())
    many = "frequency is" if cutoff == 1 else "frequencies are"
    still = float(np.ptp(pixel.signal)) == 0
    sentence = (
        f"The pixel in row {row}, column {column} never changes: everything is removed, and it stays dark."
        if still
        else f"The pixel in row {row}, column {column} runs from {pixel.signal.min():.0f} to {pixel.signal.max():.0f} "
        f"of 255. After the {cutoff} lowest {many} gone, {energy:.1f} of energy is left per frame."
    )
    spectrum = {"removed": list(zip(cycles[:cutoff], map(float, pixel.amplitude[:cutoff]), strict=True)),
                "kept": list(zip(cycles[cutoff:], map(float, pixel.amplitude[cutoff:]), strict=True))}  # fmt: skip
    if cutoff == 1:  # the constant part would hide all others
        spectrum = {"kept": spectrum["kept"]}
    low = float(pixel.left.min())
    return Figure(
        sentence,
        (
            Panel(lines({"grey value": list(zip(seconds, map(float, pixel.signal), strict=True)),
                         "removed": list(zip(seconds, map(float, pixel.removed), strict=True))},
                        "Signal", "seconds", high=255), "The pixel's grey value over time, and the slow part of it "
                            "that is taken away."),
            Panel(lines(spectrum, "Spectrum", "cycles in the clip"), "How strong each frequency is. Frequency 0 is the "
                  "constant part; it is always removed and left out here where nothing else is."),
            Panel(lines({"left": list(zip(seconds, map(float, pixel.left), strict=True))}, "What is left", "seconds",
                        low=min(low, 0.0)), "What is left: its square, smoothed over the neighbours, is the salience."
                  + (" Phase only: every frequency counts alike." if variant == "phase" else "")),
        ),
        {"cutoff": cutoff, "energy": energy, "removed": pixel.removed.tolist(), "left": pixel.left.tolist()},
    )  # fmt: skip
