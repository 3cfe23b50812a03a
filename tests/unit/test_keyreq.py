"""router/keyreq: many requests for key frames become few."""
from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import NEVER_US, ffi, lib
from tests.model.keyreq_model import KeyRequests

MS = 1000


def keyreq(interval_us: int = 0) -> Any:
    k = ffi.new("struct arc_keyreq *")
    assert lib.arc_keyreq_init(k, interval_us) == lib.ARC_OK
    return k


def test_keyreq_first_request_goes_at_once_and_the_others_with_it() -> None:
    k = keyreq()
    assert lib.arc_keyreq_next_us(k) == NEVER_US
    assert not lib.arc_keyreq_poll(k, 0, 5)
    for n in range(100):
        lib.arc_keyreq_on_request(k, 0, 1000 + n)
    assert lib.arc_keyreq_next_us(k) == 1000
    assert lib.arc_keyreq_poll(k, 50 * MS, 1100)
    assert not lib.arc_keyreq_poll(k, 50 * MS, 1101)
    lib.arc_keyreq_on_key_frame(k, 60 * MS)
    assert lib.arc_keyreq_next_us(k) == NEVER_US
    assert (k.n_requests, k.n_merged, k.n_answered, k.n_sent, k.n_repeated, k.n_key_frames) == (100, 99, 0, 1, 0, 1)


def test_keyreq_keeps_the_least_interval() -> None:
    k = keyreq(2_000_000)
    lib.arc_keyreq_on_request(k, 0, 0)
    assert lib.arc_keyreq_poll(k, 0, 0)
    lib.arc_keyreq_on_key_frame(k, 50 * MS)
    lib.arc_keyreq_on_request(k, 0, 60 * MS)
    assert lib.arc_keyreq_next_us(k) == 2_000_000
    assert not lib.arc_keyreq_poll(k, 0, 1_999_999)
    assert lib.arc_keyreq_poll(k, 0, 2_000_000)


def test_keyreq_request_that_a_key_frame_crossed_is_answered_by_it() -> None:
    k = keyreq()
    lib.arc_keyreq_on_key_frame(k, 1_000_000)
    lib.arc_keyreq_on_request(k, 80 * MS, 1_079_999)
    assert (lib.arc_keyreq_next_us(k), k.n_answered) == (NEVER_US, 1)
    lib.arc_keyreq_on_request(k, 80 * MS, 1_080_000)  # it has that key frame, and asks
    assert lib.arc_keyreq_poll(k, 0, 1_080_000)
    assert k.n_answered == 1


def test_keyreq_repeats_quickly_and_then_slowly() -> None:
    """Round trip 100 ms, interval 100 ms: three repeats 300 ms apart, then twice as long each time, up to 9.6 s."""
    k = keyreq(100 * MS)
    lib.arc_keyreq_on_request(k, 0, 0)
    times, now = [], 0
    while now < 60_000_000:
        assert lib.arc_keyreq_poll(k, 100 * MS, now)
        times.append(now)
        now = lib.arc_keyreq_next_us(k)
    gaps = [(b - a) // MS for a, b in itertools.pairwise(times)]
    assert gaps[:8] == [300] * 3 + [600, 1200, 2400, 4800, 9600]
    assert set(gaps[8:]) == {9600}
    assert (k.n_sent, k.n_repeated) == (len(times), len(times) - 1)
    lib.arc_keyreq_on_key_frame(k, now)
    lib.arc_keyreq_on_request(k, 0, now)
    assert lib.arc_keyreq_poll(k, 100 * MS, now)  # and quickly again for the next one
    assert lib.arc_keyreq_next_us(k) == now + 300 * MS


def test_keyreq_long_round_trip_waits_twice_that() -> None:
    k = keyreq()
    lib.arc_keyreq_on_request(k, 0, 0)
    assert lib.arc_keyreq_poll(k, 900 * MS, 0)
    assert lib.arc_keyreq_next_us(k) == 1800 * MS
    assert not lib.arc_keyreq_poll(k, 2**62, 9_000_000)
    assert lib.arc_keyreq_next_us(k) == 2 * lib.ARC_KEYREQ_MAX_RTT_US


def test_keyreq_arguments() -> None:
    k = ffi.new("struct arc_keyreq *")
    for interval in (-1, 1, 99_999, 10_000_001):
        assert lib.arc_keyreq_init(k, interval) == lib.ARC_ERR_ARG
    assert lib.arc_keyreq_init(ffi.NULL, 0) == lib.ARC_ERR_ARG
    for interval in (100_000, 10_000_000):
        assert lib.arc_keyreq_init(k, interval) == lib.ARC_OK


steps = st.lists(st.tuples(st.sampled_from("rrkpppn"), st.integers(0, 700 * MS)), max_size=60)


@given(steps, st.sampled_from([0, 100 * MS, 3_000_000]), st.integers(0, 400 * MS) | st.just(7_000_000))
def test_keyreq_matches_model(said: list[tuple[str, int]], interval: int, rtt: int) -> None:
    k, model, now = keyreq(interval), KeyRequests(interval or lib.ARC_KEYREQ_INTERVAL_US), 10_000_000
    lib.arc_keyreq_poll(k, rtt, now)  # so that both know the round trip
    counts = {"merged": 0, "answered": 0, "wanted": 0}
    for step, gap in said:
        now += gap
        if step == "r":
            lib.arc_keyreq_on_request(k, gap, now)
            counts[model.request(gap, now)] += 1
        elif step == "k":
            lib.arc_keyreq_on_key_frame(k, now)
            model.key_frame(now)
        else:
            due = model.due(rtt)
            now = now if step == "p" or due is None else max(now, due)
            assert lib.arc_keyreq_poll(k, rtt, now) is model.poll(rtt, now)
        due = model.due(rtt)
        assert lib.arc_keyreq_next_us(k) == (NEVER_US if due is None else due)
    assert (k.n_merged, k.n_answered) == (counts["merged"], counts["answered"])
    assert (k.n_sent, k.n_key_frames) == (len(model.sent), len(model.keys))


@pytest.mark.parametrize("seed", [1, 2])
def test_keyreq_a_hundred_subscribers_join_in_a_minute(seed: int) -> None:
    """200 in 60 s, each asks every 200 ms until its key frame came; the publisher answers 120 ms later."""
    rng, k = random.Random(seed), keyreq()
    joined = sorted(rng.randrange(60_000_000) for _ in range(200))
    waiting: dict[int, int] = {}
    answer_us, sent, waits = -1, 0, []
    for now in range(0, 62_000_000, 5 * MS):
        while joined and joined[0] <= now:
            waiting[joined.pop(0)] = now
        for who, next_us in list(waiting.items()):
            if next_us <= now:
                lib.arc_keyreq_on_request(k, 40 * MS, now)
                waiting[who] = now + 200 * MS
        if 0 <= answer_us <= now:
            lib.arc_keyreq_on_key_frame(k, now)
            waits += [now - who for who in waiting]
            waiting.clear()
            answer_us = -1
        if lib.arc_keyreq_poll(k, 80 * MS, now):
            sent += 1
            answer_us = now + 120 * MS
    assert (len(waits), waiting) == (200, {})
    assert sent <= 1 + 62_000 // 500
    assert max(waits) <= 500 * MS + 120 * MS + 200 * MS
