"""A load balancer's rules in their plainest form: lists that are searched, no heap, no tree, no timers."""
from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass
class PlainTarget:
    capacity: int | None
    cost: float
    load: float = 0.0
    extra: float = 0.0  # sessions counted on top of the report: not yet in it, or placed since
    others: int = 0
    reported_us: int | None = None
    down: bool = False
    failures: int = 0
    held_until_us: int = 0
    up_since_us: int = 0
    draining: bool = False
    sessions: list[Hashable] = field(default_factory=list)

    def projected(self) -> float:
        return max(0.0, self.load + self.cost * self.extra)

    def count(self, change: int) -> None:
        self.extra += change


class PlainBalancer:
    """Who may get a session; times in microseconds. Slow start is off."""

    def __init__(self, silence_us: int, hold_us: int, hold_max_us: int, max_load: float) -> None:
        self.silence_us, self.hold_us, self.hold_max_us, self.max_load = silence_us, hold_us, hold_max_us, max_load
        self.targets: dict[Hashable, PlainTarget] = {}

    def open(self, now_us: int) -> set[Hashable]:
        self.notice_silence(now_us)
        return {name for name, t in self.targets.items()
                if not t.down and not t.draining and t.projected() < self.max_load
                and (t.capacity is None or len(t.sessions) + t.others < t.capacity)}

    def notice_silence(self, now_us: int) -> None:
        for t in self.targets.values():
            if not t.down and t.reported_us is not None and t.reported_us + self.silence_us <= now_us:
                self.fail(t, now_us)

    def fail(self, t: PlainTarget, now_us: int) -> None:
        if t.down:
            return
        if now_us - t.up_since_us >= self.hold_max_us:
            t.failures = 0
        t.failures += 1
        t.held_until_us = now_us + min(self.hold_max_us, self.hold_us * 2 ** (t.failures - 1))
        t.down = True

    def report(self, t: PlainTarget, load: float, sessions: int, healthy: bool, now_us: int) -> None:
        self.notice_silence(now_us)
        t.load, t.reported_us = load, now_us
        t.extra = max(0, len(t.sessions) - sessions)
        t.others = max(0, sessions - len(t.sessions))
        if sessions >= 8 and load > 0:
            t.cost += 0.3 * (load / sessions - t.cost)
        if not healthy:
            self.fail(t, now_us)
        elif t.down and now_us >= t.held_until_us:
            t.down, t.up_since_us = False, now_us
