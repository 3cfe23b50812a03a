"""FFmpeg publishes to a router; FFmpeg, GStreamer and libsrtp subscribe: each gets every picture to the bit."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from arcrtc import Engine
from arcrtc.routing import LegConfig, RouterConfig
from arcrtc.routing.enginerouter import EngineRouter
from arcrtc.rtp import RtpPacket
from arcrtc.srtp import SrtpConfig, SrtpProfile
from tests.model import routed
from tests.model.interop import finish
from tests.model.ports import free_pairs, wait_until_bound
from tests.model.routed import AUDIO, RATE, VIDEO, Clip, Tap, running

SECONDS, GOP = 4, 12


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clip, Clip]:
    folder = tmp_path_factory.mktemp("clips")
    return (routed.h264_clip(folder / "video.mkv", seconds=SECONDS, gop=GOP),
            routed.opus_clip(folder / "audio.mka", seconds=SECONDS))


@pytest.fixture
def router() -> Iterator[EngineRouter]:
    with Engine(threads=1) as engine:
        yield engine.router(RouterConfig(pool_pkts=4096))


def test_interop_router_every_subscriber_gets_every_picture(router: EngineRouter, clips: tuple[Clip, Clip],
                                                            tmp_path: Path) -> None:
    """One publisher in SRTP; subscribers of four kinds, with three profiles and in clear."""
    video, audio = clips
    keys = {kind: routed.cm_key() for kind in ("video", "audio")}
    inputs = {kind: router.add_leg(LegConfig(srtp=key), local="127.0.0.1:0") for kind, key in keys.items()}
    tracks = {"video": router.publish(inputs["video"], VIDEO), "audio": router.publish(inputs["audio"], AUDIO)}

    def subscriber(kind: str, port: int | str, key: SrtpConfig | None):
        remote = port if isinstance(port, str) else f"127.0.0.1:{port}"
        leg = router.add_leg(LegConfig(srtp=key), local="127.0.0.1:0", remote=remote)
        return router.subscribe(tracks[kind], leg)

    gcm = SrtpConfig.generate(SrtpProfile.AEAD_AES_128_GCM)
    names = [(kind, key) for key in (routed.cm_key(), None) for kind in keys]
    *ports, gst_port = free_pairs(5)
    with ExitStack() as stack:
        players, legs = [], []
        for i, ((kind, key), port) in enumerate(zip(names, ports, strict=True)):
            routed.describe(tmp_path / f"{i}.sdp", tracks[kind].config, port, key, video if kind == "video" else None)
            legs.append(subscriber(kind, port, key).leg)
            words = routed.ffmpeg_receiver(tmp_path / f"{i}.sdp", tmp_path / f"{i}.md5")
            players.append(stack.enter_context(running(words, tmp_path / f"{i}.log")))
        route = subscriber("video", gst_port, gcm)
        raw = tmp_path / "gstreamer.yuv"
        gstreamer = stack.enter_context(running(routed.gstreamer_receiver(gst_port, gcm, route.ssrc, raw),
                                                tmp_path / "gst"))
        taps = [(stack.enter_context(Tap()), SrtpConfig.generate(profile)) for profile in (
            SrtpProfile.AEAD_AES_256_GCM, SrtpProfile.AES128_CM_HMAC_SHA1_32)]
        for tap, key in taps:
            subscriber("video", tap.address, key)
        wait_until_bound(*ports, gst_port)

        streams = [(clip, router.local_address(inputs[kind]), keys[kind], tracks[kind].config)
                   for kind, clip in (("video", video), ("audio", audio))]
        with running(routed.sender_words(*streams), tmp_path / "sender") as sender:
            finish(sender, tmp_path / "sender")
        routed.wait_until(lambda: len(taps[0][0].datagrams) == len(taps[1][0].datagrams), "both have all")
        drops = router.stats()["drops"]
        for leg in legs:
            router.remove_leg(leg)
        for i, process in enumerate(players):
            finish(process, tmp_path / f"{i}.log")
        assert routed.interrupt(gstreamer) == 0

    assert set(drops.values()) == {0}, drops
    for i, (kind, _) in enumerate(names):
        assert routed.complaints(tmp_path / f"{i}.log") == ""
        decoded = (tmp_path / f"{i}.md5").read_text()
        if kind == "video":
            assert routed.hashes(decoded) == list(video.pictures)
        assert len(routed.hashes(decoded)) == pytest.approx(SECONDS * (RATE if kind == "video" else 50), abs=2)
        assert len(set(routed.steps(decoded))) == 1
    assert routed.planes(raw, video.size) == list(video.pictures)
    for i, (tap, key) in enumerate(taps):
        packets, _ = tap.opened(key)
        heads = [RtpPacket.parse(p).header for p in packets]
        assert [(h.sequence_number - heads[0].sequence_number) % 65536 for h in heads] == list(range(len(heads)))
        assert routed.h264_of(packets, tmp_path / f"{i}.h264") == list(video.pictures)


def test_interop_router_lets_players_in_and_out_at_key_frames(router: EngineRouter, clips: tuple[Clip, Clip],
                                                              tmp_path: Path) -> None:
    """One comes late, one pauses: neither shows a broken picture, nor a hole in the numbers."""
    video, key = clips[0], routed.cm_key()
    publisher = router.add_leg(LegConfig(), local="127.0.0.1:0")
    track = router.publish(publisher, VIDEO)
    ports, routes, players = free_pairs(2), [], []
    with ExitStack() as stack:
        def start(i: int) -> None:
            leg = router.add_leg(LegConfig(srtp=key), local="127.0.0.1:0", remote=f"127.0.0.1:{ports[i]}")
            routed.describe(tmp_path / f"{i}.sdp", VIDEO, ports[i], key)
            players.append(stack.enter_context(running(
                routed.ffmpeg_receiver(tmp_path / f"{i}.sdp", tmp_path / f"{i}.md5"), tmp_path / f"{i}.log")))
            wait_until_bound(ports[i])
            routes.append(router.subscribe(track, leg))

        start(0)
        with running(routed.sender_words((video, router.local_address(publisher), None, VIDEO)),
                     tmp_path / "sender") as sender:
            routed.wait_until(lambda: router.stats()["received_rtp"] > 60, "a second of pictures")
            routes[0].pause()
            start(1)
            routed.wait_until(lambda: router.stats()["received_rtp"] > 110, "another second")
            routes[0].resume()
            finish(sender, tmp_path / "sender")
        for route in routes:
            router.remove_leg(route.leg)
        for i, process in enumerate(players):
            finish(process, tmp_path / f"{i}.log")
    where = {md5: i for i, md5 in enumerate(video.pictures)}
    shown = [[where[md5] for md5 in routed.hashes((tmp_path / f"{i}.md5").read_text())] for i in range(2)]
    assert [routed.complaints(tmp_path / f"{i}.log") for i in range(2)] == ["", ""]
    late, last = shown[1][0], len(video.pictures) - 1
    assert late > 0
    assert late % GOP == 0
    assert shown[1] == list(range(late, last + 1))
    jumps = [(a, b) for a, b in pairwise(shown[0]) if b != a + 1]
    assert len(jumps) == 1
    assert jumps[0][1] % GOP == 0
    assert (shown[0][0], shown[0][-1]) == (0, last)
