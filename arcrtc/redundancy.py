"""Copies of past frames of sound in later packets (RFC 2198): what is asked for."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from arcrtc._native import ffi, lib
from arcrtc._ranges import check_int
from arcrtc.errors import ConfigError

RED_PAYLOAD_TYPE: Final = 63  #: what browsers use
_HEADER_BITS: Final = 8 * lib.ARC_RED_HEADER_BYTES
_PRIMARY_BITS: Final = 8 * lib.ARC_RED_PRIMARY_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class RedConfig:
    """Which past frames go out again with each packet of a sent stream of Opus.

    A copy at distance d comes d frames after its packet, so a receiver must hold the sound back for d frames
    to gain from it; arcrtc's own does as long as packets are lost. Of a burst of n losses distance d brings the
    last d back.

    :ivar payload_type: of packets that hold copies, 0..63 or 96..127.
    :ivar distances: frames back, each 1..16, at most four, the most important first; (): no copies now.
        At the clock of Opus 16 frames are within the reach of RFC 2198 (341 ms) up to frames of 20 ms.
    :ivar max_overhead_pct: bytes of copies and their headers over those of the frames, mean of about a
        second; 1..400. Copies above it are left out, the least important first.
    :ivar speech_only: no copies of pauses, as the encoder marks them (RFC 6716 §4.2.3); what that saves may go into
        the encoder's bitrate.
    :raises ConfigError: a value is not allowed.
    """

    payload_type: int = RED_PAYLOAD_TYPE
    distances: tuple[int, ...] = (1,)
    max_overhead_pct: int = 150
    speech_only: bool = False

    def __post_init__(self) -> None:
        check_int("payload_type", self.payload_type, 1, 127)
        check_int("max_overhead_pct", self.max_overhead_pct, 1, lib.ARC_REDENC_MAX_OVERHEAD_PCT, "%")
        object.__setattr__(self, "distances", _checked(self.distances))

    def encoder_bitrate(self, total_bps: int, frame_size_ms: float = 20) -> int:
        """Bitrate of the encoder with which frames, copies and their headers are ``total_bps`` together.

        :param total_bps: RTP payload, bits per second. :param frame_size_ms: audio in a packet, above 0.
        :returns: bits per second, never below the 6000 that Opus needs.
        """
        frames_per_s = 1000 / frame_size_ms
        copies = len(self.distances)
        headers = frames_per_s * (copies * _HEADER_BITS + (_PRIMARY_BITS if copies else 0))
        return max(int(lib.ARC_OPUS_MIN_BITRATE_BPS), int((total_bps - headers) / (1 + copies)))


def _checked(distances: Iterable[int]) -> tuple[int, ...]:
    found = tuple(distances)
    for distance in found:
        check_int("distances", distance, 1, lib.ARC_REDENC_MAX_DISTANCE)
    if len(found) > lib.ARC_REDENC_MAX_COPIES or len(set(found)) < len(found):
        raise ConfigError(f"distances={found!r} are more than {lib.ARC_REDENC_MAX_COPIES}, or one comes twice")
    return found


def write_set(config: RedConfig, out: Any) -> None:
    """Fill a ``struct arc_redenc_set``."""
    out.n_copies = len(config.distances)
    out.distances[0:len(config.distances)] = config.distances
    out.max_overhead_pct = config.max_overhead_pct
    out.speech_only = config.speech_only


def native_set(config: RedConfig) -> Any:
    """A ``struct arc_redenc_set`` of its own."""
    out = ffi.new("struct arc_redenc_set *")
    write_set(config, out)
    return out
