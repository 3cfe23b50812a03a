"""One received voice: packets in at any time, sound out (C module ``rx/voice``)."""
from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcrtc._native import check, error_for, ffi, lib, new_handle
from arcrtc._ranges import check_float, check_int
from arcrtc.errors import ArgumentError, BackpressureError, ConfigError
from arcrtc.rtp import RtpPacket

__all__ = ["VoiceBlock", "VoiceConfig", "VoiceKind", "VoiceProfile", "VoiceReceiver", "VoiceStats"]

_MAX_US = 2**52
_CODECS: Final[dict[str, int]] = {
    "opus": lib.ARC_AUDIO_OPUS, "pcmu": lib.ARC_AUDIO_PCMU, "pcma": lib.ARC_AUDIO_PCMA,
    "g722": lib.ARC_AUDIO_G722, "l16": lib.ARC_AUDIO_L16,
}


class VoiceProfile(IntEnum):
    """Who listens."""

    CONVERSATION = lib.ARC_VOICE_CONVERSATION  #: a person: lowest delay at rare concealment
    RECOGNITION = lib.ARC_VOICE_RECOGNITION  #: a machine: nothing stretched or made up, gaps marked


class VoiceKind(IntEnum):
    """Where samples come from."""

    DECODED = lib.ARC_VOICE_DECODED  #: their packet, first-hand or resent
    FEC = lib.ARC_VOICE_FEC  #: in-band FEC of the next packet
    COPY = lib.ARC_VOICE_COPY  #: a redundant block
    CONCEALED = lib.ARC_VOICE_CONCEALED  #: made up; by recognition: zeros, a marked gap
    SILENT = lib.ARC_VOICE_SILENT  #: the sender sent nothing on purpose
    INSERTED = lib.ARC_VOICE_INSERTED  #: true sound made longer


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceConfig:
    """What is received, and how long it may be held back.

    :ivar codec: "opus", "pcmu", "pcma", "g722" or "l16".
    :ivar sample_rate: of what comes out. Hertz; Opus: 8000, 12000, 16000, 24000 or
        48000; PCMU, PCMA and G.722 are resampled to 8000, 12000, 16000, 24000, 32000,
        44100 or 48000; L16: what is sent, a multiple of 1000 in 8000..48000.
    :ivar channels: 1 or 2.
    :ivar min_latency_ms: hard lower bound of the play-out delay over the shortest
        transit. Milliseconds, 0..max.
    :ivar max_latency_ms: hard upper bound. Milliseconds, min..10000.
    :ivar initial_latency_ms: until 25 packets were seen. Milliseconds, min..max.
    :ivar adaptive: False keeps the target at ``initial_latency_ms``.
    :ivar profile: who listens.
    :ivar late_share: part of the packets that may come later than the target, before
        what slower play-out saves. 0..0.19; 0: the profile's default (0.0155 in a
        conversation, 0.001 for recognition).
    :ivar comfort_noise_type: payload type of RFC 3389, 0..127; None: there is none.
    :ivar capacity_pkts: packets held at most; the oldest is dropped. 2..4096.
    :raises ConfigError: a value is outside its range.
    """

    codec: str = "opus"
    sample_rate: int = 16_000
    channels: int = 1
    min_latency_ms: int = 0
    max_latency_ms: int = 500
    initial_latency_ms: int = 40
    adaptive: bool = True
    profile: VoiceProfile = VoiceProfile.CONVERSATION
    late_share: float = 0.0
    comfort_noise_type: int | None = None
    capacity_pkts: int = 512

    def __post_init__(self) -> None:
        if self.codec not in _CODECS:
            raise ConfigError(f"codec={self.codec!r} is none of {', '.join(_CODECS)}")
        check_int("sample_rate", self.sample_rate, 8_000, 48_000)
        check_int("channels", self.channels, 1, 2)
        check_int("max_latency_ms", self.max_latency_ms, 0, 10_000)
        check_int("min_latency_ms", self.min_latency_ms, 0, self.max_latency_ms)
        check_int("initial_latency_ms", self.initial_latency_ms, self.min_latency_ms, self.max_latency_ms)
        check_float("late_share", self.late_share, 0.0, 0.19)
        check_int("capacity_pkts", self.capacity_pkts, 2, 4096)
        if self.comfort_noise_type is not None:
            check_int("comfort_noise_type", self.comfort_noise_type, 0, 127)
        if not isinstance(self.adaptive, bool):
            raise ConfigError(f"adaptive={self.adaptive!r} is not True or False")
        if self.profile not in tuple(VoiceProfile):
            raise ConfigError(f"profile={self.profile!r} is not a VoiceProfile")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class VoiceBlock:
    """Ten milliseconds of sound, less only where a marked gap begins or ends.

    :ivar samples: int16, shape (n,) or (n, 2); the caller's.
    :ivar sample_rate: hertz.
    :ivar kind: of most of the samples.
    :ivar counts: how many samples there are of each kind; their sum is n.
    :ivar gap: recognition: zeros in place of what was lost.
    :ivar media_time: of the first sample, ticks of the RTP clock, unwrapped.
    :ivar playout_us: when the first sample is to be heard, monotonic microseconds.
    :ivar arrival_us: of the packet that brought it; None: no packet did.
    :ivar payload_bytes: of the packets first used in this block.
    :ivar level_dbov: -dBov, 0 (loudest) to 127 (silence), RFC 6464.
    """

    samples: NDArray[np.int16]
    sample_rate: int
    kind: VoiceKind
    counts: dict[VoiceKind, int]
    gap: bool
    media_time: int
    playout_us: int
    arrival_us: int | None
    payload_bytes: int
    level_dbov: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceStats:
    """State, and a ledger since the start. Samples per channel at ``rate_hz``.

    Always ``out == decoded + fec + copy + concealed + silent + inserted + undecided``
    and ``taken == decoded + fec + copy + removed + late + waiting``.

    :ivar out: samples handed out.
    :ivar decoded: from their packets.
    :ivar fec: from in-band FEC.
    :ivar copy: from redundant blocks.
    :ivar concealed: made up in place of lost ones, or marked gaps.
    :ivar silent: the sender sent nothing on purpose.
    :ivar inserted: play-out was slower.
    :ivar undecided: made up while nothing comes; lost or a pause, the next packet tells.
    :ivar taken: decoded from anything that came.
    :ivar removed: play-out was quicker.
    :ivar late: came after their time was made up.
    :ivar waiting: decoded, not yet heard.
    :ivar lost: media time that passed without its packet.
    :ivar silence_cut: media time of pauses that was left out.
    :ivar concealed_runs: how often made-up sound began.
    :ivar pkts: packets kept.
    :ivar late_pkts: packets of which nothing was heard.
    :ivar duplicate_pkts: refused, the same number came before.
    :ivar overflow_pkts: dropped, the buffer was full or the numbers began anew.
    :ivar empty_pkts: without sound.
    :ivar copies_used: redundant blocks decoded.
    :ivar fec_used: packets rebuilt from in-band FEC.
    :ivar dred_used: blocks of up to 10 ms made of deep redundancy (DRED), where libopus has it; their samples count
        as those of FEC.
    :ivar codec_errors: payloads that could not be decoded.
    :ivar healed: losses after which the decoder was led through what was made up.
    :ivar rewound: losses after which it was set back, as what was missing came late.
    :ivar restarts: time lines that began anew.
    :ivar delay_samples: samples of packets that were heard.
    :ivar delay_us_sum: sum of their waits from arrival to the play-out of their block,
        microseconds.
    :ivar jitter_ms: interarrival jitter (RFC 3550 A.8).
    :ivar playout_ms: play-out delay now over the shortest transit.
    :ivar target_ms: what it should be.
    :ivar depth_ms: media that waits.
    :ivar rate_hz: the decoder's.
    """

    out: int
    decoded: int
    fec: int
    copy: int
    concealed: int
    silent: int
    inserted: int
    undecided: int
    taken: int
    removed: int
    late: int
    waiting: int
    lost: int
    silence_cut: int
    concealed_runs: int
    pkts: int
    late_pkts: int
    duplicate_pkts: int
    overflow_pkts: int
    empty_pkts: int
    copies_used: int
    fec_used: int
    dred_used: int
    codec_errors: int
    healed: int
    rewound: int
    restarts: int
    delay_samples: int
    delay_us_sum: float
    jitter_ms: float
    playout_ms: float
    target_ms: int
    depth_ms: int
    rate_hz: int

    @property
    def buffer_delay_ms(self) -> float:
        """Mean wait of a heard sample, as WebRTC's jitterBufferDelay / emittedCount; 0.0: none."""
        return self.delay_us_sum / self.delay_samples / 1000 if self.delay_samples else 0.0

    @property
    def concealed_share(self) -> float:
        """Part of the samples out that was made up, 0..1."""
        return (self.concealed + self.undecided) / self.out if self.out else 0.0

    @property
    def stretched_share(self) -> float:
        """Samples put in and taken out over samples out, 0..1."""
        return (self.inserted + self.removed) / self.out if self.out else 0.0


