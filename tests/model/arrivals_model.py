"""Feedback on arrivals the plain way: transport-wide (draft-holmer-rmcat-...-01 section 3.1) and RFC 8888."""
from __future__ import annotations

import struct
from itertools import takewhile

from arcrtc import rtcp

Twcc = tuple[int, int, int, int, int, tuple[int | None, ...]]
Ccfb = tuple[int, int, tuple[tuple[int, int, tuple[tuple[int, int] | None, ...]], ...]]


def _bits(word: int) -> str:
    return f"{word:016b}"


def read_twcc(body: bytes) -> Twcc | None:
    """(sender, media, base, feedback count, reference, arrivals in us); None if malformed."""
    if len(body) < 16:
        return None
    sender, media, base, count, reference, feedback = struct.unpack("!IIHH3sB", body[:16])
    at, symbols = 16, ""
    while len(symbols) < 2 * count:
        if at + 2 > len(body):
            return None
        chunk = _bits(int.from_bytes(body[at:at + 2], "big"))
        at += 2
        if chunk[0] == "0":
            symbols += chunk[1:3] * int(chunk[3:], 2)
        elif chunk[1] == "0":
            symbols += "".join("0" + bit for bit in chunk[2:])
        else:
            symbols += chunk[2:]
    each = [int(symbols[2 * i:2 * i + 2], 2) for i in range(count)]
    if not each or 3 in each or at + sum(each) > len(body):
        return None
    arrivals: list[int | None] = []
    now = 0
    for symbol in each:
        now += int.from_bytes(body[at:at + symbol], "big", signed=symbol == 2)
        at += symbol
        arrivals.append(250 * now if symbol else None)
    return sender, media, base, feedback, int.from_bytes(reference, "big", signed=True), tuple(arrivals)


def _next_chunk(symbols: list[int]) -> tuple[int, str]:
    """How many symbols the best chunk takes, and its bits; of equals the first one named here."""
    run = min(len(list(takewhile(lambda s: s == symbols[0], symbols))), 8191)
    ways = [(run, f"0{symbols[0]:02b}{run:013b}")]
    if 2 not in symbols[:14]:
        ways.append((min(14, len(symbols)), "10" + "".join(map(str, symbols[:14])).ljust(14, "0")))
    ways.append((min(7, len(symbols)), "11" + "".join(f"{s:02b}" for s in symbols[:7]).ljust(14, "0")))
    return max(ways, key=lambda way: way[0])


def write_twcc(p: rtcp.TransportFeedback) -> bytes:
    """The body of the message."""
    symbols, deltas, before = [], b"", 0
    for arrival in p.arrivals_us:
        if arrival is None:
            symbols.append(0)
            continue
        delta, before = arrival // 250 - before, arrival // 250
        symbols.append(1 if 0 <= delta < 256 else 2)
        deltas += delta.to_bytes(symbols[-1], "big", signed=symbols[-1] == 2)
    chunks, rest = b"", symbols
    while rest:
        taken, bits = _next_chunk(rest)
        chunks += int(bits, 2).to_bytes(2, "big")
        rest = rest[taken:]
    out = struct.pack("!IIHH", p.sender_ssrc, p.media_ssrc, p.base_sequence, len(symbols))
    out += p.reference_time.to_bytes(3, "big", signed=True) + bytes([p.feedback_count]) + chunks + deltas
    return out + bytes(-len(out) % 4)


def read_ccfb(body: bytes) -> Ccfb | None:
    """(sender, report time, (SSRC, first number, (offset, ECN) or None of each packet) of each stream)."""
    if len(body) < 8:
        return None
    rest, streams = body[4:-4], []
    while rest:
        if len(rest) < 8:
            return None
        ssrc, begin, n = struct.unpack("!IHH", rest[:8])
        end = 8 + 2 * n + (2 if n % 2 else 0)
        if n > 16384 or end > len(rest):
            return None
        words = [_bits(w) for w in struct.unpack(f"!{n}H", rest[8:8 + 2 * n])]
        streams.append((ssrc, begin, tuple((int(w[3:], 2), int(w[1:3], 2)) if w[0] == "1" else None for w in words)))
        rest = rest[end:]
    if not streams:
        return None
    return int.from_bytes(body[:4], "big"), int.from_bytes(body[-4:], "big"), tuple(streams)


def write_ccfb(p: rtcp.CongestionControlFeedback) -> bytes:
    """The body of the message."""
    out = struct.pack("!I", p.sender_ssrc)
    for s in p.streams:
        out += struct.pack("!IHH", s.ssrc, s.begin_sequence, len(s.packets))
        for packet in s.packets:
            out += int(f"1{packet.ecn:02b}{packet.arrival_offset:013b}" if packet else "0", 2).to_bytes(2, "big")
        out += bytes(-len(out) % 4)
    return out + struct.pack("!I", p.report_timestamp)
