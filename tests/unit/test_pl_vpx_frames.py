"""wire/vp8frame, and packers and unpackers of wire/pl_vp8 and pl_vp9, against plain models and on real streams."""
from __future__ import annotations

import itertools
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib
from tests.model import vpx_model as model
from tests.model.vp8_model import Header, modes_of, write_frame

flags = st.lists(st.none() | st.integers(0, 127), min_size=4, max_size=4)
headers = st.builds(
    Header, st.booleans(), st.tuples(st.integers(1, 16383), st.integers(1, 16383)), st.none() | flags, flags,
    st.none() | st.lists(st.none() | st.integers(0, 255), min_size=3, max_size=3),
    st.none() | st.lists(st.none() | st.integers(0, 127), min_size=8, max_size=8))
Frame = tuple[bytes, list[int], Header]


@st.composite
def vp8_frames(draw: st.DrawFn) -> Frame:
    header, log2_n = draw(headers), draw(st.integers(0, 3))
    sizes = draw(st.lists(st.sampled_from([0, 1, 7, 30, 200, 900]), min_size=1 << log2_n, max_size=1 << log2_n))
    modes = modes_of(header, log2_n, bytes(draw(st.sampled_from([0, 5, 300]))))
    frame, ends = write_frame(header, modes, [bytes([n + 1]) * size for n, size in enumerate(sizes)])
    return frame, ends, header


def parse_frame(frame: bytes) -> tuple[int, Any]:
    out = ffi.new("struct arc_vp8frame *")
    block = ffi.new("uint8_t[]", list(frame) or 1)
    return lib.arc_vp8frame_parse(block, len(frame), out), out


@given(vp8_frames())
def test_vp8frame_parse_of_write_is_the_same(made: Frame) -> None:
    frame, ends, header = made
    status, f = parse_frame(frame)
    assert status == lib.ARC_OK
    assert (f.is_key, f.is_shown) == (header.key, True)
    assert (f.width_px, f.height_px) == (header.size if header.key else (0, 0))
    assert list(f.partition_end[0:f.n_partitions]) == ends


@given(vp8_frames(), st.data())
def test_vp8frame_parse_of_a_cut_frame_stays_inside(made: Frame, data: st.DataObject) -> None:
    frame, ends, _ = made
    cut = frame[:data.draw(st.integers(0, len(frame) - 1))]
    status, f = parse_frame(cut)
    assert (status == lib.ARC_OK) == (len(cut) >= ends[-2])
    if status == lib.ARC_OK:
        assert list(f.partition_end[0:f.n_partitions]) == [*ends[:-1], len(cut)]


def test_vp8frame_parse_refuses_a_key_frame_without_size_or_start_code() -> None:
    header = Header(size=(0, 16))
    assert parse_frame(write_frame(header, modes_of(header, 0, b""), [b"x"])[0])[0] == lib.ARC_ERR_FORMAT
    frame, _ = write_frame(Header(), modes_of(Header(), 0, b""), [b"x"])
    assert parse_frame(frame)[0] == lib.ARC_OK
    assert parse_frame(frame[:3] + b"\x9e" + frame[4:])[0] == lib.ARC_ERR_FORMAT
    assert lib.arc_vp8frame_parse(ffi.NULL, 0, ffi.new("struct arc_vp8frame *")) == lib.ARC_ERR_ARG


def c_ids(ids: model.Ids) -> dict[str, int]:
    bits, number = ids.picture_id or (0, 0)
    return {"picture_id_bits": bits, "picture_id": number,
            "tl0picidx_off": ids.tl0picidx is not None, "tl0picidx": ids.tl0picidx or 0,
            "keyidx_off": ids.keyidx is not None, "keyidx": ids.keyidx or 0}


def c_vp8(d: model.Vp8) -> Any:
    tid, sync = d.layer or (0, False)
    return ffi.new("struct arc_pl_vp8 *", {
        "is_non_reference": d.non_reference, "starts_partition": d.start, "partition": d.partition,
        "has_tid": d.layer is not None, "tid": tid, "is_layer_sync": sync, "ids": c_ids(d.ids)})


