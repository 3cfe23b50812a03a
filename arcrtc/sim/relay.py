"""The emulated network in real time: two UDP sockets on loopback with links between them.

Peer A talks to ``address_a`` and hears from there what peer B sent, and the other
way round; neither needs to know that there is a network in between.
"""
from __future__ import annotations

import select
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from arcrtc.errors import ConfigError, SimulationError, TransportError
from arcrtc.sim.capture import Address, Capture
from arcrtc.sim.link import NEVER_US, Link, LinkStats
from arcrtc.sim.plan import NetworkPlan

_SOCKET_BUFFER_BYTES: Final = 4 * 2**20
_BURST_PKTS: Final = 64  # datagrams taken from one socket before the links are looked at again
_SELECT_LIMIT: Final = 1024  # select() cannot watch descriptors from here on
_LATE_BUCKETS_US: Final = (100, 200, 500, 1000, 2000, 5000, 10_000, 50_000)


@dataclass(frozen=True, slots=True)
class RelayStats:
    """Counters of a relay since its start.

    ``late_us_pkts`` tells how true to its plan the relay was: {upper bound in microseconds: datagrams
    that went out at most so much after the planned time, and more than the bound before}; the last
    key is NEVER_US.
    """

    a_to_b: LinkStats
    b_to_a: LinkStats
    stray_pkts: int  #: came from an address that is neither peer; dropped
    no_peer_pkts: int  #: had arrived before the other peer was known; dropped
    refused_pkts: int  #: the operating system did not take them; dropped
    late_us_pkts: dict[int, int]
    late_peak_us: int

    def late_us(self, share: float) -> int:
        """Lateness that ``share`` (0..1) of the datagrams did not exceed: a bucket's upper bound."""
        wanted = share * sum(self.late_us_pkts.values())
        seen = 0
        for bound_us, pkts in self.late_us_pkts.items():
            seen += pkts
            if seen >= wanted:
                return min(bound_us, self.late_peak_us)
        return self.late_peak_us


class _Side:
    """One peer: the socket it talks to, its address, and the link that carries what it sends."""

    def __init__(self, host: str, port: int, peer: Address | None, link: Link) -> None:
        self.peer = peer
        self.link = link
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                self.socket.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER_BYTES)
            self.socket.setblocking(False)
            self.socket.bind((host, port))
        except OSError as error:
            self.socket.close()
            raise TransportError(f"relay: {host}:{port} cannot be opened: {error}") from error
        self.address: Address = self.socket.getsockname()


