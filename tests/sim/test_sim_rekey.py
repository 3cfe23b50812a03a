"""Keys changed in mid-call: over a bad network, in virtual time; and on native threads."""
from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from arcrtc import Engine, EventType, Session, SessionConfig, SrtpConfig, SrtpProfile, errors
from arcrtc.audio import AudioFrame
from arcrtc.sim import NetworkPlan, World

PROFILES = [SrtpProfile.AEAD_AES_128_GCM, SrtpProfile.AES128_CM_HMAC_SHA1_80]


def tone(i: int) -> AudioFrame:
    samples = (8000 * np.sin(2 * np.pi * 440 * (np.arange(960) + 960 * i) / 48_000)).astype(np.int16)
    return AudioFrame(samples=samples, sample_rate=48_000, channels=1, timestamp=960 * i)


def drops(session: Session) -> dict[str, int]:
    found: dict[str, int] = session.stats().session["drops"]
    return found


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
@pytest.mark.parametrize("mki", [b"", b"\0\1"])
def test_sim_rekey_on_a_bad_network_loses_no_packet_to_it(profile: SrtpProfile, mki: bytes) -> None:
    """Loss and jitter of the network stay; no packet is refused for its key, in either direction."""
    config = SrtpConfig.generate(profile, mki=mki)
    a, b = (Session(SessionConfig(seed=seed, srtp=config), now_us=0) for seed in (1, 2))
    microphones, heard = [a.send_audio(), b.send_audio()], {a: 0, b: 0}
    for session in (a, b):
        session.receive_audio()
    world = World(seed=7)
    world.connect(a, b, NetworkPlan.preset("lossy"))
    n = 0

    def speak(now_us: int) -> None:
        nonlocal n
        n += 1
        for microphone in microphones:
            microphone.send(tone(n), now_us=now_us)

    def listen(session: Session) -> Any:
        def turn(now_us: int) -> None:
            heard[session] += sum(frame.packets for frame in session.frames(now_us))
        return turn

    world.every(20_000, speak)
    for session in (a, b):
        world.on_turn(session, listen(session))
    new = config
    for second in range(1, 7):
        now_us = second * 1_000_000
        world.run(now_us)
        new = new.with_new_key()
        for session in (a, b):
            session.rekey(srtp_receive=new, overlap_ms=400, now_us=now_us)
        for session in (a, b):
            session.rekey(new, overlap_ms=400, now_us=now_us)
    world.run(8_000_000)
    for session in (a, b):
        assert drops(session)["auth"] == 0
        assert drops(session)["srtp_other"] == 0
        assert heard[session] > 300
        events = [event.type for event in iter(session.poll_event, None)]
        assert events.count(EventType.KEY_RETIRED) == 6


def test_sim_session_says_that_its_key_is_nearly_used_up() -> None:
    config = SrtpConfig.generate(limit_pkts=80)
    a, b = (Session(SessionConfig(seed=seed, srtp=config), now_us=0) for seed in (1, 2))
    microphone = a.send_audio()
    b.receive_audio()
    world, n = World(seed=1), 0
    world.connect(a, b, NetworkPlan.preset("perfect"))
    seen: list[tuple[EventType, int]] = []

    def speak(now_us: int) -> None:
        nonlocal n
        n += 1
        microphone.send(tone(n), now_us=now_us)
        for event in iter(a.poll_event, None):
            if event.type in (EventType.KEY_NEAR_LIMIT, EventType.KEY_USED_UP):
                seen.append((event.type, event.value))

    world.every(20_000, speak)
    world.on_turn(b, lambda now_us: list(b.frames(now_us)))
    world.run(2_000_000)
    assert seen == [(EventType.KEY_NEAR_LIMIT, 10), (EventType.KEY_USED_UP, 0)]
    assert drops(a)["srtp_other"] > 5  # nothing leaves in clear
    for session in (a, b):
        session.rekey(SrtpConfig(bytes(16), bytes(12)), now_us=2_000_000)
    before = b.stats().receive[0]["network"]["pkts"]
    world.run(3_000_000)
    assert b.stats().receive[0]["network"]["pkts"] > before + 40


def test_session_rekey_refuses_what_does_not_fit() -> None:
    config = SrtpConfig.generate()
    session = Session(SessionConfig(srtp=config), now_us=0)
    with pytest.raises(errors.ConfigError, match="no key"):
        session.rekey()
    with pytest.raises(errors.ConfigError, match="AES128_CM_HMAC_SHA1_80"):
        session.rekey(SrtpConfig.generate(SrtpProfile.AES128_CM_HMAC_SHA1_80))
    with pytest.raises(errors.ConfigError, match="MKI of 1"):
        session.rekey(SrtpConfig.generate(mki=b"x"))
    with pytest.raises(errors.ConfigError, match="overlap_ms"):
        session.rekey(config.with_new_key(), overlap_ms=-1)
    with pytest.raises(errors.ConfigError, match="no SRTP"):
        Session(SessionConfig(), now_us=0).rekey(config)
    for _ in range(3):
        session.rekey(config.with_new_key(), overlap_ms=1000, now_us=0)
    with pytest.raises(errors.LimitError):
        session.rekey(config.with_new_key(), overlap_ms=1000, now_us=0)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
def test_engine_rekeys_a_running_call(profile: SrtpProfile) -> None:
    """On native threads, where packets are opened and sealed in batches."""
    async def call() -> None:
        config = SrtpConfig.generate(profile)
        with Engine() as engine:
            a = engine.open(local="127.0.0.1:0", srtp=config)
            b = engine.open(local="127.0.0.1:0", remote=a.local_address, srtp=config)
            a.set_remote(b.local_address)
            microphone, _ = a.send_audio(), b.receive_audio()
            for i in range(50):
                microphone.send(tone(i))
                if i % 10 == 9:
                    config = config.with_new_key()
                    b.rekey(srtp_receive=config, overlap_ms=100)
                    a.rekey(config, overlap_ms=100)
                    b.rekey(config, overlap_ms=100)
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
            stats = b.stats()
            assert stats.session["drops"]["auth"] == 0
            assert stats.receive[0]["network"]["pkts"] >= 45
            a.close()
            with pytest.raises(errors.ArgumentError, match="closed"):
                a.rekey(config)

    asyncio.run(call())
