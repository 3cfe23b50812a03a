"""H.264 Annex B and RFC 6184 the plain way."""
from __future__ import annotations

import re


def split_annexb(data: bytes) -> list[bytes]:
    """NAL units of an Annex B stream, without start codes and trailing zeros."""
    return [nal for nal in (part.rstrip(b"\0") for part in re.split(b"\0\0\1", data)[1:]) if nal]


def join_annexb(nals: list[bytes]) -> bytes:
    """The units with 4-byte start codes."""
    return b"".join(b"\0\0\0\1" + nal for nal in nals)


def depacketize(payloads: list[bytes]) -> list[bytes]:
    """NAL units of RTP payloads that are whole and in order; asserts RFC 6184's rules for senders."""
    nals: list[bytes] = []
    fragment: bytes | None = None
    for p in payloads:
        kind = p[0] & 31
        if kind == 28:
            start, end, original = p[1] & 0x80, p[1] & 0x40, p[1] & 31
            assert not p[1] & 0x20
            assert not (start and end)
            assert bool(start) == (fragment is None)
            fragment = (bytes([p[0] & 0xE0 | original]) if start else fragment or b"") + p[2:]
            if end:
                nals.append(fragment)
                fragment = None
            continue
        assert fragment is None
        if kind == 24:
            inside, rest = [], p[1:]
            while rest:
                n = int.from_bytes(rest[:2], "big")
                assert 1 <= n <= len(rest) - 2
                inside.append(rest[2:2 + n])
                rest = rest[2 + n:]
            assert p[0] >> 7 == max(nal[0] >> 7 for nal in inside)
            assert p[0] >> 5 & 3 == max(nal[0] >> 5 & 3 for nal in inside)
            nals += inside
        else:
            assert 1 <= kind <= 23
            nals.append(p)
    assert fragment is None
    return nals
