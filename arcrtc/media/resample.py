"""Samples from one rate to another, by FFmpeg's resampler."""
from __future__ import annotations

from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from arcrtc.errors import ArgumentError

_CHUNK_SAMPLES = 48_000
_RATES = (1000, 384_000)


def resample(samples: NDArray[Any], rate: int, to_rate: int) -> NDArray[np.float32]:
    """Resample one channel; the delay of the filter is taken off.

    :param samples: shape (n,), int16 or float of -1..1.
    :param rate: of ``samples``, Hz, 1000..384000. :param to_rate: wanted, likewise.
    :returns: float32, shape (n * to_rate / rate,), rounded.
    :raises ArgumentError: shape, type or rate do not fit.
    """
    if samples.ndim != 1 or samples.dtype.kind not in "if":
        raise ArgumentError(f"samples of shape {samples.shape} and {samples.dtype}: must be (n,), int16 or float")
    for name, value in (("rate", rate), ("to_rate", to_rate)):
        if not _RATES[0] <= value <= _RATES[1]:
            raise ArgumentError(f"{name}={value} is outside {_RATES[0]}..{_RATES[1]} Hz")
    floats = samples.astype(np.float32)
    if samples.dtype.kind == "i":
        floats /= np.float32(32768)
    if rate == to_rate or not len(floats):
        return floats
    converter = av.AudioResampler(format="flt", layout="mono", rate=to_rate)
    out = [piece.to_ndarray()[0] for at in range(0, len(floats), _CHUNK_SAMPLES)
           for piece in converter.resample(_frame(floats[at:at + _CHUNK_SAMPLES], rate))]
    out += [piece.to_ndarray()[0] for piece in converter.resample(None)]
    wanted = round(len(floats) * to_rate / rate)
    joined = np.concatenate(out)[:wanted]
    return np.concatenate([joined, np.zeros(wanted - len(joined), np.float32)])


def _frame(samples: NDArray[np.float32], rate: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples[None, :], format="flt", layout="mono")
    frame.sample_rate = rate
    return frame
