"""tx/pacer by numbers: packets without bytes, charged with the overhead only."""
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import NEVER_US, ffi, lib, new_handle
from tests.model.allocation import survives_every_failure

MS = 1000
S = 1_000_000
AUDIO, RTX, VIDEO, FEC, PADDING = range(5)


class Pacer:
    def __init__(self, rate_bps: int = 8_000_000, size: int = 1000, **config: int) -> None:
        cfg = {"capacity_pkts": 1024, "rate_bps": rate_bps, "burst_us": 0, "max_queue_us": 0,
               "overhead_bytes": size, **config}
        self.handle = new_handle(lib.arc_pacer_new, lib.arc_pacer_free, "struct arc_pacer",
                                 ffi.new("struct arc_pacer_config *", cfg), what="pacer")
        self.item = ffi.new("struct arc_pacer_item *")

    def push(self, cls: int, name: int, now: int) -> int:
        self.item.pkt, self.item.stream, self.item.kind = ffi.NULL, name, cls
        return int(lib.arc_pacer_push(self.handle, self.item, cls, now))

    def pop(self, now: int) -> tuple[int, int] | None:
        if lib.arc_pacer_pop(self.handle, now, self.item) != lib.ARC_OK:
            return None
        return self.item.kind, self.item.stream

    def next_us(self, now: int) -> int:
        return int(lib.arc_pacer_next_us(self.handle, now))

    def set_rate(self, bps: int) -> int:
        return int(lib.arc_pacer_set_rate(self.handle, bps))

    def stats(self) -> Any:
        s = ffi.new("struct arc_pacer_stats *")
        lib.arc_pacer_stats(self.handle, s)
        return s


operations = st.lists(st.one_of(
    st.tuples(st.just("push"), st.integers(0, 4)), st.tuples(st.just("push"), st.integers(0, 4)),
    st.tuples(st.just("drain"), st.just(0)), st.tuples(st.just("wait"), st.integers(0, 30 * MS)),
    st.tuples(st.just("rate"), st.sampled_from([0, 1, 64_000, 1_000_000, 10**10])),
    st.tuples(st.just("reserve"), st.sampled_from([8, 16, 17, 40, 100]))),
    min_size=40, max_size=120)


@given(operations, st.sampled_from([8, 16, 64]), st.sampled_from([1, 50_000, 2_000_000]))
def test_pacer_keeps_order_bounds_and_its_own_deadline(
        ops: list[tuple[str, int]], capacity: int, rate: int) -> None:
    pacer = Pacer(rate, capacity_pkts=capacity)
    queues: list[list[int]] = [[], [], [], [], []]
    now, name, paused = 0, 0, False

    def take(now: int) -> bool:
        got = pacer.pop(now)
        if got is None:
            return False
        cls = next(c for c in range(5) if queues[c])
        assert got == (cls, queues[cls].pop(0))
        return True

    for kind, value in ops:
        queued = sum(map(len, queues))
        if kind == "push":
            room = capacity if value == AUDIO else capacity - capacity // 8
            want = lib.ARC_OK if queued < room else lib.ARC_ERR_SPACE
            assert pacer.push(value, name, now) == want
            if want == lib.ARC_OK:
                queues[value].append(name)
            name += 1
        elif kind == "drain":
            while take(now):
                pass
            assert not queues[AUDIO]
        elif kind == "rate":
            paused = value == 0
            assert pacer.set_rate(value) == lib.ARC_OK
        elif kind == "reserve":
            capacity = max(capacity, value)
            assert lib.arc_pacer_reserve(pacer.handle, value) == lib.ARC_OK
        else:
            now += value
        due = pacer.next_us(now)
        if due == NEVER_US:
            assert not queues[AUDIO]
            assert paused or not any(queues)
            assert pacer.pop(now) is None
        else:
            assert due >= now
            now = due
            assert not any(queues) or take(now)
    s = pacer.stats()
    assert s.depth_pkts == sum(map(len, queues))
    assert s.depth_bytes == 1000 * s.depth_pkts
    for c in range(5):
        assert s.pushed[c] - s.popped[c] == len(queues[c])


@pytest.mark.parametrize("rate", [300_000, 2_500_000, 40_000_000])
def test_pacer_never_exceeds_rate_plus_burst_in_any_interval(rate: int) -> None:
    """Paced classes alone; every pair of departures is looked at."""
    pacer = Pacer(rate, max_queue_us=60 * S)
    for i in range(300):
        assert pacer.push(VIDEO, i, 0) == lib.ARC_OK
    now, out = 0, []
    while (now := pacer.next_us(now)) != NEVER_US:
        assert pacer.pop(now) is not None
        out.append(now)
    assert len(out) == 300
    burst_bits = rate * 5 * MS / S + 8000
    for i in range(300):
        for k in range(i, 300, 7):
            assert (k - i + 1) * 8000 <= rate * (out[k] - out[i]) / S + burst_bits + 1
    slack = 5 * MS + 2 * 8000 / rate * S
    assert 300 * 8000 / rate * S - slack <= out[-1] <= 300 * 8000 / rate * S


