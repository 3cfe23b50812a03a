"""arcrtc.rtpext and wire/extval, wire/layers: values both ways, against plain readings of their pages."""
from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors, rtpext
from arcrtc._native import ffi, lib
from arcrtc.rtp import RtpHeader, RtpPacket
from arcrtc.rtpext import (
    AbsCaptureTime,
    AbsSendTime,
    AudioLevel,
    ColorSpace,
    ExtensionMap,
    ExtensionValue,
    FeedbackRequest,
    HdrMetadata,
    Mid,
    MixerAudioLevels,
    PlayoutDelay,
    RepairedRtpStreamId,
    RtpStreamId,
    SpatialLayer,
    TransmissionOffset,
    TransportSequenceNumber,
    TransportSequenceNumber02,
    VideoLayersAllocation,
    VideoOrientation,
)
from tests.model import layers_model

HDR = HdrMetadata(1000, 50, (1, 2), (3, 4), (5, 6), (7, 8), 9, 65535)
RATES = (100, 127, 128, 2**32 - 1)

#: Values with their bytes, worked out by hand from the figures of each page.
GOLDEN: list[tuple[ExtensionValue, str]] = [
    (AudioLevel(0, True), "80"), (AudioLevel(-127), "7f"), (AudioLevel(-42, True), "aa"),
    (MixerAudioLevels((0, -1, -127)), "00017f"), (MixerAudioLevels((-5,) * 15), "05" * 15),
    (Mid("0"), "30"), (Mid("audio-1"), "617564696f2d31"), (RtpStreamId("hi"), "6869"),
    (RepairedRtpStreamId("A9"), "4139"),
    (AbsSendTime(0), "000000"), (AbsSendTime(1 << 18), "040000"), (AbsSendTime(0xFFFFFF), "ffffff"),
    (TransportSequenceNumber(0xFFFE), "fffe"), (TransportSequenceNumber02(1), "0001"),
    (TransportSequenceNumber02(1, FeedbackRequest(5)), "00018005"),
    (TransportSequenceNumber02(65535, FeedbackRequest(0x7FFF, timing=False)), "ffff7fff"),
    (VideoOrientation(), "00"), (VideoOrientation(90), "01"), (VideoOrientation(270, True, True), "0f"),
    (PlayoutDelay(0, 0), "000000"), (PlayoutDelay(10, 40950), "001fff"), (PlayoutDelay(40950, 40950), "ffffff"),
    (AbsCaptureTime(0xE5A1B2C380000000), "e5a1b2c380000000"),
    (AbsCaptureTime(1, -1), "0000000000000001ffffffffffffffff"),
    (AbsCaptureTime(1, 2**32), "00000000000000010000000100000000"),
    (TransmissionOffset(0), "000000"), (TransmissionOffset(-1), "ffffff"), (TransmissionOffset(2**23 - 1), "7fffff"),
    (TransmissionOffset(-2**23), "800000"),
    (ColorSpace(1, 13, 6, 2, 1, 2), "010d0626"),
    (ColorSpace(9, 16, 9, 1, 0, 0, HDR), "09100910" "03e80032" "00010002" "00030004" "00050006" "00070008" "0009ffff"),
    (VideoLayersAllocation(), "00"),
    (VideoLayersAllocation(((SpatialLayer(0, (100,)),),)), "01" "00" "64"),
    (VideoLayersAllocation(((SpatialLayer(0, (100, 200)), SpatialLayer(2, (300,))),)), "05" "40" "64c801ac02"),
    (VideoLayersAllocation(((SpatialLayer(0, (1,), 640, 360, 30),), (SpatialLayer(0, (2,), 65536, 1, 255),)), 1),
     "51" "00" "01" "02" "027f01671e" "ffff0000ff"),
    (VideoLayersAllocation(((SpatialLayer(1, RATES),), (), (SpatialLayer(3, (0,)),)), 2),
     "a0" "2080" "c0" "647f8001ffffffff0f" "00"),
]


@pytest.mark.parametrize(("value", "data"), GOLDEN)
def test_rtpext_value_is_these_bytes_and_back(value: ExtensionValue, data: str) -> None:
    assert value.serialize().hex() == data
    assert type(value).parse(bytes.fromhex(data)) == value
    assert type(value).parse(memoryview(bytearray.fromhex(data))) == value


