"""rx/ssrcwatch through arcrtc.participants: the cases of RFC 3550 section 8.2, one by one."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import lib
from arcrtc.participants import SsrcPacket, SsrcVerdict, SsrcWatch
from tests.model.allocation import survives_every_failure
from tests.model.participants import WatchModel

S = 1_000_000
HERE, THERE, ELSEWHERE = 1001, 1002, 1003
US, THEM = 0xabc, 0xdef


def test_ssrcwatch_a_new_source_is_taken_with_an_address_for_each_way() -> None:
    watch = SsrcWatch()
    assert watch.check(THEM, HERE, now_us=0) is SsrcVerdict.ACCEPT
    assert watch.check(THEM, THERE, packet=SsrcPacket.RTCP, now_us=1) is SsrcVerdict.ACCEPT  # another port
    assert watch.check(THEM, HERE, now_us=2) is SsrcVerdict.ACCEPT
    assert watch.check(THEM, HERE, packet=SsrcPacket.RTCP, now_us=3) is SsrcVerdict.LOOP


def test_ssrcwatch_third_party_loop_keeps_the_first_address() -> None:
    watch = SsrcWatch()
    watch.check(THEM, HERE, now_us=0)
    for now in range(1, 10):
        assert watch.check(THEM, THERE, now_us=now) is SsrcVerdict.LOOP
        assert watch.check(THEM, HERE, now_us=now) is SsrcVerdict.ACCEPT
    assert (watch.stats().loops, watch.stats().collisions) == (9, 0)


def test_ssrcwatch_third_party_collision_is_told_by_another_cname() -> None:
    watch = SsrcWatch()
    watch.check(THEM, HERE, packet=SsrcPacket.CNAME, cname_hash=5, now_us=0)
    assert watch.check(THEM, THERE, packet=SsrcPacket.CNAME, cname_hash=5, now_us=1) is SsrcVerdict.LOOP
    assert watch.check(THEM, THERE, packet=SsrcPacket.CNAME, cname_hash=6, now_us=1) is SsrcVerdict.COLLISION
    assert watch.check(THEM, HERE, packet=SsrcPacket.CNAME, cname_hash=5, now_us=2) is SsrcVerdict.ACCEPT


def test_ssrcwatch_own_collision_is_told_once_and_the_old_ssrc_is_theirs() -> None:
    watch = SsrcWatch()
    watch.add_own(US)
    assert watch.check(US, THERE, now_us=0) is SsrcVerdict.OWN_COLLISION
    assert watch.check(US, THERE, now_us=1) is SsrcVerdict.ACCEPT  # the other side keeps it
    assert watch.check(US, ELSEWHERE, now_us=1) is SsrcVerdict.LOOP
    with pytest.raises(errors.SsrcCollisionError):
        watch.add_own(US)
    watch.add_own(US + 1)
    assert watch.stats().own_collisions == 1


def test_ssrcwatch_a_loop_of_our_packets_changes_our_ssrc_once_only() -> None:
    watch = SsrcWatch()
    ours = 100
    watch.add_own(ours)
    changes = 0
    for now in range(0, 60 * S, 20_000):
        if watch.check(ours, THERE, now_us=now) is SsrcVerdict.OWN_COLLISION:
            changes += 1
            ours += 1
            watch.add_own(ours)
        watch.expire(source_timeout_us=25 * S, conflict_timeout_us=50 * S, now_us=now)
    assert changes == 1
    assert watch.stats().own_loops == 2999
    # RTCP that comes back by the same way is known on its own
    assert watch.check(ours, THERE, packet=SsrcPacket.RTCP, now_us=60 * S) is SsrcVerdict.OWN_COLLISION


def test_ssrcwatch_a_conflict_is_forgotten_after_its_time() -> None:
    watch = SsrcWatch()
    watch.add_own(1)
    watch.check(1, THERE, now_us=0)
    watch.add_own(2)
    assert watch.check(2, THERE, now_us=40 * S) is SsrcVerdict.OWN_LOOP  # seen again: the time starts anew
    watch.expire(source_timeout_us=25 * S, conflict_timeout_us=50 * S, now_us=90 * S)
    assert watch.stats().conflicts == 1
    watch.expire(source_timeout_us=25 * S, conflict_timeout_us=50 * S, now_us=90 * S + 1)
    assert watch.stats().conflicts == 0
    assert watch.check(2, THERE, now_us=91 * S) is SsrcVerdict.OWN_COLLISION


def test_ssrcwatch_own_packets_may_come_back_by_multicast() -> None:
    watch = SsrcWatch()
    watch.add_own(US, own_address=HERE)
    assert watch.check(US, HERE, now_us=0) is SsrcVerdict.ACCEPT
    assert watch.check(US, THERE, now_us=0) is SsrcVerdict.OWN_COLLISION


def test_ssrcwatch_bye_counts_only_from_the_source_itself() -> None:
    watch = SsrcWatch()
    watch.check(THEM, HERE, packet=SsrcPacket.RTCP, now_us=0)
    assert not watch.on_bye(THEM, THERE)
    assert watch.on_bye(THEM, HERE)
    assert not watch.on_bye(THEM, HERE)
    assert watch.check(THEM, THERE, packet=SsrcPacket.RTCP, now_us=1) is SsrcVerdict.ACCEPT


def test_ssrcwatch_silent_source_gives_way_to_the_new_one() -> None:
    watch = SsrcWatch()
    watch.check(THEM, HERE, now_us=0)
    for now in range(S, 25 * S, S):
        assert watch.check(THEM, THERE, now_us=now) is SsrcVerdict.LOOP
        watch.expire(source_timeout_us=25 * S, conflict_timeout_us=50 * S, now_us=now)
    watch.expire(source_timeout_us=25 * S, conflict_timeout_us=50 * S, now_us=25 * S + 1)
    assert watch.check(THEM, THERE, now_us=26 * S) is SsrcVerdict.ACCEPT


def test_ssrcwatch_moved_source_goes_on_but_does_not_flip() -> None:
    watch = SsrcWatch()
    watch.check(THEM, HERE, now_us=0)
    assert not watch.move(US, THERE, now_us=0)
    assert watch.move(THEM, THERE, now_us=S)
    assert watch.check(THEM, THERE, now_us=S) is SsrcVerdict.ACCEPT
    assert watch.check(THEM, HERE, now_us=S) is SsrcVerdict.LOOP
    assert not watch.move(THEM, HERE, settle_us=5 * S, now_us=6 * S - 1)
    assert watch.move(THEM, HERE, settle_us=5 * S, now_us=6 * S)


def test_ssrcwatch_a_hundred_thousand_forged_sources_stay_inside_the_table() -> None:
    watch = SsrcWatch(capacity=64)
    watch.add_own(US)
    blocks = lib.arc_mem_live_blocks()
    for forged in range(100_000):
        assert watch.check(1_000_000 + forged, forged, now_us=forged) is SsrcVerdict.ACCEPT
        if forged % 50 == 0:
            watch.check(THEM, HERE, now_us=forged)
    stats = watch.stats()
    assert (stats.sources, stats.evicted) == (64, 100_001 - 64)
    assert THEM in watch  # it goes on speaking
    assert US in watch
    for address in range(1, 100):  # each makes us change; sixteen are kept
        watch.add_own(US + address)
        watch.check(US + address, address, now_us=200_000)
    assert watch.stats().conflicts == 16
    assert lib.arc_mem_live_blocks() == blocks


def test_ssrcwatch_own_ssrcs_are_limited() -> None:
    watch = SsrcWatch()
    for ssrc in range(lib.ARC_SSRCWATCH_OWN):
        watch.add_own(ssrc)
    with pytest.raises(errors.LimitError):
        watch.add_own(1000)
    watch.remove_own(3)
    watch.remove_own(3)
    watch.add_own(1000)


addresses = st.integers(0, 3)
steps = st.lists(st.one_of(
    st.tuples(st.just("check"), st.integers(0, 5), st.sampled_from(list(SsrcPacket)), addresses, st.integers(1, 2)),
    st.tuples(st.just("own"), st.integers(0, 5), st.just(SsrcPacket.RTP), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("bye"), st.integers(0, 5), st.just(SsrcPacket.RTP), addresses, st.just(0)),
    st.tuples(st.just("wait"), st.integers(0, 30), st.just(SsrcPacket.RTP), st.just(0), st.just(0)),
    st.tuples(st.just("expire"), st.integers(0, 40), st.just(SsrcPacket.RTP), st.integers(0, 40), st.just(0))),
    max_size=150)


@given(steps, st.integers(0, 2**64 - 1))
def test_ssrcwatch_matches_model_for_any_course(ops: list[tuple[str, int, SsrcPacket, int, int]], seed: int) -> None:
    watch, model, now = SsrcWatch(capacity=8, seed=seed), WatchModel(), 0
    for kind, a, packet, b, c in ops:
        if kind == "check":
            assert watch.check(a, b, packet=packet, cname_hash=c, now_us=now) is model.check(a, packet, b, c, now)
        elif kind == "own" and a not in model.own and a not in model.table:
            watch.add_own(a, own_address=b)
            model.own[a] = b
        elif kind == "bye":
            assert watch.on_bye(a, b) == model.on_bye(a, b)
        elif kind == "wait":
            now += a
        elif kind == "expire":
            watch.expire(source_timeout_us=a, conflict_timeout_us=b, now_us=now)
            model.expire(a, b, now)
        assert watch.stats().sources == len(model.table)
        assert watch.stats().conflicts == len(model.conflicts)
        assert [ssrc in watch for ssrc in range(6)] == [ssrc in model.own or ssrc in model.table for ssrc in range(6)]


def test_ssrcwatch_new_survives_every_allocation_failure() -> None:
    allowed, _ = survives_every_failure(lambda: SsrcWatch())
    assert allowed == 4
    for field, value in (("capacity", 0), ("capacity", 65_537), ("seed", -1)):
        with pytest.raises(errors.ConfigError, match=field):
            SsrcWatch(**{field: value})
