"""rx/members through arcrtc.participants: RFC 3550 sections 6.2.1 and 6.3.3 to 6.3.5."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import lib
from arcrtc.participants import MemberTable
from tests.model.allocation import survives_every_failure
from tests.model.participants import MembersModel

S = 1_000_000


def test_members_a_source_counts_after_its_probation_or_its_cname() -> None:
    table = MemberTable(probation_packets=2)
    assert not table.on_rtp(1, now_us=0)
    assert table.counts().members == 0
    assert 1 in table
    assert table.on_rtp(1, now_us=1)
    assert table.on_cname(2, 77, now_us=2)
    assert (table.counts().members, table.counts().senders) == (2, 1)
    trusting = MemberTable(probation_packets=1)
    assert trusting.on_rtp(1, now_us=0)


def test_members_who_said_bye_does_not_come_back_by_late_packets() -> None:
    table = MemberTable(probation_packets=1, bye_delay_us=2 * S)
    table.on_rtp(1, now_us=0)
    assert table.on_bye(1, now_us=S)
    assert not table.on_bye(1, now_us=S)
    assert not table.on_bye(9, now_us=S)
    assert not table.on_rtp(1, now_us=2 * S)
    assert table.counts().members == 0
    assert table.stats().stragglers == 1
    table.expire(member_timeout_us=25 * S, sender_timeout_us=10 * S, now_us=3 * S + 1)
    assert 1 not in table
    assert table.on_rtp(1, now_us=4 * S)


def test_members_fall_silent_senders_sooner() -> None:
    table = MemberTable(probation_packets=1)
    table.on_rtp(1, now_us=0)
    table.on_rtcp(2, now_us=6 * S)
    table.on_rtcp(1, now_us=8 * S)
    assert table.expire(member_timeout_us=25 * S, sender_timeout_us=10 * S, now_us=10 * S) == 0
    assert table.counts().senders == 1
    assert table.expire(member_timeout_us=25 * S, sender_timeout_us=10 * S, now_us=10 * S + 1) == 0
    assert (table.counts().members, table.counts().senders) == (2, 0)
    assert table.expire(member_timeout_us=25 * S, sender_timeout_us=10 * S, now_us=32 * S) == 1
    assert table.stats().timed_out == 1
    assert 1 in table


def test_members_two_cnames_are_a_party_of_more() -> None:
    table = MemberTable(probation_packets=1)
    for ssrc in (1, 2, 3):
        table.on_rtcp(ssrc, now_us=0)
        table.on_cname(ssrc, 5, now_us=0)
    assert not table.counts().multiparty
    table.on_cname(4, 6, now_us=0)
    assert table.counts().multiparty
    table.on_cname(4, 5, now_us=0)
    assert not table.counts().multiparty
    table.on_cname(4, 6, now_us=0)
    for ssrc in (1, 2, 3):
        table.on_bye(ssrc, now_us=0)
    assert not table.counts().multiparty  # one endpoint is left, the other one


def test_members_a_hundred_thousand_forged_sources_push_out_no_member() -> None:
    live = lib.arc_mem_live_blocks()
    table = MemberTable(capacity=64, probation_packets=2)
    blocks = lib.arc_mem_live_blocks() - live
    for ssrc in range(40):
        table.on_cname(ssrc, 1, now_us=0)
    for forged in range(100_000):
        table.on_rtp(1_000_000 + forged, now_us=forged)
    assert table.counts().members == 40
    assert all(ssrc in table for ssrc in range(40))
    stats = table.stats()
    assert (stats.entries, stats.evicted, stats.refused) == (64, 100_000 - 24, 0)
    assert lib.arc_mem_live_blocks() - live == blocks
    for ssrc in range(100, 124):
        assert table.on_cname(ssrc, 1, now_us=0)
    assert not table.on_cname(999, 1, now_us=0)
    assert table.stats().refused == 1


steps = st.lists(st.one_of(
    st.tuples(st.sampled_from(["rtp", "rtcp", "bye"]), st.integers(0, 12), st.just(0)),
    st.tuples(st.just("cname"), st.integers(0, 12), st.integers(1, 3)),
    st.tuples(st.just("wait"), st.integers(0, 20), st.just(0)),
    st.tuples(st.just("expire"), st.integers(1, 30), st.integers(1, 20))), max_size=200)


@given(steps, st.integers(1, 8), st.integers(1, 3), st.sampled_from([0, 10]), st.integers(0, 2**64 - 1))
def test_members_match_model_for_any_course(ops: list[tuple[str, int, int]], capacity: int, probation: int,
                                            bye_delay: int, seed: int) -> None:
    table = MemberTable(capacity=capacity, probation_packets=probation, bye_delay_us=bye_delay, seed=seed)
    model, now = MembersModel(capacity, probation, bye_delay), 0
    for kind, a, b in ops:
        if kind == "wait":
            now += a
        elif kind == "expire":
            assert table.expire(member_timeout_us=a, sender_timeout_us=b, now_us=now) == model.expire(a, b, now)
        elif kind == "cname":
            assert table.on_cname(a, b, now_us=now) == model.on_cname(a, b, now)
        else:
            assert getattr(table, f"on_{kind}")(a, now_us=now) == getattr(model, f"on_{kind}")(a, now)
        counts, stats = table.counts(), table.stats()
        assert (counts.members, counts.senders, counts.multiparty) == model.counts()
        assert [ssrc in table for ssrc in range(13)] == [ssrc in model.known for ssrc in range(13)]
        assert (stats.joined, stats.left, stats.timed_out, stats.stragglers, stats.evicted, stats.refused) == (
            model.joined, model.left, model.timed_out, model.stragglers, model.evicted, model.refused)
        assert stats.entries == len(model.known)


@pytest.mark.parametrize(("field", "value"), [
    ("capacity", 0), ("capacity", 65_537), ("probation_packets", 0), ("probation_packets", 17),
    ("bye_delay_us", -1), ("seed", -1)])
def test_members_names_the_argument_that_is_wrong(field: str, value: int) -> None:
    with pytest.raises(errors.ConfigError, match=field):
        MemberTable(**{field: value})


def test_members_new_survives_every_allocation_failure() -> None:
    allowed, _ = survives_every_failure(lambda: MemberTable())
    assert allowed == 4
