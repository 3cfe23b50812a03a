"""Header extensions about sound, streams and times (C module ``wire/extval``)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from arcrtc._native import ffi, lib
from arcrtc.errors import ArgumentError, ParseError
from arcrtc.rtpext.base import WEBRTC_URI, ExtensionValue, check_range, read_value, write_value

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

_ROOM: Final = int(lib.ARC_EXTVAL_MAX_BYTES)
_IETF: Final = "urn:ietf:params:rtp-hdrext:"


@dataclass(frozen=True, slots=True)
class AudioLevel(ExtensionValue):
    """Level of the audio in a packet, from the sender (RFC 6464).

    :ivar level_dbov: dB below the loudest, -127 (silence) to 0.
    :ivar voice: the sender believes that somebody speaks; has no meaning with "vad=off" in SDP.
    :raises ArgumentError: the level is out of its range.
    """

    URI: ClassVar[str] = _IETF + "ssrc-audio-level"

    level_dbov: int
    voice: bool = False

    def __post_init__(self) -> None:
        check_range(self, "level_dbov", -127, 0)

    @classmethod
    def parse(cls, value: Buffer) -> Self:
        """Read 1 byte; ParseError for another length."""
        c = read_value(lib.arc_extval_read_audio_level, "struct arc_audio_level", value, "AudioLevel.parse")
        return cls(-c.level_neg_dbov, c.voice)

    def serialize(self) -> bytes:
        """The byte."""
        c = ffi.new("struct arc_audio_level *", (-self.level_dbov, self.voice))
        return write_value(lambda *to: lib.arc_extval_write_audio_level(c, *to), _ROOM, "AudioLevel.serialize")


@dataclass(frozen=True, slots=True)
class MixerAudioLevels(ExtensionValue):
    """Levels of the contributing sources, from a mixer (RFC 6465).

    :ivar levels_dbov: in the order of the packet's CSRCs, 1..15 of them, each -127..0.
    :raises ArgumentError: there are too few or too many, or a level is out of its range.
    """

    URI: ClassVar[str] = _IETF + "csrc-audio-level"

    levels_dbov: tuple[int, ...]

    def __post_init__(self) -> None:
        levels = self.levels_dbov
        if not 1 <= len(levels) <= lib.ARC_EXTVAL_MAX_LEVELS:
            raise ArgumentError(f"MixerAudioLevels: {len(levels)} levels, 1..{lib.ARC_EXTVAL_MAX_LEVELS} fit")
        if not all(isinstance(level, int) and -127 <= level <= 0 for level in levels):
            raise ArgumentError(f"MixerAudioLevels: levels_dbov={levels!r}: each is in -127..0")

    @classmethod
    def parse(cls, value: Buffer) -> Self:
        """Read 1..15 bytes; ParseError for another length."""
        c = read_value(lib.arc_extval_read_mixer_levels, "struct arc_mixer_levels", value, "MixerAudioLevels.parse")
        return cls(tuple(-c.level_neg_dbov[i] for i in range(c.n)))

    def serialize(self) -> bytes:
        """A byte a level."""
        c = ffi.new("struct arc_mixer_levels *", (len(self.levels_dbov), [-level for level in self.levels_dbov]))
        return write_value(lambda *to: lib.arc_extval_write_mixer_levels(c, *to), _ROOM, "MixerAudioLevels.serialize")


@dataclass(frozen=True, slots=True)
class _Text(ExtensionValue):
    """An item of RTCP SDES as a header extension (RFC 7941)."""

    _KIND: ClassVar[int]

    text: str

    def __post_init__(self) -> None:
        try:
            data = self.text.encode("ascii")
        except UnicodeEncodeError:
            data = b""
        if lib.arc_extval_check_text(self._KIND, data, len(data)) != lib.ARC_OK:
            raise ArgumentError(f"{type(self).__name__}: text={self.text!r} must be {_ALLOWED[self._KIND]}")

    @classmethod
    def parse(cls, value: Buffer) -> Self:
        """Read 1..255 bytes; ParseError for other lengths or characters."""
        data = bytes(value)
        if lib.arc_extval_check_text(cls._KIND, data, len(data)) != lib.ARC_OK:
            raise ParseError(f"{cls.__name__}.parse: {data!r} is not {_ALLOWED[cls._KIND]}")
        return cls(data.decode("ascii"))

    def serialize(self) -> bytes:
        """The text in ASCII."""
        return self.text.encode("ascii")


_ALLOWED: Final = {
    lib.ARC_EXTVAL_MID: "a token of 1..255 characters",
    lib.ARC_EXTVAL_RID: "1..255 letters and digits of ASCII",
}


@dataclass(frozen=True, slots=True)
class Mid(_Text):
    """Which media description of the SDP a packet belongs to (RFC 8843 section 15).

    :ivar text: a token (RFC 5888), 1..255 characters.
    :raises ArgumentError: it is none.
    """

    URI: ClassVar[str] = _IETF + "sdes:mid"
    _KIND: ClassVar[int] = lib.ARC_EXTVAL_MID


@dataclass(frozen=True, slots=True)
class RtpStreamId(_Text):
    """Which encoding of a simulcast a packet belongs to, the "rid" (RFC 8852 section 3.1).

    :ivar text: 1..255 letters and digits of ASCII.
    :raises ArgumentError: it is something else.
    """

    URI: ClassVar[str] = _IETF + "sdes:rtp-stream-id"
    _KIND: ClassVar[int] = lib.ARC_EXTVAL_RID


@dataclass(frozen=True, slots=True)
class RepairedRtpStreamId(_Text):
    """Whose packets a repair packet repairs (RFC 8852 section 3.2).

    :ivar text: the rid of that stream, 1..255 letters and digits of ASCII.
    :raises ArgumentError: it is something else.
    """

    URI: ClassVar[str] = _IETF + "sdes:repaired-rtp-stream-id"
    _KIND: ClassVar[int] = lib.ARC_EXTVAL_RID


@dataclass(frozen=True, slots=True)
class AbsSendTime(ExtensionValue):
    """When a packet left, on a clock of 64 seconds (webrtc.org, "abs-send-time").

    :ivar ticks: units of 2**-18 s, 0..2**24-1.
    :raises ArgumentError: out of range.
    """

    URI: ClassVar[str] = WEBRTC_URI + "abs-send-time"

    ticks: int

    def __post_init__(self) -> None:
        check_range(self, "ticks", 0, 0xFFFFFF)

    @classmethod
    def from_us(cls, time_us: int) -> Self:
        """The tick of a time in microseconds, of any epoch that both ends keep; 0..2**64-1."""
        if not 0 <= time_us < 2**64:
            raise ArgumentError(f"AbsSendTime: time_us={time_us!r} is outside 0..2**64-1")
        return cls(lib.arc_extval_abs_send_time(time_us))

    @property
    def seconds(self) -> float:
        """The same in seconds, 0 to below 64."""
        return self.ticks / 2**18

    @classmethod
    def parse(cls, value: Buffer) -> Self:
        """Read 3 bytes; ParseError for another length."""
        return cls(read_value(lib.arc_extval_read_abs_send_time, "uint32_t", value, "AbsSendTime.parse")[0])

    def serialize(self) -> bytes:
        """The 3 bytes."""
        return write_value(lambda *to: lib.arc_extval_write_abs_send_time(self.ticks, *to), _ROOM,
                           "AbsSendTime.serialize")


@dataclass(frozen=True, slots=True)
class TransportSequenceNumber(ExtensionValue):
    """Number over all streams of a transport (draft-holmer-rmcat-transport-wide-cc-extensions-01).

    :ivar sequence_number: 0..65535.
    :raises ArgumentError: out of range.
    """

    URI: ClassVar[str] = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

    sequence_number: int

    def __post_init__(self) -> None:
        check_range(self, "sequence_number", 0, 0xFFFF)

    @classmethod
    def parse(cls, value: Buffer) -> Self:
        """Read 2 bytes; ParseError for another length."""
        c = read_value(lib.arc_extval_read_transport_seq, "struct arc_transport_seq", value,
                       "TransportSequenceNumber.parse")
        if c.has_request:
            raise ParseError("TransportSequenceNumber.parse: 4 bytes are of version 02")
        return cls(c.seq16)

    def serialize(self) -> bytes:
        """The 2 bytes."""
        c = ffi.new("struct arc_transport_seq *", {"seq16": self.sequence_number})
        return write_value(lambda *to: lib.arc_extval_write_transport_seq(c, *to), _ROOM,
                           "TransportSequenceNumber.serialize")


@dataclass(frozen=True, slots=True)
class FeedbackRequest:
    """That feedback be sent now.

    :ivar packets: of the past that it covers, up to this one, 0..32767; 0: send none.
    :ivar timing: with the times of arrival.
    :raises ArgumentError: out of range.
    """

    packets: int
    timing: bool = True

    def __post_init__(self) -> None:
        check_range(self, "packets", 0, 0x7FFF)


@dataclass(frozen=True, slots=True)
class TransportSequenceNumber02(ExtensionValue):
    """Number over all streams of a transport, with feedback on request (webrtc.org, "transport-wide-cc-02").

    :ivar sequence_number: 0..65535.
    :ivar feedback: what is asked for; None: nothing.
    :raises ArgumentError: out of range.
    """

    URI: ClassVar[str] = WEBRTC_URI + "transport-wide-cc-02"

    sequence_number: int
    feedback: FeedbackRequest | None = None

    def __post_init__(self) -> None:
        check_range(self, "sequence_number", 0, 0xFFFF)

    @classmethod
    def parse(cls, value: Buffer) -> Self:
        """Read 2 or 4 bytes; ParseError for another length."""
        c = read_value(lib.arc_extval_read_transport_seq, "struct arc_transport_seq", value,
                       "TransportSequenceNumber02.parse")
        return cls(c.seq16, FeedbackRequest(c.n_history_pkts, c.want_timing) if c.has_request else None)

    def serialize(self) -> bytes:
        """2 bytes, 4 with a request."""
        asked = self.feedback
        c = ffi.new("struct arc_transport_seq *", (self.sequence_number, asked is not None,
                                                   asked.timing if asked else False, asked.packets if asked else 0))
        return write_value(lambda *to: lib.arc_extval_write_transport_seq(c, *to), _ROOM,
                           "TransportSequenceNumber02.serialize")


@dataclass(frozen=True, slots=True)
class AbsCaptureTime(ExtensionValue):
    """When the first frame of a packet was captured (webrtc.org, "abs-capture-time").

    :ivar ntp64: wall clock of the capturing system, NTP's 32.32 bits, 0..2**64-1.
    :ivar clock_offset_q32: that clock minus the sender's, units of 2**-32 s, -2**63..2**63-1; None: not said.
    :raises ArgumentError: out of range.
    """

    URI: ClassVar[str] = WEBRTC_URI + "abs-capture-time"

    ntp64: int
    clock_offset_q32: int | None = None

    def __post_init__(self) -> None:
        check_range(self, "ntp64", 0, 2**64 - 1)
        if self.clock_offset_q32 is not None:
            check_range(self, "clock_offset_q32", -2**63, 2**63 - 1)

    @classmethod
    def parse(cls, value: Buffer) -> Self:
        """Read 8 or 16 bytes; ParseError for another length."""
        c = read_value(lib.arc_extval_read_capture_time, "struct arc_capture_time", value, "AbsCaptureTime.parse")
        return cls(c.ntp64, c.offset_q32 if c.has_offset else None)

    def serialize(self) -> bytes:
        """8 bytes, 16 with an offset."""
        offset = self.clock_offset_q32
        c = ffi.new("struct arc_capture_time *", (self.ntp64, offset is not None, offset or 0))
        return write_value(lambda *to: lib.arc_extval_write_capture_time(c, *to), _ROOM, "AbsCaptureTime.serialize")


@dataclass(frozen=True, slots=True)
class TransmissionOffset(ExtensionValue):
    """How much later than its RTP timestamp a packet was sent (RFC 5450 section 3).

    :ivar ticks: of the RTP clock, -2**23..2**23-1.
    :raises ArgumentError: out of range.
    """

    URI: ClassVar[str] = _IETF + "toffset"

    ticks: int

    def __post_init__(self) -> None:
        check_range(self, "ticks", -2**23, 2**23 - 1)

    @classmethod
    def parse(cls, value: Buffer) -> Self:
        """Read 3 bytes; ParseError for another length."""
        return cls(read_value(lib.arc_extval_read_toffset, "int32_t", value, "TransmissionOffset.parse")[0])

    def serialize(self) -> bytes:
        """The 3 bytes."""
        return write_value(lambda *to: lib.arc_extval_write_toffset(self.ticks, *to), _ROOM,
                           "TransmissionOffset.serialize")