def test_pacer_audio_leaves_at_once_but_is_charged() -> None:
    pacer = Pacer(800_000)  # 1000 bytes take 10 ms
    pacer.push(VIDEO, 0, 0)
    pacer.push(VIDEO, 1, 0)
    assert pacer.pop(0) == (VIDEO, 0)
    for i in range(3):
        pacer.push(AUDIO, 10 + i, 0)
    assert pacer.next_us(0) == 0
    assert [pacer.pop(0) for _ in range(4)] == [(AUDIO, 10), (AUDIO, 11), (AUDIO, 12), None]
    # 4 packets are 40 ms of the rate; 5 ms had been saved.
    assert pacer.next_us(0) == pytest.approx(35 * MS, abs=500)


def test_pacer_debt_of_audio_is_forgiven_beyond_half_a_second() -> None:
    pacer = Pacer(80_000)  # 1000 bytes take 100 ms
    for i in range(100):
        pacer.push(AUDIO, i, 0)
        assert pacer.pop(0) is not None
    pacer.push(VIDEO, 0, 0)
    assert pacer.next_us(0) <= 500 * MS


def test_pacer_old_queue_drains_within_its_limit_instead_of_dropping() -> None:
    pacer = Pacer(100_000, max_queue_us=500 * MS)
    for i in range(100):  # 8 s of the rate
        pacer.push(VIDEO, i, 0)
    assert lib.arc_pacer_queue_us(pacer.handle) == 8 * S
    now = 0
    while (now := pacer.next_us(now)) != NEVER_US:
        assert pacer.pop(now) is not None
        last = now
    assert 400 * MS <= last <= 510 * MS
    assert pacer.stats().max_wait_us == last
    assert sum(pacer.stats().dropped) == 0


def test_pacer_pause_holds_all_but_audio() -> None:
    pacer = Pacer(1_000_000)
    assert pacer.set_rate(0) == lib.ARC_OK
    pacer.push(VIDEO, 1, 0)
    assert pacer.next_us(100 * S) == NEVER_US
    assert pacer.pop(100 * S) is None
    assert lib.arc_pacer_queue_us(pacer.handle) == NEVER_US
    pacer.push(AUDIO, 2, 100 * S)
    assert pacer.pop(100 * S) == (AUDIO, 2)
    pacer.set_rate(1_000_000)
    assert pacer.next_us(100 * S) == 100 * S + 5 * MS  # far too old by now: faster than the rate
    assert pacer.pop(pacer.next_us(100 * S)) == (VIDEO, 1)


def test_pacer_full_refuses_by_class_and_keeps_room_for_audio() -> None:
    pacer = Pacer(1, capacity_pkts=8)
    results = [pacer.push(VIDEO, i, 0) for i in range(9)]
    assert results.count(lib.ARC_OK) == 7
    assert pacer.push(AUDIO, 0, 0) == lib.ARC_OK
    assert pacer.push(AUDIO, 1, 0) == lib.ARC_ERR_SPACE
    assert list(pacer.stats().dropped) == [1, 0, 2, 0, 0]
    assert lib.arc_pacer_oldest_us(pacer.handle, 7 * MS) == 7 * MS


def test_pacer_reserve_keeps_what_waits_when_it_fails() -> None:
    pacer = Pacer(capacity_pkts=8)
    for i in range(8):
        assert pacer.push(AUDIO, i, 0) == lib.ARC_OK
    for capacity in (7, 65_537, -1):
        assert lib.arc_pacer_reserve(pacer.handle, capacity) == lib.ARC_ERR_ARG
    lib.arc_mem_fail_after(0)
    assert lib.arc_pacer_reserve(pacer.handle, 100) == lib.ARC_ERR_NOMEM
    lib.arc_mem_fail_after(-1)
    assert pacer.push(AUDIO, 8, 0) == lib.ARC_ERR_SPACE
    assert lib.arc_pacer_reserve(pacer.handle, 9) == lib.ARC_OK
    assert pacer.push(AUDIO, 8, 0) == lib.ARC_OK
    assert [pacer.pop(0) for _ in range(9)] == [(AUDIO, i) for i in range(9)]


def test_pacer_refuses_wrong_arguments() -> None:
    pacer = Pacer()
    assert pacer.push(5, 0, 0) == lib.ARC_ERR_ARG
    assert lib.arc_pacer_push(pacer.handle, ffi.NULL, 0, 0) == lib.ARC_ERR_ARG
    assert pacer.set_rate(-1) == lib.ARC_ERR_ARG
    assert pacer.set_rate(10**10 + 1) == lib.ARC_ERR_ARG
    for wrong in ({"capacity_pkts": 7}, {"capacity_pkts": 65_537}, {"burst_us": -1}, {"burst_us": 2 * S},
                  {"max_queue_us": 999}, {"max_queue_us": 61 * S}, {"overhead_bytes": 1001},
                  {"rate_bps": -1}):
        with pytest.raises(errors.ArgumentError):
            Pacer(**{"rate_bps": 1, **wrong})


def test_pacer_new_survives_every_allocation_failure() -> None:
    allowed, _ = survives_every_failure(lambda: Pacer())
    assert allowed == 2
