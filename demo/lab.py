"""What every visitor shares: the recognizers, the decoder of strangers' files, and what is being loaded."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from actrec.weights.cards import Card, cards

if TYPE_CHECKING:
    import numpy as np

    from actrec.evaluation.cost import Cost, Pace
    from actrec.motion.clues import Clue
    from actrec.recognizer import Recognizer
    from actrec.video import Clip

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "assets" / "examples"
SHOWN_FPS, SALIENCE_FRAMES = 12.0, 16


def name_of(example: Path) -> str:
    """A bundled example's name for people."""
    return example.stem.replace("-", " ")


class Lab:
    """Loads torch and the weights in the background, so that the page is there first."""

    def __init__(
        self,
        weights: Path = ROOT / "weights",
        device: str = "auto",
        first: str | None = None,
        runs: Path = ROOT / "runs",
    ) -> None:
        self.folder, self.device, self.runs = weights, device, runs
        self.cards: dict[str, Card] = cards(weights)
        self.default = first if first in self.cards else next(iter(self.cards), None)
        self.progress = "Loading the network library."
        self.paces: dict[str, Pace] = {}
        self._costs: list[Cost] = []
        self._recognizers: dict[str, Recognizer] = {}
        self._lock, self._counting = threading.Lock(), threading.Lock()
        self._decoder = None
        self._loaded = threading.Event()
        self._failed: Exception | None = None

    def start(self) -> None:
        threading.Thread(target=self._load, name="loader", daemon=True).start()

    def close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()

    @property
    def ready(self) -> bool:
        return self._loaded.is_set()

    @property
    def failed(self) -> bool:
        return self._failed is not None

    def recognizer(self, name: str | None = None) -> Recognizer:
        """The recognizer for a checkpoint of the weights folder; loaded once, shared by everyone."""
        self._loaded.wait()
        if self._failed:
            raise self._failed
        name = name or self.default
        with self._lock:
            if name not in self._recognizers:
                from actrec.recognizer import Recognizer, find_weights

                self._recognizers[name] = Recognizer.load(find_weights(name, self.folder), self.device)
            return self._recognizers[name]

    def read(self, path: str | Path, **wanted: object) -> Clip:
        """A stranger's file as a Clip, decoded in a child process with limits."""
        from actrec.video.child import Decoder

        with self._lock:
            self._decoder = self._decoder or Decoder()
        return self._decoder.read(path, **wanted)

    def costs(self) -> list[Cost]:
        """Every system's counts; made once, kept."""
        from actrec.evaluation.cost import counted
        from actrec.systems import SYSTEMS

        with self._counting:
            if not self._costs:
                self._costs = [counted(system) for system in SYSTEMS.values()]
        return self._costs

    def time(self, name: str) -> Pace:
        """How long one view of a system takes here."""
        from actrec.evaluation.cost import timed
        from actrec.systems import named

        if name not in self.paces:
            self.paces[name] = timed(named(name), self.device)
        return self.paces[name]

    def machine(self) -> str:
        """What computes here, in words."""
        from actrec.machine import choose_device, describe

        return describe(choose_device(self.device))

    def clues(self, clip: Clip, method: str, seed: int) -> dict[str, Clue]:
        """Every motion clue of a clip."""
        from actrec.motion.clues import look

        return look(clip, method=method, seed=seed)

    def clue_video(self, clue: Clue, path: Path) -> str:
        from actrec.video.write import write_mp4

        return str(write_mp4(path, clue.film(), SHOWN_FPS))

    def salience_video(self, clip: Clip, path: Path) -> str:
        """The clip with its motion salience over it, as a file that browsers play."""
        from actrec.motion.pictures import overlay
        from actrec.motion.salience import salience
        from actrec.video.write import write_mp4

        clip = clip.at_rate(min(clip.fps or SHOWN_FPS, SHOWN_FPS))
        pairs = zip(clip.frames, salience(clip.frames), strict=True)
        return str(write_mp4(path, (overlay(frame, moving) for frame, moving in pairs), SHOWN_FPS))

    def salience_now(self, clip: Clip) -> np.ndarray:
        """The newest frame of a camera with the motion salience of its last frames over it."""
        from actrec.motion.pictures import overlay
        from actrec.motion.salience import salience

        recent = clip.frames[-SALIENCE_FRAMES:]
        return overlay(recent[-1], salience(recent)[-1])

    def say(self) -> str:
        """One line on what computes here, or on what is still being loaded."""
        if self._failed:
            return f"The weights could not be loaded: {self._failed}"
        return self.progress

    def _load(self) -> None:
        began = time.perf_counter()
        try:
            from actrec.machine import describe
            from actrec.recognizer import Recognizer, find_weights

            if self.default is None:
                raise FileNotFoundError(f"'{self.folder}' holds no weights. Train some: python -m actrec train")
            self.progress = f"Loading the weights {self.default}."
            recognizer = Recognizer.load(find_weights(self.default, self.folder), self.device)
            self._recognizers[self.default] = recognizer
            self.progress = (
                f"Computing on {describe(recognizer.device)} in {recognizer.numbers.dtype}. "
                f"Ready {time.perf_counter() - began:.1f} s after the page."
            )
        except Exception as error:
            self._failed = error
        finally:
            self._loaded.set()
