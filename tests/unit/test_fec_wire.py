"""wire/ulpfec, wire/flexfec and wire/fecbits against the plain model."""
from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib
from arcrtc.rtp import RtpHeader, RtpPacket
from tests.model import fec_model as model

u16, u32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)


def _bits(b: Any) -> tuple[int, int, int, int]:
    return b.first, b.second, b.body_len, b.rtp_ts


def _seqs(s: Any) -> tuple[int, ...]:
    out, at = [], lib.arc_fecset_next(s, -1)
    while at >= 0:
        out.append((s.first_seq16 + at) % 65536)
        at = lib.arc_fecset_next(s, at)
    last = lib.arc_fecset_last(s)
    assert (last < 0) == (not out)
    assert not out or out[-1] == (s.first_seq16 + last) % 65536
    return tuple(out)


def parse_ulpfec(payload: bytes) -> model.Repair | int:
    h = ffi.new("struct arc_ulpfec *")
    status = lib.arc_ulpfec_parse(payload, len(payload), h)
    if status != lib.ARC_OK:
        return int(status)
    levels = tuple(model.Level(row.body_off, _seqs(ffi.addressof(row.set)),
                               payload[row.parity_off:row.parity_off + row.parity_len])
                   for row in h.levels[0:h.n_levels])
    return model.Repair(*_bits(h.bits), levels)


def parse_flexfec(payload: bytes, n_sources: int) -> tuple[model.Repair, list[tuple[int, ...]]] | int:
    h = ffi.new("struct arc_flexfec *")
    status = lib.arc_flexfec_parse(payload, len(payload), n_sources, h)
    if status != lib.ARC_OK:
        return int(status)
    sets = [_seqs(ffi.addressof(s)) for s in h.sets[0:h.n_sets]]
    assert h.parity_off + h.parity_len == len(payload)
    return model.Repair(*_bits(h.bits), (model.Level(0, sets[0], payload[h.parity_off:]),)), sets


def _example() -> dict[int, bytes]:
    """The four packets of RFC 5109 section 10."""
    rows = ((8, 3, 11, True, 200), (9, 5, 18, False, 140), (10, 7, 11, True, 100), (11, 9, 18, False, 340))
    return {seq: RtpPacket(RtpHeader(seq, ts, 2, pt, m), bytes((seq * k) % 256 for k in range(n))).serialize()
            for seq, ts, pt, m, n in rows}


def test_ulpfec_reads_the_example_of_rfc5109_section_10_1() -> None:
    packets = _example()
    parity = model.xor(p[12:] for p in packets.values())
    header = bytes([0, 0, 0, 8, 0, 0, 0, 8, 0x01, 0x74]) + bytes([0x01, 0x54, 0xF0, 0x00])  # Figures 8 and 9
    assert header + parity == model.build_ulpfec(packets, [([8, 9, 10, 11], 340)], base=8, long_mask=False)
    assert parse_ulpfec(header + parity) == model.Repair(0, 0, 372, 8, (model.Level(0, (8, 9, 10, 11), parity),))


def test_ulpfec_reads_the_example_of_rfc5109_section_10_2() -> None:
    """Packet #2: level 0 over C and D, level 1 over all four (L0 = 70, L1 = 90)."""
    payload = model.build_ulpfec(_example(), [([10, 11], 70), ([8, 9, 10, 11], 90)], base=8, long_mask=False)
    read = parse_ulpfec(payload)
    assert isinstance(read, model.Repair)
    assert [(level.start, level.seqs, len(level.parity)) for level in read.levels] == [
        (0, (10, 11), 70), (70, (8, 9, 10, 11), 90)]
    assert payload[10:14] == bytes([0, 70, 0x30, 0])  # Figure 15
    assert read == model.parse_ulpfec(payload)


def writer(cap: int) -> tuple[Any, Any]:
    buffer, w = ffi.new("uint8_t[]", cap), ffi.new("struct arc_writer *")
    w.data, w.cap = buffer, cap
    return buffer, w


offsets48 = st.sets(st.integers(0, 47), min_size=1).map(sorted)


