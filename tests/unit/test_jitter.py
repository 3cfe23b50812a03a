"""rx/jitter, by numbers through the core and with packets through arcrtc.jitter."""
from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import ffi, lib, new_handle
from arcrtc.jitter import NEVER_US, JitterBuffer, JitterBufferConfig
from arcrtc.metrics import NetworkMetrics
from tests.model.allocation import survives_every_failure
from tests.model.jitter import JitterModel

MS = 1000
CLOCK = 48_000


@dataclass
class Header:
    sequence_number: int
    timestamp: int
    ssrc: int = 1
    payload_type: int = 96
    marker: bool = False


@dataclass
class Packet:
    header: Header
    payload: bytes = b"x"


def packet(seq: int, ts: int | None = None) -> Packet:
    return Packet(Header(seq % 2**16, (seq * 960 if ts is None else ts) % 2**32))


class Core:
    """The C buffer by numbers only."""

    def __init__(self, **config: Any) -> None:
        cfg = {"clock_hz": CLOCK, "min_latency_ms": 0, "max_latency_ms": 200, "initial_latency_ms": 40,
               "adaptive": False, "capacity_pkts": 64, **config}
        self.handle = new_handle(lib.arc_jitter_new, lib.arc_jitter_free, "struct arc_jitter",
                                 ffi.new("struct arc_jitter_config *", cfg), what="jitter")
        self.packet = ffi.new("struct arc_rxpkt *")

    def push(self, seq: int, ts: int, now: int, repaired: bool = False) -> str:
        p = self.packet
        p.seq, p.ts, p.arrival_us, p.repaired = seq, ts, now, repaired
        status = lib.arc_jitter_push(self.handle, p, now)
        return {lib.ARC_OK: "kept", lib.ARC_ERR_REPLAY: "duplicate", lib.ARC_ERR_OLD: "late",
                lib.ARC_ERR_ARG: "argument"}[status]

    def pop(self, now: int) -> int | None:
        out = ffi.new("struct arc_rxpkt *")
        return out.seq if lib.arc_jitter_pop(self.handle, now, out) == lib.ARC_OK else None

    def next_us(self) -> int:
        return int(lib.arc_jitter_next_us(self.handle))

    def stats(self) -> Any:
        s = ffi.new("struct arc_jitter_stats *")
        lib.arc_jitter_stats(self.handle, s)
        return s


operations = st.lists(st.one_of(
    st.tuples(st.just("push"), st.one_of(st.integers(-12, 12), st.sampled_from([1, 1, 1, 2, -1, 0, 25]))),
    st.tuples(st.just("pop"), st.just(0)),
    st.tuples(st.just("wait"), st.integers(0, 60 * MS))), min_size=60, max_size=200)


@given(st.sampled_from([65_530, 2**32 - 100]), operations, st.sampled_from([2, 5, 8]))
def test_jitter_matches_model_for_any_order(first: int, ops: list[tuple[str, int]], capacity: int) -> None:
    core, model = Core(capacity_pkts=capacity), JitterModel(CLOCK, 40 * MS, capacity)
    now, highest = 10_000_000, first
    for kind, value in [("push", 0), *ops]:
        if kind == "push":
            seq = highest + value
            highest = max(highest, seq)
            assert core.push(seq, seq * 960, now) == model.push(seq, seq * 960, now)
        elif kind == "pop":
            assert core.pop(now) == model.pop(now)
        else:
            now += value
        assert core.next_us() == model.next_us()
        s = core.stats()
        assert (s.late, s.duplicate, s.lost, s.overflow, s.reordered, s.depth_pkts) == (
            model.late, model.duplicate, model.lost, model.overflow, model.reordered, len(model.held))


def test_jitter_plays_at_base_plus_media_time_plus_target() -> None:
    core = Core()
    assert lib.arc_jitter_playout_us(core.handle, 0) == NEVER_US
    for i, delay in enumerate([30, 10, 25]):
        core.push(i, i * 960, (i * 20 + delay) * MS)
    assert lib.arc_jitter_playout_us(core.handle, 960) == (10 + 20 + 40) * MS
    assert core.next_us() == (10 + 40) * MS
    assert core.pop(50 * MS - 1) is None
    assert core.pop(50 * MS) == 0
    assert core.pop(50 * MS) is None


def test_jitter_missing_packet_holds_nothing_back() -> None:
    core = Core()
    for i in (0, 1, 3):
        core.push(i, i * 960, i * 20 * MS)
    assert [core.pop(40 * MS), core.pop(60 * MS), core.pop(99 * MS), core.pop(100 * MS)] == [0, 1, None, 3]
    assert core.stats().lost == 1
    assert core.push(2, 2 * 960, 101 * MS) == "late"
    assert core.push(2, 2 * 960, 102 * MS) == "duplicate"


def test_jitter_packet_after_its_time_is_kept_while_its_place_is_open() -> None:
    core = Core()
    core.push(0, 0, 0)
    assert core.pop(40 * MS) == 0
    assert core.push(1, 960, 500 * MS) == "kept"
    assert core.pop(500 * MS) == 1


