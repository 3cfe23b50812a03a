"""A steady row of samples out of timed pieces: gaps become silence, overlaps are cut.

Used both ways: to cut a decoded file into exact blocks, and to keep a recording in
step with its clock. Pure: no clock, no file.
"""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


class SampleClock:
    """Fits timed pieces of sound to a row of samples that starts at time 0.

    Differences up to ``tolerance_us`` are rounding of time stamps and are let be;
    larger ones are made good by silence or by a cut.

    :param sample_rate: Hz.
    :param channels: samples at one time.
    :param tolerance_us: difference that is still no gap, microseconds.
    """

    _CHUNK_SAMPLES = 48_000  # silence is made in pieces: a long gap needs no more memory than this

    def __init__(self, sample_rate: int, channels: int, tolerance_us: int) -> None:
        self._rate = sample_rate
        self._channels = channels
        self._tolerance = tolerance_us * sample_rate // 1_000_000
        self._position = 0
        self._silence = 0
        self._cut = 0

    @property
    def position_us(self) -> int:
        """Where the row ends, microseconds."""
        return round(self._position * 1_000_000 / self._rate)

    @property
    def silence_samples(self) -> int:
        """Samples of silence put in, per channel."""
        return self._silence

    @property
    def cut_samples(self) -> int:
        """Samples left out because their time was taken, per channel."""
        return self._cut

    def fit(self, samples: NDArray[np.int16], pts_us: int) -> Iterator[NDArray[np.int16]]:
        """Give the pieces to append for ``samples`` that belong at ``pts_us``.

        :param samples: shape (n, channels), int16.
        :param pts_us: time of the first sample, microseconds; may be negative.
        """
        start = round(pts_us * self._rate / 1_000_000)
        if start - self._position > self._tolerance:
            yield from self.fill(pts_us)
        elif self._position - start > self._tolerance:
            late = min(self._position - start, len(samples))
            self._cut += late
            samples = samples[late:]
        if len(samples):
            self._position += len(samples)
            yield samples

    def fill(self, until_us: int) -> Iterator[NDArray[np.int16]]:
        """Give silence up to ``until_us``; nothing if the row is there already."""
        missing = round(until_us * self._rate / 1_000_000) - self._position
        while missing > 0:
            n = min(missing, self._CHUNK_SAMPLES)
            missing -= n
            self._position += n
            self._silence += n
            yield np.zeros((n, self._channels), dtype=np.int16)


class BlockCutter:
    """Cuts a row of samples into blocks of one size.

    :param block_samples: samples per channel in a block.
    :param channels: samples at one time.
    """

    def __init__(self, block_samples: int, channels: int) -> None:
        self._block = np.zeros((block_samples, channels), dtype=np.int16)
        self._used = 0

    def push(self, samples: NDArray[np.int16]) -> Iterator[NDArray[np.int16]]:
        """Give each block that ``samples`` completes; each is an array of its own."""
        while len(samples):
            n = min(len(samples), len(self._block) - self._used)
            self._block[self._used:self._used + n] = samples[:n]
            self._used += n
            samples = samples[n:]
            if self._used == len(self._block):
                self._used = 0
                yield self._block.copy()

    def flush(self) -> Iterator[NDArray[np.int16]]:
        """Give the last block, filled up with silence, if one was begun."""
        if self._used:
            self._block[self._used:] = 0
            self._used = 0
            yield self._block.copy()
