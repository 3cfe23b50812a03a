"""wire/pl_video: layered pictures of all four codecs through one interface, against the plain models."""
from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from arcrtc import errors
from arcrtc._native import ffi, lib
from arcrtc.video import VideoCodec
from arcrtc.video.payload import VideoDepacketizer, VideoPacketizer, VideoPayload
from tests.model import depdesc_model, vpx_model
from tests.model.av1_model import obu, split_obus
from tests.model.framerefs_model import PATTERNS

H264, VP8, VP9, AV1 = VideoCodec.H264, VideoCodec.VP8, VideoCodec.VP9, VideoCodec.AV1
NUMBER = {H264: lib.ARC_VIDEO_H264, VP8: lib.ARC_VIDEO_VP8, VP9: lib.ARC_VIDEO_VP9, AV1: lib.ARC_VIDEO_AV1}


@dataclass
class Layer:
    """What an encoder would say of a frame."""

    offset: int = 0
    length: int = 0
    width: int = 0
    height: int = 0
    temporal_id: int = 0
    spatial_id: int = 0
    is_keyframe: bool = False
    is_reference: bool = True
    is_switching_up: bool = False
    is_layer_sync: bool = False
    is_inter_layer: bool = False
    references: Sequence[int] = ()


def body(codec: VideoCodec, layer: Layer, size: int, *, sized_layers: bool) -> bytes:
    """A frame that the payload format takes for one of the codec."""
    filler = bytes([0x55]) * size
    if codec is H264:
        return b"\0\0\0\1" + (b"\x65" if layer.is_keyframe else b"\x61" if layer.is_reference else b"\x01") + filler
    if codec is VP8:
        return bytes([0x10 | (not layer.is_keyframe), 0, 0]) + filler
    if codec is VP9:
        return (b"\x82" if layer.is_keyframe else b"\x86") + filler
    ids = (layer.temporal_id, layer.spatial_id) if sized_layers else None
    return (obu(1, b"\0" * 10, ids) if layer.is_keyframe and layer.spatial_id == 0 else b"") + obu(6, filler, ids)


def picture(codec: VideoCodec, layers: list[Layer], size: int = 50, *, layered: bool = True) -> bytes:
    """The bytes of a picture; the layers are told where they are."""
    data = b""
    for layer in layers:
        frame = body(codec, layer, size, sized_layers=layered)
        layer.offset, layer.length = len(data), len(frame)
        data += frame
    return data


def pack(packetizer: VideoPacketizer, layers: list[Layer], size: int = 50, limit: int = 100, *,
         descriptors: bool = False) -> list[VideoPayload]:
    data = picture(packetizer.codec, layers, size)
    return packetizer.pack(data, limit, is_keyframe=layers[0].is_keyframe, layers=layers, descriptors=descriptors)


def pattern(count: int, temporal: int, spatial: int = 1, key_every: int = 1000) -> Iterator[list[Layer]]:
    """Pictures of the usual pattern of temporal layers."""
    for n in range(count):
        since = n % key_every
        tid, back = PATTERNS[temporal][since % len(PATTERNS[temporal])]
        yield [Layer(temporal_id=tid, spatial_id=sid, is_keyframe=since == 0, is_switching_up=True,
                     is_reference=tid < temporal - 1 or temporal == 1, is_inter_layer=sid > 0,
                     is_layer_sync=tid > 0 and back == [1] and since % 4 == 1,
                     references=back if since else (), width=80 << sid, height=60 << sid) for sid in range(spatial)]


