"""Layers that a router changes: what players see of simulcast in H.264, and of temporal layers in VP8."""
from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from arcrtc import Engine
from arcrtc.routing import LegConfig, RouteConfig, RouterConfig, SourceConfig, TrackConfig
from arcrtc.routing.enginerouter import EngineRouter
from arcrtc.routing.handles import Route
from arcrtc.rtp import RtpPacket
from arcrtc.srtp import SrtpConfig, SrtpProfile
from tests.model import libsrtp2, routed, vpx_streams
from tests.model.interop import finish
from tests.model.layers_stream import Packet
from tests.model.pcap import write_pcap
from tests.model.ports import free_pairs, wait_until_bound
from tests.model.routed import RATE, VIDEO, Clip, Funnel, Tap, running

SECONDS = 6
TICKS = 90_000 // RATE
SMALL, LARGE = 0x0A000001, 0x0B000001
SIMULCAST = TrackConfig(kind="video", codec="h264", payload_type=routed.VIDEO_TYPE, clock_rate=90_000,
                        layers=(SourceConfig(ssrc=SMALL), SourceConfig(ssrc=LARGE)))
#: When which source is asked for, seconds from the first packet.
SWITCHES = ((1.1, 1), (2.6, 0), (4.1, 1))


@pytest.fixture(scope="module")
def simulcast(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clip, Clip]:
    folder = tmp_path_factory.mktemp("simulcast")
    return (routed.h264_clip(folder / "small.mkv", seconds=SECONDS),
            routed.h264_clip(folder / "large.mkv", seconds=SECONDS, size=(640, 360), bitrate="1500k"))


@pytest.fixture
def router() -> Iterator[EngineRouter]:
    with Engine(threads=1) as engine:
        yield engine.router(RouterConfig(pool_pkts=4096))


def stretches(decoded: list[str], clips: tuple[Clip, ...]) -> list[tuple[int, list[int]]]:
    """(which clip, which of its pictures) for each run of pictures of one clip."""
    where = {md5: (c, i) for c, clip in enumerate(clips) for i, md5 in enumerate(clip.pictures)}
    out: list[tuple[int, list[int]]] = []
    for md5 in decoded:
        clip, index = where[md5]
        if not out or out[-1][0] != clip:
            out.append((clip, []))
        out[-1][1].append(index)
    return out


def test_interop_router_switches_between_simulcast_sources(router: EngineRouter, simulcast: tuple[Clip, Clip],
                                                           tmp_path: Path) -> None:
    """Numbers without a gap, time stamps that go on, and every picture to the bit, whichever source it comes from."""
    key, shown = routed.cm_key(), routed.cm_key()
    watched = SrtpConfig.generate(SrtpProfile.AEAD_AES_128_GCM)
    publisher = router.add_leg(LegConfig(srtp=replace(key, max_streams=16)), local="127.0.0.1:0")
    track = router.publish(publisher, SIMULCAST)
    port = free_pairs(1)[0]
    routed.describe(tmp_path / "a.sdp", VIDEO, port, shown, simulcast[0])
    with ExitStack() as stack:
        tap = stack.enter_context(Tap())
        funnel = stack.enter_context(Funnel(router.local_address(publisher)))
        player = stack.enter_context(running(routed.ffmpeg_receiver(tmp_path / "a.sdp", tmp_path / "a.md5"),
                                             tmp_path / "player"))
        legs = [router.add_leg(LegConfig(srtp=k), local="127.0.0.1:0", remote=to)
                for k, to in ((shown, f"127.0.0.1:{port}"), (watched, tap.address))]
        routes = [router.subscribe(track, leg, RouteConfig(max_source=0)) for leg in legs]
        wait_until_bound(port)
        streams = [(clip, funnel.address, key, replace(VIDEO, ssrc=ssrc))
                   for clip, ssrc in zip(simulcast, (SMALL, LARGE), strict=True)]
        words = routed.sender_words(*streams, rtcp_port=funnel.port, first_seqs=(65_500, 17))
        with running(words, tmp_path / "sender") as sender:
            routed.wait_until(lambda: tap.datagrams, "the first packet")
            start = time.monotonic()
            for at_s, source in SWITCHES:
                time.sleep(max(start + at_s - time.monotonic(), 0))
                for route in routes:
                    route.set_layers(source=source)
            finish(sender, tmp_path / "sender")
        drops = router.stats()["drops"]
        for leg in legs:
            router.remove_leg(leg)
        finish(player, tmp_path / "player")
        time.sleep(0.1)
    assert set(drops.values()) == {0}, drops
    packets, _ = tap.opened(watched)
    heads = [RtpPacket.parse(p).header for p in packets]
    assert {h.ssrc for h in heads} == {routes[1].ssrc}
    assert [(h.sequence_number - heads[0].sequence_number) % 65536 for h in heads] == list(range(len(heads)))
    ticks = sorted({(h.timestamp - heads[0].timestamp) % 2**32 for h in heads})
    steps = [b - a for a, b in pairwise(ticks)]
    odd = [step for step in steps if step != TICKS]
    assert len(odd) <= len(SWITCHES)
    assert all(0 < step < 3 * TICKS for step in odd), odd
    check_pictures(routed.h264_of(packets, tmp_path / "tap.h264"), simulcast)
    assert routed.complaints(tmp_path / "player") == ""
    check_pictures(routed.hashes((tmp_path / "a.md5").read_text()), simulcast)


