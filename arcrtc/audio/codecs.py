"""The audio codecs of RTP: names, rates and payload types (C module ``audio/audiocodec``)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from arcrtc._native import ffi, lib
from arcrtc.errors import ConfigError, UnsupportedError


@dataclass(frozen=True, slots=True)
class AudioCodec:
    """An audio codec.

    :ivar name: as in a session description, small letters.
    :ivar ident: its number in the core.
    :ivar sample_rates: rates of its samples, Hz; empty: any of 8000..48000.
    :ivar default_rate: one of them, where nothing else is said.
    :ivar max_channels: 1 or 2.
    :ivar payload_type: where nothing else is said: the static one (RFC 3551 section 6), or a dynamic one.
    :ivar has_noise: silence is told by packets of comfort noise of their own (RFC 3389).
    """

    name: str
    ident: int
    sample_rates: tuple[int, ...]
    default_rate: int
    max_channels: int
    payload_type: int
    has_noise: bool

    @property
    def is_opus(self) -> bool:
        """Whether it is Opus, whose settings change while it runs."""
        return self.ident == int(lib.ARC_AUDIO_OPUS)

    def clock_rate(self, sample_rate: int) -> int:
        """Rate of the RTP time stamps, Hz; of G.722 8000 at 16000 Hz (RFC 3551 section 4.5.2)."""
        return int(lib.arc_audiocodec_clock_hz(self.ident, sample_rate))

    def static_payload_type(self, sample_rate: int, channels: int) -> int:
        """The payload type where nothing else is said; of L16 by rate and channels (RFC 3551 section 6)."""
        if self.ident == lib.ARC_AUDIO_L16 and sample_rate == 44_100:
            return 12 - channels
        return self.payload_type

    def check(self, sample_rate: int, channels: int) -> None:
        """Refuse samples that it does not have.

        :raises ConfigError: names the field and what is allowed.
        """
        if isinstance(sample_rate, bool) or not isinstance(sample_rate, int) or not (
                sample_rate in self.sample_rates if self.sample_rates else 8000 <= sample_rate <= 48_000):
            allowed = ", ".join(map(str, self.sample_rates)) or "in 8000..48000"
            raise ConfigError(f"sample_rate={sample_rate!r}: that of {self.name} is {allowed} Hz")
        if isinstance(channels, bool) or channels not in range(1, self.max_channels + 1):
            allowed = "1 or 2" if self.max_channels == 2 else "1"
            raise ConfigError(f"channels={channels!r}: {self.name} has {allowed}")

    def check_frame(self, sample_rate: int, frame_size_ms: float) -> int:
        """Length of a packet's audio in microseconds.

        :raises ConfigError: no packet of it may be so long.
        """
        frame_us = round(frame_size_ms * 1000)
        if abs(frame_us - frame_size_ms * 1000) > 1e-6 or not lib.arc_audiocodec_frame_ok(
                self.ident, sample_rate, frame_us):
            raise ConfigError(f"frame_size_ms={frame_size_ms!r}: a packet of {self.name} holds {self._frames()}")
        return frame_us

    def _frames(self) -> str:
        if self.ident == lib.ARC_AUDIO_OPUS:
            return "2.5, 5, 10, 20, 40, 60, 80, 100 or 120 ms"
        return "1 to 60 ms, whole samples" if self.ident == lib.ARC_AUDIO_L16 else "10, 20, 30, 40, 50 or 60 ms"


def _codec(ident: int, rates: tuple[int, ...], default_rate: int, channels: int, payload_type: int,
           *, noise: bool = False) -> AudioCodec:
    name = ffi.string(lib.arc_audiocodec_name(ident)).decode("ascii")
    return AudioCodec(name, ident, rates, default_rate, channels, payload_type, noise)


#: Every audio codec by its name.
AUDIO_CODECS: Final[dict[str, AudioCodec]] = {codec.name: codec for codec in (
    _codec(lib.ARC_AUDIO_OPUS, (8000, 12_000, 16_000, 24_000, 48_000), 48_000, 2, 111),
    _codec(lib.ARC_AUDIO_PCMU, (8000,), 8000, 1, 0, noise=True),
    _codec(lib.ARC_AUDIO_PCMA, (8000,), 8000, 1, 8, noise=True),
    _codec(lib.ARC_AUDIO_G722, (16_000,), 16_000, 1, 9),
    _codec(lib.ARC_AUDIO_L16, (), 48_000, 2, 112))}

NOISE_PAYLOAD_TYPE: Final = 13  #: of comfort noise at 8000 Hz, RFC 3551 section 6


def find_codec(name: str) -> AudioCodec:
    """The codec of this name, without regard to case.

    :raises UnsupportedError: there is none. :raises ConfigError: the name is no text.
    """
    if not isinstance(name, str):
        raise ConfigError(f"codec={name!r} is no name")
    codec = AUDIO_CODECS.get(name.lower())
    if codec is None:
        raise UnsupportedError(f"codec={name!r}: the audio codecs are {', '.join(AUDIO_CODECS)}")
    return codec
