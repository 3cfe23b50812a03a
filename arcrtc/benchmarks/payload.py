"""Pictures to RTP payloads and back through the Python API: one frame of 2160p30 at 20 Mb/s, in some 70 payloads."""
from __future__ import annotations

import random
from typing import Final

from arcrtc.benchmarks.registry import Work, benchmark
from arcrtc.video import VideoCodec
from arcrtc.video.payload import VideoDepacketizer, VideoPacketizer

_FRAME_BYTES: Final = 20_000_000 // 8 // 30
_LIMIT: Final = 1188  # with the fixed header: 1200 bytes


def _leb128(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def _picture(codec: VideoCodec) -> bytes:
    """Bytes that begin as a frame of the codec does, and go on at random (as coded data look), without start codes."""
    body = random.Random(1).randbytes(_FRAME_BYTES).replace(b"\0", b"\1")
    return {VideoCodec.H264: b"\0\0\0\1\x61" + body, VideoCodec.VP8: b"\x11\0\0" + body, VideoCodec.VP9: b"\x82" + body,
            VideoCodec.AV1: b"\x32" + _leb128(len(body)) + body}[codec]


def _pack(codec: VideoCodec) -> Work:
    packetizer, data = VideoPacketizer(codec), _picture(codec)

    def run(n: int) -> None:
        for _ in range(n):
            packetizer.pack(data, _LIMIT, is_keyframe=True)

    return Work(run)


def _unpack(codec: VideoCodec) -> Work:
    depacketizer = VideoDepacketizer(codec)
    payloads = [p.data for p in VideoPacketizer(codec).pack(_picture(codec), _LIMIT, is_keyframe=True)]

    def run(n: int) -> None:
        for _ in range(n):
            depacketizer.begin()
            for payload in payloads:
                depacketizer.push(payload)
            depacketizer.finish()

    return Work(run)


@benchmark("payload.pack.h264.2160p", unit="us/frame")
def _pack_h264() -> Work:
    return _pack(VideoCodec.H264)


@benchmark("payload.pack.vp8.2160p", unit="us/frame")
def _pack_vp8() -> Work:
    return _pack(VideoCodec.VP8)


@benchmark("payload.pack.vp9.2160p", unit="us/frame")
def _pack_vp9() -> Work:
    return _pack(VideoCodec.VP9)


@benchmark("payload.pack.av1.2160p", unit="us/frame")
def _pack_av1() -> Work:
    return _pack(VideoCodec.AV1)


@benchmark("payload.unpack.h264.2160p", unit="us/frame")
def _unpack_h264() -> Work:
    return _unpack(VideoCodec.H264)


@benchmark("payload.unpack.vp8.2160p", unit="us/frame")
def _unpack_vp8() -> Work:
    return _unpack(VideoCodec.VP8)


@benchmark("payload.unpack.vp9.2160p", unit="us/frame")
def _unpack_vp9() -> Work:
    return _unpack(VideoCodec.VP9)


@benchmark("payload.unpack.av1.2160p", unit="us/frame")
def _unpack_av1() -> Work:
    return _unpack(VideoCodec.AV1)