@pytest.mark.parametrize("codec", NUMBER)
@pytest.mark.parametrize("limit", [60, 1200])
def test_pl_video_pictures_come_back(codec: VideoCodec, limit: int) -> None:
    packetizer, depacketizer = VideoPacketizer(codec), VideoDepacketizer(codec)
    for n, size in enumerate((10, 500, 60, 3000)):
        layer = Layer(is_keyframe=n == 0)
        data = picture(codec, [layer], size, layered=False)
        payloads = packetizer.pack(data, limit, is_keyframe=n == 0)
        assert max(len(p.data) for p in payloads) <= limit
        assert [p.is_last for p in payloads] == [False] * (len(payloads) - 1) + [True]
        assert [p.starts_frame for p in payloads] == [True] + [False] * (len(payloads) - 1)
        assert [p.ends_frame for p in payloads] == [p.is_last for p in payloads]
        depacketizer.begin()
        for p in payloads:
            assert depacketizer.starts_picture(p.data) == p.starts_frame
            assert depacketizer.push(p.data)
            if p.is_last or codec is not AV1:  # whose OBUs may end with any payload
                assert depacketizer.is_whole == (p.is_last and codec is not VP8)
        got = bytes(ffi.buffer(*depacketizer.finish()))
        # Sizes of OBUs may come back in a longer form.
        assert (split_obus(got) == split_obus(data)) if codec is AV1 else (got == data)


def test_pl_video_vp8_counts_pictures_and_layers() -> None:
    packetizer = VideoPacketizer(VP8, temporal_layers=3, picture_id=32_760)
    tl0 = keyidx = -1
    for n, layers in enumerate(pattern(600, 3, key_every=250)):
        layer = layers[0]
        tl0 += layer.temporal_id == 0
        keyidx += layer.is_keyframe
        for i, p in enumerate(pack(packetizer, layers, 150)):
            said = vpx_model.read_vp8(p.data)
            assert said.ids == vpx_model.Ids((15, (32_760 + n) % 32_768), tl0 % 256, keyidx % 32)
            assert said.layer == (layer.temporal_id, layer.is_layer_sync)
            assert said.non_reference == (not layer.is_reference)
            assert (said.start, said.partition) == (i == 0, 0)
            assert (p.temporal_id, p.spatial_id) == (layer.temporal_id, 0)


def test_pl_video_vp8_without_layers_has_a_picture_id_only() -> None:
    said = vpx_model.read_vp8(VideoPacketizer(VP8, picture_id=5).pack(b"\x10\0\0x", 100, is_keyframe=True)[0].data)
    assert (said.ids, said.layer) == (vpx_model.Ids((15, 5)), None)


@pytest.mark.parametrize("flexible", [True, False])
@pytest.mark.parametrize(("temporal", "spatial"), [(1, 1), (2, 1), (3, 2), (1, 3)])
def test_pl_video_vp9_says_what_it_refers_to(flexible: bool, temporal: int, spatial: int) -> None:
    packetizer = VideoPacketizer(VP9, temporal_layers=temporal, spatial_layers=spatial, flexible=flexible)
    group = [vpx_model.Picture(tid, True, back) for tid, back in PATTERNS[temporal]]
    tl0, multi = -1, temporal > 1 or spatial > 1
    for n, layers in enumerate(pattern(30, temporal, spatial, key_every=12)):
        tl0 += layers[0].temporal_id == 0
        payloads = pack(packetizer, layers, 150)
        assert [(p.spatial_id, p.starts_frame, p.ends_frame) for p in payloads if p.starts_frame or p.ends_frame] == [
            (sid, start, not start) for sid in range(spatial) for start in (True, False)]
        for i, p in enumerate(payloads):
            said, layer = vpx_model.read_vp9(p.data), layers[p.spatial_id]
            assert (said.start, said.end) == (p.starts_frame, p.ends_frame)
            assert said.predicted == (not layer.is_keyframe)
            assert said.diffs == (list(layer.references) if flexible else [])
            assert said.layer == ((layer.temporal_id, True, layer.spatial_id, layer.is_inter_layer) if multi else None)
            assert said.ids == vpx_model.Ids((15, n), tl0 if multi and not flexible else None)
            assert said.no_upper_ref == (layer.spatial_id == spatial - 1)
            assert said.structure == (vpx_model.Structure(
                spatial, [(80 << s, 60 << s) for s in range(spatial)], None if flexible else group)
                if layers[0].is_keyframe and i == 0 else None)


