"""Copies of past frames of sound in later packets (RFC 2198): what is asked for."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from arcrtc._native import ffi, lib
from arcrtc._ranges import check_float, check_int
from arcrtc.errors import ConfigError

RED_PAYLOAD_TYPE: Final = 63  #: what browsers use
WIDEBAND_SPEECH_BPS: Final = 16_800  #: RFC 7587 §3.1.1 has 16 to 20 kb/s; measured best with copies
FULLBAND_SPEECH_BPS: Final = 28_000  #: least for fullband speech, RFC 7587 §3.1.1
_SMALL_LOSS: Final = 0.02  # that concealment makes up for; measured between 0.01 and 0.04
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
    :ivar max_total_bps: RTP payload, frames and copies together, bits per second, 0..2_000_000; 0: no bound. Copies
        are left out above it: what the frames leave gathers for a second, and from the first frame on there is never
        more, unless the encoder alone takes more.
    :ivar wideband_below_bps: while copies are sent, an encoder for speech (``application="voip"``) with a lower
        bitrate codes 8 kHz at most, bits per second, 0..510_000; 0: never. By default where RFC 7587 §3.1.1 says
        that fullband speech begins to be worth it: below, the part above 8 kHz is paid for by the voice.
    :raises ConfigError: a value is not allowed.
    """

    payload_type: int = RED_PAYLOAD_TYPE
    distances: tuple[int, ...] = (1,)
    max_overhead_pct: int = 150
    speech_only: bool = False
    max_total_bps: int = 0
    wideband_below_bps: int = FULLBAND_SPEECH_BPS

    def __post_init__(self) -> None:
        check_int("payload_type", self.payload_type, 1, 127)
        check_int("max_overhead_pct", self.max_overhead_pct, 1, lib.ARC_REDENC_MAX_OVERHEAD_PCT, "%")
        check_int("max_total_bps", self.max_total_bps, 0, lib.ARC_REDENC_MAX_TOTAL_BPS, "bit/s")
        check_int("wideband_below_bps", self.wideband_below_bps, 0, lib.ARC_OPUS_MAX_BITRATE_BPS, "bit/s")
        object.__setattr__(self, "distances", _checked(self.distances))

    def encoder_bitrate(self, total_bps: int, frame_size_ms: float = 20, speech_share: float = 0.8) -> int:
        """Bitrate of the encoder with which frames, copies and their headers are ``total_bps`` together, in the mean.

        :param total_bps: RTP payload, bits per second. :param frame_size_ms: audio in a packet, above 0.
        :param speech_share: with ``speech_only``: part of the frames that are speech, 0..1.
        :returns: bits per second, never below the 6000 that Opus needs.
        """
        frames_per_s = 1000 / frame_size_ms
        copies = len(self.distances) * (speech_share if self.speech_only else 1)
        headers = frames_per_s * (copies * _HEADER_BITS + (_PRIMARY_BITS if copies else 0))
        return max(int(lib.ARC_OPUS_MIN_BITRATE_BPS), int((total_bps - headers) / (1 + copies)))


def speech_plan(total_bps: int, expected_loss: float, reach: int = 4,
                frame_size_ms: float = 20) -> tuple[RedConfig, int]:
    """How speech is best shared between frames and copies within a total rate.

    Each frame of speech once more with the packet ``reach`` frames later, which outlasts bursts. While one copy leaves
    little lost, what it does not take makes the frames better. Above that loss a second copy follows with the next
    packet, as the rate has room for it: the frames keep what wideband speech needs, if one copy leaves that much.

    :param total_bps: RTP payload, bits per second. :param expected_loss: of packets, as the peer reports it, 0..1.
    :param reach: frames that the receiver may wait, 2..16. :param frame_size_ms: audio in a packet, above 0.
    :returns: what to send again, and the bitrate of the encoder.
    :raises ConfigError: a value is not allowed.
    """
    check_int("reach", reach, 2, lib.ARC_REDENC_MAX_DISTANCE)
    check_float("expected_loss", expected_loss, 0.0, 1.0)

    def shared(*distances: int) -> tuple[RedConfig, int]:
        red = RedConfig(distances=distances, max_overhead_pct=lib.ARC_REDENC_MAX_OVERHEAD_PCT, speech_only=True,
                        max_total_bps=total_bps)
        return red, red.encoder_bitrate(total_bps, frame_size_ms)

    (once, most_bps), (twice, least_bps) = shared(reach), shared(reach, 1)
    if expected_loss ** 2 <= _SMALL_LOSS:  # of single losses, whose copy is lost as well
        return once, most_bps
    return twice, max(min(most_bps, WIDEBAND_SPEECH_BPS), least_bps)


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
    out.max_total_bps = config.max_total_bps


def native_set(config: RedConfig) -> Any:
    """A ``struct arc_redenc_set`` of its own."""
    out = ffi.new("struct arc_redenc_set *")
    write_set(config, out)
    return out
