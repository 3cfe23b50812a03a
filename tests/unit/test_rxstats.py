"""rx/rxstats against RFC 3550 A.1, A.3, A.8."""
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib
from tests.model.rxstats import RxStatsModel

CLOCK = 48_000


def make(clock_hz: int = CLOCK) -> Any:
    s = ffi.new("struct arc_rxstats *")
    lib.arc_rxstats_init(s, clock_hz)
    return s


def report(s: Any) -> tuple[int, int, int, int]:
    r = ffi.new("struct arc_rxstats_report *")
    lib.arc_rxstats_report(s, r)
    return r.fraction_lost, r.cumulative_lost, r.highest_seq, r.jitter_ticks


packets = st.lists(st.tuples(
    st.one_of(st.integers(-40, 60), st.sampled_from([0, 1, 1, 1, 2999, 3000, -1023, -1024, 20000])),
    st.integers(0, 100_000), st.booleans()), min_size=50, max_size=150)


@given(st.sampled_from([0, 65_500, 65_530, 65_535]), packets)
def test_rxstats_matches_model_for_steps(first: int, steps: list[tuple[int, int, bool]]) -> None:
    s, model = make(), RxStatsModel(CLOCK, lib.ARC_RXSTATS_MAX_MISORDER_PKTS)
    now, ts, seq = 1_000_000, 2**32 - 100, 2**16 + first
    for step, gap_us, ask in steps:
        lib.arc_rxstats_on_packet(s, seq, ts, 100, now)
        model.on_packet(seq % 2**16, ts, now)
        seq, now, ts = seq + step, now + gap_us, (ts + 960) % 2**32
        if abs(seq - s.max_seq) > 30_000:  # beyond half the space 16 bits cannot say which way it went
            seq = s.max_seq + 1
        if ask:
            got, want = report(s), model.report()
            assert got[:3] == want[:3]
            assert abs(got[3] - want[3]) <= 2  # the integer form rounds (A.8)


def test_rxstats_report_gives_255_when_all_but_the_last_is_lost() -> None:
    s = make()
    lib.arc_rxstats_on_packet(s, 1, 0, 1, 0)
    report(s)
    lib.arc_rxstats_on_packet(s, 2001, 0, 1, 0)
    assert report(s)[:3] == (255, 1999, 2001)
    assert report(s)[0] == 0  # nothing was expected in the interval


def test_rxstats_report_is_zero_before_the_first_packet() -> None:
    assert report(make()) == (0, 0, 0, 0)


def test_rxstats_duplicates_make_the_loss_negative() -> None:
    s = make()
    for _ in range(5):
        lib.arc_rxstats_on_packet(s, 70_000, 0, 10, 0)
    assert s.duplicates == 4
    assert s.bytes == 50
    assert report(s)[:2] == (0, -4)
    assert lib.arc_rxstats_lost(s) == -4


def test_rxstats_counts_cycles_from_the_first_packet() -> None:
    s = make()
    for seq in range(65_536 + 65_530, 65_536 + 65_540):
        lib.arc_rxstats_on_packet(s, seq, 0, 1, 0)
    assert report(s)[2] == 65_539


def test_rxstats_reordered_and_repaired_are_told_apart() -> None:
    s = make()
    for seq in (100, 103, 101):
        lib.arc_rxstats_on_packet(s, seq, 0, 1, 0)
    lib.arc_rxstats_on_repaired(s, 102)
    lib.arc_rxstats_on_repaired(s, 102)  # twice
    lib.arc_rxstats_on_repaired(s, 103)  # was there
    assert (s.reordered, s.recovered, s.unneeded, s.duplicates) == (1, 1, 2, 0)
    assert report(s)[:2] == (64, 1)  # a repair does not lower the loss of A.3
    lib.arc_rxstats_on_packet(s, 102, 0, 1, 0)  # the original, after its repair
    assert s.duplicates == 1
    assert s.received == 4


def test_rxstats_one_stray_number_changes_nothing_two_restart() -> None:
    s = make()
    for seq in range(1000, 1010):
        lib.arc_rxstats_on_packet(s, seq, 0, 1, 0)
    lib.arc_rxstats_on_packet(s, 30_000, 0, 1, 0)
    assert (s.strays, s.received, report(s)[2]) == (1, 10, 1009)
    lib.arc_rxstats_on_packet(s, 30_001, 0, 1, 0)
    assert (s.restarts, report(s)[1:3]) == (1, (0, 30_001))
    assert s.received == 11  # the totals go on


def test_rxstats_jitter_ignores_a_new_time_line_and_can_be_off() -> None:
    s = make()
    for i in range(200):
        lib.arc_rxstats_on_packet(s, i, i * 960, 1, i * 20_000 + (i % 2) * 5_000)
    assert lib.arc_rxstats_jitter_ms(s) == pytest.approx(5.0, rel=0.02)
    before = report(s)[3]
    lib.arc_rxstats_on_packet(s, 200, 200 * 960 + 10 * CLOCK, 1, 200 * 20_000)
    assert report(s)[3] == before
    off = make(0)
    for i in range(10):
        lib.arc_rxstats_on_packet(off, i, 0, 1, i * 777)
    assert report(off)[3] == 0
    assert lib.arc_rxstats_jitter_ms(off) == 0.0


def test_rxstats_jitter_follows_rfc3550_a8_example_by_hand() -> None:
    """Transit steps of +160, -160, +480 ticks through J += (|D| - J) / 16."""
    s = make(8000)
    for seq, (ts, arrival_ms) in enumerate([(0, 0), (160, 40), (320, 40), (480, 120)]):
        lib.arc_rxstats_on_packet(s, seq, ts, 1, arrival_ms * 1000)
    j = 0.0
    for d in (160, 160, 480):
        j += (d - j) / 16
    assert report(s)[3] == int(j)
