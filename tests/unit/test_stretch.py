"""audio/stretch: a little less or more of the same sound."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from arcrtc._native import ffi, lib, new_handle
from tests.model.allocation import survives_every_failure
from tests.model.speech import SPEECH_RATE, noise, sine, speech

Pcm = NDArray[np.int16]
RATES = (8000, 12000, 16000, 24000, 32000, 44100, 48000)


class Stretch:
    """The C object with NumPy around it."""

    def __init__(self, rate: int = SPEECH_RATE, channels: int = 1) -> None:
        config = ffi.new("struct arc_stretch_config *", {"sample_rate_hz": rate, "channels": channels})
        self.handle = new_handle(lib.arc_stretch_new, lib.arc_stretch_free, "struct arc_stretch", config, what="new")
        self.rate, self.channels = rate, channels

    def change(self, pcm: Pcm, sign: int, before: Pcm | None = None, most: int | None = None,
               urgency: float = 1.0, room: int | None = None) -> tuple[int, Pcm]:
        """Return (status, audio); sign 1: shorten, -1: lengthen."""
        most = self.rate * 15 // 1000 if most is None else most
        room = len(pcm) + (most if sign < 0 else 0) if room is None else room
        buffer = np.zeros((room + 8, self.channels), dtype=np.int16)
        buffer[:len(pcm)] = pcm.reshape(len(pcm), self.channels)
        buffer[room:] = 12345
        n = ffi.new("int32_t *", len(pcm))
        old = ffi.NULL if before is None else ffi.from_buffer("int16_t[]", before)
        args: list[Any] = [self.handle, old, 0 if before is None else len(before),
                           ffi.from_buffer("int16_t[]", buffer), n]
        if sign > 0:
            status = lib.arc_stretch_shorten(*args, most, urgency)
        else:
            status = lib.arc_stretch_lengthen(*args, room, most, urgency)
        assert np.all(buffer[room:] == 12345), "written behind the room"
        out = buffer[:n[0]]
        return int(status), (out[:, 0] if self.channels == 1 else out).copy()

    def stats(self) -> Any:
        out = ffi.new("struct arc_stretch_stats *")
        lib.arc_stretch_get_stats(self.handle, out)
        return out


def as_int16(x: NDArray[Any]) -> Pcm:
    return np.round(np.clip(x, -1, 1) * 32767).astype(np.int16)


def pitch_hz(x: Pcm, rate: int) -> float:
    """Frequency of the strongest line of a steady sound."""
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), 1 << 18))
    return float(np.argmax(spectrum) * rate / (1 << 18))


def run(source: Pcm, rate: int, per_second: float, sign: int, urgency: float = 1.0, block_ms: int = 30) -> Pcm:
    """Change the speed as a play-out buffer does: block after block, so much in each second."""
    stretch = Stretch(rate, 1 if source.ndim == 1 else source.shape[1])
    n, owed, out, heard = rate * block_ms // 1000, 0.0, [], source[:0]
    for i in range(0, len(source) - n + 1, n):
        block = source[i:i + n]
        owed += n * per_second
        if owed >= rate // 100:
            _, block = stretch.change(block, sign, heard, urgency=urgency)
            owed -= abs(len(block) - n)
        out.append(block)
        heard = np.concatenate([heard, block])[-rate * 30 // 1000:]
    return np.concatenate(out)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("sign", [1, -1])
def test_stretch_changes_a_tone_by_whole_periods(rate: int, sign: int) -> None:
    tone = as_int16(sine(rate, 200, 0.03))
    status, out = Stretch(rate).change(tone, sign, urgency=0.0)
    changed = (len(tone) - len(out)) * sign
    assert status == lib.ARC_OK
    assert rate // 400 <= changed <= rate * 15 // 1000
    assert abs(changed / (rate / 200) - round(changed / (rate / 200))) < 0.03
    expected = as_int16(sine(rate, 200, 0.05))[:len(out)]
    assert np.max(np.abs(out.astype(int) - expected)) < 32767 * 0.5 * 0.06  # half a sample out of step


@pytest.mark.parametrize("sign", [1, -1])
def test_stretch_keeps_pitch_level_and_waveform_over_seconds(sign: int) -> None:
    tone = as_int16(sine(16000, 137, 4.0))
    out = run(tone, 16000, 0.1, sign)
    assert 0.07 < (len(tone) - len(out)) * sign / len(tone) < 0.13
    assert pitch_hz(out, 16000) == pytest.approx(137, rel=0.01)
    assert np.std(out) == pytest.approx(np.std(tone), rel=0.02)
    assert np.max(np.abs(np.diff(out.astype(int)))) < 1.15 * np.max(np.abs(np.diff(tone.astype(int))))


@pytest.mark.parametrize("sign", [1, -1])
def test_stretch_of_noise_keeps_its_level(sign: int) -> None:
    source = as_int16(noise(64000, -20))
    out = run(source, 16000, 0.3, sign)
    assert abs(len(out) - len(source)) > 0.2 * len(source)
    power = np.mean((out[:len(out) // 160 * 160].reshape(-1, 160) / 32768.0)**2, axis=1)
    assert np.mean(power) == pytest.approx(0.01, rel=0.05)
    assert np.std(power) < 0.0018  # 0.0011 by chance


def test_stretch_takes_digital_silence_first_and_most_of_it() -> None:
    status, out = Stretch().change(np.zeros(480, dtype=np.int16), 1, urgency=0.0)
    assert status == lib.ARC_OK
    assert 240 <= len(out) < 260
    tail = np.concatenate([as_int16(sine(16000, 150, 0.02)) // 2, np.zeros(320, dtype=np.int16)])
    status, out = Stretch().change(tail, 1, urgency=0.0)
    assert status == lib.ARC_OK
    assert np.array_equal(out[:300], tail[:300])


def test_stretch_at_no_urgency_leaves_loud_unlike_sound_alone() -> None:
    loud = as_int16(noise(480, -10))
    for sign in (1, -1):
        stretch = Stretch()
        status, out = stretch.change(loud, sign, urgency=0.0)
        assert status == lib.ARC_AGAIN
        assert np.array_equal(out, loud)
        assert (stretch.stats().refused, stretch.stats().shortened, stretch.stats().lengthened) == (1, 0, 0)
        assert stretch.change(loud, sign, urgency=1.0)[0] == lib.ARC_OK


@pytest.mark.parametrize("sign", [1, -1])
def test_stretch_neither_doubles_nor_swallows_a_burst(sign: int) -> None:
    burst = as_int16(noise(960, -60))
    burst[500:580] = as_int16(noise(80, -12, seed=5))
    _, out = Stretch().change(burst, sign, urgency=1.0)
    assert len(out) != len(burst)
    loud = np.flatnonzero(np.abs(out.astype(int)) > 3000)
    assert loud[-1] - loud[0] < 80
    assert np.sum(out.astype(float)**2) == pytest.approx(np.sum(burst.astype(float)**2), rel=0.02)


def test_stretch_before_an_onset_waits_unless_urgent() -> None:
    onset = np.concatenate([as_int16(noise(160, -70)), as_int16(noise(320, -10))])
    assert Stretch().change(onset, -1, urgency=0.3, most=60)[0] == lib.ARC_OK  # in the quiet before it
    only = onset[140:380]
    assert Stretch().change(only, 1, urgency=0.5)[0] == lib.ARC_AGAIN


@pytest.mark.parametrize("sign", [1, -1])
def test_stretch_of_stereo_keeps_both_channels_in_step(sign: int) -> None:
    left = speech()[16000:48000]
    right = (np.roll(left, 11) // 2).astype(np.int16)
    out = run(np.stack([left, right], axis=1), 16000, 0.1, sign)
    assert abs(len(out) - len(left)) > 1500
    a, b = out[:, 0].astype(float), out[:, 1].astype(float)
    assert np.corrcoef(a[:-11], b[11:])[0, 1] > 0.98
    assert np.std(b) / np.std(a) == pytest.approx(0.5, rel=0.02)


def test_stretch_of_opposite_channels_is_not_blind() -> None:
    tone = as_int16(sine(16000, 200, 0.03))
    status, out = Stretch(16000, 2).change(np.stack([tone, -tone], axis=1), 1, urgency=0.0)
    assert status == lib.ARC_OK
    assert np.array_equal(out[:, 0], -out[:, 1])


def test_stretch_lengthens_a_short_block_by_what_was_before_it() -> None:
    tone = as_int16(sine(16000, 100, 0.06))
    status, out = Stretch().change(tone[800:], -1, before=tone[:800], urgency=0.0)
    assert (status, len(out)) == (lib.ARC_OK, 160 + 160)
    assert Stretch().change(tone[800:], -1, urgency=0.0)[0] == lib.ARC_AGAIN


def test_stretch_keeps_to_its_bounds() -> None:
    tone = as_int16(sine(16000, 200, 0.03))
    assert Stretch().change(tone, 1, most=39)[0] == lib.ARC_AGAIN  # less than the shortest period
    assert len(Stretch().change(tone, 1, most=100)[1]) >= 480 - 100
    assert Stretch().change(tone, -1, most=240, room=480)[0] == lib.ARC_AGAIN
    assert len(Stretch().change(tone, -1, most=240, room=570)[1]) <= 570
    assert Stretch().change(tone[:60], 1)[0] == lib.ARC_AGAIN
    assert Stretch().change(tone[:0], 1)[0] == lib.ARC_AGAIN
    assert Stretch().change(tone[:0], -1)[0] == lib.ARC_AGAIN


def test_stretch_refuses_arguments_that_do_not_fit() -> None:
    tone = as_int16(sine(16000, 200, 0.13))
    for urgency in (-0.1, 1.1, float("nan")):
        assert Stretch().change(tone[:480], 1, urgency=urgency)[0] == lib.ARC_ERR_ARG
    assert Stretch().change(tone, 1)[0] == lib.ARC_ERR_ARG  # more than 120 ms
    assert Stretch().change(tone[:480], 1, most=-1)[0] == lib.ARC_ERR_ARG
    assert Stretch().change(tone[:480], -1, room=479)[0] == lib.ARC_ERR_ARG
    out = ffi.new("struct arc_stretch **")
    for rate, channels in ((7999, 1), (48001, 1), (16000, 0), (16000, 3)):
        config = ffi.new("struct arc_stretch_config *", {"sample_rate_hz": rate, "channels": channels})
        assert lib.arc_stretch_new(config, out) == lib.ARC_ERR_ARG


def test_stretch_new_survives_each_failed_allocation() -> None:
    allocations, _ = survives_every_failure(lambda: Stretch(16_000, 1))
    assert allocations == 2


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(RATES), st.integers(1, 2), st.sampled_from([1, -1]), st.integers(0, 5760), st.integers(0, 2000),
       st.floats(0, 1), st.integers(0, 2**32 - 1), st.sampled_from(["noise", "square", "extremes"]))
def test_stretch_of_anything_counts_and_keeps_what_it_does_not_touch(
        rate: int, channels: int, sign: int, n: int, most: int, urgency: float, seed: int, kind: str) -> None:
    rng, n = np.random.default_rng(seed), min(n, rate * 120 // 1000)
    if kind == "noise":
        pcm = as_int16(rng.normal(0, 0.1, (n + 900, channels)))
    elif kind == "square":
        pcm = np.repeat(rng.choice([-32768, 32767], (n + 900, 1)), channels, axis=1).astype(np.int16)
    else:
        pcm = rng.choice([-32768, 0, 32767], (n + 900, channels)).astype(np.int16)
    before, block = np.ascontiguousarray(pcm[:900]), pcm[900:]
    stretch = Stretch(rate, channels)
    status, out = stretch.change(block, sign, before, most=most, urgency=urgency)
    changed = (n - len(out)) * sign
    stats = stretch.stats()
    assert status in (lib.ARC_OK, lib.ARC_AGAIN)
    assert (changed > 0) == (status == lib.ARC_OK)
    assert changed <= min(most, rate * 15 // 1000)
    assert stats.removed_samples + stats.added_samples == changed
    if status == lib.ARC_AGAIN:
        assert np.array_equal(out.reshape(block.shape), block)


@pytest.mark.parametrize("sign", [1, -1])
def test_stretch_of_speech_makes_no_clicks(sign: int) -> None:
    source = speech()
    out = run(source, 16000, 0.1, sign)
    assert abs(len(source) - len(out)) > 0.08 * len(source)

    def steps(x: Pcm) -> NDArray[np.float64]:
        """Largest second difference in each 5 ms, over the level around it: a click is a spike in silence."""
        d = np.abs(np.diff(x.astype(float), 2))[:len(x) // 80 * 80 - 80].reshape(-1, 80).max(axis=1)
        level = np.sqrt(np.mean(x[:len(x) // 80 * 80 - 80].reshape(-1, 80).astype(float)**2, axis=1)) + 30.0
        return np.asarray(d / level)

    assert np.max(steps(out)) < 1.25 * np.max(steps(source))
    assert np.quantile(steps(out), 0.99) < 1.05 * np.quantile(steps(source), 0.99)
    assert np.max(np.abs(out.astype(int))) <= np.max(np.abs(source.astype(int))) * 1.02
