"""What one side measures of the network path to the other."""
from __future__ import annotations

from dataclasses import dataclass

from arcrtc._ranges import check_float, check_int

MAX_MS = 600_000.0
MAX_KBPS = 100_000_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkMetrics:
    """Measurements of one network path, as adaptation policies take them.

    :ivar rtt_ms: smoothed round-trip time. Milliseconds, 0..600000; 0: not known.
    :ivar packet_loss_rate: part of the packets that were lost, 0.0..1.0.
    :ivar jitter_ms: interarrival jitter (RFC 3550 A.8). Milliseconds, 0..600000.
    :ivar bandwidth_kbps: what the path is believed to carry. Kilobits (1000) a
        second, 0..1e8; None: not known.
    :ivar timestamp_us: monotonic time of the measurement, microseconds; None: now.
    :raises ConfigError: a value is outside its range.
    """

    rtt_ms: float = 0.0
    packet_loss_rate: float = 0.0
    jitter_ms: float = 0.0
    bandwidth_kbps: float | None = None
    timestamp_us: int | None = None

    def __post_init__(self) -> None:
        check_float("rtt_ms", self.rtt_ms, 0.0, MAX_MS)
        check_float("packet_loss_rate", self.packet_loss_rate, 0.0, 1.0)
        check_float("jitter_ms", self.jitter_ms, 0.0, MAX_MS)
        if self.bandwidth_kbps is not None:
            check_float("bandwidth_kbps", self.bandwidth_kbps, 0.0, MAX_KBPS)
        if self.timestamp_us is not None:
            check_int("timestamp_us", self.timestamp_us, 0, 2**62)
