"""Settings of a packet router and of the peers at its legs."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from arcrtc._native import lib
from arcrtc._ranges import check_int
from arcrtc.errors import ConfigError
from arcrtc.routing.config import checked_extensions
from arcrtc.srtp import SrtpConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterConfig:
    """What a router is made with.

    :ivar pool_pkts: packets that are received, waiting or kept for retransmission, 2 kB each once they are used,
        256..1048576. When seven eighths are out, histories keep nothing more.
    :ivar history_pkts: packets of each video source kept to answer NACKs, a power of two, 2..32768; 0: none.
    :ivar audio_history_pkts: the same of each audio source.
    :ivar history_ms: a packet is kept so long at most, 1000..60000.
    :ivar cname: canonical name of the router in RTCP (RFC 7022), 1..63 bytes; None: a random one.
    :ivar seed: of everything random but keys; None: unpredictable. A number makes a simulation repeat. 0..2**64-1.
    :raises ConfigError: out of range.
    """

    pool_pkts: int = 65_536
    history_pkts: int = 512
    audio_history_pkts: int = 32
    history_ms: int = 1000
    cname: str | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        check_int("pool_pkts", self.pool_pkts, 256, 1 << 20, "packets")
        for name in ("history_pkts", "audio_history_pkts"):
            value = getattr(self, name)
            check_int(name, value, 0, 32_768, "packets")
            if value == 1 or value & (value - 1):
                raise ConfigError(f"{name}={value} must be 0 or a power of two from 2 on")
        check_int("history_ms", self.history_ms, 1000, 60_000, "ms")
        if self.cname is not None and not 1 <= len(self.cname.encode()) < lib.ARC_ROUTER_CNAME_BYTES:
            raise ConfigError(f"cname={self.cname!r} must have 1..{lib.ARC_ROUTER_CNAME_BYTES - 1} bytes")
        if self.seed is not None:
            check_int("seed", self.seed, 0, 2**64 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegConfig:
    """How a peer of a router is spoken to.

    :ivar srtp: key of what it is sent, and of what it sends unless ``srtp_receive`` is given. None: plain RTP, for
        tests and for peers on the same host. ``max_streams`` must hold all SSRCs that the leg is sent.
    :ivar srtp_receive: key of what it sends, if it is another one.
    :ivar mtu_bytes: largest datagram it is sent, UDP payload, 300..1500.
    :ivar queue_pkts: packets that may wait to leave, 16..65536; what finds no room is lost and counted.
    :ivar train_pkts: datagrams that may leave as one message (UDP_SEGMENT), 1..64.
    :ivar hold_us: how long a packet may wait for others to leave with, 0..5000 microseconds. It saves system calls
        and costs delay.
    :ivar pace_bps: rate that what leaves is held to, averaged over 5 ms, bit/s; 0: not paced.
    :ivar rtcp_bps: bandwidth of the session, of which RTCP takes 5 % (RFC 3550 section 6.2), bit/s, 0..10**10.
    :ivar ecn: ECN bits of the media it is sent, 0..3 (RFC 3168 section 5): 1 for L4S (RFC 9331), once the peer has
        agreed (RFC 6679).
    :ivar extensions: {id: URI} of the header extensions as this peer numbers them, ids 1..14. Numbers for
        transport-wide feedback and send times, if they are among them, are the leg's own. None: as each
        publisher numbers them, without those two. Not to be changed.
    :raises ConfigError: out of range.
    """

    srtp: SrtpConfig | None = None
    srtp_receive: SrtpConfig | None = None
    mtu_bytes: int = 1400
    queue_pkts: int = 512
    train_pkts: int = 32
    hold_us: int = 0
    pace_bps: int = 0
    rtcp_bps: int = 1_000_000
    ecn: int = 0
    extensions: Mapping[int, str] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        check_int("mtu_bytes", self.mtu_bytes, 300, 1500, "bytes")
        check_int("queue_pkts", self.queue_pkts, 16, 65_536, "packets")
        check_int("train_pkts", self.train_pkts, 1, lib.ARC_ROUTER_TRAIN_PKTS, "packets")
        check_int("hold_us", self.hold_us, 0, 5000, "us")
        check_int("pace_bps", self.pace_bps, 0, 10**12, "bit/s")
        check_int("rtcp_bps", self.rtcp_bps, 0, 10**10, "bit/s")
        check_int("ecn", self.ecn, 0, 3)
        if self.srtp_receive is not None and self.srtp is None:
            raise ConfigError("srtp_receive is given without srtp: one side would be in clear")
        if self.extensions is not None:
            object.__setattr__(self, "extensions", checked_extensions(self.extensions))
