"""video/decoder over every library: the same pictures as FFmpeg's, faults by kind, recovery, memory."""
from __future__ import annotations

import gc

import numpy as np
import pytest

from arcrtc import errors
from arcrtc._native import ffi, lib
from arcrtc.video import (
    DecodeFault,
    VideoCodec,
    VideoConfig,
    VideoDecoder,
    VideoFrame,
    VideoPipeline,
    list_decoders,
    psnr,
)
from tests.model.allocation import survives_every_failure
from tests.model.clip import clip
from tests.model.coded_video import SIZE, coded, decoded_by_ffmpeg

ROWS = [(row.codec, row.name) for row in list_decoders(hardware=False) if row.usable]
every_decoder = pytest.mark.parametrize(("codec", "name"), ROWS, ids=[name for _, name in ROWS])


def show(decoder: VideoDecoder, packets: tuple[bytes, ...], start: int = 0) -> list[VideoFrame]:
    frames = [decoder.decode(data, start + i) for i, data in enumerate(packets)]
    assert all(frames), "a decoder holds pictures back"
    return [frame for frame in frames if frame is not None]


def test_every_codec_can_be_decoded_here() -> None:
    found = list_decoders(hardware=False)
    assert {row.codec for row in found if row.usable} == set(VideoCodec)
    assert all(row.reason for row in found if not row.usable)
    assert [row.name for row in found] == [
        "h264", "vp8", "vp9", "libdav1d", "ffmpeg-av1", "libvpx-vp8", "libvpx-vp9"]


@every_decoder
def test_pictures_come_at_once_and_are_those_of_ffmpeg(codec: VideoCodec, name: str) -> None:
    packets = coded(codec)
    decoder = VideoDecoder(codec, decoder=name)
    assert decoder.name == name
    expected = decoded_by_ffmpeg(codec, packets)
    got = show(decoder, packets, 100)
    assert len(got) == len(expected) == len(packets)
    for i, (frame, planes) in enumerate(zip(got, expected, strict=True)):
        assert (frame.width, frame.height, frame.timestamp, frame.damaged) == (*SIZE, 100 + i, False)
        for mine, theirs in zip(frame.planes(), planes, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    stats = decoder.stats()
    assert (stats.pictures, stats.damaged, stats.key_frames) == (12, 0, 2)
    assert stats.bytes_in == sum(map(len, packets))
    assert not any(stats.faults.values())
    assert not decoder.poll_events()


@every_decoder
@pytest.mark.parametrize("threads", [0, 3])
def test_threads_change_nothing(codec: VideoCodec, name: str, threads: int) -> None:
    one = show(VideoDecoder(codec, decoder=name), coded(codec))
    many = show(VideoDecoder(codec, decoder=name, threads=threads), coded(codec))
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a.to_ndarray(), b.to_ndarray())


