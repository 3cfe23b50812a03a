"""arcrtc.rtcp and wire/rtcp: compounds of every kind of packet against the plain model."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import ffi, lib
from arcrtc.rtcp import (
    App,
    FullIntraRequest,
    GenericNack,
    Goodbye,
    PictureLossIndication,
    ReceiverReport,
    Remb,
    ReportBlock,
    RtcpPacket,
    SdesChunk,
    SenderReport,
    SourceDescription,
    UnknownRtcp,
)
from tests.model.rtcp_model import split_compound, write_rtcp
from tests.model.rtcp_strategies import packets, u8


@given(st.lists(packets, min_size=1, max_size=4))
def test_rtcp_serialize_matches_model_and_parses_back(compound: list[RtcpPacket]) -> None:
    data = RtcpPacket.serialize_compound(compound)
    assert data == b"".join(write_rtcp(p) for p in compound)
    assert RtcpPacket.parse_compound(data) == compound


@st.composite
def nearly_rtcp(draw: st.DrawFn) -> bytes:
    """Compounds, some with padding, cut short, or with bytes changed."""
    data = bytearray(b"".join(map(write_rtcp, draw(st.lists(packets, min_size=1, max_size=3)))))
    if draw(st.booleans()):
        last = bytearray(write_rtcp(draw(packets)))
        pad = 4 * draw(st.integers(1, 4))
        last[0] |= 0x20
        last[2:4] = (len(last) // 4 - 1 + pad // 4).to_bytes(2, "big")
        data += last + bytes(pad - 1) + bytes([pad])
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(u8)
    return bytes(data[:draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)


@given(nearly_rtcp() | st.binary(max_size=40), st.booleans())
def test_rtcp_split_matches_model_for_any_bytes(data: bytes, reduced: bool) -> None:
    model = split_compound(data, reduced)
    assert (lib.arc_rtcp_check_compound(data, len(data), reduced) == lib.ARC_OK) == (model is not None)
    assert (lib.arc_rtcp_fault(data, len(data), reduced) == ffi.NULL) == (model is not None)
    if model is None:
        with pytest.raises(errors.ParseError):
            RtcpPacket.parse_compound(data, reduced_size_allowed=reduced)
        return
    lent = ffi.from_buffer("uint8_t[]", data)
    reader = ffi.new("struct arc_reader *", {"data": lent, "len": len(data)})
    packet = ffi.new("struct arc_rtcp_packet *")
    for kind, count, body in model:
        assert lib.arc_rtcp_next(reader, packet) == lib.ARC_OK
        assert (packet.type, packet.count) == (kind, count)
        assert bytes(ffi.buffer(packet.body, packet.body_len)) == body
    assert lib.arc_rtcp_next(reader, packet) == lib.ARC_AGAIN


@given(nearly_rtcp() | st.binary(max_size=40))
def test_rtcp_what_parses_is_stable(data: bytes) -> None:
    """parse(serialize(parse(x))) is parse(x), whatever x was."""
    try:
        first = RtcpPacket.parse_compound(data)
    except errors.ParseError:
        return
    again = RtcpPacket.parse_compound(RtcpPacket.serialize_compound(first))
    assert [type(p) for p in again] == [type(p) for p in first]
    assert RtcpPacket.serialize_compound(again) == RtcpPacket.serialize_compound(first)


@pytest.mark.parametrize(("data", "reason"), [
    ("", "too short"), ("80c900", "too short"), ("40c90000", "version"),
    ("80c90002 00000001", "runs past the end"), ("a0c90000", "without body"),
    ("a0c90001 00000003", "padding count"), ("a0c90001 00000008", "padding count"),
    ("a0c90002 00000001 00000004 80c90001 00000001", "not the last"),
    ("80c90000", "malformed"), ("81c90001 00000001", "malformed"),
    ("80c80005 00" + "00" * 19, "malformed"),
    ("81cb0000", "malformed"), ("81cb0002 00000001 04616263", "malformed"),
    ("81cc0001 00000001", "malformed"), ("81ca0001 00000001", "malformed"),
    ("81ca0002 00000001 01036162", "malformed"),
    ("81cd0002 00000001 00000002", "malformed"), ("81ce0001 00000001", "malformed"),
    ("84ce0002 00000001 00000000", "malformed"), ("84ce0003 00000001 00000000 00000001", "malformed"),
    ("8fce0004 00000001 00000000 52454d42 01000001", "malformed"),
])
def test_rtcp_parse_error_says_what_is_wrong(data: str, reason: str) -> None:
    with pytest.raises(errors.ParseError, match=reason):
        RtcpPacket.parse_compound(bytes.fromhex(data))


def test_rtcp_strict_compound_begins_with_a_report() -> None:
    nack = GenericNack(1, 2, (3,)).serialize()
    report = ReceiverReport(1).serialize()
    with pytest.raises(errors.ParseError, match="begin with an SR or RR"):
        RtcpPacket.parse_compound(nack, reduced_size_allowed=False)
    assert len(RtcpPacket.parse_compound(report + nack, reduced_size_allowed=False)) == 2
    padded = bytes.fromhex("a0c90002 00000001 00000004")
    with pytest.raises(errors.ParseError, match="without padding"):
        RtcpPacket.parse_compound(padded, reduced_size_allowed=False)
    assert RtcpPacket.parse_compound(padded) == [ReceiverReport(1)]


def test_rtcp_nack_packs_across_seq_wrap() -> None:
    nack = GenericNack(1, 2, (65530, 65531, 65535, 0, 10, 11))
    data = nack.serialize()
    assert data[12:] == bytes.fromhex("fffa 8031 000b 0000")  # 65530 with 1, 5, 6 and 16 ahead; then 11
    assert RtcpPacket.parse_compound(data) == [nack]


def test_rtcp_nack_of_any_order_asks_for_every_number() -> None:
    data = GenericNack(1, 2, (9, 9, 5, 7, 100, 6)).serialize()
    (back,) = RtcpPacket.parse_compound(data)
    assert isinstance(back, GenericNack)
    assert set(back.sequence_numbers) == {5, 6, 7, 9, 100}


def test_rtcp_remb_rounds_down_and_saturates() -> None:
    (back,) = RtcpPacket.parse_compound(Remb(1, 2**64 - 1, (2,)).serialize())
    assert isinstance(back, Remb)
    assert back.bitrate_bps == (2**18 - 1) << 46
    too_much = bytes.fromhex("8fce0005 00000001 00000000 52454d42 01ffffff 00000002")
    (back,) = RtcpPacket.parse_compound(too_much)
    assert back == Remb(1, 2**64 - 1, (2,))


def test_rtcp_application_feedback_that_is_no_remb_stays_unknown() -> None:
    data = bytes.fromhex("8fce0003 00000001 00000000 4f544852")
    assert RtcpPacket.parse_compound(data) == [UnknownRtcp(206, 15, data[4:])]


def test_rtcp_sdes_chunk_that_ends_on_a_word_still_gets_its_zero() -> None:
    data = SourceDescription((SdesChunk(1, ((1, b"ab"),)), SdesChunk(2, ()))).serialize()
    assert data == bytes.fromhex("82ca0005 00000001 01026162 00000000 00000002 00000000")
    assert SourceDescription.with_cname(7, "å@x").chunks[0].cname == "å@x"
    assert SdesChunk(2, ((2, b"name"),)).cname is None


def _writer(cap: int) -> tuple[object, object]:
    out = ffi.new("uint8_t[]", max(cap, 1))
    return ffi.new("struct arc_writer *", {"data": out, "cap": cap}), out


@given(packets, st.data())
def test_rtcp_writers_write_all_or_nothing(packet: RtcpPacket, data: st.DataObject) -> None:
    size = len(packet.serialize())
    cap = data.draw(st.integers(0, size - 1))
    writer, out = _writer(cap)
    packet._write(writer)
    assert writer.fail  # type: ignore[attr-defined]
    assert writer.pos == 0  # type: ignore[attr-defined]
    assert bytes(ffi.buffer(out)) == bytes(max(cap, 1))


def test_rtcp_writers_refuse_what_the_format_cannot_say() -> None:
    cname = ffi.new("char[]", b"x" * 256)
    ssrcs = ffi.new("uint32_t[]", 300)
    blocks32 = ffi.new("struct arc_rtcp_report_block[]", 32)
    item = ffi.new("struct arc_rtcp_sdes_item[]", [(1, 1, 0, ffi.NULL)])
    for write in (
        lambda w: lib.arc_rtcp_write_sdes_cname(w, 1, cname),
        lambda w: lib.arc_rtcp_write_bye(w, ssrcs, 1, cname),
        lambda w: lib.arc_rtcp_write_bye(w, ssrcs, 32, ffi.NULL),
        lambda w: lib.arc_rtcp_write_rr(w, 1, blocks32, 32),
        lambda w: lib.arc_rtcp_write_remb(w, 1, 1, ssrcs, 256),
        lambda w: lib.arc_rtcp_write_sdes(w, item, 1),
        lambda w: lib.arc_rtcp_write_raw(w, ffi.new("struct arc_rtcp_packet *", (200, 0, ffi.NULL, 5))),
    ):
        writer, _ = _writer(4000)
        write(writer)
        assert writer.fail  # type: ignore[attr-defined]
        assert writer.pos == 0  # type: ignore[attr-defined]


def test_rtcp_writers_for_c_strings_and_single_requests() -> None:
    writer, out = _writer(200)
    lib.arc_rtcp_write_sdes_cname(writer, 1, b"me")
    lib.arc_rtcp_write_bye(writer, ffi.new("uint32_t[]", [1]), 1, b"off")
    lib.arc_rtcp_write_fir(writer, 1, 2, 3)
    lib.arc_rtcp_write_nack(writer, 1, 2, ffi.NULL, 0)
    lib.arc_rtcp_write_fir_list(writer, 1, ffi.NULL, ffi.NULL, 0)
    assert not writer.fail  # type: ignore[attr-defined]
    data = bytes(ffi.buffer(out, writer.pos))  # type: ignore[attr-defined]
    assert RtcpPacket.parse_compound(data) == [
        SourceDescription.with_cname(1, "me"), Goodbye((1,), "off"), FullIntraRequest(1, ((2, 3),))]


@pytest.mark.parametrize(("lost", "wire"), [
    (2**31 - 1, 0x7FFFFF), (0x7FFFFF, 0x7FFFFF), (-1, 0xFFFFFF), (-(2**23), 0x800000), (-(2**31), 0x800000)])
def test_rtcp_cumulative_loss_is_clamped_to_24_bits(lost: int, wire: int) -> None:
    writer, out = _writer(100)
    block = ffi.new("struct arc_rtcp_report_block[]", [{"cumulative_lost": lost}])
    lib.arc_rtcp_write_rr(writer, 1, block, 1)
    assert int.from_bytes(bytes(ffi.buffer(out))[13:16], "big") == wire


def _packet(p: RtcpPacket) -> tuple[object, object]:
    data = p.serialize()
    lent = ffi.from_buffer("uint8_t[]", data)
    packet = ffi.new("struct arc_rtcp_packet *")
    reader = ffi.new("struct arc_reader *", {"data": lent, "len": len(data)})
    assert lib.arc_rtcp_next(reader, packet) == lib.ARC_OK
    return packet, (lent, reader)


def test_rtcp_parsers_check_type_and_room() -> None:
    n, ssrc, other = ffi.new("size_t *"), ffi.new("uint32_t *"), ffi.new("uint32_t *")
    blocks = ffi.new("struct arc_rtcp_report_block[]", 31)
    rr, keep_rr = _packet(ReceiverReport(1, (ReportBlock(2), ReportBlock(3))))
    assert lib.arc_rtcp_parse_rr(rr, ssrc, blocks, 1, n) == lib.ARC_ERR_SPACE
    assert n[0] == 0
    assert lib.arc_rtcp_parse_rr(rr, ssrc, blocks, 2, n) == lib.ARC_OK
    assert lib.arc_rtcp_parse_rr(rr, ssrc, ffi.NULL, 2, n) == lib.ARC_ERR_ARG
    assert lib.arc_rtcp_parse_pli(rr, ssrc, other) == lib.ARC_ERR_ARG
    nack, keep_nack = _packet(GenericNack(1, 2, (3, 4, 5)))
    seqs = ffi.new("uint16_t[]", [77] * 3)
    assert lib.arc_rtcp_parse_nack(nack, ssrc, other, seqs, 2, n) == lib.ARC_ERR_SPACE
    assert list(seqs) == [77] * 3
    assert lib.arc_rtcp_parse_nack(nack, ssrc, other, seqs, 3, n) == lib.ARC_OK
    assert (ssrc[0], other[0], list(seqs)) == (1, 2, [3, 4, 5])
    assert lib.arc_rtcp_parse_rr(nack, ssrc, blocks, 31, n) == lib.ARC_ERR_ARG
    assert lib.arc_rtcp_parse_fir(nack, ssrc, other, ffi.NULL, 1, n) == lib.ARC_ERR_ARG
    del keep_rr, keep_nack


def test_rtcp_reader_stays_failed_after_a_fault() -> None:
    data = bytes.fromhex("80c90001 00000001 00c90001")
    lent = ffi.from_buffer("uint8_t[]", data)
    reader = ffi.new("struct arc_reader *", {"data": lent, "len": len(data)})
    packet = ffi.new("struct arc_rtcp_packet *")
    assert [lib.arc_rtcp_next(reader, packet) for _ in range(3)] == [
        lib.ARC_OK, lib.ARC_ERR_FORMAT, lib.ARC_ERR_FORMAT]
    assert packet.type == 201


@pytest.mark.parametrize("make", [
    lambda: ReportBlock(2**32), lambda: ReportBlock(1, 256), lambda: ReportBlock(1, 0, 2**23),
    lambda: ReceiverReport(1, (ReportBlock(1),) * 32), lambda: SenderReport(1, 2**64, 0, 0, 0),
    lambda: SdesChunk(1, ((0, b""),)), lambda: SdesChunk(1, ((1, b"x" * 256),)),
    lambda: SourceDescription((SdesChunk(1, ()),) * 32), lambda: Goodbye((1,) * 32), lambda: Goodbye((-1,)),
    lambda: Goodbye((1,), "ö" * 128), lambda: Goodbye((1,), "\ud800"), lambda: SdesChunk(1, []),
    lambda: SourceDescription.with_cname(1, "x" * 256), lambda: App(1, b"abc"), lambda: App(1, b"abcd", b"x"),
    lambda: App(1, b"abcd", b"", 32), lambda: GenericNack(1, 2, ()), lambda: GenericNack(1, 2, (65536,)),
    lambda: PictureLossIndication(1, 2**32), lambda: FullIntraRequest(1, ()), lambda: Remb(1, -1, ()),
    lambda: FullIntraRequest(1, ((1, 256),)), lambda: Remb(1, 1, (1,) * 256),
    lambda: UnknownRtcp(207, 0, b"x"), lambda: UnknownRtcp(256, 0, b""),
    lambda: RtcpPacket.serialize_compound([]),
    lambda: RtcpPacket.serialize_compound([App(1, b"abcd", bytes(40000))] * 2),
])
def test_rtcp_values_out_of_range_are_refused(make: object) -> None:
    with pytest.raises(errors.ArgumentError):
        make()  # type: ignore[operator]


@pytest.mark.parametrize("bad", [7, "text", None])
def test_rtcp_parse_refuses_what_is_not_bytes_like(bad: object) -> None:
    with pytest.raises(TypeError):
        RtcpPacket.parse_compound(bad)  # type: ignore[arg-type]
