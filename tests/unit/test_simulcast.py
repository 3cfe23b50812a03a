"""video/simulcast through SimulcastEncoder: three sizes of one source, each of its own rate."""
from __future__ import annotations

import av
import numpy as np
import pytest

from arcrtc import errors
from arcrtc._native import ffi, lib
from arcrtc.video import SimulcastEncoder, VideoCodec, VideoConfig, VideoFrame, psnr
from arcrtc.video.encoders import encoder_config
from tests.model.allocation import survives_every_failure
from tests.model.clip import clip, there_and_back

SIZES = ((640, 360), (320, 180), (160, 90))
RATES = (800_000, 300_000, 100_000)
DECODERS = {VideoCodec.H264: "h264", VideoCodec.VP8: "vp8"}


def three(codec: VideoCodec = VideoCodec.VP8, encoder: str = "software") -> SimulcastEncoder:
    return SimulcastEncoder([
        VideoConfig(codec=codec, encoder=encoder, resolution=size, bitrate=rate, frame_rate=25, keyframe_interval=0,
                    threads=1, speed=7)
        for size, rate in zip(SIZES, RATES, strict=True)])


@pytest.fixture(scope="module")
def source() -> list[VideoFrame]:
    return clip(*SIZES[0], frames=20)


@pytest.mark.parametrize("codec", DECODERS)
@pytest.mark.parametrize("kind", ["yuv420p", "rgb24"])
def test_simulcast_makes_every_size_of_each_frame_at_its_rate(source: list[VideoFrame], codec: VideoCodec,
                                                              kind: str) -> None:
    sender = three(codec)
    frames = [frame if kind == "yuv420p" else frame.convert(kind) for frame in there_and_back(source, 40)]
    rows = [sender.encode(frame) for frame in frames]
    for i, (width, height) in enumerate(SIZES):
        stream = [row[i] for row in rows]
        decoder = av.CodecContext.create(DECODERS[codec], "r")
        pictures = []
        for at, encoded in enumerate(stream):
            assert encoded is not None
            assert encoded.is_keyframe == (at == 0)
            assert encoded.timestamp == frames[at].timestamp
            pictures += decoder.decode(av.Packet(encoded.data))
        pictures += decoder.decode(None)
        assert len(pictures) == len(frames)
        for frame, picture in zip(frames[5:], map(VideoFrame.from_pyav, pictures[5:]), strict=True):
            assert (picture.width, picture.height) == (width, height)
            assert psnr(picture, frame.convert("yuv420p", width=width, height=height)) > 29
        later = [len(encoded.data) for encoded in stream[15:] if encoded]
        assert np.mean(later) * 8 * 25 == pytest.approx(RATES[i], rel=0.35)


def test_simulcast_paused_streams_come_back_with_a_key_frame(source: list[VideoFrame]) -> None:
    sender = three()
    sender.encode(source[0])
    sender.pause(0)
    sender.request_keyframe(2)
    top, middle, low = sender.encode(source[1])
    assert top is None
    assert middle is not None
    assert low is not None
    assert (middle.is_keyframe, low.is_keyframe) == (False, True)
    sender.pause(0, paused=False)
    assert [e is not None and e.is_keyframe for e in sender.encode(source[2])] == [True, False, False]
    sender.request_keyframe()
    assert [e is not None and e.is_keyframe for e in sender.encode(source[3])] == [True] * 3
    sender.set_bitrate(1, 100_000)
    sender.set_frame_rate(15)
    assert not any(e is not None and e.is_keyframe for e in sender.encode(source[4]))


def test_simulcast_reads_a_frame_of_the_largest_size_where_it_is(source: list[VideoFrame]) -> None:
    """Two pictures are made for three sizes, with the first frame, and none later."""
    sender = three()
    native = VideoFrame.from_native(source[0].native())
    live = lib.arc_mem_live_blocks()
    sender.encode(native)
    assert lib.arc_mem_live_blocks() == live + 2
    sender.encode(native)
    assert lib.arc_mem_live_blocks() == live + 2


@pytest.mark.parametrize("sizes", [[], [(64, 64)] * 4, [(64, 64), (128, 64)], [(64, 64), (64, 128)]])
def test_simulcast_refuses_streams_that_make_no_sense(sizes: list[tuple[int, int]]) -> None:
    with pytest.raises(errors.ConfigError):
        SimulcastEncoder([VideoConfig(resolution=size, encoder="libx264") for size in sizes])
    rows = ffi.new("struct arc_venc_config[]", max(1, len(sizes)))
    for i, (width, height) in enumerate(sizes):
        rows[i] = encoder_config("libx264", VideoCodec.H264, width=width, height=height, frame_rate=25,
                                 bitrate=100_000)[0]
    out = ffi.new("struct arc_simulcast **")
    assert lib.arc_simulcast_new(rows, len(sizes), out, ffi.NULL, 0) == lib.ARC_ERR_ARG
    assert out[0] == ffi.NULL


def test_simulcast_refuses_streams_that_are_not_there(source: list[VideoFrame]) -> None:
    sender = three()
    for wrong in (lambda: sender.pause(3), lambda: sender.set_bitrate(-1, 100_000),
                  lambda: sender.request_keyframe(3), lambda: sender.set_bitrate(0, 1)):
        with pytest.raises(errors.ConfigError):
            wrong()
    for status in (lib.arc_simulcast_pause(sender._handle, 3, True),
                   lib.arc_simulcast_set_bitrate(sender._handle, -1, 100_000),
                   lib.arc_simulcast_set_frame_rate(sender._handle, 0, 1),
                   lib.arc_simulcast_encode(sender._handle, ffi.NULL, 0, sender._out)):
        assert status == lib.ARC_ERR_ARG
    with pytest.raises(errors.ConfigError, match="frame_rate"):
        SimulcastEncoder([VideoConfig(resolution=(64, 64), frame_rate=rate) for rate in (25, 30)])


def test_simulcast_new_survives_every_allocation_failure() -> None:
    def open_it() -> object:
        return three(VideoCodec.H264)

    probe_first = open_it()  # the probe's own blocks come once
    del probe_first
    allowed, _ = survives_every_failure(open_it)
    assert allowed == 1 + 3 * 4  # a scaler, an encoder, its own scaler, its library's state; for each size