def c_vp9(d: model.Vp9) -> Any:
    tid, up, sid, inter = d.layer or (0, False, 0, False)
    return ffi.new("struct arc_pl_vp9 *", {
        "is_predicted": d.predicted, "is_flexible": d.flexible, "starts_frame": d.start, "ends_frame": d.end,
        "is_no_upper_ref": d.no_upper_ref, "has_layers": d.layer is not None, "tid": tid, "is_switching_up": up,
        "sid": sid, "is_inter_layer": inter, "n_pdiffs": len(d.diffs), "pdiffs": d.diffs, "ids": c_ids(d.ids)})


picture_ids = st.none() | st.tuples(st.just(7), st.integers(0, 127)) | st.tuples(st.just(15), st.integers(0, 32767))
bytes8 = st.integers(0, 255)


@st.composite
def vp8_heads(draw: st.DrawFn) -> model.Vp8:
    layer = draw(st.none() | st.tuples(st.integers(0, 3), st.booleans()))
    ids = model.Ids(draw(picture_ids), draw(bytes8) if layer and draw(st.booleans()) else None,
                    draw(st.none() | st.integers(0, 31)))
    return model.Vp8(draw(st.booleans()), draw(st.booleans()), draw(st.integers(0, 7)), ids, layer)


@st.composite
def vp9_heads(draw: st.DrawFn) -> model.Vp9:
    flexible = draw(st.booleans())
    layer = draw(st.none() | st.tuples(st.integers(0, 7), st.booleans(), st.integers(0, 7), st.booleans()))
    ids = model.Ids(draw(picture_ids.filter(lambda p: p is not None) if flexible else picture_ids),
                    draw(bytes8) if layer and not flexible else None)
    predicted = draw(st.booleans())
    diffs = draw(st.lists(st.integers(1, 127), min_size=1, max_size=3)) if flexible and predicted else []
    return model.Vp9(predicted, flexible, draw(st.booleans()), draw(st.booleans()), draw(st.booleans()), ids, layer,
                     diffs)


def structures() -> st.SearchStrategy[model.Structure]:
    size = st.tuples(st.integers(0, 65535), st.integers(0, 65535))
    pictures = st.builds(model.Picture, st.integers(0, 7), st.booleans(), st.lists(bytes8, max_size=3))
    return st.integers(1, 8).flatmap(lambda n: st.builds(
        model.Structure, st.just(n), st.just([]) | st.lists(size, min_size=n, max_size=n),
        st.none() | st.lists(pictures, max_size=4)))


def write_ss(s: model.Structure, cap: int = 1100) -> tuple[int, bytes]:
    ss = ffi.new("struct arc_pl_vp9_ss *", {"n_spatial": s.n_spatial, "has_sizes": bool(s.sizes),
                                            "has_group": s.group is not None, "n_pictures": len(s.group or [])})
    for n, (width, height) in enumerate(s.sizes):
        ss.width_px[n], ss.height_px[n] = width, height
    for n, p in enumerate(s.group or []):
        ss.pictures[n].tid, ss.pictures[n].is_switching_up = p.tid, p.up
        ss.pictures[n].n_pdiffs, ss.pictures[n].pdiffs = len(p.diffs), [*p.diffs, 0, 0, 0][:3]
    out, n = ffi.new("uint8_t[]", 1100), ffi.new("size_t *")
    status = lib.arc_pl_vp9_write_ss(ss, out, cap, n)
    return status, bytes(out[0:n[0]])


@given(vp8_heads())
def test_pl_vp8_write_matches_model(d: model.Vp8) -> None:
    out = ffi.new("uint8_t[]", 6)
    n = lib.arc_pl_vp8_write(c_vp8(d), out)
    assert bytes(out[0:n]) == model.write_vp8(d)


@given(vp9_heads())
def test_pl_vp9_write_matches_model(d: model.Vp9) -> None:
    out = ffi.new("uint8_t[]", 8)
    n = lib.arc_pl_vp9_write(c_vp9(d), out)
    assert bytes(out[0:n]) == model.write_vp9(d)


