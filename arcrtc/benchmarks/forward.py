"""Rounds of forwarding: source, then what is measured, then sinks; the targets by turns.

A target forwards: the engine's router, or the bare loop it is compared with. What
counts is packets out per second of CPU time of the thread that forwards; source and
sinks share another thread, on another core where the machine has one.
"""
from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from arcrtc._native import lib
from arcrtc.benchmarks.traffic import (
    BareLoop,
    Latency,
    Sink,
    SinkConfig,
    SinkStats,
    Source,
    SourceConfig,
    Traffic,
)
from arcrtc.engine import Engine
from arcrtc.errors import ArcError
from arcrtc.routing import Leg, LegConfig, TrackConfig
from arcrtc.routing.enginerouter import Delays
from arcrtc.srtp import SrtpConfig
from arcrtc.streams import MediaType

FIRST_SSRC: Final = 0x20000000
_AUDIO_BYTES: Final = 400  # payloads up to this are sound
_PAYLOAD_TYPE: Final = 96
_WARM_UP_S: Final = 0.1
_DRAIN_S: Final = 0.5
_SINK_SOCKETS: Final = 4
_SINK_WINDOW_PKTS: Final = 65536  # forwarded packets that may wait at the sinks, if their buffers can hold them
_PACKET_COST_BYTES: Final = 1000  # what the kernel counts for a packet beyond its bytes, about


class ForwardingError(ArcError, RuntimeError):
    """What arrived is not what was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is forwarded.

    :ivar payload_bytes: of every packet, without RTP header and tag.
    :ivar fan_out: subscribers of each publisher.
    :ivar burst_pkts: packets that arrive as one train.
    :ivar train_pkts: packets that may leave as one train; the bare loop sends on what arrived as one.
    :ivar gro: the sinks take trains.
    :ivar publishers: each with one stream.
    :ivar rate_pps: packets/s that are sent; 0: as many as come through.
    :ivar sample_every: one of so many received packets is looked into.
    :ivar forged_pps: packets/s that the publishers' addresses send besides, under a wrong key.
    :ivar crypto: cipher backend of all sides, or "auto" (:class:`~arcrtc.srtp.SrtpConfig`).
    """

    payload_bytes: int
    fan_out: int
    burst_pkts: int
    train_pkts: int = 48
    gro: bool = True
    publishers: int = 1
    rate_pps: int = 0
    sample_every: int = 733
    forged_pps: int = 0
    crypto: str = "auto"

    @property
    def window_pkts(self) -> int:
        """Packets that may wait at the forwarder."""
        return max(64, self.burst_pkts * 16)


@dataclass(frozen=True, slots=True)
class Publisher:
    """A stream that the target receives, under ``srtp``, as ``ssrc``."""

    ssrc: int
    srtp: SrtpConfig


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Where the target sends the stream of publisher number ``publisher`` to, under ``srtp``."""

    publisher: int
    address: str
    srtp: SrtpConfig


@dataclass(frozen=True, slots=True)
class Plan:
    """What a target is to do.

    :ivar core: CPU for the thread that forwards; None: any.
    """

    case: Case
    publishers: tuple[Publisher, ...]
    subscribers: tuple[Subscriber, ...]
    core: int | None


@dataclass(frozen=True, slots=True)
class Counters:
    """What a target has done so far.

    :ivar cpu_ns: CPU time of the thread that forwards, nanoseconds.
    :ivar received_pkts: packets it took from its sockets.
    :ivar forwarded_pkts: packets it sent.
    """

    cpu_ns: int
    received_pkts: int
    forwarded_pkts: int


class Target(ABC):
    """Something that forwards, for one round: open, counters, close."""

    name: str

    @abstractmethod
    def open(self, plan: Plan) -> None:
        """Start to forward what ``plan`` says."""

    @abstractmethod
    def addresses(self) -> Sequence[str]:
        """Where each publisher sends to, "host:port"."""

    @abstractmethod
    def ssrcs(self) -> Sequence[int]:
        """SSRC under which each subscriber receives; no two alike."""

    @abstractmethod
    def counters(self) -> Counters:
        """What it has done so far."""

    def delays(self) -> Delays | None:
        """How long packets were inside since the last call; None: it does not know."""
        return None

    def taken(self) -> Any:
        """``const int64_t *``: packets received so far; None: it publishes none."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Stop, and give everything back."""


