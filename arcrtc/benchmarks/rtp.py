"""RTP packets through the Python API: parse, serialize, batches; peer: aiortc, where it is installed."""
from __future__ import annotations

import struct
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from arcrtc.benchmarks.registry import Peer, Work, benchmark
from arcrtc.rtp import RtpHeader, RtpPacket
from arcrtc.rtpbatch import RtpBatch
from arcrtc.rtpext import AudioLevel
from arcrtc.srtp import PacketBatch

_PAYLOAD: Final = bytes(1188)  # with the fixed header: 1200 bytes
_LEVEL_ID: Final = 1
_EXTENSION: Final = {_LEVEL_ID: AudioLevel(-30, voice=True).serialize()}
_SLOT_BYTES: Final = 1500


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
    parameters: Any = import_module("aiortc.rtcrtpparameters")
    extensions = theirs.HeaderExtensionsMap()
    extensions.configure(parameters.RTCRtpParameters(headerExtensions=[
        parameters.RTCRtpHeaderExtensionParameters(id=_LEVEL_ID, uri=AudioLevel.URI)]))
    return f"aiortc {aiortc.__version__}", theirs.RtpPacket, extensions


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
    """Parse with one header extension (audio level) that nobody looks at."""
    return _parse_work(_packet(_EXTENSION).serialize())


@benchmark("rtp.parse.extension.1200B.read", unit="ns/packet")
def parse_and_read() -> Work:
    """The same, and every field of the header, the payload and the extension are read."""
    data = _packet(_EXTENSION).serialize()
    parse, found, peer = RtpPacket.parse, _aiortc(data), None
    if found is not None:
        name, theirs, extensions = found

        def read_theirs() -> tuple[object, ...]:
            p = theirs.parse(data, extensions)
            return (p.sequence_number, p.timestamp, p.ssrc, p.payload_type, p.marker, p.payload,
                    p.extensions.audio_level)

        peer = _peer(name, read_theirs)

    def run(n: int) -> None:
        for _ in range(n):
            packet = parse(data)
            h = packet.header
            _ = (h.sequence_number, h.timestamp, h.ssrc, h.payload_type, h.marker, packet.payload,
                 h.extensions[_LEVEL_ID])

    return Work(run, peer=peer)


def _batch_work(n_packets: int, extensions: dict[int, bytes], ids: tuple[int, ...]) -> Work:
    data = _packet(extensions).serialize()
    batch, fields = PacketBatch(n_packets, _SLOT_BYTES), RtpBatch(n_packets, ids)
    for _ in range(n_packets):
        batch.append(data)
    found, peer = _aiortc(data), None
    if found is not None:
        name, theirs, known = found
        peer = _peer(f"{name}, one by one", lambda: theirs.parse(data, known))

    def run(n: int) -> None:
        for _ in range(n):
            fields.parse(batch)

    run(1)
    return Work(run, items=n_packets, peer=peer)


def _register_batches(n_packets: int) -> None:
    name = f"rtp.parse_batch.1200B.batch{n_packets}"
    benchmark(name, unit="ns/packet")(lambda: _batch_work(n_packets, {}, ()))
    benchmark(f"{name}.extension", unit="ns/packet")(lambda: _batch_work(n_packets, _EXTENSION, (_LEVEL_ID,)))


for _n in (64, 1024):
    _register_batches(_n)


def _serialize_work(extensions: dict[int, bytes]) -> Work:
    packet = _packet(extensions)
    data = packet.serialize()
    peer, found = None, _aiortc(data)
    if found is not None:
        name, theirs, known = found
        theirs_parsed = theirs.parse(data, known)
        peer = _peer(name, lambda: theirs_parsed.serialize(known))

    def run(n: int) -> None:
        for _ in range(n):
            packet.serialize()

    return Work(run, peer=peer)


@benchmark("rtp.serialize.1200B", unit="ns/packet")
def serialize() -> Work:
    """Serialize without extensions; peer: aiortc."""
    return _serialize_work({})


@benchmark("rtp.serialize.extension.1200B", unit="ns/packet")
def serialize_extension() -> Work:
    """Serialize with one header extension (audio level)."""
    return _serialize_work(_EXTENSION)
