"""The sending side of a measured call: files into frames, paced, and a copy of what was sent."""
from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from arcrtc.errors import MediaError
from arcrtc.media import MediaAudio, MediaSource, MediaVideo, open_media
from arcrtc.session import AudioSender, VideoSender

# Pictures kept to be compared with what is received: those of the longest delay there can be.
_MOST_PICTURES: Final = 128
_MOST_PICTURE_BYTES: Final = 256 * 1024 * 1024
_BLOCK_US: Final = 20_000
_MOST_SOUND_S: Final = 600  # kept for the comparison; a longer call is compared over its beginning


def clock_us() -> int:
    """The clock of the native threads, microseconds."""
    return time.monotonic_ns() // 1000


def open_sources(audio: Path | None, video: Path | None, *, height: int | None,
                 loop: bool, sample_rate: int = 48_000) -> tuple[MediaSource | None, MediaSource | None]:
    """Open what is to be sent: (sound, pictures); the same file is opened for each.

    :param sample_rate: of the sound, Hz.
    :raises MediaError: a file cannot be opened or has not got what it was named for.
    """
    pictures = sound = None
    if video is not None:
        pictures = open_media(video, audio=False, height=height, loop=loop)
    if audio is not None:
        sound = open_media(audio, video=False, loop=loop, block_ms=_BLOCK_US / 1000, sample_rate=sample_rate)
    elif video is not None:
        try:
            sound = open_media(video, video=False, loop=loop, block_ms=_BLOCK_US / 1000, sample_rate=sample_rate)
        except MediaError:
            sound = None  # pictures only: that is what the file holds
    return sound, pictures


class Feed:
    """Sends media in real time and remembers it until it was compared."""

    def __init__(self) -> None:
        self.start_us = 0  #: when the first frame was sent
        self.pictures: OrderedDict[int, MediaVideo] = OrderedDict()  #: capture_us -> picture
        self.sound: list[NDArray[np.int16]] = []  #: all that was sent, in order
        self.sound_start_us: int | None = None
        self.sound_rate = 0
        self._sound_samples = 0
        self.frames_sent = 0

    async def run(self, source: MediaSource, sender: AudioSender | VideoSender,
                  stop: asyncio.Event, until_us: int | None) -> None:
        """Send ``source`` until its end, ``until_us`` or ``stop``."""
        # A microphone hands out a block when its last sample is taken, a file at once: wait for it.
        block_us = _BLOCK_US if source.has_audio else 0
        async for frame in source.realtime_media(start_us=self.start_us + block_us, clock_us=clock_us):
            due_us = self.start_us + frame.pts_us
            if stop.is_set() or (until_us is not None and due_us >= until_us):
                return
            # The time it was due is the time it was captured: a camera does not wait for us.
            if isinstance(frame, MediaAudio):
                self._keep_sound(frame, due_us)
                sender.send(frame.to_frame(), capture_us=due_us)  # type: ignore[arg-type]
            else:
                self._keep_picture(frame, due_us)
                sender.send(frame.to_frame(), capture_us=due_us)  # type: ignore[arg-type]
                self.frames_sent += 1

    def _keep_sound(self, frame: MediaAudio, capture_us: int) -> None:
        if self.sound_start_us is None:
            self.sound_start_us, self.sound_rate = capture_us, frame.sample_rate
        if self._sound_samples < _MOST_SOUND_S * frame.sample_rate:
            self.sound.append(frame.samples[:, 0])
            self._sound_samples += len(frame.samples)

    def _keep_picture(self, frame: MediaVideo, capture_us: int) -> None:
        most = min(_MOST_PICTURES, max(4, _MOST_PICTURE_BYTES // frame.planes.nbytes))
        self.pictures[capture_us] = frame
        while len(self.pictures) > most:
            self.pictures.popitem(last=False)

    def source_of(self, capture_us: int) -> MediaVideo | None:
        """The picture captured then, taken out together with all older ones; None: not kept."""
        while self.pictures:
            at_us, picture = self.pictures.popitem(last=False)
            if abs(at_us - capture_us) <= 1:
                return picture
            if at_us > capture_us:
                self.pictures[at_us] = picture
                self.pictures.move_to_end(at_us, last=False)
                return None
        return None
