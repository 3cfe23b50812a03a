"""wire/rtx: wrap and unwrap of retransmissions."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib
from arcrtc.rtp import RtpHeader, RtpPacket

u16, u32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
packets = st.builds(
    RtpPacket,
    header=st.builds(RtpHeader, sequence_number=u16 | st.integers(65530, 65535), timestamp=u32, ssrc=u32,
                     payload_type=st.integers(0, 127), marker=st.booleans(), csrcs=st.lists(u32, max_size=15),
                     extensions=st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16))),
    payload=st.binary(max_size=200), padding=st.integers(0, 255))


def _wrap(data: bytes, ssrc: int, payload_type: int, seq16: int, cap: int) -> tuple[int, bytes]:
    out, n = ffi.new("uint8_t[]", cap + 1), ffi.new("size_t *", 0)
    status = lib.arc_rtx_wrap(data, len(data), ssrc, payload_type, seq16, out, cap, n)
    return status, bytes(ffi.buffer(out, n[0]))


def _unwrap(data: bytes, ssrc: int, payload_type: int) -> tuple[int, bytes]:
    buffer, n = ffi.new("uint8_t[]", data or b"\0"), ffi.new("size_t *", len(data))
    status = lib.arc_rtx_unwrap(buffer, n, ssrc, payload_type)
    return status, bytes(ffi.buffer(buffer, n[0]))


@given(packets, u32, st.integers(0, 127), u16)
def test_rtx_wrap_is_rfc4588_and_unwrap_restores(packet: RtpPacket, ssrc: int, payload_type: int,
                                                  seq16: int) -> None:
    data = packet.serialize()
    status, wire = _wrap(data, ssrc, payload_type, seq16, len(data) + 2)
    assert status == lib.ARC_OK
    h = packet.header
    assert RtpPacket.parse(wire) == RtpPacket(
        RtpHeader(seq16, h.timestamp, ssrc, payload_type, h.marker, h.csrcs, h.extensions),
        h.sequence_number.to_bytes(2, "big") + packet.payload)
    status, restored = _unwrap(wire, h.ssrc, h.payload_type)
    assert status == lib.ARC_OK
    assert RtpPacket.parse(restored) == RtpPacket(h, packet.payload)  # the padding is gone


@given(packets, st.integers(1, 255))
def test_rtx_unwrap_drops_the_padding_of_the_retransmission(packet: RtpPacket, padding: int) -> None:
    rtx = RtpPacket(packet.header, b"\xff\xfe" + packet.payload, padding)
    status, restored = _unwrap(rtx.serialize(), 7, 8)
    assert status == lib.ARC_OK
    back = RtpPacket.parse(restored)
    assert (back.header.sequence_number, back.header.ssrc, back.header.payload_type) == (0xFFFE, 7, 8)
    assert (back.payload, back.padding) == (packet.payload, 0)


def test_rtx_unwrap_tells_a_probe_from_a_fault() -> None:
    header = RtpHeader(1, 2, 3, 4)
    for packet, expected in (
        (RtpPacket(header, b"", 100), lib.ARC_AGAIN), (RtpPacket(header), lib.ARC_AGAIN),
        (RtpPacket(header, b"x"), lib.ARC_ERR_FORMAT), (RtpPacket(header, b"x", 3), lib.ARC_ERR_FORMAT),
    ):
        data = packet.serialize()
        assert _unwrap(data, 9, 9) == (expected, data)
    assert _unwrap(b"junk", 9, 9) == (lib.ARC_ERR_FORMAT, b"junk")
    assert _unwrap(RtpPacket(header, b"xyz").serialize(), 9, 128)[0] == lib.ARC_ERR_ARG


@pytest.mark.parametrize("short", [1, 2, 20])
def test_rtx_wrap_checks_room_and_arguments(short: int) -> None:
    data = RtpPacket(RtpHeader(1, 2, 3, 4), bytes(20)).serialize()
    assert _wrap(data, 1, 2, 3, len(data) + 2 - short) == (lib.ARC_ERR_SPACE, b"")
    assert _wrap(data, 1, 128, 3, 100) == (lib.ARC_ERR_ARG, b"")
    assert _wrap(data[:11], 1, 2, 3, 100) == (lib.ARC_ERR_FORMAT, b"")
    full = RtpPacket(RtpHeader(1, 2, 3, 4), bytes(65535 - 12)).serialize()
    assert _wrap(full, 1, 2, 3, 70000) == (lib.ARC_ERR_SPACE, b"")  # no datagram is longer
