"""audio/conceal: what is made up in place of lost audio, and how it joins the rest."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from arcrtc._native import ffi, lib, new_handle
from tests.model.allocation import survives_every_failure
from tests.model.speech import sine, speech

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
    assert allocations == 2
    assert len(heard(c, speech()[:320])) == 320


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", (1, 2))
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


@pytest.mark.parametrize("rate", RATES)
def test_conceal_a_tone_goes_on_at_its_frequency(rate: int) -> None:
    c, n = concealer(rate), rate // 50
    x = (sine(rate, 200, 0.4) * 32767).astype(np.int16)
    for i in range(0, 10 * n, n):
        heard(c, x[i:i + n])
    y = np.concatenate([filled(c, n), filled(c, n)]).astype(float)
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)), 1 << 18))
    assert abs(float(np.argmax(spectrum)) * rate / (1 << 18) - 200) < 2 + 100 / 20
