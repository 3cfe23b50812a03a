"""Blocks of extended reports in numbers (C module ``wire/xrstats``)."""
from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

from arcrtc._native import check, ffi, lib
from arcrtc.errors import ArgumentError
from arcrtc.rtcp.base import U8, U16, U32, check_range
from arcrtc.rtcp.xr import BLOCK_READERS, XrBlock


class Spread(NamedTuple):
    """Minimum, maximum, mean and standard deviation of a quantity."""

    minimum: int
    maximum: int
    mean: int
    deviation: int


_NO_SPREAD: Final = Spread(0, 0, 0, 0)


def _check_spread(name: str, values: Spread | None, high: int) -> None:
    if values is None:
        return
    if not isinstance(values, Spread):
        raise ArgumentError(f"{name} must be a Spread or None")
    for value in values:
        check_range(name, value, 0, high)


@dataclass(frozen=True, slots=True)
class StatisticsSummary(XrBlock):
    """Counts and spreads over the packets ``begin_sequence`` .. ``end_sequence`` - 1.

    None stands for what is not reported.

    :ivar ssrc: source of the packets.
    :ivar begin_sequence: 0..65535.
    :ivar end_sequence: 0..65535.
    :ivar lost_packets: 0..2**32-1.
    :ivar duplicate_packets: 0..2**32-1.
    :ivar jitter_ticks: relative transit time of two packets, in ticks of the stream's
        RTP clock, each 0..2**32-1.
    :ivar ttl: time to live of IPv4, each 0..255.
    :ivar hop_limit: hop limit of IPv6, each 0..255; not together with ``ttl``.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3611 section 4.6.
    """

    ssrc: int
    begin_sequence: int
    end_sequence: int
    lost_packets: int | None = None
    duplicate_packets: int | None = None
    jitter_ticks: Spread | None = None
    ttl: Spread | None = None
    hop_limit: Spread | None = None

    def __post_init__(self) -> None:
        check_range("ssrc", self.ssrc, 0, U32)
        check_range("begin_sequence", self.begin_sequence, 0, U16)
        check_range("end_sequence", self.end_sequence, 0, U16)
        check_range("lost_packets", self.lost_packets or 0, 0, U32)
        check_range("duplicate_packets", self.duplicate_packets or 0, 0, U32)
        _check_spread("jitter_ticks", self.jitter_ticks, U32)
        _check_spread("ttl", self.ttl, U8)
        _check_spread("hop_limit", self.hop_limit, U8)
        if self.ttl is not None and self.hop_limit is not None:
            raise ArgumentError("ttl and hop_limit share one place, only one of them can be reported")

    @staticmethod
    def _read(block: Any) -> StatisticsSummary:
        s = ffi.new("struct arc_xr_summary *")
        check(lib.arc_xr_parse_summary(block, s), "StatisticsSummary")
        jitter = Spread(s.jitter_min_ticks, s.jitter_max_ticks, s.jitter_mean_ticks, s.jitter_dev_ticks)
        hops = Spread(s.hops_min, s.hops_max, s.hops_mean, s.hops_dev)
        return StatisticsSummary(
            s.ssrc, s.begin_seq, s.end_seq,
            s.lost_pkts if s.has_lost else None,
            s.duplicate_pkts if s.has_duplicates else None,
            jitter if s.has_jitter else None,
            hops if s.hops_kind == lib.ARC_XR_HOPS_TTL else None,
            hops if s.hops_kind == lib.ARC_XR_HOPS_IPV6 else None)

    def _write(self, writer: Any) -> None:
        kind = lib.ARC_XR_HOPS_NONE if self.hop_limit is None else lib.ARC_XR_HOPS_IPV6
        kind = kind if self.ttl is None else lib.ARC_XR_HOPS_TTL
        lib.arc_xr_write_summary(writer, ffi.new("struct arc_xr_summary *", (
            self.ssrc, self.begin_sequence, self.end_sequence, self.lost_packets is not None,
            self.duplicate_packets is not None, self.jitter_ticks is not None, kind,
            self.lost_packets or 0, self.duplicate_packets or 0,
            *(self.jitter_ticks or _NO_SPREAD), *(self.ttl or self.hop_limit or _NO_SPREAD))))


