"""A router in plain Python, one packet at a time: what a soak needs of one, and no more.

A thread, a selector and a lock; every drop has a reason. Slow, so a soak of it is small.
"""
from __future__ import annotations

import selectors
import socket
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field, replace

from arcrtc.benchmarks.soak import KEY_OVERLAP_S, Forwarder
from arcrtc.benchmarks.soakchecks import Accounts
from arcrtc.errors import ArcError, AuthenticationError, ReplayError
from arcrtc.srtp import SrtpConfig, SrtpPipeline

BUFFER_BYTES = 4 << 20
SO_MEMINFO = 55
MEMINFO_DROPS = 8  # SK_MEMINFO_DROPS of linux/sock_diag.h


def socket_drops(sock: socket.socket) -> int:
    """Datagrams that the kernel dropped because the socket was full."""
    words = sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 4 * (MEMINFO_DROPS + 1))
    return int.from_bytes(words[4 * MEMINFO_DROPS:], sys.byteorder)


@dataclass(eq=False)
class Route:
    leg: Leg
    ssrc: int
    next_seq: int = 0
    paused: bool = False


@dataclass(eq=False)
class Track:
    ssrc: int
    routes: list[Route] = field(default_factory=list)


@dataclass(eq=False)
class Leg:
    socket: socket.socket
    srtp: SrtpPipeline
    remote: tuple[str, int] | None
    tracks: dict[int, Track] = field(default_factory=dict)
    received: int = 0
    unsent: int = 0


class PlainForwarder(Forwarder):
    def __init__(self) -> None:
        self.legs: list[Leg] = []
        self.next_ssrc = 0x70000000
        self.received = self.accepted = self.offered = self.sent = 0
        self.dropped_in: Counter[str] = Counter()
        self.dropped_out: Counter[str] = Counter()
        self.unsent: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.selector = selectors.DefaultSelector()
        self.stopping = False
        self.thread = threading.Thread(target=self.loop)
        self.thread.start()

    # --- packets ---

    def loop(self) -> None:
        while not self.stopping:
            for key, _ in self.selector.select(0.01):
                with self.lock:
                    self.read(key.data)

    def read(self, leg: Leg) -> None:
        for _ in range(64):
            try:
                wire, source = leg.socket.recvfrom(2048)
            except ConnectionRefusedError:
                continue  # what ICMP said of a packet that was sent before
            except OSError:
                return  # nothing more, or closed by now
            self.received += 1
            leg.received += 1
            self.take(leg, wire, source)

    def take(self, leg: Leg, wire: bytes, source: tuple[str, int]) -> None:
        try:
            packet = leg.srtp.decrypt_bytes(wire)
        except AuthenticationError:
            self.dropped_in["forged"] += 1
            return
        except ReplayError:
            self.dropped_in["replayed"] += 1
            return
        except ArcError:
            self.dropped_in["malformed"] += 1
            return
        leg.remote = leg.remote or source
        self.accepted += 1
        track = leg.tracks[int.from_bytes(packet[8:12], "big")]
        for route in track.routes:
            self.forward(route, packet)

    def forward(self, route: Route, packet: bytes) -> None:
        self.offered += 1
        if route.paused:
            self.dropped_out["paused"] += 1
            return
        head = packet[:2] + route.next_seq.to_bytes(2, "big") + packet[4:8] + route.ssrc.to_bytes(4, "big")
        route.next_seq = (route.next_seq + 1) % 65536
        wire = route.leg.srtp.encrypt(head + packet[12:])
        try:
            route.leg.socket.send(wire)
            self.sent += 1
        except OSError:
            self.unsent["socket"] += 1
            route.leg.unsent += 1

    # --- what a soak asks for ---

    def add_leg(self, srtp: SrtpConfig, remote: str | None) -> Leg:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        opened.bind(("127.0.0.1", 0))
        opened.setblocking(False)
        leg = Leg(opened, SrtpPipeline(replace(srtp, max_streams=64)), None)
        if remote is not None:
            host, _, port = remote.rpartition(":")
            leg.remote = (host, int(port))
            opened.connect(leg.remote)
        with self.lock:
            self.legs.append(leg)
            self.selector.register(opened, selectors.EVENT_READ, leg)
        return leg

    def local_address(self, leg: Leg) -> str:
        return "{}:{}".format(*leg.socket.getsockname())

    def received_of(self, leg: Leg) -> int:
        return leg.received

    def lost_of(self, leg: Leg) -> int:
        return socket_drops(leg.socket)

    def unsent_of(self, leg: Leg) -> int:
        return leg.unsent

    def remove_leg(self, leg: Leg) -> None:
        with self.lock:
            self.selector.unregister(leg.socket)
            leg.socket.close()
            self.legs.remove(leg)
            for other in self.legs:
                for track in other.tracks.values():
                    track.routes = [route for route in track.routes if route.leg is not leg]

    def publish(self, leg: Leg, ssrc: int, kind: str) -> Track:
        with self.lock:
            return leg.tracks.setdefault(ssrc, Track(ssrc))

    def subscribe(self, track: Track, leg: Leg) -> tuple[Route, int]:
        self.next_ssrc += 1
        route = Route(leg, self.next_ssrc)
        with self.lock:
            track.routes.append(route)
        return route, route.ssrc

    def unsubscribe(self, route: Route) -> None:
        with self.lock:
            for leg in self.legs:
                for track in leg.tracks.values():
                    if route in track.routes:
                        track.routes.remove(route)

    def pause(self, route: Route, on: bool) -> None:
        with self.lock:
            route.paused = on

    def rekey(self, leg: Leg, srtp: SrtpConfig) -> None:
        with self.lock:
            leg.srtp.rekey(srtp, overlap_ms=int(KEY_OVERLAP_S * 1000))

    def accounts(self) -> Accounts:
        with self.lock:
            return Accounts(self.received, dict(self.dropped_in), 0, self.accepted, self.offered, self.sent,
                            dict(self.dropped_out), dict(self.unsent))

    def close(self) -> None:
        self.stopping = True
        self.thread.join()
        self.selector.close()
        for leg in self.legs:
            leg.socket.close()
