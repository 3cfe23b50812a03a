"""Rotation end to end: pipelines of the manager, real packets, both keys during the overlap."""
from __future__ import annotations

import gc
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from arcrtc import errors
from arcrtc.keys import KeyStore, SrtpKeyManager
from arcrtc.rtp import RtpHeader, RtpPacket
from arcrtc.srtp import SrtpConfig, SrtpPipeline, SrtpProfile, pipeline
from tests.model.keystore import run, with_store


class Time:
    """The wall clock of managers and the monotonic one of pipelines, which go on together."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def us(self) -> int:
        return round(1e6 * (self.now_s - 500))


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(pipeline, "_clock_us", made.us)
    return made


def managed(path: Path, time: Time, work: Callable[[SrtpKeyManager], Awaitable[None]]) -> None:
    run(with_store(path / "keys.db", lambda store: work(
        SrtpKeyManager(KeyStore(store), clock=time, overlap_s=5)), clock=time))


def packet(number: int) -> RtpPacket:
    return RtpPacket(RtpHeader(number % 65536, 960 * number % 2**32, 1, 96), b"payload %d" % number)


async def bare(manager: SrtpKeyManager) -> list[SrtpPipeline]:
    """For each valid key, oldest first, a pipeline that has only that one and that nobody re-keys."""
    return [SrtpPipeline(SrtpConfig(key.master_key.reveal(), key.master_salt.reveal(), 1, 0, key.info.profile))
            for key in await manager.valid_keys("s", 1)]


@pytest.mark.parametrize("profile", [SrtpProfile.AEAD_AES_128_GCM, SrtpProfile.AES128_CM_HMAC_SHA1_80])
def test_rotation_refuses_no_packet_in_the_overlap_and_the_old_key_after_it(
        tmp_path: Path, time: Time, profile: SrtpProfile) -> None:
    async def work(manager: SrtpKeyManager) -> None:
        await manager.create_session_keys("s", 1, profile=profile)
        sender = await manager.create_srtp_pipeline("s", 1, 0)
        receiver = await manager.create_srtp_pipeline("s", 1, 0)
        (old,) = await bare(manager)
        on_the_way = [sender.encrypt(packet(n)) for n in range(20)]
        late = [old.encrypt(packet(n)) for n in range(100, 110)]
        await manager.rotate_session_keys("s", 1)
        fresh = [sender.encrypt(packet(n)) for n in range(20, 40)]
        for n, wire in enumerate(fresh):  # old and new packets in turns, the new ones first
            assert receiver.decrypt(wire) == packet(20 + n)
            assert receiver.decrypt(on_the_way[n]) == packet(n)
        with pytest.raises(errors.AuthenticationError):
            old.decrypt(sender.encrypt(packet(41)))  # it is another key that sends
        time.now_s += 4.999
        assert receiver.decrypt(late[0]) == packet(100)
        assert receiver.decrypt_rtcp(old.encrypt_rtcp(bytes.fromhex("80c9000100000001")))
        time.now_s += 0.001
        for wire in late[1:]:
            with pytest.raises(errors.AuthenticationError):
                receiver.decrypt(wire)
        assert receiver.key_count == 1
        assert receiver.decrypt(sender.encrypt(packet(111))) == packet(111)
        stats = receiver.stats()
        assert (stats.rtp_received, stats.unauthenticated) == (42, 9)

    managed(tmp_path, time, work)


def test_rotation_pipeline_made_in_the_overlap_accepts_both_keys_until_it_ends(tmp_path: Path, time: Time) -> None:
    async def work(manager: SrtpKeyManager) -> None:
        await manager.create_session_keys("s", 1)
        await manager.rotate_session_keys("s", 1)
        time.now_s += 3
        made = await manager.create_srtp_pipeline("s", 1, 0)
        old, new = await bare(manager)
        assert made.key_count == 2
        assert made.decrypt(old.encrypt(packet(1))) == packet(1)
        assert made.decrypt(new.encrypt(packet(2))) == packet(2)
        assert new.decrypt(made.encrypt(packet(3))) == packet(3)
        time.now_s += 1.99
        assert made.decrypt(old.encrypt(packet(4))) == packet(4)
        time.now_s += 0.01  # five seconds after the rotation, not after the pipeline was made
        with pytest.raises(errors.AuthenticationError):
            made.decrypt(old.encrypt(packet(5)))
        assert made.decrypt(new.encrypt(packet(6))) == packet(6)

    managed(tmp_path, time, work)


def test_rotation_in_an_overlap_ends_the_one_before(tmp_path: Path, time: Time) -> None:
    """As in the store: two keys are valid, whatever the number of rotations."""
    async def work(manager: SrtpKeyManager) -> None:
        await manager.create_session_keys("s", 1)
        live = await manager.create_srtp_pipeline("s", 1, 0)
        (first,) = await bare(manager)
        for n in range(10):
            await manager.rotate_session_keys("s", 1)
            assert live.key_count == 2
            for one in await bare(manager):
                live.decrypt(one.encrypt(packet(100 + 2 * n + live.stats().rtp_received % 2)))
        with pytest.raises(errors.AuthenticationError):
            live.decrypt(first.encrypt(packet(99)))
        assert live.stats().rtp_received == 20

    managed(tmp_path, time, work)


def test_rotation_without_overlap_ends_the_old_key_at_once(tmp_path: Path, time: Time) -> None:
    async def work(manager: SrtpKeyManager) -> None:
        await manager.create_session_keys("s", 1)
        live = await manager.create_srtp_pipeline("s", 1, 0)
        (old,) = await bare(manager)
        await manager.rotate_session_keys("s", 1, overlap_s=0)
        assert live.key_count == 1
        with pytest.raises(errors.AuthenticationError):
            live.decrypt(old.encrypt(packet(1)))

    managed(tmp_path, time, work)


def test_rotation_accepts_the_old_key_no_longer_than_its_own_lifetime(tmp_path: Path, time: Time) -> None:
    async def work(manager: SrtpKeyManager) -> None:
        await manager.create_session_keys("s", 1, lifetime_s=2)
        live = await manager.create_srtp_pipeline("s", 1, 0)
        (old,) = await bare(manager)
        await manager.rotate_session_keys("s", 1, overlap_s=60)
        assert live.decrypt(old.encrypt(packet(1))) == packet(1)
        time.now_s += 2
        with pytest.raises(errors.AuthenticationError):
            live.decrypt(old.encrypt(packet(2)))

    managed(tmp_path, time, work)


def test_rotation_longest_overlap_is_accepted_at_any_clock(tmp_path: Path, time: Time) -> None:
    async def work(manager: SrtpKeyManager) -> None:
        for ssrc in range(20):
            time.now_s = 1_764_000_000.1 + ssrc * 0.77
            await manager.create_session_keys("s", ssrc)
            live = await manager.create_srtp_pipeline("s", ssrc, 0)
            await manager.rotate_session_keys("s", ssrc, overlap_s=86_400)
            time.now_s -= 1000  # set back: more than a day is left by this clock
            later = await manager.create_srtp_pipeline("s", ssrc, 0)
            assert (live.key_count, later.key_count) == (2, 2)

    managed(tmp_path, time, work)


def test_rotation_keeps_roc_and_replay_window(tmp_path: Path, time: Time) -> None:
    async def work(manager: SrtpKeyManager) -> None:
        await manager.create_session_keys("s", 1)
        sender, receiver = [await manager.create_srtp_pipeline("s", 1, 9) for _ in range(2)]
        receiver.decrypt(sender.encrypt(packet(65535)))
        wire = sender.encrypt(packet(65536))
        await manager.rotate_session_keys("s", 1)
        assert receiver.decrypt(wire).payload == b"payload 65536"
        with pytest.raises(errors.ReplayError):
            receiver.decrypt(wire)
        assert receiver.decrypt(sender.encrypt(packet(65537))).payload == b"payload 65537"
        assert sender.config.roc == 9

    managed(tmp_path, time, work)


def test_rotation_reaches_its_own_live_pipelines_only(tmp_path: Path, time: Time) -> None:
    async def work(manager: SrtpKeyManager) -> None:
        for session, ssrc in (("s", 1), ("s", 2), ("t", 1)):
            await manager.create_session_keys(session, ssrc)
        mine, closed, lost, ssrc2, session2 = [await manager.create_srtp_pipeline(*place, 0) for place in (
            ("s", 1), ("s", 1), ("s", 1), ("s", 2), ("t", 1))]
        assert "5 live pipelines" in repr(manager)
        closed.close()
        assert closed.closed
        assert not mine.closed
        gone = weakref.ref(lost)
        del lost
        gc.collect()
        assert gone() is None  # the manager keeps none alive
        await manager.rotate_session_keys("s", 1)
        assert [p.key_count for p in (mine, ssrc2, session2)] == [2, 1, 1]
        assert "3 live pipelines" in repr(manager)
        await manager.delete_session_keys("s")
        assert "1 live pipelines" in repr(manager)
        await manager.create_session_keys("s", 1)
        await manager.rotate_session_keys("s", 1)
        assert mine.key_count == 2  # deleted: it is left as it was

    managed(tmp_path, time, work)


def test_rotation_one_pipeline_that_fails_keeps_no_other_from_it(tmp_path: Path, time: Time) -> None:
    async def work(manager: SrtpKeyManager) -> None:
        await manager.create_session_keys("s", 1)
        one, full, other = [await manager.create_srtp_pipeline("s", 1, 0) for _ in range(3)]
        for _ in range(3):
            full.add_key(full.config.with_new_key())  # four keys, of which none is to go
        with pytest.raises(errors.LimitError):
            await manager.rotate_session_keys("s", 1)
        assert [one.key_count, other.key_count] == [2, 2]
        assert [key.info.generation for key in await manager.valid_keys("s", 1)] == [1, 2]

    managed(tmp_path, time, work)
