"""wire/pl_dtmf, tx/dtmf and rx/dtmf: telephone events (RFC 4733)."""
from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrtc._native import NEVER_US, ffi, lib

KEYS = "0123456789*#ABCD"


@dataclass(frozen=True)
class Packet:
    """A packet on its way."""

    at_us: int
    ts: int
    marker: bool
    event: int
    volume: int
    duration: int
    end: bool


def sender(clock: int = 8000) -> Any:
    t = ffi.new("struct arc_dtmftx *")
    lib.arc_dtmftx_init(t, clock)
    return t


def start(t: Any, event: int, ms: int, gap_ms: int = 100, *, ts: int = 0, now_us: int = 0) -> int:
    tone = ffi.new("struct arc_dtmf_tone *", {"event": event, "volume": 10, "duration_us": 1000 * ms,
                                              "gap_us": 1000 * gap_ms})
    return int(lib.arc_dtmftx_start(t, tone, ts % 2**32, now_us))


def packets_of(t: Any, late_us: int = 0) -> list[Packet]:
    """All that comes, each fetched ``late_us`` after it is due."""
    out, packets = ffi.new("struct arc_dtmf_packet *"), []
    while (due := lib.arc_dtmftx_next_us(t)) != NEVER_US:
        assert lib.arc_dtmftx_poll(t, due - 1, out) == lib.ARC_AGAIN
        while lib.arc_dtmftx_poll(t, due + late_us, out) == lib.ARC_OK:
            r = out.report
            packets.append(Packet(due + late_us, out.rtp_ts, out.marker, r.event, r.volume, r.duration_ticks, r.end))
    return packets


# --- payload ---

@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 63), st.integers(0, 65_535), st.booleans()), min_size=1,
                max_size=16))
def test_payload_written_is_read_back(reports: list[tuple[int, int, int, bool]]) -> None:
    payload = b""
    room = ffi.new("uint8_t[4]")
    for event, volume, duration, end in reports:
        d = ffi.new("struct arc_pl_dtmf *", {"event": event, "volume": volume, "duration_ticks": duration, "end": end})
        assert lib.arc_pl_dtmf_write(d, room) == lib.ARC_OK
        assert bytes(room) == bytes([event, end << 7 | volume]) + duration.to_bytes(2, "big")
        payload += bytes(room)
    out, n = ffi.new("struct arc_pl_dtmf[16]"), ffi.new("size_t *")
    assert lib.arc_pl_dtmf_parse(payload, len(payload), out, n) == lib.ARC_OK
    assert [(o.event, o.volume, o.duration_ticks, o.end) for o in list(out)[:n[0]]] == reports


@pytest.mark.parametrize("length", [0, 1, 3, 5, 68, 1200])
def test_payload_of_no_whole_reports_is_malformed(length: int) -> None:
    out, n = ffi.new("struct arc_pl_dtmf[16]"), ffi.new("size_t *")
    assert lib.arc_pl_dtmf_parse(bytes(length), length, out, n) == lib.ARC_ERR_FORMAT


def test_payload_reserved_bit_is_ignored() -> None:
    out, n = ffi.new("struct arc_pl_dtmf[16]"), ffi.new("size_t *")
    assert lib.arc_pl_dtmf_parse(b"\x05\x4a\x01\x90", 4, out, n) == lib.ARC_OK
    assert (out[0].event, out[0].end, out[0].volume, out[0].duration_ticks) == (5, False, 10, 400)


@pytest.mark.parametrize("fields", [{"event": 256}, {"event": -1}, {"volume": 64}, {"duration_ticks": 65_536}])
def test_payload_fields_out_of_range_are_not_written(fields: dict[str, int]) -> None:
    d = ffi.new("struct arc_pl_dtmf *", fields)
    assert lib.arc_pl_dtmf_write(d, ffi.new("uint8_t[4]")) == lib.ARC_ERR_ARG


def test_keys_have_the_events_of_table_3() -> None:
    assert [lib.arc_pl_dtmf_event_of(k.encode()) for k in KEYS] == list(range(16))
    assert lib.arc_pl_dtmf_event_of(b"d") == 15
    assert [lib.arc_pl_dtmf_event_of(k) for k in (b"E", b" ", b"\0")] == [-1, -1, -1]
    assert b"".join(lib.arc_pl_dtmf_key_of(i) for i in range(16)).decode() == KEYS
    assert lib.arc_pl_dtmf_key_of(16) == lib.arc_pl_dtmf_key_of(-1) == b"\0"


# --- sending ---

