"""arcrtc.rtpbatch and wire/rtpbatch: a batch is what its packets are one by one."""
from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import ffi, lib
from arcrtc.rtp import RtpHeader, RtpPacket
from arcrtc.rtpbatch import RtpBatch
from arcrtc.srtp import PacketBatch, SrtpConfig, SrtpPipeline
from tests.unit.test_rtp import nearly_rtp

SLOT_BYTES = 4096
IDS = (1, 5, 200)


def batch_of(packets: list[bytes], slot_bytes: int = SLOT_BYTES) -> PacketBatch:
    batch = PacketBatch(max(len(packets), 1), slot_bytes)
    for packet in packets:
        assert batch.append(packet)
    return batch


def row_of(found: RtpBatch, row: int) -> tuple[object, ...]:
    return tuple(getattr(found, name)[row].item() for name in (
        "sequence_number", "timestamp", "ssrc", "payload_type", "marker", "csrc_count", "padding"))


@given(st.lists(nearly_rtp() | st.binary(max_size=64), max_size=6))
def test_rtpbatch_rows_are_the_packets_one_by_one(packets: list[bytes]) -> None:
    found = RtpBatch(8, IDS)
    n_good = found.parse(batch_of(packets))
    assert found.count == len(found) == len(packets)
    assert n_good == np.count_nonzero(found.status[:found.count] == 0)
    for row, data in enumerate(packets):
        try:
            packet = RtpPacket.parse(data)
        except errors.ParseError:
            assert isinstance(found.error(row), errors.ParseError)
            assert row_of(found, row) == (0,) * 7
            assert (found.payload_offset[row], found.payload_length[row]) == (0, 0)
            assert found.extension_length[:, row].tolist() == [-1] * 3
            continue
        h = packet.header
        assert found.error(row) is None
        assert row_of(found, row) == (h.sequence_number, h.timestamp, h.ssrc, h.payload_type, h.marker, len(h.csrcs),
                                      packet.padding)
        start = found.payload_offset[row]
        assert data[start:start + found.payload_length[row]] == packet.payload
        for column, ident in enumerate(IDS):
            at, n = found.extension_offset[column, row], found.extension_length[column, row]
            assert (data[at:at + n] if n >= 0 else None) == h.extensions.get(ident)


def test_rtpbatch_first_of_two_elements_with_one_id_counts() -> None:
    data = b"\x90\x60" + bytes(10) + b"\xbe\xde\x00\x01" + b"\x10A\x10B"
    found = RtpBatch(1, [1])
    assert found.parse(batch_of([data])) == 1
    assert (found.extension_offset[0, 0], found.extension_length[0, 0]) == (17, 1)


def test_rtpbatch_failed_rows_keep_their_status_and_are_not_read() -> None:
    config = SrtpConfig.generate(ssrc=1)
    batch = batch_of([RtpPacket(RtpHeader(i, 0, 1, 96), b"payload").serialize() for i in range(3)])
    SrtpPipeline(config).encrypt_batch(batch)
    batch.data[1, 14] ^= 1
    SrtpPipeline(config).decrypt_batch(batch)
    found = RtpBatch(3)
    assert found.parse(batch) == 2
    assert [type(found.error(row)) for row in range(3)] == [type(None), errors.AuthenticationError, type(None)]
    assert found.sequence_number.tolist() == [0, 0, 2]
    assert found.payload_length.tolist() == [7, 0, 7]


def test_rtpbatch_lengths_out_of_their_slot_are_refused() -> None:
    batch = batch_of([RtpPacket(RtpHeader(i, 0, 1, 96), b"x").serialize() for i in range(4)], 64)
    batch.lengths[:4] = (13, -1, 65, 64)
    found = RtpBatch(4)
    assert found.parse(batch) == 2
    assert [type(found.error(row)) for row in range(4)] == [
        type(None), errors.ArgumentError, errors.ArgumentError, type(None)]
    assert found.payload_length.tolist() == [1, 0, 0, 52]


def test_rtpbatch_arrays_are_made_once_and_lie_apart() -> None:
    found = RtpBatch(5, IDS)
    names = ("status", "sequence_number", "timestamp", "ssrc", "payload_type", "marker", "csrc_count", "padding",
             "payload_offset", "payload_length", "extension_offset", "extension_length")
    arrays = {name: getattr(found, name) for name in names}
    for i, array in enumerate(arrays.values()):
        array[...] = i
    for i, (name, array) in enumerate(arrays.items()):
        assert array.tolist() == np.full(array.shape, i, array.dtype).tolist(), name
        assert array.shape == ((3, 5) if name.startswith("extension") else (5,))
    found.parse(batch_of([RtpPacket(RtpHeader(7, 8, 9, 10), b"x").serialize()]))
    assert all(getattr(found, name) is array for name, array in arrays.items())
    assert (found.capacity, found.extension_ids, found.sequence_number[0]) == (5, IDS, 7)
    assert repr(found) == "RtpBatch(capacity=5, extension_ids=(1, 5, 200), count=1)"


@pytest.mark.parametrize("make", [
    lambda: RtpBatch(0), lambda: RtpBatch(65537), lambda: RtpBatch(1.5), lambda: RtpBatch(1, [0]),
    lambda: RtpBatch(1, [256]), lambda: RtpBatch(1, ["a"]), lambda: RtpBatch(1, [3, 3]),
    lambda: RtpBatch(1, range(1, 34)),
])
def test_rtpbatch_refuses_sizes_and_ids_out_of_range(make: object) -> None:
    with pytest.raises(errors.ArgumentError):
        make()  # type: ignore[operator]


def test_rtpbatch_refuses_what_it_has_no_room_for() -> None:
    data = RtpPacket(RtpHeader(7, 8, 9, 10), b"x").serialize()
    found = RtpBatch(1, range(1, 33))
    found.parse(batch_of([data]))
    with pytest.raises(errors.ArgumentError, match="room for 1"):
        found.parse(batch_of([data, data]))
    assert (found.count, found.sequence_number[0]) == (1, 7)
    for row in (-1, 1):
        with pytest.raises(errors.ArgumentError):
            found.error(row)


def test_rtpbatch_core_checks_its_arguments() -> None:
    c, lengths = ffi.new("struct arc_rtpbatch *"), ffi.new("int32_t[]", [12])
    assert lib.arc_rtpbatch_parse(bytes(12), 12, lengths, ffi.NULL, 1, ffi.NULL) == lib.ARC_ERR_ARG
    assert lib.arc_rtpbatch_parse(bytes(12), 12, lengths, ffi.NULL, 0, c) == lib.ARC_ERR_ARG
    found = RtpBatch(1)
    assert lib.arc_rtpbatch_parse(ffi.NULL, 12, lengths, ffi.NULL, 1, found._c) == lib.ARC_ERR_ARG
    assert lib.arc_rtpbatch_parse(b"\x80" + bytes(11), 12, lengths, ffi.NULL, 1, found._c) == 1
    assert lib.arc_rtpbatch_parse(ffi.NULL, 12, ffi.NULL, ffi.NULL, 0, found._c) == 0


def test_rtpbatch_in_many_threads() -> None:
    faults = []

    def work(ssrc: int) -> None:
        batch = batch_of([RtpPacket(RtpHeader(i, 0, ssrc, 96), b"x" * ssrc).serialize() for i in range(64)])
        found = RtpBatch(64)
        for _ in range(200):
            if found.parse(batch) != 64 or set(found.ssrc) != {ssrc} or set(found.payload_length) != {ssrc}:
                faults.append(ssrc)

    threads = [threading.Thread(target=work, args=(i + 1,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert faults == []
