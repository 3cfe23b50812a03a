"""RTCP written and split the plain way, straight from RFC 3550, 4585, 5104 and the REMB draft."""
from __future__ import annotations

import struct
from typing import Any

from arcrtc import rtcp


def split_compound(data: bytes, reduced_size: bool) -> list[tuple[int, int, bytes]] | None:
    """(type, count, body without padding) of each packet, or None if malformed."""
    out, rest = [], data
    if not data:
        return None
    while rest:
        if len(rest) < 4 or rest[0] >> 6 != 2:
            return None
        size = 4 + 4 * int.from_bytes(rest[2:4], "big")
        if size > len(rest):
            return None
        head, body, rest = rest[:2], rest[4:size], rest[size:]
        padded = bool(head[0] & 0x20)
        if padded:
            if not body or body[-1] == 0 or body[-1] > len(body):
                return None
            if (head[0] & 31, head[1]) != (15, 205) and (rest or body[-1] % 4):
                return None  # libwebrtc pads transport-wide feedback by 1 to 3 bytes, wherever it stands
            body = body[:len(body) - body[-1] // 4 * 4]
        if not out and not reduced_size and (padded or head[1] not in (200, 201)):
            return None
        out.append((head[1], head[0] & 31, body))
    return out


def _blocks(reports: tuple[rtcp.ReportBlock, ...]) -> bytes:
    return b"".join(
        struct.pack("!IB", b.ssrc, b.fraction_lost) + b.cumulative_lost.to_bytes(3, "big", signed=True)
        + struct.pack("!IIII", b.highest_sequence, b.jitter_ticks, b.last_sr, b.delay_since_last_sr)
        for b in reports)


def _chunk(chunk: rtcp.SdesChunk) -> bytes:
    out = struct.pack("!I", chunk.ssrc) + b"".join(bytes([k, len(v)]) + v for k, v in chunk.items) + b"\0"
    return out + bytes(-len(out) % 4)


def _nack(seqs: tuple[int, ...]) -> bytes:
    out, left = b"", list(seqs)
    while left:
        pid, blp = left.pop(0), 0
        while left and (left[0] - pid) & 0xFFFF <= 16:
            ahead = (left.pop(0) - pid) & 0xFFFF
            blp |= (1 << ahead) >> 1
        out += struct.pack("!HH", pid, blp)
    return out


def _text(reason: str | None) -> bytes:
    if reason is None:
        return b""
    raw = reason.encode("utf-8", "surrogateescape")
    return (bytes([len(raw)]) + raw) + bytes(-(1 + len(raw)) % 4)


def _remb(p: rtcp.Remb) -> bytes:
    exponent = max(0, p.bitrate_bps.bit_length() - 18)
    rate = exponent << 18 | p.bitrate_bps >> exponent
    return struct.pack("!II4sB", p.sender_ssrc, 0, b"REMB", len(p.ssrcs)) + rate.to_bytes(3, "big") \
        + struct.pack(f"!{len(p.ssrcs)}I", *p.ssrcs)


def write_rtcp(p: Any) -> bytes:
    """The bytes of one packet."""
    if isinstance(p, rtcp.SenderReport):
        kind, count = 200, len(p.reports)
        body = struct.pack("!IQIII", p.ssrc, p.ntp_time, p.rtp_timestamp, p.packet_count, p.octet_count) \
            + _blocks(p.reports)
    elif isinstance(p, rtcp.ReceiverReport):
        kind, count, body = 201, len(p.reports), struct.pack("!I", p.ssrc) + _blocks(p.reports)
    elif isinstance(p, rtcp.SourceDescription):
        kind, count, body = 202, len(p.chunks), b"".join(_chunk(c) for c in p.chunks)
    elif isinstance(p, rtcp.Goodbye):
        kind, count = 203, len(p.ssrcs)
        body = struct.pack(f"!{len(p.ssrcs)}I", *p.ssrcs) + _text(p.reason)
    elif isinstance(p, rtcp.App):
        kind, count, body = 204, p.subtype, struct.pack("!I4s", p.ssrc, p.name) + p.data
    elif isinstance(p, rtcp.GenericNack):
        kind, count = 205, 1
        body = struct.pack("!II", p.sender_ssrc, p.media_ssrc) + _nack(p.sequence_numbers)
    elif isinstance(p, rtcp.PictureLossIndication):
        kind, count, body = 206, 1, struct.pack("!II", p.sender_ssrc, p.media_ssrc)
    elif isinstance(p, rtcp.FullIntraRequest):
        kind, count = 206, 4
        body = struct.pack("!II", p.sender_ssrc, 0)
        body += b"".join(struct.pack("!IB3x", s, n) for s, n in p.entries)
    elif isinstance(p, rtcp.Remb):
        kind, count, body = 206, 15, _remb(p)
    else:
        kind, count, body = p.packet_type, p.count, p.body
    assert len(body) % 4 == 0
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body
