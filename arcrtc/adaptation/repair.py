"""Which means of repair a sent stream uses: pure policy, statistics in, a decision out.

The formulae are in :mod:`arcrtc.adaptation.repairmeans`; ``docs/repair.md`` says how they are used.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from math import exp
from typing import Final, Literal

from arcrtc._ranges import check_float
from arcrtc.adaptation.repairmeans import FecPlan, RepairForecast, RepairOffer, RepairPlan, RepairStats, forecast
from arcrtc.errors import ConfigError

_DELAY_COST: Final = 0.001  # a millisecond of delay is worth a thousandth of the media rate
_IN_BAND_COST: Final = 0.1  # in-band FEC takes its bits from the voice itself: as many are worth
_MEANS_COST: Final = 0.02  # fewer means are better than more of the same effect
_LOSS_COST: Final = 0.01  # where the wish cannot be met: the media rate once more is worth 1 % less loss
_UP_US: Final = 1_000_000  # time constants: loss that rises is believed soon, ..
_DOWN_US: Final = 8_000_000  # .. loss that falls later
_OTHER_US: Final = 3_000_000
_WORSE: Final = 1.5  # a plan is left when it leaves so many times the wished loss, ..
_MARGIN: Final = 1.5  # .. or when a cheaper one would do with so many times the loss, ..
_BETTER: Final = 0.7  # .. and for another one that does not reach the wish, when it leaves so much less
_SAVES: Final = 0.05  # a cheaper plan must save so much of the media rate


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairPolicyConfig:
    """What repair may cost, and what it is to reach.

    :ivar media: "audio" or "video". Video keeps retransmission on wherever it is offered: it costs nothing while
        nothing is lost.
    :ivar wished_loss: loss after repair that is good enough, 0..0.5.
    :ivar max_overhead: bytes of repair over those of the media, 0..4.
    :ivar max_delay_ms: play-out delay that repair may use, 0..10000 ms.
    :ivar packet_ms: media in a packet, 0.1..120 ms; of video the mean distance of two packets.
    :ivar hold_ms: a cheaper plan must have been good enough for so long, 0..600000 ms.
    :ivar settle_ms: between two changes at least so long, 0..600000 ms.
    :raises ConfigError: a value is outside its range.
    """

    media: Literal["audio", "video"] = "audio"
    wished_loss: float = 0.01
    max_overhead: float = 0.5
    max_delay_ms: float = 200.0
    packet_ms: float = 20.0
    hold_ms: float = 10_000.0
    settle_ms: float = 2_000.0

    def __post_init__(self) -> None:
        if self.media not in ("audio", "video"):
            raise ConfigError(f"media={self.media!r} is not 'audio' or 'video'")
        check_float("wished_loss", self.wished_loss, 0.0, 0.5)
        check_float("max_overhead", self.max_overhead, 0.0, 4.0)
        check_float("max_delay_ms", self.max_delay_ms, 0.0, 10_000.0, "ms")
        check_float("packet_ms", self.packet_ms, 0.1, 120.0, "ms")
        check_float("hold_ms", self.hold_ms, 0.0, 600_000.0, "ms")
        check_float("settle_ms", self.settle_ms, 0.0, 600_000.0, "ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairDecision:
    """What to use from now on.

    :ivar plan: the means.
    :ivar residual: loss that is expected to stay, 0..1.
    :ivar overhead: bytes of repair over those of the media that are expected.
    :ivar delay_ms: play-out delay that the means need.
    :ivar expected_loss_pct: loss that in-band FEC has to deal with, 0..100: what the other means leave.
    :ivar changed: the plan is another one than before.
    :ivar reason: why, in words.
    """

    plan: RepairPlan
    residual: float
    overhead: float
    delay_ms: float
    expected_loss_pct: int
    changed: bool
    reason: str


class RepairPolicy:
    """Chooses the cheapest means that reach the wished loss, within the overhead and the delay that are allowed.

    Remembers the plan in use and smoothed measurements, reads no clock and draws no random numbers: the same
    calls give the same decisions. Not thread-safe: one thread at a time.

    :param config: None: the defaults of RepairPolicyConfig.
    :param offer: what both sides can do; None: nothing.
    """

    def __init__(self, config: RepairPolicyConfig | None = None, offer: RepairOffer | None = None) -> None:
        self.config = config or RepairPolicyConfig()
        self.offer = offer or RepairOffer()
        self._plans = list(self._candidates())
        self._plan = self._standing()
        self._smooth: RepairStats | None = None
        self._last_us = self._changed_us = self._cheaper_since_us = 0
        self._has_changed = False

    # --- what there is to choose from ---

    def _standing(self) -> RepairPlan:
        """In use while nothing is lost."""
        return RepairPlan(nack=self.offer.nack and self.config.media == "video")

    def _proactive(self) -> Iterator[RepairPlan]:
        offer, packet_ms = self.offer, self.config.packet_ms
        yield RepairPlan()
        if offer.opus_fec:
            yield RepairPlan(opus_fec=True)
        for n in range(1, offer.red_copies + 1):
            for distances in combinations(sorted(set(offer.red_distances)), n):
                yield RepairPlan(red=distances)
        for row in offer.fec_rows:
            yield RepairPlan(fec=FecPlan(row=row))
        for stride, column in offer.fec_columns:
            yield RepairPlan(fec=FecPlan(column=column, stride=stride))
            if offer.fec_both:
                yield RepairPlan(fec=FecPlan(row=stride, column=column, stride=stride))
        if offer.dred_ms >= packet_ms:
            yield RepairPlan(dred_frames=int(offer.dred_ms // packet_ms))

    def _candidates(self) -> Iterator[RepairPlan]:
        for plan in self._proactive():
            if self.config.media == "audio" or not self.offer.nack:
                yield plan
            if self.offer.nack:
                yield replace(plan, nack=True)

    # --- what they would lead to ---

    def forecast(self, plan: RepairPlan, stats: RepairStats) -> RepairForecast:
        """What ``plan`` leads to, by the formulae of :mod:`arcrtc.adaptation.repairmeans`."""
        return forecast(plan, self.offer, stats, packet_ms=self.config.packet_ms,
                        max_delay_ms=self.config.max_delay_ms)

    def _most_overhead(self, stats: RepairStats) -> float:
        most = self.config.max_overhead
        if stats.media_bps > 0.0 and stats.available_bps > 0.0:
            most = min(most, max(stats.available_bps / stats.media_bps - 1.0, 0.0))
        return most

    def _feasible(self, stats: RepairStats) -> list[RepairForecast]:
        standing = self._standing()
        most = self._most_overhead(stats)
        forecasts = [self.forecast(plan, stats) for plan in self._plans]
        return [f for f in forecasts if f.plan == standing
                or (f.overhead <= most and f.delay_ms <= self.config.max_delay_ms)]

    def _best(self, feasible: list[RepairForecast], stats: RepairStats) -> RepairForecast:
        good = [f for f in feasible if f.residual <= self.config.wished_loss]
        if good:
            return min(good, key=lambda f: (_cost(f), f.residual))
        return min(feasible, key=lambda f: (f.residual + _LOSS_COST * _cost(f), _cost(f)))

    # --- the decision ---

    def decide(self, stats: RepairStats, now_us: int) -> RepairDecision:
        """Choose, once a second or so.

        :param stats: of the last seconds.
        :param now_us: monotonic clock, microseconds; not before that of the call before.
        """
        stats = self._smoothed(stats, now_us)
        feasible = self._feasible(stats)
        best = self._best(feasible, stats)
        present = self.forecast(self._plan, stats)
        why = self._why_change(present, best, present.plan in [f.plan for f in feasible], stats, now_us)
        if why:
            self._plan, self._changed_us, self._has_changed = best.plan, now_us, True
            self._cheaper_since_us = now_us
            present = best
        return self._decision(present, stats, bool(why), why or "kept")

    def _why_change(self, present: RepairForecast, best: RepairForecast, allowed: bool, stats: RepairStats,
                    now_us: int) -> str:
        """A reason to leave the plan in use; empty: stay."""
        wished = self.config.wished_loss
        if best.plan == present.plan:
            self._cheaper_since_us = now_us
            return ""
        if not allowed:
            return "more than is allowed"
        early = self._has_changed and now_us - self._changed_us < 1000 * self.config.settle_ms
        if present.residual > wished * _WORSE:
            self._cheaper_since_us = now_us
            if best.residual > wished and best.residual > present.residual * _BETTER:
                return ""
            return "" if early else "too much is left"
        worse = replace(stats, loss_rate=min(stats.loss_rate * _MARGIN, 1.0))
        cheaper = self._best(self._feasible(worse), worse)
        saves = _cost(present) - _cost(self.forecast(cheaper.plan, stats))
        if cheaper.residual > wished or saves < _SAVES or cheaper.plan != best.plan:
            self._cheaper_since_us = now_us
            return ""
        if early or now_us - self._cheaper_since_us < 1000 * self.config.hold_ms:
            return ""
        return "less will do"

    def _decision(self, f: RepairForecast, stats: RepairStats, changed: bool, why: str) -> RepairDecision:
        others = self.forecast(replace(f.plan, opus_fec=False), stats)
        pct = min(round(100.0 * others.residual), 100) if f.plan.opus_fec else 0
        return RepairDecision(plan=f.plan, residual=f.residual, overhead=f.overhead, delay_ms=f.delay_ms,
                              expected_loss_pct=pct, changed=changed,
                              reason=f"{_measured(stats)}: {f.plan}, overhead {f.overhead:.2f}, leaves "
                                     f"{100 * f.residual:.1f} % ({why})")

    def _smoothed(self, new: RepairStats, now_us: int) -> RepairStats:
        old, elapsed = self._smooth, now_us - self._last_us
        self._last_us = now_us
        if old is None:
            self._smooth = new
            return new

        def follow(name: str, constant_us: int) -> float:
            was, value = getattr(old, name), getattr(new, name)
            if was == 0.0 or (value == 0.0 and name != "loss_rate"):
                return float(value or was)  # not known yet, or not known now
            return float(was + (1.0 - exp(-elapsed / constant_us)) * (value - was))

        self._smooth = RepairStats(
            loss_rate=follow("loss_rate", _UP_US if new.loss_rate > old.loss_rate else _DOWN_US),
            burst_length=follow("burst_length", _OTHER_US), rtt_ms=follow("rtt_ms", _OTHER_US),
            delay_ms=new.delay_ms, reverse_loss=follow("reverse_loss", _OTHER_US), media_bps=new.media_bps,
            available_bps=follow("available_bps", _OTHER_US))
        return self._smooth


def _cost(f: RepairForecast) -> float:
    """Of a plan, in units of the media rate."""
    means = f.plan.nack + f.plan.opus_fec + bool(f.plan.red) + bool(f.plan.fec) + bool(f.plan.dred_frames)
    return (f.overhead + _DELAY_COST * f.delay_ms + _MEANS_COST * means +
            (_IN_BAND_COST if f.plan.opus_fec else 0.0))


def _measured(stats: RepairStats) -> str:
    bursts = f", bursts of {stats.burst_length:.1f} packets" if stats.burst_length > 0.0 else ""
    rtt = f", RTT {stats.rtt_ms:.0f} ms" if stats.rtt_ms > 0.0 else ""
    return f"loss {100 * stats.loss_rate:.1f} %{bursts}{rtt}"
