"""Run a call: two peers on native threads, loopback sockets, the emulator between them."""
from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from arcrtc.call.description import packet_ms
from arcrtc.call.feed import Feed, clock_us, open_sources
from arcrtc.call.sampler import PERIOD_S, Sampler
from arcrtc.call.settings import CallSettings
from arcrtc.call.sink import Sink
from arcrtc.call.stopping import ctrl_c_sets, until_set
from arcrtc.engine import Engine, Peer, parse_address
from arcrtc.errors import MediaError
from arcrtc.media import MediaSource, sample_path
from arcrtc.session import AudioSender, Receiver, SessionConfig, VideoSender
from arcrtc.sim import Relay
from arcrtc.sim.relay import RelayStats
from arcrtc.srtp import SrtpConfig

_ENCODE_S: Final = 0.1  # the last frame may still be in the encoder
_TAIL_S: Final = 1.0  # a network's longest delay, besides the longest play-out delay
_PRIME_US: Final = 250_000  # the files are opened and read ahead meanwhile
_POLL_SENT_S: Final = 0.05
_POLL_TAIL_S: Final = 0.02
_LAST_ARRIVALS: Final = 64  # among them the last frame that was sent, if it was played

Progress = Callable[[float, float | None, str], None]  #: seconds done, seconds in all, a few words


@dataclass(slots=True)
class CallResult:
    """Everything measured; :mod:`arcrtc.call.summary` makes the report of it."""

    settings: CallSettings
    created_utc: str
    duration_s: float
    media: str
    sampler: Sampler
    feed: Feed
    sink: Sink
    senders: list[AudioSender | VideoSender]
    receivers: list[Receiver]
    encoders: dict[str, str]
    frame_rate: float | None
    relay: RelayStats
    cpu_s: float
    cpu_before_s: float
    peak_memory_bytes: int
    threads: list[dict[str, Any]]
    interrupted: bool
    notes: list[str] = field(default_factory=list)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _files(settings: CallSettings) -> tuple[Path | None, Path | None]:
    if settings.audio is None and settings.video is None:
        return None, sample_path()
    return settings.audio, settings.video


def _duration_s(settings: CallSettings, sources: list[MediaSource]) -> float | None:
    if settings.duration_s is not None:
        return settings.duration_s
    lengths = [s.duration_s for s in sources]
    return None if None in lengths else max(length for length in lengths if length is not None)


