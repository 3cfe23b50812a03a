"""rx/delay: base and target against plain models."""
from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib
from tests.model.jitter import BaseModel, TargetModel

MS = 1000


def make(min_ms: int = 0, max_ms: int = 500, initial_ms: int = 20, adaptive: bool = True) -> Any:
    d = ffi.new("struct arc_delay *")
    cfg = ffi.new("struct arc_delay_config *", [min_ms, max_ms, initial_ms, adaptive])
    assert lib.arc_delay_init(d, cfg) == lib.ARC_OK
    return d


@given(st.lists(st.tuples(st.integers(0, 900 * MS), st.integers(-400 * MS, 400 * MS)),
                min_size=60, max_size=200))
def test_delay_base_matches_model_for_any_gaps(samples: list[tuple[int, int]]) -> None:
    d, model, now = make(), BaseModel(), 0
    for gap, transit in samples:
        now += gap
        lib.arc_delay_on_packet(d, transit, now)
        assert d.base_us == model.on_packet(transit, now)


@given(st.integers(1, 10_000), st.integers(0, 10**6), st.integers(1, 200))
def test_delay_target_matches_model_while_it_grows(max_ms: int, seed: int, mean_ms: int) -> None:
    """All samples at one time: no shrinking, so the target is the highest quantile so far."""
    random = Random(seed)
    d, model = make(0, max_ms, 0), TargetModel(max_ms)
    lib.arc_delay_on_packet(d, 0, 0)
    highest = model.on_packet(0)
    for _ in range(700):
        relative = int(random.expovariate(1 / mean_ms) * MS)
        lib.arc_delay_on_packet(d, relative, 0)
        highest = max(highest, model.on_packet(relative))
        assert abs(d.target_us - min(highest, max_ms * MS)) <= d.bin_us


def test_delay_target_stays_within_hard_bounds() -> None:
    d = make(30, 60, 40)
    for i in range(600):
        lib.arc_delay_on_packet(d, 0, i * 20 * MS)
    assert d.target_us == 30 * MS
    for i in range(600, 700):
        lib.arc_delay_on_packet(d, (i % 2) * 300 * MS, i * 20 * MS)
    assert d.target_us == 60 * MS
    lib.arc_delay_adapt(d, 1.0, 1e9, 1e9)
    assert d.target_us == 60 * MS


def test_delay_target_grows_at_once_and_shrinks_a_millisecond_in_fifty() -> None:
    d = make(10, 500, 20)
    for i in range(500):
        lib.arc_delay_on_packet(d, 0, i * 20 * MS)
    assert d.target_us == 10 * MS
    for i in range(500, 512):  # a stall
        lib.arc_delay_on_packet(d, 200 * MS, i * 20 * MS)
    assert d.target_us >= 200 * MS
    targets = []
    for i in range(512, 3000):
        lib.arc_delay_on_packet(d, 0, i * 20 * MS)
        targets.append(d.target_us)
    assert all(0 <= a - b <= 400 for a, b in pairwise(targets))
    assert targets[-1] == 10 * MS


def test_delay_that_is_not_adaptive_keeps_its_target_but_follows_the_base() -> None:
    d = make(0, 100, 50, adaptive=False)
    for i in range(100):
        lib.arc_delay_on_packet(d, 70 * MS + i, i * 20 * MS)
    lib.arc_delay_adapt(d, 0.5, 100.0, 100.0)
    assert d.target_us == 50 * MS
    assert d.base_us == 70 * MS


@pytest.mark.parametrize(("loss", "jitter", "rtt", "target_ms"), [
    (0.0, 0.0, 50.0, 20),    # nothing to do: initial
    (0.0, 15.0, 50.0, 45),   # three times the jitter
    (0.01, 15.0, 50.0, 95),  # and a round trip for the repair
    (0.01, 15.0, 60.0, 45),  # which would not fit into 100 ms
    (0.01, 0.0, 50.0, 70),
    (0.0, 90.0, 0.0, 100),
    (float("nan"), float("nan"), float("nan"), 20),
    (float("inf"), float("inf"), float("inf"), 100),
])
def test_delay_adapt_raises_the_target(loss: float, jitter: float, rtt: float, target_ms: int) -> None:
    d = make(10, 100, 20)
    lib.arc_delay_adapt(d, loss, jitter, rtt)
    assert d.target_us == target_ms * MS


def test_delay_adapt_never_goes_below_the_histogram() -> None:
    d = make(10, 500, 20)
    for i in range(200):
        lib.arc_delay_on_packet(d, (i % 2) * 100 * MS, i * 20 * MS)
    seen = d.target_us
    assert seen >= 100 * MS
    lib.arc_delay_adapt(d, 0.0, 1.0, 1.0)
    assert d.target_us == seen
    lib.arc_delay_adapt(d, 0.02, 1.0, 80.0)
    assert d.target_us == seen + 80 * MS


