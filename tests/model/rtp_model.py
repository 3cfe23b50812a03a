"""RTP read and written the plain way, straight from RFC 3550 and RFC 8285."""
from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass
class ModelRtp:
    payload_type: int
    marker: bool
    seq16: int
    rtp_ts: int
    ssrc: int
    csrcs: list[int]
    extension: tuple[int, bytes] | None  # profile, body
    payload: bytes
    padding: int


def parse_rtp(data: bytes) -> ModelRtp | None:
    """The packet, or None if it is malformed."""
    if not 12 <= len(data) <= 65535 or data[0] >> 6 != 2:
        return None
    n_csrcs, rest = data[0] & 15, data[12:]
    if len(rest) < 4 * n_csrcs:
        return None
    csrcs, rest = list(struct.unpack(f"!{n_csrcs}I", rest[:4 * n_csrcs])), rest[4 * n_csrcs:]
    extension = None
    if data[0] & 0x10:
        if len(rest) < 4:
            return None
        profile, words = struct.unpack("!HH", rest[:4])
        if len(rest) < 4 + 4 * words:
            return None
        extension, rest = (profile, rest[4:4 + 4 * words]), rest[4 + 4 * words:]
    padding = 0
    if data[0] & 0x20:
        if not rest or not 1 <= rest[-1] <= len(rest):
            return None
        padding = rest[-1]
        rest = rest[:-padding]
    seq16, rtp_ts, ssrc = struct.unpack("!HII", data[2:12])
    return ModelRtp(data[1] & 127, bool(data[1] & 128), seq16, rtp_ts, ssrc, csrcs, extension, rest, padding)


def write_rtp(p: ModelRtp) -> bytes:
    """The bytes of a packet; the padding is zeros and the count."""
    first = 0x80 | (0x20 if p.padding else 0) | (0x10 if p.extension else 0) | len(p.csrcs)
    out = struct.pack("!BBHII", first, p.marker << 7 | p.payload_type, p.seq16, p.rtp_ts, p.ssrc)
    out += struct.pack(f"!{len(p.csrcs)}I", *p.csrcs)
    if p.extension:
        profile, body = p.extension
        body += bytes(-len(body) % 4)
        out += struct.pack("!HH", profile, len(body) // 4) + body
    out += p.payload
    if p.padding:
        out += bytes(p.padding - 1) + bytes([p.padding])
    return out


def parse_elements(profile: int, body: bytes) -> list[tuple[int, bytes]] | None:
    """Elements of an RFC 8285 extension in order; None if one runs past the end."""
    two_byte = profile & 0xFFF0 == 0x1000
    if profile != 0xBEDE and not two_byte:
        return []
    out, i = [], 0
    while i < len(body):
        if body[i] == 0:
            i += 1
            continue
        if two_byte:
            if i + 2 > len(body):
                return None
            ident, n, i = body[i], body[i + 1], i + 2
        else:
            ident, n, i = body[i] >> 4, (body[i] & 15) + 1, i + 1
            if ident in (0, 15):
                break
        if i + n > len(body):
            return None
        out.append((ident, body[i:i + n]))
        i += n
    return out


def write_elements(elements: list[tuple[int, bytes]]) -> tuple[int, bytes]:
    """Profile and body, one-byte form if all fit it."""
    if all(1 <= ident <= 14 and 1 <= len(value) <= 16 for ident, value in elements):
        profile, body = 0xBEDE, b"".join(bytes([i << 4 | len(v) - 1]) + v for i, v in elements)
    else:
        profile, body = 0x1000, b"".join(bytes([i, len(v)]) + v for i, v in elements)
    return profile, body + bytes(-len(body) % 4)
