"""A packet router on an engine: real sockets, peers in Python."""
from __future__ import annotations

import socket
import time

import pytest

from arcrtc import Engine, RtpHeader, RtpPacket, SrtpConfig, SrtpPipeline
from arcrtc.errors import ArgumentError, ClosedError, TransportError
from arcrtc.routing import LegConfig, RouterConfig, RouterEventType, TrackConfig
from arcrtc.udp import UdpConfig

AUDIO = TrackConfig(kind="audio", codec="opus", ssrc=1, payload_type=111, clock_rate=48_000)
SMALL = RouterConfig(pool_pkts=1024)


class Far:
    """The far end of a leg: a plain socket with the leg's key."""

    def __init__(self, config: SrtpConfig) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.pipeline = SrtpPipeline(config)

    def __del__(self) -> None:
        self.socket.close()

    def send(self, address: str, seq: int, ssrc: int = 1) -> None:
        host, port = address.rsplit(":", 1)
        header = RtpHeader(sequence_number=seq, timestamp=960 * seq, ssrc=ssrc, payload_type=111)
        self.socket.sendto(self.pipeline.encrypt(RtpPacket(header=header, payload=seq.to_bytes(4, "big"))),
                           (host, int(port)))

    def receive(self) -> RtpPacket:
        while True:
            data = self.socket.recv(2048)
            if not 192 <= data[1] <= 223:
                return self.pipeline.decrypt(data)


@pytest.fixture
def engine():
    with Engine(threads=2) as made:
        yield made


def _scene(engine, subscribers=3):
    router = engine.router(SMALL, thread=0)
    keys = [SrtpConfig.generate() for _ in range(subscribers + 1)]
    far = [Far(key) for key in keys]
    publisher = router.add_leg(LegConfig(srtp=keys[0]), local="127.0.0.1:0")
    legs = [router.add_leg(LegConfig(srtp=key), local="127.0.0.1:0", remote=f.address)
            for key, f in zip(keys[1:], far[1:], strict=True)]
    track = router.publish(publisher, AUDIO)
    routes = router.subscribe_many([(track, leg, None) for leg in legs])
    return router, publisher, legs, routes, far


def test_packets_go_from_socket_to_sockets(engine):
    router, publisher, legs, routes, far = _scene(engine)
    address = router.local_address(publisher)
    for seq in range(20):
        far[0].send(address, seq)
    for f, route in zip(far[1:], routes, strict=True):
        got = [f.receive() for _ in range(20)]
        assert [int.from_bytes(bytes(p.payload), "big") for p in got] == list(range(20))
        assert {p.header.ssrc for p in got} == {route.ssrc}
    assert router.remote_address(publisher) == far[0].address, "learned"
    events = [e for e in engine.poll(1) if e.router is router]
    assert events[0].type is RouterEventType.SOURCE_ADDED
    assert events[0].event.subject.config is AUDIO
    stats = router.stats()
    assert (stats["received_rtp"], stats["legs"], stats["routes"]) == (20, 4, 3)
    assert legs[0].stats()["udp"]["sent_pkts"] >= 20
    table = router.stream_table()
    assert table["packets"][table["direction"] == 1].tolist() == [20] * 3


