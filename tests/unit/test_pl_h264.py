"""wire/pl_h264: packer and unpacker against the plain model, and on real streams."""
from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib
from tests.model.h264_model import depacketize, join_annexb, split_annexb

Unit = tuple[bytes, list[bytes]]  # Annex B bytes, and the NAL units in them
DROPPED = (9, 12)


class Packer:
    def __init__(self, annexb: bytes, mtu: int) -> None:
        self.p = ffi.new("struct arc_pl_h264_packer *")
        self._annexb = ffi.from_buffer("uint8_t[]", annexb)
        self.status = lib.arc_pl_h264_packer_init(self.p, self._annexb, len(annexb), mtu)

    def next(self, cap: int) -> tuple[int, bytes, bool]:
        out, n, last = ffi.new("uint8_t[]", cap + 1), ffi.new("size_t *"), ffi.new("bool *")
        status = lib.arc_pl_h264_packer_next(self.p, out, cap, n, last)
        return status, bytes(ffi.buffer(out, n[0])), last[0]


def pack(annexb: bytes, mtu: int) -> list[bytes]:
    packer = Packer(annexb, mtu)
    assert packer.status == lib.ARC_OK
    payloads: list[bytes] = []
    last = False
    while (step := packer.next(mtu))[0] == lib.ARC_OK:
        assert not last
        payloads.append(step[1])
        last = step[2]
    assert step[0] == lib.ARC_AGAIN
    assert last == bool(payloads)
    return payloads


class Unpacker:
    def __init__(self, cap: int) -> None:
        self.out = ffi.new("uint8_t[]", cap + 1)
        self.u = ffi.new("struct arc_pl_h264_unpacker *")
        assert lib.arc_pl_h264_unpacker_init(self.u, self.out, cap) == lib.ARC_OK

    def push(self, payload: bytes) -> int:
        status: int = lib.arc_pl_h264_unpacker_push(self.u, payload, len(payload))
        return status

    def finish(self) -> tuple[int, bytes]:
        n = ffi.new("size_t *")
        status = lib.arc_pl_h264_unpacker_finish(self.u, n)
        return status, bytes(ffi.buffer(self.out, n[0]))


def unpack(payloads: list[bytes], cap: int = 1 << 20) -> bytes:
    unpacker = Unpacker(cap)
    assert [unpacker.push(p) for p in payloads] == [lib.ARC_OK] * len(payloads)
    status, data = unpacker.finish()
    assert status == lib.ARC_OK
    return data


# A NAL unit: any header RTP can carry, a body free of start codes that ends with a stop bit.
nals = st.builds(
    lambda nri, kind, body: bytes([nri << 5 | kind]) + body.replace(b"\0", b"\x03") + b"\x80",
    st.integers(0, 3), st.integers(1, 23),
    st.binary(max_size=40) | st.integers(0, 3000).map(lambda n: bytes(i % 255 + 1 for i in range(n))))


@st.composite
def access_units(draw: st.DrawFn) -> Unit:
    units = draw(st.lists(nals, min_size=1, max_size=8))
    data = b""
    for unit in units:
        data += bytes(draw(st.integers(0, 3))) + b"\0\0\1" + unit
    return data + bytes(draw(st.integers(0, 2))), units


@given(access_units(), st.integers(16, 1500))
def test_pl_h264_pack_and_unpack_match_model(unit: Unit, mtu: int) -> None:
    annexb, units = unit
    assert split_annexb(annexb) == units
    kept = [nal for nal in units if nal[0] & 31 not in DROPPED]
    payloads = pack(annexb, mtu)
    assert depacketize(payloads) == kept
    assert all(1 <= len(p) <= mtu for p in payloads)
    assert unpack(payloads) == join_annexb(kept)


@given(access_units(), st.integers(16, 400))
def test_pl_h264_fragments_are_of_even_size(unit: Unit, mtu: int) -> None:
    sizes: list[int] = []
    for payload in pack(unit[0], mtu):
        if payload[0] & 31 == 28:
            sizes.append(len(payload))
            if payload[1] & 0x40:
                assert max(sizes) - min(sizes) <= 1
                sizes = []


