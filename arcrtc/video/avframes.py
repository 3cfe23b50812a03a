"""Pictures from and to PyAV, in memory and on a GPU."""
from __future__ import annotations

from fractions import Fraction
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from arcrtc.errors import UnsupportedError
from arcrtc.video.planes import FORMATS, RGB_FORMATS, Array, dtype_of, plane_shapes

if TYPE_CHECKING:
    import av

#: FFmpeg's names of pictures that lie on a device.
GPU_FORMATS: Final = ("cuda", "vaapi", "qsv", "vdpau", "drm_prime", "videotoolbox_vld", "d3d11", "vulkan")
# Numbers of ITU-T H.273, as PyAV has them: matrix BT.709, SMPTE 170M; range limited, full.
_MATRIX_NUMBER: Final = {"bt709": 1, "bt601": 6}
_MATRIX_NAME: Final = {1: "bt709", 5: "bt601", 6: "bt601"}
_LIMITED: Final = 1
_FULL: Final = 2
_TICKS_HZ: Final = 90_000
# What PyAV 13 and later make a frame of without a copy; before that RGB only.
_BUFFER_FORMATS: Final = (*RGB_FORMATS, *(("yuv420p", "nv12") if int(version("av").split(".")[0]) >= 13 else ()))


def in_our_format(frame: av.VideoFrame) -> tuple[av.VideoFrame, str, bool, str | None]:
    """(frame, its format's name here, full range, matrix or None); other formats become yuv420p."""
    if frame.format.name == "yuvj420p":
        name, full = "yuv420p", True
    else:
        if frame.format.name not in FORMATS:
            frame = frame.reformat(format="yuv420p")
        name, full = frame.format.name, int(frame.color_range) == _FULL
    return frame, name, full, _MATRIX_NAME.get(int(frame.colorspace))


def ticks(frame: av.VideoFrame) -> int:
    """The frame's own time in ticks of 90 kHz; 0 when it has none."""
    if frame.pts is None or frame.time_base is None:
        return 0
    return round(frame.pts * frame.time_base * _TICKS_HZ)


def _plane(plane: Any, shape: tuple[int, int], dtype: np.dtype[Any]) -> Array:
    """View of a PyAV plane, (rows, samples of a row); it keeps the frame alive. Rows may be apart."""
    rows, row = shape
    raw = np.asarray(memoryview(plane))[:rows * plane.line_size].reshape(rows, plane.line_size)
    return raw[:, :row * dtype.itemsize].view(dtype)


def av_planes(frame: av.VideoFrame, format: str, *, writable: bool) -> tuple[Array, ...]:
    """Views of the planes of a PyAV frame in one of our formats."""
    shapes = plane_shapes(format, frame.width, frame.height)
    planes = tuple(_plane(p, shape, dtype_of(format)) for p, shape in zip(frame.planes, shapes, strict=True))
    for plane in planes:
        plane.flags.writeable = writable
    return planes


def _can_refer_to(whole: Array, format: str) -> bool:
    return (format in _BUFFER_FORMATS and whole.flags.writeable and whole.strides[0] > 0
            and whole.ndim == (3 if format in RGB_FORMATS else 2))


def make_av_frame(format: str, width: int, height: int, planes: tuple[Array, ...],
                  whole: Array | None) -> av.VideoFrame:
    """A PyAV frame of these planes.

    :param whole: the picture as one array in PyAV's shape, which the frame then refers to; None: copied.
    """
    import av

    if whole is not None and _can_refer_to(whole, format):
        return av.VideoFrame.from_numpy_buffer(whole, format)
    frame = av.VideoFrame(width, height, format)
    for target, plane in zip(av_planes(frame, format, writable=True), planes, strict=True):
        target[:] = plane
    return frame


def describe(frame: av.VideoFrame, format: str, timestamp: int, full_range: bool, matrix: str) -> None:
    """Set time, range and matrix of a PyAV frame."""
    frame.pts = timestamp
    frame.time_base = Fraction(1, _TICKS_HZ)
    if format not in RGB_FORMATS:
        frame.color_range = _FULL if full_range else _LIMITED
        frame.colorspace = _MATRIX_NUMBER[matrix]


def download(frame: av.VideoFrame) -> av.VideoFrame:
    """A copy in memory of a frame on a GPU.

    :raises UnsupportedError: the device does not give it; the message says why.
    """
    try:
        inner = frame.sw_format
        return frame.reformat(format=inner.name if inner is not None else "nv12")
    except (OSError, ValueError, RuntimeError) as error:
        raise UnsupportedError(f"{frame.format.name} frame of {frame.width}x{frame.height} cannot be "
                               f"downloaded: {error}") from error