def test_pl_video_vp9_refuses_what_the_pattern_does_not_have() -> None:
    packetizer = VideoPacketizer(VP9, temporal_layers=2, flexible=False)
    pack(packetizer, [Layer(is_keyframe=True)])
    for layer in (Layer(references=[1]), Layer(temporal_id=1, references=[2])):
        with pytest.raises(errors.UnsupportedError, match="refers to"):
            pack(packetizer, [layer])
    pack(packetizer, [Layer(temporal_id=1, references=[1])])
    pack(packetizer, [Layer(references=[2])])
    flexible = VideoPacketizer(VP9)
    for n in range(5):
        pack(flexible, [Layer(is_keyframe=n == 0, references=[1] if n else [])])
    with pytest.raises(errors.UnsupportedError):
        pack(flexible, [Layer(references=[1, 2, 3, 4])])


@pytest.mark.parametrize("layers", [
    [Layer(references=[1])],  # before the first key picture
    [Layer(is_keyframe=True, references=[1])],
    [Layer(is_keyframe=True, spatial_id=2)],
    [Layer(is_keyframe=True, temporal_id=2)],
    [Layer(is_keyframe=True, is_inter_layer=True)],
    [Layer(is_keyframe=True), Layer(is_keyframe=True)],
    [Layer(is_keyframe=True, spatial_id=1), Layer(is_inter_layer=True)],
    [Layer(is_keyframe=True), Layer(spatial_id=1, temporal_id=1, is_inter_layer=True)],
    [Layer(is_keyframe=True), Layer(spatial_id=1, references=[1])],
    [Layer(is_keyframe=True), Layer(spatial_id=1, references=[128])],
    [Layer(is_keyframe=True)] * 9])
def test_pl_video_refuses_layers_that_cannot_be(layers: list[Layer]) -> None:
    packetizer = VideoPacketizer(VP9, temporal_layers=2, spatial_layers=2)
    with pytest.raises(errors.ArgumentError):
        pack(packetizer, layers)
    assert vpx_model.read_vp9(pack(packetizer, [Layer(is_keyframe=True)])[0].data).ids.picture_id == (15, 0)


def test_pl_video_refuses_frames_outside_of_the_picture() -> None:
    packetizer = VideoPacketizer(VP8)
    for offset, length in ((0, 5), (4, 1), (1, 4), (0, 0)):
        with pytest.raises(errors.ArgumentError):
            packetizer.pack(b"\x10\0\0x", 100, is_keyframe=True, layers=[Layer(offset, length, is_keyframe=True)])
    for limit in (51, 65_536):
        with pytest.raises(errors.ArgumentError, match="limit"):
            packetizer.pack(b"\x10\0\0x", limit, is_keyframe=True)
    for bad in ({"temporal_layers": 5}, {"temporal_layers": 256}, {"spatial_layers": 2}, {"picture_id": 32_768},
                {"temporal_layers": 0}):
        with pytest.raises(errors.ArgumentError):
            VideoPacketizer(VP8, **bad)


def test_pl_video_counts_nothing_that_did_not_fit() -> None:
    packetizer = VideoPacketizer(VP8)
    with pytest.raises(errors.PacketTooLargeError, match="needs 3 packets"):
        packetizer.pack(b"\x10\0\0" + bytes(250), 100, is_keyframe=True, most=1)
    payload, = packetizer.pack(b"\x10\0\0x", 100, is_keyframe=True, most=1)
    assert vpx_model.read_vp8(payload.data).ids.picture_id == (15, 0)


def test_pl_video_h264_mode_0_has_single_nal_units_only() -> None:
    units = [b"\x67abc", b"\x68d", b"\x65" + b"e" * 80]
    data = b"".join(b"\0\0\0\1" + unit for unit in units)
    packetizer = VideoPacketizer(H264, single_nal=True)
    assert [p.data for p in packetizer.pack(data, 100, is_keyframe=True)] == units
    assert len(VideoPacketizer(H264).pack(data, 100, is_keyframe=True)) < 3
    with pytest.raises(errors.PacketTooLargeError, match="mode 0"):
        packetizer.pack(data, 80, is_keyframe=True)