class Relay:
    """Runs a plan in real time between two peers, in one background thread.

    The thread starts with the object and ends with close(); use it as a context manager. All methods
    may be called from any thread. Time is ``time.monotonic_ns`` since the start, in microseconds.
    Memory is bounded by the links (``max_in_flight_pkts``).

    Timing: what is due goes out within about 0.1 ms while the interpreter is idle. A thread that
    computes in Python without pause can hold it up by its switch interval
    (``sys.getswitchinterval()``, 5 ms); ``stats().late_us(0.99)`` tells.

    :param plan: the network; its time counts from the start of the relay.
    :param seed: any integer or text; decides losses, jitter and so on, see :class:`Link`.
    :param peers: (address of A, address of B), each (IPv4 address, port); None: the address is
        learned from the first datagram that comes, and kept. Datagrams from others are dropped.
    :param host: IPv4 address of the relay's sockets.
    :param ports: of the relay's two sockets; 0: a free one.
    :param capture: pcap file for what leaves the relay, see :class:`Capture`; None: none.
    :param log: decisions each link keeps in its ``log``.
    :raises ConfigError: a bad address. :raises TransportError: a socket or file cannot be opened.
    """

    def __init__(self, plan: NetworkPlan, *, seed: int | str = 0,
                 peers: tuple[Address | None, Address | None] = (None, None), host: str = "127.0.0.1",
                 ports: tuple[int, int] = (0, 0), capture: str | Path | None = None, log: int = 0) -> None:
        for peer in peers:
            if peer is not None:
                _check_address(peer)
        self._sides: list[_Side] = []
        self._capture: Capture | None = None
        self._closed = False
        self._fault: BaseException | None = None
        self._lock = threading.Lock()
        self._stray_pkts = self._no_peer_pkts = self._refused_pkts = 0
        self._late_pkts = dict.fromkeys((*_LATE_BUCKETS_US, NEVER_US), 0)
        self._late_peak_us = 0
        self._buffer = bytearray(65_536)
        self._wake_in, self._wake_out = socket.socketpair()
        try:
            for direction, peer, port in zip(("a_to_b", "b_to_a"), peers, ports, strict=True):
                link = Link(plan.timeline(direction), seed=f"{seed}/0/{direction}", log=log)
                self._sides.append(_Side(host, port, peer, link))
            if capture is not None:
                self._capture = Capture(capture)
        except BaseException:
            self._close_files()
            raise
        self._poll = select.poll()
        self._files = [side.socket for side in self._sides] + [self._wake_in]
        for file in self._files:
            self._poll.register(file, select.POLLIN)
        self._fine = all(file.fileno() < _SELECT_LIMIT for file in self._files)
        self._start_ns = time.monotonic_ns()
        self._thread = threading.Thread(target=self._run, name="arcrtc-relay", daemon=True)
        self._thread.start()

    @property
    def address_a(self) -> Address:
        """Where peer A sends to."""
        return self._sides[0].address

    @property
    def address_b(self) -> Address:
        """Where peer B sends to."""
        return self._sides[1].address

    @property
    def links(self) -> tuple[Link, Link]:
        """The links a to b and b to a; look at their logs only after close()."""
        return self._sides[0].link, self._sides[1].link

    def stats(self) -> RelayStats:
        """The counters as they are now; also after close()."""
        with self._lock:
            return RelayStats(
                self._sides[0].link.stats(), self._sides[1].link.stats(), self._stray_pkts,
                self._no_peer_pkts, self._refused_pkts, dict(self._late_pkts), self._late_peak_us)

    def close(self) -> None:
        """Stop; what is still on its way is lost. Calling it again does nothing.

        :raises SimulationError: the thread had ended by a fault; its cause is attached.
        """
        if self._closed:
            return
        self._closed = True
        self._wake_out.send(b"x")
        self._thread.join()
        self._close_files()
        if self._fault is not None:
            raise SimulationError(f"the relay stopped by itself: {self._fault}") from self._fault

    def _close_files(self) -> None:
        for side in self._sides:
            side.socket.close()
        self._wake_in.close()
        self._wake_out.close()
        if self._capture is not None:
            self._capture.close()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def _now_us(self) -> int:
        return (time.monotonic_ns() - self._start_ns) // 1000

    def _run(self) -> None:
        a, b = self._sides
        try:
            while not self._closed:
                with self._lock:
                    more = self._take(a) | self._take(b)
                    self._hand_out(a, b)
                    self._hand_out(b, a)
                    next_us = min(a.link.next_us, b.link.next_us)
                if not more:
                    self._wait(next_us)
        except BaseException as error:  # kept for close(): nobody else would hear of it
            self._fault = error

    def _take(self, side: _Side) -> bool:
        """Read what has come from a peer, and give it to its link; True: there may be more."""
        buffer = memoryview(self._buffer)
        for _ in range(_BURST_PKTS):
            try:
                size, source = side.socket.recvfrom_into(buffer)
            except (BlockingIOError, InterruptedError):
                return False
            if side.peer is None:
                side.peer = source
            if source != side.peer:
                self._stray_pkts += 1
                continue
            side.link.send(bytes(buffer[:size]), self._now_us())
        return True

    def _hand_out(self, side: _Side, other: _Side) -> None:
        """Send on what one peer sent and whose time has come."""
        link = side.link
        while (due_us := link.next_us) <= (now_us := self._now_us()):
            data = link.poll(now_us)
            if data is None:
                return
            if other.peer is None:
                self._no_peer_pkts += 1
                continue
            try:
                other.socket.sendto(data, other.peer)
            except OSError:  # a full socket buffer, or no route: the packet is lost, as on a network
                self._refused_pkts += 1
                continue
            self._note_late(now_us - due_us)
            if self._capture is not None:
                self._capture.write(now_us, other.address, other.peer, data)

    def _note_late(self, late_us: int) -> None:
        self._late_peak_us = max(self._late_peak_us, late_us)
        for bound_us in self._late_pkts:
            if late_us <= bound_us:
                self._late_pkts[bound_us] += 1
                return

    def _wait(self, until_us: int) -> None:
        """Sleep until something comes or until it is time."""
        wait_us = until_us - self._now_us()
        if until_us == NEVER_US:
            self._poll.poll()
        elif wait_us > 0 and self._fine:
            select.select(self._files, (), (), wait_us / 1e6)
        elif wait_us > 0:  # poll() knows whole milliseconds only: stop short, and look again
            self._poll.poll(wait_us // 1000)


def _check_address(address: Address) -> None:
    try:
        host, port = address
        socket.inet_aton(host)
    except (OSError, TypeError, ValueError):
        raise ConfigError(f"peers: {address!r} is not (IPv4 address, port)") from None
    if not isinstance(port, int) or not 0 < port < 65_536:
        raise ConfigError(f"peers: port {port!r} is outside 1..65535")
