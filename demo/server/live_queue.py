"""Places at the camera: so many visitors are answered at once, and the next one gets the longest time to wait."""

from __future__ import annotations

import threading

PLACES = 8
TERM = 120.0  # seconds that a place may be kept while others wait
SILENT = 5.0  # seconds without a frame after which a place is free, or a turn in the line is given up


class LiveQueue:
    """Who is answered and who waits, in order; a visitor is any object of its own."""

    def __init__(self, places: int = PLACES) -> None:
        self.places = places
        self._lock = threading.Lock()
        self._answered: dict[object, tuple[float, float]] = {}  # since when, and the time of the last frame
        self._waiting: dict[object, float] = {}  # in their order: the time of the last frame

    def wait(self, visitor: object, now: float) -> float:
        """Seconds this visitor waits at the longest; 0 for one who has a place."""
        with self._lock:
            self._answered = {who: times for who, times in self._answered.items() if now - times[1] < SILENT}
            self._waiting = {who: last for who, last in self._waiting.items() if now - last < SILENT}
            if visitor in self._answered:
                since = self._answered[visitor][0]
                if now - since < TERM or len(self._waiting) <= self.places - len(self._answered):
                    self._answered[visitor] = (since, now)
                    return 0.0
                del self._answered[visitor]  # to the end of the line
            self._waiting[visitor] = now
            place = list(self._waiting).index(visitor)
            free = self.places - len(self._answered)
            if place < free:
                del self._waiting[visitor]
                self._answered[visitor] = (now, now)
                return 0.0
            rounds, turn = divmod(place - free, self.places)
            # The first in line get the free places now.
            starts = [since for since, _ in self._answered.values()] + [now] * free
            return max(sorted(starts)[turn] + TERM - now, 1.0) + rounds * TERM
