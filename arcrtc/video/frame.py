"""Pictures: :class:`VideoFrame`, from and to bytes, NumPy arrays and PyAV (C module ``video/vframe``)."""
from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from arcrtc._native import check, ffi, lib, new_handle
from arcrtc.errors import ArgumentError

if TYPE_CHECKING:
    import av

Array = NDArray[Any]  #: uint8; uint16 where a sample has 10 bits
FrameData = bytes | bytearray | memoryview | Array

FORMATS: Final[dict[str, int]] = {
    "yuv420p": lib.ARC_PIX_I420,
    "nv12": lib.ARC_PIX_NV12,
    "rgb24": lib.ARC_PIX_RGB24,
    "bgr24": lib.ARC_PIX_BGR24,
    "yuv420p10le": lib.ARC_PIX_I010,
}
_FORMAT_NAMES: Final = {value: name for name, value in FORMATS.items()}
MATRICES: Final[dict[str, int]] = {"bt601": lib.ARC_MATRIX_BT601, "bt709": lib.ARC_MATRIX_BT709}
_MATRIX_NAMES: Final = {value: name for name, value in MATRICES.items()}
# Numbers of ITU-T H.273, as PyAV has them: matrix BT.709, SMPTE 170M; range limited, full.
_AV_MATRIX: Final = {"bt709": 1, "bt601": 6}
_AV_LIMITED: Final = 1
_AV_FULL: Final = 2
_AV_TICKS_HZ: Final = 90_000

_per_thread = threading.local()


