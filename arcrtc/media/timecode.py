"""The number of a picture burnt into it: for machines as a row of black and white blocks, for people as digits.

The row lies at the top, as wide as the picture, so it survives compression and scaling: 44 blocks, each a bit,
white for 1: two to begin with (1 0), the number with 32 bits (highest first), its CRC-8, two to end with (0 1).
"""
from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from arcrtc.errors import ArgumentError
from arcrtc.media.frames import MediaVideo
from arcrtc.video.frame import VideoFrame

NUMBER_BITS: Final = 32
_BITS: Final = 2 + NUMBER_BITS + 8 + 2
_MIN_WIDTH_PX: Final = 3 * _BITS  # less, and no middle of a block is left after scaling
_WHITE: Final = 235
_BLACK: Final = 16
_CRC8_POLYNOMIAL: Final = 0x07  # ITU-T I.432.1 section 7.3.2.2

# Five columns and seven rows each; a bit is a dot, the highest on the left.
_GLYPHS: Final = {
    "0": (14, 17, 19, 21, 25, 17, 14), "1": (4, 12, 4, 4, 4, 4, 14), "2": (14, 17, 1, 2, 4, 8, 31),
    "3": (31, 2, 4, 2, 1, 17, 14), "4": (2, 6, 10, 18, 31, 2, 2), "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14), "7": (31, 1, 2, 4, 8, 8, 8), "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12), ":": (0, 4, 4, 0, 4, 4, 0), ".": (0, 0, 0, 0, 0, 12, 12),
    "#": (10, 10, 31, 10, 31, 10, 10), " ": (0, 0, 0, 0, 0, 0, 0)}


def _crc8(number: int) -> int:
    crc = 0
    for byte in number.to_bytes(4, "big"):
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (_CRC8_POLYNOMIAL if crc & 0x80 else 0)) & 0xFF
    # Not all zeros for number 0: a black picture has no time code.
    return crc ^ 0x55


def _bits_of(number: int) -> NDArray[np.bool_]:
    word = 0b10 << 42 | number << 10 | _crc8(number) << 2 | 0b01
    return np.array([word >> i & 1 for i in reversed(range(_BITS))], bool)


def row_height(height: int) -> int:
    """Rows of the time code in a picture of ``height`` rows."""
    return max(height // 16, 8)


def draw_time_code(luma: NDArray[np.uint8], number: int) -> None:
    """Write ``number`` into the rows at the top of a luma plane (height, width).

    :param number: 0 .. 2**32 - 1.
    :raises ArgumentError: fewer than 132 columns or 16 rows, or another number.
    """
    height, width = luma.shape
    if width < _MIN_WIDTH_PX or height < 16:
        raise ArgumentError(f"a picture of {width}x{height} has no room for a time code: "
                            f"it takes {_MIN_WIDTH_PX}x16 pixels")
    if not 0 <= number < 2**NUMBER_BITS:
        raise ArgumentError(f"number={number} is outside 0..2**32-1")
    bits = _bits_of(number)[np.arange(width) * _BITS // width]
    luma[:row_height(height)] = np.where(bits, _WHITE, _BLACK)


def draw_digits(luma: NDArray[np.uint8], text: str, top: int, left: int, dot_px: int) -> None:
    """Write ``text`` of digits, ``: . #`` and spaces in white on black; what does not fit is cut off."""
    dots = np.zeros((9, 6 * len(text) + 1), bool)
    for i, character in enumerate(text):
        for row, byte in enumerate(_GLYPHS[character]):
            for column in range(5):
                dots[1 + row, 1 + 6 * i + column] = byte >> (4 - column) & 1
    box = np.where(dots, _WHITE, _BLACK).repeat(dot_px, 0).repeat(dot_px, 1)
    rows, columns = luma[top:top + len(box), left:left + box.shape[1]].shape
    luma[top:top + rows, left:left + columns] = box[:rows, :columns]


def read_time_code(frame: VideoFrame | MediaVideo | NDArray[np.uint8]) -> int | None:
    """The number that :func:`draw_time_code` wrote, from the picture as it arrived.

    :param frame: a picture, compressed and scaled as it may be, or its luma plane (height, width).
    :returns: None where there is none, or it is not to be read any more.
    """
    luma = _luma_of(frame)
    height, width = luma.shape
    if width < _BITS or height < 8:
        return None
    # The middle half of each block, away from edges that compression blurs.
    rows = luma[row_height(height) // 4:max(row_height(height) * 3 // 4, 1)].mean(axis=0)
    middles = ((np.arange(_BITS) + 0.5) * width / _BITS).astype(int)
    quarter = width // _BITS // 4
    levels = np.array([rows[middle - quarter:middle + quarter + 1].mean() for middle in middles])
    if min(levels[0], levels[-1]) - max(levels[1], levels[-2]) < 40:
        return None
    grey = (levels[[0, -1]].mean() + levels[[1, -2]].mean()) / 2
    word = int("".join("1" if level > grey else "0" for level in levels), 2)
    number = word >> 10 & 0xFFFFFFFF
    return number if word >> 2 & 0xFF == _crc8(number) else None


def _luma_of(frame: VideoFrame | MediaVideo | NDArray[np.uint8]) -> NDArray[np.uint8]:
    if isinstance(frame, MediaVideo):
        return frame.planes[:frame.height]
    if not isinstance(frame, VideoFrame):
        return frame
    if frame.format not in ("yuv420p", "nv12"):
        frame = frame.convert("yuv420p")
    return frame.planes()[0]
