"""PyAV's side of reading: what a file holds, and its two streams as timed frames.

Sound and pictures are decoded by two readers of the same file, each of its own
stream. So the order in which a file interleaves them does not matter, and no
queue between them can grow.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from arcrtc.errors import ArcError, MediaError
from arcrtc.media.blocks import BlockCutter, SampleClock
from arcrtc.media.frames import SWS_NAME, ColorMatrix, MediaAudio, MediaVideo

# A jump of the time stamps up to this is rounding or jitter of the container, not a gap.
_GAP_TOLERANCE_US: Final = 40_000
# Sound that outlasts the picture by less than this is the codec's last frame: a loop cuts it.
_LOOP_TAIL_US: Final = 100_000

# AVColorSpace of FFmpeg's pixfmt.h; what is not listed is guessed from the size.
_MATRIX: Final[dict[int, ColorMatrix]] = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}
_COVER_ART: Final = av.stream.Disposition.attached_pic
_FULL_RANGE: Final = 2  # AVCOL_RANGE_JPEG
_LIMITED_RANGE: Final = 1  # AVCOL_RANGE_MPEG
# A title that is not UTF-8 is no reason to refuse a file. PyAV 19 takes it without being told.
_OPEN_OPTIONS: Final[dict[str, Any]] = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "replace"}


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds. Stream numbers are -1 where there is none; times in microseconds."""

    path: Path
    audio: int
    video: int
    sample_rate: int
    channels: int
    width: int  # as displayed: after rotation
    height: int
    frame_rate: float
    start_us: int
    duration_us: int