def test_jitter_repaired_packet_does_not_move_base_or_jitter() -> None:
    core = Core(adaptive=True)
    for i in range(0, 100, 2):
        core.push(i, i * 960, i * 20 * MS)
        core.push(i - 1, (i - 1) * 960, (i * 20 + 150) * MS, repaired=True)
    assert lib.arc_jitter_target_ms(core.handle) < 40
    assert core.stats().jitter_ms == 0.0


def test_jitter_first_packet_may_be_a_repair() -> None:
    core = Core()
    assert core.push(5, 960, 0, repaired=True) == "kept"
    assert core.pop(40 * MS) == 5


@pytest.mark.parametrize("jump", [11 * CLOCK, -11 * CLOCK, 2**31])
def test_jitter_time_line_jump_keeps_what_is_buffered(jump: int) -> None:
    core = Core()
    start = 2**33
    for i in range(3):
        core.push(i, start + i * 960, i * 20 * MS)
    for i in range(3, 6):
        assert core.push(i, start + jump + i * 960, i * 20 * MS) == "kept"
    popped = {core.pop(t * MS): t for t in range(200)}
    assert {seq: t for seq, t in popped.items() if seq is not None} == {
        i: i * 20 + 40 for i in range(6)}
    s = core.stats()
    assert (s.restarts, s.flushed, s.lost, s.late) == (1, 0, 0, 0)


def test_jitter_restart_with_other_numbers_flushes() -> None:
    core = Core()
    for i in range(3):
        core.push(10_000 + i, i * 960, i * 20 * MS)
    assert core.push(45_000, 2**40, 60 * MS) == "kept"
    assert core.pop(100 * MS) == 45_000
    assert (core.stats().flushed, core.stats().lost) == (3, 0)


def test_jitter_restart_behind_needs_two_in_sequence() -> None:
    core = Core()
    core.push(10_000, 2**40, 0)
    assert core.pop(40 * MS) == 10_000
    assert core.push(500, 0, 60 * MS) == "late"  # may be a stray
    assert core.push(10_001, 2**40 + 960, 60 * MS) == "kept"
    assert core.push(700, 960, 70 * MS) == "late"
    assert core.push(701, 1920, 90 * MS) == "kept"
    assert core.pop(130 * MS) == 701
    assert core.stats().restarts == 1


def test_jitter_silence_with_running_timestamps_is_no_restart() -> None:
    core = Core()
    core.push(0, 0, 0)
    assert core.pop(40 * MS) == 0
    core.push(1, 3600 * CLOCK, 3600_000 * MS)
    assert core.pop(3600_040 * MS) == 1
    assert core.stats().restarts == 0


def test_jitter_take_and_peek_ignore_the_clock() -> None:
    core, out = Core(), ffi.new("struct arc_rxpkt *")
    assert lib.arc_jitter_peek(core.handle) == ffi.NULL
    assert lib.arc_jitter_take(core.handle, out) == lib.ARC_AGAIN
    core.push(7, 0, 0)
    core.push(6, 0, 0)
    assert lib.arc_jitter_peek(core.handle).seq == 6
    assert lib.arc_jitter_take(core.handle, out) == lib.ARC_OK
    assert out.seq == 6
    assert lib.arc_jitter_depth_pkts(core.handle) == 1


def test_jitter_push_refuses_numbers_that_would_overflow() -> None:
    core = Core()
    for seq, ts, now in [(2**48, 0, 0), (0, 2**47, 0), (0, 0, 2**52), (-2**48, 0, 0), (0, -2**47, 0)]:
        assert core.push(seq, ts, now) == "argument"
    assert core.stats().pushed == 0
    assert lib.arc_jitter_push(core.handle, ffi.NULL, 0) == lib.ARC_ERR_ARG


@pytest.mark.parametrize("wrong", [
    {"clock_hz": 999}, {"clock_hz": 1_000_001}, {"capacity_pkts": 1}, {"capacity_pkts": 16_385},
    {"min_latency_ms": -1}, {"max_latency_ms": 10_001}, {"initial_latency_ms": 201}])
def test_jitter_new_refuses_wrong_configuration(wrong: dict[str, int]) -> None:
    live = lib.arc_mem_live_blocks()
    with pytest.raises(errors.ArgumentError):
        Core(**wrong)
    assert lib.arc_mem_live_blocks() == live


def test_jitter_new_survives_every_allocation_failure() -> None:
    allowed, _ = survives_every_failure(lambda: JitterBuffer())
    assert allowed == 2


# ---- arcrtc.JitterBuffer ----


@pytest.mark.parametrize("first", [0, 65_530])
def test_jitter_buffer_hands_out_the_objects_in_order_across_wrap(first: int) -> None:
    buffer = JitterBuffer(JitterBufferConfig(initial_latency_ms=40))
    packets = [packet(first + i, 2**32 - 1000 + i * 960) for i in range(12)]
    for i in (0, 2, 1, 3, 5, 4, 6, 7, 9, 8, 10, 11):
        assert buffer.push(packets[i], now_us=i * 20 * MS)
    popped = []
    while (p := buffer.pop(now_us=400 * MS)) is not None:
        popped.append(p)
    assert [p.header.sequence_number for p in popped] == [(first + i) % 2**16 for i in range(12)]
    assert all(a is b for a, b in zip(popped, packets, strict=True))
    assert len(buffer) == 0
    assert buffer.next_us == NEVER_US
    assert buffer.stats().reordered == 3


