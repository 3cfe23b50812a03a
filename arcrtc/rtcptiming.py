"""When RTCP may be sent (C modules ``tx/rtcptime`` and ``tx/ssrcgroup``).

For programs that make their own RTCP; a :class:`arcrtc.Session` keeps these rules by itself.
"""
from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from arcrtc._native import NEVER_US, check, ffi, lib
from arcrtc._ranges import check_int
from arcrtc.errors import ArgumentError

__all__ = ["NEVER_US", "FeedbackPlan", "RtcpDue", "RtcpTimer", "RtcpTimerGroup", "RtcpTimingConfig", "RtcpTimingStats"]

MIN_INTERVAL_US: Final = lib.ARC_RTCPTIME_MIN_US  #: fixed minimum, RFC 3550 section 6.2
_MAX_BPS: Final = 10**10
_MAX_WAIT_US: Final = 60_000_000


class RtcpDue(Enum):
    """What is to be sent now."""

    NONE = lib.ARC_RTCP_DUE_NONE  #: nothing
    REGULAR = lib.ARC_RTCP_DUE_REGULAR  #: reports, and the feedback that waits
    STORED = lib.ARC_RTCP_DUE_STORED  #: the feedback that waits; reports are not due
    EARLY = lib.ARC_RTCP_DUE_EARLY  #: feedback before its turn
    BYE = lib.ARC_RTCP_DUE_BYE  #: the last packet


class FeedbackPlan(Enum):
    """What becomes of feedback that was asked for."""

    REFUSED = lib.ARC_FEEDBACK_REFUSED  #: drop it: it would come too late
    EARLY = lib.ARC_FEEDBACK_EARLY  #: a packet of its own was scheduled
    WAITS = lib.ARC_FEEDBACK_WAITS  #: it goes with the next packet in turn
    JOINED = lib.ARC_FEEDBACK_JOINED  #: it goes with feedback that is scheduled


@dataclass(frozen=True, slots=True, kw_only=True)
class RtcpTimingConfig:
    """What RTCP may cost, and by which rules.

    :ivar sender_bps: RTCP of all who send media, bits per second (RFC 3556 ``b=RS``). 0..10**10.
    :ivar receiver_bps: RTCP of all others (``b=RR``); 0: they send none. 0..10**10.
    :ivar min_interval_us: least interval without AVPF, microseconds; 1..5_000_000. See reduced().
    :ivar trr_int_us: AVPF: least time between regular packets, microseconds; 0..60_000_000, 0: none.
    :ivar max_fb_delay_us: AVPF: feedback that would wait longer is refused; 0..60_000_000.
    :ivar first_bytes: likely size of the first packet; 1..65535.
    :ivar overhead_bytes: IP and UDP headers, counted in each size; 0..1000.
    :ivar avpf: the rules of RFC 4585; else those of RFC 3550 alone.
    :ivar unicast: without AVPF: the first packet need not wait (RFC 3550 section 6.2).
    :ivar multiparty: more than one other endpoint, at the start.
    :raises ConfigError: a value is outside its range.
    """

    sender_bps: int
    receiver_bps: int
    min_interval_us: int = MIN_INTERVAL_US
    trr_int_us: int = 0
    max_fb_delay_us: int = 500_000
    first_bytes: int = 100
    overhead_bytes: int = 28
    avpf: bool = False
    unicast: bool = False
    multiparty: bool = False

    def __post_init__(self) -> None:
        check_int("sender_bps", self.sender_bps, 0, _MAX_BPS, "bit/s")
        check_int("receiver_bps", self.receiver_bps, 0, _MAX_BPS, "bit/s")
        check_int("min_interval_us", self.min_interval_us, 1, MIN_INTERVAL_US, "us")
        check_int("trr_int_us", self.trr_int_us, 0, _MAX_WAIT_US, "us")
        check_int("max_fb_delay_us", self.max_fb_delay_us, 0, _MAX_WAIT_US, "us")
        check_int("first_bytes", self.first_bytes, 1, 65_535, "bytes")
        check_int("overhead_bytes", self.overhead_bytes, 0, 1000, "bytes")

    @classmethod
    def of_session(cls, session_bps: int, *, reduced: bool = False, trr_int_us: int = 0, avpf: bool = False,
                   unicast: bool = False, multiparty: bool = False) -> RtcpTimingConfig:
        """5 % of a session bandwidth, a quarter of that for senders (RFC 3550 section 6.2).

        :param session_bps: bits per second, 0..2 * 10**11.
        :param reduced: the reduced minimum: 360 divided by the kb/s, seconds.
        :raises ConfigError: a value is outside its range.
        """
        check_int("session_bps", session_bps, 0, 20 * _MAX_BPS, "bit/s")
        least = int(lib.arc_rtcptime_reduced_min_us(session_bps)) if reduced else MIN_INTERVAL_US
        return cls(sender_bps=session_bps // 80, receiver_bps=session_bps * 3 // 80, min_interval_us=least,
                   trr_int_us=trr_int_us, avpf=avpf, unicast=unicast, multiparty=multiparty)


