"""A peer without threads and without sockets: datagrams in, datagrams out.

``Session`` is the whole transport of one call as a state machine. It reads no
clock and makes no system call: the caller passes datagrams and ``now_us`` in and
takes datagrams, media and events out. The simulator, a replay and other event
loops drive it; :class:`arcrtc.Engine` runs the same machine on native threads.
"""
from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from arcrtc._native import NEVER_US, check, ffi, lib, read_view
from arcrtc.config import SessionConfig
from arcrtc.events import (
    Concealment,
    Event,
    EventType,
    ReceivedFrame,
    SentFrame,
    SessionStats,
    received_frame,
    to_dict,
)
from arcrtc.handles import AudioSender, Receiver, VideoSender
from arcrtc.sessioncore import SessionCore
from arcrtc.srtp import SrtpConfig

OPUS_CLOCK_HZ: Final = 48_000  #: RFC 7587 section 4.1
VIDEO_CLOCK_HZ: Final = 90_000  #: RFC 6184 section 8.1


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

    def receive(self, datagram: bytes | bytearray | memoryview, now_us: int | None = None) -> None:
        """Take a datagram. Whatever is wrong with it is counted in stats(), never raised."""
        view = read_view(datagram)
        lib.arc_session_receive(self._handle, view, len(view), _clock(now_us))

    def poll_transmit(self, now_us: int | None = None) -> bytes | None:
        """Return the next datagram that is due; None: none until next_timeout_us()."""
        now = _clock(now_us)
        for sender in self.senders:
            lib.arc_send_play_turn(sender._handle, now)
        status = lib.arc_session_transmit(self._handle, now, self._out, len(self._out), self._len)
        if not check(status, "Session.poll_transmit"):
            return None
        return bytes(ffi.buffer(self._out, self._len[0]))

    def next_timeout_us(self) -> int:
        """When something is due next, microseconds; NEVER_US: not by itself."""
        next_us = int(lib.arc_session_next_us(self._handle))
        for receiver in self.receivers:
            next_us = min(next_us, int(lib.arc_recv_next_us(receiver._handle)))
        for sender in self.senders:
            next_us = min(next_us, int(lib.arc_send_play_next_us(sender._handle)))
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

    def rekey(self, srtp: SrtpConfig | None = None, *, srtp_receive: SrtpConfig | None = None,
              overlap_ms: int = 5000, now_us: int | None = None) -> None:
        """Change the keys while packets are on their way; none is lost.

        What is sent is under the new key from the next packet on; what arrives may be
        under the old keys for ``overlap_ms`` more. Where the peer could meet the new key
        before it knows it, let it call ``rekey(srtp_receive=...)`` first.

        :param srtp: new key of what is sent, and of what is received unless
            ``srtp_receive`` is given; None: what is sent keeps its key. Profile and length
            of the MKI stay; :meth:`SrtpConfig.with_new_key` makes one.
        :param srtp_receive: new key of what is received, if it is another one.
        :param overlap_ms: 0..86_400_000.
        :param now_us: monotonic clock, microseconds; None: read.
        :raises ConfigError: the session has no SRTP, or a key does not fit it.
        :raises LimitError: four keys are accepted already.
        """
        self._rekey(srtp, srtp_receive, overlap_ms,
                    lambda *keys: int(lib.arc_session_rekey(self._handle, *keys, _clock(now_us))))

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

    def _play(self, sender: AudioSender, pcm: Any, n_samples: int, now_us: int | None) -> None:
        view = ffi.from_buffer("int16_t[]", pcm)
        check(lib.arc_send_play(sender._handle, view, n_samples, _clock(now_us)), "AudioSender.play")

    def _played(self, sender: AudioSender, flush: bool) -> Any:
        out = ffi.new("struct arc_played *")
        (lib.arc_send_play_flush if flush else lib.arc_send_get_played)(sender._handle, out)
        return out

    def _flush(self, sender: AudioSender | VideoSender) -> int:
        return 0  # nothing waits: send() encodes at once

    def _sender_stats(self, sender: AudioSender | VideoSender) -> dict[str, Any]:
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
        session = ffi.new("struct arc_session_stats *")
        lib.arc_session_get_stats(self._handle, session)
        return receiver._rated({"kind": receiver.kind, "media": to_dict(media[0]), "network": to_dict(network[0])},
                               session.rtt_min_us)


__all__ = [
    "NEVER_US", "AudioSender", "Concealment", "Event", "EventType", "ReceivedFrame", "Receiver", "SentFrame",
    "Session", "SessionConfig", "SessionStats", "VideoSender",
]
