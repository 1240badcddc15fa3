"""Motion salience from a Fourier transform over time: what changes is bright, what stays is dark.

Step 2 of MDT-Net's methods says: transform each pixel over time, remove what is constant, transform back, keep
the energy. Ours, not the paper's (which prints no equation): the grey value is transformed; `cutoff` lowest
frequencies are removed; a Gaussian smooths the energy; the map is divided by one number per clip, its 95
% quantile, and cut at 1 (the largest value would leave all but one pixel dark, since energy is squared).
One number, so that a quiet moment stays dark beside a lively one. It never falls below the energy of
`floor` grey levels: without that the noise of a camera that watches an empty room would be stretched to
full brightness.

- "amplitude": the amplitude spectrum is filtered (low frequencies to zero) and the phase is kept. Taking
  the slow sines away from the signal does just that, so no transform has to be computed.
- "phase": every remaining frequency gets the same amplitude and keeps its phase only. Frequencies weaker
  than `floor` are damped, since the phase of almost nothing is noise.

A frequency means something over evenly spaced frames only. Where the frames that are wanted lie unevenly, the transform
runs over evenly spaced ones of the same clip, and the inverse transform is evaluated where the wanted ones lie.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch

from actrec.core.errors import BadValue
from actrec.motion.clue_time import clue
from actrec.motion.difference import check_frames

VARIANTS = ("amplitude", "phase")
WORTH_THREADS = 500_000  # pixels of a clip from which more than one thread pays


def grey(frames: np.ndarray) -> np.ndarray:
    """Luma of RGB frames as `float32 [T, H, W]`, 0 to 255."""
    rows = np.ascontiguousarray(frames).reshape(-1, *frames.shape[2:])
    return cv2.cvtColor(rows, cv2.COLOR_RGB2GRAY).reshape(frames.shape[:3]).astype(np.float32)


def slow_sines(length: int, cutoff: int, places: np.ndarray | None = None) -> torch.Tensor:
    """Rows `[K, T]` of the `cutoff` lowest frequencies 0, 1, … cycles per clip of `length` evenly spaced frames.

    At the frames themselves they are orthonormal; `places` asks for their values elsewhere (2.5 is half-way between the
    third and the fourth frame).
    """
    time = 2 * np.pi * (np.arange(length) if places is None else np.asarray(places)) / length
    rows = [np.full(len(time), length**-0.5)]
    for k in range(1, cutoff):
        rows.append(np.cos(k * time) * (2 / length) ** 0.5)
        rows.append(np.sin(k * time) * (2 / length) ** 0.5)
    return torch.from_numpy(np.stack(rows).astype(np.float32))


def fast_part(signal: torch.Tensor, cutoff: int) -> torch.Tensor:
    """`signal [T, N]` without its `cutoff` lowest frequencies; changed in place."""
    if cutoff == 1:
        return signal.sub_(signal.mean(0))
    slow = slow_sines(len(signal), cutoff)
    return signal.addmm_(slow.T, slow @ signal, alpha=-1)


def fast_part_at(signal: torch.Tensor, even: torch.Tensor, places: np.ndarray, cutoff: int) -> torch.Tensor:
    """`signal [T, N]`, whose rows lie at `places` of the evenly spaced `even [M, N]`, without the `cutoff` lowest
    frequencies of `even`; changed in place."""
    strengths = slow_sines(len(even), cutoff) @ even
    return signal.addmm_(slow_sines(len(even), cutoff, places).T, strengths, alpha=-1)


def phases(signal: torch.Tensor, cutoff: int, floor: float) -> torch.Tensor:
    """The spectrum of `signal [T, N]` with amplitude |X| replaced by |X| / (|X| + floor) from frequency `cutoff` on."""
    spectrum = torch.fft.rfft(signal, dim=0, norm="ortho")
    spectrum[:cutoff] = 0
    return spectrum.div_(spectrum.abs().add_(max(floor, 1e-3) * len(signal) ** 0.5))


def phase_part(signal: torch.Tensor, cutoff: int, floor: float) -> torch.Tensor:
    """`signal [T, N]` with the phases of its frequencies only."""
    return torch.fft.irfft(phases(signal, cutoff, floor), n=len(signal), dim=0, norm="ortho").contiguous()


def phase_part_at(even: torch.Tensor, places: np.ndarray, cutoff: int, floor: float) -> torch.Tensor:
    """The same of `even [M, N]` at any `places`: the inverse transform written out as a sum of cosines and sines."""
    spectrum, length = phases(even, cutoff, floor), len(even)
    angle = 2 * np.pi * np.outer(places, np.arange(len(spectrum))) / length
    weight = np.full(len(spectrum), 2.0)  # of frequency 0, too, where nothing is left
    if length % 2 == 0:
        weight[-1] = 1.0  # the highest frequency of an even length stands in the whole spectrum once
    weight *= length**-0.5
    cosines, sines = (torch.from_numpy((weight * wave).astype(np.float32)) for wave in (np.cos(angle), np.sin(angle)))
    return (cosines @ spectrum.real.contiguous()).addmm_(sines, spectrum.imag.contiguous(), alpha=-1)


def square_and_smooth(signal: np.ndarray, sigma: float) -> np.ndarray:
    """The energy of `signal [T, H, W]`, each frame through a Gaussian while it is in the cache; changed in place.

    OpenCV's Gaussian takes one thread per frame, so its threads each get frames of their own.
    """

    def one(frame: np.ndarray) -> None:
        cv2.multiply(frame, frame, dst=frame)
        if sigma > 0:
            cv2.GaussianBlur(frame, (0, 0), sigma, dst=frame)

    threads = min(cv2.getNumThreads(), len(signal)) if signal.size >= WORTH_THREADS else 1
    if threads > 1:
        with ThreadPoolExecutor(threads, thread_name_prefix="salience") as pool:
            list(pool.map(one, signal))
    else:
        for frame in signal:
            one(frame)
    return signal


def quantile(energy: np.ndarray, fraction: float) -> float:
    """A quantile of `[T, H, W]`, looked up on at most some 100 000 evenly spread pixels."""
    if fraction >= 1:
        return float(energy.max())
    step = max(1, int((energy.size / 1e5) ** 0.5))
    sample = energy[:, ::step, ::step].ravel()
    rank = int(fraction * (len(sample) - 1))
    return float(np.partition(sample, rank)[rank])


@clue
def salience(
    frames: np.ndarray,
    *,
    cutoff: int = 1,
    smoothing: float = 2.0,
    variant: str = "amplitude",
    floor: float = 8.0,
    peak: float = 0.95,
    even: np.ndarray | None = None,
    places: np.ndarray | None = None,
) -> np.ndarray:
    """The motion salience map of a clip, `float32 [T, H, W]` in [0, 1].

    `cutoff`: how many of the lowest frequencies go, 1 = only what is constant. `smoothing`: the Gaussian's σ
    in pixels, 0 = none. `floor`: change in grey levels below which no pixel reaches full brightness. `peak`:
    the quantile of the energy that becomes 1; with 1.0 it is the largest value.

    Where `frames` are not evenly spaced, `even` holds frames of the same clip that are, and `places` says where among
    them each of `frames` lies: 0 is the first, 2.5 half-way between the third and the fourth.
    """
    check_frames(frames)
    if variant not in VARIANTS:
        raise BadValue(f"the salience variants are {', '.join(VARIANTS)}, not {variant!r}")
    if (even is None) != (places is None):
        raise BadValue("evenly spaced frames and the places of the others among them go together")
    transformed = frames if even is None else even
    check_frames(transformed)
    length, (count, height, width) = len(transformed), frames.shape[:3]
    most = max(1, length // 2)
    if not 1 <= cutoff <= most:
        raise BadValue(f"with {length} frames the cut-off lies between 1 and {most}, not {cutoff}")
    signal = torch.from_numpy(grey(transformed)).view(length, -1)
    if variant == "amplitude":
        least = floor**2
        if places is None:
            signal = fast_part(signal, cutoff)
        else:
            signal = fast_part_at(torch.from_numpy(grey(frames)).view(count, -1), signal, places, cutoff)
    else:
        least = 0.25 / length
        signal = phase_part(signal, cutoff, floor) if places is None else phase_part_at(signal, places, cutoff, floor)
    energy = square_and_smooth(signal.view(count, height, width).numpy(), smoothing)
    energy *= 1 / max(quantile(energy, peak), least, 1e-12)
    rows = energy.reshape(-1, width)
    cv2.threshold(rows, 1, 1, cv2.THRESH_TRUNC, dst=rows)  # a fifth of the time of numpy's minimum
    return energy


@clue
def enhance(frames: np.ndarray, salience_map: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Frames times their salience, `uint8`: strength 0 leaves them alone, 1 blacks out what is still."""
    if not 0 <= strength <= 1:
        raise BadValue(f"the strength of the enhancement lies between 0 and 1, not {strength}")
    if salience_map.shape != frames.shape[:3]:
        raise BadValue(f"the map {list(salience_map.shape)} does not fit frames {list(frames.shape)}")
    out = np.empty_like(frames)
    for frame, weight, enhanced in zip(frames, salience_map, out, strict=True):
        weight = 1 - strength + strength * weight
        cv2.multiply(frame, cv2.merge([weight] * 3), dst=enhanced, dtype=cv2.CV_8U)
    return out
