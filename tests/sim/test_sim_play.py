"""Sound given at once and sent in its time; levels in the header. In virtual time."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arcrtc import RtpPacket, Session, SessionConfig
from arcrtc._native import NEVER_US, ffi, lib
from arcrtc.audio import AudioFrame
from arcrtc.errors import ArgumentError, BackpressureError, ConfigError
from arcrtc.events import Concealment
from tests.model.speech import noise, sine, speech

RATE = 16_000


def run(session: Session, until_us: int, from_us: int = 0) -> list[tuple[int, RtpPacket]]:
    """(time, packet) of all RTP that leaves, with the clock going from deadline to deadline."""
    now, out = from_us, []
    while now <= until_us:
        while (datagram := session.poll_transmit(now)) is not None:
            if not 192 <= datagram[1] <= 223:  # RTCP (RFC 5761 section 4)
                out.append((now, RtpPacket.parse(datagram)))
        now = max(session.next_timeout_us(), now + 1)
    return out


def sender(**options: Any) -> tuple[Session, Any]:
    session = Session(SessionConfig(seed=1), now_us=0)
    return session, session.send_audio(sample_rate=RATE, dtx=False, **options)


def test_play_sends_ten_seconds_given_at_once_in_ten_seconds() -> None:
    session, voice = sender()
    voice.play(np.tile(speech(), 2)[:10 * RATE], now_us=5000)
    sent = run(session, 12_000_000, 5000)
    times = np.array([t for t, _ in sent])
    stamps = np.array([p.header.timestamp for _, p in sent]).astype(np.int64)
    assert len(sent) == 500
    assert np.all(np.abs(times - (5000 + 20_000 * np.arange(500))) < 5000)  # the pacer spreads a little
    assert np.all(np.diff(stamps) % 2**32 == 960)
    assert (voice.played.played_ms, voice.played.waiting_ms) == (10_000.0, 0.0)
    assert session.next_timeout_us() != NEVER_US  # reports go on


def test_play_flush_cuts_off_and_tells_what_was_sent() -> None:
    session, voice = sender()
    voice.play(sine(RATE, 200, 3.0), now_us=0)
    assert len(run(session, 990_000)) == 50
    played = voice.flush()
    assert (played.played_ms, played.waiting_ms, played.frames) == (1000.0, 2000.0, 0)
    assert run(session, 2_000_000, 990_001) == []
    again = voice.flush()
    assert (again.played_ms, again.waiting_ms) == (0.0, 0.0)
    voice.play(sine(RATE, 200, 0.1), now_us=2_000_000)
    assert [t // 1000 for t, _ in run(session, 3_000_000, 2_000_000)] == [2000, 2020, 2040, 2060, 2080]


def test_play_of_pieces_leaves_no_hole_and_fills_up_the_last() -> None:
    session, voice = sender()
    voice.play(sine(RATE, 200, 0.05), now_us=0)  # two frames and a half
    assert len(run(session, 30_000)) == 2
    voice.play(sine(RATE, 200, 0.05), now_us=30_000)
    assert len(run(session, 500_000, 30_001)) == 3
    assert voice.played.played_ms == 100.0
    voice.play(sine(RATE, 200, 0.03), now_us=500_000)
    assert len(run(session, 900_000, 500_000)) == 2
    assert voice.played.played_ms == 130.0  # the silence at its end is not counted


def test_play_does_not_count_what_the_network_side_has_not_taken() -> None:
    session, voice = sender()
    voice.play(sine(RATE, 200, 1.0), now_us=0)
    for now in range(0, 100_000, 20_000):
        lib.arc_send_play_turn(voice._handle, now)  # encoded, and nobody fetches
    assert voice.played.played_ms == 0.0
    run(session, 100_000, 100_000)
    assert voice.played.played_ms > 80.0


def test_play_after_a_stall_sends_no_burst() -> None:
    session, voice = sender()
    voice.play(sine(RATE, 200, 2.0), now_us=0)
    run(session, 100_000)
    assert len(run(session, 1_000_000, 1_000_000)) <= 1
    assert len(run(session, 4_000_000, 1_000_001)) == 100 - 6 - 1


def test_play_is_bounded_and_refuses_whole() -> None:
    _, voice = sender(play_limit_s=1)
    voice.play(np.zeros(RATE // 2, dtype=np.int16), now_us=0)
    with pytest.raises(BackpressureError):
        voice.play(np.zeros(RATE // 2 + 1, dtype=np.int16), now_us=0)
    assert voice.played.waiting_ms == 500.0
    voice.play(np.zeros(RATE // 2, dtype=np.int16), now_us=0)
    assert voice.played.waiting_ms == 1000.0


def test_play_refuses_what_does_not_fit() -> None:
    session, voice = sender()
    with pytest.raises(ArgumentError):
        voice.play(np.zeros((16, 2), dtype=np.int16))
    with pytest.raises(ArgumentError):
        voice.play(AudioFrame(samples=np.zeros(480, dtype=np.int16), sample_rate=48_000))
    with pytest.raises(ArgumentError):
        voice.play(np.zeros(0, dtype=np.int16))
    for limit in (0, 601):
        with pytest.raises(ConfigError, match="play_limit_s"):
            session.send_audio(play_limit_s=limit)
    for ident in (0, 15):
        with pytest.raises(ConfigError, match="level_extension"):
            session.send_audio(level_extension=ident)
        with pytest.raises(ConfigError, match="level_extension"):
            session.receive_audio(level_extension=ident)


def test_play_muted_goes_on_in_silence() -> None:
    session, voice = sender(level_extension=1)
    voice.mute()
    voice.play(sine(RATE, 200, 0.2), now_us=0)
    sent = run(session, 500_000)
    assert len(sent) == 10
    assert {p.header.extensions[1] for _, p in sent} == {b"\x7f"}
    assert voice.flush().played_ms == 200.0


def test_level_is_in_each_header_and_the_peer_shows_it() -> None:
    a, voice = sender(level_extension=3)
    b = Session(SessionConfig(seed=2), now_us=0)
    b.receive_audio(level_extension=3)
    sound = np.concatenate([noise(RATE, -70), sine(RATE, 300, 1.0, 0.5), noise(RATE, -70)])
    voice.play(sound, now_us=0)
    seen, shown = [], []
    for t, packet in run(a, 3_500_000):
        level = packet.header.extensions[3][0]
        seen.append((level & 127, level >> 7))
        b.receive(packet.serialize(), t)
        network = b.receivers[0].stats()["network"]
        shown.append((network["level_neg_dbov"], int(network["voice"])))
    assert len(seen) == 150
    assert shown == seen
    assert {v for _, v in seen[:48]} == {0}
    assert all(66 <= level <= 74 for level, _ in seen[:48])
    assert {v for _, v in seen[53:99]} == {1}
    assert all(8 <= level <= 10 for level, _ in seen[53:99])
    assert {v for _, v in seen[-30:]} == {0}
    assert b.receivers[0].stats()["network"]["level_pkts"] == 150
    assert list(b.frames(3_500_000))  # and the sound comes out all the same


def test_level_told_by_a_packet_comes_with_the_blocks_of_its_sound() -> None:
    a, voice = sender(level_extension=3, fec=False)
    b = Session(SessionConfig(seed=2, adaptive=False), now_us=0)
    b.receive_audio(level_extension=3)
    voice.play(np.concatenate([noise(RATE, -70), sine(RATE, 300, 1.0, 0.5)]), now_us=0)
    told: dict[int, tuple[int, bool]] = {}
    blocks = []
    for i, (t, packet) in enumerate(run(a, 2_200_000)):
        blocks += list(b.frames(t))
        if i % 10 != 9:
            byte = packet.header.extensions[3][0]
            told[packet.header.timestamp] = (byte & 127, byte >= 128)
            b.receive(packet.serialize(), t)
    for t in range(2_200_000, 2_400_000, 10_000):
        blocks += list(b.frames(t))
    for block in blocks:
        assert block.level_neg_dbov == block.frame.level
        within = [told[s] for s in told if -480 < (block.rtp_timestamp - s + 2**31) % 2**32 - 2**31 < 960]
        if block.told_voice is None:
            assert block.concealment != Concealment.DECODED or not within
        else:
            assert (block.told_level_neg_dbov, block.told_voice) in within
    assert sum(b.told_voice is None for b in blocks) > 5
    assert {b.told_voice for b in blocks} == {None, True, False}


def test_level_of_another_id_is_not_read() -> None:
    a, voice = sender(level_extension=3)
    b = Session(SessionConfig(seed=2), now_us=0)
    b.receive_audio(level_extension=4)
    voice.play(sine(RATE, 300, 0.2), now_us=0)
    for t, packet in run(a, 500_000):
        b.receive(packet.serialize(), t)
    network = b.receivers[0].stats()["network"]
    assert (network["pkts"], network["level_pkts"], network["level_neg_dbov"]) == (10, 0, -1)


def test_playqueue_new_refuses_and_survives_failed_allocations() -> None:
    out, good = ffi.new("struct arc_playqueue **"), {"sample_rate_hz": 16000, "channels": 1, "frame_samples": 320,
                                                     "max_ms": 100}
    for field, value in (("sample_rate_hz", 7999), ("channels", 3), ("frame_samples", 0), ("max_ms", 0),
                         ("max_ms", 600_001)):
        config = ffi.new("struct arc_playqueue_config *", {**good, field: value})
        assert lib.arc_playqueue_new(config, out) == lib.ARC_ERR_ARG
    live = lib.arc_mem_live_blocks()
    for allowed in range(2):
        lib.arc_mem_fail_after(allowed)
        status = lib.arc_playqueue_new(ffi.new("struct arc_playqueue_config *", good), out)
        lib.arc_mem_fail_after(-1)
        assert status == lib.ARC_ERR_NOMEM
        assert lib.arc_mem_live_blocks() == live


def test_playqueue_keeps_every_sample_over_its_wrap() -> None:
    config = ffi.new("struct arc_playqueue_config *", {"sample_rate_hz": 16000, "channels": 2, "frame_samples": 320,
                                                       "max_ms": 100})
    out = ffi.new("struct arc_playqueue **")
    assert lib.arc_playqueue_new(config, out) == lib.ARC_OK
    queue, rng, at = ffi.gc(out[0], lib.arc_playqueue_free), np.random.default_rng(3), ffi.new("int64_t *")
    source, given, got, now = rng.integers(-9, 9, (20_000, 2)).astype(np.int16), 0, [], 0
    frame = np.zeros((320, 2), dtype=np.int16)
    while now < 1_400_000:
        while given < len(source):  # until it is full
            piece = source[given:given + int(rng.integers(1, 300))].copy()
            if lib.arc_playqueue_put(queue, ffi.from_buffer("int16_t[]", piece), len(piece), now) != lib.ARC_OK:
                break
            given += len(piece)
        while lib.arc_playqueue_take(queue, now, ffi.from_buffer("int16_t[]", frame), at) == lib.ARC_OK:
            assert at[0] <= now
            got.append(frame.copy())
        now += 5000
    assert given == len(source)
    heard = np.concatenate(got)
    assert np.array_equal(heard[:given], source[:given])
