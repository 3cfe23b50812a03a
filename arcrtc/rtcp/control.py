"""Control of a sender: highest rate, quality or frame rate, a report now.

C modules ``wire/rtcpfb`` and ``wire/rtcppsfb``.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from arcrtc._native import check, ffi, lib
from arcrtc.rtcp.base import MAX_COMPOUND_BYTES, READERS, U8, U32, U64, RtcpPacket, check_count, check_range

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The most that one source may send.

    :ivar ssrc: who is asked to keep to it; in a notification: who asked.
    :ivar bitrate_bps: with all headers, bits per second, 0..2**64-1; the wire has 17
        bits of mantissa and the rate is rounded down to them.
    :ivar overhead_bytes: headers of a packet, measured, mean, 0..511.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 5104 section 4.2.1.
    """

    ssrc: int
    bitrate_bps: int
    overhead_bytes: int

    def __post_init__(self) -> None:
        check_range("ssrc", self.ssrc, 0, U32)
        check_range("bitrate_bps", self.bitrate_bps, 0, U64)
        check_range("overhead_bytes", self.overhead_bytes, 0, 511)


def _limits_of(limits: tuple[RateLimit, ...]) -> Any:
    return ffi.new("struct arc_rtcp_rate_limit[]", [(x.ssrc, x.bitrate_bps, x.overhead_bytes) for x in limits])


def _read_limits(parse: Any, packet: Any, what: str) -> tuple[int, tuple[RateLimit, ...]]:
    cap = packet.body_len // 8
    sender, n = ffi.new("uint32_t *"), ffi.new("size_t *")
    limits = ffi.new("struct arc_rtcp_rate_limit[]", cap)
    check(parse(packet, sender, limits, cap, n), what)
    return sender[0], tuple(RateLimit(x.ssrc, x.bitrate_bps, x.overhead_bytes) for x in limits[0:n[0]])


