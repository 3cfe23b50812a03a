"""A fleet of nodes in virtual time, to see what a load balancer does to it: loads, moves, refusals.

Nodes report now and then, fail and come back; sessions come, weigh more or less, and end. What a balancer knows
is only what is reported, as late as it is.
"""
from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

import numpy as np

from arcrtc._ranges import check_float, check_int
from arcrtc.errors import ConfigError, NoTargetError
from arcrtc.routing.loads import US_PER_S, TargetLoad, call_quality
from arcrtc.routing.placing import Move, Placement

_TICKS_PER_S = 10


class Placer(Protocol):
    """What a fleet asks of a balancer: :class:`arcrtc.LoadBalancer`, or something to compare it with."""

    def add_target(self, target: Hashable, *, capacity: int | None = None, now_us: int | None = None) -> None:
        """A node is there."""

    def report(self, target: Hashable, load: TargetLoad, now_us: int | None = None) -> None:
        """A node's report arrives."""

    def place(self, session: Hashable, room: Hashable | None = None, now_us: int | None = None) -> Placement:
        """Choose a node, or raise NoTargetError."""

    def release(self, session: Hashable) -> bool:
        """A session ended."""

    def moves(self, now_us: int | None = None) -> Iterable[Move]:
        """Sessions to move; each is moved before the next is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetConfig:
    """What a fleet is like.

    :ivar capacities: of the nodes, in units of load, 1..10**9 each; one node for each.
    :ivar weights: {units of load of a session: how frequent such are}.
    :ivar session_s: mean length of a session, exponential, 1..10**6.
    :ivar report_s: time between two reports of a node, 0.1..3600.
    :ivar report_delay_s: until a report arrives, 0..3600.
    :ivar ways: of the nodes to their peers, node by node and again from the first: (loss 0..1, round trip ms,
        jitter ms).
    :ivar room_size: mean sessions of a room, geometric; 1..10000; None: sessions have no rooms.
    :ivar seed: of all that is random here.
    :raises ConfigError: out of range.
    """

    capacities: Sequence[int]
    weights: dict[int, float] = field(default_factory=lambda: {1: 0.7, 4: 0.25, 10: 0.05})
    session_s: float = 300.0
    report_s: float = 5.0
    report_delay_s: float = 0.2
    ways: Sequence[tuple[float, float, float]] = ((0.0, 40.0, 3.0),)
    room_size: float | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        if not (self.capacities and self.weights and self.ways):
            raise ConfigError("a fleet needs capacities, weights and ways")
        for capacity in self.capacities:
            check_int("capacities", capacity, 1, 10**9)
        check_float("session_s", self.session_s, 1, 1e6)
        check_float("report_s", self.report_s, 0.1, 3600)
        check_float("report_delay_s", self.report_delay_s, 0, 3600)
        if self.room_size is not None:
            check_float("room_size", self.room_size, 1, 10_000)

    @property
    def mean_weight(self) -> float:
        """Units of load of a session on average."""
        return sum(w * share for w, share in self.weights.items()) / sum(self.weights.values())

    def sessions_at(self, load: float) -> float:
        """How many sessions make this mean load."""
        return load * sum(self.capacities) / self.mean_weight


@dataclass(frozen=True, slots=True)
class FleetResult:
    """Figures of a run; loads are of the nodes that work, one sample a second, without the filling before.

    :ivar mean_load: over nodes and time.
    :ivar max_to_mean: highest load to mean load, mean over time; 1 is even.
    :ivar worst_max_to_mean: the worst second of it.
    :ivar p99_to_mean: the same for the load that 1 % of the nodes exceed.
    :ivar jain: Jain's index (sum of loads)^2 / (n x sum of squares), mean over time; 1 is even.
    :ivar quality: of calls, mean over sessions and time (:func:`arcrtc.routing.call_quality`).
    :ivar overloaded: part of node-seconds with a load above 1.
    :ivar placed: sessions.
    :ivar misplaced: placed on nodes that had failed, which the balancer could not know yet.
    :ivar rejected: that no node was found for.
    :ivar moved: moves to another node.
    :ivar cut_off: times that a session was on a failed node, because it failed then or had failed before.
    :ivar outage_s: mean time that those waited for a move or their end, s.
    :ivar relayed: part of the sessions that were placed away from their room's home.
    """

    mean_load: float
    max_to_mean: float
    worst_max_to_mean: float
    p99_to_mean: float
    jain: float
    quality: float
    overloaded: float
    placed: int
    misplaced: int
    rejected: int
    moved: int
    cut_off: int
    outage_s: float
    relayed: float


class _Session:
    __slots__ = ("balancer", "lost_us", "node", "weight")

    def __init__(self, node: int, weight: int, balancer: int) -> None:
        self.node = node
        self.weight = weight
        self.balancer = balancer
        self.lost_us: int | None = None  # since when its node has failed


class Fleet:
    """Nodes 0, 1, 2 ... and the balancers that place sessions on them, each of them some.

    :param balancers: each has its own books, and all get all reports.
    """

    def __init__(self, config: FleetConfig, balancers: Sequence[Placer]) -> None:
        self.config = config
        self.now_us = 0
        self.capacity = np.array(config.capacities, float)
        self.used = np.zeros(len(self.capacity))
        self.working = np.ones(len(self.capacity), bool)
        self._balancers = list(balancers)
        self._random = Random(config.seed)
        self._arrivals = np.random.default_rng(config.seed)
        self._sessions: dict[int, _Session] = {}
        self._on: list[dict[int, None]] = [{} for _ in config.capacities]
        self._ends: list[tuple[int, int]] = []
        self._reports: deque[tuple[int, int, TargetLoad]] = deque()  # due, node, what
        self._next_report = 0
        self._weights, self._shares = list(config.weights), list(config.weights.values())
        self._room = (0, 0)  # its number, sessions still to come
        self._count = 0
        self._samples: list[tuple[float, ...]] = []
        self._totals = dict.fromkeys(("placed", "misplaced", "rejected", "moved", "relayed", "outages"), 0)
        self._outage_us = 0
        self._qualities = np.array([call_quality(*self._way(node)) for node in range(len(self.capacity))])
        for node, capacity in enumerate(config.capacities):
            for balancer in self._balancers:
                balancer.add_target(node, capacity=max(1, round(capacity / config.mean_weight)), now_us=0)

    # What happens to it

    def fill(self, load: float, seconds: int = 60) -> None:
        """Bring it to a mean load, at an even pace; nothing of it counts in the result."""
        rate = self.config.sessions_at(load) / seconds
        rate += self.config.sessions_at(load) / 2 / self.config.session_s  # for those that end meanwhile
        self._run(seconds, lambda s: rate)
        self._samples.clear()
        self._totals = dict.fromkeys(self._totals, 0)
        self._outage_us = 0

    def fail(self, nodes: Iterable[int]) -> None:
        """Nodes fall silent; their sessions are cut off until they are moved."""
        for node in nodes:
            if self.working[node]:
                self.working[node] = False
                for number in self._on[node]:
                    self._sessions[number].lost_us = self.now_us

    def recover(self, nodes: Iterable[int]) -> None:
        """Nodes come back, empty: sessions that were not moved yet are still cut off."""
        for node in nodes:
            self.working[node] = True

    def run(self, seconds: int, rate: Callable[[float], float],
            every_second: Callable[[int], None] | None = None) -> FleetResult:
        """Let time pass, and sessions come.

        :param rate: sessions a second, at a time in seconds of this run.
        :param every_second: called with the second, to fail and recover nodes.
        """
        self._run(seconds, rate, every_second)
        columns = [np.array(values) for values in zip(*self._samples, strict=True)]
        mean, highest, p99, jain, quality, overloaded = columns
        totals = self._totals
        return FleetResult(
            mean_load=float(mean.mean()), max_to_mean=float(highest.mean()), worst_max_to_mean=float(highest.max()),
            p99_to_mean=float(p99.mean()), jain=float(jain.mean()), quality=float(quality.mean()),
            overloaded=float(overloaded.mean()), placed=totals["placed"], misplaced=totals["misplaced"],
            rejected=totals["rejected"], moved=totals["moved"],
            cut_off=totals["outages"], outage_s=self._outage_us / US_PER_S / max(1, totals["outages"]),
            relayed=totals["relayed"] / max(1, totals["placed"]))

    def loads(self) -> np.ndarray:
        """Load of each node that works, float64."""
        return np.asarray(self.used[self.working] / self.capacity[self.working])

    # Inside

    def _run(self, seconds: int, rate: Callable[[float], float],
             every_second: Callable[[int], None] | None = None) -> None:
        for tick in range(seconds * _TICKS_PER_S):
            if tick % _TICKS_PER_S == 0 and every_second is not None:
                every_second(tick // _TICKS_PER_S)
            self.now_us += US_PER_S // _TICKS_PER_S
            self._end_sessions()
            self._send_reports()
            for _ in range(int(self._arrivals.poisson(rate(tick / _TICKS_PER_S) / _TICKS_PER_S))):
                self._begin_session()
            if tick % _TICKS_PER_S == _TICKS_PER_S - 1:
                self._move_sessions()
                self._sample()

    def _begin_session(self) -> None:
        self._count += 1
        number = self._count
        index = number % len(self._balancers)
        weight = self._random.choices(self._weights, self._shares)[0]
        try:
            place = self._balancers[index].place(number, self._next_room(), now_us=self.now_us)
        except NoTargetError:
            self._totals["rejected"] += 1
            return
        node = place.target
        assert isinstance(node, int)
        session = self._sessions[number] = _Session(node, weight, index)
        self._on[node][number] = None
        self.used[node] += weight
        self._totals["placed"] += 1
        self._totals["relayed"] += place.relay_from is not None
        if not self.working[node]:
            self._totals["misplaced"] += 1
            session.lost_us = self.now_us
        length_us = int(self._random.expovariate(1 / self.config.session_s) * US_PER_S)
        heapq.heappush(self._ends, (self.now_us + length_us, number))

    def _next_room(self) -> int | None:
        """Rooms fill one after the other; with several balancers a room may be known to each."""
        if self.config.room_size is None:
            return None
        room, left = self._room
        if left == 0:
            room, left = room + 1, 1
            while self._random.random() > 1 / self.config.room_size:
                left += 1
        self._room = (room, left - 1)
        return room

    def _end_sessions(self) -> None:
        while self._ends and self._ends[0][0] <= self.now_us:
            number = heapq.heappop(self._ends)[1]
            session = self._sessions.pop(number)
            del self._on[session.node][number]
            self.used[session.node] -= session.weight
            self._balancers[session.balancer].release(number)
            self._end_outage(session)

    def _end_outage(self, session: _Session) -> None:
        if session.lost_us is not None:
            self._totals["outages"] += 1
            self._outage_us += self.now_us - session.lost_us
            session.lost_us = None

    def _send_reports(self) -> None:
        """Nodes report one after the other, so that each does once in ``report_s``."""
        nodes = len(self.capacity)
        until = int(self.now_us / US_PER_S / self.config.report_s * nodes)
        due_us = self.now_us + round(self.config.report_delay_s * US_PER_S)
        while self._next_report < until:
            node = self._next_report % nodes
            self._next_report += 1
            if self.working[node]:
                load = min(10.0, max(0.0, float(self.used[node] / self.capacity[node])))
                report = TargetLoad(load, len(self._on[node]), *self._way(node), age_s=self.config.report_delay_s)
                self._reports.append((due_us, node, report))
        while self._reports and self._reports[0][0] <= self.now_us:
            _, node, report = self._reports.popleft()
            for balancer in self._balancers:
                balancer.report(node, report, now_us=self.now_us)

    def _move_sessions(self) -> None:
        for balancer in self._balancers:
            for move in balancer.moves(now_us=self.now_us):
                assert isinstance(move.session, int)
                assert isinstance(move.target, int)
                session = self._sessions[move.session]
                if move.source != move.target:
                    self._totals["moved"] += 1
                self.used[session.node] -= session.weight
                del self._on[session.node][move.session]
                session.node = move.target
                self.used[session.node] += session.weight
                self._on[session.node][move.session] = None
                self._end_outage(session)
                if not self.working[session.node]:
                    session.lost_us = self.now_us

    def _sample(self) -> None:
        loads = self.loads()
        mean = float(loads.mean())
        if mean > 0:
            self._samples.append((mean, float(loads.max()) / mean, float(np.quantile(loads, 0.99)) / mean,
                                  float(loads.sum() ** 2 / (len(loads) * (loads ** 2).sum())),
                                  self._quality_now(), float((loads > 1).mean())))

    def _way(self, node: int) -> tuple[float, float, float]:
        return self.config.ways[node % len(self.config.ways)]

    def _quality_now(self) -> float:
        sessions = np.array([len(on) for on in self._on]) * self.working
        return float((sessions * self._qualities).sum() / max(1, sessions.sum()))
