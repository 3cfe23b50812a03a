"""What a network does to packets, as pure functions of a seed, an ordinal and a time.

Randomness: every effect draws from its own generator, and every packet draws
exactly one value (the burst model two) from each of them, wanted or not. So the
fate that one effect gives to packet *n* depends on the seed and on *n* alone:
switching another effect on, or a step of the plan, moves nothing.
"""
from __future__ import annotations

import csv
import math
import sys
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import NormalDist
from typing import Final

from arcrtc.errors import ConfigError

JITTER_SHAPES: Final = ("none", "uniform", "normal", "exponential", "pareto")

#: Tail index of the Pareto jitter: finite mean and variance, heavier than exponential.
PARETO_SHAPE: Final = 3.0
#: A draw is cut here (times jitter_ms), so that one packet cannot stay away for ever.
JITTER_CUT: Final = 20.0

_NORMAL: Final = NormalDist()
_TINY: Final = 2.0**-54  # keeps a uniform draw of exactly 0 out of log() and the inverse normal


def generator(seed: int | str, effect: str) -> Random:
    """Make the generator of one effect: the same on every machine and version.

    :param seed: seed of the link, any integer or text.
    :param effect: name of the effect; another name gives an unrelated sequence.
    """
    return Random(f"{seed}/{effect}")


