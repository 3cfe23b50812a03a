"""Many members in virtual time: what RFC 3550 A.7, RFC 4585 3.5 and RFC 8108 5.3 promise for a whole group.

All hear all at once, as by multicast; who was heard counts as a member.
"""
from __future__ import annotations

import heapq
import itertools
import statistics

import pytest

from arcrtc.rtcptiming import NEVER_US, FeedbackPlan, RtcpDue, RtcpTimer, RtcpTimerGroup, RtcpTimingConfig

S = 1_000_000
MS = 1000
SIZE = 100  # of a report, bytes; 28 more on the wire
BYE_SIZE = 60


class Party:
    """Timers of members that hear each other, and a record of what they sent."""

    def __init__(self, n: int, config: RtcpTimingConfig, *, seed: int, known: bool = False) -> None:
        self.timers = [RtcpTimer(config, seed=seed * 100_000 + i, now_us=0) for i in range(n)]
        self.heard: set[int] = set()
        self.gone: set[int] = set()
        self.sent: list[tuple[int, int, RtcpDue]] = []
        self.queue: list[tuple[int, int]] = []
        if known:
            self.heard = set(range(n))
            self.count(0)
        for i in range(n):
            self.plan(i)

    def plan(self, i: int) -> None:
        if (due := self.timers[i].next_us) != NEVER_US:
            heapq.heappush(self.queue, (due, i))

    def count(self, now: int) -> None:
        for i, timer in enumerate(self.timers):
            if i not in self.gone:
                members = len(self.heard) + (i not in self.heard)
                timer.set_counts(members=members, senders=0, we_sent=False, now_us=now)

    def tell(self, sender: int, now: int, due: RtcpDue) -> None:
        """All hear a packet of ``sender``; the number of members changes with its first or last one."""
        bye = due is RtcpDue.BYE
        changed = bye or sender not in self.heard
        if bye:
            self.heard.discard(sender)
            self.gone.add(sender)
        else:
            self.heard.add(sender)
        for i, timer in enumerate(self.timers):
            if i != sender and i not in self.gone:
                timer.on_received(BYE_SIZE if bye else SIZE, byes=int(bye))
        if changed:
            self.count(now)

    def run(self, end: int) -> None:
        while self.queue and self.queue[0][0] <= end:
            now, i = heapq.heappop(self.queue)
            timer = self.timers[i]
            if timer.next_us != now:
                if i not in self.gone:
                    self.plan(i)  # it moved meanwhile
                continue
            due = timer.expire(now_us=now)
            if due is not RtcpDue.NONE:
                timer.on_sent(BYE_SIZE if due is RtcpDue.BYE else SIZE, now_us=now)
                self.sent.append((now, i, due))
                self.tell(i, now, due)
            self.plan(i)

    def bytes_between(self, start: int, end: int, kind: RtcpDue | None = None) -> int:
        return sum((BYE_SIZE if due is RtcpDue.BYE else SIZE) + 28 for t, _, due in self.sent
                   if start <= t < end and kind in (None, due))


@pytest.mark.parametrize("seed", [1, 2])
def test_sim_rtcp_a_thousand_join_at_once_and_the_total_stays_at_its_share(seed: int) -> None:
    config = RtcpTimingConfig.of_session(256_000)
    share = 256_000 * 0.0375 / 8  # of those who send no media, bytes a second
    party = Party(1000, config, seed=seed)
    party.run(240 * S)
    # Without reconsideration all 1000 would speak within the first 3.1 seconds: 41 kB/s.
    assert party.bytes_between(0, 4 * S) < 1000 * 128 * 0.35
    first = {i: t for t, i, _ in reversed(party.sent)}
    assert len(first) > 850  # most were heard by then
    # Once the members are known the total is what they may spend.
    assert party.bytes_between(120 * S, 240 * S) / 120 == pytest.approx(share, rel=0.1)
    assert sum(timer.stats().reconsidered for timer in party.timers) > 1000


def test_sim_rtcp_a_known_group_shares_the_bandwidth_evenly() -> None:
    party = Party(200, RtcpTimingConfig.of_session(64_000), seed=3, known=True)
    party.run(1500 * S)
    share = 64_000 * 0.0375 / 8
    assert party.bytes_between(300 * S, 1500 * S) / 1200 == pytest.approx(share, rel=0.04)
    counts = [sum(i == who for _, i, _ in party.sent) for who in range(200)]
    assert min(counts) > 0.7 * statistics.mean(counts)
    assert max(counts) < 1.3 * statistics.mean(counts)


