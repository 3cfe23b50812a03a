"""Figures of many streams at once: rows of the core as NumPy arrays."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

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
    "packets_ect1": ("RTCInboundRtpStreamStats.packetsReceivedWithEct1", None),
    "packets_ce": ("RTCInboundRtpStreamStats.packetsReceivedWithCe", None),
    "jitter_ms": ("RTCInboundRtpStreamStats.jitter", "RTCRemoteInboundRtpStreamStats.jitter"),
    "fraction_lost": (None, "RTCRemoteInboundRtpStreamStats.fractionLost"),
    "round_trip_ms": (None, "RTCRemoteInboundRtpStreamStats.roundTripTime"),
}


class StreamTables(Protocol):
    """What has a stream table: an engine, or a router that its caller drives."""

    def stream_table(self) -> NDArray[Any]:
        """All streams, a row each."""


@dataclass(frozen=True, slots=True)
class StreamPlace:
    """Which row of which stream table a handle stands for: columns ``owner``, ``direction``, ``stream``."""

    tables: StreamTables
    owner: int
    direction: int
    stream: int


class StreamHandle(Protocol):
    """A stream of an engine or of a router: a sender, a receiver, a track or a route."""

    def _stream_place(self) -> StreamPlace:
        """Where its figures are.

        :raises ArgumentError: it is gone. :raises ClosedError: its peer or router is.
        """

    def _stream_kind(self) -> str:
        """``"audio"`` or ``"video"``."""

    def _stream_sources(self) -> int:
        """Streams that it stands for: one, or the qualities of a track."""

    def _hold_stream(self, held: bool) -> None:
        """Send nothing for now, or go on; nothing happens with what is received."""

    def _end_stream(self) -> None:
        """End it, as far as it can be ended by itself."""


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
