"""Writes what a call received into a file that any player plays in step."""
from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import av
import numpy as np
from numpy.typing import NDArray

from arcrtc.errors import ArgumentError, ConfigError, MediaError
from arcrtc.media.blocks import SampleClock
from arcrtc.media.decode import faults_as_media_error
from arcrtc.media.frames import SWS_NAME, ColorMatrix, MediaAudio, MediaVideo

_VIDEO_BASE: Final = Fraction(1, 90_000)  # RTP's clock for video (RFC 3551 section 5)
_GAP_TOLERANCE_US: Final = 10_000  # below what lip-sync notices; blocks of play-out are 10 or 20 ms
_MAX_JUMP_US: Final = 3_600 * 1_000_000  # a time further ahead is a mistake of the caller, not a gap
# Passthrough: the file's head needs the first key frame. Sound waits for it, at most so long.
_MAX_WAIT_US: Final = 30 * 1_000_000
_MATROSKA: Final = {
    "cluster_time_limit": "1000",       # ms: what a killed process loses, at most
    "avoid_negative_ts": "disabled"}    # Opus begins before 0 by its delay, which Matroska has a field for

_AUDIO_CODECS: Final = {"opus": "libopus", "flac": "flac", "pcm": "pcm_s16le"}
_OPUS_RATES: Final = (8_000, 12_000, 16_000, 24_000, 48_000)
_FOURCC: Final = {"h264": b"H264", "vp8": b"VP80", "vp9": b"VP90", "av1": b"AV01"}  # of IVF files
_MATRIX: Final = {"bt601": 6, "bt709": 1, "bt2020": 9}  # AVColorSpace of FFmpeg's pixfmt.h
_LIMITED_RANGE: Final = 1  # AVColorRange of the same file
_FULL_RANGE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTrack:
    """Sound of a recording.

    :ivar sample_rate: Hz, 8000..192000; for opus 8000, 12000, 16000, 24000 or 48000.
    :ivar channels: 1 or 2.
    :ivar codec: "opus" (small), "flac" or "pcm" (both exact).
    :ivar bitrate_bps: for opus, 6000..510000; left alone by the others.
    """

    sample_rate: int = 48_000
    channels: int = 1
    codec: Literal["opus", "flac", "pcm"] = "opus"
    bitrate_bps: int = 96_000

    def __post_init__(self) -> None:
        if self.codec not in _AUDIO_CODECS:
            raise ConfigError(f"codec: {self.codec!r}, must be one of {', '.join(_AUDIO_CODECS)}")
        if not 8_000 <= self.sample_rate <= 192_000:
            raise ConfigError(f"sample_rate: {self.sample_rate} Hz is outside 8000..192000")
        if self.codec == "opus" and self.sample_rate not in _OPUS_RATES:
            raise ConfigError(f"sample_rate: {self.sample_rate} Hz, opus has {_OPUS_RATES}")
        if self.channels not in (1, 2):
            raise ConfigError(f"channels: {self.channels}, must be 1 or 2")
        if not 6_000 <= self.bitrate_bps <= 510_000:
            raise ConfigError(f"bitrate_bps: {self.bitrate_bps} is outside 6000..510000")


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoTrack:
    """Picture of a recording.

    :ivar width: even, 2..16384; pictures of another size are scaled to it.
    :ivar height: even, 2..16384.
    :ivar frame_rate: expected, pictures/s, 1..1000; a hint for the encoder, times are kept as given.
    :ivar codec: "h264" encodes what write() gets; "passthrough" stores the frames that
        write_encoded() gets, without loss and nearly without work.
    :ivar passthrough: codec of those: "h264", "vp8", "vp9" or "av1". .mkv holds all four, .mp4 all but vp8,
        .webm and .ivf all but h264.
    :ivar crf: quality of "h264", 0 (lossless) .. 51 (worst).
    :ivar matrix: of "h264": noted in the file; pictures with another one are converted.
    """

    width: int
    height: int
    frame_rate: float = 25.0
    codec: Literal["h264", "passthrough"] = "h264"
    crf: int = 20
    matrix: ColorMatrix = "bt709"
    passthrough: Literal["h264", "vp8", "vp9", "av1"] = "h264"

    def __post_init__(self) -> None:
        if self.passthrough not in _FOURCC:
            raise ConfigError(f"passthrough: {self.passthrough!r}, must be one of {', '.join(_FOURCC)}")
        for name, value in (("width", self.width), ("height", self.height)):
            if value % 2 or not 2 <= value <= 16_384:
                raise ConfigError(f"{name}: {value}, must be even and within 2..16384")
        if not 1 <= self.frame_rate <= 1000:
            raise ConfigError(f"frame_rate: {self.frame_rate} is outside 1..1000")
        if self.codec not in ("h264", "passthrough"):
            raise ConfigError(f"codec: {self.codec!r}, must be h264 or passthrough")
        if self.matrix not in _MATRIX:
            raise ConfigError(f"matrix: {self.matrix!r}, must be one of {', '.join(_MATRIX)}")
        if not 0 <= self.crf <= 51:
            raise ConfigError(f"crf: {self.crf} is outside 0..51")


