"""RTCP packets (C modules ``wire/rtcp`` and ``wire/rtcpfb``).

Each kind of packet is a frozen dataclass; :class:`RtcpPacket` reads and writes
compounds of them.
"""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from arcrtc._native import check, ffi, lib
from arcrtc.errors import ArgumentError, ParseError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "App",
    "FullIntraRequest",
    "GenericNack",
    "Goodbye",
    "PictureLossIndication",
    "ReceiverReport",
    "Remb",
    "ReportBlock",
    "RtcpPacket",
    "SdesChunk",
    "SenderReport",
    "SourceDescription",
    "UnknownRtcp",
]

_MAX_COMPOUND_BYTES: Final = 65535
_MAX_COUNT: Final = lib.ARC_RTCP_MAX_COUNT
_MAX_TEXT_BYTES: Final = lib.ARC_RTCP_MAX_TEXT_BYTES
_U8: Final = 0xFF
_U16: Final = 0xFFFF
_U32: Final = 0xFFFFFFFF
_U64: Final = 0xFFFFFFFFFFFFFFFF


def _check_range(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or not low <= value <= high:
        raise ArgumentError(f"{name}={value!r} is outside {low}..{high}")


def _check_count(name: str, values: tuple[Any, ...], low: int, high: int) -> None:
    if not isinstance(values, tuple) or not low <= len(values) <= high:
        raise ArgumentError(f"{name} must be a tuple of {low}..{high} entries")


def _check_bytes(name: str, value: object, high: int) -> None:
    if not isinstance(value, bytes) or len(value) > high:
        raise ArgumentError(f"{name} must be bytes, at most {high}")


def _encode(name: str, text: str) -> bytes:
    """UTF-8, at most 255 bytes; surrogates stand for bytes that are not."""
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ArgumentError(f"{name} is not text that UTF-8 can carry: {error.reason}") from None
    _check_bytes(name, raw, _MAX_TEXT_BYTES)
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
            read = _READERS.get((packet.type, packet.count)) or _READERS.get((packet.type, -1))
            packets.append(read(packet) if read else UnknownRtcp._read(packet))
        return packets

    @staticmethod
    def serialize_compound(packets: Iterable[RtcpPacket]) -> bytes:
        """Return the packets one behind the other, without padding.

        :raises ArgumentError: no packet at all, or more than 65535 bytes.
        """
        out = ffi.new("uint8_t[]", _MAX_COMPOUND_BYTES)
        writer = ffi.new("struct arc_writer *", {"data": out, "cap": _MAX_COMPOUND_BYTES})
        for packet in packets:
            packet._write(writer)
        if writer.fail:
            raise ArgumentError(f"the compound is longer than {_MAX_COMPOUND_BYTES} bytes")
        if writer.pos == 0:
            raise ArgumentError("a compound needs at least one packet")
        return bytes(ffi.buffer(out, writer.pos))

    def serialize(self) -> bytes:
        """Return this packet alone as bytes (reduced size, unless it is a report)."""
        return RtcpPacket.serialize_compound([self])

    @abstractmethod
    def _write(self, writer: Any) -> None:
        """Append to a ``struct arc_writer *``."""


def _read_blocks(blocks: Any, n: int) -> tuple[ReportBlock, ...]:
    return tuple(ReportBlock(b.ssrc, b.fraction_lost, b.cumulative_lost, b.highest_seq, b.jitter_ticks,
                             b.lsr, b.dlsr) for b in blocks[0:n])


def _blocks_of(reports: tuple[ReportBlock, ...]) -> Any:
    return ffi.new("struct arc_rtcp_report_block[]", [
        (b.ssrc, b.fraction_lost, b.cumulative_lost, b.highest_sequence, b.jitter_ticks, b.last_sr,
         b.delay_since_last_sr) for b in reports])


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says about one source.

    :ivar ssrc: source it is about.
    :ivar fraction_lost: lost since the last report, 1/256, 0..255.
    :ivar cumulative_lost: lost since the start, packets, -2**23..2**23-1
        (negative: more duplicates than losses).
    :ivar highest_sequence: wraps << 16 | highest sequence number.
    :ivar jitter_ticks: interarrival jitter, ticks of the payload's clock.
    :ivar last_sr: middle 32 bits of the NTP time of the last SR; 0: none seen.
    :ivar delay_since_last_sr: 1/65536 s.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3550 section 6.4.1.
    """

    ssrc: int
    fraction_lost: int = 0
    cumulative_lost: int = 0
    highest_sequence: int = 0
    jitter_ticks: int = 0
    last_sr: int = 0
    delay_since_last_sr: int = 0

    def __post_init__(self) -> None:
        _check_range("fraction_lost", self.fraction_lost, 0, _U8)
        _check_range("cumulative_lost", self.cumulative_lost, -(2**23), 2**23 - 1)
        for name in ("ssrc", "highest_sequence", "jitter_ticks", "last_sr", "delay_since_last_sr"):
            _check_range(name, getattr(self, name), 0, _U32)


@dataclass(frozen=True, slots=True)
class SenderReport(RtcpPacket):
    """Report of a source that sends.

    Profile-specific words behind the blocks are left out when one is parsed.

    :ivar ssrc: who reports.
    :ivar ntp_time: wall time, 32.32 seconds since 1900, 64 bits.
    :ivar rtp_timestamp: the same moment in ticks of the payload's clock.
    :ivar packet_count: packets sent, mod 2**32.
    :ivar octet_count: payload bytes sent, mod 2**32.
    :ivar reports: at most 31.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3550 section 6.4.1.
    """

    ssrc: int
    ntp_time: int
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    reports: tuple[ReportBlock, ...] = ()

    def __post_init__(self) -> None:
        _check_range("ntp_time", self.ntp_time, 0, _U64)
        for name in ("ssrc", "rtp_timestamp", "packet_count", "octet_count"):
            _check_range(name, getattr(self, name), 0, _U32)
        _check_count("reports", self.reports, 0, _MAX_COUNT)

    @staticmethod
    def _read(packet: Any) -> SenderReport:
        ssrc, n = ffi.new("uint32_t *"), ffi.new("size_t *")
        info = ffi.new("struct arc_rtcp_sender_info *")
        blocks = ffi.new("struct arc_rtcp_report_block[]", _MAX_COUNT)
        check(lib.arc_rtcp_parse_sr(packet, ssrc, info, blocks, _MAX_COUNT, n), "SenderReport")
        return SenderReport(ssrc[0], info.ntp64, info.rtp_ts, info.packets, info.bytes,
                            _read_blocks(blocks, n[0]))

    def _write(self, writer: Any) -> None:
        info = ffi.new("struct arc_rtcp_sender_info *",
                       (self.ntp_time, self.rtp_timestamp, self.packet_count, self.octet_count))
        lib.arc_rtcp_write_sr(writer, self.ssrc, info, _blocks_of(self.reports), len(self.reports))


@dataclass(frozen=True, slots=True)
class ReceiverReport(RtcpPacket):
    """Report of a receiver that does not send.

    Profile-specific words behind the blocks are left out when one is parsed.

    :ivar ssrc: who reports.
    :ivar reports: at most 31.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3550 section 6.4.2.
    """

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()

    def __post_init__(self) -> None:
        _check_range("ssrc", self.ssrc, 0, _U32)
        _check_count("reports", self.reports, 0, _MAX_COUNT)

    @staticmethod
    def _read(packet: Any) -> ReceiverReport:
        ssrc, n = ffi.new("uint32_t *"), ffi.new("size_t *")
        blocks = ffi.new("struct arc_rtcp_report_block[]", _MAX_COUNT)
        check(lib.arc_rtcp_parse_rr(packet, ssrc, blocks, _MAX_COUNT, n), "ReceiverReport")
        return ReceiverReport(ssrc[0], _read_blocks(blocks, n[0]))

    def _write(self, writer: Any) -> None:
        lib.arc_rtcp_write_rr(writer, self.ssrc, _blocks_of(self.reports), len(self.reports))


@dataclass(frozen=True, slots=True)
class SdesChunk:
    """What one source says about itself.

    :ivar ssrc: the source.
    :ivar items: (type, value) pairs; type 1..255 (1: CNAME), value of 0..255
        bytes, UTF-8 without a zero at its end.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3550 section 6.5.
    """

    ssrc: int
    items: tuple[tuple[int, bytes], ...]

    def __post_init__(self) -> None:
        _check_range("ssrc", self.ssrc, 0, _U32)
        _check_count("items", self.items, 0, _MAX_COMPOUND_BYTES)
        for kind, value in self.items:
            _check_range("item type", kind, 1, _U8)
            _check_bytes("item value", value, _MAX_TEXT_BYTES)

    @property
    def cname(self) -> str | None:
        """The canonical name, or None; bytes that are not UTF-8 come as surrogates."""
        for kind, value in self.items:
            if kind == lib.ARC_SDES_CNAME:
                return value.decode("utf-8", "surrogateescape")
        return None


@dataclass(frozen=True, slots=True)
class SourceDescription(RtcpPacket):
    """Descriptions of sources, the canonical name above all.

    :ivar chunks: one a source, at most 31.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3550 section 6.5.
    """

    chunks: tuple[SdesChunk, ...]

    def __post_init__(self) -> None:
        _check_count("chunks", self.chunks, 0, _MAX_COUNT)

    @classmethod
    def with_cname(cls, ssrc: int, cname: str) -> SourceDescription:
        """One chunk with one canonical name, at most 255 bytes of UTF-8."""
        return cls((SdesChunk(ssrc, ((lib.ARC_SDES_CNAME, _encode("cname", cname)),)),))

    @staticmethod
    def _read(packet: Any) -> SourceDescription:
        step = ffi.new("struct arc_rtcp_sdes_iter *")
        item = ffi.new("struct arc_rtcp_sdes_item *")
        check(lib.arc_rtcp_sdes_iter_init(step, packet), "SourceDescription")
        chunks: list[SdesChunk] = []
        items: list[tuple[int, bytes]] = []
        while check(lib.arc_rtcp_sdes_next(step, item), "SourceDescription"):
            if item.type == lib.ARC_SDES_END:
                chunks.append(SdesChunk(item.ssrc, tuple(items)))
                items = []
            else:
                items.append((item.type, bytes(ffi.buffer(item.value, item.value_len))))
        return SourceDescription(tuple(chunks))

    def _write(self, writer: Any) -> None:
        flat: list[tuple[int, int, int, Any]] = []
        for chunk in self.chunks:
            flat += [(chunk.ssrc, kind, len(value), ffi.from_buffer("uint8_t[]", value))
                     for kind, value in chunk.items]
            flat.append((chunk.ssrc, lib.ARC_SDES_END, 0, ffi.NULL))
        lib.arc_rtcp_write_sdes(writer, ffi.new("struct arc_rtcp_sdes_item[]", flat), len(flat))


@dataclass(frozen=True, slots=True)
class Goodbye(RtcpPacket):
    """Sources that leave.

    :ivar ssrcs: at most 31.
    :ivar reason: for people, at most 255 bytes of UTF-8; None: none. Bytes that
        are not UTF-8 come as surrogates.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3550 section 6.6.
    """

    ssrcs: tuple[int, ...]
    reason: str | None = None

    def __post_init__(self) -> None:
        _check_count("ssrcs", self.ssrcs, 0, _MAX_COUNT)
        for ssrc in self.ssrcs:
            _check_range("ssrcs", ssrc, 0, _U32)
        if self.reason is not None:
            _encode("reason", self.reason)

    @staticmethod
    def _read(packet: Any) -> Goodbye:
        ssrcs, n = ffi.new("uint32_t[]", _MAX_COUNT), ffi.new("size_t *")
        text, text_len = ffi.new("uint8_t **"), ffi.new("size_t *")
        check(lib.arc_rtcp_parse_bye(packet, ssrcs, _MAX_COUNT, n, text, text_len), "Goodbye")
        reason = None
        if text[0]:
            reason = bytes(ffi.buffer(text[0], text_len[0])).decode("utf-8", "surrogateescape")
        return Goodbye(tuple(ffi.unpack(ssrcs, n[0])), reason)

    def _write(self, writer: Any) -> None:
        ssrcs = ffi.new("uint32_t[]", self.ssrcs)
        if self.reason is None:
            lib.arc_rtcp_write_bye_text(writer, ssrcs, len(self.ssrcs), ffi.NULL, 0)
        else:
            text = _encode("reason", self.reason)
            lib.arc_rtcp_write_bye_text(writer, ssrcs, len(self.ssrcs), text, len(text))


@dataclass(frozen=True, slots=True)
class App(RtcpPacket):
    """Application-defined packet.

    :ivar ssrc: who sends it.
    :ivar name: 4 bytes of ASCII.
    :ivar data: a multiple of 4 bytes.
    :ivar subtype: 0..31.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3550 section 6.7.
    """

    ssrc: int
    name: bytes
    data: bytes = b""
    subtype: int = 0

    def __post_init__(self) -> None:
        _check_range("ssrc", self.ssrc, 0, _U32)
        _check_range("subtype", self.subtype, 0, _MAX_COUNT)
        _check_bytes("data", self.data, _MAX_COMPOUND_BYTES)
        if not isinstance(self.name, bytes) or len(self.name) != 4:
            raise ArgumentError("name must be 4 bytes")
        if len(self.data) % 4:
            raise ArgumentError(f"data has {len(self.data)} bytes, must be a multiple of 4")

    @staticmethod
    def _read(packet: Any) -> App:
        app = ffi.new("struct arc_rtcp_app *")
        check(lib.arc_rtcp_parse_app(packet, app), "App")
        return App(app.ssrc, bytes(app.name), bytes(ffi.buffer(app.data, app.data_len)), app.subtype)

    def _write(self, writer: Any) -> None:
        data = ffi.from_buffer("uint8_t[]", self.data)
        app = ffi.new("struct arc_rtcp_app *", {
            "subtype": self.subtype, "ssrc": self.ssrc, "name": list(self.name), "data": data,
            "data_len": len(self.data)})
        lib.arc_rtcp_write_app(writer, app)


@dataclass(frozen=True, slots=True)
class GenericNack(RtcpPacket):
    """Request for lost packets.

    :ivar sender_ssrc: who asks.
    :ivar media_ssrc: whose packets are lost.
    :ivar sequence_numbers: at least one, 0..65535; ascending (mod 2**16) they
        pack best and come back in the same order.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 4585 section 6.2.1.
    """

    sender_ssrc: int
    media_ssrc: int
    sequence_numbers: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_range("sender_ssrc", self.sender_ssrc, 0, _U32)
        _check_range("media_ssrc", self.media_ssrc, 0, _U32)
        _check_count("sequence_numbers", self.sequence_numbers, 1, 1 << 20)
        for seq in self.sequence_numbers:
            _check_range("sequence_numbers", seq, 0, _U16)

    @staticmethod
    def _read(packet: Any) -> GenericNack:
        cap = 17 * (packet.body_len // 4)
        sender, media, n = ffi.new("uint32_t *"), ffi.new("uint32_t *"), ffi.new("size_t *")
        seqs = ffi.new("uint16_t[]", cap)
        check(lib.arc_rtcp_parse_nack(packet, sender, media, seqs, cap, n), "GenericNack")
        return GenericNack(sender[0], media[0], tuple(ffi.unpack(seqs, n[0])))

    def _write(self, writer: Any) -> None:
        seqs = ffi.new("uint16_t[]", self.sequence_numbers)
        lib.arc_rtcp_write_nack(writer, self.sender_ssrc, self.media_ssrc, seqs, len(self.sequence_numbers))


@dataclass(frozen=True, slots=True)
class PictureLossIndication(RtcpPacket):
    """Says that a picture is lost.

    :ivar sender_ssrc: who says so.
    :ivar media_ssrc: whose picture.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 4585 section 6.3.1.
    """

    sender_ssrc: int
    media_ssrc: int

    def __post_init__(self) -> None:
        _check_range("sender_ssrc", self.sender_ssrc, 0, _U32)
        _check_range("media_ssrc", self.media_ssrc, 0, _U32)

    @staticmethod
    def _read(packet: Any) -> PictureLossIndication:
        sender, media = ffi.new("uint32_t *"), ffi.new("uint32_t *")
        check(lib.arc_rtcp_parse_pli(packet, sender, media), "PictureLossIndication")
        return PictureLossIndication(sender[0], media[0])

    def _write(self, writer: Any) -> None:
        lib.arc_rtcp_write_pli(writer, self.sender_ssrc, self.media_ssrc)


@dataclass(frozen=True, slots=True)
class FullIntraRequest(RtcpPacket):
    """Asks sources for a key frame.

    :ivar sender_ssrc: who asks.
    :ivar entries: at least one (media SSRC, command number 0..255); a repeated
        request keeps its number.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 5104 section 4.3.1.
    """

    sender_ssrc: int
    entries: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        _check_range("sender_ssrc", self.sender_ssrc, 0, _U32)
        _check_count("entries", self.entries, 1, _MAX_COMPOUND_BYTES // 8)
        for ssrc, seq_nr in self.entries:
            _check_range("media SSRC", ssrc, 0, _U32)
            _check_range("command number", seq_nr, 0, _U8)

    @staticmethod
    def _read(packet: Any) -> FullIntraRequest:
        cap = packet.body_len // 8
        sender, n = ffi.new("uint32_t *"), ffi.new("size_t *")
        ssrcs, seq_nrs = ffi.new("uint32_t[]", cap), ffi.new("uint8_t[]", cap)
        check(lib.arc_rtcp_parse_fir(packet, sender, ssrcs, seq_nrs, cap, n), "FullIntraRequest")
        return FullIntraRequest(sender[0], tuple((ssrcs[i], seq_nrs[i]) for i in range(n[0])))

    def _write(self, writer: Any) -> None:
        ssrcs = ffi.new("uint32_t[]", [ssrc for ssrc, _ in self.entries])
        seq_nrs = ffi.new("uint8_t[]", [seq_nr for _, seq_nr in self.entries])
        lib.arc_rtcp_write_fir_list(writer, self.sender_ssrc, ssrcs, seq_nrs, len(self.entries))


@dataclass(frozen=True, slots=True)
class Remb(RtcpPacket):
    """The highest rate that some sources may send together.

    :ivar sender_ssrc: who says so.
    :ivar bitrate_bps: bits per second, 0..2**64-1; the wire has 18 bits of
        mantissa and the rate is rounded down to them.
    :ivar ssrcs: the sources, at most 255.
    :raises ArgumentError: a field is out of its range.

    Source: draft-alvestrand-rmcat-remb-03 section 2.2.
    """

    sender_ssrc: int
    bitrate_bps: int
    ssrcs: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_range("sender_ssrc", self.sender_ssrc, 0, _U32)
        _check_range("bitrate_bps", self.bitrate_bps, 0, _U64)
        _check_count("ssrcs", self.ssrcs, 0, lib.ARC_RTCP_MAX_REMB_SSRCS)
        for ssrc in self.ssrcs:
            _check_range("ssrcs", ssrc, 0, _U32)

    @staticmethod
    def _read(packet: Any) -> RtcpPacket:
        cap = lib.ARC_RTCP_MAX_REMB_SSRCS
        sender, rate, n = ffi.new("uint32_t *"), ffi.new("uint64_t *"), ffi.new("size_t *")
        ssrcs = ffi.new("uint32_t[]", cap)
        status = lib.arc_rtcp_parse_remb(packet, sender, rate, ssrcs, cap, n)
        if status == lib.ARC_ERR_UNSUPPORTED:
            return UnknownRtcp._read(packet)
        check(status, "Remb")
        return Remb(sender[0], rate[0], tuple(ffi.unpack(ssrcs, n[0])))

    def _write(self, writer: Any) -> None:
        ssrcs = ffi.new("uint32_t[]", self.ssrcs)
        lib.arc_rtcp_write_remb(writer, self.sender_ssrc, self.bitrate_bps, ssrcs, len(self.ssrcs))


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
        _check_range("packet_type", self.packet_type, 0, _U8)
        _check_range("count", self.count, 0, _MAX_COUNT)
        _check_bytes("body", self.body, _MAX_COMPOUND_BYTES)
        if len(self.body) % 4:
            raise ArgumentError(f"body has {len(self.body)} bytes, must be a multiple of 4")

    @staticmethod
    def _read(packet: Any) -> UnknownRtcp:
        return UnknownRtcp(packet.type, packet.count, bytes(ffi.buffer(packet.body, packet.body_len)))

    def _write(self, writer: Any) -> None:
        body = ffi.from_buffer("uint8_t[]", self.body)
        lib.arc_rtcp_write_raw(writer, ffi.new("struct arc_rtcp_packet *",
                                               (self.packet_type, self.count, body, len(self.body))))


#: (packet type, format or -1 for any) -> reader of a ``struct arc_rtcp_packet *``
_READERS: Final[dict[tuple[int, int], Callable[[Any], RtcpPacket]]] = {
    (lib.ARC_RTCP_SR, -1): SenderReport._read,
    (lib.ARC_RTCP_RR, -1): ReceiverReport._read,
    (lib.ARC_RTCP_SDES, -1): SourceDescription._read,
    (lib.ARC_RTCP_BYE, -1): Goodbye._read,
    (lib.ARC_RTCP_APP, -1): App._read,
    (lib.ARC_RTCP_RTPFB, lib.ARC_RTPFB_NACK): GenericNack._read,
    (lib.ARC_RTCP_PSFB, lib.ARC_PSFB_PLI): PictureLossIndication._read,
    (lib.ARC_RTCP_PSFB, lib.ARC_PSFB_FIR): FullIntraRequest._read,
    (lib.ARC_RTCP_PSFB, lib.ARC_PSFB_AFB): Remb._read,
}
