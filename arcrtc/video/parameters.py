"""Format parameters of the video codecs in session descriptions, as browsers write and read them.

Source: RFC 6184 section 8 (H.264), RFC 7741 section 6 (VP8), RFC 9628 section 7 (VP9), the AV1 RTP
payload format, section 7, and the AV1 specification, annex A (levels).
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from arcrtc._ranges import check_int
from arcrtc.errors import ConfigError, ParseError
from arcrtc.sdp import h264_fmtp, h264_parameter_sets
from arcrtc.video.config import VideoCodec

# H.264: profile_idc, mask and value of the constraint bits, profile (RFC 6184 table 5; A.2 of H.264).
_H264_PROFILES: Final = (
    (0x42, 0x4F, 0x40, "constrained-baseline"), (0x4D, 0x8F, 0x80, "constrained-baseline"),
    (0x58, 0xCF, 0xC0, "constrained-baseline"), (0x42, 0x4F, 0x00, "baseline"), (0x58, 0xCF, 0x80, "baseline"),
    (0x4D, 0xAF, 0x00, "main"), (0x58, 0xCF, 0x00, "extended"), (0x64, 0xFF, 0x00, "high"),
    (0x64, 0xFF, 0x0C, "constrained-high"), (0x6E, 0xFF, 0x00, "high-10"), (0x7A, 0xFF, 0x00, "high-4:2:2"),
    (0xF4, 0xFF, 0x00, "high-4:4:4"))
# AV1: level index, largest picture (pixels, columns, rows), pixels a second (annex A.3).
_AV1_LEVELS: Final = (
    (0, 147_456, 2048, 1152, 4_423_680), (1, 278_784, 2816, 1584, 8_363_520),
    (4, 665_856, 4352, 2448, 19_975_680), (5, 1_065_024, 5504, 3096, 31_950_720),
    (8, 2_359_296, 6144, 3456, 70_778_880), (9, 2_359_296, 6144, 3456, 141_557_760),
    (12, 8_912_896, 8192, 4352, 267_386_880), (13, 8_912_896, 8192, 4352, 534_773_760),
    (14, 8_912_896, 8192, 4352, 1_069_547_520), (16, 35_651_584, 16_384, 8704, 1_069_547_520),
    (17, 35_651_584, 16_384, 8704, 2_139_095_040), (18, 35_651_584, 16_384, 8704, 4_278_190_080))
_LEVEL_1B: Final = (0x42, 0x4D, 0x58)  # profiles in which level 11 with constraint_set3 is 1b


def _number(fmtp: Mapping[str, str], key: str, default: int | None, top: int) -> int | None:
    text = fmtp.get(key)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > top:
        raise ParseError(f"{key}={text!r} is no number of 0..{top}")
    return int(text)


def _small(fmtp: Mapping[str, str]) -> dict[str, str]:
    """Names of parameters are case-insensitive (RFC 4855 section 3)."""
    return {key.lower(): value for key, value in fmtp.items()}


@dataclass(frozen=True, slots=True)
class H264Parameters:
    """H.264.

    :ivar profile_level_id: six hexadecimal digits: profile_idc, constraint bits, level_idc.
    :ivar packetization_mode: 0: single NAL units; 1: with STAP-A and FU-A.
    :ivar level_asymmetry_allowed: each side may send at a level of its own.
    :ivar parameter_sets: SPS and PPS of the sender, in Annex-B form; b"": in band.
    :raises ConfigError: out of range.
    """

    profile_level_id: str = "42e01f"
    packetization_mode: int = 1
    level_asymmetry_allowed: bool = True
    parameter_sets: bytes = b""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-fA-F]{6}", self.profile_level_id):
            raise ConfigError(f"profile_level_id={self.profile_level_id!r} is not six hexadecimal digits")
        check_int("packetization_mode", self.packetization_mode, 0, 1)

    @classmethod
    def from_fmtp(cls, fmtp: Mapping[str, str]) -> H264Parameters:
        """Read format parameters (MediaDescription.fmtp); others are passed over.

        :raises ParseError: a value is none of its parameter.
        """
        low = _small(fmtp)
        # RFC 6184 section 8.1: without it, Baseline profile at level 1; without a mode, mode 0.
        profile = low.get("profile-level-id", "42000a")
        mode = _number(low, "packetization-mode", 0, 2)
        if not re.fullmatch(r"[0-9a-fA-F]{6}", profile):
            raise ParseError(f"profile-level-id={profile!r} is not six hexadecimal digits")
        if mode == 2:
            raise ParseError("packetization-mode=2 (interleaved) is not supported")
        return cls(profile.lower(), mode or 0, _number(low, "level-asymmetry-allowed", 0, 1) == 1,
                   h264_parameter_sets(low))

    @property
    def fmtp(self) -> dict[str, str]:
        """Format parameters in the order of browsers."""
        out = {"level-asymmetry-allowed": "1"} if self.level_asymmetry_allowed else {}
        out |= {"packetization-mode": str(self.packetization_mode), "profile-level-id": self.profile_level_id}
        if self.parameter_sets:
            out["sprop-parameter-sets"] = h264_fmtp(self.parameter_sets)["sprop-parameter-sets"]
        return out

    @property
    def profile(self) -> str:
        """``constrained-baseline``, ``main``, ``high`` ...; ``unknown``: none that RFC 6184 lists."""
        idc, bits = int(self.profile_level_id[:2], 16), int(self.profile_level_id[2:4], 16)
        return next((name for number, mask, value, name in _H264_PROFILES if number == idc and bits & mask == value),
                    "unknown")

    @property
    def level(self) -> int:
        """Ten times the level: 31 for 3.1; 9 for 1b."""
        idc, bits, level = bytes.fromhex(self.profile_level_id)
        return 9 if level == 11 and bits & 0x10 and idc in _LEVEL_1B else level

    def accepts(self, other: H264Parameters) -> bool:
        """Whether both mean the same format: profile and packetization mode (RFC 6184 section 8.2.2)."""
        return self.packetization_mode == other.packetization_mode and self.profile == other.profile != "unknown"


@dataclass(frozen=True, slots=True)
class Vp8Parameters:
    """VP8.

    :ivar max_frame_rate: that the receiver can decode, frames per second (``max-fr``); None: not told.
    :ivar max_frame_size: that it can decode, macroblocks (``max-fs``); None: not told.
    :raises ConfigError: out of range.
    """

    max_frame_rate: int | None = None
    max_frame_size: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_frame_rate", "max_frame_size"):
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name), 1, 2**31 - 1)

    @classmethod
    def from_fmtp(cls, fmtp: Mapping[str, str]) -> Vp8Parameters:
        """Read format parameters; others are passed over.

        :raises ParseError: a value is none of its parameter.
        """
        low = _small(fmtp)
        return cls(_number(low, "max-fr", None, 2**31 - 1) or None, _number(low, "max-fs", None, 2**31 - 1) or None)

    @property
    def fmtp(self) -> dict[str, str]:
        """Format parameters; browsers write none."""
        told = {"max-fr": self.max_frame_rate, "max-fs": self.max_frame_size}
        return {key: str(value) for key, value in told.items() if value is not None}

    def accepts(self, other: Vp8Parameters) -> bool:
        """Whether both mean the same format: always."""
        return True


@dataclass(frozen=True, slots=True)
class Vp9Parameters:
    """VP9.

    :ivar profile_id: 0: 8 bits 4:2:0; 1: 8 bits others; 2: 10 or 12 bits 4:2:0; 3: 10 or 12 bits others.
    :ivar max_frame_rate: that the receiver can decode, frames per second (``max-fr``); None: not told.
    :ivar max_frame_size: that it can decode, macroblocks (``max-fs``); None: not told.
    :raises ConfigError: out of range.
    """

    profile_id: int = 0
    max_frame_rate: int | None = None
    max_frame_size: int | None = None

    def __post_init__(self) -> None:
        check_int("profile_id", self.profile_id, 0, 3)
        for name in ("max_frame_rate", "max_frame_size"):
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name), 1, 2**31 - 1)

    @classmethod
    def from_fmtp(cls, fmtp: Mapping[str, str]) -> Vp9Parameters:
        """Read format parameters; others are passed over. Without ``profile-id``: profile 0.

        :raises ParseError: a value is none of its parameter.
        """
        low = _small(fmtp)
        return cls(_number(low, "profile-id", 0, 3) or 0, _number(low, "max-fr", None, 2**31 - 1) or None,
                   _number(low, "max-fs", None, 2**31 - 1) or None)

    @property
    def fmtp(self) -> dict[str, str]:
        """Format parameters."""
        told = {"profile-id": self.profile_id, "max-fr": self.max_frame_rate, "max-fs": self.max_frame_size}
        return {key: str(value) for key, value in told.items() if value is not None}

    def accepts(self, other: Vp9Parameters) -> bool:
        """Whether both mean the same format: the profile."""
        return self.profile_id == other.profile_id


@dataclass(frozen=True, slots=True)
class Av1Parameters:
    """AV1.

    :ivar profile: 0: Main (4:2:0, 8 or 10 bits); 1: High; 2: Professional.
    :ivar level_idx: highest level, 0..31: 5 is 3.1 (720p30), 8 is 4.0 (1080p30), 12 is 5.0 (2160p30).
    :ivar tier: 0: Main; 1: High.
    :raises ConfigError: out of range.
    """

    profile: int = 0
    level_idx: int = 5
    tier: int = 0

    def __post_init__(self) -> None:
        check_int("profile", self.profile, 0, 2)
        check_int("level_idx", self.level_idx, 0, 31)
        check_int("tier", self.tier, 0, 1)

    @classmethod
    def from_fmtp(cls, fmtp: Mapping[str, str]) -> Av1Parameters:
        """Read format parameters; others are passed over. Absent: profile 0, level 3.1, tier 0.

        :raises ParseError: a value is none of its parameter.
        """
        low = _small(fmtp)
        level = _number(low, "level-idx", 5, 31)
        return cls(_number(low, "profile", 0, 2) or 0, 5 if level is None else level, _number(low, "tier", 0, 1) or 0)

    @classmethod
    def for_size(cls, width: int, height: int, frame_rate: float) -> Av1Parameters:
        """The lowest level whose pictures and rate these fit.

        :param width: columns, pixels. :param height: rows, pixels. :param frame_rate: pictures per second.
        :raises ConfigError: beyond level 6.2.
        """
        for level, pixels, columns, rows, rate in _AV1_LEVELS:
            if (width * height <= pixels and width <= columns and height <= rows
                    and width * height * frame_rate <= rate):
                return cls(level_idx=level)
        raise ConfigError(f"{width}x{height} at {frame_rate} pictures a second is beyond every level of AV1")

    @property
    def fmtp(self) -> dict[str, str]:
        """Format parameters in the order of browsers."""
        return {"level-idx": str(self.level_idx), "profile": str(self.profile), "tier": str(self.tier)}

    def accepts(self, other: Av1Parameters) -> bool:
        """Whether both mean the same format: the profile; level and tier are each receiver's own."""
        return self.profile == other.profile


VideoParameters = H264Parameters | Vp8Parameters | Vp9Parameters | Av1Parameters


def video_parameters(codec: VideoCodec, fmtp: Mapping[str, str]) -> VideoParameters:
    """Read the format parameters of a codec.

    :raises ParseError: a value is none of its parameter.
    """
    readers = {VideoCodec.H264: H264Parameters, VideoCodec.VP8: Vp8Parameters, VideoCodec.VP9: Vp9Parameters,
               VideoCodec.AV1: Av1Parameters}
    return readers[codec].from_fmtp(fmtp)  # type: ignore[attr-defined,no-any-return]