LENGTHS = {
    AudioLevel: {1}, MixerAudioLevels: set(range(1, 16)), AbsSendTime: {3}, TransportSequenceNumber: {2},
    TransportSequenceNumber02: {2, 4}, VideoOrientation: {1}, PlayoutDelay: {3}, AbsCaptureTime: {8, 16},
    TransmissionOffset: {3}, ColorSpace: {4, 28}, Mid: set(range(1, 256)), RtpStreamId: set(range(1, 256)),
    RepairedRtpStreamId: set(range(1, 256)),
}


@pytest.mark.parametrize("kind", LENGTHS)
def test_rtpext_only_the_lengths_of_its_page_are_read(kind: type[ExtensionValue]) -> None:
    for n in range(257):
        data = b"0" * n if issubclass(kind, (Mid, RtpStreamId, RepairedRtpStreamId)) else bytes(n)
        if n in LENGTHS[kind]:
            assert kind.parse(data).serialize() == data
        else:
            with pytest.raises(errors.ParseError):
                kind.parse(data)


def test_rtpext_reserved_bits_are_not_looked_at() -> None:
    assert VideoOrientation.parse(b"\xf1") == VideoOrientation(90)
    assert MixerAudioLevels.parse(b"\x85") == MixerAudioLevels((-5,))
    assert ColorSpace.parse(b"\1\1\1\xc0") == ColorSpace(1, 1, 1)


@pytest.mark.parametrize(("kind", "data"), [
    (PlayoutDelay, "002001"), (Mid, "41c3a4"), (Mid, "612062"), (Mid, "6100"), (RtpStreamId, "612d62"),
    (RepairedRtpStreamId, "5f"), (RtpStreamId, "ff"),
    (VideoLayersAllocation, ""), (VideoLayersAllocation, "0000"), (VideoLayersAllocation, "01"),
    (VideoLayersAllocation, "410064"), (VideoLayersAllocation, "010080"), (VideoLayersAllocation, "0100" "ff" * 8),
    (VideoLayersAllocation, "0100ffffffff1f"), (VideoLayersAllocation, "010064" "01020304"),
    (VideoLayersAllocation, "010064" "010203040506"),
])
def test_rtpext_malformed_bytes_are_refused(kind: type[ExtensionValue], data: str) -> None:
    with pytest.raises(errors.ParseError):
        kind.parse(bytes.fromhex(data))


@pytest.mark.parametrize("make", [
    lambda: AudioLevel(1), lambda: AudioLevel(-128), lambda: AudioLevel(-1.5), lambda: AudioLevel(True),
    lambda: MixerAudioLevels(()), lambda: MixerAudioLevels((0,) * 16), lambda: MixerAudioLevels((5,)),
    lambda: Mid(""), lambda: Mid("a" * 256), lambda: Mid("a b"), lambda: Mid("ä"), lambda: RtpStreamId("a-b"),
    lambda: RepairedRtpStreamId("_"), lambda: AbsSendTime(2**24), lambda: AbsSendTime(-1),
    lambda: AbsSendTime.from_us(-1), lambda: AbsSendTime.from_us(2**64), lambda: TransportSequenceNumber(65536),
    lambda: TransportSequenceNumber02(-1), lambda: FeedbackRequest(2**15), lambda: VideoOrientation(45),
    lambda: PlayoutDelay(20, 10), lambda: PlayoutDelay(0, 40960), lambda: PlayoutDelay(5, 10),
    lambda: PlayoutDelay(0, 15), lambda: AbsCaptureTime(2**64), lambda: AbsCaptureTime(0, 2**63),
    lambda: TransmissionOffset(2**23), lambda: TransmissionOffset(-2**23 - 1), lambda: ColorSpace(256, 0, 0),
    lambda: ColorSpace(0, 0, 0, 4), lambda: ColorSpace(0, 0, 0, siting_vertical=4),
    lambda: HdrMetadata(65536, 0, (0, 0), (0, 0), (0, 0), (0, 0), 0, 0),
    lambda: HdrMetadata(0, 0, (0, 0, 0), (0, 0), (0, 0), (0, 0), 0, 0),
    lambda: SpatialLayer(4, (1,)), lambda: SpatialLayer(0, ()), lambda: SpatialLayer(0, (1,) * 5),
    lambda: SpatialLayer(0, (2**32,)), lambda: SpatialLayer(0, (1,), 640), lambda: SpatialLayer(0, (1,), 0, 1, 1),
    lambda: SpatialLayer(0, (1,), 1, 65537, 1), lambda: SpatialLayer(0, (1,), 1, 1, 256),
    lambda: VideoLayersAllocation(((SpatialLayer(0, (1,)),),) * 5), lambda: VideoLayersAllocation(((),)),
    lambda: VideoLayersAllocation(((SpatialLayer(0, (1,)),),), 1), lambda: VideoLayersAllocation((), 1),
    lambda: VideoLayersAllocation(((SpatialLayer(1, (1,)), SpatialLayer(1, (1,))),)),
    lambda: VideoLayersAllocation(((SpatialLayer(0, (1,)), SpatialLayer(1, (1,), 1, 1, 1)),)),
    lambda: ExtensionMap({0: "a"}), lambda: ExtensionMap({256: "a"}), lambda: ExtensionMap({1: "a", 2: "a"}),
    lambda: ExtensionMap({1: ""}),
])
def test_rtpext_out_of_range_is_refused_when_it_is_made(make: object) -> None:
    with pytest.raises(errors.ArgumentError):
        make()  # type: ignore[operator]


