"""wire/ccfb and CongestionControlFeedback: any bytes against the plain model, and the ends of every range."""
from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import ffi, lib
from arcrtc.rtcp import CongestionControlFeedback, ReceivedPacket, RtcpPacket, StreamArrivals
from tests.model.arrivals_model import Ccfb, read_ccfb, write_ccfb
from tests.model.rtcp_strategies import congestion_feedbacks, u16, u32


def _packet(body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | 11, 205, len(body) // 4) + body


def _plain(p: CongestionControlFeedback) -> Ccfb:
    return p.sender_ssrc, p.report_timestamp, tuple(
        (s.ssrc, s.begin_sequence, tuple((m.arrival_offset, m.ecn) if m else None for m in s.packets))
        for s in p.streams)


@st.composite
def nearly_ccfb(draw: st.DrawFn) -> bytes:
    """Streams whose counts nearly fit their metrics."""
    body = struct.pack("!I", draw(u32))
    for _ in range(draw(st.integers(0, 4))):
        n = draw(st.integers(0, 9))
        claimed = n + draw(st.sampled_from([0, 0, 0, 0, 1, -1, 2, 16384]))
        metrics = struct.pack(f"!{n + n % 2}H", *(draw(u16) for _ in range(n + n % 2)))
        body += struct.pack("!IHH", draw(u32), draw(u16), max(0, claimed)) + metrics
    return body + struct.pack("!I", draw(u32))


@given(nearly_ccfb() | st.binary(max_size=12).map(lambda b: b * 4))
def test_ccfb_parse_matches_model_for_any_body(body: bytes) -> None:
    expected = read_ccfb(body)
    try:
        (p,) = RtcpPacket.parse_compound(_packet(body))
    except errors.ParseError:
        assert expected is None
        return
    assert isinstance(p, CongestionControlFeedback)
    assert _plain(p) == expected


@given(congestion_feedbacks)
def test_ccfb_written_reads_the_same_in_the_model(p: CongestionControlFeedback) -> None:
    body = p.serialize()[4:]
    assert body == write_ccfb(p)
    assert read_ccfb(body) == _plain(p)


def test_ccfb_is_laid_out_as_the_rfc_says() -> None:
    p = CongestionControlFeedback(0x11111111, 0x22222222, (
        StreamArrivals(0x33333333, 0xFFFE, (ReceivedPacket(512, 1), None, ReceivedPacket(0x1FFF, 3))),
        StreamArrivals(0x44444444, 7, ()), StreamArrivals(0x55555555, 8, (None, ReceivedPacket(0)))))
    assert p.serialize() == bytes.fromhex(
        "8bcd000b 11111111 33333333fffe0003 a200 0000 ffff 0000 4444444400070000 5555555500080002 0000 8000 22222222")


@pytest.mark.parametrize(("body", "why"), [
    ("00000001", "no room for the time"), ("00000001 00000002", "no stream"),
    ("00000001 00000003 00000001 00000002", "metrics are missing"),
    ("00000001 00000003 00000003 80008000 00000002", "one metric and its padding are missing"),
    ("00000001 00000003 00000000 00000003 00000002", "half a head"),
])
def test_ccfb_that_claims_too_much_is_refused(body: str, why: str) -> None:
    with pytest.raises(errors.ParseError):
        RtcpPacket.parse_compound(_packet(bytes.fromhex(body)))


def test_ccfb_stream_of_a_quarter_of_the_numbers_is_the_longest() -> None:
    for n, allowed in ((16384, True), (16385, False)):
        body = bytes(4) + struct.pack("!IHH", 1, 2, n) + bytes(2 * (n + n % 2)) + bytes(4)
        if allowed:
            (p,) = RtcpPacket.parse_compound(_packet(body))
            assert p == CongestionControlFeedback(0, 0, (StreamArrivals(1, 2, (None,) * n),))
            assert p.serialize() == _packet(body)
        else:
            with pytest.raises(errors.ParseError):
                RtcpPacket.parse_compound(_packet(body))


def test_ccfb_what_stands_behind_a_cleared_r_is_ignored() -> None:
    body = bytes.fromhex("00000001 00000003 00000002 7fff a001 00000002")
    assert RtcpPacket.parse_compound(_packet(body)) == [
        CongestionControlFeedback(1, 2, (StreamArrivals(3, 0, (None, ReceivedPacket(1, 1))),))]


@pytest.mark.parametrize(("offset_us", "ato", "back_us"), [
    (-1, 0x1FFF, None), (0, 0, 0), (488, 0, 0), (489, 1, 977), (500_000, 512, 500_000), (1_000_000, 1024, 1_000_000),
    (7_997_070, 8189, 7_997_070), (7_997_071, 0x1FFE, None), (2**62, 0x1FFE, None),
])
def test_ccfb_offsets_are_in_1024ths(offset_us: int, ato: int, back_us: int | None) -> None:
    """8189/1024 s are 7997070.3 us: one microsecond more is over the range (RFC 8888 section 3.1)."""
    packet = ReceivedPacket.before_report(offset_us, 2)
    assert packet == ReceivedPacket(ato, 2)
    assert packet.offset_us == back_us


def test_ccfb_every_offset_comes_back() -> None:
    for ato in range(0x2000):
        offset_us = ReceivedPacket(ato).offset_us
        assert (offset_us is None) == (ato > 0x1FFD)
        assert offset_us is None or ReceivedPacket.before_report(offset_us).arrival_offset == ato


def test_ccfb_parse_needs_room_and_leaves_the_arrays_alone() -> None:
    body = bytes.fromhex("00000001 00000003 00050002 8000 a001 00000002")
    lent = ffi.from_buffer("uint8_t[]", body)
    packet = ffi.new("struct arc_rtcp_packet *", (205, 11, lent, len(body)))
    sender, time = ffi.new("uint32_t *"), ffi.new("uint32_t *")
    n_streams, n_metrics = ffi.new("size_t *", 9), ffi.new("size_t *", 9)
    streams, metrics = ffi.new("struct arc_ccfb_stream[]", 1), ffi.new("struct arc_ccfb_metric[]", [(True, 3, 77)] * 2)

    def parse(stream_cap: int, metric_cap: int) -> int:
        return int(lib.arc_ccfb_parse(packet, sender, time, streams, stream_cap, n_streams, metrics, metric_cap,
                                      n_metrics))

    assert [parse(0, 2), parse(1, 1)] == [lib.ARC_ERR_SPACE] * 2
    assert (n_streams[0], n_metrics[0], metrics[0].ato) == (0, 0, 77)
    assert parse(1, 2) == lib.ARC_OK
    assert (sender[0], time[0], streams[0].begin_seq, metrics[1].ecn, metrics[1].ato) == (1, 2, 5, 1, 1)
    packet.count = 15
    assert parse(1, 2) == lib.ARC_ERR_ARG


@pytest.mark.parametrize(("n", "metric"), [(16385, (False, 0, 0)), (1, (True, 4, 0)), (1, (True, 0, 0x2000))])
def test_ccfb_writer_refuses_what_the_format_cannot_say(n: int, metric: tuple[bool, int, int]) -> None:
    out = ffi.new("uint8_t[]", 100_000)
    writer = ffi.new("struct arc_writer *", {"data": out, "cap": 100_000})
    streams = ffi.new("struct arc_ccfb_stream[]", [(1, 2, n)])
    metrics = ffi.new("struct arc_ccfb_metric[]", [metric] * n)
    lib.arc_ccfb_write(writer, 1, 2, streams, 1, metrics)
    assert (writer.fail, writer.pos) == (True, 0)


@pytest.mark.parametrize("make", [
    lambda: CongestionControlFeedback(1, 2, ()), lambda: StreamArrivals(1, 2, (7,)),
    lambda: CongestionControlFeedback(1, 2**32, (StreamArrivals(1, 2, ()),)),
    lambda: StreamArrivals(1, 65536, ()), lambda: StreamArrivals(1, 2, (None,) * 16385),
    lambda: ReceivedPacket(0x2000), lambda: ReceivedPacket(0, 4),
])
def test_ccfb_values_out_of_range_are_refused(make: object) -> None:
    with pytest.raises(errors.ArgumentError):
        make()  # type: ignore[operator]