def test_sim_rtcp_a_thousand_leave_at_once_without_a_storm_of_byes() -> None:
    config = RtcpTimingConfig.of_session(256_000)
    party = Party(1000, config, seed=5, known=True)
    party.run(150 * S)
    start = 150 * S
    spoken = {i for _, i, _ in party.sent}
    assert len(spoken) > 800
    party.queue.clear()
    byes_due = 0
    for i, timer in enumerate(party.timers):
        byes_due += timer.leave(BYE_SIZE, now_us=start)
        party.plan(i)
    assert byes_due == len(spoken)  # who never spoke says nothing
    party.run(start + 60 * S)
    share = 256_000 * 0.0375 / 8
    # 6.3.7: BYEs get as much again as the rest; some more before the count is right. At once: 88 kB.
    assert party.bytes_between(start, start + S, RtcpDue.BYE) < 0.1 * byes_due * 88
    assert party.bytes_between(start, start + 10 * S, RtcpDue.BYE) < 0.35 * byes_due * 88
    assert party.bytes_between(start + 20 * S, start + 60 * S, RtcpDue.BYE) / 40 < 1.3 * share
    assert all(due is RtcpDue.BYE for t, _, due in party.sent if t >= start)


def test_sim_rtcp_who_stays_is_soon_heard_more_often() -> None:
    """Reverse reconsideration: 950 of 1000 say BYE, the other 50 do not wait for their old turns."""
    party = Party(1000, RtcpTimingConfig.of_session(256_000), seed=7, known=True)
    party.run(100 * S)
    start = 100 * S
    old_wait = statistics.mean(party.timers[i].next_us - start for i in range(950, 1000))
    for i in range(950):
        party.tell(i, start, RtcpDue.BYE)
    new_wait = statistics.mean(party.timers[i].next_us - start for i in range(950, 1000))
    assert new_wait == pytest.approx(old_wait / 20, rel=0.02)
    for timer in party.timers[950:]:
        assert timer.stats().reversed > 900


@pytest.mark.parametrize("seed", range(5))
def test_sim_rtcp_one_of_twenty_receivers_speaks_for_all(seed: int) -> None:
    """RFC 4585 section 3.5.2: the same loss at all of them, each dithers, most keep quiet."""
    config = RtcpTimingConfig.of_session(256_000, avpf=True, multiparty=True, trr_int_us=5 * S)
    party = Party(20, config, seed=seed, known=True)
    party.run(20 * S)
    said: list[int] = []
    for loss in range(10):
        t0 = (20 + 10 * loss) * S
        party.run(t0)
        before = len(party.sent)
        asked = {i for i, timer in enumerate(party.timers)
                 if timer.request_feedback(now_us=t0) is not FeedbackPlan.REFUSED}
        assert len(asked) > 10
        party.queue.clear()
        for i in range(20):
            party.plan(i)

        # The others see the first request a path of 5 ms later.
        while len(party.sent) == before or party.queue[0][0] <= party.sent[before][0] + 5 * MS:
            party.run(party.queue[0][0])
        for timer in party.timers:
            timer.withdraw_feedback()
        party.queue.clear()
        for i in range(20):
            party.plan(i)
        said.append(sum(due in (RtcpDue.EARLY, RtcpDue.STORED, RtcpDue.REGULAR) for _, _, due in party.sent[before:]))
    assert statistics.mean(said) < 4  # of 20 that saw it
    assert max(said) <= 8


def test_sim_rtcp_ssrcs_of_one_endpoint_go_together_and_cost_the_same() -> None:
    """RFC 8108 section 5.3: each SSRC keeps the interval of its share; one packet's headers serve all."""
    config = RtcpTimingConfig.of_session(128_000)
    for ssrcs in (1, 6):
        group = RtcpTimerGroup(config, seed=11)
        for who in range(ssrcs):
            group.join(who, now_us=0)
        group.set_remote(members=60 - ssrcs, senders=0, multiparty=True, now_us=0)
        reports: dict[int, list[int]] = {who: [] for who in range(ssrcs)}
        packets = 0
        while (now := group.next_us) < 6000 * S:
            due, who = group.expire(now_us=now)
            if due is RtcpDue.NONE:
                continue
            packets += 1
            group.on_sent(len(who) * SIZE, included=len(who), now_us=now)
            for one in who:
                reports[one].append(now)
        intervals = [b - a for times in reports.values() for a, b in itertools.pairwise(times)]
        assert packets == max(len(times) for times in reports.values())  # all aboard each time
        expected = 60 * (SIZE + 28 / ssrcs) / (128_000 * 0.0375 / 8) * S
        assert statistics.mean(intervals) == pytest.approx(expected, rel=0.03)


def test_sim_rtcp_members_that_are_not_in_the_packet_keep_their_turn() -> None:
    group = RtcpTimerGroup(RtcpTimingConfig.of_session(128_000), seed=3)
    for who in range(4):
        group.join(who, now_us=0)
    seen: dict[int, int] = dict.fromkeys(range(4), 0)
    while (now := group.next_us) < 300 * S:
        due, who = group.expire(now_us=now)
        if due is RtcpDue.NONE:
            continue
        assert sorted(who) == [0, 1, 2, 3]
        for one in who[:2]:  # room for two
            seen[one] += 1
        group.on_sent(2 * SIZE, included=2, now_us=now)
    assert min(seen.values()) > 0.75 * max(seen.values()) > 20
