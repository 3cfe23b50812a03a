"""Two sessions with parity between them: what comes back of what the network loses."""
from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from arcrtc.audio.frame import AudioFrame
from arcrtc.errors import ArgumentError, ConfigError
from arcrtc.fec import FecConfig, FecDecoder, FecEncoder, FecFormat
from arcrtc.handles import AudioSender, Receiver
from arcrtc.rtp import RtpHeader, RtpPacket
from arcrtc.session import EventType, Session, SessionConfig
from arcrtc.sim import NetworkPlan, World
from arcrtc.srtp import SrtpConfig
from tests.model.allocation import survives_every_failure
from tests.model.fec_model import build_flexfec
from tests.sim.test_sim_session import KEY, MS, RATE, picture, speechlike

AUDIO_FEC = FecConfig(payload_type=119, overhead=0.5, max_block_packets=8)


def hold_call(plan: NetworkPlan, seconds: float, *, audio_fec: FecConfig | None = None,
              video_fec: FecConfig | None = None, seed: int = 3, **config: Any) -> dict[str, Any]:
    """One-way call with samples and pictures; the numbers of both sides at its end."""
    a, b = (Session(SessionConfig(srtp=KEY, seed=s, **config), now_us=0) for s in (seed, seed + 1000))
    world, heard = World(seed=seed), list[Any]()
    world.connect(a, b, plan)
    world.on_turn(b, lambda now_us: heard.extend(b.frames(now_us)))
    voice = a.send_audio(packet_fec=audio_fec, fec=False)
    b.receive_audio(packet_fec=audio_fec)
    camera = a.send_video(resolution=(320, 180), frame_rate=25, bitrate=1_000_000, encoder="libx264", threads=1,
                          packet_fec=video_fec)
    b.receive_video(packet_fec=video_fec)
    sound = speechlike(seconds)
    blocks, pictures = iter(range(len(sound) // 960)), iter(range(int(seconds * 25)))

    def say(now_us: int) -> None:
        if (i := next(blocks, None)) is not None:
            voice.send(AudioFrame(samples=sound[960 * i:960 * (i + 1)], sample_rate=RATE), capture_us=now_us,
                       now_us=now_us)

    def show(now_us: int) -> None:
        if (i := next(pictures, None)) is not None:
            camera.send(picture(i), capture_us=now_us, now_us=now_us)

    world.every(20 * MS, say)
    world.every(40 * MS, show)
    world.run(int(seconds * 1e6) + 800 * MS)
    sent, received = a.stats(), b.stats()
    return {"sent": dict(zip(("audio", "video"), sent.send, strict=True)), "session": received.session,
            "received": dict(zip(("audio", "video"), received.receive, strict=True))}


VIDEO_FECS = {
    "flexfec": FecConfig(payload_type=120, overhead=0.4),
    "flexfec masks": FecConfig(payload_type=120, overhead=0.4, burst_packets=3, masks=True),
    "flexfec grid": FecConfig(payload_type=120, overhead=0.6, two_dimensional=True, max_block_packets=36),
    "ulpfec": FecConfig(format=FecFormat.ULPFEC, payload_type=120, overhead=0.4, max_block_packets=40),
    "ulpfec in stream": FecConfig(format=FecFormat.ULPFEC, payload_type=120, overhead=0.4, max_block_packets=40,
                                  in_stream=True),
}


@pytest.mark.parametrize("name", VIDEO_FECS)
def test_sim_fec_brings_back_what_is_lost_and_keeps_its_overhead(name: str) -> None:
    call = hold_call(NetworkPlan.symmetric(loss_rate=0.05, delay_ms=20), 8, audio_fec=AUDIO_FEC,
                     video_fec=VIDEO_FECS[name], nack=False)
    for kind, config in (("audio", AUDIO_FEC), ("video", VIDEO_FECS[name])):
        sent, got = call["sent"][kind]["network"], call["received"][kind]["network"]
        share = sent["fec"]["repair_bytes"] / sent["fec"]["media_bytes"]
        assert share <= config.overhead + 0.02
        # In the stream lost parity counts as lost, and nothing brings that back.
        own = config.overhead if config.in_stream else 0
        assert got["fec"]["recovered"] >= 0.6 * got["lost_pkts"] / (1 + own) > 0
        assert got["recovered_pkts"] == got["fec"]["recovered"]
        assert got["fec"]["malformed"] == 0
    assert call["session"]["drops"]["malformed"] == call["session"]["drops"]["unknown_stream"] == 0


def test_sim_fec_columns_bring_back_bursts_that_rows_do_not() -> None:
    plan = NetworkPlan.symmetric(burst_loss_rate=0.05, burst_length_pkts=3, delay_ms=20)
    shares = []
    for burst in (1, 4):
        config = FecConfig(payload_type=120, overhead=0.4, burst_packets=burst)
        got = hold_call(plan, 8, video_fec=config, nack=False)["received"]["video"]["network"]
        shares.append(got["fec"]["recovered"] / got["lost_pkts"])
    assert shares[0] < 0.6
    assert shares[1] > shares[0] + 0.15


@pytest.mark.parametrize("name", ["flexfec", "ulpfec in stream"])
def test_sim_fec_survives_reordering_duplicates_and_loss_together(name: str) -> None:
    plan = NetworkPlan.symmetric(loss_rate=0.05, reorder_rate=0.05, duplicate_rate=0.05, delay_ms=20, jitter_ms=5)
    call = hold_call(plan, 6, audio_fec=AUDIO_FEC, video_fec=VIDEO_FECS[name], nack=False)
    for got in (r["network"] for r in call["received"].values()):
        assert got["fec"]["recovered"] > 0
        assert got["fec"]["malformed"] == got["fec"]["restarts"] == 0
    assert call["session"]["drops"]["malformed"] == 0


def test_sim_fec_what_comes_back_is_not_asked_for() -> None:
    """A frame and its parity leave together, before the wait for a request is over."""
    plan = NetworkPlan.symmetric(loss_rate=0.04, delay_ms=60)
    asked = [hold_call(plan, 6, video_fec=fec)["received"]["video"]["network"]["nack_requested"]
             for fec in (None, FecConfig(payload_type=120, overhead=0.5))]
    assert asked[1] < asked[0] / 2


# --- loss that is left, without a session ---

def residual(config: FecConfig, loss: float, length: float, *, n: int = 20_000, seed: int = 7) -> tuple[float, float]:
    """Loss after recovery of 160-byte packets, and the overhead. Losses come in runs of a mean ``length``; 1: singly.

    Repairs are lost like media: each leaves behind the packet that completes it.
    """
    rng = random.Random(seed)
    encoder, decoder = FecEncoder(config), FecDecoder(config)
    state, lost, back = False, 0, 0

    def is_lost() -> bool:
        nonlocal state
        if length == 1:
            return rng.random() < loss
        state = rng.random() < (1 - 1 / length if state else loss / (1 - loss) / length)
        return state

    for i in range(n):
        head = bytes([0x80, 96]) + (i % 65536).to_bytes(2, "big") + bytes(7) + b"\x07"
        packet = head + rng.randbytes(148)
        arriving = [p for p in (packet, *encoder.protect(packet)) if not is_lost()]
        lost += packet not in arriving
        back += sum(len(decoder.push(p)) for p in arriving)
    s = encoder.stats()
    return (lost - back) / n, s.repair_bytes / s.media_bytes


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.2])
def test_sim_fec_rows_leave_the_loss_that_theory_says(loss: float) -> None:
    """A packet stays lost if its repair or one of the other three of its block is lost too."""
    left, overhead = residual(FecConfig(overhead=0.275), loss, 1)  # a repair, 176 bytes, to four packets of 160
    assert overhead == pytest.approx(0.275, abs=0.01)
    assert left == pytest.approx(loss * (1 - (1 - loss) ** 4), rel=0.2, abs=0.0005)