@given(structures())
def test_pl_vp9_write_ss_matches_model(s: model.Structure) -> None:
    said = model.write_vp9(model.Vp9(structure=s))[1:]
    assert write_ss(s) == (lib.ARC_OK, said)
    assert write_ss(s, len(said) - 1) == (lib.ARC_ERR_SPACE, b"")


@pytest.mark.parametrize(("field", "value"), [
    ("tid", 4), ("partition", 8), ("ids", {"keyidx": 32}), ("ids", {"picture_id_bits": 8}),
    ("ids", {"picture_id_bits": 7, "picture_id": 128}), ("ids", {"tl0picidx_off": 1})])
def test_pl_vp8_write_refuses_what_has_no_room(field: str, value: object) -> None:
    assert lib.arc_pl_vp8_write(ffi.new("struct arc_pl_vp8 *", {field: value}), ffi.new("uint8_t[6]")) == 0


@pytest.mark.parametrize("fields", [
    {"tid": 8}, {"sid": 8}, {"is_flexible": True}, {"n_pdiffs": 1, "pdiffs": [1], "is_predicted": True},
    {"is_flexible": True, "ids": {"picture_id_bits": 7}, "is_predicted": True},
    {"is_flexible": True, "ids": {"picture_id_bits": 7}, "n_pdiffs": 1, "pdiffs": [1]},
    {"is_flexible": True, "ids": {"picture_id_bits": 7}, "is_predicted": True, "n_pdiffs": 1, "pdiffs": [128]},
    {"is_flexible": True, "ids": {"picture_id_bits": 7}, "is_predicted": True, "n_pdiffs": 1, "pdiffs": [0]},
    {"ids": {"picture_id_bits": 15, "picture_id": 32768}}])
def test_pl_vp9_write_refuses_what_has_no_room(fields: dict[str, object]) -> None:
    assert lib.arc_pl_vp9_write(ffi.new("struct arc_pl_vp9 *", fields), ffi.new("uint8_t[8]")) == 0


def take_all(codec: str, packer: Any, mtu: int) -> list[tuple[bytes, bool]]:
    out, n, last = ffi.new("uint8_t[]", mtu), ffi.new("size_t *"), ffi.new("bool *")
    payloads = []
    call = getattr(lib, f"arc_pl_{codec}_packer_next")
    while (status := call(packer, out, n, last)) == lib.ARC_OK:
        payloads.append((bytes(ffi.buffer(out, n[0])), bool(last[0])))
    assert status == lib.ARC_AGAIN
    assert [end for _, end in payloads] == [False] * (len(payloads) - 1) + [True]
    return payloads


def pack_vp8(frame: bytes, head: model.Vp8, mtu: int) -> list[bytes]:
    packer = ffi.new("struct arc_pl_vp8_packer *")
    data = ffi.from_buffer("uint8_t[]", frame)
    assert lib.arc_pl_vp8_packer_init(packer, c_vp8(head), data, len(frame), mtu) == lib.ARC_OK
    return [payload for payload, _ in take_all("vp8", packer, mtu)]


def pack_vp9(frame: bytes, head: model.Vp9, structure: bytes, mtu: int) -> list[bytes]:
    packer = ffi.new("struct arc_pl_vp9_packer *")
    data, ss = ffi.from_buffer("uint8_t[]", frame), ffi.from_buffer("uint8_t[]", structure)
    status = lib.arc_pl_vp9_packer_init(packer, c_vp9(head), ss if structure else ffi.NULL, len(structure), data,
                                        len(frame), mtu)
    assert status == lib.ARC_OK
    return [payload for payload, _ in take_all("vp9", packer, mtu)]


