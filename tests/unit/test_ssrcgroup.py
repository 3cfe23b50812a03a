"""tx/ssrcgroup through arcrtc.rtcptiming: RFC 8108 section 5."""
from __future__ import annotations

import pytest

from arcrtc import errors
from arcrtc.rtcptiming import NEVER_US, FeedbackPlan, RtcpDue, RtcpTimerGroup, RtcpTimingConfig

S = 1_000_000
MS = 1000


def group_of(n: int, *, seed: int = 1, **config: bool) -> RtcpTimerGroup:
    group = RtcpTimerGroup(RtcpTimingConfig.of_session(128_000, **config), seed=seed)
    for who in range(n):
        group.join(who, now_us=0)
    return group


def next_due(group: RtcpTimerGroup) -> tuple[int, RtcpDue, list[int]]:
    while True:
        now = group.next_us
        due, who = group.expire(now_us=now)
        if due is not RtcpDue.NONE:
            return now, due, who


def test_ssrcgroup_nearest_turns_go_along_first() -> None:
    orders = set()
    for seed in range(20):
        group = group_of(4, seed=seed)
        now, due, who = next_due(group)
        assert due is RtcpDue.REGULAR
        assert sorted(who) == [0, 1, 2, 3]
        turns = [group._g.part[one].tn_us for one in who[1:]]
        assert turns == sorted(turns)
        assert all(turn > now for turn in turns)
        orders.add(tuple(who))
    assert len(orders) > 5


def test_ssrcgroup_who_went_along_has_the_mean_of_the_times() -> None:
    group = group_of(3)
    now, _, who = next_due(group)
    left_out = group._g.part[who[2]].tn_us
    group.on_sent(250, included=2, now_us=now)
    first, second, third = (group._g.part[one] for one in who)
    assert first.tp_us == second.tp_us > now
    assert first.trr_last_us == second.trr_last_us == first.tp_us
    assert third.tn_us == left_out
    assert third.tp_us == 0
    assert first.avg_bytes == third.avg_bytes == 128 + (278 / 2 - 128) / 16


def test_ssrcgroup_four_start_at_once_and_no_more() -> None:
    group = group_of(8, unicast=True)
    at_once = [group._g.part[who].tn_us < 500 * MS for who in range(8)]
    assert at_once == [True] * 4 + [False] * 4
    waiting = group._g.part[7].tn_us
    assert waiting >= 2.5 * S * 0.5 / 1.21828


def test_ssrcgroup_our_own_ssrcs_count_as_members_and_senders() -> None:
    group = group_of(3)
    group.set_remote(members=5, senders=2, multiparty=False, now_us=0)
    group.set_sends(1, True, now_us=0)
    assert [(p.members, p.senders, p.we_sent) for p in group._g.part[0:3]] == [
        (8, 3, False), (8, 3, True), (8, 3, False)]
    group.part(1, now_us=0)
    assert [(group._g.part[who].members, group._g.part[who].senders) for who in (0, 2)] == [(7, 2), (7, 2)]


def test_ssrcgroup_feedback_is_asked_for_once_by_whoever_may() -> None:
    group = group_of(2, avpf=True, multiparty=True)
    group.set_remote(members=10, senders=1, multiparty=True, now_us=0)
    now, _, who = next_due(group)
    group.on_sent(200, included=len(who), now_us=now)
    assert group.request_feedback(now_us=now) is FeedbackPlan.EARLY
    assert group.request_feedback(now_us=now) is FeedbackPlan.JOINED
    at, due, who = next_due(group)
    assert (due, who) == (RtcpDue.EARLY, [0])
    group.on_sent(60, included=1, now_us=at)
    assert group.request_feedback(now_us=at) is FeedbackPlan.EARLY  # the other one still may (RFC 8108 5.4.1)
    at, due, who = next_due(group)
    assert (due, who) == (RtcpDue.EARLY, [1])
    group.on_sent(60, included=1, now_us=at)
    assert group.request_feedback(now_us=at) in (FeedbackPlan.WAITS, FeedbackPlan.REFUSED)


def test_ssrcgroup_feedback_that_went_along_is_not_due_again() -> None:
    for seed in range(20):
        group = group_of(2, seed=seed, avpf=True, multiparty=True)
        group.set_remote(members=4, senders=1, multiparty=True, now_us=0)
        now, _, _who = next_due(group)
        group.on_sent(200, included=2, now_us=now)
        group.request_feedback(now_us=now)
        at, _due, _who = next_due(group)
        group.on_sent(260, included=1, now_us=at)
        assert not any(p.stored or p.early_us != NEVER_US for p in group._g.part[0:2])
    group.request_feedback(now_us=at)
    group.withdraw_feedback()
    assert not any(p.stored or p.early_us != NEVER_US for p in group._g.part[0:2])


def test_ssrcgroup_says_one_good_bye_for_all() -> None:
    group = group_of(3)
    now, _, who = next_due(group)
    group.on_sent(250, included=1, now_us=now)
    assert group.leave(60, now_us=now)
    assert group.expire(now_us=now) == (RtcpDue.BYE, [who[0]])
    group.on_sent(60, included=1, now_us=now)
    assert group.next_us == NEVER_US
    assert group.expire(now_us=now + 100 * S) == (RtcpDue.NONE, [])
    with pytest.raises(errors.ArgumentError):
        group.join(5, now_us=now)
    assert not group_of(2).leave(60, now_us=0)


def test_ssrcgroup_of_a_crowd_holds_its_good_bye_back() -> None:
    group = group_of(2)
    group.set_remote(members=60, senders=0, multiparty=True, now_us=0)
    now, _, _ = next_due(group)
    group.on_sent(250, included=2, now_us=now)
    assert group.leave(60, now_us=now)
    assert group.expire(now_us=now) == (RtcpDue.NONE, [])
    for _ in range(200):
        group.on_received(60, byes=1)
    at, due, _ = next_due(group)
    assert due is RtcpDue.BYE
    assert at > now + 10 * S


@pytest.mark.parametrize("who", [-1, 16, 0])
def test_ssrcgroup_join_refuses_a_place_twice_or_outside(who: int) -> None:
    group = group_of(1)
    with pytest.raises(errors.ArgumentError):
        group.join(who, now_us=0)
    group.part(who + 3, now_us=0)  # nobody there
    with pytest.raises(errors.ConfigError):
        RtcpTimerGroup(RtcpTimingConfig.of_session(1000), seed=-1)