def test_sim_fec_columns_leave_less_of_bursts_than_rows() -> None:
    rows, columns = (residual(FecConfig(overhead=0.5, burst_packets=b), 0.05, 3)[0] for b in (1, 6))
    assert columns < 0.5 * rows


# --- one session with another, packet by packet ---

def pair(config: FecConfig, *, srtp: SrtpConfig | None = None) -> tuple[Session, Session, AudioSender, Receiver]:
    a, b = (Session(SessionConfig(srtp=srtp, seed=s), now_us=0) for s in (5, 6))
    return a, b, a.send_audio(ssrc=100, packet_fec=config, fec=False), b.receive_audio(packet_fec=config)


def talk(a: Session, voice: AudioSender, first: int, n: int) -> list[bytes]:
    """RTP that leaves within n blocks of 20 ms from the ``first`` on."""
    sound, out = speechlike(0.02), []
    for i in range(first, first + n):
        voice.send(AudioFrame(samples=sound, sample_rate=RATE), capture_us=20 * MS * i, now_us=20 * MS * i)
        while (datagram := a.poll_transmit(20 * MS * i + 10 * MS)) is not None:
            if not 64 <= datagram[1] & 0x7F <= 95:
                out.append(datagram)
    return out


def fec_of(receiver: Receiver) -> dict[str, int]:
    return dict(receiver.stats()["network"]["fec"])


PLAIN = FecConfig(payload_type=119, overhead=0.5, ssrc=200)


def test_session_fec_policy_changes_while_running() -> None:
    a, _, voice, _ = pair(PLAIN)
    made = [sum(p[1] & 0x7F == 119 for p in talk(a, voice, 0, 40))]
    voice.set_fec(0)
    made.append(sum(p[1] & 0x7F == 119 for p in talk(a, voice, 41, 40)))
    voice.set_fec(0.2, burst_packets=2)
    made.append(sum(p[1] & 0x7F == 119 for p in talk(a, voice, 82, 40)))
    assert made[0] > 13
    assert made[1] <= 1  # one may have waited in the pacer
    assert 3 <= made[2] <= 8
    with pytest.raises(ArgumentError, match="packet_fec"):
        Session(SessionConfig(), now_us=0).send_audio().set_fec(0.1)
    with pytest.raises(ConfigError, match="overhead"):
        voice.set_fec(2)


