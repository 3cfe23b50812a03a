"""Header extensions about pictures (C module ``wire/extval``)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from arcrtc._native import ffi, lib
from arcrtc.errors import ArgumentError
from arcrtc.rtpext.base import WEBRTC_URI, ExtensionValue, check_range, read_value, write_value

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

_ROOM: Final = int(lib.ARC_EXTVAL_MAX_BYTES)


@dataclass(frozen=True, slots=True)
class VideoOrientation(ExtensionValue):
    """How a camera was held (3GPP TS 26.114 section 7.4.5).

    :ivar rotation_degrees: what a receiver turns the picture by, clockwise: 0, 90, 180 or 270.
    :ivar flipped: left and right are changed.
    :ivar back_camera: the camera faces away from its user.
    :raises ArgumentError: another rotation.
    """

    URI: ClassVar[str] = "urn:3gpp:video-orientation"

    rotation_degrees: int = 0
    flipped: bool = False
    back_camera: bool = False

    def __post_init__(self) -> None:
        if self.rotation_degrees not in (0, 90, 180, 270):
            raise ArgumentError(f"VideoOrientation: rotation_degrees={self.rotation_degrees!r} is none of "
                                "0, 90, 180, 270")

    @classmethod
    def parse(cls, value: Buffer) -> Self:
        """Read 1 byte; ParseError for another length."""
        c = read_value(lib.arc_extval_read_orientation, "struct arc_orientation", value, "VideoOrientation.parse")
        return cls(c.rotation_deg, c.flipped, c.back_camera)

    def serialize(self) -> bytes:
        """The byte."""
        c = ffi.new("struct arc_orientation *", (self.rotation_degrees, self.flipped, self.back_camera))
        return write_value(lambda *to: lib.arc_extval_write_orientation(c, *to), _ROOM, "VideoOrientation.serialize")


@dataclass(frozen=True, slots=True)
class PlayoutDelay(ExtensionValue):
    """Limits of the delay from capture to play-out that a sender wishes (webrtc.org, "playout-delay").

    :ivar min_ms: a multiple of 10, 0..max_ms.
    :ivar max_ms: a multiple of 10, 0..40950.
    :raises ArgumentError: something else.
    """

    URI: ClassVar[str] = WEBRTC_URI + "playout-delay"

    min_ms: int
    max_ms: int

    def __post_init__(self) -> None:
        check_range(self, "max_ms", 0, 40950)
        check_range(self, "min_ms", 0, self.max_ms)
        if self.min_ms % 10 or self.max_ms % 10:
            raise ArgumentError(f"{self!r}: both must be multiples of 10")

    @classmethod
    def parse(cls, value: Buffer) -> Self:
        """Read 3 bytes; ParseError for another length, or a minimum above the maximum."""
        c = read_value(lib.arc_extval_read_playout_delay, "struct arc_playout_delay", value, "PlayoutDelay.parse")
        return cls(c.min_ms, c.max_ms)

    def serialize(self) -> bytes:
        """The 3 bytes."""
        c = ffi.new("struct arc_playout_delay *", (self.min_ms, self.max_ms))
        return write_value(lambda *to: lib.arc_extval_write_playout_delay(c, *to), _ROOM, "PlayoutDelay.serialize")


@dataclass(frozen=True, slots=True)
class HdrMetadata:
    """Of the display a picture was made on (SMPTE ST 2086), and the light in it; whole numbers 0..65535.

    :ivar luminance_max: cd/m2. :ivar luminance_min: 1/10000 cd/m2.
    :ivar red: x and y, units of 1/50000. :ivar green: the same. :ivar blue: the same.
    :ivar white: the same.
    :ivar max_content_light: cd/m2. :ivar max_frame_average_light: cd/m2.
    :raises ArgumentError: a number is out of its range.
    """

    luminance_max: int
    luminance_min: int
    red: tuple[int, int]
    green: tuple[int, int]
    blue: tuple[int, int]
    white: tuple[int, int]
    max_content_light: int
    max_frame_average_light: int

    def __post_init__(self) -> None:
        numbers = self.numbers()
        if len(numbers) != 12 or not all(isinstance(n, int) and 0 <= n <= 0xFFFF for n in numbers):
            raise ArgumentError(f"{self!r}: twelve numbers in 0..65535")

    def numbers(self) -> tuple[int, ...]:
        """All twelve, in the order of the wire."""
        return (self.luminance_max, self.luminance_min, *self.red, *self.green, *self.blue, *self.white,
                self.max_content_light, self.max_frame_average_light)


@dataclass(frozen=True, slots=True)
class ColorSpace(ExtensionValue):
    """Colour space of a picture (webrtc.org, "color-space").

    :ivar primaries: ITU-T H.273 table 2, 0..255. :ivar transfer: table 3. :ivar matrix: table 4.
    :ivar range: of WebM: 0 unknown, 1 limited, 2 full, 3 derived.
    :ivar siting_horizontal: of WebM, 0..3. :ivar siting_vertical: the same.
    :ivar hdr: None: not said.
    :raises ArgumentError: out of range.
    """

    URI: ClassVar[str] = WEBRTC_URI + "color-space"

    primaries: int
    transfer: int
    matrix: int
    range: int = 0
    siting_horizontal: int = 0
    siting_vertical: int = 0
    hdr: HdrMetadata | None = None

    def __post_init__(self) -> None:
        for name in ("primaries", "transfer", "matrix"):
            check_range(self, name, 0, 255)
        for name in ("range", "siting_horizontal", "siting_vertical"):
            check_range(self, name, 0, 3)

    @classmethod
    def parse(cls, value: Buffer) -> Self:
        """Read 4 or 28 bytes; ParseError for another length."""
        c = read_value(lib.arc_extval_read_color_space, "struct arc_color_space", value, "ColorSpace.parse")
        n = list(c.hdr)
        hdr = HdrMetadata(n[0], n[1], (n[2], n[3]), (n[4], n[5]), (n[6], n[7]), (n[8], n[9]), n[10], n[11])
        return cls(c.primaries, c.transfer, c.matrix, c.range, c.siting_h, c.siting_v, hdr if c.has_hdr else None)

    def serialize(self) -> bytes:
        """4 bytes, 28 with HDR."""
        c = ffi.new("struct arc_color_space *", (
            self.primaries, self.transfer, self.matrix, self.range, self.siting_horizontal, self.siting_vertical,
            self.hdr is not None, self.hdr.numbers() if self.hdr else ()))
        return write_value(lambda *to: lib.arc_extval_write_color_space(c, *to), _ROOM, "ColorSpace.serialize")
