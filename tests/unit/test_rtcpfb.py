"""wire/rtcpfb, wire/rtcppsfb and their classes: feedback laid out by hand, and the ends of every range."""
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from arcrtc import errors
from arcrtc._native import ffi, lib
from arcrtc.rtcp import (
    LostSlice,
    RateLimit,
    ReferencePictureSelection,
    RtcpPacket,
    SenderReportRequest,
    SliceLossIndication,
    TemporaryMaxBitrateNotification,
    TemporaryMaxBitrateRequest,
    TradeOff,
    TradeOffNotification,
    TradeOffRequest,
)
from tests.model.rtcp_model import write_rtcp
from tests.model.rtcp_strategies import control_messages


@given(control_messages)
def test_feedback_is_that_of_the_model_and_comes_back(message: RtcpPacket) -> None:
    assert message.serialize() == write_rtcp(message)
    assert RtcpPacket.parse_compound(message.serialize()) == [message]


BY_HAND: list[tuple[RtcpPacket, str]] = [
    (SliceLossIndication(1, 2, (LostSlice(1, 8191, 63), LostSlice(8191, 1, 0))),
     "82ce0004 00000001 00000002 000fffff fff80040"),
    (ReferencePictureSelection(1, 2, 96, b"\xab\xc0", 10), "83ce0003 00000001 00000002 0660abc0"),
    (ReferencePictureSelection(1, 2, 127, b"\xab\xcd\xef", 24), "83ce0004 00000001 00000002 187fabcd ef000000"),
    (ReferencePictureSelection(1, 2, 0, b"", 0), "83ce0003 00000001 00000002 10000000"),
    (TemporaryMaxBitrateRequest(1, (RateLimit(2, 131071, 511), RateLimit(3, 131071 << 47, 40))),
     "83cd0006 00000001 00000000 00000002 03ffffff 00000003 bffffe28"),
    (TemporaryMaxBitrateNotification(1, ()), "84cd0002 00000001 00000000"),
    (TemporaryMaxBitrateNotification(1, (RateLimit(2, 0, 0),)), "84cd0004 00000001 00000000 00000002 00000000"),
    (SenderReportRequest(1, 2), "85cd0002 00000001 00000002"),
    (TradeOffRequest(1, (TradeOff(2, 255, 31),)), "85ce0004 00000001 00000000 00000002 ff00001f"),
    (TradeOffNotification(1, (TradeOff(2, 3, 0),)), "86ce0004 00000001 00000000 00000002 03000000"),
]


@pytest.mark.parametrize(("message", "wire"), BY_HAND)
def test_feedback_is_laid_out_as_the_rfc_says(message: RtcpPacket, wire: str) -> None:
    assert message.serialize() == bytes.fromhex(wire)
    assert RtcpPacket.parse_compound(bytes.fromhex(wire)) == [message]


def test_feedback_rate_limit_rounds_down_and_saturates() -> None:
    (back,) = RtcpPacket.parse_compound(TemporaryMaxBitrateRequest(1, (RateLimit(2, 262143, 0),)).serialize())
    assert back == TemporaryMaxBitrateRequest(1, (RateLimit(2, 262142, 0),))
    too_much = bytes.fromhex("83cd0004 00000001 00000000 00000002 fffffe00")  # 131071 * 2**63
    assert RtcpPacket.parse_compound(too_much) == [TemporaryMaxBitrateRequest(1, (RateLimit(2, 2**64 - 1, 0),))]


def test_feedback_reserved_bits_are_ignored() -> None:
    for wire, message in (
            ("83ce0003 00000001 00000002 06e0abff", ReferencePictureSelection(1, 2, 96, b"\xab\xc0", 10)),
            ("85ce0004 00000001 00000009 00000002 ffffffff", TradeOffRequest(1, (TradeOff(2, 255, 31),)))):
        assert RtcpPacket.parse_compound(bytes.fromhex(wire)) == [message]


@pytest.mark.parametrize("wire", [
    "82ce0002 00000001 00000002", "82ce0001 00000001",  # SLI without a slice, without a head
    "83ce0002 00000001 00000002", "83ce0003 00000001 00000002 11000000", "83ce0004 00000001 00000002 20000000 00000000",
    "83cd0002 00000001 00000000", "83cd0003 00000001 00000000 00000002",  # TMMBR without a limit, with half of one
    "84cd0003 00000001 00000000 00000002", "84cd0001 00000001", "85cd0001 00000001",
    "85ce0002 00000001 00000000", "85ce0003 00000001 00000000 00000002", "86ce0002 00000001 00000000",
])
def test_feedback_cut_short_is_refused(wire: str) -> None:
    with pytest.raises(errors.ParseError):
        RtcpPacket.parse_compound(bytes.fromhex(wire))