class Unpacker:
    def __init__(self, codec: str, cap: int = 1 << 20) -> None:
        self.codec = codec
        self.out = ffi.new("uint8_t[]", cap + 1)
        self.u = ffi.new(f"struct arc_pl_{codec}_unpacker *")
        assert getattr(lib, f"arc_pl_{codec}_unpacker_init")(self.u, self.out, cap) == lib.ARC_OK

    def push(self, payload: bytes) -> int:
        return int(getattr(lib, f"arc_pl_{self.codec}_unpacker_push")(self.u, payload, len(payload)))

    def finish(self) -> tuple[int, bytes]:
        n = ffi.new("size_t *")
        status = int(getattr(lib, f"arc_pl_{self.codec}_unpacker_finish")(self.u, n))
        return status, bytes(ffi.buffer(self.out, n[0]))


def unpack(codec: str, payloads: list[bytes]) -> bytes:
    unpacker = Unpacker(codec)
    assert all(unpacker.push(payload) == lib.ARC_OK for payload in payloads)
    status, data = unpacker.finish()
    assert status == lib.ARC_OK
    return data


@given(vp8_frames(), vp8_heads(), st.integers(16, 400))
def test_pl_vp8_packs_at_partitions(made: Frame, head: model.Vp8, mtu: int) -> None:
    frame, ends, _ = made
    payloads = pack_vp8(frame, head, mtu)
    starts = [0, *ends[:-1]] if len(ends) > 2 else [0]
    ends = ends if len(ends) > 2 else [len(frame)]
    at, sizes = 0, []
    for n, payload in enumerate(payloads):
        said = model.read_vp8(payload)
        size = len(payload) - said.length
        assert len(payload) <= mtu
        assert size > 0
        assert payload[said.length:] == frame[at:at + size]
        part = max(i for i, start in enumerate(starts) if start <= at and (i == 0 or ends[i] > at))
        assert said.partition == min(part, 7)
        assert said.start == (at == starts[part] and part < 8)
        assert said.non_reference == head.non_reference
        assert said.layer == head.layer
        assert said.ids == head.ids
        assert n == 0 or not (said.start and said.partition == 0)
        # A payload has whole partitions, or a piece of one.
        assert (at == starts[part] and at + size in ends) or at + size <= ends[part]
        at += size
        sizes.append((part, size))
    assert at == len(frame)
    for part in range(len(ends)):
        pieces = [size for of, size in sizes if of == part]
        assert not pieces or max(pieces) - min(pieces) <= 1 or len(pieces) == 1
    assert unpack("vp8", payloads) == frame


def test_pl_vp8_packer_takes_whole_partitions_together() -> None:
    frame, ends = write_frame(Header(), modes_of(Header(), 2, b""), [b"a" * 50, b"b" * 50, b"c" * 300, b"d" * 10])
    sizes = [len(p) - 1 for p in pack_vp8(frame, model.Vp8(), 201)]
    assert sizes == [ends[2], 150, 150, 10]


@given(st.binary(min_size=1, max_size=3000), vp9_heads(), structures() | st.none(), st.integers(128, 1200))
def test_pl_vp9_packs_in_equal_payloads(frame: bytes, head: model.Vp9, structure: model.Structure | None,
                                        mtu: int) -> None:
    ss = write_ss(structure)[1] if structure else b""
    payloads = pack_vp9(frame, head, ss, mtu)
    found = [model.read_vp9(payload) for payload in payloads]
    assert b"".join(p[d.length:] for p, d in zip(payloads, found, strict=True)) == frame
    assert [d.start for d in found] == [n == 0 for n in range(len(found))]
    assert [d.end for d in found] == [n == len(found) - 1 for n in range(len(found))]
    assert [d.structure for d in found] == [structure] + [None] * (len(found) - 1)
    for d in found:
        assert (d.predicted, d.flexible, d.no_upper_ref) == (head.predicted, head.flexible, head.no_upper_ref)
        assert (d.ids, d.layer, d.diffs) == (head.ids, head.layer, head.diffs)
    assert max(map(len, payloads)) <= mtu
    assert max(map(len, payloads)) - min(map(len, payloads)) <= len(payloads)
    assert unpack("vp9", payloads) == frame


