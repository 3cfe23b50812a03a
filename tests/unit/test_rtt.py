"""rx/rtt through arcrtc.rtt: RFC 3550 section 6.4.1, RFC 3611 sections 4.4 and 4.5."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import lib
from arcrtc.rtt import ReferenceTimes, RttEstimator

S = 1_000_000
UNIT = 65_536


def ntp(us: int, start: int = 0) -> int:
    return (start + (us << 32) // S) % 2**64


def middle(ntp64: int) -> int:
    return ntp64 >> 16 & 0xffffffff


@given(st.integers(0, 2**64 - 1), st.integers(0, 3600 * S), st.integers(0, 60 * S), st.integers(0, 300 * S))
def test_rtt_is_what_the_path_took_wherever_the_clocks_stand(start: int, sent_us: int, rtt_us: int,
                                                             kept_us: int) -> None:
    rtt = RttEstimator()
    sent = middle(ntp(sent_us, start))
    taken = rtt.on_report(ntp(sent_us + kept_us + rtt_us, start), sent, kept_us * UNIT // S,
                          now_us=sent_us + kept_us + rtt_us)
    if sent == 0:
        assert not taken
        return
    if not taken:  # 1/65536 s more than the minute that is still a path
        assert rtt_us > 60 * S - 40
        return
    assert rtt.last_us is not None
    assert abs(rtt.last_us - rtt_us) <= 32  # two units of 15.3 us
    assert rtt.smoothed_us == rtt.min_us == rtt.last_us


def test_rtt_smooths_by_an_eighth_and_keeps_the_least_of_the_last_while() -> None:
    rtt = RttEstimator()
    assert rtt.smoothed_us is rtt.min_us is rtt.last_us is None
    for i, sample in enumerate([80_000, 40_000, 120_000]):
        assert rtt.on_sample(sample, now_us=i * S)
    assert rtt.smoothed_us == ((80_000 * 7 + 40_000) // 8 * 7 + 120_000) // 8
    assert rtt.min_us == 40_000
    rtt.on_sample(90_000, now_us=10 * S)
    assert rtt.min_us == 40_000
    rtt.on_sample(90_000, now_us=20 * S)
    assert rtt.min_us == 90_000
    rtt.on_sample(100_000, now_us=90 * S)
    assert rtt.min_us == 100_000
    assert rtt.samples == 6


@pytest.mark.parametrize("kept", [0xffffffff, 0x80000000, 10 * UNIT, UNIT + 1])
def test_rtt_answers_without_sense_are_counted_and_change_nothing(kept: int) -> None:
    rtt = RttEstimator()
    rtt.on_sample(50_000, now_us=0)
    assert not rtt.on_report(ntp(11 * S), middle(ntp(10 * S)), kept if kept != 0xffffffff else 5 * UNIT, now_us=S)
    assert not rtt.on_report(ntp(100 * S), middle(ntp(10 * S)), UNIT, now_us=S)  # 89 s on the way
    assert not rtt.on_sample(-1, now_us=S)
    assert (rtt.smoothed_us, rtt.samples, rtt.rejected) == (50_000, 1, 3)


def test_rtt_no_time_sent_is_no_answer() -> None:
    rtt = RttEstimator()
    assert not rtt.on_report(ntp(S), 0, 0, now_us=S)
    assert rtt.rejected == 0


def test_rtt_reference_times_are_answered_with_their_age() -> None:
    refs, rtt = ReferenceTimes(), RttEstimator()
    refs.on_reference(7, ntp(5 * S), now_us=100 * S)
    refs.on_reference(8, 0, now_us=100 * S)  # no clock
    [(ssrc, sent, kept)] = refs.answers(now_us=100 * S + 250_000)
    assert (ssrc, sent, kept) == (7, middle(ntp(5 * S)), UNIT // 4)
    assert rtt.on_report(ntp(5 * S + 290_000), sent, kept, now_us=0)
    assert rtt.last_us == pytest.approx(40_000, abs=32)
    assert refs.answers(now_us=221 * S) == []  # two minutes old
    refs.forget(7)
    refs.forget(7)
    assert refs.answers(now_us=100 * S) == []


def test_rtt_reference_times_of_eight_receivers_are_kept() -> None:
    refs = ReferenceTimes()
    for ssrc in range(100_000):
        refs.on_reference(ssrc, ntp(5 * S), now_us=ssrc)
    assert sorted(ssrc for ssrc, _, _ in refs.answers(now_us=S)) == list(range(99_992, 100_000))
    assert refs.evicted == 100_000 - lib.ARC_RTT_REFERENCES
    refs.on_reference(99_995, ntp(6 * S), now_us=S)
    assert len(refs.answers(now_us=S)) == 8