@pytest.mark.parametrize("cfg", [(-1, 10, 5), (20, 10, 15), (0, 10_001, 5), (10, 20, 9), (10, 20, 21)])
def test_delay_init_refuses_wrong_bounds(cfg: tuple[int, int, int]) -> None:
    d = ffi.new("struct arc_delay *")
    assert lib.arc_delay_init(d, ffi.new("struct arc_delay_config *", [*cfg, True])) == lib.ARC_ERR_ARG
    assert lib.arc_delay_init(d, ffi.NULL) == lib.ARC_ERR_ARG


def test_delay_histogram_survives_its_own_rescaling() -> None:
    """The weights grow by 1/0.998 a packet and are scaled back at 1e100, after 115000."""
    d = make(0, 200, 20)
    for i in range(150_000):
        lib.arc_delay_on_packet(d, 50 * MS if i % 20 == 0 else 0, i * 20 * MS)
    assert 50 * MS <= d.target_us <= 52 * MS
    assert d.unit < 1e100


def stalled(d: Any, n: int, period: int = 110, height: int = 250, first: int = 60, start: int = 0) -> int:
    """n packets of 20 ms; each ``period`` packets the network stands still and gives all at once."""
    latest = 0
    for i in range(start, start + n):
        j = (i - first) % period
        late = max(0, height - 20 * j) if i >= first and j < height // 20 else 0
        lib.arc_delay_on_packet(d, late * MS, (i * 20 + late) * MS)
        latest = i * 20 + late
    return latest


def with_stalls(max_ms: int = 500, share: float = 0.05) -> Any:
    d = ffi.new("struct arc_delay *")
    cfg = ffi.new("struct arc_delay_config *", {"max_ms": max_ms, "initial_ms": 20, "adaptive": True,
                                                "late_share": 0.0135, "stall_share": share})
    assert lib.arc_delay_init(d, cfg) == lib.ARC_OK
    return d


@pytest.mark.parametrize("share", [0.02, 0.05])
def test_delay_stalls_leave_the_share_of_time_uncovered_that_was_asked_for(share: float) -> None:
    """250 ms of each 2.2 s: the target is their height less that share of their period."""
    d = with_stalls(share=share)
    stalled(d, 1500)
    assert d.target_us == pytest.approx((250 - share * 2200) * MS, abs=3 * MS)


def test_delay_without_a_stall_share_counts_every_packet_of_a_stall() -> None:
    d = with_stalls(share=0.0)
    stalled(d, 1500)
    assert d.target_us > 200 * MS


def test_delay_stalls_are_forgotten_after_twice_their_period() -> None:
    d = with_stalls()
    stalled(d, 1500)
    assert d.target_us > 100 * MS
    for i in range(1500, 1500 + 6 * 50 + 1000):  # 6 s, and time to shrink
        lib.arc_delay_on_packet(d, 0, i * 20 * MS)
    assert d.target_us < 10 * MS


def test_delay_a_long_target_lets_more_packets_come_later() -> None:
    targets = {}
    for long_ms in (0, 80):
        d = ffi.new("struct arc_delay *")
        cfg = ffi.new("struct arc_delay_config *", {"max_ms": 1000, "adaptive": True, "late_share": 0.01,
                                                    "long_us": long_ms * MS})
        assert lib.arc_delay_init(d, cfg) == lib.ARC_OK
        random = Random(4)
        for _ in range(500):
            lib.arc_delay_on_packet(d, int(random.expovariate(1 / 60) * MS), 0)
        targets[long_ms] = d.target_us
    assert targets[80] < 0.9 * targets[0]


def test_delay_later_is_the_share_of_packets_above() -> None:
    d = make(0, 200, 20)
    assert lib.arc_delay_later(d, 0) == 0.0
    for i in range(100):
        lib.arc_delay_on_packet(d, i * MS, 0)
    assert lib.arc_delay_later(d, -1) == 1.0
    for above in (10, 50, 90, 98):
        assert lib.arc_delay_later(d, above * MS) == pytest.approx((99 - above) / 100, abs=1e-9)
    assert lib.arc_delay_later(d, 10**9) == 0.0


@pytest.mark.parametrize("name", ["late_share", "stall_share"])
@pytest.mark.parametrize("share", [-0.01, 0.2, float("nan")])
def test_delay_init_refuses_wrong_shares(name: str, share: float) -> None:
    cfg = ffi.new("struct arc_delay_config *", {"max_ms": 100, "initial_ms": 20, name: share})
    assert lib.arc_delay_init(ffi.new("struct arc_delay *"), cfg) == lib.ARC_ERR_ARG
