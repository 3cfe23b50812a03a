"""Virtual time: endpoints, the links between them, and callbacks, in one deterministic order.

An hour of a call takes as long as its packets take to compute. The same seed and
the same endpoints give the same run, bit for bit.
"""
from __future__ import annotations

import heapq
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

from arcrtc.errors import ConfigError, SimulationError
from arcrtc.sim.capture import Address, Capture
from arcrtc.sim.link import NEVER_US, Link
from arcrtc.sim.plan import NetworkPlan

#: Turns that one endpoint may take at one instant before it counts as spinning.
MAX_TURNS_AT_ONCE: Final = 10_000
#: Datagrams that one endpoint may send in one turn.
MAX_SENDS_A_TURN: Final = 100_000


class Endpoint(Protocol):
    """What the world drives: anything with these three, for example ``arcrtc.Session``."""

    def receive(self, datagram: bytes, /, *, now_us: int) -> object:
        """Take a datagram that has arrived."""

    def poll_transmit(self, *, now_us: int) -> bytes | None:
        """Hand out the next datagram to send, or None. Timers run in here."""

    def next_timeout_us(self) -> int:
        """When poll_transmit wants to be called next; NEVER_US: not by itself."""


class Route:
    """The two links between the two sides of a connection; pairs may share one (a bottleneck)."""

    def __init__(self, a_to_b: Link, b_to_a: Link) -> None:
        self.a_to_b: Final = a_to_b
        self.b_to_a: Final = b_to_a


class _Node:
    """An endpoint in the world: where it sends to, when it is due, what runs after its turn."""

    __slots__ = ("address", "due_us", "endpoint", "inbox", "name", "on_turn", "out", "peer", "turns")

    def __init__(self, endpoint: Endpoint, name: str, out: Link, address: Address) -> None:
        self.endpoint = endpoint
        self.name = name
        self.out = out
        self.address = address
        self.peer: _Node = self
        self.due_us = NEVER_US
        self.inbox: list[bytes] = []
        self.on_turn: list[Callable[[int], object]] = []
        self.turns = 0


