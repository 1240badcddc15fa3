"""Places at the camera: so many visitors are answered at once, the next one is told how long it takes."""

from __future__ import annotations

import threading

PLACES = 8
TERM = 120.0  # seconds that a place may be kept while others wait
SILENT = 5.0  # seconds without a frame after which a place is free, or a turn in the line is given up


class Seats:
    """Who is answered and who waits, in order; a visitor is any object of its own."""

    def __init__(self, places: int = PLACES) -> None:
        self.places = places
        self._lock = threading.Lock()
        self._sitting: dict[object, tuple[float, float]] = {}  # since when, and when last seen
        self._waiting: dict[object, float] = {}  # in their order: when last seen

    def wait(self, visitor: object, now: float) -> float:
        """Seconds this visitor waits at the longest; 0 for one who has a place."""
        with self._lock:
            self._sitting = {who: times for who, times in self._sitting.items() if now - times[1] < SILENT}
            self._waiting = {who: seen for who, seen in self._waiting.items() if now - seen < SILENT}
            if visitor in self._sitting:
                since = self._sitting[visitor][0]
                if now - since < TERM or len(self._waiting) <= self.places - len(self._sitting):
                    self._sitting[visitor] = (since, now)
                    return 0.0
                del self._sitting[visitor]  # to the end of the line
            self._waiting[visitor] = now
            place = list(self._waiting).index(visitor)
            free = self.places - len(self._sitting)
            if place < free:
                del self._waiting[visitor]
                self._sitting[visitor] = (now, now)
                return 0.0
            rounds, turn = divmod(place - free, self.places)
            begun = [since for since, _ in self._sitting.values()] + [now] * free  # the first in line are about to sit
            return max(sorted(begun)[turn] + TERM - now, 1.0) + rounds * TERM
