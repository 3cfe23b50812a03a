"""Choice of the loudest talkers, the plain way: sorted lists of people instead of places and indices."""
from __future__ import annotations

from dataclasses import dataclass

MEMORY, STEP, HOLD, DOMINANT = 3_000_000, 120_000, 2_000_000, 600_000
SURE, SURE_US, MARGIN, MARGIN_US = 9 * 256, 100_000, 4 * 256, 400_000


def _divide(a: int, b: int) -> int:
    """Towards zero, as C does."""
    return abs(a) // b if a >= 0 else -(abs(a) // b)


@dataclass
class Person:
    """One member; times in microseconds."""

    loudness: int = 0
    spurt: int = 0
    spoke: int | None = None
    leads_since: int | None = None
    outdoes_since: int | None = None


class Loudest:
    """A group with ``places``."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.people: dict[int, Person] = {}
        self.active: list[int] = []
        self.dominant: int | None = None

    def remove(self, who: int) -> None:
        self.people.pop(who, None)
        if who in self.active:
            self.active.remove(who)
        if self.dominant == who:
            self.dominant = None

    def expire(self, now: int) -> None:
        self.active = [who for who in self.active if now - (self.people[who].spoke or 0) < HOLD]

    def _spoke_within(self, who: int, now: int, within: int) -> bool:
        spoke = self.people[who].spoke
        return spoke is not None and now - spoke < within

    def _hear(self, who: int, level: int, now: int) -> None:
        p, loudness = self.people[who], (127 - level) * 256
        if not self._spoke_within(who, now, HOLD):
            self.people[who] = Person(loudness, now, now)
            return
        dt = min(now - (p.spoke or 0), STEP)
        if dt:
            p.loudness += _divide((loudness - p.loudness) * dt, dt + min(now - p.spurt, MEMORY))
        p.spoke = now

    def _seek(self, who: int, now: int) -> bool:
        self.expire(now)
        if len(self.active) < self.places:
            self.active.append(who)
            return True
        p, softest = self.people[who], min(self.people[other].loudness for other in self.active)
        if p.loudness < softest + MARGIN:
            p.leads_since = None
        elif p.leads_since is None:
            p.leads_since = now
        waited = p.leads_since is not None and now - p.leads_since >= MARGIN_US
        sure = p.loudness >= softest + SURE and now - p.spurt >= SURE_US
        if not waited and not sure:
            return False
        self.active.remove(next(other for other in self.active if self.people[other].loudness == softest))
        self.active.append(who)
        p.leads_since = None
        return True

    def _judge_dominant(self, who: int, now: int) -> None:
        if self.dominant == who:
            return
        p = self.people[who]
        if self.dominant in self.active and self._spoke_within(self.dominant, now, DOMINANT):
            if p.loudness < self.people[self.dominant].loudness + MARGIN:
                p.outdoes_since = None
                return
            p.outdoes_since = now if p.outdoes_since is None else p.outdoes_since
            if now - p.outdoes_since < DOMINANT:
                return
        p.outdoes_since = None
        self.dominant = who

    def packet(self, who: int, level: int, voice: bool, now: int) -> bool:
        if who not in self.people:
            return False
        if not voice or level == 127:
            if who in self.active and not self._spoke_within(who, now, HOLD):
                self.expire(now)
            return who in self.active
        self._hear(who, level, now)
        if who not in self.active and not self._seek(who, now):
            return False
        self._judge_dominant(who, now)
        return True
