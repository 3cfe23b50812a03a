"""Formats of pictures, and their planes as NumPy views (C module ``video/vframe``)."""
from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcrtc._native import ffi, lib, new_handle
from arcrtc.errors import ArgumentError

Array = NDArray[Any]  #: uint8; uint16 where a sample has 10 bits

FORMATS: Final[dict[str, int]] = {
    "yuv420p": lib.ARC_PIX_I420,
    "nv12": lib.ARC_PIX_NV12,
    "rgb24": lib.ARC_PIX_RGB24,
    "bgr24": lib.ARC_PIX_BGR24,
    "yuv420p10le": lib.ARC_PIX_I010,
}
FORMAT_NAMES: Final = {value: name for name, value in FORMATS.items()}
RGB_FORMATS: Final = ("rgb24", "bgr24")
MATRICES: Final[dict[str, int]] = {"bt601": lib.ARC_MATRIX_BT601, "bt709": lib.ARC_MATRIX_BT709}
MATRIX_NAMES: Final = {value: name for name, value in MATRICES.items()}


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


def dtype_of(format: str) -> np.dtype[Any]:
    """Type of a sample: uint8, or little-endian uint16 where it has 10 bits."""
    return np.dtype("<u2" if format == "yuv420p10le" else np.uint8)


def plane_shapes(format: str, width: int, height: int) -> list[tuple[int, int]]:
    """(rows, samples of a row) of each plane, packed; chroma rounds up."""
    if format in RGB_FORMATS:
        return [(height, 3 * width)]
    half = ((height + 1) // 2, (width + 1) // 2)
    if format == "nv12":
        return [(height, width), (half[0], 2 * half[1])]
    return [(height, width), half, half]


def as_samples(data: Any, format: str) -> Array:
    """An array over ``data``, without a copy.

    :raises ArgumentError: neither an array of the format's type nor bytes-like.
    """
    wanted = dtype_of(format)
    if isinstance(data, np.ndarray):
        if data.dtype != wanted:
            raise ArgumentError(f"data is {data.dtype}, must be {wanted} for {format}")
        return data
    try:
        return np.frombuffer(data, wanted)
    except (TypeError, ValueError, BufferError) as error:
        raise ArgumentError(f"data must be an array of {wanted} or bytes-like: {error}") from None


def split(data: Array, format: str, width: int, height: int) -> list[Array]:
    """Planes as views of packed samples or of an array in one of the shapes that VideoFrame takes.

    :raises ArgumentError: ``data`` does not fit.
    """
    shapes = plane_shapes(format, width, height)
    size = sum(rows * row for rows, row in shapes)
    if data.ndim == 3 and len(shapes) == 1 and data.shape == (height, width, 3):
        if data.strides[1:] == (3, 1):  # rows may be apart, or upside down: a view of a larger picture
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


def lend(plane: Array, format: str, width: int, height: int) -> Any:
    """A native frame over one plane of a caller's own memory, for the time of one call.

    It counts no references: nothing may hold it longer. ``plane`` must outlive it, too.
    """
    handle = ffi.new("struct arc_vframe *")
    handle.refs = 1
    handle.format = FORMATS[format]
    handle.width, handle.height = width, height
    handle.stride[0] = plane.strides[0]
    handle.data[0] = ffi.cast("uint8_t *", plane.__array_interface__["data"][0])
    return handle