@pytest.mark.parametrize(("codec", "name"), [(VideoCodec.AV1, "libdav1d")])
def test_ten_bits_stay_ten_bits(codec: VideoCodec, name: str) -> None:
    packets = coded(codec, 4, pixel_format="yuv420p10le")
    got = show(VideoDecoder(codec, decoder=name), packets)
    for frame, planes in zip(got, decoded_by_ffmpeg(codec, packets), strict=True):
        assert frame.format == "yuv420p10le"
        for mine, theirs in zip(frame.planes(), planes, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@every_decoder
def test_nothing_to_begin_with_is_told(codec: VideoCodec, name: str) -> None:
    packets = coded(codec)
    decoder = VideoDecoder(codec, decoder=name)
    assert decoder.needs_keyframe
    with pytest.raises(errors.NoKeyFrameError, match="key frame"):
        decoder.decode(packets[1], 7)
    assert [(e.timestamp, e.fault, e.shown) for e in decoder.poll_events()] == [(7, DecodeFault.NO_KEYFRAME, False)]
    assert decoder.decode(packets[0]) is not None
    assert decoder.decode(packets[1]) is not None
    assert not decoder.needs_keyframe
    decoder.flush()
    assert decoder.needs_keyframe
    with pytest.raises(errors.NoKeyFrameError):
        decoder.decode(packets[2])
    shown = show(decoder, packets[6:])
    assert not any(frame.damaged for frame in shown)
    assert decoder.stats().faults[DecodeFault.NO_KEYFRAME] == 2


def test_a_lost_picture_of_h264_is_told_until_a_key_frame() -> None:
    packets = coded(VideoCodec.H264)
    decoder = VideoDecoder(VideoCodec.H264)
    frames = show(decoder, packets[:3] + packets[4:])
    assert [frame.damaged for frame in frames] == [False] * 3 + [True] * 2 + [False] * 6
    events = decoder.poll_events()
    assert [(event.timestamp, event.fault, event.shown) for event in events] == [
        (3, DecodeFault.MISSING_REFERENCE, True)]
    assert decoder.stats().damaged == 2


def test_a_picture_without_one_of_its_slices_is_shown_as_damaged() -> None:
    packets = list(coded(VideoCodec.H264))
    whole = show(VideoDecoder(VideoCodec.H264), tuple(packets))
    packets[2] = packets[2][:packets[2].rindex(b"\0\0\1")]  # the first slice of two
    decoder = VideoDecoder(VideoCodec.H264)
    frames = show(decoder, tuple(packets))
    assert [frame.damaged for frame in frames] == [i in (2, 3, 4, 5) for i in range(12)]
    rows = SIZE[1] // 2 - 16  # the deblocking filter reaches over the slice's edge
    np.testing.assert_array_equal(frames[2].planes()[0][:rows], whole[2].planes()[0][:rows])
    assert decoder.poll_events()[0].fault is DecodeFault.CORRUPT


@pytest.mark.parametrize("partial", [False, True])
def test_pipeline_shows_what_came_of_a_picture_if_it_may(partial: bool) -> None:
    sender = VideoPipeline(VideoConfig(encoder="libx264", resolution=(320, 240), bitrate=1_500_000, threads=3))
    receiver = VideoPipeline(VideoConfig(encoder="libx264", partial_frames=partial))
    shown, seq = [], 65_530
    for i, frame in enumerate(clip(320, 240, 5)):
        encoded = sender.encode(frame)
        packets = sender.packetize(encoded, seq & 0xFFFF, 1, 96, mtu=300)
        seq += len(packets)
        if i == 3:
            assert len(packets) > 8
            del packets[len(packets) // 2]
        shown += [picture for packet in packets if (picture := receiver.decode_packet(packet)) is not None]
    assert receiver.stats.frames_incomplete == 1
    assert [picture.damaged for picture in shown] == ([False] * 3 + [True] * 2 if partial else [False] * 3 + [True])
    if partial:
        top = shown[3].planes()[0][:64], clip(320, 240, 5)[3].planes()[0][:64]  # the first slice is whole
        assert psnr(*(np.ascontiguousarray(rows) for rows in top)) > 30


@every_decoder
def test_garbage_is_a_corrupt_frame_and_a_key_frame_mends(codec: VideoCodec, name: str) -> None:
    packets = coded(codec)
    decoder = VideoDecoder(codec, decoder=name)
    show(decoder, packets[:2])
    with pytest.raises(errors.CodecError):
        decoder.decode(b"\x00\x00\x01\x65" + bytes(range(256)), 5)
    assert decoder.needs_keyframe
    assert [event.timestamp for event in decoder.poll_events()] == [5]
    frames = show(decoder, packets[6:])
    assert not any(frame.damaged for frame in frames)
    assert not decoder.needs_keyframe


@every_decoder
def test_damaged_streams_never_crash_and_mend_at_the_next_key_frame(codec: VideoCodec, name: str) -> None:
    packets = coded(codec)
    expected = show(VideoDecoder(codec, decoder=name), packets[:1])[0].to_ndarray()
    rng = np.random.default_rng(20260103)
    decoder = VideoDecoder(codec, decoder=name)
    told = 0
    for i in range(150):
        data = bytearray(packets[i % len(packets)])
        if i % 3 == 0:
            del data[int(rng.integers(1, len(data))):]
        else:
            for _ in range(int(rng.integers(1, 12))):
                data[int(rng.integers(0, len(data)))] ^= 1 << int(rng.integers(0, 8))
        try:
            frame = decoder.decode(bytes(data), i)
        except (errors.CodecError, errors.UnsupportedError):
            told += 1
            continue
        told += frame is None or frame.damaged
        if frame is not None:
            assert frame.to_ndarray().size > 0  # every byte can be read
    assert told > 20  # VP8 and VP9 have nothing to tell a changed bit by
    assert decoder.stats().events_dropped + len(decoder.poll_events()) > 10
    frame = decoder.decode(packets[0])
    assert frame is not None
    assert not frame.damaged
    np.testing.assert_array_equal(frame.to_ndarray(), expected)


@every_decoder
def test_pictures_outlive_their_decoder(codec: VideoCodec, name: str) -> None:
    gc.collect()
    before = lib.arc_mem_live_blocks()
    decoder: VideoDecoder | None = VideoDecoder(codec, decoder=name)
    assert decoder is not None
    frames = show(decoder, coded(codec))
    copies = [frame.to_ndarray() for frame in frames]
    plane = frames[0].planes()[0]
    assert not plane.flags.writeable
    decoder = None
    gc.collect()
    for frame, copy in zip(frames, copies, strict=True):
        np.testing.assert_array_equal(frame.to_ndarray(), copy)
    del frame, frames
    assert plane[0, 0] == copies[0].flat[0]
    del plane
    gc.collect()
    assert lib.arc_mem_live_blocks() == before


def test_too_many_pictures_held_is_a_fault_and_no_leak() -> None:
    packets = coded(VideoCodec.VP8)
    decoder = VideoDecoder(VideoCodec.VP8, decoder="libvpx-vp8")
    held = [decoder.decode(packets[0]) for _ in range(32)]
    with pytest.raises(errors.NoMemoryError):
        decoder.decode(packets[0])
    assert decoder.poll_events()[-1].fault is DecodeFault.RESOURCES
    held.pop()
    assert decoder.decode(packets[0]) is not None


@every_decoder
def test_opening_survives_every_allocation_failure(codec: VideoCodec, name: str) -> None:
    allowed, decoder = survives_every_failure(lambda: VideoDecoder(codec, decoder=name))
    assert allowed >= 2
    try:
        lib.arc_mem_fail_after(0)
        with pytest.raises(errors.NoMemoryError):
            decoder.decode(coded(codec)[0])
    finally:
        lib.arc_mem_fail_after(-1)
    assert decoder.decode(coded(codec)[6]) is not None


def test_a_size_beyond_the_limit_is_refused_before_memory_is_asked_for() -> None:
    """The header of a VP8 key frame says 16383 x 16383 (RFC 6386 section 9.1)."""
    data = bytearray(coded(VideoCodec.VP8)[0])
    data[6:10] = b"\xff\x3f\xff\x3f"
    for name in ("vp8", "libvpx-vp8"):
        decoder = VideoDecoder(VideoCodec.VP8, decoder=name)
        with pytest.raises((errors.UnsupportedError, errors.CodecError)):
            decoder.decode(bytes(data))


def test_a_choice_that_cannot_be_had_says_why() -> None:
    with pytest.raises(errors.UnsupportedError, match="h264: libvpx-vp9: no decoder of this name"):
        VideoDecoder(VideoCodec.H264, decoder="libvpx-vp9")
    with pytest.raises(errors.UnsupportedError, match="abacus: this FFmpeg knows no such hardware"):
        VideoDecoder(VideoCodec.VP9, hwaccel="abacus")
    with pytest.raises(errors.ConfigError, match="hwaccel"):
        VideoDecoder(VideoCodec.VP9, hwaccel="a name that is much too long")
    with pytest.raises(errors.ConfigError, match="threads"):
        VideoDecoder(VideoCodec.VP9, threads=17)
    for field in ("decoder", "hwaccel"):
        with pytest.raises(errors.ConfigError, match=field):
            VideoConfig(**{field: ""})


@pytest.mark.parametrize("codec", list(VideoCodec))
def test_hardware_auto_decodes_with_what_there_is_and_says_what_there_is_not(codec: VideoCodec) -> None:
    decoder = VideoDecoder(codec, hwaccel="auto")
    frame = decoder.decode(coded(codec, size=(256, 256), frames=2)[0])
    assert frame is not None
    assert (frame.width, frame.height) == (256, 256)
    if not decoder.hwaccel and decoder.name != "libdav1d":  # a decoder without hardware gives no reason
        assert decoder.passed_over


def test_each_kind_of_hardware_works_or_says_why() -> None:
    hardware = [row for row in list_decoders() if row.hwaccel]
    for row in hardware:
        assert row.usable != bool(row.reason)
        assert row.usable or row.hwaccel in row.reason
        if not row.usable:
            with pytest.raises((errors.UnsupportedError, errors.CodecError)):
                VideoDecoder(row.codec, hwaccel=row.hwaccel).decode(coded(row.codec, size=(256, 256), frames=2)[0])


def test_pipeline_takes_the_decoder_that_the_configuration_names() -> None:
    pipeline = VideoPipeline(VideoConfig(encoder="libx264", decoder="h264", decode_threads=2))
    assert pipeline.decoder.name == "h264"
    with pytest.raises(errors.NoKeyFrameError):
        pipeline.decode_frame(coded(VideoCodec.H264)[1])
    assert pipeline.stats.frames_failed == 1
    assert pipeline.decode_frame(coded(VideoCodec.H264)[0]) is not None
    assert pipeline.decoder.stats().pictures == pipeline.stats.frames_decoded == 1
    with pytest.raises(errors.UnsupportedError, match="no decoder of this name"):
        _ = VideoPipeline(VideoConfig(encoder="libx264", decoder="libvpx-vp9")).decoder


def test_decoder_refuses_bad_arguments() -> None:
    config, out = ffi.new("struct arc_vdec_config *"), ffi.new("struct arc_vdec **")
    stats = ffi.new("struct arc_vdec_stats *")
    assert lib.arc_vdec_open(ffi.NULL, out, ffi.NULL, 0) == lib.ARC_ERR_ARG
    assert lib.arc_vdec_open(config, ffi.NULL, ffi.NULL, 0) == lib.ARC_ERR_ARG
    config.name = b"x" * 32
    assert lib.arc_vdec_open(config, out, ffi.NULL, 0) == lib.ARC_ERR_ARG
    config.name = b""
    for codec in (-1, 4):
        config.codec = codec
        assert lib.arc_vdec_open(config, out, ffi.NULL, 0) == lib.ARC_ERR_ARG
        assert lib.arc_vdec_hwaccel(codec, 0) == ffi.NULL
    assert lib.arc_vdec_info(-1) == lib.arc_vdec_info(99) == ffi.NULL
    assert lib.arc_vdec_get_stats(ffi.NULL, stats) == lib.ARC_ERR_ARG
    decoder = VideoDecoder(VideoCodec.H264)
    assert decoder.decode(b"") is None
    assert lib.arc_vdec_decode(decoder.handle, b"x", lib.ARC_VDEC_MAX_BYTES + 1, 0, ffi.NULL) == lib.ARC_ERR_ARG
