"""Requests, resends and reports on bad paths, in virtual time: in time, within the budget, and told truly."""
from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest

from arcrtc.adaptation import GilbertModel, RepairOffer, RepairPlan, RepairPolicy, RepairPolicyConfig, RepairStats
from arcrtc.audio.frame import AudioFrame
from arcrtc.fec import FecConfig
from arcrtc.nack import NackConfig, NackGenerator
from arcrtc.redundancy import RedConfig
from arcrtc.rtcp import GenericNack, ReceiverReport, RtcpPacket, VoipMetrics
from arcrtc.session import Session, SessionConfig
from arcrtc.sim import NetworkPlan, World

MS = 1000
RATE = 48_000
PACKET = 20 * MS
REPORTS = ("losses", "repair", "voip", "summary")


def sound(now_us: int) -> AudioFrame:
    t = np.arange(960) / RATE + now_us / 1e6
    return AudioFrame(samples=(8000 * np.sin(2 * np.pi * 220 * t)).astype(np.int16), sample_rate=RATE)


def is_rtcp(datagram: bytes) -> bool:
    return 192 <= datagram[1] <= 223


@dataclass
class Talk:
    """A speaks to B; every datagram that is media has its fate drawn from a chain of losses."""

    a: Session
    b: Session
    requests: list[tuple[int, int]] = field(default_factory=list)  # (time, number) asked for
    resent_bytes: int = 0

    @property
    def sent(self) -> dict[str, Any]:
        return dict(self.a.stats().send[0]["network"])

    @property
    def heard(self) -> dict[str, Any]:
        return dict(self.b.stats().receive[0]["network"])


def talk(seconds: float, *, rtt_ms: float, loss: float, burst: float = 0.0, seed: int = 1,
         config: dict[str, Any] | None = None, **audio: Any) -> Talk:
    """A call of one direction, driven here so that each packet's fate is known."""
    settings = {"nack_audio": True, "reports": REPORTS, **(config or {})}
    a, b = (Session(SessionConfig(seed=seed + i, **settings), now_us=0) for i in (0, 100))
    call = Talk(a, b)
    sender = a.send_audio(**audio)
    b.receive_audio(red_payload_type=RedConfig().payload_type if "red" in audio else None)
    fate = GilbertModel.fitted(loss, burst).losses(seed)
    way_us = int(rtt_ms * MS / 2)
    flying: list[tuple[int, Session, bytes]] = []
    for now in range(0, int(seconds * 1e6), MS):
        if now % PACKET == 0:
            sender.send(sound(now), capture_us=now, now_us=now)
        for one, other in ((a, b), (b, a)):
            while (datagram := one.poll_transmit(now)) is not None:
                if is_rtcp(datagram):
                    if one is b:
                        call.requests += [(now, s) for p in RtcpPacket.parse_compound(datagram)
                                          if isinstance(p, GenericNack) for s in p.sequence_numbers]
                elif next(fate):
                    continue
                flying.append((now + way_us, other, datagram))
        due = [x for x in flying if x[0] <= now]
        flying = [x for x in flying if x[0] > now]
        for _, other, datagram in due:
            other.receive(datagram, now)
        for _ in b.frames(now):
            pass
    return call


def test_sim_voip_metrics_hold_the_rating_once_it_is_known() -> None:
    a, b = (Session(SessionConfig(seed=seed, reports=("voip",)), now_us=0) for seed in (1, 2))
    sender = a.send_audio()
    receiver = b.receive_audio()
    told: list[VoipMetrics] = []
    for now in range(0, 12_000 * MS, PACKET):
        sender.send(sound(now), capture_us=now, now_us=now)
        while (datagram := a.poll_transmit(now)) is not None:
            b.receive(datagram, now)
        list(b.frames(now))
        if now > 5000 * MS:  # nobody asks before
            quality = receiver.stats()["quality"]
        while (datagram := b.poll_transmit(now)) is not None:
            told += [block for packet in RtcpPacket.parse_compound(datagram)
                     for block in getattr(packet, "blocks", ()) if isinstance(block, VoipMetrics)]
    assert (told[0].r_factor, told[0].mos_lq_tenths, told[0].mos_cq_tenths) == (None, None, None)
    last = told[-1]
    assert last.external_r_factor is None
    assert last.r_factor == pytest.approx(quality["r_factor"] / 1.29, abs=1)
    assert last.mos_cq_tenths == pytest.approx(10 * quality["mos"], abs=1)
    assert last.mos_lq_tenths >= last.mos_cq_tenths


