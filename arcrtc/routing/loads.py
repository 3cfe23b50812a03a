"""How a target is doing, in figures: what it reports, what a call through it is worth, what it is fit for."""
from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from arcrtc._ranges import check_float, check_int
from arcrtc.errors import ConfigError

US_PER_S: Final = 1_000_000
R_BEST: Final = 93.2  #: rating of a narrow-band call without loss and delay, ITU-T G.107 defaults
_LOSS_ROBUSTNESS: Final = 25.1  # Bpl of G.711 with concealment, ITU-T G.113 appendix I
_MAX_MS: Final = 600_000.0


def call_quality(loss: float, rtt_ms: float, jitter_ms: float) -> float:
    """What a call over such a way is worth: the E-model's rating as a part of its best.

    R = 93.2 - Id - Ie (ITU-T G.107, shortened by Cole and Rosenbluth, 2001), with
    Id = 0.024 d + 0.11 max(0, d - 177.3) and Ie = 95 P / (P + 25.1). ``d`` is the delay from mouth to
    ear, ms: half the round trip, and twice the jitter, which a play-out buffer adds. ``P`` is the loss in percent.

    :param loss: part of the packets lost, 0..1.
    :param rtt_ms: round trip, 0 or more.
    :param jitter_ms: mean deviation of the delay (RFC 3550 section 6.4.1), 0 or more.
    :returns: 0 (no talk is possible) .. 1.
    """
    delay_ms = rtt_ms / 2 + 2 * jitter_ms
    percent = 100 * loss
    rating = (R_BEST - 0.024 * delay_ms - 0.11 * max(0.0, delay_ms - 177.3)
              - 95 * percent / (percent + _LOSS_ROBUSTNESS))
    return max(0.0, rating) / R_BEST


@dataclass(frozen=True, slots=True)
class TargetLoad:
    """What a target says of itself, about once a second.

    :ivar load: the part in use of what runs out first (processor, uplink ...), 0..1; more than 1: overloaded, to 10.
    :ivar sessions: sessions on it, 0 or more; None: it does not say.
    :ivar loss: part of the packets lost on the way to its peers, 0..1.
    :ivar rtt_ms: median round trip to its peers, 0..600000.
    :ivar jitter_ms: median of its peers, 0..600000.
    :ivar healthy: False: it says that it fails.
    :ivar age_s: how old these figures are when they arrive, 0..3600: sessions placed since count on top.
    :raises ConfigError: out of range.
    """

    load: float
    sessions: int | None = None
    loss: float = 0.0
    rtt_ms: float = 0.0
    jitter_ms: float = 0.0
    healthy: bool = True
    age_s: float = 0.0

    def __post_init__(self) -> None:
        check_float("load", self.load, 0, 10)
        if self.sessions is not None:
            check_int("sessions", self.sessions, 0, 10**9)
        check_float("loss", self.loss, 0, 1)
        check_float("rtt_ms", self.rtt_ms, 0, _MAX_MS)
        check_float("jitter_ms", self.jitter_ms, 0, _MAX_MS)
        check_float("age_s", self.age_s, 0, 3600)


class TargetState(str, Enum):
    """Whether a target works. Draining is apart from it: a drained target works."""

    UP = "up"
    WARMING = "warming"  # new or back: its share grows by degrees
    DOWN = "down"  # it said so, or said nothing
    HELD = "held"  # it says that it is well, but failed too short a time ago
    REMOVED = "removed"  # only until its sessions have been moved


