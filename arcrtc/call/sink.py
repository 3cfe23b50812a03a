"""The receiving side of a measured call: writes the recording and compares it with what was sent.

Encoding and comparing take time that must not delay the fetching of frames, so they
happen on a thread of their own behind a bounded queue. When that thread falls behind,
comparisons are left out first (and counted); the recording loses a frame only when the
queue is full.
"""
from __future__ import annotations

import contextlib
import math
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcrtc.call.feed import Feed
from arcrtc.media import AudioTrack, MediaAudio, MediaVideo, MediaWriter, VideoTrack
from arcrtc.session import Concealment, ReceivedFrame
from arcrtc.video.frame import VideoFrame
from arcrtc.video.quality import psnr, ssim

_QUEUE_FRAMES: Final = 128
_COMPARE_BELOW: Final = 32  # more waiting than this: no time to compare
_SSIM_EVERY: Final = 8  # SSIM costs ten times what PSNR costs
_NICENESS: Final = 10
_MOST_PSNR_DB: Final = 100.0  # equal pictures would be infinite
_MOST_SOUND_S: Final = 600


@dataclass(slots=True)
class Arrival:
    """What is kept of a received frame."""

    rtp_timestamp: int
    arrival_us: int
    complete_us: int
    decoded_us: int
    playout_us: int
    concealment: Concealment
    late: bool
    bytes: int


@dataclass(slots=True)
class Comparison:
    """Pictures received against pictures sent."""

    psnr_db: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    left_out: int = 0
    first: tuple[MediaVideo, MediaVideo] | None = None
    last: tuple[MediaVideo, MediaVideo] | None = None


def to_media_video(frame: VideoFrame, pts_us: int) -> MediaVideo:
    """A copy of a decoded picture as one array without padding; odd sides lose their last line."""
    width, height = frame.width & ~1, frame.height & ~1
    y, u, v = (frame if frame.format == "yuv420p" else frame.convert("yuv420p")).planes()
    planes = np.empty((height * 3 // 2, width), np.uint8)
    planes[:height] = y[:height, :width]
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    chroma[0] = u[:height // 2, :width // 2]
    chroma[1] = v[:height // 2, :width // 2]
    return MediaVideo(planes=planes, width=width, height=height, pts_us=pts_us,
                      full_range=frame.full_range, matrix="bt601" if frame.matrix == "bt601" else "bt709")


class Sink:
    """Takes received frames from the event loop and works on them in its own thread.

    :param path: the recording.
    :param audio_rate: of its sound, Hz; None: it has none.
    :param video: (width, height, frame rate) of its pictures; None: none.
    :param capture_us_of: RTP timestamp -> capture time of the picture, None when it is not known yet.
    :raises MediaError: the recording cannot be written.
    """

    def __init__(self, path: Path, *, audio_rate: int | None, video: tuple[int, int, float] | None, feed: Feed | None,
                 capture_us_of: Callable[[int], int | None] | None) -> None:
        self._writer = MediaWriter(
            path, audio=AudioTrack(sample_rate=audio_rate) if audio_rate else None,
            video=VideoTrack(width=video[0] & ~1, height=video[1] & ~1, frame_rate=video[2]) if video else None)
        self._feed, self._capture_us_of = feed, capture_us_of
        self._queue: queue.Queue[ReceivedFrame | None] = queue.Queue(_QUEUE_FRAMES)
        self._zero_us: int | None = None
        self.audio: list[Arrival] = []
        self.video: list[Arrival] = []
        self.sound: list[NDArray[np.int16]] = []
        self.sound_rate = 0
        self._sound_samples = 0
        self.comparison = Comparison()
        self.overflow_frames = 0  #: not recorded, because the thread fell behind
        self.fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="arcrtc-sink", daemon=True)
        self._thread.start()

    def put(self, received: ReceivedFrame) -> None:
        """Note a frame and hand it to the thread. Never waits."""
        arrival = Arrival(
            rtp_timestamp=received.rtp_timestamp, arrival_us=received.arrival_us,
            complete_us=received.complete_us, decoded_us=received.decoded_us,
            playout_us=received.playout_us, concealment=received.concealment, late=received.late,
            bytes=received.bytes)
        (self.audio if received.is_audio else self.video).append(arrival)
        try:
            self._queue.put_nowait(received)
        except queue.Full:
            self.overflow_frames += 1

    def close(self) -> None:
        """Work off the queue and finish the recording.

        :raises MediaError: the recording could not be written.
        """
        while self._thread.is_alive():
            try:
                self._queue.put(None, timeout=0.2)
                break
            except queue.Full:
                continue
        self._thread.join()
        self._writer.close()
        if self.fault is not None:
            raise self.fault

    # --- its thread ---

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            # Linux: of this thread alone. Recording must not delay the call that it records.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        try:
            while (received := self._queue.get()) is not None:
                self._take(received)
        except BaseException as fault:  # told by close()
            self.fault = fault

    def _take(self, received: ReceivedFrame) -> None:
        if self._zero_us is None:
            self._zero_us = received.playout_us
        # Written by play-out time: the recording is what a person would have heard and seen.
        pts_us = received.playout_us - self._zero_us
        if pts_us < 0:
            return
        frame: Any = received.frame
        if received.is_audio:
            self._take_sound(frame, pts_us)
        else:
            picture = to_media_video(frame, pts_us)
            self._writer.write(picture)
            self._compare(picture, received.rtp_timestamp)

    def _take_sound(self, frame: Any, pts_us: int) -> None:
        samples = np.ascontiguousarray(frame.samples.reshape(-1, frame.channels))
        self._writer.write(MediaAudio(samples=samples, sample_rate=frame.sample_rate, pts_us=pts_us))
        self.sound_rate = frame.sample_rate
        if self._sound_samples < _MOST_SOUND_S * frame.sample_rate:
            self.sound.append(samples[:, 0])
            self._sound_samples += len(samples)

    def _compare(self, picture: MediaVideo, rtp_timestamp: int) -> None:
        if self._feed is None or self._capture_us_of is None:
            return
        capture_us = self._capture_us_of(rtp_timestamp)
        source = self._feed.source_of(capture_us) if capture_us is not None else None
        if source is None:
            self.comparison.left_out += 1
            return
        if self.comparison.first is None:
            self.comparison.first = (source, picture)
        self.comparison.last = (source, picture)
        if source.planes.shape != picture.planes.shape or self._queue.qsize() > _COMPARE_BELOW:
            self.comparison.left_out += 1
            return
        height = picture.height
        ours, theirs = source.planes[:height], picture.planes[:height]
        value = psnr(ours, theirs)
        self.comparison.psnr_db.append(_MOST_PSNR_DB if math.isinf(value) else value)
        if len(self.comparison.psnr_db) % _SSIM_EVERY == 1:
            self.comparison.ssim.append(ssim(ours, theirs))
