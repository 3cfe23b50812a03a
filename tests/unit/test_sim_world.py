"""arcrtc.sim.world and capture, with toy endpoints in virtual time."""
from __future__ import annotations

import hashlib
import struct
from collections import deque
from pathlib import Path

import pytest

from arcrtc.errors import ConfigError, ParseError, SimulationError, TransportError
from arcrtc.sim import NEVER_US, Capture, LinkConfig, NetworkPlan, World, read_capture

MS = 1000
SECOND = 1_000_000


class Toy:
    """Sends a numbered datagram a period; keeps what arrives; answers if told to."""

    def __init__(self, period_us: int = 0, answer: bool = False) -> None:
        self.period_us = period_us
        self.answer = answer
        self.due_us = 0 if period_us else NEVER_US
        self.out: deque[bytes] = deque()
        self.got: list[tuple[int, bytes]] = []
        self.sent = 0

    def receive(self, datagram: bytes, now_us: int) -> None:
        self.got.append((now_us, datagram))
        if self.answer:
            self.out.append(datagram)

    def poll_transmit(self, now_us: int) -> bytes | None:
        if self.period_us and now_us >= self.due_us:
            self.due_us += self.period_us
            self.out.append(self.sent.to_bytes(4, "big"))
            self.sent += 1
        return self.out.popleft() if self.out else None

    def next_timeout_us(self) -> int:
        return self.due_us


def test_world_echo_takes_the_round_trip() -> None:
    world = World(seed=1)
    a, b = Toy(period_us=20 * MS), Toy(answer=True)
    world.connect(a, b, NetworkPlan(LinkConfig(delay_ms=30), LinkConfig(delay_ms=15)))
    world.run(SECOND)
    assert world.now_us == SECOND
    assert a.sent == 51
    assert [t for t, _ in b.got] == [20 * MS * i + 30 * MS for i in range(len(b.got))]
    assert [t for t, _ in a.got] == [20 * MS * i + 45 * MS for i in range(len(a.got))]
    assert len(a.got) == 48


def run_hours(seed: int, hours: float) -> tuple[str, Toy, Toy, World]:
    world = World(seed=seed)
    a, b = Toy(period_us=20 * MS), Toy(period_us=200 * MS, answer=True)
    plan = NetworkPlan.symmetric(loss_rate=0.02, delay_ms=40, jitter_ms=5, rate_kbps=500,
                                 steps=[(60, {"loss_rate": 0.1}), (120, {"rate_kbps": 100})])
    world.connect(a, b, plan)
    world.run(round(hours * 3600 * SECOND))
    return hashlib.sha256(repr((a.got, b.got)).encode()).hexdigest(), a, b, world


def test_world_same_seed_same_run_over_an_hour_of_virtual_time() -> None:
    one, a, b, _ = run_hours(7, 1)
    assert a.sent == 180_001
    assert 0.89 < len(b.got) / a.sent < 0.91
    two = run_hours(7, 0.1)[0]
    assert two == run_hours(7, 0.1)[0]
    assert run_hours(8, 0.1)[0] != two
    assert one != two


def test_world_run_in_pieces_is_the_same_run() -> None:
    def run(stops: list[int]) -> list[tuple[int, bytes]]:
        world = World(seed=3)
        a, b = Toy(period_us=7 * MS), Toy(answer=True)
        world.connect(a, b, NetworkPlan.preset("lossy"))
        for stop in stops:
            world.run(stop)
        return a.got

    assert run([SECOND]) == run([1, 7 * MS, 7 * MS, 333_333, SECOND])


def test_world_callbacks_at_equal_times_run_in_the_order_of_their_making() -> None:
    world = World()
    seen: list[tuple[str, int]] = []
    world.every(20, lambda t: seen.append(("slow", t)))
    world.every(10, lambda t: seen.append(("fast", t)), start_us=0)
    world.at(20, lambda t: seen.append(("once", t)))
    world.at(20, lambda t: world.at(20, lambda u: seen.append(("nested", u))))
    world.run(25)
    assert seen == [("fast", 0), ("fast", 10), ("slow", 20), ("fast", 20), ("once", 20), ("nested", 20)]


def test_world_callback_may_use_an_endpoint_and_on_turn_sees_each_turn() -> None:
    world = World()
    a, b = Toy(), Toy()
    world.connect(a, b, NetworkPlan.symmetric(delay_ms=1))
    turns: list[int] = []
    world.on_turn(b, turns.append)
    world.on_turn(b, lambda t: b.out.append(b"from on_turn") if t == 5 * MS + 1000 else None)
    world.at(5 * MS, lambda t: a.out.append(b"hello"))
    world.run(10 * MS)
    assert b.got == [(6 * MS, b"hello")]
    assert a.got == [(7 * MS, b"from on_turn")]
    assert turns == [0, 5 * MS, 6 * MS]


def test_world_names_the_endpoint_that_spins() -> None:
    class Spinner(Toy):
        def next_timeout_us(self) -> int:
            return 0

    world = World()
    world.connect(Toy(), Spinner(), NetworkPlan(), names=("good", "bad"))
    with pytest.raises(SimulationError, match=r"^bad took 10000 turns at 0 us"):
        world.run(SECOND)


def test_world_names_the_endpoint_that_never_stops_sending() -> None:
    class Flood(Toy):
        def poll_transmit(self, now_us: int) -> bytes | None:
            return b"x"

    world = World()
    world.connect(Toy(), Flood(), NetworkPlan())
    with pytest.raises(SimulationError, match=r"^Flood 1 sent 100000 datagrams in one turn"):
        world.run(SECOND)