class MediaWriter:
    """A recording with sound, picture or both, in step by their times.

    The container follows from the file's name (.mkv, .mp4, .webm, .wav ...); .mkv stays playable
    when the process is killed. Pictures keep their own times (variable frame rate). Gaps in the
    sound become silence, overlaps are cut. A picture whose time does not rise is left out and counted.

    Encoding takes time: give a live call's writer a thread of its own, which is all that it uses. One
    thread at a time.

    :param path: file to write; replaced if it exists.
    :param audio: its sound; None: none.
    :param video: its picture; None: none.
    :raises MediaError: the file cannot be written, or the container cannot hold these codecs.
    :raises ArgumentError: neither audio nor video.
    """

    def __init__(self, path: str | PathLike[str], *, audio: AudioTrack | None = None,
                 video: VideoTrack | None = None) -> None:
        if audio is None and video is None:
            raise ArgumentError("a recording needs audio, video or both")
        self._path = Path(fspath(path))
        self._audio, self._video = audio, video
        self._sound = SampleClock(audio.sample_rate, audio.channels, _GAP_TOLERANCE_US) if audio else None
        self._sound_stream: Any = None
        self._picture_stream: Any = None
        self._waiting: list[NDArray[np.int16]] = []
        self._encoded_samples = 0
        self._last_video_pts = -1
        self._last_us = 0
        self._dropped_frames = 0
        self._begun = False
        self._closed = False
        with self._faults("write"):
            self._path.open("wb").close()  # what forbids writing is found out now, not at the first frame
            options = _MATROSKA if self._path.suffix in (".mkv", ".webm") else {}
            self._container = av.open(str(self._path), mode="w", container_options=dict(options))
            try:
                self._add_streams()
            except BaseException:
                self._container.close()
                raise

    def __enter__(self) -> MediaWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"MediaWriter({self._path}, {'closed' if self._closed else 'open'})"

    @property
    def silence_us(self) -> int:
        """Silence that was put into gaps of the sound, microseconds."""
        return self._sound_us(self._sound.silence_samples) if self._sound else 0

    @property
    def cut_us(self) -> int:
        """Sound left out because its time was taken, microseconds."""
        return self._sound_us(self._sound.cut_samples) if self._sound else 0

    @property
    def dropped_frames(self) -> int:
        """Pictures left out: time not after the one before, or no key frame yet (passthrough)."""
        return self._dropped_frames

    def write(self, frame: MediaAudio | MediaVideo) -> None:
        """Append a decoded frame at its time.

        :param frame: ``pts_us`` counts from the start of the file; sound and picture share that clock.
        :raises ArgumentError: closed, no such track, another sample rate, time before 0 or an hour ahead.
        :raises MediaError: the file cannot be written.
        """
        self._check(frame.pts_us)
        if isinstance(frame, MediaAudio):
            self._write_audio(frame)
        else:
            self._write_video(frame)

    def write_encoded(self, data: bytes, *, pts_us: int, is_keyframe: bool) -> None:
        """Append one received picture to a "passthrough" track.

        :param data: a frame as :class:`arcrtc.EncodedFrame` has it. H.264: an access unit in Annex B form, the
            first key frame with SPS and PPS. AV1: a temporal unit, the first key frame with its sequence header.
        :param pts_us: its time, microseconds from the start of the file. Pictures in order of display.
        :param is_keyframe: decoding can begin here. What comes before the first one is left out and counted.
        :raises ArgumentError: as write().
        :raises MediaError: the file cannot be written, the container does not take the codec, or the first key
            frame does not say what a decoder needs.
        """
        self._check(pts_us)
        if self._video is None or self._video.codec != "passthrough":
            raise ArgumentError("this recording has no passthrough track")
        if not self._begun and is_keyframe:
            with self._faults("write"):
                self._begin_passthrough(bytes(data))
        pts = self._video_pts(pts_us)
        if self._picture_stream is None or pts is None:
            self._dropped_frames += 1
            return
        packet = av.Packet(bytes(data))
        packet.stream = self._picture_stream
        packet.pts = packet.dts = pts
        packet.time_base = _VIDEO_BASE
        packet.duration = round(90_000 / self._video.frame_rate)  # of use for the last one only
        packet.is_keyframe = is_keyframe
        with self._faults("write"):
            self._container.mux(packet)

    def close(self) -> None:
        """Write out what the encoders hold and the file's index; a second call does nothing.

        :raises MediaError: the file cannot be written; it is closed nevertheless.
        """
        if self._closed:
            return
        self._closed = True
        with self._faults("finish"):
            try:
                self._begin()
                if self._sound_stream is not None:
                    self._container.mux(self._sound_stream.encode(None))
                if self._picture_stream is not None and self._video and self._video.codec == "h264":
                    self._container.mux(self._picture_stream.encode(None))
            finally:
                self._container.close()

    def _add_streams(self) -> None:
        if self._video is not None and self._video.codec == "h264":
            rate = Fraction(self._video.frame_rate).limit_denominator(1001)
            stream: Any = self._container.add_stream(
                "libx264", rate=rate, options={"crf": str(self._video.crf), "preset": "veryfast", "threads": "1"})
            stream.width, stream.height, stream.pix_fmt = self._video.width, self._video.height, "yuv420p"
            stream.codec_context.colorspace = _MATRIX[self._video.matrix]
            stream.codec_context.color_range = _LIMITED_RANGE
            stream.time_base = stream.codec_context.time_base = _VIDEO_BASE
            self._picture_stream = stream
        if self._audio is not None:
            self._sound_stream = self._container.add_stream(
                _AUDIO_CODECS[self._audio.codec], rate=self._audio.sample_rate,
                layout="mono" if self._audio.channels == 1 else "stereo", format="s16")
            if self._audio.codec == "opus":
                self._sound_stream.bit_rate = self._audio.bitrate_bps
        if self._video is None or self._video.codec == "h264":
            self._begin()

    def _begin(self) -> None:
        """Write the file's head and the sound that waited for it."""
        if self._begun:
            return
        self._begun = True
        if not self._container.streams:  # passthrough without a single key frame: nothing to write
            return
        self._container.start_encoding()
        for samples in self._waiting:
            self._encode_sound(samples)
        self._waiting.clear()

    def _begin_passthrough(self, key_frame: bytes) -> None:
        """Take size and parameter sets from the first key frame, as FFmpeg's parser reads them."""
        assert self._video is not None
        codec = self._video.passthrough
        raw = key_frame if codec == "h264" else _as_ivf(key_frame, self._video)
        with av.open(io.BytesIO(raw), format="h264" if codec == "h264" else "ivf") as parsed:
            found = parsed.streams.video[0] if parsed.streams.video else None
            if found is None or (codec == "h264" and not found.codec_context.extradata):
                raise MediaError(f"{self._path}: the first key frame has no SPS and PPS")
            if not found.codec_context.width:
                raise MediaError(f"{self._path}: the first key frame is no {codec} that FFmpeg can read")
            # Opaque: the parameters alone. Else PyAV looks for an encoder of the decoder's name, as dav1d has none.
            opaque = {"opaque": True} if codec == "av1" else {}
            self._picture_stream = self._container.add_stream_from_template(found, **opaque)
            self._picture_stream.time_base = _VIDEO_BASE
            self._begin()

    def _write_audio(self, frame: MediaAudio) -> None:
        if self._audio is None or self._sound is None:
            raise ArgumentError("this recording has no sound")
        if (frame.sample_rate, frame.channels) != (self._audio.sample_rate, self._audio.channels):
            raise ArgumentError(f"frame: {frame.sample_rate} Hz x {frame.channels}, the recording has "
                                f"{self._audio.sample_rate} Hz x {self._audio.channels}")
        with self._faults("write"):
            for samples in self._sound.fit(frame.samples, frame.pts_us):
                if self._begun:
                    self._encode_sound(samples)
                else:
                    self._waiting.append(samples.copy())
            if not self._begun and self._sound.position_us > _MAX_WAIT_US:
                self._begin()

    def _encode_sound(self, samples: NDArray[np.int16]) -> None:
        assert self._audio is not None
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples).reshape(1, -1), format="s16",
            layout="mono" if self._audio.channels == 1 else "stereo")
        frame.sample_rate = self._audio.sample_rate
        frame.pts, frame.time_base = self._encoded_samples, Fraction(1, self._audio.sample_rate)
        self._encoded_samples += len(samples)
        self._container.mux(self._sound_stream.encode(frame))

    def _write_video(self, frame: MediaVideo) -> None:
        if self._video is None or self._video.codec != "h264":
            raise ArgumentError("this recording has no track for decoded pictures")
        pts = self._video_pts(frame.pts_us)
        if pts is None:
            self._dropped_frames += 1
            return
        with self._faults("write"):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.planes), format="yuv420p")
            same_size = (frame.width, frame.height) == (self._video.width, self._video.height)
            if not same_size or frame.full_range or frame.matrix != self._video.matrix:
                picture = picture.reformat(
                    self._video.width, self._video.height, "yuv420p", interpolation="BICUBIC",
                    src_colorspace=SWS_NAME[frame.matrix], dst_colorspace=SWS_NAME[self._video.matrix],
                    src_color_range=_FULL_RANGE if frame.full_range else _LIMITED_RANGE,
                    dst_color_range=_LIMITED_RANGE)
            picture.colorspace, picture.color_range = _MATRIX[self._video.matrix], _LIMITED_RANGE
            picture.pts, picture.time_base = pts, _VIDEO_BASE
            self._container.mux(self._picture_stream.encode(picture))

    def _video_pts(self, pts_us: int) -> int | None:
        pts = round(pts_us * 90_000 / 1_000_000)
        if pts <= self._last_video_pts:
            return None
        self._last_video_pts = pts
        return pts

    def _check(self, pts_us: int) -> None:
        if self._closed:
            raise ArgumentError(f"{self._path}: the recording is closed")
        latest_us = self._last_us + _MAX_JUMP_US
        if not 0 <= pts_us <= latest_us:
            raise ArgumentError(f"pts_us: {pts_us} is outside 0..{latest_us} (an hour ahead)")
        self._last_us = max(self._last_us, pts_us)

    def _sound_us(self, samples: int) -> int:
        assert self._audio is not None
        return round(samples * 1_000_000 / self._audio.sample_rate)

    @contextmanager
    def _faults(self, doing: str) -> Iterator[None]:
        with faults_as_media_error(self._path, doing):
            yield


def _as_ivf(frame: bytes, track: VideoTrack) -> bytes:
    """An IVF file of one frame: head of 32 bytes, then length and time before each frame."""
    # Size 0: it is to be found in the frame.
    head = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, _FOURCC[track.passthrough], 0, 0, 90_000, 1, 1, 0)
    return head + struct.pack("<IQ", len(frame), 0) + frame
