"""What each means of repair costs and what it leaves, on a channel that loses packets in bursts.

All formulae are for the Gilbert model with loss rate ``L``, entering a burst with probability ``p`` and leaving
it with ``r``; ``S(k)`` is the probability that a packet is lost whose k-th predecessor was. They hold for the
packets of one stream, whose copies and parities cross the same channel.

- nothing: ``L``.
- in-band FEC: the packet after it must be lost as well, ``L (1 - r)``.
- RED with distances d1 < d2 < ...: all packets with a copy must be lost too: ``L S(d1) S(d2 - d1) ...``, exact,
  since the chain knows only its present state.
- DRED of D frames: any packet of the next D brings it back, ``L (1 - r)^D``.
- one parity over k packets in a row: it brings a packet back that is the only one missing of the k + 1.
- one parity over k packets that are s apart: the same for the chain that every s-th packet sees.
- rows and columns: columns first, then a row brings back what is alone in it. A bound rather than a value: columns
  are not asked again, so what independent losses leave is a quarter of it; for bursts it is within a third.
- retransmission: each round in time leaves what is lost again ``k`` packets later, ``S(k)``, or whose request is.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from math import floor, prod

from arcrtc._ranges import check_float, check_int
from arcrtc.adaptation.gilbert import GilbertModel

_NOTICE_MS = 10.0  # wait for reordering before a request, rx/nackgen
_RTX_HEADER_SHARE = 0.15  # RTP header and sequence number of a resent packet of speech


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairOffer:
    """What both sides can do, as negotiated.

    :ivar nack: NACK with RTX (RFC 4585, RFC 4588).
    :ivar opus_fec: in-band FEC (RFC 6716 section 2.1.7), for audio as Opus.
    :ivar red_distances: frames that a RED copy may lie behind its packet (RFC 2198); empty: no RED. 1..31 each.
    :ivar red_copies: copies that a packet may carry, 1..4.
    :ivar red_share: bytes of a copy over those of its frame, 0.05..1; below 1 when copies are of lower rate.
    :ivar fec_rows: row FEC: packets under one parity, the choices. Empty: none. 1..48 each.
    :ivar fec_columns: column or two-dimensional FEC: (packets apart, packets under one parity), the choices.
    :ivar fec_both: rows and columns together are possible (RFC 8627 section 4.2).
    :ivar dred_ms: audio that DRED can bring back, milliseconds; 0: no DRED. 0..1000.
    :ivar dred_share: its bytes over those of the media, 0..1.
    :raises ConfigError: a value is outside its range.
    """

    nack: bool = False
    opus_fec: bool = False
    red_distances: tuple[int, ...] = ()
    red_copies: int = 2
    red_share: float = 1.0
    fec_rows: tuple[int, ...] = ()
    fec_columns: tuple[tuple[int, int], ...] = ()
    fec_both: bool = False
    dred_ms: float = 0.0
    dred_share: float = 0.4

    def __post_init__(self) -> None:
        for d in self.red_distances:
            check_int("red_distances", d, 1, 31)
        check_int("red_copies", self.red_copies, 1, 4)
        check_float("red_share", self.red_share, 0.05, 1.0)
        for k in (*self.fec_rows, *(n for pair in self.fec_columns for n in pair)):
            check_int("fec_rows or fec_columns", k, 1, 48)
        check_float("dred_ms", self.dred_ms, 0.0, 1000.0, "ms")
        check_float("dred_share", self.dred_share, 0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairStats:
    """What was measured of one sent stream in the last seconds.

    :ivar loss_rate: before any repair, 0..1.
    :ivar burst_length: mean number of packets lost in a row; 0: not known, or none was lost.
    :ivar rtt_ms: round-trip time; 0: not known.
    :ivar delay_ms: play-out delay of the other side's jitter buffer; 0: not known.
    :ivar reverse_loss: loss on the way back, which requests suffer, 0..1.
    :ivar media_bps: rate of the stream without repair; 0: not known.
    :ivar available_bps: what the path has room for, for this stream with its repair; 0: not known.
    """

    loss_rate: float
    burst_length: float = 0.0
    rtt_ms: float = 0.0
    delay_ms: float = 0.0
    reverse_loss: float = 0.0
    media_bps: float = 0.0
    available_bps: float = 0.0

    def __post_init__(self) -> None:
        check_float("loss_rate", self.loss_rate, 0.0, 1.0)
        check_float("burst_length", self.burst_length, 0.0, 1e6)
        for name in ("rtt_ms", "delay_ms"):
            check_float(name, getattr(self, name), 0.0, 600_000.0, "ms")
        check_float("reverse_loss", self.reverse_loss, 0.0, 1.0)
        for name in ("media_bps", "available_bps"):
            check_float(name, getattr(self, name), 0.0, 1e11, "bit/s")


@dataclass(frozen=True, slots=True)
class FecPlan:
    """Parity packets: over ``row`` packets in a row, over ``column`` packets that are ``stride`` apart, or both.

    :ivar row: packets under one row parity; 0: none.
    :ivar column: packets under one column parity; 0: none.
    :ivar stride: packets between two of a column; 0: none.
    """

    row: int = 0
    column: int = 0
    stride: int = 0

    @property
    def overhead(self) -> float:
        """Parity packets to a media packet."""
        return (1.0 / self.row if self.row else 0.0) + (1.0 / self.column if self.column else 0.0)

    @property
    def span(self) -> int:
        """Packets until the last parity of a block is there."""
        return max(self.row, self.stride * self.column)

    def residual(self, channel: GilbertModel) -> float:
        """Part of the packets that stays lost."""
        if not self.column:
            return one_parity(channel, self.row)
        rest = one_parity(channel.strided(self.stride), self.column)
        if not self.row or channel.loss_rate == 0.0:
            return rest
        # Another packet of the row is missing where it was lost and its column could not help either. That of a
        # neighbour in a burst fails about as surely as the burst goes on: it covers the other rows' part as well.
        fails = max(rest / channel.loss_rate, channel.still_lost(1))
        alone = prod(1.0 - channel.still_lost(j) * fails for j in range(1, self.row))
        return rest * (1.0 - alone * (1.0 - channel.loss_rate))

    def __str__(self) -> str:
        rows = f"a parity over {self.row} packets" if self.row else ""
        columns = f"a parity over {self.column} packets {self.stride} apart" if self.column else ""
        return " and ".join(x for x in (rows, columns) if x)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairPlan:
    """A choice of means for one stream.

    :ivar nack: request what is missing.
    :ivar opus_fec: in-band FEC.
    :ivar red: distances of RED copies, frames, ascending.
    :ivar fec: parity packets; None: none.
    :ivar dred_frames: frames that DRED covers.
    """

    nack: bool = False
    opus_fec: bool = False
    red: tuple[int, ...] = ()
    fec: FecPlan | None = None
    dred_frames: int = 0

    def __str__(self) -> str:
        parts = []
        if self.opus_fec:
            parts.append("in-band FEC")
        if self.red:
            parts.append(f"RED distance{'s' if len(self.red) > 1 else ''} {' and '.join(map(str, self.red))}")
        if self.fec:
            parts.append(str(self.fec))
        if self.dred_frames:
            parts.append(f"DRED over {self.dred_frames} frames")
        if self.nack:
            parts.append("retransmission")
        return ", ".join(parts) or "no repair"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairForecast:
    """What a plan leads to.

    :ivar residual: part of the packets that stays lost, 0..1.
    :ivar overhead: bytes over those of the media.
    :ivar delay_ms: play-out delay that it needs, beyond that of the first packet.
    """

    plan: RepairPlan = field(default_factory=RepairPlan)
    residual: float
    overhead: float
    delay_ms: float


def one_parity(channel: GilbertModel, k: int) -> float:
    """What stays lost with one parity packet behind each ``k`` packets in a row."""
    n, p, r, loss = k + 1, channel.enter, channel.leave, channel.loss_rate
    alone = []  # probability that packet i is lost and no other one of the n
    for i in range(k):
        before = loss if i == 0 else (1.0 - loss) * (1.0 - p) ** (i - 1) * p
        alone.append(before * r * (1.0 - p) ** (n - 2 - i))
    return max(loss - sum(alone) / k, 0.0)


def nack_rounds(rtt_ms: float, within_ms: float) -> int:
    """Requests for one packet whose answers can be there ``within_ms`` after it was missed.

    As rx/nackgen asks: after the wait for reordering, then after each round trip and an eighth of it and 5 ms.
    """
    if rtt_ms <= 0.0 or within_ms < _NOTICE_MS + rtt_ms:
        return 0
    return 1 + floor((within_ms - _NOTICE_MS - rtt_ms) / (rtt_ms * 1.125 + 5.0))


def forecast(plan: RepairPlan, offer: RepairOffer, stats: RepairStats, *, packet_ms: float,
             max_delay_ms: float) -> RepairForecast:
    """What a plan leads to on the channel that was measured.

    :param packet_ms: media in a packet, milliseconds; of video the mean distance of two.
    :param max_delay_ms: play-out delay that repair may use.
    """
    channel = GilbertModel.fitted(stats.loss_rate, stats.burst_length)
    rest, overhead, delay_ms = channel.loss_rate, 0.0, 0.0
    if plan.opus_fec:
        rest, delay_ms = channel.loss_rate * (1.0 - channel.leave), packet_ms
    if plan.red:
        steps = [b - a for a, b in zip((0, *plan.red), plan.red, strict=False)]
        rest = min(rest, channel.loss_rate * prod(channel.still_lost(s) for s in steps))
        overhead += len(plan.red) * offer.red_share
        delay_ms = max(delay_ms, plan.red[-1] * packet_ms)
    if plan.dred_frames:
        rest = min(rest, channel.loss_rate * (1.0 - channel.leave) ** plan.dred_frames)
        overhead += offer.dred_share
        delay_ms = max(delay_ms, plan.dred_frames * packet_ms)
    if plan.fec:
        rest = min(rest, plan.fec.residual(channel))
        overhead += plan.fec.overhead
        delay_ms = max(delay_ms, plan.fec.span * packet_ms)
    if plan.nack:
        within_ms = max_delay_ms - packet_ms  # it is missed when the packet after it comes
        resent_ms = packet_ms + _NOTICE_MS + stats.rtt_ms / 2.0
        for _ in range(nack_rounds(stats.rtt_ms, within_ms)):
            overhead += rest * (1.0 + _RTX_HEADER_SHARE)
            rest *= 1.0 - (1.0 - channel.still_lost(resent_ms / packet_ms)) * (1.0 - stats.reverse_loss)
            delay_ms = max(delay_ms, packet_ms + _NOTICE_MS + stats.rtt_ms)
            resent_ms = stats.rtt_ms * 1.125 + 5.0
    return RepairForecast(plan=plan, residual=rest, overhead=overhead, delay_ms=delay_ms)
