"""Many packets in one native block."""
from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcrtc._native import error_for, ffi, lib, new_handle
from arcrtc.errors import ArgumentError
from arcrtc.srtp.config import check_range

BytesLike = bytes | bytearray | memoryview


#: ``struct arc_srtp_batch *`` not in use; pop and append are atomic, as long as the most calls at one time.
_free: list[Any] = []


def take_working_memory() -> Any:
    """Working memory for profiles that gain from it, 250 kB; to be given back to ``give_back()``."""
    try:
        return _free.pop()
    except IndexError:
        return new_handle(lib.arc_srtp_batch_new, lib.arc_srtp_batch_free, "struct arc_srtp_batch",
                          what="PacketBatch", size=250_000)


give_back: Final = _free.append


class PacketBatch:
    """Many packets in one native block, for calls that handle them all at once.

    ``data`` holds a packet at the start of each row. Fill rows and ``lengths``,
    set ``count``, make the call, read ``status``. The block is made once and
    reused; nothing is copied.

    Not thread-safe: one thread at a time.

    :param capacity: rows, 1..65536.
    :param slot_bytes: bytes of a row, 64..65600; 1500 fits any Ethernet frame
        together with the tag.
    :ivar data: uint8, shape (capacity, slot_bytes).
    :ivar lengths: int32, shape (capacity,); bytes used of each row.
    :ivar status: int32, shape (capacity,); 0: good, negative: what failed
        (:meth:`error` makes the exception). Written by the last call.
    :raises ConfigError: a size is out of range.
    """

    __slots__ = ("_block", "_c_data", "_c_lengths", "_c_status", "_count", "_slot_bytes", "data", "lengths", "status")

    data: NDArray[np.uint8]
    lengths: NDArray[np.int32]
    status: NDArray[np.int32]

    def __init__(self, capacity: int, slot_bytes: int = 1536) -> None:
        check_range("capacity", capacity, 1, 65536)
        check_range("slot_bytes", slot_bytes, 64, 65600)
        data_bytes = -(-capacity * slot_bytes // 4) * 4  # the int32 arrays behind it stay aligned
        self._block = ffi.new("uint8_t[]", data_bytes + 8 * capacity)
        block = ffi.buffer(self._block)
        self.data = np.frombuffer(block, np.uint8, capacity * slot_bytes).reshape(capacity, slot_bytes)
        self.lengths = np.frombuffer(block, np.int32, capacity, data_bytes)
        self.status = np.frombuffer(block, np.int32, capacity, data_bytes + 4 * capacity)
        self._c_data = self._block
        self._c_lengths = ffi.cast("int32_t *", self._block + data_bytes)
        self._c_status = self._c_lengths + capacity
        self._count = 0
        self._slot_bytes = slot_bytes

    @property
    def capacity(self) -> int:
        """Rows in the block."""
        return int(self.data.shape[0])

    @property
    def slot_bytes(self) -> int:
        """Bytes of a row."""
        return self._slot_bytes

    @property
    def count(self) -> int:
        """Packets in it: the first ``count`` rows. 0..capacity."""
        return self._count

    @count.setter
    def count(self, value: int) -> None:
        if not 0 <= value <= self.capacity:
            raise ArgumentError(f"count={value} is outside 0..{self.capacity}")
        self._count = int(value)

    def append(self, packet: BytesLike) -> bool:
        """Copy a packet into the next row; False: all rows are in use.

        :raises ArgumentError: the packet is longer than a row.
        """
        n = len(packet)
        if n > self.slot_bytes:
            raise ArgumentError(f"a packet of {n} bytes does not fit into {self.slot_bytes}")
        if self._count == self.capacity:
            return False
        self.data[self._count, :n] = np.frombuffer(packet, np.uint8)
        self.lengths[self._count] = n
        self.status[self._count] = 0
        self._count += 1
        return True

    def clear(self) -> None:
        """Set ``count`` to 0."""
        self._count = 0

    def packet(self, row: int) -> bytes:
        """A copy of the packet in a row.

        :raises ArgumentError: ``row`` is not below ``count``.
        """
        self._check_row(row)
        return self.data[row, :self.lengths[row]].tobytes()

    def error(self, row: int) -> Exception | None:
        """The exception that the status of a row stands for; None: it is good.

        :raises ArgumentError: ``row`` is not below ``count``.
        """
        self._check_row(row)
        status = int(self.status[row])
        return None if status == lib.ARC_OK else error_for(status, f"packet {row} of the batch")

    def _check_row(self, row: int) -> None:
        if not 0 <= row < self._count:
            raise ArgumentError(f"row={row} is outside 0..{self._count - 1}")

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"PacketBatch(capacity={self.capacity}, slot_bytes={self.slot_bytes}, count={self._count})"
