"""Pictures: :class:`VideoFrame`, from and to bytes, NumPy arrays, DLPack and PyAV (C module ``video/vframe``)."""
from __future__ import annotations

import operator
import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from arcrtc._native import check, lib, new_handle
from arcrtc.errors import ArgumentError
from arcrtc.video import avframes
from arcrtc.video.planes import (
    FORMAT_NAMES,
    FORMATS,
    MATRICES,
    MATRIX_NAMES,
    RGB_FORMATS,
    Array,
    as_samples,
    dtype_of,
    lend,
    native_planes,
    new_native,
    split,
)

if TYPE_CHECKING:
    import av

FrameData = bytes | bytearray | memoryview | Array

_MAX_TIMESTAMP: Final = 2**63 - 1
_DLPACK_CPU: Final = (1, 0)  # kDLCPU, device 0

_per_thread = threading.local()


def scaler() -> Any:
    """The calling thread's scaler: it caches the tables of the last conversion."""
    if not hasattr(_per_thread, "scaler"):
        _per_thread.scaler = new_handle(lib.arc_scaler_new, lib.arc_scaler_free, "struct arc_scaler",
                                        what="scaler")
    return _per_thread.scaler


def _whole(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise ArgumentError(f"{name}={value!r} must be a whole number") from None


def _timestamp(value: Any) -> int:
    number = _whole("timestamp", value)
    if not -_MAX_TIMESTAMP <= number <= _MAX_TIMESTAMP:
        raise ArgumentError(f"timestamp={number} is outside +-2**63")
    return number


class VideoFrame:
    """One picture.

    Made by a program it refers to the ``data`` that it was given, without a copy: leave an array
    unchanged until the frame was encoded. Made by a decoder, ours or PyAV's, it holds a reference to the
    decoder's own buffer; ``planes()`` are read-only views of that. A frame that PyAV's hardware decoder
    left on a GPU stays there (``format`` is "cuda", "vaapi" ...) until :meth:`download`.

    As a whole it is a tensor for ``numpy.from_dlpack`` and its like, if one can describe it: rgb24 and bgr24
    (height, width, 3), the others as far as their planes follow each other. Each of ``planes()`` is one always.

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

    __slots__ = ("_av", "_data", "_native", "damaged", "format", "full_range", "height", "matrix", "timestamp",
                 "width")

    is_audio: Final = False

    def __init__(self, data: FrameData, width: int, height: int, timestamp: int = 0,
                 format: str = "yuv420p", *, full_range: bool = False, matrix: str | None = None) -> None:
        if format not in FORMATS:
            raise ArgumentError(f"format={format!r} must be one of {', '.join(FORMATS)}")
        width, height = _whole("width", width), _whole("height", height)
        if not 1 <= width <= lib.ARC_VFRAME_MAX_PX or not 1 <= height <= lib.ARC_VFRAME_MAX_PX:
            raise ArgumentError(f"size {width}x{height} is outside 1..{lib.ARC_VFRAME_MAX_PX} pixels a side")
        if matrix is not None and matrix not in MATRICES:
            raise ArgumentError(f"matrix={matrix!r} must be one of {', '.join(MATRICES)}")
        split(as_samples(data, format), format, width, height)  # raises now, not at encode()
        self._describe(format, width, height, _timestamp(timestamp), bool(full_range),
                       matrix or MATRIX_NAMES[lib.arc_vframe_guess_matrix(width, height)], data)

    def _describe(self, format: str, width: int, height: int, timestamp: int, full_range: bool,
                  matrix: str, data: FrameData | None = None) -> None:
        self.width, self.height, self.format = width, height, format
        self.timestamp, self.full_range, self.matrix = timestamp, full_range, matrix
        self.damaged = False
        self._native: Any = None
        self._av: Any = None
        self._data = data

    @classmethod
    def from_native(cls, handle: Any) -> VideoFrame:
        """Take over a native frame (a handle of ``struct arc_vframe`` with its own reference)."""
        frame = cls.__new__(cls)
        frame._describe(FORMAT_NAMES[handle.format], int(handle.width), int(handle.height), int(handle.ts),
                        bool(handle.full_range), MATRIX_NAMES[handle.matrix])
        frame.damaged = bool(handle.damaged)
        frame._native = handle
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
        if not isinstance(array, np.ndarray) or array.dtype != dtype_of(format):
            got = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            raise ArgumentError(f"array is {got}, must be {dtype_of(format)} for {format}")
        if width is None or height is None:
            if format in RGB_FORMATS and array.ndim == 3 and array.shape[2] == 3:
                height, width = array.shape[:2]
            elif format not in RGB_FORMATS and array.ndim == 2 and array.shape[0] % 3 == 0 \
                    and array.shape[1] % 2 == 0 and array.shape[0] * 2 // 3 % 2 == 0:
                height, width = array.shape[0] * 2 // 3, array.shape[1]
            else:
                raise ArgumentError(f"array of shape {array.shape} is no {format} picture; "
                                    "give width and height for a flat one")
        return cls(array, width, height, timestamp, format, full_range=full_range, matrix=matrix)

    @classmethod
    def from_pyav(cls, frame: av.VideoFrame, timestamp: int | None = None) -> VideoFrame:
        """Refer to a PyAV frame, without a copy; formats other than ours become yuv420p.

        :param frame: of a decoder, or one that nobody writes to any more. One on a GPU stays there.
        :param timestamp: None: the frame's own time in ticks of 90 kHz (0 when it has none).
        """
        name = frame.format.name
        full, matrix = False, None
        if name not in avframes.GPU_FORMATS:
            frame, name, full, matrix = avframes.in_our_format(frame)
        out = cls.__new__(cls)
        out._describe(name, frame.width, frame.height,
                      avframes.ticks(frame) if timestamp is None else _timestamp(timestamp), full,
                      matrix or MATRIX_NAMES[lib.arc_vframe_guess_matrix(frame.width, frame.height)])
        out.damaged = bool(frame.is_corrupt)
        out._av = frame
        return out

    @property
    def data(self) -> FrameData:
        """The picture, packed: what the frame was made with, or the array of :meth:`to_ndarray`."""
        if self._data is None:
            self._data = self.to_ndarray()
        return self._data

    @property
    def is_native(self) -> bool:
        """Whether the core's own buffer is behind it (decoded or converted), not ``data`` or PyAV's."""
        return self._native is not None

    @property
    def is_on_gpu(self) -> bool:
        """Whether the picture lies in the memory of a GPU: ``format`` names its kind."""
        return self.format in avframes.GPU_FORMATS

    def download(self) -> VideoFrame:
        """This picture in memory; itself when it is there already.

        :raises UnsupportedError: the device does not give it; the message says why.
        """
        if not self.is_on_gpu:
            return self
        return VideoFrame.from_pyav(avframes.download(self._av), self.timestamp)

    def gpu_planes(self) -> tuple[Any, ...]:
        """PyAV's planes of a picture on a GPU: DLPack tensors where PyAV can export them (CUDA).

        :raises ArgumentError: the picture is not on a GPU.
        """
        if not self.is_on_gpu:
            raise ArgumentError(f"{self!r} is in memory: planes() gives its arrays")
        return tuple(self._av.planes)

    def native(self, reuse: Any = None) -> Any:
        """The handle of ``struct arc_vframe`` behind this picture, for the core.

        :param reuse: handle that may be filled and returned if it has the right shape and nobody
            else holds it; None: a new one where one is needed.
        """
        if self._native is not None:
            return self._native
        if self.is_on_gpu:
            return self.download().native(reuse)
        handle = reuse
        if handle is None or handle.refs != 1 or handle.format != FORMATS[self.format] or \
                handle.width != self.width or handle.height != self.height:
            handle = new_native(self.format, self.width, self.height)
        for plane, source in zip(native_planes(handle), self.planes(), strict=True):
            plane[:] = source
        return self._told(handle)

    def _told(self, handle: Any) -> Any:
        handle.ts = self.timestamp
        handle.full_range = self.full_range
        handle.matrix = MATRICES[self.matrix]
        return handle

    def lent(self) -> tuple[Any, Array] | None:
        """(handle, what must live as long) over this picture's own memory, for one call that only reads.

        None where the core may read on past the rows, or hold the frame longer: then it takes
        :meth:`native`. So rgb24 and bgr24 alone are lent; they must be converted anyway.
        """
        if self._native is not None or self.format not in RGB_FORMATS:
            return None
        plane = self.planes()[0]
        return self._told(lend(plane, self.format, self.width, self.height)), plane

    def planes(self) -> tuple[Array, ...]:
        """Views of the planes, of shape (rows, samples of a row), no copy; rows may be apart.

        uint8, for yuv420p10le uint16. A row of rgb24 and bgr24 has 3 samples a pixel, one of nv12's
        second plane 2. Read-only where the picture is a decoder's own.

        :raises ArgumentError: the picture is on a GPU.
        """
        if self._native is not None:
            return native_planes(self._native)
        if self.is_on_gpu:
            raise ArgumentError(f"{self!r} is in the memory of a GPU: download() it, or take gpu_planes()")
        if self._av is not None:
            return avframes.av_planes(self._av, self.format, writable=False)
        return tuple(split(as_samples(self._data, self.format), self.format, self.width, self.height))

    def _tensor(self) -> Array | None:
        """The picture as one array without a copy; None where its planes lie apart."""
        if self.format in RGB_FORMATS:
            plane = self.planes()[0]
            return np.lib.stride_tricks.as_strided(plane, (self.height, self.width, 3), (plane.strides[0], 3, 1),
                                                   writeable=plane.flags.writeable)
        if self._data is None:
            return None
        samples = as_samples(self._data, self.format)
        if not samples.flags.c_contiguous or self.width % 2 or self.height % 2:
            return samples if samples.ndim == 1 else None
        return samples.reshape(self.height * 3 // 2, self.width)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Kind and number of the device (DLPack's DLDeviceType)."""
        if self.is_on_gpu:
            device = self._av.planes[0].__dlpack_device__()
            return int(device[0]), int(device[1])
        return _DLPACK_CPU

    def __dlpack__(self, **options: Any) -> Any:
        """The picture as a DLPack capsule, without a copy.

        :param options: of the consumer, as the array API standard has them.
        :raises BufferError: the planes lie apart: take :meth:`planes` (or :meth:`gpu_planes`), each is a tensor.
        """
        tensor = None if self.is_on_gpu else self._tensor()
        if tensor is None:
            raise BufferError(f"{self!r} lies in several planes: export each of "
                              f"{'gpu_planes' if self.is_on_gpu else 'planes'}()")
        return tensor.__dlpack__(**options)

    def to_ndarray(self, format: str | None = None) -> Array:
        """A packed copy as PyAV would give it.

        :param format: None: as it is; otherwise converted.
        :returns: uint8, for yuv420p10le uint16; rgb24, bgr24: (height, width, 3); the others:
            (height * 3 / 2, width), or flat when a side is odd.
        """
        if format is not None and format != self.format:
            return self.convert(format).to_ndarray()
        if self.is_on_gpu:
            return self.download().to_ndarray()
        flat = np.concatenate([plane.reshape(-1) for plane in self.planes()])
        if self.format in RGB_FORMATS:
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
        if self.is_on_gpu:
            return self.download().convert(format, width, height, full_range=full_range, matrix=matrix)
        name = format or self.format
        if name not in FORMATS or (matrix is not None and matrix not in MATRICES):
            raise ArgumentError(f"format={format!r}, matrix={matrix!r}: not among {', '.join(FORMATS)} "
                                f"and {', '.join(MATRICES)}")
        target = new_native(name, self.width if width is None else _whole("width", width),
                            self.height if height is None else _whole("height", height))
        target.full_range = full_range
        if matrix is not None:
            target.matrix = MATRICES[matrix]
        lent = self.lent()
        check(lib.arc_scaler_run(scaler(), self.native() if lent is None else lent[0], target), "VideoFrame.convert")
        return VideoFrame.from_native(target)

    def to_pyav(self) -> av.VideoFrame:
        """This picture for PyAV, with pts in ticks of 90 kHz, range and matrix.

        Without a copy where PyAV can refer to it: the frame that this one was made of by from_pyav(), and
        writable memory in one piece (rgb24, bgr24, packed data of even sides). Else a copy.
        """
        if self._av is not None:
            if avframes.ticks(self._av) == self.timestamp:
                frame: av.VideoFrame = self._av
                return frame
            if self.is_on_gpu:
                return self.download().to_pyav()
        frame = avframes.make_av_frame(self.format, self.width, self.height, self.planes(), self._tensor())
        avframes.describe(frame, self.format, self.timestamp, self.full_range, self.matrix)
        return frame

    def __repr__(self) -> str:
        return (f"VideoFrame({self.width}x{self.height} {self.format}, timestamp={self.timestamp}"
                f"{', damaged' if self.damaged else ''})")
