"""What a session tells: received and sent frames, events, counters."""
from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from arcrtc._native import ffi, lib
from arcrtc.audio.frame import AudioFrame
from arcrtc.video.frame import VideoFrame

if TYPE_CHECKING:
    from arcrtc.peer import Peer
    from arcrtc.routing.enginerouter import EngineRouter
    from arcrtc.routing.handles import RouterEvent, RouterEventType


class Concealment(IntEnum):
    """Where the samples of a received block come from."""

    DECODED = lib.ARC_BLOCK_DECODED  #: from its own packet
    FEC = lib.ARC_BLOCK_FEC  #: from the redundancy in the next packet
    CONCEALED = lib.ARC_BLOCK_CONCEALED  #: made up: nothing arrived
    SILENT = lib.ARC_BLOCK_SILENT  #: the sender sent nothing (DTX)
    INSERTED = lib.ARC_BLOCK_INSERTED  #: true sound made longer: the play-out delay grew
    COPY = lib.ARC_BLOCK_COPY  #: from a redundant block of a later packet (RED)
    GAP = lib.ARC_BLOCK_GAP  #: zeros in place of what was lost: the profile "recognition" makes nothing up


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedFrame:
    """Media whose play-out time has come, and its way here.

    Times are microseconds of the monotonic clock that the session was driven by.

    :ivar frame: the samples or the picture.
    :ivar stream: index of the received stream, 0..7, in the order of receive_audio() and receive_video().
    :ivar rtp_timestamp: of the first sample or the picture, 0..2**32-1.
    :ivar arrival_us: its first packet came; -1: none did (concealed).
    :ivar complete_us: its last packet came.
    :ivar decoded_us: it was decoded.
    :ivar playout_us: it is to be heard or seen.
    :ivar late: a picture decoded more than 10 ms after it was due.
    :ivar capture_ntp_us: the sender's wall clock at capture, microseconds since
        1900; None before the first RTCP sender report.
    :ivar concealment: where samples come from; DECODED for pictures.
    :ivar is_keyframe: a picture that needs no other one.
    :ivar damaged: a picture decoded with errors.
    :ivar bytes: RTP payload that it came in; 0: none did.
    :ivar packets: packets that it came in; 0: none did.
    :ivar level_neg_dbov: how loud these samples are, 0 (loudest)..127 (silence); None: a picture.
    :ivar told_level_neg_dbov: how loud the packet is that they came in, as its header tells (RFC 6464), 0..127; None:
        it does not, or they were not in a packet of their own. Where a block spans two packets, the first of them.
    :ivar told_voice: likewise, whether there is voice in it; None: not told.
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
    level_neg_dbov: int | None = None
    told_level_neg_dbov: int | None = None
    told_voice: bool | None = None

    @property
    def is_audio(self) -> bool:
        """True for samples, False for a picture."""
        return isinstance(self.frame, AudioFrame)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFrame:
    """A frame all of whose packets have left; for latency budgets.

    Times are microseconds of the monotonic clock that the session was driven by.

    :ivar stream: index of the sent stream, 0..7, in the order of send_audio() and send_video().
    :ivar rtp_timestamp: of its packets, 0..2**32-1.
    :ivar is_keyframe: a picture that needs no other one; False for sound.
    :ivar packets: how many they were, 1 or more.
    :ivar bytes: RTP payload of them all.
    :ivar capture_us: when its first sample, or the picture, was taken, as send() was told.
    :ivar encoded_us: its encoding ended.
    :ivar first_us: its first packet left.
    :ivar last_us: its last packet left.
    """

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

    STREAM_ADDED = lib.ARC_EVENT_STREAM_ADDED  #: the SSRC of a received stream was learned
    STREAM_ENDED = lib.ARC_EVENT_STREAM_ENDED  #: its sender said BYE
    KEYFRAME_WANTED = lib.ARC_EVENT_KEY_FRAME_WANTED  #: the peer asked for one (PLI, FIR)
    RTT = lib.ARC_EVENT_RTT  #: the round-trip time was measured
    SSRC_COLLISION = lib.ARC_EVENT_SSRC_COLLISION  #: somebody else uses an SSRC of ours: it was given up
    SSRC_CHANGED = lib.ARC_EVENT_SSRC_CHANGED  #: what it is now, of media or of resends (RFC 3550 section 8.2)
    KEY_NEAR_LIMIT = lib.ARC_EVENT_KEY_NEAR_LIMIT  #: seven eighths of a key's packets are used: rekey()
    KEY_USED_UP = lib.ARC_EVENT_KEY_USED_UP  #: nothing more is sent, or accepted, with the key
    KEY_RETIRED = lib.ARC_EVENT_KEY_RETIRED  #: a former key is not accepted any more
    PEER_SILENT = lib.ARC_EVENT_PEER_SILENT  #: nothing authentic came for SessionConfig.silence_ms
    PEER_HEARD = lib.ARC_EVENT_PEER_HEARD  #: a silent peer is heard again
    DTMF = lib.ARC_EVENT_DTMF  #: the peer presses a key (RFC 4733)
    DTMF_END = lib.ARC_EVENT_DTMF_END  #: .. and lets it go
    ENCODER_REPLACED = lib.ARC_EVENT_ENCODER_REPLACED  #: one failed: the stream's ``encoder`` is another one now
    # Only of an engine:
    EVENTS_LOST = lib.ARC_HUB_EVENTS_LOST  #: nobody fetched them in time; as many as the value says
    THREAD_STALLED = lib.ARC_HUB_THREAD_STALLED  #: a network thread has not moved for stall_ms
    THREAD_RECOVERED = lib.ARC_HUB_THREAD_RECOVERED  #: it moves again
    SOCKET_ERROR = lib.ARC_HUB_SOCKET_ERROR  #: datagrams were refused, by ICMP or by the system


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a session, or to a thread of an engine.

    :ivar type: what.
    :ivar now_us: when, microseconds of the session's monotonic clock.
    :ivar stream: index of the stream it is about, 0..7; None: the session (or, for SSRCs, resends and reports).
    :ivar value: the SSRC, 0..2**32-1; for RTT the smoothed round-trip time in microseconds; for
        KEY_NEAR_LIMIT the packets that are left; for PEER_SILENT, PEER_HEARD, THREAD_STALLED and
        THREAD_RECOVERED how long that has lasted, in microseconds; for EVENTS_LOST and SOCKET_ERROR
        how many since the last such event; for DTMF the number of the telephone event, 0..255, for
        DTMF_END that and 256 times its length in milliseconds; for ENCODER_REPLACED how many failed so far.
    """

    type: EventType
    stream: int | None
    now_us: int
    value: int

    @property
    def key(self) -> str | None:
        """The key of DTMF and DTMF_END, one of ``0123456789*#ABCD``; None: another event."""
        if self.type not in (EventType.DTMF, EventType.DTMF_END):
            return None
        return bytes(lib.arc_pl_dtmf_key_of(self.value % 256)).decode("ascii").rstrip("\0") or None

    @property
    def duration_ms(self) -> int | None:
        """How long the key of DTMF_END was pressed; None: another event."""
        return self.value // 256 if self.type is EventType.DTMF_END else None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEvent:
    """An event of an engine: of a peer, or of one of its threads.

    :ivar peer: whose; None: a thread's, or that of a peer which is closed by now.
    :ivar event: what happened.
    :ivar thread: index of the network thread that it is about.
    :ivar router: the router whose event it is; None: it is none of a router.
    """

    peer: Peer | None
    event: Event | RouterEvent
    thread: int
    router: EngineRouter | None = None

    @property
    def type(self) -> EventType | RouterEventType:
        """What happened, in short."""
        return self.event.type


