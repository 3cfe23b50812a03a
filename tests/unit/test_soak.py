"""benchmarks.soak: small soaks of a router in plain Python, and that each kind of fault is found."""
from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from arcrtc.benchmarks.routed import RouterForwarder
from arcrtc.benchmarks.soak import Soak, SoakConfig
from arcrtc.benchmarks.soakchecks import Accounts, Holdings, growth_bytes, resident_bytes
from arcrtc.errors import ArgumentError
from tests.model.drivenrouter import DrivenRouter
from tests.model.forwarder import Leg, PlainForwarder, Route

SMALL = SoakConfig(seconds=2.0, publishers=4, subscribers=6, operations_per_s=60, video_pps=160, audio_pps=50,
                   hostile_pps=80, growth_bytes=64 << 20)


def test_soak_of_a_sound_router_is_passed() -> None:
    report = Soak(PlainForwarder, replace(SMALL, seconds=4.5)).run()
    assert report.faults == ()
    assert {"publisher joins", "subscriber joins", "subscribe"} <= set(report.operations)
    assert len(report.operations) >= 8  # a busy machine gets to fewer things
    assert report.received_pkts > 100
    assert report.samples > 10
    assert report.sent_pkts > 100
    assert report.accounts.received == report.sent_pkts + report.hostile_pkts


def test_soak_of_the_routers_core_is_passed() -> None:
    report = Soak(DrivenRouter, replace(SMALL, seconds=4.5, seed=2)).run()
    assert report.faults == ()
    assert report.received_pkts > 100
    assert report.samples > 10


def test_soak_of_the_engines_router_is_passed() -> None:
    report = Soak(RouterForwarder, replace(SMALL, seconds=4.0, seed=3)).run()
    assert report.faults == ()
    assert report.received_pkts > 100
    assert report.samples > 10


class Forgetful(PlainForwarder):
    """Does not count what it drops for a pause."""

    def forward(self, route: Route, packet: bytes) -> None:
        super().forward(route, packet)
        self.dropped_out.pop("paused", None)


class Skipping(PlainForwarder):
    """Leaves out a number now and then."""

    def forward(self, route: Route, packet: bytes) -> None:
        super().forward(route, packet)
        if route.next_seq % 20 == 19:
            route.next_seq += 1


class Losing(PlainForwarder):
    """Leaves out a packet now and then, and says nothing of it."""

    def forward(self, route: Route, packet: bytes) -> None:
        if self.accepted % 7:
            super().forward(route, packet)


class Garbling(PlainForwarder):
    """Changes a byte of the payload."""

    def forward(self, route: Route, packet: bytes) -> None:
        super().forward(route, packet[:-1] + bytes([packet[-1] ^ 1]))


class Drifting(PlainForwarder):
    """Adds to the time stamp from packet to packet."""

    def forward(self, route: Route, packet: bytes) -> None:
        ts = (int.from_bytes(packet[4:8], "big") + route.next_seq) % 2**32
        super().forward(route, packet[:4] + ts.to_bytes(4, "big") + packet[8:])


KEPT: list[int] = []


class Leaking(PlainForwarder):
    """Keeps the sockets of peers that left."""

    def remove_leg(self, leg: Leg) -> None:
        KEPT.append(os.dup(leg.socket.fileno()))
        super().remove_leg(leg)


@pytest.mark.parametrize(("forwarder", "said"), [
    (Forgetful, "packets for routes"), (Skipping, "a subscriber misses"), (Losing, "number_shifts in"),
    (Garbling, "wrong of"),
    (Drifting, "ts_shifts of"), (Leaking, "left behind: open descriptors")])
def test_soak_finds(forwarder: Callable[[], PlainForwarder], said: str) -> None:
    faults: list[str] = []
    for seed in range(1, 6):  # a busy machine may not get to it the first time
        faults += Soak(forwarder, replace(SMALL, seed=seed)).run().faults
        while KEPT:
            os.close(KEPT.pop())
        if any(said in fault for fault in faults):
            return
    pytest.fail(f"only {faults} were found")


def test_soak_without_time_is_refused() -> None:
    with pytest.raises(ArgumentError, match="needs time"):
        Soak(PlainForwarder, replace(SMALL, seconds=0))


# --- the checks ---

GOOD = Accounts(received=10, dropped_in={"forged": 2}, other_in=1, accepted=7, offered=23, sent=20,
                dropped_out={"paused": 1}, unsent={"socket": 2})


def test_accounts_that_add_up_have_no_fault() -> None:
    assert GOOD.faults() == []
    assert Accounts().faults() == []


@pytest.mark.parametrize(("change", "said"), [
    ({"received": 11}, "received 11 packets"), ({"accepted": 8}, "8 accepted"), ({"other_in": 0}, "0 others"),
    ({"sent": 19}, "19 sent"), ({"offered": 22}, "22 packets for routes"), ({"dropped_out": {}}, "0 dropped"),
    ({"unsent": {}}, "0 unsent")])
def test_accounts_say_what_does_not_add_up(change: dict[str, object], said: str) -> None:
    assert [said in fault for fault in replace(GOOD, **change).faults()] == [True]  # type: ignore[arg-type]


@pytest.mark.parametrize(("samples", "growth"), [
    ([], 0), ([5] * 5, 0), ([9, 9, 1, 1, 4, 4], 3), ([1, 2, 5, 5, 5, 5, 5, 5, 5], 0), ([1] * 6 + [7, 8, 9], 7),
    ([5] * 6 + [2] * 3, -3)])
def test_growth_is_from_the_middle_to_the_end(samples: list[int], growth: int) -> None:
    assert growth_bytes(samples) == growth


def test_holdings_name_what_was_left() -> None:
    before = Holdings(100, 10, 5, 3)
    assert before.faults(before) == []
    assert Holdings(90, 9, 4, 2).faults(before) == []
    assert Holdings(101, 11, 6, 4).faults(before) == [
        "native blocks: 10 before, 11 after", "native bytes: 100 before, 101 after",
        "open descriptors: 5 before, 6 after", "threads: 3 before, 4 after"]


def test_holdings_see_an_open_file() -> None:
    before = Holdings.now()
    with open(os.devnull, "rb"):
        assert Holdings.now().faults(before) == [
            f"open descriptors: {before.descriptors} before, {before.descriptors + 1} after"]
    assert before.threads >= 1
    assert resident_bytes() > 1 << 20


def test_soak_script_prints_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(__file__).resolve().parents[2] / "bench" / "soak.py"
    spec = importlib.util.spec_from_file_location("soak_script", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    few = ["--seconds", "0.5", "--publishers", "2", "--subscribers", "2", "--operations", "80"]
    assert script.main(["--target", "plain", *few]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["faults"] == []
    assert report["operations"]["publisher joins"] >= 1
    script.TARGETS["plain"] = Garbling
    assert script.main(["--target", "plain", *few, "--seconds", "1.5"]) == 1
