"""Video through VideoPipeline at 1280x720; peer: libx264 of FFmpeg by PyAV, at the same settings.

PyAV's wheels bring an x264 and an FFmpeg of their own, so the ratio compares those versions too.
"""
from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcrtc.benchmarks.registry import Peer, Work, benchmark
from arcrtc.video import VideoCodec, VideoConfig, VideoFrame, VideoPipeline, VideoResolution

_WIDTH: Final = 1280
_HEIGHT: Final = 720
_FRAMES: Final = 25  # there and back again, so that no cut is coded
_TICKS: Final = 3600  # 90 kHz, 25 frames a second
_BITRATE: Final = 1_500_000
_SPEED: Final = 6  # of VideoConfig; x264 calls it superfast


def moving_picture(n_frames: int = _FRAMES) -> list[NDArray[np.uint8]]:
    """A textured picture that pans slowly, as I420.

    :returns: ``n_frames`` arrays, uint8, shape (height * 3 / 2, width).
    """
    rng = np.random.default_rng(1)
    tile = rng.normal(0, 1, (_HEIGHT // 8 + 16, _WIDTH // 8 + 16))
    texture = np.kron(tile, np.ones((8, 8))) * 14
    y, x = np.mgrid[0:_HEIGHT, 0:_WIDTH]
    shade = 128 + 60 * np.sin(x / 170) * np.cos(y / 110)
    out = []
    for i in range(n_frames):
        luma = shade + texture[i:i + _HEIGHT, 2 * i:2 * i + _WIDTH]
        chroma = np.full((_HEIGHT // 2, _WIDTH), 128.0)
        chroma[:, :_WIDTH // 2] += 20 * np.sin((x[::2, ::2] + 4 * i) / 90)
        picture = np.concatenate([luma, chroma])
        out.append(np.clip(picture, 16, 235).astype(np.uint8))
    return out


def _there_and_back(n_frames: int) -> list[int]:
    return [*range(n_frames), *range(n_frames - 2, 0, -1)]


def _frames() -> list[VideoFrame]:
    return [VideoFrame(data=picture, width=_WIDTH, height=_HEIGHT, timestamp=0, format="yuv420p")
            for picture in moving_picture()]


def _pipeline() -> VideoPipeline:
    return VideoPipeline(VideoConfig(codec=VideoCodec.H264, bitrate=_BITRATE, resolution=VideoResolution.P720,
                                     frame_rate=25, keyframe_interval=0, encoder="software", threads=1,
                                     speed=_SPEED))


def _av_encoder() -> Peer:
    """libx264 with the options that the core sets, on one thread as well."""
    from fractions import Fraction

    import av

    codec: Any = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt, codec.bit_rate = _WIDTH, _HEIGHT, "yuv420p", _BITRATE
    codec.time_base, codec.framerate = Fraction(1, 25), Fraction(25, 1)
    codec.thread_count = 1
    codec.options = {
        "preset": "superfast", "tune": "zerolatency", "profile": "high", "bf": "0", "g": "1000000",
        "maxrate": str(_BITRATE), "bufsize": str(_BITRATE * 3 // 10), "qcomp": "0.3", "sc_threshold": "0",
        "x264-params": "scenecut=0:force-cfr=1"}
    frames = [av.VideoFrame.from_ndarray(picture, format="yuv420p") for picture in moving_picture()]
    order, place = _there_and_back(_FRAMES), 0

    def run(n: int) -> None:
        nonlocal place
        for _ in range(n):
            frame = frames[order[place % len(order)]]
            frame.pts = place
            for packet in codec.encode(frame):
                bytes(packet)
            place += 1

    return Peer(f"PyAV {av.__version__} libx264 superfast", run)


@benchmark("video.encode.h264.720p", unit="frames/s/core")
def encode_h264() -> Work:
    """H.264 at 1.5 Mb/s in software, one frame in and one out."""
    pipeline, frames, order, place = _pipeline(), _frames(), _there_and_back(_FRAMES), 0

    def run(n: int) -> None:
        nonlocal place
        for _ in range(n):
            frame = frames[order[place % len(order)]]
            frame.timestamp = place * _TICKS
            pipeline.encode(frame)
            place += 1

    return Work(run, peer=_av_encoder())


@benchmark("video.decode.h264.720p", unit="frames/s/core")
def decode_h264() -> Work:
    """H.264 out of RTP packets, from a key frame on."""
    sender, receiver = _pipeline(), _pipeline()
    packets: list[list[Any]] = []
    frames, seq = _frames(), 0
    for i, index in enumerate(_there_and_back(_FRAMES)):
        frame = frames[index]
        frame.timestamp = i * _TICKS
        encoded = sender.encode(frame)
        packets.append(sender.packetize(encoded, sequence_number=seq & 0xFFFF, ssrc=1, payload_type=97,
                                        mtu=1200))
        seq += len(packets[-1])
    place = 0

    def run(n: int) -> None:
        nonlocal place
        for _ in range(n):
            for packet in packets[place % len(packets)]:
                receiver.decode_packet(packet)
            place += 1

    return Work(run)
