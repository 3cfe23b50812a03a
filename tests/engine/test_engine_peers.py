"""Two peers on native threads and real sockets: media, events, queues, settings."""
from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcrtc import (
    ArgumentError,
    AudioFrame,
    ConfigError,
    Engine,
    SessionConfig,
    SrtpConfig,
    TransportError,
    VideoFrame,
)
from arcrtc.engine import Peer
from arcrtc.session import EventType

ROOT = Path(__file__).resolve().parents[2]
KEY = SrtpConfig(master_key=bytes(range(16)), master_salt=bytes(range(14)))


def sound(n: int = 960) -> AudioFrame:
    return AudioFrame(samples=(8000 * np.sin(np.arange(n) * 0.06)).astype(np.int16), sample_rate=48_000)


def picture(i: int, width: int = 160, height: int = 96) -> VideoFrame:
    """Noise: an encoder spends the rate it has."""
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = np.random.default_rng(i).integers(0, 255, (height, width))
    return VideoFrame(planes, width, height, 0, "yuv420p")


def until(done: Callable[[], Any], seconds: float = 5.0) -> Any:
    """What ``done`` says first that is true; the test fails when the time is up."""
    end = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
    return found


@contextlib.contextmanager
def pair(host: str = "127.0.0.1", **config: Any) -> Iterator[tuple[Engine, Peer, Peer]]:
    with Engine() as engine:
        settings = SessionConfig(srtp=KEY, **config)
        b = engine.open(local=f"{host}:0", config=settings)
        a = engine.open(local=f"{host}:0", remote=b.local_address, config=settings)
        yield engine, a, b


def open_camera(a: Peer, **options: Any) -> Any:
    return a.send_video(resolution=(160, 96), frame_rate=25, encoder="libx264", threads=1,
                        **{"bitrate": 300_000, **options})


