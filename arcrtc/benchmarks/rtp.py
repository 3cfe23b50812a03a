"""RTP packets through the Python API: parse and serialize; peer: aiortc, where it is installed."""
from __future__ import annotations

import struct
from collections.abc import Callable
from importlib import import_module
from typing import Any

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


def _peer(name: str, call: Callable[[], Any]) -> Peer:
    def run(n: int) -> None:
        for _ in range(n):
            call()

    return Peer(name, run)


def _aiortc(data: bytes) -> tuple[str, Any, Any] | None:
    """Name, class and header extension map of the peer; None: not installed, or it reads these bytes otherwise."""
    try:
        aiortc: Any = import_module("aiortc")
        theirs: Any = import_module("aiortc.rtp")
    except ImportError:
        return None
    if theirs.RtpPacket.parse(data).sequence_number != RtpPacket.parse(data).header.sequence_number:
        return None
    return f"aiortc {aiortc.__version__}", theirs.RtpPacket, theirs.HeaderExtensionsMap()


def _parse_work(data: bytes) -> Work:
    parse, found = RtpPacket.parse, _aiortc(data)
    peer = _peer("struct.unpack, unchecked", lambda: _parse_plain(data))
    if found is not None:
        name, theirs, extensions = found
        peer = _peer(name, lambda: theirs.parse(data, extensions))

    def run(n: int) -> None:
        for _ in range(n):
            parse(data)

    return Work(run, peer=peer)


@benchmark("rtp.parse.1200B", unit="ns/packet")
def parse_plain() -> Work:
    """Parse without extensions; peer: aiortc, or struct.unpack without checks."""
    return _parse_work(_packet({}).serialize())


@benchmark("rtp.parse.extension.1200B", unit="ns/packet")
def parse_extension() -> Work:
    """Parse with two one-byte header extensions (audio level, transport-wide number)."""
    return _parse_work(_packet({1: b"\x80", 3: b"\x01\x02"}).serialize())


@benchmark("rtp.serialize.1200B", unit="ns/packet")
def serialize() -> Work:
    """Serialize without extensions; peer: aiortc."""
    packet = _packet({})
    data = packet.serialize()
    peer, found = None, _aiortc(data)
    if found is not None:
        name, theirs, _ = found
        peer = _peer(name, theirs.parse(data).serialize)

    def run(n: int) -> None:
        for _ in range(n):
            packet.serialize()

    return Work(run, peer=peer)
