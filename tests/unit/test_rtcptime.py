"""tx/rtcptime through arcrtc.rtcptiming: RFC 3550 section 6.3, RFC 4585 section 3.5."""
from __future__ import annotations

import itertools
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc.rtcptiming import NEVER_US, FeedbackPlan, RtcpDue, RtcpTimer, RtcpTimingConfig
from tests.model.rtcptime import RtcpTimeModel

S = 1_000_000
MS = 1000


def plain(session_bps: int = 64_000, **more: bool) -> RtcpTimingConfig:
    return RtcpTimingConfig.of_session(session_bps, **more)


def feedback(session_bps: int = 1_000_000, *, multiparty: bool = False, trr_int_us: int = 0) -> RtcpTimingConfig:
    return RtcpTimingConfig.of_session(session_bps, avpf=True, multiparty=multiparty, trr_int_us=trr_int_us)


def run_to(timer: RtcpTimer, end_us: int, size: int = 100) -> list[tuple[int, RtcpDue]]:
    """Send whatever is due until then; when and what."""
    sent = []
    while (now := timer.next_us) <= end_us:
        due = timer.expire(now_us=now)
        if due is not RtcpDue.NONE:
            sent.append((now, due))
            timer.on_sent(size, now_us=now)
    return sent


def gaps(sent: list[tuple[int, RtcpDue]]) -> list[int]:
    return [b[0] - a[0] for a, b in itertools.pairwise(sent)]


def test_rtcptime_first_packet_after_half_the_minimum_then_all_of_it() -> None:
    firsts, later = [], []
    for seed in range(300):
        timer = RtcpTimer(plain(), seed=seed, now_us=7 * S)
        sent = run_to(timer, 7 * S + 60 * S)
        firsts.append(sent[0][0] - 7 * S)
        later += gaps(sent)
    # 0.5 to 1.5 times Td over e - 3/2; a turn may be put off once or more, up to the upper end
    assert 2.5 * S * 0.5 / 1.21828 <= min(firsts) <= max(firsts) <= 2.5 * S * 1.5 / 1.21828
    assert 5 * S * 0.5 / 1.21828 <= min(later) <= max(later) <= 5 * S * 1.5 / 1.21828 + 1
    assert statistics.mean(later) == pytest.approx(5 * S, rel=0.02)  # what the compensation is for


@pytest.mark.parametrize(("members", "senders", "we_sent", "share"), [
    (100, 10, True, 0.25 / 10), (100, 10, False, 0.75 / 90), (100, 25, True, 0.25 / 25),
    (100, 26, True, 1 / 100), (100, 26, False, 1 / 100), (2, 1, True, 1 / 2)])
def test_rtcptime_bandwidth_is_split_as_the_rfc_says(members: int, senders: int, we_sent: bool, share: float) -> None:
    rtcp_bytes_per_s = 64_000 * 0.05 / 8
    lengths = []
    for seed in range(20):
        timer = RtcpTimer(plain(), seed=seed, now_us=0)
        timer.set_counts(members=members, senders=senders, we_sent=we_sent, now_us=0)
        interval = max(128 / (rtcp_bytes_per_s * share), 5) * S
        lengths += gaps(run_to(timer, int(100 * interval)))
    assert statistics.mean(lengths) == pytest.approx(interval, rel=0.04)


def test_rtcptime_reduced_minimum_is_360_over_kilobits() -> None:
    assert RtcpTimingConfig.of_session(72_000, reduced=True).min_interval_us == 5 * S
    assert RtcpTimingConfig.of_session(720_000, reduced=True).min_interval_us == S // 2
    assert RtcpTimingConfig.of_session(0, reduced=True).min_interval_us == 5 * S
    timer = RtcpTimer(RtcpTimingConfig.of_session(7_200_000, reduced=True, unicast=True), seed=1, now_us=0)
    assert timer.next_us < 6 * MS  # unicast: the first need not wait for 25 ms
    assert statistics.mean(gaps(run_to(timer, 20 * S))) == pytest.approx(50 * MS, rel=0.1)
    assert timer.member_timeout_us == 25 * S  # RFC 8108 7.1.4: by the fixed minimum


