"""Whose session is whose, within a measure: a page that is open, or a program's calls that belong together.

A browser or a program names its session itself, and Gradio believes it. So a session belongs to the visitor who used
it first, new ones come at a bounded rate, and what nobody uses any more is forgotten before there are too many.
Knows no Gradio. All of it runs in the server's event loop.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple

BURST, RATE = 60, 10.0  # new sessions of one visitor: at once, and a second after that
ALL_BURST, ALL_RATE = 400, 40.0  # and of all visitors
PER_VISITOR = 64  # sessions of one visitor
IDLE = 32  # of these without an open page and without a job; the one that was used longest ago is forgotten
MOST = 1500  # sessions of all; Gradio's table of 2 000 is never full
FORGOTTEN = 3600.0  # seconds after which an idle session is forgotten
VISITORS = 4096  # whose rate is remembered


class Visitor(NamedTuple):
    """Who asks, and the name that the same computer has without a cookie."""

    name: str
    address: str


NOBODY = Visitor("nobody", "nobody")
visiting: ContextVar[Visitor] = ContextVar("visiting", default=NOBODY)


class Refused(NamedTuple):
    """Why a request may not pass: a status, a sentence, and the seconds after which it may."""

    status: int
    sentence: str
    retry_after: int = 0


class Rate:
    """So many at once, and so many a second after that."""

    def __init__(self, burst: float, rate: float, now: float) -> None:
        self.burst, self.rate, self._free, self._last = burst, rate, float(burst), now

    def wait(self, now: float) -> float:
        """Seconds until the next one may pass; 0 if it may now."""
        self._free = min(self.burst, self._free + (now - self._last) * self.rate)
        self._last = now
        return max(0.0, (1 - self._free) / self.rate)

    def take(self) -> None:
        self._free -= 1


@dataclass
class Session:
    visitor: str
    used: float
    once: bool  # of one call that named no session


def nothing(_: str) -> None:
    return


class Sessions:
    """The sessions that are known. `busy` names those with a job; `on_forget` drops what a session has in memory."""

    def __init__(self, busy: Callable[[], set[str]] = set, clock: Callable[[], float] = time.monotonic) -> None:
        self.on_forget: Callable[[str], object] = nothing
        self._busy, self._clock = busy, clock
        self._known: OrderedDict[str, Session] = OrderedDict()  # the one that was used longest ago first
        self._pages: Counter[str] = Counter()
        self._all = Rate(ALL_BURST, ALL_RATE, clock())
        self._rates: OrderedDict[str, Rate] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, session: str) -> bool:
        return session in self._known

    def visitor_of(self, session: str) -> str:
        """The name of the visitor who began a session; empty where it is not known."""
        known = self._known.get(session)
        return known.visitor if known else ""

    def once(self, session: str) -> bool:
        """Whether a session is that of one call."""
        known = self._known.get(session)
        return known is not None and known.once

    def foreign(self, session: str, visitor: Visitor) -> Refused | None:
        """The refusal where another visitor began this session. One begun without a cookie is its address's."""
        known = self._known.get(session)
        if known is None or known.visitor in visitor:
            return None
        return Refused(403, "This session belongs to another visitor. Reload the page.")

    def admit(self, session: str, visitor: Visitor, once: bool = False) -> Refused | None:
        """Let a session ask something: a known one of this visitor, or a new one within the measure."""
        if (refused := self.foreign(session, visitor)) is not None:
            return refused
        now = self._clock()
        if session in self._known:
            self._known[session].used = now
            self._known.move_to_end(session)
            return None
        if (refused := self._room(visitor.name, now)) is not None:
            return refused
        self._known[session] = Session(visitor.name, now, once)
        return None

    def forget(self, session: str) -> None:
        """End a session, with all that it has in memory."""
        self._known.pop(session, None)
        self.on_forget(session)

    @contextlib.contextmanager
    def page(self, session: str) -> Iterator[None]:
        """While a page is open its session is not idle."""
        self._pages[session] += 1
        try:
            yield
        finally:
            self._pages[session] -= 1
            if not self._pages[session]:
                del self._pages[session]

    def _room(self, name: str, now: float) -> Refused | None:
        """Make room for a new session of a visitor, or refuse it."""
        rate = self._rate(name, now)
        wait = math.ceil(max(rate.wait(now), self._all.wait(now)))
        if wait:
            return Refused(429, f"Too many sessions begin at once. Try again in {wait} s.", wait)
        busy = self._busy()
        idle = [session for session in self._known if session not in self._pages and session not in busy]
        for session in [session for session in idle if now - self._known[session].used > FORGOTTEN]:
            self.forget(session)
            idle.remove(session)
        own = [session for session, known in self._known.items() if known.visitor == name]
        own_idle = [session for session in idle if self._known[session].visitor == name]
        if len(own_idle) >= IDLE or (len(own) >= PER_VISITOR and own_idle):
            self.forget(own_idle[0])
            idle.remove(own_idle[0])
        elif len(own) >= PER_VISITOR:
            return Refused(429, f"You have {PER_VISITOR} sessions open here. Close some of these pages.", 30)
        if len(self._known) >= MOST:
            if not idle:
                return Refused(503, "Too many pages are open here. Try again in a minute.", 60)
            self.forget(idle[0])
        rate.take()
        self._all.take()
        return None

    def _rate(self, name: str, now: float) -> Rate:
        """A visitor's own rate; of many visitors those who came longest ago are forgotten."""
        rate = self._rates.setdefault(name, Rate(BURST, RATE, now))
        self._rates.move_to_end(name)
        if len(self._rates) > VISITORS:
            self._rates.popitem(last=False)
        return rate
