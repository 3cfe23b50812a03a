"""One sender into one file: what ``arcrtc receive`` does."""
from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from arcrtc.audio.codecs import AUDIO_CODECS, find_codec
from arcrtc.call.description import srtp_of
from arcrtc.call.feed import clock_us
from arcrtc.call.recorder import Recorder
from arcrtc.call.sending import AUDIO_PAYLOAD_TYPE, RTX_PAYLOAD_TYPE, VIDEO_PAYLOAD_TYPE, Progress, join
from arcrtc.call.stopping import ctrl_c_sets, run_until_first, until_set
from arcrtc.engine import Engine, Peer, parse_address
from arcrtc.errors import ConfigError, TransportError, UnsupportedError
from arcrtc.redundancy import RED_PAYLOAD_TYPE
from arcrtc.sdp import MediaDescription, SessionDescription
from arcrtc.session import EventType, Receiver, SessionConfig
from arcrtc.srtp import SrtpConfig
from arcrtc.video.config import VideoCodec, parse_codec

_PERIOD_S: Final = 0.1
_SILENCE_S: Final = 10.0
_CODECS: Final = {"audio": tuple(AUDIO_CODECS), "video": tuple(c.value for c in VideoCodec)}


class End(Enum):
    """Why receiving ended."""

    BYE = "bye"  #: the sender said good-bye
    DURATION = "duration"  #: the time that was asked for is up
    SILENCE = "silence"  #: no packet for too long
    INTERRUPTED = "interrupted"  #: Ctrl-C


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveSettings:
    """Settings of :class:`Receiving`.

    :ivar out: the recording.
    :ivar listen: "host:port"; with ``description`` only its host counts. None: the description's address if
        that is this host's own loopback, else all.
    :ivar description: of what comes; None: arcrtc sends, all media to one port.
    :ivar srtp: key; None: that of the description, or plain RTP.
    :ivar duration_s: length of the recording, 0.5..86400; None: no bound.
    :ivar timeout_s: end after so long without a packet, 0.5..86400; None: 10 s, once media have come.
    :ivar channels: of the sound, 1 or 2; None: as described, or 1.
    :ivar audio_codec: of what arcrtc sends without a description: "opus", "pcmu", "pcma", "g722" or "l16".
    :ivar video_codec: likewise: "h264", "vp8", "vp9" or "av1".
    :ivar max_latency_ms: bound of the play-out delay, 20..10000.
    :raises ConfigError: a value is outside of what is stated here.
    """

    out: Path
    listen: str | None = None
    description: SessionDescription | None = None
    srtp: SrtpConfig | None = None
    duration_s: float | None = None
    timeout_s: float | None = None
    channels: int | None = None
    audio_codec: str = "opus"
    video_codec: str = "h264"
    max_latency_ms: int = 500

    def __post_init__(self) -> None:
        for name in ("duration_s", "timeout_s"):
            value = getattr(self, name)
            if value is not None and not 0.5 <= value <= 86_400:
                raise ConfigError(f"{name}={value!r} is outside 0.5..86400")
        if not 20 <= self.max_latency_ms <= 10_000:
            raise ConfigError(f"max_latency_ms={self.max_latency_ms!r} is outside 20..10000")
        if self.listen is None and self.description is None:
            raise ConfigError("listen is needed without a description")
        parse_codec(self.video_codec)
        if self.listen is not None:
            parse_address(self.listen)


@dataclass(slots=True)
class ReceiveResult:
    """What came: one dictionary a stream that came, as in SessionStats.receive."""

    end: End
    recorded_s: float
    overflow_frames: int
    left_out_frames: int
    streams: list[dict[str, Any]] = field(default_factory=list)


