"""A soak: peers that come, go, change keys, die and misbehave, while packets are forwarded.

Publishers and subscribers are native traffic (:mod:`arcrtc.benchmarks.traffic`), so every
subscriber knows whether what it gets is what was published. What is soaked stands behind
:class:`Forwarder`. All is drawn from a seed, but when it happens depends on the machine.
"""
from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from arcrtc.benchmarks.soakchecks import Accounts, Holdings, growth_bytes, resident_bytes
from arcrtc.benchmarks.traffic import FORGED, RANDOM, REPLAYED, Sink, SinkConfig, Source, SourceConfig, Traffic
from arcrtc.errors import ArgumentError
from arcrtc.srtp import SrtpConfig

KEY_OVERLAP_S: Final = 0.5  # how long a key goes on beside its successor
_KEY_PAUSE_S: Final = 3 * KEY_OVERLAP_S  # between two key changes of a leg
_DRAIN_S: Final = 2.0
_MEMORY_EVERY_S: Final = 0.5
_SINK_ROUTES: Final = 512
_SLEEP_US: Final = 500


class Forwarder(ABC):
    """What is soaked: the engine's router, or a stand-in for it. Handles are its own affair."""

    @abstractmethod
    def add_leg(self, srtp: SrtpConfig, remote: str | None) -> Any:
        """A peer under these keys, both ways; ``remote`` None: learned from its first packet."""

    @abstractmethod
    def local_address(self, leg: Any) -> str:
        """Where the peer sends to."""

    @abstractmethod
    def received_of(self, leg: Any) -> int:
        """Datagrams taken from the peer's socket so far."""

    @abstractmethod
    def lost_of(self, leg: Any) -> int:
        """Datagrams from the peer that the kernel dropped, because its socket was full."""

    @abstractmethod
    def unsent_of(self, leg: Any) -> int:
        """Packets for the peer that had a number, but that the kernel did not take."""

    @abstractmethod
    def remove_leg(self, leg: Any) -> None:
        """Forget the peer, its tracks and its routes."""

    @abstractmethod
    def publish(self, leg: Any, ssrc: int, kind: str) -> Any:
        """A track that the peer sends; ``kind`` is "audio" or "video"."""

    @abstractmethod
    def subscribe(self, track: Any, leg: Any) -> tuple[Any, int]:
        """(route, the SSRC that the subscriber sees)."""

    @abstractmethod
    def unsubscribe(self, route: Any) -> None:
        """End a route."""

    @abstractmethod
    def pause(self, route: Any, on: bool) -> None:
        """Hold a route, or let it go on."""

    @abstractmethod
    def rekey(self, leg: Any, srtp: SrtpConfig) -> None:
        """Send under the new key at once; accept the old one for :data:`KEY_OVERLAP_S` more."""

    @abstractmethod
    def accounts(self) -> Accounts:
        """What became of every packet so far, removed peers included."""

    @abstractmethod
    def close(self) -> None:
        """Give everything back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakConfig:
    """How long and how wild.

    :ivar seconds: length of the run without its end.
    :ivar seed: of everything that is drawn.
    :ivar publishers: at most so many at a time.
    :ivar subscribers: at most so many at a time, dead ones included.
    :ivar operations_per_s: joins, leaves, key changes and the like.
    :ivar audio_pps: packets/s of an audio publisher.
    :ivar video_pps: packets/s of a video publisher, in bursts.
    :ivar hostile_pps: hostile packets/s of each publisher that is hostile; 0: none is.
    :ivar growth_bytes: resident memory may grow by so much over the last third.
    """

    seconds: float
    seed: int = 1
    publishers: int = 12
    subscribers: int = 40
    operations_per_s: float = 20.0
    audio_pps: int = 50
    video_pps: int = 400
    hostile_pps: int = 200
    growth_bytes: int = 8 << 20


@dataclass(frozen=True, slots=True)
class SoakReport:
    """What a soak found.

    :ivar faults: in words; empty: it was passed.
    :ivar operations: how often each was done.
    :ivar sent_pkts: media packets of publishers.
    :ivar hostile_pkts: hostile packets of publishers.
    :ivar received_pkts: packets that subscribers got.
    :ivar samples: of these, looked into.
    :ivar growth_bytes: of resident memory, from the middle third to the last.
    :ivar accounts: the forwarder's.
    """

    faults: tuple[str, ...]
    operations: dict[str, int]
    sent_pkts: int
    hostile_pkts: int
    received_pkts: int
    samples: int
    growth_bytes: int
    accounts: Accounts


@dataclass(slots=True, eq=False)
class _Publisher:
    leg: Any
    track: Any
    source: Source
    srtp: SrtpConfig
    rekeyed_s: float


@dataclass(slots=True, eq=False)
class _Subscriber:
    leg: Any
    sink: Sink
    srtp: SrtpConfig
    rekeyed_s: float
    dead: bool = False
    routes: dict[Any, _Publisher] = field(default_factory=dict)
    paused: set[Any] = field(default_factory=set)
    routes_made: int = 0
    pauses: int = 0


class Soak:
    """One run.

    :param make: makes what is soaked, at the beginning of :meth:`run`; it is closed at the end.
    :raises ArgumentError: there is no time, or nobody to take part.
    """

    def __init__(self, make: Callable[[], Forwarder], config: SoakConfig) -> None:
        if config.seconds <= 0 or config.publishers < 1 or config.subscribers < 1 or config.operations_per_s <= 0:
            raise ArgumentError("a soak needs time, publishers, subscribers and operations")
        self._make, self._config = make, config
        self._random = random.Random(config.seed)
        self._publishers: list[_Publisher] = []
        self._subscribers: list[_Subscriber] = []
        self._next_ssrc = 0x10000
        self._done: Counter[str] = Counter()
        self._totals: Counter[str] = Counter()
        self._faults: list[str] = []
        self._operations: dict[str, tuple[int, Callable[[], bool]]] = {
            "publisher joins": (3, self._join_publisher), "publisher leaves": (1, self._leave_publisher),
            "subscriber joins": (6, self._join_subscriber), "subscriber leaves": (2, self._leave_subscriber),
            "subscribe": (6, self._subscribe), "unsubscribe": (3, self._unsubscribe),
            "pause": (2, self._pause), "resume": (2, self._resume),
            "publisher key": (2, self._rekey_publisher), "subscriber key": (2, self._rekey_subscriber),
            "subscriber dies": (1, self._kill), "dead removed": (2, self._bury)}

    # --- the run ---

    def run(self) -> SoakReport:
        """Do it all, and look at what is left.

        :raises ArcError: the forwarder refused what it must do.
        """
        before = Holdings.now()
        self._forwarder = self._make()
        try:
            with Traffic(sleep_us=_SLEEP_US) as self._traffic:
                memory = self._live()
                self._end()
            accounts = self._forwarder.accounts()
        finally:
            self._forwarder.close()
            del self._forwarder
        self._check_accounts(accounts)
        self._faults += [f"left behind: {fault}" for fault in Holdings.now().faults(before)]
        growth = growth_bytes(memory)
        if growth > self._config.growth_bytes:
            self._faults.append(f"resident memory grew by {growth} bytes over the last third")
        return SoakReport(tuple(self._faults), dict(self._done), self._totals["sent"], self._totals["hostile"],
                          self._totals["received"], self._totals["samples"], growth, accounts)

    def _live(self) -> list[int]:
        """Operations at random until the time is over; returns the samples of memory."""
        names = list(self._operations)
        weights = [self._operations[name][0] for name in names]
        end = time.monotonic() + self._config.seconds
        memory, next_memory = [], 0.0
        while (now := time.monotonic()) < end:
            if now >= next_memory:
                memory.append(resident_bytes())
                next_memory = now + _MEMORY_EVERY_S
            name = self._random.choices(names, weights)[0]
            if self._operations[name][1]():
                self._done[name] += 1
            time.sleep(self._random.expovariate(self._config.operations_per_s))
        return memory

    def _end(self) -> None:
        """Publishers fall silent, then everybody leaves."""
        for publisher in self._publishers:
            publisher.source.run(False)
        self._settle()
        for subscriber in list(self._subscribers):
            self._part(subscriber)
        for publisher in list(self._publishers):
            self._remove_publisher(publisher)

    def _settle(self) -> None:
        """Wait until the forwarder and the living subscribers get nothing more."""
        end, before = time.monotonic() + _DRAIN_S, -1
        while time.monotonic() < end:
            now = self._forwarder.accounts().received + sum(
                s.sink.stats().received_pkts for s in self._subscribers if not s.dead)
            if now == before:
                return
            before = now
            time.sleep(0.05)

    # --- publishers ---

    def _join_publisher(self) -> bool:
        if len(self._publishers) >= self._config.publishers:
            return False
        kind = self._random.choice(("audio", "video"))
        ssrc, srtp = self._new_ssrc(), SrtpConfig.generate()
        leg = self._forwarder.add_leg(srtp, None)
        track = self._forwarder.publish(leg, ssrc, kind)
        source = self._traffic.source(self._source_config(kind))
        source.add_leg(self._forwarder.local_address(leg), ssrc, srtp=srtp)
        source.run()
        self._publishers.append(_Publisher(leg, track, source, srtp, time.monotonic()))
        return True

    def _source_config(self, kind: str) -> SourceConfig:
        hostile = self._random.choice((0, 0, FORGED, RANDOM, REPLAYED, FORGED | RANDOM | REPLAYED))
        hostile_pps = self._config.hostile_pps if hostile else 0
        audio = kind == "audio"
        return SourceConfig(
            payload_bytes=172 if audio else 1000, burst_pkts=1 if audio else 8, payload_type=111 if audio else 96,
            ticks_per_burst=960 if audio else 3000,
            rate_pps=self._config.audio_pps if audio else self._config.video_pps,
            hostile=hostile if hostile_pps else 0, hostile_pps=hostile_pps, max_streams=1)

    def _new_ssrc(self) -> int:
        self._next_ssrc += 1
        return self._next_ssrc

    def _leave_publisher(self) -> bool:
        if not self._publishers:
            return False
        publisher = self._random.choice(self._publishers)
        publisher.source.run(False)
        self._wait_for_the_rest(publisher)
        self._remove_publisher(publisher)
        return True

    def _wait_for_the_rest(self, publisher: _Publisher) -> None:
        """What it sent must be taken from the forwarder's socket before that is closed."""
        stats, end = publisher.source.stats(), time.monotonic() + _DRAIN_S
        while (self._forwarder.received_of(publisher.leg) < stats.sent_pkts + stats.hostile_pkts
               and time.monotonic() < end):
            time.sleep(0.002)

    def _remove_publisher(self, publisher: _Publisher) -> None:
        for subscriber in self._subscribers:
            for route in [route for route, of in subscriber.routes.items() if of is publisher]:
                del subscriber.routes[route]
                subscriber.paused.discard(route)
        self._totals["lost"] += self._forwarder.lost_of(publisher.leg)
        self._forwarder.remove_leg(publisher.leg)
        stats = publisher.source.stats()
        self._totals["sent"] += stats.sent_pkts
        self._totals["hostile"] += stats.hostile_pkts
        publisher.source.close()
        self._publishers.remove(publisher)

    def _rekey_publisher(self) -> bool:
        due = [p for p in self._publishers if time.monotonic() - p.rekeyed_s > _KEY_PAUSE_S]
        if not due:
            return False
        publisher = self._random.choice(due)
        publisher.srtp, publisher.rekeyed_s = publisher.srtp.with_new_key(), time.monotonic()
        self._forwarder.rekey(publisher.leg, publisher.srtp)
        publisher.source.rekey(0, publisher.srtp)
        return True

    # --- subscribers ---

    def _living(self) -> list[_Subscriber]:
        return [s for s in self._subscribers if not s.dead]

    def _join_subscriber(self) -> bool:
        if len(self._subscribers) >= self._config.subscribers:
            return False
        srtp = SrtpConfig.generate(max_streams=_SINK_ROUTES)
        sink = self._traffic.sink(SinkConfig(sample_every=11, buffer_bytes=1 << 20, max_legs=1,
                                             max_routes=_SINK_ROUTES))
        sink.add_leg(srtp)
        leg = self._forwarder.add_leg(srtp, sink.addresses[0])
        self._subscribers.append(_Subscriber(leg, sink, srtp, time.monotonic()))
        return True

    def _subscribe(self) -> bool:
        pairs = [(s, p) for s in self._living() if s.routes_made < _SINK_ROUTES
                 for p in self._publishers if p not in s.routes.values()]
        if not pairs:
            return False
        subscriber, publisher = self._random.choice(pairs)
        route, ssrc = self._forwarder.subscribe(publisher.track, subscriber.leg)
        subscriber.sink.add_route(0, ssrc)
        subscriber.routes[route] = publisher
        subscriber.routes_made += 1
        return True

    def _some_route(self, paused: bool | None) -> tuple[_Subscriber, Any] | None:
        found = [(s, route) for s in self._living() for route in s.routes
                 if paused is None or (route in s.paused) == paused]
        return self._random.choice(found) if found else None

    def _unsubscribe(self) -> bool:
        if (found := self._some_route(None)) is None:
            return False
        subscriber, route = found
        self._forwarder.unsubscribe(route)
        del subscriber.routes[route]
        subscriber.paused.discard(route)
        return True

    def _pause(self) -> bool:
        return self._set_paused(True)

    def _resume(self) -> bool:
        return self._set_paused(False)

    def _set_paused(self, on: bool) -> bool:
        if (found := self._some_route(not on)) is None:
            return False
        subscriber, route = found
        self._forwarder.pause(route, on)
        subscriber.pauses += on
        (subscriber.paused.add if on else subscriber.paused.discard)(route)
        return True

    def _rekey_subscriber(self) -> bool:
        due = [s for s in self._living() if time.monotonic() - s.rekeyed_s > _KEY_PAUSE_S]
        if not due:
            return False
        subscriber = self._random.choice(due)
        subscriber.srtp, subscriber.rekeyed_s = subscriber.srtp.with_new_key(), time.monotonic()
        subscriber.sink.rekey(0, subscriber.srtp, overlap_ms=int(KEY_OVERLAP_S * 1000))
        self._forwarder.rekey(subscriber.leg, subscriber.srtp)
        return True

    def _leave_subscriber(self) -> bool:
        if not (living := self._living()):
            return False
        self._part(self._random.choice(living))
        return True

    def _kill(self) -> bool:
        """Its socket is gone; the forwarder has to find out."""
        if not (living := self._living()):
            return False
        subscriber = self._random.choice(living)
        self._judge(subscriber, self._forwarder.unsent_of(subscriber.leg))
        subscriber.dead = True
        return True

    def _bury(self) -> bool:
        dead = [s for s in self._subscribers if s.dead]
        if not dead:
            return False
        self._part(self._random.choice(dead))
        return True

    def _part(self, subscriber: _Subscriber) -> None:
        unsent = self._forwarder.unsent_of(subscriber.leg)
        self._forwarder.remove_leg(subscriber.leg)
        if not subscriber.dead:
            self._judge(subscriber, unsent)
        self._subscribers.remove(subscriber)

    def _judge(self, subscriber: _Subscriber, unsent: int) -> None:
        """Close a sink, and see whether it got what it should have got, and nothing else."""
        stats = subscriber.sink.stats()
        subscriber.sink.close()
        self._totals["received"] += stats.received_pkts
        self._totals["samples"] += stats.samples
        # What never reached the forwarder leaves a hole that it must pass on.
        holes = self._totals["lost"] + sum(self._forwarder.lost_of(p.leg) for p in self._publishers)
        if stats.missing_pkts > unsent + stats.kernel_drops + holes:
            self._faults.append(f"a subscriber misses {stats.missing_pkts} of {stats.received_pkts} packets; {unsent} "
                                f"were not sent to it, {stats.kernel_drops} did not fit its socket, {holes} not the "
                                "publishers'")
        # Numbers go on behind a pause, so their distance to the source's changes once; nothing else may change it:
        # a packet that was left out in silence would.
        if stats.number_shifts > subscriber.pauses:
            self._faults.append(f"a subscriber counted {stats.number_shifts} number_shifts in {subscriber.pauses} "
                                "pauses")
        for what in ("forged", "wrong", "ts_shifts", "misplaced_pkts"):
            if count := getattr(stats, what):
                self._faults.append(f"a subscriber counted {count} {what} of {stats.received_pkts} packets")

    # --- the end ---

    def _check_accounts(self, accounts: Accounts) -> None:
        self._faults += accounts.faults()
        sent, lost = self._totals["sent"] + self._totals["hostile"], self._totals["lost"]
        if accounts.received + lost != sent:
            self._faults.append(f"{sent} packets were sent to the forwarder, it received {accounts.received}, and the "
                                f"kernel dropped {lost} at its sockets")
        if self._totals["received"] > accounts.sent:
            self._faults.append(f"subscribers received {self._totals['received']} packets of {accounts.sent} sent")