@pytest.mark.parametrize(("rtt_ms", "seed"), [(20, 1), (60, 2), (120, 3), (200, 4), (400, 5)])
def test_sim_nack_asks_for_nothing_that_comes_too_late(rtt_ms: int, seed: int) -> None:
    """Play-out may wait 300 ms: up to 250 ms of round trip every answer is in time, at 400 ms nobody asks."""
    call = talk(20, rtt_ms=rtt_ms, loss=0.05, seed=seed, config={"max_latency_ms": 300})
    heard = call.heard
    late_start = [t for t, _ in call.requests if t > 8_000 * MS]  # the play-out delay has grown by then
    if rtt_ms == 400:
        assert not late_start
        assert heard["nack_not_in_time"] > 20
        return
    assert heard["recovered_pkts"] > 20
    assert heard["loss_before"] > 0.02
    # What was asked for came, and before it was to be heard: but for what was lost twice.
    assert heard["discarded_pkts"] <= 5
    assert heard["loss_unplayed"] <= 0.25 * heard["loss_before"]
    assert len(call.requests) <= 1.3 * (heard["recovered_pkts"] + heard["lost_after_pkts"]) + 3


@pytest.mark.parametrize("seed", [1, 2])
def test_sim_resends_of_a_flood_of_requests_stay_inside_the_share(seed: int) -> None:
    """Each packet asked for by everybody, all the time; and nothing is amplified."""
    a = Session(SessionConfig(seed=seed, nack_audio=True, repair_percent=20), now_us=0)
    sender = a.send_audio(bitrate=64_000)
    media = resent = 0
    highest, seconds = 0, 10
    for now in range(0, seconds * 1_000_000, 5 * MS):
        if now % PACKET == 0:
            sender.send(sound(now), capture_us=now, now_us=now)
        while (datagram := a.poll_transmit(now)) is not None:
            if is_rtcp(datagram):
                continue
            if datagram[1] & 127 == sender.payload_type:
                media += len(datagram)
                highest = int.from_bytes(datagram[2:4], "big")
            else:
                resent += len(datagram)
        lost = tuple((highest - i) % 2**16 for i in range(40))
        a.receive(RtcpPacket.serialize_compound([
            ReceiverReport(ssrc=7), GenericNack(sender_ssrc=7, media_ssrc=sender.ssrc, sequence_numbers=lost)]), now)
    share = 0.20 * 64_000 / 8
    assert resent <= share * (seconds + 1) + 3000
    assert resent >= 0.8 * share * (seconds - 1)
    stats = a.stats().send[0]["network"]
    assert stats["nack_refused"] > 1000
    assert media > 0


