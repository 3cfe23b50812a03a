"""RTP packets through the Python API: parse and serialize."""
from __future__ import annotations

import struct

from arcrtc.benchmarks.registry import Peer, Work, benchmark
from arcrtc.rtp import RtpHeader, RtpPacket

_PAYLOAD = bytes(1188)  # with the fixed header: 1200 bytes


def _packet(extensions: dict[int, bytes]) -> RtpPacket:
    header = RtpHeader(sequence_number=1000, timestamp=90_000, ssrc=0x1234, payload_type=96, marker=True,
                       extensions=extensions)
    return RtpPacket(header=header, payload=_PAYLOAD)


def _parse_plain(data: bytes) -> tuple[int, int, int, int, bytes]:
    """What a minimal reader in Python does: fixed header only, nothing checked but the version."""
    first, second, seq, timestamp, ssrc = struct.unpack_from("!BBHII", data)
    if first >> 6 != 2:
        raise ValueError("version")
    return second & 0x7F, seq, timestamp, ssrc, data[12 + 4 * (first & 15):]


def _parse_work(data: bytes, *, with_peer: bool) -> Work:
    parse = RtpPacket.parse

    def run(n: int) -> None:
        for _ in range(n):
            parse(data)

    def run_peer(n: int) -> None:
        for _ in range(n):
            _parse_plain(data)

    return Work(run, peer=Peer("struct.unpack, unchecked", run_peer) if with_peer else None)


@benchmark("rtp.parse.1200B", unit="ns/packet")
def parse_plain() -> Work:
    """Parse without extensions; peer: struct.unpack without checks."""
    return _parse_work(_packet({}).serialize(), with_peer=True)


@benchmark("rtp.parse.extension.1200B", unit="ns/packet")
def parse_extension() -> Work:
    """Parse with two one-byte header extensions (audio level, transport-wide number)."""
    return _parse_work(_packet({1: b"\x80", 3: b"\x01\x02"}).serialize(), with_peer=False)


@benchmark("rtp.serialize.1200B", unit="ns/packet")
def serialize() -> Work:
    """Serialize without extensions."""
    packet = _packet({})

    def run(n: int) -> None:
        for _ in range(n):
            packet.serialize()

    return Work(run)
