"""Parity FEC in plain Python, as RFC 5109 and RFC 8627 put it: bit strings, XOR, sets of numbers."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce


def bit_string(packet: bytes) -> bytes:
    """What is protected of a packet: first 16 bits, length, timestamp, all behind the fixed header (8627 6.2)."""
    return packet[:2] + (len(packet) - 12).to_bytes(2, "big") + packet[4:8] + packet[12:]


def xor(strings: Iterable[bytes]) -> bytes:
    """XOR of strings, the shorter ones filled up with zeros."""
    def two(a: bytes, b: bytes) -> bytes:
        n = max(len(a), len(b))
        return bytes(x ^ y for x, y in zip(a.ljust(n, b"\0"), b.ljust(n, b"\0"), strict=True))

    return reduce(two, strings, b"")


def mask_bits(offsets: Iterable[int], n: int) -> int:
    """A mask of n bits; the first is offset 0."""
    return sum(1 << (n - 1 - i) for i in set(offsets))


def offsets_of(mask: int, n: int) -> list[int]:
    return [i for i in range(n) if mask >> (n - 1 - i) & 1]


@dataclass(frozen=True)
class Level:
    """Parity of bytes ``start`` .. ``start + len(parity)`` behind the fixed header, of these packets."""

    start: int
    seqs: tuple[int, ...]
    parity: bytes


@dataclass(frozen=True)
class Repair:
    """A repair packet: the fixed fields of its packets by XOR, and the levels."""

    first: int
    second: int
    length: int
    timestamp: int
    levels: tuple[Level, ...]


# --- ULPFEC, RFC 5109 7.3 and 7.4 ---

def build_ulpfec(packets: Mapping[int, bytes], levels: list[tuple[list[int], int]], *, base: int,
                 long_mask: bool) -> bytes:
    """``levels``: (sequence numbers, protection length) of each."""
    n = 48 if long_mask else 16
    head = xor(bit_string(packets[s])[:8] for s in levels[0][0])
    out = bytes([head[0] & 0x3F | (0x40 if long_mask else 0), head[1]]) + base.to_bytes(2, "big")
    out += head[4:8] + head[2:4]
    start = 0
    for seqs, length in levels:
        mask = mask_bits(((s - base) % 65536 for s in seqs), n)
        parity = xor(packets[s][12:][start:start + length] for s in seqs).ljust(length, b"\0")
        out += length.to_bytes(2, "big") + mask.to_bytes(n // 8, "big") + parity
        start += length
    return out


def parse_ulpfec(payload: bytes) -> Repair | None:
    """None: malformed."""
    if len(payload) < 10:
        return None
    n = 48 if payload[0] & 0x40 else 16
    base = int.from_bytes(payload[2:4], "big")
    at, start, levels = 10, 0, []
    while at < len(payload) or not levels:
        if at + 2 + n // 8 > len(payload):
            return None
        length = int.from_bytes(payload[at:at + 2], "big")
        mask = int.from_bytes(payload[at + 2:at + 2 + n // 8], "big")
        at += 2 + n // 8
        if at + length > len(payload):
            return None
        levels.append(Level(start, tuple((base + i) % 65536 for i in offsets_of(mask, n)), payload[at:at + length]))
        at, start = at + length, start + length
    if not levels[0].seqs or len(levels) > 8:
        return None
    return Repair(payload[0] & 0x3F, payload[1], int.from_bytes(payload[8:10], "big"),
                  int.from_bytes(payload[4:8], "big"), tuple(levels))


# --- FlexFEC, RFC 8627 4.2.2 ---

def build_flexfec(packets: list[bytes], sets: bytes, *, fixed: bool) -> bytes:
    """``sets``: SN base with mask or with L and D, of each source."""
    whole = xor(bit_string(p) for p in packets)
    return bytes([whole[0] & 0x3F | (0x40 if fixed else 0), whole[1]]) + whole[2:8] + sets + whole[8:]


def flex_mask(base: int, offsets: Iterable[int]) -> bytes:
    """SN base and a mask of 15, 46 or 110 bits, as few as are enough."""
    offsets = list(offsets)
    bits = mask_bits(offsets, 110)
    out = base.to_bytes(2, "big") + (bits >> 95 | (max(offsets) > 14) << 15).to_bytes(2, "big")
    if max(offsets) > 14:
        out += (bits >> 64 & 0x7FFFFFFF | (max(offsets) > 45) << 31).to_bytes(4, "big")
    if max(offsets) > 45:
        out += (bits & (1 << 64) - 1).to_bytes(8, "big")
    return out


def block_offsets(columns: int, rows: int) -> list[int]:
    """Which packets L and D mean (Figure 14)."""
    return [i * columns for i in range(rows)] if rows > 1 else list(range(columns))


def parse_flexfec(payload: bytes, n_sources: int) -> tuple[Repair, list[tuple[int, ...]]] | None:
    """The repair with the set of the first source as its level, and the sets of all; None: not to be used."""
    if len(payload) < 2 or payload[0] & 0xC0 == 0xC0:
        return None
    if payload[0] & 0x80:
        if len(payload) < 12:
            return None
        seq = int.from_bytes(payload[2:4], "big")
        repair = Repair(payload[0] & 0x3F, payload[1], len(payload) - 12, int.from_bytes(payload[4:8], "big"),
                        (Level(0, (seq,), payload[12:]),))
        return repair, [(seq,)]
    if len(payload) < 8 or n_sources < 1:
        return None
    at, sets = 8, []
    for _ in range(n_sources):
        if at + 4 > len(payload):
            return None
        base, word = int.from_bytes(payload[at:at + 2], "big"), int.from_bytes(payload[at + 2:at + 4], "big")
        at += 4
        if payload[0] & 0x40:
            if word >> 8 == 0:
                return None
            offsets = block_offsets(word >> 8, word & 255)
        else:
            bits, n = word & 0x7FFF, 15
            more = word >> 15
            for size, take in ((4, 31), (8, 64)):
                if not more:
                    break
                if at + size > len(payload):
                    return None
                part = int.from_bytes(payload[at:at + size], "big")
                at += size
                more = part >> 31 & 1 if size == 4 else 0
                bits, n = bits << take | part & (1 << take) - 1, n + take
            offsets = offsets_of(bits, n)
        if not offsets:
            return None
        sets.append(tuple((base + i) % 65536 for i in offsets))
    repair = Repair(payload[0] & 0x3F, payload[1], int.from_bytes(payload[2:4], "big"),
                    int.from_bytes(payload[4:8], "big"), (Level(0, sets[0], payload[at:]),))
    return repair, sets


# --- recovery, RFC 5109 section 9, RFC 8627 section 6.3 ---

@dataclass
class PlainDecoder:
    """All packets and repairs for ever; tries every repair again until nothing new comes."""

    ssrc: int
    packets: dict[int, bytes] = field(default_factory=dict)
    repairs: list[Repair] = field(default_factory=list)

    def add(self, packet: bytes) -> None:
        self.packets.setdefault(int.from_bytes(packet[2:4], "big"), packet)

    def _undo(self, repair: Repair, seq: int) -> bytes | None:
        others = [bit_string(self.packets[s]) for s in repair.levels[0].seqs if s != seq]
        fixed = (bytes([repair.first, repair.second]) + repair.length.to_bytes(2, "big")
                 + repair.timestamp.to_bytes(4, "big"))
        head = xor([fixed, *(o[:8] for o in others)])
        length = int.from_bytes(head[2:4], "big")
        body = b""
        for level in repair.levels:
            if seq not in level.seqs or any(s not in self.packets for s in level.seqs if s != seq):
                break
            part = [self.packets[s][12:][level.start:level.start + len(level.parity)] for s in level.seqs if s != seq]
            body += xor([level.parity, *part])
        if len(body) < length:
            return None
        return (bytes([0x80 | head[0] & 0x3F, head[1]]) + seq.to_bytes(2, "big") + head[4:8]
                + self.ssrc.to_bytes(4, "big") + body[:length])

    def recover(self) -> dict[int, bytes]:
        """All that can be recovered with what is there."""
        found: dict[int, bytes] = {}
        while True:
            before = len(found)
            for repair in self.repairs:
                missing = [s for s in repair.levels[0].seqs if s not in self.packets]
                if len(missing) == 1 and (packet := self._undo(repair, missing[0])) is not None:
                    self.packets[missing[0]] = found[missing[0]] = packet
            if len(found) == before:
                return found
