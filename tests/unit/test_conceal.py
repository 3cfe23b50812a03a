"""audio/conceal: what is made up in place of lost audio, and how it joins the rest."""
from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from arcrtc._native import ffi, lib, new_handle
from tests.model.allocation import survives_every_failure
from tests.model.speech import noise, sine, speech

RATES = (8000, 16000, 24000, 32000, 44000, 48000)
Pcm = NDArray[np.int16]


def concealer(rate: int = 16000, channels: int = 1) -> Any:
    return new_handle(lib.arc_conceal_new, lib.arc_conceal_free, "struct arc_conceal",
                      ffi.new("struct arc_conceal_config *", [rate, channels]), what="concealer")


def view(pcm: Pcm) -> Any:
    return ffi.from_buffer("int16_t[]", pcm)


def heard(c: Any, pcm: Pcm) -> Pcm:
    """Give true audio, (n,) or (n, channels); what is heard of it."""
    out = np.array(pcm, dtype=np.int16, order="C")
    lib.arc_conceal_on_audio(c, view(out), len(out))
    return out


def filled(c: Any, n: int, following: Pcm | None = None, codec: Pcm | None = None, channels: int = 1) -> Pcm:
    """n samples made up."""
    out = np.zeros((n, channels) if channels > 1 else n, dtype=np.int16)
    ahead = None if following is None else np.ascontiguousarray(following)
    codec = None if codec is None else np.ascontiguousarray(codec)
    lib.arc_conceal_fill(c, ffi.NULL if codec is None else view(codec), ffi.NULL if ahead is None else view(ahead),
                         0 if ahead is None else len(ahead), view(out), n)
    return out


def test_conceal_new_refuses_what_it_cannot_do() -> None:
    out = ffi.new("struct arc_conceal **")
    for rate, channels in ((7000, 1), (49000, 1), (16001, 1), (16000, 0), (16000, 3)):
        config = ffi.new("struct arc_conceal_config *", [rate, channels])
        assert lib.arc_conceal_new(config, out) == lib.ARC_ERR_ARG
    assert lib.arc_conceal_new(ffi.NULL, out) == lib.ARC_ERR_ARG
    lib.arc_conceal_free(ffi.NULL)


def test_conceal_new_survives_every_allocation_failure() -> None:
    allocations, c = survives_every_failure(concealer)
    assert allocations == 3
    assert len(heard(c, speech()[:320])) == 320