PARSERS: list[tuple[int, Any, str, int]] = [
    (0, lib.arc_rtcp_parse_sli, "struct arc_rtcp_sli[]", 2),
    (4, lib.arc_rtcp_parse_tmmbr, "struct arc_rtcp_rate_limit[]", 2),
    (6, lib.arc_rtcp_parse_tmmbn, "struct arc_rtcp_rate_limit[]", 1),
    (8, lib.arc_rtcp_parse_tstr, "struct arc_rtcp_tradeoff[]", 1),
    (9, lib.arc_rtcp_parse_tstn, "struct arc_rtcp_tradeoff[]", 1),
]


@pytest.mark.parametrize(("which", "parse", "kind", "n"), PARSERS)
def test_feedback_parse_needs_room_and_its_own_kind(which: int, parse: Any, kind: str, n: int) -> None:
    data = BY_HAND[which][0].serialize()
    lent = ffi.from_buffer("uint8_t[]", data)
    reader = ffi.new("struct arc_reader *", {"data": lent, "len": len(data)})
    packet = ffi.new("struct arc_rtcp_packet *")
    assert lib.arc_rtcp_next(reader, packet) == lib.ARC_OK
    sender, media, count = ffi.new("uint32_t *"), ffi.new("uint32_t *"), ffi.new("size_t *", 9)
    heads = (sender, media) if which == 0 else (sender,)
    items = ffi.new(kind, n)
    assert parse(packet, *heads, items, n - 1, count) == lib.ARC_ERR_SPACE
    assert (count[0], bytes(ffi.buffer(items))) == (0, bytes(ffi.sizeof(items)))
    assert parse(packet, *heads, items, n, count) == lib.ARC_OK
    assert (count[0], sender[0]) == (n, 1)
    assert parse(packet, *heads, ffi.NULL, n, count) == lib.ARC_ERR_ARG
    packet.count += 8
    assert parse(packet, *heads, items, n, count) == lib.ARC_ERR_ARG


@pytest.mark.parametrize("write", [
    lambda w: lib.arc_rtcp_write_sli(w, 1, 2, ffi.new("struct arc_rtcp_sli[]", [(8192, 0, 0)]), 1),
    lambda w: lib.arc_rtcp_write_sli(w, 1, 2, ffi.new("struct arc_rtcp_sli[]", [(0, 8192, 0)]), 1),
    lambda w: lib.arc_rtcp_write_sli(w, 1, 2, ffi.new("struct arc_rtcp_sli[]", [(0, 0, 64)]), 1),
    lambda w: lib.arc_rtcp_write_rpsi(w, 1, 2, 128, b"", 0),
    lambda w: lib.arc_rtcp_write_rpsi(w, 1, 2, 1, b"", 2**63),
    lambda w: lib.arc_rtcp_write_tmmbr(w, 1, ffi.new("struct arc_rtcp_rate_limit[]", [(1, 2, 512)]), 1),
    lambda w: lib.arc_rtcp_write_tstn(w, 1, ffi.new("struct arc_rtcp_tradeoff[]", [(1, 2, 32)]), 1),
])
def test_feedback_writers_refuse_what_the_format_cannot_say(write: Any) -> None:
    out = ffi.new("uint8_t[]", 100)
    writer = ffi.new("struct arc_writer *", {"data": out, "cap": 100})
    write(writer)
    assert (writer.fail, writer.pos) == (True, 0)


def test_feedback_without_entries_is_not_written() -> None:
    out = ffi.new("uint8_t[]", 100)
    writer = ffi.new("struct arc_writer *", {"data": out, "cap": 100})
    lib.arc_rtcp_write_sli(writer, 1, 2, ffi.NULL, 0)
    lib.arc_rtcp_write_tmmbr(writer, 1, ffi.NULL, 0)
    lib.arc_rtcp_write_tstr(writer, 1, ffi.NULL, 0)
    lib.arc_rtcp_write_tstn(writer, 1, ffi.NULL, 0)
    assert (writer.fail, writer.pos) == (False, 0)
    lib.arc_rtcp_write_tmmbn(writer, 1, ffi.NULL, 0)
    assert writer.pos == 12


@pytest.mark.parametrize("make", [
    lambda: LostSlice(8192, 0, 0), lambda: LostSlice(0, 0, 64), lambda: SliceLossIndication(1, 2, ()),
    lambda: ReferencePictureSelection(1, 2, 128, b"", 0), lambda: ReferencePictureSelection(1, 2, 0, b"a", 9),
    lambda: ReferencePictureSelection(1, 2, 0, b"ab", 8), lambda: ReferencePictureSelection(1, 2, 0, b"\x01", 7),
    lambda: RateLimit(1, -1, 0), lambda: RateLimit(1, 0, 512), lambda: TemporaryMaxBitrateRequest(1, ()),
    lambda: TemporaryMaxBitrateNotification(-1, ()), lambda: TradeOff(1, 256, 0), lambda: TradeOff(1, 0, 32),
    lambda: TradeOffRequest(1, ()), lambda: TradeOffNotification(1, ()), lambda: SenderReportRequest(1, 2**32),
])
def test_feedback_values_out_of_range_are_refused(make: Any) -> None:
    with pytest.raises(errors.ArgumentError):
        make()
