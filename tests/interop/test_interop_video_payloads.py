"""Payload formats of video against GStreamer's and FFmpeg's, each direction; packets go through files and loopback.

AV1 is not among them: GStreamer's rtpav1pay and rtpav1depay are in a plugin written in Rust that Debian 12 does not
have, and FFmpeg has the format from version 7.1 on.
"""
from __future__ import annotations

import socket
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from arcrtc._native import ffi
from arcrtc.rtp import RtpHeader, RtpPacket
from arcrtc.sdp import MediaDescription, SessionDescription, h264_fmtp
from arcrtc.video import VideoCodec, VideoDepacketizer, VideoPacketizer
from tests.model.clip import planes
from tests.model.ports import free_pairs, wait_until_bound

H264, VP8, VP9 = VideoCodec.H264, VideoCodec.VP8, VideoCodec.VP9
ENCODER = {H264: "libx264", VP8: "libvpx", VP9: "libvpx-vp9"}
OPTIONS = {H264: {"preset": "veryfast", "tune": "zerolatency", "forced-idr": "1"},
           VP8: {"deadline": "realtime", "cpu-used": "8", "slices": "4"},
           VP9: {"deadline": "realtime", "cpu-used": "8"}}
SIZE = (320, 240)
Packets = list[tuple[bytes, bool]]  # coded picture, key frame


def launch(*words: str) -> None:
    subprocess.run(["gst-launch-1.0", "-q", *" ".join(words).split()], check=True, timeout=120)


def encoded(codec: VideoCodec, frames: int = 20) -> Packets:
    context = av.CodecContext.create(ENCODER[codec], "w")
    context.width, context.height, context.pix_fmt = *SIZE, "yuv420p"
    context.framerate, context.time_base, context.bit_rate, context.gop_size = 30, Fraction(1, 30), 1_500_000, 8
    context.options = {"lag-in-frames": "0", **OPTIONS[codec]}
    packets: list[Any] = []
    for n, (y, u, v) in enumerate(planes(*SIZE, frames)):
        frame = av.VideoFrame.from_ndarray(np.concatenate([p.reshape(-1) for p in (y, u, v)]).reshape(-1, SIZE[0]),
                                           format="yuv420p")
        frame.pts, frame.time_base = n, Fraction(1, 30)
        packets += context.encode(frame)
    packets += context.encode(None)
    return [(bytes(p), p.is_keyframe) for p in packets]


def decoded(codec: VideoCodec, pictures: list[bytes]) -> bytes:
    """Planes of all pictures, one after the other."""
    context = av.CodecContext.create({H264: "h264", VP8: "vp8", VP9: "vp9"}[codec], "r")
    frames = [f for p in pictures for f in context.decode(av.Packet(p))] + context.decode(None)
    return b"".join(f.to_ndarray().tobytes() for f in frames)


def packetized(codec: VideoCodec, pictures: Packets, **options: Any) -> list[RtpPacket]:
    packetizer = VideoPacketizer(codec, picture_id=32_760, **options)
    out: list[RtpPacket] = []
    for n, (data, key) in enumerate(pictures):
        out += [RtpPacket(header=RtpHeader(sequence_number=65_500 + len(out) + i & 0xFFFF, timestamp=3000 * n, ssrc=7,
                                           payload_type=96, marker=p.is_last), payload=p.data)
                for i, p in enumerate(packetizer.pack(data, 500, is_keyframe=key))]
    return out


def depacketized(codec: VideoCodec, packets: list[RtpPacket]) -> list[bytes]:
    depacketizer, out = VideoDepacketizer(codec), []
    for packet in packets:
        assert depacketizer.push(packet.payload)
        if packet.header.marker:
            unit = depacketizer.finish()
            assert unit is not None
            out.append(bytes(ffi.buffer(*unit)))
            depacketizer.begin()
    return out


def read_stream(path: Path) -> list[RtpPacket]:
    """Packets with their length in front, RFC 4571."""
    data, out = path.read_bytes(), []
    while data:
        n = int.from_bytes(data[:2], "big")
        out.append(RtpPacket.parse(data[2:2 + n]))
        data = data[2 + n:]
    return out


def write_stream(path: Path, packets: list[RtpPacket]) -> None:
    path.write_bytes(b"".join(len(p.serialize()).to_bytes(2, "big") + p.serialize() for p in packets))


@pytest.mark.parametrize(("codec", "chain"), [
    (VP8, "vp8enc deadline=1 keyframe-max-dist=8 token-partitions=2 ! rtpvp8pay picture-id-mode=2"),
    (VP8, "vp8enc deadline=1 keyframe-max-dist=8 ! rtpvp8pay"),
    (VP9, "vp9enc deadline=1 keyframe-max-dist=8 lag-in-frames=0 ! rtpvp9pay picture-id-mode=2")])
