"""audio/vad and VoiceActivityDetector: whether somebody speaks."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arcrtc._native import ffi, lib
from arcrtc.audio import VoiceActivityDetector
from arcrtc.errors import ArgumentError
from tests.model.speech import blocks, noise, speech


def decisions(samples: Any, rate: int = 16000, channels: int = 1) -> Any:
    """One bool for each 10 ms."""
    vad = VoiceActivityDetector(rate, channels)
    return np.array([vad.process(np.ascontiguousarray(block)) for block in blocks(samples, rate // 100)])


def spoken(samples: Any) -> Any:
    """Which 10 ms are surely speech: not 20 dB below the loudest."""
    power = np.array([np.mean((b / 32768.0)**2) for b in blocks(samples, 160)])
    db = 10 * np.log10(power / power.max() + 1e-12)
    return db > -20


@pytest.mark.parametrize("snr_db", [None, 20, 10])
def test_vad_finds_speech_in_noise(snr_db: int | None) -> None:
    clean = np.concatenate([np.zeros(16000, dtype=np.int16), speech(), np.zeros(16000, dtype=np.int16)])
    level = 10 * np.log10(np.mean((speech() / 32768.0)**2))
    hiss = noise(len(clean), -80 if snr_db is None else level - snr_db)
    mixed = np.clip(clean / 32768.0 + hiss, -1, 1).astype(np.float32)
    voice, surely = decisions(mixed), spoken(clean)
    assert np.mean(voice[surely]) > (0.85 if snr_db == 10 else 0.93)
    assert np.mean(voice[20:98]) < 0.05  # the second before
    assert np.mean(voice[-70:]) < 0.05  # after the hangover


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_vad_takes_steady_noise_for_silence(rate: int) -> None:
    assert np.mean(decisions(noise(rate * 6, -30), rate)[20:]) < 0.02


def test_vad_gets_used_to_noise_that_begins() -> None:
    sound = np.concatenate([noise(32000, -70), noise(64000, -30)])
    voice = decisions(sound)
    assert np.all(voice[205:340])
    assert np.mean(voice[400:]) < 0.02


def test_vad_of_digital_silence_is_silent() -> None:
    vad = VoiceActivityDetector(16000)
    assert not vad.process(np.zeros(32000, dtype=np.int16))
    assert (vad.voice, vad.snr_db) == (False, 0.0)


def test_vad_ignores_a_click_of_10_ms_and_holds_over_gaps() -> None:
    sound = noise(32000, -70)
    sound[16000:16100] += noise(100, -20)
    assert np.mean(decisions(sound)) < 0.01
    sound = noise(48000, -70)
    sound[16000:24000] += noise(8000, -30)
    sound[18400:19200] = noise(800, -70)  # 50 ms
    voice = decisions(sound)
    assert np.all(voice[103:165])
    assert not np.any(voice[175:])


def test_vad_judges_int16_float_and_stereo_alike() -> None:
    pcm = speech()[:48000]
    mono = decisions(pcm)
    assert 0.2 < np.mean(mono) < 1.0
    assert np.array_equal(mono, decisions((pcm / 32768.0).astype(np.float32)))
    assert np.array_equal(mono, decisions(np.stack([pcm, pcm], axis=1), channels=2))


def test_vad_does_not_care_how_its_sound_is_cut() -> None:
    pcm, vad, other = speech()[:32000], VoiceActivityDetector(16000), VoiceActivityDetector(16000)
    for block in blocks(pcm, 320):
        vad.process(block)
    for i in range(0, 32000, 77):
        other.process(pcm[i:i + 77])
    assert (vad.snr_db, vad.voice) == (other.snr_db, other.voice)


def test_vad_survives_nan_and_infinity() -> None:
    vad = VoiceActivityDetector(16000)
    vad.process(np.full(1600, np.nan, dtype=np.float32))
    vad.process(np.full(1600, np.inf, dtype=np.float32))
    vad.process(noise(48000, -50))
    assert np.isfinite(vad.snr_db)
    assert not vad.process(noise(16000, -50))
    vad.reset()
    assert not vad.voice


def test_vad_refuses_what_does_not_fit() -> None:
    for rate, channels in ((7999, 1), (48001, 1), (16000, 0), (16000, 3)):
        with pytest.raises(ArgumentError):
            VoiceActivityDetector(rate, channels)
    with pytest.raises(ArgumentError, match="contiguous"):
        VoiceActivityDetector(16000).process(np.zeros(320, dtype=np.int16)[::2])
    assert not VoiceActivityDetector(16000).process(np.zeros(0, dtype=np.int16))
    assert lib.arc_vad_init(ffi.NULL, 16000, 1) == lib.ARC_ERR_ARG
    assert "16000 Hz" in repr(VoiceActivityDetector(16000))
