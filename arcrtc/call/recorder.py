"""Writes what is received into a file that is opened when it is known what comes.

Encoding takes time that must not delay the fetching of frames, so it happens on a
thread of its own behind a bounded queue; what does not fit is counted.
"""
from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from arcrtc.audio.frame import AudioFrame
from arcrtc.audio.resampler import Resampler
from arcrtc.call.sink import to_media_video
from arcrtc.media import AudioTrack, MediaAudio, MediaWriter, VideoTrack
from arcrtc.session import Concealment, ReceivedFrame
from arcrtc.video.frame import VideoFrame

_QUEUE_FRAMES: Final = 256
_WAIT_US: Final = 1_500_000  # for a medium of which no packet came, and for the first sender reports
_MOST_WAIT_US: Final = 30_000_000  # for the first frame of one whose packets come: a key frame may take long
_MOST_SHIFT_US: Final = 1_000_000  # reports that say more do not speak of the same clock
_WAIT_BYTES: Final = 128 * 1024 * 1024
_RATE: Final = 48_000  # of the recording's sound, Hz
_HELD_BLOCKS: Final = 128  # made-up sound at the end of a stream; it ends by itself after a second
_MADE_UP: Final = (Concealment.CONCEALED, Concealment.INSERTED)


class Recorder:
    """Takes received frames from any thread and writes them from its own.

    The file is opened when both media have come and it is known how they lie to each other, or one has
    come and the other does not; it begins with the first frame. Sound
    that was made up after the last packet is not written.

    :param path: the recording; replaced if it exists, at once.
    :param channels: of the sound, 1 or 2.
    :param frame_rate: of the pictures, a hint for the encoder.
    :raises MediaError: it cannot be written, or its container does not hold Opus and H.264.
    """

    def __init__(self, path: Path, *, channels: int = 1, frame_rate: float = 30.0) -> None:
        self.path, self._channels, self._frame_rate = path, channels, frame_rate
        self._resampler: Resampler | None = None
        # An empty recording with both tracks: what forbids writing is found out before the call.
        self._open((16, 16), sound=True).close()
        self.arriving: frozenset[str] = frozenset()  #: media whose packets come, as far as is known
        self.seconds = 0.0  #: written so far
        self.overflow_frames = 0  #: not recorded, because this machine could not encode them in time
        self.left_out_frames = 0  #: of a medium that began after the file was opened without it
        self.fault: BaseException | None = None
        self._zero_us: int | None = None
        self._writer: MediaWriter | None = None
        self._tracks: frozenset[str] = frozenset()
        self._shift_us: dict[str, int] = {}
        self._waiting: list[ReceivedFrame] = []
        self._waiting_bytes = 0
        self._held: list[ReceivedFrame] = []
        self._queue: queue.Queue[ReceivedFrame | None] = queue.Queue(_QUEUE_FRAMES)
        self._thread = threading.Thread(target=self._run, name="arcrtc-recorder", daemon=True)
        self._thread.start()

    @property
    def zero_us(self) -> int | None:
        """Play-out time of the first frame, monotonic microseconds; None: nothing came yet."""
        return self._zero_us

    def put(self, received: ReceivedFrame) -> None:
        """Hand over a frame. Never waits."""
        if self._zero_us is None:
            self._zero_us = received.playout_us
        try:
            self._queue.put_nowait(received)
        except queue.Full:
            self.overflow_frames += 1

    def close(self) -> None:
        """Work off the queue and finish the file; remove it if there is nothing to put into it.

        :raises MediaError: the recording could not be written.
        """
        while self._thread.is_alive():
            try:
                self._queue.put(None, timeout=0.2)
                break
            except queue.Full:
                continue
        self._thread.join()
        if self._writer is not None:
            self._writer.close()
        elif self.fault is None:
            self.path.unlink(missing_ok=True)
        if self.fault is not None:
            raise self.fault

    # --- its thread ---

    def _run(self) -> None:
        try:
            while (received := self._queue.get()) is not None:
                self._take(received)
            if self._waiting:
                self._begin()
        except BaseException as fault:  # told by close()
            self.fault = fault

    def _take(self, received: ReceivedFrame) -> None:
        if self._writer is not None:
            self._write(received)
            return
        self._waiting.append(received)
        self._waiting_bytes += _bytes(received)
        seen = frozenset(_kind(r) for r in self._waiting)
        timed = frozenset(_kind(r) for r in self._waiting if r.capture_ntp_us is not None)
        waited_us = received.playout_us - self._waiting[0].playout_us
        if (len(timed) == 2 or (waited_us > _WAIT_US and self.arriving <= seen)
                or waited_us > _MOST_WAIT_US or self._waiting_bytes > _WAIT_BYTES):
            self._begin()

    def _begin(self) -> None:
        picture = next((r.frame for r in self._waiting if isinstance(r.frame, VideoFrame)), None)
        self._tracks = frozenset(_kind(r) for r in self._waiting)
        self._writer = self._open((picture.width & ~1, picture.height & ~1) if picture else None,
                                  sound="audio" in self._tracks)
        self._shift_us = _lip_sync(self._waiting)
        waiting, self._waiting = self._waiting, []
        for received in waiting:
            self._write(received)

    def _open(self, size: tuple[int, int] | None, *, sound: bool) -> MediaWriter:
        return MediaWriter(
            self.path, audio=AudioTrack(channels=self._channels) if sound else None,
            video=VideoTrack(width=size[0], height=size[1], frame_rate=self._frame_rate) if size else None)

    def _write(self, received: ReceivedFrame) -> None:
        if _kind(received) not in self._tracks:
            self.left_out_frames += 1
        elif not received.is_audio:
            self._put(received)
        elif received.concealment in _MADE_UP and len(self._held) < _HELD_BLOCKS:
            self._held.append(received)
        else:
            held, self._held = self._held, []
            for block in held:
                self._put(block)
            self._put(received)

    def _put(self, received: ReceivedFrame) -> None:
        assert self._writer is not None
        assert self._zero_us is not None
        # By play-out time: the recording is what a person would have heard and seen.
        pts_us = received.playout_us - self._zero_us + self._shift_us.get(_kind(received), 0)
        if pts_us < 0:
            return
        frame = received.frame
        if isinstance(frame, AudioFrame):
            samples = self._resampled(frame).reshape(-1, frame.channels)
            self._writer.write(MediaAudio(samples=samples, sample_rate=_RATE, pts_us=pts_us))
            pts_us += round(len(samples) * 1e6 / _RATE)
        else:
            self._writer.write(to_media_video(frame, pts_us))
        self.seconds = max(self.seconds, pts_us / 1e6)

    def _resampled(self, frame: AudioFrame) -> NDArray[np.int16]:
        """The samples at the rate of the recording; those of telephony come at 8000 or 16000 Hz."""
        samples = np.ascontiguousarray(frame.to_int16())
        if frame.sample_rate == _RATE:
            return samples
        if self._resampler is None:
            self._resampler = Resampler(frame.sample_rate, _RATE, frame.channels)
        return np.asarray(self._resampler.process(samples), dtype=np.int16)


def _kind(received: ReceivedFrame) -> str:
    return "audio" if received.is_audio else "video"


def _bytes(received: ReceivedFrame) -> int:
    frame = received.frame
    if isinstance(frame, AudioFrame):
        return frame.n_samples * frame.channels * 2
    return frame.width * frame.height * 3 // 2


def _lip_sync(frames: list[ReceivedFrame]) -> dict[str, int]:
    """How much later each medium is to be written, so that what was captured together is together.

    Within a session the play-out keeps media in step; those of several sessions are brought into step
    here, by the clock of the sender's reports (RFC 3550 section 6.4.1), if both have come.
    """
    delay_us = {_kind(r): r.playout_us - r.capture_ntp_us for r in frames if r.capture_ntp_us is not None}
    if len(delay_us) < 2 or abs(delay_us["audio"] - delay_us["video"]) > _MOST_SHIFT_US:
        return {}
    return {kind: max(delay_us.values()) - value for kind, value in delay_us.items()}