def test_interop_gstreamer_payloads_are_unpacked(tmp_path: Path, codec: VideoCodec, chain: str) -> None:
    ours, theirs = tmp_path / "rtp", tmp_path / "i420"
    coder, payloader = chain.split(" ! ")
    launch("videotestsrc num-buffers=20 pattern=smpte !",
           f"video/x-raw,format=I420,width={SIZE[0]},height={SIZE[1]},framerate=30/1 ! {coder} ! tee name=t",
           f"t. ! queue ! {payloader} mtu=200 pt=96 ! rtpstreampay ! filesink location={ours}",
           f"t. ! queue ! {codec.value}dec ! video/x-raw,format=I420 ! filesink location={theirs}")
    packets = read_stream(ours)
    assert len(packets) > 25
    pictures = depacketized(codec, packets)
    assert len(pictures) == 20
    assert decoded(codec, pictures) == theirs.read_bytes()


@pytest.mark.parametrize(("codec", "options"), [
    (H264, {}), (VP8, {}), (VP8, {"temporal_layers": 2}), (VP9, {}), (VP9, {"flexible": False}),
    (VP9, {"flexible": False, "temporal_layers": 2})])
def test_interop_gstreamer_depayloads_ours(tmp_path: Path, codec: VideoCodec, options: dict[str, Any]) -> None:
    ours, theirs = tmp_path / "rtp", tmp_path / "i420"
    pictures = encoded(codec)
    if options == {"flexible": False, "temporal_layers": 2}:
        pictures = pictures[:1]  # one that fits the pattern
    write_stream(ours, packetized(codec, pictures, **options))
    decoder = "h264parse ! avdec_h264" if codec is H264 else f"{codec.value}dec"
    launch(f"filesrc location={ours} ! application/x-rtp-stream,media=video,clock-rate=90000,payload=96,"
           f"encoding-name={codec.value.upper()} ! rtpstreamdepay ! rtp{codec.value}depay ! {decoder} !"
           f"video/x-raw,format=I420 ! filesink location={theirs}")
    assert theirs.read_bytes() == decoded(codec, [data for data, _ in pictures])


def ffmpeg(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments])


@pytest.mark.parametrize("codec", [VP8, VP9])
def test_interop_ffmpeg_payloads_are_unpacked(tmp_path: Path, codec: VideoCodec) -> None:
    pictures, stream = encoded(codec), tmp_path / "stream.ivf"
    with av.open(str(stream), "w", format="ivf") as container:
        track = container.add_stream(ENCODER[codec], rate=30)
        track.width, track.height, track.pix_fmt = *SIZE, "yuv420p"
        for n, (data, key) in enumerate(pictures):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts, packet.is_keyframe = track, n, n, key
            packet.time_base = Fraction(1, 30)
            container.mux(packet)
    port, = free_pairs(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind(("127.0.0.1", port))
        assert ffmpeg("-i", str(stream), "-c", "copy", "-strict", "experimental", "-f", "rtp",
                      f"rtp://127.0.0.1:{port}?pkt_size=500").wait(60) == 0
        sock.setblocking(False)
        packets = []
        while True:
            try:
                packets.append(RtpPacket.parse(sock.recv(2000)))
            except BlockingIOError:
                break
    assert depacketized(codec, packets) == [data for data, _ in pictures]


@pytest.mark.parametrize("codec", [H264, VP8, VP9])
def test_interop_ffmpeg_depayloads_ours(tmp_path: Path, codec: VideoCodec) -> None:
    pictures = encoded(codec)
    port, = free_pairs(1)
    # FFmpeg knows VP9's fields but no references (rtpdec_vp9.c): the pattern without layers has none.
    packets = packetized(codec, pictures, flexible=False)
    fmtp = h264_fmtp(pictures[0][0]) if codec is H264 else {}
    media = MediaDescription("video", port, 96, codec.value, 90_000, fmtp=fmtp, protocol="RTP/AVP")
    (tmp_path / "ours.sdp").write_text(
        SessionDescription([media], address="127.0.0.1").to_text(), encoding="ascii")
    raw = tmp_path / "i420"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        process = ffmpeg("-protocol_whitelist", "file,udp,rtp", "-buffer_size", "4000000", "-analyzeduration", "1000",
                         "-probesize", "2000", "-reorder_queue_size", "0", "-threads", "1", "-i",
                         str(tmp_path / "ours.sdp"), "-frames:v", str(len(pictures)), "-fps_mode", "passthrough",
                         "-pix_fmt", "yuv420p", "-f", "rawvideo", str(raw))
        wait_until_bound(port)
        for packet in packets:
            sock.sendto(packet.serialize(), ("127.0.0.1", port))
        assert process.wait(60) == 0
    assert raw.read_bytes() == decoded(codec, [data for data, _ in pictures])