def test_engine_program_of_the_contract_runs_as_written() -> None:
    """CONTRACT section 10, with the sample clip's name put in; it plays for two seconds."""
    program = """
import asyncio
from arcrtc import Engine, SrtpConfig
from arcrtc.media import open_media, sample_path

async def main():
    async with Engine() as engine:
        peer = await engine.connect(local="127.0.0.1:0", remote="127.0.0.1:5004", srtp=SrtpConfig.generate())
        speech = peer.send_audio(codec="opus", bitrate=32_000)
        camera = peer.send_video(codec="h264", encoder="auto", bitrate=1_500_000, resolution="720p")
        n = 0
        async for frame in open_media(sample_path()).realtime():
            (speech if frame.is_audio else camera).send(frame)
            n += 1
            if n == 120:
                break
        print(peer.stats().to_table())

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=ROOT, capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
    assert done.stderr == ""
    rows = re.findall(r"send (audio|video) \d +(\d+)", done.stdout)
    assert [kind for kind, _ in rows] == ["audio", "video"]
    assert all(int(packets) > 20 for _, packets in rows)


def test_engine_works_without_asyncio() -> None:
    with pair() as (engine, a, b):
        speech, camera = a.send_audio(), open_camera(a)
        b.receive_audio()
        b.receive_video()
        got = {"audio": 0, "video": 0}
        for i in range(50):
            speech.send(sound())
            if i % 2 == 0:
                camera.send(picture(i))
            end = time.monotonic() + 0.02
            while (left := end - time.monotonic()) > 0:
                engine.wait(left)
                while (received := b.poll_frame()) is not None:
                    got["audio" if received.is_audio else "video"] += 1
        end = time.monotonic() + 10  # a busy machine takes longer over the same
        while (got["audio"] <= 25 or got["video"] <= 10) and time.monotonic() < end:
            engine.wait(0.1)
            while (received := b.poll_frame()) is not None:
                got["audio" if received.is_audio else "video"] += 1
        stats = b.stats()
    assert got["audio"] > 25
    assert got["video"] > 10
    assert stats.session["drops"] == dict.fromkeys(stats.session["drops"], 0)


def test_engine_frames_and_events_are_awaited() -> None:
    async def main() -> tuple[int, list[EventType]]:
        async with Engine() as engine:
            config = SessionConfig(srtp=KEY)
            b = await engine.connect(local="127.0.0.1:0", config=config)
            a = await engine.connect(local="127.0.0.1:0", remote=b.local_address, config=config)
            speech = a.send_audio()
            b.receive_audio()
            events: list[EventType] = []
            blocks = 0

            async def listen() -> None:
                async for event in b.events():
                    events.append(event.type)

            async def hear() -> None:
                nonlocal blocks
                async for received in b.frames(kind="audio"):
                    assert received.is_audio
                    blocks += 1

            tasks = [asyncio.create_task(listen()), asyncio.create_task(hear())]
            for _ in range(25):
                speech.send(sound())
                await asyncio.sleep(0.02)
            a.close()
            await asyncio.sleep(0.1)
            b.close()
            await asyncio.wait_for(asyncio.gather(*tasks), 2)  # both iterations end with the peer
            return blocks, events

    blocks, events = asyncio.run(main())
    assert blocks > 10
    assert events[0] is EventType.STREAM_ADDED
    assert events[-1] is EventType.STREAM_ENDED


def test_engine_frames_latest_leaves_older_pictures_out() -> None:
    async def main(latest: bool) -> list[int]:
        async with Engine() as engine:
            config = SessionConfig(srtp=KEY)
            b = await engine.connect(local="127.0.0.1:0", config=config)
            a = await engine.connect(local="127.0.0.1:0", remote=b.local_address, config=config)
            camera = open_camera(a)
            b.receive_video()
            ages_us: list[int] = []

            async def slow() -> None:
                async for received in b.frames(kind="video", latest=latest):
                    ages_us.append(time.monotonic_ns() // 1000 - received.playout_us)
                    await asyncio.sleep(0.2)

            task = asyncio.create_task(slow())
            for i in range(40):
                camera.send(picture(i))
                await asyncio.sleep(0.025)
            task.cancel()
            return ages_us

    newest, oldest = asyncio.run(main(True)), asyncio.run(main(False))
    assert 3 <= len(newest) <= 7
    # Of the eight that wait, the one that came due last, or the one that waited longest.
    assert np.median(newest) < 100_000
    assert np.median(oldest[2:]) > 100_000


def test_engine_queues_are_bounded_and_count_what_they_drop() -> None:
    with pair() as (_, a, b):
        speech, camera = a.send_audio(), open_camera(a)
        b.receive_audio()
        b.receive_video()
        for i in range(60):  # nobody fetches at B
            speech.send(sound())
            camera.send(picture(i))
            time.sleep(0.02)
        stats = until(
            lambda: (s := b.stats().receive) and s[0]["queue"]["dropped"] > 0 and s)
        queues = {r["kind"]: r["queue"] for r in stats}
        assert queues["audio"]["depth"] <= 32
        assert queues["video"]["depth"] <= 8
        for queue in queues.values():
            assert queue["posted"] == queue["dropped"] + queue["depth"]
        first = b.poll_frame("audio")
        assert first is not None
        later = b.poll_frame("audio")
        assert later is not None
        assert later.playout_us > first.playout_us

        big = [picture(i, 1920, 1080) for i in range(2)]  # scaling alone takes longer than posting
        for i in range(40):
            camera.send(big[i % 2])
        sent = camera.stats()["queue"]
        assert sent["depth"] <= 4
        assert sent["dropped"] >= 20
        flushed = camera.flush()
        assert 0 <= flushed <= 4
        assert camera.stats()["queue"]["flushed"] == flushed


def test_engine_set_bitrate_changes_the_rate_without_a_key_frame() -> None:
    with pair() as (_, a, b):
        camera = open_camera(a, bitrate=200_000)
        b.receive_video()

        def bps(n: int) -> float:
            """Measured over ``n`` pictures at 25 a second; the rate is that of the media, not of the wall."""
            before = camera.stats()["media"]["bytes"]
            for i in range(n):
                camera.send(picture(i), capture_us=i)
                until(lambda: camera.stats()["queue"]["depth"] == 0)
                time.sleep(0.01)
            return 8 * (camera.stats()["media"]["bytes"] - before) * 25 / n

        bps(10)  # the key frame, and the rate control settles
        low = bps(30)
        camera.set_bitrate(800_000)
        bps(5)
        high = bps(30)
        media = camera.stats()["media"]
    assert 0.6 * 200_000 < low < 1.5 * 200_000
    assert 0.6 * 800_000 < high < 1.5 * 800_000
    assert media["key_frames"] == 1
    assert media["target_bps"] == 800_000


@pytest.mark.parametrize("bps", [0, -1, 5_999, 510_001, 2**31, 10**12])
def test_engine_bitrate_outside_of_its_range(bps: int) -> None:
    with Engine() as engine:
        speech = engine.open(local="127.0.0.1:0").send_audio()
        with pytest.raises(ArgumentError, match="outside 6000"):
            speech.set_bitrate(bps)


@pytest.mark.parametrize("options", [{"bitrate": 10**12}, {"bitrate": -1}, {"payload_type": 2**40},
                                     {"channels": 10**10}, {"sample_rate": 44_100}, {"payload_type": 72}])
def test_engine_stream_options_outside_of_their_range(options: dict[str, int]) -> None:
    with Engine() as engine:
        peer = engine.open(local="127.0.0.1:0")
        with pytest.raises(ConfigError):
            peer.send_audio(**options)
        peer.send_audio()  # nothing of the failed one is left


def test_engine_request_keyframe() -> None:
    with pair() as (_, a, b):
        camera = open_camera(a)
        b.receive_video()
        for i in range(10):
            if i == 5:
                until(lambda: camera.stats()["queue"]["depth"] == 0)
                camera.request_keyframe()
            camera.send(picture(i))
            time.sleep(0.02)
        assert until(lambda: camera.stats()["media"]["key_frames"] == 2)


def test_engine_mute_sends_silence_and_no_pictures() -> None:
    with pair() as (_, a, b):
        speech, camera = a.send_audio(), open_camera(a)
        b.receive_audio()
        b.receive_video()
        speech.mute()
        camera.mute()
        levels = []
        for i in range(40):
            speech.send(sound())
            camera.send(picture(i))
            time.sleep(0.02)
            while (received := b.poll_frame()) is not None:
                assert received.is_audio
                levels.append(int(np.abs(received.frame.samples).max()))
        assert len(levels) > 10
        assert max(levels) < 50
        speech.mute(False)
        camera.mute(False)
        loud = pictures = 0
        for i in range(40):
            speech.send(sound())
            camera.send(picture(i))
            time.sleep(0.02)
            while (received := b.poll_frame()) is not None:
                pictures += not received.is_audio
                loud += received.is_audio and int(np.abs(received.frame.samples).max()) > 2000
        assert loud > 10
        assert pictures > 10


def test_engine_speaks_ipv6() -> None:
    with pair("[::1]") as (engine, a, b):
        assert re.fullmatch(r"\[::1\]:\d+", a.local_address)
        assert a.remote_address == b.local_address
        speech = a.send_audio()
        b.receive_audio()
        for _ in range(25):
            speech.send(sound())
            engine.wait(0.02)
        assert until(lambda: b.poll_frame("audio"))
        assert b.remote_address == a.local_address


def test_engine_two_engines_talk() -> None:
    with Engine() as one, Engine(threads=2, media_threads=1) as two:
        b = two.open(local="127.0.0.1:0", srtp=KEY)
        a = one.open(local="127.0.0.1:0", remote=b.local_address, srtp=KEY)
        speech = a.send_audio()
        b.receive_audio()
        for _ in range(25):
            speech.send(sound())
            two.wait(0.02)
        assert until(lambda: b.poll_frame("audio"))
        assert len(one.stats()) == 1
        assert len(two.stats()) == 2


@pytest.mark.parametrize(("address", "error", "text"), [
    ("127.0.0.1", ArgumentError, "host:port"), ("127.0.0.1:65536", ArgumentError, "65535"),
    ("127.0.0.1:-1", ArgumentError, "host:port"), ("::1:5004", ArgumentError, r"\[::1\]:5004"),
    ("", ArgumentError, "host:port"), ("no.such.host.invalid:5004", TransportError, "no.such.host.invalid"),
    ("203.0.113.9:0", TransportError, "203.0.113.9")])
def test_engine_local_address_is_refused_in_words(address: str, error: type[Exception], text: str) -> None:
    with Engine() as engine, pytest.raises(error, match=text):
        engine.open(local=address)


@pytest.mark.parametrize(("address", "error", "text"), [
    ("127.0.0.1", ArgumentError, "host:port"), (":5004", ArgumentError, "host"),
    ("127.0.0.1:0", ArgumentError, "port"), ("[::1]:5004", TransportError, "IPv4"),
    ("no.such.host.invalid:5004", TransportError, "no.such.host.invalid")])
def test_engine_remote_address_is_refused_in_words(address: str, error: type[Exception], text: str) -> None:
    with Engine() as engine:
        with pytest.raises(error, match=text):
            engine.open(local="127.0.0.1:0", remote=address)
        peer = engine.open(local="127.0.0.1:0")
        with pytest.raises(error, match=text):
            peer.set_remote(address)
        assert peer.remote_address is None
        peer.send_audio().send(sound())  # it goes on


def test_engine_port_in_use_is_told() -> None:
    with Engine() as engine:
        first = engine.open(local="127.0.0.1:0")
        with pytest.raises(TransportError, match=r"127\.0\.0\.1 port \d+: Address already in use"):
            engine.open(local=first.local_address)


@pytest.mark.skipif(sys.platform != "linux", reason="threads are named in /proc")
def test_engine_threads_end_with_it() -> None:
    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    before = threads()
    for _ in range(3):
        with pair() as (_, a, b):
            a.send_audio().send(sound())
            b.receive_audio()
            assert threads() > before
        assert threads() == before
