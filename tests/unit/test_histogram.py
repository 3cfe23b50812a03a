"""base/histogram: quantiles against sorted values."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib

VALUES = st.one_of(st.integers(0, 100), st.integers(0, 2**40 - 1),
                   st.builds(lambda k, d: max(0, 2**k + d), st.integers(5, 39), st.integers(-2, 2)))


def histogram(values: Sequence[int]) -> Any:
    h = ffi.new("struct arc_histogram *")
    lib.arc_histogram_init(h)
    for value in values:
        lib.arc_histogram_add(h, value)
    return h


def model_quantile(values: Sequence[int], q: float) -> int:
    ordered = sorted(values)
    return ordered[min(int(q * len(ordered)), len(ordered) - 1)]


@given(values=st.lists(VALUES, min_size=1, max_size=60), q=st.floats(0, 1))
def test_histogram_quantile_is_at_most_a_32nd_too_low(values: list[int], q: float) -> None:
    true = model_quantile(values, q)
    found = lib.arc_histogram_quantile(histogram(values), q)
    assert found <= true
    assert true - found <= true / 32


@given(values=st.lists(VALUES, min_size=1, max_size=60))
def test_histogram_ends_are_exact_and_all_are_counted(values: list[int]) -> None:
    h = histogram(values)
    assert (h.n, h.min, h.max) == (len(values), min(values), max(values))
    assert lib.arc_histogram_quantile(h, 0.0) == min(values)
    assert lib.arc_histogram_quantile(h, 1.0) == max(values)
    assert sum(h.cells) == len(values)


@pytest.mark.parametrize(("value", "kept"), [(-5, 0), (2**40, 2**40 - 1), (2**62, 2**40 - 1)])
def test_histogram_values_out_of_range_are_counted_at_the_ends(value: int, kept: int) -> None:
    h = histogram([value])
    assert (h.n, h.min, h.max) == (1, kept, kept)


def test_histogram_small_values_are_exact() -> None:
    h = histogram(range(64))
    assert [lib.arc_histogram_quantile(h, i / 64) for i in range(64)] == list(range(64))


def test_histogram_without_values_says_zero() -> None:
    assert [lib.arc_histogram_quantile(histogram([]), q) for q in (0.0, 0.5, 1.0)] == [0, 0, 0]
