"""tx/repairbudget: a bucket of bytes."""
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib

S = 1_000_000


def make(share_pct: int = 20, target_bps: int = 1_000_000) -> Any:
    b = ffi.new("struct arc_repairbudget *")
    lib.arc_repairbudget_init(b, share_pct)
    lib.arc_repairbudget_set_target(b, target_bps, 0)
    return b


def flood(b: Any, start_us: int, end_us: int, size: int = 1200) -> int:
    """Ask for a resend each 100 us; returns the bytes that leave."""
    sent = 0
    for now in range(start_us, end_us, 100):
        if lib.arc_repairbudget_allows(b, now):
            lib.arc_repairbudget_on_resent(b, size, now)
            sent += size
    return sent


@pytest.mark.parametrize(("share_pct", "target_bps"), [(15, 500_000), (30, 2_000_000), (20, 64_000)])
def test_repairbudget_a_flood_gets_its_share_and_one_burst(share_pct: int, target_bps: int) -> None:
    b = make(share_pct, target_bps)
    share = target_bps * share_pct // 100 // 8
    burst = max(share, lib.ARC_REPAIRBUDGET_MIN_BURST_BYTES)
    first = flood(b, 0, 2 * S)
    assert burst <= first <= burst + 2 * share + 1200
    assert flood(b, 2 * S, 4 * S) == pytest.approx(2 * share, abs=1200)
    assert b.refused_pkts > 0


def test_repairbudget_planned_repairs_leave_less_for_resends() -> None:
    b = make(20, 1_000_000)  # 25 kB a second
    flood(b, 0, S)
    for now in range(S, 3 * S, 10_000):
        lib.arc_repairbudget_on_planned(b, 200, now)  # 20 kB a second
    sent = 0
    for now in range(3 * S, 5 * S, 1000):
        if now % 10_000 == 0:
            lib.arc_repairbudget_on_planned(b, 200, now)
        sent += flood(b, now, now + 100, 300)
    assert sent == pytest.approx(2 * 5_000 + 10_000, abs=1500)  # and what was left over before
    assert b.planned_bytes == 400 * 200


def test_repairbudget_debt_of_planned_repairs_is_bounded() -> None:
    b = make(20, 100_000)
    for _ in range(1000):
        lib.arc_repairbudget_on_planned(b, 1200, 0)
    assert not lib.arc_repairbudget_allows(b, S)
    assert lib.arc_repairbudget_allows(b, 3 * S)  # not after eight minutes


def test_repairbudget_share_of_nothing_allows_nothing() -> None:
    assert flood(make(0), 0, S) == 0
    # A stream whose target is not known yet may resend two packets, not more.
    assert flood(make(20, 0), 0, S) == 3 * 1200


@given(st.lists(st.tuples(st.integers(0, 300_000), st.integers(40, 1500), st.booleans(),
                          st.sampled_from([0, 30_000, 10**6, 10**11])), max_size=80))
def test_repairbudget_never_gives_more_than_its_share(steps: list[tuple[int, int, bool, int]]) -> None:
    """Whatever the target does: resends are inside the integral of the share, and one burst of the largest."""
    b = make(25, 300_000)
    now, target, room = 0, 300_000, 0.0
    largest, sent = 300_000, 0
    for wait, size, planned, new_target in steps:
        now += wait
        room += min(target, 10**10) * 0.25 / 8 * wait / 1e6
        if planned:
            lib.arc_repairbudget_on_planned(b, size, now)
        elif lib.arc_repairbudget_allows(b, now):
            lib.arc_repairbudget_on_resent(b, size, now)
            sent += size
        lib.arc_repairbudget_set_target(b, new_target, now)
        target, largest = new_target, max(largest, min(new_target, 10**10))
    assert sent <= room + max(largest * 0.25 / 8, 3000) + 1500
