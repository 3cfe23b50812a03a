"""A peer without threads and without sockets: datagrams in, datagrams out.

``Session`` is the whole transport of one call as a state machine. It reads no
clock and makes no system call: the caller passes datagrams and ``now_us`` in and
takes datagrams, media and events out. The simulator, a replay and other event
loops drive it; :class:`arcrtc.Engine` runs the same machine on native threads.
"""
from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, Final

import numpy as np

from arcrtc._native import NEVER_US, check, error_for, ffi, lib, read_view
from arcrtc.audio.frame import AudioFrame
from arcrtc.errors import ArgumentError, ConfigError, UnsupportedError
from arcrtc.srtp import SrtpConfig, native_config
from arcrtc.video.config import VideoCodec, VideoResolution
from arcrtc.video.encoders import choose
from arcrtc.video.frame import VideoFrame

_WHY_BYTES: Final = 256
OPUS_CLOCK_HZ: Final = 48_000  #: RFC 7587 section 4.1
VIDEO_CLOCK_HZ: Final = 90_000  #: RFC 6184 section 8.1


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigError(f"{name}={value!r} is outside {low}..{high}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """What both sides of a session have in common.

    :ivar srtp: key of what is sent, and of what is received unless
        ``srtp_receive`` is given. None: plain RTP, for tests and for peers on
        the same host; nothing is protected then.
    :ivar srtp_receive: key of what is received, if it is another one.
    :ivar nack: ask for lost video packets and resend what the peer asks for
        (RFC 4585, RFC 4588).
    :ivar nack_audio: the same for audio; a repair needs a round trip, so the
        play-out delay of audio grows by one when packets are lost.
    :ivar min_latency_ms: play-out delay is never below. 0..10000.
    :ivar max_latency_ms: play-out delay is never above; a packet that would need
        more is concealed. min_latency_ms..10000.
    :ivar initial_latency_ms: play-out delay at the start; None: min_latency_ms,
        but not below 20.
    :ivar adaptive: follow the network's jitter.
    :ivar mtu_bytes: largest datagram, UDP payload. 300..1500.
    :ivar pace_percent: packets leave at this multiple of the encoders' target
        rate, so that a key frame is spread out. 100..1000.
    :ivar cname: canonical name in RTCP (RFC 7022); None: a random one.
    :ivar seed: of everything random but keys: SSRCs, sequence numbers, RTCP
        timing. None: unpredictable. A number makes a simulation repeat.
    :ivar pool_pkts: packets of each side, 2 kB each. 64..65536.
    :raises ConfigError: a value is outside of what is stated here.
    """

    srtp: SrtpConfig | None = None
    srtp_receive: SrtpConfig | None = None
    nack: bool = True
    nack_audio: bool = False
    min_latency_ms: int = 0
    max_latency_ms: int = 500
    initial_latency_ms: int | None = None
    adaptive: bool = True
    mtu_bytes: int = 1200
    pace_percent: int = 250
    reduced_size: bool = False
    cname: str | None = None
    seed: int | None = None
    pool_pkts: int = 4096

    def __post_init__(self) -> None:
        _check_range("min_latency_ms", self.min_latency_ms, 0, 10_000)
        _check_range("max_latency_ms", self.max_latency_ms, self.min_latency_ms, 10_000)
        if self.initial_latency_ms is not None:
            _check_range("initial_latency_ms", self.initial_latency_ms, self.min_latency_ms,
                         self.max_latency_ms)
        _check_range("mtu_bytes", self.mtu_bytes, 300, 1500)
        _check_range("pace_percent", self.pace_percent, 100, 1000)
        _check_range("pool_pkts", self.pool_pkts, 64, 65_536)
        if self.seed is not None:
            _check_range("seed", self.seed, 0, 2**64 - 1)
        if self.cname is not None and not 1 <= len(self.cname.encode()) < lib.ARC_SESSION_CNAME_BYTES:
            raise ConfigError(f"cname has {len(self.cname.encode())} bytes, must have "
                              f"1..{lib.ARC_SESSION_CNAME_BYTES - 1}")
        if self.srtp_receive is not None and self.srtp is None:
            raise ConfigError("srtp_receive is given without srtp: one side would be in clear")

    @property
    def start_latency_ms(self) -> int:
        """initial_latency_ms with its default filled in."""
        if self.initial_latency_ms is not None:
            return self.initial_latency_ms
        return min(max(self.min_latency_ms, 20), self.max_latency_ms)


class Concealment(IntEnum):
    """Where the samples of a received block come from."""

    DECODED = lib.ARC_BLOCK_DECODED  #: from its own packet
    FEC = lib.ARC_BLOCK_FEC  #: from the redundancy in the next packet
    CONCEALED = lib.ARC_BLOCK_CONCEALED  #: made up: nothing arrived
    SILENT = lib.ARC_BLOCK_SILENT  #: the sender sent nothing (DTX)
    INSERTED = lib.ARC_BLOCK_INSERTED  #: made up: the play-out delay grew


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedFrame:
    """Media whose play-out time has come, and its way here.

    Times are microseconds of the monotonic clock that the session was driven by.

    :ivar frame: the samples or the picture.
    :ivar stream: index of the received stream.
    :ivar rtp_timestamp: of the first sample or the picture, 0..2**32-1.
    :ivar arrival_us: its first packet came; -1: none did (concealed).
    :ivar complete_us: its last packet came.
    :ivar decoded_us: it was decoded.
    :ivar playout_us: it is to be heard or seen.
    :ivar late: a picture decoded more than 10 ms after it was due.
    :ivar capture_ntp_us: the sender's wall clock at capture, microseconds since
        1900; None before the first RTCP sender report.
    """

    frame: AudioFrame | VideoFrame
    stream: int
    rtp_timestamp: int
    arrival_us: int
    complete_us: int
    decoded_us: int
    playout_us: int
    capture_ntp_us: int | None
    concealment: Concealment = Concealment.DECODED
    is_keyframe: bool = False
    damaged: bool = False
    late: bool = False
    bytes: int = 0
    packets: int = 0

    @property
    def is_audio(self) -> bool:
        """True for samples, False for a picture."""
        return isinstance(self.frame, AudioFrame)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFrame:
    """A frame all of whose packets have left; for latency budgets. Times in microseconds."""

    stream: int
    rtp_timestamp: int
    is_keyframe: bool
    packets: int
    bytes: int
    capture_us: int
    encoded_us: int
    first_us: int
    last_us: int


class EventType(Enum):
    """What an event tells."""

    STREAM_ADDED = lib.ARC_EVENT_STREAM_ADDED
    STREAM_ENDED = lib.ARC_EVENT_STREAM_ENDED
    KEYFRAME_WANTED = lib.ARC_EVENT_KEY_FRAME_WANTED
    RTT = lib.ARC_EVENT_RTT
    SSRC_COLLISION = lib.ARC_EVENT_SSRC_COLLISION


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a session.

    :ivar stream: index of the stream it is about; None: the session.
    :ivar value: the SSRC, or for RTT the smoothed round-trip time in microseconds.
    """

    type: EventType
    stream: int | None
    now_us: int
    value: int


def to_dict(struct: Any) -> dict[str, Any]:
    """A C struct of numbers (and such structs) as a dictionary."""
    out: dict[str, Any] = {}
    for name, part in ffi.typeof(struct).fields:
        value = getattr(struct, name)
        out[name] = to_dict(value) if part.type.kind == "struct" else value
    return out


def random_ssrc(rng: np.random.Generator | None) -> int:
    """An SSRC that is not zero (RFC 3550 section 8.1)."""
    return int(rng.integers(1, 2**32)) if rng is not None else secrets.randbelow(2**32 - 1) + 1


def _parse_resolution(resolution: Any) -> tuple[int, int]:
    """Width and height of ``"720p"``, ``(1280, 720)`` or a VideoResolution."""
    if isinstance(resolution, VideoResolution):
        return resolution.width, resolution.height
    if isinstance(resolution, str):
        named = {f"{r.height}p": r for r in VideoResolution}
        if resolution not in named:
            raise ConfigError(f"resolution={resolution!r} is not one of {', '.join(named)}, "
                              "nor a (width, height) pair")
        return named[resolution].width, named[resolution].height
    try:
        width, height = resolution
        return int(width), int(height)
    except (TypeError, ValueError):
        raise ConfigError(f"resolution={resolution!r} is not a name such as '720p' nor (width, height)") from None


def _parse_codec(codec: Any) -> VideoCodec:
    if isinstance(codec, VideoCodec):
        return codec
    try:
        return VideoCodec(str(codec).lower().replace(".", ""))
    except ValueError:
        raise ConfigError(f"codec={codec!r} is not one of {', '.join(c.value for c in VideoCodec)}") from None


class _Sender:
    """What audio and video senders share. Made by Session and Peer, not by callers."""

    def __init__(self, owner: Any, handle: Any, kind: str, ssrc: int, payload_type: int) -> None:
        self._owner = owner
        self._handle = handle
        self.kind = kind
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.index = int(lib.arc_send_index(handle))

    @property
    def encoder(self) -> str:
        """Name of the encoder in use, such as "opus" or "libx264"."""
        return str(ffi.string(lib.arc_send_encoder(self._handle)).decode())

    def set_bitrate(self, bps: int) -> None:
        """Change the target in place, from the next frame on, without a key frame.

        :param bps: bits per second; 6000..510000 for audio, 10_000..10**9 for video.
        :raises ArgumentError: outside of that.
        """
        if lib.arc_send_set_bitrate(self._handle, bps) != lib.ARC_OK:
            low, high = (6000, 510_000) if self.kind == "audio" else (10_000, 10**9)
            raise ArgumentError(f"bitrate {bps} is outside {low}..{high}")

    def mute(self, muted: bool = True) -> None:
        """Send silence, or no pictures, until called with False."""
        lib.arc_send_set_muted(self._handle, muted)

    def flush(self) -> int:
        """Throw away what waits for the encoder; returns how many frames that were."""
        return int(self._owner._flush(self))

    def stats(self) -> dict[str, Any]:
        """Counters of this stream: ``media`` (encoder), ``network`` and ``queue``."""
        return dict(self._owner._sender_stats(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(ssrc={self.ssrc:#010x}, payload_type={self.payload_type}, {self.encoder})"


class AudioSender(_Sender):
    """Handle of a sent audio stream."""

    def __init__(self, owner: Any, handle: Any, ssrc: int, payload_type: int, sample_rate: int,
                 channels: int) -> None:
        super().__init__(owner, handle, "audio", ssrc, payload_type)
        self.sample_rate = sample_rate
        self.channels = channels

    def send(self, frame: AudioFrame, *, capture_us: int | None = None, now_us: int | None = None) -> None:
        """Encode and queue samples; any length up to 120 ms, gathered to whole packets.

        :param frame: int16 or float32, of this stream's rate and channels.
        :param capture_us: when the first sample was taken; None: now.
        :param now_us: None: the monotonic clock.
        :raises ArgumentError: another rate or channel count, or more than 120 ms.
        """
        if frame.sample_rate != self.sample_rate or frame.channels != self.channels:
            raise ArgumentError(
                f"frame has {frame.sample_rate} Hz, {frame.channels} channel(s); this stream was opened with "
                f"{self.sample_rate} Hz, {self.channels} channel(s)")
        if not 1 <= frame.n_samples <= lib.ARC_SESSION_MAX_SAMPLES // 2:
            raise ArgumentError(f"frame has {frame.n_samples} samples, must have "
                                f"1..{lib.ARC_SESSION_MAX_SAMPLES // 2}")
        pcm = np.ascontiguousarray(frame.to_int16())
        self._owner._send_audio(self, pcm, frame.n_samples, capture_us, now_us)


class VideoSender(_Sender):
    """Handle of a sent video stream."""

    def __init__(self, owner: Any, handle: Any, ssrc: int, payload_type: int, width: int, height: int,
                 frame_rate: float, passed_over: list[tuple[str, str]]) -> None:
        super().__init__(owner, handle, "video", ssrc, payload_type)
        self.width = width
        self.height = height
        self.frame_rate = frame_rate
        self.passed_over = passed_over  #: encoders that were not taken, and why

    def send(self, frame: VideoFrame, *, capture_us: int | None = None, now_us: int | None = None) -> None:
        """Encode and queue a picture; it is scaled when it has another size.

        :param frame: any format and size.
        :param capture_us: when it was taken; None: now.
        :param now_us: None: the monotonic clock.
        """
        self._owner._send_video(self, frame.native(), capture_us, now_us)

    def request_keyframe(self) -> None:
        """Make the next picture a key frame."""
        lib.arc_send_request_key(self._handle)


class Receiver:
    """Handle of a received stream."""

    def __init__(self, owner: Any, handle: Any, kind: str, payload_type: int) -> None:
        self._owner = owner
        self._handle = handle
        self.kind = kind
        self.payload_type = payload_type
        self.index = int(lib.arc_recv_index(handle))

    def stats(self) -> dict[str, Any]:
        """Counters of this stream: ``media`` (buffer, decoder, concealment), ``network`` and ``queue``."""
        return dict(self._owner._receiver_stats(self))

    def __repr__(self) -> str:
        return f"Receiver({self.kind}, payload_type={self.payload_type})"


def received_frame(out: Any, stream: int) -> ReceivedFrame:
    """Take over what arc_recv_pull() or arc_worker_fetch() wrote."""
    frame: AudioFrame | VideoFrame
    if out.kind == lib.ARC_MEDIA_AUDIO:
        n = out.n_samples * out.channels
        samples = np.frombuffer(ffi.buffer(out.samples, n * 2), dtype=np.int16).copy()
        frame = AudioFrame(samples=samples.reshape(-1, out.channels) if out.channels > 1 else samples,
                           sample_rate=out.sample_rate_hz, channels=out.channels, timestamp=out.rtp_ts,
                           concealed=out.block in (lib.ARC_BLOCK_CONCEALED, lib.ARC_BLOCK_INSERTED))
    else:
        handle = out.frame
        handle.ts = out.rtp_ts
        frame = VideoFrame.from_native(ffi.gc(handle, lib.arc_vframe_unref, handle.stride[0] * handle.height * 3 // 2))
    return ReceivedFrame(
        frame=frame, stream=stream, rtp_timestamp=out.rtp_ts, arrival_us=out.arrival_us,
        complete_us=out.complete_us, decoded_us=out.decoded_us, playout_us=out.playout_us,
        capture_ntp_us=out.ntp_us if out.ntp_us >= 0 else None, concealment=Concealment(out.block),
        is_keyframe=out.is_key, damaged=out.damaged, late=out.late, bytes=out.bytes, packets=out.pkts)


class SessionCore:
    """The native session and its streams: what Session and Peer have in common."""

    def __init__(self, config: SessionConfig, now_us: int, ntp_now: int) -> None:
        self.config = config
        self._rng = np.random.default_rng(config.seed) if config.seed is not None else None
        self._handle = self._open(now_us, ntp_now)
        self.senders: list[AudioSender | VideoSender] = []
        self.receivers: list[Receiver] = []
        self._ssrcs: set[int] = set()

    def _open(self, now_us: int, ntp_now: int) -> Any:
        config = self.config
        cfg = ffi.new("struct arc_session_config *")
        if config.srtp is not None:
            cfg.srtp = True
            native_config(config.srtp, ffi.addressof(cfg, "srtp_send"))
            native_config(config.srtp_receive or config.srtp, ffi.addressof(cfg, "srtp_receive"))
        cname = config.cname or (self._rng.bytes(12).hex() if self._rng is not None else secrets.token_hex(12))
        cfg.cname = cname.encode()
        cfg.seed = config.seed if config.seed is not None else secrets.randbits(64)
        cfg.ntp_at_zero = (ntp_now - (now_us // 10**6 << 32) - (now_us % 10**6 << 32) // 10**6) % 2**64
        cfg.pool_pkts = config.pool_pkts
        cfg.mtu_bytes = config.mtu_bytes
        cfg.pace_percent = config.pace_percent
        cfg.nack = config.nack
        cfg.nack_audio = config.nack_audio
        cfg.reduced_size = config.reduced_size
        out = ffi.new("struct arc_session **")
        status = lib.arc_session_new(cfg, now_us, out)
        ffi.memmove(cfg, bytes(ffi.sizeof("struct arc_session_config")), ffi.sizeof("struct arc_session_config"))
        check(status, "Session")
        return ffi.gc(out[0], lib.arc_session_free, config.pool_pkts * 2048)

    # --- streams ---

    def _draw_ssrc(self, wanted: int | None) -> int:
        ssrc = wanted
        while ssrc is None or (wanted is None and ssrc in self._ssrcs):
            ssrc = random_ssrc(self._rng)
        _check_range("ssrc", ssrc, 1, 2**32 - 1)
        self._ssrcs.add(ssrc)
        return ssrc

    def _add_send(self, cfg: Any, what: str) -> Any:
        out = ffi.new("struct arc_sendstream **")
        why = ffi.new("char[]", _WHY_BYTES)
        status = lib.arc_session_add_send(self._handle, cfg, out, why, _WHY_BYTES)
        if status != lib.ARC_OK:
            raise _explained(status, what, why)
        return out[0]

    def _add_recv(self, cfg: Any, what: str) -> Any:
        out = ffi.new("struct arc_recvstream **")
        why = ffi.new("char[]", _WHY_BYTES)
        status = lib.arc_session_add_recv(self._handle, cfg, out, why, _WHY_BYTES)
        if status != lib.ARC_OK:
            raise _explained(status, what, why)
        return out[0]

    def send_audio(self, *, codec: str = "opus", bitrate: int = 32_000, sample_rate: int = 48_000,
                   channels: int = 1, frame_size_ms: float = 20, payload_type: int = 111,
                   rtx_payload_type: int | None = None, ssrc: int | None = None, fec: bool = True,
                   dtx: bool = False, expected_loss_pct: int = 5, complexity: int = 9,
                   application: str = "voip") -> AudioSender:
        """Open a sent audio stream.

        :param codec: "opus".
        :param bitrate: bits per second, 6000..510000.
        :param sample_rate: of the frames to come: 8000, 12000, 16000, 24000 or 48000 Hz.
        :param channels: 1 or 2.
        :param frame_size_ms: audio in a packet: 2.5, 5, 10, 20, 40, 60 ... 120.
        :param payload_type: 0..63 or 96..127.
        :param rtx_payload_type: of the retransmission stream; None: none, unless
            the session was made with nack_audio (then payload_type + 1).
        :param ssrc: None: a random one.
        :param fec: in-band FEC, as strong as the loss that the peer reports.
        :param dtx: send next to nothing while nobody speaks.
        :param expected_loss_pct: loss assumed until the peer reports, 0..100.
        :param complexity: 0..10.
        :param application: "voip", "audio" or "lowdelay".
        :raises ConfigError: a value is not allowed.
        """
        if codec.lower() != "opus":
            raise UnsupportedError(f"codec={codec!r}: audio is sent as opus")
        applications = {"voip": lib.ARC_OPUS_APPLICATION_VOIP, "audio": lib.ARC_OPUS_APPLICATION_AUDIO,
                        "lowdelay": lib.ARC_OPUS_APPLICATION_LOWDELAY}
        if application not in applications:
            raise ConfigError(f"application={application!r} is not one of {', '.join(applications)}")
        if frame_size_ms not in (2.5, 5, 10, 20, 40, 60, 80, 100, 120):
            raise ConfigError(f"frame_size_ms={frame_size_ms!r} is not one of 2.5, 5, 10, 20, 40, 60, 80, 100, 120")
        if rtx_payload_type is None and self.config.nack and self.config.nack_audio:
            rtx_payload_type = payload_type + 1
        cfg = ffi.new("struct arc_send_config *")
        cfg.kind = lib.ARC_MEDIA_AUDIO
        cfg.ssrc = self._draw_ssrc(ssrc)
        cfg.payload_type = payload_type
        cfg.rtx_payload_type = -1 if rtx_payload_type is None else rtx_payload_type
        cfg.rtx_ssrc = 0 if rtx_payload_type is None else self._draw_ssrc(None)
        cfg.frame_us = int(frame_size_ms * 1000)
        opus = cfg.opus
        opus.sample_rate_hz = sample_rate
        opus.channels = channels
        opus.bitrate_bps = bitrate
        opus.complexity = complexity
        opus.application = applications[application]
        opus.expected_loss_pct = expected_loss_pct
        opus.dtx, opus.fec, opus.vbr = dtx, fec, True
        sender = AudioSender(self, self._add_send(cfg, "send_audio"), cfg.ssrc, payload_type, sample_rate, channels)
        self.senders.append(sender)
        return sender

    def send_video(self, *, codec: str | VideoCodec = "h264", encoder: str = "auto", bitrate: int = 1_500_000,
                   resolution: str | tuple[int, int] | VideoResolution = "720p", frame_rate: float = 30,
                   keyframe_interval: int = 0, payload_type: int = 97, rtx_payload_type: int | None = 98,
                   ssrc: int | None = None, threads: int = 0, speed: int = -1) -> VideoSender:
        """Open a sent video stream.

        :param codec: "h264".
        :param encoder: "auto", "software", "nvenc", "vaapi" ... or a library's name such as "libx264".
        :param bitrate: bits per second, 10_000..10**9; changed in place with set_bitrate().
        :param resolution: "360p" ... "4320p", (width, height) or a VideoResolution.
        :param frame_rate: frames per second, what the rate control plans with.
        :param keyframe_interval: frames between key frames; 0: only on request.
        :param rtx_payload_type: of the retransmission stream (RFC 4588); None: none.
        :param threads: slices coded in parallel, 1..16; 0: by size and cores.
        :param speed: 0 best picture ... 8 quickest; -1: by size and cores.
        :raises ConfigError: a value is not allowed.
        :raises UnsupportedError: no such encoder works here; the message says why.
        """
        video_codec = _parse_codec(codec)
        if video_codec is not VideoCodec.H264:
            raise UnsupportedError(f"codec={video_codec.name}: this version sends H264 only")
        width, height = _parse_resolution(resolution)
        _check_range("frame_rate", frame_rate, 1, 240)
        name, passed_over = choose(video_codec, encoder)
        cfg = ffi.new("struct arc_send_config *")
        cfg.kind = lib.ARC_MEDIA_VIDEO
        cfg.ssrc = self._draw_ssrc(ssrc)
        cfg.payload_type = payload_type
        cfg.rtx_payload_type = -1 if rtx_payload_type is None else rtx_payload_type
        cfg.rtx_ssrc = 0 if rtx_payload_type is None else self._draw_ssrc(None)
        video = cfg.video
        video.name = name.encode()
        video.codec = lib.ARC_VIDEO_H264
        video.width, video.height = width, height
        video.frame_rate_num, video.frame_rate_den = round(frame_rate * 1000), 1000
        video.bitrate_bps = bitrate
        video.keyframe_interval_frames = keyframe_interval
        video.threads, video.speed = threads, speed
        sender = VideoSender(self, self._add_send(cfg, "send_video"), cfg.ssrc, payload_type, width, height,
                             frame_rate, list(passed_over))
        self.senders.append(sender)
        return sender

    def _recv_config(self, kind: int, payload_type: int, rtx_payload_type: int | None) -> Any:
        cfg = ffi.new("struct arc_recv_config *")
        cfg.kind = kind
        cfg.payload_type = payload_type
        cfg.rtx_payload_type = -1 if rtx_payload_type is None else rtx_payload_type
        cfg.min_latency_ms = self.config.min_latency_ms
        cfg.max_latency_ms = self.config.max_latency_ms
        cfg.initial_latency_ms = self.config.start_latency_ms
        cfg.adaptive = self.config.adaptive
        return cfg

    def receive_audio(self, *, codec: str = "opus", payload_type: int = 111, rtx_payload_type: int | None = None,
                      sample_rate: int = 48_000, channels: int = 1) -> Receiver:
        """Be ready for an audio stream; its SSRC is learned from its first authentic packet.

        :param sample_rate: of the blocks that come out: 8000, 12000, 16000, 24000 or 48000 Hz.
        :param channels: of the blocks that come out, 1 or 2, whatever is sent.
        :raises ConfigError: a value is not allowed.
        """
        if codec.lower() != "opus":
            raise UnsupportedError(f"codec={codec!r}: audio is received as opus")
        if rtx_payload_type is None and self.config.nack and self.config.nack_audio:
            rtx_payload_type = payload_type + 1
        cfg = self._recv_config(lib.ARC_MEDIA_AUDIO, payload_type, rtx_payload_type)
        cfg.sample_rate_hz = sample_rate
        cfg.channels = channels
        receiver = Receiver(self, self._add_recv(cfg, "receive_audio"), "audio", payload_type)
        self.receivers.append(receiver)
        return receiver

    def receive_video(self, *, codec: str | VideoCodec = "h264", payload_type: int = 97,
                      rtx_payload_type: int | None = 98, threads: int = 1) -> Receiver:
        """Be ready for a video stream; its SSRC is learned from its first authentic packet.

        :param threads: of the decoder, 1..16.
        :raises ConfigError: a value is not allowed.
        """
        if _parse_codec(codec) is not VideoCodec.H264:
            raise UnsupportedError(f"codec={codec!r}: this version receives H264 only")
        cfg = self._recv_config(lib.ARC_MEDIA_VIDEO, payload_type, rtx_payload_type)
        cfg.codec = lib.ARC_VIDEO_H264
        cfg.threads = threads
        receiver = Receiver(self, self._add_recv(cfg, "receive_video"), "video", payload_type)
        self.receivers.append(receiver)
        return receiver

    # --- what the native session tells ---

    def poll_event(self) -> Event | None:
        """Return the next event; None: nothing happened. Unread events are bounded; the newest are lost."""
        out = ffi.new("struct arc_event *")
        if lib.arc_session_poll_event(self._handle, out) != lib.ARC_OK:
            return None
        return Event(type=EventType(out.type), stream=out.stream if out.stream >= 0 else None,
                     now_us=out.now_us, value=out.value)

    def poll_sent(self) -> SentFrame | None:
        """Return the next frame that has left altogether; None: none. Bounded like events."""
        out = ffi.new("struct arc_sent_frame *")
        if lib.arc_session_poll_sent(self._handle, out) != lib.ARC_OK:
            return None
        return SentFrame(stream=out.stream, rtp_timestamp=out.rtp_ts, is_keyframe=out.is_key, packets=out.pkts,
                         bytes=out.bytes, capture_us=out.capture_us, encoded_us=out.encoded_us,
                         first_us=out.first_us, last_us=out.last_us)


def _explained(status: int, what: str, why: Any) -> Exception:
    """The fitting error, with the core's own words if it has any."""
    error = error_for(status, what)
    text = ffi.string(why).decode(errors="replace")
    if not text:
        return error
    cls = ConfigError if status == lib.ARC_ERR_ARG else type(error)
    return cls(f"{what}: {text}")


@dataclass(slots=True)
class SessionStats:
    """Counters of a session and its streams; plain dictionaries, units in the names.

    :ivar session: datagrams, RTCP, round-trip time, pacer, and ``drops`` with a
        counter for each reason.
    :ivar send: one dictionary a sent stream: ``media``, ``network``, ``queue``.
    :ivar receive: one a received stream, likewise.
    """

    session: dict[str, Any]
    send: list[dict[str, Any]] = field(default_factory=list)
    receive: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {"session": self.session, "send": self.send, "receive": self.receive}

    def to_table(self) -> str:
        """A few lines for people."""
        lines = [f"{'stream':<14}{'packets':>9}{'kB':>9}{'lost':>7}{'repaired':>10}{'late':>6}{'concealed':>11}"]
        for i, s in enumerate(self.send):
            n = s["network"]
            lines.append(f"{'send ' + s['kind'] + f' {i}':<14}{n['pkts']:>9}{n['bytes'] / 1000:>9.1f}"
                         f"{n['remote_lost_pkts']:>7}{n['rtx_pkts']:>10}{'-':>6}{'-':>11}")
        for i, r in enumerate(self.receive):
            n, m = r["network"], r["media"]
            hidden = (f"{100 * m['concealed_samples'] / max(m['samples_out'], 1):.1f} %" if r["kind"] == "audio"
                      else f"{m['frames_given_up'] + m['frames_undecodable']} fr")
            lines.append(f"{'recv ' + r['kind'] + f' {i}':<14}{n['pkts']:>9}{n['bytes'] / 1000:>9.1f}"
                         f"{n['lost_pkts']:>7}{n['recovered_pkts']:>10}{m['late_pkts']:>6}{hidden:>11}")
        rtt = self.session["rtt_us"]
        lines.append("round-trip time " + (f"{rtt / 1000:.1f} ms" if rtt >= 0 else "not known yet"))
        return "\n".join(lines)


def _clock(now_us: int | None) -> int:
    return time.monotonic_ns() // 1000 if now_us is None else now_us


class Session(SessionCore):
    """A peer as a state machine. Not thread-safe: one thread at a time.

    Drive it like this, whenever a datagram came or ``next_timeout_us()`` is reached::

        session.receive(datagram, now_us)
        while (datagram := session.poll_transmit(now_us)) is not None:
            socket.send(datagram)
        while (received := session.poll_frame(now_us)) is not None:
            ...

    :param config: None: the defaults of SessionConfig, which means plain RTP.
    :param now_us: monotonic time now; None: the clock is read.
    :param ntp_now: wall clock now as NTP timestamp (32.32), for RTCP; None: read.
        A simulation passes both.
    :raises ConfigError: see SessionConfig.
    """

    def __init__(self, config: SessionConfig | None = None, *, now_us: int | None = None,
                 ntp_now: int | None = None) -> None:
        config = config or SessionConfig()
        if ntp_now is None:
            # A simulation that repeats must not see the wall clock.
            ntp_now = lib.arc_clock_ntp() if now_us is None else (3_900_000_000 << 32) + (now_us << 32) // 10**6
        super().__init__(config, _clock(now_us), ntp_now)
        self._out = ffi.new("uint8_t[]", config.mtu_bytes)
        self._len = ffi.new("size_t *")
        self._received = ffi.new("struct arc_received *")
        self._ready: deque[ReceivedFrame] = deque()

    def receive(self, datagram: bytes | bytearray | memoryview, now_us: int | None = None) -> None:
        """Take a datagram. Whatever is wrong with it is counted in stats(), never raised."""
        view = read_view(datagram)
        lib.arc_session_receive(self._handle, view, len(view), _clock(now_us))

    def poll_transmit(self, now_us: int | None = None) -> bytes | None:
        """Return the next datagram that is due; None: none until next_timeout_us()."""
        status = lib.arc_session_transmit(self._handle, _clock(now_us), self._out, len(self._out), self._len)
        if not check(status, "Session.poll_transmit"):
            return None
        return bytes(ffi.buffer(self._out, self._len[0]))

    def next_timeout_us(self) -> int:
        """When something is due next, microseconds; NEVER_US: not by itself."""
        next_us = int(lib.arc_session_next_us(self._handle))
        for receiver in self.receivers:
            next_us = min(next_us, int(lib.arc_recv_next_us(receiver._handle)))
        return next_us

    def poll_frame(self, now_us: int | None = None) -> ReceivedFrame | None:
        """Return media whose play-out time has come; None: none until next_timeout_us()."""
        now = _clock(now_us)
        for receiver in self.receivers:
            # A second look after AGAIN: the first one may have decoded a picture.
            for _ in range(2):
                if lib.arc_recv_pull(receiver._handle, now, self._received) == lib.ARC_OK:
                    return received_frame(self._received, receiver.index)
                if lib.arc_recv_next_us(receiver._handle) > now:
                    break
        return None

    def frames(self, now_us: int | None = None) -> Iterator[ReceivedFrame]:
        """All that poll_frame() has to give now."""
        now = _clock(now_us)
        while (received := self.poll_frame(now)) is not None:
            yield received

    def close(self) -> None:
        """Queue a BYE; what poll_transmit() gives next says good-bye (RFC 3550 section 6.6)."""
        lib.arc_session_bye(self._handle)

    def stats(self) -> SessionStats:
        """Counters of the session and all streams."""
        out = ffi.new("struct arc_session_stats *")
        lib.arc_session_get_stats(self._handle, out)
        return SessionStats(session=to_dict(out[0]), send=[s.stats() for s in self.senders],
                            receive=[r.stats() for r in self.receivers])

    # --- what the handles call ---

    def _send_audio(self, sender: AudioSender, pcm: Any, n_samples: int, capture_us: int | None,
                    now_us: int | None) -> None:
        now = _clock(now_us)
        view = ffi.from_buffer("int16_t[]", pcm)
        check(lib.arc_send_audio(sender._handle, view, n_samples, now if capture_us is None else capture_us, now),
              "AudioSender.send")

    def _send_video(self, sender: VideoSender, frame: Any, capture_us: int | None, now_us: int | None) -> None:
        now = _clock(now_us)
        if check(lib.arc_send_video(sender._handle, frame, now if capture_us is None else capture_us, now),
                 "VideoSender.send"):
            lib.arc_send_flush(sender._handle, _clock(now_us))

    def _flush(self, sender: _Sender) -> int:
        return 0  # nothing waits: send() encodes at once

    def _sender_stats(self, sender: _Sender) -> dict[str, Any]:
        media = ffi.new("struct arc_send_media_stats *")
        network = ffi.new("struct arc_send_net_stats *")
        lib.arc_send_get_stats(sender._handle, media)
        lib.arc_session_get_send_stats(self._handle, sender.index, network)
        return {"kind": sender.kind, "encoder": sender.encoder, "media": to_dict(media[0]),
                "network": to_dict(network[0])}

    def _receiver_stats(self, receiver: Receiver) -> dict[str, Any]:
        media = ffi.new("struct arc_recv_media_stats *")
        network = ffi.new("struct arc_recv_net_stats *")
        lib.arc_recv_get_stats(receiver._handle, media)
        lib.arc_session_get_recv_stats(self._handle, receiver.index, network)
        return {"kind": receiver.kind, "media": to_dict(media[0]), "network": to_dict(network[0])}


__all__ = [
    "NEVER_US", "AudioSender", "Concealment", "Event", "EventType", "ReceivedFrame", "Receiver", "SentFrame",
    "Session", "SessionConfig", "SessionStats", "VideoSender",
]
