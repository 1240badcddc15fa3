"""A label that stays until another is clearly better for a while: what a camera's answers need to be read.

All by the clock: however many answers come in a second, a label changes no faster than `seconds` apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

Payload = TypeVar("Payload")
CLEARLY = 0.1  # by so much another class's score has to be higher
LOST = 3.0  # times the holding time after which a label that was not once the answer goes, whatever takes its place


class Hold(Generic[Payload]):
    """Holds one answer. `NO_ACTION` labels, such as "not sure", compete like classes but have no scores."""

    def __init__(self, no_action: frozenset[str]) -> None:
        self._no_action = no_action
        self.clear()

    def clear(self) -> None:
        """Forget what was held: another camera, or other weights."""
        self._label: str = ""
        self._payload: Payload | None = None
        self._rival, self._since = "", 0.0  # the class that may take over, and since when it is clearly better
        self._without: float | None = None  # since when no class has been the answer
        self._last = 0.0  # when the held label was the answer

    def take(self, label: str, payload: Payload, scores: Mapping[str, float], now: float, seconds: float) -> Payload:
        """The newest answer at second `now`; the answer to show, which is an earlier one while that is held.

        `scores` are those of the classes now. Another class takes over once it was better by `CLEARLY` for `seconds`;
        a spell without a sure answer does not interrupt it, and takes over itself when it lasts as long.
        """
        if self._payload is None or seconds <= 0 or label == self._label:
            return self._show(label, payload, now)
        if label in self._no_action:
            self._without = now if self._without is None else self._without
            since = self._without
        else:
            if label != self._rival or not self._clearly(label, scores):
                self._rival, self._since = label, now
            self._without, since = None, self._since
        if now - since >= seconds or now - self._last >= LOST * seconds:
            return self._show(label, payload, now)
        return self._payload

    def _clearly(self, label: str, scores: Mapping[str, float]) -> bool:
        """Whether a class is clearly better than the held one; one without a score, or over one, always is."""
        if label not in scores or self._label not in scores:
            return True
        return scores[label] - scores[self._label] >= CLEARLY

    def _show(self, label: str, payload: Payload, now: float) -> Payload:
        self._label, self._payload, self._last = label, payload, now
        self._rival, self._since, self._without = "", now, None
        return payload
