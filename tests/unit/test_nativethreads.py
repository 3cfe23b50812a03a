"""benchmarks.nativethreads: what is said of a thread from outside agrees with what it says itself."""
from __future__ import annotations

import os
import time

import pytest

from arcrtc.benchmarks import nativethreads
from arcrtc.benchmarks.traffic import Traffic


def test_native_thread_is_found_by_name_and_gone_with_its_owner() -> None:
    before = nativethreads.named("arc-traffic")
    with Traffic(sleep_us=1000) as traffic:
        mine = [thread for thread in nativethreads.named("arc-traffic") if thread not in before]
        assert len(mine) == 1
        assert traffic.cpu_ns > 0
    assert nativethreads.named("arc-traffic") == before
    with pytest.raises(OSError):
        nativethreads.cpu_ns(mine[0])


def test_native_thread_cpu_time_is_that_of_its_own_clock() -> None:
    before = nativethreads.named("arc-traffic")
    with Traffic() as traffic:  # polls
        thread = next(thread for thread in nativethreads.named("arc-traffic") if thread not in before)
        time.sleep(0.05)
        low = traffic.cpu_ns
        seen = nativethreads.cpu_ns(thread)
        high = traffic.cpu_ns
        assert 0 < low <= seen <= high


def test_native_thread_is_bound_to_a_core() -> None:
    core = max(os.sched_getaffinity(0))
    before = nativethreads.named("arc-traffic")
    with Traffic(sleep_us=1000):
        thread = next(thread for thread in nativethreads.named("arc-traffic") if thread not in before)
        everywhere = os.sched_getaffinity(thread)
        nativethreads.bind(thread, None)
        assert os.sched_getaffinity(thread) == everywhere
        nativethreads.bind(thread, core)
        assert os.sched_getaffinity(thread) == {core}
        with pytest.raises(OSError):
            nativethreads.bind(thread, 1023)
