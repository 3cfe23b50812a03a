"""Plain models of rx/jitter (order, drops, play-out times) and rx/delay (target)."""
from __future__ import annotations

from dataclasses import dataclass, field

NEVER = 2**63 - 1


class BaseModel:
    """Smallest transit time of the present half second and the nine before it."""

    def __init__(self) -> None:
        self.samples: list[tuple[int, int]] = []

    def on_packet(self, transit: int, now: int) -> int:
        self.samples.append((now // 500_000, transit))
        self.samples = [s for s in self.samples if s[0] > now // 500_000 - 10]
        return min(t for _, t in self.samples)


class TargetModel:
    """Histogram that is multiplied by 0.998 with each packet once 500 are in it."""

    def __init__(self, max_ms: int) -> None:
        self.bin_us = max(1000, -(-max_ms * 1000 // 256))
        self.bins = [0.0] * 256
        self.n = 0

    def on_packet(self, relative: int) -> int:
        self.n += 1
        if self.n > 500:
            self.bins = [b * (1 - 1 / 500) for b in self.bins]
        self.bins[min(255, relative // self.bin_us)] += 1
        above, limit = 0.0, 0.01 * min(self.n, 500)
        for i in range(255, 0, -1):
            above += self.bins[i]
            if above > limit:
                return (i + 1) * self.bin_us
        return self.bin_us


@dataclass
class JitterModel:
    """A dict of packets by number; the target is constant."""

    clock_hz: int
    target_us: int
    capacity: int
    held: dict[int, int] = field(default_factory=dict)  # seq -> ts
    seen: dict[int, int] = field(default_factory=dict)  # slot -> number last in it
    next_seq: int | None = None
    highest: int | None = None
    base: int | None = None
    late: int = 0
    duplicate: int = 0
    lost: int = 0
    overflow: int = 0
    reordered: int = 0

    def __post_init__(self) -> None:
        self.base_model = BaseModel()
        self.room = 2
        while self.room < 2 * self.capacity:
            self.room *= 2

    def _leave(self, seq: int) -> None:
        del self.held[seq]
        if self.next_seq is not None:
            self.lost += seq - self.next_seq
        self.next_seq = seq + 1

    def _refuse(self, seq: int) -> None:
        other = self.seen.get(seq % self.room)
        if other is None or other < seq:
            self.seen[seq % self.room] = seq

    def push(self, seq: int, ts: int, arrival: int) -> str:
        if self.seen.get(seq % self.room) == seq:
            self.duplicate += 1
            return "duplicate"
        self.base = self.base_model.on_packet(arrival - ts * 1_000_000 // self.clock_hz, arrival)
        if (self.next_seq is not None and seq < self.next_seq) or (
                self.held and self.highest is not None and seq <= self.highest - self.room):
            self.late += 1
            self._refuse(seq)
            return "late"
        if len(self.held) == self.capacity and seq < min(self.held):
            self.overflow += 1
            self._refuse(seq)
            return "late"
        while self.held and (len(self.held) == self.capacity or seq - min(self.held) >= self.room):
            self.overflow += 1
            self._leave(min(self.held))
        if self.highest is not None and seq < self.highest:
            self.reordered += 1
        self.highest = seq if self.highest is None else max(seq, self.highest)
        self.held[seq] = ts
        self.seen[seq % self.room] = seq
        return "kept"

    def next_us(self) -> int:
        if not self.held or self.base is None:
            return NEVER
        return self.base + self.held[min(self.held)] * 1_000_000 // self.clock_hz + self.target_us

    def pop(self, now: int) -> int | None:
        if self.next_us() > now:
            return None
        seq = min(self.held)
        self._leave(seq)
        return seq
