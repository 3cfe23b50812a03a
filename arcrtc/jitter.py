"""Adaptive play-out buffer of one received RTP stream (C module ``rx/jitter``)."""
from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

from arcrtc._native import NEVER_US, error_for, ffi, lib, new_handle
from arcrtc._ranges import check_int
from arcrtc.errors import ArgumentError, ConfigError
from arcrtc.metrics import NetworkMetrics

__all__ = ["NEVER_US", "JitterBuffer", "JitterBufferConfig", "JitterBufferStats", "MediaPacket"]

_SLOT_BYTES = 88
_MAX_US = 2**52


class MediaHeader(Protocol):
    """The header fields of ``RtpHeader``; the buffer itself uses the first two."""

    @property
    def sequence_number(self) -> int:
        """RTP sequence number, 0..65535."""

    @property
    def timestamp(self) -> int:
        """RTP timestamp, ticks, 0..2**32 - 1."""

    @property
    def ssrc(self) -> int:
        """Synchronisation source."""

    @property
    def payload_type(self) -> int:
        """Payload type, 0..127."""

    @property
    def marker(self) -> bool:
        """Marker bit."""


class MediaPacket(Protocol):
    """What the buffer holds: ``RtpPacket``, or anything with the same fields."""

    @property
    def header(self) -> MediaHeader:
        """RTP header."""

    @property
    def payload(self) -> Any:
        """Bytes-like; the buffer does not look at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JitterBufferConfig:
    """How long packets may be held back for smooth play-out.

    :ivar min_latency_ms: hard lower bound of the target. Milliseconds, 0..max.
    :ivar max_latency_ms: hard upper bound. Milliseconds, min..10000.
    :ivar initial_latency_ms: target until 25 packets were seen. Milliseconds, min..max.
    :ivar adaptive: False keeps the target at ``initial_latency_ms``.
    :ivar clock_hz: RTP clock of the stream. Hertz, 1000..1000000; 48000 for Opus
        (RFC 7587 section 4.1), 8000 for G.711, 90000 for video.
    :ivar capacity_pkts: packets held at most; the oldest is dropped. 2..16384.
    :raises ConfigError: a value is outside its range.
    """

    min_latency_ms: int = 10
    max_latency_ms: int = 200
    initial_latency_ms: int = 40
    adaptive: bool = True
    clock_hz: int = 48_000
    capacity_pkts: int = 512

    def __post_init__(self) -> None:
        check_int("max_latency_ms", self.max_latency_ms, 0, 10_000)
        check_int("min_latency_ms", self.min_latency_ms, 0, self.max_latency_ms)
        check_int("initial_latency_ms", self.initial_latency_ms, self.min_latency_ms, self.max_latency_ms)
        check_int("clock_hz", self.clock_hz, 1000, 1_000_000)
        check_int("capacity_pkts", self.capacity_pkts, 2, 16_384)
        if not isinstance(self.adaptive, bool):
            raise ConfigError(f"adaptive={self.adaptive!r} is not True or False")


@dataclass(frozen=True, slots=True, kw_only=True)
class JitterBufferStats:
    """State and counters since the start.

    :ivar depth: packets in the buffer now.
    :ivar depth_ms: media time from the earliest to the latest of them.
    :ivar target_latency_ms: what is added to the shortest transit time.
    :ivar jitter_ms: interarrival jitter (RFC 3550 A.8).
    :ivar pushed: packets kept.
    :ivar popped: packets handed out.
    :ivar late: refused, a later packet was popped before.
    :ivar duplicate: refused, the same number came before.
    :ivar lost: places passed without their packet; those of late packets too.
    :ivar reordered: kept, came after a higher number.
    :ivar overflow: dropped, the oldest, because the buffer was full.
    :ivar flushed: dropped because the sequence numbers began anew.
    :ivar restarts: jumps of the time line.
    """

    depth: int
    depth_ms: int
    target_latency_ms: int
    jitter_ms: float
    pushed: int
    popped: int
    late: int
    duplicate: int
    lost: int
    reordered: int
    overflow: int
    flushed: int
    restarts: int


def _clock(now_us: int | None) -> int:
    if now_us is None:
        return time.monotonic_ns() // 1000
    if not -_MAX_US < now_us < _MAX_US:
        raise ArgumentError(f"now_us={now_us} is outside -2**52..2**52")
    return now_us


class JitterBuffer:
    """Packets in as they arrive, out in order, each not before its play-out time.

    The play-out time of a packet is the shortest transit time of the last five
    seconds, plus its media time, plus the target latency, which follows the
    delays that are seen so that about 1 packet in 100 comes too late. Sequence
    numbers and timestamps may wrap.

    Not thread-safe: one thread at a time. With ``now_us`` given it reads no
    clock, so a test can run an hour of media in a second.

    :param config: None: the defaults of JitterBufferConfig.
    :raises NoMemoryError: the core could not allocate.

    Source: RFC 3550 section 6.4.1 and A.8 (jitter); ``csrc/rx/delay.h`` (target).
    """

    def __init__(self, config: JitterBufferConfig | None = None) -> None:
        self._config = config = config or JitterBufferConfig()
        cfg = ffi.new("struct arc_jitter_config *", {
            "clock_hz": config.clock_hz,
            "min_latency_ms": config.min_latency_ms,
            "max_latency_ms": config.max_latency_ms,
            "initial_latency_ms": config.initial_latency_ms,
            "adaptive": config.adaptive,
            "capacity_pkts": config.capacity_pkts,
        })
        self._handle = new_handle(
            lib.arc_jitter_new, lib.arc_jitter_free, "struct arc_jitter", cfg,
            what="JitterBuffer", size=2 * _SLOT_BYTES * config.capacity_pkts)
        self._seq = ffi.new("struct arc_unwrap *")
        self._ts = ffi.new("struct arc_unwrap *")
        self._in = ffi.new("struct arc_rxpkt *", {"starts_frame": True})
        self._out = ffi.new("struct arc_rxpkt *")
        self._packets: dict[int, MediaPacket] = {}

    @property
    def config(self) -> JitterBufferConfig:
        """What the buffer was made with."""
        return self._config

    def push(self, packet: MediaPacket, *, now_us: int | None = None) -> bool:
        """Put an arrived packet in.

        :param packet: kept by reference until it is popped or dropped.
        :param now_us: its arrival, monotonic microseconds; None: now.
        :returns: True: kept; False: duplicate or late, counted in stats().
        :raises ArgumentError: a header field or ``now_us`` is out of range.
        """
        now_us = _clock(now_us)
        header = packet.header
        if not 0 <= header.sequence_number <= 0xFFFF:
            raise ArgumentError(f"sequence_number={header.sequence_number} is outside 0..65535")
        if not 0 <= header.timestamp <= 0xFFFFFFFF:
            raise ArgumentError(f"timestamp={header.timestamp} is outside 0..2**32-1")
        p = self._in
        p.seq = seq = lib.arc_unwrap_seq16(self._seq, header.sequence_number)
        p.ts = lib.arc_unwrap_ts32(self._ts, header.timestamp)
        p.arrival_us = now_us
        status = lib.arc_jitter_push(self._handle, p, now_us)
        if status == lib.ARC_OK:
            self._packets[seq] = packet
        if len(self._packets) != lib.arc_jitter_depth_pkts(self._handle):
            self._forget_dropped()
        if status in (lib.ARC_OK, lib.ARC_ERR_REPLAY, lib.ARC_ERR_OLD):
            return bool(status == lib.ARC_OK)
        raise error_for(status, "JitterBuffer.push")

    def pop(self, *, now_us: int | None = None) -> MediaPacket | None:
        """Take the next packet in order if its play-out time has come.

        :param now_us: monotonic microseconds; None: now.
        :returns: the packet that was pushed; None: nothing is due.
        """
        if lib.arc_jitter_pop(self._handle, _clock(now_us), self._out) != lib.ARC_OK:
            return None
        return self._packets.pop(self._out.seq)

    def adapt(self, metrics: NetworkMetrics) -> None:
        """Tell the buffer what others measured.

        The target is raised to three times ``jitter_ms``, and, from 0.5 % loss on,
        by ``rtt_ms`` so that retransmissions arrive in time, as far as
        ``max_latency_ms`` allows. It never falls below what the buffer has seen
        itself. Without effect if the buffer is not adaptive.
        """
        lib.arc_jitter_adapt(self._handle, metrics.packet_loss_rate, metrics.jitter_ms, metrics.rtt_ms)

    @property
    def next_us(self) -> int:
        """When pop() will give something, monotonic microseconds; NEVER_US: empty."""
        return int(lib.arc_jitter_next_us(self._handle))

    @property
    def target_latency_ms(self) -> int:
        """Latency that is added to the shortest transit time now, milliseconds."""
        return int(lib.arc_jitter_target_ms(self._handle))

    def __len__(self) -> int:
        return len(self._packets)

    def stats(self) -> JitterBufferStats:
        """State and counters since the start."""
        s = ffi.new("struct arc_jitter_stats *")
        lib.arc_jitter_stats(self._handle, s)
        return JitterBufferStats(
            depth=s.depth_pkts, depth_ms=s.depth_ms, target_latency_ms=s.target_latency_ms,
            jitter_ms=s.jitter_ms, pushed=s.pushed, popped=s.popped, late=s.late,
            duplicate=s.duplicate, lost=s.lost, reordered=s.reordered, overflow=s.overflow,
            flushed=s.flushed, restarts=s.restarts)

    def __repr__(self) -> str:
        return (f"JitterBuffer(depth={len(self)}, target_latency_ms={self.target_latency_ms}, "
                f"adaptive={self._config.adaptive})")

    def _forget_dropped(self) -> None:
        """The core dropped packets (full, or a restart): drop the objects too."""
        for seq in [seq for seq in self._packets if not lib.arc_jitter_holds(self._handle, seq)]:
            del self._packets[seq]