def test_jitter_buffer_counts_duplicates_and_late_packets() -> None:
    buffer = JitterBuffer(JitterBufferConfig(min_latency_ms=10, max_latency_ms=100, initial_latency_ms=20,
                                             adaptive=True))
    assert buffer.push(packet(1), now_us=0)
    assert not buffer.push(packet(1), now_us=0)
    assert buffer.push(packet(3), now_us=40 * MS)
    assert buffer.pop(now_us=20 * MS) is not None
    assert buffer.pop(now_us=60 * MS) is not None
    assert not buffer.push(packet(2), now_us=70 * MS)
    stats = buffer.stats()
    assert (stats.duplicate, stats.late, stats.lost, stats.depth) == (1, 1, 1, 0)


def test_jitter_buffer_is_bounded_and_drops_objects_with_the_core() -> None:
    buffer = JitterBuffer(JitterBufferConfig(capacity_pkts=4))
    first = packet(0)
    gone = weakref.ref(first)
    for i in range(10):
        assert buffer.push(packet(i) if i else first, now_us=0)
        assert len(buffer) == min(i + 1, 4) == buffer.stats().depth
    del first
    gc.collect()
    assert gone() is None
    assert buffer.stats().overflow == 6
    assert buffer.push(packet(30_000, 2**31), now_us=0)  # a restart flushes
    assert len(buffer) == buffer.stats().depth == 1


def test_jitter_buffer_adapt_follows_the_contract_example() -> None:
    buffer = JitterBuffer(JitterBufferConfig(min_latency_ms=10, max_latency_ms=100, initial_latency_ms=20,
                                             adaptive=True))
    assert buffer.target_latency_ms == buffer.stats().target_latency_ms == 20
    buffer.adapt(NetworkMetrics(packet_loss_rate=0.01, jitter_ms=15.0, rtt_ms=50.0))
    assert buffer.target_latency_ms == 95
    buffer.adapt(NetworkMetrics(jitter_ms=500.0))
    assert buffer.target_latency_ms == 100
    for _ in range(200):
        buffer.adapt(NetworkMetrics(jitter_ms=1.0))
    assert buffer.target_latency_ms == 10
    fixed = JitterBuffer(JitterBufferConfig(initial_latency_ms=40, adaptive=False))
    fixed.adapt(NetworkMetrics(jitter_ms=50.0))
    assert fixed.target_latency_ms == 40


def test_jitter_buffer_reads_the_monotonic_clock_when_now_is_left_out() -> None:
    buffer = JitterBuffer(JitterBufferConfig(min_latency_ms=0, initial_latency_ms=0, adaptive=False))
    assert buffer.push(packet(1))
    assert buffer.pop() is not None


@pytest.mark.parametrize(("seq", "ts", "now"), [(-1, 0, 0), (65_536, 0, 0), (0, -1, 0), (0, 2**32, 0),
                                                (0, 0, 2**52), (0, 0, -2**52)])
def test_jitter_buffer_refuses_numbers_outside_the_wire(seq: int, ts: int, now: int) -> None:
    buffer = JitterBuffer()
    with pytest.raises(errors.ArgumentError):
        buffer.push(Packet(Header(seq, ts)), now_us=now)
    assert len(buffer) == 0
    assert buffer.push(packet(1), now_us=0)


@pytest.mark.parametrize("wrong", [
    {"min_latency_ms": -1}, {"min_latency_ms": 300}, {"max_latency_ms": 10_001}, {"initial_latency_ms": 5},
    {"initial_latency_ms": 500}, {"clock_hz": 0}, {"capacity_pkts": 0}, {"adaptive": 1},
    {"min_latency_ms": 1.5}])
def test_jitter_config_names_the_field_that_is_wrong(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigError, match=next(iter(wrong))) as caught:
        JitterBufferConfig(**wrong)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("wrong", [
    {"rtt_ms": -1.0}, {"packet_loss_rate": 1.01}, {"packet_loss_rate": float("nan")}, {"jitter_ms": -0.1},
    {"bandwidth_kbps": float("inf")}, {"timestamp_us": -1}, {"timestamp_us": 1.5}])
def test_metrics_name_the_field_that_is_wrong(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigError, match=next(iter(wrong))):
        NetworkMetrics(**wrong)


def test_metrics_default_to_a_quiet_network() -> None:
    m = NetworkMetrics()
    assert (m.rtt_ms, m.packet_loss_rate, m.jitter_ms, m.bandwidth_kbps, m.timestamp_us) == (
        0.0, 0.0, 0.0, None, None)
    assert NetworkMetrics(rtt_ms=100, bandwidth_kbps=3000.0, timestamp_us=1).rtt_ms == 100


def test_jitter_buffer_repr_says_what_matters() -> None:
    assert repr(JitterBuffer()) == "JitterBuffer(depth=0, target_latency_ms=40, adaptive=True)"
