"""Format parameters of Opus in session descriptions, and the settings that follow from them (RFC 7587 section 7)."""
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from arcrtc._ranges import check_int
from arcrtc.audio.config import BANDWIDTHS, FRAME_SIZES_MS, MAX_BITRATE, MIN_BITRATE, AudioConfig, min_bitrate
from arcrtc.errors import ConfigError, ParseError

_NUMBERS: Final = {"maxplaybackrate": "max_playback_rate", "sprop-maxcapturerate": "max_capture_rate",
                   "maxaveragebitrate": "max_average_bitrate", "minptime": "min_ptime_ms"}
_FLAGS: Final = {"stereo": "stereo", "sprop-stereo": "sends_stereo", "cbr": "cbr", "useinbandfec": "fec",
                 "usedtx": "dtx"}
_RANGES: Final = {"max_playback_rate": (8000, 48_000), "max_capture_rate": (8000, 48_000),
                  "max_average_bitrate": (MIN_BITRATE, MAX_BITRATE), "min_ptime_ms": (1, 120), "ptime_ms": (1, 1000),
                  "max_ptime_ms": (1, 1000)}
_BANDWIDTH_OF_RATE: Final = ((8000, "nb"), (12_000, "mb"), (16_000, "wb"), (24_000, "swb"), (48_000, "fb"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpusParameters:
    """What one side says of the Opus that it likes to receive, and of what it sends.

    The parameters are wishes of a receiver, each way for itself: nothing of them is agreed on (section 7.1).

    :ivar max_playback_rate: more than this it cannot play, 8000..48000 Hz (``maxplaybackrate``).
    :ivar max_capture_rate: more than this it will not send, 8000..48000 Hz (``sprop-maxcapturerate``).
    :ivar max_average_bitrate: that it likes to receive, 6000..510000 bit/s (``maxaveragebitrate``); None: any.
    :ivar stereo: it likes to receive two channels (``stereo``).
    :ivar sends_stereo: it is likely to send two channels (``sprop-stereo``).
    :ivar cbr: it likes packets of equal length (``cbr``).
    :ivar fec: it makes use of in-band FEC (``useinbandfec``).
    :ivar dtx: it likes silence not to be sent (``usedtx``).
    :ivar min_ptime_ms: shortest packet that it likes, 1..120 ms (``minptime``).
    :ivar ptime_ms: packets that it likes best, 1..1000 ms (``a=ptime``); None: not told.
    :ivar max_ptime_ms: longest packet, 1..1000 ms (``a=maxptime``); None: not told.
    :raises ConfigError: out of range; names the field.
    """

    max_playback_rate: int = 48_000
    max_capture_rate: int = 48_000
    max_average_bitrate: int | None = None
    stereo: bool = False
    sends_stereo: bool = False
    cbr: bool = False
    fec: bool = False
    dtx: bool = False
    min_ptime_ms: int = 3
    ptime_ms: int | None = None
    max_ptime_ms: int | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name), low, high)
        for name in _FLAGS.values():
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name}={getattr(self, name)!r} must be True or False")

    @classmethod
    def from_fmtp(cls, fmtp: Mapping[str, str], *, ptime_ms: int | None = None,
                  max_ptime_ms: int | None = None) -> OpusParameters:
        """Read the format parameters of a section (MediaDescription.fmtp); others are passed over.

        :raises ParseError: a value is none of its parameter.
        """
        values: dict[str, int | bool | None] = {"ptime_ms": ptime_ms, "max_ptime_ms": max_ptime_ms}
        lower = {key.lower(): value for key, value in fmtp.items()}  # RFC 4855 section 3: names are case-insensitive
        for key, name in _NUMBERS.items():
            if key in lower:
                values[name] = _number(key, lower[key], name)
        for key, name in _FLAGS.items():
            if lower.get(key, "0") not in ("0", "1"):
                raise ParseError(f"opus: {key}={lower[key]!r} is neither 0 nor 1")
            values[name] = lower.get(key) == "1"
        return cls(**values)  # type: ignore[arg-type]

    def to_fmtp(self) -> dict[str, str]:
        """The format parameters, those only that are not the default."""
        usual = OpusParameters()
        out = {key: str(getattr(self, name)) for key, name in _NUMBERS.items()
               if getattr(self, name) != getattr(usual, name)}
        return {**out, **{key: "1" for key, name in _FLAGS.items() if getattr(self, name)}}

    @classmethod
    def for_receiver(cls, *, sample_rate: int = 48_000, channels: int = 1, fec: bool = True, dtx: bool = True,
                     cbr: bool = False, max_average_bitrate: int | None = None) -> OpusParameters:
        """What a side says that plays with this rate and these channels: what would be coded for nothing it declines.

        :param sample_rate: of the sound it plays, 8000..48000 Hz. :param channels: 1 or 2.
        :param fec: it makes use of in-band FEC, as :meth:`arcrtc.Session.receive_audio` does.
        :param dtx: it lets silence not be sent. :param cbr: it likes packets of equal length, which tell nobody who
            cannot decrypt them what is said (RFC 6562).
        :raises ConfigError: out of range.
        """
        return cls(max_playback_rate=sample_rate, max_average_bitrate=max_average_bitrate, stereo=channels == 2,
                   cbr=cbr, fec=fec, dtx=dtx)

    def limit(self, config: AudioConfig) -> AudioConfig:
        """The settings to send with to one who says this: ``config`` as far as the receiver likes it.

        Rate and channels of the samples stay; what is coded of them changes. FEC and DTX are used where both
        sides want them.
        """
        frame_ms = self._frame_ms(config.frame_size_ms)
        n_samples = int(config.sample_rate * frame_ms / 1000)
        bitrate = min(config.bitrate, self.max_average_bitrate or MAX_BITRATE)
        playable = next(name for rate, name in _BANDWIDTH_OF_RATE if self.max_playback_rate <= rate)
        wanted = config.max_bandwidth if config.max_bandwidth != "auto" else "fb"
        return replace(
            config, frame_size_ms=frame_ms, bitrate=max(bitrate, min_bitrate(n_samples, config.sample_rate)),
            max_bandwidth=min(playable, wanted, key=BANDWIDTHS.index),
            coded_channels=config.coded_channels if self.stereo else 1, vbr=config.vbr and not self.cbr,
            fec=config.fec and self.fec, dtx=config.dtx and self.dtx)

    def _frame_ms(self, wanted: float) -> float:
        longest = self.max_ptime_ms or 120
        allowed = [ms for ms in FRAME_SIZES_MS if ms <= longest] or [min(FRAME_SIZES_MS)]
        # Where both bounds leave nothing, the longest is the receiver's last word.
        fitting = [ms for ms in allowed if self.min_ptime_ms <= math.ceil(ms)] or [max(allowed)]
        return min(fitting, key=lambda ms: abs(ms - (self.ptime_ms or wanted)))


def _number(key: str, text: str, name: str) -> int:
    low, high = _RANGES[name]
    if not text.isascii() or not text.isdigit() or not low <= int(text[:9]) <= high:
        raise ParseError(f"opus: {key}={text!r} is not a number in {low}..{high}")
    return int(text)
