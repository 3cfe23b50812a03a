"""RTCP written and split the plain way, straight from the standards."""
from __future__ import annotations

import struct
from typing import Any

from arcrtc import rtcp
from tests.model.arrivals_model import write_ccfb, write_twcc
from tests.model.xr_model import write_block


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


def _limit(x: rtcp.RateLimit) -> bytes:
    exponent = max(0, x.bitrate_bps.bit_length() - 17)
    word = f"{exponent:06b}{x.bitrate_bps >> exponent:017b}{x.overhead_bytes:09b}"
    return struct.pack("!II", x.ssrc, int(word, 2))


def _rpsi(p: rtcp.ReferencePictureSelection) -> bytes:
    bits = f"0{p.payload_type:07b}" + "".join(f"{byte:08b}" for byte in p.native)[:p.n_bits]
    padding = -(8 + len(bits)) % 32
    bits = f"{padding:08b}" + bits + "0" * padding
    return struct.pack("!II", p.sender_ssrc, p.media_ssrc) + int(bits, 2).to_bytes(len(bits) // 8, "big")


def _newer(p: Any) -> tuple[int, int, bytes]:
    """Messages of RFC 4585 section 6.3, RFC 5104, RFC 6051, RFC 3611, and those on arrivals."""
    if isinstance(p, rtcp.ExtendedReport):
        return 207, 0, struct.pack("!I", p.ssrc) + b"".join(map(write_block, p.blocks))
    if isinstance(p, rtcp.TransportFeedback):
        return 205, 15, write_twcc(p)
    if isinstance(p, rtcp.CongestionControlFeedback):
        return 205, 11, write_ccfb(p)
    if isinstance(p, rtcp.ReferencePictureSelection):
        return 206, 3, _rpsi(p)
    if isinstance(p, rtcp.SenderReportRequest):
        return 205, 5, struct.pack("!II", p.sender_ssrc, p.media_ssrc)
    if isinstance(p, rtcp.SliceLossIndication):
        words = [int(f"{s.first:013b}{s.number:013b}{s.picture_id:06b}", 2) for s in p.slices]
        return 206, 2, struct.pack(f"!II{len(words)}I", p.sender_ssrc, p.media_ssrc, *words)
    head = struct.pack("!II", p.sender_ssrc, 0)
    if isinstance(p, rtcp.TemporaryMaxBitrateRequest):
        return 205, 3, head + b"".join(map(_limit, p.limits))
    if isinstance(p, rtcp.TemporaryMaxBitrateNotification):
        return 205, 4, head + b"".join(map(_limit, p.limits))
    entries = b"".join(struct.pack("!IB2xB", x.ssrc, x.sequence, x.index) for x in p.entries)
    return 206, 5 if isinstance(p, rtcp.TradeOffRequest) else 6, head + entries


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
    elif isinstance(p, rtcp.UnknownRtcp):
        kind, count, body = p.packet_type, p.count, p.body
    else:
        kind, count, body = _newer(p)
    assert len(body) % 4 == 0
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body
