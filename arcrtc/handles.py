"""Handles of a session's streams: what a program sends through and asks for counters."""
from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from arcrtc._native import check, ffi, lib
from arcrtc._ranges import check_int
from arcrtc.audio.config import AudioConfig
from arcrtc.audio.figures import QualityMeter
from arcrtc.audio.frame import AudioFrame, Samples
from arcrtc.audio.opusparameters import OpusParameters
from arcrtc.audio.sentopus import SentOpus
from arcrtc.config import check_range
from arcrtc.errors import ArgumentError
from arcrtc.fec import FecConfig, fill_policy
from arcrtc.redundancy import RedConfig, native_set
from arcrtc.streamtables import StreamPlace
from arcrtc.video.config import VideoResolution, parse_resolution
from arcrtc.video.frame import VideoFrame


class _Stream:
    """What a stream manager asks of senders and receivers."""

    _owner: Any
    _direction: int
    kind: str
    index: int

    def _stream_place(self) -> StreamPlace:
        if not hasattr(self._owner, "_stream_owner"):
            raise ArgumentError(f"{self!r} belongs to a session without an engine: nobody but its caller reads it")
        tables, owner = self._owner._stream_owner()
        return StreamPlace(tables, owner, self._direction, self.index)

    def _stream_kind(self) -> str:
        return self.kind

    def _stream_sources(self) -> int:
        return 1

    def _hold_stream(self, held: bool) -> None:
        """What is received comes as it is sent."""

    def _end_stream(self) -> None:
        """It lives as long as its peer: at its end it is held."""
        self._hold_stream(True)