def test_rtpext_core_checks_its_ranges_too() -> None:
    out, n = ffi.new("uint8_t[]", 28), ffi.new("size_t *")
    for write, ctype, fields in (
            (lib.arc_extval_write_audio_level, "struct arc_audio_level *", {"level_neg_dbov": 128}),
            (lib.arc_extval_write_mixer_levels, "struct arc_mixer_levels *", {"n": 16}),
            (lib.arc_extval_write_mixer_levels, "struct arc_mixer_levels *", {"n": 1, "level_neg_dbov": [128]}),
            (lib.arc_extval_write_transport_seq, "struct arc_transport_seq *", {"n_history_pkts": 32768}),
            (lib.arc_extval_write_orientation, "struct arc_orientation *", {"rotation_deg": 360}),
            (lib.arc_extval_write_playout_delay, "struct arc_playout_delay *", {"min_ms": 10}),
            (lib.arc_extval_write_color_space, "struct arc_color_space *", {"range": 4}),
            (lib.arc_layers_write, "struct arc_layers *", {"n_streams": 5}),
            (lib.arc_layers_write, "struct arc_layers *", {"n_streams": 1})):
        assert write(ffi.new(ctype, fields), out, 28, n) == lib.ARC_ERR_ARG
        assert write(ffi.NULL, out, 28, n) == lib.ARC_ERR_ARG
    assert lib.arc_extval_write_abs_send_time(2**24, out, 28, n) == lib.ARC_ERR_ARG
    assert lib.arc_extval_write_toffset(2**23, out, 28, n) == lib.ARC_ERR_ARG
    assert lib.arc_extval_write_toffset(0, out, 2, n) == lib.ARC_ERR_SPACE
    assert lib.arc_layers_write(ffi.new("struct arc_layers *"), out, 0, n) == lib.ARC_ERR_SPACE
    assert n[0] == 0


@given(st.integers(0, 2**64 - 1))
def test_rtpext_abs_send_time_is_the_fraction_of_its_page(time_us: int) -> None:
    exact = Fraction(time_us, 10**6) % 64 * 2**18
    assert AbsSendTime.from_us(time_us).ticks == int(exact)
    assert AbsSendTime.from_us(time_us).seconds == int(exact) / 2**18


@st.composite
def allocations(draw: st.DrawFn) -> VideoLayersAllocation:
    sizes = draw(st.booleans())
    size = st.integers(1, 65536)
    streams = []
    for _ in range(draw(st.integers(1, 4))):
        ids = sorted(draw(st.sets(st.integers(0, 3))))
        streams.append(tuple(SpatialLayer(
            i, tuple(draw(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4))),
            *((draw(size), draw(size), draw(st.integers(0, 255))) if sizes else ())) for i in ids))
    if not any(streams):
        return VideoLayersAllocation()
    return VideoLayersAllocation(tuple(streams), draw(st.integers(0, len(streams) - 1)))


def plain(value: VideoLayersAllocation) -> object:
    return value.stream_index, [[
        {"id": layer.spatial_id, "rates": layer.rates_kbps}
        | ({"size": (layer.width_px, layer.height_px), "hz": layer.max_frame_rate_hz} if layer.has_size else {})
        for layer in stream] for stream in value.streams]


@given(allocations())
def test_rtpext_layers_written_are_read_alike_by_the_model(value: VideoLayersAllocation) -> None:
    data = value.serialize()
    assert layers_model.read(data) == plain(value)
    assert VideoLayersAllocation.parse(data) == value