def test_sim_a_request_repeated_within_a_round_trip_is_answered_once() -> None:
    a, b = (Session(SessionConfig(seed=s, nack_audio=True), now_us=0) for s in (1, 2))
    sender = a.send_audio()
    b.receive_audio()
    world = World(seed=1)
    world.connect(a, b, NetworkPlan.symmetric(delay_ms=50))
    world.every(PACKET, lambda now_us: sender.send(sound(now_us), capture_us=now_us, now_us=now_us))
    world.on_turn(b, lambda now_us: [None for _ in b.frames(now_us)])
    world.run(5_000 * MS)  # both know that a round trip takes 100 ms
    last = a.stats().send[0]["network"]["pkts"]
    assert last > 200
    while (datagram := a.poll_transmit(5_000 * MS)) is not None:
        pass
    sender.send(sound(0), capture_us=5_020 * MS, now_us=5_020 * MS)
    while (datagram := a.poll_transmit(5_020 * MS)) is not None:
        if not is_rtcp(datagram):
            number = int.from_bytes(datagram[2:4], "big")
    request = RtcpPacket.serialize_compound([
        ReceiverReport(ssrc=7), GenericNack(sender_ssrc=7, media_ssrc=sender.ssrc, sequence_numbers=(number,))])
    answers = []
    for now in range(5_030 * MS, 5_330 * MS, 10 * MS):
        a.receive(request, now)
        while (datagram := a.poll_transmit(now)) is not None:
            if not is_rtcp(datagram) and datagram[1] & 127 != sender.payload_type:
                answers.append(now)
    assert len(answers) == 3
    assert all(later - sooner >= 100 * MS for sooner, later in pairwise(answers))


@pytest.mark.parametrize(("loss", "burst", "seed"), [(0.05, 0.0, 1), (0.1, 3.0, 2), (0.15, 1.5, 3)])
def test_sim_sender_learns_what_repair_left(loss: float, burst: float, seed: int) -> None:
    """RFC 3611 section 4.1 and RFC 7509: both sides agree on the loss before and after, and on bursts."""
    call = talk(40, rtt_ms=40, loss=loss, burst=burst, seed=seed)
    sent, heard = call.sent, call.heard
    assert sent["remote_loss_before"] == pytest.approx(heard["loss_before"], abs=0.05)
    assert sent["remote_loss_after"] <= 0.6 * sent["remote_loss_before"]
    assert sent["remote_loss_after"] == pytest.approx(heard["loss_after"], abs=0.03)
    assert sent["remote_burst_length"] == pytest.approx(heard["burst_length"], rel=0.4)
    assert sent["remote_delay_ms"] == pytest.approx(call.b.stats().receive[0]["media"]["target_ms"], abs=40)
    assert 0 <= sent["remote_discard"] < 0.02
    total = heard["pkts"] + heard["recovered_pkts"] + heard["lost_after_pkts"]
    assert total == pytest.approx(2000, abs=60)


def test_sim_without_reports_nothing_is_claimed() -> None:
    call = talk(5, rtt_ms=40, loss=0.1, config={"reports": ()})
    sent = call.sent
    assert sent["remote_loss"] > 0.01  # that much the receiver reports say
    assert [sent[name] for name in ("remote_loss_before", "remote_loss_after", "remote_burst_length",
                                    "remote_discard", "remote_delay_ms")] == [-1] * 5


@pytest.mark.parametrize(("loss", "burst", "rtt_ms", "seed"), [
    (0.05, 0.0, 30, 1), (0.1, 2.0, 60, 2), (0.2, 1.3, 100, 3), (0.1, 4.0, 150, 4)])
def test_sim_residual_of_requests_is_what_the_policy_expects(loss: float, burst: float, rtt_ms: int,
                                                             seed: int) -> None:
    call = talk(60, rtt_ms=rtt_ms, loss=loss, burst=burst, seed=seed,
                config={"max_latency_ms": 400, "initial_latency_ms": 400, "adaptive": False, "repair_percent": 100},
                bitrate=64_000)
    heard = call.heard
    lost = (heard["lost_after_pkts"] + heard["discarded_pkts"]) / 3000
    chooser = RepairPolicy(RepairPolicyConfig(max_delay_ms=400), RepairOffer(nack=True))
    said = chooser.forecast(RepairPlan(nack=True),
                            RepairStats(loss_rate=loss, burst_length=burst, rtt_ms=rtt_ms)).residual
    assert abs(lost - said) <= 0.5 * said + 0.006


