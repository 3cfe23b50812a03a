"""VP8 frames (RFC 6386) made bit by bit: the header as far as a payload format reads it, and partitions."""
from __future__ import annotations

from dataclasses import dataclass, field


class BoolWriter:
    """The boolean encoder (section 7) for even odds, on one long number instead of bytes with carry."""

    def __init__(self) -> None:
        self.low, self.range, self.bits = 0, 255, 8

    def put(self, bit: bool | int) -> None:
        """One flag."""
        split = 1 + (self.range - 1) // 2
        if bit:
            self.low += split
            self.range -= split
        else:
            self.range = split
        while self.range < 128:
            self.range *= 2
            self.low *= 2
            self.bits += 1

    def number(self, bits: int, value: int) -> None:
        """A number, its high bit first."""
        for n in reversed(range(bits)):
            self.put(value >> n & 1)

    def optional(self, bits: int, values: list[int | None]) -> None:
        """Each: a flag, and the number if there is one."""
        for value in values:
            self.put(value is not None)
            if value is not None:
                self.number(bits, value)

    def done(self) -> bytes:
        """The bytes; two zeros behind them for a decoder that reads ahead."""
        spare = -self.bits % 8
        return (self.low << spare).to_bytes((self.bits + spare) // 8, "big") + bytes(2)


@dataclass
class Header:
    """What stands before the number of partitions; None: absent."""

    key: bool = True
    size: tuple[int, int] = (16, 16)
    quantizers: list[int | None] | None = None  # of 4 segments, 8 bits with sign
    levels: list[int | None] = field(default_factory=lambda: [None] * 4)  # 7 bits with sign
    segment_probs: list[int | None] | None = None  # 3
    deltas: list[int | None] | None = None  # 8, 7 bits with sign


def modes_of(header: Header, log2_partitions: int, rest: bytes) -> bytes:
    """The first partition: header (sections 9.2 to 9.5), and some bytes in place of what follows it."""
    out = BoolWriter()
    if header.key:
        out.number(2, 0)
    segments = header.quantizers is not None or header.segment_probs is not None
    out.put(segments)
    if segments:
        out.put(header.segment_probs is not None)
        out.put(header.quantizers is not None)
        if header.quantizers is not None:
            out.put(1)
            out.optional(8, header.quantizers)
            out.optional(7, header.levels)
        if header.segment_probs is not None:
            out.optional(8, header.segment_probs)
    out.number(10, 0x155)
    out.put(header.deltas is not None)
    if header.deltas is not None:
        out.put(1)
        out.optional(7, header.deltas)
    out.number(2, log2_partitions)
    return out.done() + rest


def write_frame(header: Header, modes: bytes, partitions: list[bytes]) -> tuple[bytes, list[int]]:
    """(frame, where each partition ends): tag, size of a key frame, modes, table of sizes, coefficients."""
    tag = (not header.key) | 1 << 4 | len(modes) << 5
    out = tag.to_bytes(3, "little")
    if header.key:
        out += b"\x9d\x01\x2a" + b"".join(n.to_bytes(2, "little") for n in header.size)
    out += modes + b"".join(len(p).to_bytes(3, "little") for p in partitions[:-1])
    ends = [len(out)]
    for partition in partitions:
        out += partition
        ends.append(len(out))
    return out, ends