@given(st.tuples(st.integers(0, 63), st.integers(0, 255), u16, u32), u16,
       st.lists(st.tuples(offsets48, st.binary(max_size=40)), min_size=1, max_size=8))
def test_ulpfec_written_is_what_the_model_reads(bits: tuple[int, int, int, int], base: int,
                                                 levels: list[tuple[list[int], bytes]]) -> None:
    long_mask = max(i for offsets, _ in levels for i in offsets) > 15
    buffer, w = writer(1000)
    b = ffi.new("struct arc_fecbits *", {"first": bits[0], "second": bits[1], "body_len": bits[2], "rtp_ts": bits[3]})
    lib.arc_ulpfec_write_header(w, b, base, long_mask)
    payload, want, start = bytes(ffi.buffer(buffer, w.pos)), [], 0
    for offsets, parity in levels:
        s = ffi.new("struct arc_fecset *", {"first_seq16": base})
        for i in offsets:
            lib.arc_fecset_add(s, i)
        w.pos = 0
        lib.arc_ulpfec_write_level(w, s, long_mask, len(parity))
        payload += bytes(ffi.buffer(buffer, w.pos)) + parity
        want.append(model.Level(start, tuple((base + i) % 65536 for i in offsets), parity))
        start += len(parity)
    repair = model.Repair(*bits, tuple(want))
    assert model.parse_ulpfec(payload) == repair
    assert parse_ulpfec(payload) == repair


@given(st.binary(max_size=80))
def test_ulpfec_any_bytes_are_read_as_the_model_reads_them(payload: bytes) -> None:
    read, want = parse_ulpfec(payload), model.parse_ulpfec(payload)
    assert (want is None) == isinstance(read, int)
    if want is not None:
        assert read == want


def test_ulpfec_refuses_what_is_cut_off_or_covers_nothing() -> None:
    whole = model.build_ulpfec(_example(), [([8, 9], 30), ([8, 9, 10], 20)], base=8, long_mask=True)
    ends = {10 + 8 + 30, len(whole)}
    for n in range(len(whole) + 1):
        assert isinstance(parse_ulpfec(whole[:n]), int) == (n not in ends)
    assert parse_ulpfec(whole[:12] + bytes(6) + whole[18:48]) == lib.ARC_ERR_FORMAT
    assert parse_ulpfec(whole[:10] + 9 * (bytes([0, 0]) + b"\xff" * 6)) == lib.ARC_ERR_UNSUPPORTED
    assert lib.arc_ulpfec_parse(ffi.NULL, 0, ffi.new("struct arc_ulpfec *")) == lib.ARC_ERR_ARG


# --- FlexFEC ---

masks = st.tuples(u16, st.sampled_from([14, 45, 109]).flatmap(
    lambda top: st.sets(st.integers(0, top), min_size=1).map(sorted)))
blocks = st.tuples(u16, st.integers(1, 255), st.integers(0, 255))


def write_flexfec(variant: int, bits: tuple[int, int, int, int], sets: list[Any]) -> bytes:
    h = ffi.new("struct arc_flexfec *")
    h.variant, h.n_sets = variant, len(sets)
    h.bits.first, h.bits.second, h.bits.body_len, h.bits.rtp_ts = bits
    for s, row in zip(h.sets[0:len(sets)], sets, strict=True):
        s.first_seq16 = row[0]
        if variant == lib.ARC_FLEXFEC_MASK:
            for i in row[1]:
                lib.arc_fecset_add(ffi.addressof(s), i)
        else:
            s.columns, s.rows = row[1:]
    buffer, w = writer(300)
    lib.arc_flexfec_write(w, h)
    assert not w.fail
    return bytes(ffi.buffer(buffer, w.pos))


@given(st.tuples(st.integers(0, 63), st.integers(0, 255), u16, u32),
       st.lists(masks, min_size=1, max_size=15) | st.lists(blocks, min_size=1, max_size=15), st.binary(max_size=30))