def test_sender_reports_every_50_ms_and_the_end_three_times() -> None:
    t = sender()
    assert start(t, 5, 180, ts=1000, now_us=7_000_000) == lib.ARC_OK
    packets = packets_of(t)
    assert [(p.at_us - 7_000_000, p.duration, p.marker, p.end) for p in packets] == [
        (0, 400, True, False), (50_000, 800, False, False), (100_000, 1200, False, False),
        (150_000, 1440, False, False),
        (180_000, 1440, False, True), (213_333, 1440, False, True), (246_666, 1440, False, True)]
    assert {p.ts for p in packets} == {1000}
    assert {p.event for p in packets} == {5}
    assert lib.arc_dtmftx_free_us(t) == 7_280_000
    assert lib.arc_dtmftx_is_on(t, 7_179_999)
    assert not lib.arc_dtmftx_is_on(t, 7_180_000)
    assert start(t, 6, 100, now_us=7_279_999) == lib.ARC_AGAIN
    assert start(t, 6, 100, now_us=7_280_000) == lib.ARC_OK


@pytest.mark.parametrize("clock", [8000, 16_000, 48_000])
@pytest.mark.parametrize("ms", [40, 8191, 8192, 20_000, 60_000])
@pytest.mark.parametrize("late_us", [0, 3000])
def test_sender_cuts_long_events_into_segments(clock: int, ms: int, late_us: int) -> None:
    t = sender(clock)
    ts = 2**32 - 100
    start(t, 11, ms, ts=ts)
    packets = packets_of(t, late_us)
    total = ms * clock // 1000
    segments = list(dict.fromkeys(p.ts for p in packets))
    assert segments == [(ts + i * 65_535) % 2**32 for i in range(len(segments))]
    assert 0 <= total - (len(segments) - 1) * 65_535 <= 65_535
    assert [p.marker for p in packets] == [True] + [False] * (len(packets) - 1)
    ends = [p for p in packets if p.end]
    assert len(ends) == 3
    assert {(p.ts, p.duration) for p in ends} == {(segments[-1], total - (len(segments) - 1) * 65_535)}
    for segment in segments:
        durations = [p.duration for p in packets if p.ts == segment]
        assert durations == sorted(durations)
        if segment != segments[-1]:
            assert durations.count(65_535) == 3
    assert all(b.at_us - a.at_us <= 50_000 + late_us for a, b in itertools.pairwise(packets))


def test_sender_that_was_held_up_does_not_send_what_it_missed() -> None:
    t, out = sender(), ffi.new("struct arc_dtmf_packet *")
    start(t, 1, 1000)
    assert lib.arc_dtmftx_poll(t, 620_000, out) == lib.ARC_OK
    assert (out.marker, out.report.duration_ticks) == (True, 5360)
    assert lib.arc_dtmftx_poll(t, 620_000, out) == lib.ARC_AGAIN
    assert lib.arc_dtmftx_poll(t, 5_000_000, out) == lib.ARC_OK
    assert out.report.end
    assert lib.arc_dtmftx_poll(t, 5_000_000, out) == lib.ARC_AGAIN
    assert len(packets_of(t)) == 2


@pytest.mark.parametrize(("ms", "gap_ms", "event"), [(39, 100, 1), (60_001, 100, 1), (100, 39, 1), (100, 10_001, 1),
                                                     (100, 100, 256), (100, 100, -1)])
def test_sender_refuses_what_nobody_would_recognize(ms: int, gap_ms: int, event: int) -> None:
    assert start(sender(), event, ms, gap_ms) == lib.ARC_ERR_ARG


# --- receiving ---

class Receiver:
    """An arc_dtmfrx and what it told."""

    def __init__(self, clock: int = 8000) -> None:
        self.rx = ffi.new("struct arc_dtmfrx *")
        lib.arc_dtmfrx_init(self.rx, clock)
        self.told: list[tuple[int, int, int, bool, bool]] = []

    def take(self, reports: list[tuple[int, int, bool]], ts: int, now_us: int) -> None:
        out = ffi.new("struct arc_pl_dtmf[16]")
        for o, (event, duration, end) in zip(out, reports, strict=False):
            o.event, o.duration_ticks, o.end = event, duration, end
        lib.arc_dtmfrx_on_packet(self.rx, out, len(reports), ts, now_us)
        self.poll(now_us)

    def poll(self, now_us: int) -> None:
        out = ffi.new("struct arc_dtmf_event *")
        while lib.arc_dtmfrx_poll(self.rx, now_us, out) == lib.ARC_OK:
            self.told.append((out.event, out.ts, out.duration_ticks, out.over, out.lapsed))