class _Sender(_Stream):
    """What audio and video senders share. Made by Session and Peer, not by callers."""

    _direction = lib.ARC_STREAM_OUTBOUND
    rtx_payload_type: int | None = None  # of the retransmission stream
    packet_fec: FecConfig | None = None  # parity that it was opened with
    in_band_fec = False  # of its codec

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
        low, high = (6000, 510_000) if self.kind == "audio" else (10_000, 10**9)
        if not low <= bps <= high or lib.arc_send_set_bitrate(self._handle, bps) != lib.ARC_OK:
            raise ArgumentError(f"bitrate {bps} is outside {low}..{high}")

    def set_fec(self, overhead: float, burst_packets: int = 1, two_dimensional: bool = False) -> None:
        """Change how much parity there is and of what shape, from the next packet on.

        :param overhead: bytes of repairs over bytes of media, 0..1; 0: none.
        :param burst_packets: so many losses in a row shall be recovered, 1..32.
        :param two_dimensional: rows and columns, see FecConfig.
        :raises ConfigError: out of range.
        :raises ArgumentError: the stream was opened without packet_fec.
        """
        policy = ffi.new("struct arc_fecenc_policy *")
        fill_policy(policy, overhead, burst_packets, two_dimensional)
        if lib.arc_send_set_fec(self._handle, policy) != lib.ARC_OK:
            raise ArgumentError("set_fec: the stream was opened without packet_fec")

    def mute(self, muted: bool = True) -> None:
        """Send silence, or no pictures, until called with False."""
        lib.arc_send_set_muted(self._handle, muted)

    def _hold_stream(self, held: bool) -> None:
        self.mute(held)

    def stats(self) -> dict[str, Any]:
        """Counters of this stream: ``media`` (encoder), ``network`` and ``queue``."""
        return dict(self._owner._sender_stats(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(ssrc={self.ssrc:#010x}, payload_type={self.payload_type}, {self.encoder})"


@dataclass(frozen=True, slots=True)
class Played:
    """What became of the sound given to :meth:`AudioSender.play` since the last flush.

    :ivar played_ms: media time that was sent: whose packets were taken by the network side. What the
        listener has heard is less by half a round trip and his play-out delay.
    :ivar waiting_ms: media time not sent yet; as the result of flush(): thrown away.
    :ivar frames: of :meth:`AudioSender.send`, thrown away by flush() before they were encoded.
    """

    played_ms: float
    waiting_ms: float
    frames: int = 0


class AudioSender(_Sender):
    """Handle of a sent audio stream; made by send_audio().

    :ivar sample_rate: of the frames to send, Hz. :ivar channels: 1 or 2.
    :ivar ssrc: 1..2**32-1; another one once poll_event() or events() gave SSRC_CHANGED for it.
    :ivar payload_type: 0..127. :ivar index: among the sent streams, 0..7.
    :ivar red: which past frames go out again; None: none, ever.
    :ivar has_dtmf: keys can be sent.

    Lives as long as its session. Threads: those of the session or peer that made it.
    """

    _sent_opus: SentOpus | None = None

    def __init__(self, owner: Any, handle: Any, ssrc: int, payload_type: int, sample_rate: int,
                 channels: int, red: RedConfig | None = None, has_dtmf: bool = False,
                 sent_opus: SentOpus | None = None) -> None:
        super().__init__(owner, handle, "audio", ssrc, payload_type)
        if sent_opus is not None:
            self._sent_opus, self.in_band_fec = sent_opus, sent_opus.used.fec
        self.has_dtmf = has_dtmf
        self.sample_rate = sample_rate
        self.channels = channels
        self.red = red

    @property
    def opus(self) -> AudioConfig | None:
        """How it is coded now, as far as the peer likes it; None: it is another codec."""
        return None if self._sent_opus is None else self._sent_opus.used

    @property
    def dred_ms(self) -> int:
        """Deep redundancy that each packet may hold, milliseconds; 0: none."""
        return 0 if self._sent_opus is None else self._sent_opus.dred_ms

    def set_bitrate(self, bps: int) -> None:
        """Change the target in place, from the next packet on; a codec of one rate keeps it.

        :param bps: bits per second, 6000..510000; packets of 2.5 ms take 9600 at least, and a peer that likes less
            gets that.
        :raises ArgumentError: outside of that.
        """
        if self._sent_opus is not None and 6000 <= bps <= 510_000:
            self._sent_opus = self._sent_opus.at_bitrate(bps)
            bps = self._sent_opus.used.bitrate
        super().set_bitrate(bps)

    def set_opus(self, *, bitrate: int | None = None, frame_size_ms: float | None = None,
                 complexity: int | None = None, application: str | None = None, max_bandwidth: str | None = None,
                 coded_channels: int | None = None, dtx: bool | None = None, fec: bool | None = None,
                 vbr: bool | None = None, vbr_free: bool | None = None, expected_loss_pct: int | None = None,
                 dred_ms: int | None = None, parameters: OpusParameters | None = None) -> AudioConfig:
        """Change in place how it is coded, from the next packet on; what is None stays.

        :param bitrate: ``bitrate`` to ``vbr_free`` as :class:`arcrtc.AudioConfig` has them. Another ``application``
            makes the encoder forget what it has heard, which may be heard.
        :param expected_loss_pct: loss that it prepares for until the peer's next report, 0..100.
        :param dred_ms: deep redundancy in each packet, 0..1040 ms in steps of 10.
        :param parameters: what the peer likes now, as its new description says.
        :returns: how it is coded now.
        :raises ConfigError: a value is not allowed; nothing has changed.
        :raises ArgumentError: the stream is not Opus.
        :raises UnsupportedError: ``dred_ms``, and the libopus that is loaded has no DRED; nothing has changed.
        """
        if self._sent_opus is None:
            raise ArgumentError(f"set_opus: {self!r} is not Opus")
        changed = self._sent_opus.changed(
            parameters, dred_ms, bitrate=bitrate, frame_size_ms=frame_size_ms, complexity=complexity,
            application=application, max_bandwidth=max_bandwidth, coded_channels=coded_channels, dtx=dtx, fec=fec,
            vbr=vbr, vbr_free=vbr_free, expected_loss_pct=expected_loss_pct)
        changed.tell(self._handle, "set_opus")
        self._sent_opus, self.in_band_fec = changed, changed.used.fec
        super().set_bitrate(changed.used.bitrate)
        if expected_loss_pct is not None:
            check(lib.arc_send_set_expected_loss(self._handle, expected_loss_pct), "set_opus")
        return changed.used

    def set_redundancy(self, *distances: int, max_overhead_pct: int | None = None,
                       max_total_bps: int | None = None) -> None:
        """Change which past frames go out again, from the next frame on; without an argument: none.

        :param distances: as :class:`arcrtc.redundancy.RedConfig` has them.
        :param max_overhead_pct: 1..400; None: as it was.
        :param max_total_bps: 0..2_000_000, 0 for no bound; None: as it was.
        :raises ConfigError: a value is not allowed.
        :raises ArgumentError: the stream was opened without ``red``.
        """
        if self.red is None:
            raise ArgumentError(f"{self!r} was opened without red: its peer expects no copies")
        pct = self.red.max_overhead_pct if max_overhead_pct is None else max_overhead_pct
        total_bps = self.red.max_total_bps if max_total_bps is None else max_total_bps
        red = replace(self.red, distances=distances, max_overhead_pct=pct, max_total_bps=total_bps)
        check(lib.arc_send_set_redundancy(self._handle, native_set(red)), "set_redundancy")
        self.red = red

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

    def play(self, samples: AudioFrame | Samples, *, now_us: int | None = None) -> None:
        """Queue sound of any length, all at once; it is sent in its time, a packet for each frame length.

        For sound that is made faster than it is heard, such as synthesised speech. What is queued before
        the end of what waits follows without a hole. :meth:`flush` cuts it off. Use either this or
        send() at a time: sound of both would alternate.

        :param samples: int16 or float32, shape (n,) or (n, channels), of this stream's rate and channels;
            int16 that is C-contiguous is copied once, into the queue.
        :param now_us: None: the monotonic clock; not used by an engine's stream.
        :raises BackpressureError: more than the stream's ``play_limit_s`` would wait; nothing was queued.
        :raises ArgumentError: another rate, channel count or type, or no samples.
        """
        if not isinstance(samples, AudioFrame):
            samples = AudioFrame(samples=samples, sample_rate=self.sample_rate, channels=self.channels)
        if samples.sample_rate != self.sample_rate or samples.channels != self.channels or samples.n_samples == 0:
            raise ArgumentError(f"{samples!r} does not fit: must be {self.sample_rate} Hz, {self.channels} channel(s), "
                                "one sample or more")
        self._owner._play(self, np.ascontiguousarray(samples.to_int16()), samples.n_samples, now_us)

    @property
    def played(self) -> Played:
        """What became so far of what play() was given since the last flush."""
        out = self._owner._played(self, False)
        return Played(out.played_us / 1000, out.waiting_us / 1000)

    def flush(self) -> Played:
        """Throw away all that waits, and tell how much of it was sent before.

        The end of a word is cut off: send a short fade if that matters. The next play() begins at once.

        :returns: counted since the last flush.
        """
        frames = int(self._owner._flush(self))
        out = self._owner._played(self, True)
        return Played(out.played_us / 1000, out.waiting_us / 1000, frames)


    def send_dtmf(self, keys: str, *, duration_ms: int = 100, gap_ms: int = 100, volume_dbm0: int = -10) -> None:
        """Press keys: telephone events in place of sound (RFC 4733); returns at once.

        :param keys: of ``0123456789*#ABCD``, at most 64 of all that wait.
        :param duration_ms: of each, 40..60_000. :param gap_ms: behind each, 40..10_000.
        :param volume_dbm0: of the tone where the receiver plays it, -63..0.
        :raises ArgumentError: another key, or the stream was made without dtmf_payload_type.
        :raises ConfigError: a number is out of range.
        :raises BackpressureError: too many keys wait; none of these was taken.
        """
        check_int("duration_ms", duration_ms, lib.ARC_DTMF_MIN_US // 1000, lib.ARC_DTMF_MAX_US // 1000, "ms")
        check_int("gap_ms", gap_ms, lib.ARC_DTMF_MIN_GAP_US // 1000, lib.ARC_DTMF_MAX_GAP_US // 1000, "ms")
        check_int("volume_dbm0", volume_dbm0, -lib.ARC_PL_DTMF_MAX_VOLUME, 0, "dBm0")
        events = [lib.arc_pl_dtmf_event_of(key.encode("ascii", "replace")) for key in keys]
        if not events or -1 in events:
            raise ArgumentError(f"keys={keys!r} must be some of 0123456789*#ABCD")
        if not self.has_dtmf:
            raise ArgumentError("the stream was made without dtmf_payload_type: no keys can be sent")
        tones = ffi.new("struct arc_dtmf_tone[]", [
            {"event": event, "volume": -volume_dbm0, "duration_us": 1000 * duration_ms, "gap_us": 1000 * gap_ms}
            for event in events])
        self._owner._send_dtmf(self, tones, len(events))


class VideoSender(_Sender):
    """Handle of a sent video stream; made by send_video().

    :ivar width: of the pictures sent, pixels. :ivar height: likewise.
    :ivar frame_rate: pictures per second that the rate control plans with, 1..240.
    :ivar passed_over: (encoder, why it was not taken), in the order of preference.
    :ivar ssrc: 1..2**32-1; another one once poll_event() or events() gave SSRC_CHANGED for it.
    :ivar payload_type: 0..127. :ivar index: among the sent streams, 0..7.

    Lives as long as its session. Threads: those of the session or peer that made it.
    """

    def __init__(self, owner: Any, handle: Any, ssrc: int, payload_type: int, width: int, height: int,
                 frame_rate: float, passed_over: list[tuple[str, str]]) -> None:
        super().__init__(owner, handle, "video", ssrc, payload_type)
        self.width = width
        self.height = height
        self.frame_rate = frame_rate
        self.passed_over = passed_over

    def send(self, frame: VideoFrame, *, capture_us: int | None = None, now_us: int | None = None) -> None:
        """Encode and queue a picture; it is scaled when it has another size.

        :param frame: any format and size.
        :param capture_us: when it was taken; None: now.
        :param now_us: None: the monotonic clock.
        """
        self._owner._send_video(self, frame.native(), capture_us, now_us)

    def flush(self) -> int:
        """Throw away what waits for the encoder; returns how many frames that were."""
        return int(self._owner._flush(self))

    def set_resolution(self, resolution: str | tuple[int, int] | VideoResolution) -> None:
        """Code another size from the next picture on: in place where the encoder can, else with one key frame.

        :param resolution: "360p" ... "4320p", (width, height) with 16..16384 pixels each, or a VideoResolution.
        :raises ConfigError: none of these.
        """
        width, height = parse_resolution(resolution)
        check(lib.arc_send_set_size(self._handle, width, height), "set_resolution")
        self.width, self.height = width, height

    def set_frame_rate(self, frame_rate: float) -> None:
        """Tell the rate control how many pictures a second come from now on.

        :param frame_rate: 1..240.
        :raises ConfigError: outside of that.
        """
        check_range("frame_rate", frame_rate, 1, 240)
        check(lib.arc_send_set_frame_rate(self._handle, round(frame_rate * 1000)), "set_frame_rate")
        self.frame_rate = frame_rate

    def request_keyframe(self) -> None:
        """Make the next picture a key frame."""
        lib.arc_send_request_key(self._handle)


class Receiver(_Stream):
    """Handle of a received stream; made by receive_audio() and receive_video().

    :ivar kind: "audio" or "video".
    :ivar payload_type: that it takes, 0..127. :ivar index: among the received streams, 0..7.

    Lives as long as its session. Threads: those of the session or peer that made it.
    """

    _direction = lib.ARC_STREAM_INBOUND

    def __init__(self, owner: Any, handle: Any, kind: str, payload_type: int,
                 meter: QualityMeter | None = None) -> None:
        self._owner = owner
        self._handle = handle
        self._meter = meter
        self.kind = kind
        self.payload_type = payload_type
        self.index = int(lib.arc_recv_index(handle))

    def stats(self) -> dict[str, Any]:
        """Counters of this stream: ``media`` (buffer, decoder, concealment), ``network`` and ``queue``.

        Of sound also ``quality``: :class:`arcrtc.audio.AudioFigures` of about the last five seconds as a
        dictionary, renewed once a second; None in the first second.
        """
        return dict(self._owner._receiver_stats(self))

    def _rated(self, stats: dict[str, Any], rtt_min_us: int) -> dict[str, Any]:
        """With ``quality``, if it is sound."""
        if self._meter is None:
            return stats
        found = self._meter.update(stats["media"], stats["network"], rtt_min_us)
        if found is not None:
            lib.arc_recv_set_rating(self._handle, round(found.narrowband_r), round(10 * found.mos_listening),
                                    round(10 * found.mos))
        return {**stats, "quality": None if found is None else asdict(found)}

    def __repr__(self) -> str:
        return f"Receiver({self.kind}, payload_type={self.payload_type})"