@contextmanager
def faults_as_media_error(path: Path, doing: str) -> Iterator[None]:
    """Turn whatever FFmpeg or the system raises into a MediaError of one line."""
    try:
        yield
    except ArcError:
        raise
    except (OSError, ValueError, av.error.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise MediaError(f"{path}: cannot {doing}: {reason}") from error


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """Open a file for reading; closed at the end.

    :raises MediaError: no such file, a folder, no permission, not a medium that FFmpeg knows.
    """
    with faults_as_media_error(path, "open"):
        if not path.exists():
            raise MediaError(f"{path}: no such file")
        if path.is_dir():
            raise MediaError(f"{path}: is a folder, not a media file")
        try:
            container = av.open(str(path), mode="r", **_OPEN_OPTIONS)
        except av.error.InvalidDataError as error:
            raise MediaError(f"{path}: not a media file that FFmpeg knows") from error
        if container.format.name == "tty":  # FFmpeg would show any text as a film of a terminal
            container.close()
            raise MediaError(f"{path}: a text, not a media file")
    try:
        yield container
    finally:
        container.close()


def read_contents(path: Path, *, audio: bool, video: bool) -> Contents:
    """Look into a file; decodes one picture.

    :param audio: False: as if there were no sound.
    :param video: False: as if there were no picture.
    :raises MediaError: cannot be opened, or has nothing of what is wanted.
    """
    with opened(path) as container, faults_as_media_error(path, "read"):
        sound = next(iter(container.streams.audio), None) if audio else None
        pictures = (s for s in container.streams.video if not s.disposition & _COVER_ART)
        picture = next(pictures, None) if video else None
        if sound is None and picture is None:
            wanted = " and no ".join([*["audio"] * audio, *["video"] * video])
            raise MediaError(f"{path}: no {wanted} in it")
        starts = [_us(sound.start_time, sound.time_base)] if sound else []
        width, height, rate = 0, 0, 0.0
        if picture is not None:
            first = _first_picture(path, container, picture)
            turned = first.rotation % 180 == 90
            width, height = (first.height, first.width) if turned else (first.width, first.height)
            # Not stream.start_time: that is a guess where pictures may be reordered.
            starts.append(_us(first.pts, first.time_base))
            rate = float(picture.average_rate or picture.guessed_rate or 25)
        return Contents(
            path=path, audio=sound.index if sound else -1, video=picture.index if picture else -1,
            sample_rate=sound.rate if sound else 0, channels=sound.channels if sound else 0,
            width=width, height=height, frame_rate=rate,
            start_us=max(0, min(starts)),  # before 0 lies only the priming of a codec
            duration_us=int(container.duration or 0))


def measure_loop_us(contents: Contents) -> int:
    """Length after which the file may begin again, microseconds; reads all packets, decodes none.

    :raises MediaError: a fault while reading, or nothing in it.
    """
    ends = {contents.audio: 0, contents.video: 0}
    with opened(contents.path) as container, faults_as_media_error(contents.path, "read"):
        for packet in container.demux([container.streams[i] for i in ends if i >= 0]):
            if packet.pts is None:
                continue
            end = _us(packet.pts + (packet.duration or 0), packet.time_base) - contents.start_us
            if not packet.duration and packet.stream_index == contents.video:
                end += round(1_000_000 / contents.frame_rate)
            ends[packet.stream_index] = max(ends[packet.stream_index], end)
    sound, picture = ends.get(contents.audio, 0), ends.get(contents.video, 0)
    length = max(sound, picture) if sound - picture >= _LOOP_TAIL_US else picture or sound
    if length <= 0:
        raise MediaError(f"{contents.path}: empty")
    return length


def read_pictures(contents: Contents, *, width: int, height: int, loop_us: int) -> Iterator[MediaVideo]:
    """Give every picture in order, 4:2:0, ``width`` x ``height``.

    :param loop_us: begin again after this time; 0: once.
    :raises MediaError: decode fault; the message names the time.
    """
    step_us = round(1_000_000 / contents.frame_rate)
    for offset_us in count(0, loop_us) if loop_us else [0]:
        next_us = 0
        with opened(contents.path) as container:
            stream = container.streams[contents.video]
            stream.codec_context.thread_type = "AUTO"
            for frame in _decode(contents, container, stream, "picture"):
                pts_us = next_us if frame.pts is None else _us(frame.pts, frame.time_base) - contents.start_us
                next_us = pts_us + step_us
                if pts_us >= 0 and (not loop_us or pts_us < loop_us):
                    yield to_picture(frame, width, height, offset_us + pts_us)


def read_sound(contents: Contents, *, sample_rate: int, channels: int, block_samples: int,
               loop_us: int) -> Iterator[MediaAudio]:
    """Give the sound in blocks of ``block_samples``, without a gap from time 0.

    :param loop_us: begin again after this time; 0: once, the last block filled up with silence.
    :raises MediaError: decode fault; the message names the time.
    """
    clock = SampleClock(sample_rate, channels, _GAP_TOLERANCE_US)
    cutter = BlockCutter(block_samples, channels)
    blocks = count()

    def cut(pieces: Iterator[NDArray[np.int16]]) -> Iterator[MediaAudio]:
        for piece in pieces:
            yield from map(block, cutter.push(piece))

    def block(samples: NDArray[np.int16]) -> MediaAudio:
        pts_us = round(next(blocks) * block_samples * 1_000_000 / sample_rate)
        return MediaAudio(samples=samples, sample_rate=sample_rate, pts_us=pts_us)

    for offset_us in count(0, loop_us) if loop_us else [0]:
        with opened(contents.path) as container:
            frames = _decode(contents, container, container.streams[contents.audio], "sound")
            for samples, pts_us in _resample(frames, sample_rate, channels):
                at_us = clock.position_us if pts_us is None else offset_us + pts_us - contents.start_us
                early = max(0, round((offset_us - at_us) * sample_rate / 1_000_000))  # the codec's priming
                if loop_us:  # nothing that would push the next pass back
                    room_us = offset_us + loop_us - max(at_us, clock.position_us)
                    samples = samples[:early + max(0, round(room_us * sample_rate / 1_000_000))]
                if clock.position_us <= offset_us:  # where a pass begins, no part of a gap is let be
                    yield from cut(clock.fill(at_us))
                yield from cut(clock.fit(samples[early:], max(at_us, offset_us)))
        if loop_us:
            yield from cut(clock.fill(offset_us + loop_us))
    yield from map(block, cutter.flush())


def _us(value: int | None, time_base: Fraction | None) -> int:
    return round(value * time_base * 1_000_000) if value is not None and time_base else 0


def _decode(contents: Contents, container: InputContainer, stream: Any, what: str) -> Iterator[Any]:
    reached_us = 0
    frames = container.decode(stream)
    while True:
        try:
            frame = next(frames)
        except StopIteration:
            return
        except (OSError, ValueError, av.error.FFmpegError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise MediaError(f"{contents.path}: cannot decode the {what} after {reached_us / 1e6:.2f} s: "
                             f"{reason}") from error
        if frame.pts is not None:
            reached_us = _us(frame.pts, frame.time_base) - contents.start_us
        yield frame


def _resample(frames: Iterator[Any], sample_rate: int,
              channels: int) -> Iterator[tuple[NDArray[np.int16], int | None]]:
    """Convert frames; a change of format within the stream gets a new resampler."""
    resampler, form = None, None
    for frame in frames:
        this = (frame.format.name, frame.layout.name, frame.sample_rate)
        if this != form:
            if resampler is not None:
                yield from _arrays(resampler.resample(None), channels)
            layout = "mono" if channels == 1 else "stereo"
            resampler, form = av.AudioResampler(format="s16", layout=layout, rate=sample_rate), this
        assert resampler is not None
        yield from _arrays(resampler.resample(frame), channels)
    if resampler is not None:
        yield from _arrays(resampler.resample(None), channels)


def _arrays(frames: list[av.AudioFrame], channels: int) -> Iterator[tuple[NDArray[np.int16], int | None]]:
    for frame in frames:
        pts_us = None if frame.pts is None else _us(frame.pts, frame.time_base)
        yield frame.to_ndarray().reshape(-1, channels).astype(np.int16, copy=False), pts_us


def _first_picture(path: Path, container: InputContainer, stream: Any) -> av.VideoFrame:
    frame: av.VideoFrame | None = next(container.decode(stream), None)
    if frame is None:
        raise MediaError(f"{path}: no picture can be decoded")
    return frame


def to_picture(frame: av.VideoFrame, width: int, height: int, pts_us: int) -> MediaVideo:
    """A decoded frame as 4:2:0 of ``width`` x ``height``, turned as its display matrix asks."""
    quarter_turns = frame.rotation // 90 % 4 if frame.rotation % 90 == 0 else 0
    target = (height, width) if quarter_turns % 2 else (width, height)
    matrix = _MATRIX.get(int(frame.colorspace)) or ("bt709" if frame.height >= 720 else "bt601")
    name = frame.format.name
    full_range = name == "yuvj420p" or (name == "yuv420p" and frame.color_range == _FULL_RANGE)
    if name not in ("yuv420p", "yuvj420p") or (frame.width, frame.height) != target:
        source_range = _FULL_RANGE if full_range or frame.color_range == _FULL_RANGE else _LIMITED_RANGE
        frame = frame.reformat(
            *target, format="yuv420p", interpolation="BICUBIC",
            src_colorspace=SWS_NAME[matrix], dst_colorspace=SWS_NAME[matrix],
            src_color_range=source_range, dst_color_range=_LIMITED_RANGE)
        full_range = False
    planes = np.ascontiguousarray(frame.to_ndarray(), dtype=np.uint8)
    if quarter_turns:
        planes = _turn(planes, *target, quarter_turns)
    return MediaVideo(planes=planes, width=width, height=height, pts_us=pts_us,
                      full_range=full_range, matrix=matrix)


def _turn(planes: NDArray[np.uint8], width: int, height: int, quarter_turns: int) -> NDArray[np.uint8]:
    """Turn a 4:2:0 picture anticlockwise, as a display matrix asks (FFmpeg's display.h)."""
    luma = planes[:height]
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    parts = [np.rot90(plane, quarter_turns).reshape(-1) for plane in (luma, *chroma)]
    rows = width if quarter_turns % 2 else height
    return np.concatenate(parts).reshape(rows * 3 // 2, -1)
