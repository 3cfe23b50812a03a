"""Peers of a router that are killed, start again, or say good-bye: who stays notices nothing, and nothing is left."""
from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from arcrtc import Engine, SrtpConfig
from arcrtc._native import lib
from arcrtc.events import EngineEvent
from arcrtc.routing import LegConfig, RouterConfig, RouterEventType
from arcrtc.routing.enginerouter import EngineRouter
from arcrtc.rtcp import RtcpPacket, SenderReport
from arcrtc.rtp import RtpPacket
from tests.model import routed
from tests.model.interop import finish
from tests.model.routed import VIDEO, Clip, Funnel, Tap, running

GOP = 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return routed.h264_clip(tmp_path_factory.mktemp("clip") / "video.mkv", seconds=2, gop=GOP)


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(threads=1) as made:
        yield made


def sender(clip: Clip, funnel: Funnel, first_seq: int) -> list[str]:
    return routed.sender_words((clip, funnel.address, None, VIDEO), rtcp_port=funnel.port, first_seqs=(first_seq,))


def events_of(engine: Engine, kind: RouterEventType, timeout_s: float = 10) -> list[EngineEvent]:
    """The first events of a kind."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if found := [e for e in engine.poll(0.2) if e.type is kind]:
            return found
    raise AssertionError(f"no {kind}")


@pytest.mark.parametrize("numbers", [(60_000, 100), (40_000, 20_000)], ids=["ahead", "back"])
def test_interop_router_follows_a_publisher_that_starts_again(engine: Engine, clip: Clip, tmp_path: Path,
                                                              numbers: tuple[int, int]) -> None:
    """Killed, and back with other numbers and times: for subscribers they go on, from a key frame."""
    router, key = engine.router(RouterConfig(pool_pkts=2048)), SrtpConfig.generate()
    publisher = router.add_leg(LegConfig(), local="127.0.0.1:0")
    track = router.publish(publisher, VIDEO)
    with Tap() as tap, Funnel(router.local_address(publisher)) as funnel:
        router.subscribe(track, router.add_leg(LegConfig(srtp=key), local="127.0.0.1:0", remote=tap.address))
        with running(sender(clip, funnel, numbers[0]), tmp_path / "first") as process:
            routed.wait_until(lambda: router.stats()["received_rtp"] > 50, "half of it")
            process.kill()
            process.wait()
        before = router.stats()["received_rtp"]
        with running(sender(clip, funnel, numbers[1]), tmp_path / "second") as process:
            finish(process, tmp_path / "second")
        time.sleep(0.2)
        drops = router.stats()["drops"]
    packets, rtcp = tap.opened(key)
    assert 0 < before < len(packets)
    assert drops["repair"] == 1  # one far-off number alone is none of a new beginning (RFC 3550 A.1)
    heads = [RtpPacket.parse(p).header for p in packets]
    assert {(b.sequence_number - a.sequence_number) % 65536 for a, b in pairwise(heads)} == {1}
    steps = [(b.timestamp - a.timestamp) % 2**32 for a, b in pairwise(heads)]
    odd = [step for step in steps if step not in (0, 90_000 // routed.RATE)]
    assert len(odd) == 1, odd
    assert odd[0] < 5 * 90_000
    reports = [r for data in rtcp for r in RtcpPacket.parse_compound(data) if isinstance(r, SenderReport)]
    assert all((r.rtp_timestamp - heads[0].timestamp) % 2**32 < 20 * 90_000 for r in reports)
    assert len(reports) > 1
    shown = routed.h264_of(packets, tmp_path / "tap.h264")
    again = max(i for i, md5 in enumerate(shown) if md5 == clip.pictures[GOP])  # its first key frame lacks a packet
    assert shown[again:] == list(clip.pictures[GOP:])
    assert shown[:again] == list(clip.pictures[:again])


def test_interop_router_loses_a_subscriber(engine: Engine, clip: Clip, tmp_path: Path) -> None:
    """One's socket is closed while it is sent to: the kernel says so, the leg turns silent, the other gets all."""
    router, keys = engine.router(RouterConfig(pool_pkts=2048)), [SrtpConfig.generate() for _ in range(2)]
    publisher = router.add_leg(LegConfig(), local="127.0.0.1:0")
    track = router.publish(publisher, VIDEO)
    with ExitStack() as stack:
        taps = [Tap() for _ in keys]
        funnel = stack.enter_context(Funnel(router.local_address(publisher)))
        stack.callback(taps[1].close)
        legs = [router.add_leg(LegConfig(srtp=key), local="127.0.0.1:0", remote=tap.address)
                for key, tap in zip(keys, taps, strict=True)]
        for leg in legs:
            router.subscribe(track, leg)
        with running(sender(clip, funnel, 1000), tmp_path / "sender") as process:
            routed.wait_until(lambda: router.stats()["received_rtp"] > 30, "the beginning")
            taps[0].close()
            finish(process, tmp_path / "sender")
        assert legs[0].stats()["udp"]["refused"] > 0
        assert legs[1].stats()["udp"]["refused"] == 0
        silent = events_of(engine, RouterEventType.LEG_SILENT)
        assert {e.event.subject for e in silent} <= {publisher, *legs}
        router.remove_leg(legs[0])
        assert (router.stats()["legs"], router.stats()["routes"]) == (2, 1)
    packets, _ = taps[1].opened(keys[1])
    assert routed.h264_of(packets, tmp_path / "tap.h264") == list(clip.pictures)


