"""Figures of many streams at once: rows of the core as NumPy arrays."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcrtc._native import check_count, ffi

_TYPES: Final = {"int32_t": "i4", "uint32_t": "u4", "int64_t": "i8", "uint64_t": "u8", "double": "f8"}

#: column of a stream table: member of the W3C's webrtc-stats that it is, inbound and outbound; units may differ
W3C_NAMES: Final[dict[str, tuple[str | None, str | None]]] = {
    "ssrc": ("RTCInboundRtpStreamStats.ssrc", "RTCOutboundRtpStreamStats.ssrc"),
    "packets": ("RTCInboundRtpStreamStats.packetsReceived", "RTCOutboundRtpStreamStats.packetsSent"),
    "bytes": ("RTCInboundRtpStreamStats.bytesReceived", "RTCOutboundRtpStreamStats.bytesSent"),
    "retransmitted_packets": ("RTCInboundRtpStreamStats.retransmittedPacketsReceived",
                              "RTCOutboundRtpStreamStats.retransmittedPacketsSent"),
    "retransmitted_bytes": (None, "RTCOutboundRtpStreamStats.retransmittedBytesSent"),
    "packets_lost": ("RTCInboundRtpStreamStats.packetsLost", "RTCRemoteInboundRtpStreamStats.packetsLost"),
    "nack_count": ("RTCInboundRtpStreamStats.nackCount", "RTCOutboundRtpStreamStats.nackCount"),
    "pli_count": ("RTCInboundRtpStreamStats.pliCount", "RTCOutboundRtpStreamStats.pliCount"),
    "jitter_ms": ("RTCInboundRtpStreamStats.jitter", "RTCRemoteInboundRtpStreamStats.jitter"),
    "fraction_lost": (None, "RTCRemoteInboundRtpStreamStats.fractionLost"),
    "round_trip_ms": (None, "RTCRemoteInboundRtpStreamStats.roundTripTime"),
}


def row_dtype(ctype: str) -> np.dtype[Any]:
    """The NumPy type of an array of such structs."""
    struct = ffi.typeof(ctype)
    fields = struct.fields
    return np.dtype({"names": [name for name, _ in fields],
                     "formats": [_TYPES[part.type.cname] for _, part in fields],
                     "offsets": [part.offset for _, part in fields],
                     "itemsize": ffi.sizeof(ctype)})


def read_rows(ctype: str, expected: int, read: Callable[[Any, int], int]) -> NDArray[Any]:
    """Have the core fill rows until all have found room.

    :param read: is given memory for rows and how many it holds; returns how many there are, or a status.
    :returns: structured array, one element a row, columns by name.
    :raises ArcError: as the status says.
    """
    room = max(expected, 1)
    while True:
        rows = np.empty(room, row_dtype(ctype))
        rows.view(np.uint8).fill(0)  # the thread that fills it shall not wait for its pages
        n = check_count(read(ffi.from_buffer(f"{ctype}[]", rows), room), ctype.removeprefix("struct "))
        if n <= room:
            return rows[:n]
        room = n + n // 8
