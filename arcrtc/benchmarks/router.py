"""Receive to forward, SRTP both ways: packets out per second and core, and how long they take.

Peer: the bare loop, the least C that does it (``csrc/io/bareloop.h``), in rounds by
turns with what is measured.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from arcrtc.benchmarks.forward import BareLoopTarget, Case, ForwardingError, Round, RouterTarget, Target, run_round
from arcrtc.benchmarks.registry import Meter, benchmark

_MIN_DELIVERED: Final = 0.8  # below, the sinks were too slow for the figure to mean anything
_HALF_LOAD_SAMPLES: Final = 61

#: What is measured; those behind the first are its peers.
TARGETS: Final[tuple[Callable[[], Target], ...]] = (RouterTarget, BareLoopTarget)

_VIDEO: Final = Case(payload_bytes=1200, fan_out=10, burst_pkts=12)
_AUDIO: Final = Case(payload_bytes=172, fan_out=10, burst_pkts=1, train_pkts=1)

_FLOOD: Final = Case(payload_bytes=200, fan_out=1, burst_pkts=12, rate_pps=600, forged_pps=300_000)

FORWARD: Final = {
    "router.forward.gcm128.1200B.fanout10": _VIDEO,
    "router.forward.gcm128.1200B.fanout10.train12": replace(_VIDEO, train_pkts=12),
    "router.forward.gcm128.1200B.fanout10.nogro": replace(_VIDEO, gro=False),
    "router.forward.gcm128.172B.fanout10": _AUDIO,
    "router.forward.gcm128.172B.fanout50": replace(_AUDIO, fan_out=50),
    "router.forward.gcm128.172B.fanout10.trains": replace(_AUDIO, train_pkts=48),
}
LATENCY: Final = {
    "router.latency.gcm128.1200B.fanout10": _VIDEO,
    "router.latency.gcm128.172B.fanout10": _AUDIO,
}


def checked(result: Round) -> Round:
    """Return ``result``, unless what arrived was wrong or too little.

    :raises ForwardingError: says which.
    """
    if result.faults:
        raise ForwardingError(f"{result.target}: {result.faults} of {result.sink.samples} samples are not what "
                              "was sent")
    if result.delivered < _MIN_DELIVERED:
        raise ForwardingError(f"{result.target}: only {result.delivered:.0%} of the forwarded packets arrived")
    return result


class _Rounds:
    """Rounds of one target; remembers its name, which it knows only when it has run."""

    def __init__(self, make: Callable[[], Target]) -> None:
        self._make = make
        self.name = ""

    def run(self, case: Case, seconds: float) -> Round:
        result = checked(run_round(case, self._make(), seconds))
        self.name = result.target
        return result


def _meter(sample: Callable[[_Rounds, float], float]) -> Meter:
    sides = [_Rounds(make) for make in TARGETS]

    def of(side: _Rounds) -> Callable[[float], float]:
        return lambda seconds: sample(side, seconds)

    if len(sides) == 1:
        return Meter(of(sides[0]))
    return Meter(of(sides[0]), lambda: sides[1].name, of(sides[1]))


def _forward(case: Case) -> Meter:
    return _meter(lambda side, seconds: side.run(case, seconds).out_per_cpu_s)


def _half_load(case: Case) -> Case:
    """Half of what the first target forwards of this case when it is never waited for."""
    full = checked(run_round(case, TARGETS[0](), 0.2))
    return replace(case, rate_pps=max(case.burst_pkts, int(full.out_pps / case.fan_out / 2)),
                   sample_every=_HALF_LOAD_SAMPLES)


def _latency(case: Case, quantile: str) -> Meter:
    """From source to sink."""
    half = _half_load(case)
    return _meter(lambda side, seconds: float(getattr(side.run(half, seconds).latency, quantile)))


def _inside(case: Case, quantile: str) -> Meter:
    """In the engine: from when the kernel has the packet to when the last system call that forwards it is over."""
    half, side = _half_load(case), _Rounds(TARGETS[0])
    return Meter(lambda seconds: float(getattr(side.run(half, seconds).inside, quantile)))


def _refuse(case: Case) -> Meter:
    """CPU time of the forwarding thread for each packet of a flood under a wrong key, beside a little media."""

    def each(side: _Rounds, seconds: float) -> float:
        result = side.run(case, seconds)
        return 1e9 * result.cpu_share / max(result.in_pps, 1.0)

    return _meter(each)


def _register() -> None:
    for name, case in FORWARD.items():
        benchmark(name, "packets/s/core")(lambda case=case: _forward(case))
    for name, case in LATENCY.items():
        for quantile in ("p50", "p99"):
            benchmark(f"{name}.{quantile}", "us/packet")(
                lambda case=case, quantile=quantile: _latency(case, f"{quantile}_us"))
            benchmark(f"{name.replace('latency', 'latency.inside')}.{quantile}", "us/packet")(
                lambda case=case, quantile=quantile: _inside(case, f"{quantile}_us"))
    benchmark("router.refuse.gcm128.200B", "ns/packet")(lambda: _refuse(_FLOOD))


_register()
