"""tx/txstats: counts of a sender report, and the bit rate of the last second."""
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib

MS = 1000
CELL = 50 * MS


def make() -> Any:
    s = ffi.new("struct arc_txstats *")
    lib.arc_txstats_init(s)
    return s


@given(st.lists(st.tuples(st.integers(0, 300 * MS), st.integers(0, 1500), st.booleans()),
                min_size=20, max_size=120),
       st.integers(0, 10**12), st.integers(0, 3000 * MS))
def test_txstats_matches_model_for_any_gaps(sent: list[tuple[int, int, bool]], start: int, rest: int) -> None:
    s, now, log = make(), start, []
    for gap, size, resent in sent:
        now += gap
        lib.arc_txstats_on_packet(s, size, size + 40, resent, now)
        log.append((now, size, resent))
    now += rest
    recent = sum(size + 40 for t, size, _ in log if t // CELL > now // CELL - 20)
    since = now - max((now // CELL - 19) * CELL, log[0][0] if log else now)
    want = recent * 8 * 1_000_000 // min(max(since, CELL), 1_000_000) if log else 0
    assert lib.arc_txstats_bitrate_bps(s, now) == want
    assert s.packets == sum(not resent for _, _, resent in log)
    assert s.payload_bytes == sum(size for _, size, resent in log if not resent)
    assert s.resent_packets == sum(resent for _, _, resent in log)
    assert s.wire_bytes == sum(size + 40 for _, size, _ in log)


def test_txstats_bitrate_of_a_steady_stream() -> None:
    s = make()
    for i in range(300):
        lib.arc_txstats_on_packet(s, 85, 125, False, i * 10 * MS)
    assert lib.arc_txstats_bitrate_bps(s, 3000 * MS) == pytest.approx(100_000, rel=0.06)
    assert lib.arc_txstats_bitrate_bps(s, 4100 * MS) == 0


def test_txstats_report_counts_modulo_2_32() -> None:
    s, sr = make(), ffi.new("struct arc_txstats_sr *")
    s.packets, s.payload_bytes = 2**32 - 1, 2**32 - 100
    lib.arc_txstats_on_packet(s, 160, 200, False, 0)
    lib.arc_txstats_on_packet(s, 160, 200, True, 0)
    lib.arc_txstats_sr(s, sr)
    assert (sr.packet_count, sr.octet_count) == (0, 60)