def to_event(out: Any) -> Event:
    """Take over a struct arc_event or arc_hub_event."""
    return Event(type=EventType(out.type), stream=out.stream if out.stream >= 0 else None, now_us=out.now_us,
                 value=out.value)


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
        is_keyframe=out.is_key, damaged=out.damaged, late=out.late, bytes=out.bytes, packets=out.pkts,
        level_neg_dbov=out.level_neg_dbov if out.level_neg_dbov >= 0 else None,
        told_level_neg_dbov=out.told_level if out.told_level >= 0 else None,
        told_voice=bool(out.voice) if out.told_level >= 0 else None)


@dataclass(slots=True)
class SessionStats:
    """Counters of a session and its streams; plain dictionaries, units in the names.

    :ivar session: datagrams, RTCP, round-trip time, pacer, and ``drops`` with a
        counter for each reason.
    :ivar send: one dictionary a sent stream: ``media``, ``network``, ``queue``.
    :ivar receive: one a received stream, likewise; of sound also ``quality``: the fields of
        :class:`arcrtc.audio.AudioFigures`, or None before a second was played.
    """

    session: dict[str, Any]
    send: list[dict[str, Any]] = field(default_factory=list)
    receive: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {"session": self.session, "send": self.send, "receive": self.receive}

    def to_table(self) -> str:
        """A few lines for people."""
        lines = [f"{'stream':<14}{'packets':>9}{'kB':>9}{'lost':>7}{'repaired':>10}{'late':>6}{'concealed':>11}"
                 f"{'delay':>9}{'MOS':>6}"]
        for i, s in enumerate(self.send):
            n = s["network"]
            lines.append(f"{'send ' + s['kind'] + f' {i}':<14}{n['pkts']:>9}{n['bytes'] / 1000:>9.1f}"
                         f"{n['remote_lost_pkts']:>7}{n['rtx_pkts']:>10}{'-':>6}{'-':>11}")
        for i, r in enumerate(self.receive):
            n, m = r["network"], r["media"]
            hidden = (f"{100 * m['concealed_samples'] / max(m['samples_out'], 1):.1f} %" if r["kind"] == "audio"
                      else f"{m['frames_given_up'] + m['frames_undecodable']} fr")
            lines.append(f"{'recv ' + r['kind'] + f' {i}':<14}{n['pkts']:>9}{n['bytes'] / 1000:>9.1f}"
                         f"{n['lost_pkts']:>7}{n['recovered_pkts']:>10}{m['late_pkts']:>6}{hidden:>11}"
                         + _quality_cells(r.get("quality")))
        rtt = self.session["rtt_us"]
        lines.append("round-trip time " + (f"{rtt / 1000:.1f} ms" if rtt >= 0 else "not known yet"))
        return "\n".join(lines)


def _quality_cells(quality: dict[str, Any] | None) -> str:
    return "" if quality is None else f"{quality['delay_ms']:>6.0f} ms{quality['mos']:>6.2f}"


def to_dict(struct: Any) -> dict[str, Any]:
    """A C struct of numbers (and such structs) as a dictionary."""
    out: dict[str, Any] = {}
    for name, part in ffi.typeof(struct).fields:
        value = getattr(struct, name)
        out[name] = to_dict(value) if part.type.kind == "struct" else value
    return out
