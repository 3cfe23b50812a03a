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
