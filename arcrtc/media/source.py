"""Media files as a source of frames: in presentation order, at full speed or in real time."""
from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import Final

from arcrtc.audio.frame import AudioFrame
from arcrtc.errors import ArgumentError, MediaError
from arcrtc.media.decode import Contents, measure_loop_us, read_contents, read_pictures, read_sound
from arcrtc.media.frames import MediaFrame
from arcrtc.media.latest import Latest
from arcrtc.media.live import find_live
from arcrtc.media.prefetch import Prefetch
from arcrtc.video.frame import VideoFrame

# Decoded ahead of the reader: enough for a second of sound and picture, at most so many bytes.
_PREFETCH_FRAMES: Final = 64
_PREFETCH_BYTES: Final = 64 * 1024 * 1024


def open_media(path: str | PathLike[str], *, audio: bool = True, video: bool = True,
               sample_rate: int | None = 48_000, channels: int | None = 1, block_ms: float = 20,
               width: int | None = None, height: int | None = None, loop: bool = False,
               latest: bool | None = None) -> MediaSource:
    """Open a file, a camera, the screen or a test pattern for reading.

    :param path: any file that FFmpeg opens, with audio, video or both (the first stream of each); or
        "testsrc:size=1280x720,rate=30,duration=10" (:class:`TestPattern`), "v4l2:/dev/video0" or
        "x11grab::0.0" (:class:`DeviceSource`; both take ",size=1280x720,rate=30"). These have pictures only.
    :param audio: False: leave the sound out.
    :param video: False: leave the picture out.
    :param sample_rate: Hz, 8000..192000; sound is resampled to it. None: as in the file.
    :param channels: 1 or 2; sound is mixed to it. None: as in the file, at most 2.
    :param block_ms: length of a block of sound, milliseconds, 2.5..1000; a whole number of samples.
    :param width: scale the picture to it; even, >= 2. None: from ``height`` with the shape kept, or as
        in the file.
    :param height: scale the picture to it; even, >= 2. None: likewise from ``width``.
    :param loop: begin again at the end, for ever; times go on rising.
    :param latest: in real time a reader that is late by more than a picture skips to the one of now, counted
        in ``skipped``; sound is never skipped. None: True for what is live, False for files.
    :raises MediaError: no such file, not media, nothing in it of what is wanted, decode fault.
    :raises ArgumentError: a parameter is out of its range.
    """
    if (live := find_live(fspath(path))) is not None:
        if not video:
            raise MediaError(f"{fspath(path)}: no audio in it")
        return live(width=width, height=height, latest=latest)
    contents = read_contents(Path(fspath(path)), audio=audio, video=video)
    return MediaSource(contents, sample_rate=sample_rate, channels=channels, block_ms=block_ms,
                       width=width, height=height, loop=loop, latest=bool(latest))


