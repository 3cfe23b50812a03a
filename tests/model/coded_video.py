"""Coded pictures for tests: streams of PyAV's encoders, and headers written bit by bit."""
from __future__ import annotations

import os
from fractions import Fraction
from functools import cache
from typing import Final

import av
import numpy as np

from arcrtc.video import VideoCodec, VideoFrame
from tests.model.clip import clip

SIZE: Final = (160, 128)

#: Encoder of PyAV, its options for low delay, and FFmpeg's decoder of the same codec.
ENCODERS: Final[dict[VideoCodec, tuple[str, dict[str, str], str]]] = {
    VideoCodec.H264: ("libx264", {"preset": "superfast", "tune": "zerolatency", "x264-params": "slices=2"}, "h264"),
    VideoCodec.VP8: ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}, "vp8"),
    VideoCodec.VP9: ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}, "vp9"),
    VideoCodec.AV1: ("libsvtav1", {"preset": "10", "svtav1-params": "rc=2:pred-struct=1"}, "libdav1d"),
}
os.environ.setdefault("SVT_LOG", "1")  # errors only


@cache
def coded(codec: VideoCodec, frames: int = 12, gop: int = 6, size: tuple[int, int] = SIZE,
          pixel_format: str = "yuv420p") -> tuple[bytes, ...]:
    """Coded pictures of the synthetic clip, a key frame every ``gop``."""
    name, options, _ = ENCODERS[codec]
    encoder = av.CodecContext.create(name, "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt = pixel_format
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.bit_rate, encoder.gop_size, encoder.thread_count = 300_000, gop, 1
    encoder.options = options
    packets: list[bytes] = []
    for i, frame in enumerate(clip(*size, frames=frames)):
        picture = frame.to_pyav()
        if pixel_format != "yuv420p":
            picture = picture.reformat(format=pixel_format)
        picture.pts, picture.time_base = i, Fraction(1, 25)
        packets += [bytes(packet) for packet in encoder.encode(picture)]
    packets += [bytes(packet) for packet in encoder.encode(None)]
    return tuple(packets)


def decoded_by_ffmpeg(codec: VideoCodec, packets: tuple[bytes, ...]) -> list[list[np.ndarray]]:
    """Planes of each picture as PyAV's FFmpeg decodes them."""
    decoder = av.CodecContext.create(ENCODERS[codec][2], "r")
    frames = [frame for data in packets for frame in decoder.decode(av.Packet(data))]
    frames += decoder.decode(None)
    return [[plane.copy() for plane in VideoFrame.from_pyav(frame).planes()] for frame in frames]


class BitWriter:
    """Bits, high to low."""

    def __init__(self) -> None:
        self.bits = ""

    def u(self, n: int, value: int) -> BitWriter:
        """An unsigned number of n bits."""
        self.bits += f"{value:0{n}b}" if n else ""
        return self

    def ue(self, value: int) -> BitWriter:
        """Exp-Golomb, H.264 9.1."""
        text = f"{value + 1:b}"
        self.bits += "0" * (len(text) - 1) + text
        return self

    def data(self) -> bytes:
        """With a stop bit, and zeros up to a whole byte."""
        bits = self.bits + "1"
        bits += "0" * (-len(bits) % 8)
        return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


def nal(header: int, payload: bytes) -> bytes:
    """A NAL unit with its start code and emulation prevention (H.264 7.4.1)."""
    out, zeros = bytearray([header]), 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = 0 if byte else zeros + 1
    return b"\0\0\1" + bytes(out)


def h264_sets(frame_num_bits: int, gaps: bool, *, profile: int = 66, order: int = 2) -> bytes:
    """SPS and PPS number 0 as far as slices need them."""
    sps = BitWriter().u(8, profile).u(16, 0x001F).ue(0)
    if profile == 100:  # 4:2:0, 8 bits, with a scaling list in which only the first two values differ
        sps.ue(1).ue(0).ue(0).u(1, 0).u(1, 1).u(1, 1)
        sps.bits += "010" + "011" + "1" * 14  # deltas 1, -1, then 0
        sps.u(7, 0)
    sps.ue(frame_num_bits - 4).ue(order)
    if order == 0:
        sps.ue(2)
    elif order == 1:
        sps.u(1, 0).ue(1).ue(2).ue(2).ue(1).ue(2)
    sps.ue(4).u(1, gaps).ue(9).ue(7).u(1, 1)
    return nal(0x67, sps.data()) + nal(0x68, BitWriter().ue(0).ue(0).u(8, 0).data())


def h264_slice(frame_num: int, bits: int, *, idr: bool = False, reference: bool = True, first: int = 0) -> bytes:
    """A slice's first fields."""
    header = (0x60 if reference else 0) | (5 if idr else 1)
    return nal(header, BitWriter().ue(first).ue(7).ue(0).u(bits, frame_num).u(16, 0xABCD).data())


def recovery_point(count: int) -> bytes:
    """An SEI that says that ``count`` frames later all is whole (H.264 D.1.8)."""
    payload = BitWriter().ue(count).u(4, 8).data()
    return nal(0x06, bytes([6, len(payload)]) + payload + b"\x80")


def vp9_frame(*, key: bool = False, show_existing: int | None = None, intra_only: bool = False, refresh: int = 0,
              refs: tuple[int, int, int] = (0, 0, 0), resilient: bool = False) -> bytes:
    """The first fields of a VP9 frame of profile 0 (VP9 specification 6.2)."""
    out = BitWriter().u(2, 2).u(2, 0)
    if show_existing is not None:
        return out.u(1, 1).u(3, show_existing).data()
    out.u(1, 0).u(1, not key).u(1, not intra_only).u(1, resilient)
    if key:
        return out.u(24, 0x498342).data()
    if intra_only:
        out.u(1, 1)
    if not resilient:
        out.u(2, 0)
    if intra_only:
        return out.u(24, 0x498342).u(8, refresh).data()
    out.u(8, refresh)
    for place in refs:
        out.u(3, place).u(1, 0)
    return out.data()


def superframe(frames: list[bytes]) -> bytes:
    """VP9 annex B, sizes of two bytes."""
    marker = bytes([0xC0 | 1 << 3 | len(frames) - 1])
    return b"".join(frames) + marker + b"".join(len(f).to_bytes(2, "little") for f in frames) + marker
