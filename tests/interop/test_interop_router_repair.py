"""Losses on both sides of a router between peers, on the wire in plain RTP: what is repaired, and what tshark reads."""
from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest

from arcrtc import Engine, SessionConfig
from arcrtc.events import ReceivedFrame
from arcrtc.routing import LegConfig, RouterConfig, TrackConfig
from arcrtc.rtp import RtpPacket
from arcrtc.sim import LinkConfig, NetworkPlan, read_capture
from arcrtc.sim.capture import Address
from arcrtc.sim.relay import Relay
from tests.model import routed
from tests.model.routed import picture_of, sound_of

SECONDS = 6
MEDIA, RESENT = 97, 98
LOSSY = LinkConfig(loss_rate=0.04, delay_ms=10)
CLEAN = LinkConfig(delay_ms=10)
SR, RR, SDES, BYE, RTPFB, PSFB, XR = "200", "201", "202", "203", "205", "206", "207"


def address_of(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, int(port)


def text_of(address: Address) -> str:
    return "{}:{}".format(*address)


@dataclass
class Outcome:
    """What was counted, received and captured. Captures: (datagrams from the router, what tshark reads of them)."""

    sent_pictures: int
    received: dict[str, float]
    pictures: list[ReceivedFrame]
    publisher_leg: dict[str, int]
    subscriber_leg: dict[str, int]
    drops: dict[str, int]
    to_publisher: list[tuple[bytes, dict[str, str]]]
    to_subscriber: list[tuple[bytes, dict[str, str]]]


def from_router(path: Path, port: int) -> list[tuple[bytes, dict[str, str]]]:
    """Datagrams that went to the port of a peer."""
    records = list(read_capture(path))
    rows = routed.dissect(path, {r.destination[1] for r in records})
    return [(record.data, row) for record, row in zip(records, rows, strict=True) if record.destination[1] == port]


def hold_call(folder: Path) -> Outcome:
    """A peer, a router, another peer; 4 % of the media is lost on the way to the router, and on the way from it."""
    config = SessionConfig(max_latency_ms=2000, initial_latency_ms=800, min_latency_ms=800)
    with Engine(threads=2) as engine:
        router = engine.router(RouterConfig(pool_pkts=4096))
        a, b = (engine.open(local="127.0.0.1:0", config=config) for _ in range(2))
        a_port, b_port = (address_of(p.local_address)[1] for p in (a, b))
        first = router.add_leg(LegConfig(), local="127.0.0.1:0")
        plans = NetworkPlan(LOSSY, CLEAN), NetworkPlan(CLEAN, LOSSY)
        with (Relay(plans[0], seed=1, peers=(address_of(a.local_address), address_of(router.local_address(first))),
                    capture=folder / "publisher.pcap") as before,
              Relay(plans[1], seed=2, peers=(address_of(b.local_address), None),
                    capture=folder / "subscriber.pcap") as behind):
            second = router.add_leg(LegConfig(), local="127.0.0.1:0", remote=text_of(behind.address_b))
            a.set_remote(text_of(before.address_a))
            speech = a.send_audio()
            camera = a.send_video(resolution=(320, 180), frame_rate=25, encoder="libx264", threads=1, bitrate=800_000)
            b.receive_audio()
            screen = b.receive_video()
            for track in (replace(routed.AUDIO, ssrc=speech.ssrc),
                          TrackConfig(kind="video", codec="h264", ssrc=camera.ssrc, payload_type=MEDIA,
                                      rtx_payload_type=RESENT, clock_rate=90_000)):
                router.subscribe(router.publish(first, track), second)
            pictures: list[ReceivedFrame] = []
            start = time.monotonic()
            for block in range(SECONDS * 50):
                speech.send(sound_of(block))
                if block % 2 == 0:
                    camera.send(picture_of(block))
                time.sleep(max(start + block / 50 - time.monotonic(), 0))
                while (got := b.poll_frame("video")) is not None:
                    pictures.append(got)
            end = time.monotonic() + 5
            while screen.stats()["media"]["frames_complete"] < SECONDS * 25 - 1 and time.monotonic() < end:
                time.sleep(0.02)
            late = router.add_leg(LegConfig(), local="127.0.0.1:0")  # who comes late needs a key frame
            router.subscribe(router.tracks[-1], late)
            routed.wait_until(lambda: first.stats()["pli_sent"] > 0, "it is asked for")
            router.remove_leg(late)
            stats, legs = router.stats(), (first.stats(), second.stats())
            sent, received = camera.stats()["media"], screen.stats()["media"]
            for leg in (first, second):
                router.remove_leg(leg)
            time.sleep(0.2)
    captures = [from_router(folder / f"{name}.pcap", port) for name, port in (("publisher", a_port),
                                                                              ("subscriber", b_port))]
    return Outcome(sent["frames_encoded"], received, pictures, *legs, stats["drops"], *captures)


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return hold_call(tmp_path_factory.mktemp("call"))


def test_interop_router_repairs_both_sides_of_it(call: Outcome) -> None:
    """Who publishes is asked for what is lost before the router, and the router's history gives what is lost behind."""
    assert call.publisher_leg["nack_sent"] > 1
    assert call.subscriber_leg["nack_received"] > 1
    # Nothing follows the last ones, by which they would be missed.
    assert call.sent_pictures - 2 <= call.received["frames_complete"] <= call.sent_pictures
    assert call.received["frames_given_up"] == call.received["frames_undecodable"] == 0
    assert not any(p.damaged for p in call.pictures)
    lost = {reason: n for reason, n in call.drops.items() if reason != "repair"}  # some are resent twice
    assert set(lost.values()) == {0}, call.drops


def test_interop_router_forwards_late_packets_in_their_places(call: Outcome) -> None:
    """Sorted by number the time stamps only grow, and some packets were late: those that the publisher resent."""
    packets = [RtpPacket.parse(data) for data, row in call.to_subscriber if not row["rtcp.pt"]]
    media = [p.header for p in packets if p.header.payload_type == MEDIA]
    assert sum(p.header.payload_type == RESENT for p in packets) > 1
    first = media[0].sequence_number
    numbers = [(h.sequence_number - first + 1000) % 65536 for h in media]
    assert len(set(numbers)) == len(numbers)
    late = sum(n < max(numbers[:i], default=0) for i, n in enumerate(numbers))
    assert late > 1
    in_order = [h.timestamp for _, h in sorted(zip(numbers, media, strict=True), key=lambda pair: pair[0])]
    assert all((b - a) % 2**32 < 90_000 for a, b in pairwise(in_order))


def test_interop_router_rtcp_is_read_by_tshark(call: Outcome) -> None:
    """No complaint about any packet of the router's, of which there is every kind."""
    for datagrams in (call.to_publisher, call.to_subscriber):
        assert [row for _, row in datagrams if any(row[name] for name in routed.COMPLAINTS)] == []
        reports = [row for _, row in datagrams if row["rtcp.pt"]]
        assert all(row["rtcp.length_check"] in ("1", "") for row in reports)
    kinds = [Counter(kind for _, row in datagrams for kind in row["rtcp.pt"].split(",") if kind)
             for datagrams in (call.to_publisher, call.to_subscriber)]
    assert set(kinds[0]) >= {RR, SDES, RTPFB, PSFB, XR, BYE}
    assert set(kinds[1]) >= {SR, RR, SDES}
    last = [row["rtcp.pt"] for _, row in call.to_publisher if row["rtcp.pt"]][-1]
    assert last.split(",")[-1] == BYE  # that to the subscriber may be lost
    nacks = sum("1" in row["rtcp.rtpfb.fmt"].split(",") for _, row in call.to_publisher)
    assert 0 < nacks <= call.publisher_leg["nack_sent"]
