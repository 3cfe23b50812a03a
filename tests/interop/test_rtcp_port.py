"""Peers whose RTCP has a port of its own (RFC 3550 section 11), against plain sockets."""
from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
import pytest

from arcrtc import AudioFrame, Engine, RtpPacket
from arcrtc.errors import ArgumentError, TransportError
from arcrtc.rtcp import ReceiverReport, ReportBlock, RtcpPacket, SenderReport, SourceDescription
from tests.model.ports import free_pairs

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Sockets of RTP and RTCP of somebody else."""
    (port,) = free_pairs(1)
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for number, sock in zip((port, port + 1), sockets, strict=True):
        sock.bind(("127.0.0.1", number))
        sock.settimeout(10)
    yield sockets[0], sockets[1]
    for sock in sockets:
        sock.close()


def block(i: int) -> AudioFrame:
    tone = np.sin(np.arange(i * 960, (i + 1) * 960) * 0.05) * 8000
    return AudioFrame(samples=tone.astype(np.int16), sample_rate=48_000, channels=1, timestamp=i * 960)


def test_rtcp_port_reports_leave_and_arrive_on_it(pair: Pair) -> None:
    rtp, rtcp = pair
    with Engine() as engine:
        peer = engine.open(local="127.0.0.1:0", remote=f"127.0.0.1:{rtp.getsockname()[1]}",
                           rtcp_ports=(0, rtcp.getsockname()[1]))
        speech = peer.send_audio(ssrc=7)
        for i in range(5):
            speech.send(block(i))
        packets = [RtpPacket.parse(rtp.recv(2000)) for _ in range(5)]
        assert [p.header.ssrc for p in packets] == [7] * 5
        data, source = rtcp.recvfrom(2000)
        report, sdes = RtcpPacket.parse_compound(data)
        assert isinstance(report, SenderReport)
        assert isinstance(sdes, SourceDescription)
        assert source[1] != int(peer.local_address.rpartition(":")[2])

        lsr = report.ntp_time >> 16 & 0xFFFFFFFF
        answer = ReceiverReport(9, (ReportBlock(7, 128, 3, 1, 0, lsr, 0),))
        rtcp.sendto(RtcpPacket.serialize_compound([answer, SourceDescription.with_cname(9, "x")]), source)
        while peer.stats().session["rtt_us"] < 0:
            assert engine.wait(10)
            peer.poll_event()
        assert peer.stats().send[0]["network"]["remote_lost_pkts"] == 3
        peer.close()
        rtp.setblocking(False)
        with pytest.raises(BlockingIOError):  # not one datagram of RTCP went to the port of RTP
            rtp.recv(2000)
        last = RtcpPacket.parse_compound(rtcp.recv(2000))
        while last[-1].__class__.__name__ != "Goodbye":
            last = RtcpPacket.parse_compound(rtcp.recv(2000))


def test_rtcp_port_of_the_other_side_is_learned_from_its_reports(pair: Pair) -> None:
    rtp, rtcp = pair
    (port,) = free_pairs(1)
    with Engine() as engine:
        peer = engine.open(local=f"127.0.0.1:{port}", rtcp_ports=(port + 1, 0))
        peer.receive_audio(payload_type=96)
        packet = RtpPacket.parse(bytes.fromhex("80600001000003e8000000050801020304"))
        rtp.sendto(packet.serialize(), ("127.0.0.1", port))
        report = SenderReport(5, 0xE5A1B2C3_80000000, 1000, 1, 5)
        rtcp.sendto(RtcpPacket.serialize_compound([report, SourceDescription.with_cname(5, "y")]),
                    ("127.0.0.1", port + 1))
        data, source = rtcp.recvfrom(2000)
        while not (blocks := RtcpPacket.parse_compound(data)[0].reports) or not blocks[0].last_sr:
            data, source = rtcp.recvfrom(2000)
        assert source == ("127.0.0.1", port + 1)
        assert (blocks[0].ssrc, blocks[0].last_sr) == (5, 0xB2C38000)


def test_rtcp_port_faults_are_clear() -> None:
    (port,) = free_pairs(1)
    with Engine() as engine, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port + 1))
        with pytest.raises(TransportError, match=f"cannot bind UDP port {port + 1} for RTCP: Address already in use"):
            engine.open(local=f"127.0.0.1:{port}", rtcp_ports=(port + 1, 0))
        for ports in ((0, 5), (-1, 0), (0, 65_536), (65_536, 0)):
            with pytest.raises(ArgumentError, match="rtcp_ports"):
                engine.open(local="127.0.0.1:0", rtcp_ports=ports)