class Refusal(str, Enum):
    """Why a target takes no new session."""

    FAILED = "failed"
    SILENT = "silent"
    HELD = "held"
    REMOVED = "removed"
    DRAINING = "draining"
    FULL = "full"  # as many sessions as its capacity
    OVERLOADED = "overloaded"  # its load, with the sessions placed since the report, is at max_load


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerConfig:
    """Settings of a :class:`LoadBalancer`.

    :ivar silence_s: a target that has reported before and then does not for this long has failed. 0.1..86400.
    :ivar slow_start_s: a target that is new or comes back has a share that grows from ``slow_start_floor``
        to 1 over this time, as long as it reports. 0..86400; 0: at once.
    :ivar slow_start_floor: 0.001..1.
    :ivar hold_s: after a failure, healthy reports do not count for this long; twice as long after each
        further failure, until a target was up for ``hold_max_s``. 0..86400.
    :ivar hold_max_s: ``hold_s``..86400.
    :ivar max_load: no new session at this load or above. 0.01..10.
    :ivar session_load: load of one session on a target that has no capacity and has not reported. 0..1.
    :ivar others_alike: reports tell of sessions that other balancers placed: until the next report, take it that they
        place on each target as this one does, in proportion. Without it, several balancers run after the same target.
    :ivar spill_load: a room stays with its target while that is below this load. 0.01..10.
    :ivar room_limit: sessions of one room on one target, 1..10**9; None: as many as fit.
    :ivar replace_per_s: sessions of failed targets moved a second, at most. 0.001..10**9.
    :ivar rebalance_per_s: sessions moved a second to even out loads, at most. 0..10**9; 0: none.
    :ivar rebalance_gap: a target gives sessions away from this much above the mean load on, until it is half of
        it above. 0.01..10.
    :ivar cooldown_s: a session is not moved again for evenness within this time. 0..86400.
    :ivar max_targets: 1..1000000.
    :ivar max_sessions: 1..10**8.
    :raises ConfigError: out of range.
    """

    silence_s: float = 10.0
    slow_start_s: float = 30.0
    slow_start_floor: float = 0.05
    hold_s: float = 5.0
    hold_max_s: float = 300.0
    max_load: float = 0.95
    session_load: float = 0.001
    others_alike: bool = True
    spill_load: float = 0.85
    room_limit: int | None = None
    replace_per_s: float = 5000.0
    rebalance_per_s: float = 10.0
    rebalance_gap: float = 0.2
    cooldown_s: float = 60.0
    max_targets: int = 100_000
    max_sessions: int = 10_000_000

    def __post_init__(self) -> None:
        day = 86_400
        check_float("silence_s", self.silence_s, 0.1, day)
        check_float("slow_start_s", self.slow_start_s, 0, day)
        check_float("slow_start_floor", self.slow_start_floor, 0.001, 1)
        check_float("hold_s", self.hold_s, 0, day)
        check_float("hold_max_s", self.hold_max_s, self.hold_s, day)
        check_float("max_load", self.max_load, 0.01, 10)
        check_float("session_load", self.session_load, 0, 1)
        check_float("spill_load", self.spill_load, 0.01, 10)
        if self.room_limit is not None:
            check_int("room_limit", self.room_limit, 1, 10**9)
        check_float("replace_per_s", self.replace_per_s, 0.001, 1e9)
        check_float("rebalance_per_s", self.rebalance_per_s, 0, 1e9)
        check_float("rebalance_gap", self.rebalance_gap, 0.01, 10)
        check_float("cooldown_s", self.cooldown_s, 0, day)
        check_int("max_targets", self.max_targets, 1, 1_000_000)
        check_int("max_sessions", self.max_sessions, 1, 10**8)


@dataclass(frozen=True, slots=True)
class TargetInfo:
    """A target as the balancer sees it.

    :ivar target: its id.
    :ivar state: whether it works.
    :ivar refusal: why it takes no new session; None: it does.
    :ivar weight: its share relative to the others, before slow start.
    :ivar ramp: how far slow start has come, 0..1; 1: it is over.
    :ivar capacity: sessions; None: not limited.
    :ivar sessions: that this balancer has placed on it.
    :ivar load: as reported, with the sessions placed since then, 0 or more.
    :ivar quality: of its peers' ways, 0..1 (:func:`call_quality`).
    :ivar draining: it is to become empty.
    :ivar reported_us: time of its last report; None: it has not reported yet.
    :ivar failures: in close succession, for ``hold_s``.
    """

    target: Hashable
    state: TargetState
    refusal: Refusal | None
    weight: float
    ramp: float
    capacity: int | None
    sessions: int
    load: float
    quality: float
    draining: bool
    reported_us: int | None
    failures: int


def checked_weight(weight: float | None, capacity: int | None) -> float:
    """The weight of a target: as given, or its capacity, or 1.

    :raises ConfigError: outside 0.001..1000000, or a capacity outside 1..10**9.
    """
    if capacity is not None:
        check_int("capacity", capacity, 1, 10**9)
    if weight is None:
        return float(min(capacity, 1_000_000)) if capacity is not None else 1.0
    try:
        check_float("weight", weight, 0.001, 1e6)
    except ConfigError:
        raise ConfigError(f"weight={weight!r} is not a number in 0.001..1000000; drain() takes a target out") from None
    return float(weight)