class Receiving:
    """Open sockets and a recording; a context manager. run() fills it.

    :raises MediaError: the recording cannot be written.
    :raises ConfigError: a setting is not allowed. :raises UnsupportedError: no codec of ours is described.
    :raises TransportError: the port is taken, or the like.
    """

    def __init__(self, settings: ReceiveSettings) -> None:
        self.settings = settings
        self.peers: list[Peer] = []
        self.receivers: list[tuple[Peer, Receiver]] = []
        self._ended: set[tuple[Peer, int]] = set()
        self._channels = settings.channels or 1
        self.engine = Engine(threads=1, media_threads=1)
        try:
            if settings.description is None:
                assert settings.listen is not None
                self._open_together(settings.listen)
            else:
                self._open_apart(settings.description)
            self.recorder = Recorder(settings.out, channels=self._channels)
        except BaseException:
            self.engine.close()
            raise

    def __enter__(self) -> Receiving:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.engine.close()

    @property
    def addresses(self) -> list[str]:
        """Where it listens, "host:port" each."""
        return [peer.local_address for peer in self.peers]

    # --- streams ---

    def _open_peer(self, local: str, srtp: SrtpConfig | None, *, nack: bool,
                   rtcp_ports: tuple[int, int] | None) -> Peer:
        config = SessionConfig(srtp=srtp, nack=nack, max_latency_ms=self.settings.max_latency_ms)
        peer = self.engine.open(local=local, config=config, rtcp_ports=rtcp_ports)
        self.peers.append(peer)
        return peer

    def _open_together(self, listen: str) -> None:
        peer = self._open_peer(listen, self.settings.srtp, nack=True, rtcp_ports=None)
        codec = find_codec(self.settings.audio_codec)
        payload_type = AUDIO_PAYLOAD_TYPE if codec.name == "opus" else codec.payload_type
        self.receivers = [
            (peer, peer.receive_audio(codec=codec.name, channels=self._channels, payload_type=payload_type,
                                      red_payload_type=RED_PAYLOAD_TYPE if codec.is_opus else None)),
            (peer, peer.receive_video(codec=self.settings.video_codec, payload_type=VIDEO_PAYLOAD_TYPE,
                                      rtx_payload_type=RTX_PAYLOAD_TYPE))]

    def _open_apart(self, description: SessionDescription) -> None:
        for media in _ours(description):
            srtp = self.settings.srtp or srtp_of(media)
            port = media.control_port
            peer = self._open_peer(
                join(self._host(media, description), media.port), srtp, nack=media.rtx_payload_type is not None,
                rtcp_ports=None if port == media.port else (port, 0))
            self.receivers.append((peer, self._add(peer, media)))

    def _host(self, media: MediaDescription, description: SessionDescription) -> str:
        if self.settings.listen is not None:
            return parse_address(self.settings.listen)[0] or "0.0.0.0"
        # The address of a description is where it is sent to: behind a NAT not one of ours.
        address = media.address or description.address
        if address in ("::1", "localhost") or address.startswith("127."):
            return address
        return "::" if ":" in address else "0.0.0.0"

    def _add(self, peer: Peer, media: MediaDescription) -> Receiver:
        if media.kind == "video":
            return peer.receive_video(codec=media.codec, payload_type=media.payload_type,
                                      rtx_payload_type=media.rtx_payload_type)
        if self.settings.channels is None and "1" in (media.fmtp.get("sprop-stereo"), media.fmtp.get("stereo")):
            self._channels = 2
        if media.codec != "opus":
            return self._add_telephone(peer, media)
        return peer.receive_audio(payload_type=media.payload_type, rtx_payload_type=media.rtx_payload_type,
                                  red_payload_type=media.red_payload_type, channels=self._channels)

    def _add_telephone(self, peer: Peer, media: MediaDescription) -> Receiver:
        if media.codec == "l16":
            self._channels = media.channels
        rate = media.clock_rate if media.codec == "l16" else None
        return peer.receive_audio(
            codec=media.codec, payload_type=media.payload_type, rtx_payload_type=media.rtx_payload_type,
            sample_rate=rate, channels=self._channels, noise_payload_type=media.noise_payload_type)

    # --- receiving ---

    def run(self, progress: Progress | None = None) -> ReceiveResult:
        """Receive until an end; see End. The recording is complete in any case.

        :param progress: called several times a second.
        :raises TransportError: nothing was received at all, but for Ctrl-C.
        :raises MediaError: the recording could not be written.
        """
        return asyncio.run(self._run(progress))

    async def _run(self, progress: Progress | None) -> ReceiveResult:
        stop = asyncio.Event()
        self._end = End.INTERRUPTED
        with ctrl_c_sets(stop):
            try:
                await run_until_first(
                    *(asyncio.create_task(self._fetch(peer)) for peer in self.peers),
                    asyncio.create_task(self._watch(progress)), asyncio.create_task(until_set(stop)))
            finally:
                await asyncio.to_thread(self.recorder.close)
        streams = [s for s in self._stats() if s["network"]["pkts"] > 0]
        if self.recorder.zero_us is None and self._end is not End.INTERRUPTED:
            raise TransportError(f"{self.settings.out}: not written: {self._why_nothing()}")
        return ReceiveResult(self._end, self.recorder.seconds, self.recorder.overflow_frames,
                             self.recorder.left_out_frames, streams)

    async def _fetch(self, peer: Peer) -> None:
        async for received in peer.frames():
            if self._wanted(received.playout_us):
                self.recorder.put(received)

    def _wanted(self, playout_us: int) -> bool:
        zero_us, duration_s = self.recorder.zero_us, self.settings.duration_s
        return zero_us is None or duration_s is None or playout_us < zero_us + duration_s * 1e6

    async def _watch(self, progress: Progress | None) -> None:
        """Until there is a reason to end, but for Ctrl-C."""
        last_us = clock_us()
        heard = 0
        while True:
            await asyncio.sleep(_PERIOD_S)
            now_us, streams = clock_us(), self._stats()
            self._read_events()
            packets = sum(s["network"]["pkts"] + s["network"]["recovered_pkts"] for s in streams)
            now_heard = packets + sum(s["rtcp_received"] for s in streams)
            if now_heard > heard:
                heard, last_us = now_heard, now_us
            self.recorder.arriving = frozenset(s["kind"] for s in streams if s["network"]["pkts"] > 0)
            if progress is not None:
                progress(self.recorder.seconds, self.settings.duration_s,
                         _words(streams) if packets else f"waiting on {', '.join(self.addresses)}")
            if await self._over(now_us, now_us - last_us, packets > 0):
                return

    async def _over(self, now_us: int, silent_us: int, begun: bool) -> bool:
        zero_us, timeout_s = self.recorder.zero_us, self.settings.timeout_s
        if self.recorder.fault is not None:
            return True  # close() raises it
        active = {(peer, r.index) for peer, r in self.receivers if r.stats()["network"]["pkts"] > 0}
        if active and active <= self._ended:
            await asyncio.sleep(self.settings.max_latency_ms / 1000 + _PERIOD_S)  # what waits to be played
            self._end = End.BYE
            return True
        if zero_us is not None and not self._wanted(now_us):
            self._end = End.DURATION
            return True
        if timeout_s is None and begun:
            timeout_s = _SILENCE_S
        if timeout_s is not None and silent_us > timeout_s * 1e6:
            self._end = End.SILENCE
            return True
        return False

    def _read_events(self) -> None:
        for peer in self.peers:
            while (event := peer.poll_event()) is not None:
                if event.stream is None:
                    continue
                if event.type is EventType.STREAM_ENDED:
                    self._ended.add((peer, event.stream))
                elif event.type is EventType.STREAM_ADDED:
                    self._ended.discard((peer, event.stream))

    def _stats(self) -> list[dict[str, Any]]:
        all_stats = {peer: peer.stats() for peer in self.peers}
        return [{**all_stats[peer].receive[r.index], "rtcp_received": all_stats[peer].session["rtcp_received"],
                 "drops": all_stats[peer].session["drops"]} for peer, r in self.receivers]

    def _why_nothing(self) -> str:
        where = ", ".join(self.addresses)
        drops: dict[str, int] = {}
        for peer in self.peers:
            for reason, count in peer.stats().session["drops"].items():
                drops[reason] = drops.get(reason, 0) + count
        if drops["auth"]:
            return f"{drops['auth']} datagrams came to {where}, but not with this key"
        if drops["unknown_stream"]:
            types = ", ".join(str(r.payload_type) for _, r in self.receivers)
            return f"packets came to {where}, but none of payload type {types}"
        if drops["malformed"]:
            return f"{drops['malformed']} datagrams came to {where} that are not what they should be; is it SRTP?"
        if any(s["network"]["pkts"] for s in self._stats()):
            return f"packets came to {where}, but not one whole picture"
        return f"nothing came to {where}"


def _ours(description: SessionDescription) -> list[MediaDescription]:
    """The first section of each kind that we can receive.

    :raises UnsupportedError: there is none.
    """
    found: dict[str, MediaDescription] = {}
    for media in description.media:
        if media.port and media.codec in _CODECS[media.kind]:
            found.setdefault(media.kind, media)
    if not found:
        there = ", ".join(f"{m.kind} {m.codec}" for m in description.media) or "no section of audio or video"
        raise UnsupportedError(f"the description has {there}; received are "
                               f"{', '.join(name for names in _CODECS.values() for name in names)}")
    if len({m.port for m in found.values()}) < len(found):
        raise UnsupportedError("the description has sound and pictures at the same port (BUNDLE)")
    return list(found.values())


def _words(streams: list[dict[str, Any]]) -> str:
    lost = sum(s["network"]["lost_pkts"] for s in streams)
    packets = sum(s["network"]["pkts"] for s in streams)
    return f"{packets} packets, {lost} lost"
