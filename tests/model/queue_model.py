"""Plain model of a drop-tail bottleneck: serves bit by bit in exact arithmetic."""
from __future__ import annotations

from fractions import Fraction


class QueueModel:
    """One server, first in first out; ``rates`` are (from t_us, bits per microsecond), the first at 0."""

    def __init__(self, rates: list[tuple[int, int]], limit_bytes: int) -> None:
        self.rates = rates
        self.limit_bytes = limit_bytes
        self.now = Fraction(0)
        self.queue: list[list] = []  # [ordinal, bits left, bytes]
        self.left: dict[int, Fraction] = {}

    def _rate(self) -> tuple[int, Fraction | None]:
        rate, until = 0, None
        for t_us, bits_per_us in self.rates:
            if t_us <= self.now:
                rate = bits_per_us
            else:
                until = Fraction(t_us)
                break
        return rate, until

    def advance(self, t_us: Fraction | int | None) -> None:
        """Serve until ``t_us``, or until all is served (None)."""
        while self.queue:
            rate, until = self._rate()
            end = self.now + Fraction(self.queue[0][1]) / rate if rate else None
            stop = min(x for x in (end, until, None if t_us is None else Fraction(t_us)) if x is not None)
            self.queue[0][1] -= (stop - self.now) * rate
            self.now = stop
            if self.queue[0][1] == 0:
                self.left[self.queue.pop(0)[0]] = stop
            elif t_us is not None and stop >= t_us:
                return
        if t_us is not None:
            self.now = max(self.now, Fraction(t_us))

    def arrive(self, ordinal: int, t_us: int, size_bytes: int) -> bool:
        self.advance(t_us)
        if self.queue and sum(q[2] for q in self.queue) + size_bytes > self.limit_bytes:
            return False
        self.queue.append([ordinal, Fraction(size_bytes * 8), size_bytes])
        return True
