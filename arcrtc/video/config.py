"""What a video stream is to be: codec, size, rate. Checked once, then frozen."""
from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from arcrtc.errors import ConfigError

MIN_BITRATE_BPS: Final = 10_000
MAX_BITRATE_BPS: Final = 1_000_000_000
MIN_SIDE_PX: Final = 16
MAX_SIDE_PX: Final = 16_384
MAX_LAYERS: Final = 3


class VideoCodec(Enum):
    """Codecs by their names in SDP. What can be encoded here: :func:`arcrtc.video.list_encoders`."""

    H264 = "h264"
    VP8 = "vp8"
    VP9 = "vp9"
    AV1 = "av1"


class VideoContent(Enum):
    """What the pictures show; the encoder looks for what is usual there."""

    CAMERA = "camera"
    SCREEN = "screen"  #: text and windows: sharp edges, few colours


class VideoResolution(Enum):
    """Usual 16:9 picture sizes; the value is (width, height) in pixels."""

    P360 = (640, 360)
    P480 = (854, 480)
    P720 = (1280, 720)
    P1080 = (1920, 1080)
    P1440 = (2560, 1440)
    P2160 = (3840, 2160)
    P4320 = (7680, 4320)

    @property
    def width(self) -> int:
        """Columns, pixels."""
        return int(self.value[0])

    @property
    def height(self) -> int:
        """Rows, pixels."""
        return int(self.value[1])


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Raise ConfigError unless ``value`` is an int in low..high."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{name}={value!r} must be an integer in {low}..{high}")


def size_of(resolution: VideoResolution | tuple[int, int]) -> tuple[int, int]:
    """(width, height) in pixels of a resolution.

    :raises ConfigError: neither a VideoResolution nor two integers in 16..16384.
    """
    if isinstance(resolution, VideoResolution):
        return resolution.width, resolution.height
    if not isinstance(resolution, tuple) or len(resolution) != 2:
        raise ConfigError(
            f"resolution={resolution!r} must be a VideoResolution or a tuple (width, height)")
    check_range("resolution width", resolution[0], MIN_SIDE_PX, MAX_SIDE_PX)
    check_range("resolution height", resolution[1], MIN_SIDE_PX, MAX_SIDE_PX)
    return resolution


def parse_resolution(resolution: Any) -> tuple[int, int]:
    """Width and height of ``"720p"``, ``(1280, 720)`` or a VideoResolution."""
    if isinstance(resolution, VideoResolution):
        return resolution.width, resolution.height
    if isinstance(resolution, str):
        named = {f"{r.height}p": r for r in VideoResolution}
        if resolution not in named:
            raise ConfigError(f"resolution={resolution!r} is not one of {', '.join(named)}, "
                              "nor a (width, height) pair")
        return named[resolution].width, named[resolution].height
    try:
        width, height = resolution
        return int(width), int(height)
    except (TypeError, ValueError):
        raise ConfigError(f"resolution={resolution!r} is not a name such as '720p' nor (width, height)") from None


def parse_content(content: Any) -> VideoContent:
    """A VideoContent, or its name."""
    try:
        return VideoContent(content)
    except ValueError:
        raise ConfigError(f"content={content!r} is not one of {', '.join(c.value for c in VideoContent)}") from None


def parse_codec(codec: Any) -> VideoCodec:
    """A VideoCodec, or its name: ``"h264"``, ``"H.264"``."""
    if isinstance(codec, VideoCodec):
        return codec
    try:
        return VideoCodec(str(codec).lower().replace(".", ""))
    except ValueError:
        raise ConfigError(f"codec={codec!r} is not one of {', '.join(c.value for c in VideoCodec)}") from None


