"""audio/mixer, audio/limiter and AudioMixer: many talkers, no clipping, nobody hears himself."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrtc._native import ffi, lib
from arcrtc.audio import AudioMixer
from arcrtc.audio.mixer import ALL
from arcrtc.errors import ArgumentError
from tests.model.speech import blocks, sine, speech

AHEAD = 80  # samples of 5 ms at 16 kHz
CEILING = 0.98


def mix_all(mixer: AudioMixer, talkers: dict[int, Any], gains: dict[int, float] | None = None,
            listener: int = ALL) -> Any:
    """What one listener hears of whole recordings, float32."""
    n, parts = mixer.block_samples, []
    for i in range(0, min(map(len, talkers.values())) - n + 1, n):
        for talker, samples in talkers.items():
            mixer.add(talker, np.ascontiguousarray(samples[i:i + n]), (gains or {}).get(talker, 1.0))
        out = np.zeros((n, mixer.channels) if mixer.channels > 1 else n, dtype=np.float32)
        parts.append(mixer.read(listener, out=out).copy())
        mixer.advance()
    return np.concatenate(parts)


def test_mixer_passes_one_talker_unchanged_5_ms_later() -> None:
    source = speech()[:16000]
    mixer = AudioMixer(16000)
    out = np.concatenate([mixer.mix({3: block})[ALL] for block in blocks(source, 160)])
    assert out.dtype == np.int16
    assert np.array_equal(out[AHEAD:], source[:-AHEAD])
    assert np.all(out[:AHEAD] == 0)
    assert mixer.limit() == 1.0


def test_mixer_lets_nobody_hear_himself() -> None:
    tones = {i: sine(16000, 200 + 150 * i, 1.0, 0.1) for i in range(4)}
    everybody = sum(tones.values())
    for listener in range(4):
        heard = mix_all(AudioMixer(16000), tones, listener=listener)
        np.testing.assert_allclose(heard[AHEAD:], (everybody - tones[listener])[:-AHEAD], atol=1e-5)
    heard = mix_all(AudioMixer(16000), tones, listener=9)  # who does not talk hears all
    np.testing.assert_allclose(heard[AHEAD:], everybody[:-AHEAD], atol=1e-5)


def test_mixer_alone_in_a_room_hears_silence() -> None:
    assert np.all(mix_all(AudioMixer(16000), {0: sine(16000, 300, 0.5)}, listener=0) == 0)


def test_mixer_of_many_loud_talkers_stays_below_the_ceiling() -> None:
    talkers = {i: np.roll(speech(), 4000 * i) for i in range(8)}
    out = mix_all(AudioMixer(16000), talkers, dict.fromkeys(range(8), 4.0))
    assert np.max(np.abs(out)) <= CEILING + 1e-6
    assert np.max(np.abs(out)) > 0.9 * CEILING


def test_mixer_limits_without_steps_and_does_not_pump() -> None:
    loud = sine(16000, 220, 2.0, 0.4)
    loud[16000:16040] *= 3.0  # one loud moment
    out = mix_all(AudioMixer(16000), {0: loud})
    envelope = np.array([np.max(np.abs(out[i:i + 73])) for i in range(0, len(out) - 160, 40)])
    steady = envelope[100:380]  # before the moment: nothing happens
    assert np.ptp(steady) < 0.01
    after = np.array([np.std(out[i:i + 1600]) for i in range(16000 + 4800, 30000, 1600)])
    assert np.min(after) > 0.95 * np.std(loud[:8000])  # back within 0.3 s
    heavy = mix_all(AudioMixer(16000), {0: sine(16000, 100, 2.0, 1.0)}, {0: 4.0})
    level = np.array([np.std(heavy[i:i + 1600]) for i in range(4800, 30000, 1600)])
    assert np.ptp(level) / np.mean(level) < 0.03  # steady under steady limiting
    spectrum = np.abs(np.fft.rfft(heavy[8000:24000] * np.hanning(16000)))
    assert 20 * np.log10(np.max(np.delete(spectrum, range(95, 106))) / np.max(spectrum)) < -30


def test_mixer_changes_gain_without_a_click() -> None:
    tone, mixer, out = sine(16000, 100, 0.5, 0.5), AudioMixer(16000), []
    for i, block in enumerate(blocks(tone, 160)):
        mixer.add(0, block, 1.0 if i < 25 else 0.0)
        out.append(mixer.read())
        mixer.advance()
    heard = np.concatenate(out) / 32768.0
    assert np.max(np.abs(np.diff(heard))) < 0.03
    assert np.all(heard[26 * 160 + AHEAD:] == 0)


def test_mixer_takes_stereo_int16_and_float_together() -> None:
    mixer = AudioMixer(48000, 2, 2)
    pcm = np.full((480, 2), 8192, dtype=np.int16)
    pcm[:, 1] = 0
    for _ in range(2):
        mixer.add(0, pcm)
        mixer.add(1, np.full((480, 2), 0.25, dtype=np.float32))
        out = mixer.read()
        mixer.advance()
    assert out.shape == (480, 2)
    assert np.all(out[:, 0] == 16384) and np.all(out[:, 1] == 8192)


def test_mixer_refuses_what_does_not_fit() -> None:
    for rate, channels, talkers in ((11025, 1, 1), (16000, 3, 1), (16000, 1, 0), (16000, 1, 257)):
        with pytest.raises(ArgumentError):
            AudioMixer(rate, channels, talkers)
    mixer, block = AudioMixer(16000, max_talkers=2), np.zeros(160, dtype=np.int16)
    for talker, gain in ((2, 1.0), (-1, 1.0), (0, -0.1), (0, 16.1), (0, float("nan"))):
        with pytest.raises(ArgumentError, match="talker"):
            mixer.add(talker, block, gain)
    with pytest.raises(ArgumentError, match="block has 160"):
        mixer.add(0, block[:159])
    mixer.add(0, block)
    with pytest.raises(ArgumentError, match="has been added"):
        mixer.add(0, block)
    mixer.read(1)
    with pytest.raises(ArgumentError, match="has read"):
        mixer.read(1)
    with pytest.raises(ArgumentError, match="listener=2"):
        mixer.read(2)
    with pytest.raises(ArgumentError):
        mixer.limit(2)
    mixer.advance()
    mixer.add(0, block)
    assert "2 talkers" in repr(mixer)


def test_mixer_new_survives_each_failed_allocation() -> None:
    config = ffi.new("struct arc_mixer_config *", {"sample_rate_hz": 16000, "channels": 1, "max_talkers": 1})
    out, live = ffi.new("struct arc_mixer **"), lib.arc_mem_live_blocks()
    for allowed in range(15):
        lib.arc_mem_fail_after(allowed)
        status = lib.arc_mixer_new(config, out)
        lib.arc_mem_fail_after(-1)
        assert status == lib.ARC_ERR_NOMEM
        assert lib.arc_mem_live_blocks() == live
    assert lib.arc_mixer_new(config, out) == lib.ARC_OK  # 15 is all it takes
    lib.arc_mixer_free(out[0])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.floats(0.0, 16.0))
def test_mixer_never_clips_whatever_comes_in(seed: int, talkers: int, gain: float) -> None:
    rng = np.random.default_rng(seed)
    sounds = {}
    for i in range(talkers):
        x = rng.normal(0, 1, 1600).astype(np.float32) * np.repeat(10 ** rng.uniform(-3, 2, 16), 100).astype(np.float32)
        x[rng.integers(0, 1600, 5)] = [np.nan, np.inf, -np.inf, 1e30, -1.0]
        sounds[i] = x
    out = mix_all(AudioMixer(16000, max_talkers=talkers), sounds, dict.fromkeys(range(talkers), gain))
    assert np.all(np.isfinite(out))
    assert np.max(np.abs(out)) <= CEILING + 1e-5