@pytest.mark.parametrize("rate", list(RATES))
@pytest.mark.parametrize("channels", [1, 2])
def test_conceal_silence_stays_silence(rate: int, channels: int) -> None:
    c = concealer(rate, channels)
    quiet = np.zeros((rate // 50, channels) if channels > 1 else rate // 50, dtype=np.int16)
    assert not filled(c, rate // 50, channels=channels).any()
    for _ in range(5):
        assert not heard(c, quiet).any()
    assert not filled(c, rate // 50, channels=channels).any()
    assert not filled(c, rate // 50, following=quiet, channels=channels).any()
    assert not heard(c, quiet).any()


def test_conceal_audio_without_a_loss_is_not_touched() -> None:
    c, x = concealer(), speech()
    for i in range(0, 32000, 160):
        assert np.array_equal(heard(c, x[i:i + 160]), x[i:i + 160])


def level_db(y: Pcm) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(y.astype(float) ** 2)) + 1e-3))


def tone(rate: int, hz: float, seconds: float = 0.4) -> Pcm:
    return (sine(rate, hz, seconds, 0.5) * 32767).astype(np.int16)


def roughest(y: Pcm) -> tuple[int, int]:
    """The largest step, and the largest step of the steps."""
    steps = np.diff(y.astype(np.int64))
    return int(np.abs(steps).max()), int(np.abs(np.diff(steps)).max())


@pytest.mark.parametrize("rate", list(RATES))
@pytest.mark.parametrize("hz", [110, 200, 333])
def test_conceal_a_tone_goes_on_at_its_frequency(rate: int, hz: int) -> None:
    """Within 1 % over 40 ms, read from the phase at both ends."""
    c, n, x = concealer(rate), rate // 50, tone(rate, hz)
    for i in range(0, 10 * n, n):
        heard(c, x[i:i + n])
    y = np.concatenate([filled(c, n), filled(c, n)])
    t = np.arange(len(x)) / rate
    wave = x[:10 * n + len(y)].astype(float)
    wave[10 * n:] = y
    turns = np.unwrap([float(np.angle(np.sum(wave[i:i + n] * np.exp(-2j * np.pi * hz * t[i:i + n])
                                             * np.hanning(n)))) for i in (9 * n, 10 * n, 11 * n)])
    assert abs(turns[2] - turns[0]) / (2 * np.pi) < 0.01 * hz * 0.04


@pytest.mark.parametrize("rate", list(RATES))
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("ahead", [True, False])
def test_conceal_a_tone_joins_without_a_click(rate: int, channels: int, ahead: bool) -> None:
    c, n = concealer(rate, channels), rate // 50
    x = tone(rate, 187)
    x = np.stack([x, x // 2], axis=1) if channels == 2 else x
    out = [heard(c, x[i:i + n]) for i in range(0, 10 * n, n)]
    out.append(filled(c, n, x[11 * n:12 * n] if ahead else None, channels=channels))
    out.extend(heard(c, x[i:i + n]) for i in range(11 * n, 14 * n, n))
    y = np.concatenate(out)
    for channel in range(channels):
        ours, true = (z[:, channel] if channels == 2 else z for z in (y, x))
        assert roughest(ours)[0] <= 1.2 * roughest(true)[0] + 2
        assert roughest(ours)[1] <= 2.0 * roughest(true)[1] + 8


@pytest.mark.parametrize("lost_at", range(60, 260, 25))
def test_conceal_speech_joins_without_a_click(lost_at: int) -> None:
    """At a join no step is larger than the largest of the speech around it."""
    n, x = 320, speech()
    for following in (None, x[(lost_at + 1) * n:(lost_at + 2) * n]):
        c = concealer()
        for i in range(0, lost_at * n, n):
            heard(c, x[i:i + n])
        y = np.concatenate([x[(lost_at - 2) * n:lost_at * n], filled(c, n, following),
                            heard(c, x[(lost_at + 1) * n:(lost_at + 2) * n])])
        around = x[(lost_at - 2) * n:(lost_at + 2) * n]
        for join in (2 * n, 3 * n):
            assert roughest(y[join - 8:join + 8])[0] <= 1.3 * roughest(around)[0] + 50
            assert roughest(y[join - 8:join + 8])[1] <= 1.5 * roughest(around)[1] + 100


def test_conceal_both_edges_are_better_than_one() -> None:
    """Over 40 losses in speech the interpolation is nearer to the truth than the extrapolation."""
    n, x = 320, speech()
    error = {True: 0.0, False: 0.0}
    for ahead in error:
        c = concealer()
        for k in range(len(x) // n - 1):
            true = x[k * n:(k + 1) * n]
            if k % 7 == 5:
                made = filled(c, n, x[(k + 1) * n:(k + 2) * n] if ahead else None)
                error[ahead] += float(np.mean((np.abs(np.fft.rfft(made)) - np.abs(np.fft.rfft(true))) ** 2))
            else:
                heard(c, true)
    assert error[True] < 0.8 * error[False]


@pytest.mark.parametrize("with_codec", [True, False])
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_conceal_long_loss_fades_to_the_background(rate: int, with_codec: bool) -> None:
    """The level never rises, and from 200 ms on it is within 3 dB of the noise behind the tone."""
    c, n = concealer(rate), rate // 50
    background = (noise(rate * 4, -50) * 32767).astype(np.int16)
    x = background.copy()
    x[2 * rate:3 * rate] += tone(rate, 150, 1.0)
    for i in range(0, 3 * rate, n):
        heard(c, x[i:i + n])
    drone = tone(rate, 150, 0.02)
    levels = [level_db(filled(c, n, codec=drone if with_codec else None)) for _ in range(25)]
    target = level_db(background)
    for before, after in pairwise(levels[:13]):
        assert after <= before + 1 or after <= target + 3
    assert all(abs(level - target) < 3 for level in levels[12:])
    back = heard(c, x[3 * rate - n:3 * rate])
    assert np.array_equal(back[rate // 100:], x[3 * rate - n:3 * rate][rate // 100:])


def test_conceal_long_loss_without_a_background_falls_silent() -> None:
    c, x = concealer(), tone(16000, 150, 1.0)
    for _ in range(20):
        heard(c, np.zeros(320, dtype=np.int16))
    for i in range(0, 16000, 320):
        heard(c, x[i:i + 320])
    made = [filled(c, 320) for _ in range(12)]
    assert level_db(made[0]) > 70
    assert not made[11].any()


@pytest.mark.parametrize("following", [True, False])
def test_conceal_constant_and_full_scale_stay_in_range(following: bool) -> None:
    """No wrap-around: a constant stays about constant, a square wave at full scale keeps its signs."""
    c = concealer()
    constant = np.full(320, 12000, dtype=np.int16)
    for _ in range(6):
        heard(c, constant)
    made = filled(c, 320, constant if following else None)
    assert np.abs(made[:160].astype(int) - 12000).max() < 2400
    c = concealer()
    square = np.tile(np.repeat(np.array([32767, -32768], dtype=np.int16), 40), 24)
    for i in range(0, 1600, 320):
        heard(c, square[i:i + 320])
    made = filled(c, 320, square[1600 + 320:1920 + 320 - 320] if following else None)
    assert np.mean(np.sign(made[:160]) == np.sign(square[:160])) > 0.8


def test_conceal_channels_turned_against_each_other_are_concealed() -> None:
    c, x = concealer(16000, 2), tone(16000, 220)
    pair = np.stack([x, -x], axis=1)
    for i in range(0, 3200, 320):
        heard(c, pair[i:i + 320])
    made = filled(c, 320, pair[3520:3840], channels=2)
    assert level_db(made[:, 0]) > level_db(x) - 2
    assert np.abs(made[:, 0].astype(int) + made[:, 1]).max() < 400


def test_conceal_reset_forgets_what_was_heard() -> None:
    c, x = concealer(), speech()
    for i in range(0, 32000, 320):
        heard(c, x[i:i + 320])
    lib.arc_conceal_reset(c)
    assert not filled(c, 320).any()


def test_conceal_same_calls_make_same_audio() -> None:
    x, made = speech(), []
    for _ in range(2):
        c = concealer()
        for i in range(0, 16000, 320):
            heard(c, x[i:i + 320])
        made.append(np.concatenate([filled(c, 320), filled(c, 640, x[16960:17280])]))
    assert np.array_equal(made[0], made[1])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 48), st.integers(0, 2)), min_size=1, max_size=12),
       st.sampled_from(RATES), st.integers(1, 2))
def test_conceal_any_calls_stay_below_what_went_in(calls: list[tuple[int, int, int]], rate: int,
                                                   channels: int) -> None:
    """Whatever the order: all samples are written, and nothing is much louder than the loudest input."""
    c, most = concealer(rate, channels), 0
    rng = np.random.default_rng(1)
    for what, grains, loud in calls:
        n = rate // 400 * grains
        pcm = (rng.normal(0, (0, 300, 6000)[loud], (n, channels))).astype(np.int16)
        if channels == 1:
            pcm = pcm[:, 0]
        most = max(most, int(np.abs(pcm.astype(int)).max()))
        if what == 0:
            heard(c, pcm)
        else:
            made = filled(c, n, pcm if what & 1 else None, pcm if what & 2 else None, channels)
            assert np.abs(made.astype(int)).max() <= 4 * most + 4


def test_conceal_refuses_impossible_lengths() -> None:
    c = concealer()
    heard(c, speech()[:3200])
    out = np.full(1921, 7, dtype=np.int16)
    for n in (0, -1, 1921):
        lib.arc_conceal_fill(c, ffi.NULL, ffi.NULL, 0, view(out), n)
    assert (out == 7).all()