@dataclass(frozen=True, slots=True, kw_only=True)
class RtcpTimingStats:
    """Counters since the start.

    :ivar regular: packets with reports.
    :ivar stored: packets in turn with feedback only.
    :ivar early: packets with feedback before their turn.
    :ivar immediate: of these, inside the share of the bandwidth, so that no turn was owed for them.
    :ivar suppressed: turns left out for ``trr_int_us``.
    :ivar reconsidered: turns put off because the group has grown.
    :ivar reversed: turns drawn near because it has shrunk.
    :ivar refused: feedback refused.
    :ivar withdrawn: feedback that another member gave first.
    """

    regular: int
    stored: int
    early: int
    immediate: int
    suppressed: int
    reconsidered: int
    reversed: int
    refused: int
    withdrawn: int


def _native(config: RtcpTimingConfig) -> Any:
    return ffi.new("struct arc_rtcptime_config *", {
        "sender_bps": config.sender_bps, "receiver_bps": config.receiver_bps,
        "min_interval_us": config.min_interval_us, "trr_int_us": config.trr_int_us,
        "max_fb_delay_us": config.max_fb_delay_us, "first_bytes": config.first_bytes,
        "overhead_bytes": config.overhead_bytes, "avpf": config.avpf, "unicast": config.unicast,
        "multiparty": config.multiparty})


def _check_seed(seed: int) -> None:
    check_int("seed", seed, 0, 2**64 - 1)


class RtcpTimer:
    """The RTCP timer of one participant. Not thread-safe: one thread at a time.

    Ask :meth:`expire` at ``next_us``, send what it says, tell so by :meth:`on_sent`.

    :param config: bandwidths and rules.
    :param seed: of all that is random, 0..2**64 - 1; the same seed gives the same times.
    :param now_us: when it joins, microseconds of a monotonic clock.
    :raises ConfigError: ``seed`` is outside its range.

    Source: RFC 3550 sections 6.2, 6.3 and A.7; RFC 4585 section 3.5; RFC 8108 section 5.
    """

    def __init__(self, config: RtcpTimingConfig, *, seed: int, now_us: int) -> None:
        _check_seed(seed)
        self._t = ffi.new("struct arc_rtcptime *")
        check(lib.arc_rtcptime_init(self._t, _native(config), seed, now_us), "RtcpTimer")

    def set_counts(self, *, members: int, senders: int, we_sent: bool, now_us: int) -> None:
        """Tell the size of the group; a smaller one brings the next packet nearer.

        :param members: all, this one too; 1..2**31 - 1.
        :param senders: of these, who sends media, this one too.
        :param we_sent: this one sent media in the last two intervals.
        """
        lib.arc_rtcptime_set_counts(self._t, members, senders, we_sent, now_us)

    def set_multiparty(self, multiparty: bool) -> None:
        """Say whether more than one other endpoint takes part: feedback is dithered then."""
        lib.arc_rtcptime_set_multiparty(self._t, multiparty)

    def on_received(self, size: int, *, reporters: int = 1, byes: int = 0) -> None:
        """Note an RTCP packet that came.

        :param size: bytes, without IP and UDP headers.
        :param reporters: SSRCs that report in it (RFC 8108 section 5.3.1).
        :param byes: SSRCs that it says good-bye for.
        """
        lib.arc_rtcptime_on_received(self._t, size, reporters, byes)

    def request_feedback(self, *, now_us: int) -> FeedbackPlan:
        """Ask to send feedback about something that was noticed now (RFC 4585 section 3.5.2)."""
        return FeedbackPlan(lib.arc_rtcptime_request(self._t, now_us))

    def withdraw_feedback(self) -> None:
        """Drop the feedback that is scheduled: another member has said all of it."""
        lib.arc_rtcptime_withdraw(self._t)

    def expire(self, *, now_us: int) -> RtcpDue:
        """What is to be sent now; on_sent() must follow unless it is NONE."""
        return RtcpDue(lib.arc_rtcptime_expire(self._t, now_us))

    def on_sent(self, size: int, *, now_us: int, reporters: int = 1) -> None:
        """Note that it was sent; ``size`` in bytes, 0 if nothing could be."""
        lib.arc_rtcptime_on_sent(self._t, size, reporters, now_us)

    def leave(self, bye_size: int, *, now_us: int) -> bool:
        """Leave; True if a BYE of ``bye_size`` bytes will be due (RFC 3550 section 6.3.7)."""
        return bool(lib.arc_rtcptime_leave(self._t, bye_size, now_us))

    @property
    def next_us(self) -> int:
        """When expire() is due next, microseconds; NEVER_US: not by itself."""
        return int(lib.arc_rtcptime_next_us(self._t))

    @property
    def average_bytes(self) -> float:
        """Average size of an RTCP packet of the session, IP and UDP headers included."""
        return float(self._t.avg_bytes)

    @property
    def member_timeout_us(self) -> int:
        """A member that is silent for longer is gone (RFC 8108 section 7.1.4)."""
        return int(lib.arc_rtcptime_member_timeout_us(self._t))

    @property
    def sender_timeout_us(self) -> int:
        """A member that sends no media for longer is no sender (RFC 3550 section 6.3.5)."""
        return int(lib.arc_rtcptime_sender_timeout_us(self._t))

    def stats(self) -> RtcpTimingStats:
        """Counters since the start."""
        s = self._t.stats
        return RtcpTimingStats(**{name: getattr(s, name) for name in RtcpTimingStats.__dataclass_fields__})


