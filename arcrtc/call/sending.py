"""One file to one receiver, in real time: what ``arcrtc send`` does."""
from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from arcrtc.audio.codecs import find_codec
from arcrtc.call.description import describe_audio, describe_video, packet_ms, write_sdp
from arcrtc.call.feed import clock_us
from arcrtc.call.stopping import ctrl_c_sets, run_until_first, until_set
from arcrtc.engine import Engine, Peer, parse_address
from arcrtc.errors import ConfigError, TransportError
from arcrtc.media import MediaAudio, MediaSource, open_media
from arcrtc.redundancy import RedConfig
from arcrtc.sdp import SessionDescription
from arcrtc.session import AudioSender, SessionConfig, VideoSender
from arcrtc.srtp import SrtpConfig
from arcrtc.video.config import parse_codec

AUDIO_PAYLOAD_TYPE: Final = 111
VIDEO_PAYLOAD_TYPE: Final = 97
RTX_PAYLOAD_TYPE: Final = 98
_KEY_FRAME_S: Final = 2.0  # for receivers that cannot ask for a key frame
_PERIOD_S: Final = 0.2
_DRAIN_S: Final = 2.0  # at most, for what waits behind the encoders
_TAIL_S: Final = 0.6  # a receiver may ask for the last packets for so long: its longest delay by default

Progress = Callable[[float, float | None, str], None]  #: seconds done, seconds in all, a few words


@dataclass(frozen=True, slots=True, kw_only=True)
class SendSettings:
    """Settings of :class:`Sending`.

    :ivar file: what is sent: its sound, its pictures or both.
    :ivar to: "host:port" of the receiver. With ``sdp`` sound goes to this port and pictures to the
        second one above (pictures alone: to this one), and RTCP to the next one above each.
    :ivar sdp: description to be written for the receiver; None: the receiver is arcrtc too, all
        media share the port, and lost packets are sent again.
    :ivar srtp: keys; with ``sdp`` there may be one for each medium, in the order sound, pictures.
        Empty: plain RTP.
    :ivar duration_s: the media are repeated or cut to this, 0.5..86400; None: one pass.
    :ivar video_codec: "h264", "vp8", "vp9" or "av1".
    :ivar encoder: as VideoConfig.encoder, of that codec.
    :ivar audio_codec: "opus", "pcmu", "pcma", "g722" or "l16" (at 48000 Hz).
    :ivar audio_bitrate: bits per second of Opus, 6000..510000.
    :ivar video_bitrate: bits per second, 10_000..10**9.
    :ivar channels: of the sound, 1 or 2.
    :ivar height: of the pictures; None: as in the file.
    :ivar red: copies of past packets of Opus in later ones, as :class:`arcrtc.redundancy.RedConfig` has the
        distances; (): none. They have its payload type.
    :raises ConfigError: a value is outside of what is stated here.
    """

    file: Path
    to: str
    sdp: Path | None = None
    srtp: tuple[SrtpConfig, ...] = ()
    duration_s: float | None = None
    video_codec: str = "h264"
    encoder: str = "auto"
    audio_codec: str = "opus"
    audio_bitrate: int = 32_000
    video_bitrate: int = 1_500_000
    channels: int = 1
    height: int | None = None
    red: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.duration_s is not None and not 0.5 <= self.duration_s <= 86_400:
            raise ConfigError(f"duration_s={self.duration_s!r} is outside 0.5..86400")
        if len(self.srtp) > (1 if self.sdp is None else 2):
            raise ConfigError(f"srtp has {len(self.srtp)} keys, for one session each")
        if parse_address(self.to)[1] == 0:
            raise ConfigError(f"to={self.to!r}: port 0 is no address to send to")
        RedConfig(distances=self.red)
        parse_codec(self.video_codec)
        if self.red and not find_codec(self.audio_codec).is_opus:
            raise ConfigError(f"red={self.red!r}: copies are of Opus only, the sound is {self.audio_codec}")


@dataclass(slots=True)
class SendResult:
    """What was sent: one dictionary a stream, as in SessionStats.send, with its round-trip time."""

    duration_s: float
    interrupted: bool
    streams: list[dict[str, Any]] = field(default_factory=list)
    passed_over: list[tuple[str, str]] = field(default_factory=list)  #: encoders that were not taken, and why


