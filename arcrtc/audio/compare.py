"""A recording against what was said: delay, what is missing, what was put in, and how it sounds.

Plain NumPy; the scores of :mod:`arcrtc.audio.score` are added when their packages are there.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcrtc.audio.align import align, rms_dbfs
from arcrtc.audio.score import SCORE_HZ, Scores, missing_packages, score
from arcrtc.media.resample import resample

MOST_WINDOWS: Final = 6  #: of ten seconds each that compare() scores; those of a long recording lie apart
_WINDOW_S: Final = 10.0  # P.862 was made for speech of 8 to 12 s
_TRACK_HZ: Final = 4_000  # speech below 2 kHz, a quarter of a millisecond
_STEP_S: Final = 0.1  # the delay is looked at so often ..
_PIECE_S: Final = 0.24  # .. in so much speech: several pitch periods, so that one of them is not a delay
_REACH_S: Final = 0.5  # largest change of delay that is followed
_JUMP_COST: Final = 0.5  # correlation that another delay must gain, over all pieces after it
_LEAST_STEP_MS: Final = 2.0  # a pitch period is 2.5 ms or more
_TOLERANCE_S: Final = 0.03
_FRAME_S: Final = 0.01
_GAP_S: Final = 0.02
_SPEAKS_DB: Final = -35.0  # of the loudest frames
_GONE_DB: Final = -30.0  # under the source

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A place where the source speaks and the recording is silent.

    :ivar t_s: where it begins in the source, seconds.
    :ivar length_ms: how long it is, milliseconds.
    """

    t_s: float
    length_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A place where the recording hurries on or falls behind.

    :ivar t_s: where in the source, seconds, to about a tenth.
    :ivar change_ms: of the delay from there on. Above 0: something was put in, repeated or stretched;
        below 0: something was left out.
    """

    t_s: float
    change_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of the source that was scored.

    :ivar t_s: where it begins, seconds. :ivar length_s: seconds. :ivar scores: of this part.
    """

    t_s: float
    length_s: float
    scores: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What compare() found.

    :ivar delay_ms: how much later the source stands in the recording; negative: earlier.
    :ivar correlation: of the waveforms there, -1..1; below about 0.1 the source was not found.
    :ivar gain_db: level of the source's part in the recording against the source.
    :ivar level_source_dbfs: RMS. :ivar level_received_dbfs: RMS.
    :ivar gaps: silences in the middle of speech, in order of time.
    :ivar shifts: changes of the delay, in order of time.
    :ivar windows: parts that were scored, in order of time; empty without the ``eval`` extra.
    :ivar scores: mean of the windows; None: no packages, or nothing to score.
    """

    delay_ms: float
    correlation: float
    gain_db: float
    level_source_dbfs: float
    level_received_dbfs: float
    gaps: tuple[Gap, ...] = ()
    shifts: tuple[Shift, ...] = ()
    windows: tuple[Window, ...] = ()
    scores: Scores | None = None

    @property
    def put_in_ms(self) -> float:
        """Sound that the recording has more than the source, milliseconds."""
        return round(sum(s.change_ms for s in self.shifts if s.change_ms > 0), 2)

    @property
    def left_out_ms(self) -> float:
        """Sound that the recording has less than the source, milliseconds."""
        return round(-sum(s.change_ms for s in self.shifts if s.change_ms < 0), 2)


def compare(source: NDArray[Any], received: NDArray[Any], sample_rate: int, *, near_ms: float | None = None,
            scored: bool = True) -> Comparison:
    """Compare a recording with its source.

    :param source: shape (n,), int16 or float of -1..1.
    :param received: likewise, of any length; may begin earlier or later.
    :param sample_rate: of both, Hz, 1000..384000.
    :param near_ms: as in :func:`arcrtc.audio.align.align`.
    :param scored: also judge it by PESQ, PLCMOS and STOI, if they are installed: at most
        MOST_WINDOWS windows of ten seconds, some three seconds of work each.
    :raises ArgumentError: shape, type or rate do not fit.
    """
    clean, heard = (resample(x, sample_rate, SCORE_HZ) for x in (source, received))
    found = align(clean, heard, SCORE_HZ, near_ms=near_ms)
    lags = _delays(clean, heard, found.offset_ms)
    windows = tuple(_windows(clean, heard, lags)) if scored and not missing_packages() else ()
    return Comparison(
        delay_ms=round(found.offset_ms, 2), correlation=round(found.correlation, 4), gain_db=round(found.gain_db, 2),
        level_source_dbfs=round(rms_dbfs(clean), 2), level_received_dbfs=round(rms_dbfs(heard), 2),
        gaps=tuple(_gaps(clean, heard, lags)), shifts=tuple(_shifts(lags)), windows=windows, scores=_mean(windows))


# --- the delay, over time ---

def _delays(clean: NDArray[np.float32], heard: NDArray[np.float32], offset_ms: float) -> _Floats:
    """Delay of each tenth of a second of the source, seconds, at least one: those that fit best and seldom change."""
    a, b = (resample(x, SCORE_HZ, _TRACK_HZ).astype(np.float64) for x in (clean, heard))
    step, piece, reach = (round(s * _TRACK_HZ) for s in (_STEP_S, _PIECE_S, _REACH_S))
    middle = round(offset_ms * _TRACK_HZ / 1000)
    if len(a) < piece:
        return np.array([middle / _TRACK_HZ])
    loud = float(np.sqrt(np.mean(a**2)))
    padded = np.concatenate([np.zeros(reach), b, np.zeros(reach)])

    def rows() -> Iterator[_Floats]:
        for at in range(0, len(a) - piece + 1, step):
            place = at + middle  # in the recording, and in ``padded`` at the lag -reach
            inside = 0 <= place <= len(b) - piece  # beyond the ends there is nothing to be like
            yield (_likeness(a[at:at + piece], padded[place:place + piece + 2 * reach], loud)
                   if inside else np.zeros(2 * reach + 1))

    return (_best_path(rows(), 2 * reach + 1) + middle - reach) / _TRACK_HZ


def _best_path(rows: Iterator[_Floats], n: int) -> _Floats:
    """Viterbi: a place in each row, so that their sum is largest; another place than before costs _JUMP_COST.

    :param n: length of each row, at most 32767.
    """
    best, stay = np.zeros(n), np.arange(n, dtype=np.int16)
    came_from: list[NDArray[np.int16]] = []
    for row in rows:
        top = int(np.argmax(best))
        jump = best[top] - _JUMP_COST > best
        came_from.append(np.where(jump, np.int16(top), stay))
        best = np.where(jump, best[top] - _JUMP_COST, best) + row
    path, place = [], int(np.argmax(best))
    for previous in reversed(came_from):
        path.append(place)
        place = int(previous[place])
    return np.array(path[::-1], np.float64)


def _likeness(piece: _Floats, around: _Floats, loud: float) -> _Floats:
    """Correlation of a piece at each lag of ``around``, weighted down where nobody speaks."""
    n = len(around) - len(piece) + 1
    energy = float(piece @ piece)
    if energy <= 0 or loud <= 0:
        return np.zeros(n)
    size = 1 << (len(around) - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(around, size) * np.conj(np.fft.rfft(piece, size)), size)[:n]
    sums = np.concatenate([[0.0], np.cumsum(around**2)])
    energies = sums[len(piece):][:n] - sums[:n]
    weight = min(1.0, np.sqrt(energy / len(piece)) / (0.3 * loud))
    return np.asarray(weight * products / np.sqrt(np.maximum(energies * energy, 1e-12 + 1e-6 * energy**2)))


def _shifts(lags: _Floats) -> Iterator[Shift]:
    for i, (before, after) in enumerate(pairwise(lags)):
        change_ms = 1000 * float(after - before)
        if abs(change_ms) >= _LEAST_STEP_MS:
            yield Shift(t_s=round((i + 1) * _STEP_S + _PIECE_S / 2 - _STEP_S / 2, 2), change_ms=round(change_ms, 2))


# --- what is missing ---

def _gaps(clean: NDArray[np.float32], heard: NDArray[np.float32], lags: _Floats) -> Iterator[Gap]:
    """Frames in which the source speaks and the recording, at its delay, is 30 dB below it."""
    frame = round(_FRAME_S * SCORE_HZ)
    n = len(clean) // frame
    if not n or not np.any(clean):
        return
    starts = np.arange(n) * frame
    steps = np.minimum((starts / SCORE_HZ / _STEP_S).astype(int), len(lags) - 1)
    places = starts + np.round(lags[steps] * SCORE_HZ).astype(int)
    inside = (places >= 0) & (places + frame <= len(heard))
    source_db = _levels(clean[:n * frame].reshape(n, frame))
    index = np.where(inside, places, 0)[:, None] + np.arange(frame)
    there_db = np.where(inside, _levels(heard[np.minimum(index, len(heard) - 1)]), 0.0) if len(heard) else source_db
    gone = inside & (source_db > np.percentile(source_db, 99) + _SPEAKS_DB) & (there_db < source_db + _GONE_DB)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], gone.astype(np.int8), [0]])))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        if (last - first) * _FRAME_S >= _GAP_S - 1e-9:
            yield Gap(t_s=round(float(first) * _FRAME_S, 2), length_ms=round(float(last - first) * 1000 * _FRAME_S, 1))


def _levels(frames: NDArray[np.float32]) -> _Floats:
    return np.asarray(10 * np.log10(np.maximum(np.mean(np.square(frames, dtype=np.float64), axis=1), 1e-12)))


# --- scores ---

def _windows(clean: NDArray[np.float32], heard: NDArray[np.float32], lags: _Floats) -> Iterator[Window]:
    length = round(_WINDOW_S * SCORE_HZ)
    count = max(1, len(clean) // length)
    size = len(clean) if count == 1 else length
    followed = _followed(lags)
    for i in sorted({round(k) for k in np.linspace(0, count - 1, min(count, MOST_WINDOWS))}):
        at = i * length
        in_step = np.concatenate([np.zeros(0, np.float32), *_in_step(heard, at, size, followed)])
        played = _cut(heard, at + _lag_at(followed, at), at + size + _lag_at(followed, at + size))
        yield Window(t_s=round(at / SCORE_HZ, 2), length_s=round(size / SCORE_HZ, 2),
                     scores=score(clean[at:at + size], in_step, SCORE_HZ, heard=played))


def _followed(lags: _Floats) -> _Floats:
    """Delays that change only when the true one has gone away by _TOLERANCE_S.

    PESQ itself finds smaller ones; a jump in the middle of a word it does not, and what it and STOI
    say of sound that is out of step means nothing.
    """
    out: _Floats = lags.copy()
    for i in range(1, len(out)):
        if abs(out[i] - out[i - 1]) < _TOLERANCE_S:
            out[i] = out[i - 1]
    return out


def _lag_at(lags: _Floats, at: int) -> int:
    """Delay at a sample of the source, samples."""
    return round(float(lags[min(int(at / SCORE_HZ / _STEP_S), len(lags) - 1)]) * SCORE_HZ)


def _in_step(heard: NDArray[np.float32], at: int, size: int, lags: _Floats) -> Iterator[NDArray[np.float32]]:
    """What was heard of samples ``at`` to ``at + size`` of the source, a step at a time."""
    step = round(_STEP_S * SCORE_HZ)
    for first in range(at, at + size, step):
        place = first + _lag_at(lags, first)
        yield _cut(heard, place, place + min(step, at + size - first))


def _cut(heard: NDArray[np.float32], first: int, last: int) -> NDArray[np.float32]:
    """A part of the recording; silence where there is none."""
    out = np.zeros(max(0, last - first), np.float32)
    begin, end = max(0, first), min(len(heard), last)
    if end > begin:
        out[begin - first:end - first] = heard[begin:end]
    return out


def _mean(windows: tuple[Window, ...]) -> Scores | None:
    means: dict[str, float | None] = {}
    for name in ("pesq", "plcmos", "stoi"):
        known = [value for w in windows if (value := getattr(w.scores, name)) is not None]
        means[name] = round(float(np.mean(known)), 3) if known else None
    return Scores(**means) if any(v is not None for v in means.values()) else None
