"""Plain model of rx/assemble: looks at everything again with each pop."""
from __future__ import annotations

from typing import NamedTuple


class P(NamedTuple):
    """One packet, as far as assembly looks at it."""

    seq: int
    ts: int
    marker: bool
    starts: bool
    key: bool
    payload: int
    arrival: int


class Frame(NamedTuple):
    """What comes out."""

    first: int
    last: int
    key: bool
    after_gap: bool


class AssembleModel:
    """Without bounds: for runs that never fill the buffer."""

    def __init__(self, wait: int) -> None:
        self.wait = wait
        self.held: dict[int, P] = {}
        self.delivered: set[int] = set()
        self.next: int | None = None
        self.synced = self.moved = self.after_gap = False
        self.gap: tuple[int, int] | None = None  # number, known since

    def push(self, p: P) -> str:
        if self.next is None:
            self.next = p.seq
        elif p.seq < self.next:
            if self.moved:
                return "duplicate" if p.seq in self.delivered else "late"
            self.next = p.seq
        if p.seq in self.held:
            return "duplicate"
        self.held[p.seq] = p
        return "kept"

    def begins(self, seq: int) -> bool:
        p, before = self.held[seq], self.held.get(seq - 1)
        if p.payload == 0:
            return False
        if seq == self.next:
            return self.synced or p.starts
        if before is None:
            return p.starts
        return before.marker or before.ts != p.ts or before.payload == 0

    def frame_at(self, seq: int) -> tuple[int, int] | None:
        """First and last number of the complete frame that begins at ``seq``."""
        if seq not in self.held or not self.begins(seq):
            return None
        last = seq
        while True:
            if self.held[last].marker:
                return seq, last
            after = self.held.get(last + 1)
            if after is None:
                return None
            if after.ts != self.held[last].ts:
                return seq, last
            last += 1

    def pop(self, now: int) -> Frame | None:
        if self.next is None:
            return None
        while self.next in self.held and self.held[self.next].payload == 0:
            del self.held[self.next]
            self.delivered.add(self.next)
            self.next += 1
            self.moved = True
        found = self.frame_at(self.next)
        if found is None:
            found = self.behind_the_gap(now)
        if found is None:
            return None
        first, last = found
        if first > self.next:
            self.after_gap = True
        key = any(self.held[s].key for s in range(first, last + 1))
        frame = Frame(first, last, key, self.after_gap)
        self.delivered.update(range(first, last + 1))
        self.held = {s: p for s, p in self.held.items() if s > last}
        self.next, self.synced, self.moved, self.after_gap, self.gap = last + 1, True, True, False, None
        return frame

    def stuck_at(self) -> int:
        assert self.next is not None
        seq = self.next
        if seq in self.held and not self.begins(seq):
            return seq
        while seq in self.held:
            seq += 1
        return seq

    def behind_the_gap(self, now: int) -> tuple[int, int] | None:
        stuck = self.stuck_at()
        behind = [s for s in sorted(self.held) if s >= stuck]
        if not behind:
            self.gap = None
            return None
        if self.gap is None or self.gap[0] != stuck:
            self.gap = (stuck, self.held[behind[0]].arrival)
        if now < self.gap[1] + self.wait:
            return None
        frames = [f for f in map(self.frame_at, sorted(self.held)) if f]
        keys = [f for f in frames if any(self.held[s].key for s in range(f[0], f[1] + 1))]
        return (keys or frames or [None])[0]