def test_rtcptime_without_bandwidth_for_receivers_only_senders_report() -> None:
    timer = RtcpTimer(RtcpTimingConfig(sender_bps=4000, receiver_bps=0), seed=1, now_us=0)
    timer.set_counts(members=5, senders=4, we_sent=False, now_us=0)
    assert timer.next_us == NEVER_US
    assert timer.expire(now_us=100 * S) is RtcpDue.NONE
    assert timer.request_feedback(now_us=100 * S) is FeedbackPlan.REFUSED
    timer.set_counts(members=5, senders=5, we_sent=True, now_us=100 * S)
    assert 100 * S < timer.next_us < 104 * S
    assert len(run_to(timer, 200 * S)) > 10


def test_rtcptime_a_growing_group_puts_the_turn_off() -> None:
    held = 0
    for seed in range(50):
        timer = RtcpTimer(plain(), seed=seed, now_us=0)
        timer.set_counts(members=1000, senders=0, we_sent=False, now_us=S)
        held += timer.expire(now_us=timer.next_us) is RtcpDue.NONE
        assert timer.stats().reconsidered == (timer.next_us > 4 * S)
    assert held == 50


def test_rtcptime_a_shrinking_group_brings_the_turn_near() -> None:
    timer = RtcpTimer(plain(), seed=3, now_us=0)
    timer.set_counts(members=1000, senders=0, we_sent=False, now_us=0)
    timer.expire(now_us=timer.next_us)
    before = timer.next_us
    timer.set_counts(members=100, senders=0, we_sent=False, now_us=10 * S)
    assert timer.next_us == 10 * S + (before - 10 * S) // 10
    assert timer.stats().reversed == 1
    timer.set_counts(members=100, senders=0, we_sent=False, now_us=11 * S)
    timer.set_counts(members=120, senders=0, we_sent=False, now_us=12 * S)
    assert timer.next_us == 10 * S + (before - 10 * S) // 10


def test_rtcptime_first_media_brings_the_sender_report_near() -> None:
    timer = RtcpTimer(plain(), seed=3, now_us=0)
    timer.set_counts(members=1000, senders=0, we_sent=False, now_us=0)
    timer.expire(now_us=timer.next_us)
    before = timer.next_us
    timer.set_counts(members=1000, senders=1, we_sent=True, now_us=5 * S)
    assert timer.next_us < before / 10
    assert timer.next_us >= 5 * S


def test_rtcptime_average_size_is_a_sixteenth_and_divided_by_reporters() -> None:
    timer = RtcpTimer(plain(), seed=1, now_us=0)
    assert timer.average_bytes == 128
    timer.on_received(260)
    assert timer.average_bytes == 128 + (288 - 128) / 16
    timer.on_received(572, reporters=4)
    assert timer.average_bytes == pytest.approx(138 + (150 - 138) / 16)


# --- good-bye ---

def spoken(members: int, seed: int = 1) -> RtcpTimer:
    timer = RtcpTimer(plain(), seed=seed, now_us=0)
    timer.set_counts(members=members, senders=0, we_sent=False, now_us=0)
    while timer.expire(now_us=timer.next_us) is RtcpDue.NONE:
        pass
    timer.on_sent(100, now_us=timer.next_us)
    return timer


def test_rtcptime_bye_of_50_members_leaves_at_once_and_is_the_last() -> None:
    timer = spoken(50)
    now = timer.next_us - 1
    assert timer.leave(60, now_us=now)
    assert timer.expire(now_us=now) is RtcpDue.BYE
    assert timer.expire(now_us=now) is RtcpDue.BYE  # the answer stays until it is sent
    timer.on_sent(60, now_us=now)
    assert timer.next_us == NEVER_US
    assert timer.expire(now_us=now + 100 * S) is RtcpDue.NONE
    assert timer.request_feedback(now_us=now) is FeedbackPlan.REFUSED


def test_rtcptime_bye_of_51_members_backs_off_and_counts_byes_only() -> None:
    timer = spoken(51)
    now = timer.next_us - 1
    assert timer.leave(60, now_us=now)
    assert timer.expire(now_us=now) is RtcpDue.NONE
    assert now + 2.5 * S * 0.5 / 1.21828 <= timer.next_us <= now + 2.5 * S * 1.5 / 1.21828
    timer.on_received(1200)  # reports neither count nor move the average
    assert timer.average_bytes == 88
    for _ in range(500):
        timer.on_received(60, byes=1)
    assert timer.expire(now_us=timer.next_us) is RtcpDue.NONE  # 500 BYEs of 88 bytes at 300 bytes a second
    assert timer.next_us > now + 500 * 88 / 300 * 0.4 * S


