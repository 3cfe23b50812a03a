"""What a call did to its audio: delay, likeness, level, noise. For reports and tests.

Plain NumPy on whole recordings; nothing here runs during a call.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcrtc.errors import ArgumentError

SILENCE_DBFS: Final = -120.0  #: reported for digital silence, so that every level is a finite number

_HOP_MS: Final = 5.0  # resolution of the envelope: a third of a pitch period to a syllable
_CANDIDATES: Final = 6  # envelope peaks that are looked at closely
_MIN_OVERLAP: Final = 0.2  # of the shorter recording; less would match by chance
_REFINE_MS: Final = 15.0  # search around an envelope peak: three hops each way
_NEAR_S: Final = 1.0
_SURE: Final = 0.5  # correlation of waveforms above which no other place is looked at
_SEGMENT_DB: Final = (-10.0, 35.0)  # usual limits of segmental SNR: beyond them nothing more is heard

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where and how a source lies in what was received.

    :ivar offset_ms: how much later the source stands in the received recording; negative: earlier.
    :ivar correlation: of the waveforms where they overlap, -1..1. Below about 0.1 nothing was found and
        the offset is by chance; 0: one of the two is silent.
    :ivar gain_db: level of the source's part in the received, against the source; noise does not
        count. ``SILENCE_DBFS`` if there is none.
    """

    offset_ms: float
    correlation: float
    gain_db: float


def _mono(samples: NDArray[Any]) -> _Floats:
    """As float64 in -1..1, channels averaged, NaN and infinities as 0."""
    array = np.asarray(samples)
    if array.ndim not in (1, 2) or array.dtype.kind not in "if":
        raise ArgumentError(f"samples of shape {array.shape} and {array.dtype}: must be (n,) or "
                            "(n, channels), int16 or float")
    scale = 1.0 / (float(np.iinfo(array.dtype).max) + 1.0) if array.dtype.kind == "i" else 1.0
    floats = np.nan_to_num(array.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0) * scale
    return floats.mean(axis=1) if floats.ndim == 2 else floats


def _check_rate(sample_rate: int) -> None:
    if not 1000 <= sample_rate <= 384_000:
        raise ArgumentError(f"sample_rate={sample_rate} is outside 1000..384000 Hz")


def _envelope(x: _Floats, hop: int) -> _Floats:
    """Square root of the RMS of each hop: between level and loudness, so that quiet speech counts too."""
    n = len(x) // hop
    power: _Floats = np.mean(x[:n * hop].reshape(n, hop) ** 2, axis=1)
    return power ** 0.25


def _correlate(a: _Floats, b: _Floats) -> _Floats:
    """Return sum over i of a[i] * b[i + lag], for lag = -(len(a) - 1) .. len(b) - 1."""
    n = len(a) + len(b) - 1
    size = 1 << (n - 1).bit_length()
    product = np.conj(np.fft.rfft(a, size)) * np.fft.rfft(b, size)
    full = np.fft.irfft(product, size)
    return np.concatenate([full[size - len(a) + 1:], full[:len(b)]])


def _energies(a: _Floats, b: _Floats) -> tuple[_Floats, _Floats, NDArray[np.int64]]:
    """For each lag of _correlate: energy of a and of b where they overlap, and how long that is."""
    lags = np.arange(-(len(a) - 1), len(b))
    first, last = np.maximum(0, -lags), np.minimum(len(a), len(b) - lags)  # of a
    sum_a, sum_b = (np.concatenate([[0.0], np.cumsum(x**2)]) for x in (a, b))
    return sum_a[last] - sum_a[first], sum_b[last + lags] - sum_b[first + lags], last - first