class BareLoopTarget(Target):
    """The bare loop of ``csrc/io/bareloop.h``."""

    name = "bare loop"

    def open(self, plan: Plan) -> None:
        """Start the loop."""
        self._loop = BareLoop(core=plan.core, streams=len(plan.publishers), subscribers=len(plan.subscribers),
                              first_ssrc=plan.publishers[0].ssrc, payload_bytes=plan.case.payload_bytes)
        self._n = len(plan.publishers)
        for i, publisher in enumerate(plan.publishers):
            self._loop.set_stream(i, publisher.srtp)
        self._ssrcs = [0x40000000 + i for i in range(len(plan.subscribers))]
        for i, (to, ssrc) in enumerate(zip(plan.subscribers, self._ssrcs, strict=True)):
            self._loop.add_subscriber(to.publisher, to.address, ssrc, to.srtp, number_offset=i * 977 % 30000,
                                      ts_offset=i * 123457)
        self._loop.start()
        self.name = f"bare loop, {self._loop.crypto}"

    def addresses(self) -> Sequence[str]:
        """All publishers send to the one socket."""
        return [self._loop.address] * self._n

    def ssrcs(self) -> Sequence[int]:
        """Numbers from 0x40000000 on."""
        return self._ssrcs

    def counters(self) -> Counters:
        """Of the loop's thread."""
        stats = self._loop.stats()
        return Counters(stats.cpu_ns, stats.received_pkts, stats.forwarded_pkts)

    def taken(self) -> Any:
        """The loop's own counter."""
        return self._loop.taken

    def close(self) -> None:
        """End the loop."""
        self._loop.close()


class RouterTarget(Target):
    """The engine's packet router, as it is used: histories, statistics, RTCP and all."""

    name = "engine router"

    def open(self, plan: Plan) -> None:
        """Start an engine with a router, and a leg with a socket for everyone."""
        case = plan.case
        self._engine = Engine(threads=1, media_threads=1, cores=None if plan.core is None else [plan.core])
        self._router = router = self._engine.router()
        kind = MediaType.VIDEO if case.payload_bytes > _AUDIO_BYTES else MediaType.AUDIO
        self._legs = [router.add_leg(LegConfig(srtp=to.srtp), local="127.0.0.1:0") for to in plan.publishers]
        tracks = [router.publish(leg, TrackConfig(kind=kind, codec="other", ssrc=to.ssrc, payload_type=_PAYLOAD_TYPE,
                                                  clock_rate=90_000))
                  for leg, to in zip(self._legs, plan.publishers, strict=True)]
        self._routes = router.subscribe_many(
            [(tracks[to.publisher], self._subscriber(to, case.train_pkts), None) for to in plan.subscribers])

    def _subscriber(self, to: Subscriber, train_pkts: int) -> Leg:
        return self._router.add_leg(LegConfig(srtp=to.srtp, train_pkts=train_pkts), local="127.0.0.1:0",
                                    remote=to.address)

    def addresses(self) -> Sequence[str]:
        """Each publisher has a socket."""
        return [self._router.local_address(leg) for leg in self._legs]

    def ssrcs(self) -> Sequence[int]:
        """Random ones; no two alike but by an accident of 1 in 10^7."""
        return [route.ssrc for route in self._routes]

    def counters(self) -> Counters:
        """Of the engine's one network thread."""
        stats = self._router.stats()
        return Counters(self._engine.stats()[0]["cpu_ns"], stats["received_pkts"],
                        stats["sent_pkts"] - stats["sent_rtcp"])

    def delays(self) -> Delays | None:
        """The router's own clock."""
        return self._router.delays()

    def taken(self) -> Any:
        """The router's own counter."""
        return lib.arc_relay_taken(self._router._calls.handle)

    def close(self) -> None:
        """End the engine."""
        self._engine.close()


@dataclass(frozen=True, slots=True)
class Round:
    """What one round gave.

    :ivar target: name of what was measured.
    :ivar out_per_cpu_s: packets out per second of CPU time of the forwarding thread.
    :ivar out_pps: packets out per second.
    :ivar in_pps: packets in per second, refused ones too.
    :ivar cpu_share: of one core, 0..1.
    :ivar delivered: packets that arrived by packets sent, over the whole round.
    :ivar latency: from the source to the sink, of the samples.
    :ivar sink: all counts of the sink.
    :ivar inside: time inside the target; None: it does not know.
    """

    target: str
    out_per_cpu_s: float
    out_pps: float
    in_pps: float
    cpu_share: float
    delivered: float
    latency: Latency
    sink: SinkStats
    inside: Delays | None

    @property
    def faults(self) -> int:
        """Samples that were not what was sent."""
        return self.sink.forged + self.sink.wrong + self.sink.number_shifts + self.sink.ts_shifts


