"""wire/pl_vp8, pl_vp9 and vpxids: descriptors against the plain model, and the examples of the RFCs."""
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib
from tests.model import vpx_model as model


def parse(codec: str, payload: bytes) -> tuple[int, Any]:
    """(status, struct) of the descriptor in a block of exactly its size."""
    out = ffi.new(f"struct arc_pl_{codec} *")
    block = ffi.new("uint8_t[]", list(payload) or 1)
    return getattr(lib, f"arc_pl_{codec}_parse")(block, len(payload), out), out


def ids_of(c: Any) -> model.Ids:
    """The numbers of a struct arc_vpxids."""
    return model.Ids((c.picture_id_bits, c.picture_id) if c.picture_id_bits else None,
                     c.tl0picidx if c.tl0picidx_off else None, c.keyidx if c.keyidx_off else None)


def vp8_of(c: Any) -> model.Vp8:
    return model.Vp8(c.is_non_reference, c.starts_partition, c.partition, ids_of(c.ids),
                     (c.tid, c.is_layer_sync) if c.has_tid else None, c.descriptor_len, c.is_key)


def structure_of(payload: bytes, d: Any) -> model.Structure | None:
    ss = ffi.new("struct arc_pl_vp9_ss *")
    status = lib.arc_pl_vp9_read_ss(payload, len(payload), d, ss)
    if status == lib.ARC_AGAIN:
        return None
    assert status == lib.ARC_OK
    n = ss.n_spatial if ss.has_sizes else 0
    group = [model.Picture(p.tid, p.is_switching_up, list(p.pdiffs[0:p.n_pdiffs]))
             for p in ss.pictures[0:ss.n_pictures]]
    return model.Structure(ss.n_spatial, list(zip(ss.width_px[0:n], ss.height_px[0:n], strict=True)),
                           group if ss.has_group else None)


def vp9_of(payload: bytes, c: Any) -> model.Vp9:
    return model.Vp9(c.is_predicted, c.is_flexible, c.starts_frame, c.ends_frame, c.is_no_upper_ref, ids_of(c.ids),
                     (c.tid, c.is_switching_up, c.sid, c.is_inter_layer) if c.has_layers else None,
                     list(c.pdiffs[0:c.n_pdiffs]), structure_of(payload, c), c.descriptor_len, c.is_key_data)


picture_ids = st.none() | st.tuples(st.just(7), st.integers(0, 127)) | st.tuples(st.just(15), st.integers(0, 32767))
bytes8 = st.integers(0, 255)
vp8s = st.builds(
    model.Vp8, st.booleans(), st.booleans(), st.integers(0, 7),
    st.builds(model.Ids, picture_ids, st.none() | bytes8, st.none() | st.integers(0, 31)),
    st.none() | st.tuples(st.integers(0, 3), st.booleans()))


@st.composite
def vp9s(draw: st.DrawFn) -> model.Vp9:
    flexible, predicted = draw(st.booleans()), draw(st.booleans())
    layer = draw(st.none() | st.tuples(st.integers(0, 7), st.booleans(), st.integers(0, 7), st.booleans()))
    ids = model.Ids(draw(picture_ids.filter(lambda p: p is not None) if flexible else picture_ids),
                    draw(bytes8) if layer and not flexible else None)
    diffs = draw(st.lists(st.integers(1, 127), min_size=1, max_size=3)) if flexible and predicted else []
    structure = None
    if draw(st.booleans()):
        n = draw(st.integers(1, 8))
        pictures = st.builds(model.Picture, st.integers(0, 7), st.booleans(), st.lists(bytes8, max_size=3))
        group = draw(st.none() | st.lists(pictures, max_size=8) | st.just([model.Picture(1, True, [1, 2, 3])] * 255))
        size = st.tuples(st.integers(0, 65535), st.integers(0, 65535))
        structure = model.Structure(n, draw(st.just([]) | st.lists(size, min_size=n, max_size=n)), group)
    return model.Vp9(predicted, flexible, draw(st.booleans()), draw(st.booleans()), draw(st.booleans()), ids, layer,
                     diffs, structure)


@given(vp8s, st.binary(min_size=1, max_size=4))
def test_pl_vp8_parse_of_write_is_the_same(said: model.Vp8, data: bytes) -> None:
    head = model.write_vp8(said)
    said.length, said.key = len(head), said.start and said.partition == 0 and data[0] % 2 == 0
    status, c = parse("vp8", head + data)
    assert status == lib.ARC_OK
    assert vp8_of(c) == said
    assert c.starts_frame == (said.start and said.partition == 0)
    assert len(head) <= lib.ARC_PL_VP8_MAX_DESCRIPTOR_BYTES


@given(st.binary(max_size=10))
def test_pl_vp8_parse_matches_model_for_any_bytes(payload: bytes) -> None:
    status, c = parse("vp8", payload)
    try:
        expected = model.read_vp8(payload)
    except model.Malformed:
        assert status == lib.ARC_ERR_FORMAT
        return
    assert status == lib.ARC_OK
    assert vp8_of(c) == expected


@given(vp9s(), st.binary(min_size=1, max_size=4))
def test_pl_vp9_parse_of_write_is_the_same(said: model.Vp9, data: bytes) -> None:
    payload = model.write_vp9(said) + data
    said.length = len(payload) - len(data)
    said.key_data = model.read_vp9(payload).key_data
    status, c = parse("vp9", payload)
    assert status == lib.ARC_OK
    assert vp9_of(payload, c) == said


