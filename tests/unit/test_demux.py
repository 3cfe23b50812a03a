"""wire/demux: every first and second byte."""
from __future__ import annotations

from arcrtc._native import ffi, lib

FIRST = {  # RFC 7983 section 7
    **dict.fromkeys(range(4), lib.ARC_DEMUX_STUN),
    **dict.fromkeys(range(16, 20), lib.ARC_DEMUX_ZRTP),
    **dict.fromkeys(range(20, 64), lib.ARC_DEMUX_DTLS),
    **dict.fromkeys(range(64, 80), lib.ARC_DEMUX_TURN),
}


def test_demux_classifies_every_pair_of_bytes() -> None:
    for first in range(256):
        for second in range(256):
            if 128 <= first <= 191:
                expected = lib.ARC_DEMUX_RTCP if 192 <= second <= 223 else lib.ARC_DEMUX_RTP
            else:
                expected = FIRST.get(first, lib.ARC_DEMUX_DROP)
            assert lib.arc_demux_classify(bytes([first, second]), 2) == expected, (first, second)


def test_demux_drops_what_is_too_short() -> None:
    assert lib.arc_demux_classify(ffi.NULL, 0) == lib.ARC_DEMUX_DROP
    assert lib.arc_demux_classify(b"", 0) == lib.ARC_DEMUX_DROP
    assert lib.arc_demux_classify(b"\x80", 1) == lib.ARC_DEMUX_DROP
    assert lib.arc_demux_classify(b"\x00", 1) == lib.ARC_DEMUX_STUN
