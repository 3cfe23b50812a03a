"""Plain model of rx/nackgen: a dict, and every rule as one sentence."""
from __future__ import annotations

from dataclasses import dataclass

NEVER = 2**63 - 1
MARGIN = 5_000


@dataclass
class Missing:
    since: int
    due: int
    media: int | None = None
    asked: int = 0
    tries: int = 0


class NackModel:
    """State of a generator; call the methods as those of NackGenerator."""

    def __init__(self, max_missing: int, max_tries: int, wait: int, give_up: int) -> None:
        self.max_missing, self.max_tries, self.wait0, self.give_up = max_missing, max_tries, wait, give_up
        self.wait = wait
        self.rtt = 0
        self.highest: int | None = None
        self.media: int | None = None  # of the highest
        self.zero: int | None = None  # when media time 0 is played
        self.hold = 0
        self.missing: dict[int, Missing] = {}
        self.recovered = self.reordered = self.given_up = self.overflow = self.requested = 0
        self.restored = self.not_in_time = 0

    def deadline(self, m: Missing) -> int:
        age = m.since + self.give_up
        return age if m.media is None or self.zero is None else min(age, m.media + self.zero)

    def on_packet(self, seq: int, now: int, media: int | None = None, repaired: bool = False) -> None:
        if self.highest is None:
            self.highest, self.media = seq, media
        elif seq > self.highest:
            gap = seq - self.highest - 1
            if gap > self.max_missing:
                self.overflow += gap + len(self.missing)
                self.missing.clear()
            else:
                for s in range(self.highest + 1, seq):
                    m = self.missing[s] = Missing(now, 0)
                    if media is not None and self.media is not None:
                        step = abs(media - self.media) // (gap + 1) * (1 if media >= self.media else -1)
                        m.media = media - step * (seq - s)
                    last = self.deadline(m) - self.rtt - self.rtt // 8 - MARGIN
                    m.due = max(now + self.wait, min(now + self.hold, last))
                while len(self.missing) > self.max_missing:
                    del self.missing[min(self.missing)]
                    self.overflow += 1
            self.highest, self.media = seq, media
        elif seq in self.missing:
            m = self.missing.pop(seq)
            delay = now - m.since
            if delay >= self.give_up:
                self.given_up += 1
            elif repaired and m.tries == 0:
                self.restored += 1
            elif not repaired and (m.tries == 0 or now - m.asked < self.rtt // 2):
                self.reordered += 1
                self.wait = max(self.wait, min(delay + delay // 4, 4 * self.wait0))
            else:
                self.recovered += 1

    def ask(self, m: Missing, now: int) -> None:
        m.tries += 1
        if m.tries == 1:
            m.asked = now
            self.wait = max(self.wait - self.wait // 16, self.wait0 // 8)
        rtt = min(self.rtt or 100_000, 1_000_000)
        m.due = now + rtt + rtt // 8 + MARGIN if m.tries < self.max_tries else NEVER

    def on_asked(self, seq: int, now: int) -> None:
        if seq in self.missing:
            self.ask(self.missing[seq], now)

    def poll(self, cap: int, rtt: int, now: int) -> list[int]:
        self.rtt = rtt
        for seq in [s for s, m in self.missing.items() if now - m.since >= self.give_up]:
            del self.missing[seq]
            self.given_up += 1
        out: list[int] = []
        for seq in sorted(self.missing):
            m = self.missing[seq]
            if len(out) == cap:
                break
            if now < m.due:
                continue
            if now + rtt > self.deadline(m):
                m.due = NEVER
                self.not_in_time += 1
                continue
            self.ask(m, now)
            out.append(seq)
        self.requested += len(out)
        return out

    def next_us(self) -> int:
        return min((m.due for m in self.missing.values()), default=NEVER)
