"""Plain models of wire/red (RFC 2198) and rx/copies."""
from __future__ import annotations

from dataclasses import dataclass, field

MAX_BLOCKS = 16


@dataclass(frozen=True)
class Block:
    """One block: payload type, what to take from the timestamp, bytes."""

    payload_type: int
    ts_offset: int
    data: bytes


def build(blocks: list[Block]) -> bytes:
    """A payload by the figures of RFC 2198 section 3, bit by bit; the last block is the primary."""
    bits = "".join(f"1{b.payload_type:07b}{b.ts_offset:014b}{len(b.data):010b}" for b in blocks[:-1])
    bits += f"0{blocks[-1].payload_type:07b}"
    return int(bits, 2).to_bytes(len(bits) // 8, "big") + b"".join(b.data for b in blocks)


def parse(payload: bytes) -> list[Block] | str:
    """The blocks of a payload, or why there are none: ``"format"`` or ``"limit"``."""
    heads, at = [], 0
    while True:
        if at >= len(payload):
            return "format"
        if len(heads) == MAX_BLOCKS:
            return "limit"
        if payload[at] < 128:
            heads.append((payload[at], 0, -1))
            at += 1
            break
        if at + 4 > len(payload):
            # What a cut header says of itself does not matter: nothing can follow it.
            return "format"
        rest = int.from_bytes(payload[at + 1:at + 4], "big")
        heads.append((payload[at] - 128, rest // 1024, rest % 1024))
        at += 4
    blocks = []
    for payload_type, ts_offset, length in heads:
        end = len(payload) if length < 0 else at + length
        if end > len(payload):
            return "format"
        blocks.append(Block(payload_type, ts_offset, payload[at:end]))
        at = end
    return blocks


@dataclass
class CopiesModel:
    """A dictionary from media time to the longest block seen of it."""

    capacity: int
    blocks: dict[int, tuple[int, int]] = field(default_factory=dict)  #: time: (length, which)
    floor: int | None = None
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("kept", "worse", "replaced", "late", "overflow"), 0))

    def push(self, ts: int, length: int, which: int) -> str:
        """What happened: "kept", "worse", "late" or "full"."""
        if self.floor is not None and ts < self.floor:
            self.counts["late"] += 1
            return "late"
        if ts in self.blocks:
            if length <= self.blocks[ts][0]:
                self.counts["worse"] += 1
                return "worse"
            self.counts["replaced"] += 1
        elif len(self.blocks) == self.capacity:
            self.counts["overflow"] += 1
            if ts < min(self.blocks):
                return "full"
            del self.blocks[min(self.blocks)]
        self.blocks[ts] = (length, which)
        self.counts["kept"] += 1
        return "kept"

    def next(self, ts: int) -> tuple[int, int] | None:
        """(time, which) of the earliest block at or after ``ts``."""
        later = [t for t in self.blocks if t >= ts]
        return (min(later), self.blocks[min(later)][1]) if later else None

    def drop_before(self, ts: int) -> None:
        self.blocks = {t: b for t, b in self.blocks.items() if t >= ts}
        self.floor = ts if self.floor is None else max(ts, self.floor)

    def reset(self) -> None:
        self.blocks, self.floor = {}, None