class _Call:
    """One run; the steps in the order in which they happen."""

    def __init__(self, settings: CallSettings, out: Path, progress: Progress | None) -> None:
        self.settings, self.out, self.progress = settings, out, progress
        self.feed = Feed()
        audio, video = _files(settings)
        self.sound, self.pictures = open_sources(
            audio, video, height=settings.height, loop=settings.duration_s is not None,
            sample_rate=settings.codec.default_rate)
        if self.sound is None and self.pictures is None:
            raise MediaError("nothing to send: neither sound nor pictures")
        self.sources = [s for s in (self.sound, self.pictures) if s is not None]
        self.media = " + ".join(dict.fromkeys(s.path.name for s in self.sources))

    def _config(self) -> SessionConfig:
        settings = self.settings
        return SessionConfig(
            srtp=SrtpConfig.generate(settings.profile) if settings.profile is not None else None,
            nack=settings.nack, nack_audio=settings.nack and settings.nack_audio,
            max_latency_ms=settings.max_latency_ms, repair=settings.repair)

    def _open_streams(self, a: Peer, b: Peer) -> None:
        settings = self.settings
        self.senders: list[AudioSender | VideoSender] = []
        self.receivers: list[Receiver] = []
        if self.sound is not None:
            codec, red, parity = settings.codec.name, settings.red_config, settings.parity("audio")
            self.senders.append(a.send_audio(
                codec=codec, bitrate=settings.audio_bitrate, frame_size_ms=packet_ms(codec, 1), fec=settings.fec,
                red=red, packet_fec=parity))
            self.receivers.append(b.receive_audio(
                codec=codec, red_payload_type=red.payload_type if red else None, packet_fec=parity))
        if self.pictures is not None:
            size, rate = self.pictures.video_size, self.pictures.frame_rate
            assert size is not None
            assert rate is not None
            rtx, parity = 98 if settings.nack else None, settings.parity("video")
            self.senders.append(a.send_video(codec=settings.video_codec, encoder=settings.encoder,
                                             bitrate=settings.video_bitrate,
                                             resolution=size, frame_rate=rate, rtx_payload_type=rtx,
                                             packet_fec=parity))
            self.receivers.append(b.receive_video(codec=settings.video_codec,
                                                  rtx_payload_type=rtx, packet_fec=parity))

    def _capture_us_of(self, rtp_timestamp: int) -> int | None:
        index = next(s.index for s in self.senders if s.kind == "video")
        frame = self.sampler.sent.get((index, rtp_timestamp))
        return frame.capture_us if frame is not None else None

    async def run(self) -> CallResult:
        created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        cpu_before = _cpu_s()
        stop = asyncio.Event()
        settings = self.settings
        with ctrl_c_sets(stop):
            async with Engine(threads=2, media_threads=2) as engine:
                config = self._config()
                a = await engine.connect(local="127.0.0.1:0", config=config)
                b = await engine.connect(local="127.0.0.1:0", config=config)
                peers = (parse_address(a.local_address), parse_address(b.local_address))
                with Relay(settings.network, seed=settings.seed, peers=peers) as relay:
                    a.set_remote("{}:{}".format(*relay.address_a))
                    b.set_remote("{}:{}".format(*relay.address_b))
                    self._open_streams(a, b)
                    size = self.pictures.video_size if self.pictures is not None else None
                    rate = self.pictures.frame_rate if self.pictures is not None else None
                    self.feed.start_us = clock_us() + _PRIME_US
                    self.sampler = Sampler(a, b, self.feed.start_us)
                    self.sink = Sink(
                        self.out / "received.mkv",
                        audio_rate=settings.codec.default_rate if self.sound is not None else None,
                        video=(*size, rate or 25.0) if size is not None else None, feed=self.feed,
                        capture_us_of=self._capture_us_of if size is not None else None)
                    try:
                        await self._talk(b, stop)
                    finally:
                        duration_s = max(0, clock_us() - self.feed.start_us) / 1e6
                        await self._finish(b)
                        self.sampler.take(clock_us())
                        threads, relay_stats = engine.stats(), relay.stats()
                        cpu_s = _cpu_s() - cpu_before
                        self.sink.close()
                encoders = {s.kind: s.encoder for s in self.senders}
        return CallResult(
            settings=settings, created_utc=created, duration_s=duration_s, media=self.media,
            sampler=self.sampler, feed=self.feed, sink=self.sink, senders=self.senders,
            receivers=self.receivers, encoders=encoders, frame_rate=rate, relay=relay_stats, cpu_s=cpu_s,
            cpu_before_s=cpu_before,
            peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, threads=threads,
            interrupted=stop.is_set())

    async def _finish(self, b: Peer) -> None:
        """What is still in flight belongs to the call: until the last frames are played or cannot come any more."""
        await asyncio.sleep(_ENCODE_S)
        end = time.monotonic() + _TAIL_S + self.settings.max_latency_ms / 1000
        while time.monotonic() < end:
            self.sampler.take_sent()
            self._drain(b)
            if all(self._is_played(sender) for sender in self.senders):
                return
            await asyncio.sleep(_POLL_TAIL_S)

    def _is_played(self, sender: AudioSender | VideoSender) -> bool:
        arrivals = self.sink.audio if sender.kind == "audio" else self.sink.video
        last = next((timestamp for index, timestamp in reversed(self.sampler.sent) if index == sender.index), None)
        return last is None or any((a.rtp_timestamp - last) % 2**32 < 2**31 for a in arrivals[-_LAST_ARRIVALS:])

    def _drain(self, b: Peer) -> None:
        while (received := b.poll_frame()) is not None:
            self.sink.put(received)

    async def _talk(self, b: Peer, stop: asyncio.Event) -> None:
        """Until the media end, the time is up, or Ctrl-C."""
        duration_s = _duration_s(self.settings, self.sources)
        until_us = None if self.settings.duration_s is None else (
            self.feed.start_us + round(self.settings.duration_s * 1e6))
        feeding = [asyncio.create_task(self.feed.run(source, sender, stop, until_us))
                   for source, sender in zip(self.sources, self.senders, strict=True)]
        around = [asyncio.create_task(self._receive(b)), asyncio.create_task(self._watch(duration_s)),
                  asyncio.create_task(self._collect_sent())]
        stopping = asyncio.create_task(until_set(stop))
        ended = asyncio.create_task(_all(feeding))
        try:
            await asyncio.wait({ended, stopping, *around}, return_when=asyncio.FIRST_COMPLETED)
            for task in (ended, *around):  # a fault in any of them is the call's
                if task.done():
                    task.result()
        finally:
            tasks = (*feeding, *around, ended, stopping)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self, b: Peer) -> None:
        async for received in b.frames():
            self.sink.put(received)

    async def _collect_sent(self) -> None:
        while True:
            await asyncio.sleep(_POLL_SENT_S)
            self.sampler.take_sent()

    async def _watch(self, duration_s: float | None) -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            now_us = clock_us()
            sample = self.sampler.take(now_us)
            if self.progress is not None:
                self.progress(max(0, now_us - self.feed.start_us) / 1e6, duration_s, _words(sample.sender))


async def _all(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.gather(*tasks)


def _words(sender: dict[str, Any]) -> str:
    rate = sum(s["network"]["send_bps"] for s in sender["send"])
    rtt = sender["session"]["rtt_us"]
    return f"{rate / 1e6:.2f} Mb/s" + (f", {rtt / 1000:.0f} ms round trip" if rtt >= 0 else "")


def run_call(settings: CallSettings, out: Path, progress: Progress | None = None) -> CallResult:
    """Run a call and record what arrives.

    :param settings: see CallSettings.
    :param out: an existing folder; ``received.mkv`` is written there.
    :param progress: called about five times a second.
    :returns: also after Ctrl-C, with what there was (``interrupted`` is True then).
    :raises MediaError: a file cannot be read or written.
    :raises UnsupportedError: no such encoder works here.
    :raises TransportError: the system refuses sockets or threads.
    """
    return asyncio.run(_Call(settings, out, progress).run())