def _normalized(a: _Floats, b: _Floats) -> _Floats:
    """Cosine of a and b for each lag of _correlate; 0 where they hardly overlap."""
    energy_a, energy_b, length = _energies(a, b)
    floor = 1e-6 * max(float(energy_a.max()) * float(energy_b.max()), 1e-30)
    usable = (energy_a * energy_b > floor) & (length >= _MIN_OVERLAP * min(len(a), len(b)))
    out = np.zeros(len(length))
    np.divide(_correlate(a, b), np.sqrt(np.maximum(energy_a * energy_b, 1e-60)), out=out, where=usable)
    return out


def _coarse_lags(a: _Floats, b: _Floats, hop: int, within: tuple[float, float]) -> list[int]:
    """Lags, in samples, ``within`` which the envelopes fit best; best first."""
    envelopes = [_envelope(x, hop) for x in (a, b)]
    score = _normalized(*(e - e.mean() for e in envelopes))
    lags_of = (np.arange(len(score)) - (len(envelopes[0]) - 1)) * hop
    score[(lags_of < within[0]) | (lags_of > within[1])] = 0
    lags = []
    for _ in range(_CANDIDATES):
        peak = int(np.argmax(score))
        if score[peak] <= 0:
            break
        lags.append((peak - (len(envelopes[0]) - 1)) * hop)
        score[max(0, peak - 4):peak + 5] = 0
    return lags or [round(min(max(0.0, within[0]), within[1]))]


