"""wire/rtcpxr, wire/xrrle, wire/xrstats and their classes: blocks of extended reports, in and out."""
from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import ffi, lib
from arcrtc.rtcp import (
    DelaySinceLastReceiverReport,
    DuplicateRle,
    ExtendedReport,
    JitterBufferKind,
    LossRle,
    PacketLossConcealment,
    PostRepairLoss,
    ReceiptTimes,
    ReceiverReferenceTime,
    RtcpPacket,
    Spread,
    StatisticsSummary,
    UnknownXrBlock,
    VoipMetrics,
    XrBlock,
)
from tests.model.rtcp_strategies import bit_runs, packet_ranges, u32, u64, xr_blocks
from tests.model.xr_model import fewest_chunks, read_chunks, reported, write_block

dlrrs = st.lists(st.tuples(u32, u32, u32), min_size=1, max_size=40)


def _write(write: Any, cap: int = 70000) -> bytes:
    out = ffi.new("uint8_t[]", cap)
    writer = ffi.new("struct arc_writer *", {"data": out, "cap": cap})
    write(writer)
    if writer.fail:
        assert writer.pos == 0
        assert bytes(ffi.buffer(out)) == bytes(cap)
        return b""
    return bytes(ffi.buffer(out, writer.pos))


def _blocks(data: bytes) -> tuple[int, list[tuple[int, int, bytes]], int]:
    """(SSRC, (type, specific, body) of each block, the status that ended it) of the one packet."""
    lent = ffi.from_buffer("uint8_t[]", data)
    reader = ffi.new("struct arc_reader *", {"data": lent, "len": len(data)})
    packet, step = ffi.new("struct arc_rtcp_packet *"), ffi.new("struct arc_xr_iter *")
    assert lib.arc_rtcp_next(reader, packet) == lib.ARC_OK
    assert lib.arc_xr_iter_init(step, packet) == lib.ARC_OK
    block, out = ffi.new("struct arc_xr_block *"), []
    while (status := lib.arc_xr_next(step, block)) == lib.ARC_OK:
        out.append((block.type, block.specific, bytes(ffi.buffer(block.body, block.body_len))))
    assert lib.arc_xr_next(step, block) == status
    return step.ssrc, out, status


def _block(kind: int, body: bytes, specific: int = 0) -> tuple[Any, Any]:
    lent = ffi.from_buffer("uint8_t[]", body)
    return ffi.new("struct arc_xr_block *", (kind, specific, lent, len(body))), lent


@given(u32, u64)
def test_xr_rrtr_is_laid_out_as_the_rfc_says(ssrc: int, ntp64: int) -> None:
    data = _write(lambda w: lib.arc_rtcp_write_xr_rrtr(w, ssrc, ntp64))
    assert data == bytes([0x80, 207, 0, 4]) + struct.pack("!I", ssrc) + bytes([4, 0, 0, 2]) + struct.pack("!Q", ntp64)
    assert _blocks(data) == (ssrc, [(4, 0, struct.pack("!Q", ntp64))], lib.ARC_AGAIN)
    block, _keep = _block(4, data[12:])
    out = ffi.new("uint64_t *")
    assert lib.arc_xr_parse_rrtr(block, out) == lib.ARC_OK
    assert out[0] == ntp64


@given(u32, dlrrs)
def test_xr_dlrr_is_laid_out_as_the_rfc_says(ssrc: int, entries: list[tuple[int, int, int]]) -> None:
    items = ffi.new("struct arc_xr_dlrr[]", entries)
    data = _write(lambda w: lib.arc_rtcp_write_xr_dlrr(w, ssrc, items, len(entries)))
    body = b"".join(struct.pack("!III", *entry) for entry in entries)
    assert data == struct.pack("!BBHI", 0x80, 207, 2 + 3 * len(entries), ssrc) \
        + struct.pack("!BBH", 5, 0, 3 * len(entries)) + body
    assert _blocks(data) == (ssrc, [(5, 0, body)], lib.ARC_AGAIN)
    block, _keep = _block(5, body)
    back, n = ffi.new("struct arc_xr_dlrr[]", len(entries)), ffi.new("size_t *")
    assert lib.arc_xr_parse_dlrr(block, back, len(entries), n) == lib.ARC_OK
    assert [(i.ssrc, i.lrr, i.dlrr) for i in back[0:n[0]]] == entries


