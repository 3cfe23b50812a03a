"""The headers of many RTP packets at once, as arrays (C module ``wire/rtpbatch``).

For programs that look at every packet of a batch: filters, statistics, relays. One
call into the core for a batch, and no object for a packet.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcrtc._native import error_for, ffi, lib
from arcrtc.errors import ArgumentError
from arcrtc.srtp import PacketBatch

__all__ = ["RtpBatch"]

_MAX_IDS: Final = int(lib.ARC_RTPBATCH_MAX_IDS)
_MAX_CAPACITY: Final = int(lib.ARC_RTPBATCH_MAX_PKTS)
_parse: Final = lib.arc_rtpbatch_parse

#: Column of ``struct arc_rtpbatch``: attribute here, C type, dtype. Wide ones first, so that all are aligned.
_COLUMNS: Final = (
    ("status", "status", "int32_t *", np.int32),
    ("payload_off", "payload_offset", "int32_t *", np.int32),
    ("payload_len", "payload_length", "int32_t *", np.int32),
    ("rtp_ts", "timestamp", "uint32_t *", np.uint32),
    ("ssrc", "ssrc", "uint32_t *", np.uint32),
    ("seq16", "sequence_number", "uint16_t *", np.uint16),
    ("payload_type", "payload_type", "uint8_t *", np.uint8),
    ("csrc_count", "csrc_count", "uint8_t *", np.uint8),
    ("padding_len", "padding", "uint8_t *", np.uint8),
    ("marker", "marker", "_Bool *", np.bool_),
)


class RtpBatch:
    """Header fields of a batch, one array a field: views of one native block, made once.

    A row is a packet, as in the :class:`~arcrtc.PacketBatch` it was read from; the
    first ``count`` rows are valid. Rows that failed hold zeros.

    Not thread-safe: one thread at a time. The interpreter lock is free during parse().

    :param capacity: rows, 1..65536.
    :param extension_ids: header extensions to look for, at most 32 different ids,
        each 1..255.
    :ivar count: rows of the last :meth:`parse`, 0..capacity.
    :ivar status: int32, shape (capacity,), like all others but the last two; 0: good,
        negative: why not (:meth:`error` makes the exception).
    :ivar sequence_number: uint16. :ivar timestamp: uint32, ticks of the payload's clock.
    :ivar ssrc: uint32. :ivar payload_type: uint8, 0..127. :ivar marker: bool.
    :ivar csrc_count: uint8, 0..15; the CSRCs begin at byte 12 of the packet.
    :ivar padding: uint8, bytes behind the payload, 0..255.
    :ivar payload_offset: int32, bytes from the start of the packet.
    :ivar payload_length: int32, bytes without padding.
    :ivar extension_offset: int32, shape (number of ids, capacity): where the value of
        each id begins, bytes from the start of the packet.
    :ivar extension_length: int32, the same shape: bytes of the value, 0..255; -1: the
        packet has no such element.
    :raises ArgumentError: a size or an id is out of its range, or an id comes twice.

    Source: RFC 3550 section 5.1, RFC 8285.
    """

    __slots__ = ("_block", "_c", "_ids", "count", "csrc_count", "extension_length", "extension_offset",
                 "marker", "padding", "payload_length", "payload_offset", "payload_type", "sequence_number", "ssrc",
                 "status", "timestamp")

    count: int
    status: NDArray[np.int32]
    sequence_number: NDArray[np.uint16]
    timestamp: NDArray[np.uint32]
    ssrc: NDArray[np.uint32]
    payload_type: NDArray[np.uint8]
    marker: NDArray[np.bool_]
    csrc_count: NDArray[np.uint8]
    padding: NDArray[np.uint8]
    payload_offset: NDArray[np.int32]
    payload_length: NDArray[np.int32]
    extension_offset: NDArray[np.int32]
    extension_length: NDArray[np.int32]

    def __init__(self, capacity: int, extension_ids: Iterable[int] = ()) -> None:
        if not isinstance(capacity, int) or not 1 <= capacity <= _MAX_CAPACITY:
            raise ArgumentError(f"capacity={capacity!r} is outside 1..{_MAX_CAPACITY}")
        self._ids = tuple(extension_ids)
        self.count = 0
        self._c: Any = ffi.new("struct arc_rtpbatch *")
        self._c.cap = capacity
        self._set_ids()
        n = len(self._ids)
        row_bytes = sum(np.dtype(dtype).itemsize for *_, dtype in _COLUMNS) + 8 * n
        self._block = ffi.new("uint8_t[]", capacity * row_bytes)
        block, at = ffi.buffer(self._block), 8 * n * capacity
        self.extension_offset = np.frombuffer(block, np.int32, n * capacity).reshape(n, capacity)
        self.extension_length = np.frombuffer(block, np.int32, n * capacity, at // 2).reshape(n, capacity)
        self._c.ext_off = ffi.cast("int32_t *", self._block)
        self._c.ext_len = self._c.ext_off + n * capacity
        for field, name, ctype, dtype in _COLUMNS:
            column: NDArray[Any] = np.frombuffer(block, dtype, capacity, at)
            setattr(self, name, column)
            setattr(self._c, field, ffi.cast(ctype, self._block + at))
            at += column.nbytes

    def _set_ids(self) -> None:
        if len(self._ids) > _MAX_IDS:
            raise ArgumentError(f"{len(self._ids)} extension_ids, at most {_MAX_IDS}")
        for column, ident in enumerate(self._ids, 1):
            if not isinstance(ident, int) or not 1 <= ident <= 255:
                raise ArgumentError(f"extension_ids: {ident!r} is outside 1..255")
            if self._c.column_of[ident]:
                raise ArgumentError(f"extension_ids: {ident} comes twice")
            self._c.column_of[ident] = column
        self._c.n_ids = len(self._ids)

    @property
    def capacity(self) -> int:
        """Rows in the block."""
        return int(self._c.cap)

    @property
    def extension_ids(self) -> tuple[int, ...]:
        """The ids that are looked for, in the order of the rows of ``extension_offset``."""
        return self._ids

    def parse(self, batch: PacketBatch) -> int:
        """Read the headers of all packets of a batch.

        One bad packet never raises: its ``status`` says what it is. A packet that
        failed before (``batch.status`` is not 0, after decrypt_batch()) is not read
        and keeps that status here. ``batch`` is not changed.

        :returns: packets whose status is 0.
        :raises ArgumentError: the batch has more packets than :attr:`capacity`.
        """
        n = batch._count
        n_good: int = _parse(batch._c_data, batch.data.shape[1], batch._c_lengths, batch._c_status, n, self._c)
        if n_good < 0:
            raise ArgumentError(f"a batch of {n} packets: there is room for {self.capacity}")
        self.count = n
        return n_good

    def error(self, row: int) -> Exception | None:
        """The exception that the status of a row stands for; None: it is good.

        :raises ArgumentError: ``row`` is not below ``count``.
        """
        if not 0 <= row < self.count:
            raise ArgumentError(f"row={row} is outside 0..{self.count - 1}")
        status = int(self.status[row])
        return None if status == lib.ARC_OK else error_for(status, f"packet {row} of the batch")

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        return f"RtpBatch(capacity={self.capacity}, extension_ids={self._ids}, count={self.count})"
