"""Decoded media as files give it: plain arrays with a time, nothing of PyAV in them."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from arcrtc.audio.frame import AudioFrame
from arcrtc.errors import ArgumentError
from arcrtc.video.frame import VideoFrame

ColorMatrix = Literal["bt601", "bt709", "bt2020"]

# Kr and Kb of each matrix: ITU-R BT.601-7 2.5.1, BT.709-6 item 3.2, BT.2020-2 table 4.
_LUMA: Final[dict[str, tuple[float, float]]] = {
    "bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}

# Names of the same for FFmpeg's scaler (sws_getCoefficients).
SWS_NAME: Final[dict[ColorMatrix, str]] = {"bt601": "itu601", "bt709": "itu709", "bt2020": "bt2020"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaAudio:
    """A block of sound.

    :ivar samples: shape (n, channels), int16, C-contiguous.
    :ivar sample_rate: Hz.
    :ivar pts_us: presentation time of the first sample, microseconds from the start of the medium.
    :raises ArgumentError: ``samples`` has another shape or dtype.
    """

    samples: NDArray[np.int16]
    sample_rate: int
    pts_us: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.dtype != np.int16:
            raise ArgumentError(
                f"samples: {self.samples.dtype} {self.samples.shape}, must be int16 (n, channels)")

    @property
    def is_audio(self) -> bool:
        """True."""
        return True

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[1])

    @property
    def duration_us(self) -> int:
        """Length, microseconds."""
        return round(len(self.samples) * 1_000_000 / self.sample_rate)

    def to_frame(self) -> AudioFrame:
        """The same samples for a sender; the time as an RTP timestamp of 48 kHz."""
        return AudioFrame(samples=self.samples if self.channels > 1 else self.samples[:, 0],
                          sample_rate=self.sample_rate, channels=self.channels,
                          timestamp=self.pts_us * 48 // 1000 % 2**32)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaVideo:
    """One picture, 4:2:0 with 8 bits.

    :ivar planes: shape (height * 3 / 2, width), uint8, C-contiguous: the rows of Y, then U and V
        (each (height / 2) * (width / 2) bytes) without padding.
    :ivar width: even, >= 2.
    :ivar height: even, >= 2.
    :ivar pts_us: presentation time, microseconds from the start of the medium.
    :ivar full_range: samples span 0..255; False: 16..235 and 16..240.
    :ivar matrix: how Y, U and V were made of R, G and B.
    :raises ArgumentError: ``planes`` does not fit ``width`` and ``height``.
    """

    planes: NDArray[np.uint8]
    width: int
    height: int
    pts_us: int
    full_range: bool = False
    matrix: ColorMatrix = "bt709"

    def __post_init__(self) -> None:
        if self.width < 2 or self.height < 2 or self.width % 2 or self.height % 2:
            raise ArgumentError(f"width x height: {self.width}x{self.height}, both must be even and >= 2")
        if self.planes.shape != (self.height * 3 // 2, self.width) or self.planes.dtype != np.uint8:
            raise ArgumentError(f"planes: {self.planes.dtype} {self.planes.shape}, must be uint8 "
                                f"({self.height * 3 // 2}, {self.width})")
        if self.matrix not in _LUMA:
            raise ArgumentError(f"matrix: {self.matrix!r}, must be one of {', '.join(_LUMA)}")

    @property
    def is_audio(self) -> bool:
        """False."""
        return False

    def to_frame(self) -> VideoFrame:
        """The same planes for a sender; the time as an RTP timestamp of 90 kHz.

        BT.2020 is sent as BT.709, which H.264 peers without it take it for anyway.
        """
        frame = VideoFrame(self.planes, self.width, self.height, self.pts_us * 90 // 1000 % 2**32, "yuv420p")
        frame.full_range = self.full_range
        frame.matrix = "bt601" if self.matrix == "bt601" else "bt709"
        return frame

    def to_rgb(self) -> NDArray[np.uint8]:
        """The picture as R, G, B; shape (height, width, 3), uint8. For reports: plain, not fast.

        Source: ITU-R BT.601-7 2.5, BT.709-6 3, BT.2020-2 table 4.
        """
        h, w = self.height, self.width
        chroma = self.planes[h:].reshape(2, h // 2, w // 2).astype(np.float32) - 128.0
        u, v = chroma.repeat(2, axis=1).repeat(2, axis=2)
        y = self.planes[:h].astype(np.float32)
        if not self.full_range:
            y = (y - 16.0) * (255.0 / 219.0)
            u, v = u * (255.0 / 224.0), v * (255.0 / 224.0)
        kr, kb = _LUMA[self.matrix]
        r = y + 2.0 * (1.0 - kr) * v
        b = y + 2.0 * (1.0 - kb) * u
        g = (y - kr * r - kb * b) / (1.0 - kr - kb)
        rgb = np.stack([r, g, b], axis=2)
        return np.clip(rgb + 0.5, 0.0, 255.0).astype(np.uint8)


MediaFrame: TypeAlias = MediaAudio | MediaVideo