def test_xr_dlrr_needs_room_and_whole_entries() -> None:
    n, items = ffi.new("size_t *", 9), ffi.new("struct arc_xr_dlrr[]", [(7, 7, 7)])
    for body, cap, expected in ((bytes(24), 1, lib.ARC_ERR_SPACE), (b"", 1, lib.ARC_ERR_FORMAT),
                                (bytes(16), 1, lib.ARC_ERR_FORMAT)):
        block, _keep = _block(5, body)
        assert lib.arc_xr_parse_dlrr(block, items, cap, n) == expected
        assert (n[0], items[0].ssrc) == (0, 7)
    other, _keep = _block(4, bytes(12))
    assert lib.arc_xr_parse_dlrr(other, items, 1, n) == lib.ARC_ERR_ARG
    assert _write(lambda w: lib.arc_rtcp_write_xr_dlrr(w, 1, items, 0)) == b""


@pytest.mark.parametrize("length", [0, 4, 12])
def test_xr_rrtr_of_another_length_is_refused(length: int) -> None:
    block, _keep = _block(4, bytes(length))
    out = ffi.new("uint64_t *", 5)
    assert lib.arc_xr_parse_rrtr(block, out) == lib.ARC_ERR_FORMAT
    assert out[0] == 5


@given(u32, st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255),
                               st.integers(0, 6).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n))),
                     max_size=6), st.data())