def test_flexfec_written_is_what_the_model_reads(bits: tuple[int, int, int, int], sets: list[Any],
                                                  parity: bytes) -> None:
    by_mask = isinstance(sets[0][1], list)
    payload = write_flexfec(lib.ARC_FLEXFEC_MASK if by_mask else lib.ARC_FLEXFEC_BLOCK, bits, sets)
    wire = b"".join(model.flex_mask(*row) if by_mask else row[0].to_bytes(2, "big") + bytes(row[1:]) for row in sets)
    assert payload[8:] == wire
    numbers = [tuple((row[0] + i) % 65536 for i in (row[1] if by_mask else model.block_offsets(*row[1:])))
               for row in sets]
    want = model.Repair(*bits, (model.Level(0, numbers[0], parity),)), numbers
    assert model.parse_flexfec(payload + parity, len(sets)) == want
    assert parse_flexfec(payload + parity, len(sets)) == want


@given(st.binary(max_size=60), st.integers(0, 15))
def test_flexfec_any_bytes_are_read_as_the_model_reads_them(payload: bytes, n_sources: int) -> None:
    read, want = parse_flexfec(payload, n_sources), model.parse_flexfec(payload, n_sources)
    assert (want is None) == isinstance(read, int)
    if want is not None:
        assert read == want


@given(st.binary(min_size=12, max_size=60))
def test_flexfec_retransmission_is_the_packet_itself(packet: bytes) -> None:
    packet = bytes([packet[0] & 0x3F | 0x80]) + packet[1:]
    h = ffi.new("struct arc_flexfec *")
    assert lib.arc_flexfec_parse(packet, len(packet), 0, h) == lib.ARC_OK
    assert h.variant == lib.ARC_FLEXFEC_RETRANSMIT
    assert h.ssrc == int.from_bytes(packet[8:12], "big")
    assert _seqs(ffi.addressof(h.sets[0])) == (int.from_bytes(packet[2:4], "big"),)
    assert h.parity_off == 12
    buffer, w = writer(12)
    lib.arc_flexfec_write(w, h)
    assert bytes(ffi.buffer(buffer, w.pos)) == packet[:12]


def test_flexfec_refuses_reserved_forms_and_sources_it_cannot_have() -> None:
    whole = write_flexfec(lib.ARC_FLEXFEC_BLOCK, (1, 2, 3, 4), [(5, 6, 7), (8, 9, 10)])
    assert parse_flexfec(bytes([whole[0] | 0xC0]) + whole[1:], 2) == lib.ARC_ERR_UNSUPPORTED  # R=1 F=1
    for rows in (0, 1, 200):  # L=0
        assert parse_flexfec(whole[:10] + bytes([0, rows]) + whole[12:], 2) == lib.ARC_ERR_UNSUPPORTED
    assert parse_flexfec(whole, 0) == lib.ARC_ERR_FORMAT
    assert parse_flexfec(whole, 3) == lib.ARC_ERR_FORMAT
    assert parse_flexfec(whole, 16) == parse_flexfec(whole, -1) == lib.ARC_ERR_ARG
    for n in range(len(whole)):
        assert isinstance(parse_flexfec(whole[:n], 2), int)


# --- bits and XOR ---

@given(st.lists(st.binary(min_size=12, max_size=60), min_size=1, max_size=5))
def test_fecbits_are_the_first_80_bits_of_the_bit_string(packets: list[bytes]) -> None:
    b = ffi.new("struct arc_fecbits *")
    for packet in packets:
        lib.arc_fecbits_add(b, packet, len(packet))
    whole = model.xor(model.bit_string(p)[:8] for p in packets)
    assert _bits(b) == (whole[0] & 0x3F, whole[1], int.from_bytes(whole[2:4], "big"), int.from_bytes(whole[4:], "big"))


@given(st.binary(max_size=150), st.integers(0, 7), st.integers(0, 7))
def test_fecbits_xor_of_any_length_and_alignment(data: bytes, to_off: int, from_off: int) -> None:
    other = bytes((7 * i + 1) % 256 for i in range(len(data)))
    a = ffi.new("uint8_t[]", b"\x55" * to_off + data + b"\x55" * 8)
    b = ffi.new("uint8_t[]", bytes(from_off) + other + b"\xff")
    lib.arc_fecbits_xor(a + to_off, b + from_off, len(data))
    assert bytes(ffi.buffer(a, to_off + len(data) + 8)) == b"\x55" * to_off + model.xor([data, other]) + b"\x55" * 8
