"""Sizes and frame rates of video, and the bit rate that each takes with each codec."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from arcrtc.video.config import VideoCodec, VideoResolution

Degradation = Literal["balanced", "maintain-framerate", "maintain-resolution"]

# What 720p at 30 frames a second takes to look good in conversation: 0.09 bits a pixel of H.264. A larger
# picture takes less for each pixel (its detail is larger, too), and so does each of more frames a second: the
# exponents give the usual 0.8, 2.5, 4.8, 14 and 44 Mb/s of 360p, 720p, 1080p, 2160p and 4320p.
_REFERENCE_PX: Final = 1280 * 720
_REFERENCE_FPS: Final = 30
_REFERENCE_BPS: Final = 2_500_000
_SIZE_EXPONENT: Final = 0.8
_RATE_EXPONENT: Final = 0.75
#: Bit rate for the same picture, H.264 = 1.
CODEC_SHARE: Final = {VideoCodec.H264: 1.0, VideoCodec.VP8: 1.0, VideoCodec.VP9: 0.7, VideoCodec.AV1: 0.6}

_SLOWER: Final = (1.0, 2 / 3, 1 / 2, 1 / 3)  # shares of the frame rate that are gone down to


def good_bitrate(codec: VideoCodec, resolution: VideoResolution, frame_rate: float) -> int:
    """Bits per second at which a stream looks good; below, it would look better smaller or slower.

    :param frame_rate: frames per second, > 0.
    """
    size: float = (resolution.width * resolution.height / _REFERENCE_PX) ** _SIZE_EXPONENT
    rate: float = (frame_rate / _REFERENCE_FPS) ** _RATE_EXPONENT
    return round(_REFERENCE_BPS * CODEC_SHARE[codec] * size * rate)


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of a ladder.

    :ivar resolution: coded size.
    :ivar frame_rate: frames per second.
    :ivar good_bps: :func:`good_bitrate` of both.
    """

    resolution: VideoResolution
    frame_rate: int
    good_bps: int

    @property
    def px_per_s(self) -> int:
        """Pixels a second: what it costs to encode."""
        return self.resolution.width * self.resolution.height * self.frame_rate

    def __str__(self) -> str:
        return f"{self.resolution.height}p{self.frame_rate}"


def make_ladder(codec: VideoCodec, degradation: Degradation, *, lowest: VideoResolution, highest: VideoResolution,
                frame_rate: int, min_frame_rate: int) -> list[Rung]:
    """The steps from the largest to the smallest; each takes less bit rate than the one before.

    "maintain-framerate" makes the picture smaller only, "maintain-resolution" slower only; "balanced" goes
    slower by a third, then smaller at full speed. At the smallest size it may go slower still.
    """
    sizes = [r for r in reversed(VideoResolution) if lowest.height <= r.height <= highest.height]
    rates = sorted({max(round(frame_rate * share), min_frame_rate) for share in _SLOWER}, reverse=True)
    if degradation == "maintain-framerate":
        steps = [(size, frame_rate) for size in sizes]
    elif degradation == "maintain-resolution":
        steps = [(highest, rate) for rate in rates]
    else:
        steps = [(size, rate) for size in sizes for rate in (rates if size is sizes[-1] else rates[:2])]
    rungs = [Rung(size, rate, good_bitrate(codec, size, rate)) for size, rate in steps]
    rungs.sort(key=lambda rung: -rung.good_bps)
    return rungs