class MediaSource:
    """A media file that gives its frames, from the start in each iteration.

    Pictures are 4:2:0, sound is int16 in blocks of one length; the first of all frames is near
    0 us. A thread of its own reads ahead, at most 64 frames or 64 MiB. Make it with open_media().

    Threads: each iteration belongs to one thread; several at the same time are several readers.
    """

    def __init__(self, contents: Contents, *, sample_rate: int | None, channels: int | None,
                 block_ms: float, width: int | None, height: int | None, loop: bool, latest: bool = False) -> None:
        self.latest = latest  #: whether a late reader skips pictures in real time
        self.skipped = 0  #: pictures left out for that, since the source was opened
        self._contents = contents
        self._sample_rate = sample_rate or contents.sample_rate
        self._channels = channels or min(contents.channels, 2)
        self._block_samples = 0
        self._size = (0, 0)
        if self.has_audio:
            self._block_samples = _block_samples(self._sample_rate, self._channels, block_ms)
        if self.has_video:
            self._size = scaled_size(contents.width, contents.height, width, height)
        self._loop_us = measure_loop_us(contents) if loop else 0

    def __repr__(self) -> str:
        parts = [str(self.path)]
        if self.has_audio:
            parts.append(f"{self._sample_rate} Hz x {self._channels}")
        if self.has_video:
            parts.append(f"{self._size[0]}x{self._size[1]} at {self._contents.frame_rate:g}/s")
        return f"MediaSource({', '.join(parts)})"

    @property
    def path(self) -> Path:
        """The file."""
        return self._contents.path

    @property
    def has_audio(self) -> bool:
        """Sound is in it and wanted."""
        return self._contents.audio >= 0

    @property
    def has_video(self) -> bool:
        """A picture is in it and wanted (cover art is none)."""
        return self._contents.video >= 0

    @property
    def duration_s(self) -> float | None:
        """Length of one pass, seconds, as the file's header says; None: it does not say."""
        return self._contents.duration_us / 1e6 if self._contents.duration_us > 0 else None

    @property
    def video_size(self) -> tuple[int, int] | None:
        """Width and height of the pictures given, pixels; None without video."""
        return self._size if self.has_video else None

    @property
    def frame_rate(self) -> float | None:
        """Mean pictures per second; the times of the frames are what counts. None without video."""
        return self._contents.frame_rate if self.has_video else None

    @property
    def sample_rate(self) -> int | None:
        """Sample rate of the sound given, Hz; None without audio."""
        return self._sample_rate if self.has_audio else None

    @property
    def channels(self) -> int | None:
        """Channels of the sound given; None without audio."""
        return self._channels if self.has_audio else None

    def __iter__(self) -> Iterator[MediaFrame]:
        """Give all frames in the order of their times, as fast as they are taken.

        :raises MediaError: decode fault.
        """
        reader = self._read_ahead()
        try:
            while (frame := reader.get()) is not None:
                yield frame
        finally:
            reader.close()

    async def realtime(self) -> AsyncIterator[AudioFrame | VideoFrame]:
        """Give each frame when its time has come, ready for a sender's ``send``; the first at once.

        As realtime_media(); ``timestamp`` of the frames counts on the RTP clocks, 48 kHz and 90 kHz.

        :raises MediaError: decode fault.
        """
        async for frame in self.realtime_media():
            yield frame.to_frame()

    async def realtime_media(
            self, *, start_us: int | None = None, clock_us: Callable[[], int] | None = None,
            sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> AsyncIterator[MediaFrame]:
        """Give each frame when its time has come.

        After a pause of the reader frames come one behind the other until the clock is caught up with; with
        ``latest`` pictures that are late by more than the time of one are left out, and counted.

        :param start_us: the time of ``clock_us`` at which pts_us 0 is due; None: the first frame at once.
        :param clock_us: monotonic clock, microseconds; None: time.monotonic_ns() / 1000.
        :param sleep: waits for seconds; 0 lets other tasks run.
        :raises MediaError: decode fault.
        """
        now_us = clock_us or (lambda: time.monotonic_ns() // 1000)
        reader = self._read_ahead()
        try:
            while True:
                ready, frame = reader.poll()
                if not ready:
                    frame = await asyncio.to_thread(reader.get)
                if frame is None:
                    return
                if start_us is None:
                    start_us = now_us() - frame.pts_us
                wait_us = start_us + frame.pts_us - now_us()
                if self.latest and not frame.is_audio and wait_us < -1e6 / self._contents.frame_rate:
                    self.skipped += 1
                    continue
                await sleep(max(0, wait_us) / 1e6)
                yield frame
        finally:
            reader.close()

    def _read_ahead(self) -> Prefetch[MediaFrame] | Latest[MediaFrame]:
        frame_bytes = max(1, self._size[0] * self._size[1] * 3 // 2)
        depth = max(4, min(_PREFETCH_FRAMES, _PREFETCH_BYTES // frame_bytes))
        return Prefetch(self._frames, depth)

    def _frames(self) -> Iterator[MediaFrame]:
        readers: list[Iterator[MediaFrame]] = []
        if self.has_audio:
            readers.append(read_sound(
                self._contents, sample_rate=self._sample_rate, channels=self._channels,
                block_samples=self._block_samples, loop_us=self._loop_us))
        if self.has_video:
            readers.append(read_pictures(
                self._contents, width=self._size[0], height=self._size[1], loop_us=self._loop_us))
        return heapq.merge(*readers, key=lambda frame: frame.pts_us)


def _block_samples(sample_rate: int, channels: int, block_ms: float) -> int:
    if not 8_000 <= sample_rate <= 192_000:
        raise ArgumentError(f"sample_rate: {sample_rate} Hz is outside 8000..192000")
    if channels not in (1, 2):
        raise ArgumentError(f"channels: {channels}, must be 1 or 2")
    if not 2.5 <= block_ms <= 1000:
        raise ArgumentError(f"block_ms: {block_ms} is outside 2.5..1000")
    samples = sample_rate * block_ms / 1000
    if samples != int(samples):
        raise ArgumentError(f"block_ms: {block_ms} at {sample_rate} Hz is {samples:g} samples, must be whole")
    return int(samples)


def scaled_size(source_width: int, source_height: int,
                width: int | None, height: int | None) -> tuple[int, int]:
    """Size of the pictures given for what was asked for; both even.

    :raises ArgumentError: odd, or out of range.
    """
    for name, value in (("width", width), ("height", height)):
        if value is not None and (value % 2 or not 2 <= value <= 16_384):
            raise ArgumentError(f"{name}: {value}, must be even and within 2..16384")
    if width is None and height is None:
        width, height = source_width // 2 * 2, source_height // 2 * 2
    elif width is None:
        assert height is not None
        width = max(2, round(source_width * height / source_height / 2) * 2)
    elif height is None:
        height = max(2, round(source_height * width / source_width / 2) * 2)
    assert width is not None
    assert height is not None
    if width < 2 or height < 2:
        raise ArgumentError(f"width x height: the source's {source_width}x{source_height} is too small")
    return width, height
