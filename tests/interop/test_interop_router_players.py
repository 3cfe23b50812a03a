"""FFmpeg publishes to a router; FFmpeg, GStreamer and libsrtp subscribe: each gets every picture to the bit."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
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

SECONDS = 4


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clip, Clip]:
    folder = tmp_path_factory.mktemp("clips")
    return (routed.h264_clip(folder / "video.mkv", seconds=SECONDS),
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
            routed.describe(tmp_path / f"{i}.sdp", kind, port, key, video)
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