def test_rtcptime_who_never_spoke_says_no_bye() -> None:
    timer = RtcpTimer(plain(), seed=1, now_us=0)
    assert not timer.leave(60, now_us=S)
    assert timer.next_us == NEVER_US
    sender = RtcpTimer(plain(), seed=1, now_us=0)
    sender.set_counts(members=2, senders=1, we_sent=True, now_us=0)
    assert sender.leave(60, now_us=S)


# --- feedback ---

def test_rtcptime_point_to_point_feedback_leaves_at_once_inside_the_share() -> None:
    timer = RtcpTimer(feedback(400_000, trr_int_us=S), seed=1, now_us=0)
    timer.set_counts(members=2, senders=1, we_sent=False, now_us=0)
    run_to(timer, 2 * S)
    budget = 400_000 * 0.05 / 8 / 2
    sent = 0
    now = 2 * S
    while timer.request_feedback(now_us=now) is FeedbackPlan.EARLY and timer.next_us == now:
        assert timer.expire(now_us=now) is RtcpDue.EARLY
        timer.on_sent(72, now_us=now)
        sent += 1
        if timer.stats().early > timer.stats().immediate:
            break
    # a second's share at once, one more by the rule of early feedback
    assert budget / 100 - 1 <= timer.stats().immediate <= budget / 100 + 1
    assert timer.stats().early == timer.stats().immediate + 1
    plan = timer.request_feedback(now_us=now)
    assert plan in (FeedbackPlan.WAITS, FeedbackPlan.REFUSED)


def test_rtcptime_early_feedback_once_then_in_turn() -> None:
    timer = RtcpTimer(feedback(64_000, multiparty=True), seed=2, now_us=0)
    timer.set_counts(members=20, senders=1, we_sent=False, now_us=0)
    now = run_back(timer)
    tn = timer.next_us
    assert timer.request_feedback(now_us=now) is FeedbackPlan.EARLY
    early = timer.next_us
    assert now <= early < tn
    assert timer.request_feedback(now_us=now) is FeedbackPlan.JOINED
    assert timer.expire(now_us=early) is RtcpDue.EARLY
    timer.on_sent(60, now_us=early)
    assert timer.next_us > tn  # one turn is left out for it
    assert timer.request_feedback(now_us=early) in (FeedbackPlan.REFUSED, FeedbackPlan.WAITS)
    assert timer.stats().immediate == 0


def run_back(timer: RtcpTimer) -> int:
    """Send the report that is due, and come back right after it: the whole interval lies ahead."""
    while timer.expire(now_us=timer.next_us) is RtcpDue.NONE:
        pass
    now = timer.next_us
    timer.on_sent(100, now_us=now)
    return now


def test_rtcptime_feedback_that_another_gave_is_withdrawn_and_the_turn_stays() -> None:
    timer = RtcpTimer(feedback(64_000, multiparty=True), seed=5, now_us=0)
    timer.set_counts(members=20, senders=1, we_sent=False, now_us=0)
    now = run_back(timer)
    tn = timer.next_us
    assert timer.request_feedback(now_us=now) is FeedbackPlan.EARLY
    timer.withdraw_feedback()
    assert timer.next_us == tn
    assert timer.stats().withdrawn == 1
    assert timer.request_feedback(now_us=now) is FeedbackPlan.EARLY  # the right to it is still there


def test_rtcptime_trr_int_spares_reports_but_no_feedback() -> None:
    timer = RtcpTimer(feedback(1_000_000, multiparty=True, trr_int_us=5 * S), seed=4, now_us=0)
    timer.set_counts(members=10, senders=1, we_sent=False, now_us=0)
    sent = run_to(timer, 200 * S)
    assert all(due is RtcpDue.REGULAR for _, due in sent)
    assert 2.5 * S <= min(gaps(sent)) <= max(gaps(sent)) <= 7.5 * S + 2 * S
    assert timer.stats().suppressed > 20
    now = sent[-1][0]
    assert timer.expire(now_us=200 * S) is RtcpDue.NONE
    now = 200 * S
    plans = []
    for _ in range(50):
        plans.append(timer.request_feedback(now_us=now))
        while timer.expire(now_us=timer.next_us) is RtcpDue.NONE:
            pass
        now = timer.next_us
        timer.on_sent(60, now_us=now)
    assert timer.stats().early > 5
    assert timer.stats().stored > 5
    assert FeedbackPlan.REFUSED not in plans


