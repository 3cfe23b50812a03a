"""Base of the RTCP packets: compounds, values in range, kinds without a class (C module ``wire/rtcp``)."""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from arcrtc._native import check, ffi, lib
from arcrtc.errors import ArgumentError, ParseError

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAX_COMPOUND_BYTES: Final = 65535
MAX_COUNT: Final = lib.ARC_RTCP_MAX_COUNT
MAX_TEXT_BYTES: Final = lib.ARC_RTCP_MAX_TEXT_BYTES
U8: Final = 0xFF
U16: Final = 0xFFFF
U32: Final = 0xFFFFFFFF
U64: Final = 0xFFFFFFFFFFFFFFFF

#: stands for any value of the five bits of the header in READERS
ANY_COUNT: Final = -1
#: (packet type, count or ANY_COUNT) -> reader of a ``struct arc_rtcp_packet *``; each module enters its own
READERS: Final[dict[tuple[int, int], Callable[[Any], RtcpPacket]]] = {}


def check_range(name: str, value: object, low: int, high: int) -> None:
    """Raise ArgumentError unless ``value`` is an int in ``low..high``."""
    if not isinstance(value, int) or not low <= value <= high:
        raise ArgumentError(f"{name}={value!r} is outside {low}..{high}")


def check_count(name: str, values: tuple[Any, ...], low: int, high: int) -> None:
    """Raise ArgumentError unless ``values`` is a tuple of ``low..high`` entries."""
    if not isinstance(values, tuple) or not low <= len(values) <= high:
        raise ArgumentError(f"{name} must be a tuple of {low}..{high} entries")


def check_bytes(name: str, value: object, high: int) -> None:
    """Raise ArgumentError unless ``value`` is bytes, at most ``high``."""
    if not isinstance(value, bytes) or len(value) > high:
        raise ArgumentError(f"{name} must be bytes, at most {high}")


def encode_text(name: str, text: str) -> bytes:
    """UTF-8, at most 255 bytes; surrogates stand for bytes that are not."""
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ArgumentError(f"{name} is not text that UTF-8 can carry: {error.reason}") from None
    check_bytes(name, raw, MAX_TEXT_BYTES)
    return raw


class RtcpPacket(ABC):
    """Base of every RTCP packet; reads and writes compounds.

    An SSRC in any of them is 0..2**32-1.

    Source: RFC 3550 section 6.1 and appendix A.2, RFC 5506.
    """

    __slots__ = ()

    @staticmethod
    def parse_compound(data: Buffer, *, reduced_size_allowed: bool = True) -> list[RtcpPacket]:
        """Read all packets of one datagram, in order.

        Kinds without a class of their own come as :class:`UnknownRtcp`.

        :param data: any contiguous bytes-like; copied, never kept.
        :param reduced_size_allowed: False: the first packet must be an SR or RR
            (RFC 3550); True: any may stand first (RFC 5506).
        :raises ParseError: malformed; the message says in what way. One bad
            packet refuses the whole datagram.
        :raises TypeError: ``data`` is not bytes-like.
        """
        raw = memoryview(data).tobytes()
        fault = lib.arc_rtcp_fault(raw, len(raw), reduced_size_allowed)
        if fault:
            raise ParseError("RtcpPacket.parse_compound: " + ffi.string(fault).decode())
        lent = ffi.from_buffer("uint8_t[]", raw)
        reader = ffi.new("struct arc_reader *", {"data": lent, "len": len(raw)})
        packet = ffi.new("struct arc_rtcp_packet *")
        packets: list[RtcpPacket] = []
        while check(lib.arc_rtcp_next(reader, packet), "RtcpPacket.parse_compound"):
            read = READERS.get((packet.type, packet.count)) or READERS.get((packet.type, ANY_COUNT))
            packets.append(read(packet) if read else UnknownRtcp._read(packet))
        return packets

    @staticmethod
    def serialize_compound(packets: Iterable[RtcpPacket]) -> bytes:
        """Return the packets one behind the other, without padding.

        :raises ArgumentError: no packet at all, or more than 65535 bytes.
        """
        out = ffi.new("uint8_t[]", MAX_COMPOUND_BYTES)
        writer = ffi.new("struct arc_writer *", {"data": out, "cap": MAX_COMPOUND_BYTES})
        for packet in packets:
            packet._write(writer)
        if writer.fail:
            raise ArgumentError(f"the compound is longer than {MAX_COMPOUND_BYTES} bytes")
        if writer.pos == 0:
            raise ArgumentError("a compound needs at least one packet")
        return bytes(ffi.buffer(out, writer.pos))

    def serialize(self) -> bytes:
        """Return this packet alone as bytes (reduced size, unless it is a report)."""
        return RtcpPacket.serialize_compound([self])

    @abstractmethod
    def _write(self, writer: Any) -> None:
        """Append to a ``struct arc_writer *``."""


@dataclass(frozen=True, slots=True)
class UnknownRtcp(RtcpPacket):
    """A packet of a kind without a class of its own, as it came.

    :ivar packet_type: 0..255.
    :ivar count: the five bits of the header: blocks, subtype or format, 0..31.
    :ivar body: behind the 4-byte header, without padding; a multiple of 4 bytes.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3550 section 6.4.1 (header).
    """

    packet_type: int
    count: int
    body: bytes

    def __post_init__(self) -> None:
        check_range("packet_type", self.packet_type, 0, U8)
        check_range("count", self.count, 0, MAX_COUNT)
        check_bytes("body", self.body, MAX_COMPOUND_BYTES)
        if len(self.body) % 4:
            raise ArgumentError(f"body has {len(self.body)} bytes, must be a multiple of 4")

    @staticmethod
    def _read(packet: Any) -> UnknownRtcp:
        return UnknownRtcp(packet.type, packet.count, bytes(ffi.buffer(packet.body, packet.body_len)))

    def _write(self, writer: Any) -> None:
        body = ffi.from_buffer("uint8_t[]", self.body)
        lib.arc_rtcp_write_raw(writer, ffi.new("struct arc_rtcp_packet *",
                                               (self.packet_type, self.count, body, len(self.body))))
