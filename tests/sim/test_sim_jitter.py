"""Seeded networks through rx/jitter: what latency and loss it promises, in numbers."""
from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import pytest

from arcrtc._native import ffi, lib, new_handle

MS = 1000
Delay = Callable[[Random, int], float]  #: (random, send time in ms) -> delay in ms


class Result(NamedTuple):
    late: float  #: part of the packets that came too late
    lost: float  #: part of the places that were played empty
    latency_ms: float  #: mean, from sending to play-out
    order_ok: bool
    never_early: bool
    stats: Any


def run(delay: Delay, seed: int, *, seconds: int = 300, drift: float = 0.0, loss: float = 0.0,
        duplicates: float = 0.0, low: int = 10, high: int = 500) -> Result:
    """One voice stream, 20 ms packets; play-out exactly when the buffer says so."""
    random = Random(seed)
    cfg = ffi.new("struct arc_jitter_config *", [48_000, low, high, 40, True, 512])
    j = new_handle(lib.arc_jitter_new, lib.arc_jitter_free, "struct arc_jitter", cfg, what="jitter")
    n = seconds * 50
    arrivals = []
    for i in range(n):
        sent = int(i * 20 * MS * (1 + drift))
        if random.random() >= loss:
            arrivals.append((sent + int(delay(random, sent // MS) * MS), i, sent))
        if random.random() < duplicates:
            arrivals.append((sent + int(delay(random, sent // MS) * MS), i, sent))
    sent_at = {i: sent for _, i, sent in arrivals}
    p, out = ffi.new("struct arc_rxpkt *"), ffi.new("struct arc_rxpkt *")
    played, latency, early = [], 0, False
    for now, i, _ in sorted(arrivals):
        while (due := lib.arc_jitter_next_us(j)) <= now:
            at = max(due, lib.arc_jitter_peek(j).arrival_us)
            early = early or lib.arc_jitter_pop(j, due - 1, out) == lib.ARC_OK
            assert lib.arc_jitter_pop(j, due, out) == lib.ARC_OK
            played.append(out.seq)
            latency += at - sent_at[out.seq]
        p.seq, p.ts, p.arrival_us = i, 2**32 - 1000 + i * 960, now
        lib.arc_jitter_push(j, p, now)
    s = ffi.new("struct arc_jitter_stats *")
    lib.arc_jitter_stats(j, s)
    assert low <= s.target_latency_ms <= high
    return Result(s.late / n, s.lost / n, latency / len(played) / MS, played == sorted(set(played)),
                  not early, s)


SEEDS = [1, 2, 3]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "delay", "max_late", "max_latency_ms"), [
    ("clean", lambda r, t: 20 + r.random() * 2, 0.0, 31),
    ("exponential 20 ms", lambda r, t: 20 + r.expovariate(1 / 20), 0.006, 120),
    ("exponential 60 ms", lambda r, t: 20 + r.expovariate(1 / 60), 0.010, 310),
    ("stalls of 250 ms", lambda r, t: 20 + max(0, 250 - t % 2200), 0.002, 270),
    ("spikes of 200 ms, 0.2 %", lambda r, t: 20 + r.random() * 3 + 200 * (r.random() < 0.002), 0.004, 60),
    ("route gets 50 ms longer", lambda r, t: 20 + r.random() * 5 + 50 * (t > 150_000), 0.001, 70),
    ("route gets 50 ms shorter", lambda r, t: 70 + r.random() * 5 - 50 * (t > 150_000), 0.001, 70),
])
def test_sim_jitter_keeps_lateness_and_latency(name: str, delay: Delay, max_late: float,
                                               max_latency_ms: float, seed: int) -> None:
    r = run(delay, seed)
    assert r.order_ok
    assert r.never_early
    assert r.late <= max_late, (name, seed, r)
    assert r.lost <= max_late, (name, seed, r)
    assert r.latency_ms <= max_latency_ms, (name, seed, r)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("drift", [200e-6, -200e-6])
def test_sim_jitter_clock_drift_200_ppm_costs_no_packet_in_20_minutes(drift: float, seed: int) -> None:
    r = run(lambda r, t: 20 + r.random() * 2, seed, seconds=1200, drift=drift)
    assert r.late == 0
    assert r.lost == 0
    assert r.latency_ms <= 32  # 240 ms of drift went by


@pytest.mark.parametrize("seed", SEEDS)
def test_sim_jitter_loss_5_duplicates_5_percent_are_counted_exactly(seed: int) -> None:
    r = run(lambda r, t: 20 + r.random() * 8, seed, loss=0.05, duplicates=0.05)
    assert r.order_ok
    assert r.late == 0
    assert 0.04 <= r.lost <= 0.05  # a duplicate replaces a lost packet now and then
    assert 0.04 <= r.stats.duplicate / (300 * 50) <= 0.055
    assert r.latency_ms <= 40
