"""audio/level: the level of RFC 6464."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib
from arcrtc.audio import audio_level
from arcrtc.errors import ArgumentError
from tests.model.audiolevel import level
from tests.model.speech import sine


def test_level_of_known_signals() -> None:
    square = np.tile(np.array([32767, -32767], dtype=np.int16), 160)
    assert audio_level(square) == 0
    assert audio_level(np.full(320, -32768, dtype=np.int16)) == 0
    assert audio_level(sine(16000, 1000, 0.02, 1.0)) == 3
    assert audio_level(sine(16000, 1000, 0.02, 0.1)) == 23
    assert audio_level(np.array([1, -1] * 160, dtype=np.int16)) == 90


def test_level_of_digital_silence_is_127() -> None:
    assert audio_level(np.zeros(320, dtype=np.int16)) == 127
    assert audio_level(np.zeros((320, 2), dtype=np.float32)) == 127
    assert audio_level(np.zeros(0, dtype=np.float32)) == 127
    assert lib.arc_level_i16(ffi.NULL, 5) == 127
    assert lib.arc_level_f32(ffi.NULL, 5) == 127


def test_level_of_quietest_float_is_not_below_127() -> None:
    assert audio_level(np.full(4, 1e-20, dtype=np.float32)) == 127


def test_level_of_floats_clips_and_takes_nan_as_zero() -> None:
    assert audio_level(np.array([np.inf, -np.inf, 5, -5], dtype=np.float32)) == 0
    assert audio_level(np.full(8, np.nan, dtype=np.float32)) == 127
    assert audio_level(np.array([np.nan, 1.0], dtype=np.float32)) == 3


def test_level_takes_strided_arrays() -> None:
    stereo = np.zeros((320, 2), dtype=np.int16)
    stereo[:, 1] = 32767
    assert audio_level(stereo[:, 1]) == 0
    assert audio_level(stereo[:, 0]) == 127


def test_level_refuses_other_types() -> None:
    with pytest.raises(ArgumentError, match="float64"):
        audio_level(np.zeros(4))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="list"):
        audio_level([0, 1])  # type: ignore[arg-type]


@given(st.lists(st.integers(-32768, 32767), max_size=64))
def test_level_matches_model_for_int16(values: list[int]) -> None:
    assert audio_level(np.array(values, dtype=np.int16)) == level(values, 32767)


@given(st.lists(st.floats(-2, 2, width=32), max_size=64))
def test_level_matches_model_for_float32(values: list[float]) -> None:
    assert abs(audio_level(np.array(values, dtype=np.float32)) - level(values, 1.0)) <= 1
