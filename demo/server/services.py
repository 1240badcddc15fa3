"""What all visitors share: the recognizers, the decoder of strangers' files, and what is being loaded."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from actrec.weights.cards import Card, WeightsError, cards
from actrec.weights.default import PREFERRED, default_of
from actrec.weights.folders import WEIGHTS
from actrec.weights.trunks import missing_trunk
from demo.server.live_queue import LiveQueue

if TYPE_CHECKING:
    from actrec.evaluation.cost import Pace
    from actrec.people.detector import PersonDetector
    from actrec.people.presence import Presence
    from actrec.recognition.recognizer import Recognizer
    from actrec.video import Clip
    from actrec.video.request import Header
    from actrec.video.sandbox.decoder import Decoder

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "assets" / "examples"
SHOWN_FPS, EXAMPLE_SIDE = 12.0, 240
REST = 10.0  # seconds after which memory that nothing uses any more is given back, again and again
SETTLED_AFTER = 3.0  # seconds between checks for recognizers without their fastest engine
SHARED = 24  # results for all visitors that stay in memory
NO_WEIGHTS = "'{folder}' holds no weights. Train some: python -m actrec train"
Shared = TypeVar("Shared")


def name_of(example: Path) -> str:
    """A bundled example's name for people."""
    return example.stem.replace("-", " ")