def _fine_score(a: _Floats, b: _Floats, lag: int, reach: int) -> tuple[float, float]:
    """Return the best lag within +-reach of ``lag``, with a fraction, and its correlation with sign."""
    a, b = _cut(a, b, lag)
    if len(a) <= 2 * reach:
        reach = max(1, len(a) // 4)
    inner = a[reach:-reach]
    if not inner.size or not np.any(inner) or not np.any(b):
        return float(lag), 0.0
    products = _correlate(inner, b)[len(inner) - 1:][:2 * reach + 1]
    sums = np.concatenate([[0.0], np.cumsum(b**2)])
    energy_b = (sums[len(inner):] - sums[:-len(inner)])[:len(products)]
    score = products / np.sqrt(np.maximum(energy_b * float(inner @ inner), 1e-60))
    peak = int(np.argmax(np.abs(score)))
    return lag + peak - reach + _vertex(np.abs(score), peak), float(np.clip(score[peak], -1, 1))


def _vertex(y: _Floats, i: int) -> float:
    """Offset of a parabola's top from the sample ``i``, -0.5..0.5."""
    if not 0 < i < len(y) - 1:
        return 0.0
    bend = y[i - 1] - 2 * y[i] + y[i + 1]
    return float(np.clip(0.5 * (y[i - 1] - y[i + 1]) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _cut(a: _Floats, b: _Floats, lag: int) -> tuple[_Floats, _Floats]:
    """Return the parts of a and b that lie over each other when b is ``lag`` samples late."""
    first, last = max(0, -lag), min(len(a), len(b) - lag)
    if last <= first:
        return a[:0], b[:0]
    return a[first:last], b[first + lag:last + lag]


def align(source: NDArray[Any], received: NDArray[Any], sample_rate: int, *,
          near_ms: float | None = None) -> Alignment:
    """Find a source in what was received.

    First by the envelopes, which gaps, concealment and codecs leave alone; then by the
    waveforms around the best few places. Two minutes at 16 kHz take about two seconds.

    :param source: shape (n,) or (n, channels), integers of full scale or float -1..1.
    :param received: the same, of any length; channels are averaged.
    :param sample_rate: of both, Hz.
    :param near_ms: offset to within a second, if it is known: a source that repeats itself is then found
        in the right place. None: it may be anywhere.
    :returns: the best place; correlation 0 when one of the two is silent or shorter than 20 ms.
    :raises ArgumentError: shape, dtype or rate do not fit.
    """
    _check_rate(sample_rate)
    a, b = _mono(source), _mono(received)
    hop = max(1, round(sample_rate * _HOP_MS / 1000))
    if min(len(a), len(b)) < 4 * hop or not np.any(a) or not np.any(b):
        return Alignment(offset_ms=0.0, correlation=0.0, gain_db=SILENCE_DBFS)
    reach = round(sample_rate * _REFINE_MS / 1000)
    middle, around = (0.0, float("inf")) if near_ms is None else (near_ms * sample_rate / 1000, _NEAR_S * sample_rate)
    lag, correlation = 0.0, 0.0
    for coarse in _coarse_lags(a, b, hop, (middle - around, middle + around)):
        place, likeness = _fine_score(a, b, coarse, reach)
        if abs(likeness) > abs(correlation):
            lag, correlation = place, likeness
        if abs(correlation) > _SURE:
            break
    a, b = _cut(a, b, round(lag))
    energy = float(a @ a)
    gain = abs(float(a @ b)) / energy if energy > 0 else 0.0
    return Alignment(offset_ms=lag * 1000 / sample_rate, correlation=correlation,
                     gain_db=20 * float(np.log10(gain)) if gain > 1e-6 else SILENCE_DBFS)


def overlap(source: NDArray[Any], received: NDArray[Any], sample_rate: int,
            offset_ms: float) -> tuple[_Floats, _Floats]:
    """Cut both recordings to where they lie over each other.

    :param offset_ms: as align() found it.
    :returns: source and received, mono, float64 in -1..1, of equal length (to the nearest sample);
        empty when they do not meet.
    :raises ArgumentError: shape, dtype or rate do not fit.
    """
    _check_rate(sample_rate)
    return _cut(_mono(source), _mono(received), round(offset_ms * sample_rate / 1000))


def rms_dbfs(samples: NDArray[Any]) -> float:
    """Root mean square of all samples, dB against full scale (a square wave is 0, a sine -3.01).

    :param samples: any shape, integers of full scale or float -1..1; NaN and infinities count as 0.
    :returns: dBFS; ``SILENCE_DBFS`` for digital silence and for no samples.
    :raises ArgumentError: the dtype is neither a signed integer nor a float.
    """
    array = np.asarray(samples)
    floats = _mono(array.reshape(-1))
    power = float(np.mean(floats**2)) if floats.size else 0.0
    return max(SILENCE_DBFS, 10 * float(np.log10(power))) if power > 0 else SILENCE_DBFS


def segmental_snr(source: NDArray[Any], received: NDArray[Any], sample_rate: int, *,
                  segment_ms: float = 20.0) -> float:
    """Mean over segments of the ratio of speech to error, dB, where the source speaks.

    A segment counts if its source is no more than 40 dB below the loudest one. Each is
    limited to -10..35 dB.

    :param source: see align(); cut to fit by overlap() before.
    :param received: of the same length; its level is matched to the source's as a whole.
    :param sample_rate: of both, Hz.
    :param segment_ms: length of a segment, 1..1000 ms.
    :returns: dB, -10..35; -10 when there is no segment to measure.
    :raises ArgumentError: the lengths differ, or shape, dtype or rate do not fit.
    """
    _check_rate(sample_rate)
    if not 1 <= segment_ms <= 1000:
        raise ArgumentError(f"segment_ms={segment_ms} is outside 1..1000")
    a, b = _mono(source), _mono(received)
    if len(a) != len(b):
        raise ArgumentError(f"source has {len(a)} samples and received {len(b)}; overlap() makes them equal")
    step = max(1, round(sample_rate * segment_ms / 1000))
    n, low, high = len(a) // step, *_SEGMENT_DB
    if n == 0 or not np.any(a) or not np.any(b):
        return low
    gain = float(a @ b) / float(b @ b)
    speech = np.sum(a[:n * step].reshape(n, step) ** 2, axis=1)
    error = np.sum((a - gain * b)[:n * step].reshape(n, step) ** 2, axis=1)
    counts = speech > 1e-4 * float(speech.max())
    if not np.any(counts):
        return low
    ratio = 10 * np.log10(speech[counts] / np.maximum(error[counts], 1e-30))
    return float(np.mean(np.clip(ratio, low, high)))
