"""Smoothing of what is measured of a path: noise is averaged, a step is followed at once."""
from __future__ import annotations

from collections import deque
from statistics import median
from typing import Final

_MEMORY_S: Final = 3.0
# Measurements that come seldom must be averaged over as many, or noise of 20 % would come through.
_MOST_WEIGHT: Final = 1 / 16
# What noise of 20 % does not do (less than once in ten thousand measurements, if it is normal): five in a row
# below 0.82 of the mean and their median below 0.72, or two in a row below one half.
_STEP_SAMPLES: Final = 5
_ALL_BELOW: Final = 0.82
_MEDIAN_BELOW: Final = 0.72
_TWO_BELOW: Final = 0.5
_RISING: Final = 1.15


class SteadyMean:
    """Exponential mean of a positive measurement that falls at once when it has fallen for good."""

    def __init__(self) -> None:
        self.value: float | None = None
        self._last: deque[float] = deque(maxlen=_STEP_SAMPLES)
        self._count = 0
        self._at_us = 0

    def add(self, sample: float, now_us: int) -> bool:
        """Take a measurement in; returns whether it made out a step down.

        :param sample: >= 0.
        :param now_us: its time, not before that of the last one.
        """
        self._last.append(sample)
        self._count += 1
        if self.value is None:
            self.value, self._at_us = sample, now_us
            return False
        weight = min(max((now_us - self._at_us) / 1e6 / _MEMORY_S, 0.02), _MOST_WEIGHT)
        self._at_us = now_us
        # The first ones count alike: a mean from the beginning, not a memory of the first.
        self.value += (sample - self.value) * max(weight, 1 / self._count)
        if not self._fell():
            return False
        self.value = median(self._last)
        self._count = len(self._last)
        return True

    @property
    def is_sure(self) -> bool:
        """Whether there are enough measurements for more than a change of the bit rate."""
        return len(self._last) == _STEP_SAMPLES or self._count > _STEP_SAMPLES

    @property
    def is_rising(self) -> bool:
        """Whether the last measurements say that the mean has not yet arrived."""
        return self.value is not None and median(self._last) > _RISING * self.value

    def _fell(self) -> bool:
        assert self.value is not None
        two = list(self._last)[-2:]
        if max(two) < _TWO_BELOW * self.value:
            while len(self._last) > len(two):
                self._last.popleft()
            return True
        return (len(self._last) == _STEP_SAMPLES and max(self._last) < _ALL_BELOW * self.value
                and median(self._last) < _MEDIAN_BELOW * self.value)
