"""Measuring: repeated samples of CPU time, or of time for latencies, ours and the peer's by turns."""
from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from arcrtc.benchmarks.registry import RATE_SUFFIX, TIME_UNITS, Benchmark, Meter, Work

_NS_PER_S: Final = 1_000_000_000
_MAX_LOOPS: Final = 1 << 24
_METER_FEWER: Final = 3  # a Meter takes a third of the samples, each ten times as long
_METER_TIMES: Final = 10


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure.

    :ivar samples: samples taken of each side.
    :ivar sample_ns: CPU time that one sample takes at least, nanoseconds.
    """

    samples: int
    sample_ns: int

    @classmethod
    def normal(cls) -> Effort:
        """For figures to be reported: about a second for each side."""
        return cls(samples=21, sample_ns=40_000_000)

    @classmethod
    def quick(cls) -> Effort:
        """To see that everything runs: about 50 ms for each side."""
        return cls(samples=5, sample_ns=5_000_000)


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table.

    :ivar value: median of the samples, in ``unit``.
    :ivar spread: interquartile range of the samples, in ``unit``.
    :ivar n: number of samples.
    :ivar peer: name of the peer; None: there is none here.
    :ivar peer_value: the peer's median, in ``unit``.
    :ivar ratio: ``value / peer_value``; below 1 is better for a time, above 1 for a rate.
    """

    name: str
    unit: str
    value: float
    spread: float
    n: int
    peer: str | None
    peer_value: float | None
    ratio: float | None

    def to_json(self) -> dict[str, Any]:
        """The same as a dict that JSON can hold."""
        return asdict(self)

    @property
    def times_better(self) -> float | None:
        """How many times better than the peer; None without one."""
        if self.ratio is None:
            return None
        return self.ratio if self.unit.endswith(RATE_SUFFIX) else 1 / self.ratio


def _cpu_ns(run: Callable[[int], None], loops: int) -> int:
    """CPU time of all threads of this process: other jobs on the machine do not count."""
    start = time.process_time_ns()
    run(loops)
    return time.process_time_ns() - start


def _wall_ns(run: Callable[[int], None], loops: int) -> int:
    start = time.perf_counter_ns()
    run(loops)
    return time.perf_counter_ns() - start


def _calibrate(run: Callable[[int], None], sample_ns: int,
               took_ns: Callable[[Callable[[int], None], int], int] = _cpu_ns) -> int:
    """How many loops fill one sample; warms caches and clocks on the way."""
    loops = 1
    while (took := took_ns(run, loops)) < sample_ns and loops < _MAX_LOOPS:
        # At most tenfold: the first, cold loops say little about the later ones.
        loops = min(_MAX_LOOPS, loops * min(10, max(2, sample_ns // max(took, 1))))
    return loops


def _in_unit(unit: str, ns_per_item: float) -> float:
    if unit.endswith(RATE_SUFFIX):
        return _NS_PER_S / ns_per_item
    return ns_per_item / TIME_UNITS[unit.partition("/")[0]]


def _metered(meter: Meter, effort: Effort) -> tuple[list[float], list[float], str | None]:
    """Samples that the benchmark takes itself; fewer and longer ones, since each starts threads."""
    ours: list[float] = []
    peers: list[float] = []
    seconds = effort.sample_ns * _METER_TIMES / _NS_PER_S
    for _ in range(max(2, effort.samples // _METER_FEWER)):
        ours.append(meter.sample(seconds))
        if meter.peer_sample is not None:
            peers.append(meter.peer_sample(seconds))
    return ours, peers, meter.peer() if meter.peer is not None else None


def _timed(work: Work, unit: str, effort: Effort) -> tuple[list[float], list[float], str | None]:
    """Samples of the CPU time of this process, or of the time on the clock."""
    sides = [(work.run, work.items)] + ([(work.peer.run, work.peer.items)] if work.peer else [])
    took_ns = _wall_ns if work.wall else _cpu_ns
    loops = [_calibrate(run, effort.sample_ns, took_ns) for run, _ in sides]
    samples: list[list[float]] = [[] for _ in sides]
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(effort.samples):
            for side, (run, items) in enumerate(sides):
                # A coarse clock can say 0 for a short sample: count it as its resolution.
                took = max(took_ns(run, loops[side]), 1)
                samples[side].append(_in_unit(unit, took / loops[side] / items))
    finally:
        if enabled:
            gc.enable()
    return samples[0], samples[1] if work.peer else [], work.peer.name if work.peer else None


def measure(entry: Benchmark, effort: Effort) -> Result:
    """Prepare and measure one benchmark, its peer's samples between its own.

    :raises ArcError: it cannot run on this machine.
    :raises ImportError: a module it needs is not there.
    """
    work = entry.prepare()
    samples, peers, peer = (_metered(work, effort) if isinstance(work, Meter)
                            else _timed(work, entry.unit, effort))
    value = statistics.median(samples)
    quarters = statistics.quantiles(samples, n=4)
    peer_value = statistics.median(peers) if peers else None
    return Result(
        name=entry.name, unit=entry.unit, value=value, spread=quarters[2] - quarters[0], n=len(samples),
        peer=peer, peer_value=peer_value, ratio=value / peer_value if peer_value else None)