def test_rtcptime_same_seed_same_times() -> None:
    def times(seed: int) -> list[int]:
        return [t for t, _ in run_to(RtcpTimer(plain(), seed=seed, now_us=0), 100 * S)]
    assert times(5) == times(5) != times(6)


@pytest.mark.parametrize(("field", "value"), [
    ("sender_bps", -1), ("receiver_bps", 10**10 + 1), ("min_interval_us", 0), ("min_interval_us", 5 * S + 1),
    ("trr_int_us", -1), ("max_fb_delay_us", 61 * S), ("first_bytes", 0), ("overhead_bytes", 1001)])
def test_rtcptime_config_names_the_field_that_is_wrong(field: str, value: int) -> None:
    with pytest.raises(errors.ConfigError, match=field):
        RtcpTimingConfig(**{"sender_bps": 1000, "receiver_bps": 3000, field: value})
    with pytest.raises(errors.ConfigError, match="seed"):
        RtcpTimer(plain(), seed=-1, now_us=0)


steps = st.lists(st.one_of(
    st.tuples(st.just("counts"), st.integers(1, 200), st.integers(0, 60), st.booleans()),
    st.tuples(st.just("received"), st.integers(8, 1400), st.integers(0, 5), st.integers(0, 2)),
    st.tuples(st.just("request"), st.just(0), st.just(0), st.just(0)),
    st.tuples(st.just("withdraw"), st.just(0), st.just(0), st.just(0)),
    st.tuples(st.just("multiparty"), st.booleans(), st.just(0), st.just(0)),
    st.tuples(st.just("next"), st.integers(0, 1400), st.integers(1, 3), st.integers(0, 50 * MS)),
    st.tuples(st.just("wait"), st.integers(0, 4 * S), st.just(0), st.just(0)),
    st.tuples(st.just("leave"), st.integers(0, 1), st.just(0), st.just(0)),
), min_size=10, max_size=120)
configs = st.builds(
    RtcpTimingConfig, sender_bps=st.sampled_from([0, 800, 12_500, 10**7]),
    receiver_bps=st.sampled_from([0, 2400, 10**6]),
    min_interval_us=st.sampled_from([5 * S, S // 2]), trr_int_us=st.sampled_from([0, 250 * MS, 4 * S]),
    max_fb_delay_us=st.sampled_from([0, 500 * MS]), avpf=st.booleans(), unicast=st.booleans(), multiparty=st.booleans())


@given(configs, steps, st.integers(0, 2**64 - 1), st.sampled_from([0, 10**9, 2**45]))
def test_rtcptime_matches_model_for_any_course(config: RtcpTimingConfig, ops: list[tuple[str, int, int, int]],
                                               seed: int, start: int) -> None:
    timer, model, now = RtcpTimer(config, seed=seed, now_us=start), RtcpTimeModel(config, seed, start), start
    for kind, a, b, c in ops:
        if kind == "counts":
            timer.set_counts(members=a, senders=b, we_sent=bool(c), now_us=now)
            model.set_counts(a, b, bool(c), now)
        elif kind == "received":
            timer.on_received(a, reporters=b, byes=c)
            model.on_received(a, b, c)
        elif kind == "request":
            assert timer.request_feedback(now_us=now) is model.request(now)
        elif kind == "withdraw":
            timer.withdraw_feedback()
            model.withdraw()
        elif kind == "multiparty":
            timer.set_multiparty(bool(a))
            model.multiparty = bool(a)
        elif kind == "leave" and a:
            assert timer.leave(60, now_us=now) == model.leave(60, now)
        else:
            now = now + a if kind == "wait" else max(now, min(timer.next_us, now + 20 * S)) + c
            due = timer.expire(now_us=now)
            assert due is model.expire(now)
            if due is not RtcpDue.NONE:
                timer.on_sent(a, reporters=b, now_us=now)
                model.on_sent(a, b, now)
        assert timer.average_bytes == model.average
        soonest = NEVER_US if model.left else min(model.tn, model.te if model.te is not None else NEVER_US)
        assert timer.next_us >= soonest
        if timer.next_us > soonest and not model.left:  # only turns that would be suppressed are slept through
            assert model.trr_last is not None
            assert timer.next_us <= model.trr_last + config.trr_int_us // 2
