"""What a measured call is made of."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arcrtc.errors import ConfigError
from arcrtc.sim import NetworkPlan
from arcrtc.srtp import SrtpProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """Settings of :func:`arcrtc.call.run_call`.

    :ivar audio: file whose sound is sent; None: none, unless ``video`` is None too.
    :ivar video: file whose pictures are sent; its sound too when ``audio`` is None. With neither,
        the sample clip that ships with the package.
    :ivar network: what lies between the peers.
    :ivar duration_s: length of the call, 0.5..86400; the media are repeated. None: one pass.
    :ivar seed: of the network's decisions, 0..2**64-1.
    :ivar encoder: as VideoConfig.encoder.
    :ivar audio_bitrate: bits per second, 6000..510000.
    :ivar video_bitrate: bits per second, 10_000..10**9.
    :ivar height: of the pictures sent; None: as in the file.
    :ivar profile: of SRTP; None: plain RTP.
    :ivar nack: repair by retransmission: video always, audio only with ``nack_audio``.
    :ivar fec: in-band FEC of Opus.
    :ivar max_latency_ms: hard bound of the play-out delay.
    :raises ConfigError: a value is outside of what is stated here.
    """

    audio: Path | None = None
    video: Path | None = None
    network: NetworkPlan = field(default_factory=lambda: NetworkPlan.preset("perfect"))
    duration_s: float | None = None
    seed: int = 0
    encoder: str = "auto"
    audio_bitrate: int = 32_000
    video_bitrate: int = 1_500_000
    height: int | None = None
    profile: SrtpProfile | None = SrtpProfile.AEAD_AES_128_GCM
    nack: bool = True
    nack_audio: bool = False
    fec: bool = True
    max_latency_ms: int = 500

    def __post_init__(self) -> None:
        if self.duration_s is not None and not 0.5 <= self.duration_s <= 86_400:
            raise ConfigError(f"duration_s={self.duration_s!r} is outside 0.5..86400")
        if not 0 <= self.seed < 2**64:
            raise ConfigError(f"seed={self.seed!r} is outside 0..2^64-1")

    def to_dict(self) -> dict[str, Any]:
        """For the report: what it was run with, in names and numbers."""
        return {
            "srtp": self.profile.name if self.profile is not None else "none",
            "encoder": self.encoder, "audio_bitrate_bps": self.audio_bitrate,
            "video_bitrate_bps": self.video_bitrate, "nack": self.nack, "nack_audio": self.nack_audio,
            "in_band_fec": self.fec, "max_latency_ms": self.max_latency_ms,
        }