def test_sim_nack_waits_for_fec_and_then_asks_for_what_it_left() -> None:
    """A generator beside a FEC of blocks: nine in ten losses come back by themselves and are never asked for."""
    gen = NackGenerator(NackConfig(give_up_us=1_000 * MS))
    gen.set_hold(100 * MS)
    gen.set_playout(400 * MS)
    out = np.zeros(64, np.uint64)
    fates = list(islice(GilbertModel.fitted(0.1, 1.2).losses(3), 2000))
    arrivals = sorted([(seq * PACKET, seq, False) for seq, lost in enumerate(fates) if not lost or seq == 0] +
                      [(seq * PACKET + 90 * MS, seq, True) for seq, lost in enumerate(fates) if lost and seq % 10])
    asked: set[int] = set()
    for now, seq, repaired in arrivals:
        gen.on_packet(seq, now_us=now, repaired=repaired, media_us=seq * PACKET)
        asked |= set(out[:gen.poll(out, rtt_us=50 * MS, now_us=now)].tolist())
    never = {seq for seq, lost in enumerate(fates) if lost and seq % 10 == 0 and seq}
    assert asked == {seq for seq in never if seq < 1990}
    last = max(seq for seq, lost in enumerate(fates) if not lost)
    restored = sum(1 for seq, lost in enumerate(fates[:last]) if lost and seq % 10)
    assert restored - 2 <= gen.stats().restored <= restored  # what outran its successor was never missed


@pytest.mark.parametrize("seed", [1, 2])
def test_sim_auto_repair_turns_parity_on_when_it_is_needed_and_off_again(seed: int) -> None:
    """A long way, so nobody can ask again: loss comes, parity with it; loss goes, and parity too."""
    a, b = (Session(SessionConfig(seed=seed + i, repair="auto" if i == 0 else "manual", max_latency_ms=400), now_us=0)
            for i in (0, 100))
    fec = FecConfig(overhead=0.0, max_block_packets=10)
    sender = a.send_audio(packet_fec=fec, fec=False)
    b.receive_audio(packet_fec=fec)
    fate = GilbertModel.fitted(0.06, 1.1).losses(seed)
    flying: list[tuple[int, Session, bytes]] = []
    sent_by = {}
    for now in range(0, 100_000 * MS, 2 * MS):
        if now % PACKET == 0:
            sender.send(sound(now), capture_us=now, now_us=now)
        for one, other in ((a, b), (b, a)):
            while (datagram := one.poll_transmit(now)) is not None:
                rough = 10_000 * MS <= now < 40_000 * MS
                if is_rtcp(datagram) or not (rough and next(fate)):
                    flying.append((now + 200 * MS, other, datagram))
        while flying and flying[0][0] <= now:
            _, other, datagram = flying.pop(0)
            other.receive(datagram, now)
        for _ in b.frames(now):
            pass
        if now % (10_000 * MS) == 0:
            sent_by[now // (10_000 * MS)] = a.stats().send[0]["network"]["fec"]["repair_pkts"]
    assert a.repair is not None
    assert sent_by[1] == 0
    assert sent_by[4] - sent_by[2] > 100  # a packet in ten, or more
    assert sent_by[9] == sent_by[8]
    assert a.repair.decisions == {0: RepairPlan()}


@pytest.mark.parametrize("seed", [1, 2])
def test_sim_what_a_copy_brought_back_is_not_asked_for(seed: int) -> None:
    call = talk(20, rtt_ms=40, loss=0.08, seed=seed, config={"max_latency_ms": 300},
                red=RedConfig(distances=(1,)))
    heard = call.heard
    assert heard["loss_before"] > 0.03
    lost = heard["lost_pkts"]
    assert len(call.requests) <= 0.5 * lost
    assert heard["lost_after_pkts"] <= 0.25 * lost
    assert call.sent["remote_loss_after"] <= 0.4 * call.sent["remote_loss_before"]