def test_pl_vpx_packers_refuse_bad_arguments() -> None:
    vp8, vp9, byte = ffi.new("struct arc_pl_vp8_packer *"), ffi.new("struct arc_pl_vp9_packer *"), ffi.new("uint8_t *")
    head8, head9 = c_vp8(model.Vp8()), c_vp9(model.Vp9())
    for size, mtu in ((0, 100), (1, 15), (1, 65536)):
        assert lib.arc_pl_vp8_packer_init(vp8, head8, byte, size, mtu) == lib.ARC_ERR_ARG
        assert lib.arc_pl_vp9_packer_init(vp9, head9, ffi.NULL, 0, byte, size, mtu) == lib.ARC_ERR_ARG
    ss = ffi.new("uint8_t[]", 99)
    assert lib.arc_pl_vp9_packer_init(vp9, head9, ss, 99, byte, 1, 100) == lib.ARC_ERR_ARG
    assert lib.arc_pl_vp9_packer_init(vp9, head9, ss, 99, byte, 1, 101) == lib.ARC_OK


def superframe(frames: list[bytes]) -> bytes:
    """VP9 bitstream specification, annex B, the plain way."""
    if len(frames) < 2:
        return b"".join(frames)
    width = max(1, (max(map(len, frames)).bit_length() + 7) // 8)
    marker = bytes([0xC0 | (width - 1) << 3 | (len(frames) - 1)])
    return b"".join(frames) + marker + b"".join(len(f).to_bytes(width, "little") for f in frames) + marker


def layered(frames: list[bytes], picture_id: int, mtu: int) -> list[list[bytes]]:
    """Payloads of each layer of a picture."""
    return [pack_vp9(frame, model.Vp9(ids=model.Ids((15, picture_id), 3), layer=(0, False, sid, sid > 0)), b"", mtu)
            for sid, frame in enumerate(frames)]


@given(st.lists(st.binary(min_size=1, max_size=700), min_size=1, max_size=8), st.integers(30, 300))
def test_pl_vp9_unpacker_makes_a_superframe_of_layers(frames: list[bytes], mtu: int) -> None:
    payloads = list(itertools.chain(*layered(frames, 7, mtu)))
    assert unpack("vp9", payloads) == superframe(frames)


def test_pl_vp9_unpacker_leaves_a_cut_layer_out() -> None:
    first, second, third = layered([b"a" * 100, b"b" * 100, b"c" * 100], 7, 64)
    unpacker = Unpacker("vp9")
    assert [unpacker.push(p) for p in first + second[:1]] == [lib.ARC_OK] * 3
    assert unpacker.push(third[0]) == lib.ARC_ERR_FORMAT  # and it is taken
    assert unpacker.push(third[1]) == lib.ARC_OK
    assert unpacker.u.dropped_frames == 1
    assert unpacker.finish() == (lib.ARC_OK, superframe([b"a" * 100, b"c" * 100]))
    assert unpacker.finish()[1] == superframe([b"a" * 100, b"c" * 100])


def test_pl_vp9_unpacker_refuses_other_pictures_layers_and_a_ninth_frame() -> None:
    ((ours,),), ((other,), (upper,)) = layered([b"a"], 7, 64), layered([b"b", b"c"], 8, 64)
    unpacker = Unpacker("vp9")
    assert unpacker.push(ours) == lib.ARC_OK
    assert unpacker.push(other) == lib.ARC_ERR_FORMAT
    assert unpacker.push(upper) == lib.ARC_ERR_FORMAT
    assert unpacker.finish() == (lib.ARC_OK, b"a")
    begun, = layered([b"d" * 100], 7, 64)
    unpacker = Unpacker("vp9")
    assert unpacker.push(begun[1]) == lib.ARC_ERR_FORMAT
    assert unpacker.push(begun[0]) == lib.ARC_OK
    assert unpacker.finish() == (lib.ARC_ERR_FORMAT, b"")
    unpacker = Unpacker("vp9")
    assert [unpacker.push(ours) for _ in range(9)] == [lib.ARC_OK] * 8 + [lib.ARC_ERR_LIMIT]


def test_pl_vp9_unpacker_without_room_for_the_index_gives_nothing() -> None:
    unpacker = Unpacker("vp9", 6)
    for payload in itertools.chain(*layered([b"aa", b"bb"], 7, 64)):
        assert unpacker.push(payload) == lib.ARC_OK
    assert unpacker.finish() == (lib.ARC_ERR_SPACE, b"")


def test_pl_vp8_unpacker_takes_nothing_across_a_gap() -> None:
    frame, _ = write_frame(Header(), modes_of(Header(), 0, b""), [b"x" * 200])
    payloads = pack_vp8(frame, model.Vp8(ids=model.Ids((15, 9))), 64)
    other = pack_vp8(frame, model.Vp8(ids=model.Ids((15, 10))), 64)
    unpacker = Unpacker("vp8")
    assert unpacker.push(payloads[1]) == lib.ARC_ERR_FORMAT
    assert unpacker.push(payloads[0]) == lib.ARC_OK
    assert unpacker.push(other[1]) == lib.ARC_ERR_FORMAT
    assert unpacker.finish() == (lib.ARC_OK, b"")
    assert unpacker.push(payloads[0]) == lib.ARC_OK
    assert unpacker.push(other[0]) == lib.ARC_ERR_FORMAT  # and it is taken
    assert all(unpacker.push(payload) == lib.ARC_OK for payload in other[1:])
    assert unpacker.finish() == (lib.ARC_OK, frame)
    assert unpacker.u.dropped_frames == 2


def test_pl_vp8_unpacker_without_room_gives_nothing() -> None:
    unpacker = Unpacker("vp8", 10)
    assert unpacker.push(model.write_vp8(model.Vp8()) + b"x" * 11) == lib.ARC_ERR_SPACE
    assert unpacker.finish() == (lib.ARC_OK, b"")


@given(st.lists(st.binary(max_size=40), max_size=6), st.sampled_from(["vp8", "vp9"]))
def test_pl_vpx_unpackers_stay_inside_whatever_comes(payloads: list[bytes], codec: str) -> None:
    unpacker = Unpacker(codec, 50)
    unpacker.out[50] = 0xA5
    for payload in payloads:
        unpacker.push(payload)
    _, data = unpacker.finish()
    assert len(data) <= 50
    assert unpacker.out[50] == 0xA5


def encoded(name: str, options: dict[str, str], frames: int = 4) -> list[bytes]:
    """Frames of libvpx, by way of PyAV."""
    context = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt, context.framerate = 640, 360, "yuv420p", 30
    context.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", **options}
    rng = np.random.default_rng(1)
    packets = []
    for n in range(frames):
        picture = av.VideoFrame.from_ndarray(rng.integers(0, 255, (540, 640), np.uint8), format="yuv420p")
        picture.pts = n
        packets += context.encode(picture)
    return [bytes(packet) for packet in packets + context.encode(None)]


@pytest.mark.parametrize("slices", [1, 4, 8])
def test_pl_vp8_frames_of_libvpx_come_through(slices: int) -> None:
    frames = encoded("libvpx", {"slices": str(slices)})
    assert len(frames) == 4
    for n, frame in enumerate(frames):
        status, f = parse_frame(frame)
        assert status == lib.ARC_OK
        assert (f.n_partitions, f.is_key) == (slices + 1, n == 0)
        assert (f.width_px, f.height_px) == ((640, 360) if n == 0 else (0, 0))
        payloads = pack_vp8(frame, model.Vp8(ids=model.Ids((15, n))), 1200)
        assert {model.read_vp8(p).partition for p in payloads} >= ({0} if slices == 1 else {0, slices // 2})
        assert unpack("vp8", payloads) == frame


def test_pl_vp9_frames_of_libvpx_come_through() -> None:
    for n, frame in enumerate(encoded("libvpx-vp9", {})):
        payloads = pack_vp9(frame, model.Vp9(predicted=n > 0, ids=model.Ids((15, n))), b"", 1200)
        assert model.read_vp9(payloads[0]).key_data == (n == 0)
        assert unpack("vp9", payloads) == frame