def test_pl_h264_small_neighbours_share_a_payload() -> None:
    sps, pps, idr = b"\x67\x42\x01", b"\x68\xce\x01", b"\x65" + b"\x11" * 2999
    first, *pieces = pack(join_annexb([b"\x09\x10", sps, pps, idr]), 1200)
    assert first == b"\x78\x00\x03" + sps + b"\x00\x03" + pps
    assert [len(p) for p in pieces] == [1002, 1002, 1001]
    assert [p[:2].hex() for p in pieces] == ["7c85", "7c05", "7c45"]


def test_pl_h264_packer_says_what_it_dropped() -> None:
    packer = Packer(join_annexb([b"\x09\x10", b"\x0c\xff\x80", b"\x1c\x85x", b"\x00y"]), 100)
    assert packer.status == lib.ARC_OK
    assert packer.next(100)[0] == lib.ARC_AGAIN
    assert packer.p.dropped_nals == 4


def test_pl_h264_packer_checks_arguments() -> None:
    unit = join_annexb([b"\x65\x01"])
    assert Packer(unit, 15).status == lib.ARC_ERR_ARG
    assert Packer(unit, 65536).status == lib.ARC_ERR_ARG
    for junk in (b"", b"\0\0", b"\0\0\0", b"no start code"):
        assert Packer(junk, 100).status == lib.ARC_ERR_FORMAT
    for empty in (b"\0\0\1", b"\0\0\1\0\0\1\0"):
        packer = Packer(empty, 100)
        assert packer.status == lib.ARC_OK
        assert packer.next(100)[0] == lib.ARC_AGAIN


@given(access_units(), st.integers(16, 300), st.integers(0, 300))
def test_pl_h264_packer_without_room_moves_nothing(unit: Unit, mtu: int, cap: int) -> None:
    packer = Packer(unit[0], mtu)
    payloads = []
    while True:
        before = bytes(ffi.buffer(packer.p))
        status, payload, _ = packer.next(cap)
        if status == lib.ARC_ERR_SPACE:
            assert bytes(ffi.buffer(packer.p)) == before
            status, payload, _ = packer.next(mtu)
        if status != lib.ARC_OK:
            break
        payloads.append(payload)
    assert depacketize(payloads) == [nal for nal in unit[1] if nal[0] & 31 not in DROPPED]


def _peek(payload: bytes) -> tuple[int, tuple[int, bool, bool, bool, bool]]:
    info = ffi.new("struct arc_pl_h264_info *")
    status = lib.arc_pl_h264_peek(payload, len(payload), info)
    return status, (info.nal_type, info.starts_nal, info.ends_nal, info.has_idr, info.has_sps)


@pytest.mark.parametrize(("payload", "expected"), [
    ("41ff", (1, True, True, False, False)),
    ("65ff", (5, True, True, True, False)),
    ("78 0001 67 0001 68", (7, True, True, False, True)),
    ("78 0001 68 0002 6501", (8, True, True, True, False)),
    ("7c85ff", (5, True, False, True, False)),
    ("7c05ff", (5, False, False, True, False)),
    ("5c41ff", (1, False, True, False, False)),
    ("5c01", (1, False, False, False, False)),  # RFC 6184 section 5.8: a piece may be empty
])
def test_pl_h264_peek(payload: str, expected: tuple[int, bool, bool, bool, bool]) -> None:
    assert _peek(bytes.fromhex(payload)) == (lib.ARC_OK, expected)


@pytest.mark.parametrize("payload", [
    "", "78", "7800", "780000", "780002 67", "780001 67 00", "780001 7c", "780001 78", "7c", "7cc5ff", "7c80",
    "7c1c"])
def test_pl_h264_malformed_payloads_are_refused(payload: str) -> None:
    data = bytes.fromhex(payload)
    assert _peek(data) == (lib.ARC_ERR_FORMAT, (0, False, False, False, False))
    unpacker = Unpacker(100)
    assert unpacker.push(data) == lib.ARC_ERR_FORMAT
    assert unpacker.finish() == (lib.ARC_OK, b"")


@pytest.mark.parametrize("kind", [0, 25, 26, 27, 29, 30, 31])
def test_pl_h264_other_modes_are_refused(kind: int) -> None:
    assert _peek(bytes([kind, 1, 2, 3]))[0] == lib.ARC_ERR_UNSUPPORTED


