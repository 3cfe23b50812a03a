"""base/: what the binding exposes of it. The rest is tested in tests/c/test_base.c."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import check, error_for, ffi, lib
from arcrtc.nack import NackGenerator
from tests.model.allocation import survives_every_failure


@given(st.integers(0, 0xFFFF), st.integers(-0x8000, 0x7FFF))
def test_seq16_diff_matches_model(a: int, d: int) -> None:
    assert lib.arc_seq16_diff((a + d) & 0xFFFF, a) == d


@given(st.integers(0, 0xFFFFFFFF), st.integers(-(2**31), 2**31 - 1))
def test_ts32_diff_matches_model(a: int, d: int) -> None:
    assert lib.arc_ts32_diff((a + d) & 0xFFFFFFFF, a) == d


@given(st.integers(0, 0xFFFF), st.lists(st.integers(-200, 1000), max_size=500))
def test_unwrap_seq16_follows_steps_across_wrap(first: int, steps: list[int]) -> None:
    u = ffi.new("struct arc_unwrap *")
    lib.arc_unwrap_init(u)
    seq = lib.arc_unwrap_seq16(u, first)
    assert seq == 0x10000 + first
    for step in steps:
        seq += step
        assert lib.arc_unwrap_peek_seq16(u, seq & 0xFFFF) == seq
        assert lib.arc_unwrap_seq16(u, seq & 0xFFFF) == seq


def test_unwrap_ts32_across_wrap() -> None:
    u = ffi.new("struct arc_unwrap *")
    lib.arc_unwrap_init(u)
    start = lib.arc_unwrap_ts32(u, 2**32 - 100)
    assert lib.arc_unwrap_ts32(u, 860) == start + 960
    assert lib.arc_unwrap_ts32(u, 2**32 - 100) == start


def test_rng_is_xoshiro256starstar_and_repeats() -> None:
    """Against a plain model of the published algorithm."""
    mask = 2**64 - 1

    def rotl(x: int, k: int) -> int:
        return (x << k | x >> (64 - k)) & mask

    state, seed = [], 42
    for _ in range(4):
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        z = seed
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
        state.append(z ^ z >> 31)
    r = ffi.new("struct arc_rng *")
    lib.arc_rng_init(r, 42)
    for _ in range(100):
        expected = rotl(state[1] * 5 & mask, 7) * 9 & mask
        t = state[1] << 17 & mask
        state[2] ^= state[0]
        state[3] ^= state[1]
        state[1] ^= state[2]
        state[0] ^= state[3]
        state[2] ^= t
        state[3] = rotl(state[3], 45)
        assert lib.arc_rng_u64(r) == expected


def test_rng_below_is_uniform_and_unit_in_range() -> None:
    r = ffi.new("struct arc_rng *")
    lib.arc_rng_init(r, 7)
    counts = [0] * 6
    for _ in range(60000):
        counts[lib.arc_rng_below(r, 6)] += 1
    assert all(9500 < n < 10500 for n in counts)
    assert lib.arc_rng_below(r, 0) == 0
    assert all(0 <= lib.arc_rng_unit(r) < 1 for _ in range(1000))


def test_every_status_has_a_name_and_a_class() -> None:
    codes = {name: getattr(lib, name) for name in dir(lib) if name.startswith("ARC_ERR_")}
    assert len(codes) == 14
    for name, code in codes.items():
        assert ffi.string(lib.arc_status_name(code)).decode() == name.removeprefix("ARC_")
        error = error_for(code, "call")
        assert isinstance(error, errors.ArcError)
        assert type(error) is not errors.ArcError
        assert isinstance(error, (ValueError, OSError, MemoryError, BufferError, RuntimeError))
    assert check(lib.ARC_OK, "call") is True
    assert check(lib.ARC_AGAIN, "call") is False
    with pytest.raises(errors.LibraryError, match="unknown status -99"):
        check(-99, "call")


def test_allocation_check_finds_what_is_left_behind() -> None:
    """The check of all constructors must be able to fail."""
    kept = []

    def leaky() -> None:
        kept.append(NackGenerator())
        NackGenerator()

    with pytest.raises(AssertionError, match="left after failure 2"):
        survives_every_failure(leaky)