@dataclass(frozen=True, slots=True)
class _RateLimits(RtcpPacket):
    """What request and notification have in common; each names its functions of the core."""

    sender_ssrc: int
    limits: tuple[RateLimit, ...]

    _LEAST: ClassVar[int] = 1
    _PARSE: ClassVar[Any]
    _PUT: ClassVar[Any]

    def __post_init__(self) -> None:
        check_range("sender_ssrc", self.sender_ssrc, 0, U32)
        check_count("limits", self.limits, self._LEAST, MAX_COMPOUND_BYTES // 8)

    @classmethod
    def _read(cls, packet: Any) -> Self:
        return cls(*_read_limits(cls._PARSE, packet, cls.__name__))

    def _write(self, writer: Any) -> None:
        self._PUT(writer, self.sender_ssrc, _limits_of(self.limits), len(self.limits))


@dataclass(frozen=True, slots=True)
class TemporaryMaxBitrateRequest(_RateLimits):
    """Asks sources to send no more than a rate (TMMBR).

    :ivar sender_ssrc: who asks.
    :ivar limits: at least one.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 5104 section 4.2.1.
    """

    _PARSE = staticmethod(lib.arc_rtcp_parse_tmmbr)
    _PUT = staticmethod(lib.arc_rtcp_write_tmmbr)


@dataclass(frozen=True, slots=True)
class TemporaryMaxBitrateNotification(_RateLimits):
    """Tells which limits bound a source (TMMBN).

    :ivar sender_ssrc: the source.
    :ivar limits: may be none.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 5104 section 4.2.2.
    """

    _LEAST = 0
    _PARSE = staticmethod(lib.arc_rtcp_parse_tmmbn)
    _PUT = staticmethod(lib.arc_rtcp_write_tmmbn)


@dataclass(frozen=True, slots=True)
class TradeOff:
    """Sharp pictures or many of them.

    :ivar ssrc: who is asked; in a notification: who asked.
    :ivar sequence: number of the request, 0..255; a repetition keeps it.
    :ivar index: 0 (highest quality) .. 31 (highest frame rate).
    :raises ArgumentError: a field is out of its range.

    Source: RFC 5104 section 4.3.2.
    """

    ssrc: int
    sequence: int
    index: int

    def __post_init__(self) -> None:
        check_range("ssrc", self.ssrc, 0, U32)
        check_range("sequence", self.sequence, 0, U8)
        check_range("index", self.index, 0, 31)


def _trade_offs_of(entries: tuple[TradeOff, ...]) -> Any:
    return ffi.new("struct arc_rtcp_tradeoff[]", [(x.ssrc, x.sequence, x.index) for x in entries])


def _read_trade_offs(parse: Any, packet: Any, what: str) -> tuple[int, tuple[TradeOff, ...]]:
    cap = packet.body_len // 8
    sender, n = ffi.new("uint32_t *"), ffi.new("size_t *")
    entries = ffi.new("struct arc_rtcp_tradeoff[]", cap)
    check(parse(packet, sender, entries, cap, n), what)
    return sender[0], tuple(TradeOff(x.ssrc, x.seq_nr, x.index) for x in entries[0:n[0]])


@dataclass(frozen=True, slots=True)
class _TradeOffs(RtcpPacket):
    """What request and notification have in common; each names its functions of the core."""

    sender_ssrc: int
    entries: tuple[TradeOff, ...]

    _LEAST: ClassVar[int] = 1
    _PARSE: ClassVar[Any]
    _PUT: ClassVar[Any]

    def __post_init__(self) -> None:
        check_range("sender_ssrc", self.sender_ssrc, 0, U32)
        check_count("entries", self.entries, self._LEAST, MAX_COMPOUND_BYTES // 8)

    @classmethod
    def _read(cls, packet: Any) -> Self:
        return cls(*_read_trade_offs(cls._PARSE, packet, cls.__name__))

    def _write(self, writer: Any) -> None:
        self._PUT(writer, self.sender_ssrc, _trade_offs_of(self.entries), len(self.entries))


@dataclass(frozen=True, slots=True)
class TradeOffRequest(_TradeOffs):
    """Asks sources for quality or frame rate (TSTR).

    :ivar sender_ssrc: who asks.
    :ivar entries: at least one.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 5104 section 4.3.2.
    """

    _PARSE = staticmethod(lib.arc_rtcp_parse_tstr)
    _PUT = staticmethod(lib.arc_rtcp_write_tstr)


@dataclass(frozen=True, slots=True)
class TradeOffNotification(_TradeOffs):
    """Answers :class:`TradeOffRequest` (TSTN).

    :ivar sender_ssrc: the source.
    :ivar entries: at least one.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 5104 section 4.3.3.
    """

    _PARSE = staticmethod(lib.arc_rtcp_parse_tstn)
    _PUT = staticmethod(lib.arc_rtcp_write_tstn)


@dataclass(frozen=True, slots=True)
class SenderReportRequest(RtcpPacket):
    """Asks a source for a sender report now, to synchronise its streams.

    :ivar sender_ssrc: who asks.
    :ivar media_ssrc: the source.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 6051 section 3.2.
    """

    sender_ssrc: int
    media_ssrc: int

    def __post_init__(self) -> None:
        check_range("sender_ssrc", self.sender_ssrc, 0, U32)
        check_range("media_ssrc", self.media_ssrc, 0, U32)

    @staticmethod
    def _read(packet: Any) -> SenderReportRequest:
        sender, media = ffi.new("uint32_t *"), ffi.new("uint32_t *")
        check(lib.arc_rtcp_parse_sr_req(packet, sender, media), "SenderReportRequest")
        return SenderReportRequest(sender[0], media[0])

    def _write(self, writer: Any) -> None:
        lib.arc_rtcp_write_sr_req(writer, self.sender_ssrc, self.media_ssrc)


READERS[lib.ARC_RTCP_RTPFB, lib.ARC_RTPFB_TMMBR] = TemporaryMaxBitrateRequest._read
READERS[lib.ARC_RTCP_RTPFB, lib.ARC_RTPFB_TMMBN] = TemporaryMaxBitrateNotification._read
READERS[lib.ARC_RTCP_RTPFB, lib.ARC_RTPFB_SR_REQ] = SenderReportRequest._read
READERS[lib.ARC_RTCP_PSFB, lib.ARC_PSFB_TSTR] = TradeOffRequest._read
READERS[lib.ARC_RTCP_PSFB, lib.ARC_PSFB_TSTN] = TradeOffNotification._read