def test_receiver_tells_an_event_once() -> None:
    r, t = Receiver(), sender()
    start(t, 5, 180, ts=1000)
    packets = packets_of(t)
    for p in packets + packets[::-1]:
        r.take([(p.event, p.duration, p.end)], p.ts, p.at_us)
    assert r.told == [(5, 1000, 400, False, False), (5, 1000, 1440, True, False)] or r.told == [
        (5, 1000, 0, False, False), (5, 1000, 1440, True, False)]
    assert lib.arc_dtmfrx_next_us(r.rx) == NEVER_US
    assert r.rx.repeats == len(packets) + 2


def test_receiver_gives_up_an_event_whose_end_got_lost() -> None:
    r = Receiver()
    r.take([(5, 400, False)], 1000, 0)
    assert lib.arc_dtmfrx_next_us(r.rx) == 200_000
    r.poll(199_999)
    assert len(r.told) == 1
    r.poll(200_000)
    assert r.told[1:] == [(5, 1000, 400, True, True)]
    r.take([(5, 2400, False)], 1000, 300_000)  # it was given up: "SHOULD NOT restart"
    r.take([(5, 400, False)], 1000 + 65_535, 8_500_000)
    r.take([(5, 800, True)], 1000 + 65_535, 8_600_000)
    assert len(r.told) == 2
    r.take([(5, 800, True)], 90_000, 12_000_000)
    assert [over for *_, over, _ in r.told] == [False, True, False, True]


def test_receiver_next_event_ends_the_one_before() -> None:
    r = Receiver()
    r.take([(1, 400, False)], 1000, 0)
    r.take([(2, 400, False)], 3000, 100_000)
    r.take([(1, 800, True)], 1000, 110_000)
    assert [(e, over) for e, _, _, over, _ in r.told] == [(1, False), (1, True), (2, False)]


def test_receiver_events_packed_into_one_packet_follow_one_another() -> None:
    r = Receiver()
    r.take([(1, 400, True), (2, 800, True), (3, 160, False)], 1000, 0)
    assert [(e, ts, d, over) for e, ts, d, over, _ in r.told if over] == [(1, 1000, 400, True), (2, 1400, 800, True)]
    assert r.told[-1][:2] == (3, 2200)


def test_receiver_ignores_states_and_other_events_of_the_same_time() -> None:
    r = Receiver()
    r.take([(5, 0, True)], 1000, 0)
    r.take([(5, 100, False)], 2000, 0)
    r.take([(6, 100, False)], 2000, 0)
    assert [(e, over) for e, *_, over, _ in r.told] == [(5, False)]
    assert r.rx.states == 1


def test_receiver_a_sender_whose_time_jumps_back_is_heard() -> None:
    r = Receiver()
    r.take([(5, 400, True)], 10_000_000, 0)
    r.take([(6, 400, True)], 1000, 500_000)
    assert [e for e, *_, over, _ in r.told if over] == [5, 6]


@settings(max_examples=60)
@given(keys=st.lists(st.tuples(st.integers(0, 15), st.integers(40, 400)), min_size=1, max_size=12),
       clock=st.sampled_from([8000, 48_000]), seed=st.integers(0, 2**32 - 1))
def test_keys_arrive_once_and_in_order_over_a_bad_network(keys: list[tuple[int, int]], clock: int, seed: int) -> None:
    """Loss, duplicates and jitter of 30 ms; every key of which at least one packet comes in its order is told once."""
    rng = np.random.default_rng(seed)
    t, r = sender(clock), Receiver(clock)
    now_us, sent, arrivals = 0, [], []
    for event, ms in keys:
        now_us = max(now_us, int(lib.arc_dtmftx_free_us(t)), 0)
        assert start(t, event, ms, ts=now_us * clock // 10**6, now_us=now_us) == lib.ARC_OK
        packets = packets_of(t)
        kept = [p for p in packets if rng.random() > 0.3] or packets[:1]
        sent.append((event, ms * clock // 1000, any(p.end for p in kept)))
        for p in kept:
            for _ in range(1 + (rng.random() < 0.2)):
                arrivals.append((p.at_us + int(rng.uniform(0, 30_000)), p))
    for at_us, p in sorted(arrivals, key=lambda a: a[0]):
        r.take([(p.event, p.duration, p.end)], p.ts, at_us)
    r.poll(10**12)
    told = [(event, duration, not lapsed) for event, _, duration, over, lapsed in r.told if over]
    assert [event for event, *_ in told] == [event for event, *_ in sent]
    for (_, got, ended), (_, wanted, end_came) in zip(told, sent, strict=True):
        assert got == wanted if end_came and ended else got <= wanted
    assert sum(1 for *_, over, _ in r.told if not over) == len(keys)