def test_world_stops_endless_answers_without_delay() -> None:
    world = World()
    a, b = Toy(answer=True), Toy(answer=True)
    world.connect(a, b, NetworkPlan.preset("perfect"))
    a.out.append(b"ball")
    with pytest.raises(SimulationError, match="answer each other without any delay"):
        world.run(1)


def test_world_stops_callbacks_that_ask_for_the_same_instant_for_ever() -> None:
    world = World()

    def again(now_us: int) -> None:
        world.at(now_us, again)

    world.at(3, again)
    with pytest.raises(SimulationError, match="callbacks ask for 3 us"):
        world.run(10)


def test_world_pairs_can_share_a_bottleneck() -> None:
    world = World()
    first, second = (Toy(period_us=10 * MS), Toy()), (Toy(period_us=10 * MS), Toy())
    # 2 x 100 packets a second of 4 + 28 bytes are 51.2 kb/s
    plan = NetworkPlan.symmetric(rate_kbps=40, queue_ms=1000, delay_ms=5)
    route = world.connect(*first, plan)
    assert world.connect(*second, route) is route
    world.run(20 * SECOND)
    assert all(data == i.to_bytes(4, "big") for i, (_, data) in enumerate(second[1].got[:100]))
    arrived = len(first[1].got) + len(second[1].got)
    assert arrived == pytest.approx(20 * 40_000 / (32 * 8), rel=0.01)
    assert route.a_to_b.stats().queue_full_pkts > 100


def test_world_refuses_what_cannot_be() -> None:
    world = World()
    a, b, c = Toy(), Toy(), Toy()
    world.connect(a, b, NetworkPlan())
    for pair in ((a, c), (c, b), (c, c)):
        with pytest.raises(ConfigError, match="one connection only"):
            world.connect(*pair, NetworkPlan())
    with pytest.raises(ConfigError, match="not connected"):
        world.on_turn(c, print)
    world.run(100)
    with pytest.raises(ConfigError, match="before now, 100"):
        world.at(99, print)
    with pytest.raises(ConfigError, match="before now, 100"):
        world.run(99)
    with pytest.raises(ConfigError, match="below 1"):
        world.every(0, print)
    with pytest.raises(ConfigError, match="before now"):
        world.every(5, print, start_us=99)


def test_world_connect_later_counts_the_plan_from_then() -> None:
    world = World()
    world.run(10 * SECOND)
    a, b = Toy(), Toy()
    world.connect(a, b, NetworkPlan.symmetric(delay_ms=1, steps=[(2, {"delay_ms": 9})]))
    for t_s in (11, 13):
        world.at(t_s * SECOND, lambda t: a.out.append(b"x"))
    world.run(14 * SECOND)
    assert [t for t, _ in b.got] == [11 * SECOND + MS, 13 * SECOND + 9 * MS]


@pytest.mark.parametrize("sent", [False, True])
def test_world_capture_holds_every_datagram(tmp_path: Path, sent: bool) -> None:
    path = tmp_path / "call.pcap"
    a, b = Toy(period_us=10 * MS), Toy()
    with World(seed=2) as world:
        world.connect(a, b, NetworkPlan.symmetric(loss_rate=0.3, delay_ms=5))
        capture = world.capture(path, sent=sent)
        with pytest.raises(ConfigError, match="running"):
            world.capture(path)
        world.run(SECOND)
    records = list(read_capture(path))
    assert len(records) == capture.written_pkts
    assert {r[1:3] for r in records} == {(("10.0.0.0", 5004), ("10.0.0.1", 5004))}
    if sent:
        assert [r[::3] for r in records] == [(i * 10 * MS, i.to_bytes(4, "big")) for i in range(101)]
    else:
        assert [r[::3] for r in records] == b.got
        assert len(records) < 90


def test_capture_stops_at_its_size_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "small.pcap"
    with Capture(path, max_bytes=1000) as capture:
        for i in range(20):
            capture.write(i, ("1.2.3.4", 5), ("6.7.8.9", 10), bytes(100))
        assert capture.written_pkts + capture.skipped_pkts == 20
    assert path.stat().st_size <= 1000
    assert len(list(read_capture(path))) == capture.written_pkts == 6
    capture.write(99, ("1.2.3.4", 5), ("6.7.8.9", 10), b"")
    assert capture.skipped_pkts == 15
    capture.close()


def test_capture_checksum_of_the_header_is_right_for_every_carry(tmp_path: Path) -> None:
    path = tmp_path / "sums.pcap"
    with Capture(path) as capture:
        for low in range(65_536):  # all sums, those that carry twice among them
            capture.write(0, ("255.255.254.253", 1), (f"250.1.{low >> 8}.{low & 255}", 2), b"")
    data = path.read_bytes()
    for at in range(24 + 16, len(data), 16 + 28):
        total = sum(struct.unpack_from(">10H", data, at))
        while total > 0xFFFF:
            total = (total & 0xFFFF) + (total >> 16)
        assert total == 0xFFFF


def test_capture_refuses_bad_paths_and_files(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="cannot be written"):
        Capture(tmp_path / "no" / "where.pcap")
    with pytest.raises(ConfigError, match="max_bytes"):
        Capture(tmp_path / "x.pcap", max_bytes=10)
    with pytest.raises(TransportError, match="cannot be read"):
        list(read_capture(tmp_path / "no.pcap"))
    path = tmp_path / "cut.pcap"
    with Capture(path) as capture:
        capture.write(1, ("1.2.3.4", 5), ("6.7.8.9", 10), b"data")
    whole = path.read_bytes()
    for cut in (*range(24), *range(25, len(whole))):
        path.write_bytes(whole[:cut])
        with pytest.raises(ParseError):
            list(read_capture(path))
    path.write_bytes(whole[:40] + b"\x46" + whole[41:])
    with pytest.raises(ParseError, match="no whole IPv4"):
        list(read_capture(path))
