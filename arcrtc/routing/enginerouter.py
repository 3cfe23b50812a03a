"""A packet router on a native thread of an engine: its legs have sockets."""
from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from arcrtc._memory import give_memory_back
from arcrtc._native import check, ffi, lib
from arcrtc.errors import ArgumentError, ClosedError
from arcrtc.events import to_dict
from arcrtc.routing.calls import NoCalls, RelayCalls
from arcrtc.routing.handles import Leg, RouterEvent
from arcrtc.routing.legs import LegConfig, RouterConfig
from arcrtc.routing.native import leg_configs, wipe
from arcrtc.routing.router import PacketRouter
from arcrtc.streamtables import StreamTables
from arcrtc.udp import UdpConfig, address_of, open_udp, set_remote, udp_config

if TYPE_CHECKING:
    from arcrtc.engine import Engine

_ROUTER_BYTES: Final = 1 << 20
_NO_IO: Final = "a router on an engine has sockets of its own: its engine drives it"


@dataclass(frozen=True, slots=True)
class Delays:
    """From when the kernel had a packet to when the system call that forwarded it was over, microseconds, 3 % exact.

    :ivar n: trains that were looked at.
    :ivar p50_us: median.
    :ivar p99_us: 99 of 100 were shorter.
    :ivar max_us: the longest.
    """

    n: int
    p50_us: float
    p99_us: float
    max_us: float


