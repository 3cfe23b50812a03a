"""arcrtc.audio.align: the measures that a call's report rests on."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from arcrtc.audio import AudioConfig, AudioFrame, AudioPipeline, align, overlap, rms_dbfs, segmental_snr
from arcrtc.audio.align import SILENCE_DBFS
from arcrtc.errors import ArgumentError
from tests.model.speech import SPEECH_RATE, blocks, noise, sine, speech


def shifted(x: NDArray[Any], by: int) -> NDArray[np.float64]:
    """x later by `by` samples (earlier: cut at the front)."""
    x = x.astype(np.float64) / 32768
    return np.concatenate([np.zeros(by), x]) if by >= 0 else x[-by:]


@settings(max_examples=25, deadline=None)
@given(st.integers(-40_000, 60_000), st.floats(-30, 6), st.integers(0, 2**32 - 1))
def test_align_finds_offset_and_gain_under_noise(by: int, gain_db: float, seed: int) -> None:
    received = shifted(speech(), by) * 10 ** (gain_db / 20)
    received += noise(len(received), -46 + gain_db, seed)
    found = align(speech(), received, SPEECH_RATE)
    assert found.offset_ms == pytest.approx(by / 16, abs=0.05)
    assert found.gain_db == pytest.approx(gain_db, abs=0.2)
    assert found.correlation > 0.9


def test_align_of_the_same_is_exact() -> None:
    found = align(speech(), speech(), SPEECH_RATE)
    assert found.offset_ms == pytest.approx(0, abs=1e-4)
    assert found.correlation == pytest.approx(1)
    assert found.gain_db == pytest.approx(0, abs=1e-9)


def test_align_sees_fractions_of_a_sample() -> None:
    spectrum, n = np.fft.rfft(speech() / 32768.0), len(speech())
    late = np.fft.irfft(spectrum * np.exp(-2j * np.pi * np.arange(len(spectrum)) / n * 100.4), n)
    assert align(speech(), late, SPEECH_RATE).offset_ms * 16 == pytest.approx(100.4, abs=0.1)


def test_align_tells_inverted_speech_by_its_sign() -> None:
    found = align(speech(), -0.5 * speech().astype(np.float32) / 32768, SPEECH_RATE)
    assert found.correlation == pytest.approx(-1)
    assert found.gain_db == pytest.approx(-6.02, abs=0.01)


def test_align_of_unrelated_sound_says_so() -> None:
    assert abs(align(speech(), noise(len(speech()), -20), SPEECH_RATE).correlation) < 0.1
    other = speech()[::-1]
    assert abs(align(speech(), other, SPEECH_RATE).correlation) < 0.3


def test_align_of_silence_or_almost_nothing() -> None:
    for source, received in ((speech(), np.zeros(96000, np.int16)), (np.zeros(96000, np.int16), speech()),
                             (speech(), speech()[:100]), (np.zeros(0, np.int16), speech())):
        found = align(source, received, SPEECH_RATE)
        assert (found.offset_ms, found.correlation, found.gain_db) == (0.0, 0.0, SILENCE_DBFS)


def test_align_through_a_narrow_codec_with_losses() -> None:
    pipeline = AudioPipeline(AudioConfig(bitrate=12000, dtx=False))
    out = [np.zeros(4000, np.float32)]
    for i, block in enumerate(blocks(speech(), 320)):
        packet = pipeline.encode(AudioFrame(samples=block, sample_rate=16000))
        out.append((pipeline.decode(packet) if i % 10 else pipeline.conceal()).samples)
    found = align(speech(), np.concatenate(out), SPEECH_RATE)
    assert found.offset_ms == pytest.approx(250 + pipeline.lookahead_samples / 16, abs=0.5)
    assert found.correlation > 0.6


def test_align_takes_channels_and_integer_kinds() -> None:
    stereo = np.stack([speech(), speech()], axis=1)
    assert align(stereo, speech().astype(np.int32) * 65536, SPEECH_RATE).gain_db == pytest.approx(0, abs=1e-6)
    dirty = speech() / 32768.0
    dirty[[5, 500, 5000]] = [np.nan, np.inf, -np.inf]
    assert align(dirty, speech(), SPEECH_RATE).correlation > 0.99


def test_align_of_a_piece_out_of_minutes() -> None:
    rng = np.random.default_rng(5)
    pieces = [np.roll(speech(), int(rng.integers(96000)))[::int(rng.choice([1, -1]))] for _ in range(20)]
    long = np.concatenate([*pieces[:12], speech(), *pieces[12:]])
    found = align(speech(), long, SPEECH_RATE)
    assert found.correlation > 0.99
    assert found.offset_ms == pytest.approx(12 * 6000, abs=0.01)


def test_align_near_finds_a_source_that_repeats_itself_in_its_place() -> None:
    looped = np.concatenate([speech()] * 3)
    for late in (0, 500, 15_000):
        received = np.concatenate([np.zeros(late, np.int16), looped[:200_000]])
        for guess_ms in (late / 16 - 900, late / 16 + 900):
            assert align(looped, received, SPEECH_RATE, near_ms=guess_ms).offset_ms == pytest.approx(late / 16, abs=0.01)


def test_overlap_cuts_both_to_equal_length() -> None:
    for by in (0, 1000, -1000, 95_999, -95_999):
        received = shifted(speech(), by)
        a, b = overlap(speech(), received, SPEECH_RATE, by / 16)
        assert len(a) == len(b) == 96000 - max(0, -by)
        assert np.allclose(a, b)
    assert all(len(x) == 0 for x in overlap(speech(), speech(), SPEECH_RATE, 7000.0))


def test_rms_dbfs_of_known_signals() -> None:
    assert rms_dbfs(sine(16000, 1000, 1, 1.0)) == pytest.approx(-3.01, abs=0.01)
    assert rms_dbfs(np.full((100, 2), -32768, np.int16)) == 0
    assert rms_dbfs(np.full(100, 16384, np.int16)) == pytest.approx(-6.02, abs=0.01)
    assert rms_dbfs(np.zeros(100, np.int16)) == SILENCE_DBFS
    assert rms_dbfs(np.zeros(0, np.float32)) == SILENCE_DBFS
    assert rms_dbfs(np.full(4, 1e-9)) == SILENCE_DBFS
    assert rms_dbfs(np.array([np.nan, 1.0])) == pytest.approx(-3.01, abs=0.01)


def test_segmental_snr_of_known_noise() -> None:
    tone = sine(16000, 500, 2, 0.5).astype(np.float64)
    for snr in (0.0, 10.0, 20.0):
        dirty = tone + noise(len(tone), rms_dbfs(tone) - snr)
        assert segmental_snr(tone, dirty, 16000) == pytest.approx(snr, abs=0.6 + 3 * (snr == 0))
    assert segmental_snr(tone, tone, 16000) == 35
    assert segmental_snr(tone, 0.1 * tone, 16000) == 35  # level is no error
    assert segmental_snr(tone, np.zeros_like(tone), 16000) == -10
    assert segmental_snr(np.zeros(0), np.zeros(0), 16000) == -10


def test_measures_refuse_what_they_cannot_read() -> None:
    with pytest.raises(ArgumentError, match="95999"):
        segmental_snr(speech(), speech()[1:], SPEECH_RATE)
    with pytest.raises(ArgumentError, match="segment_ms"):
        segmental_snr(speech(), speech(), SPEECH_RATE, segment_ms=0)
    for bad in (np.zeros((1, 2, 3)), np.zeros(5, complex), np.zeros(5, np.uint8)):
        with pytest.raises(ArgumentError, match="shape"):
            align(bad, speech(), SPEECH_RATE)
    with pytest.raises(ArgumentError, match="uint8"):
        rms_dbfs(np.zeros(5, np.uint8))
    for rate in (0, -1, 500_000):
        with pytest.raises(ArgumentError, match="sample_rate"):
            align(speech(), speech(), rate)