class World:
    """A simulation with its own clock, which starts at 0.

    Not thread-safe: one thread at a time. At one instant the order is: what links deliver, in the
    order of connection; then callbacks of at() and every(), in the order of their making; then every
    endpoint that is due, in the order of connection. A turn of an endpoint is: receive all that has
    arrived, poll_transmit until None, the callbacks of on_turn(), poll_transmit until None again
    (they may have sent something).

    :param seed: any integer or text; the links of each connection get seeds of their own from it.
    """

    def __init__(self, seed: int | str = 0) -> None:
        self._seed = seed
        self._now_us = 0
        self._nodes: list[_Node] = []
        self._links: list[Link] = []
        self._timers: list[tuple[int, int, int, Callable[[int], object]]] = []
        self._made = 0
        self._rounds = 0
        self._routes = 0
        self._capture: Capture | None = None
        self._capture_sent = False

    @property
    def now_us(self) -> int:
        """The time of the world, microseconds."""
        return self._now_us

    def connect(self, a: Endpoint, b: Endpoint, plan: NetworkPlan | Route, *,
                names: tuple[str, str] | None = None, log: int = 0) -> Route:
        """Join two endpoints; each can be in one connection.

        :param plan: the network between them, counted from now; or what an earlier connect()
            returned: then both pairs share those links, and so their bottleneck.
        :param names: for messages; None: the class and a number.
        :param log: decisions each link keeps, see :class:`Link`.
        :returns: the links, for their counters and logs.
        :raises ConfigError: an endpoint is connected already.
        """
        if a is b or any(node.endpoint in (a, b) for node in self._nodes):
            raise ConfigError("connect: an endpoint can be in one connection only")
        if isinstance(plan, NetworkPlan):
            route = Route(*(Link(plan.timeline(direction), seed=f"{self._seed}/{self._routes}/{direction}",
                                start_us=self._now_us, log=log) for direction in ("a_to_b", "b_to_a")))
            self._routes += 1
            self._links += [route.a_to_b, route.b_to_a]
        else:
            route = plan
        pair = []
        for i, (endpoint, out) in enumerate(((a, route.a_to_b), (b, route.b_to_a))):
            number = len(self._nodes)
            name = names[i] if names else f"{type(endpoint).__name__} {number}"
            pair.append(_Node(endpoint, name, out, (f"10.0.{number >> 8 & 255}.{number & 255}", 5004)))
            self._nodes.append(pair[i])
        pair[0].peer, pair[1].peer = pair[1], pair[0]
        for node in pair:
            node.due_us = self._now_us
        return route

    def at(self, t_us: int, fn: Callable[[int], object]) -> None:
        """Call ``fn(now_us)`` once.

        :raises ConfigError: ``t_us`` is in the past.
        """
        if t_us < self._now_us:
            raise ConfigError(f"at: t_us={t_us} is before now, {self._now_us}")
        self._made += 1
        heapq.heappush(self._timers, (t_us, self._made, 0, fn))

    def every(self, period_us: int, fn: Callable[[int], object], *, start_us: int | None = None) -> None:
        """Call ``fn(now_us)`` at ``start_us`` and then once a period, for ever.

        :param period_us: 1 or more.
        :param start_us: first call; None: one period from now.
        :raises ConfigError: out of range.
        """
        if period_us < 1:
            raise ConfigError(f"every: period_us={period_us} is below 1")
        start_us = self._now_us + period_us if start_us is None else start_us
        if start_us < self._now_us:
            raise ConfigError(f"every: start_us={start_us} is before now, {self._now_us}")
        self._made += 1
        heapq.heappush(self._timers, (start_us, self._made, period_us, fn))

    def on_turn(self, endpoint: Endpoint, fn: Callable[[int], object]) -> None:
        """Call ``fn(now_us)`` in every turn of an endpoint, to take its media and events.

        :raises ConfigError: the endpoint is not connected.
        """
        for node in self._nodes:
            if node.endpoint is endpoint:
                node.on_turn.append(fn)
                return
        raise ConfigError("on_turn: the endpoint is not connected")

    def capture(self, path: str | Path, *, sent: bool = False, max_bytes: int = 2**30) -> Capture:
        """Record from now on what arrives, or what is sent, into a pcap file; see :class:`Capture`.

        Endpoints have the addresses 10.0.0.0:5004, 10.0.0.1:5004 ... in the order of connection. The
        file is complete after close(), which leaving the world's ``with`` does.

        :param sent: True: as it leaves an endpoint, before the network. False: as it arrives.
        :returns: the file, for its counters.
        :raises ConfigError: a capture is running.
        :raises TransportError: the file cannot be made.
        """
        if self._capture is not None:
            raise ConfigError("capture: one is running already")
        self._capture = Capture(path, max_bytes=max_bytes)
        self._capture_sent = sent
        return self._capture

    def close(self) -> None:
        """Finish the capture, if there is one. The world can go on without it."""
        if self._capture is not None:
            self._capture.close()
            self._capture = None

    def __enter__(self) -> World:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def run(self, until_us: int) -> None:
        """Let time pass, and do all that is due up to ``until_us``, this instant included.

        :raises ConfigError: ``until_us`` is in the past.
        :raises SimulationError: an endpoint spins: it is always due again at once, or never stops
            sending; or two endpoints without any delay between them answer each other for ever.
        """
        if until_us < self._now_us:
            raise ConfigError(f"run: until_us={until_us} is before now, {self._now_us}")
        while (next_us := self._next_us()) <= until_us:
            if next_us > self._now_us:
                self._advance(next_us)
            self._step()
        self._advance(until_us)

    def _advance(self, now_us: int) -> None:
        self._now_us = now_us
        self._rounds = 0
        for node in self._nodes:
            node.turns = 0

    def _next_us(self) -> int:
        next_us = self._timers[0][0] if self._timers else NEVER_US
        for link in self._links:
            next_us = min(next_us, link.next_us)
        for node in self._nodes:
            next_us = min(next_us, node.due_us)
        return next_us

    def _step(self) -> None:
        """One round at this instant."""
        now_us = self._now_us
        for link in self._links:
            while (item := link.poll_token(now_us)) is not None:
                data, node = item
                node.inbox.append(data)
        # Only what is due now: a callback that asks for this very instant comes in the next round.
        ready = []
        while self._timers and self._timers[0][0] <= now_us:
            ready.append(heapq.heappop(self._timers))
        self._rounds += bool(ready)
        if self._rounds > MAX_TURNS_AT_ONCE:
            raise SimulationError(f"callbacks ask for {now_us} us again and again")
        for t_us, order, period_us, fn in ready:
            if period_us:
                heapq.heappush(self._timers, (t_us + period_us, order, period_us, fn))
            fn(now_us)
        for node in self._nodes:
            # A callback may have touched any endpoint, so each gets a turn after it.
            if ready or node.inbox or node.due_us <= now_us:
                self._turn(node)

    def _turn(self, node: _Node) -> None:
        now_us = self._now_us
        node.turns += 1
        if node.turns > MAX_TURNS_AT_ONCE:
            raise SimulationError(
                f"{node.name} took {MAX_TURNS_AT_ONCE} turns at {now_us} us and is due again at "
                f"{node.due_us} us: it spins, or it and its peer answer each other without any delay")
        inbox, node.inbox = node.inbox, []
        for data in inbox:
            if self._capture is not None and not self._capture_sent:
                self._capture.write(now_us, node.peer.address, node.address, data)
            node.endpoint.receive(data, now_us=now_us)
        self._transmit(node)
        if node.on_turn:
            for fn in node.on_turn:
                fn(now_us)
            self._transmit(node)
        node.due_us = node.endpoint.next_timeout_us()

    def _transmit(self, node: _Node) -> None:
        now_us = self._now_us
        sent = 0
        while (data := node.endpoint.poll_transmit(now_us=now_us)) is not None:
            sent += 1
            if sent > MAX_SENDS_A_TURN:
                raise SimulationError(
                    f"{node.name} sent {MAX_SENDS_A_TURN} datagrams in one turn at {now_us} us, without end")
            if self._capture is not None and self._capture_sent:
                self._capture.write(now_us, node.address, node.peer.address, data)
            node.out.send(data, now_us, node.peer)