@given(st.binary(max_size=24) | st.builds(lambda d, n: model.write_vp9(d)[:n], vp9s(), st.integers(0, 30)))
def test_pl_vp9_parse_matches_model_for_any_bytes(payload: bytes) -> None:
    status, c = parse("vp9", payload)
    try:
        expected = model.read_vp9(payload)
    except model.Malformed:
        assert status == lib.ARC_ERR_FORMAT
        assert c.descriptor_len == 0
        return
    assert status == lib.ARC_OK
    assert vp9_of(payload, c) == expected


@pytest.mark.parametrize(("head", "expected"), [  # section 4.6 of RFC 7741
    ("90 80 11", model.Vp8(ids=model.Ids((7, 17)), length=3, key=True)),
    ("10", model.Vp8(length=1, key=True)),
    ("81 80 11", model.Vp8(start=False, partition=1, ids=model.Ids((7, 17)), length=3)),
    ("80 80 11", model.Vp8(start=False, ids=model.Ids((7, 17)), length=3)),
    ("90 e0 92 34 0c 40", model.Vp8(ids=model.Ids((15, 4660), 12), layer=(1, False), length=6, key=True)),
])
def test_pl_vp8_examples_of_the_rfc(head: str, expected: model.Vp8) -> None:
    status, c = parse("vp8", bytes.fromhex(head) + b"\0\0\0")
    assert status == lib.ARC_OK
    assert vp8_of(c) == expected


def test_pl_vp8_key_frame_is_told_at_the_start_of_its_first_partition_only() -> None:
    for head, is_key in ((b"\x10\x00", True), (b"\x10\x01", False), (b"\x00\x00", False), (b"\x11\x00", False)):
        assert parse("vp8", head)[1].is_key is is_key


@pytest.mark.parametrize(("data", "is_key"), [
    (0x80, True), (0x84, False), (0x88, False), (0xA0, True), (0xA4, False), (0xB0, True), (0xB2, False),
    (0xB4, False), (0x40, False), (0x00, False)])
def test_pl_vp9_key_frame_of_each_profile(data: int, is_key: bool) -> None:
    """Bits: marker 10, profile (low, high, and a zero in profile 3), show_existing_frame, frame_type."""
    assert parse("vp9", bytes([0x08, data]))[1].is_key_data is is_key
    assert parse("vp9", bytes([0x00, data]))[1].is_key_data is False


@pytest.mark.parametrize("payload", [
    "", "08", "10 11", "d0 11 00 80", "d0 11 03 03 03 02 80", "d0 11 03 03 03", "8a 11 f0 01", "a8 11 22"])
def test_pl_vp9_refuses(payload: str) -> None:
    status, c = parse("vp9", bytes.fromhex(payload))
    assert status == lib.ARC_ERR_FORMAT
    assert c.descriptor_len == 0


def test_pl_vp9_structure_of_the_largest_size() -> None:
    s = model.Structure(8, [(n, 65535 - n) for n in range(8)], [model.Picture(7, True, [255, 0, 9])] * 255)
    payload = model.write_vp9(model.Vp9(structure=s)) + b"\x80"
    status, c = parse("vp9", payload)
    assert (status, c.descriptor_len) == (lib.ARC_OK, 1 + 1 + 32 + 1 + 255 * 4)
    assert structure_of(payload, c) == s
    ss = ffi.new("struct arc_pl_vp9_ss *")
    assert lib.arc_pl_vp9_read_ss(payload, 100, c, ss) == lib.ARC_ERR_FORMAT
    assert ss.n_spatial == 0


@given(vp8s | vp9s(), st.integers(0, 65535), bytes8, bytes8)
def test_vpxids_write_changes_the_numbers_and_nothing_else(said: model.Vp8 | model.Vp9, picture_id: int,
                                                           tl0picidx: int, keyidx: int) -> None:
    codec = "vp8" if isinstance(said, model.Vp8) else "vp9"
    head = model.write_vp8(said) if isinstance(said, model.Vp8) else model.write_vp9(said)
    payload = ffi.new("uint8_t[]", [*head, 0x82, 1, 2])
    _, c = parse(codec, bytes(payload))
    c.ids.picture_id, c.ids.tl0picidx, c.ids.keyidx = picture_id, tl0picidx, keyidx
    lib.arc_vpxids_write(ffi.addressof(c.ids), payload, len(payload))
    was = said.ids.picture_id
    said.ids = model.Ids((was[0], picture_id % (1 << was[0])) if was else None,
                         None if said.ids.tl0picidx is None else tl0picidx,
                         None if said.ids.keyidx is None else keyidx % 32)
    again = model.write_vp8(said) if isinstance(said, model.Vp8) else model.write_vp9(said)
    assert bytes(payload) == again + b"\x82\x01\x02"


def test_vpxids_write_stays_inside_a_shorter_payload() -> None:
    _, c = parse("vp8", bytes.fromhex("90 f0 92 34 0c 40 00"))
    for n in range(7):
        payload = ffi.new("uint8_t[]", [0xEE] * 8)
        lib.arc_vpxids_write(ffi.addressof(c.ids), payload, n)
        assert bytes(payload)[n:] == b"\xee" * (8 - n)


def test_pl_vpx_arguments() -> None:
    for codec in ("vp8", "vp9"):
        out, call = ffi.new(f"struct arc_pl_{codec} *"), getattr(lib, f"arc_pl_{codec}_parse")
        assert call(ffi.NULL, 3, out) == call(b"\x08\x80", 2, ffi.NULL) == lib.ARC_ERR_ARG
    assert lib.arc_pl_vp9_read_ss(b"\x08\x80", 2, ffi.new("struct arc_pl_vp9 *"), ffi.NULL) == lib.ARC_ERR_ARG
    lib.arc_vpxids_write(ffi.NULL, ffi.new("uint8_t[3]"), 3)
    lib.arc_vpxids_write(ffi.new("struct arc_vpxids *"), ffi.NULL, 3)
