"""What a peer and its streams allocate: sized by need, and given back."""
from __future__ import annotations

import gc
import os
import resource
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from arcrtc import Engine, SessionConfig, SrtpConfig, _memory
from arcrtc._native import ffi, lib, new_handle
from arcrtc.peer import Peer
from arcrtc.routing import LegConfig, RouterConfig, TrackConfig

KEY = SrtpConfig(master_key=bytes(range(16)), master_salt=bytes(range(14)))
KIB = 1024
N = 20


@pytest.fixture
def peers() -> Iterator[list[Peer]]:
    """Peers on an engine that has made what it shares among streams."""
    with Engine() as engine:
        first = engine.open(local="127.0.0.1:0", srtp=KEY)
        first.send_audio()
        first.receive_audio()
        yield [engine.open(local="127.0.0.1:0", srtp=KEY) for _ in range(N)]


def bytes_each(make: Callable[[int], object]) -> float:
    gc.collect()
    before = lib.arc_mem_live_bytes()
    kept = [make(i) for i in range(N)]
    after = lib.arc_mem_live_bytes()
    assert len(kept) == N
    return float(after - before) / N


def encoder(_: int) -> Any:
    cfg = ffi.new("struct arc_opus_enc_config *", {
        "sample_rate_hz": 48_000, "channels": 1, "bitrate_bps": 32_000, "complexity": 9,
        "application": lib.ARC_OPUS_APPLICATION_VOIP, "expected_loss_pct": 5, "fec": True, "vbr": True})
    return new_handle(lib.arc_opus_enc_new, lib.arc_opus_enc_free, "struct arc_opus_enc", cfg, what="encoder")


def decoder(_: int) -> Any:
    return new_handle(lib.arc_opus_dec_new, lib.arc_opus_dec_free, "struct arc_opus_dec", 48_000, 1, what="decoder")


def test_engine_idle_peer_allocates_less_than_64_kib() -> None:
    with Engine() as engine:
        engine.open(local="127.0.0.1:0", srtp=KEY)
        assert bytes_each(lambda _: engine.open(local="127.0.0.1:0", srtp=KEY)) < 62 * KIB


def test_engine_sent_audio_allocates_less_than_32_kib_beyond_its_codec(peers: list[Peer]) -> None:
    assert bytes_each(lambda i: peers[i].send_audio()) - bytes_each(encoder) < 32 * KIB


@pytest.mark.parametrize(("rate", "kib"), [(48_000, 100), (16_000, 76)])
def test_engine_received_audio_allocates_little_beyond_its_codec(peers: list[Peer], rate: int, kib: int) -> None:
    """Mono: a second decoder for healing, what was heard, what waits; all else is lent by the thread."""
    assert bytes_each(lambda i: peers[i].receive_audio(sample_rate=rate)) - bytes_each(decoder) < kib * KIB


def test_engine_thread_lends_all_its_voices_one_working_memory() -> None:
    with Engine() as engine:
        scratch = ffi.new("struct arc_scratch **")
        before = lib.arc_mem_live_bytes()
        for worker in engine._audio_workers * 2:
            assert lib.arc_worker_scratch(worker, scratch) == lib.ARC_OK
            assert lib.arc_scratch_bytes(scratch[0]) < 224 * KIB
        assert lib.arc_mem_live_bytes() - before < 224 * KIB * len(engine._audio_workers)


def test_engine_audio_that_is_sent_again_keeps_two_seconds() -> None:
    """2 s are 100 packets of 20 ms, in a history of 128, and what is on its way."""
    config = SessionConfig(srtp=KEY, nack_audio=True)
    with Engine() as engine:
        engine.open(local="127.0.0.1:0", config=config).send_audio()  # makes what streams share
        sending = [engine.open(local="127.0.0.1:0", config=config) for _ in range(N)]
        beyond_codec = bytes_each(lambda i: sending[i].send_audio()) - bytes_each(encoder)
        assert beyond_codec < (128 + 192) * 2.2 * KIB + 40 * KIB


def test_engine_gives_all_back_that_thousands_of_peers_took() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else 65_536, hard))
    try:
        with Engine(threads=2) as engine:
            engine.open(local="127.0.0.1:0", srtp=KEY).close()
            gc.collect()
            blocks, files = lib.arc_mem_live_blocks(), len(os.listdir("/proc/self/fd"))
            for _ in range(2):
                made = [engine.open(local="127.0.0.1:0", srtp=KEY) for _ in range(1500)]
                assert sum(s["sessions"] for s in engine.stats()) == 1500
                for peer in made:
                    peer.close()
                del made, peer
                gc.collect()
                assert lib.arc_mem_live_blocks() == blocks
                assert len(os.listdir("/proc/self/fd")) == files
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_engine_idle_leg_allocates_less_than_40_kib() -> None:
    with Engine() as engine:
        router = engine.router(RouterConfig(pool_pkts=1024))
        assert bytes_each(lambda _: router.add_leg(LegConfig(srtp=KEY), local="127.0.0.1:0")) < 40 * KIB


def test_engine_route_allocates_by_need() -> None:
    """Beside the queue of its leg; more where packets are resent, and more still where they are edited."""
    voice = TrackConfig(kind="audio", codec="opus", ssrc=1, payload_type=111, clock_rate=48_000)  # type: ignore[arg-type]
    resent = replace(voice, ssrc=2, rtx_ssrc=3, payload_type=112, rtx_payload_type=113)
    with Engine() as engine:
        router = engine.router(RouterConfig(pool_pkts=1024))
        publisher, *legs = (router.add_leg(local="127.0.0.1:0") for _ in range(N + 1))
        tracks = [router.publish(publisher, config) for config in (voice, resent)]
        warm = [router.subscribe(tracks[0], leg) for leg in legs]  # makes the queues
        router.unsubscribe_many(warm)
        plain, with_resending = (bytes_each(lambda i, t=track: router.subscribe(t, legs[i])) for track in tracks)
        assert plain < 2 * KIB
        assert plain + 512 < with_resending < 4 * KIB


def test_engine_router_gives_all_memory_back() -> None:
    voice = TrackConfig(kind="audio", codec="opus", ssrc=1, payload_type=111, clock_rate=48_000)  # type: ignore[arg-type]
    with Engine() as engine:
        gc.collect()
        before = lib.arc_mem_live_bytes(), lib.arc_mem_live_blocks()
        router = engine.router(RouterConfig(pool_pkts=1024))
        legs = [router.add_leg(LegConfig(srtp=KEY), local="127.0.0.1:0") for _ in range(N)]
        tracks = [router.publish(leg, voice) for leg in legs]
        router.subscribe_many([(track, leg, None) for track in tracks for leg in legs if leg is not track.leg])
        for leg in legs[:5]:
            router.remove_leg(leg)
        router.close()
        assert (lib.arc_mem_live_bytes(), lib.arc_mem_live_blocks()) == before


def test_freed_memory_goes_back_to_the_system_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    class Core:
        freed = 100

        def arc_mem_freed_bytes(self) -> int:
            return self.freed

        def arc_mem_trim(self) -> None:
            calls.append(self.freed)

    core = Core()
    monkeypatch.setattr(_memory, "lib", core)
    monkeypatch.setattr(_memory, "_given_back_at", 0)
    for core.freed in (100, 32 << 20, 33 << 20, (64 << 20) - 1, 64 << 20):
        _memory.give_memory_back()
    assert calls == [32 << 20, 64 << 20]
    core.freed += 10
    _memory.give_memory_back(at_least=10)
    assert calls[2:] == [core.freed]
