"""Resampler: another sample rate, block by block."""
from __future__ import annotations

from typing import Any, Final

import numpy as np

from arcrtc._native import check, ffi, lib, new_handle
from arcrtc.audio._buffers import check_layout, lend, room
from arcrtc.audio.frame import Samples
from arcrtc.errors import ArgumentError

SAMPLE_RATES: Final = (8000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000)


class Resampler:
    """Converts the sample rate of a running sound.

    Counts are exact: 10 ms in are 10 ms out, from the first block on, at any pair of
    :data:`SAMPLE_RATES`. Arrays are lent to C, not copied. One thread at a time.

    :ivar in_rate: Hz. :ivar out_rate: Hz. :ivar channels: 1 or 2.
    :ivar dtype: of the arrays, int16 or float32.

    Source: libswresample (csrc/audio/resample.h).
    """

    def __init__(self, in_rate: int, out_rate: int, channels: int = 1, dtype: Any = np.int16) -> None:
        """Make one.

        :param in_rate: one of :data:`SAMPLE_RATES`. :param out_rate: likewise; the same one copies.
        :param channels: 1 or 2.
        :param dtype: of all arrays: int16, or float32 in -1..1.
        :raises ArgumentError: none of these.
        """
        if in_rate not in SAMPLE_RATES or out_rate not in SAMPLE_RATES:
            raise ArgumentError(f"rates {in_rate} and {out_rate} Hz must be among {SAMPLE_RATES}")
        if channels not in (1, 2) or np.dtype(dtype) not in (np.dtype(np.int16), np.dtype(np.float32)):
            raise ArgumentError(f"channels={channels}, dtype={np.dtype(dtype)}: must be 1 or 2, int16 or float32")
        self.in_rate, self.out_rate, self.channels, self.dtype = in_rate, out_rate, channels, np.dtype(dtype)
        config = ffi.new("struct arc_resampler_config *", {
            "in_rate_hz": in_rate, "out_rate_hz": out_rate, "channels": channels,
            "is_float": self.dtype == np.float32})
        self._handle = new_handle(lib.arc_resampler_new, lib.arc_resampler_free, "struct arc_resampler", config,
                                  what="Resampler")

    @property
    def latency_ms(self) -> float:
        """How much later a sample comes out than it went in; 0 when both rates are the same."""
        return float(lib.arc_resampler_latency_us(self._handle)) / 1000

    def process(self, samples: Samples, out: Samples | None = None) -> Samples:
        """Convert a block.

        :param samples: shape (n,) for mono or (n, channels), of :attr:`dtype`, C-contiguous; as long as a
            whole number of samples at both rates, up to a second.
        :param out: where to put the result; None: a new array.
        :returns: ``out``: n * out_rate / in_rate samples.
        :raises ArgumentError: an array does not fit.
        """
        n = check_layout(samples, self.channels, "samples")
        if samples.dtype != self.dtype:
            raise ArgumentError(f"samples are {samples.dtype}, must be {self.dtype}")
        n_out = int(lib.arc_resampler_count(self._handle, n))
        if n_out < 1:
            raise ArgumentError(f"{n} samples of {self.in_rate} Hz are no whole number at {self.out_rate} Hz, "
                                "or over a second: give blocks of 10 ms or multiples")
        out = room(out, n_out, self.channels, self.dtype)
        check(lib.arc_resampler_run(self._handle, lend(samples), n, lend(out, writable=True)), "Resampler.process")
        return out

    def __repr__(self) -> str:
        return f"Resampler({self.in_rate} -> {self.out_rate} Hz, {self.channels} channel(s), {self.dtype})"
