"""The router's core on sockets that a Python thread reads: a soak of it without the engine."""
from __future__ import annotations

import selectors
import socket
import threading
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from arcrtc._native import lib
from arcrtc.benchmarks.soak import KEY_OVERLAP_S, Forwarder
from arcrtc.benchmarks.soakchecks import Accounts
from arcrtc.routing import LegConfig, PacketRouter, RouteConfig, RouterConfig, TrackConfig
from arcrtc.routing.handles import Leg, Route, Track
from arcrtc.srtp import SrtpConfig
from tests.model.forwarder import socket_drops

BUFFER_BYTES = 4 << 20
MAX_WAIT_S = 0.01
IN_DROPS = ("not_rtp", "malformed", "auth", "replay", "srtp_other", "unknown_source", "payload_type", "repair",
            "no_packet", "no_leg")


@dataclass(eq=False)
class Peer:
    leg: Leg
    socket: socket.socket
    connected: bool
    unsent: int = 0


class DrivenRouter(Forwarder):
    def __init__(self) -> None:
        self.router = PacketRouter(RouterConfig(pool_pkts=4096))
        self.peers: dict[int, Peer] = {}
        self.unsent: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.selector = selectors.DefaultSelector()
        self.stopping = False
        self.thread = threading.Thread(target=self.loop)
        self.thread.start()

    # --- packets ---

    def loop(self) -> None:
        while not self.stopping:
            with self.lock:
                self.send_due()
                due_us = self.router.next_timeout_us()
            wait_s = MAX_WAIT_S if due_us is None else (due_us - lib.arc_clock_us()) / 1e6
            for key, _ in self.selector.select(min(max(wait_s, 0.0), MAX_WAIT_S)):
                with self.lock:
                    self.read(key.data)

    def read(self, peer: Peer) -> None:
        for _ in range(64):
            try:
                wire, source = peer.socket.recvfrom(2048)
            except ConnectionRefusedError:
                continue  # what ICMP said of a packet that was sent before
            except OSError:
                return  # nothing more, or closed by now
            if self.router.receive(peer.leg, wire) and not peer.connected:
                peer.socket.connect(source)
                peer.connected = True

    def send_due(self) -> None:
        while (found := self.router.poll_transmit()) is not None:
            leg, datagrams = found
            peer = self.peers[leg.id]
            for datagram in datagrams:
                try:
                    peer.socket.send(datagram)
                except OSError:
                    self.unsent["socket"] += 1
                    peer.unsent += 1

    # --- what a soak asks for ---

    def add_leg(self, srtp: SrtpConfig, remote: str | None) -> Peer:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        opened.bind(("127.0.0.1", 0))
        opened.setblocking(False)
        if remote is not None:
            host, _, port = remote.rpartition(":")
            opened.connect((host, int(port)))
        with self.lock:
            leg = self.router.add_leg(LegConfig(srtp=replace(srtp, max_streams=1024)))
            peer = self.peers[leg.id] = Peer(leg, opened, remote is not None)
            self.selector.register(opened, selectors.EVENT_READ, peer)
        return peer

    def local_address(self, leg: Peer) -> str:
        return "{}:{}".format(*leg.socket.getsockname())

    def received_of(self, leg: Peer) -> int:
        with self.lock:
            return int(leg.leg.stats()["received_pkts"])

    def lost_of(self, leg: Peer) -> int:
        return socket_drops(leg.socket)

    def unsent_of(self, leg: Peer) -> int:
        return leg.unsent

    def remove_leg(self, leg: Peer) -> None:
        with self.lock:
            self.router.remove_leg(leg.leg)
            del self.peers[leg.leg.id]
            self.selector.unregister(leg.socket)
            leg.socket.close()

    def publish(self, leg: Peer, ssrc: int, kind: str) -> Track:
        audio = kind == "audio"
        config = TrackConfig(kind=kind, codec="opus" if audio else "other",  # type: ignore[arg-type]
                             ssrc=ssrc, payload_type=111 if audio else 96, clock_rate=48000 if audio else 90000)
        with self.lock:
            return self.router.publish(leg.leg, config)

    def subscribe(self, track: Track, leg: Peer) -> tuple[Route, int]:
        with self.lock:
            route = self.router.subscribe(track, leg.leg, RouteConfig())
        return route, route.ssrc

    def unsubscribe(self, route: Route) -> None:
        with self.lock:
            self.router.unsubscribe(route)

    def pause(self, route: Route, on: bool) -> None:
        with self.lock:
            (route.pause if on else route.resume)()

    def rekey(self, leg: Peer, srtp: SrtpConfig) -> None:
        with self.lock:
            leg.leg.rekey(srtp, overlap_ms=int(KEY_OVERLAP_S * 1000))

    def stats(self) -> dict[str, Any]:
        with self.lock:
            return self.router.stats()

    def accounts(self) -> Accounts:
        stats = self.stats()
        drops = {reason: int(stats["drops"][reason]) for reason in IN_DROPS}
        unsent = sum(self.unsent.values())
        sent = int(stats["sent_pkts"])
        return Accounts(int(stats["received_pkts"]), drops, int(stats["received_rtcp"]) + int(stats["probes"]),
                        int(stats["received_rtp"]), sent, sent - unsent, {}, dict(self.unsent))

    def close(self) -> None:
        if self.stopping:
            return
        self.stopping = True
        self.thread.join()
        self.selector.close()
        for peer in self.peers.values():
            peer.socket.close()