class RtcpTimerGroup:
    """The timers of all SSRCs of one endpoint. Not thread-safe: one thread at a time.

    Each SSRC is a participant; when one is due the others go along (RFC 8108 section 5.3).

    :param config: bandwidths and rules.
    :param seed: of all that is random, 0..2**64 - 1.
    :raises ConfigError: ``seed`` is outside its range.
    """

    MAX: Final = int(lib.ARC_SSRCGROUP_MAX)  #: participants at most

    def __init__(self, config: RtcpTimingConfig, *, seed: int) -> None:
        _check_seed(seed)
        self._g = ffi.new("struct arc_ssrcgroup *")
        self._due = ffi.new("struct arc_ssrcgroup_due *")
        check(lib.arc_ssrcgroup_init(self._g, _native(config), seed), "RtcpTimerGroup")

    def join(self, who: int, *, now_us: int) -> None:
        """Start the timer of participant ``who``, 0..MAX - 1.

        :raises ArgumentError: it has started already, or is outside the range.
        """
        if not 0 <= who < self.MAX:
            raise ArgumentError(f"who={who!r} is not in 0..{self.MAX - 1}")
        check(lib.arc_ssrcgroup_join(self._g, who, now_us), "RtcpTimerGroup.join")

    def part(self, who: int, *, now_us: int) -> None:
        """End the timer of participant ``who``; its BYE is the caller's."""
        lib.arc_ssrcgroup_part(self._g, who, now_us)

    def set_sends(self, who: int, sends: bool, *, now_us: int) -> None:
        """Tell whether it sent media in the last two intervals."""
        lib.arc_ssrcgroup_set_sends(self._g, who, sends, now_us)

    def set_remote(self, *, members: int, senders: int, multiparty: bool, now_us: int) -> None:
        """Tell who else takes part: SSRCs, those that send media, and whether they are several endpoints."""
        lib.arc_ssrcgroup_set_remote(self._g, members, senders, multiparty, now_us)

    def on_received(self, size: int, *, reporters: int = 1, byes: int = 0) -> None:
        """As RtcpTimer.on_received()."""
        lib.arc_ssrcgroup_on_received(self._g, size, reporters, byes)

    def request_feedback(self, *, now_us: int) -> FeedbackPlan:
        """As RtcpTimer.request_feedback(), by whichever participant may be the first."""
        return FeedbackPlan(lib.arc_ssrcgroup_request(self._g, now_us))

    def withdraw_feedback(self) -> None:
        """As RtcpTimer.withdraw_feedback()."""
        lib.arc_ssrcgroup_withdraw(self._g)

    def expire(self, *, now_us: int) -> tuple[RtcpDue, list[int]]:
        """What is to be sent now, and whose reports: who must report first, then who may."""
        lib.arc_ssrcgroup_expire(self._g, now_us, self._due)
        return RtcpDue(self._due.kind), list(self._due.who[0:self._due.n])

    def on_sent(self, size: int, *, included: int, now_us: int) -> None:
        """Note what was sent after expire().

        :param size: bytes, 0 if nothing could be sent.
        :param included: how many of the participants named are in the packet, 1 or more.
        """
        lib.arc_ssrcgroup_on_sent(self._g, self._due, included, size, now_us)

    def leave(self, bye_size: int, *, now_us: int) -> bool:
        """As RtcpTimer.leave(), for all."""
        return bool(lib.arc_ssrcgroup_leave(self._g, bye_size, now_us))

    @property
    def next_us(self) -> int:
        """When expire() is due next, microseconds; NEVER_US: not by itself."""
        return int(lib.arc_ssrcgroup_next_us(self._g))