@pytest.mark.parametrize("in_band", [True, False])
def test_pl_video_h264_parameter_sets_go_in_front_of_an_idr(in_band: bool) -> None:
    sets = b"\0\0\0\1\x67sps\0\0\0\1\x68pps"
    idr, other = b"\0\0\0\1\x65" + b"i" * 200, b"\0\0\0\1\x61" + b"p" * 20
    depacketizer = VideoDepacketizer(H264)
    depacketizer.parameter_sets = sets

    def through(data: bytes) -> bytes:
        depacketizer.begin()
        for p in VideoPacketizer(H264).pack(data, 100, is_keyframe=True):
            assert depacketizer.push(p.data)
        assert depacketizer.finish() == depacketizer.finish()
        return bytes(ffi.buffer(*depacketizer.finish()))

    own = b"\0\0\0\1\x67own\0\0\0\1\x68own"
    assert through(own + idr if in_band else idr) == (own if in_band else sets) + idr
    assert through(other) == other


def read_descriptors(payloads: list[VideoPayload], known: depdesc_model.Structure | None) -> list[Any]:
    found = []
    for p in payloads:
        frame = depdesc_model.read(p.descriptor, known)
        assert frame is not None
        known = frame.structure or known
        found.append(frame)
    return found


@pytest.mark.parametrize(("codec", "temporal", "spatial"), [
    (AV1, 1, 1), (AV1, 3, 1), (AV1, 3, 3), (VP9, 2, 3), (VP8, 3, 1), (H264, 1, 1), (VP9, 1, 8)])
def test_pl_video_dependency_descriptor_says_the_same(codec: VideoCodec, temporal: int, spatial: int) -> None:
    packetizer = VideoPacketizer(codec, temporal_layers=temporal, spatial_layers=spatial)
    known, number = None, 0
    for n, layers in enumerate(pattern(40, temporal, spatial, key_every=25)):
        payloads = pack(packetizer, layers, 150, descriptors=True)
        frames = read_descriptors(payloads, known)
        assert [f.structure is not None for f in frames] == [
            i == 0 and layers[0].is_keyframe for i in range(len(frames))]
        known = frames[0].structure or known
        if frames[0].structure:
            assert frames[0].structure.sizes == [(80 << s, 60 << s) for s in range(spatial)]
        for p, f in zip(payloads, frames, strict=True):
            layer = layers[p.spatial_id]
            assert (f.start, f.end) == (p.starts_frame, p.ends_frame)
            assert f.number == number + p.spatial_id
            assert (f.deps.spatial, f.deps.temporal) == (p.spatial_id, p.temporal_id)
            assert sorted(f.deps.fdiffs) == sorted(
                [r * spatial for r in layer.references] + [1] * layer.is_inter_layer)
            present = [i for i, dti in enumerate(f.deps.dtis) if dti]
            assert present == [s * temporal + t for s in range(p.spatial_id, spatial)
                               for t in range(p.temporal_id, temporal)]
            if not layer.is_reference:
                assert f.deps.dtis[p.spatial_id * temporal + p.temporal_id] == lib.ARC_DTI_DISCARDABLE
            base = number - spatial * (0 if n % 25 == 0 else min(
                back for back in range(1, 5) if PATTERNS[temporal][(n % 25 - back) % len(PATTERNS[temporal])][0] == 0))
            for chain, diff in enumerate(f.deps.chains):
                last = number + min(chain, p.spatial_id - 1) if p.spatial_id and (
                    p.temporal_id == 0) else base + chain
                assert diff == (0 if n % 25 == 0 and p.spatial_id == 0 else f.number - last)
        number += spatial


