"""wire/pl_av1 and wire/obu: packer and unpacker against the plain model, and on a real stream."""
from __future__ import annotations

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib
from tests.model.av1_model import depacketize, elements, leb128, obu, split_obus

SEQUENCE, DELIMITER, METADATA, FRAME, TILE_LIST, PADDING = 1, 2, 5, 6, 8, 15
DROPPED = (DELIMITER, TILE_LIST, PADDING)
Place = tuple[int, int, bool, bool, bool]  # tid, sid, starts frame, ends frame, last


def pack(unit: bytes, mtu: int, *, key: bool = False) -> list[tuple[bytes, Place]]:
    packer = ffi.new("struct arc_pl_av1_packer *")
    data = ffi.from_buffer("uint8_t[]", unit)
    assert lib.arc_pl_av1_packer_init(packer, data, len(unit), key, mtu) == lib.ARC_OK
    out, n, place = ffi.new("uint8_t[]", mtu), ffi.new("size_t *"), ffi.new("struct arc_pl_av1_place *")
    payloads = []
    while (status := lib.arc_pl_av1_packer_next(packer, out, n, place)) == lib.ARC_OK:
        payloads.append((bytes(ffi.buffer(out, n[0])),
                         (place.tid, place.sid, place.starts_frame, place.ends_frame, place.last)))
    assert status == lib.ARC_AGAIN
    return payloads


class Unpacker:
    def __init__(self, cap: int = 1 << 20) -> None:
        self.out = ffi.new("uint8_t[]", cap + 1)
        self.u = ffi.new("struct arc_pl_av1_unpacker *")
        assert lib.arc_pl_av1_unpacker_init(self.u, self.out, cap) == lib.ARC_OK

    def push(self, payload: bytes) -> int:
        return int(lib.arc_pl_av1_unpacker_push(self.u, payload, len(payload)))

    def finish(self) -> tuple[int, bytes]:
        n = ffi.new("size_t *")
        status = int(lib.arc_pl_av1_unpacker_finish(self.u, n))
        return status, bytes(ffi.buffer(self.out, n[0]))


def unpack(payloads: list[bytes]) -> bytes:
    unpacker = Unpacker()
    assert [unpacker.push(p) for p in payloads] == [lib.ARC_OK] * len(payloads)
    status, data = unpacker.finish()
    assert status == lib.ARC_OK
    return data


def peek(payload: bytes) -> tuple[int, object]:
    info = ffi.new("struct arc_pl_av1_info *")
    return int(lib.arc_pl_av1_peek(payload, len(payload), info)), info


bodies = st.binary(max_size=40) | st.integers(0, 5000).map(lambda n: bytes(i % 251 for i in range(n)))


@st.composite
def temporal_units(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """OBUs of up to three layers, in their order: those without one first."""
    parts = [(kind, draw(bodies), None) for kind in draw(st.lists(
        st.sampled_from([SEQUENCE, METADATA, *DROPPED]), max_size=3))]
    for sid in range(draw(st.integers(1, 3))):
        parts += [(draw(st.sampled_from([FRAME, METADATA, PADDING])), draw(bodies), (1, sid))
                  for _ in range(draw(st.integers(1, 3)))]
        parts.append((FRAME, draw(bodies), (1, sid)))
    whole = b"".join(obu(*p) for p in parts)
    return whole, [obu(*p, sized=False) for p in parts if p[0] not in DROPPED]


@given(temporal_units(), st.integers(16, 1400), st.booleans())
def test_pl_av1_packer_matches_model_for_any_unit(unit: tuple[bytes, list[bytes]], mtu: int, key: bool) -> None:
    whole, sent = unit
    payloads = pack(whole, mtu, key=key)
    assert depacketize([p for p, _ in payloads]) == sent
    assert all(len(p) <= mtu for p, _ in payloads)
    assert [elements(p)[2] for p, _ in payloads] == [key] + [False] * (len(payloads) - 1)
    assert [place[4] for _, place in payloads] == [False] * (len(payloads) - 1) + [True]
    for payload, place in payloads:  # section 5: never two layers in one payload
        z, _, _, parts = elements(payload)
        layers = {p[1] for p in parts[z:] if p[0] & 4}
        assert layers <= {place[0] << 5 | place[1] << 3}
    assert split_obus(unpack([p for p, _ in payloads])) == sent


@given(temporal_units(), st.integers(16, 400))
def test_pl_av1_frames_of_layers_start_and_end_once(unit: tuple[bytes, list[bytes]], mtu: int) -> None:
    places = [place for _, place in pack(unit[0], mtu)]
    layers = len({p[1] for p in places})
    assert sum(p[2] for p in places) == sum(p[3] for p in places) == layers
    assert places[0][2]
    assert places[-1][3]
    assert all(a[3] == b[2] for a, b in itertools.pairwise(places))


@given(st.integers(200, 60_000), st.integers(100, 1300))
def test_pl_av1_pieces_are_nearly_equal(size: int, mtu: int) -> None:
    lengths = [len(p) for p, _ in pack(obu(FRAME, bytes(size)), mtu)]
    assert max(lengths) - min(lengths) <= 1
    assert len(lengths) <= size // (mtu - 1) + 1


@given(st.binary(max_size=60))
def test_pl_av1_peek_matches_model_for_any_bytes(data: bytes) -> None:
    status, info = peek(data)
    try:
        z, y, n, parts = elements(data)
        if any(p[0] & 0x80 for p in parts[z:]):
            raise ValueError("forbidden bit")
    except ValueError:
        assert status == lib.ARC_ERR_FORMAT
        return
    assert status == lib.ARC_OK
    assert (info.continues, info.is_continued, info.starts_sequence, info.n_elements) == (z, y, n, len(parts))
    first = parts[z:]
    assert info.first_type == (first[0][0] >> 3 & 15 if first else 0)


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=6))
def test_pl_av1_unpacker_gives_whole_obus_for_any_payloads(payloads: list[bytes]) -> None:
    unpacker = Unpacker(128)
    for payload in payloads:
        unpacker.push(payload)
    status, data = unpacker.finish()
    assert status in (lib.ARC_OK, lib.ARC_ERR_FORMAT)
    split_obus(data)  # raises if it is not