def test_session_fec_packets_are_numbered_and_named_by_the_rfc() -> None:
    a, _, voice, _ = pair(PLAIN)
    repairs = [RtpPacket.parse(p) for p in talk(a, voice, 0, 40) if p[1] & 0x7F == 119]
    numbers = [p.header.sequence_number for p in repairs]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {p.header.ssrc for p in repairs} == {200}
    assert {tuple(p.header.csrcs) for p in repairs} == {(100,)}
    stamps = [p.header.timestamp for p in repairs]
    assert all((b - a) % 2**32 < 2**31 for a, b in pairwise(stamps))
    stats = voice.stats()["network"]
    assert stats["pkts"] == 40  # of media; parity is no media
    assert stats["fec"]["repair_pkts"] == len(repairs)


def test_session_fec_in_stream_takes_numbers_of_the_stream() -> None:
    config = FecConfig(format=FecFormat.ULPFEC, payload_type=119, overhead=0.5, in_stream=True)
    a, b, voice, receiver = pair(config)
    sent = talk(a, voice, 0, 40)
    numbers = [RtpPacket.parse(p).header.sequence_number for p in sent]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {RtpPacket.parse(p).header.ssrc for p in sent} == {100}
    for i, p in enumerate(sent):
        if i != 10:
            b.receive(p, 20 * MS * i)
    got = receiver.stats()["network"]
    assert got["lost_pkts"] == 1
    assert got["fec"]["recovered"] == (sent[10][1] & 0x7F != 119)


def test_session_fec_ssrc_that_collides_is_changed() -> None:
    a, _, voice, _ = pair(PLAIN)
    talk(a, voice, 0, 20)
    for i in range(3):  # somebody else has it
        a.receive(RtpPacket(RtpHeader(i, 0, 200, 50)).serialize(), 410 * MS)
    changed = [e.value for e in iter(a.poll_event, None) if e.type is EventType.SSRC_CHANGED]
    assert len(changed) == 1
    names = {RtpPacket.parse(p).header.ssrc for p in talk(a, voice, 21, 20)}
    assert names == {100, changed[0]}


def test_session_fec_takes_only_what_is_authentic() -> None:
    a, b, voice, receiver = pair(PLAIN, srtp=KEY)
    sent = talk(a, voice, 0, 10)
    for p in sent[:5]:
        b.receive(p, 100 * MS)
    before = fec_of(receiver)
    forged = RtpPacket(RtpHeader(7, 0, 200, 119, csrcs=[100]), bytes(60)).serialize()
    b.receive(forged, 100 * MS)
    broken = bytearray(next(p for p in sent[5:] if p[1] & 0x7F == 119))
    broken[-1] ^= 1
    b.receive(bytes(broken), 100 * MS)
    assert fec_of(receiver) == before
    drops = b.stats().session["drops"]
    assert drops["auth"] + drops["replay"] == 2


def test_session_fec_that_brings_another_payload_type_is_dropped() -> None:
    a, b, voice, receiver = pair(PLAIN)
    sent = talk(a, voice, 0, 6)
    media = [p for p in sent if p[1] & 0x7F == 111]
    b.receive(media[0], 0)
    b.receive(media[2], 0)
    stranger = bytes([media[1][0], 99]) + media[1][2:]  # of a type that the stream does not have
    sets = media[1][2:4] + bytes([1, 0])
    lie = build_flexfec([stranger], sets, fixed=True)
    b.receive(RtpPacket(RtpHeader(1, 2, 200, 119, csrcs=[100]), lie).serialize(), 0)
    assert b.stats().session["drops"]["malformed"] == 1
    assert receiver.stats()["network"]["recovered_pkts"] == 0


def test_session_fec_of_a_stream_that_never_came_is_counted() -> None:
    _, b, _, receiver = pair(PLAIN)
    b.receive(RtpPacket(RtpHeader(1, 2, 200, 119, csrcs=[100]), bytes(60)).serialize(), 0)
    assert b.stats().session["drops"]["unknown_stream"] == 1
    assert fec_of(receiver)["repair_pkts"] == 0


@pytest.mark.parametrize("clash", [{"payload_type": 111}, {"payload_type": 70}, {"ssrc": 100}])
def test_session_fec_needs_names_of_its_own(clash: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        pair(replace(PLAIN, **clash))


def test_session_fec_type_of_one_stream_is_no_other_streams() -> None:
    a, b, _, _ = pair(PLAIN)
    with pytest.raises(ConfigError):
        a.send_video(resolution=(320, 180), encoder="libx264", payload_type=119)
    with pytest.raises(ConfigError):
        b.receive_video(packet_fec=FecConfig(payload_type=119))
    with pytest.raises(ConfigError):
        a.send_video(resolution=(320, 180), encoder="libx264", packet_fec=FecConfig(payload_type=120, ssrc=200))


def test_session_fec_survives_every_allocation_failure() -> None:
    session = Session(SessionConfig(), now_us=0)
    survives_every_failure(lambda: session.send_audio(packet_fec=PLAIN))
    survives_every_failure(lambda: session.receive_audio(packet_fec=PLAIN))
