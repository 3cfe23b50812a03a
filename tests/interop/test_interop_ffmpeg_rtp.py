"""What FFmpeg's RTP sender puts on the wire: RTP, H.264 payloads, SR and SDES, Opus payloads."""
from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from arcrtc._native import ffi, lib
from arcrtc.rtcp import Goodbye, RtcpPacket, SenderReport, SourceDescription
from arcrtc.rtp import RtpPacket
from tests.model.h264_model import split_annexb

TEST_PICTURE = ["-f", "lavfi", "-i", "testsrc=size=640x360:rate=25:duration=1"]
H264 = ["-c:v", "libx264", "-tune", "zerolatency", "-g", "10", "-threads", "1", "-b:v", "1M"]


def _ffmpeg(*arguments: str) -> None:
    subprocess.run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments], check=True,
                   timeout=120)


@pytest.fixture
def sockets() -> Iterator[tuple[int, socket.socket, socket.socket]]:
    """An even port, and the sockets of it and of the next one."""
    for port in range(42000, 62000, 2):
        pair = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        try:
            for i, sock in enumerate(pair):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
                sock.bind(("127.0.0.1", port + i))
        except OSError:
            for sock in pair:
                sock.close()
            continue
        yield port, pair[0], pair[1]
        for sock in pair:
            sock.close()
        return
    pytest.fail("no free pair of ports")


def _received(sock: socket.socket) -> list[bytes]:
    """Everything that waits in the socket."""
    sock.setblocking(False)
    out = []
    while True:
        try:
            out.append(sock.recv(65535))
        except BlockingIOError:
            return out


def test_interop_ffmpeg_h264_packets_unpack_to_the_encoded_stream(
        tmp_path: Path, sockets: tuple[int, socket.socket, socket.socket]) -> None:
    port, rtp, rtcp = sockets
    stream = tmp_path / "stream.h264"
    _ffmpeg(*TEST_PICTURE, *H264, "-f", "h264", str(stream))
    _ffmpeg("-f", "h264", "-i", str(stream), "-c", "copy", "-cname", "me@example",
            "-rtpflags", "send_bye", "-f", "rtp", f"rtp://127.0.0.1:{port}?pkt_size=1200")
    packets = [RtpPacket.parse(data) for data in _received(rtp)]
    assert len({p.header.ssrc for p in packets}) == 1
    first = packets[0].header.sequence_number
    assert [p.header.sequence_number for p in packets] == [(first + i) & 0xFFFF for i in range(len(packets))]

    out, n = ffi.new("uint8_t[]", 4 << 20), ffi.new("size_t *")
    unpacker = ffi.new("struct arc_pl_h264_unpacker *")
    info = ffi.new("struct arc_pl_h264_info *")
    kinds, idr_packets = set(), 0
    lib.arc_pl_h264_unpacker_init(unpacker, out, 4 << 20)
    for packet in packets:
        kinds.add(packet.payload[0] & 31)
        assert lib.arc_pl_h264_peek(packet.payload, len(packet.payload), info) == lib.ARC_OK
        idr_packets += info.has_idr and info.starts_nal
        assert lib.arc_pl_h264_unpacker_push(unpacker, packet.payload, len(packet.payload)) == lib.ARC_OK
    assert lib.arc_pl_h264_unpacker_finish(unpacker, n) == lib.ARC_OK
    assert split_annexb(bytes(ffi.buffer(out, n[0]))) == split_annexb(stream.read_bytes())
    assert {lib.ARC_H264_NAL_FU_A, lib.ARC_H264_NAL_STAP_A} <= kinds
    assert idr_packets == 3  # every tenth of 25 pictures

    compounds = [RtcpPacket.parse_compound(data, reduced_size_allowed=False) for data in _received(rtcp)]
    assert [type(p) for p in compounds[0]] == [SenderReport, SourceDescription]
    report, description = compounds[0]
    assert isinstance(report, SenderReport)
    assert isinstance(description, SourceDescription)
    assert report.ssrc == packets[0].header.ssrc
    # Of the moment at which it is sent, in whole milliseconds: the first packet follows at once.
    assert (report.rtp_timestamp - packets[0].header.timestamp) % 2**32 < 90_000
    assert description.chunks[0].cname == "me@example"
    assert isinstance(compounds[-1][-1], Goodbye)


def test_interop_ffmpeg_opus_payloads_have_the_encoded_duration(
        sockets: tuple[int, socket.socket, socket.socket]) -> None:
    port, rtp, _ = sockets
    _ffmpeg("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=1", "-c:a", "libopus",
            "-frame_duration", "60", "-f", "rtp", f"rtp://127.0.0.1:{port}")
    packets = [RtpPacket.parse(data) for data in _received(rtp)]
    described = ffi.new("struct arc_pl_opus *")
    for i, packet in enumerate(packets):
        assert lib.arc_pl_opus_parse(packet.payload, len(packet.payload), described) == lib.ARC_OK
        assert described.duration_us == 60000
        assert (packet.header.timestamp - packets[0].header.timestamp) & 0xFFFFFFFF == i * 60 * 48
    assert 16 <= len(packets) <= 18