SPS = b"\x67\x01"
BEGIN, INSIDE, END = b"\x7c\x85aa", b"\x7c\x05bb", b"\x7c\x45cc"
WHOLE = b"\x65aabbcc"


@pytest.mark.parametrize(("payloads", "faults", "kept"), [
    ([BEGIN, INSIDE, END], 0, [WHOLE]),
    ([INSIDE, END, SPS], 2, [SPS]),
    ([BEGIN, SPS, END], 2, [SPS]),
    ([BEGIN, BEGIN, INSIDE, END], 1, [WHOLE]),
    ([SPS, BEGIN, b"\x5c\x01xx", END, SPS], 2, [SPS, SPS]),
    ([BEGIN, b"", END], 2, []),
    ([BEGIN, b"\x78\x00\x01\x67\x00\x01\x68"], 1, [b"\x67", b"\x68"]),
])
def test_pl_h264_unpacker_drops_cut_units_and_goes_on(payloads: list[bytes], faults: int,
                                                       kept: list[bytes]) -> None:
    unpacker = Unpacker(100)
    statuses = [unpacker.push(p) for p in payloads]
    assert statuses.count(lib.ARC_ERR_FORMAT) == faults
    assert statuses.count(lib.ARC_OK) == len(payloads) - faults
    assert unpacker.finish() == (lib.ARC_OK, join_annexb(kept))


def test_pl_h264_unpacker_finish_takes_the_open_unit_out() -> None:
    unpacker = Unpacker(100)
    for payload in (SPS, BEGIN, INSIDE):
        assert unpacker.push(payload) == lib.ARC_OK
    assert unpacker.finish() == (lib.ARC_ERR_FORMAT, join_annexb([SPS]))
    assert unpacker.finish() == (lib.ARC_OK, join_annexb([SPS]))
    assert unpacker.u.dropped_nals == 1


@given(access_units(), st.integers(16, 100), st.integers(0, 4000))
def test_pl_h264_unpacker_never_writes_past_its_room(unit: Unit, mtu: int, cap: int) -> None:
    unpacker = Unpacker(cap)
    unpacker.out[cap] = 0xA5
    for payload in pack(unit[0], mtu):
        assert unpacker.push(payload) in (lib.ARC_OK, lib.ARC_ERR_SPACE, lib.ARC_ERR_FORMAT)
    _, data = unpacker.finish()
    assert unpacker.out[cap] == 0xA5
    remaining = iter(unit[1])
    for nal in split_annexb(data):  # whole units, in order
        assert any(nal == other for other in remaining)


@given(st.lists(st.binary(max_size=30), max_size=12))
def test_pl_h264_unpacker_survives_any_payloads(payloads: list[bytes]) -> None:
    unpacker = Unpacker(200)
    for payload in payloads:
        unpacker.push(payload)
    assert len(unpacker.finish()[1]) <= 200


@pytest.mark.parametrize("mtu", [100, 1200])
def test_pl_h264_a_real_stream_decodes_the_same_after_packing(mtu: int) -> None:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 320, 180, "yuv420p"
    encoder.options = {"tune": "zerolatency", "slice-max-size": "900", "aud": "1", "x264-params": "keyint=5"}
    encoder.time_base = Fraction(1, 30)
    rng = np.random.default_rng(7)
    units = []
    for _ in range(8):
        picture = rng.integers(0, 255, (180, 320, 3), dtype=np.uint8)
        units += [bytes(p) for p in encoder.encode(av.VideoFrame.from_ndarray(picture, format="rgb24"))]
    units += [bytes(p) for p in encoder.encode(None)]
    assert len(units) == 8
    direct, packed = (av.CodecContext.create("h264", "r") for _ in range(2))
    for unit in units:
        payloads = pack(unit, mtu)
        assert len(payloads) > 1
        again = unpack(payloads)
        assert split_annexb(again) == [nal for nal in split_annexb(unit) if nal[0] & 31 not in DROPPED]
        pictures = [[f.to_ndarray().tobytes() for f in decoder.decode(av.Packet(data))]
                    for decoder, data in ((direct, unit), (packed, again))]
        assert pictures[0] == pictures[1]
