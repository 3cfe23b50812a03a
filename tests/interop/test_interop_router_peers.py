"""Peers of this library at both ends of a router: media, key frames, round trips, lip sync."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from arcrtc import Engine, SrtpConfig
from arcrtc._native import lib
from arcrtc.engine import Peer
from arcrtc.events import ReceivedFrame
from arcrtc.handles import AudioSender, VideoSender
from arcrtc.routing import LegConfig, RouterConfig, TrackConfig
from arcrtc.routing.enginerouter import EngineRouter
from arcrtc.routing.handles import Leg, Track
from tests.model.routed import picture_of, sound_of

FRAME_US = 20_000
LIGHT_EVERY = 24  # blocks of 20 ms, a picture in every other one
BRIGHT = 160  # between the two greys of pictures


@dataclass
class Publisher:
    """A peer that shows a light and sounds a horn, together, for half of the time."""

    peer: Peer
    speech: AudioSender
    camera: VideoSender
    block: int = 0
    start_us: int = 0

    def send(self) -> None:
        """20 ms of sound and, every other time, a picture, by a clock that does not shake as this program does."""
        if self.block == 0:
            self.start_us = lib.arc_clock_us()
        on = self.block // LIGHT_EVERY % 2 == 1
        at_us = self.start_us + FRAME_US * self.block
        self.speech.send(sound_of(self.block, loud=on), capture_us=at_us)
        if self.block % 2 == 0:
            self.camera.send(picture_of(self.block, light=on), capture_us=at_us)
        self.block += 1


@dataclass
class Subscriber:
    """A peer, and all that came out of it."""

    peer: Peer
    leg: Leg
    pictures: list[ReceivedFrame] = field(default_factory=list)
    blocks: list[ReceivedFrame] = field(default_factory=list)

    def fetch(self) -> None:
        while (got := self.peer.poll_frame()) is not None:
            (self.blocks if got.is_audio else self.pictures).append(got)


@dataclass
class Scene:
    engine: Engine
    router: EngineRouter
    leg: Leg
    publisher: Publisher
    tracks: list[Track]
    subscribers: list[Subscriber] = field(default_factory=list)

    def subscribe(self) -> Subscriber:
        """One more peer, which gets both tracks."""
        key = SrtpConfig.generate()
        peer = self.engine.open(local="127.0.0.1:0", srtp=key)
        leg = self.router.add_leg(LegConfig(srtp=key), local="127.0.0.1:0", remote=peer.local_address)
        peer.receive_audio()
        peer.receive_video()
        for track in self.tracks:
            self.router.subscribe(track, leg)
        made = Subscriber(peer, leg)
        self.subscribers.append(made)
        return made

    def play(self, enough: Callable[[], Any], timeout_s: float = 20) -> None:
        """Send in real time until it is ``enough``."""
        start, first = time.monotonic(), self.publisher.block
        while not enough():
            assert time.monotonic() < start + timeout_s, "waited in vain"
            self.publisher.send()
            due = start + (self.publisher.block - first) * FRAME_US / 1e6
            time.sleep(max(due - time.monotonic(), 0))
            for subscriber in self.subscribers:
                subscriber.fetch()


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Engine(threads=2) as engine:
        router, key = engine.router(RouterConfig(pool_pkts=4096)), SrtpConfig.generate()
        leg = router.add_leg(LegConfig(srtp=key), local="127.0.0.1:0")
        peer = engine.open(local="127.0.0.1:0", remote=router.local_address(leg), srtp=key)
        speech = peer.send_audio()
        camera = peer.send_video(resolution=(320, 180), frame_rate=25, encoder="libx264", threads=1, bitrate=400_000)
        tracks = [router.publish(leg, TrackConfig(kind="audio", codec="opus", ssrc=speech.ssrc, payload_type=111,
                                                  clock_rate=48_000)),
                  router.publish(leg, TrackConfig(kind="video", codec="h264", ssrc=camera.ssrc, payload_type=97,
                                                  rtx_payload_type=98, clock_rate=90_000))]
        yield Scene(engine, router, leg, Publisher(peer, speech, camera), tracks)


def test_interop_router_gives_who_comes_late_a_key_frame(scene: Scene) -> None:
    """The publisher makes key frames on request only: that of its start is over long since."""
    early = scene.subscribe()
    scene.play(lambda: len(early.pictures) >= 40)
    late = scene.subscribe()
    scene.play(lambda: len(late.pictures) >= 25 and len(late.blocks) >= 50)
    assert late.pictures[0].is_keyframe
    assert not any(p.damaged for s in (early, late) for p in s.pictures)
    assert scene.leg.stats()["pli_sent"] >= 1
    took_ms = (late.pictures[0].playout_us - late.blocks[0].playout_us) / 1000
    assert took_ms < 2000
    for subscriber in (early, late):
        ticks = [p.rtp_timestamp for p in subscriber.pictures]
        assert all((b - a) % 2**32 < 90_000 for a, b in pairwise(ticks))


def lights_us(pictures: list[ReceivedFrame]) -> list[int]:
    """Capture times of the pictures in which the light goes on."""
    level = [int(p.frame.planes()[0][:100].mean()) for p in pictures]  # type: ignore[union-attr]
    return [p.capture_ntp_us for p, before, now in zip(pictures[1:], level, level[1:], strict=False)
            if before < BRIGHT <= now and p.capture_ntp_us is not None]


def horns_us(blocks: list[ReceivedFrame]) -> list[int]:
    """Capture times of the samples with which the horn begins."""
    samples = np.concatenate([np.asarray(b.frame.samples).reshape(-1) for b in blocks])  # type: ignore[union-attr]
    loud = np.abs(samples.astype(np.int32)) > 2000
    edges = [i for i in np.flatnonzero(loud).tolist() if i > 4800 and not loud[i - 4800:i].any()]
    out = []
    for i in edges:
        captured = blocks[i // 480].capture_ntp_us
        if captured is not None:
            out.append(captured + i % 480 * 1000 // 48)
    return out


def test_interop_router_keeps_sound_and_pictures_in_step(scene: Scene) -> None:
    """A light and a horn go on together: by the reports of the router they still do at the subscriber."""
    subscriber = scene.subscribe()
    scene.play(lambda: len(lights_us(subscriber.pictures)) >= 3 and len(horns_us(subscriber.blocks)) >= 3)
    lights, horns = lights_us(subscriber.pictures)[-2:], horns_us(subscriber.blocks)[-2:]
    for light in lights:
        apart_ms = min(abs(light - horn) for horn in horns) / 1000
        assert apart_ms < 12  # 6.5 of them are the encoder's look-ahead
    assert all(abs(b - a - 2 * LIGHT_EVERY * FRAME_US) < 60_000 for a, b in pairwise(lights))


def test_interop_router_knows_all_round_trips(scene: Scene) -> None:
    subscriber = scene.subscribe()
    peers, legs = (scene.publisher.peer, subscriber.peer), (scene.leg, subscriber.leg)
    scene.play(lambda: all(p.stats().session["rtt_us"] > 0 for p in peers)
               and all(leg.stats()["round_trip_ms"] >= 0 for leg in legs))
    assert all(p.stats().session["rtt_us"] < 200_000 for p in peers)
    assert all(leg.stats()["round_trip_ms"] < 200 for leg in legs)
