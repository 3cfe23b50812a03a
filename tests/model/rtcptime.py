"""Plain model of tx/rtcptime: the rules of RFC 3550 section 6.3 and RFC 4585 section 3.5, one after the other.

It visits each turn of its timer at the moment of that turn, where the module makes up for several when it is asked.
Random numbers come from the core's generator, which has tests of its own.
"""
from __future__ import annotations

from typing import Any

from arcrtc._native import NEVER_US, ffi, lib
from arcrtc.rtcptiming import FeedbackPlan, RtcpDue, RtcpTimingConfig

FOREVER = float(1 << 60)
SECOND = 1_000_000




class RtcpTimeModel:
    """Call the methods as those of RtcpTimer."""

    def __init__(self, config: RtcpTimingConfig, seed: int, now: int) -> None:
        self.c = config
        self._rng: Any = ffi.new("struct arc_rng *")
        lib.arc_rng_init(self._rng, seed)
        self.members, self.pmembers, self.senders = 1, 1, 0
        self.we_sent, self.initial, self.spoken = False, True, False
        self.multiparty = config.multiparty
        self.average = float(config.first_bytes + config.overhead_bytes)
        self.allow_early, self.stored = True, False
        self.te: int | None = None
        self.immediate = False
        self.trr_last: int | None = None
        self.leaving = self.left = False
        self.due = RtcpDue.NONE
        self.credit, self.credit_at = 0.0, now - SECOND
        self.tp = now
        self.interval = NEVER_US
        self.tn = self._after(now)

    def _unit(self) -> float:
        return float(lib.arc_rng_unit(self._rng))

    def share(self, we_sent: bool) -> tuple[float, int]:
        s, r = self.c.sender_bps / 8, self.c.receiver_bps / 8
        if self.senders * (s + r) <= self.members * s:
            if we_sent:
                return s, max(self.senders, 1)
            return r, max(self.members - self.senders, 1)
        return s + r, self.members

    def deterministic(self, we_sent: bool, least: float) -> float:
        bandwidth, n = self.share(we_sent)
        if bandwidth <= 0:
            return FOREVER
        return min(max(self.average * n / bandwidth * SECOND, least), FOREVER)

    def least(self) -> float:
        if self.c.avpf:
            return 1_000_000 if self.initial and self.multiparty else 1000
        if not self.initial:
            return self.c.min_interval_us
        if self.c.unicast and not self.leaving:
            return 1000
        return self.c.min_interval_us / 2

    def _after(self, us: int) -> int:
        length = self.deterministic(self.we_sent, self.least())
        spread = 0.5 + self._unit()
        self.interval = int(length * spread / 1.21828) if length < FOREVER else NEVER_US
        return us + self.interval if self.interval != NEVER_US else NEVER_US

    def run(self, now: int) -> None:
        """Live through the turns up to now."""
        self.tn = max(self.tn, now - SECOND)
        while self.due is RtcpDue.NONE and self.tn <= now:
            tc = self.tn
            again = self._after(self.tp)
            self.pmembers = self.members
            if again > tc:
                self.tn = again
                continue
            if self.leaving:
                self.due = RtcpDue.BYE
                return
            if self.c.avpf and self.c.trr_int_us and self.trr_last is not None:
                current = int((0.5 + self._unit()) * self.c.trr_int_us)
                if self.trr_last + current > tc:
                    if self.stored:
                        self.due = RtcpDue.STORED
                        return
                    self.tp, self.tn = tc, self._after(tc)
                    self.allow_early = True
                    continue
            self.due = RtcpDue.REGULAR

    def set_counts(self, members: int, senders: int, we_sent: bool, now: int) -> None:
        self.spoken |= we_sent
        if self.leaving:
            return
        self.run(now)
        before = self.deterministic(self.we_sent, self.least())
        began = we_sent and not self.we_sent
        self.members = members
        self.senders = max(min(senders, members), int(we_sent))
        self.we_sent = we_sent
        after = self.deterministic(we_sent, self.least())
        if self.tn == NEVER_US and after < FOREVER:
            self.tp, self.tn, self.allow_early = now, self._after(now), True
        if began and before < FOREVER:
            self._nearer(after / before, now)
        if self.members < self.pmembers:
            self._nearer(self.members / self.pmembers, now)
            self.pmembers = self.members

    def _nearer(self, ratio: float, now: int) -> None:
        if self.tn != NEVER_US and self.tn > now and ratio < 1:
            self.tn = now + int(ratio * (self.tn - now))
            self.tp = now - int(ratio * (now - self.tp))

    def _size(self, size: int, reporters: int) -> None:
        self.average += ((size + self.c.overhead_bytes) / max(reporters, 1) - self.average) / 16

    def on_received(self, size: int, reporters: int, byes: int) -> None:
        if self.leaving and not byes:
            return
        if self.leaving:
            self.members += byes
        self._size(size, reporters)

    def _has_credit(self, now: int) -> bool:
        bandwidth, n = self.share(self.we_sent)
        per_us = bandwidth / n / SECOND
        if self.multiparty or now < self.credit_at:
            return False
        self.credit = min(self.credit + per_us * (now - self.credit_at), per_us * SECOND)
        self.credit_at = now
        return self.credit > 0

    def request(self, now: int) -> FeedbackPlan:
        if self.leaving or self.left or self.interval == NEVER_US:
            return FeedbackPlan.REFUSED
        self.run(now)
        if self.due is not RtcpDue.NONE or self.te is not None or self.stored:
            return FeedbackPlan.JOINED
        if not self.c.avpf:
            self.stored = True
            return FeedbackPlan.WAITS
        self.immediate = self._has_credit(now)
        dither = self.interval // 2 if self.multiparty else 0
        if now + dither > self.tn:
            self.stored = True
            return FeedbackPlan.WAITS
        if not self.allow_early and not self.immediate:
            if self.tn - now < self.c.max_fb_delay_us:
                self.stored = True
                return FeedbackPlan.WAITS
            return FeedbackPlan.REFUSED
        self.te = now + (int(self._unit() * dither) if dither > 0 else 0)
        return FeedbackPlan.EARLY

    def withdraw(self) -> None:
        if self.due not in (RtcpDue.EARLY, RtcpDue.STORED):
            self.te, self.stored = None, False

    def expire(self, now: int) -> RtcpDue:
        if self.left:
            return RtcpDue.NONE
        if self.due is RtcpDue.NONE and self.te is not None and self.te <= now:
            self.due = RtcpDue.EARLY
        self.run(now)
        return self.due

    def on_sent(self, size: int, reporters: int, now: int) -> None:
        if self.due is RtcpDue.NONE:
            return
        due, self.due = self.due, RtcpDue.NONE
        if size:
            self._has_credit(now)
            self.credit -= size + self.c.overhead_bytes
            self._size(size, reporters)
        self.te, self.stored, self.spoken = None, False, True
        if due is RtcpDue.BYE:
            self.left = True
        elif due is RtcpDue.EARLY:
            if not self.immediate:
                self.allow_early = False
                turn = self.tn
                self.tn, self.tp = max(self.tp + 2 * self.interval, turn), turn
        else:
            self.initial = False
            if due is RtcpDue.REGULAR:
                self.trr_last = now
            self.tp, self.tn, self.allow_early = now, self._after(now), True

    def leave(self, size: int, now: int) -> bool:
        if self.leaving or self.left:
            return not self.left
        crowd = self.members > 50
        self.leaving, self.te, self.stored, self.due = True, None, False, RtcpDue.NONE
        if not self.spoken:
            self.left = True
            return False
        self.tp = self.tn = now
        self.members = self.pmembers = 1
        self.senders, self.we_sent, self.initial = 0, False, True
        self.average = float(size + self.c.overhead_bytes)
        if crowd:
            self.tn = self._after(now)
        else:
            self.due = RtcpDue.BYE
        return True
