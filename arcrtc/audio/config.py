"""Settings of an audio pipeline: frozen, checked once, units in the text."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from arcrtc.audio.codecs import AUDIO_CODECS
from arcrtc.errors import ConfigError

SAMPLE_RATES: Final = (8000, 12000, 16000, 24000, 48000)
FRAME_SIZES_MS: Final = (2.5, 5, 10, 20, 40, 60, 80, 100, 120)
BANDWIDTHS: Final = ("auto", "nb", "mb", "wb", "swb", "fb")  #: as enum arc_opus_bandwidth: 4, 6, 8, 12, 20 kHz
APPLICATIONS: Final = ("voip", "audio", "lowdelay")
MIN_BITRATE: Final = 6000
MAX_BITRATE: Final = 510_000


def _check_int(name: str, value: int, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigError(f"{name}={value!r} must be a whole number in {low}..{high}")


def _check_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if isinstance(value, bool) or value not in allowed:
        raise ConfigError(f"{name}={value!r} must be one of {', '.join(map(str, allowed))}")


def min_bitrate(n_samples: int, sample_rate: int) -> int:
    """Least rate at which libopus codes frames of this length at all, bit/s.

    It needs three bytes a frame, which counts only for frames of 2.5 ms.
    """
    return max(MIN_BITRATE, -(-24 * sample_rate // n_samples))


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """How audio is encoded and decoded.

    :ivar codec: "opus", "pcmu", "pcma", "g722" or "l16". What is said of rate control, DTX, FEC, bandwidth and
        application concerns Opus.
    :ivar bitrate: target, bit/s, 6000..510_000 (from 9600 with 2.5 ms frames).
    :ivar sample_rate: of the frames on both sides, Hz: 8000, 12000, 16000, 24000 or 48000.
        The other peer may use another one. PCMU, PCMA: 8000; G.722: 16000; L16: 8000..48000.
    :ivar channels: 1 or 2; PCMU, PCMA, G.722: 1.
    :ivar frame_size_ms: usual length of a frame: 2.5, 5, 10, 20, 40, 60, 80, 100 or 120 ms. encode()
        takes each of these lengths; this one is what conceal() makes before the first packet. PCMU, PCMA,
        G.722: 10, 20 .. 60 ms, L16: 1 to 60 ms; encode() takes this length.
    :ivar dtx: send nothing while nobody speaks.
    :ivar fec: in-band FEC: packets carry a coarse copy of the frame before. Takes effect with
        ``expected_loss_pct`` > 0; libopus narrows the bandwidth for it below about 24 kb/s at 16 kHz
        mono, and leaves it out below about 18 kb/s.
    :ivar plc: conceal lost packets; False: silence in their place.
    :ivar complexity: CPU against quality, 0..10.
    :ivar application: "voip" (speech, coded as such), "audio" (fidelity first) or "lowdelay" (2.5 ms
        lookahead, no FEC).
    :ivar expected_loss_pct: loss that the encoder prepares for, 0..100 %.
    :ivar vbr: constrained variable rate; False: all packets of equal length.
    :ivar vbr_free: with vbr: without the constraint.
    :ivar max_bandwidth: of the audio that is coded: "nb" (4 kHz), "mb" (6), "wb" (8), "swb" (12), "fb" (20)
        or "auto".
    :ivar coded_channels: 1: two channels are coded as one; 0: as the encoder thinks best; 2: always two.
    :raises ConfigError: a value is not allowed; the message names it and its range.

    Source: RFC 6716 section 2.1, RFC 7587.
    """

    codec: str = "opus"
    bitrate: int = 32_000
    sample_rate: int = 16_000
    channels: int = 1
    frame_size_ms: float = 20
    dtx: bool = True
    fec: bool = True
    plc: bool = True
    complexity: int = 9
    application: str = "voip"
    expected_loss_pct: int = 10
    vbr: bool = True
    vbr_free: bool = False
    max_bandwidth: str = "auto"
    coded_channels: int = 0

    def __post_init__(self) -> None:
        _check_choice("codec", self.codec, tuple(AUDIO_CODECS))
        codec = AUDIO_CODECS[self.codec]
        if self.codec == "opus":
            _check_choice("sample_rate", self.sample_rate, SAMPLE_RATES)
            _check_choice("channels", self.channels, (1, 2))
            _check_choice("frame_size_ms", self.frame_size_ms, FRAME_SIZES_MS)
        codec.check(self.sample_rate, self.channels)
        codec.check_frame(self.sample_rate, self.frame_size_ms)
        _check_choice("max_bandwidth", self.max_bandwidth, BANDWIDTHS)
        _check_int("coded_channels", self.coded_channels, 0, self.channels)
        _check_choice("application", self.application, APPLICATIONS)
        _check_int("bitrate", self.bitrate, min_bitrate(self.frame_samples, self.sample_rate), MAX_BITRATE)
        _check_int("complexity", self.complexity, 0, 10)
        _check_int("expected_loss_pct", self.expected_loss_pct, 0, 100)
        for name in ("dtx", "fec", "plc", "vbr", "vbr_free"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name}={getattr(self, name)!r} must be True or False")

    @property
    def frame_samples(self) -> int:
        """Samples per channel in a frame of ``frame_size_ms``."""
        return int(self.sample_rate * self.frame_size_ms / 1000)

    @property
    def allowed_frame_samples(self) -> tuple[int, ...]:
        """Lengths that encode() takes, samples per channel."""
        if self.codec != "opus":
            return (self.frame_samples,)
        return tuple(int(self.sample_rate * ms / 1000) for ms in FRAME_SIZES_MS)