class _Plane:
    """Owner of one plane's view: NumPy keeps it, and it keeps the frame."""

    __slots__ = ("__array_interface__", "_handle")

    def __init__(self, handle: Any, index: int, row_bytes: int, rows: int, *, writable: bool) -> None:
        self._handle = handle
        sample = lib.arc_vframe_sample_bytes(handle.format)
        self.__array_interface__ = {
            "version": 3,
            "typestr": "<u2" if sample == 2 else "|u1",
            "shape": (rows, row_bytes // sample),
            "strides": (int(handle.stride[index]), sample),
            "data": (int(ffi.cast("uintptr_t", handle.data[index])), not writable),
        }


def new_native(format: str, width: int, height: int) -> Any:
    """Make a native frame of zeros; freed with the last Python reference."""
    return new_handle(lib.arc_vframe_new, lib.arc_vframe_unref, "struct arc_vframe",
                      FORMATS[format], width, height, what=f"VideoFrame {width}x{height}",
                      size=width * height * 3)


def native_planes(handle: Any) -> tuple[Array, ...]:
    """Views of a native frame's planes, (rows, samples of a row); each keeps the frame alive."""
    writable = handle.release == ffi.NULL
    return tuple(
        np.asarray(_Plane(handle, i, lib.arc_vframe_row_bytes(handle, i), lib.arc_vframe_rows(handle, i),
                          writable=writable))
        for i in range(lib.arc_vframe_planes(handle.format)))


def scaler() -> Any:
    """The calling thread's scaler: it caches the tables of the last conversion."""
    if not hasattr(_per_thread, "scaler"):
        _per_thread.scaler = new_handle(lib.arc_scaler_new, lib.arc_scaler_free, "struct arc_scaler",
                                        what="scaler")
    return _per_thread.scaler


def dtype_of(format: str) -> np.dtype[Any]:
    """Type of a sample: uint8, or little-endian uint16 where it has 10 bits."""
    return np.dtype("<u2" if format == "yuv420p10le" else np.uint8)


def _plane_shapes(format: str, width: int, height: int) -> list[tuple[int, int]]:
    """(rows, samples of a row) of each plane, packed; chroma rounds up."""
    if format in ("rgb24", "bgr24"):
        return [(height, 3 * width)]
    half = ((height + 1) // 2, (width + 1) // 2)
    if format == "nv12":
        return [(height, width), (half[0], 2 * half[1])]
    return [(height, width), half, half]


def _split(data: Array, format: str, width: int, height: int) -> list[Array]:
    """Planes as views of packed bytes or of an array in one of the documented shapes."""
    shapes = _plane_shapes(format, width, height)
    size = sum(rows * row for rows, row in shapes)
    if data.ndim == 3 and len(shapes) == 1 and data.shape == (height, width, 3):
        if data.strides[1:] == (3, 1):  # rows may be apart: a view of a larger picture
            return [np.lib.stride_tricks.as_strided(data, shapes[0], (data.strides[0], 1))]
        data = np.ascontiguousarray(data)
    if data.size != size:
        raise ArgumentError(
            f"data has {data.size} samples in shape {data.shape}; {format} of {width}x{height} needs {size} "
            f"of {dtype_of(format)}")
    flat = data.reshape(-1)
    planes, at = [], 0
    for rows, row in shapes:
        planes.append(flat[at:at + rows * row].reshape(rows, row))
        at += rows * row
    return planes


def _av_plane(plane: Any, like: Array) -> Array:
    """View of a PyAV plane with type and shape of ``like``; rows may be apart."""
    rows, row = like.shape
    raw = np.asarray(memoryview(plane))[:rows * plane.line_size].reshape(rows, plane.line_size)
    return raw[:, :row * like.itemsize].view(like.dtype)


class VideoFrame:
    """One picture.

    Made by a program it refers to the ``data`` that it was given, without a copy: leave an array
    unchanged until the frame was encoded. Made by a decoder it holds a reference to the decoder's
    own buffer; ``planes()`` are read-only views of that.

    :param data: packed picture. bytes-like; or an array of uint8 (uint16 for yuv420p10le): rgb24 and
        bgr24 of shape (height, width, 3), rows may be apart; the others of shape (height * 3 / 2, width)
        when both sides are even; or flat, planes one after the other, chroma sides rounded up.
    :param width: columns, 1..16384 pixels.
    :param height: rows, 1..16384 pixels.
    :param timestamp: RTP ticks (90 kHz for video) or what the caller likes; comes back with the
        encoded frame.
    :param format: "rgb24", "bgr24", "yuv420p", "nv12" or "yuv420p10le" (10 bits in uint16, 0..1023).
    :param full_range: luma 0..255 instead of 16..235, with 10 bits 0..1023 instead of 64..940; of no
        meaning for rgb24 and bgr24.
    :param matrix: "bt601" or "bt709"; None: by size (BT.709 from 720 rows or 1280 columns on).
    :raises ArgumentError: unknown format, a size out of range, or data that does not fit it.
    """

    __slots__ = ("_data", "_native", "damaged", "format", "full_range", "height", "matrix", "timestamp",
                 "width")

    is_audio: Final = False

    def __init__(self, data: FrameData, width: int, height: int, timestamp: int = 0,
                 format: str = "yuv420p", *, full_range: bool = False, matrix: str | None = None) -> None:
        if format not in FORMATS:
            raise ArgumentError(f"format={format!r} must be one of {', '.join(FORMATS)}")
        if not 1 <= width <= lib.ARC_VFRAME_MAX_PX or not 1 <= height <= lib.ARC_VFRAME_MAX_PX:
            raise ArgumentError(f"size {width}x{height} is outside 1..{lib.ARC_VFRAME_MAX_PX} pixels a side")
        if matrix is not None and matrix not in MATRICES:
            raise ArgumentError(f"matrix={matrix!r} must be one of {', '.join(MATRICES)}")
        self.width = int(width)
        self.height = int(height)
        self.timestamp = int(timestamp)
        self.format = format
        self.full_range = bool(full_range)
        self.matrix = matrix or _MATRIX_NAMES[lib.arc_vframe_guess_matrix(width, height)]
        self.damaged = False
        self._native: Any = None
        self._data: FrameData | None = data
        _split(self._array(), format, self.width, self.height)  # raises now, not at encode()

    @classmethod
    def from_native(cls, handle: Any) -> VideoFrame:
        """Take over a native frame (a handle of ``struct arc_vframe`` with its own reference)."""
        frame = cls.__new__(cls)
        frame.width = int(handle.width)
        frame.height = int(handle.height)
        frame.timestamp = int(handle.ts)
        frame.format = _FORMAT_NAMES[handle.format]
        frame.full_range = bool(handle.full_range)
        frame.matrix = _MATRIX_NAMES[handle.matrix]
        frame.damaged = bool(handle.damaged)
        frame._native = handle
        frame._data = None
        return frame

    @classmethod
    def from_ndarray(cls, array: Array, format: str = "rgb24", timestamp: int = 0, *,
                     width: int | None = None, height: int | None = None, full_range: bool = False,
                     matrix: str | None = None) -> VideoFrame:
        """Refer to an array; the size is taken from its shape.

        :param array: type and shapes as ``data`` of the class. A flat one needs width and height.
        :raises ArgumentError: unknown format, another type, or a shape that does not fit the format.
        """
        if format not in FORMATS:
            raise ArgumentError(f"format={format!r} must be one of {', '.join(FORMATS)}")
        if array.dtype != dtype_of(format):
            raise ArgumentError(f"array is {array.dtype}, must be {dtype_of(format)} for {format}")
        if width is None or height is None:
            if format in ("rgb24", "bgr24") and array.ndim == 3 and array.shape[2] == 3:
                height, width = array.shape[:2]
            elif format not in ("rgb24", "bgr24") and array.ndim == 2 and array.shape[0] % 3 == 0 \
                    and array.shape[1] % 2 == 0 and array.shape[0] * 2 // 3 % 2 == 0:
                height, width = array.shape[0] * 2 // 3, array.shape[1]
            else:
                raise ArgumentError(f"array of shape {array.shape} is no {format} picture; "
                                    "give width and height for a flat one")
        return cls(array, width, height, timestamp, format, full_range=full_range, matrix=matrix)

    @classmethod
    def from_pyav(cls, frame: av.VideoFrame, timestamp: int | None = None) -> VideoFrame:
        """Copy a PyAV frame; formats other than ours become yuv420p.

        :param timestamp: None: the frame's own time in ticks of 90 kHz (0 when it has none).
        """
        if frame.format.name == "yuvj420p":
            name, full = "yuv420p", True
        else:
            if frame.format.name not in FORMATS:
                frame = frame.reformat(format="yuv420p")
            name, full = frame.format.name, int(frame.color_range) == _AV_FULL
        matrix = {1: "bt709", 5: "bt601", 6: "bt601"}.get(int(frame.colorspace))
        if timestamp is None:
            timestamp = 0 if frame.pts is None or frame.time_base is None else \
                round(frame.pts * frame.time_base * _AV_TICKS_HZ)
        handle = new_native(name, frame.width, frame.height)
        for plane, source in zip(native_planes(handle), frame.planes, strict=True):
            plane[:] = _av_plane(source, plane)
        handle.ts = timestamp
        handle.full_range = full
        if matrix is not None:
            handle.matrix = MATRICES[matrix]
        return cls.from_native(handle)

    def _array(self) -> Array:
        if isinstance(self._data, np.ndarray):
            if self._data.dtype != dtype_of(self.format):
                raise ArgumentError(f"data is {self._data.dtype}, must be {dtype_of(self.format)} for {self.format}")
            return self._data
        try:
            return np.frombuffer(self._data, dtype_of(self.format))  # type: ignore[arg-type]
        except (TypeError, ValueError, BufferError) as error:
            raise ArgumentError(f"data must be bytes-like or an array: {error}") from None

    @property
    def data(self) -> FrameData:
        """The picture, packed: what the frame was made with, or the array of :meth:`to_ndarray`."""
        if self._data is None:
            self._data = self.to_ndarray()
        return self._data

    @property
    def is_native(self) -> bool:
        """Whether the core's own buffer is behind it (decoded or converted), not ``data``."""
        return self._native is not None

    def native(self, reuse: Any = None) -> Any:
        """The handle of ``struct arc_vframe`` behind this picture, for the core.

        :param reuse: handle that may be filled and returned if it has the right shape and nobody
            else holds it; None: a new one where one is needed.
        """
        if self._native is not None:
            return self._native
        handle = reuse
        if handle is None or handle.refs != 1 or handle.format != FORMATS[self.format] or \
                handle.width != self.width or handle.height != self.height:
            handle = new_native(self.format, self.width, self.height)
        for plane, source in zip(native_planes(handle),
                                 _split(self._array(), self.format, self.width, self.height), strict=True):
            plane[:] = source
        handle.ts = self.timestamp
        handle.full_range = self.full_range
        handle.matrix = MATRICES[self.matrix]
        return handle

    def planes(self) -> tuple[Array, ...]:
        """Views of the planes, of shape (rows, samples of a row), no copy; rows may be apart.

        uint8, for yuv420p10le uint16. A row of rgb24 and bgr24 has 3 samples a pixel, one of nv12's
        second plane 2.

        Read-only where the picture is a decoder's own.
        """
        if self._native is not None:
            return native_planes(self._native)
        return tuple(_split(self._array(), self.format, self.width, self.height))

    def to_ndarray(self, format: str | None = None) -> Array:
        """A packed copy as PyAV would give it.

        :param format: None: as it is; otherwise converted.
        :returns: uint8, for yuv420p10le uint16; rgb24, bgr24: (height, width, 3); the others:
            (height * 3 / 2, width), or flat when a side is odd.
        """
        if format is not None and format != self.format:
            return self.convert(format).to_ndarray()
        flat = np.concatenate([plane.reshape(-1) for plane in self.planes()])
        if self.format in ("rgb24", "bgr24"):
            return flat.reshape(self.height, self.width, 3)
        if self.width % 2 or self.height % 2:
            return flat
        return flat.reshape(self.height * 3 // 2, self.width)

    def convert(self, format: str | None = None, width: int | None = None, height: int | None = None, *,
                full_range: bool = False, matrix: str | None = None) -> VideoFrame:
        """This picture in another format or size (bilinear; C module ``video/scale``).

        :param full_range: range of a YUV picture made from RGB; others keep theirs.
        :param matrix: the same; None: by size.
        :raises ArgumentError: unknown format or size out of range.
        """
        name = format or self.format
        if name not in FORMATS or (matrix is not None and matrix not in MATRICES):
            raise ArgumentError(f"format={format!r}, matrix={matrix!r}: not among {', '.join(FORMATS)} "
                                f"and {', '.join(MATRICES)}")
        target = new_native(name, width or self.width, height or self.height)
        target.full_range = full_range
        if matrix is not None:
            target.matrix = MATRICES[matrix]
        check(lib.arc_scaler_run(scaler(), self.native(), target), "VideoFrame.convert")
        return VideoFrame.from_native(target)

    def to_pyav(self) -> av.VideoFrame:
        """A copy as a PyAV frame, with pts in ticks of 90 kHz, range and matrix."""
        from fractions import Fraction

        import av

        frame = av.VideoFrame(self.width, self.height, self.format)
        for target, plane in zip(frame.planes, self.planes(), strict=True):
            _av_plane(target, plane)[:] = plane
        frame.pts = self.timestamp
        frame.time_base = Fraction(1, _AV_TICKS_HZ)
        if self.format not in ("rgb24", "bgr24"):
            frame.color_range = _AV_FULL if self.full_range else _AV_LIMITED
            frame.colorspace = _AV_MATRIX[self.matrix]
        return frame

    def __repr__(self) -> str:
        return (f"VideoFrame({self.width}x{self.height} {self.format}, timestamp={self.timestamp}"
                f"{', damaged' if self.damaged else ''})")