def one_round(engine: Engine, router: EngineRouter, folder: Path, clip: Clip) -> None:
    """FFmpeg and a peer of ours publish to two subscribers; one publisher is killed, the other says good-bye."""
    keys = [SrtpConfig.generate() for _ in range(3)]
    plain = router.add_leg(LegConfig(), local="127.0.0.1:0")
    secure = router.add_leg(LegConfig(srtp=keys[0]), local="127.0.0.1:0")
    peer = engine.open(local="127.0.0.1:0", remote=router.local_address(secure), srtp=keys[0])
    speech = peer.send_audio()
    tracks = [router.publish(plain, VIDEO),
              router.publish(secure, replace(routed.AUDIO, ssrc=speech.ssrc))]
    with Tap() as tap, Tap() as gone, Funnel(router.local_address(plain)) as funnel:
        for key, to in zip(keys[1:], (tap, gone), strict=True):
            leg = router.add_leg(LegConfig(srtp=key), local="127.0.0.1:0", remote=to.address)
            for track in tracks:
                router.subscribe(track, leg)
        with running(sender(clip, funnel, 65_530), folder / "sender") as process:
            for block in range(40):
                speech.send(routed.sound_of(block))
                time.sleep(0.02)
                if block == 20:
                    gone.close()
            routed.wait_until(lambda: len(tap.datagrams) > 60, "some of both")
            process.kill()
        peer.close()
        ended = events_of(engine, RouterEventType.SOURCE_ENDED)
        assert [(e.event.subject, e.event.value) for e in ended] == [(tracks[1], speech.ssrc)]
    for leg in router.legs:
        router.remove_leg(leg)


def test_interop_router_keeps_nothing_of_those_who_left(engine: Engine, clip: Clip, tmp_path: Path) -> None:
    router = engine.router(RouterConfig(pool_pkts=2048))
    one_round(engine, router, tmp_path, clip)
    before = counts(router)
    for _ in range(3):
        one_round(engine, router, tmp_path, clip)
        routed.wait_until(lambda: counts(router) == before, f"{before}, but {counts(router)}", 5)
    stats = router.stats()
    assert (stats["legs"], stats["tracks"], stats["routes"]) == (0, 0, 0)
    assert (router.legs, router.tracks, router.routes) == ((), (), ())


def counts(router: EngineRouter) -> tuple[int, int, int]:
    """Blocks of memory, open files, packets out of the pool."""
    gc.collect()
    return lib.arc_mem_live_blocks(), len(os.listdir("/proc/self/fd")), router.stats()["pool_used_pkts"]
