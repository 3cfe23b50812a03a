"""Configuration of a session: frozen, checked once, units in the names."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from arcrtc._native import lib
from arcrtc.errors import ConfigError
from arcrtc.srtp import SrtpConfig

_START_LATENCY_MS: Final = 40

#: extended reports by name
REPORTS: Final = {"losses": lib.ARC_REPORT_LOSSES, "repair": lib.ARC_REPORT_POST_REPAIR,
                  "voip": lib.ARC_REPORT_VOIP, "summary": lib.ARC_REPORT_SUMMARY}


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise ConfigError unless ``value`` is a number in low..high."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigError(f"{name}={value!r} is outside {low}..{high}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """What both sides of a session have in common.

    :ivar srtp: key of what is sent, and of what is received unless
        ``srtp_receive`` is given. None: plain RTP, for tests and for peers on
        the same host; nothing is protected then.
    :ivar srtp_receive: key of what is received, if it is another one.
    :ivar nack: ask for lost video packets and resend what the peer asks for
        (RFC 4585, RFC 4588).
    :ivar nack_audio: the same for audio; a repair needs a round trip, so the
        play-out delay of audio grows by one when packets are lost.
    :ivar min_latency_ms: play-out delay is never below. 0..10000.
    :ivar max_latency_ms: play-out delay is never above; a packet that would need
        more is concealed. min_latency_ms..10000.
    :ivar initial_latency_ms: play-out delay at the start; None: 40, which an
        unknown network usually keeps to, inside the bounds.
    :ivar adaptive: follow the network's jitter.
    :ivar mtu_bytes: largest datagram, UDP payload. 300..1500.
    :ivar pace_percent: packets leave at this multiple of the encoders' target
        rate, so that a key frame is spread out. 100..1000.
    :ivar reduced_size: send feedback without a whole compound (RFC 5506); both
        peers must have agreed on it.
    :ivar repair_percent: of a stream's bitrate that resends may take, what FEC and redundancy take
        included; a request beyond it is refused and counted. 1..100.
    :ivar reports: extended reports that go with the RTCP: "losses" (which packets did not come, RFC 3611
        section 4.1), "repair" (losses that repair has left, RFC 7509), "voip" (bursts and delays of audio,
        RFC 3611 section 4.7), "summary" (section 4.6). A policy at the sender needs the first two.
    :ivar cname: canonical name in RTCP (RFC 7022); None: a random one.
    :ivar seed: of everything random but keys: SSRCs, sequence numbers, RTCP
        timing. None: unpredictable. A number makes a simulation repeat.
    :ivar pool_pkts: packets of each side, 2 kB each; on an engine, so many of those of its thread at a
        time. 64..65536.
    :ivar max_sources: others that are known at a time, members and contributing sources. 8..4096.
    :ivar silence_ms: without an authentic datagram for so long the peer is silent, which is told by an
        event, and once more when it is heard again. 0: never. 0..86_400_000.
    :raises ConfigError: a value is outside of what is stated here.
    """

    srtp: SrtpConfig | None = None
    srtp_receive: SrtpConfig | None = None
    nack: bool = True
    nack_audio: bool = False
    min_latency_ms: int = 0
    max_latency_ms: int = 500
    initial_latency_ms: int | None = None
    adaptive: bool = True
    mtu_bytes: int = 1200
    pace_percent: int = 250
    reduced_size: bool = False
    repair_percent: int = 30
    reports: tuple[str, ...] = ("losses", "repair", "voip")
    cname: str | None = None
    seed: int | None = None
    pool_pkts: int = 4096
    max_sources: int = 64
    silence_ms: int = 5000

    def __post_init__(self) -> None:
        check_range("min_latency_ms", self.min_latency_ms, 0, 10_000)
        check_range("max_latency_ms", self.max_latency_ms, self.min_latency_ms, 10_000)
        if self.initial_latency_ms is not None:
            check_range("initial_latency_ms", self.initial_latency_ms, self.min_latency_ms,
                         self.max_latency_ms)
        check_range("mtu_bytes", self.mtu_bytes, 300, 1500)
        check_range("pace_percent", self.pace_percent, 100, 1000)
        check_range("pool_pkts", self.pool_pkts, 64, 65_536)
        check_range("max_sources", self.max_sources, 8, 4096)
        check_range("silence_ms", self.silence_ms, 0, 86_400_000)
        check_range("repair_percent", self.repair_percent, 1, 100)
        if unknown := [r for r in self.reports if r not in REPORTS]:
            raise ConfigError(f"reports={self.reports!r}: {unknown[0]!r} is not one of {', '.join(REPORTS)}")
        if self.seed is not None:
            check_range("seed", self.seed, 0, 2**64 - 1)
        if self.cname is not None and not 1 <= len(self.cname.encode()) < lib.ARC_SESSION_CNAME_BYTES:
            raise ConfigError(f"cname has {len(self.cname.encode())} bytes, must have "
                              f"1..{lib.ARC_SESSION_CNAME_BYTES - 1}")
        if self.srtp_receive is not None and self.srtp is None:
            raise ConfigError("srtp_receive is given without srtp: one side would be in clear")

    @property
    def start_latency_ms(self) -> int:
        """initial_latency_ms with its default filled in."""
        if self.initial_latency_ms is not None:
            return self.initial_latency_ms
        return min(max(self.min_latency_ms, _START_LATENCY_MS), self.max_latency_ms)
