"""What a measured call is made of."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from arcrtc.audio.codecs import AudioCodec, find_codec
from arcrtc.errors import ConfigError
from arcrtc.fec import FecConfig
from arcrtc.redundancy import RedConfig
from arcrtc.sim import NetworkPlan
from arcrtc.srtp import SrtpProfile
from arcrtc.video.config import parse_codec

_PARITY_TYPES: Final = {"audio": 118, "video": 119}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """Settings of :func:`arcrtc.call.run_call`.

    :ivar audio: file whose sound is sent; None: none, unless ``video`` is None too.
    :ivar video: file whose pictures are sent; its sound too when ``audio`` is None. With neither,
        the sample clip that ships with the package.
    :ivar network: what lies between the peers.
    :ivar duration_s: length of the call, 0.5..86400; the media are repeated. None: one pass.
    :ivar seed: of the network's decisions, 0..2**64-1.
    :ivar video_codec: "h264", "vp8", "vp9" or "av1".
    :ivar encoder: as VideoConfig.encoder, of that codec.
    :ivar audio_codec: "opus", "pcmu", "pcma", "g722" or "l16" (at 48000 Hz).
    :ivar audio_bitrate: bits per second of Opus, 6000..510000.
    :ivar video_bitrate: bits per second, 10_000..10**9.
    :ivar height: of the pictures sent; None: as in the file.
    :ivar profile: of SRTP; None: plain RTP.
    :ivar nack: repair by retransmission: video always, audio only with ``nack_audio``.
    :ivar fec: in-band FEC of Opus.
    :ivar red: copies of past frames of Opus in later packets, as :class:`arcrtc.redundancy.RedConfig` has the
        distances; (): none.
    :ivar repair: "auto": everything is agreed on, copies and parity of sound and pictures too, and a policy chooses
        once a second; "manual": what is said here.
    :ivar max_latency_ms: hard bound of the play-out delay.
    :raises ConfigError: a value is outside of what is stated here.
    """

    audio: Path | None = None
    video: Path | None = None
    network: NetworkPlan = field(default_factory=lambda: NetworkPlan.preset("perfect"))
    duration_s: float | None = None
    seed: int = 0
    video_codec: str = "h264"
    encoder: str = "auto"
    audio_codec: str = "opus"
    audio_bitrate: int = 32_000
    video_bitrate: int = 1_500_000
    height: int | None = None
    profile: SrtpProfile | None = SrtpProfile.AEAD_AES_128_GCM
    nack: bool = True
    nack_audio: bool = False
    fec: bool = True
    red: tuple[int, ...] = ()
    repair: Literal["manual", "auto"] = "manual"
    max_latency_ms: int = 500

    def __post_init__(self) -> None:
        if self.duration_s is not None and not 0.5 <= self.duration_s <= 86_400:
            raise ConfigError(f"duration_s={self.duration_s!r} is outside 0.5..86400")
        if not 0 <= self.seed < 2**64:
            raise ConfigError(f"seed={self.seed!r} is outside 0..2^64-1")
        if self.repair not in ("manual", "auto"):
            raise ConfigError(f"repair={self.repair!r} is neither manual nor auto")
        if self.red and not self.codec.is_opus:
            raise ConfigError(f"red={self.red!r}: copies are of Opus only, the sound is {self.codec.name}")
        RedConfig(distances=self.red)
        parse_codec(self.video_codec)

    @property
    def codec(self) -> AudioCodec:
        """The codec of the sound.

        :raises UnsupportedError: there is none of that name.
        """
        return find_codec(self.audio_codec)

    @property
    def red_config(self) -> RedConfig | None:
        """Copies that the sound is opened with; None: never any."""
        if not self.codec.is_opus or not (self.red or self.repair == "auto"):
            return None
        return RedConfig(distances=self.red)

    def parity(self, kind: str) -> FecConfig | None:
        """Parity that a stream is opened with; None: never any."""
        if self.repair != "auto":
            return None
        return FecConfig(overhead=0.0, payload_type=_PARITY_TYPES[kind], two_dimensional=kind == "video")

    def to_dict(self) -> dict[str, Any]:
        """For the report: what it was run with, in names and numbers."""
        return {
            "srtp": self.profile.name if self.profile is not None else "none",
            "video_codec": parse_codec(self.video_codec).value, "encoder": self.encoder,
            "audio_codec": self.codec.name, "audio_bitrate_bps": self.audio_bitrate,
            "video_bitrate_bps": self.video_bitrate, "nack": self.nack, "nack_audio": self.nack_audio,
            "in_band_fec": self.fec and self.codec.is_opus,
            "red_distances": ", ".join(map(str, self.red)) or "none", "repair": self.repair,
            "max_latency_ms": self.max_latency_ms,
        }
