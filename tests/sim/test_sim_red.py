"""Copies of past frames between two sessions in virtual time (RFC 2198)."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from arcrtc import AudioFrame, ConfigError, RtpPacket, Session, SessionConfig
from arcrtc.errors import ArgumentError
from arcrtc.events import Concealment, ReceivedFrame
from arcrtc.redundancy import RedConfig, speech_plan
from tests.model import red as model
from tests.model.red import Block

MS, RATE, FRAME = 1000, 16_000, 320
RED = RedConfig(distances=(1, 3), max_overhead_pct=300)


def speechlike(frames: int) -> np.ndarray:
    t = np.arange(frames * FRAME) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t)) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    return (6000 * voice * (0.55 + 0.45 * np.sin(2 * np.pi * 3 * t)) / 2).astype(np.int16)


@dataclass
class Call:
    """A sends speech to B; ``path`` says what becomes of each RTP datagram."""

    a: Session
    b: Session
    heard: list[ReceivedFrame]
    sent: list[bytes]

    @property
    def media(self) -> dict[str, Any]:
        return dict(self.b.stats().receive[0]["media"])

    @property
    def network(self) -> dict[str, Any]:
        return dict(self.b.stats().receive[0]["network"])

    @property
    def pcm(self) -> np.ndarray:
        return np.concatenate([frame.frame.samples for frame in self.heard])


def hold(path: Callable[[int, bytes], bytes | None], *, frames: int = 100, red: RedConfig | None = RED,
         at: Callable[[int, Call], None] | None = None, sound: np.ndarray | None = None, latency_ms: int = 100,
         **options: Any) -> Call:
    """Latency is fixed, so that two calls of the same sound can be compared sample by sample."""
    def session(seed: int) -> Session:
        return Session(SessionConfig(seed=seed, nack=False, adaptive=False, min_latency_ms=latency_ms,
                                     initial_latency_ms=latency_ms), now_us=0)

    call = Call(session(1), session(2), [], [])
    sender = call.a.send_audio(sample_rate=RATE, bitrate=24_000, fec=False, red=red, **options)
    call.b.receive_audio(sample_rate=RATE, red_payload_type=RED.payload_type)
    sound = speechlike(frames) if sound is None else sound
    for i in range(frames + 20):
        now = 20 * MS * i
        if i < frames:
            if at is not None:
                at(i, call)
            sender.send(AudioFrame(samples=sound[i * FRAME:(i + 1) * FRAME], sample_rate=RATE), now_us=now)
        while (datagram := call.a.poll_transmit(now)) is not None:
            if 192 <= datagram[1] <= 223:
                continue  # RTCP
            call.sent.append(datagram)
            if (arrived := path(len(call.sent) - 1, datagram)) is not None:
                call.b.receive(arrived, now)
        call.heard.extend(call.b.frames(now))
    return call


def blocks_of(datagram: bytes) -> list[Block]:
    packet = RtpPacket.parse(datagram)
    if packet.header.payload_type != RED.payload_type:
        return [Block(packet.header.payload_type, 0, bytes(packet.payload))]
    found = model.parse(bytes(packet.payload))
    assert not isinstance(found, str)
    return found


def test_sim_red_copies_sound_exactly_as_the_packets_that_were_lost() -> None:
    clean = hold(lambda i, data: data)
    # Single losses, and bursts of three: all of them come again at distance 1 or 3.
    lossy = hold(lambda i, data: None if i % 10 in (3, 6, 7, 8) and i < 90 else data)
    # When the sender stops, play-out waits for what may just be late; how long depends on what was lost.
    spoken = 95 * FRAME
    assert np.array_equal(lossy.pcm[:spoken], clean.pcm[:spoken])
    assert lossy.media["copy_samples"] == 36 * FRAME
    assert lossy.media["concealed_samples"] == 0
    assert {frame.concealment for frame in lossy.heard[:100]} == {Concealment.DECODED, Concealment.COPY}
    assert clean.media["copy_samples"] == 0


def test_sim_red_longer_bursts_lose_only_what_was_beyond_the_reach() -> None:
    call = hold(lambda i, data: None if 40 <= i < 46 else data)
    # The join of what was made up with the first copy counts as made up.
    assert 2 * FRAME < call.media["copy_samples"] <= 3 * FRAME
    assert call.media["concealed_samples"] < 4 * FRAME


def test_sim_red_of_no_play_out_delay_gains_nothing_and_harms_nothing() -> None:
    call = hold(lambda i, data: None if i % 10 == 5 else data, latency_ms=0)
    assert call.media["copy_samples"] + call.media["concealed_samples"] == 10 * FRAME


def test_sim_red_payloads_are_the_set_and_change_with_it() -> None:
    def change(i: int, call: Call) -> None:
        if i == 20:
            call.a.senders[0].set_redundancy(2)  # type: ignore[union-attr]
        if i == 40:
            call.a.senders[0].set_redundancy()  # type: ignore[union-attr]

    call = hold(lambda i, data: data, at=change, frames=60)
    offsets = [[b.ts_offset // 960 for b in blocks_of(datagram)] for datagram in call.sent]
    assert offsets == [[0], [1, 0], [1, 0], *[[3, 1, 0]] * 17, *[[2, 0]] * 20, *[[0]] * 20]
    assert {b.payload_type for datagram in call.sent for b in blocks_of(datagram)} == {111}
    media = call.a.stats().send[0]["media"]
    assert media["copies"] == 2 + 17 * 2 + 20 == call.network["copies"]


def test_sim_red_speech_only_spares_the_pause_and_outlasts_a_change() -> None:
    far = (16, 15, 14, 13)  # the set as it crosses to the thread that sends: every field at its widest

    def change(i: int, call: Call) -> None:
        if i == 120:
            call.a.senders[0].set_redundancy(*far, max_overhead_pct=400)  # type: ignore[union-attr]

    sound = speechlike(160)
    sound[40 * FRAME:100 * FRAME] = 0
    call = hold(lambda i, data: data, sound=sound, frames=160, at=change, application="voip",
                red=RedConfig(distances=(3,), max_overhead_pct=300, speech_only=True))
    offsets = [[b.ts_offset // 960 for b in blocks_of(datagram)] for datagram in call.sent]
    assert {tuple(o) for o in offsets[3:120]} == {(3, 0), (0,)}
    assert offsets[70:100] == [[0]] * 30  # the encoder takes a while to be sure
    assert {back for o in offsets[140:160] for back in o} == {*far, 0}
    assert call.a.stats().send[0]["media"]["copies_left_out"] == 0


def test_sim_red_dtx_repeats_the_last_words_and_then_is_silent() -> None:
    sound = speechlike(100)
    sound[40 * FRAME:] = 0
    call = hold(lambda i, data: data, sound=sound, dtx=True, application="voip",
                red=RedConfig(distances=(12,), max_overhead_pct=300))
    plain = hold(lambda i, data: data, sound=sound, dtx=True, application="voip", red=None)
    spoken = [datagram for datagram in plain.sent if len(blocks_of(datagram)[-1].data) > 2]
    copies = [b.data for datagram in call.sent for b in blocks_of(datagram)[:-1]]
    originals = [blocks_of(datagram)[-1].data for datagram in spoken]
    assert originals[:40] == copies[:40]  # every frame of speech came again
    assert len(call.sent) < 80  # and silence is not filled up with packets
    assert call.media["codec_errors"] == 0


def test_sim_red_of_resent_packets_is_opened_too() -> None:
    """A resend names no payload type: with RTX all packets have the form of RFC 2198."""
    call = hold(lambda i, data: data, rtx_payload_type=98, frames=20, red=RedConfig(distances=()))
    assert {RtpPacket.parse(datagram).header.payload_type for datagram in call.sent} == {RED.payload_type}
    assert call.media["samples_out"] > 15 * FRAME
    assert call.media["concealed_samples"] == 0


def _with_payload(datagram: bytes, payload: bytes) -> bytes:
    packet = RtpPacket.parse(datagram)
    return RtpPacket(packet.header, payload).serialize()


@pytest.mark.parametrize(("forge", "counter"), [
    (lambda blocks: [Block(0, 960, b"\x55" * 160), blocks[-1]], "copies_other_type"),
    (lambda blocks: [Block(111, 960, b""), blocks[-1]], "copies_malformed"),
    (lambda blocks: [Block(111, 960, b"\x4b\x00"), blocks[-1]], "copies_malformed"),  # a code 3 packet of no frames
])
def test_sim_red_blocks_that_cannot_be_used_are_counted_and_the_primary_is_played(
        forge: Callable[[list[Block]], list[Block]], counter: str) -> None:
    def path(i: int, data: bytes) -> bytes:
        return _with_payload(data, model.build(forge(blocks_of(data)))) if i > 3 else data

    call = hold(path)
    assert call.network[counter] == 96
    assert np.array_equal(call.pcm, hold(lambda i, data: data).pcm)


def test_sim_red_payloads_whose_lengths_lie_are_dropped_as_malformed() -> None:
    call = hold(lambda i, data: _with_payload(data, b"\xef\x0f\x03\xff\x6f" + bytes(30)) if i == 50 else data)
    assert call.b.stats().session["drops"]["malformed"] == 1
    assert call.network["pkts"] == 99
    assert call.media["copy_samples"] == FRAME


def test_sim_red_copies_of_a_time_before_the_stream_or_that_differ_change_nothing() -> None:
    """Time offsets beyond what was ever sent, and copies that disagree with the packet that is here."""
    def path(i: int, data: bytes) -> bytes:
        blocks = blocks_of(data)
        return _with_payload(data, model.build([Block(111, 16383, blocks[-1].data), Block(111, 960, b"\x08" * 9),
                                                blocks[-1]])) if i else data

    call = hold(path)
    assert np.array_equal(call.pcm, hold(lambda i, data: data).pcm)


@pytest.mark.parametrize("wideband_below_bps", [28_000, 0])
def test_sim_red_narrows_to_wideband_while_copies_leave_too_little(wideband_below_bps: int) -> None:
    session = Session(SessionConfig(seed=1), now_us=0)
    sender = session.send_audio(sample_rate=48_000, bitrate=24_000, fec=False,
                                red=RedConfig(distances=(1,), wideband_below_bps=wideband_below_bps))
    sound, wide = np.repeat(speechlike(90), 3), []
    for i in range(90):
        if i == 30:
            sender.set_bitrate(32_000)
        if i == 60:
            sender.set_redundancy()
            sender.set_bitrate(24_000)
        sender.send(AudioFrame(samples=sound[i * 960:(i + 1) * 960], sample_rate=48_000), now_us=20 * MS * i)
        while (datagram := session.poll_transmit(20 * MS * i)) is not None:
            if not 192 <= datagram[1] <= 223:  # RTCP
                wide.append(blocks_of(datagram)[-1].data[0] >> 3 >= 12)  # RFC 6716 table 2
    assert any(wide[:30]) == (not wideband_below_bps)
    assert all(wide[40:60])
    assert all(wide[70:])


def test_sim_red_total_rate_holds_and_changes_in_place() -> None:
    def change(i: int, call: Call) -> None:
        if i == 100:
            call.a.senders[0].set_redundancy(3, 1, max_total_bps=0)  # type: ignore[union-attr]

    call = hold(lambda i, data: data, frames=200, at=change,
                red=RedConfig(distances=(3, 1), max_overhead_pct=300, max_total_bps=36_000))
    bits = [8 * (len(datagram) - 12) for datagram in call.sent]
    assert 0.9 * 72_000 < sum(bits[:100]) <= 72_000
    assert sum(bits[100:]) > 1.5 * 72_000
    assert call.a.stats().send[0]["media"]["copies_left_out"] > 50


def test_speech_plan_gives_frames_their_rate_and_the_rest_to_second_copies() -> None:
    one, two = RedConfig(distances=(4,), speech_only=True), RedConfig(distances=(4, 1), speech_only=True)
    assert [speech_plan(bps, 0.2)[1] for bps in (20_000, 36_000, 60_000)] == [
        one.encoder_bitrate(20_000), 16_800, two.encoder_bitrate(60_000)]
    red, _ = speech_plan(36_000, 0.2, 3)
    assert (red.distances, red.max_total_bps, red.speech_only) == ((3, 1), 36_000, True)
    red, bitrate = speech_plan(36_000, 0.1)
    assert (red.distances, bitrate) == ((4,), one.encoder_bitrate(36_000))
    with pytest.raises(ConfigError):
        speech_plan(36_000, 1.1)
    for reach in (1, 17):
        with pytest.raises(ConfigError):
            speech_plan(36_000, 0.2, reach)
    for wrong in ({"max_total_bps": -1}, {"max_total_bps": 2_000_001}, {"wideband_below_bps": -1}):
        with pytest.raises(ConfigError):
            RedConfig(**wrong)  # type: ignore[arg-type]


def test_sim_red_settings_that_are_not_allowed_raise() -> None:
    session = Session(SessionConfig(seed=1), now_us=0)
    with pytest.raises(ArgumentError):
        session.send_audio().set_redundancy(1)
    with pytest.raises(ConfigError):
        session.send_audio(payload_type=112, red=RedConfig(payload_type=112))
    with pytest.raises(ConfigError):
        session.send_audio(codec="pcmu", red=RED)
    with pytest.raises(ConfigError):
        session.receive_audio(red_payload_type=111)
    session.receive_audio(red_payload_type=63)
    with pytest.raises(ConfigError):
        session.receive_audio(payload_type=110, red_payload_type=63)
    sender = session.send_audio(payload_type=100, red=RED)
    for wrong in ((0,), (17,), (2, 2), (1, 2, 3, 4, 5)):
        with pytest.raises(ConfigError):
            sender.set_redundancy(*wrong)
    sender.set_redundancy(5, 2, max_overhead_pct=80)
    assert sender.red == RedConfig(distances=(5, 2), max_overhead_pct=80)


def test_red_config_shares_a_rate_between_frames_and_copies() -> None:
    assert RedConfig(distances=(3,)).encoder_bitrate(36_000) == (36_000 - 50 * 40) // 2
    assert RedConfig(distances=()).encoder_bitrate(36_000) == 36_000
    assert RedConfig(distances=(1, 3)).encoder_bitrate(8_000) == 6_000


def test_sim_red_bytes_of_copies_are_told_apart() -> None:
    call = hold(lambda i, data: data)
    extra = sum(1 + sum(4 + len(block.data) for block in blocks[:-1]) for blocks in map(blocks_of, call.sent)
                if len(blocks) > 1)
    assert call.network["copy_bytes"] == extra > 0
    assert hold(lambda i, data: data, red=None).network["copy_bytes"] == 0


def test_sim_red_copies_of_pauses_are_counted() -> None:
    silence = np.random.default_rng(1).normal(0, 2, 50 * FRAME).astype(np.int16)
    sound = np.concatenate([speechlike(50), silence])
    red = RedConfig(distances=(1,), max_overhead_pct=300, speech_only=True)
    media = hold(lambda i, data: data, red=red, sound=sound).a.stats().send[0]["media"]
    assert media["copies_of_pauses"] > 30
    assert media["copies_left_out"] == 0
    assert media["copies"] + media["copies_of_pauses"] == 99
    assert hold(lambda i, data: data).a.stats().send[0]["media"]["copies_of_pauses"] == 0


def test_sim_red_policy_counts_copies_as_often_as_they_are_made() -> None:
    shares = []
    for speech_only in (False, True):
        config = SessionConfig(seed=1, repair="auto")
        a, b = Session(config, now_us=0), Session(config, now_us=0)
        red = RedConfig(distances=(1,), max_overhead_pct=300, speech_only=speech_only)
        sender = a.send_audio(sample_rate=RATE, bitrate=24_000, red=red)
        b.receive_audio(sample_rate=RATE, red_payload_type=red.payload_type)
        noise = np.random.default_rng(1).normal(0, 2, 150 * FRAME).astype(np.int16)
        sound = np.concatenate([speechlike(150), noise])
        assert a.repair is not None
        for i in range(300):
            sender.send(AudioFrame(samples=sound[i * FRAME:(i + 1) * FRAME], sample_rate=RATE), now_us=20 * MS * i)
            sender.set_redundancy(1)  # whatever the policy thinks: what is looked at is what it counts with
            while (datagram := a.poll_transmit(20 * MS * i)) is not None:
                b.receive(datagram, 20 * MS * i)
        shares.append(a.repair._policies[0].offer.red_share)
    assert shares[0] == 1.0
    assert 0.4 < shares[1] < 0.75
