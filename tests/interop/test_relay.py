"""arcrtc.sim.relay over real loopback sockets, and its captures through tshark."""
from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from arcrtc.errors import ConfigError, SimulationError, TransportError
from arcrtc.sim import Link, LinkConfig, NetworkPlan, Relay, World, read_capture


@pytest.fixture
def peers():
    """Two bound sockets, with a limit on how long a test can hang."""
    kind = socket.AF_INET, socket.SOCK_DGRAM
    with socket.socket(*kind) as a, socket.socket(*kind) as b:
        for sock in (a, b):
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(10)
        yield a, b


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for a counter of the relay's thread, 10 s at most."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_relay_carries_both_ways_between_peers_it_was_told(peers) -> None:
    a, b = peers
    with Relay(NetworkPlan(), peers=(a.getsockname(), b.getsockname())) as relay:
        a.sendto(b"to b", relay.address_a)
        assert b.recvfrom(2000) == (b"to b", relay.address_b)
        b.sendto(b"to a", relay.address_b)
        assert a.recvfrom(2000) == (b"to a", relay.address_a)
        b.sendto(b"", relay.address_b)
        assert a.recv(2000) == b""
        stats = relay.stats()
    assert (stats.a_to_b.delivered_pkts, stats.b_to_a.delivered_pkts) == (1, 2)
    assert sum(stats.late_us_pkts.values()) >= 2
    assert relay.stats().b_to_a.delivered_pkts == 2


def test_relay_learns_its_peers_and_drops_strangers(peers) -> None:
    a, b = peers
    with Relay(NetworkPlan()) as relay, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        a.sendto(b"nobody hears this", relay.address_a)
        wait_until(lambda: relay.stats().no_peer_pkts == 1)
        b.sendto(b"I am b", relay.address_b)
        assert a.recv(2000) == b"I am b"
        stranger.sendto(b"forged", relay.address_a)
        wait_until(lambda: relay.stats().stray_pkts == 1)
        a.sendto(b"I am a", relay.address_a)
        assert b.recv(2000) == b"I am a"


def test_relay_delays_by_its_plan_and_not_less(peers) -> None:
    a, b = peers
    with Relay(NetworkPlan(LinkConfig(delay_ms=40)), peers=(a.getsockname(), b.getsockname())) as relay:
        for _ in range(5):
            start = time.monotonic()
            a.sendto(b"x", relay.address_a)
            b.recv(2000)
            assert 0.040 <= time.monotonic() - start < 1.0


def test_relay_loses_the_same_packets_as_its_link_would(peers) -> None:
    a, b = peers
    plan = NetworkPlan.symmetric(loss_rate=0.3)
    link = Link(plan.a_to_b, seed="5/0/a_to_b")
    expected = [i for i in range(300) if link.send(b"", 0)]
    with Relay(plan, seed=5, peers=(a.getsockname(), b.getsockname()), log=300) as relay:
        got = []
        for i in range(300):
            a.sendto(i.to_bytes(2, "big"), relay.address_a)
            if i in expected:
                got.append(int.from_bytes(b.recv(2000), "big"))
    assert got == expected
    log = relay.links[0].log
    assert log is not None
    assert [d.ordinal for d in log if d.fate == "delivered"] == expected


def test_relay_writes_a_capture_that_tshark_reads(peers, tmp_path: Path) -> None:
    a, b = peers
    path = tmp_path / "relay.pcap"
    with Relay(NetworkPlan(), peers=(a.getsockname(), b.getsockname()), capture=path) as relay:
        for i in range(10):
            a.sendto(bytes([i]) * 50, relay.address_a)
            b.recv(2000)
        b.sendto(b"back", relay.address_b)
        a.recv(2000)
        source, port = relay.address_b, b.getsockname()[1]
    records = list(read_capture(path))
    assert [r.data for r in records] == [*(bytes([i]) * 50 for i in range(10)), b"back"]
    assert records[0].source == source
    assert tshark(path, "udp.dstport", "udp.length", "ip.checksum.status") == [
        *[f"{port}\t58\t1"] * 10, f"{a.getsockname()[1]}\t12\t1"]


def test_world_capture_is_rtp_to_tshark(tmp_path: Path) -> None:
    class Sender:
        next_us, sequence = 0, 65_530

        def receive(self, datagram: bytes, now_us: int) -> None:
            raise AssertionError("nobody sends to it")

        def poll_transmit(self, now_us: int) -> bytes | None:
            if now_us < self.next_us:
                return None
            self.next_us += 20_000
            self.sequence = self.sequence + 1 & 0xFFFF
            return (b"\x80\x00" + self.sequence.to_bytes(2, "big") + (now_us // 125).to_bytes(4, "big")
                    + b"\x00\x01\x02\x03" + bytes(160))

        def next_timeout_us(self) -> int:
            return self.next_us

    class Receiver(Sender):
        next_us = 2**63 - 1

        def receive(self, datagram: bytes, now_us: int) -> None:
            pass

    path = tmp_path / "world.pcap"
    with World(seed=4) as world:
        route = world.connect(Sender(), Receiver(), NetworkPlan.preset("lossy"))
        world.capture(path)
        world.run(10_000_000)
    out = subprocess.run(["tshark", "-r", path, "-d", "udp.port==5004,rtp", "-q", "-z", "rtp,streams"],
                         capture_output=True, text=True, check=True, timeout=60).stdout
    row = next(line for line in out.splitlines() if "0x00010203" in line).split()
    stats = route.a_to_b.stats()
    assert str(stats.delivered_pkts) in row
    assert stats.random_loss_pkts > 10


def tshark(path: Path, *fields: str) -> list[str]:
    command = ["tshark", "-r", str(path), "-o", "ip.check_checksum:TRUE", "-T", "fields"]
    for field in fields:
        command += ["-e", field]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


def test_relay_refuses_bad_addresses_and_taken_ports(peers, tmp_path: Path) -> None:
    a, _ = peers
    for bad in (("::1", 5), ("127.0.0.1", 0), ("127.0.0.1", "5"), "x"):
        with pytest.raises(ConfigError, match="peers"):
            Relay(NetworkPlan(), peers=(bad, None))
    with pytest.raises(TransportError, match="cannot be opened"):
        Relay(NetworkPlan(), ports=(a.getsockname()[1], 0))
    with pytest.raises(TransportError, match="cannot be written"):
        Relay(NetworkPlan(), capture=tmp_path / "no" / "x.pcap")


def test_relay_ends_its_thread_and_tells_of_a_fault(peers) -> None:
    a, b = peers
    before = threading.active_count()
    relay = Relay(NetworkPlan(), peers=(a.getsockname(), b.getsockname()))
    assert threading.active_count() == before + 1
    relay.close()
    relay.close()
    assert threading.active_count() == before

    relay = Relay(NetworkPlan(), peers=(a.getsockname(), b.getsockname()))
    relay.links[0].poll = lambda now_us: 1 / 0  # type: ignore[assignment, return-value]
    a.sendto(b"x", relay.address_a)
    with pytest.raises(SimulationError, match="stopped by itself: division by zero"):  # noqa: PT012
        for thread in threading.enumerate():
            if thread.name == "arcrtc-relay":
                thread.join(10)
        relay.close()
    assert threading.active_count() == before


def test_relay_keeps_its_timing_where_select_cannot_watch(peers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arcrtc.sim.relay._SELECT_LIMIT", 0)
    test_relay_delays_by_its_plan_and_not_less(peers)
