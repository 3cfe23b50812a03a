"""wire/demux: every first and second byte."""
from __future__ import annotations

import pytest

from arcrtc._native import ffi, lib
from arcrtc.demux import DatagramKind, classify

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
            assert classify(bytes([first, second, 1])) == expected, (first, second)


def test_demux_drops_what_is_too_short() -> None:
    assert lib.arc_demux_classify(ffi.NULL, 0) == lib.ARC_DEMUX_DROP
    assert lib.arc_demux_classify(b"", 0) == lib.ARC_DEMUX_DROP
    assert lib.arc_demux_classify(b"\x80", 1) == lib.ARC_DEMUX_DROP
    assert lib.arc_demux_classify(b"\x00", 1) == lib.ARC_DEMUX_STUN


@pytest.mark.parametrize(("datagram", "kind"), [
    ("000100002112a442", DatagramKind.STUN),  # a binding request (RFC 8489)
    ("16fefd0000", DatagramKind.DTLS),  # a handshake record (RFC 6347)
    ("40000004", DatagramKind.TURN),  # channel data (RFC 8656)
    ("100000005a525450", DatagramKind.ZRTP),
    ("80600001000000020000000361", DatagramKind.RTP), ("90e00001", DatagramKind.RTP),
    ("80c8000600000001", DatagramKind.RTCP), ("81cd0003", DatagramKind.RTCP), ("ff00", DatagramKind.DROP),
])
def test_demux_tells_the_protocols_of_one_port_apart(datagram: str, kind: DatagramKind) -> None:
    data = bytes.fromhex(datagram)
    for form in (data, bytearray(data), memoryview(data)):
        assert classify(form) is kind


def test_demux_takes_bytes_only() -> None:
    assert classify(b"") is DatagramKind.DROP
    with pytest.raises(TypeError):
        classify("80")  # type: ignore[arg-type]
