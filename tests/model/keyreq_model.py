"""Merging of requests for key frames, the plain way: the whole past is kept and looked through."""
from __future__ import annotations

from dataclasses import dataclass, field

QUICK, MIN_REPEAT, MAX_WAIT, MAX_RTT = 3, 300_000, 10_000_000, 5_000_000


@dataclass
class KeyRequests:
    """Times in microseconds."""

    interval: int
    keys: list[int] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    wanted_since: int | None = None

    def request(self, rtt: int, now: int) -> str:
        if self.wanted_since is not None:
            return "merged"
        if self.keys and now < self.keys[-1] + min(rtt, MAX_RTT):
            return "answered"
        self.wanted_since = now
        self.asked = 0
        return "wanted"

    def key_frame(self, now: int) -> None:
        self.keys.append(now)
        self.wanted_since = None

    def due(self, rtt: int) -> int | None:
        """When the next request is to be sent."""
        if self.wanted_since is None:
            return None
        if not self.sent:
            return self.wanted_since
        if self.asked == 0:
            return self.sent[-1] + self.interval
        wait = max(2 * min(rtt, MAX_RTT), MIN_REPEAT)
        slow = max(0, self.asked - QUICK)
        if slow:
            wait = min(wait * 2 ** min(slow, 5), MAX_WAIT)
        return self.sent[-1] + max(wait, self.interval)

    def poll(self, rtt: int, now: int) -> bool:
        due = self.due(rtt)
        if due is None or now < due:
            return False
        self.sent.append(now)
        self.asked += 1
        return True