def check_pictures(decoded: list[str], clips: tuple[Clip, Clip]) -> None:
    """From the smaller source to the larger and back, each time at a key frame and without a hole."""
    runs = stretches(decoded, clips)
    assert [clip for clip, _ in runs] == [0, 1, 0, 1]
    for _, pictures in runs:
        assert pictures == list(range(pictures[0], pictures[0] + len(pictures)))
    for (_, before), (_, after) in pairwise(runs):
        assert after[0] % 12 == 0
        assert abs(after[0] - before[-1] - 1) <= 1
    assert (runs[0][1][0], runs[-1][1][-1]) == (0, len(clips[0].pictures) - 1)


VP8 = TrackConfig(kind="video", codec="vp8", ssrc=1, payload_type=96, clock_rate=90_000)  # as Packet.wire() has it
#: When which temporal layers are asked for: from this picture on up to this layer.
LAYERS = {40: 0, 80: None}


def send_pictures(tap: Tap, address: str, key: SrtpConfig, packets: list[Packet], routes: list[Route]) -> None:
    """In real time, under SRTP by libsrtp; the layers are changed on the way."""
    start = time.monotonic()
    with libsrtp2.Session(key, sending=True, copy="wheel") as session:
        for packet in packets:
            n = packet.rtp_ts // vpx_streams.TICKS
            time.sleep(max(start + n / 30 - time.monotonic(), 0))
            if packet.payload[0] & 0x10 and n in LAYERS:
                for route in routes:
                    route.set_layers(temporal=LAYERS[n])
            tap.send(session.protect(packet.wire()), address)


def vp8_numbers(path: Path, packets: list[bytes]) -> list[tuple[int, int, int]]:
    """PictureID, TL0PICIDX and TID of each packet, as tshark reads them."""
    write_pcap(path, packets, 5004)
    words = ["tshark", "-r", str(path), "-n", "-d", "udp.port==5004,rtp", "-d", "rtp.pt==96,vp8", "-T", "fields"]
    for name in ("pictureid", "tl0picidx", "tid"):
        words += ["-e", f"vp8.pld.{name}"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [(int(row[0]), int(row[1]), int(row[2])) for row in rows]


def test_interop_router_leaves_temporal_layers_of_vp8_out(router: EngineRouter, tmp_path: Path) -> None:
    """Down to the base layer and up again: numbers of pictures without a hole, FFmpeg decodes all that is left."""
    frames = vpx_streams.encode(tmp_path / "all.ivf", "vp8", temporal=True, frames=120)
    whole = vpx_streams.decode(tmp_path / "whole.ivf", "vp8", frames)
    packets = vpx_streams.packets_of("vp8", frames, first_id=32_740, tl0=250, seq=65_400)
    sent, watched = (SrtpConfig.generate(SrtpProfile.AEAD_AES_128_GCM) for _ in range(2))
    shown, port = routed.cm_key(), free_pairs(1)[0]
    publisher = router.add_leg(LegConfig(srtp=sent), local="127.0.0.1:0")
    track = router.publish(publisher, VP8)
    routed.describe(tmp_path / "a.sdp", VP8, port, shown)
    with ExitStack() as stack:
        tap, source = (stack.enter_context(Tap()) for _ in range(2))
        player = stack.enter_context(running(routed.ffmpeg_receiver(tmp_path / "a.sdp", tmp_path / "a.md5"),
                                             tmp_path / "player"))
        legs = [router.add_leg(LegConfig(srtp=k), local="127.0.0.1:0", remote=to)
                for k, to in ((shown, f"127.0.0.1:{port}"), (watched, tap.address))]
        routes = [router.subscribe(track, leg) for leg in legs]
        wait_until_bound(port)
        send_pictures(source, router.local_address(publisher), sent, packets, routes)
        time.sleep(0.1)
        drops = router.stats()["drops"]
        for leg in legs:
            router.remove_leg(leg)
        finish(player, tmp_path / "player")
    assert set(drops.values()) == {0}, drops
    got, _ = tap.opened(watched)
    heads = [RtpPacket.parse(p).header for p in got]
    assert [(h.sequence_number - heads[0].sequence_number) % 65536 for h in heads] == list(range(len(heads)))
    kept = [((h.timestamp - heads[0].timestamp) % 2**32) // vpx_streams.TICKS for h in heads if h.marker]
    tids = {n: vpx_streams.PATTERN[n % 4] for n in kept}
    assert {tids[n] for n in kept if n < 40} == {tids[n] for n in kept if n >= 84} == {0, 1, 2}
    assert {tids[n] for n in kept if 41 <= n < 80} == {0}
    assert [n for n in kept if n < 40] == list(range(40))
    assert [n for n in kept if n >= 84] == list(range(84, 120))
    rows = [row for row, h in zip(vp8_numbers(tmp_path / "a.pcap", got), heads, strict=True) if h.marker]
    first_id, first_tl0, _ = rows[0]
    assert [(ident - first_id) % 32_768 for ident, _, _ in rows] == list(range(len(rows)))
    assert [tid for _, _, tid in rows] == list(tids.values())
    base = [sum(t == 0 for t in list(tids.values())[1:i + 1]) for i in range(len(rows))]
    assert [(tl0 - first_tl0) % 256 for _, tl0, _ in rows] == base
    assert routed.complaints(tmp_path / "player") == ""
    assert routed.hashes((tmp_path / "a.md5").read_text()) == [whole[n] for n in kept]