def test_pl_av1_unpacker_drops_an_obu_without_its_middle() -> None:
    first, *_, last = pack(obu(SEQUENCE, b"abc") + obu(FRAME, bytes(1000)), 300)
    unpacker = Unpacker()
    assert unpacker.push(first[0]) == lib.ARC_OK
    assert unpacker.push(pack(obu(METADATA, b"m"), 100)[0][0]) == lib.ARC_ERR_FORMAT
    assert unpacker.push(last[0]) == lib.ARC_ERR_FORMAT
    status, data = unpacker.finish()
    assert status == lib.ARC_OK
    assert [o[0] >> 3 for o in split_obus(data)] == [SEQUENCE, METADATA]
    assert unpacker.u.dropped_obus == 1


def test_pl_av1_unpacker_takes_obus_that_bring_their_size() -> None:
    whole = obu(FRAME, bytes(range(200)))
    payload = bytes([0x10]) + whole
    assert unpack([payload]) == whole
    assert unpack([bytes([0x50]) + whole[:90], bytes([0x90]) + whole[90:]]) == whole
    lying = bytes([0x10]) + obu(FRAME, b"abc") + b"trailing"
    assert Unpacker().push(lying) == lib.ARC_ERR_FORMAT


def test_pl_av1_unpacker_says_when_there_is_no_room() -> None:
    unpacker = Unpacker(100)
    assert unpacker.push(bytes([0x10]) + obu(FRAME, bytes(50), sized=False)) == lib.ARC_OK
    assert unpacker.push(bytes([0x10]) + obu(FRAME, bytes(50), sized=False)) == lib.ARC_ERR_SPACE
    assert unpacker.finish() == (lib.ARC_OK, obu(FRAME, bytes(50)))


def test_pl_av1_a_receiver_ignores_delimiters_and_tile_lists() -> None:
    payload = bytes([0x20]) + leb128(1) + obu(DELIMITER, b"", sized=False) + obu(FRAME, b"x", sized=False)
    assert unpack([payload]) == obu(FRAME, b"x")


@pytest.mark.parametrize("data", [b"", b"\x80", bytes([FRAME << 3 | 2, 5, 0]), obu(DELIMITER, b""),
                                  bytes([FRAME << 3 | 2]) + b"\xff" * 9])
def test_pl_av1_packer_refuses_what_is_no_unit(data: bytes) -> None:
    packer = ffi.new("struct arc_pl_av1_packer *")
    held = ffi.from_buffer("uint8_t[]", data)
    assert lib.arc_pl_av1_packer_init(packer, held, len(data), False, 1200) == lib.ARC_ERR_FORMAT
    assert lib.arc_pl_av1_packer_init(packer, held, len(data), False, 15) == lib.ARC_ERR_ARG


def test_pl_av1_a_real_stream_decodes_after_the_network() -> None:
    rng = np.random.default_rng(1)
    encoder = av.CodecContext.create("libsvtav1", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 320, 180, "yuv420p"
    encoder.time_base, encoder.bit_rate = Fraction(1, 30), 400_000
    encoder.options = {"preset": "10", "svtav1-params": "rc=2:pred-struct=1:lookahead=0"}
    decoder = av.CodecContext.create("libdav1d", "r")
    picture = rng.integers(0, 255, (270, 320), dtype=np.uint8)
    shown = 0
    for i in range(6):
        frame = av.VideoFrame.from_ndarray(np.roll(picture, i, axis=1), format="yuv420p")
        frame.pts = i
        for packet in encoder.encode(frame) + (encoder.encode(None) if i == 5 else []):
            payloads = pack(bytes(packet), 500, key=packet.is_keyframe)
            assert peek(payloads[0][0])[1].has_sequence_header == packet.is_keyframe
            shown += len(decoder.decode(av.Packet(unpack([p for p, _ in payloads]))))
    shown += len(decoder.decode(None))
    assert shown == 6