@dataclass(frozen=True, slots=True)
class GilbertElliott:
    """Two-state loss model: a good and a bad state, one step a packet.

    :ivar p: probability to go from good to bad, 0 < p <= 1.
    :ivar r: probability to go from bad to good, 0 < r <= 1.
    :ivar h: probability that a packet *passes* in the bad state, 0..1. 0: the Gilbert model.
    :ivar k: probability that a packet *passes* in the good state, 0..1.

    Source: G. Hasslinger, O. Hohlfeld, "The Gilbert-Elliott Model for Packet Loss
    in Real Time Services on the Internet", MMB 2008, section 3 (same letters).
    """

    p: float
    r: float
    h: float = 0.0
    k: float = 1.0

    def __post_init__(self) -> None:
        for name in ("p", "r", "h", "k"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise ConfigError(f"gilbert_elliott.{name}={value!r} is outside 0..1")
        if self.p == 0 or self.r == 0:
            raise ConfigError(f"gilbert_elliott: p={self.p} and r={self.r} must be above 0")

    @classmethod
    def from_mean(cls, loss_rate: float, burst_length_pkts: float) -> GilbertElliott:
        """Make the model that loses ``loss_rate`` of all packets in runs of a mean length.

        :param loss_rate: 0 < loss_rate < 1.
        :param burst_length_pkts: mean number of packets lost in a row, 1 or more.
        :raises ConfigError: out of range, or the bursts are too short for so much loss.
        """
        if not 0 < loss_rate < 1:
            raise ConfigError(f"burst_loss_rate={loss_rate!r} is outside 0..1 (both excluded)")
        if not 1 <= burst_length_pkts <= 1e6:
            raise ConfigError(f"burst_length_pkts={burst_length_pkts!r} is outside 1..1000000")
        r = 1.0 / burst_length_pkts
        # A rate too small for a product of doubles is still not 0, which would mean: never.
        p = max(r * loss_rate / (1.0 - loss_rate), sys.float_info.min)
        if p > 1:
            raise ConfigError(
                f"burst_length_pkts={burst_length_pkts!r} is too short for burst_loss_rate={loss_rate!r}: "
                f"at least {loss_rate / (1 - loss_rate):.2f} is needed")
        return cls(p=p, r=r)

    @property
    def bad_share(self) -> float:
        """Share of packets that meet the bad state in the long run."""
        return self.p / (self.p + self.r)

    @property
    def loss_rate(self) -> float:
        """Share of packets lost in the long run."""
        return self.bad_share * (1 - self.h) + (1 - self.bad_share) * (1 - self.k)


class BurstLoss:
    """State of a Gilbert-Elliott model; one step a packet, whatever happens to the packet."""

    def __init__(self, seed: int | str) -> None:
        self._step = generator(seed, "burst-state").random
        self._fate = generator(seed, "burst-loss").random
        self._bad: bool | None = None

    def lost(self, model: GilbertElliott | None) -> bool:
        """Step once and say whether this packet is lost; None: the effect is off."""
        step, fate = self._step(), self._fate()
        if model is None:
            self._bad = None
            return False
        if self._bad is None:  # start as if the model had always been running
            self._bad = step < model.bad_share
        elif self._bad:
            self._bad = step >= model.r
        else:
            self._bad = step < model.p
        return fate >= (model.h if self._bad else model.k)


def jitter_us(shape: str, scale_us: float, u: float) -> float:
    """Turn a uniform draw into extra delay.

    :param shape: one of JITTER_SHAPES. ``uniform``: -scale..+scale. ``normal``: standard
        deviation ``scale``, mean 0. ``exponential`` and ``pareto``: 0 and up, mean ``scale``.
    :param scale_us: microseconds, 0 or more.
    :param u: uniform draw, 0 <= u < 1; a larger draw never gives a smaller delay.
    :returns: microseconds; at most JITTER_CUT * scale_us away from 0.
    """
    if shape == "none" or scale_us == 0:
        return 0.0
    if shape == "uniform":
        return scale_us * (2 * u - 1)
    if shape == "normal":
        return scale_us * _NORMAL.inv_cdf(max(u, _TINY))
    if shape == "exponential":
        extra = -math.log(1 - u)
    else:  # Pareto moved to start at 0 (Lomax); mean 1 with this scale
        extra = (PARETO_SHAPE - 1) * ((1 - u) ** (-1 / PARETO_SHAPE) - 1)
    return scale_us * min(extra, JITTER_CUT)


@dataclass(frozen=True, slots=True)
class RateTrace:
    """Capacity over time, repeated for ever.

    :ivar points: (t_ms, kbps) pairs; t_ms starts at 0 and rises; kbps 0 or more, not all 0.
        The last one lasts as long as the one before it.
    """

    points: tuple[tuple[int, float], ...]

    def __post_init__(self) -> None:
        points = tuple((t_ms, kbps) for t_ms, kbps in self.points)
        if not 1 <= len(points) <= 1_000_000:
            raise ConfigError(f"rate_trace has {len(points)} points, allowed are 1..1000000")
        last = -1
        for t_ms, kbps in points:
            if not isinstance(t_ms, int) or t_ms <= last or (last < 0 and t_ms != 0):
                raise ConfigError(f"rate_trace: t_ms={t_ms!r} after {last}: must be whole, from 0, rising")
            if not isinstance(kbps, (int, float)) or not 0 <= kbps <= 1e8:
                raise ConfigError(f"rate_trace: kbps={kbps!r} at t_ms={t_ms} is outside 0..100000000")
            last = t_ms
        if not any(kbps for _, kbps in points):
            raise ConfigError("rate_trace: at least one kbps must be above 0")
        object.__setattr__(self, "points", points)

    @classmethod
    def from_csv(cls, path: str | Path) -> RateTrace:
        """Read ``t_ms,kbps`` lines; a first line of words is taken as the heading.

        :raises ConfigError: unreadable, or a line is not two numbers; names the line.
        """
        points: list[tuple[int, float]] = []
        try:
            with open(path, newline="", encoding="utf-8") as file:
                for number, row in enumerate(csv.reader(file), 1):
                    if not row or (number == 1 and row[0].strip() == "t_ms"):
                        continue
                    try:
                        t_ms, kbps = row
                        points.append((int(t_ms), float(kbps)))
                    except ValueError:
                        raise ConfigError(
                            f"{path}, line {number}: {','.join(row)!r} is not t_ms,kbps") from None
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ConfigError(f"rate_trace: {path} cannot be read: {error}") from error
        return cls(tuple(points))

    @property
    def period_ms(self) -> int:
        """Length of one round."""
        if len(self.points) == 1:
            return 1000
        return 2 * self.points[-1][0] - self.points[-2][0]

    @property
    def mean_kbps(self) -> float:
        """Mean capacity of one round."""
        ends = [t_ms for t_ms, _ in self.points[1:]] + [self.period_ms]
        return sum((end - t_ms) * kbps for (t_ms, kbps), end in
                   zip(self.points, ends, strict=True)) / self.period_ms


class RateSchedule:
    """When a bottleneck has served so many bits, over constant rates, traces and steps.

    :param steps: (t_us, rate) with t_us rising from 0; rate: kb/s, a RateTrace, or None (no limit).
    """

    def __init__(self, steps: Sequence[tuple[int, float | RateTrace | None]]) -> None:
        self._starts = [t_us for t_us, _ in steps]
        self._rates = [rate for _, rate in steps]
        self._edges = [[t_ms * 1000 for t_ms, _ in rate.points] if isinstance(rate, RateTrace) else []
                       for rate in self._rates]

    def finish_us(self, start_us: float, bits: float) -> float:
        """Time at which ``bits`` have gone out when their first one goes at ``start_us``."""
        t_us = start_us
        while True:
            kbps, until_us = self._segment(t_us)
            if kbps is None or bits <= 0:
                return t_us
            room = (until_us - t_us) * kbps / 1000 if kbps else 0.0
            if bits <= room:
                return t_us + bits * 1000 / kbps
            bits -= room
            t_us = until_us

    def _segment(self, t_us: float) -> tuple[float | None, float]:
        """Rate in kb/s at ``t_us`` and the time until which it holds."""
        i = bisect_right(self._starts, t_us) - 1
        until_us = float(self._starts[i + 1]) if i + 1 < len(self._starts) else math.inf
        rate = self._rates[i]
        if rate is None:
            return None, until_us
        if not isinstance(rate, RateTrace):
            return rate, until_us
        # Edges are whole microseconds and fmod is exact, so every round makes progress.
        period_us = rate.period_ms * 1000
        offset_us = math.fmod(t_us, period_us)
        j = bisect_right(self._edges[i], offset_us) - 1
        edge_us = self._edges[i][j + 1] if j + 1 < len(self._edges[i]) else period_us
        return rate.points[j][1], min(until_us, t_us - offset_us + edge_us)
