"""A test pattern: colour bars, something that moves, and the number of each picture burnt into it."""
from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from arcrtc.errors import ArgumentError
from arcrtc.media.decode import Contents
from arcrtc.media.frames import MediaVideo
from arcrtc.media.source import MediaSource
from arcrtc.media.timecode import draw_digits, draw_time_code, row_height
from arcrtc.video.frame import VideoFrame

_BARS: Final = ((191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191))
_STEP_PX: Final = 4  # of the moving half, each picture; even, so that chroma moves with it


class TestPattern(MediaSource):
    """Pictures made here: a source that needs no file and shows what became of each of its pictures.

    Colour bars above, a texture that moves by 4 columns a picture below, at the top the time code that
    :func:`read_time_code` reads, below it the same in digits: ``hours:minutes:seconds.milliseconds #number``.

    :param width: even, 132..16384.
    :param height: even, 64..16384.
    :param frame_rate: pictures per second, 1..1000.
    :param duration_s: seconds; None: without end.
    :param latest: in real time a reader that is late gets the picture of now; those between are counted in
        ``skipped``. False: it gets all, one behind the other.
    :raises ArgumentError: a value is outside its range.
    """

    __test__ = False  # no test case, whatever pytest makes of the name

    def __init__(self, width: int = 1280, height: int = 720, frame_rate: float = 30.0, *,
                 duration_s: float | None = None, latest: bool = True) -> None:
        for name, value, low in (("width", width, 132), ("height", height, 64)):
            if not isinstance(value, int) or value % 2 or not low <= value <= 16_384:
                raise ArgumentError(f"{name}={value!r} must be even and within {low}..16384")
        if not 1 <= frame_rate <= 1000:
            raise ArgumentError(f"frame_rate={frame_rate} is outside 1..1000")
        if duration_s is not None and not (math.isfinite(duration_s) and duration_s > 0):
            raise ArgumentError(f"duration_s={duration_s} must be above 0")
        super().__init__(Contents(
            path=Path(f"testsrc:size={width}x{height},rate={frame_rate:g}"), audio=-1, video=0, sample_rate=0,
            channels=0, width=width, height=height, frame_rate=float(frame_rate), start_us=0,
            duration_us=round((duration_s or 0) * 1e6)), sample_rate=None, channels=None, block_ms=20, width=None,
            height=None, loop=False, latest=latest)
        self._rate = float(frame_rate)
        self._count = None if duration_s is None else max(round(duration_s * frame_rate), 1)
        self._bars, self._texture = _background(width, height)

    def picture(self, number: int) -> MediaVideo:
        """Picture ``number`` (0, 1, 2 ...; modulo 2^32 in its time code)."""
        width, height = self._size
        pts_us = self._pts_us(number)
        planes = self._bars.copy()
        half = (height // 2 + 1) // 2 * 2
        at = number * _STEP_PX % 256
        planes[half:height] = self._texture[half:, at:at + width]
        luma = planes[:height]
        draw_time_code(luma, number % 2**32)
        seconds, ms = divmod(pts_us // 1000, 1000)
        text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms:03} #{number}"
        draw_digits(luma, text, row_height(height) + 4, 4, max(min(height // 120, width // 170), 1))
        return MediaVideo(planes=planes, width=width, height=height, pts_us=pts_us,
                          matrix="bt709" if height >= 720 else "bt601")

    def _pts_us(self, number: int) -> int:
        return round(number * 1e6 / self._rate)

    def _frames(self) -> Iterator[MediaVideo]:
        return map(self.picture, count() if self._count is None else range(self._count))

    async def realtime_media(
            self, *, start_us: int | None = None, clock_us: Callable[[], int] | None = None,
            sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> AsyncIterator[MediaVideo]:
        """Give each picture when its time has come; as of a file (:meth:`MediaSource.realtime_media`).

        Made when they are due: nothing is decoded ahead, and a late reader skips without cost.
        """
        now_us = clock_us or (lambda: time.monotonic_ns() // 1000)
        begin_us = now_us() if start_us is None else start_us
        number = 0
        while self._count is None or number < self._count:
            newest = int((now_us() - begin_us) * self._rate / 1e6)
            if self.latest and newest > number:
                self.skipped += newest - number
                number = newest
                continue
            await sleep(max(0, begin_us + self._pts_us(number) - now_us()) / 1e6)
            yield self.picture(number)
            number += 1


def _background(width: int, height: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(a picture of bars with grey chroma below, luma of the moving half with 256 columns more)."""
    rgb = np.array(_BARS, np.uint8)[np.arange(width) * len(_BARS) // width]
    rgb = np.broadcast_to(rgb, (height, width, 3)).copy()
    rgb[height // 2:] = 128
    matrix = "bt709" if height >= 720 else "bt601"
    bars = VideoFrame.from_ndarray(rgb).convert("yuv420p", matrix=matrix).to_ndarray()
    y, x = np.indices((height, width + 256))
    texture = 126 + 80 * np.sin(x * (2 * np.pi / 64)) * np.sin(y * (2 * np.pi / 48))
    return bars, texture.astype(np.uint8)