def test_xr_any_blocks_come_back_and_a_cut_one_is_seen(
        ssrc: int, blocks: list[tuple[int, int, bytes]], data: st.DataObject) -> None:
    body = b"".join(struct.pack("!BBH", kind, specific, len(b) // 4) + b for kind, specific, b in blocks)

    def write_each(writer: Any) -> None:
        for kind, specific, b in blocks:
            lib.arc_xr_write_block(writer, _block(kind, b, specific)[0])

    assert _write(write_each) == body
    packet = _write(lambda w: lib.arc_rtcp_write_xr(w, ssrc, body, len(body)))
    assert packet == struct.pack("!BBHI", 0x80, 207, 1 + len(body) // 4, ssrc) + body
    assert _blocks(packet) == (ssrc, blocks, lib.ARC_AGAIN)

    words = data.draw(st.integers(0, len(body) // 4))
    cut = struct.pack("!BBHI", 0x80, 207, 1 + words, ssrc) + body[:4 * words]
    ends, whole = [0], 0
    for _, _, b in blocks:
        ends.append(ends[-1] + 4 + len(b))
    whole = sum(end <= 4 * words for end in ends) - 1
    expected = lib.ARC_AGAIN if 4 * words in ends else lib.ARC_ERR_FORMAT
    assert _blocks(cut) == (ssrc, blocks[:whole], expected)


def test_xr_without_ssrc_and_other_packets_are_refused() -> None:
    step, packet = ffi.new("struct arc_xr_iter *"), ffi.new("struct arc_rtcp_packet *", {"type": 207})
    assert lib.arc_xr_iter_init(step, packet) == lib.ARC_ERR_FORMAT
    packet.type = 201
    assert lib.arc_xr_iter_init(step, packet) == lib.ARC_ERR_ARG


def test_xr_writers_write_all_or_nothing() -> None:
    items = ffi.new("struct arc_xr_dlrr[]", 2)
    odd, _keep = _block(9, b"abc")
    assert _write(lambda w: lib.arc_rtcp_write_xr_rrtr(w, 1, 2), cap=19) == b""
    assert _write(lambda w: lib.arc_rtcp_write_xr_dlrr(w, 1, items, 2), cap=35) == b""
    assert _write(lambda w: lib.arc_xr_write_block(w, odd)) == b""
    assert _write(lambda w: lib.arc_rtcp_write_xr(w, 1, b"abc", 3)) == b""


def _only(block: XrBlock) -> XrBlock:
    """The block as it comes back."""
    (p,) = RtcpPacket.parse_compound(ExtendedReport(1, (block,)).serialize())
    assert isinstance(p, ExtendedReport)
    (back,) = p.blocks
    return back


def _parsed(kind: int, specific: int, body: bytes) -> XrBlock:
    return _only(UnknownXrBlock(kind, specific, body))


def _body(block: XrBlock) -> bytes:
    return ExtendedReport(1, (block,)).serialize()[12:]


@given(xr_blocks)
def test_xr_block_is_that_of_the_model_and_comes_back(block: XrBlock) -> None:
    assert ExtendedReport(1, (block,)).serialize()[8:] == write_block(block)
    assert _only(block) == block


def test_xr_rle_of_the_examples_of_the_rfc() -> None:
    """RFC 3611 section 4.1: 45 packets, the 22nd and 24th lost; in the second trace the 44th too."""
    head = struct.pack("!IHH", 9, 13821, 13866)
    trace = tuple(i not in (21, 23) for i in range(45))
    for chunks in ("4015 afff 4009 0000", "ffff febf ffff 0000"):
        assert _parsed(1, 0, head + bytes.fromhex(chunks)) == LossRle(9, 13821, 13866, 0, trace)
    assert _body(LossRle(9, 13821, 13866, 0, trace)) == head + bytes.fromhex("4015 afff 4009 0000")
    trace = tuple(i not in (21, 23, 43) for i in range(45))
    assert _body(LossRle(9, 13821, 13866, 0, trace)) == head + bytes.fromhex("4015 afff ff40 0000")
    thin = LossRle(9, 13821, 13866, 2, (True,) * 5 + (False,) + (True,) * 4 + (False,))
    assert thin.sequence_numbers == tuple(range(13824, 13865, 4))
    assert _body(thin) == head + bytes.fromhex("fde0 0000")
    assert _parsed(1, 0xF2, _body(thin)) == thin  # the first four bits are reserved


@given(packet_ranges())
def test_xr_range_counts_the_multiples(where: tuple[int, int, int, int]) -> None:
    _, begin, end, thinning = where
    expected = reported(begin, end, thinning)
    found = ffi.new("struct arc_xr_range *", where)
    assert lib.arc_xr_range_count(found) == len(expected)
    for i in {0, len(expected) // 2, len(expected) - 1} & set(range(len(expected))):
        assert lib.arc_xr_range_seq16(found, i) == expected[i]


chunk_words = st.integers(0x8000, 0xFFFF) | st.integers(0, 40) | st.integers(0x4000, 0x4028) | st.just(0)


@given(st.sampled_from([1, 2]), st.integers(0, 65535), st.integers(0, 90), st.integers(0, 3),
       st.lists(chunk_words, max_size=8))
def test_xr_rle_parse_matches_model_for_any_chunks(kind: int, begin: int, length: int, thinning: int,
                                                    chunks: list[int]) -> None:
    end = (begin + length) & 0xFFFF
    chunks += [0] * (len(chunks) % 2)
    block = _parsed(kind, thinning, struct.pack(f"!IHH{len(chunks)}H", 5, begin, end, *chunks))
    bits = read_chunks(chunks, len(reported(begin, end, thinning)))
    if bits is None:
        assert isinstance(block, UnknownXrBlock)
    else:
        assert block == (LossRle if kind == 1 else DuplicateRle)(5, begin, end, thinning, tuple(bits))


@given(st.integers(0, 300).flatmap(bit_runs))
def test_xr_rle_takes_the_fewest_chunks(bits: tuple[bool, ...]) -> None:
    body = _body(LossRle(1, 0, len(bits), 0, bits))
    fewest = fewest_chunks(bits)
    assert len(body) == 8 + 2 * (fewest + fewest % 2)
    assert read_chunks(struct.unpack(f"!{len(body) // 2 - 4}H", body[8:]), len(bits)) == list(bits)


@pytest.mark.parametrize("n", [0, 1, 16383, 16384, 65533])
def test_xr_rle_of_long_runs_over_the_wrap(n: int) -> None:
    block = LossRle(1, 65000, (65000 + n) & 0xFFFF, 0, (True,) * n)
    assert _only(block) == block
    assert len(_body(block)) == 8 + 4 * ((-(-n // 16383) + 1) // 2)


@pytest.mark.parametrize(("kind", "specific", "body"), [
    (1, 0, bytes(4)), (1, 0, struct.pack("!IHH", 1, 0, 65534) + b"\x7f\xff" * 6),  # too short, too long a range
    (2, 0, struct.pack("!IHHHH", 1, 0, 5, 0, 0x4005)),  # a null chunk before the end
    (3, 0, struct.pack("!IHHI", 1, 0, 2, 7)), (3, 1, struct.pack("!IHHII", 1, 0, 2, 7, 8)),
    (4, 0, bytes(4)), (5, 0, bytes(16)), (6, 0, bytes(32)), (6, 0x18, bytes(36)),
    (6, 0, bytes(8) + b"\0\0\0\1" + bytes(24)), (6, 0, bytes(12) + b"\0\0\0\1" + bytes(20)),
    (6, 0xC0, bytes(28) + b"\0\0\0\1" + bytes(4)), (6, 0xE0, bytes(35) + b"\1"),
    (7, 0, bytes(32)), (7, 0, bytes(28)), (33, 0, bytes(16)),
])
def test_xr_block_that_breaks_the_rules_of_its_type_is_passed_over(kind: int, specific: int, body: bytes) -> None:
    """The blocks behind it are read."""
    report = ExtendedReport(1, (UnknownXrBlock(kind, specific, body), ReceiverReferenceTime(5)))
    assert RtcpPacket.parse_compound(report.serialize()) == [report]


def test_xr_voip_values_out_of_range_come_as_unknown() -> None:
    """RFC 3611 section 4.7.5: other values MUST be ignored."""
    body = struct.pack("!I4B4H2b2B", 1, *range(4), *range(4), -15, 127, 127, 16)
    body += struct.pack("!4B2B3H", 101, 255, 9, 51, 0xFF, 0xFF, 1, 2, 3)
    assert _parsed(7, 0xFF, body) == VoipMetrics(
        ssrc=1, discard_rate=1, burst_density=2, gap_density=3, gap_duration_ms=1, round_trip_delay_ms=2,
        end_system_delay_ms=3, signal_level_db=-15, loss_concealment=PacketLossConcealment.STANDARD,
        jitter_buffer=JitterBufferKind.ADAPTIVE, jitter_buffer_rate=15, jitter_buffer_nominal_ms=1,
        jitter_buffer_maximum_ms=2, jitter_buffer_absolute_maximum_ms=3)


def test_xr_post_repair_has_the_length_of_the_erratum() -> None:
    """RFC 7509 says 4 words behind the first one, draws 3; erratum 4525 says 3."""
    assert ExtendedReport(1, (PostRepairLoss(2, 3, 4, 5, 6),)).serialize()[8:] == bytes.fromhex(
        "21000003 00000002 00030004 00050006")


def test_xr_report_longer_than_a_compound_is_refused() -> None:
    block = UnknownXrBlock(99, 0, bytes(40000))
    with pytest.raises(errors.ArgumentError, match="longer than"):
        ExtendedReport(1, (block, block)).serialize()


def test_xr_block_that_runs_past_the_packet_is_refused() -> None:
    with pytest.raises(errors.ParseError):
        RtcpPacket.parse_compound(bytes.fromhex("80cf0003 00000001 04000002 00000000"))
    with pytest.raises(errors.ParseError):
        RtcpPacket.parse_compound(bytes.fromhex("80cf0000"))


VOIP = {"ssrc": 1, "gmin_pkts": 16, "mos_lq": 127, "mos_cq": 127}


@pytest.mark.parametrize("write", [
    lambda w: lib.arc_xr_write_rle(w, 1, ffi.new("struct arc_xr_range *", (1, 0, 9, 16)), bytes(9)),
    lambda w: lib.arc_xr_write_rle(w, 1, ffi.new("struct arc_xr_range *", (1, 0, 65534, 0)), bytes(65534)),
    lambda w: lib.arc_xr_write_summary(w, ffi.new("struct arc_xr_summary *", {"hops_kind": 3})),
    *(lambda w, bad=bad: lib.arc_xr_write_voip(w, ffi.new("struct arc_xr_voip *", VOIP | bad)) for bad in (
        {"gmin_pkts": 0}, {"r_factor": 101}, {"ext_r_factor": 126}, {"mos_lq": 9}, {"mos_cq": 51}, {"plc": 4},
        {"jba": 4}, {"jb_rate": 16})),
])
def test_xr_writers_refuse_what_the_format_cannot_say(write: Any) -> None:
    out = ffi.new("uint8_t[]", 100_000)
    writer = ffi.new("struct arc_writer *", {"data": out, "cap": 100_000})
    write(writer)
    assert (writer.fail, writer.pos) == (True, 0)
    writer.fail = False
    lib.arc_xr_write_voip(writer, ffi.new("struct arc_xr_voip *", VOIP))
    assert not writer.fail


@pytest.mark.parametrize("make", [
    lambda: LossRle(1, 0, 9, 16, (True,)), lambda: LossRle(1, 0, 9, 0, (True,) * 8), lambda: LossRle(1, 0, 1, 0, (1,)),
    lambda: LossRle(1, 1, 65535, 0, (True,) * 65534), lambda: DuplicateRle(1, 65536, 0, 0, ()),
    lambda: ReceiptTimes(1, 0, 1, 0, (2**32,)), lambda: ReceiptTimes(1, 0, 2, 0, (1,)),
    lambda: ReceiverReferenceTime(2**64), lambda: DelaySinceLastReceiverReport(()),
    lambda: DelaySinceLastReceiverReport(((1, 2, 2**32),)), lambda: StatisticsSummary(1, 0, 0, -1),
    lambda: StatisticsSummary(1, 0, 0, jitter_ticks=(1, 2, 3, 4)),
    lambda: StatisticsSummary(1, 0, 0, ttl=Spread(1, 2, 3, 256)),
    lambda: StatisticsSummary(1, 0, 0, ttl=Spread(1, 2, 3, 4), hop_limit=Spread(1, 2, 3, 4)),
    lambda: VoipMetrics(ssrc=1, gmin_packets=0), lambda: VoipMetrics(ssrc=1, r_factor=127),
    lambda: VoipMetrics(ssrc=1, mos_lq_tenths=9), lambda: VoipMetrics(ssrc=1, residual_echo_return_loss_db=127),
    lambda: VoipMetrics(ssrc=1, loss_rate=None), lambda: PostRepairLoss(1, 2, 3, 65536, 0),
    lambda: UnknownXrBlock(256, 0, b""), lambda: UnknownXrBlock(1, 0, b"abc"), lambda: ExtendedReport(1, []),
])
def test_xr_values_out_of_range_are_refused(make: Any) -> None:
    with pytest.raises(errors.ArgumentError):
        make()