class PacketLossConcealment(IntEnum):
    """What a receiver plays in place of a lost packet (RFC 3611 section 4.7.6)."""

    UNSPECIFIED = lib.ARC_XR_PLC_UNSPECIFIED
    DISABLED = lib.ARC_XR_PLC_DISABLED
    ENHANCED = lib.ARC_XR_PLC_ENHANCED
    STANDARD = lib.ARC_XR_PLC_STANDARD


class JitterBufferKind(IntEnum):
    """How a receiver's jitter buffer behaves (RFC 3611 section 4.7.6)."""

    UNKNOWN = lib.ARC_XR_JBA_UNKNOWN
    RESERVED = lib.ARC_XR_JBA_RESERVED
    NON_ADAPTIVE = lib.ARC_XR_JBA_NON_ADAPTIVE
    ADAPTIVE = lib.ARC_XR_JBA_ADAPTIVE


_UNKNOWN: Final = lib.ARC_XR_VOIP_UNKNOWN
#: field of VoipMetrics -> range, in the order of ``struct arc_xr_voip``; those of _OR_NONE may be None
_VOIP_RANGES: Final = {
    "ssrc": (0, U32), "loss_rate": (0, U8), "discard_rate": (0, U8), "burst_density": (0, U8),
    "gap_density": (0, U8), "burst_duration_ms": (0, U16), "gap_duration_ms": (0, U16),
    "round_trip_delay_ms": (0, U16), "end_system_delay_ms": (0, U16), "signal_level_db": (-128, 126),
    "noise_level_db": (-128, 126), "residual_echo_return_loss_db": (0, U8), "gmin_packets": (1, U8),
    "r_factor": (0, 100), "external_r_factor": (0, 100), "mos_lq_tenths": (10, 50), "mos_cq_tenths": (10, 50),
    "loss_concealment": (0, 3), "jitter_buffer": (0, 3), "jitter_buffer_rate": (0, 15),
    "jitter_buffer_nominal_ms": (0, U16), "jitter_buffer_maximum_ms": (0, U16),
    "jitter_buffer_absolute_maximum_ms": (0, U16)}
_OR_NONE: Final = frozenset({
    "signal_level_db", "noise_level_db", "residual_echo_return_loss_db", "r_factor", "external_r_factor",
    "mos_lq_tenths", "mos_cq_tenths"})