def resolve(address: str) -> tuple[str, int]:
    """Numeric host and port of "host:port".

    :raises ArgumentError: not an address. :raises TransportError: no such host.
    """
    host, port = parse_address(address)
    try:
        found = socket.getaddrinfo(host or "127.0.0.1", port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise TransportError(f"{host}: {error.strerror or error}") from error
    return str(found[0][4][0]), port


def join(host: str, port: int) -> str:
    """host:port, with brackets where IPv6 needs them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Sending:
    """A file, opened and ready to go; a context manager. run() sends it.

    When it is made, sockets and encoders are open and the description is written; so all
    that can be refused was refused before the first packet.

    :raises MediaError: the file cannot be read, or the description not be written.
    :raises ConfigError: a setting is not allowed. :raises UnsupportedError: no such encoder works here.
    :raises TransportError: an unknown host, or the system refuses sockets.
    """

    def __init__(self, settings: SendSettings) -> None:
        self.settings = settings
        self.codec = find_codec(settings.audio_codec)
        self.codec.check(self.codec.default_rate, settings.channels)
        self.source: MediaSource = open_media(
            settings.file, sample_rate=self.codec.default_rate, channels=settings.channels, height=settings.height,
            loop=settings.duration_s is not None)
        self.host, self.port = resolve(settings.to)
        self.peers: list[Peer] = []
        self.senders: list[tuple[Peer, AudioSender | VideoSender]] = []
        self.engine = Engine(threads=1, media_threads=1)
        try:
            if settings.sdp is None:
                self._open_together()
            else:
                write_sdp(settings.sdp, self._open_apart())
        except BaseException:
            self.engine.close()
            raise

    def __enter__(self) -> Sending:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.engine.close()

    # --- streams ---

    def _open_peer(self, port: int, srtp: SrtpConfig | None, *, apart: bool) -> Peer:
        if port + apart > 65_535:
            raise ConfigError(f"to={self.settings.to!r}: the ports above it end before all streams have one")
        peer = self.engine.open(
            local="[::]:0" if ":" in self.host else "0.0.0.0:0", remote=join(self.host, port),
            config=SessionConfig(srtp=srtp, nack=not apart), rtcp_ports=(0, port + 1) if apart else None)
        self.peers.append(peer)
        return peer

    def _open_together(self) -> None:
        peer = self._open_peer(self.port, next(iter(self.settings.srtp), None), apart=False)
        if self.source.has_audio:
            self._add_audio(peer, None)
        if self.source.has_video:
            self._add_video(peer, None, rtx=RTX_PAYLOAD_TYPE, key_frame_s=0)

    def _open_apart(self) -> SessionDescription:
        settings = self.settings
        # The same key for both media is sound only while their SSRCs differ (RFC 3711 section 9.1).
        first = secrets.randbelow(2**32 - 2) + 1
        ssrcs = iter((first, first + 1))
        keys = list(settings.srtp[:1]) * 2 if len(settings.srtp) == 1 else list(settings.srtp)
        port, media = self.port, []
        if self.source.has_audio:
            srtp = keys[0] if keys else None
            self._add_audio(self._open_peer(port, srtp, apart=True), next(ssrcs))
            media.append(describe_audio(port, self._audio_type, channels=settings.channels, srtp=srtp,
                                        codec=self.codec.name, red=self._red))
            port += 2
        if self.source.has_video:
            srtp = keys[1] if keys else None
            self._add_video(self._open_peer(port, srtp, apart=True), next(ssrcs), rtx=None,
                            key_frame_s=_KEY_FRAME_S)
            size, rate = self._picture
            media.append(describe_video(port, VIDEO_PAYLOAD_TYPE, srtp=srtp, codec=parse_codec(settings.video_codec),
                                        size=size, frame_rate=rate))
        return SessionDescription(tuple(media), address=self.host, name="arcrtc", session_id=secrets.randbits(62))

    @property
    def _red(self) -> RedConfig | None:
        return RedConfig(distances=self.settings.red) if self.settings.red else None

    @property
    def _audio_type(self) -> int:
        return AUDIO_PAYLOAD_TYPE if self.codec.name == "opus" else self.codec.payload_type

    @property
    def _picture(self) -> tuple[tuple[int, int], float]:
        """Size and frame rate of what is sent."""
        size, rate = self.source.video_size, self.source.frame_rate
        assert size is not None
        assert rate is not None
        return size, min(max(rate, 1.0), 240.0)

    def _add_audio(self, peer: Peer, ssrc: int | None) -> None:
        channels = self.settings.channels
        sender = peer.send_audio(codec=self.codec.name, bitrate=self.settings.audio_bitrate, channels=channels,
                                 frame_size_ms=packet_ms(self.codec.name, channels), payload_type=self._audio_type,
                                 ssrc=ssrc, red=self._red)
        self.senders.append((peer, sender))

    def _add_video(self, peer: Peer, ssrc: int | None, *, rtx: int | None, key_frame_s: float) -> None:
        size, rate = self._picture
        sender = peer.send_video(
            codec=self.settings.video_codec, encoder=self.settings.encoder,
            bitrate=self.settings.video_bitrate, resolution=size, frame_rate=rate,
            keyframe_interval=round(key_frame_s * rate), payload_type=VIDEO_PAYLOAD_TYPE, rtx_payload_type=rtx,
            ssrc=ssrc)
        self.senders.append((peer, sender))

    # --- sending ---

    def run(self, progress: Progress | None = None) -> SendResult:
        """Send the file; Ctrl-C ends it early, with what there was.

        :param progress: called about five times a second.
        :raises MediaError: the file turns out to be broken.
        """
        return asyncio.run(self._run(progress))

    async def _run(self, progress: Progress | None) -> SendResult:
        stop = asyncio.Event()
        with ctrl_c_sets(stop):
            self._start_us = clock_us()
            await run_until_first(
                asyncio.create_task(self._feed()), asyncio.create_task(self._watch(progress)),
                asyncio.create_task(until_set(stop)))
            duration_s = (clock_us() - self._start_us) / 1e6
            if not stop.is_set():
                await run_until_first(asyncio.create_task(self._drain()), asyncio.create_task(until_set(stop)))
            streams = self._stats()
            interrupted = stop.is_set()
        passed_over = [p for _, sender in self.senders for p in getattr(sender, "passed_over", [])]
        return SendResult(duration_s, interrupted, streams, passed_over)

    async def _feed(self) -> None:
        duration_s = self.settings.duration_s
        senders = {sender.kind: sender for _, sender in self.senders}
        start_us = None
        async for frame in self.source.realtime_media(clock_us=clock_us):
            if start_us is None:  # the clock starts with the first frame: decoding it takes time
                start_us = self._start_us = clock_us() - frame.pts_us
            if duration_s is not None and frame.pts_us >= duration_s * 1e6:
                return
            due_us = start_us + frame.pts_us
            sender = senders["audio" if isinstance(frame, MediaAudio) else "video"]
            sender.send(frame.to_frame(), capture_us=due_us)  # type: ignore[arg-type]

    async def _drain(self) -> None:
        """Until nothing waits for an encoder or the pacer, and a while for what must be sent again."""
        end_us = clock_us() + round(_DRAIN_S * 1e6)
        while clock_us() < end_us:
            await asyncio.sleep(0.05)
            stats = [peer.stats() for peer in self.peers]
            if not any(s.session["pacer_queue_pkts"] or any(x["queue"]["depth"] for x in s.send) for s in stats):
                break
        await asyncio.sleep(_TAIL_S)

    async def _watch(self, progress: Progress | None) -> None:
        total_s = self.settings.duration_s or self.source.duration_s
        while True:
            await asyncio.sleep(_PERIOD_S)
            for peer in self.peers:  # bounded lists that nobody else reads
                while peer.poll_event() is not None or peer.poll_sent() is not None:
                    pass
            if progress is not None:
                progress((clock_us() - self._start_us) / 1e6, total_s, _words(self._stats()))

    def _stats(self) -> list[dict[str, Any]]:
        all_stats = {peer: peer.stats() for peer in self.peers}
        return [{**all_stats[peer].send[sender.index], "rtt_us": all_stats[peer].session["rtt_us"],
                 "rtcp_received": all_stats[peer].session["rtcp_received"]}
                for peer, sender in self.senders]


def _words(streams: list[dict[str, Any]]) -> str:
    rate = sum(s["network"]["send_bps"] for s in streams) / 1e6
    rtt_us = max((s["rtt_us"] for s in streams), default=-1)
    heard = f"{rtt_us / 1000:.0f} ms round trip" if rtt_us >= 0 else "no answer yet"
    return f"{rate:.2f} Mb/s, {heard}"