@given(st.binary(max_size=40) | allocations().map(VideoLayersAllocation.serialize), st.data())
def test_rtpext_layers_read_matches_model_for_any_bytes(data: bytes, draw: st.DataObject) -> None:
    raw = bytearray(data)
    for _ in range(draw.draw(st.integers(0, 2)) if raw else 0):
        raw[draw.draw(st.integers(0, len(raw) - 1))] = draw.draw(st.integers(0, 255))
    expected = layers_model.read(bytes(raw))
    if expected is None:
        with pytest.raises(errors.ParseError):
            VideoLayersAllocation.parse(raw)
    else:
        assert plain(VideoLayersAllocation.parse(raw)) == expected


def test_rtpext_map_gets_and_sets_by_type() -> None:
    extension_map = ExtensionMap({1: AudioLevel.URI, 3: Mid.URI, 20: ColorSpace.URI})
    header = RtpHeader(1, 2, 3, 96)
    assert extension_map.get(header, AudioLevel) is None
    extension_map.set(header, AudioLevel(-20, voice=True))
    extension_map.set(header, Mid("v"))
    packet = RtpPacket.parse(RtpPacket(header, b"x").serialize())
    assert packet.header.extensions == {1: b"\x94", 3: b"v"}
    assert extension_map.get(packet.header, AudioLevel) == AudioLevel(-20, voice=True)
    assert extension_map.get(packet.header, ColorSpace) is None
    assert extension_map.get(packet.header, RtpStreamId) is None
    extension_map.set(packet.header, AudioLevel(-21))
    extension_map.remove(packet.header, Mid)
    extension_map.remove(packet.header, Mid)
    extension_map.remove(packet.header, RtpStreamId)
    assert packet.header.extensions == {1: b"\x15"}
    extension_map.set(packet.header, ColorSpace(1, 1, 1))  # id 20: the two-byte form
    assert RtpPacket.parse(packet.serialize()) == packet
    packet.header.extensions[1] = b"ab"
    with pytest.raises(errors.ParseError):
        extension_map.get(packet.header, AudioLevel)


def test_rtpext_map_refuses_what_it_has_no_id_or_room_for() -> None:
    extension_map = ExtensionMap({1: rtpext.DEPENDENCY_DESCRIPTOR_URI, 2: VideoLayersAllocation.URI})
    header = RtpHeader(1, 2, 3, 96)
    with pytest.raises(errors.ArgumentError, match="ssrc-audio-level"):
        extension_map.set(header, AudioLevel(0))
    full = tuple(tuple(SpatialLayer(i, (2**32 - 1,) * 4, 1, 1, 1) for i in range(4)) for _ in range(4))
    with pytest.raises(errors.ArgumentError, match="fit no element"):
        extension_map.set(header, VideoLayersAllocation(full))
    extension_map.set_bytes(header, rtpext.DEPENDENCY_DESCRIPTOR_URI, b"\xc0\0\1")
    assert extension_map.get_bytes(header, rtpext.DEPENDENCY_DESCRIPTOR_URI) == b"\xc0\0\1"
    assert extension_map.get_bytes(header, Mid.URI) is None


def test_rtpext_map_is_a_value() -> None:
    uris = {2: Mid.URI, 1: AudioLevel.URI}
    extension_map = ExtensionMap(uris)
    uris[3] = "later"
    assert (list(extension_map), len(extension_map)) == ([2, 1], 2)
    assert (extension_map.id_of(Mid), extension_map.id_of(Mid.URI), extension_map.id_of("none")) == (2, 2, None)
    assert (extension_map.uri_of(1), extension_map.uri_of(9)) == (AudioLevel.URI, None)
    same = ExtensionMap({1: AudioLevel.URI, 2: Mid.URI})
    assert extension_map == same
    assert hash(extension_map) == hash(same)
    assert extension_map != ExtensionMap({1: Mid.URI})
    assert extension_map != "map"
    assert Mid.URI in repr(extension_map)


def test_rtpext_every_type_has_a_uri_of_its_own() -> None:
    kinds = {type(value) for value, _ in GOLDEN}
    assert len({kind.URI for kind in kinds}) == len(kinds) == 14
    named = [getattr(rtpext, name) for name in rtpext.__all__]
    assert {thing for thing in named if isinstance(thing, type) and issubclass(thing, ExtensionValue)} == (
        kinds | {ExtensionValue})