class Chain:
    """A receiver: peek, dependency descriptor if there is one, and the set of decodable frames."""

    def __init__(self, codec: VideoCodec) -> None:
        self.codec = codec
        self.refs = ffi.new("struct arc_framerefs *")
        self.reader = ffi.new("struct arc_depdesc_reader *")
        assert lib.arc_framerefs_init(self.refs, NUMBER[codec]) == lib.ARC_OK

    def verdict(self, p: VideoPayload, seq: int) -> int:
        """Of a frame in one payload: given up at once if it must wait."""
        frame = ffi.new("struct arc_framerefs_frame *", {"first_seq": seq, "last_seq": seq})
        info = ffi.addressof(frame, "info")
        assert lib.arc_pl_video_peek(NUMBER[self.codec], p.data, len(p.data), info) == lib.ARC_OK
        if p.descriptor:
            d = ffi.new("struct arc_depdesc *")
            if lib.arc_depdesc_read(self.reader, p.descriptor, len(p.descriptor), d) != lib.ARC_OK:
                return int(lib.ARC_FRAME_BROKEN)
            lib.arc_pl_video_add_depdesc(d, ffi.addressof(self.reader, "structure"), info)
        lib.arc_framerefs_note(self.refs, info, p.data, len(p.data))
        lib.arc_framerefs_give_up(self.refs, frame)
        verdict = int(lib.arc_framerefs_judge(self.refs, frame))
        if verdict == lib.ARC_FRAME_DECODABLE:
            lib.arc_framerefs_on_decoded(self.refs, frame)
        return verdict


@pytest.mark.parametrize(("codec", "temporal", "spatial", "flexible", "descriptors"), [
    (VP8, 3, 1, True, False), (VP8, 3, 1, True, True), (VP9, 3, 1, True, False), (VP9, 3, 1, False, False),
    (VP9, 2, 3, False, False), (VP9, 1, 2, True, False), (AV1, 3, 2, True, True), (H264, 1, 1, True, False)])
@pytest.mark.parametrize("seed", range(3))
def test_pl_video_receiver_knows_what_can_be_decoded(codec: VideoCodec, temporal: int, spatial: int, flexible: bool,
                                                     descriptors: bool, seed: int) -> None:
    """Frames get lost; what the sender knows of references, the receiver must find out."""
    rng = random.Random(seed)
    packetizer = VideoPacketizer(codec, temporal_layers=temporal, spatial_layers=spatial, flexible=flexible,
                                 picture_id=32_700)
    chain, seq = Chain(codec), 0
    decoded: set[tuple[int, int]] = set()
    for n, layers in enumerate(pattern(150, temporal, spatial, key_every=40)):
        for p in pack(packetizer, layers, 50, 200, descriptors=descriptors):
            seq += 1
            if rng.random() < 0.1 and not (layers[0].is_keyframe and p.spatial_id == 0):
                continue
            layer = layers[p.spatial_id]
            refs = {(n - back, p.spatial_id) for back in layer.references}
            refs |= {(n, p.spatial_id - 1)} if layer.is_inter_layer else set()
            verdict = chain.verdict(p, seq)
            if verdict == lib.ARC_FRAME_DECODABLE:
                assert refs <= decoded
                decoded.add((n, p.spatial_id))
            else:
                # VP8 says less than it knows: of frames that did not come, not the layer.
                assert not refs <= decoded or (codec is VP8 and not descriptors and layer.temporal_id > 0)
    assert len(decoded) > 30


@pytest.mark.parametrize("codec", NUMBER)
def test_pl_video_unpacker_and_peek_take_any_bytes(codec: VideoCodec) -> None:
    rng = random.Random(1)
    depacketizer = VideoDepacketizer(codec)
    for _ in range(300):
        data = rng.randbytes(rng.randrange(40))
        try:
            depacketizer.push(data)
        except errors.ArcError:
            continue
    depacketizer.finish()
    assert lib.arc_pl_video_peek(4, b"x", 1, ffi.new("struct arc_pl_video_info *")) == lib.ARC_ERR_ARG