class EngineRouter(PacketRouter):
    """A :class:`PacketRouter` whose legs have sockets, on a native thread. Made by :meth:`Engine.router`.

    Threads: any thread may call it, one call at a time is carried out. What happens comes by
    :meth:`Engine.events`.
    """

    def __init__(self, engine: Engine, ident: int, thread: int, config: RouterConfig | None) -> None:
        self._engine, self._id, self._thread = engine, ident, thread
        self._closed = False
        super().__init__(config)

    def _open(self, now_us: int) -> Any:
        return RelayCalls(self._engine._loops[self._thread], self._id, self.config)

    @property
    def thread(self) -> int:
        """Index of the network thread that drives it."""
        return self._thread

    def add_leg(self, config: LegConfig | None = None, *, local: str = "0.0.0.0:0", remote: str | None = None,
                socket: UdpConfig | None = None) -> Leg:
        """Make a leg with a socket of its own.

        :param local: "host:port" to listen on; port 0: any free one, of the range that ``socket`` names.
        :param remote: "host:port" to send to; None: where the first authentic datagram came from.
        :param socket: sizes and features of the socket; None: the defaults. It is connected to its peer.
        :raises TransportError: the address cannot be resolved or bound, or no descriptors are left.
        """
        with self._lock:
            self._check_open()
            udp = open_udp(udp_config(local, socket or _CONNECTED))
            if remote is not None:
                set_remote(udp, remote)
            return self._add_leg(config or LegConfig(), udp)

    def add_legs(self, configs: Sequence[LegConfig], *, local: str = "0.0.0.0:0",
                 remotes: Sequence[str | None] | None = None, socket: UdpConfig | None = None) -> list[Leg]:
        """Make all of these legs, or none; much quicker than one by one.

        :param configs: one a leg.
        :param local: as :meth:`add_leg`, for each of them.
        :param remotes: where each sends to, as many as ``configs``; None: all learn it.
        :raises ArgumentError: as many remotes are needed as legs.
        :raises TransportError: as add_leg().
        """
        if remotes is not None and len(remotes) != len(configs):
            raise ArgumentError(f"add_legs: {len(configs)} legs, and {len(remotes)} remotes")
        with self._lock:
            self._check_open()
            at = udp_config(local, socket or _CONNECTED)
            sockets = [open_udp(at) for _ in configs]
            for udp, remote in zip(sockets, remotes or (), strict=False):
                if remote is not None:
                    set_remote(udp, remote)
            return self._add_legs(configs, sockets)

    def _add_legs(self, configs: Sequence[LegConfig], sockets: list[Any]) -> list[Leg]:
        cfgs, requests = leg_configs(configs), ffi.new("struct arc_leg_request[]", max(len(configs), 1))
        try:
            for i, udp in enumerate(sockets):
                requests[i].config, requests[i].udp = cfgs + i, udp
            check(self._calls.add_legs(requests, len(configs)), "EngineRouter.add_legs")
        finally:
            wipe(cfgs)
        legs = [Leg(self, requests[i].leg, config, sockets[i]) for i, config in enumerate(configs)]
        self._legs.update((leg.id, leg) for leg in legs)
        return legs

    def remove_leg(self, leg: Leg) -> None:
        """Say BYE to a leg's peer, and end it with its tracks and routes. A leg that is gone is no error."""
        with self._lock:
            self._check_open()
            here = leg.id in self._legs
            super().remove_leg(leg)
            if here:
                ffi.release(leg.socket)
                give_memory_back()

    def local_address(self, leg: Leg) -> str:
        """Where the leg listens, "host:port".

        :raises ArgumentError: it was removed.
        """
        with self._lock:
            self._check_here(leg)
            return address_of(leg.socket, remote=False)

    def remote_address(self, leg: Leg) -> str | None:
        """Where it sends to; None: not known before the first authentic datagram.

        :raises ArgumentError: it was removed.
        """
        with self._lock:
            self._check_here(leg)
            return address_of(leg.socket, remote=True) or None

    def delays(self) -> Delays:
        """How long packets were in the engine since the last call: in one of seven trains, the one that waited most."""
        with self._lock:
            self._check_open()
            out = ffi.new("struct arc_histogram *")
            check(self._calls.take_delays(out), "EngineRouter.delays")
            p50, p99 = (float(lib.arc_histogram_quantile(out, q)) for q in (0.5, 0.99))
            return Delays(n=out.n, p50_us=p50, p99_us=p99, max_us=float(out.max))

    def move(self, thread: int) -> None:
        """Let another network thread drive it. Datagrams wait in their sockets meanwhile: none is lost.

        :param thread: index of a network thread of this engine, 0..threads-1.
        :raises ArgumentError: there is no such thread. :raises ClosedError: the router is closed.
        :raises LimitError: the thread has as many as it can; the router stays where it was.
        """
        with self._lock:
            self._check_open()
            self._engine._check_thread(thread)
            check(self._calls.move(self._engine._loops[thread]), "EngineRouter.move")
            self._thread = thread

    def close(self) -> None:
        """End all legs and the router. A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            for leg in self.legs:
                self.remove_leg(leg)
            self._closed = True
            calls, self._calls = self._calls, NoCalls()
            with self._engine._counting:
                while calls.add_drops(self._engine._gone) == lib.ARC_ERR_BUSY:
                    time.sleep(0.001)
                ffi.release(calls.handle)
        self._engine._forget_router(self)
        give_memory_back(at_least=_ROUTER_BYTES)

    def _disown(self) -> None:
        """In a child of fork(): nothing of it may be used or freed."""
        self._closed = True
        calls, self._calls = self._calls, NoCalls()
        self._disowned = [ffi.gc(handle, None) for handle in
                          (calls.handle, *(leg.socket for leg in self._legs.values()))]

    def _stream_owner(self) -> tuple[StreamTables, int]:
        self._check_open()
        return self._engine, self._id

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the router is closed")

    def _leg_stats(self, leg: Leg) -> dict[str, Any]:
        with self._lock:
            out = ffi.new("struct arc_relay_leg *")
            self._check("Leg.stats", self._calls.read_leg(leg.id, out))
            return {**to_dict(out.leg), "udp": to_dict(out.udp)}

    def receive(self, leg: Leg, data: Any, now_us: int | None = None) -> bool:
        """Not here: the engine reads the sockets.

        :raises ArgumentError: always.
        """
        raise ArgumentError(_NO_IO)

    def poll_transmit(self, now_us: int | None = None) -> tuple[Leg, list[bytes]] | None:
        """Not here: the engine sends.

        :raises ArgumentError: always.
        """
        raise ArgumentError(_NO_IO)

    def next_timeout_us(self) -> int | None:
        """Not here: the engine keeps time.

        :raises ArgumentError: always.
        """
        raise ArgumentError(_NO_IO)

    def poll_event(self) -> RouterEvent | None:
        """Not here: see :meth:`Engine.events`.

        :raises ArgumentError: always.
        """
        raise ArgumentError(_NO_IO)


_CONNECTED: Final = UdpConfig(connect="always")
