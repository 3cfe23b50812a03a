"""rx/heard: gaps and waits of what was played, against the plainest way to count them."""
from __future__ import annotations

import math
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib

LONGEST_MS = 400
BLOCKS = st.lists(st.tuples(st.booleans(), st.integers(0, 120_000), st.integers(-1, 500_000)), max_size=60)


def heard(blocks: list[tuple[bool, int, int]]) -> Any:
    h = ffi.new("struct arc_heard *")
    lib.arc_heard_init(h, LONGEST_MS)
    for made_up, len_us, wait_us in blocks:
        lib.arc_heard_on_block(h, made_up, len_us, wait_us)
    return h


@given(BLOCKS)
def test_heard_equals_the_plain_count(blocks: list[tuple[bool, int, int]]) -> None:
    runs = [(made_up, sum(len_us for _, len_us, _ in run)) for made_up, run in groupby(blocks, key=lambda b: b[0])]
    gaps = [total for made_up, total in runs[:-1] if made_up and total]  # the last one is not over
    waits = [wait for _, _, wait in blocks if wait >= 0]
    h = heard(blocks)
    assert h.gaps == len(gaps)
    assert h.gap_us == sum(gaps)
    assert h.longest_gap_us == max(gaps, default=0)
    assert h.waits == len(waits)
    for q in (0.0, 0.5, 0.95, 1.0) if waits else ():
        true_us = min(sorted(waits)[max(0, math.ceil(q * len(waits)) - 1)], 1000 * LONGEST_MS)
        assert lib.arc_heard_wait_us(h, q) == pytest.approx(true_us, abs=1000 * LONGEST_MS / 256)


def test_heard_a_gap_counts_when_it_is_over() -> None:
    blocks = [(False, 20_000, 3), (True, 20_000, -1), (True, 20_000, -1)]
    h = heard(blocks)
    assert (h.gaps, h.gap_us, h.open_gap_us) == (0, 0, 40_000)
    h = heard([*blocks, (False, 20_000, 3)])
    assert (h.gaps, h.gap_us, h.open_gap_us) == (1, 40_000, 0)


def test_heard_nothing() -> None:
    h = heard([])
    assert (h.gaps, h.longest_gap_us, lib.arc_heard_wait_us(h, 0.95)) == (0, 0, 0)


def test_heard_a_long_stream_keeps_its_quantiles() -> None:
    """A day of packets: cells are halved when one is full, their shares stay."""
    h = heard([])
    for _ in range(100_000):
        lib.arc_heard_on_block(h, False, 20_000, 30_000)
        lib.arc_heard_on_block(h, False, 20_000, 30_000)
        lib.arc_heard_on_block(h, False, 20_000, 90_000)
    assert lib.arc_heard_wait_us(h, 0.6) == pytest.approx(30_000, abs=2000)
    assert lib.arc_heard_wait_us(h, 0.7) == pytest.approx(90_000, abs=2000)
    assert h.waits == sum(h.cells) < 2 * 65_536
