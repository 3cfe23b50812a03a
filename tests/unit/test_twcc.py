"""wire/twcc and TransportFeedback: any bytes against the plain model, and the ends of every range."""
from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import ffi, lib
from arcrtc.rtcp import ReceiverReport, RtcpPacket, TransportFeedback
from tests.model.arrivals_model import Twcc, read_twcc, write_twcc
from tests.model.rtcp_strategies import transport_feedbacks, u8, u16


def _packet(body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | 15, 205, len(body) // 4) + body


def _parse(body: bytes) -> Twcc | None:
    try:
        (p,) = RtcpPacket.parse_compound(_packet(body))
    except errors.ParseError:
        return None
    assert isinstance(p, TransportFeedback)
    return p.sender_ssrc, p.media_ssrc, p.base_sequence, p.feedback_count, p.reference_time, p.arrivals_us


def _body(count: int, chunks: list[int], deltas: bytes = b"", reference: bytes = b"\0\0\1") -> bytes:
    body = struct.pack("!IIHH", 1, 2, 65534, count) + reference + b"\7" + struct.pack(f"!{len(chunks)}H", *chunks)
    return body + deltas + bytes(-len(body + deltas) % 4)


@st.composite
def nearly_twcc(draw: st.DrawFn) -> bytes:
    """Bodies whose chunks, count and deltas nearly fit each other."""
    chunks = draw(st.lists(st.one_of(
        u16, st.integers(0, 20), st.integers(0x2000, 0x2014), st.integers(0x4000, 0x4014), st.integers(0x6000, 0x6004),
        st.integers(0x8000, 0xBFFF), st.sampled_from([0xD400, 0xE400, 0xFFFF])), max_size=8))
    count = draw(st.integers(0, 14 * len(chunks)) | u16)
    return _body(count, chunks, draw(st.binary(max_size=60)))


@given(nearly_twcc() | st.binary(max_size=15).map(lambda b: b * 4))
@example(_body(1, [0x2001], b"\x10"))
@example(_body(3, [0x0000, 0x2003], b"\1\2\3"))  # a run of none says nothing
def test_twcc_parse_matches_model_for_any_body(body: bytes) -> None:
    assert _parse(body) == read_twcc(body)


@given(transport_feedbacks)
def test_twcc_written_is_as_short_as_the_plain_ways(p: TransportFeedback) -> None:
    """Never longer than two-bit vectors alone, and a half of that if only small deltas are there."""
    body = p.serialize()[4:]
    assert body == write_twcc(p)
    assert read_twcc(body) == (p.sender_ssrc, p.media_ssrc, p.base_sequence, p.feedback_count, p.reference_time,
                               p.arrivals_us)
    came = [a // 250 for a in p.arrivals_us if a is not None]
    sizes = [1 if 0 <= b - a < 256 else 2 for a, b in zip([0, *came], came, strict=False)]
    n = len(p.arrivals_us)
    chunks = (n + 13) // 14 if 2 not in sizes else (n + 6) // 7
    assert len(body) <= -(-(16 + 2 * chunks + sum(sizes)) // 4) * 4


@pytest.mark.parametrize(("arrivals", "chunks", "deltas"), [
    ((0,), [0x2001], "00"), ((250 * 255,), [0x2001], "ff"), ((250 * 256,), [0x4001], "0100"),
    ((-250,), [0x4001], "ffff"), ((-8_192_000,), [0x4001], "8000"), ((8_191_750,), [0x4001], "7fff"),
    ((None,) * 9000, [0x1FFF, 0x0329], ""),
    ((0, None, 0, None, None), [0xA800], "0000"),  # 1 0 1 0 0
    ((0, None, -250), [0xD200], "00ffff"),  # 01 00 10
    ((0,) * 15, [0x200F], "00" * 15), ((0, None) + (0,) * 14, [0xAFFF, 0x2002], "00" * 15),
])
def test_twcc_chunks_and_deltas_by_hand(arrivals: tuple[int | None, ...], chunks: list[int], deltas: str) -> None:
    p = TransportFeedback(1, 2, 65534, 7, 1, arrivals)
    assert p.serialize() == _packet(_body(len(arrivals), chunks, bytes.fromhex(deltas)))
    assert RtcpPacket.parse_compound(p.serialize()) == [p]


def test_twcc_arrivals_are_rounded_each_by_itself() -> None:
    p = TransportFeedback(1, 2, 0, 0, 0, (-1, 249, 499, 740, None, 1000))
    rounded = TransportFeedback(1, 2, 0, 0, 0, (-250, 0, 250, 500, None, 1000))
    assert RtcpPacket.parse_compound(p.serialize()) == [rounded]


@pytest.mark.parametrize("reference", [-(2**23), -1, 0, 2**23 - 1])
def test_twcc_reference_time_is_signed(reference: int) -> None:
    p = TransportFeedback(1, 2, 3, 255, reference, (0,))
    assert p.serialize()[16:19] == (reference & 0xFFFFFF).to_bytes(3, "big")
    assert RtcpPacket.parse_compound(p.serialize()) == [p]


@pytest.mark.parametrize("body", [
    _body(0, []), _body(0, [0x2001], b"\1"),  # no packet
    _body(65535, [0x2001], b"\1"), _body(2, [0x2001], b"\1"),  # more than the chunks say
    _body(7, [0x2007], b"\1\2\3\4"), _body(8, [0x4008], bytes(12)),  # more than the deltas
    _body(1, [0x6001], b"\1\2\3"), _body(2, [0xDC00], bytes(8)),  # the reserved symbol
    bytes(12), bytes(8), b"",
])
def test_twcc_that_claims_too_much_is_refused(body: bytes) -> None:
    with pytest.raises(errors.ParseError):
        RtcpPacket.parse_compound(_packet(body))


def test_twcc_parse_needs_room_and_leaves_the_arrays_alone() -> None:
    body = _body(3, [0x2003], b"\1\2\3")
    lent = ffi.from_buffer("uint8_t[]", body)
    packet = ffi.new("struct arc_rtcp_packet *", (205, 15, lent, len(body)))
    head, n = ffi.new("struct arc_twcc *"), ffi.new("size_t *", 9)
    statuses = ffi.new("struct arc_twcc_status[]", [(77, True)] * 3)
    assert lib.arc_twcc_parse(packet, head, statuses, 2, n) == lib.ARC_ERR_SPACE
    assert (n[0], statuses[0].arrival_us) == (0, 77)
    assert lib.arc_twcc_parse(packet, head, statuses, 3, n) == lib.ARC_OK
    assert [(s.arrival_us, s.received) for s in statuses] == [(250, True), (750, True), (1500, True)]
    packet.count = 14
    assert lib.arc_twcc_parse(packet, head, statuses, 3, n) == lib.ARC_ERR_ARG


@pytest.mark.parametrize(("reference", "arrivals_us"), [
    (2**23, [0]), (-(2**23) - 1, [0]), (0, []), (0, [8_192_000]), (0, [-8_192_250]), (0, [0, -8_192_250]),
    (0, [-(2**63), 0]), (0, [0, 2**63 - 1]), (0, [0] * 65536),
])
def test_twcc_writer_refuses_what_the_format_cannot_say(reference: int, arrivals_us: list[int]) -> None:
    out = ffi.new("uint8_t[]", 300_000)
    writer = ffi.new("struct arc_writer *", {"data": out, "cap": 300_000})
    head = ffi.new("struct arc_twcc *", (1, 2, 3, 4, reference))
    statuses = ffi.new("struct arc_twcc_status[]", [(us, True) for us in arrivals_us])
    lib.arc_twcc_write(writer, head, statuses, len(arrivals_us))
    assert (writer.fail, writer.pos) == (True, 0)


@pytest.mark.parametrize("make", [
    lambda: TransportFeedback(1, 2, 3, 4, 5, ()), lambda: TransportFeedback(1, 2, 3, 4, 2**23, (0,)),
    lambda: TransportFeedback(1, 2, 3, 256, 5, (0,)), lambda: TransportFeedback(1, 2, 65536, 4, 5, (0,)),
    lambda: TransportFeedback(1, 2, 3, 4, 5, (0, None, 8_192_000)), lambda: TransportFeedback(1, 2, 3, 4, 5, (2**70,)),
    lambda: TransportFeedback(1, 2, 3, 4, 5, (None,) * 65536), lambda: TransportFeedback(2**32, 2, 3, 4, 5, (0,)),
])
def test_twcc_values_out_of_range_are_refused(make: object) -> None:
    with pytest.raises(errors.ArgumentError):
        make()  # type: ignore[operator]


@given(st.integers(1, 3), u8)
def test_twcc_padded_as_libwebrtc_does_is_read_wherever_it_stands(pad: int, delta: int) -> None:
    """It announces 1 to 3 bytes as padding, and lets other packets follow."""
    n = 4 - pad
    body = _body(n, [0, 0x2000 + n], bytes([delta]) * n)
    padded = bytearray(_packet(body[:-1] + bytes([pad])))
    padded[0] |= 0x20
    expected = TransportFeedback(1, 2, 65534, 7, 1, tuple(250 * delta * (i + 1) for i in range(n)))
    assert RtcpPacket.parse_compound(bytes(padded)) == [expected]
    assert RtcpPacket.parse_compound(padded + padded + ReceiverReport(1).serialize()) == [
        expected, expected, ReceiverReport(1)]
    padded[0] -= 1  # another format of feedback gets no such leave
    with pytest.raises(errors.ParseError, match="padding"):
        RtcpPacket.parse_compound(bytes(padded))