def test_ecn_bits_are_read_and_set(engine):
    router = engine.router(SMALL)
    far, near = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with far, near:
        for s in (far, near):
            s.bind(("127.0.0.1", 0))
        far.setsockopt(socket.IPPROTO_IP, 13, 1)  # IP_RECVTOS
        far.settimeout(5)
        publisher = router.add_leg(local="127.0.0.1:0")
        viewer = router.add_leg(LegConfig(ecn=1), local="127.0.0.1:0",
                                remote=f"127.0.0.1:{far.getsockname()[1]}")
        router.subscribe(router.publish(publisher, AUDIO), viewer)
        host, port = router.local_address(publisher).rsplit(":", 1)
        for seq, tos in enumerate((0, 1, 3, 3)):
            near.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
            header = RtpHeader(sequence_number=seq, timestamp=seq, ssrc=1, payload_type=111)
            near.sendto(RtpPacket(header=header, payload=b"x").serialize(), (host, int(port)))
        seen = {}
        while len(seen) < 5:
            data, ancillary, _, _ = far.recvmsg(2048, 64)
            rtcp = 192 <= data[1] <= 223
            seen[data[2:4] if not rtcp else b"rtcp"] = (rtcp, ancillary[0][2][0] & 3)
        assert sorted(seen.values()) == [(False, 1)] * 4 + [(True, 0)], "RTCP goes Not-ECT"
        inbound = router.stream_table()[0]
        assert (inbound["packets_ect1"], inbound["packets_ce"]) == (1, 2)


def test_a_router_moves_to_another_thread_under_traffic(engine):
    router, publisher, _, _, far = _scene(engine, 1)
    address = router.local_address(publisher)
    got = []
    for seq in range(600):
        far[0].send(address, seq)
        if seq % 50 == 25:
            router.move(1 - router.thread)
        if seq % 50 == 49:  # more than that would not fit the far end's socket
            got += [far[1].receive() for _ in range(50)]
    assert [int.from_bytes(bytes(p.payload), "big") for p in got] == list(range(600))
    drops = router.stats()["drops"]
    assert set(drops.values()) == {0}, drops


def test_a_leg_says_goodbye_and_gives_its_port_back(engine):
    router, publisher, legs, _, far = _scene(engine, 1)
    far[0].send(router.local_address(publisher), 1)
    far[1].receive()
    address = router.local_address(legs[0])
    router.remove_leg(legs[0])
    byes = 0
    while not byes:
        data = far[1].pipeline.decrypt_rtcp(far[1].socket.recv(2048))
        byes = b"\x82\xcb" in bytes(data)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", int(address.rsplit(":", 1)[1])))
    with pytest.raises(ArgumentError, match="not at this router"):
        router.local_address(legs[0])


def test_ports_come_out_of_a_range_and_run_out(engine):
    router = engine.router(SMALL)
    config = UdpConfig(port_range=(41_000, 41_004))

    def add_six() -> None:
        for _ in range(6):
            router.add_leg(local="127.0.0.1:0", socket=config)

    with pytest.raises(TransportError, match="4100"):
        add_six()
    ports = {int(router.local_address(leg).rsplit(":", 1)[1]) for leg in router.legs}
    assert ports <= set(range(41_000, 41_005))
    assert len(router.legs) == len(ports)


def test_everything_ends_with_the_engine():
    engine = Engine()
    router, _, legs, routes, _ = _scene(engine, 2)
    engine.close()
    assert engine.routers == ()
    for call in (router.stats, router.add_leg, routes[0].pause, legs[0].stats):
        with pytest.raises((ClosedError, ArgumentError)):
            call()
    router.close()


def test_an_engines_router_has_no_datagrams_of_its_callers(engine):
    router, publisher, *_ = _scene(engine, 1)
    for call in (lambda: router.receive(publisher, b""), router.poll_transmit, router.next_timeout_us,
                 router.poll_event):
        with pytest.raises(ArgumentError, match="its engine drives it"):
            call()


def test_two_thousand_publishers_come_and_go(engine):
    """A tenth of the figure that bench/RESULTS.md has; here it must only work, and leave nothing."""
    router = engine.router(RouterConfig(pool_pkts=1024))
    start = time.monotonic()
    legs = [router.add_leg(local="127.0.0.1:0") for _ in range(200)]
    tracks = [router.publish(leg, AUDIO) for leg in legs]
    routes = router.subscribe_many([(tracks[(i + k) % 200], legs[i], None) for i in range(200) for k in range(1, 11)])
    assert len(routes) == 2000
    assert len(router.stream_table()) == 2200
    router.close()
    assert time.monotonic() - start < 60