@dataclass(frozen=True, slots=True)
class VideoConfig:
    """Configuration of a :class:`arcrtc.video.VideoPipeline`.

    :ivar codec: what is sent and received.
    :ivar bitrate: bits per second, 10_000..1_000_000_000.
    :ivar resolution: coded size; frames of another size are scaled. A VideoResolution, or
        (width, height) with 16..16384 pixels each.
    :ivar frame_rate: frames per second that the rate control plans with, 1..1000.
    :ivar keyframe_interval: frames from key frame to key frame, 0..1_000_000; 0: only on request.
    :ivar adaptive_bitrate: whether a controller may change bit rate and resolution of this stream.
    :ivar encoder: "auto" (proved hardware first, then libx264, libvpx, or libaom; the environment
        variable ARCRTC_VIDEO_ENCODER stands in for it), "software", "nvenc", "vaapi", "qsv",
        "v4l2m2m", "amf", "videotoolbox", or a library's name such as "libx264".
    :ivar threads: slices or tiles encoded in parallel, 1..16; 0: by size and cores.
    :ivar decoder: "auto" (FFmpeg for h264, vp8 and vp9, dav1d for av1), or a name that
        :func:`arcrtc.video.list_decoders` has, such as "libvpx-vp9".
    :ivar hwaccel: decoding by hardware: "none", "auto" (a device that opens, else software), or
        FFmpeg's name of a kind of device such as "cuda" or "vaapi".
    :ivar decode_threads: slices or tiles decoded in parallel, 1..16; 0: as many as cores.
    :ivar partial_frames: H.264: decode what came of a picture that lacks packets in its midst, with
        ``damaged`` set; False, and for other codecs: such a picture is dropped.
    :ivar speed: 0 (best picture) .. 7 (quickest); None: by size, frame rate and cores.
    :ivar content: what the pictures show.
    :ivar temporal_layers: 1..3; more than one: VP8, VP9 and AV1 in software.
    :ivar spatial_layers: 1..3; more than one: VP9 and AV1 in software. The top one has the
        resolution of the stream, each below it half of the one above.
    :ivar intra_refresh: heal losses without key frames. Where the encoder has it (x264, NVENC, Quick
        Sync), columns are coded anew in turn, once in ``keyframe_interval`` frames (0: in two
        seconds), and key frames come on request only; elsewhere frames carry no statistics over
        from those that may be lost (VP8, VP9, AV1 in software).

    :raises ConfigError: a value is outside its range.
    """

    codec: VideoCodec = VideoCodec.H264
    bitrate: int = 2_000_000
    resolution: VideoResolution | tuple[int, int] = VideoResolution.P1080
    frame_rate: int = 30
    keyframe_interval: int = 30
    adaptive_bitrate: bool = True
    encoder: str = "auto"
    threads: int = 0
    speed: int | None = None
    content: VideoContent = VideoContent.CAMERA
    temporal_layers: int = 1
    spatial_layers: int = 1
    intra_refresh: bool = False
    decoder: str = "auto"
    hwaccel: str = "none"
    decode_threads: int = 1
    partial_frames: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.codec, VideoCodec):
            raise ConfigError(f"codec={self.codec!r} must be one of {', '.join(map(str, VideoCodec))}")
        check_range("bitrate", self.bitrate, MIN_BITRATE_BPS, MAX_BITRATE_BPS)
        size_of(self.resolution)
        check_range("frame_rate", self.frame_rate, 1, 1000)
        check_range("keyframe_interval", self.keyframe_interval, 0, 1_000_000)
        if not isinstance(self.encoder, str) or not self.encoder:
            raise ConfigError(f"encoder={self.encoder!r} must be a name such as 'auto' or 'libx264'")
        check_range("threads", self.threads, 0, 16)
        for name, word in (("decoder", self.decoder), ("hwaccel", self.hwaccel)):
            if not isinstance(word, str) or not word:
                raise ConfigError(f"{name}={word!r} must be a name such as 'auto'")
        check_range("decode_threads", self.decode_threads, 0, 16)
        if self.speed is not None:
            check_range("speed", self.speed, 0, 7)
        if not isinstance(self.content, VideoContent):
            raise ConfigError(f"content={self.content!r} must be one of {', '.join(map(str, VideoContent))}")
        check_range("temporal_layers", self.temporal_layers, 1, MAX_LAYERS)
        check_range("spatial_layers", self.spatial_layers, 1, MAX_LAYERS)
        if self.spatial_layers > 1 and self.codec not in (VideoCodec.VP9, VideoCodec.AV1):
            raise ConfigError(f"spatial_layers={self.spatial_layers}: {self.codec.value} has none; vp9 and av1 have")

    @property
    def width(self) -> int:
        """Columns, pixels."""
        return size_of(self.resolution)[0]

    @property
    def height(self) -> int:
        """Rows, pixels."""
        return size_of(self.resolution)[1]
