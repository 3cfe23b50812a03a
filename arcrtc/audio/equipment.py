"""What codecs and their concealment do to speech, as the E-model counts it.

G.711: ITU-T G.113 Appendix I. G.722 without loss: G.113 Appendix IV. Opus is in no Recommendation:
its factors were measured here by ``bench/bench_emodel.py`` (PESQ and PLCMOS on speech of four
talkers, read off by the line through the codecs of G.113, in the way of P.834.1), with the
concealment of libopus 1.3 and random losses. They are estimates for this engine, not planning values of the ITU-T.
"""
from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from arcrtc.audio.emodel import Rating, VoicePath, rate, rate_wideband
from arcrtc.errors import UnsupportedError

Band = Literal["narrowband", "wideband"]

# bit/s -> Ie,WB, rising rates; between them straight lines.
_OPUS_IE: Final = ((8_000, 49.0), (12_000, 30.0), (16_000, 20.0), (20_000, 15.0), (24_000, 12.0), (32_000, 9.0),
                   (48_000, 7.0))
_OPUS_BPL: Final = 9.6
_G711_BPL: Final = 25.1  # G.113 table I.3: with the concealment of G.711 appendix I
_G722_IE: Final = 13.0  # G.113 appendix IV, 64 kbit/s
_OPUS_LOOKAHEAD_MS: Final = 6.5  # libopus, "voip" and "audio": 2.5 ms of CELT and 4 ms of resampling
_G722_LOOKAHEAD_MS: Final = 1.6  # G.722: 22 samples of its two filters


@dataclass(frozen=True, slots=True)
class Equipment:
    """A codec and its concealment, as the E-model sees them.

    :ivar band: which scale its factors are of.
    :ivar ie: equipment impairment factor without loss, 0..95.
    :ivar bpl: packet-loss robustness factor.
    :ivar lookahead_ms: delay that it adds beyond its packets, milliseconds.
    """

    band: Band
    ie: float
    bpl: float
    lookahead_ms: float

    def rate(self, *, loss_pct: float = 0.0, burst_ratio: float = 1.0, delay_ms: float = 0.0) -> Rating:
        """Rate a path with this codec, all else at its default.

        :param loss_pct: what has to be concealed, percent of the sound, 0..100.
        :param burst_ratio: mean length of its bursts over that of random losses, 0.1..1000.
        :param delay_ms: mouth to ear, 0..600000.
        :raises ConfigError: a value is outside its range.
        """
        if self.band == "wideband":
            return rate_wideband(ie=self.ie, bpl=self.bpl, loss_pct=loss_pct, burst_ratio=burst_ratio,
                                 delay_ms=delay_ms)
        return rate(VoicePath(ie=self.ie, bpl=self.bpl, loss_pct=loss_pct, burst_ratio=burst_ratio, delay_ms=delay_ms))


def equipment(codec: str, bitrate: float | None = None) -> Equipment:
    """Factors of a codec.

    :param codec: "opus", "pcmu", "pcma", "g722" or "l16", in any case.
    :param bitrate: of Opus, payload bit/s while somebody speaks; None: 32000. Below 8000 and above
        48000 it is taken as those.
    :raises UnsupportedError: no factors are known for the codec.
    """
    name = codec.lower()
    if name == "opus":
        return Equipment("wideband", _opus_ie(32_000 if bitrate is None else bitrate), _OPUS_BPL, _OPUS_LOOKAHEAD_MS)
    if name in ("pcmu", "pcma"):
        return Equipment("narrowband", 0.0, _G711_BPL, 0.0)
    if name == "g722":
        return Equipment("wideband", _G722_IE, _OPUS_BPL, _G722_LOOKAHEAD_MS)
    if name == "l16":
        return Equipment("wideband", 0.0, _OPUS_BPL, 0.0)
    raise UnsupportedError(f"codec={codec!r}: the E-model knows opus, pcmu, pcma, g722 and l16")


def _opus_ie(bitrate: float) -> float:
    """Ie,WB at a rate, by straight lines between those measured."""
    if bitrate <= _OPUS_IE[0][0]:
        return _OPUS_IE[0][1]
    for (low, ie_low), (high, ie_high) in pairwise(_OPUS_IE):
        if bitrate <= high:
            return ie_low + (ie_high - ie_low) * (bitrate - low) / (high - low)
    return _OPUS_IE[-1][1]
