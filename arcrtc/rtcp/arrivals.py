"""Feedback on the arrival of each packet, for congestion control (C modules ``wire/twcc`` and ``wire/ccfb``)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from arcrtc._native import check, ffi, lib
from arcrtc.errors import ArgumentError
from arcrtc.rtcp.base import MAX_COMPOUND_BYTES, READERS, U8, U16, U32, RtcpPacket, check_count, check_range

_TWCC_HEAD_BYTES: Final = 12  # up to the count of packets


@dataclass(frozen=True, slots=True)
class TransportFeedback(RtcpPacket):
    """When packets of a transport arrived, by transport-wide sequence numbers.

    :ivar sender_ssrc: who received them.
    :ivar media_ssrc: any stream of the transport.
    :ivar base_sequence: number of the first one, 0..65535; the others follow (mod 2**16).
    :ivar feedback_count: of this message, 0..255: tells a lost one.
    :ivar reference_time: of the receiver's own clock, steps of 64 ms, -2**23..2**23-1; wraps.
    :ivar arrivals_us: 1..65535 of them, each microseconds after the reference time,
        or None if it was not received. The wire has steps of 250 us, each one is
        rounded down to them. Two in a row (and the first one and the reference
        time) are at most 8.19175 s apart, backwards 8.192 s.
    :raises ArgumentError: a field is out of its range.

    Source: draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1.
    """

    sender_ssrc: int
    media_ssrc: int
    base_sequence: int
    feedback_count: int
    reference_time: int
    arrivals_us: tuple[int | None, ...]

    def __post_init__(self) -> None:
        check_range("sender_ssrc", self.sender_ssrc, 0, U32)
        check_range("media_ssrc", self.media_ssrc, 0, U32)
        check_range("base_sequence", self.base_sequence, 0, U16)
        check_range("feedback_count", self.feedback_count, 0, U8)
        check_range("reference_time", self.reference_time, -(2**23), 2**23 - 1)
        check_count("arrivals_us", self.arrivals_us, 1, lib.ARC_TWCC_MAX_STATUSES)
        before = 0
        for arrival_us in self.arrivals_us:
            if arrival_us is not None:
                check_range("arrivals_us", arrival_us, -(2**62), 2**62)
                step = arrival_us // lib.ARC_TWCC_STEP_US
                check_range("steps of 250 us between two arrivals", step - before, -(2**15), 2**15 - 1)
                before = step

    @staticmethod
    def _read(packet: Any) -> TransportFeedback:
        raw = ffi.buffer(packet.body, packet.body_len)[:_TWCC_HEAD_BYTES]
        cap = int.from_bytes(raw[_TWCC_HEAD_BYTES - 2:], "big")
        head, n = ffi.new("struct arc_twcc *"), ffi.new("size_t *")
        statuses = ffi.new("struct arc_twcc_status[]", cap)
        check(lib.arc_twcc_parse(packet, head, statuses, cap, n), "TransportFeedback")
        return TransportFeedback(head.sender_ssrc, head.media_ssrc, head.base_seq, head.feedback_count,
                                 head.reference_64ms, tuple(s.arrival_us if s.received else None
                                                            for s in statuses[0:n[0]]))

    def _write(self, writer: Any) -> None:
        head = ffi.new("struct arc_twcc *", (self.sender_ssrc, self.media_ssrc, self.base_sequence,
                                             self.feedback_count, self.reference_time))
        statuses = ffi.new("struct arc_twcc_status[]", [
            (arrival_us or 0, arrival_us is not None) for arrival_us in self.arrivals_us])
        lib.arc_twcc_write(writer, head, statuses, len(self.arrivals_us))


@dataclass(frozen=True, slots=True)
class ReceivedPacket:
    """One packet that was received.

    :ivar arrival_offset: how long before the report it came, 1/1024 s, 0..0x1ffd;
        0x1ffe: longer; 0x1fff: not known, or after the report.
    :ivar ecn: of the IP header, 0..3; 0 if it is not used.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 8888 section 3.1.
    """

    arrival_offset: int = lib.ARC_CCFB_UNAVAILABLE
    ecn: int = 0

    def __post_init__(self) -> None:
        check_range("arrival_offset", self.arrival_offset, 0, lib.ARC_CCFB_UNAVAILABLE)
        check_range("ecn", self.ecn, 0, 3)

    @classmethod
    def before_report(cls, offset_us: int, ecn: int = 0) -> ReceivedPacket:
        """One that came ``offset_us`` microseconds before the report, to the nearest 1/1024 s."""
        check_range("offset_us", offset_us, -(2**62), 2**62)
        return cls(lib.arc_ccfb_ato_from_us(offset_us), ecn)

    @property
    def offset_us(self) -> int | None:
        """How long before the report it came, microseconds; None: not known, or too long."""
        offset_us = lib.arc_ccfb_ato_to_us(self.arrival_offset)
        return None if offset_us < 0 else int(offset_us)


@dataclass(frozen=True, slots=True)
class StreamArrivals:
    """Which packets of one stream were received.

    :ivar ssrc: the stream.
    :ivar begin_sequence: number of the first one, 0..65535; the others follow (mod 2**16).
    :ivar packets: at most 16384, None for one that was not received.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 8888 section 3.1.
    """

    ssrc: int
    begin_sequence: int
    packets: tuple[ReceivedPacket | None, ...]

    def __post_init__(self) -> None:
        check_range("ssrc", self.ssrc, 0, U32)
        check_range("begin_sequence", self.begin_sequence, 0, U16)
        check_count("packets", self.packets, 0, lib.ARC_CCFB_MAX_METRICS)
        if not all(packet is None or isinstance(packet, ReceivedPacket) for packet in self.packets):
            raise ArgumentError("packets must hold ReceivedPacket or None")


@dataclass(frozen=True, slots=True)
class CongestionControlFeedback(RtcpPacket):
    """When packets of several streams arrived, and with which congestion marks.

    :ivar sender_ssrc: who received them.
    :ivar report_timestamp: when this was said, middle 32 bits of NTP time.
    :ivar streams: at least one.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 8888 section 3.1.
    """

    sender_ssrc: int
    report_timestamp: int
    streams: tuple[StreamArrivals, ...]

    def __post_init__(self) -> None:
        check_range("sender_ssrc", self.sender_ssrc, 0, U32)
        check_range("report_timestamp", self.report_timestamp, 0, U32)
        check_count("streams", self.streams, 1, MAX_COMPOUND_BYTES // 8)

    @staticmethod
    def _read(packet: Any) -> CongestionControlFeedback:
        stream_cap, metric_cap = packet.body_len // 8, packet.body_len // 2
        sender, report_ts = ffi.new("uint32_t *"), ffi.new("uint32_t *")
        n_streams, n_metrics = ffi.new("size_t *"), ffi.new("size_t *")
        streams = ffi.new("struct arc_ccfb_stream[]", stream_cap)
        metrics = ffi.new("struct arc_ccfb_metric[]", metric_cap)
        check(lib.arc_ccfb_parse(packet, sender, report_ts, streams, stream_cap, n_streams, metrics, metric_cap,
                                 n_metrics), "CongestionControlFeedback")
        packets = [ReceivedPacket(m.ato, m.ecn) if m.received else None for m in metrics[0:n_metrics[0]]]
        arrivals, at = [], 0
        for s in streams[0:n_streams[0]]:
            arrivals.append(StreamArrivals(s.ssrc, s.begin_seq, tuple(packets[at:at + s.n_metrics])))
            at += s.n_metrics
        return CongestionControlFeedback(sender[0], report_ts[0], tuple(arrivals))

    def _write(self, writer: Any) -> None:
        streams = ffi.new("struct arc_ccfb_stream[]", [
            (s.ssrc, s.begin_sequence, len(s.packets)) for s in self.streams])
        metrics = ffi.new("struct arc_ccfb_metric[]", [
            (True, p.ecn, p.arrival_offset) if p else (False, 0, 0) for s in self.streams for p in s.packets])
        lib.arc_ccfb_write(writer, self.sender_ssrc, self.report_timestamp, streams, len(self.streams), metrics)


READERS[lib.ARC_RTCP_RTPFB, lib.ARC_RTPFB_TWCC] = TransportFeedback._read
READERS[lib.ARC_RTCP_RTPFB, lib.ARC_RTPFB_CCFB] = CongestionControlFeedback._read
