"""wire/rtcpxr: blocks of extended reports, in and out, against bytes laid out by hand."""
from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib

u32, u64 = st.integers(0, 0xFFFFFFFF), st.integers(0, 2**64 - 1)
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