@dataclass(frozen=True, slots=True, kw_only=True)
class VoipMetrics(XrBlock):
    """How a voice call is received. None stands for what is not known.

    :ivar ssrc: source of the packets.
    :ivar loss_rate: lost since the start, after repair, 1/256, 0..255.
    :ivar discard_rate: came too late or too early to be played, 1/256, 0..255.
    :ivar burst_density: lost or discarded within bursts, 1/256, 0..255.
    :ivar gap_density: lost or discarded between bursts, 1/256, 0..255.
    :ivar burst_duration_ms: mean, 0..65535.
    :ivar gap_duration_ms: mean, 0..65535.
    :ivar round_trip_delay_ms: 0..65535; 0: not measured yet.
    :ivar end_system_delay_ms: 0..65535; 0: not known.
    :ivar signal_level_db: of speech, dBm0, -128..126.
    :ivar noise_level_db: of silence, dBm0, -128..126.
    :ivar residual_echo_return_loss_db: 0..255, not 127.
    :ivar gmin_packets: that many received in a row end a burst, 1..255.
    :ivar r_factor: quality of this part of the call, 0..100.
    :ivar external_r_factor: of the network beyond, 0..100.
    :ivar mos_lq_tenths: mean opinion score of listening x 10, 10..50.
    :ivar mos_cq_tenths: mean opinion score of conversation x 10, 10..50.
    :ivar loss_concealment: what is played in place of a lost packet.
    :ivar jitter_buffer: its kind.
    :ivar jitter_buffer_rate: how fast an adaptive one follows, 0..15; 0: not known.
    :ivar jitter_buffer_nominal_ms: delay now, of a packet on time, 0..65535.
    :ivar jitter_buffer_maximum_ms: delay now, of the earliest packet, 0..65535.
    :ivar jitter_buffer_absolute_maximum_ms: the longest delay it can reach, 0..65535.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3611 section 4.7.
    """

    ssrc: int
    loss_rate: int = 0
    discard_rate: int = 0
    burst_density: int = 0
    gap_density: int = 0
    burst_duration_ms: int = 0
    gap_duration_ms: int = 0
    round_trip_delay_ms: int = 0
    end_system_delay_ms: int = 0
    signal_level_db: int | None = None
    noise_level_db: int | None = None
    residual_echo_return_loss_db: int | None = None
    gmin_packets: int = 16
    r_factor: int | None = None
    external_r_factor: int | None = None
    mos_lq_tenths: int | None = None
    mos_cq_tenths: int | None = None
    loss_concealment: PacketLossConcealment = PacketLossConcealment.UNSPECIFIED
    jitter_buffer: JitterBufferKind = JitterBufferKind.UNKNOWN
    jitter_buffer_rate: int = 0
    jitter_buffer_nominal_ms: int = 0
    jitter_buffer_maximum_ms: int = 0
    jitter_buffer_absolute_maximum_ms: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in _VOIP_RANGES.items():
            value = getattr(self, name)
            if value is not None or name not in _OR_NONE:
                check_range(name, value, low, high)
        if self.residual_echo_return_loss_db == _UNKNOWN:
            raise ArgumentError(f"residual_echo_return_loss_db={_UNKNOWN} says that it is not known: None does here")

    @staticmethod
    def _read(block: Any) -> VoipMetrics:
        m = ffi.new("struct arc_xr_voip *")
        check(lib.arc_xr_parse_voip(block, m), "VoipMetrics")
        fields = {name: getattr(m, field) for name, (field, _) in
                  zip(_VOIP_RANGES, ffi.typeof(m).item.fields, strict=True)}
        for name in _OR_NONE:
            fields[name] = None if fields[name] == _UNKNOWN else fields[name]
        fields["loss_concealment"] = PacketLossConcealment(fields["loss_concealment"])
        fields["jitter_buffer"] = JitterBufferKind(fields["jitter_buffer"])
        return VoipMetrics(**fields)

    def _write(self, writer: Any) -> None:
        values = [getattr(self, name) for name in _VOIP_RANGES]
        lib.arc_xr_write_voip(writer, ffi.new("struct arc_xr_voip *", [
            _UNKNOWN if value is None else int(value) for value in values]))


@dataclass(frozen=True, slots=True)
class PostRepairLoss(XrBlock):
    """What was lost in the end, and what was repaired, of ``begin_sequence`` .. ``end_sequence`` - 1.

    Only packets of the source itself that are past any further repair count.

    :ivar ssrc: source of the packets.
    :ivar begin_sequence: 0..65535.
    :ivar end_sequence: 0..65535.
    :ivar lost_packets: 0..65535.
    :ivar repaired_packets: 0..65535.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 7509 section 3.1.
    """

    ssrc: int
    begin_sequence: int
    end_sequence: int
    lost_packets: int
    repaired_packets: int

    def __post_init__(self) -> None:
        check_range("ssrc", self.ssrc, 0, U32)
        for name in ("begin_sequence", "end_sequence", "lost_packets", "repaired_packets"):
            check_range(name, getattr(self, name), 0, U16)

    @staticmethod
    def _read(block: Any) -> PostRepairLoss:
        c = ffi.new("struct arc_xr_post_repair *")
        check(lib.arc_xr_parse_post_repair(block, c), "PostRepairLoss")
        return PostRepairLoss(c.ssrc, c.begin_seq, c.end_seq, c.lost_pkts, c.repaired_pkts)

    def _write(self, writer: Any) -> None:
        lib.arc_xr_write_post_repair(writer, ffi.new("struct arc_xr_post_repair *", (
            self.ssrc, self.begin_sequence, self.end_sequence, self.lost_packets, self.repaired_packets)))


BLOCK_READERS[lib.ARC_XR_SUMMARY] = StatisticsSummary._read
BLOCK_READERS[lib.ARC_XR_VOIP] = VoipMetrics._read
BLOCK_READERS[lib.ARC_XR_POST_REPAIR] = PostRepairLoss._read