_NAMES: Final = tuple(field.name for field in fields(VoiceStats))


class VoiceReceiver:
    """Packets of one voice in, in any order and at any time; blocks of 10 ms out.

    In a conversation the blocks follow each other without a hole on the clock of a
    playing device: each pull at :attr:`next_us` gives one. What is missing is taken
    from a redundant block, from in-band FEC, or made up; play-out is a little slower
    when a packet is late and a little quicker after. For recognition, blocks come as
    soon as they are there in order, and what stays missing is a marked gap of zeros.

    Not thread-safe: one thread at a time. It reads no clock: a test can run an hour of
    network in seconds.

    :param config: None: the defaults of VoiceConfig.
    :raises ArgumentError: the codec does not have this rate or these channels.
    :raises UnsupportedError: the codec is not in this build, or for recognition its rate
        does not go into the one asked for.
    :raises NoMemoryError: the core could not allocate.

    Source: RFC 3550, 6716, 7587; Liang, Färber, Girod, IEEE Trans. Multimedia 5(4), 2003.
    """

    def __init__(self, config: VoiceConfig | None = None) -> None:
        self._config = config = config or VoiceConfig()
        noise = config.comfort_noise_type
        cfg = ffi.new("struct arc_voice_config *", {
            "codec": _CODECS[config.codec], "sample_rate_hz": config.sample_rate,
            "channels": config.channels, "min_latency_ms": config.min_latency_ms,
            "max_latency_ms": config.max_latency_ms, "initial_latency_ms": config.initial_latency_ms,
            "adaptive": config.adaptive, "profile": int(config.profile),
            "late_share": config.late_share, "cn_payload_type": -1 if noise is None else noise,
            "capacity_pkts": config.capacity_pkts,
        })
        self._feed = new_handle(lib.arc_voicefeed_new, lib.arc_voicefeed_free, "struct arc_voicefeed",
                                cfg, what="VoiceReceiver", size=2200 * config.capacity_pkts)
        self._voice = lib.arc_voicefeed_voice(self._feed)
        self._block = ffi.new("struct arc_voice_block *")

    @property
    def config(self) -> VoiceConfig:
        """What the receiver was made with."""
        return self._config

    @property
    def clock_hz(self) -> int:
        """Rate of the RTP time stamps, hertz."""
        return int(lib.arc_voice_clock_hz(self._voice))

    def push(self, packet: RtpPacket, now_us: int) -> bool:
        """Put an arrived packet in.

        :param now_us: its arrival, monotonic microseconds.
        :returns: True: kept; False: duplicate or late, counted in stats().
        :raises ArgumentError: the payload is longer than 1984 bytes, or ``now_us`` out of range.
        :raises BackpressureError: all packets of the receiver wait in its buffers.
        """
        header = packet.header
        return self._pushed(lib.arc_voicefeed_push(
            self._feed, packet.payload, len(packet.payload), header.payload_type,
            header.sequence_number, header.timestamp, _checked(now_us)))

    def push_copy(self, payload: bytes, timestamp: int, now_us: int) -> bool:
        """Put a redundant block in (RFC 2198).

        :param payload: the block.
        :param timestamp: RTP time of the block itself, 0..2**32 - 1.
        :param now_us: its arrival, monotonic microseconds.
        :returns: True: kept; False: as good a one is there, or its time is over.
        :raises ArgumentError: the block is longer than 1984 bytes, or a number out of range.
        :raises BackpressureError: all packets of the receiver wait in its buffers.
        """
        if not 0 <= timestamp <= 0xFFFFFFFF:
            raise ArgumentError(f"timestamp={timestamp} is outside 0..2**32-1")
        return self._pushed(lib.arc_voicefeed_push_copy(
            self._feed, payload, len(payload), timestamp, _checked(now_us)))

    def pull(self, now_us: int) -> VoiceBlock | None:
        """Take the next block if it is due.

        :param now_us: monotonic microseconds.
        :returns: the block; None: not before :attr:`next_us`.
        """
        b = self._block
        if not check(lib.arc_voice_pull(self._voice, _checked(now_us), b), "VoiceReceiver.pull"):
            return None
        n, channels = b.n_samples, b.channels
        samples = np.frombuffer(ffi.buffer(b.samples, 2 * n * channels), dtype=np.int16).copy()
        return VoiceBlock(
            samples=samples if channels == 1 else samples.reshape(n, channels),
            sample_rate=b.sample_rate_hz, kind=VoiceKind(b.kind),
            counts={kind: b.samples_of[kind] for kind in VoiceKind if b.samples_of[kind]},
            gap=b.gap, media_time=b.ts, playout_us=b.playout_us,
            arrival_us=b.arrival_us if b.arrival_us >= 0 else None,
            payload_bytes=b.bytes, level_dbov=b.level_dbov)

    @property
    def next_us(self) -> int:
        """When pull() will give something, monotonic microseconds, unless a packet comes
        before; NEVER_US: only when one comes."""
        return int(lib.arc_voice_next_us(self._voice))

    def stats(self) -> VoiceStats:
        """State and ledger since the start."""
        s = ffi.new("struct arc_voice_stats *")
        lib.arc_voice_stats(self._voice, s)
        return VoiceStats(**{name: getattr(s, name) for name in _NAMES})

    def __repr__(self) -> str:
        s = self.stats()
        return (f"VoiceReceiver({self._config.codec}, {self._config.profile.name.lower()}, "
                f"playout_ms={s.playout_ms:.0f}, target_ms={s.target_ms})")

    @staticmethod
    def _pushed(status: Any) -> bool:
        if status in (lib.ARC_OK, lib.ARC_ERR_REPLAY, lib.ARC_ERR_OLD):
            return bool(status == lib.ARC_OK)
        if status == lib.ARC_ERR_BUSY:
            raise BackpressureError("VoiceReceiver.push: all packets wait in the buffers; pull first")
        raise error_for(status, "VoiceReceiver.push")


def _checked(now_us: int) -> int:
    if not -_MAX_US < now_us < _MAX_US:
        raise ArgumentError(f"now_us={now_us} is outside -2**52..2**52")
    return now_us
