"""What every visitor shares: the recognizers, the decoder of strangers' files, and what is being loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from actrec.weights.cards import Card, WeightsError, cards
from actrec.weights.folders import WEIGHTS
from demo.server.live_queue import Seats

if TYPE_CHECKING:
    import numpy as np

    from actrec.evaluation.compare import Compared, Point
    from actrec.evaluation.cost import Cost, Pace
    from actrec.explain.motion_clues import Clue
    from actrec.people.detector import PersonDetector
    from actrec.recognition.recognizer import Recognizer
    from actrec.video import Clip
    from actrec.video.request import Header
    from actrec.video.sandbox.decoder import Decoder

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "assets" / "examples"
FIRST = "asym3d-people"  # the weights asked first, where they are there
SHOWN_FPS, EXAMPLE_SIDE = 12.0, 240
REST = 10.0  # seconds after which memory that nothing uses any more is given back, again and again
SHARED = 24  # things made for all visitors that are kept
NO_WEIGHTS = "'{folder}' holds no weights. Train some: python -m actrec train"
Shared = TypeVar("Shared")


def name_of(example: Path) -> str:
    """A bundled example's name for people."""
    return example.stem.replace("-", " ")


class Lab:
    """Loads torch and the weights in the background, so that the page is there first."""

    def __init__(
        self,
        weights: Path = WEIGHTS,
        device: str = "auto",
        first: str = FIRST,
        runs: Path = ROOT / "runs",
        data: list[Path] | None = None,
        starts: Path | None = None,
    ) -> None:
        self.folder, self.device, self.runs, self._first = Path(weights), device, Path(runs), first
        self.starts = starts  # where published weights lie that were fetched; None where the page does not offer them
        self.data = data  # the folders visitors may learn from; None where the only visitor is at home here
        self.seats = Seats()
        self.progress = "Loading the network library."
        self.paces: dict[str, Pace] = {}
        self._cards: tuple[tuple, dict[str, Card]] = ((), {})
        self._costs: list[Cost] = []
        self._recognizers: dict[str, tuple[str, Recognizer]] = {}
        self._failures: dict[tuple[str, str], str] = {}
        self._films: dict[str, Clip] = {}
        self._shared: dict[Hashable, object] = {}
        self._making: dict[Hashable, threading.Lock] = {}
        self._shelf = threading.Lock()
        self._lock, self._counting, self._opening = threading.Lock(), threading.Lock(), threading.Lock()
        self._decoder = None
        self._detector: tuple[PersonDetector | None] | None = None
        self._loaded, self._started, self._closed = threading.Event(), threading.Event(), threading.Event()
        self._failed: Exception | None = None

    def start(self) -> None:
        """Begin loading, once."""
        with self._opening:
            if self._started.is_set():
                return
            self._started.set()
        threading.Thread(target=self._load, name="loader", daemon=True).start()
        threading.Thread(target=self._tidy, name="tidier", daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        if self._decoder is not None:
            self._decoder.close()

    @property
    def cards(self) -> dict[str, Card]:
        """The cards of the weights folder as it is now, and of published weights that answer by themselves; read again
        when one of them changed."""
        folders = [self.folder, *([self.starts] if self.starts else [])]
        files = [path for folder in folders for path in sorted(folder.glob("*/card.json"))]
        stamp = tuple((str(path), _changed(path)) for path in files)
        if stamp != self._cards[0]:
            published = cards(self.starts) if self.starts else {}
            answering = {name: card for name, card in published.items() if card.group}
            self._cards = (stamp, cards(self.folder) | answering)
        return self._cards[1]

    def place(self, name: str) -> Path:
        """The folder of weights, of the page's own or of those that were fetched."""
        published = None if self.starts is None else self.starts / name
        return published if published and published.is_dir() else self.folder / name

    @property
    def default(self) -> str | None:
        """The weights that are asked where nobody chose others."""
        return self._first if self._first in self.cards else next(iter(self.cards), None)

    @property
    def ready(self) -> bool:
        return self._loaded.is_set()

    @property
    def failed(self) -> bool:
        """Nothing could be loaded, and nothing else was since."""
        return self._failed is not None and not self._recognizers

    def recognizer(self, name: str | None = None) -> Recognizer:
        """The recognizer for a checkpoint of the weights folder; loaded once, shared by everyone."""
        self._loaded.wait()
        name = name or self.default
        return self._have(name) or self._open(name)

    def at_once(self, name: str | None) -> Recognizer | str:
        """The recognizer if it is there; otherwise it is being loaded, and a sentence says so."""
        if not self.ready or not self.cards:
            return self.say()
        name = name or self.default
        if (found := self._have(name)) is not None:
            return found
        key = name, self._sum(name)
        if key not in self._failures:
            self._failures[key] = f"Loading the weights {name}."
            threading.Thread(target=self._try_to_open, args=(name, key), name=f"loader of {name}", daemon=True).start()
        return self._failures.get(key) or self.at_once(name)

    def loaded(self) -> list[str]:
        """The names of the weights that are in memory."""
        return sorted(self._recognizers)

    def detector(self) -> PersonDetector | None:
        """The person detector, opened once; None where there are no weights for it."""
        from actrec.people import open_detector

        with self._opening:
            if self._detector is None:
                self._detector = (open_detector(),)
        return self._detector[0]

    def read(self, path: str | Path, **wanted: object) -> Clip:
        """A stranger's file as a Clip, decoded in a child process with limits."""
        return self._child().read(path, **wanted)

    def probe(self, path: str | Path) -> Header:
        """What a stranger's file says about itself, read in the same child process."""
        return self._child().probe(path)

    def example(self, path: Path) -> Clip:
        """A bundled example, decoded once."""
        if path.name not in self._films:
            self._films[path.name] = self.read(path, short_side=EXAMPLE_SIDE)
        return self._films[path.name]

    def shared(self, key: Hashable, make: Callable[[], Shared]) -> Shared:
        """Something that all visitors share: made once, by the first who asks; what was asked longest ago goes."""
        with self._shelf:
            lock = self._making.setdefault(key, threading.Lock())
        with lock:
            if key not in self._shared:
                self._shared[key] = make()
            self._shared[key] = found = self._shared.pop(key)  # the newest stands last
        with self._shelf:
            for oldest in list(self._shared)[:-SHARED]:
                self._shared.pop(oldest, None)
                self._making.pop(oldest, None)
        return found

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

    def compare(self, clip: Clip, names: list[str], report: Callable[[int, str], None]) -> list[Compared]:
        """One clip through several weights, one after the other."""
        from actrec.evaluation.compare import compared, with_agreement

        asked = []
        for place, name in enumerate(names):
            report(place, name)
            asked.append(compared(self.recognizer(name), name, clip))
        return with_agreement(asked)

    def points(self) -> list[Point]:
        """Accuracy against cost: the weights here, and the papers' headlines."""
        from actrec.evaluation.compare import Point, papers_points

        costs = {cost.name: cost.multiplications for cost in self.costs()}
        measured = [
            Point(name, costs[card.system], card.measured["top1"], False)
            for name, card in self.cards.items()
            if card.measured.get("top1") is not None and card.system in costs
        ]
        return measured + papers_points(costs)

    def machine(self) -> str:
        """What computes here, in words."""
        from actrec.core.devices import DEVICE_FAILED, choose_device, describe

        try:
            return describe(choose_device(self.device))
        except DEVICE_FAILED:  # lost since
            return "a GPU that does not answer"

    def clues(self, clip: Clip, method: str, seed: int, told: Callable[[float], None] | None = None) -> dict[str, Clue]:
        """Every motion clue of a clip; `told` hears how much of a slow flow is done."""
        from actrec.explain.motion_clues import look

        return look(clip, method=method, seed=seed, detector=self.detector, told=told)

    def rate(self, clip: Clip, seed: int) -> Clue:
        """The variance rate of a clip with the frames of another draw."""
        from actrec.explain.motion_clues import Look, variance_rate

        return variance_rate(Look(clip, seed, "dis", "cpu"))

    def clue_files(self, clues: Mapping[str, Clue], folder: Path) -> list[str]:
        """A picture and a video of every clue; the files' names."""
        from actrec.explain.motion_clues import write

        return [file for name, clue in clues.items() for file in write(clue, name, folder, SHOWN_FPS)]

    def clue_video(self, clue: Clue, path: Path) -> str:
        from actrec.video.write import write_mp4

        return str(write_mp4(path, clue.film(), SHOWN_FPS))

    def write(self, path: Path, frames: Iterable[np.ndarray], fps: float) -> Path:
        """Frames as a file that browsers play."""
        from actrec.video.write import write_mp4

        return write_mp4(path, frames, fps)

    def salience_video(self, clip: Clip, path: Path) -> str:
        """The clip with its motion salience over it, as a file that browsers play."""
        from actrec.figures.colour_maps import overlay
        from actrec.motion.salience import salience
        from actrec.video.write import write_mp4

        clip = clip.at_rate(min(clip.fps or SHOWN_FPS, SHOWN_FPS))
        pairs = zip(clip.frames, salience(clip.frames), strict=True)
        return str(write_mp4(path, (overlay(frame, moving) for frame, moving in pairs), SHOWN_FPS))

    def _child(self) -> Decoder:
        from actrec.video.sandbox.decoder import Decoder

        with self._opening:
            self._decoder = self._decoder or Decoder()
        return self._decoder

    def say(self) -> str:
        """One line on what computes here, or on what is still being loaded."""
        if self.failed:
            return f"The weights could not be loaded: {self._failed}"
        notices = [found.notice for _, found in list(self._recognizers.values()) if found.notice]
        return notices[0] if notices else self.progress

    def _have(self, name: str | None) -> Recognizer | None:
        """What is in memory, unless its file was replaced since."""
        checksum, found = self._recognizers.get(name, ("", None))
        return found if found is not None and checksum == self._sum(name) else None

    def _sum(self, name: str | None) -> str:
        card = self.cards.get(name)
        return card.sha256 if card else ""

    def _open(self, name: str | None) -> Recognizer:
        from actrec.recognition.recognizer import Recognizer

        if name is None:
            raise WeightsError(NO_WEIGHTS.format(folder=self.folder))
        if name not in self.cards:
            raise WeightsError(f"Weights go by the name of their folder; there are none called '{name}'.")
        with self._lock:
            if (found := self._have(name)) is None:
                found = Recognizer.load(self.place(name), self.device)
                self._recognizers[name] = (found.card.sha256, found)
        return found

    def _try_to_open(self, name: str, key: tuple[str, str]) -> None:
        try:
            self._open(name)
            del self._failures[key]
        except Exception as error:
            self._failures[key] = f"These weights could not be loaded: {error}"

    def _load(self) -> None:
        """Open the default weights; where they are damaged, the first of the others that can be opened."""
        left = ""
        try:
            from actrec.core.devices import describe

            for name in dict.fromkeys([self.default, *self.cards]):
                self.progress = f"Loading the weights {name}." if name else "Looking for weights."
                try:
                    recognizer = self._open(name)
                except Exception as error:
                    self._failed = self._failed or error
                    left = left or f". '{name}' could not be loaded: {error}"
                    continue
                self._first = name if left else self._first
                self.progress = f"Ready: {describe(recognizer.device)}, {recognizer.numbers.dtype}{left}"
                break
        except Exception as error:
            self._failed = error
        finally:
            self._loaded.set()

    def _tidy(self) -> None:
        """What a large clip or network needed for a moment is not kept for the day."""
        from actrec.core.memory import give_back

        while not self._closed.wait(REST):
            give_back()


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # replaced just now
        return 0