class Services:
    """Loads torch and the weights in the background, so that the page is there first."""

    def __init__(
        self,
        weights: Path = WEIGHTS,
        device: str = "auto",
        runs: Path = ROOT / "runs",
        data: list[Path] | None = None,
        starts: Path | None = None,
    ) -> None:
        self.folder, self.device, self.runs = Path(weights), device, Path(runs)
        self._first: str | None = None  # what answers instead of the default, where that could not be loaded
        self.starts = starts  # where published weights lie that were fetched; None where the page does not offer them
        self.data = data  # the folders that visitors may learn from; None where the only visitor owns this computer
        self.live_queue = LiveQueue()
        self.progress = "Loading the network library."
        self._ready: tuple[Recognizer, str] | None = None  # what answers first, and which weights it stands in for
        self.paces: dict[str, Pace] = {}  # how long one view of a system takes here, once somebody asked
        self._cards: tuple[tuple, dict[str, Card]] = ((), {})
        self._recognizers: dict[str, tuple[str, Recognizer]] = {}
        self._failures: dict[tuple[str, str], str] = {}
        self._examples: dict[str, Clip] = {}
        self._shared: dict[Hashable, object] = {}
        self._making: dict[Hashable, threading.Lock] = {}
        self._shelf = threading.Lock()
        self._lock, self._opening = threading.Lock(), threading.Lock()
        self._decoder = None
        self._detector: tuple[PersonDetector | None] | None = None
        self.background = ThreadPoolExecutor(1, "lookout")  # looks for people beside the answers
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
        threading.Thread(target=self._settle, name="settler", daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        self.background.shutdown(wait=False, cancel_futures=True)
        if self._decoder is not None:
            self._decoder.close()

    @property
    def cards(self) -> dict[str, Card]:
        """The cards of the weights folder as it is now, and of published weights that answer by themselves; read again
        when one of them changed. What goes on from published weights that are not here is none of them."""
        folders = [self.folder, *([self.starts] if self.starts else [])]
        files = [path for folder in folders for path in sorted(folder.glob("*/card.json"))]
        stamp = tuple((str(path), _changed(path)) for path in files)
        if stamp != self._cards[0]:
            published = cards(self.starts) if self.starts else {}
            answering = {name: card for name, card in published.items() if card.group}
            own = {name: card for name, card in cards(self.folder).items() if not self._missing(card)}
            self._cards = (stamp, own | answering)
        return self._cards[1]

    def _missing(self, card: Card) -> str:
        """What weights of the page's own folder lack; a page that offers no published weights looks for none."""
        return missing_trunk(card, self.folder, self.starts or self.folder)

    def lacks(self, name: str) -> str:
        """What weights of the folder need that is not here, as a sentence; empty where there are none of this name."""
        card = cards(self.folder).get(name)
        return self._missing(card) if card else ""

    def place(self, name: str) -> Path:
        """The folder of weights, of the page's own or of those that were fetched."""
        published = None if self.starts is None else self.starts / name
        return published if published and published.is_dir() else self.folder / name

    @property
    def default(self) -> str | None:
        """The weights that are asked where nobody chose others, as it is now: some may just have been fetched."""
        return self._first if self._first in self.cards else default_of(self.cards)

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
        return self._in_memory(name) or self._open(name)

    def at_once(self, name: str | None) -> Recognizer | str:
        """The recognizer if it is there; otherwise a sentence on its loading, which this starts."""
        if not self.ready or not self.cards:
            return self.status_line()
        name = name or self.default
        if (recognizer := self._in_memory(name)) is not None:
            return recognizer
        key = name, self._checksum(name)
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

    def presence(self, clip: Clip) -> Presence:
        """Who is seen in a clip, and what moves in it."""
        from actrec.people.presence import presence

        return presence(clip, self._detector_or_none())

    def presence_now(self, clip: Clip) -> Presence:
        """Who is seen in the newest frame of a camera, and what has just moved."""
        from actrec.people.presence import presence_now

        return presence_now(clip, self._detector_or_none())

    def _detector_or_none(self) -> PersonDetector | None:
        """The person detector; one that cannot be opened is done without, as the answers do not depend on it."""
        from actrec.core.errors import Refusal

        try:
            return self.detector()
        except (Refusal, OSError):
            return None

    def read(self, path: str | Path, **options: object) -> Clip:
        """A stranger's file as a Clip, decoded in a child process with limits."""
        return self._child().read(path, **options)

    def probe(self, path: str | Path) -> Header:
        """The header of a stranger's file, read in the same child process."""
        return self._child().probe(path)

    def example(self, path: Path) -> Clip:
        """A bundled example, decoded once."""
        if path.name not in self._examples:
            self._examples[path.name] = self.read(path, short_side=EXAMPLE_SIDE)
        return self._examples[path.name]

    def shared(self, key: Hashable, make: Callable[[], Shared]) -> Shared:
        """A result that all visitors share: computed once, for the first who asks; the one unused for longest goes."""
        with self._shelf:
            lock = self._making.setdefault(key, threading.Lock())
        with lock:
            if key not in self._shared:
                self._shared[key] = make()
            self._shared[key] = value = self._shared.pop(key)  # the newest stands last
        with self._shelf:
            for oldest in list(self._shared)[:-SHARED]:
                self._shared.pop(oldest, None)
                self._making.pop(oldest, None)
        return value

    def _child(self) -> Decoder:
        from actrec.video.sandbox.decoder import Decoder

        with self._opening:
            self._decoder = self._decoder or Decoder()
        return self._decoder

    def status_line(self) -> str:
        """One line on what computes here, or on what is still being loaded."""
        if self.failed:
            return f"The weights could not be loaded: {self._failed}"
        notices = [recognizer.notice for _, recognizer in list(self._recognizers.values()) if recognizer.notice]
        if notices or self._ready is None:
            return notices[0] if notices else self.progress
        from actrec.core.devices import describe

        recognizer, left = self._ready
        return f"Ready: {describe(recognizer.device)}, {recognizer.engine.name}{left}"

    def _in_memory(self, name: str | None) -> Recognizer | None:
        """The recognizer in memory, unless its file was replaced since."""
        checksum, recognizer = self._recognizers.get(name, ("", None))
        return recognizer if recognizer is not None and checksum == self._checksum(name) else None

    def _checksum(self, name: str | None) -> str:
        card = self.cards.get(name)
        return card.sha256 if card else ""

    def _open(self, name: str | None) -> Recognizer:
        from actrec.recognition.recognizer import Recognizer

        if name is None:
            raise WeightsError(NO_WEIGHTS.format(folder=self.folder))
        if name not in self.cards:
            raise WeightsError(
                self.lacks(name) or f"Weights go by the name of their folder; there are none called '{name}'."
            )
        with self._lock:
            if (recognizer := self._in_memory(name)) is None:
                recognizer = Recognizer.load(self.place(name), self.device)
                self._recognizers[name] = (recognizer.card.sha256, recognizer)
        return recognizer

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
            self._child()  # the decoder's process starts beside
            for name in dict.fromkeys([self.default, *filter(self.cards.__contains__, PREFERRED), *self.cards]):
                self.progress = f"Loading the weights {name}." if name else "Looking for weights."
                try:
                    recognizer = self._open(name)
                except Exception as error:
                    self._failed = self._failed or error
                    left = left or f". '{name}' could not be loaded: {error}"
                    continue
                self._first = name if left else self._first
                self._ready = recognizer, left
                break
        except Exception as error:
            self._failed = error
        finally:
            self._loaded.set()
        with suppress(RuntimeError):  # closed meanwhile
            self.background.submit(self._detector_or_none)  # the first answer does not wait for it

    def _settle(self) -> None:
        """Let every recognizer find its fastest engine, one after the other."""
        failed: list[Recognizer] = []
        while not self._closed.wait(SETTLED_AFTER):
            for _, recognizer in list(self._recognizers.values()):
                if not (recognizer.settled or recognizer in failed or self._closed.is_set()):
                    try:
                        recognizer.settle()
                    except Exception:  # whatever is wrong with one set of weights, the others still find their engine
                        log.exception("'%s' keeps its first engine.", recognizer.card.name)
                        failed.append(recognizer)

    def _tidy(self) -> None:
        """Give back the memory that a large clip or network needed for a moment."""
        from actrec.core.memory import give_back

        while not self._closed.wait(REST):
            give_back()


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # replaced just now
        return 0
