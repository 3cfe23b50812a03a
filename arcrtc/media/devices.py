"""Cameras (V4L2) and screens (X11) as sources: live, so their newest picture is what counts."""
from __future__ import annotations

import os
import re
from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Any, Final

import av

from arcrtc.errors import ArgumentError, MediaError
from arcrtc.media.decode import Contents, to_picture
from arcrtc.media.frames import MediaFrame, MediaVideo
from arcrtc.media.latest import Latest
from arcrtc.media.source import MediaSource

# Kind of source -> FFmpeg's names of the device, the best first.
_FORMATS: Final = {"v4l2": ("v4l2", "video4linux2,v4l2"), "x11grab": ("x11grab", "xcbgrab")}
_WHAT: Final = {"v4l2": "cameras", "x11grab": "the screen"}
_SIZE: Final = re.compile(r"[1-9]\d{0,4}x[1-9]\d{0,4}")


class DeviceSource(MediaSource):
    """A camera or a screen. Its pictures come as they are taken; a slow reader gets the newest one.

    Pictures that were replaced before they were taken are counted in ``skipped``.

    :param kind: "v4l2" or "x11grab".
    :param name: the device ("/dev/video0"), or the display (":0.0+100,200": from there on).
    :param size: asked for, "1280x720"; None: as the device has it.
    :param rate: pictures per second, asked for; None: likewise.
    :param width: scale to it. :param height: likewise.
    :raises MediaError: it cannot be opened; the message says why, and what to do.
    :raises ArgumentError: an option is no size or rate.
    """

    def __init__(self, kind: str, name: str, *, size: str | None = None, rate: float | None = None,
                 width: int | None = None, height: int | None = None) -> None:
        self._kind, self._name = kind, name
        self._options: dict[str, str] = {}
        if size is not None:
            if not _SIZE.fullmatch(size):
                raise ArgumentError(f"size={size!r} must look like 1280x720")
            self._options["video_size"] = size
        if rate is not None:
            if not 1 <= rate <= 1000:
                raise ArgumentError(f"rate={rate} is outside 1..1000")
            self._options["framerate"] = f"{rate:g}"
        with self._open() as container:
            stream = container.streams.video[0]
            contents = Contents(
                path=Path(f"{kind}:{name}"), audio=-1, video=0, sample_rate=0, channels=0, width=stream.width,
                height=stream.height, frame_rate=float(stream.average_rate or stream.guessed_rate or 30),
                start_us=0, duration_us=0)
        super().__init__(contents, sample_rate=None, channels=None, block_ms=20, width=width, height=height,
                         loop=False, latest=True)

    def _open(self) -> Any:
        known = [f for f in _FORMATS[self._kind] if f in av.formats_available]
        if not known:
            raise MediaError(f"{self._kind}:{self._name}: the FFmpeg inside PyAV {av.__version__} cannot read "
                             f"{_WHAT[self._kind]}; one built from source with the system's FFmpeg can: "
                             "pip install --force-reinstall --no-binary av av")
        self._check_there()
        try:
            return av.open(self._name, format=known[0].split(",")[0], options=self._options)
        except (OSError, ValueError, av.error.FFmpegError) as error:
            raise MediaError(f"{self._kind}:{self._name}: {self._explain(error)}") from error

    def _check_there(self) -> None:
        if self._kind == "v4l2" and not Path(self._name).exists():
            there = ", ".join(sorted(glob("/dev/video*"))) or "none"
            raise MediaError(f"v4l2:{self._name}: no such device; cameras here: {there}. In a container a camera "
                             "is there after: docker run --device /dev/video0")
        if self._kind == "x11grab" and not self._name.startswith(":") and "DISPLAY" not in os.environ:
            raise MediaError(f"x11grab:{self._name}: no display; set DISPLAY, or name it: x11grab::0.0")

    def _explain(self, error: Exception) -> str:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if self._kind == "v4l2" and isinstance(error, PermissionError):
            return f"{reason}; members of the group 'video' may open it: sudo usermod -aG video $USER"
        if self._kind == "v4l2" and getattr(error, "errno", None) == 16:  # EBUSY
            return f"{reason}; another program has it open"
        if self._kind == "x11grab":
            return f"{reason}; is an X server there, and may you use it (xhost, XAUTHORITY)?"
        return f"{reason}; does it have this size and rate? v4l2-ctl --list-formats-ext -d {self._name}"

    def _read_ahead(self) -> Latest[MediaFrame]:
        return Latest(self._frames, self._count_skipped)

    def _count_skipped(self) -> None:
        self.skipped += 1

    def _frames(self) -> Iterator[MediaVideo]:
        with self._open() as container:
            first_us: int | None = None
            for frame in container.decode(video=0):
                at_us = 0 if frame.pts is None or frame.time_base is None else \
                    round(frame.pts * frame.time_base * 1_000_000)
                first_us = at_us if first_us is None else first_us
                yield to_picture(frame, *self._size, at_us - first_us)
