"""audio/resample and Resampler: another rate, with exact counts."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arcrtc._native import ffi, lib
from arcrtc.audio import Resampler
from arcrtc.audio.resampler import SAMPLE_RATES
from arcrtc.errors import ArgumentError
from tests.model.speech import sine

PAIRS = [(a, b) for a in SAMPLE_RATES for b in SAMPLE_RATES]


def run(resampler: Resampler, samples: Any, ms: int = 10) -> Any:
    n = resampler.in_rate * ms // 1000
    return np.concatenate([resampler.process(np.ascontiguousarray(samples[i:i + n]))
                           for i in range(0, len(samples) - n + 1, n)])


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS)
def test_resample_gives_10_ms_for_10_ms_and_keeps_a_tone_in_place(in_rate: int, out_rate: int) -> None:
    resampler = Resampler(in_rate, out_rate, dtype=np.float32)
    out = run(resampler, sine(in_rate, 440, 1.0))
    assert len(out) == out_rate
    assert 0 <= resampler.latency_ms < 4.6 and (resampler.latency_ms > 0) == (in_rate != out_rate)
    t = np.arange(out_rate) / out_rate - resampler.latency_ms / 1000
    error = (out - 0.5 * np.sin(2 * np.pi * 440 * t))[out_rate // 10:]
    assert 10 * np.log10(np.mean(error**2) / 0.125) < -50  # the latency is told to the microsecond


@pytest.mark.parametrize(("in_rate", "out_rate"), [(16000, 8000), (48000, 16000), (44100, 32000)])
def test_resample_down_does_not_alias(in_rate: int, out_rate: int) -> None:
    tone = sine(in_rate, out_rate / 2 * 1.1, 0.5)
    out = run(Resampler(in_rate, out_rate, dtype=np.float32), tone)[out_rate // 10:]
    assert 20 * np.log10(np.std(out) / np.std(tone)) < -45


def test_resample_of_stereo_int16_keeps_channels_apart() -> None:
    pcm = np.zeros((16000, 2), dtype=np.int16)
    pcm[:, 0] = (sine(16000, 300, 1.0) * 32767).astype(np.int16)
    out = run(Resampler(16000, 48000, 2), pcm)
    assert out.shape == (48000, 2) and out.dtype == np.int16
    assert np.all(out[:, 1] == 0)
    assert np.std(out[4800:, 0].astype(float)) == pytest.approx(np.std(pcm[:, 0].astype(float)), rel=0.01)


def test_resample_takes_blocks_of_any_whole_count() -> None:
    tone = sine(48000, 1000, 0.5)
    even = run(Resampler(48000, 16000, dtype=np.float32), tone)
    resampler, parts, at, rng = Resampler(48000, 16000, dtype=np.float32), [], 0, np.random.default_rng(1)
    while at < len(tone):
        n = min(3 * int(rng.integers(1, 700)), len(tone) - at)
        parts.append(resampler.process(tone[at:at + n]))
        at += n
    np.testing.assert_allclose(np.concatenate(parts), even, atol=1e-6)


def test_resample_fills_the_array_given() -> None:
    resampler, out = Resampler(16000, 48000), np.zeros(480, dtype=np.int16)
    assert resampler.process(np.ones(160, dtype=np.int16), out=out) is out
    assert "16000 -> 48000" in repr(resampler)


def test_resample_refuses_what_does_not_fit() -> None:
    with pytest.raises(ArgumentError, match="11025"):
        Resampler(11025, 16000)
    with pytest.raises(ArgumentError, match="channels=3"):
        Resampler(16000, 8000, 3)
    with pytest.raises(ArgumentError, match="float64"):
        Resampler(16000, 8000, dtype=np.float64)
    resampler = Resampler(44100, 48000)
    with pytest.raises(ArgumentError, match="440 samples"):
        resampler.process(np.zeros(440, dtype=np.int16))
    with pytest.raises(ArgumentError, match="over a second"):
        resampler.process(np.zeros(44541, dtype=np.int16))
    with pytest.raises(ArgumentError, match="over a second"):
        resampler.process(np.zeros(0, dtype=np.int16))
    with pytest.raises(ArgumentError, match="must be int16"):
        resampler.process(np.zeros(441, dtype=np.float32))
    with pytest.raises(ArgumentError, match="contiguous"):
        resampler.process(np.zeros(882, dtype=np.int16)[::2])
    with pytest.raises(ArgumentError, match="shape"):
        resampler.process(np.zeros((441, 2), dtype=np.int16))
    for out in (np.zeros(479, dtype=np.int16), np.zeros(480, dtype=np.float32), np.frombuffer(bytes(960), np.int16)):
        with pytest.raises(ArgumentError, match="out"):
            resampler.process(np.zeros(441, dtype=np.int16), out=out)


def test_resample_new_survives_each_failed_allocation() -> None:
    config = ffi.new("struct arc_resampler_config *", {"in_rate_hz": 16000, "out_rate_hz": 48000, "channels": 1})
    out, live = ffi.new("struct arc_resampler **"), lib.arc_mem_live_blocks()
    for allowed in range(3):
        lib.arc_mem_fail_after(allowed)
        status = lib.arc_resampler_new(config, out)
        lib.arc_mem_fail_after(-1)
        assert status == lib.ARC_ERR_NOMEM
        assert lib.arc_mem_live_blocks() == live
