"""Reports of senders and receivers (C module ``wire/rtcp``)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arcrtc._native import check, ffi, lib
from arcrtc.rtcp.base import ANY_COUNT, MAX_COUNT, READERS, U8, U32, U64, RtcpPacket, check_count, check_range


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
        check_range("fraction_lost", self.fraction_lost, 0, U8)
        check_range("cumulative_lost", self.cumulative_lost, -(2**23), 2**23 - 1)
        for name in ("ssrc", "highest_sequence", "jitter_ticks", "last_sr", "delay_since_last_sr"):
            check_range(name, getattr(self, name), 0, U32)


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
        check_range("ntp_time", self.ntp_time, 0, U64)
        for name in ("ssrc", "rtp_timestamp", "packet_count", "octet_count"):
            check_range(name, getattr(self, name), 0, U32)
        check_count("reports", self.reports, 0, MAX_COUNT)

    @staticmethod
    def _read(packet: Any) -> SenderReport:
        ssrc, n = ffi.new("uint32_t *"), ffi.new("size_t *")
        info = ffi.new("struct arc_rtcp_sender_info *")
        blocks = ffi.new("struct arc_rtcp_report_block[]", MAX_COUNT)
        check(lib.arc_rtcp_parse_sr(packet, ssrc, info, blocks, MAX_COUNT, n), "SenderReport")
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
        check_range("ssrc", self.ssrc, 0, U32)
        check_count("reports", self.reports, 0, MAX_COUNT)

    @staticmethod
    def _read(packet: Any) -> ReceiverReport:
        ssrc, n = ffi.new("uint32_t *"), ffi.new("size_t *")
        blocks = ffi.new("struct arc_rtcp_report_block[]", MAX_COUNT)
        check(lib.arc_rtcp_parse_rr(packet, ssrc, blocks, MAX_COUNT, n), "ReceiverReport")
        return ReceiverReport(ssrc[0], _read_blocks(blocks, n[0]))

    def _write(self, writer: Any) -> None:
        lib.arc_rtcp_write_rr(writer, self.ssrc, _blocks_of(self.reports), len(self.reports))


READERS[lib.ARC_RTCP_SR, ANY_COUNT] = SenderReport._read
READERS[lib.ARC_RTCP_RR, ANY_COUNT] = ReceiverReport._read