def cores() -> tuple[int | None, int | None]:
    """(for the thread that forwards, for the traffic); None: this machine has one core only."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (usable[0], usable[1]) if len(usable) > 1 else (None, None)


def _sink(traffic: Traffic, case: Case) -> tuple[Sink, list[Subscriber]]:
    """A sink, and the subscribers that it stands for; their routes are still missing."""
    n = case.publishers * case.fan_out
    sink = traffic.sink(SinkConfig(sockets=min(_SINK_SOCKETS, n), gro=case.gro, sample_every=case.sample_every,
                                   max_legs=n, max_routes=n))
    subscribers = []
    for i in range(n):
        srtp = SrtpConfig.generate(max_streams=1, crypto=case.crypto)
        sink.add_leg(srtp)
        subscribers.append(Subscriber(i // case.fan_out, sink.addresses[i % len(sink.addresses)], srtp))
    return sink, subscribers


def _source(traffic: Traffic, plan: Plan, target: Target, sink: Sink) -> Source:
    case = plan.case
    source = traffic.source(SourceConfig(
        payload_bytes=case.payload_bytes, burst_pkts=case.burst_pkts, rate_pps=case.rate_pps,
        hostile=lib.ARC_TRAFFIC_FORGED if case.forged_pps else 0, hostile_pps=case.forged_pps,
        max_streams=case.publishers))
    for publisher, address in zip(plan.publishers, target.addresses(), strict=True):
        source.add_leg(address, publisher.ssrc, srtp=publisher.srtp)
    if case.rate_pps == 0:
        if (taken := target.taken()) is not None:
            source.follow(taken, window_pkts=case.window_pkts, keep=target)
        source.follow(sink.counter, per_packet=case.fan_out, keep=sink,
                      window_pkts=_sink_window(case, sink, alone=taken is None))
    return source


def _sink_window(case: Case, sink: Sink, *, alone: bool) -> int:
    """Packets sent that may be on their way until the sinks have them; ``alone``: nothing else bounds them."""
    room = sink.buffer_bytes * len(sink.addresses) // 2 // (case.payload_bytes + _PACKET_COST_BYTES)
    window = max(2 * case.burst_pkts, min(_SINK_WINDOW_PKTS, room) // case.fan_out)
    return min(window, case.window_pkts) if alone else window


def _drain(sink: Sink, target: Target) -> None:
    """Wait until everything that was forwarded arrived, or nothing arrives any more."""
    end, before = time.monotonic() + _DRAIN_S, -1
    while time.monotonic() < end:
        now = sink.stats().received_pkts
        if now == target.counters().forwarded_pkts == before:
            return
        before = now
        time.sleep(0.01)


def run_round(case: Case, target: Target, seconds: float) -> Round:
    """Let ``target`` forward for about ``seconds`` and count.

    :raises ArcError: the target or its sockets cannot be made.
    """
    forward_core, traffic_core = cores()
    with Traffic(core=traffic_core) as traffic:
        sink, subscribers = _sink(traffic, case)
        publishers = tuple(Publisher(FIRST_SSRC + i, SrtpConfig.generate(max_streams=1, crypto=case.crypto))
                           for i in range(case.publishers))
        plan = Plan(case, publishers, tuple(subscribers), forward_core)
        target.open(plan)
        try:
            for leg, ssrc in enumerate(target.ssrcs()):
                sink.add_route(leg, ssrc)
            source = _source(traffic, plan, target, sink)
            return _measured(source, target, sink, seconds)
        finally:
            target.close()


def _measured(source: Source, target: Target, sink: Sink, seconds: float) -> Round:
    try:
        source.run()
        time.sleep(_WARM_UP_S)
        sink.take_latency()
        begin, t0 = target.counters(), time.monotonic()
        time.sleep(seconds)
        end, t1 = target.counters(), time.monotonic()
        latency, inside = sink.take_latency(), target.delays()
        source.run(False)
        _drain(sink, target)
    finally:
        source.close()  # it looks at a counter of the target's, which is closed next
    out, cpu_s = end.forwarded_pkts - begin.forwarded_pkts, (end.cpu_ns - begin.cpu_ns) / 1e9
    stats = sink.stats()
    return Round(target.name, out / max(cpu_s, 1e-9), out / (t1 - t0),
                 (end.received_pkts - begin.received_pkts) / (t1 - t0), cpu_s / (t1 - t0),
                 stats.received_pkts / max(target.counters().forwarded_pkts, 1), latency, stats, inside)
